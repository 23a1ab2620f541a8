#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A sample of the fault matrix (scripts/faults runs all of it): which cells, a seed says, which stands in the log. FAULT_SEED and
FAULT_CELLS choose others."""
import os
import sys
import time

from harness import SOURCE, main

sys.path.insert(0, str(SOURCE / "tests/faults"))
import matrix  # noqa: E402


def test_sample(test):
    del test
    seed, count = int(os.environ.get("FAULT_SEED", time.time())), int(os.environ.get("FAULT_CELLS", 25))
    print(f"    FAULT_SEED={seed}", flush=True)
    results = matrix.run(matrix.sample(count, seed), seed, tell=lambda text: print("    " + text, flush=True))
    assert not [r for r in results if r.failure], "cells failed"
    assert sum(not r.skipped for r in results) >= count // 3, "hardly a cell ran"


if __name__ == "__main__":
    main(globals())
