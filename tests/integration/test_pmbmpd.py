#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""pmbmpd: a BMP station without flows and without BGP. What is the same as in pmbgpd is proved there (test_pmbgpd.py)."""
import json
import re
import signal
import socket
import subprocess

from harness import BUILD, PMBMPD, free_port, main, need_pmacct, wait_for
from bgp_speaker import update
from bmp_speaker import Router, initiation, monitoring, peer_up, route, termination
from small_service_manager import SmallServiceManager

PATHACCT = BUILD / "bin/pathacct"


def start(test, more="", **kwargs):
    test.socket = test.dir / "control.sock"
    return test.pmbmpd(f"control_socket: {test.socket}\n{more}", **kwargs)


def ask(test, *args):
    done = subprocess.run([PATHACCT, "-s", test.socket, *map(str, args)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def answer(test, *args):
    return json.loads(ask(test, "-j", *args)[1])


def end(daemon):
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(60) == 0, daemon.output()
    assert "ended" in daemon.output().splitlines()[-1], daemon.output()


def test_routers_fill_a_table_that_can_be_asked(test):
    daemon = start(test)
    router = Router(test, test.port)
    router.send(initiation("edge1"), peer_up(), route("198.51.100.0/24"), route("203.0.113.0/24"), monitoring(update()))
    wait_for(lambda: answer(test, "routes", "198.51.100.7").get("paths") == 1, lambda: f"the route: {ask(test, 'routes', '198.51.100.7')}")
    assert "65001" in ask(test, "routes", "198.51.100.7")[1] and ask(test, "status")[1].startswith("pmbmpd default, ")
    now = test.now(daemon, "pmbmpd")
    assert now["daemon"] == "pmbmpd" and now["workers"] == [] and now["bmp"]["announced"] == 2 and now["bgp"]["rib_paths"] == 2, now
    assert "bgp: waiting" not in daemon.output(), daemon.output()
    router.send(termination(0))
    assert router.is_ended()
    end(daemon)
    assert test.stats("pmbmpd")["bmp"]["routers_lost"] == 1


def test_a_reload_reads_who_may_connect(test):
    allow = test.write("allow", "127.0.0.31\n")
    daemon = start(test, f"bmp_daemon_allow_file: {allow}\n")
    Router(test, test.port).send(initiation(), peer_up())
    test.wait_now(daemon, lambda stats: stats["bmp"]["peers"] == 1, "the router of the file", "pmbmpd")
    allow.write_text("127.0.0.31\n127.0.0.32\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("maps: none is configured", 30)

    def connected():
        try:
            Router(test, test.port, address="127.0.0.32").send(initiation(), peer_up())
        except OSError:
            return False
        return test.now(daemon, "pmbmpd")["bmp"]["routers"] == 2
    wait_for(connected, "the router that came into the file")
    end(daemon)


def check(test, text):
    done = subprocess.run([PMBMPD, "-f", test.write("check.conf", text), "--check"], capture_output=True, text=True, timeout=60)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done.returncode, done.stderr


def test_keys_of_flows_and_of_bgp_are_foreign(test):
    keys = json.loads(subprocess.run([PMBMPD, "--keys=json"], capture_output=True, text=True, check=True, timeout=60).stdout)
    own = {k["name"] for k in keys["keys"]}
    assert {"bmp_daemon_max_peers", "bgp_daemon_max_memory", "control_socket"} <= own and next(
        k["default"] for k in keys["keys"] if k["name"] == "bmp_daemon") == "true"
    assert not [k for k in own if re.match("nfacctd|aggregate|plugins$|print|bgp_daemon_(port|ip|as)$|bgp_daemon$", k)], own
    status, said = check(test, "bgp_daemon: true\nbgp_daemon_port: 1179\nplugins: print\nnfacctd_port: 2100\n")
    notice = next(line for line in said.splitlines() if "belong to other daemons" in line)
    assert status == 0 and re.findall(r"(\w+) \(\S+:(\d)\)", notice) == [
        ("bgp_daemon", "1"), ("bgp_daemon_port", "2"), ("plugins", "3"), ("nfacctd_port", "4")], said
    status, said = check(test, "bmp_daemon: false\n")
    assert status == 1 and "check.conf:1: bmp_daemon: false leaves nothing that pmbmpd does" in said, said
    status, said = check(test, "pcap_savefile: /tmp/bmp.pcap\n")
    assert status == 1 and "BMP is not read from capture files" in said, said
    assert check(test, "bmp_daemon_allow_file: /dev/null\n") == (0, "")


def test_one_file_serves_pmacct_and_us(test):
    theirs = need_pmacct("sbin/pmbmpd")
    port = free_port(socket.SOCK_STREAM)
    conf = test.write("both.conf", f"bmp_daemon_ip: 127.0.0.1\nbmp_daemon_port: {port}\nbmp_daemon_max_peers: 100\n")
    for program in (theirs, PMBMPD):
        daemon = test.start([program, "-f", conf], f"{program.parent.parent.name}-pmbmpd")

        def connected():
            try:
                return Router(test, port)
            except OSError:
                return None
        router = wait_for(connected, lambda: f"a connection: {daemon.output()}")
        router.send(initiation(), peer_up(), route("198.51.100.0/24"))
        daemon.wait_log("waiting for")
        daemon.signal(signal.SIGINT)
        assert daemon.wait(60) == 0, daemon.output()


def test_options_are_those_of_pmacct(test):
    port = free_port(socket.SOCK_STREAM)
    daemon = test.start([PMBMPD, "-L", "127.0.0.1", "-l", str(port)])
    daemon.wait_log(f"waiting for BMP sessions on 127.0.0.1:{port}", 30)
    end(daemon)
    done = subprocess.run([PMBMPD, "-I", "/tmp/bmp.pcap"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "BMP is not read from capture files" in done.stderr, done


def test_a_service_manager_hears_of_it(test):
    manager = SmallServiceManager(test)
    daemon = manager.start("control_socket: none\n", program="pmbmpd")
    assert any("waiting for BMP sessions on 127.0.0.1" in line for line in manager.wait_line("READY=1"))
    end(daemon)
    manager.wait_line("STOPPING=1")


if __name__ == "__main__":
    main(globals())
