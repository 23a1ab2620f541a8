# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams passed on to two receivers: CPU per datagram, receiving and sending included. Both receivers count what they get."""
import contextlib
import json
import pathlib
import subprocess
import tempfile
import time

from lib import limits, live, net, process
from lib.bench import Limit, Measurement, Row
from lib.config import Instance
from lib.data import Flows
from lib.truth import Wrong

ORDER = 25
RECEIVERS = 2
STEADY = {"pathacct": 40000, "pmacct": 10000}  # datagrams a second at which neither loses


class Receiver:
    """A socket that counts, in a process of its own."""

    def __init__(self, bench, stack, port, count):
        self.count = count
        self.popen = stack.enter_context(subprocess.Popen([bench.tool("limits"), "receive", str(port), str(count)], stdout=subprocess.PIPE, text=True))
        process.leave_out(self.popen.pid)
        stack.callback(self.popen.kill)

    def check(self):
        got = json.loads(self.popen.communicate(timeout=60)[0])["datagrams"]
        if got != self.count:
            raise Wrong(f"a receiver got {got:,} of {self.count:,} datagrams")


def cpu_by_part(daemon):
    """CPU seconds of the process that receives, and of all others."""
    return process.cpu_seconds(daemon.pid), daemon.cpu_now()


def pass_on(bench, listening, capture, ports):
    """CPU seconds of the daemon for a capture: (of the process that receives, of all)."""
    with contextlib.ExitStack() as stack:
        receivers = [Receiver(bench, stack, port, capture.totals["datagrams"]) for port in ports]
        time.sleep(0.3)  # until their sockets are bound
        before = cpu_by_part(listening.daemon)
        sent = listening.blast(capture, STEADY[listening.product] * capture.flows / capture.totals["datagrams"])
        after = cpu_by_part(listening.daemon)
        if sent.lost:
            raise Wrong(f"{sent.lost} datagrams lost at {STEADY[listening.product]:,} a second")
        for receiver in receivers:
            receiver.check()
    return after[0] - before[0], after[1] - before[1]


def measure(bench, product):
    flows = Flows(bench.flows(2000000, 500000) if product == "pathacct" else bench.flows(1000000, 250000), keys=170000)
    capture, ports = bench.store.capture(flows), [net.free_udp_port() for _ in range(RECEIVERS)]
    datagrams = capture.totals["datagrams"]
    with tempfile.TemporaryDirectory(prefix="pathacct-bench-") as folder:
        receivers = pathlib.Path(folder) / "receivers"
        receivers.write_text(f"id=1 ip={','.join(f'127.0.0.1:{port}' for port in ports)}\n")
        instance = Instance("", "", plugin="tee", more=(f"tee_receivers[out]: {receivers}",))
        with live.listener(bench, product, [instance]) as listening:
            costs = bench.repeat(product, lambda: pass_on(bench, listening, capture, ports))
    own, whole = (sorted(part)[len(costs) // 2] / datagrams * 1e9 for part in zip(*costs))
    facts = {"input": f"{datagrams:,} datagrams of {flows.text()}", "receivers": str(RECEIVERS), "sent at": f"{STEADY[product]:,} datagrams/s",
             "of it the process that receives": f"{own:,.0f} ns", "the plugin's": f"{whole - own:,.0f} ns"}
    return Measurement([cost[1] / datagrams * 1e9 for cost in costs], facts, {"capture": capture})


def floor(bench, measurement):
    capture = measurement.numbers["capture"]
    receive = limits.receive_ns(bench, capture) * capture.flows / capture.totals["datagrams"]
    return Limit(receive + RECEIVERS * limits.send_ns(bench, capture),
                 f"recvmmsg that only counts, in batches of 256 datagrams; {RECEIVERS} times sendmmsg, in batches of 32")


ROWS = [Row("tee-cost", "datagrams passed on to two receivers, over UDP on loopback, receive included", "ns/datagram", measure, floor)]
