#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that what docs/routers.md calls tried works as it stands there: the lines are taken from the page, and only addresses, ports and
interface names are put in their place."""
import pathlib
import re
import socket
import subprocess

from harness import FOUR_PATHS, SOURCE, free_port, four_paths, main, need, need_root, wait_for
from bgp_listener import Listener
from control_client import Api
from routers import AS, PREFIX, ExaBgp
from test_exporters import collect, totals, traffic
from test_sfacctd_exporters import Switch, frames
from test_sfacctd_exporters import collect as collect_samples
from test_sfacctd_exporters import totals as totals_of_samples

PAGE = pathlib.Path(SOURCE) / "docs/routers.md"
COLLECTOR, ROUTER = "192.0.2.10", "192.0.2.1"


def lines_of(system, address, collector="127.0.0.1"):
    """The page's lines for a system, with addresses of the test."""
    (text,) = re.findall(rf"^```{system}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert COLLECTOR in text, text
    return text.replace(COLLECTOR, collector).replace(ROUTER, address)


def expect_four_paths(listener, address):
    peer = listener.peer(address)
    wait_for(lambda: listener.lookup(peer, "192.168.1.7").get("candidates") == 4, "four paths")
    assert all(family["add_path"] for family in peer["families"][:2]), peer
    for next_hop, path, _ in FOUR_PATHS:
        got = listener.lookup(peer, "192.168.1.7", next_hop)
        assert got["match"] == "exact" and got["as_path"] == path.replace(" ", "_"), got


def test_bird(test):
    program, listener, address = need("bird"), Listener(test), "127.0.0.21"
    page = lines_of("bird", address)
    page = page.replace("neighbor 127.0.0.1 as", f"neighbor 127.0.0.1 port {listener.port} as").replace(
        f"local {address} as", f"strict bind; multihop 2; connect delay time 1; local {address} port {free_port(socket.SOCK_STREAM, address)} as")
    conf = test.write("bird.conf", f"router id {address};\nprotocol device {{ scan time 1; }}\n{''.join(four_paths())}\n{page}")
    test.start([program, "-f", "-c", conf, "-s", test.dir / "bird.ctl", "-P", test.dir / "bird.pid"], "bird")
    expect_four_paths(listener, address)


def test_frr(test):
    need_root()
    program, listener, address, feeder = need("/usr/lib/frr/bgpd"), Listener(test), "127.0.0.22", "127.0.0.23"
    port = free_port(socket.SOCK_STREAM, address)
    # What announces the four paths is a peer of the router, so it reflects them.
    more = f""" bgp router-id {address}
 neighbor 127.0.0.1 port {listener.port}
 neighbor 127.0.0.1 timers connect 1
 neighbor {feeder} remote-as {AS}
 neighbor {feeder} passive
 address-family ipv4 unicast
  neighbor {feeder} activate
  neighbor {feeder} route-reflector-client
 exit-address-family
"""
    conf = test.write("frr.conf", lines_of("frr", address) + more)
    test.dir.chmod(0o777)
    conf.chmod(0o644)
    test.start([program, "-n", "-Z", "-S", "-f", conf, "-i", test.dir / "frr.pid", "-p", port, "-l", address, "-P", "0",
                "--vty_socket", test.dir, "--log", "stdout"], "frr")
    ExaBgp(test, port, address=feeder, target=address, name="feeder")
    expect_four_paths(listener, address)


def test_openbgpd(test):
    """It is the one that listens here: it can connect to port 179 only."""
    need_root()
    program, address, feeder = need("/usr/sbin/bgpd"), "127.0.0.24", "127.0.0.25"
    port = free_port(socket.SOCK_STREAM, address)
    page = lines_of("openbgpd", address).replace("remote-as 65000", "remote-as 65000\n    passive")
    conf = test.write("openbgpd.conf", f"""AS {AS}
router-id {address}
fib-update no
nexthop qualify via default
listen on {address} port {port}
socket "{test.dir}/openbgpd.ctl"
neighbor {feeder} {{
    remote-as {AS}
    local-address {address}
    passive
    announce IPv4 unicast
    announce add-path recv yes
}}
allow from any
{page}""")
    conf.chmod(0o600)
    pathlib.Path("/run/openbgpd").mkdir(exist_ok=True)  # its user's home
    test.start([program, "-d", "-v", "-f", conf], "openbgpd")
    listener = Listener(test, bgp_daemon_connect=f"{address}@{port}")
    ExaBgp(test, port, address=feeder, target=address, name="feeder")
    expect_four_paths(listener, address)


def test_gobgp(test):
    daemon, client = need("gobgpd", "gobgp")
    listener, address, api = Listener(test), "127.0.0.26", free_port(socket.SOCK_STREAM)
    page = lines_of("gobgp", address).replace(f'local-address = "{address}"', f'local-address = "{address}"\n    remote-port = {listener.port}')
    page = page.replace("  [neighbors.transport.config]", "  [neighbors.timers.config]\n    connect-retry = 1\n    idle-hold-time-after-reset = 1\n"
                        "  [neighbors.transport.config]")
    conf = test.write("gobgp.toml", f'[global.config]\n  as = {AS}\n  router-id = "{address}"\n  port = -1\n{page}')
    test.start([daemon, "-f", conf, "-t", "toml", f"--api-hosts=127.0.0.1:{api}", "--pprof-disable"], "gobgpd")

    def run(*words):
        return subprocess.run([client, "-p", str(api), *words], capture_output=True, text=True, check=False)
    wait_for(lambda: run("global").returncode == 0, "gobgpd's API")
    for number, (next_hop, path, local_pref) in enumerate(FOUR_PATHS, 1):
        done = run("global", "rib", "add", PREFIX, "nexthop", next_hop, "identifier", str(number), "aspath", path.replace(" ", ","),
                   "local-pref", str(local_pref), "-a", "ipv4")
        assert done.returncode == 0, done
    expect_four_paths(listener, address)


def station(test):
    """A collector that BMP routers connect to; who was told of the example's prefix, by which tables."""
    port = free_port(socket.SOCK_STREAM)
    test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {test.dir}/out-%H%M.csv\ncontrol_socket: {test.dir}/ctl\n"
                 f"bmp_daemon: true\nbmp_daemon_ip: 127.0.0.1\nbmp_daemon_port: {port}\n")
    return port, Api(test.dir / "ctl")


