#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each line that the log may say of an exporter is explained in docs/troubleshooting.md.

usage: troubleshooting.py SOURCE_FOLDER
"""
import pathlib
import re
import sys

# What nobody has to mend: an operator asked for it.
MEANT = {"filtered"}


def one_line(text):
    return " ".join(text.split())


def rows(path, macro, pattern):
    return re.findall(rf'^{macro}\((\w+), \w+, {pattern}"((?:[^"\\]|\\.)*)"\)$', path.read_text(), re.M)


def main(top):
    page = one_line((top / "docs/troubleshooting.md").read_text())
    notes = rows(top / "src/flow/exporter_notes.def", "EXPORTER_NOTE", "")
    drops = rows(top / "src/flow/drop_reasons.def", "DROP_REASON", r'"\w+", ')
    for path, found in ("exporter_notes.def", notes), ("drop_reasons.def", drops):
        count = (top / "src/flow" / path).read_text().count("\nEXPORTER_NOTE(" if "notes" in path else "\nDROP_REASON(")
        assert len(found) == count > 5, f"{path}: {len(found)} of {count} rows are understood"
    wrong = [f"no section for the row {name} of exporter_notes.def (write: Row `{name}`: *the line*)"
             for name, _ in notes if f"Row `{name}`: *" not in page]
    wrong += [f"the words of the row {name} are not there as the log says them: {text}" for name, text in [*notes, *drops]
              if name not in MEANT and text not in page]
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
               for title in re.findall(r"^#+ (.*)$", (top / "docs/troubleshooting.md").read_text(), re.M)}
    wrong += [f"a link to #{anchor}, which is no section" for anchor in re.findall(r"\]\(#([^)]*)\)", page) if anchor not in anchors]
    for line in wrong:
        print(f"docs/troubleshooting.md: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
