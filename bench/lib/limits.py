# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures what the machine allows for parts of the work, by bench/limits, in nanoseconds or bytes of the same run."""
import json
import subprocess
import tempfile
import time

from lib import net, process


def read_ns(bench, capture):
    """Reading every byte of a flow's export from the file."""
    def measure():
        return bench.tool_json("limits", "read", capture.path)["cpu_s"] / capture.flows * 1e9
    return bench.best(("read", capture.path), measure)


def access_ns(bench, lines):
    """One random read-modify-write of a cache line among `lines`, issued in batches: an upsert, or the last step of a lookup."""
    def measure():
        found = bench.tool_json("limits", "lookup", max(1, lines))
        return found["cpu_s"] / found["accesses"] * 1e9
    return bench.best(("access", lines), measure)


def write_ns(bench, size):
    """write(2) of so many bytes to a file, nanoseconds a byte."""
    size = max(1 << 26, size)

    def measure():
        with tempfile.TemporaryDirectory(prefix="pathacct-bench-") as folder:
            found = bench.tool_json("limits", "write", size, cwd=folder)
        return found["cpu_s"] / found["bytes"] * 1e9
    return bench.best(("write", size), measure)


def receive_ns(bench, capture):
    """recvmmsg on loopback that only counts, per flow of the capture."""
    def measure():
        port, count = net.free_udp_port(), capture.totals["datagrams"]
        with subprocess.Popen([bench.tool("limits"), "receive", str(port), str(count)], stdout=subprocess.PIPE, text=True) as popen:
            time.sleep(0.3)
            # Half of what a core can receive, so that it works in batches and loses nothing.
            bench.tool_json("blast", "--pcap", capture.path, "--port", port, "--rate", 100000)
            found = json.loads(popen.communicate(timeout=30)[0])
        return found["cpu_s"] * count / found["datagrams"] / capture.flows * 1e9
    return bench.best(("receive", capture.path), measure)


def send_ns(bench, capture):
    """sendmmsg on loopback, per datagram of the capture: what the sender of the benchmark takes, with the kernel's way to the
    receiver's socket."""
    def measure():
        port, count = net.free_udp_port(), capture.totals["datagrams"]
        with subprocess.Popen([bench.tool("limits"), "receive", str(port), str(count)], stdout=subprocess.PIPE, text=True) as popen:
            time.sleep(0.3)
            sent = bench.tool_json("blast", "--pcap", capture.path, "--port", port)
            popen.communicate(timeout=30)
        return sent["cpu_s"] / sent["datagrams"] * 1e9
    return bench.best(("send", capture.path), measure)


def feed_ns(bench, rib):
    """Reading every byte of a table's messages from TCP, per path."""
    def measure():
        port = net.free_tcp_port()
        with subprocess.Popen([bench.tool("limits"), "feed", str(port)], stdout=subprocess.PIPE, text=True) as popen:
            with process.helper([bench.tool("bgpfeed"), "--port", port, "--prefixes", rib.prefixes, "--paths", rib.paths]):
                found = json.loads(popen.communicate(timeout=60)[0])
        return found["cpu_s"] / (rib.prefixes * rib.paths) * 1e9
    return bench.best(("feed", rib.prefixes, rib.paths), measure)
