#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The BMP station: routers that connect, tell, break off and come back; its bounds; and BGP beside it."""
import select
import socket
import struct
import subprocess
import threading
import time

from harness import BUILD, free_port, main, wait_for
from bgp_speaker import KEEPALIVE, Speaker, attributes, message as bgp_message, prefix, update
from bmp_speaker import (LOC_RIB, MIRRORING, POST_POLICY, Router, initiation, message, monitoring, peer_down, peer_header, peer_up, route,
                         termination)
from control_client import Api, ask


PATHACCT = BUILD / "bin/pathacct"


def start(test, more="", bgp=False, **kwargs):
    test.http, test.bmp, test.bgp = (free_port(socket.SOCK_STREAM) for _ in range(3))
    speaker = f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {test.bgp}\n" if bgp else ""
    daemon = test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host,dst_host\nprint_output_file[a]: {test.dir}/out.csv\n"
                          f"control_socket: {test.dir}/control.sock\n{speaker}"
                          f"bmp_daemon: true\nbmp_daemon_ip: 127.0.0.1\nbmp_daemon_port: {test.bmp}\n{more}", **kwargs)
    test.api = Api(test.dir / "control.sock")
    return daemon


def wait_bmp(test, daemon, what, **expected):
    """Waits for counters of the station."""
    return test.wait_now(daemon, lambda stats: all(stats["bmp"][name] == value for name, value in expected.items()), f"{what}: {expected}")["bmp"]


def test_a_router_tells_of_its_peers_without_bgp(test):
    daemon = start(test)
    assert "bgp: waiting" not in daemon.output()
    router = Router(test, test.bmp)
    router.send(initiation("edge1"), peer_up(), route("198.51.100.0/24"), route("203.0.113.0/24"), monitoring(update()))
    wait_bmp(test, daemon, "two routes", routers=1, peers=1, announced=2, end_of_rib=1, messages=5)
    daemon.wait_log("bmp: router 127.0.0.31 (edge1): peer 192.0.2.1 AS 65001 up")
    test.wait_now(daemon, lambda stats: stats["bgp"]["rib_paths"] == 2, "two paths")
    router.send(message(MIRRORING, peer_header()), peer_down(reason=3))
    wait_bmp(test, daemon, "the peer's end", routers=1, peers=0, peer_downs=1, mirrorings=1)
    daemon.wait_log("peer 192.0.2.1 AS 65001 down: it sent the router a NOTIFICATION")
    router.send(termination(0))
    assert router.is_ended()
    daemon.wait_log("bmp: router 127.0.0.31 (edge1) is gone: its session was closed by its administrator")
    assert daemon.stop() == 0, daemon.output()
    final = test.stats()["bmp"]
    assert final["routers"] == 0 and final["routers_lost"] == 1, final


def test_a_message_may_come_in_pieces(test):
    daemon = start(test)
    router = Router(test, test.bmp)
    for byte in initiation() + peer_up() + route("198.51.100.0/24"):
        router.send(bytes([byte]))
    wait_bmp(test, daemon, "a route", announced=1, messages=3)


def test_a_router_that_resets_comes_back_and_keeps_its_paths(test):
    daemon = start(test)
    router = Router(test, test.bmp)
    router.send(initiation(), peer_up(), route("198.51.100.0/24"), monitoring(update()))
    wait_bmp(test, daemon, "a route", announced=1)
    router.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    router.socket.close()
    wait_bmp(test, daemon, "the loss", routers=0, routers_lost=1)
    assert test.now(daemon)["bgp"]["rib_paths"] == 1, "the path is kept for bgp_peer_down_keep"
    Router(test, test.bmp).send(initiation(), peer_up(), route("198.51.100.0/24"), monitoring(update()))
    wait_bmp(test, daemon, "the router again", routers=1, routers_connected=2, announced=2)
    assert test.now(daemon)["bgp"]["rib_paths"] == 1


def test_a_newer_connection_takes_the_place_of_the_older_one(test):
    daemon = start(test)
    old = Router(test, test.bmp).send(initiation("old"), peer_up())
    wait_bmp(test, daemon, "the first", peers=1)
    silent = Router(test, test.bmp)  # says nothing, so the first stays
    wait_bmp(test, daemon, "a silent one", unopened=1, routers=1)
    new = Router(test, test.bmp).send(initiation("new"), peer_up())
    assert old.is_ended()
    wait_bmp(test, daemon, "the second", routers=1, peers=1, routers_replaced=1, unopened=1)
    daemon.wait_log("bmp: router 127.0.0.31 (old) has connected anew")
    new.send(route("198.51.100.0/24"))
    wait_bmp(test, daemon, "its route", announced=1)
    silent.socket.close()


