# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory table by itself: rows a second of CPU that it takes from hand-overs, alone and while a client reads all of it."""
from lib import limits
from lib.bench import Limit, Measurement, Row

ORDER = 30


def measure(kind):
    def run(bench, product):
        def once():
            return bench.tool_json("memory_bench", "--keys", bench.flows(1000000, 1000000), "--rows", bench.flows(20000000, 5000000))
        runs = bench.repeat(product, once)
        assert all(run["is_right"] for run in runs)  # the program fails by itself if the table's sums are wrong
        return Measurement([run[kind] / 1e6 for run in runs],
                           {"input": f"{runs[0]['upserts']:,} rows of {runs[0]['row_bytes']} bytes, keys at random",
                            "rows in the table": f"{runs[0]['table_rows']:,}",
                            "whole tables read meanwhile": f"{runs[0]['answers']}" if kind == "read_per_s" else "0"},
                           {"rows": runs[0]["table_rows"]})
    return run


def limit(bench, measurement):
    """An entry of the index and a row, each a cache line."""
    return Limit(1000 / (2 * limits.access_ns(bench, measurement.numbers["rows"])), "two random accesses to as many cache lines, in batches")


ROWS = [
    Row("memory-upserts", "memory table, upserts", "Mrows/s", measure("alone_per_s"), limit, must=5, is_rate=True, has_pmacct=False),
    Row("memory-upserts-read", "memory table, upserts while a client reads it all", "Mrows/s", measure("read_per_s"), limit, must=5,
        is_rate=True, has_pmacct=False),
]
