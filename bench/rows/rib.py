# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of paths: loading it over TCP, its memory, looking up in it, and how soon an update counts."""
import contextlib
import dataclasses
import json
import pathlib
import signal
import subprocess
import time

from lib import config, limits, net, process, replay, truth
from lib.bench import Limit, Measurement, Row
from lib.config import Instance, Rib

ORDER = 30


@dataclasses.dataclass
class Load:
    """The cost of a table for a daemon."""
    paths: int
    cpu_s: float
    wall_s: float  # from the first connection until the daemon had nothing left to do
    bytes_pss: int


def load(bench, product, rib):
    """Starts a daemon, lets `rib.peers` speakers announce to it at once, and waits until it has nothing to do."""
    with replay.work_folder() as folder, contextlib.ExitStack() as stack:
        port = net.free_tcp_port()
        conf = config.configuration(product, folder, [Instance("peer_src_ip", "exporter")], None, rib, port, udp_port=net.free_udp_port())
        d = stack.enter_context(process.daemon([bench.program(product), "-f", conf], folder, any_status=product == "pmacct"))
        d.wait_log("waiting for NetFlow/IPFIX data on", 60)
        cpu, size, began = d.wait_idle(1), d.memory(), time.monotonic()
        addresses = [f"127.0.2.{n}" for n in range(1, rib.peers + 1)]
        feeders = [stack.enter_context(replay.feeder(bench, rib, port, folder, address)) for address in addresses]
        for address, popen in zip(addresses, feeders):
            net.wait_file(folder / f"ready-{address}", 900, popen)
        quiet_s = 1
        cpu = d.wait_idle(quiet_s) - cpu
        return Load(rib.prefixes * rib.paths * rib.peers, cpu, time.monotonic() - began - quiet_s, d.memory() - size)


def loads(bench, product, rib):
    """Some runs of one kind, for all rows that look at them."""
    runs = 1 if product == "pmacct" else min(bench.run_count, 3 if rib.peers > 1 else 5)
    return bench.once((product, rib), lambda: bench.repeat(product, lambda: load(bench, product, rib), runs))


