#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that each of the real BGP speakers of Debian can be the router: sessions, ADD-PATH, changes and losses as they do them."""

from harness import FOUR_PATHS, Bird, bird_path, four_paths, main, need_root, wait_for
from bgp_listener import Listener
from routers import ExaBgp, Frr, GoBgp, OpenBgpd


def expect_four_paths(listener, peer, prefix="192.168.1.0/24", address="192.168.1.7"):
    """Every next hop of the four-path example finds its own path."""
    for next_hop, path, local_pref in FOUR_PATHS:
        got = listener.lookup(peer, address, next_hop)
        assert got["match"] == "exact" and got["candidates"] == 4, got
        assert got["prefix"] == prefix and got["next_hop"] == next_hop, got
        assert got["as_path"] == path.replace(" ", "_") and got["local_pref"] == local_pref and got["med"] == 100, got
    assert listener.lookup(peer, address, "10.0.0.99")["match"] == "unmatched"


def test_bird_announces_four_paths(test):
    listener = Listener(test)
    Bird(test, listener.port, four_paths())
    peer = listener.peer("127.0.0.11")
    assert peer["as"] == 65000 and peer["families"][0]["add_path"] and peer["families"][1]["negotiated"], peer
    expect_four_paths(listener, peer)
    listener.stop()


def test_bird_withdraws_and_changes_a_path(test):
    listener = Listener(test)
    router = Bird(test, listener.port, four_paths())
    peer = listener.peer("127.0.0.11")
    changed = four_paths()[:2] + [bird_path(3, "192.168.1.0/24", "10.0.0.3", "555 789")]
    router.configure(changed)
    wait_for(lambda: listener.lookup(peer, "192.168.1.7", "10.0.0.2")["candidates"] == 3, "three paths left")
    wait_for(lambda: listener.lookup(peer, "192.168.1.7", "10.0.0.3").get("as_path") == "555_789", "the new path")
    assert listener.lookup(peer, "192.168.1.7", "10.0.0.4")["match"] == "unmatched"


def test_bird_without_add_path_has_one_path(test):
    listener = Listener(test)
    Bird(test, listener.port, four_paths(), add_path=False)
    peer = listener.peer("127.0.0.11")
    got = listener.lookup(peer, "192.168.1.7", "10.0.0.3")
    assert not peer["families"][0]["add_path"] and got["match"] == "differs" and got["as_path"] == "789", got
    assert listener.lookup(peer, "192.168.1.7")["match"] == "single"


def test_bird_announces_ipv6_and_communities(test):
    listener = Listener(test)
    more = "bgp_community.add((65000, 1)); bgp_community.add((65535, 65281)); bgp_ext_community.add((rt, 65000, 2)); " \
           "bgp_large_community.add((65000, 3, 4));"
    Bird(test, listener.port, [bird_path(1, "2001:db8::/32", "2001:db8:ffff::1", "64500 4200000000", more=more)])
    peer = listener.peer("127.0.0.11", families=(0, 1))
    got = listener.lookup(peer, "2001:db8::7", "2001:db8:ffff::1")
    assert got["match"] == "exact" and got["prefix"] == "2001:db8::/32" and got["as_path"] == "64500_4200000000", got
    assert (got["comms"], got["ecomms"], got["lcomms"]) == ("65000:1_no-export", "RT:65000:2", "65000:3:4"), got


def test_bird_comes_over_ipv6(test):
    listener = Listener(test, bgp_daemon_ip="::1")
    Bird(test, listener.port, four_paths(), address="::1", collector="::1")
    peer = listener.peer("::1")
    expect_four_paths(listener, peer)


def wait_four_paths(listener, address):
    peer = listener.peer(address)
    wait_for(lambda: listener.lookup(peer, "192.168.1.7").get("candidates") == 4, "four paths", 30)
    return peer


def test_exabgp_announces_and_withdraws(test):
    listener = Listener(test)
    router = ExaBgp(test, listener.port)
    peer = wait_four_paths(listener, "127.0.0.12")
    expect_four_paths(listener, peer)
    router.send("withdraw " + ExaBgp.route(2, *FOUR_PATHS[1]))
    wait_for(lambda: listener.lookup(peer, "192.168.1.7").get("candidates") == 3, "the withdrawal")
    got = listener.lookup(peer, "192.168.1.7", "10.0.0.2")
    assert got["match"] == "unmatched", got


def test_gobgp_announces_four_paths(test):
    listener = Listener(test)
    GoBgp(test, listener.port)
    expect_four_paths(listener, wait_four_paths(listener, "127.0.0.13"))


def test_frr_reflects_four_paths(test):
    need_root()
    listener = Listener(test)
    router = Frr(test, listener.port)
    ExaBgp(test, router.feeder_port, address="127.0.0.15", target="127.0.0.14", name="feeder")
    expect_four_paths(listener, wait_four_paths(listener, "127.0.0.14"))


def test_openbgpd_reflects_four_paths_to_us_who_connect(test):
    need_root()
    router = OpenBgpd(test)
    listener = Listener(test, bgp_daemon_connect=f"127.0.0.16@{router.port}")
    ExaBgp(test, router.port, address="127.0.0.17", target="127.0.0.16", name="feeder")
    expect_four_paths(listener, wait_four_paths(listener, "127.0.0.16"))


if __name__ == "__main__":
    main(globals())
