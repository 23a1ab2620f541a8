# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as text: a line for the terminal, bench/RESULTS.md for those who read it later."""
import dataclasses
import math
import re
import typing

from lib import row as rows_
from lib import targets


@dataclasses.dataclass
class Outcome:
    """A measurement, or why there is none."""
    measurement: typing.Optional[rows_.Measurement] = None
    error: str = ""


def figure(value, digits=None):
    """Three digits that count, or so many behind the point, cut: 99.999 % are not 100.00 %."""
    if digits is not None:
        return f"{math.floor(value * 10 ** digits + 1e-9) / 10 ** digits:,.{digits}f}"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


@dataclasses.dataclass
class Result:
    row: rows_.Row
    outcomes: dict
    limit: typing.Optional[rows_.Limit]

    def value(self, product):
        outcome = self.outcomes.get(product)
        return outcome.measurement.median if outcome and outcome.measurement else None

    def shown(self, product):
        outcome = self.outcomes.get(product)
        if not outcome:
            return "-"
        return outcome.error.split(":")[0] if outcome.error else figure(outcome.measurement.median, self.row.digits)

    def ratio(self):
        ours, theirs = self.value("pathacct"), self.value("pmacct")
        return f"{self.row.ratio(ours, theirs):.1f}x" if ours and theirs else "-"

    def share(self):
        ours = self.value("pathacct")
        return f"{figure(self.limit.value)} ({100 * self.row.share(ours, self.limit.value):.0f} %)" if self.limit and ours else "-"

    def target(self, target):
        ours = self.value("pathacct")
        if target is None or ours is None:
            return "-"
        return targets.text(self.row, ours, self.value("pmacct"), target)

    def line(self):
        error = self.outcomes["pathacct"].error
        return (f"{self.row.name:28} {self.shown('pathacct'):>9} {self.row.unit:10} pmacct {self.shown('pmacct'):>8} {self.ratio():>7}  "
                f"limit {self.share():14}  must {self.target(self.row.must):14} goal {self.target(self.row.goal)}"
                + (f"\n    {error}" if error else ""))


def notes_of(path):
    """Sections of NOTES.md by the name of the row: what bounds it, what was tried, what would be next."""
    text = path.read_text() if path.exists() else ""
    parts = re.split(r"^## (\S+)\n", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2])}


def _table(results):
    yield "| row | unit | pathacct | pmacct | ratio | limit (share reached) | must | goal |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for r in results:
        yield (f"| {r.row.title} | {r.row.unit} | {r.shown('pathacct')} | {r.shown('pmacct')} | {r.ratio()} | {r.share()} | "
               f"{r.target(r.row.must)} | {r.target(r.row.goal)} |")


def _details(result, notes):
    yield f"### {result.row.title} (`{result.row.name}`)"
    yield ""
    for product, outcome in result.outcomes.items():
        if outcome.error:
            yield f"- {product}: **{outcome.error}**"
            continue
        m = outcome.measurement
        facts = "; ".join(f"{key}: {value}" for key, value in m.facts.items())
        digits = result.row.digits
        spread = f", {figure(min(m.values), digits)} to {figure(max(m.values), digits)}" if len(m.values) > 1 else ""
        yield (f"- {product}: {figure(m.median, digits)} {result.row.unit}, median of {len(m.values)} run{'s' if len(m.values) > 1 else ''}{spread}"
               f"{'. ' + facts if facts else ''}")
    if result.limit:
        yield f"- limit: {figure(result.limit.value)} {result.row.unit}: {result.limit.what}"
    if notes:
        yield ""
        yield notes
    yield ""


def render(results, machine, versions, date, bench, notes_path, seconds, missing=()):
    """Renders RESULTS.md. `missing` are names of rows that an interrupted run did not come to."""
    notes = notes_of(notes_path)
    kind = "a quick run: smaller inputs, not for comparison" if bench.is_quick else "the full run"
    if missing:
        kind += f", interrupted before {', '.join(f'`{name}`' for name in missing)}"
    lines = ["# Results of bench/run", "",
             f"Made by `bench/run{' --quick' if bench.is_quick else ''}` on {date:%Y-%m-%d %H:%M} UTC in {seconds / 60:.0f} minutes; {kind}. "
             "Do not edit: notes on rows are in bench/NOTES.md.", "",
             *[f"- {key}: {value}" for key, value in {**machine, **versions}.items()], "",
             "CPU time is that of all processes of a daemon, user and system, less starting up and loading the table; the figure is the "
             "median. Every output was compared with the generator's exact truth: *wrong* is an output that differs. A limit is "
             "what this machine needed, in the same run, for the least that the work demands. Targets were stated on a machine where pmacct "
             "took the times of bench/lib/targets.py: what is not met in time is compared as a ratio to pmacct. bench/README.md explains.", "",
             *_table(results), "", "## Row by row", ""]
    for result in results:
        lines += _details(result, notes.get(result.row.name))
    return "\n".join(lines).rstrip() + "\n"