def test_a_loc_rib_may_come_without_its_peer_up_and_peers_down_may_come_first(test):
    """GoBGP and FRR do so."""
    daemon = start(test)
    Router(test, test.bmp).send(initiation(), peer_down(), route("198.51.100.0/24", header=peer_header(kind=LOC_RIB, asn=65000)))
    bmp = wait_bmp(test, daemon, "its route", peer_downs_unknown=1, peer_ups_implied=1, announced=1, peers=1)
    assert not any(value for name, value in bmp.items() if name.startswith("rejected_")), bmp
    assert test.now(daemon)["bgp"]["rib_paths"] == 1


def test_malformed_messages_are_counted_and_told(test):
    daemon = start(test)
    router = Router(test, test.bmp).send(initiation("edge1"), message(99, b"x"), route("198.51.100.0/24"), message(3, peer_header()), peer_up(),
                                         monitoring(b"\0" * 30), route("198.51.100.0/24"))
    wait_bmp(test, daemon, "what was not taken", rejected_message_type=1, rejected_unknown_peer=1, rejected_peer_up=1, rejected_monitoring=1,
             announced=1, routers=1)
    daemon.wait_log("bmp: router 127.0.0.31 (edge1): not taken (rejected_unknown_peer): messages about a peer whose Peer Up has not come; "
                    "reset BMP on the router")
    router.send(b"\7garbage")  # where the next message begins is not known any more
    assert router.is_ended()
    wait_bmp(test, daemon, "the end", rejected_version=1, routers=0)
    daemon.wait_log("is gone: its messages cannot be told apart any more")


def test_who_does_not_speak_bmp_is_sent_away(test):
    daemon = start(test)
    for say in (b"GET / HTTP/1.1\r\n\r\n", b"\x03\xff\xff\xff\xff\4", b"\x03\0\0\0\5\4", b"\x03\0\0\0\x20\x63"):
        assert Router(test, test.bmp).send(say).is_ended()
    wait_bmp(test, daemon, "strangers", connections_foreign=4, routers_connected=0, unopened=0)
    daemon.wait_log("bmp: connection from 127.0.0.31 ended: it does not begin with a BMP message")


def test_bounds_of_routers_and_their_peers(test):
    daemon = start(test, "bmp_daemon_max_peers: 2\nbmp_router_peers_max: 3\n")
    routers = [Router(test, test.bmp, f"127.0.0.{31 + i}").send(initiation(), peer_up()) for i in range(2)]
    wait_bmp(test, daemon, "two routers", routers=2, peers=2)
    assert Router(test, test.bmp, "127.0.0.33").send(initiation()).is_ended()
    daemon.wait_log("bmp: router 127.0.0.33 refused: bmp_daemon_max_peers is 2; raise it")
    wait_bmp(test, daemon, "the third", routers=2, connections_refused_limit=1)
    routers[0].send(*(peer_up(peer=f"192.0.2.{2 + i}") for i in range(5)))
    wait_bmp(test, daemon, "three peers of one", peers=4, rejected_peer_limit=3)
    daemon.wait_log("raise bmp_router_peers_max")


def test_allow_file_names_who_may_connect_and_is_read_again(test):
    allow = test.write("allow", "127.0.0.31\n")
    daemon = start(test, f"bmp_daemon_allow_file: {allow}\n")
    good = Router(test, test.bmp).send(initiation())
    wait_bmp(test, daemon, "the one that may", routers=1)
    assert Router(test, test.bmp, "127.0.0.32").is_ended()
    wait_bmp(test, daemon, "the one that may not", connections_refused_address=1)
    allow.write_text("127.0.0.32/32\n")
    daemon.signal(12)  # SIGUSR2
    daemon.wait_log(f"bmp: {allow} read again, 1 entries")
    Router(test, test.bmp, "127.0.0.32").send(initiation())
    wait_bmp(test, daemon, "both, as the list is for new connections", routers=2)
    allow.write_text("nobody\n")
    daemon.signal(12)
    daemon.wait_log(f"bmp: {allow}:1: not an IP address or prefix; the old list stays in force")
    good.socket.close()


