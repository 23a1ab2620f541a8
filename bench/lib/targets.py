# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of pmacct 1.7.7 on the machine on which must and goal were stated, by row. Elsewhere, and at another hour of a shared
machine, the ratio to pmacct is what counts."""

PMACCT = {
    "matrix-0": 1230, "matrix-1m": 7900, "matrix-1m-keys-1m": 7900, "tuple-170k": 980, "tuple-1m": 980, "dump-csv": 0.384, "dump-json": 0.19,
    "sflow-matrix": 2500, "sflow-matrix-1m": 10000, "udp-cost": 7900, "udp-rate": 0.156, "rib-load": 0.18, "rib-memory-4": 240,
    "rib-memory-1": 350, "memory-aggregate": 4048, "sqlite3": 35, "pgsql-copy": 96, "pgsql-upsert": 15,
}


def text(row, ours, theirs, target):
    """The target, whether it was met, and if not, whether it was met as a ratio to pmacct in the same run."""
    shown = f"{target:,.0f}" if target >= 100 else f"{target:.3g}"
    if row.meets(ours, target):
        return f"{shown} met"
    if theirs and row.name in PMACCT:
        wanted, got = row.ratio(target, PMACCT[row.name]), row.ratio(ours, theirs)
        if got >= wanted:
            return f"{shown} met as a ratio ({wanted:.1f}x)"
        return f"{shown}, {wanted:.1f}x **not met**"
    return f"{shown} **not met**"
