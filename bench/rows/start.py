# SPDX-License-Identifier: GPL-2.0-or-later
"""How long it takes to start, and to read a map anew, by the clock."""
import signal
import socket
import time

from lib import config, net, process, replay
from lib.bench import Measurement, Row
from lib.config import MATRIX, Instance

ORDER = 45
MAP_LINES = 20000
LOADED = {"pathacct": "maps: read anew", "pmacct": "map successfully (re)loaded"}


def wait_count(d, words, count, port=None, seconds=10):
    """Milliseconds until the log has `words` so often. pmacct looks at its signals when a datagram comes: one goes to `port`."""
    began = time.monotonic()
    while d.log().count(words) < count:
        if port:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"\0" * 8, ("127.0.0.1", port))
        if time.monotonic() - began > seconds:
            raise process.Failed(f"no '{words}' in the log:\n{d.log()[-2000:]}")
        time.sleep(0.0005)
    return (time.monotonic() - began) * 1e3


def run(bench, product, lines):
    """Milliseconds of starting and of reading a sampling map of so many lines anew."""
    with replay.work_folder() as folder:
        sampling = folder / "sampling.map"
        sampling.write_text("".join(f"id={1 + n % 1000} ip=10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(lines)))
        port = net.free_udp_port()
        conf = config.configuration(product, folder, [Instance(MATRIX, "matrix")], udp_port=port,
                                    more=[f"sampling_map: {sampling}", f"maps_entries: {lines + 1}", "maps_refresh: true"])
        with process.daemon([bench.program(product), "-f", conf], folder, any_status=product == "pmacct") as d:
            start = wait_count(d, "waiting for NetFlow/IPFIX data on", 1)
            before = d.log().count(LOADED[product])
            d.signal(signal.SIGUSR2)
            reload = wait_count(d, LOADED[product], before + 1, port)
            d.wait_idle(0.3)
            d.finish(end=signal.SIGTERM if product == "pathacct" else signal.SIGINT)
        return start, reload


def measure_with(which):
    def measure(bench, product):
        lines = max(10, int(MAP_LINES / bench.scale))
        runs = bench.once(("start", product), lambda: bench.repeat(product, lambda: run(bench, product, lines)))
        return Measurement([times[which] for times in runs], {"map": f"sampling_map of {lines:,} lines"})
    return measure


ROWS = [
    Row("start", "start-up, until the socket is open", "ms", measure_with(0)),
    Row("reload", "reading a map of 20 k lines anew, until it is in force", "ms", measure_with(1)),
]
