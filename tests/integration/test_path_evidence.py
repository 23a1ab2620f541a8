#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Time as evidence of the path: clocks that are off, routing news that come late, sessions that bounce, sessions without ADD-PATH.
A scripted speaker announces; flows say when they were and which next hop they took."""
import json
import socket
import time

from harness import json_lines, main, wait_for
import exports  # harness knows where it is
from bgp_speaker import NOTIFICATION, Speaker, attribute, attributes, four_octet_as, message, multiprotocol, update
from path_collector import END_OF_RIB, PEER, Collector


def check_clock(test, clock_s, more=""):
    collector = Collector(test, more)
    collector.announce((1, "192.0.2.1", (65001,)))
    collector.wait_paths(1)
    collector.announce((1, "192.0.2.1", (65002,)))  # other attributes under the same next hop
    time.sleep(4)
    assert collector.path(1, "192.0.2.1", 0, clock_s) == ("exact", "65002")
    assert collector.path(2, "192.0.2.1", 7, clock_s, lasted_s=0) == ("exact", "65001")
    return collector


def test_ten_seconds_behind_and_said_once(test):
    collector = check_clock(test, 10)
    assert collector.daemon.output().count("its clock is") == 1, collector.daemon.output()
    collector.daemon.stop()
    exporter = json.loads((test.dir / "nfacctd.stats").read_text())["exporters"][0]
    assert 9_000 <= exporter["clock_behind_ms"] <= 11_500 and exporter["clock_ahead_ms"] == 0, exporter


def test_two_hours_behind(test):
    check_clock(test, 7200)


def test_two_minutes_ahead(test):
    check_clock(test, -120)


def test_whatever_the_clock_says_paths_are_those_of_now(test):
    """Clocks of five domains. One prefix went to another upstream, one is new, one is as it was; flows ended just now."""
    collector = Collector(test)
    collector.announce((1, "192.0.2.1", (65001,)), (1, "192.0.2.1", (65001,), "198.51.100.0/24"))
    collector.wait_paths(2)
    time.sleep(4)
    collector.announce((1, "192.0.2.2", (65002,)), (1, "192.0.2.3", (65003,), "192.0.2.128/25"))
    collector.wait_paths(3)
    time.sleep(5)
    flows = {"203.0.113.9": ("192.0.2.2", "65002"), "198.51.100.9": ("192.0.2.1", "65001"), "192.0.2.129": ("192.0.2.3", "65003")}
    clocks = (0, 10, 7200, -200, -7200)
    for domain, clock_s in enumerate(clocks):
        for number, (destination, (next_hop, _)) in enumerate(flows.items()):
            collector.send(1 + 10 * domain + number, next_hop, 1, clock_s, lasted_s=2, destination=destination, domain=domain)
    for domain, clock_s in enumerate(clocks):
        for number, (_, as_path) in enumerate(flows.values()):
            assert collector.path_of(1 + 10 * domain + number) == ("exact", as_path), (clock_s, as_path)
    assert collector.daemon.output().count("its clock is") == 1, collector.daemon.output()


def test_stamps_go_by_our_clock_if_asked_to(test):
    collector = check_clock(test, 7200, "nfacctd_time_correct: true\ntimestamps_utc: true\n")
    stamp = next(r for r in json_lines(collector.out) if r["port_dst"] == 1)["timestamp_start"]
    assert stamp[:16] in {time.strftime("%Y-%m-%d %H:%M", time.gmtime(time.time() - s)) for s in range(0, 120, 30)}, stamp
    assert "its clock is" in collector.daemon.output()


def test_news_that_come_after_the_flow_are_taken(test):
    collector = Collector(test)
    collector.announce((1, "192.0.2.1", (65001,)))
    time.sleep(2)
    collector.announce((2, "192.0.2.2", (65002,)))
    collector.wait_paths(2)
    # The router used the new path a second before it told us.
    ended_s = 2
    assert collector.path(1, "192.0.2.2", ended_s, lasted_s=0) == ("exact", "65002")
    test.wait_now(collector.daemon, lambda stats: stats["exporters"][0]["late"] == 1, "the late verdict counted")


def test_late_news_can_be_left_out(test):
    collector = Collector(test, "bgp_path_lag: 0\n")
    collector.announce((1, "192.0.2.1", (65001,)))
    time.sleep(2)
    collector.announce((2, "192.0.2.2", (65002,)))
    collector.wait_paths(2)
    assert collector.path(1, "192.0.2.2", 2, lasted_s=0) == ("unmatched", "")


def bounce(collector, how, paths):
    """The session goes and comes back with these paths."""
    how()
    test = collector.test
    test.wait_now(collector.daemon, lambda stats: stats["bgp"]["sessions_lost"] == 1, "the end of the session")
    time.sleep(1)
    collector.speaker = collector.connect()
    collector.announce(*paths)
    test.wait_now(collector.daemon, lambda stats: stats["bgp"]["end_of_rib"] == 2, "the new table")


def test_a_bounce_is_no_change_of_routing(test):
    collector = Collector(test)
    collector.announce((1, "192.0.2.1", (65001,)), (2, "192.0.2.2", (65002,)))
    collector.wait_paths(2)
    before = time.time()
    time.sleep(1)
    bounce(collector, collector.speaker.socket.close, ((2, "192.0.2.1", (65001,)), (1, "192.0.2.3", (65003,))))
    assert collector.path(1, "192.0.2.1", time.time() - before) == ("exact", "65001")  # under another id
    assert collector.path(2, "192.0.2.1", 0) == ("exact", "65001")
    assert collector.path(3, "192.0.2.2", time.time() - before) == ("exact", "65002")  # gone since the break
    assert collector.path(4, "192.0.2.2", 0, lasted_s=0) == ("unmatched", "")
    assert collector.path(5, "192.0.2.3", 0, lasted_s=0) == ("exact", "65003")


def test_each_family_comes_from_the_session_that_has_its_paths(test):
    collector = Collector(test, capabilities=multiprotocol(1, 1) + multiprotocol(2, 1) + four_octet_as(65000))
    collector.announce((None, "192.0.2.1", (65001,)))
    # The router's other session, from another address under the same identifier; both speak both families.
    other = Speaker(test, collector.bgp_port, address="127.0.0.22", router_id=PEER, capabilities=collector.capabilities).establish()
    next_hop, network = socket.inet_pton(socket.AF_INET6, "2001:db8::1"), bytes.fromhex("2020010db8")
    reach = bytes([0, 2, 1, len(next_hop)]) + next_hop + b"\0" + network
    other.send(update(attributes((65006,), more=attribute(0x80, 14, reach))), END_OF_RIB, update(attribute(0x80, 15, b"\0\2\1")))
    collector.wait_paths(2)
    test.wait_now(collector.daemon, lambda stats: stats["bgp"]["end_of_rib"] == 3, "both tables")
    assert collector.path(1, "192.0.2.1", 0) == ("exact", "65001")
    stream, now = exports.Ipfix(exports.COMMON_FIELDS_V6, template_id=257, domain=2), int(time.time() * 1000)
    flow = exports.common_flow("2001:db8:ffff::1", "2001:db8:1::9", "2001:db8::1", dport=2, start_ms=now - 1000, end_ms=now)
    test.send(stream.announce(), source=PEER)
    test.send(stream.data([flow]), source=PEER)
    got = wait_for(lambda: next((r for r in json_lines(collector.out) if r.get("port_dst") == 2), None), "the IPv6 flow")
    assert (got["path_match"], got["as_path"]) == ("exact", "65006"), got


def test_a_session_that_was_shut_down_leaves_nothing(test):
    collector = Collector(test)
    collector.announce((1, "192.0.2.1", (65001,)))
    collector.wait_paths(1)
    assert collector.path(1, "192.0.2.1", 0) == ("exact", "65001")
    collector.speaker.send(message(NOTIFICATION, b"\x06\x02"))  # administrative shutdown (RFC 4486)
    collector.wait_paths(0)
    assert collector.path(2, "192.0.2.1", 0) == ("no_rib", "")


def test_a_session_that_was_reset_leaves_its_paths(test):
    collector = Collector(test)
    collector.announce((1, "192.0.2.1", (65001,)))
    collector.wait_paths(1)
    collector.speaker.send(message(NOTIFICATION, b"\x06\x04"))  # administrative reset: it comes back
    test.wait_now(collector.daemon, lambda stats: stats["bgp"]["sessions_lost"] == 1, "the end of the session")
    assert collector.path(1, "192.0.2.1", 0) == ("exact", "65001")


def test_without_add_path_another_next_hop_differs(test):
    collector = Collector(test, capabilities=multiprotocol(1, 1) + four_octet_as(65000))
    collector.announce((None, "192.0.2.1", (65001,)))
    collector.wait_paths(1)
    assert collector.path(1, "192.0.2.1", 0) == ("exact", "65001")
    assert "ADD-PATH" not in collector.daemon.output()
    for port in (2, 3):
        assert collector.path(port, "192.0.2.2", 0) == ("differs", "65001")
    log = collector.daemon.output()
    assert log.count(f"its BGP session {PEER} has no ADD-PATH in ipv4-unicast") == 1, log


def test_a_list_of_verdicts_from_before_takes_both(test):
    collector = Collector(test, "bgp_path_accept: exact, single\n", capabilities=multiprotocol(1, 1) + four_octet_as(65000))
    collector.announce((None, "192.0.2.1", (65001,)))
    collector.wait_paths(1)
    assert collector.path(1, "192.0.2.2", 0) == ("differs", "65001")
    assert collector.daemon.output().count("bgp_path_accept: `differs`") == 1


if __name__ == "__main__":
    main(globals())
