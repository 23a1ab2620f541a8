# SPDX-License-Identifier: GPL-2.0-or-later
"""networks_file by itself: seconds to read a table of the size of a routing table, and nanoseconds to fill a flow from it."""
from lib import limits
from lib.bench import Limit, Measurement, Row

ORDER = 25


def figures(bench):
    def once():
        return bench.tool_json("networks_bench", bench.flows(400000, 400000), bench.flows(20000000, 2000000))
    return bench.once("networks_bench", lambda: bench.repeat("pathacct", once))


def measure(kind):
    def run(bench, _product):
        runs = figures(bench)
        assert all(run["is_right"] for run in runs)  # the program fails by itself if a flow got what its rows do not say
        return Measurement([run[kind] for run in runs],
                           {"table": f"{runs[0]['rows']:,} rows, {runs[0]['row_bytes']:.0f} bytes each", "flows": f"{runs[0]['flows']:,}, uniform over the rows"},
                           {"rows": runs[0]["rows"]})
    return run


def limit_of(addresses):
    """An address costs a line of the table."""
    def limit(bench, measurement):
        return Limit(addresses * limits.access_ns(bench, measurement.numbers["rows"]), f"{addresses} random accesses among as many cache lines, in batches")
    return limit


ROWS = [
    Row("networks-load", "networks_file of 400 k rows, reading it", "s", measure("load_s"), None, must=1, has_pmacct=False),
    Row("networks-destination", "networks_file of 400 k rows, AS numbers, network and next hop of a flow's destination", "ns/flow",
        measure("destination_ns"), limit_of(1), must=40, has_pmacct=False),
    Row("networks-both", "networks_file of 400 k rows, those of its source too", "ns/flow", measure("both_ns"), limit_of(2), has_pmacct=False),
]
