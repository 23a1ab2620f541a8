#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is left of a router's table when its session ends, and what a table means that comes back."""
import time

from harness import main, wait_for
from bgp_speaker import NOTIFICATION, Speaker, four_octet_as, message, multiprotocol, prefix, update
from path_collector import ADD_PATH, PEER, Collector

OTHER = "198.51.100.0/24"


def peers_after(test, collector, ends):
    """Ends a session of each kind; how many paths are left of each. `ends` names what each speaker does."""
    for number, end in enumerate(ends):
        speaker = Speaker(test, collector.bgp_port, address=f"127.0.0.{41 + number}", capabilities=ADD_PATH).establish()
        collector.announce((1, "192.0.2.1", (65001,)), speaker=speaker)
        collector.wait_paths(number + 1)
        ends[number] = end, speaker
    for end, speaker in ends:
        end(speaker)
    stats = test.wait_now(collector.daemon, lambda stats: stats["bgp"]["sessions_lost"] == len(ends), "the ends of all sessions", collector.name)
    left = {peer["address"]: peer["paths"] for peer in stats["bgp"]["peers"]}
    return [left.get(f"127.0.0.{41 + number}", 0) for number in range(len(ends))]


def said(code, subcode, data=b""):
    return lambda speaker: speaker.send(message(NOTIFICATION, bytes([code, subcode]) + data))


def test_paths_stay_after_every_end_but_three(test):
    """RFC 4486: Cease/2 is an administrative shutdown, /3 a peer that was taken out; RFC 8538: /9 is a hard reset."""
    collector = Collector(test, "bgp_daemon_max_peers: 20\n")
    reasons = [(6, 1), (6, 2), (6, 3), (6, 4), (6, 5), (6, 6), (6, 7), (6, 8), (6, 9), (6, 10), (4, 0), (3, 1)]
    ends = [said(*reason) for reason in reasons]
    ends += [said(6, 9, b"\6\4"), lambda speaker: speaker.socket.close(), lambda speaker: speaker.send(b"\0" * 19)]
    gone = [(6, 2), (6, 3), (6, 9)]
    assert peers_after(test, collector, ends) == [0 if reason in gone else 1 for reason in reasons] + [0, 1, 1]


def test_paths_go_with_our_own_end_for_a_limit(test):
    collector = Collector(test, "bgp_daemon_max_prefixes: 2\n")
    collector.announce((1, "192.0.2.1", (65001,)))
    collector.wait_paths(1)
    assert collector.path(1, "192.0.2.1", 0) == ("exact", "65001")
    for number in range(3):
        collector.announce((1, "192.0.2.1", (65001,), f"198.51.{number}.0/24"))
    test.wait_now(collector.daemon, lambda stats: stats["bgp"]["sessions_lost"] == 1, "the end of the session")
    collector.wait_paths(0)
    assert collector.path(2, "192.0.2.1", 0) == ("no_rib", "")


def test_pmacct_keeps_nothing(test):
    collector = Collector(test, "bgp_path_accept: pmacct\n")
    assert peers_after(test, collector, [lambda speaker: speaker.socket.close(), said(6, 4)]) == [0, 0]
    asked = Collector(test, "bgp_path_accept: pmacct\nbgp_peer_down_keep: 60\n", name="asked")
    assert peers_after(test, asked, [lambda speaker: speaker.socket.close()]) == [1]


def come_back(collector, *paths):
    """The session breaks, and comes back with a table of these paths; returns when it broke."""
    broken = time.time()
    collector.speaker.socket.close()
    collector.test.wait_now(collector.daemon, lambda stats: stats["bgp"]["sessions_lost"] == 1, "the end of the session")
    time.sleep(2)
    collector.speaker = collector.connect()
    collector.announce(*paths)
    collector.test.wait_now(collector.daemon, lambda stats: stats["bgp"]["end_of_rib"] == 2, "the new table")
    return broken


