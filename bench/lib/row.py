# SPDX-License-Identifier: GPL-2.0-or-later
"""Defines a row of the results, and finds the rows that there are: every Row in a list ROWS of a file in bench/rows/."""
import dataclasses
import importlib
import pathlib
import statistics
import typing


@dataclasses.dataclass
class Measurement:
    """The result of one product in one row: a figure per run, and what they were measured on."""
    values: list
    facts: dict = dataclasses.field(default_factory=dict)  # shown beside: "input", "rows written", ...
    numbers: dict = dataclasses.field(default_factory=dict)  # not shown: what the row's limit() needs

    @property
    def median(self):
        return statistics.median(self.values)


@dataclasses.dataclass(frozen=True)
class Limit:
    """The most that the machine allows, in the unit of the row, and how that was measured."""
    value: float
    what: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the results.

    measure(bench, product) gives a Measurement, for product "pathacct" and, if the row has it, "pmacct". An output that is not
    the truth raises truth.Wrong. limit(bench, measurement) gives a Limit, from what pathacct's measurement was. Both get the Bench of
    bench/run.
    """
    name: str   # for --only, and the key of its notes in bench/NOTES.md: words with hyphens, the group first
    title: str
    unit: str   # "ns/flow", "Mrows/s", "B/path"
    measure: typing.Callable
    limit: typing.Optional[typing.Callable] = None
    must: typing.Optional[float] = None
    goal: typing.Optional[float] = None
    is_rate: bool = False      # more is better
    has_pmacct: bool = True
    is_quick: bool = True      # part of --quick
    digits: typing.Optional[int] = None  # behind the point, cut and not rounded; by default three digits that count are shown

    def share(self, value, limit):
        """Returns which part of what is possible was reached."""
        return value / limit if self.is_rate else limit / value

    def ratio(self, ours, theirs):
        """How many times better than the other."""
        return ours / theirs if self.is_rate else theirs / ours

    def meets(self, value, target):
        return value >= target if self.is_rate else value <= target


def discover(folder):
    """All rows, in the order of the files' ORDER (default 50) and names."""
    modules = [importlib.import_module(f"rows.{path.stem}") for path in sorted(pathlib.Path(folder).glob("*.py")) if path.stem != "__init__"]
    modules.sort(key=lambda module: getattr(module, "ORDER", 50))
    rows = [row for module in modules for row in module.ROWS]
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), "two rows of one name"
    return rows
