#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A minute of the soak that `scripts/soak HOURS` runs for long: nothing grows, and each flow is in every output once."""
import time

from harness import main
from test_conservation import check_ledger
import soak  # harness knows where it is


def test_a_minute_of_everything(test):
    seed = int(time.time())
    print(f"seed {seed}")
    world = soak.Soak(test, seed)
    check_ledger(world.run(60, rests=3))
    assert all(world.events.get(name) for name in ("routes_change", "nonsense", "restart", "kill", "flap")), world.events


if __name__ == "__main__":
    main(globals())
