#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""control_traffic: bytes per path in answers about routes, out of a table in memory, with a BGP peer and flows of known totals."""
import os
import signal
import socket
import subprocess
import sys
import time

from harness import BUILD, NFACCTD, free_port, main, wait_for
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update
from control_client import Api
import exports

AGGREGATE = "peer_src_ip, dst_net, dst_mask, peer_dst_ip"


def start(test, more="control_traffic: table\n", aggregate=AGGREGATE):
    test.bgp, test.socket = free_port(socket.SOCK_STREAM), test.dir / "control.sock"
    daemon = test.nfacctd(f"plugins: memory[table]\naggregate[table]: {aggregate}\nimt_path[table]: {test.dir}/imt\n"
                          f"nfacctd_as: bgp\nnfacctd_net: netflow\ncontrol_socket: {test.socket}\nbgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\n"
                          f"bgp_daemon_port: {test.bgp}\n{more}")
    test.api = Api(test.socket)
    router = Speaker(test, test.bgp, capabilities=multiprotocol(1, 1) + four_octet_as(65000) + add_path_send((1, 1))).establish()
    for n in (1, 2, 3):
        router.send(update(attributes((65000 + n,), f"10.0.0.{min(n, 2)}", attribute(0x40, 5, bytes([0, 0, 0, n]))), prefix("192.168.0.0/16", n)))
    wait_for(lambda: test.api.get("status")["bgp"]["paths"] == 3, "paths")
    return daemon


def send(test, *sums):
    """Flows by next hop and bytes, from the router that has the session."""
    stream = test.__dict__.setdefault("stream", exports.Ipfix())
    test.sent = test.__dict__.get("sent", 0) + len(sums)
    test.send(stream.announce(), stream.data([exports.common_flow("10.9.9.9", "192.168.1.1", hop, octets=octets, dst_mask=16) for hop, octets in sums]), source="127.0.0.21")
    wait_for(lambda: test.api.get("ledger")["instances"][0]["written"]["flows"] == test.sent, lambda: f"written flows: {test.api.get('ledger')}")


def routes(test):
    answer = test.api.get("routes", address="192.168.1.1")
    (found,) = answer["prefixes"]
    return answer, {path["path_id"]: path["bytes"] for path in found["paths"]}, found["other_bytes"]


def host_pid(test):
    return test.api.get("plugins")["plugins"][0]["pid"]


def test_bytes_per_path(test):
    """Two paths have the same next hop: the bytes stand at the better one. The third next hop is of no path."""
    start(test)
    send(test, ("10.0.0.1", 1000), ("10.0.0.2", 200), ("10.0.0.2", 34), ("10.0.0.77", 5))
    answer, paths, other = routes(test)
    assert answer["traffic"]["instance"] == "table" and answer["traffic"]["is_whole"] and answer["traffic_missing"] is None, answer
    assert paths == {1: 1000, 2: 0, 3: 234} and other == 5, answer
    send(test, ("10.0.0.1", 500))
    wait_for(lambda: routes(test)[1] == {1: 1500, 2: 0, 3: 234}, lambda: f"newer bytes: {routes(test)}")
    shown = subprocess.run([BUILD / "bin/pathacct", "-s", test.socket, "routes", "192.168.1.1"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert " BIT/S " in shown and "s, by table table\n" in shown, shown


def test_a_plugin_that_stands_still_holds_nobody_up(test):
    daemon = start(test)
    send(test, ("10.0.0.1", 1000))
    pid = host_pid(test)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    answer = test.api.get("routes", address="192.168.1.1")
    assert time.monotonic() - began < 25 and len(answer["prefixes"][0]["paths"]) == 3 and answer["traffic"] is None, answer
    wait_for(lambda: "the plugin is stopped or overloaded" in (routes(test)[0]["traffic_missing"] or ""), lambda: f"what is wrong: {routes(test)}")
    assert test.api.get("status")["bgp"]["paths"] == 3
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: routes(test)[1].get(1) == 1000, lambda: f"bytes: {routes(test)}")
    assert daemon.stop() == 0, daemon.output()


def test_without_it_the_answer_says_how_to_get_it(test):
    start(test, "")
    answer, paths, other = routes(test)
    assert answer["traffic"] is None and set(paths.values()) == {None} and other is None, answer
    assert "control_traffic is not set" in answer["traffic_missing"] and "peer_dst_ip" in answer["traffic_missing"], answer


def test_wrong_configurations(test):
    for name, plugins, more, words in (("none", "memory[table]", "", "control_traffic: no instance is called other"),
                                       ("print", "print[other]", "", "control_traffic: print[other] is no table in memory"),
                                       ("lacking", "memory[other]", "aggregate[other]: peer_src_ip, dst_net\n", "aggregate[other] lacks dst_mask, peer_dst_ip")):
        conf = test.write(f"{name}.conf", f"control_traffic: other\nplugins: {plugins}\n{more}")
        done = subprocess.run([NFACCTD, "-f", conf, "-T", "config"], capture_output=True, text=True, timeout=60, check=False)
        told = [line for line in (done.stdout + done.stderr).splitlines() if "control_traffic" in line]
        assert done.returncode != 0 and len(told) == 1 and words in told[0] and f"{conf}:1: " in told[0], (name, done)


if __name__ == "__main__":
    sys.exit(main(globals()))