def test_a_better_known_router_goes_before_a_stranger(test):
    """The map of agents names it."""
    agents = test.write("agents.map", "bgp_ip=127.0.0.34 ip=0.0.0.0/0\n")
    daemon = start(test, f"bmp_daemon_max_peers: 1\nbgp_agent_map: {agents}\n")
    stranger = Router(test, test.bmp).send(initiation(), peer_up())
    wait_bmp(test, daemon, "a stranger", peers=1)
    Router(test, test.bmp, "127.0.0.34").send(initiation(), peer_up())
    assert stranger.is_ended()
    wait_bmp(test, daemon, "the known one", routers=1, peers=1, routers_displaced=1)


class Loader(threading.Thread):
    """A router that sends routes as fast as they are taken."""

    def __init__(self, test, address, seconds):
        super().__init__(daemon=True)
        self.router = Router(test, test.bmp, address).send(initiation(), peer_up())
        self.until = time.monotonic() + seconds
        self.routes = [route(f"10.{i}.{k}.0/24", path=(65001, i + 1)) for i in range(4) for k in range(250)]
        self.rounds = 0

    def run(self):
        block = b"".join(self.routes)
        while time.monotonic() < self.until:
            self.router.socket.sendall(block)
            self.rounds += 1


def test_a_session_of_a_short_hold_time_stays_up_while_routers_load(test):
    daemon = start(test, "bmp_daemon_max_peers: 50\n", bgp=True)
    speaker = Speaker(test, test.bgp, hold_time=3).establish()
    speaker.send(update(attributes(), prefix("192.0.2.0/24")), update())
    loaders = [Loader(test, f"127.0.1.{1 + i}", 5) for i in range(50)]
    for loader in loaders:
        loader.start()
    keepalives, routes = 0, None
    while routes is None or test.now(daemon)["bmp"]["announced"] < routes:
        if routes is None and not any(loader.is_alive() for loader in loaders):
            routes = sum(loader.rounds for loader in loaders) * 1000
        speaker.send(bgp_message(KEEPALIVE))
        if select.select([speaker.socket], [], [], 0.9)[0]:
            assert speaker.socket.recv(4096), "the session was ended:\n" + daemon.output()
            keepalives += 1
    assert keepalives >= 3
    stats = test.now(daemon)
    assert stats["bmp"]["announced"] == routes, (routes, stats["bmp"])
    assert stats["bgp"]["sessions_established"] == 1 and stats["bgp"]["sessions_lost"] == 0, stats["bgp"]
    assert stats["bmp"]["routers"] == 50 and stats["bgp"]["rib_paths"] == 50 * 1000 + 1, stats


def test_memory_is_one_bound_for_bgp_and_bmp(test):
    """A router that nobody knows and that holds most loses its connection; the BGP session keeps its routes."""
    daemon = start(test, "bgp_daemon_max_memory: 16M\n", bgp=True)
    speaker = Speaker(test, test.bgp).establish()
    speaker.send(*(update(attributes(path=(65001, i + 1)), prefix(f"192.0.{i}.0/24")) for i in range(200)), update())
    test.wait_now(daemon, lambda stats: stats["bgp"]["rib_paths"] == 200, "BGP's routes")
    router = Router(test, test.bmp).send(initiation(), peer_up(peer_header(flags=POST_POLICY)))

    def flood():
        try:
            for n in range(1 << 20):
                router.send(route(f"{10 + (n >> 16)}.{n >> 8 & 255}.{n & 255}.0/24", path=(65001, n), header=peer_header(flags=POST_POLICY)))
        except OSError:
            pass  # its end, which is what the test is about
    flooder = threading.Thread(target=flood, daemon=True)
    flooder.start()
    wait_bmp(test, daemon, "the router's end", routers_ended_limit=1)
    daemon.wait_log("bmp: router 127.0.0.31 (edge1): connection ended, and refused for 60 s: bgp_daemon_max_memory is reached")
    flooder.join(30)
    test.wait_now(daemon, lambda stats: stats["bgp"]["rib_paths"] == 200, "BGP's routes alone")
    assert Router(test, test.bmp).send(initiation()).is_ended()
    wait_bmp(test, daemon, "it is refused", connections_refused_wait=1)
    speaker.send(bgp_message(KEEPALIVE))