def expect_tables(api, wanted):
    def told():
        entries = api.get("routes", prefix=PREFIX)["prefixes"]
        return {table for entry in entries for path in entry["paths"] for table in ("pre-policy", "post-policy", "Loc-RIB")
                if table in path["bmp_table"] and (path["next_hop"], path["as_path"]) == FOUR_PATHS[0][:2]}
    wait_for(lambda: told() == wanted, lambda: f"{wanted}: {told()}")


def test_frr_bmp(test):
    need_root()
    program, address, feeder = need("/usr/lib/frr/bgpd"), "127.0.0.27", "127.0.0.28"
    (collector, api), port = station(test), free_port(socket.SOCK_STREAM, address)
    page = lines_of("frr-bmp", address).replace("192.0.2.20", feeder).replace("port 1790", f"port {collector}").replace("min-retry 1000", "min-retry 100")
    conf = test.write("frr.conf", f"{page}\nrouter bgp {AS}\n bgp router-id {address}\n neighbor {feeder} passive\n")
    test.dir.chmod(0o777)
    conf.chmod(0o644)
    test.start([program, "-M", "bmp", "-n", "-Z", "-S", "-f", conf, "-i", test.dir / "frr.pid", "-p", port, "-l", address, "-P", "0",
                "--vty_socket", test.dir, "--log", "stdout"], "frr")
    ExaBgp(test, port, address=feeder, target=address, name="feeder", paths=FOUR_PATHS[:1], add_path=False)
    expect_tables(api, {"pre-policy", "post-policy"})


def test_gobgp_bmp(test):
    daemon, address, feeder = need("gobgpd", "gobgp")[0], "127.0.0.29", "127.0.0.30"
    (collector, api), port = station(test), free_port(socket.SOCK_STREAM, address)
    page = lines_of("gobgp-bmp", address).replace("port = 1790", f"port = {collector}")
    conf = test.write("gobgp.toml", f"""[global.config]
  as = {AS}
  router-id = "{address}"
  port = {port}
  local-address-list = ["{address}"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{feeder}"
    peer-as = {AS}
  [neighbors.transport.config]
    local-address = "{address}"
    passive-mode = true
{page}""")
    test.start([daemon, "-f", conf, "-t", "toml", f"--api-hosts=127.0.0.1:{free_port(socket.SOCK_STREAM)}", "--pprof-disable"], "gobgpd")
    ExaBgp(test, port, address=feeder, target=address, name="feeder", paths=FOUR_PATHS[:1], add_path=False)
    expect_tables(api, {"pre-policy", "post-policy", "Loc-RIB"})


def test_softflowd(test):
    """It reads a capture in place of an interface, so that the packets are known."""
    program, (pcap, truth) = need("softflowd"), traffic(test, False)
    daemon = collect(test)
    page = lines_of("softflowd", ROUTER).strip().replace("127.0.0.1:2100", f"127.0.0.1:{test.port}").replace("-i eth0", f"-r {pcap} -c none -d")
    assert page.startswith("softflowd "), page
    test.start([program, *page.split()[1:], "-p", test.dir / "pid"]).wait(30)
    wait_for(lambda: totals(test) == truth, "the totals of the capture")
    assert daemon.stop() == 0, daemon.output()


def test_open_vswitch(test):
    switch = Switch(test)
    packets, truth = frames(120)
    collect_samples(test, prefix=switch.prefix)
    page = lines_of("ovs", ROUTER).strip().replace("127.0.0.1:6343", f"127.0.0.1:{test.port}").replace("agent=eth0", "agent=lo")
    page = page.replace("sampling=1000", "sampling=1").replace('\\"', '"')  # every packet, so that the sums are known; the shell's quoting
    assert page.startswith("ovs-vsctl "), page
    switch.ctl(*page.split()[1:])

    def all_arrived():
        switch.send(packets[:1])  # it may sample nothing yet
        return totals_of_samples(test)
    wait_for(all_arrived, "the first sample")
    switch.send(packets[1:])
    got = wait_for(lambda: len(totals_of_samples(test)) == len(truth) and totals_of_samples(test), "all flows")
    assert set(got) == set(truth), (set(truth) ^ set(got))


def test_the_table_tells_what_is_tried(_):
    """A section whose lines are run says so, and no other does."""
    text = PAGE.read_text()
    tested = {name[len("test_"):].replace("_", " ") for name in globals() if name.startswith("test_") and "table" not in name}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, body = section.split("\n", 1)
        if title == "BMP":  # no router: what several say beside BGP, a paragraph each
            assert body.count("Tried, by tests.") == sum(name.endswith(" bmp") for name in tested), tested
            continue
        assert (title.lower() in tested) == ("Tried, by tests." in body) != ("Not tried." in body), title
        (row,) = re.findall(rf"^\| \[[^|]*\]\(#{title.lower().replace(' ', '-')}\) \|.*\| ([^|]*) \|$", text, re.MULTILINE)
        assert row == ("yes, by tests" if title.lower() in tested else "no"), (title, row)
        assert "**The trap:**" in body, title


if __name__ == "__main__":
    main(globals())
