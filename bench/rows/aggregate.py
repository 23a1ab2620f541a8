# SPDX-License-Identifier: GPL-2.0-or-later
"""Aggregation of flows out of a file: the traffic matrix without and with BGP, 5-tuples, several plugins at once."""
from lib import limits, replay
from lib.bench import Limit, Measurement, Row
from lib.config import MATRIX, TUPLE, Instance, Rib
from lib.data import Flows

ORDER = 10
MATRIX_CSV = Instance(MATRIX, "matrix")
MATRIX_NO_BGP = Instance(MATRIX, "matrix_no_bgp")
TUPLE_CSV = Instance(TUPLE, "tuple")


def per_flow(flows_of, instances, rib_of=None, workers=1, pmacct_runs=None):
    """measure() of a row whose figure is nanoseconds of CPU a flow."""
    def measure(bench, product):
        flows, rib = flows_of(bench, product), rib_of(bench) if rib_of else None
        runs = pmacct_runs if product == "pmacct" else None
        costs = bench.repeat(product, lambda: replay.replay(bench, product, flows, instances, rib, workers), runs)
        facts = {"input": flows.text(), "epoch": "one", "format": " + ".join(i.form.upper() for i in instances) + " to files",
                 "rows written": f"{costs[-1].rows:,}", "seconds of the clock": f"{min(c.wall_s for c in costs):.1f}"}
        if rib:
            facts["RIB"] = rib.text()
        return Measurement([c.cpu_s / flows.flows * 1e9 for c in costs], facts)
    return measure


def flows_of(keys, full=10000000, quick=1000000, pmacct=1000000, prefixes=1000000):
    """pmacct gets fewer flows; keys in proportion would be another work, so they stay unless there are more keys than flows."""
    def flows(bench, product):
        count = bench.flows(full, quick) if product == "pathacct" else bench.flows(pmacct, min(pmacct, quick))
        return Flows(count, min(keys, max(count // 2, 1000)) if bench.scale > 1 else keys, world(bench, prefixes))
    return flows


def world(bench, prefixes):
    return max(1000, int(prefixes / bench.scale))


def rib(prefixes):
    return lambda bench: Rib(world(bench, prefixes))


def floor(keys, extra_accesses=0, table_lines=0):
    """Reading the input once and one batched access to a table of `keys` cache lines, and what a lookup touches."""
    def limit(bench):
        flows = flows_of(keys)(bench, "pathacct")
        ns = limits.read_ns(bench, bench.store.capture(flows)) + limits.access_ns(bench, flows.keys)
        what = f"reading every byte of the input, and one random access among {flows.keys:,} cache lines in batches"
        if extra_accesses:
            ns += extra_accesses * limits.access_ns(bench, int(table_lines / bench.scale))
            what += f", and {extra_accesses} among {int(table_lines / bench.scale):,} for the lookup"
        return Limit(ns, what)
    return limit


ROWS = [
    Row("tuple-170k", "5-tuple, 170 k keys, from a file", "ns/flow", per_flow(flows_of(170000), [TUPLE_CSV]), floor(170000), must=150, goal=100),
]
