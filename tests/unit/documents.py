#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests/documents takes for a block, a command, an exception and the output that a document shows."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "documents"))
from documents import Exception_, anchors, commands, manual_blocks, markdown_blocks, said, without_exceptions  # noqa: E402

PAGE = """# A page

Text:

    one; two
    three

- an item

      of which this is a part

<!-- run: hidden -->
    four

```nfacctd append /etc/x.conf
plugins: print
```

```
a drawing
```
"""


def exception(what):
    return Exception_(1, "page.md", what, "a reason")


class Documents(unittest.TestCase):
    def test_blocks_of_a_page(self):
        found = [(block.words, block.text) for block in markdown_blocks(PAGE)]
        self.assertEqual(found, [(["sh"], "one; two\nthree\n"), (["run"], "hidden\n"), (["sh"], "four\n"),
                                 (["nfacctd", "append", "/etc/x.conf"], "plugins: print\n"), ([], "a drawing\n")])

    def test_blocks_of_a_manual_page(self):
        page = '.Dl not this\n.Sh EXAMPLES\n.\\" run: hidden\n.Dl "a \'b\' | c"\n.Bd -literal\nplugins: print\n.Ed\n.Sh SEE ALSO\n.Dl nor this\n'
        self.assertEqual([(block.words, block.text) for block in manual_blocks(page)],
                         [(["run"], "hidden\n"), (["sh"], "a 'b' | c\n"), (["nfacctd"], "plugins: print\n")])
        self.assertEqual(manual_blocks(".Sh NAME\n"), [])

    def test_a_command_goes_on_in_the_next_line(self):
        self.assertEqual(commands("a 'b\nc' d\ne \\\n  f\ng # don't\n"), ["a 'b\nc' d\n", "e \\\n  f\n", "g # don't\n"])

    def test_exceptions(self):
        blocks = markdown_blocks(PAGE)
        kept, stale, unknown = without_exceptions(blocks, [exception("line two"), exception("fence"), exception("block plugins")])
        self.assertEqual(([block.text for block in kept], stale, unknown), (["three\n", "hidden\n", "four\n"], [], []))
        shown = markdown_blocks("    one\n\n```output\n1\n```\n\n    two\n\n```output\n2\n```\n")
        self.assertEqual([block.text for block in without_exceptions(shown, [exception("line one")])[0]], ["", "two\n", "2\n"])
        _, stale, unknown = without_exceptions(blocks, [exception("line nobody")])
        self.assertEqual(([row.what for row in stale], [block.text for block in unknown]), (["line nobody"], ["a drawing\n"]))

    def test_what_is_shown_was_printed(self):
        printed = "NAME   COUNT   RATE\n------ ------\na 12 -\nb 1,234 5\n"
        self.assertIsNone(said("NAME  COUNT  RATE\n...\nb 7 0\n", printed))
        self.assertIsNone(said("---  ---\na 1 3\n", printed))
        self.assertIn("b 1 1", said("b 1 1\na 1 1\n", "a 2 2\n"))
        self.assertIn("a 1 1", said("b 1 1\na 1 1\n", printed))

    def test_anchors(self):
        self.assertEqual(anchors("# One, two\n### 1000 times too small\n"), {"one-two", "1000-times-too-small"})


if __name__ == "__main__":
    unittest.main()
