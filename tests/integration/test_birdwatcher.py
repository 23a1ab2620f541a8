#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The looking glass Alice-LG reads sessions and paths as it reads those of birdwatcher. Each answer is held against what its
package sources/birdwatcher looks at: which members must be there, and of which type."""
import json
import re
import socket
import struct
import sys

from harness import free_port, main, wait_for
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update
from control_client import LocalConnection, ask

TIME, SHORT_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
COMMUNITIES = attribute(0xc0, 8, bytes.fromhex("fde80001ffffff01"))  # 65000:1 no-export
LARGE = attribute(0xc0, 32, struct.pack("!III", 4200000000, 2, 3))
EXTENDED = attribute(0xc0, 16, bytes.fromhex("0002fde800000007" "0003fde800000008"))  # RT:65000:7 SoO:65000:8


def get(test, page, status=200):
    told, headers, text = ask(test.socket, page)
    assert told == status and headers["Content-Type"] == "application/json", (page, told, text[:200])
    answer = json.loads(text)
    if status != 200:
        assert set(answer) == {"error"} and isinstance(answer["error"], str)
        return answer
    assert isinstance(answer["api"]["Version"], str) and isinstance(answer["api"]["result_from_cache"], bool)
    assert re.fullmatch(TIME, answer["ttl"]) and re.fullmatch(TIME, answer["api"]["cache_status"]["cached_at"]["date"])
    for route in answer.get("routes", []):
        check_route(route)
    return answer


def check_route(route):
    for name in ("network", "from_protocol", "gateway", "interface", "learnt_from"):
        assert isinstance(route[name], str), (name, route)
    assert re.fullmatch(SHORT_TIME, route["age"]) and isinstance(route["primary"], bool) and isinstance(route["metric"], int)
    assert all(isinstance(word, str) for word in route["type"])
    bgp = route["bgp"]
    assert all(re.fullmatch(r"\d+", number) for number in [bgp["local_pref"], bgp["med"], *bgp["as_path"]])
    assert isinstance(bgp["origin"], str) and isinstance(bgp["next_hop"], str)
    assert all(isinstance(number, int) for community in bgp["communities"] + bgp["large_communities"] for number in community)
    assert all(len(community) == 3 and all(isinstance(part, str) for part in community) for community in bgp["ext_communities"])


def start(test):
    test.bgp, test.socket = free_port(socket.SOCK_STREAM), test.dir / "control.sock"
    return test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {test.dir}/out\ncontrol_socket: {test.socket}\n"
                        f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {test.bgp}\nbgp_daemon_max_peers: 10\n")


def speaker(test, address, add_path=True, router_id=None):
    capabilities = multiprotocol(1, 1) + four_octet_as(65000) + (add_path_send((1, 1)) if add_path else b"")
    return Speaker(test, test.bgp, address=address, router_id=router_id, capabilities=capabilities).establish()


def more(local_pref, *rest):
    return attribute(0x40, 5, struct.pack("!I", local_pref)) + b"".join(rest)


def networks(answer):
    return sorted((route["network"], route["bgp"]["next_hop"]) for route in answer["routes"])


def three_paths(test):
    first, second = speaker(test, "127.0.0.21"), speaker(test, "127.0.0.22", add_path=False)
    first.send(update(attributes(path=(65001, 65002), next_hop="10.0.0.1", more=more(200, COMMUNITIES, LARGE, EXTENDED)), prefix("192.168.1.0/24", 1)),
               update(attributes(path=(65003,), next_hop="10.0.0.2", more=more(100)), prefix("192.168.1.0/24", 2) + prefix("192.168.2.0/24", 2)))
    second.send(update(attributes(path=(65004,), next_hop="10.0.0.3", more=more(100)), prefix("192.168.0.0/16")))
    wait_for(lambda: len(get(test, "/routes/table/master")["routes"]) == 4, "all paths")
    return first, second


def test_each_rank_is_a_neighbour(test):
    start(test)
    three_paths(test)
    status = get(test, "/status")["status"]
    assert re.fullmatch(SHORT_TIME, status["current_server"]) and re.fullmatch(SHORT_TIME, status["last_reboot"]) and "pathacct" in status["version"]
    protocols = get(test, "/protocols/bgp")["protocols"]
    told = {name: (p["description"], p["neighbor_address"], p["neighbor_as"], p["state"], p["routes"]["imported"]) for name, p in protocols.items()}
    assert told == {"R127_0_0_21": ("127.0.0.21", "127.0.0.21", 65000, "up", 2), "R127_0_0_21_path_2": ("127.0.0.21 path 2", "127.0.0.21", 65000, "up", 1),
                    "R127_0_0_22": ("127.0.0.22", "127.0.0.22", 65000, "up", 1)}, told
    for p in protocols.values():
        assert p["bird_protocol"] == "BGP" and re.fullmatch(SHORT_TIME, p["state_changed"]) and p["routes"]["filtered"] == p["routes"]["exported"] == 0
        assert isinstance(p["last_error"], str)
    assert get(test, "/protocols")["protocols"] == protocols
    short = get(test, "/protocols/short?uncached=true")["protocols"]
    assert set(short) == set(protocols) and all(p["state"] == "up" and re.fullmatch(SHORT_TIME, p["since"]) for p in short.values())
    first, second = get(test, "/routes/protocol/R127_0_0_21"), get(test, "/routes/protocol/R127_0_0_21_path_2")
    assert networks(first) == [("192.168.1.0/24", "10.0.0.1"), ("192.168.2.0/24", "10.0.0.2")] and networks(second) == [("192.168.1.0/24", "10.0.0.2")]
    assert {route["from_protocol"] for route in second["routes"]} == {"R127_0_0_21_path_2"}
    best = next(route for route in first["routes"] if route["network"] == "192.168.1.0/24")
    assert best["bgp"] == {"origin": "IGP", "next_hop": "10.0.0.1", "local_pref": "200", "med": "0", "as_path": ["65001", "65002"], "path_id": 1,
                           "communities": [[65000, 1], [65535, 65281]], "large_communities": [[4200000000, 2, 3]],
                           "ext_communities": [["rt", "65000", "7"], ["ro", "65000", "8"]]}, best
    assert best["primary"] and best["gateway"] == "10.0.0.1" and best["learnt_from"] == "127.0.0.21"
    for nothing in ("filtered/R127_0_0_22", "noexport/R127_0_0_22", "table/master/filtered"):
        assert get(test, f"/routes/{nothing}")["routes"] == []


def test_a_prefix_is_looked_up(test):
    start(test)
    three_paths(test)
    assert networks(get(test, "/routes/prefix?prefix=192.168.1.0/24")) == [("192.168.1.0/24", "10.0.0.1"), ("192.168.1.0/24", "10.0.0.2")]
    assert networks(get(test, "/routes/prefix?prefix=192.168.1.7")) == networks(get(test, "/routes/prefix?prefix=192.168.1.0%2F24"))
    assert networks(get(test, "/routes/prefix?prefix=192.168.0.0/20")) == [("192.168.0.0/16", "10.0.0.3")]
    assert get(test, "/routes/prefix?prefix=10.1.1.1")["routes"] == []
    for wrong in ("", "?prefix=", "?prefix=x", "?prefix=1.2.3.4/33", "?prefix=1.2.3.4/8"):
        get(test, f"/routes/prefix{wrong}", 400)
    for unknown in ("/routes/protocol/R127_0_0_2", "/routes/protocol/R127_0_0_21_path_1", "/routes/protocol/R127_0_0_21_path_999", "/routes/protocol/",
                    "/routes/table/other", "/routes/table/", "/routes/", "/routes/filtered/x", "/routes/protocol/R127_0_0_21_path_2x"):
        get(test, unknown, 404)


def test_routers_at_one_address_are_two(test):
    start(test)
    kept = [speaker(test, "127.0.0.21", router_id="10.0.0.1"), speaker(test, "127.0.0.21", router_id="10.0.0.2")]
    names = wait_for(lambda: len(found := get(test, "/protocols/bgp")["protocols"]) == 2 and set(found), "two sessions")
    second = (names - {"R127_0_0_21"}).pop()
    assert re.fullmatch(r"R127_0_0_21_id_10_0_0_[12]", second), names
    assert get(test, f"/routes/protocol/{second}")["routes"] == [] and len(kept) == 2


def test_a_large_table_comes_part_by_part(test):
    """A reader who stops in the middle holds nothing up, and gets the rest when he goes on; the table changes meanwhile."""
    start(test)
    router = speaker(test, "127.0.0.21", add_path=False)
    for block in range(60):
        router.send(update(attributes(path=(65001,), more=more(100)), b"".join(prefix(f"10.{block}.{n}.0/24") for n in range(256))))
    wait_for(lambda: f"\npathacct_bgp_rib_prefixes {60 * 256}\n" in ask(test.socket, "/metrics")[2], "the table", 90)
    counted = get(test, "/protocols/bgp")
    assert counted["protocols"]["R127_0_0_21"]["routes"]["imported"] == 60 * 256 and not counted["api"]["result_from_cache"]
    assert get(test, "/protocols/bgp")["api"]["result_from_cache"]  # counts are kept for a minute
    slow = LocalConnection(test.socket)
    slow.connect()
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.request("GET", "/routes/protocol/R127_0_0_21")
    answer = slow.getresponse()
    assert answer.getheader("Transfer-Encoding") == "chunked"
    begin = answer.read(10000)
    assert ask(test.socket, "/healthz")[0] == 200
    router.send(update(withdrawn=b"".join(prefix(f"10.59.{n}.0/24") for n in range(256))))
    wait_for(lambda: get(test, "/routes/prefix?prefix=10.59.1.1")["routes"] == [], "the withdrawal")
    told = json.loads(begin + answer.read())["routes"]
    seen = [route["network"] for route in told]
    assert len(set(seen)) == len(seen) and 59 * 256 <= len(seen) <= 60 * 256
    gone = LocalConnection(test.socket)
    gone.request("GET", "/routes/table/master")
    gone.getresponse().read(100)
    gone.close()
    assert ask(test.socket, "/routes/table/master", "HEAD")[0] == 200
    assert ask(test.socket, "/healthz")[0] == 200


def test_without_bgp_there_is_nothing(test):
    test.socket = test.dir / "control.sock"
    test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {test.dir}/out\ncontrol_socket: {test.socket}\n")
    assert "bgp_daemon is off" in get(test, "/status")["status"]["message"]
    assert get(test, "/protocols/bgp")["protocols"] == {}
    assert get(test, "/routes/table/master")["routes"] == get(test, "/routes/prefix?prefix=10.1.1.1")["routes"] == []


if __name__ == "__main__":
    sys.exit(main(globals()))
