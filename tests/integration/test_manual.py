#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's lists are those of the program: every key and primitive that it has stands in its page, and every key that a
page's template names exists."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["SOURCE_DIR"])
NFACCTD = BUILD / "sbin/nfacctd"


def run(*args):
    return subprocess.run(args, stdout=subprocess.PIPE, check=True, text=True).stdout


def items(page):
    """The words that head list items of a page."""
    return set(re.findall(r"^\.It Ic (\S+)", (BUILD / "man" / page).read_text(), flags=re.M))


class Manual(unittest.TestCase):
    def test_every_key_of_the_program_stands_in_the_page(self):
        keys = json.loads(run(NFACCTD, "--keys=json"))["keys"]
        self.assertGreater(len(keys), 50)
        self.assertIn("print_output", {key["name"] for key in keys})
        self.assertEqual({key["name"] for key in keys} - items("nfacctd.conf.5"), set())

    def test_every_primitive_that_the_program_lists_stands_in_its_page(self):
        listed = set(re.findall(r"^\s*([a-z][a-z0-9_]*)\b", run(NFACCTD, "-a"), flags=re.M))
        self.assertGreater(len(listed), 50)
        self.assertEqual(listed - items("pathacct-primitives.7"), set())

    def test_every_key_that_the_template_names_exists(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as keys:
            keys.write(run(NFACCTD, "--keys=json"))
            keys.flush()
            run(SOURCE / "man/generate", "--strict", SOURCE / "man/nfacctd.conf.5.in", SOURCE / "src", keys.name)

    def test_keys_and_structures_of_sflow_stand_in_its_page(self):
        def own(daemon):
            return {key["name"] for key in json.loads(run(BUILD / "sbin" / daemon, "--keys=json"))["keys"] if key["type"] != "ignored"}
        new = {name for name in own("sfacctd") - own("nfacctd") if "nfacctd" + name.removeprefix("sfacctd") not in own("nfacctd")}
        self.assertGreater(len(new), 4)
        self.assertEqual(new - items("sfacctd.8"), set())
        page = (BUILD / "man/sfacctd.8").read_text()
        structures = re.findall(r"^(?:FLOW|COUNTER)_(?:RECORD|SKIPPED)\((\d+), (\d+), (\w+)", (SOURCE / "src/sfacctd/structures.def").read_text(), flags=re.M)
        self.assertGreater(len(structures), 100)
        self.assertEqual([s for s in structures if ".It %s:%s Ic %s\n" % s not in page], [])

    def test_every_key_has_a_line_of_help(self):
        for key in json.loads(run(NFACCTD, "--keys=json"))["keys"]:
            self.assertTrue(key["help"] or key["type"] == "ignored", key["name"])

    def pages(self):
        return [*(BUILD / "man").glob("*.[1-8]"), *(SOURCE / "man").glob("*.[1-8]")]

    def test_nobody_misses_a_page(self):
        """nfacctd(8) names each of the others, and what pages of this project are named exist."""
        ours = {tuple(page.name.rsplit(".", 1)) for page in self.pages()}
        self.assertGreater(len(ours), 11)
        for page in self.pages():
            text = page.read_text()
            self.assertIn(".Sh SEE ALSO", text, page)
            named = set(re.findall(r"^\.Xr (\S+) (\d)", text, re.M))
            own = {name for name in named if name[0].startswith(("pathacct", "nfacctd", "sfacctd", "pmb")) or name == ("pmacct", "1")}
            self.assertEqual(own - ours, set(), page)
            if page.name == "nfacctd.8":
                self.assertEqual(ours - set(re.findall(r"^\.Xr (\S+) (\d)", text.split(".Sh SEE ALSO")[1], re.M)), {("nfacctd", "8")})

    def test_groff_reads_the_pages(self):
        if not shutil.which("groff"):
            self.skipTest("groff is not installed")
        for page in self.pages():
            found = subprocess.run(["groff", "-mandoc", "-ww", "-z", "-T", "utf8", page], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(found.stdout, "", page)

    def test_the_pages_are_sound(self):
        if not shutil.which("mandoc"):
            print("SKIP    test_the_pages_are_sound: mandoc is not installed", flush=True)
            self.skipTest("mandoc is not installed")
        for page in self.pages():
            found = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], stdout=subprocess.PIPE, text=True)
            self.assertEqual(found.stdout, "", page)


if __name__ == "__main__":
    if not NFACCTD.exists():
        sys.exit("nfacctd was not built")
    unittest.main()
