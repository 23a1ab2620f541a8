# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of both sides against each other, field by field, and the list of differences that are meant."""
import collections
import json
import re

COUNTERS = ("packets", "bytes", "flows")


class Difference:
    """One field of one row: what the two say. A row that one side lacks is the field `row`."""

    def __init__(self, where, source, column, theirs, ours, of=None):
        self.where, self.source, self.column, self.theirs, self.ours = where, source, column, theirs, ours
        self.of = of or column  # the primitive that the instance is about, where it is about one

        self.row, self.hint = None, ""  # the whole row of pmacct's, and what the instance read

    def __str__(self):
        text = f"{self.where} | {self.source} | {self.column} | pmacct: {self.theirs} | here: {self.ours}"
        return text + (f" | {self.row}" if self.hint and self.row else "")


def merged(rows):
    """Rows of equal key are one: how many purges there were does not matter."""
    found = {}
    for row in rows:
        key = json.dumps({k: v for k, v in row.items() if k not in COUNTERS and k != "tcp_flags"}, sort_keys=True)
        if key not in found:
            found[key] = dict(row)
            continue
        for name in COUNTERS:
            if name in row:
                found[key][name] = type(row[name])(int(found[key][name]) + int(row[name]))
        if "tcp_flags" in row:
            flags = found[key]["tcp_flags"], row["tcp_flags"]
            found[key]["tcp_flags"] = type(flags[0])(int(flags[0]) | int(flags[1])) if not isinstance(flags[0], list) else flags[0]
    return list(found.values())


def shared(a, b):
    return sum(a.get(name) == b.get(name) for name in a)


def differences(where, theirs, ours, names, of=None):
    """All differences of an instance. `names` says which exporter is which input."""
    def canonical(rows):
        return collections.Counter(json.dumps(row, sort_keys=True) for row in merged(rows))
    a, b = canonical(theirs), canonical(ours)
    missing, extra = ([json.loads(text) for text in (x - y).elements()] for x, y in ((a, b), (b, a)))
    for row in missing:
        source = names.get(row.get("peer_ip_src"), "?")
        near = [other for other in extra if other.get("peer_ip_src") == row.get("peer_ip_src")]
        if not near:
            yield Difference(where, source, "row", json.dumps(row), None, of)
            continue
        best = max(near, key=lambda other: shared(row, other))
        extra.remove(best)
        for column in sorted(row.keys() | best.keys()):
            if row.get(column) != best.get(column):
                found = Difference(where, source, column, row.get(column), best.get(column), of)
                found.row = json.dumps(row)
                yield found
    for row in extra:
        yield Difference(where, names.get(row.get("peer_ip_src"), "?"), "row", None, json.dumps(row), of)


class Known:
    """A row of known.txt."""

    def __init__(self, line, number):
        parts = [part.strip() for part in line.split(" | ")]
        assert len(parts) == 6, f"known.txt:{number}: six columns with ' | ' between them, not {len(parts)}"
        self.where, self.source, self.columns, self.theirs, self.ours, self.reason = parts
        self.number, self.count = number, 0

    def fits(self, d):
        def match(pattern, text):
            return re.fullmatch(pattern, str(text)) is not None
        if not (match(self.where, d.where) and match(self.source, d.source)):
            return False
        if match(self.columns, d.column) and match(self.theirs, d.theirs) and match(self.ours, d.ours):
            return True
        # Where an instance aggregates by that field alone, its values tell how rows are put together: counters and rows differ too.
        return d.of != d.column and d.column in (*COUNTERS, "row") and match(self.columns, d.of)

    def may_be_told(self, present):
        """Whether it should have occurred: its inputs are there. What depends on the seed begins with (sometimes)."""
        return not self.reason.startswith("(sometimes)") and any(re.fullmatch(self.source, name) for name in present)


def read_known(path):
    lines = enumerate(path.read_text().splitlines(), 1)
    return [Known(line, number) for number, line in lines if line.strip() and not line.startswith("#")]
