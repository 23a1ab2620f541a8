#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real routers that speak BMP to the station: what they tell of a peer's path, their losses, and their return. Both leave path ids
out of what they tell (FRR 8.4, GoBGP 3.10 after policy), so their peers send without ADD-PATH."""
import pathlib
import re
import socket

from harness import FOUR_PATHS, SOURCE, free_port, main, need_root, wait_for
from control_client import Api
from routers import PREFIX, ExaBgp, Frr, GoBgp


def start(test):
    test.bmp = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {test.dir}/out-%H%M.csv\n"
                          f"control_socket: {test.dir}/control.sock\nbmp_daemon: true\nbmp_daemon_ip: 127.0.0.1\nbmp_daemon_port: {test.bmp}\n")
    test.api = Api(test.dir / "control.sock")
    return daemon


def paths(test, table):
    """{(next hop, AS path, local preference)} of the example's prefix in tables of this name."""
    prefixes = test.api.get("routes", prefix=PREFIX)["prefixes"]
    return {(p["next_hop"], p["as_path"], p["local_pref"]) for entry in prefixes for p in entry["paths"]
            if table in (p["bmp_table"] or "") and not p["withdrawn"] and not p["is_stale"]}


def routers(test):
    return test.api.get("peers")["bmp_routers"]


EXPECTED = {FOUR_PATHS[0]}


def feed(test, port, address, target):
    return ExaBgp(test, port, address=address, target=target, paths=FOUR_PATHS[:1], name="feeder", add_path=False)


def nothing_malformed(test, daemon):
    bmp = test.now(daemon)["bmp"]
    assert not any(value for name, value in bmp.items() if name.startswith("rejected_")), bmp
    assert bmp["treated_as_withdrawn"] == bmp["attributes_discarded"] == bmp["paths_refused"] == 0, bmp


def test_frr_tells_what_it_was_sent_before_and_after_policy(test):
    need_root()
    daemon = start(test)
    frr = Frr(test, free_port(socket.SOCK_STREAM), bmp=test.bmp)
    feeder = feed(test, frr.feeder_port, "127.0.0.15", "127.0.0.14")
    for table in ("pre-policy", "post-policy"):
        wait_for(lambda: paths(test, table) == EXPECTED, lambda: f"{table}: {paths(test, table)}\n{daemon.output()}")
    router, = routers(test)
    assert router["router_id"] == "127.0.0.14" and router["as"] == 65000 and "FRR" in router["description"], router
    feeder.send("withdraw route 192.168.1.0/24 next-hop 10.0.0.1")
    left = set()
    for table in ("pre-policy", "post-policy"):
        wait_for(lambda: paths(test, table) == left, lambda: f"{table}: {paths(test, table)}")
    test.wait_now(daemon, lambda stats: stats["bmp"]["statistics_reports"] > 0, "a statistics report")
    feeder.process.stop()
    wait_for(lambda: routers(test)[0]["peers_up"] == 0, lambda: routers(test))
    daemon.wait_log("peer 127.0.0.15 AS 65000 down: ")
    nothing_malformed(test, daemon)


def test_frr_that_starts_anew_is_the_same_router(test):
    need_root()
    daemon = start(test)
    port = free_port(socket.SOCK_STREAM)
    frr = Frr(test, port, bmp=test.bmp)
    wait_for(lambda: [r["state"] for r in routers(test)] == ["connected"], lambda: routers(test))
    frr.process.kill_all()
    wait_for(lambda: test.now(daemon)["bmp"]["routers"] == 0, "the loss")
    frr = Frr(test, port, bmp=test.bmp)
    feed(test, frr.feeder_port, "127.0.0.15", "127.0.0.14")
    wait_for(lambda: paths(test, "post-policy") == EXPECTED, lambda: paths(test, "post-policy"))
    assert len(routers(test)) == 1 and test.now(daemon)["bmp"]["routers_connected"] == 2
    nothing_malformed(test, daemon)


def test_gobgp_tells_all_its_tables(test):
    daemon = start(test)
    gobgp = GoBgp(test, free_port(socket.SOCK_STREAM), bmp=test.bmp, feeder="127.0.0.18")
    feed(test, gobgp.feeder_port, "127.0.0.18", "127.0.0.13")
    for table in ("pre-policy", "post-policy"):
        wait_for(lambda: paths(test, table) == EXPECTED, lambda: f"{table}: {paths(test, table)}\n{daemon.output()}")
    wait_for(lambda: paths(test, "Loc-RIB"), "its Loc-RIB")
    router, = routers(test)
    assert {view["table"] for view in router["views"]} >= {"Adj-RIB-In", "Loc-RIB"} and router["router_id"] == "127.0.0.13", router
    nothing_malformed(test, daemon)


if __name__ == "__main__":
    main(globals())
