#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A router uses a path before it has told of it: what is announced up to bgp_path_lag after a flow's end answers where nothing else does."""
import time

from harness import main, wait_for
import exports  # harness knows where it is
from bgp_speaker import four_octet_as, multiprotocol
from path_collector import NONE, PEER, Collector

ALL = "bgp_path_accept: exact, historic, ambiguous, single, differs, sole, best, covering\n"
ONE_PATH = multiprotocol(1, 1) + four_octet_as(65000)


def late(test, collector, count):
    test.wait_now(collector.daemon, lambda stats: stats["exporters"][0]["late"] == count, f"{count} late verdicts counted")


def begin(test, more="", capabilities=None, first=()):
    """A collector whose table is loaded, and some time after which nothing changed."""
    collector = Collector(test, ALL + more, **({"capabilities": capabilities} if capabilities else {}))
    collector.announce((1 if not capabilities else None, "192.0.2.99", (65099,), "198.51.100.0/24"), *first)
    collector.wait_paths(1 + len(first))
    time.sleep(3)
    return collector


def news(collector, *paths):
    """Announces; returns an instant two seconds before."""
    before = time.time() - 2
    seen = collector.statistics()["bgp"]["announced"]
    collector.announce(*paths)
    wait_for(lambda: collector.statistics()["bgp"]["announced"] == seen + len(paths), "the news")
    return before


def path(collector, port, next_hop, ended):
    return collector.path(port, next_hop, time.time() - ended, lasted_s=0)


def test_without_a_next_hop_the_path_that_was_announced_first(test):
    collector = begin(test)
    before = news(collector, (2, "192.0.2.2", (65002, 65003)))
    assert path(collector, 1, NONE, before) == ("sole", "65002_65003")
    news(collector, (1, "192.0.2.1", (65001,)))  # a better one, and of a lower id
    assert path(collector, 2, NONE, before) == ("best", "65002_65003")
    late(test, collector, 2)
    assert path(collector, 3, NONE, time.time()) == ("best", "65001"), "of those that were there the best"
    late(test, collector, 2)


def test_without_add_path_too(test):
    collector = begin(test, capabilities=ONE_PATH)
    before = news(collector, (None, "192.0.2.1", (65001,)))
    assert path(collector, 1, NONE, before) == ("single", "65001")
    assert path(collector, 2, "192.0.2.1", before) == ("exact", "65001")
    late(test, collector, 2)


def test_a_path_that_takes_the_place_of_another_is_news_too(test):
    """Without ADD-PATH: the flow took the next hop that was announced right after it."""
    collector = begin(test, capabilities=ONE_PATH, first=[(None, "192.0.2.1", (65001,))])
    before = news(collector, (None, "192.0.2.2", (65002,)))
    assert path(collector, 1, "192.0.2.2", before) == ("exact", "65002")
    assert path(collector, 2, "192.0.2.1", before) == ("exact", "65001")
    assert path(collector, 3, "192.0.2.3", before) == ("differs", "65001")
    assert path(collector, 4, NONE, before) == ("single", "65001")
    late(test, collector, 1)


def test_the_longest_prefix_goes_first_and_before_a_covering_one(test):
    collector = begin(test, first=[(1, "192.0.2.1", (65001,), "203.0.0.0/16"), (1, "192.0.2.2", (65002,))])
    assert collector.path(1, "192.0.2.1", 0) == ("covering", "65001")
    before = news(collector, (3, "192.0.2.1", (65003,)), (4, "192.0.2.1", (65004,), "203.0.112.0/23"))
    assert path(collector, 2, "192.0.2.1", before) == ("exact", "65003")
    news(collector, (5, "192.0.2.1", (65005,)))
    assert path(collector, 3, "192.0.2.1", before)[0] == "ambiguous"
    late(test, collector, 2)


def test_news_that_are_later_than_the_lag_are_none(test):
    collector = begin(test, "bgp_path_lag: 40\n")
    before = news(collector, (1, "192.0.2.1", (65001,)))
    assert path(collector, 1, "192.0.2.1", before - 60) == ("no_route", "")
    late(test, collector, 0)
    assert path(collector, 2, "192.0.2.1", before) == ("exact", "65001")
    late(test, collector, 1)


def test_pmacct_waits_for_no_news(test):
    collector = Collector(test, "bgp_path_accept: pmacct\n")
    collector.announce((1, "192.0.2.99", (65099,), "198.51.100.0/24"))
    collector.wait_paths(1)
    time.sleep(3)
    before = news(collector, (1, "192.0.2.1", (65001,)))
    assert path(collector, 1, "192.0.2.1", before) == ("no_route", "")
    late(test, collector, 0)


def test_a_flow_without_times_was_when_it_arrived(test):
    """It is compared with the paths of its arrival, and no news are waited for."""
    fields = [field for field in exports.COMMON_FIELDS if field[0] not in (152, 153)]
    collector = begin(test)
    stream = exports.Ipfix(fields, template_id=300, domain=9)

    def send(port, next_hop):
        row = exports.common_flow("172.16.0.1", "203.0.113.9", next_hop, dport=port)
        row = [value for field, value in zip(exports.COMMON_FIELDS, row) if field[0] not in (152, 153)]
        test.send(stream.announce(), stream.data([row]), source=PEER)
        return wait_for(lambda: collector.row(port), "the row")["path_match"]
    assert send(1, "192.0.2.1") == "no_route"
    news(collector, (1, "192.0.2.1", (65001,)))
    assert send(2, "192.0.2.1") == "exact"
    late(test, collector, 0)


if __name__ == "__main__":
    main(globals())