def test_a_table_that_comes_back(test):
    """A path as before keeps its time, whatever its id; one of a prefix that had none was always there; another one is of the break."""
    collector = Collector(test, "bgp_path_lag: 0\n")
    collector.announce((1, "192.0.2.1", (65001,)), (2, "192.0.2.2", (65002,)))
    collector.wait_paths(2)
    time.sleep(4)
    broken = come_back(collector, (7, "192.0.2.1", (65001,)), (2, "192.0.2.2", (65022,)), (1, "192.0.2.3", (65003,)), (1, "192.0.2.4", (65004,), OTHER))
    before = broken - 2

    now = time.time()
    flows = [("192.0.2.1", before, ("exact", "65001")), ("192.0.2.1", now, ("exact", "65001")),
             ("192.0.2.2", before, ("exact", "65002")),  # other attributes: it was that one until the break
             ("192.0.2.2", now, ("exact", "65022")), ("192.0.2.3", before, ("unmatched", "")),
             ("192.0.2.3", broken + 1.5, ("exact", "65003")), ("192.0.2.3", now, ("exact", "65003")), ("192.0.2.4", before, ("exact", "65004"))]
    for number, (next_hop, ended, _) in enumerate(flows, 1):
        collector.send(number, next_hop, now - ended, lasted_s=0, destination="198.51.100.9" if next_hop == "192.0.2.4" else "203.0.113.9")
    assert [collector.path_of(number) for number in range(1, len(flows) + 1)] == [expected for _, _, expected in flows]


def test_paths_that_do_not_come_back_went_when_the_session_broke(test):
    collector = Collector(test, "bgp_path_lag: 0\n", capabilities=multiprotocol(1, 1) + four_octet_as(65000))
    collector.announce((None, "192.0.2.1", (65001,)), (None, "192.0.2.2", (65002,), OTHER))
    collector.wait_paths(2)
    time.sleep(4)
    broken = come_back(collector, (None, "192.0.2.1", (65001,)))
    collector.wait_paths(1)
    assert collector.path(1, "192.0.2.2", time.time() - broken + 2, lasted_s=0, destination="198.51.100.9") == ("exact", "65002")
    assert collector.path(2, "192.0.2.2", time.time() - broken - 1.5, lasted_s=0, destination="198.51.100.9") == ("no_route", "")


def test_kept_paths_make_room_for_those_that_come(test):
    """They count against the peer's limit, and go first: a router that comes back with as many other prefixes is not beyond it."""
    collector = Collector(test, "bgp_daemon_max_prefixes: 3\n")
    collector.announce(*((1, "192.0.2.1", (65001,), f"198.51.{number}.0/24") for number in range(3)))
    collector.wait_paths(3)
    come_back(collector, *((1, "192.0.2.1", (65001,), f"198.51.{number}.0/24") for number in range(100, 103)))
    stats = test.now(collector.daemon)["bgp"]
    assert (stats["rib_paths"], stats["sessions_lost"], stats["sessions_ended_limit"]) == (3, 1, 0), stats


def test_an_address_with_a_session_is_no_identifier_of_another_router(test):
    """The other router has the first one's address for its identifier."""
    collector = Collector(test)
    collector.announce((1, "192.0.2.1", (65001,)))
    other = Speaker(test, collector.bgp_port, address="127.0.0.31", router_id=PEER, capabilities=ADD_PATH).establish()
    collector.announce((1, "192.0.2.1", (65031,)), speaker=other)
    collector.wait_paths(2)
    assert collector.path(1, "192.0.2.1", 0) == ("exact", "65001")
    assert collector.path(2, "192.0.2.1", 0, source="127.0.0.31") == ("exact", "65031")


def test_an_address_that_is_to_have_a_session_is_no_identifier_either(test):
    """A password names it. Without that the identifier is all there is, as the exporter's address may be the router's loopback."""
    passwords = test.write("passwords", "127.0.0.77, secret\n")
    for name, more, expected in (("named", f"bgp_daemon_md5_file: {passwords}\n", ("no_rib", "")), ("unnamed", "", ("exact", "65001"))):
        collector = Collector(test, more, name=name, router_id="127.0.0.77")
        collector.announce((1, "192.0.2.1", (65001,)))
        collector.wait_paths(1)
        assert collector.path(1, "192.0.2.1", 0, source="127.0.0.77") == expected, name


def test_the_line_of_a_peer_names_the_families_that_have_add_path(test):
    collector = Collector(test, capabilities=multiprotocol(1, 1) + multiprotocol(2, 1) + four_octet_as(65000))
    Speaker(test, collector.bgp_port, address="127.0.0.31", capabilities=ADD_PATH + multiprotocol(2, 1)).establish()
    for text in f"peer {PEER} AS 65000 up: ipv4-unicast, ipv6-unicast", "peer 127.0.0.31 AS 65000 up: ipv4-unicast with ADD-PATH, ipv6-unicast":
        wait_for(lambda t=text: [line for line in collector.daemon.output().splitlines() if line.endswith(t) and " NOTICE " in line], text)
    collector.speaker.send(update(withdrawn=prefix(OTHER)))


if __name__ == "__main__":
    main(globals())
