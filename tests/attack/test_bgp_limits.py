#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that a peer which announces too much costs itself its session and nobody else a route: prefixes, paths, memory."""
import socket
import struct

from attack import GoodRouter
from harness import main, wait_for
from bgp_listener import Listener
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, message, multiprotocol, prefix, update

NOTIFICATION = 3
BIG = 40  # large communities of a path, some 2 KB each with their text


def expect_limit(listener, good, speaker, address, subcode, key):
    """The session ends with that Cease, its paths are gone at once, it has to wait, and the good router has not noticed."""
    assert speaker.read_notification()[:2] == (6, subcode)
    wait_for(lambda: listener.stats()["rib_paths"] == good.ROUTES, "the end of its paths")
    again = Speaker(good.test, listener.port, address=address)
    again.send(again.open_message())
    assert again.read_notification()[:2] == (6, subcode)
    other = Speaker(good.test, listener.port, address=address, router_id="10.99.99.99")  # nor under another name
    other.send(other.open_message())
    assert other.read_notification()[:2] == (6, subcode)
    good.check()
    stats = listener.stats()
    assert stats["sessions_ended_limit"] == 1 and stats["connections_refused_wait"] == 2, stats
    log = listener.log.read_text()
    assert f"peer {address}: session ended, its paths dropped, and refused for 60 s: it has more than {key}" in log, log


def test_too_many_prefixes(test):
    listener = Listener(test, bgp_daemon_max_prefixes=300)
    good = GoodRouter(test, listener)
    speaker = Speaker(test, listener.port, address="127.0.0.22").establish()
    speaker.send(*(update(attributes(), b"".join(prefix(f"10.{i}.{j}.0/24") for j in range(50))) for i in range(7)))
    expect_limit(listener, good, speaker, "127.0.0.22", 1, "bgp_daemon_max_prefixes, which is 300")


def test_too_many_paths(test):
    """Many paths of few prefixes."""
    listener = Listener(test, bgp_peer_paths_max=300)
    good = GoodRouter(test, listener)
    capabilities = multiprotocol(1, 1) + add_path_send((1, 1)) + four_octet_as(65000)
    speaker = Speaker(test, listener.port, address="127.0.0.22", capabilities=capabilities).establish()
    speaker.send(*(update(attributes(path=(i,)), prefix("10.1.0.0/16", i) + prefix("10.2.0.0/16", i)) for i in range(1, 160)))
    expect_limit(listener, good, speaker, "127.0.0.22", 1, "bgp_peer_paths_max, which is 300")


def test_within_the_limits_nothing_happens(test):
    listener = Listener(test, bgp_daemon_max_prefixes=200, bgp_peer_paths_max=200)
    good = GoodRouter(test, listener)
    for _ in range(3):  # the same again, and each replaced, and gone and back
        good.speaker.send(*(update(attributes(path=(7,)), prefix(f"192.0.{i}.0/24")) for i in range(200)))
        good.speaker.send(*(update(withdrawn=prefix(f"192.0.{i}.0/24")) for i in range(200)))
        good.speaker.send(*(update(attributes(path=(65001, 100 + i)), prefix(f"192.0.{i}.0/24")) for i in range(200)))
    wait_for(lambda: listener.stats()["announced"] == 7 * 200, "all of it")
    good.check()
    assert listener.stats()["refused"] == 0


def test_memory_has_a_bound_without_the_key(test):
    """Three quarters of the machine's memory, or of what the cgroup leaves."""
    memory = int(open("/proc/meminfo", encoding="ascii").readline().split()[1]) << 10
    bound = Listener(test).stats()["memory_max"]
    assert 0 < bound <= memory * 3 // 4, (bound, memory)
    assert Listener(test, name="keyed", bgp_daemon_max_memory="20M").stats()["memory_max"] == 20 << 20


def big_updates(first, count, network=10):
    """Each a prefix with attributes of its own."""
    for i in range(first, first + count):
        communities = b"".join(struct.pack("!III", 65000, i, 4000000000 + k) for k in range(BIG))
        large = struct.pack("!BBH", 0xd0, 32, len(communities)) + communities
        yield update(attributes(path=(65002, i + 1), more=large), prefix(f"{network}.{i >> 8 & 255}.{i & 255}.0/24"))


def send_all(speaker, updates):
    """Sends until all is taken, or the session has ended."""
    try:
        chunk = []
        for one in updates:
            chunk.append(one)
            if len(chunk) == 200:
                speaker.send(*chunk)
                chunk = []
        speaker.send(*chunk)
        return True
    except (BrokenPipeError, ConnectionResetError):
        return False


def test_memory_goes_to_those_who_are_known(test):
    """What lost sessions left goes first, then the session of a stranger that holds most, and then nothing more is taken."""
    listener = Listener(test, bgp_daemon_max_memory="20M", bgp_peer_down_keep=600, bgp_daemon_max_sessions_per_address=1)
    good = GoodRouter(test, listener)
    for address in ("127.0.0.22", "127.0.0.23"):  # both had a session, and are no strangers any more
        Speaker(test, listener.port, address=address).establish().socket.close()
    listener.wait_stat("sessions_lost", 2)
    stale = Speaker(test, listener.port, address="127.0.0.22").establish()
    assert send_all(stale, big_updates(0, 3000))
    wait_for(lambda: listener.stats()["announced"] == good.ROUTES + 3000, "the table that will be stale")
    stale.socket.close()
    listener.wait_stat("sessions_lost", 3)
    small = Speaker(test, listener.port, address="127.0.3.1").establish()  # a stranger as well, whose end would help nobody
    small.send(update(attributes(), prefix("11.0.0.0/8")), update())

    stranger = Speaker(test, listener.port, address="127.0.3.2").establish()
    send_all(stranger, big_updates(30000, 20000, network=12))
    assert stranger.read_notification() in (None, (6, 8, b""))  # out of resources; a reset may swallow it
    stats = listener.stats()
    assert stats["stale_shed"] == 3000 and stats["sessions_ended_limit"] == 1, stats
    log = listener.log.read_text()
    assert log.index("3000 stale paths dropped: bgp_daemon_max_memory (20 MB) is reached") < log.index(
        "peer 127.0.3.2: session ended, and refused for 60 s: bgp_daemon_max_memory (20 MB) is reached, and it holds most")
    wait_for(lambda: listener.stats()["memory_used"] < 10 << 20, "its memory")
    assert "127.0.3.1" in listener.established()
    good.check()

    known = Speaker(test, listener.port, address="127.0.0.23").establish()
    assert send_all(known, big_updates(60000, 20000, network=13))
    wait_for(lambda: listener.stats()["refused"] > 0, "paths that are refused")
    wait_for(lambda: listener.stats()["announced"] >= good.ROUTES + 3001 + 20000, "all of it")
    stats = listener.stats()
    assert stats["memory_used"] < 25 << 20 and stats["rib_paths"] < 20000, stats
    assert "new paths are refused: tables have 2" in listener.log.read_text()
    assert sorted(listener.established()) == ["127.0.0.21", "127.0.0.23", "127.0.3.1"], listener.log.read_text()
    good.check()
    for attempt in range(3):
        good.speaker.send(update(attributes(path=(65001, 100)), prefix("192.0.0.0/24")))  # what it has it may say again
        good.check()
    known.send(message(NOTIFICATION, bytes([6, 2])))  # administrative shutdown: nothing of it is kept
    wait_for(lambda: "new paths are taken again" in listener.log.read_text(), lambda: listener.stats())
    good.connect()
    good.check()


if __name__ == "__main__":
    main(globals())
