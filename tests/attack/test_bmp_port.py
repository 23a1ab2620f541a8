#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that strangers who reach the BMP port keep no router out and harm no table: floods of connections, silence, slow senders, halves
of messages, garbage behind a good beginning, and more peers and paths than a router may have."""
import random
import resource
import socket
import struct
import threading

from attack import harness  # also the path to the modules below
from bmp_speaker import Router, initiation, message, monitoring, peer_down, peer_header, peer_up, route
from control_client import Api
from bgp_speaker import update

STRANGERS = [f"127.0.{3 + i // 250}.{1 + i % 250}" for i in range(1000)]
ROUTES = 100


def start(test, more="", **kwargs):
    test.bmp = harness.free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {test.dir}/out-%H%M.csv\n"
                          f"control_socket: {test.dir}/control.sock\nbmp_daemon: true\nbmp_daemon_ip: 127.0.0.1\nbmp_daemon_port: {test.bmp}\n{more}",
                          **kwargs)
    test.api = Api(test.dir / "control.sock")
    return daemon


class GoodRouter:
    """A router of well-formed messages whose routes must come to no harm."""

    def __init__(self, test, daemon):
        self.test, self.daemon = test, daemon
        self.router = Router(test, test.bmp, "127.0.0.31").send(initiation("good"), peer_up(),
                                                                *(route(f"192.0.{i}.0/24", path=(65001, 100 + i)) for i in range(ROUTES)),
                                                                monitoring(update()))
        self.count = ROUTES
        test.wait_now(daemon, lambda stats: stats["bmp"]["announced"] == ROUTES, "its routes")

    def check(self):
        """The connection is the same, a new route arrives, and all routes are there."""
        self.router.send(route(f"193.0.{self.count - ROUTES}.0/24", path=(65001, 1)))
        self.count += 1
        good = harness.wait_for(lambda: next((r for r in self.test.api.get("peers")["bmp_routers"] if r["address"] == "127.0.0.31"), None), "the router")
        assert good["state"] == "connected" and good["port"] == self.router.socket.getsockname()[1], good
        for prefix in (f"193.0.{self.count - 1 - ROUTES}.0/24", "192.0.0.0/24", f"192.0.{ROUTES - 1}.0/24"):
            harness.wait_for(lambda p=prefix: self.test.api.get("routes", prefix=p, peer="127.0.0.31")["paths"] == 1, prefix)
        assert not harness.SANITIZER.search(self.daemon.output()), self.daemon.output()


class Flood:
    """Connections from many addresses that say `say`; old ones are let go."""

    def __init__(self, test, say=b""):
        self.port, self.say, self.count, self.is_on, self.kept = test.bmp, say, 0, True, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        test.cleanups.append(self.stop)
        self.thread.start()
        harness.wait_for(lambda: self.count > 600, "the flood")

    def run(self):
        while self.is_on:
            stranger = socket.socket()
            try:
                stranger.settimeout(5)
                stranger.bind((STRANGERS[self.count % len(STRANGERS)], 0))
                stranger.connect(("127.0.0.1", self.port))
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


def test_floods_of_connections_keep_no_router_out(test):
    """Silent ones, halves of a message, and whole beginnings of routers that are none."""
    daemon = start(test)
    good = GoodRouter(test, daemon)
    for number, say in enumerate((b"", initiation()[:9], initiation())):
        flood = Flood(test, say)
        good.check()
        if number < 2:  # a new router that is slow with its first message has its place too
            late = Router(test, test.bmp, f"127.0.0.{41 + number}")
            for byte in initiation("late"):
                late.send(bytes([byte]))
            late.send(peer_up())
            harness.wait_for(lambda n=number: any(r["address"] == f"127.0.0.{41 + n}" and r["peers_up"] == 1 for r in test.api.get("peers")["bmp_routers"]),
                             "the late router")
        flood.stop()
        good.check()
    bmp = test.wait_now(daemon, lambda stats: stats["bmp"]["unopened"] <= 256, "bounded connections")["bmp"]
    assert bmp["routers"] <= 10 and bmp["connections_displaced"] > 0 and bmp["connections_refused_limit"] > 0, bmp


def test_slow_senders_hold_nothing_but_their_place(test):
    daemon = start(test)
    good = GoodRouter(test, daemon)
    slow = [Router(test, test.bmp, f"127.0.3.{1 + i}") for i in range(200)]
    for i, router in enumerate(slow):  # a first message that never ends, byte by byte
        router.send(struct.pack("!BIB", 3, 16000, 4)[:1 + i % 6])
    for _ in range(20):
        for router in slow:
            try:
                router.send(b"\0")
            except OSError:
                pass  # its length became one that no message has
        good.check()
    bmp = test.now(daemon)["bmp"]
    assert bmp["routers"] == 1 and bmp["unopened"] + bmp["connections_foreign"] + bmp["connections_displaced"] == 200, bmp


def test_garbage_behind_a_good_beginning(test):
    """Each message is random from some byte on; where its length holds, the connection goes on."""
    daemon = start(test, "bmp_daemon_max_peers: 50\n")
    good = GoodRouter(test, daemon)
    dice = random.Random(7)
    wholes = [initiation(), peer_up(), peer_down(), route("198.51.100.0/24"), message(1, peer_header() + b"\0\0\0\1\0\0\0\4\0\0\0\1"),
              message(6, peer_header() + b"\0\0\0\4abcd"), message(5, b"\0\1\0\2\0\1"), route("10.0.0.0/8", header=peer_header(kind=3))]
    for i in range(150):
        router = Router(test, test.bmp, f"127.0.3.{1 + i % 30}")
        try:
            router.send(initiation(f"r{i}"), peer_up())
            for _ in range(40):
                whole = bytearray(dice.choice(wholes))
                for at in range(dice.randrange(6 if dice.random() < 0.9 else 0, len(whole)), len(whole)):
                    if dice.random() < 0.3:
                        whole[at] = dice.randrange(256)
                router.send(bytes(whole))
        except OSError:
            pass  # its end, where nobody can tell messages apart
        router.socket.close()
    good.check()
    bmp = test.now(daemon)["bmp"]
    assert sum(value for name, value in bmp.items() if name.startswith("rejected_")) > 100, bmp


def test_a_message_of_gigabytes_takes_no_memory(test):
    daemon = start(test)
    good = GoodRouter(test, daemon)
    before = rss(daemon)
    router = Router(test, test.bmp, "127.0.3.1").send(initiation("large"))
    router.send(struct.pack("!BIB", 3, 0xffffffff, 0))
    for _ in range(64):
        router.send(b"\xff" * (1 << 20))
    good.check()
    assert rss(daemon) - before < 48 << 20, (before, rss(daemon))
    assert test.now(daemon)["bmp"]["rejected_too_long"] == 1


def rss(daemon):
    pages = int(open(f"/proc/{daemon.pid}/statm", encoding="ascii").read().split()[1])
    return pages * resource.getpagesize()


def test_one_router_of_too_many_peers_and_paths_is_bounded(test):
    daemon = start(test, "bmp_router_peers_max: 20\nbmp_router_paths_max: 500\n")
    good = GoodRouter(test, daemon)
    router = Router(test, test.bmp, "127.0.3.1").send(initiation("greedy"))
    for i in range(100):
        router.send(peer_up(peer=f"10.9.0.{1 + i}"))
    for i in range(2000):
        router.send(route(f"20.{i >> 8}.{i & 255}.0/24", header=peer_header(f"10.9.0.{1 + i % 20}")))
    bmp = test.wait_now(daemon, lambda stats: stats["bmp"]["announced"] == 2000 + ROUTES, "what it says")["bmp"]
    assert bmp["rejected_peer_limit"] == 80 and bmp["peers"] == 21 and bmp["paths_refused"] >= 1500 - 20, bmp
    assert test.now(daemon)["bgp"]["rib_paths"] <= 500 + ROUTES + 20
    good.check()


def test_more_connections_than_descriptors(test):
    daemon = start(test, "bmp_daemon_max_peers: 100\n", prefix=("prlimit", "--nofile=120"))
    good = GoodRouter(test, daemon)
    strangers = [Router(test, test.bmp, STRANGERS[i]) for i in range(200)]
    daemon.wait_log("bmp: no new connections: Too many open files; let this process have more")
    for stranger in strangers:
        stranger.socket.close()
    harness.wait_for(lambda: test.now(daemon)["bmp"]["unopened"] == 0, "their end", 60)
    Router(test, test.bmp, "127.0.0.50").send(initiation("after"), peer_up())
    test.wait_now(daemon, lambda stats: stats["bmp"]["routers"] == 2, "a new router")
    good.check()


if __name__ == "__main__":
    harness.main(globals())
