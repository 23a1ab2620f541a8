#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The four-path example against a real BIRD: each flow comes out with the path of the next hop it was exported with, and
each later change of routing shows in the verdict."""
import socket
import time

from harness import FOUR_PATHS, Bird, bird_path, four_paths, free_port, json_lines, main, wait_for
import exports  # harness knows where it is

AGGREGATE = "peer_src_ip, in_iface, peer_dst_ip, peer_dst_as, dst_as, as_path, local_pref, med, path_match, dst_host, dst_port"
ROUTER = "127.0.0.11"


def config(test, bgp_port, more=""):
    return f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp_port}
nfacctd_as: bgp
nfacctd_net: bgp
plugins: print[matrix]
aggregate[matrix]: {AGGREGATE}
print_output[matrix]: json
print_output_file[matrix]: {test.dir}/matrix.json
print_output_file_append[matrix]: true
print_refresh_time[matrix]: 1
{more}
"""


def start(test, paths, more="", **bird):
    bgp_port = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(config(test, bgp_port, more))
    router = Bird(test, bgp_port, paths, address=ROUTER, **bird)
    for family in bird.get("families", ("ipv4", "ipv6")):
        daemon.wait_log(f"End-of-RIB of {family}-unicast")
    test.stream = exports.Ipfix()
    test.send(test.stream.announce(), source=ROUTER)
    return daemon, router


def wait_history(test, daemon, count):
    """Waits until so many paths that are no longer announced are remembered."""
    test.wait_now(daemon, lambda stats: stats["bgp"]["rib_history_paths"] == count, f"{count} paths in the history")


def flow(test, port, next_hop, destination="192.168.1.10", **kwargs):
    """Sends one flow marked by its destination port and returns its record."""
    test.send(test.stream.data([exports.common_flow("172.16.0.1", destination, next_hop, dport=port, **kwargs)]), source=ROUTER)
    return wait_for(lambda: next((r for r in json_lines(test.dir / "matrix.json") if r.get("port_dst") == port), None),
                    f"a record of the flow to port {port}")


def test_each_next_hop_gives_its_path(test):
    start(test, four_paths())
    for port, (next_hop, path, local_pref) in enumerate(FOUR_PATHS, 1001):
        got = flow(test, port, next_hop, octets=1000 * port)
        assert got["peer_ip_src"] == ROUTER and got["peer_ip_dst"] == next_hop, got
        assert got["as_path"] == path.replace(" ", "_") and got["as_dst"] == 789, got
        assert got["peer_as_dst"] == int(path.split()[0]) and got["local_pref"] == local_pref and got["med"] == 100, got
        assert got["path_match"] == "exact" and got["bytes"] == 1000 * port, got


def test_unknown_next_hop_is_not_sold_as_knowledge(test):
    start(test, four_paths())
    got = flow(test, 1, "10.9.9.9")
    assert (got["path_match"], got["as_path"], got["peer_as_dst"], got["peer_ip_dst"]) == ("unmatched", "", 0, "10.9.9.9"), got
    got = flow(test, 2, "10.0.0.1", destination="198.51.100.1")
    assert (got["path_match"], got["as_path"], got["peer_ip_dst"]) == ("no_route", "", "10.0.0.1"), got
    # A next hop of 0.0.0.0 is none: neither a path's nor worth printing.
    got = flow(test, 3, "0.0.0.0")
    assert (got["path_match"], got["as_path"], got["peer_ip_dst"]) == ("best", "", ""), got


def test_netflow5_has_no_next_hop_and_gives_best(test):
    start(test, four_paths(), more="bgp_path_accept: exact, best\n")
    test.send(exports.netflow5([{"src": "172.16.0.1", "dst": "192.168.1.10", "dport": 5, "bytes": 500, "packets": 5}]), source=ROUTER)
    got = wait_for(lambda: next((r for r in json_lines(test.dir / "matrix.json") if r["port_dst"] == 5), None), "the v5 record")
    assert (got["path_match"], got["as_path"], got["peer_ip_dst"], got["bytes"]) == ("best", "789", "10.0.0.1", 500), got


