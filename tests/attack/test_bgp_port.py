#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that strangers who reach the BGP port keep no router out: floods, silence, resets, halves of messages, many names at one
address, and more connections than there are descriptors."""
import os
import resource
import signal
import socket
import struct
import threading
import time

from attack import GoodRouter, connections_add_up
from harness import Skip, free_port, main, wait_for
from bgp_listener import Listener
from bgp_speaker import KEEPALIVE, OPEN, Speaker, attributes, message, prefix, update


class Flood:
    """Connections from many addresses, or from one, that say nothing; old ones are let go. `rate`: so many a second at most."""

    def __init__(self, test, port, addresses, rate=None, say=b""):
        self.port, self.addresses, self.rate, self.say = port, addresses, rate, say
        self.count, self.is_on, self.kept = 0, True, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        test.cleanups.append(self.stop)
        self.thread.start()
        wait_for(lambda: self.count > 300, "the flood")

    def run(self):
        started = time.monotonic()
        while self.is_on:
            if self.rate and self.count > (time.monotonic() - started) * self.rate:
                time.sleep(0.0005)
                continue
            stranger = socket.socket()
            try:
                stranger.settimeout(5)
                stranger.bind((self.addresses[self.count % len(self.addresses)], 0))
                stranger.connect(("127.0.0.1", self.port))
                if self.say:
                    stranger.send(self.say)
            except OSError:
                pass
            self.count += 1
            self.kept.append(stranger)
            if len(self.kept) > 400:
                self.kept.pop(0).close()

    def stop(self):
        self.is_on = False
        self.thread.join(20)
        for stranger in self.kept:
            stranger.close()
        self.kept = []


STRANGERS = [f"127.0.{3 + i // 250}.{1 + i % 250}" for i in range(1000)]


def test_flood_of_strangers_does_not_keep_a_known_router_out(test):
    """The router's OPEN takes its time, as on a long way; nobody else's connections cost it its place meanwhile."""
    listener = Listener(test)
    good = GoodRouter(test, listener)
    for say in (b"", b"\xff" * 16):  # half a message is no better
        flood = Flood(test, listener.port, STRANGERS, say=say)
        for _ in range(8):
            router = Speaker(test, listener.port)
            time.sleep(0.05)
            router.establish()
        flood.stop()
    good.connect()
    good.check()
    assert listener.stats()["connections_displaced"] > 0, listener.stats()
    wait_for(lambda: connections_add_up(listener) <= 2 * 256, "the end of the strangers' connections")


def test_flood_of_strangers_leaves_new_routers_time_for_their_open(test):
    listener = Listener(test, bgp_daemon_max_peers=50)
    flood = Flood(test, listener.port, STRANGERS, rate=1000)
    for i in range(15):
        Speaker(test, listener.port, address=f"127.0.0.{101 + i}").establish()
    flood.stop()
    assert len(listener.established()) == 15


def test_flood_from_the_routers_own_address(test):
    """Behind one address there may be others."""
    listener = Listener(test)
    good = GoodRouter(test, listener, address="127.0.0.22")
    flood = Flood(test, listener.port, ["127.0.0.21"], rate=1000)
    for _ in range(15):
        Speaker(test, listener.port, address="127.0.0.21").establish()
    flood.stop()
    good.check()


def test_resets_and_halves_leave_nothing_behind(test):
    listener = Listener(test)
    good = GoodRouter(test, listener)
    for i in range(200):
        speaker = Speaker(test, listener.port, address=f"127.0.3.{1 + i % 250}")
        opened = speaker.open_message()
        speaker.send(opened[:(i * 7) % len(opened)])
        if i % 2:  # a reset in place of an end
            speaker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        speaker.socket.close()
    listener.wait_stat("opens_failed", 200)
    good.check()
    assert connections_add_up(listener) == 0


def test_places_that_strangers_took_are_given_back_to_routers(test):
    """Who had a session before them goes first, whom keys name goes first of all, and a stranger displaces nobody."""
    listener = Listener(test, bgp_daemon_max_peers=3, bgp_daemon_connect="127.0.0.25@1")
    first = GoodRouter(test, listener)
    first.speaker.socket.close()
    listener.wait_stat("sessions_lost")
    strangers = [Speaker(test, listener.port, address=f"127.0.3.{i}").establish() for i in (1, 2, 3)]
    listener.wait_stat("sessions_established", 4)
    first.connect()
    assert strangers[2].read_notification()[:2] == (6, 8)  # the last one to come
    Speaker(test, listener.port, address="127.0.0.25").establish()
    assert strangers[1].read_notification()[:2] == (6, 8)
    another = Speaker(test, listener.port, address="127.0.3.4")
    another.send(another.open_message())
    assert another.read_notification()[:2] == (6, 5)
    first.check()
    assert sorted(listener.established()) == ["127.0.0.21", "127.0.0.25", "127.0.3.1"]
    stats = listener.stats()
    assert stats["sessions_displaced"] == 2 and stats["connections_refused_limit"] == 1, stats
    assert "session with 127.0.3.3 ended for 127.0.0.21, which is better known: bgp_daemon_max_peers is 3" in listener.log.read_text()


def test_peers_that_a_map_names_go_first(test):
    """The whole daemon, whose bgp_agent_map is read anew."""
    port = free_port(socket.SOCK_STREAM)
    agents = test.write("agents.map", "bgp_ip=127.0.0.25 ip=10.0.0.1\n")
    daemon = test.nfacctd(f"plugins: print[a]\nprint_output_file[a]: {test.dir}/out\naggregate[a]: src_host\nbgp_agent_map: {agents}\n"
                          f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {port}\nbgp_daemon_max_peers: 1\n")
    assert "whoever reaches port" in daemon.output()

    def is_admitted(address):
        speaker = Speaker(test, port, address=address)
        speaker.send(speaker.open_message())
        return speaker.read()[0] == OPEN

    stranger = Speaker(test, port, address="127.0.3.1").establish()
    daemon.wait_log("peer 127.0.3.1 AS 65000 up")
    assert not is_admitted("127.0.0.26")
    assert is_admitted("127.0.0.25")
    assert stranger.read_notification()[:2] == (6, 8)
    agents.write_text("bgp_ip=127.0.0.26 ip=10.0.0.1\n")
    daemon.signal(signal.SIGUSR2)
    wait_for(lambda: is_admitted("127.0.0.26"), "the place of the peer that is named now")
    assert daemon.stop() == 0, daemon.output()


def test_tables_that_strangers_left_make_room(test):
    """Each of a stranger's addresses leaves a table that is kept for the case that it comes back."""
    listener = Listener(test, bgp_daemon_max_peers=3, bgp_daemon_connect="127.0.0.25@1")
    for i in range(6):
        stranger = Speaker(test, listener.port, address=f"127.0.3.{i + 1}").establish()
        stranger.send(update(attributes(), prefix("10.0.0.0/8")), update())
        listener.peer(f"127.0.3.{i + 1}")
        stranger.socket.close()
        listener.wait_stat("sessions_lost", i + 1)
    seventh = Speaker(test, listener.port, address="127.0.3.7")
    seventh.send(seventh.open_message())
    assert seventh.read_notification()[:2] == (6, 5)
    GoodRouter(test, listener, address="127.0.0.25").check()
    assert len(listener.peers()) == 6, listener.peers()  # five strangers' tables are left