def sized(bench, prefixes, paths, peers=1):
    return Rib(bench.flows(prefixes, prefixes // 10), paths, peers)


def load_row(name, prefixes, paths, peers=1, must=None, goal=None, has_pmacct=True, is_quick=True):
    def measure(bench, product):
        rib = sized(bench, prefixes, paths, peers)
        runs = loads(bench, product, rib)
        return Measurement([run.paths / run.cpu_s / 1e6 for run in runs],
                           {"table": rib.text(), "seconds of the clock": f"{min(run.wall_s for run in runs):.1f}",
                            "CPU seconds": f"{min(run.cpu_s for run in runs):.1f}"})

    def limit(bench, _measurement):
        rib = sized(bench, prefixes, paths, peers)
        lines = rib.prefixes * peers
        return Limit(1e3 / (limits.feed_ns(bench, rib) + 2 * limits.access_ns(bench, lines)),
                     "reading every byte of the messages from TCP, and two random accesses a path, to its prefix and to the prefix's paths, "
                     f"among {lines:,} cache lines in batches")
    text = Rib(prefixes, paths, peers).text()
    return Row(name, f"RIB load, {text}, over TCP, by CPU time of the daemon", "Mpaths/s", measure, limit, must, goal, is_rate=True,
               has_pmacct=has_pmacct, is_quick=is_quick)


def memory_row(name, paths, must, goal, is_quick=True):
    def measure(bench, product):
        rib = sized(bench, 1000000, paths)
        runs = loads(bench, product, rib)
        return Measurement([run.bytes_pss / run.paths for run in runs],
                           {"table": rib.text(), "growth of PSS": f"{max(run.bytes_pss for run in runs) / 1e6:,.0f} MB"})

    def limit(_bench, _measurement):
        per_prefix = 15  # bytes: the multibit trie of the design, over a million prefixes
        return Limit(16 + per_prefix / paths, "path id, attributes, time and session in 16 bytes, and a trie of 15 bytes a prefix")
    return Row(name, f"RIB memory per path, all included, 1 M prefixes x {paths}", "B/path", measure, limit, must, goal, is_quick=is_quick)


def figures(bench):
    """Reads what rib_bench says: lines of name, value and unit."""
    def run():
        return bench_values(bench, bench.flows(1000000, 100000), 4)
    return bench.once("rib_bench", lambda: bench.repeat("pathacct", run))


def bench_values(bench, *args):
    """What one run of rib_bench says."""
    done = subprocess.run([bench.tool("rib_bench"), *map(str, args)], check=False, capture_output=True, text=True)
    values = {name: float(value) for name, value, _unit in map(str.split, done.stdout.splitlines())}
    if done.returncode != 0 or values.get("wrong") != 0:
        raise truth.Wrong(f"rib_bench: status {done.returncode}, {values.get('wrong')} wrong answers")
    return values


def free_bytes():
    """The memory that may be had without taking it from others."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 1 << 30


def wide(bench):
    """A table with 64 paths of each prefix, all withdrawn in the end; a million prefixes, or as many as half of the free memory has."""
    prefixes = min(bench.flows(1000000, 5000), int(free_bytes() / 2 / (64 * 60)))
    return bench.once("rib_bench wide", lambda: bench_values(bench, "withdraw", prefixes, 64, 1, "shuffled"))


RING_PEERS, RING_PATHS = 300, 187_000_000  # of the largest public collector of routes


def ring(bench):
    """Full tables of 300 peers, none with another's attributes, scaled to half of the free memory."""
    prefixes = min(bench.flows(RING_PATHS // RING_PEERS, 1000), int(free_bytes() / 2 / (RING_PEERS * 60)))
    return bench.once("rib_bench ring", lambda: bench_values(bench, "own", prefixes, 1, RING_PEERS, "shuffled", 400000))


def large_row(name, title, unit, run, figure, is_rate=False, goal=None):
    def measure(bench, _product):
        values = run(bench)
        paths = values["paths"]
        notes = {"table": f"{values['prefixes']:,.0f} prefixes, {paths:,.0f} paths, {values['attribute_sets']:,.0f} sets of attributes"}
        if run is ring and figure == "memory_rss":
            notes[f"the same for {RING_PATHS // 10**6} M paths"] = f"{values[figure] * RING_PATHS / 1e9:.1f} GB"
        if run is ring and figure == "load":
            notes[f"the same for {RING_PATHS // 10**6} M paths"] = f"{RING_PATHS / values[figure] / 1e6:.0f} s"
        return Measurement([values[figure]], notes)
    return Row(name, title, unit, measure, None, None, goal, is_rate=is_rate, has_pmacct=False, is_quick=False)


def lookup_row(name, title, figure, must=None, goal=None, is_quick=True):
    def measure(bench, _product):
        runs = figures(bench)
        return Measurement([run[figure] for run in runs],
                           {"table": Rib(int(runs[0]["prefixes"]), 4).text(), "destinations": "uniform over the prefixes, each answer checked"})

    def limit(bench, _measurement):
        lines = bench.flows(500000, 50000)
        return Limit(limits.access_ns(bench, lines), f"one random access among {lines:,} cache lines in batches; {title} needs three or four")
    return Row(name, f"{title}, 1 M x 4 paths, path choice included", "ns/lookup", measure, limit, must, goal, has_pmacct=False, is_quick=is_quick)


def latency_row(name, title, figure):
    def measure(bench, _product):
        return Measurement([run[figure] for run in figures(bench)], {"table": "the same"})
    return Row(name, title, "us", measure, None, has_pmacct=False)


def dump(bench):
    """Writes dumps of a table to a file, while the speaker goes on; how long the first whole one takes."""
    rib = dataclasses.replace(sized(bench, 1000000, 4), churn=bench.flows(20000, 1000))
    paths = rib.prefixes * rib.paths
    with replay.work_folder() as folder, contextlib.ExitStack() as stack:
        port = net.free_tcp_port()
        more = [f"bgp_table_dump_file: {folder}/dump.json", f"bgp_table_dump_refresh_time: {bench.flows(20, 2)}"]
        conf = config.configuration("pathacct", folder, [Instance("peer_src_ip", "exporter")], None, rib, port,
                                    udp_port=net.free_udp_port(), more=more)
        d = stack.enter_context(process.daemon([bench.program("pathacct"), "-f", conf], folder))
        d.wait_log("waiting for NetFlow/IPFIX data on", 60)
        popen = stack.enter_context(replay.feeder(bench, rib, port, folder, config.FEEDER))
        net.wait_file(folder / f"ready-{config.FEEDER}", 900, popen)
        d.wait_log(f"TABLES: 1 ENTRIES: {paths} ET: ", 300)
        d.signal(signal.SIGUSR1)
        net.wait_file(folder / "stats.json", 60, popen)
        return rib, paths, json.loads((folder / "stats.json").read_text())["bgp_dump"]["last_ms"] / 1e3


def dump_row():
    def measure(bench, _product):
        rib, paths, seconds = bench.once("table dump", lambda: dump(bench))
        return Measurement([paths / seconds / 1e6], {"table": rib.text(), "seconds of the clock": f"{seconds:.1f}"})
    return Row("table-dump", "dump of 1 M prefixes x 4 paths to a file while 20,000 UPDATEs a second arrive", "Mpaths/s", measure, None,
               must=0.4, is_rate=True, has_pmacct=False, is_quick=False)


ROWS = [
    load_row("rib-load", 1000000, 4, must=2, goal=3),
    load_row("rib-load-20-peers", 200000, 4, 20, must=2, goal=3, has_pmacct=False, is_quick=False),
    memory_row("rib-memory-4", 4, 60, 40),
    memory_row("rib-memory-1", 1, 110, 80, is_quick=False),
    lookup_row("rib-lookup-batch", "lookup in batches of 256", "lookup_batched", 60, 35),
    lookup_row("rib-lookup-updating", "lookup in batches of 256 while 20,000 UPDATEs a second arrive", "lookup_batched_while_updating"),
    lookup_row("rib-lookup-unmatched", "lookup in batches of 256 of flows whose next hop no path has", "lookup_unmatched"),
    lookup_row("rib-lookup-single", "lookup one at a time", "lookup_single"),
    large_row("rib-wide-memory", "RIB memory per path, all included, 64 paths of each prefix", "B/path", wide, "memory_rss", goal=25),
    large_row("rib-wide-lookup", "lookup in batches of 256 while all of 64 paths a prefix are withdrawn", "ns/lookup", wide,
              "lookup_batched_while_withdrawing"),
    large_row("rib-wide-stall", "the longest such batch", "us", wide, "longest_batch_while_withdrawing"),
    large_row("rib-ring", "RIB load of 300 peers with tables of their own", "Mpaths/s", ring, "load", is_rate=True),
    large_row("rib-ring-memory", "RIB memory per path, all included, 300 peers with tables of their own", "B/path", ring, "memory_rss"),
    dump_row(),
    latency_row("rib-update-latency", "an UPDATE's arrival until a lookup sees it, median", "update_latency_median"),
]
