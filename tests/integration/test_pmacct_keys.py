#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""No key that pmacct (1.7.7 and 1.8.1) documents is unknown here: each is honoured, accepted without effect, or refused
with a reason and a remedy. tests/data/pmacct_keys.txt holds their names."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["SOURCE_DIR"])
NFACCTD = BUILD / "sbin/nfacctd"
KEYS = (SOURCE / "tests/data/pmacct_keys.txt").read_text().split()


def nfacctd(*args):
    return subprocess.run([NFACCTD, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class PmacctKeys(unittest.TestCase):
    def test_every_key_is_claimed_or_has_a_reason(self):
        listed = json.loads(nfacctd("--keys=json").stdout)
        known = {key["name"] for key in listed["unsupported"]}
        for key in listed["keys"]:
            known |= {key["name"], *(key["aliases"] or "").split("|")}
        self.assertEqual(sorted(set(KEYS) - known), [])

    def test_no_key_of_theirs_is_called_unknown_and_all_are_reported_at_once(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            for key in KEYS:
                print(f"{key}: no value of any type" if key != "plugins" else "plugins: print[a]", file=config)
            print("nfaccttd_port: 2100", file=config)
            config.flush()
            result = nfacctd("-f", config.name, "--check")
        self.assertEqual(result.returncode, 1)
        unknown = [line for line in result.stderr.splitlines() if "unknown key" in line]
        self.assertEqual(len(unknown), 1, unknown)
        self.assertIn("did you mean nfacctd_port?", unknown[0])
        self.assertGreater(len([line for line in result.stderr.splitlines() if "not supported" in line]), 300)


if __name__ == "__main__":
    if not NFACCTD.exists():
        sys.exit("nfacctd was not built")
    unittest.main()
