# SPDX-License-Identifier: GPL-2.0-or-later
"""How many flows are given the AS path that they took, while the routers' tables change all the time. One run of all situations,
with both products side by side, serves all rows (lib/accuracy.py)."""
from lib import accuracy
from lib.bench import Measurement, Row
from lib.truth import Wrong

ORDER = 5


def scores(bench):
    def run():
        products = ["pathacct"] + (["pmacct"] if bench.pmacct else [])
        return accuracy.Run(size(bench), {product: bench.program(product) for product in products}).run()
    return bench.once("accuracy", run)


def size(bench):
    return accuracy.QUICK if bench.is_quick else accuracy.FULL


def row(situation):
    def measure(bench, product):
        score, s = scores(bench)[product][situation.name], size(bench)
        if product == "pathacct" and (score.wrong_exact or score.missing):
            raise Wrong(f"{score.wrong_exact} of {score.flows} flows have a wrong path that is called exact, {score.missing} are missing")
        facts = {"flows": f"{score.flows:,}, of {2 * s.flows_per_s:,.0f} a second, exported up to {s.delay_s:.0f} s after they ended",
                 "changes": f"{2 * s.changes_per_s:.0f} a second, among {4 * s.prefixes} prefixes",
                 "wrong": f"{score.wrong:,}", "empty": f"{score.empty:,}"}
        if product == "pathacct":
            facts["wrong and called exact"] = f"{score.wrong_exact:,}"
        facts["counted apart"] = (f"{score.near:,} flows that ended less than {accuracy.CLOCK_S:.0f} s from a change of their own path, "
                                  f"{score.near_right:,} of them right")
        return Measurement([score.share], facts)
    return Row(f"accuracy-{situation.name}", f"flows given the AS path that they took; {situation.title}", "%", measure, must=99.9, goal=100,
               is_rate=True, digits=2)


ROWS = [row(situation) for situation in accuracy.SITUATIONS]
