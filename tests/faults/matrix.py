# SPDX-License-Identifier: GPL-2.0-or-later
"""The fault matrix: which cells there are, in what order they run, and the table that tells what came of them."""
import collections
import concurrent.futures
import random

from backends import BACKENDS
from cell import Cell
from faults import FAULTS


def cells():
    return [(backend, fault) for fault in FAULTS for backend in BACKENDS]


def sample(count, seed):
    """So many cells, of every fault at least one where that many are asked for; the seed says which. Apache Kafka and RabbitMQ, which
    take long to start, are left to the full run."""
    rng = random.Random(seed)
    by_fault = collections.defaultdict(list)
    for backend, fault in cells():
        if backend not in ("kafka, Apache", "amqp"):
            by_fault[fault].append((backend, fault))
    for choices in by_fault.values():
        rng.shuffle(choices)
    chosen = []
    while len(chosen) < count and any(by_fault.values()):
        for fault in list(by_fault):
            if by_fault[fault] and len(chosen) < count:
                chosen.append(by_fault[fault].pop())
    return chosen


def run(chosen, seed, kills=None, jobs=4, tell=print):
    """Runs cells, some at a time; `kills` are those of each cell that kills. Returns the results in the order of `chosen`."""
    def one(cell):
        result = Cell(*cell, seed, (kills or {}).get(cell, 1)).run()
        tell(line(result))
        return result
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, chosen))


def line(r):
    what = f"{r.backend:14} {r.fault:44} {r.seconds:5.1f} s"
    if r.skipped:
        return f"SKIP    {what}  {r.skipped}"
    numbers = f"{r.sent} sent, {r.missing} missing ({r.excused} in the open epoch, {r.counted} counted), {r.doubled} doubled"
    return f"{'FAILED ' if r.failure else 'ok     '} {what}  {numbers}" + (f", {r.kills} kills" if r.kills else "") + \
        (f"\n{r.failure}" if r.failure else "")


def table(results):
    """Rows of Markdown, a row a fault and a column a backend."""
    names = [name for name in BACKENDS if any(r.backend == name for r in results)]
    out = ["| fault | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    by_cell = {(r.backend, r.fault): r for r in results}
    for fault in FAULTS:
        row = []
        for name in names:
            r = by_cell.get((name, fault))
            if r is None:
                row.append("not run")
            elif r.skipped:
                row.append("-")
            elif r.failure:
                row.append("**failed**")
            else:
                lost = max(0, r.missing - r.excused - r.counted)
                row.append(f"{lost} / {r.doubled} / {r.counted}" + (f", open epoch {r.excused}" if r.excused else "") +
                           (f" ({r.kills} kills)" if r.kills > 1 else ""))
        out.append(f"| {fault} | " + " | ".join(row) + " |")
    return "\n".join(out) + "\n"
