# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows out of a file: decoding alone, the traffic matrix without and with BGP, 5-tuples, several plugins at once, dumps."""
from lib import limits, replay
from lib.bench import Limit, Measurement, Row
from lib.config import DUMP, MATRIX, TUPLE, Instance, Rib
from lib.data import Flows

ORDER = 10
EXPORTERS = Instance("peer_src_ip", "exporter")
MATRIX_BGP = Instance(MATRIX, "matrix")
MATRIX_NO_BGP = Instance(MATRIX, "matrix_no_bgp")
TUPLE_CSV = Instance(TUPLE, "tuple")
THREE = (MATRIX_NO_BGP, Instance(TUPLE, "tuple", name="flows"), Instance("peer_src_ip", "exporter", "json", name="exporters"))
LOOKUP_LINES = 500000  # cache lines that the trie, the prefixes and the paths of 1 M prefixes take at the least


def work(bench, product, keys, form="ipfix", prefixes=1000000, pmacct=1000000):
    """10 M flows; pmacct gets fewer, but never so few that most of its flows make new keys."""
    count = bench.flows(10000000, 1000000)
    if product == "pmacct":
        count = min(count, max(int(pmacct / bench.scale), 1000))
    return Flows(count, max(1, int(keys / bench.scale)), int(prefixes / bench.scale), form=form)


def facts_of(flows, costs, instances, rib, workers):
    facts = {"input": flows.text(), "epoch": "one", "output": " + ".join(i.form.upper() for i in instances) + " to files",
             "rows written": f"{costs[-1].rows:,}", "seconds of the clock, all included": f"{min(c.wall_s for c in costs):.1f}"}
    if rib:
        facts["RIB"] = rib.text()
    if workers > 1:
        facts["workers"] = str(workers)
    return facts


def measure_with(instances, keys, rib_prefixes=0, workers=1, is_rate=False, **more):
    """measure() of nanoseconds of CPU a flow, or of million rows in a second of CPU."""
    def measure(bench, product):
        prefixes = rib_prefixes or 1000000
        flows = work(bench, product, keys, prefixes=prefixes, **more)
        rib = Rib(flows.prefixes) if rib_prefixes else None
        # A table of a million prefixes takes pmacct half a minute to load: once will do.
        runs = 1 if product == "pmacct" and rib_prefixes >= 1000000 else None
        costs = bench.repeat(product, lambda: replay.replay(bench, product, flows, instances, rib, workers), runs)
        values = [flows.flows / c.cpu_s / 1e6 if is_rate else c.cpu_s / flows.flows * 1e9 for c in costs]
        return Measurement(values, facts_of(flows, costs, instances, rib, workers),
                           {"flows": flows, "bytes": costs[-1].output_bytes, "rows": costs[-1].rows})
    return measure


def floor(accesses=1, lookup_accesses=0, is_rate=False):
    """Reading the input, random accesses to as many cache lines as there are rows, and write(2) of the output."""
    def limit(bench, measurement):
        flows, size, rows = (measurement.numbers[key] for key in ("flows", "bytes", "rows"))
        ns = limits.read_ns(bench, bench.store.capture(flows)) + limits.write_ns(bench, size) * size / flows.flows
        what = ["reading every byte of the input", f"write(2) of {size / 1e6:,.0f} MB"]
        if accesses:
            ns += accesses * limits.access_ns(bench, rows)
            what.append(f"{accesses} random access{'es' if accesses > 1 else ''} a flow among {rows:,} cache lines in batches")
        if lookup_accesses:
            lines = int(LOOKUP_LINES / bench.scale)
            ns += lookup_accesses * limits.access_ns(bench, lines)
            what.append(f"{lookup_accesses} among {lines:,} for the lookup")
        return Limit(1000 / ns if is_rate else ns, "; ".join(what))
    return limit


def flow_row(name, title, instances, keys, limit, must=None, goal=None, is_quick=True, has_pmacct=True, **more):
    return Row(name, f"{title}, from a file", "ns/flow", measure_with(instances, keys, **more), limit, must, goal, is_quick=is_quick,
               has_pmacct=has_pmacct)


def dump_row(form, must, goal):
    instances = [Instance(DUMP, "dump", form, is_dump=True)]
    return Row(f"dump-{form}", f"unaggregated dump to {form.upper()}, from a file", "Mrows/s", measure_with(instances, 170000, is_rate=True),
               floor(0, is_rate=True), must, goal, is_rate=True)


ROWS = [
    flow_row("decode-ipfix", "decoding alone (one row an exporter), IPFIX", [EXPORTERS], 170000, floor(0)),
    flow_row("decode-v9", "decoding alone (one row an exporter), NetFlow v9", [EXPORTERS], 170000, floor(0), is_quick=False, form="v9"),
    flow_row("decode-v5", "decoding alone (one row an exporter), NetFlow v5", [EXPORTERS], 170000, floor(0), is_quick=False, form="v5"),
    flow_row("matrix-0", "traffic matrix without BGP, 170 k keys", [MATRIX_NO_BGP], 170000, floor(), must=150, goal=90),
    flow_row("matrix-100k", "traffic matrix, RIB 100 k x 4 paths, 170 k keys", [MATRIX_BGP], 170000, floor(1, 1), rib_prefixes=100000),
    flow_row("matrix-1m", "traffic matrix, RIB 1 M x 4 paths, 170 k keys", [MATRIX_BGP], 170000, floor(1, 1), must=200, goal=120,
             is_quick=False, rib_prefixes=1000000, pmacct=500000),
    flow_row("matrix-1m-keys-1m", "traffic matrix, RIB 1 M x 4 paths, 1 M keys", [MATRIX_BGP], 1000000, floor(1, 1), must=200, goal=120,
             is_quick=False, rib_prefixes=1000000, pmacct=2000000),
    flow_row("tuple-10k", "5-tuple, 10 k keys", [TUPLE_CSV], 10000, floor(), is_quick=False),
    flow_row("tuple-170k", "5-tuple, 170 k keys", [TUPLE_CSV], 170000, floor(), must=150, goal=100),
    flow_row("tuple-1m", "5-tuple, 1 M keys", [TUPLE_CSV], 1000000, floor(), must=150, goal=100, is_quick=False, pmacct=3000000),
    flow_row("tuple-10m", "5-tuple, 10 M keys", [TUPLE_CSV], 10000000, floor(), is_quick=False, pmacct=3000000),
    flow_row("three-plugins", "three plugins at once: traffic matrix, 5-tuple, exporters", THREE, 170000, floor(3), is_quick=False),
    dump_row("csv", 4, 6),
    dump_row("json", 2, 3),
    flow_row("workers-2", "traffic matrix without BGP, 170 k keys, two workers", [MATRIX_NO_BGP], 170000, floor(), has_pmacct=False,
             workers=2),
]