def test_withdrawn_path_is_historic_then_unmatched(test):
    daemon, router = start(test, four_paths(), more="bgp_path_history: 4\n")
    before = int(time.time() * 1000)
    assert flow(test, 1, "10.0.0.4")["path_match"] == "exact"
    router.configure(four_paths()[:3])
    wait_history(test, daemon, 1)
    # A flow that began before the withdrawal and ended after it took the path that is gone.
    got = flow(test, 2, "10.0.0.4", start_ms=before, end_ms=int(time.time() * 1000))
    assert (got["path_match"], got["as_path"]) == ("historic", "213_546_789"), got
    wait_history(test, daemon, 0)
    now = int(time.time() * 1000)
    for port, began in ((3, now - 100), (4, before)):
        got = flow(test, port, "10.0.0.4", start_ms=began, end_ms=now)
        assert (got["path_match"], got["as_path"]) == ("unmatched", ""), got


def test_changed_attributes_under_the_same_next_hop(test):
    daemon, router = start(test, four_paths())
    assert flow(test, 1, "10.0.0.2")["as_path"] == "123_456_789"
    started = int(time.time() * 1000)
    paths = four_paths()
    paths[1] = bird_path(2, "192.168.1.0/24", "10.0.0.2", "123 999 789", 150)
    router.configure(paths)
    wait_history(test, daemon, 1)
    time.sleep(0.2)  # so that a flow of 100 ms began after the change
    now = int(time.time() * 1000)
    got = flow(test, 2, "10.0.0.2", start_ms=now - 100, end_ms=now)
    assert (got["path_match"], got["as_path"], got["local_pref"]) == ("exact", "123_999_789", 150), got
    # A flow that ran across the change took both paths: it gets the one alive at its end, and is said to be ambiguous.
    got = flow(test, 3, "10.0.0.2", start_ms=started, end_ms=now)
    assert (got["path_match"], got["as_path"]) == ("ambiguous", "123_999_789"), got


def test_flap_of_the_session(test):
    daemon, router = start(test, four_paths())
    assert flow(test, 1, "10.0.0.3")["path_match"] == "exact"
    router.command("disable", "collector")
    daemon.wait_log("peer 127.0.0.11 AS 65000 down: ")
    assert flow(test, 2, "10.0.0.3")["path_match"] == "no_rib"
    router.command("enable", "collector")
    wait_for(lambda: daemon.output().count("End-of-RIB") >= 4, "End-of-RIB of both families again", 30)
    assert flow(test, 3, "10.0.0.3")["path_match"] == "exact"


def test_session_without_add_path_differs_from_the_next_hop(test):
    start(test, four_paths(), add_path=False)
    got = flow(test, 1, "10.0.0.3")
    assert (got["path_match"], got["as_path"], got["peer_ip_dst"]) == ("differs", "789", "10.0.0.1"), got
    assert flow(test, 2, "10.0.0.1")["path_match"] == "exact"


def test_four_paths_in_ipv6(test):
    paths = [bird_path(i, "2001:db8:1::/48", f"2001:db8::{i}", path, pref) for i, (_, path, pref) in enumerate(FOUR_PATHS, 1)]
    start(test, paths)
    stream = exports.Ipfix(exports.COMMON_FIELDS_V6, 300, 2)
    test.send(stream.announce(), source=ROUTER)
    for i, (_, path, _) in enumerate(FOUR_PATHS, 1):
        test.send(stream.data([exports.common_flow("2001:db8:f::1", "2001:db8:1::5", f"2001:db8::{i}", dport=i, src_mask=48, dst_mask=48)]),
                  source=ROUTER)
        got = wait_for(lambda: next((r for r in json_lines(test.dir / "matrix.json") if r["port_dst"] == i), None), "the record")
        assert (got["path_match"], got["as_path"], got["peer_ip_dst"]) == ("exact", path.replace(" ", "_"), f"2001:db8::{i}"), got


if __name__ == "__main__":
    main(globals())
