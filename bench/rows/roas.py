# SPDX-License-Identifier: GPL-2.0-or-later
"""Origins by themselves: seconds to read as many ROAs as the Internet has, and nanoseconds to validate the route of a flow."""
from lib import limits
from lib.bench import Limit, Measurement, Row

ORDER = 26


def figures(bench):
    def once():
        return bench.tool_json("roa_bench", bench.flows(600000, 60000), bench.flows(20000000, 2000000))
    return bench.once("roa_bench", lambda: bench.repeat("pathacct", once))


def measure(kind):
    def run(bench, _product):
        runs = figures(bench)
        assert all(run["is_right"] for run in runs)  # every answer is compared with what the route was made for
        return Measurement([run[kind] for run in runs], {"table": f"{runs[0]['roas']:,} ROAs", "routes": "uniform over the prefixes"}, {"rows": runs[0]["roas"]})
    return run


def limit(bench, measurement):
    return Limit(2 * limits.access_ns(bench, measurement.numbers["rows"]), "2 random accesses among as many cache lines, in batches")


ROWS = [
    Row("roas-load", "a file of 600 k ROAs, reading it", "s", measure("load_s"), None, has_pmacct=False),
    Row("roas-validate", "whether the route of a flow is valid, among 600 k ROAs", "ns/flow", measure("validate_ns"), limit, must=40, has_pmacct=False),
]
