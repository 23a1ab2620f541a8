# SPDX-License-Identifier: GPL-2.0-or-later
"""The blocks of the project's documents, and what a test does with each.

A block is fenced, or in Markdown indented by four spaces, or a literal display of a manual page's EXAMPLES. The first word
behind the fence says what it is:

    sh                  commands of a shell, run in order; an indented block is one, too
    nfacctd [PATH]      a whole configuration, which --check has to find right; it is written to PATH for the blocks after it
    nfacctd append PATH lines that the reader adds to the file there; the whole is checked. sfacctd likewise
    file PATH           written there
    sql sqlite3 PATH    statements, run by sqlite3 on that file; `sql psql DATABASE` by PostgreSQL
    output              what the block before it prints: see said()

`<!-- run: COMMAND -->`, in a manual page `.\\" run: COMMAND`, is run as well, and no reader sees it: what is in place of his router, or waits.
"""
import collections
import re
import shlex

Block = collections.namedtuple("Block", "line words text")
Exception_ = collections.namedtuple("Exception_", "line document what reason")
RUN = {"sh", "nfacctd", "sfacctd", "file", "sql", "output", "run"}


def documents(source):
    """All documents, as paths below `source`."""
    found = [*source.glob("*.md"), *(source / "docs").glob("*.md"), *(source / "examples").glob("*/README.md"),
             *(source / "man").glob("*.[1-8]"), *(source / "man").glob("*.in")]
    return sorted(str(path.relative_to(source)) for path in found)


def markdown_blocks(text):
    lines, blocks, at = text.splitlines(), [], 0
    while at < len(lines):
        first, line = at, lines[at]
        at += 1
        hidden = re.fullmatch(r"<!-- run: (.*) -->", line)
        fence = re.fullmatch(r"( *)```(.*)", line)
        if hidden:
            blocks.append(Block(first + 1, ["run"], hidden[1] + "\n"))
        elif fence:
            end = next(n for n in range(at, len(lines)) if lines[n].strip() == "```")
            body = [l.removeprefix(fence[1]) for l in lines[at:end]]
            blocks.append(Block(first + 1, fence[2].split(), "\n".join(body) + "\n"))
            at = end + 1
        elif line.startswith("    ") and (first == 0 or not lines[first - 1].strip() or lines[first - 1].startswith("<!-- run: ")) and not in_list(lines, first):
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            body = [l[4:] for l in lines[first:at]]
            blocks.append(Block(first + 1, ["sh"], "\n".join(body).rstrip() + "\n"))
    return blocks


def in_list(lines, at):
    """Whether an indented line goes on with an item of a list."""
    above = next((l for l in reversed(lines[:at]) if l.strip() and not l.startswith(" ")), "")
    return re.match(r"(-|\d+\.) ", above) is not None


def manual_blocks(text):
    """Displays of the section EXAMPLES: a configuration where keys stand, otherwise commands."""
    lines, blocks, at = text.splitlines(), [], 0
    while at < len(lines) and lines[at] != ".Sh EXAMPLES":
        at += 1
    at += 1
    while at < len(lines) and not lines[at].startswith(".Sh "):
        if lines[at].startswith('.\\" run: '):
            blocks.append(Block(at + 1, ["run"], lines[at][9:] + "\n"))
        if lines[at].startswith(".Dl "):
            command = lines[at][4:].strip().removeprefix('"').removesuffix('"') if lines[at][4] == '"' else lines[at][4:]
            blocks.append(Block(at + 1, ["sh"], command.replace("\\e", "\\").replace("\\-", "-") + "\n"))
        if lines[at].startswith(".Bd -literal"):
            end = lines.index(".Ed", at)
            body = "\n".join(lines[at + 1:end]) + "\n"
            blocks.append(Block(at + 1, ["nfacctd" if re.search(r"^plugins: ", body, re.M) else "sh"], body))
            at = end
        at += 1
    return blocks


def blocks_of(source, document):
    text = (source / document).read_text()
    return markdown_blocks(text) if document.endswith(".md") else manual_blocks(text)


def exceptions(path, document=None):
    """Rows of the list of what is not run, `document | what | reason`."""
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            fields = [field.strip() for field in line.split(" | ")]
            assert len(fields) == 3 and all(fields), f"{path}:{number}: expected: document | what | reason"
            rows.append(Exception_(number, *fields))
    return [row for row in rows if document in (None, row.document)]


def without_exceptions(blocks, rows):
    """What is left to be run, rows that nothing needs, and blocks of which nobody knows what they are. What a block shows that is not run is
    not compared."""
    used, kept, unknown, is_run = set(), [], [], True
    for block in blocks:
        if block.words[:1] == ["output"] and not is_run:
            continue
        whole = [row for row in rows if row.what == f"fence {' '.join(block.words)}".strip()
                 or row.what.startswith("block ") and row.what[6:] in block.text]
        used.update(whole)
        is_run = not whole
        if whole:
            continue
        if not block.words or block.words[0] not in RUN:
            unknown.append(block)
            continue
        text = block.text
        if block.words[0] in ("sh", "run"):
            left = []
            for command in commands(text):
                skipped = [row for row in rows if row.what.startswith("line ") and row.what[5:] in command]
                used.update(skipped)
                left += [] if skipped else [command]
            text = "".join(left)
            is_run = bool(text)
        kept.append(block._replace(text=text))
    return kept, [row for row in rows if row not in used], unknown


def anchors(text):
    """The names by which a page's headlines are linked to."""
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(source, document):
    """Links to files or headlines that are not there."""
    path, dead = source / document, []
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)", path.read_text()):
        there = path.parent / target if target else path
        if not there.exists() or anchor and anchor not in anchors(there.read_text()):
            dead.append(f"{document}: a link to nothing: {target}{'#' + anchor if anchor else ''}")
    return dead


def commands(text):
    """Lines of a shell, with those that go on in the next: by a backslash, or between quotes."""
    found, open_ = [], ""
    for line in text.splitlines(keepends=True):
        open_ += line
        try:
            shlex.split(open_, comments=True)
        except ValueError:
            continue
        if not line.endswith("\\\n"):
            found.append(open_)
            open_ = ""
    return found + ([open_] if open_ else [])


def shape(line):
    """A line without what differs from run to run: numbers (an address keeps its dots; a rate that is not known yet is
    none), the width of columns."""
    line = re.sub(r"\d[\d,]*", "9", re.sub(r"(?<=\s)-(?=\s|$)", "9", line))
    return re.sub(r"[-=]{3,}", "---", re.sub(r"\s+", " ", line)).strip()


def said(expected, printed):
    """Each line of a document's output was printed, in that order. A line of `...` stands for any."""
    lines = iter([shape(line) for line in printed.splitlines()])
    for line in expected.splitlines():
        if line.strip() and line.strip() != "..." and shape(line) not in lines:
            return f"this line was not printed, or not in this order: {line}"
    return None
