# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory per aggregate: the peak of all processes at a million keys, less the same with one key."""
from lib import replay
from lib.bench import Limit, Measurement, Row
from lib.config import MATRIX, Instance
from lib.data import Flows

ORDER = 40


def measure(bench, product):
    def peak(keys):
        flows = Flows(bench.flows(3000000, 1000000), keys)
        return replay.replay(bench, product, flows, [Instance(MATRIX, "matrix_no_bgp")], watch_memory=True)

    keys = max(2, int((1000000 if not bench.is_quick else 500000) / bench.scale))
    one = peak(1)
    runs = bench.repeat(product, lambda: peak(keys))
    return Measurement([(run.peak_bytes - one.peak_bytes) / run.rows for run in runs],
                       {"input": Flows(bench.flows(3000000, 1000000), keys).text(), "rows written": f"{runs[-1].rows:,}",
                        "peak of PSS": f"{max(run.peak_bytes for run in runs) / 1e6:,.0f} MB",
                        "with one key": f"{one.peak_bytes / 1e6:,.0f} MB"})


def limit(_bench, _measurement):
    return Limit(64, "one cache line: 29 bytes of key and 16 of counters with an index entry of 8 and room to grow")


ROWS = [Row("memory-aggregate", "memory per aggregate (traffic matrix), PSS of all processes", "B/row", measure, limit, must=128, goal=96,
            is_quick=False)]
