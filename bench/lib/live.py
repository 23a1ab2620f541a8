# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows over UDP on loopback to a running daemon, and what it lost."""
import contextlib
import dataclasses
import pathlib
import signal

from lib import config, net, process, replay, truth


@dataclasses.dataclass
class Sent:
    """The result of one blast()."""
    flows_per_s: float  # that the sender reached
    cpu_s: float        # of the daemon
    lost: int           # datagrams that found the socket full


class Listener:
    """A daemon that receives on UDP with its table loaded; made by listener()."""

    def __init__(self, bench, product, folder, instances, d, port):
        self.bench, self.product, self.folder, self.instances, self.daemon, self.port = bench, product, folder, instances, d, port

    def drops(self):
        """Datagrams that the kernel dropped at the daemon's sockets (the last column of /proc/net/udp)."""
        wanted, total = f":{self.port:04X}", 0
        for table in ("udp", "udp6"):
            for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(wanted):
                    total += int(fields[-1])
        return total

    def blast(self, capture, flows_per_s, rounds=1):
        """Sends the capture `rounds` times; the CPU time is that until all is taken in."""
        datagrams = capture.totals["datagrams"]
        cpu, lost = self.daemon.cpu_now(), self.drops()
        sent = self.bench.tool_json("blast", "--pcap", capture.path, "--port", self.port, "--rounds", rounds,
                                    "--rate", flows_per_s * datagrams / capture.flows)
        self.daemon.wait_idle(0.4)
        return Sent(capture.flows * rounds / sent["seconds"], self.daemon.cpu_now() - cpu, self.drops() - lost)

    def finish(self, capture, times):
        """Ends the daemon and checks that every flow of `times` captures is in the output. CPU seconds of ending; rows."""
        before = self.daemon.cpu_now()
        self.daemon.finish(end=signal.SIGTERM if self.product == "pathacct" else signal.SIGINT)
        rows = replay.check_outputs(self.bench, self.product, self.folder, self.instances, capture, times)
        return self.daemon.cpu_s - before, rows


@contextlib.contextmanager
def listener(bench, product, instances, capture=None, rib=None, workers=1):
    with replay.work_folder() as folder, contextlib.ExitStack() as stack:
        port, bgp_port = net.free_udp_port(), net.free_tcp_port()
        conf = config.configuration(product, folder, instances, capture, rib, bgp_port, workers, port)
        d = stack.enter_context(process.daemon([bench.program(product), "-f", conf], folder, any_status=product == "pmacct"))
        d.wait_log("waiting for NetFlow/IPFIX data on", 60)
        if rib:
            feed = stack.enter_context(replay.feeder(bench, rib, bgp_port, folder))
            net.wait_file(folder / f"ready-{config.FEEDER}", 600, feed)
            if product == "pathacct":
                d.wait_log("the tables of all expected peers are loaded", 600)
        d.wait_idle(1)
        yield Listener(bench, product, folder, instances, d, port)


def highest_rate(listening, capture, low, seconds, high=None, trials=8):
    """Flows a second without loss, by doubling and then by halves; `low` is expected to be safe. Returns (rate reached, times
    that the capture went through without loss in a row at the end, trials as text)."""
    told, best, rate = [], 0.0, low
    for _ in range(trials):
        rounds = max(1, round(rate * seconds / capture.flows))
        sent = listening.blast(capture, rate, rounds)
        told.append(f"{sent.flows_per_s / 1e6:.2f}: {sent.lost:,} lost" if sent.lost else f"{sent.flows_per_s / 1e6:.2f}")
        if sent.lost:
            high = rate
            low = min(low, rate / 2)
        else:
            best = max(best, sent.flows_per_s)
            if sent.flows_per_s < 0.95 * rate:
                told.append("the sender's limit")
                break
            low = rate
        if high and (high - low) / low < 0.04:
            break
        rate = (low + high) / 2 if high else low * 2
    return best, ", ".join(told)