def test_api_client_metrics_and_statistics_show_routers_peers_and_views(test):
    daemon = start(test)
    loc_rib, post = peer_header(kind=LOC_RIB, asn=65000), peer_header(flags=POST_POLICY)
    vrf = peer_header("192.0.2.9", kind=1, distinguisher=65000 << 32 | 7)
    router = Router(test, test.bmp).send(initiation("edge1"), peer_up(), route("198.51.100.0/24"), route("198.51.100.0/24", header=post),
                                         route("203.0.113.0/24"), peer_up(loc_rib, 65000, "10.255.0.1"), route("198.51.100.0/24", header=loc_rib),
                                         peer_up(vrf, peer="192.0.2.9"), route("10.1.0.0/16", header=vrf), monitoring(update(), vrf))
    wait_for(lambda: sum(view["paths"] for r in test.api.get("peers")["bmp_routers"] for view in r["views"]) == 4, "the paths", 30)
    one, = test.api.get("peers")["bmp_routers"]
    assert (one["address"], one["name"], one["state"], one["router_id"], one["as"], one["peers_up"]) == \
        ("127.0.0.31", "edge1", "connected", "10.255.0.1", 65000, 3), one
    views = {(view["table"], view["distinguisher"]): view for view in one["views"]}
    assert set(views) == {("Adj-RIB-In", None), ("Loc-RIB", None), ("Adj-RIB-In", "0:65000:7")}, views
    peer, = views["Adj-RIB-In", None]["peers"]
    assert (peer["address"], peer["as"], peer["is_up"], peer["pre_policy_paths"], peer["post_policy_paths"]) == ("192.0.2.1", 65001, True, 2, 1), peer
    found = test.api.get("routes", prefix="198.51.100.0/24")["prefixes"][0]["paths"]
    assert {(p["bmp_router"], p["peer"], p["bmp_table"], p["is_in_use"]) for p in found} == {
        ("127.0.0.31", "192.0.2.1", "Adj-RIB-In pre-policy and post-policy", False), ("127.0.0.31", None, "Loc-RIB", True)}, found
    assert test.api.get("routes", prefix="198.51.100.0/24", peer="127.0.0.31")["paths"] == 2
    assert test.api.get("routes", prefix="198.51.100.0/24", peer="192.0.2.1")["paths"] == 1
    assert test.api.get("routes", prefix="10.1.0.0/16", rd="0:65000:7")["paths"] == 1
    assert test.api.get("status")["bmp"] == {"routers": 1, "connected": 1, "peers_up": 3}
    text = ask(test.dir / "control.sock", "/metrics")[2]
    assert '\npathacct_bmp_router_up{router="127.0.0.31",name="edge1"} 1\n' in text, text
    assert '\npathacct_bmp_view_paths{router="127.0.0.31",table="Adj-RIB-In",distinguisher="0:65000:7"} 1\n' in text, text
    tables = test.now(daemon)["bmp"]["tables"]
    assert sum(table["paths"] for table in tables) == 4 and {table["table"] for table in tables} == {"Adj-RIB-In", "Loc-RIB"}, tables

    def client(*words):
        return subprocess.run([PATHACCT, "-s", test.dir / "control.sock", *words], capture_output=True, text=True, timeout=30)
    shown = client("peers")
    assert shown.returncode == 0 and "edge1" in shown.stdout and "Loc-RIB" in shown.stdout and "192.0.2.9" in shown.stdout, shown
    shown = client("routes", "198.51.100.1")
    assert "192.0.2.1 by 127.0.0.31, Adj-RIB-In pre-policy and post-policy" in shown.stdout and "Loc-RIB, in use" in shown.stdout, shown
    assert "BMP      1 of 1 routers, 3 monitored peers up" in client("status").stdout
    router.send(termination(1))
    wait_for(lambda: test.api.get("peers")["bmp_routers"][0]["state"] == "lost", "its loss", 30)
    assert client("peers").returncode == 1
    assert any("BMP: the connection of router 127.0.0.31 is gone" in line for line in test.api.get("status")["faults"])


def test_metrics_have_each_counter_once(test):
    daemon = start(test)
    Router(test, test.bmp).send(initiation(), peer_up(), route("198.51.100.0/24"))
    wait_bmp(test, daemon, "a route", announced=1)
    text = ask(test.dir / "control.sock", "/metrics")[2]
    assert "\npathacct_bmp_routers 1\n" in text and "\npathacct_bmp_rejected_version_total 0\n" in text, text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE pathacct_bmp_")]
    assert len(names) == len(set(names)) > 40, names


if __name__ == "__main__":
    main(globals())
