#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two minutes of scripts/differential, by a seed that the log has; and its list of known differences: each points at a row of
docs/switching.md, or says what the version of pmacct does."""
import os
import re
import subprocess
import sys

from harness import BUILD, SOURCE, Skip, main, need_pmacct

sys.path.insert(0, str(SOURCE / "tests/differential"))
from compare import read_known  # noqa: E402

SECONDS = 80  # after which no new case begins


def test_known_differences_have_their_reasons(_):
    rows = [line.split("|")[1].strip() for line in (SOURCE / "docs/switching.md").read_text().replace("\\|", "/").splitlines() if line.startswith("| ")]
    for entry in read_known(SOURCE / "tests/differential/known.txt"):
        reason = entry.reason.removeprefix("(sometimes) ")
        quoted = re.fullmatch(r'"(.*)"', reason)
        assert quoted or reason.startswith("1.7.7: "), f"known.txt:{entry.number}: {reason}"
        assert not quoted or any(row.startswith(quoted[1]) for row in rows), f"known.txt:{entry.number}: no row of docs/switching.md begins with {reason}"


def seed_of_this_commit():
    """Each commit tries something else, and the same wherever it is tried: a commit that is right does not fail later."""
    done = subprocess.run(["git", "-C", SOURCE, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return int(done.stdout[:6], 16) if done.returncode == 0 else int.from_bytes(os.urandom(3), "big")


def test_nothing_differs_that_is_not_known(_):
    need_pmacct("sbin/nfacctd")
    seed = os.environ.get("SEED") or seed_of_this_commit()
    done = subprocess.run([SOURCE / "scripts/differential", str(seed), str(SECONDS)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "BUILD_DIR": str(BUILD), "SOURCE_DIR": str(SOURCE)}, timeout=280, check=False)
    print(done.stdout, flush=True)
    if done.returncode == 77:
        raise Skip("pmacct does not run here")
    assert done.returncode == 0, f"scripts/differential ended with {done.returncode}"


if __name__ == "__main__":
    main(globals())
