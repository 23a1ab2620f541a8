#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows get the AS path that they took, whatever the exporter's clock says, while tables change and sessions bounce: the situations
of bench/accuracy in a small run, all at once, mostly waiting."""
import dataclasses
import sys

from harness import NFACCTD, SOURCE, main

sys.path.insert(0, str(SOURCE / "bench"))
from lib import accuracy  # noqa: E402


def test_paths_are_right_in_each_situation(_test):
    scores = accuracy.Run(dataclasses.replace(accuracy.QUICK, seconds=16), {"pathacct": NFACCTD}).run()["pathacct"]
    for name, score in scores.items():
        told = f"{name}: {dataclasses.replace(score, examples=score.examples[:3])}"
        assert score.flows > 1000, told
        assert score.share >= 99.9, told
        assert score.wrong_exact == 0, told
        assert score.missing == 0, told


def test_a_path_of_another_time_is_found(_test):
    """The score itself: an answer that was right before, or not there, is not taken for right."""
    table = accuracy.Table(accuracy.random.Random(1), 10)
    address = table.keys[0][1] + 1
    paths = table.paths_at(address, 100)
    (next_hop, before), after = next(iter(paths.values())), (1, 2, 3)
    for history in table.histories(address):
        history.append((200, {1: (next_hop, after)}))
    router = type("Router", (), {"table": table})

    def score_of(end, as_path, answer):
        score = accuracy.Score()
        score.add(router, accuracy.Flow(1, address, next_hop, end - 5, end, as_path), answer)
        return score
    text = "_".join(map(str, before))
    assert score_of(190, before, (text, "exact")).right == 1
    assert score_of(210, after, (text, "exact")).wrong_exact == 1
    assert score_of(210, after, (text, "historic")).wrong == 1
    assert score_of(210, after, ("", "unmatched")).empty == 1
    assert score_of(210, after, None).missing == 1
    assert score_of(201, after, (text, "exact")).near_wrong_exact == 1
    assert score_of(199, before, (text, "exact")).near_right == 1


if __name__ == "__main__":
    main(globals())