def test_one_address_has_two_names_at_most(test):
    listener = Listener(test)
    good = GoodRouter(test, listener)
    Speaker(test, listener.port, router_id="10.0.0.2").establish()
    third = Speaker(test, listener.port, router_id="10.0.0.3")
    third.send(third.open_message())
    assert third.read_notification()[:2] == (6, 5)  # connection rejected
    for i in range(60):  # and one after the other takes no more places either
        name = Speaker(test, listener.port, address="127.0.0.22", router_id=f"10.1.0.{i}")
        name.send(name.open_message(), message(KEEPALIVE), update(attributes(), prefix("10.0.0.0/8")), update())
        name.read()
        name.socket.close()
    good.check()
    wait_for(lambda: connections_add_up(listener) == 0, "the end of all of them")
    assert sum(p["address"] == "127.0.0.22" for p in listener.peers()) <= 2
    assert listener.stats()["connections_refused_identifiers"] >= 1
    assert "bgp_daemon_max_sessions_per_address, which is 2" in listener.log.read_text()


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_no_descriptors_left_is_waited_for(test):
    listener = Listener(test)
    good = GoodRouter(test, listener)
    used = len(os.listdir(f"/proc/{listener.process.pid}/fd"))
    resource.prlimit(listener.process.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
    strangers = [Speaker(test, listener.port, address=f"127.0.3.{1 + i}") for i in range(60)]
    listener.wait_stat("accept_pauses")
    before = cpu_seconds(listener.process.pid)
    for _ in range(4):
        time.sleep(0.5)
        good.keep()
    assert cpu_seconds(listener.process.pid) - before < 1, "it spins"  # of two seconds
    good.check()
    assert "no new connections: Too many open files; let this process have more (LimitNOFILE=" in listener.log.read_text()
    for stranger in strangers:
        stranger.socket.close()
    Speaker(test, listener.port, address="127.0.0.22").establish()
    assert wait_for(lambda: connections_add_up(listener) == 0, "the end of the strangers")


def test_peers_from_far_away_are_not_heard(test):
    """RFC 5082: a packet with a TTL of 64 has been sent by none of our neighbours."""
    listener = Listener(test, bgp_daemon_ttl_security=1)
    far = socket.socket()
    far.bind(("127.0.0.22", 0))
    far.settimeout(1)
    try:
        far.connect(("127.0.0.1", listener.port))
        raise AssertionError("connected with a TTL of 64")
    except TimeoutError:
        far.close()
    near = socket.socket()
    near.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
    near.bind(("127.0.0.21", 0))
    near.settimeout(15)
    near.connect(("127.0.0.1", listener.port))
    near.send(message(KEEPALIVE))
    assert near.recv(100)[18] == 3
    near.close()
    assert listener.stats()["connections_accepted"] == 1


def test_ttl_security_of_ipv6(test):
    listener = Listener(test, bgp_daemon_ip="::1", bgp_daemon_ttl_security=2)
    for hops, is_heard in ((253, False), (254, True)):
        sock = socket.socket(socket.AF_INET6)
        test.cleanups.append(sock.close)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
        sock.settimeout(15 if is_heard else 1)
        try:
            sock.connect(("::1", listener.port))
            assert is_heard, hops
        except TimeoutError:
            assert not is_heard, hops


def test_passwords_are_reloaded(test):
    """TCP-MD5 (RFC 2385) of a whole network, whose password changes while we listen."""
    def connect(password):
        sock = socket.socket()
        sock.bind(("127.0.0.21", 0))
        sock.settimeout(1)
        key = struct.pack("=HH4s120xBBHI80s", socket.AF_INET, 0, socket.inet_aton("127.0.0.1"), 0, 0, len(password), 0, password)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, 14, key)  # TCP_MD5SIG of linux/tcp.h
        except OSError as error:
            raise Skip(f"this kernel has no TCP-MD5: {error}") from None
        try:
            sock.connect(("127.0.0.1", listener.port))
        except TimeoutError:
            return False
        finally:
            sock.close()
        return True

    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, 14, struct.pack("=HH4s120xBBHI80s", socket.AF_INET, 0, bytes(4), 0, 0, 1, 0, b"x"))
        except OSError as error:
            raise Skip(f"this kernel has no TCP-MD5: {error}") from None
    passwords = test.write("md5", "127.0.0.0/24, first\n")
    listener = Listener(test, bgp_daemon_md5_file=passwords)
    assert connect(b"first") and not connect(b"second")
    passwords.write_text("127.0.0.0/24, second\n")
    listener.ask("reload")
    wait_for(lambda: "read again, 1 entries" in listener.log.read_text(), "the reload")
    assert connect(b"second") and not connect(b"first")


def test_dead_connections_are_found_by_tcp_too(test):
    """A session without hold time is asked for a sign of life by the kernel."""
    listener = Listener(test)
    speaker = Speaker(test, listener.port, hold_time=0).establish()
    listener.wait_stat("sessions_established")
    here, there = speaker.socket.getsockname()[1], listener.port

    def timer():
        rows = [row.split() for row in open("/proc/net/tcp", encoding="ascii").readlines()[1:]]
        return next(row[5] for row in rows if row[1].endswith(f":{there:04X}") and row[2].endswith(f":{here:04X}"))
    wait_for(lambda: timer()[:2] == "02", "the timer of keepalive")  # proc(5): 02 is a keepalive timer


if __name__ == "__main__":
    main(globals())
