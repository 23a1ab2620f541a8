# SPDX-License-Identifier: GPL-2.0-or-later
"""Real BGP speakers other than BIRD (harness.py) as ADD-PATH routers of the four-path example; docs of each say how they
differ. All speak from an address of their own in 127.0.0.0/8 as iBGP peers of AS 65000."""
import os
import socket
import subprocess

from harness import FOUR_PATHS, free_port, need, wait_for

PREFIX = "192.168.1.0/24"
AS = 65000


class ExaBgp:
    """Connects to `target`; announces static routes, and more through a fifo."""

    def __init__(self, test, port, address="127.0.0.12", target="127.0.0.1", paths=FOUR_PATHS, name="exabgp", add_path=True):
        program = need("exabgp")
        self.fifo = test.dir / f"{name}.fifo"
        os.mkfifo(self.fifo)
        self.writer = os.open(self.fifo, os.O_RDWR)
        test.cleanups.append(lambda: os.close(self.writer))
        routes = "\n".join(self.route(i, nh, path, pref) + ";" for i, (nh, path, pref) in enumerate(paths, 1))
        conf = test.write(f"{name}.conf", f"""
process feed {{ run /bin/cat {self.fifo}; encoder text; }}
neighbor {target} {{
    router-id {address}; local-address {address}; local-as {AS}; peer-as {AS}; connect {port};
    capability {{ {"add-path send/receive; " if add_path else ""}asn4 enable; route-refresh enable; }}
    family {{ ipv4 unicast; ipv6 unicast; }}
    {"add-path { ipv4 unicast; ipv6 unicast; }" if add_path else ""}
    api {{ processes [ feed ]; }}
    static {{ {routes} }}
}}
""")
        env = {**os.environ, "exabgp.daemon.user": "root", "exabgp.api.cli": "false", "exabgp.log.destination": "stdout",
               "exabgp.daemon.drop": "false"}
        self.process = test.start([program, conf], name, env=env)

    @staticmethod
    def route(path_id, next_hop, path, local_pref, prefix=PREFIX):
        return (f"route {prefix} next-hop {next_hop} path-information 0.0.0.{path_id} local-preference {local_pref} med 100 "
                f"as-path [ {path} ]")

    def send(self, command):
        os.write(self.writer, (command + "\n").encode())


class GoBgp:
    """Its own paths, told apart by an identifier; takes some seconds to connect."""

    def __init__(self, test, port, address="127.0.0.13", target="127.0.0.1", bmp=None, feeder=None):
        """`bmp`: it tells of all its tables to this port. `feeder`: a peer of this address connects to `feeder_port`."""
        daemon, self.client = need("gobgpd", "gobgp")
        self.api = free_port(socket.SOCK_STREAM)
        self.feeder_port = free_port(socket.SOCK_STREAM, address) if feeder else -1
        more = f"""
[[bmp-servers]]
  [bmp-servers.config]
    address = "127.0.0.1"
    port = {bmp}
    route-monitoring-policy = "all"
""" if bmp else ""
        more += f"""
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{feeder}"
    peer-as = {AS}
  [neighbors.transport.config]
    local-address = "{address}"
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
""" if feeder else ""
        conf = test.write("gobgp.toml", f"""
[global.config]
  as = {AS}
  router-id = "{address}"
  port = {self.feeder_port}
  local-address-list = ["{address}"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{target}"
    peer-as = {AS}
  [neighbors.transport.config]
    local-address = "{address}"
    remote-port = {port}
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.add-paths.config]
      send-max = 8
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
    [neighbors.afi-safis.add-paths.config]
      send-max = 8
{more}
""")
        self.process = test.start([daemon, "-f", conf, "-t", "toml", f"--api-hosts=127.0.0.1:{self.api}", "--pprof-disable"],
                                  "gobgpd")
        wait_for(lambda: self.command("global", check=False).returncode == 0, "gobgpd's API")
        for i, (next_hop, path, local_pref) in enumerate(FOUR_PATHS, 1):
            self.command("global", "rib", "add", PREFIX, "nexthop", next_hop, "identifier", str(i), "aspath",
                         path.replace(" ", ","), "local-pref", str(local_pref), "med", "100", "-a", "ipv4")

    def command(self, *words, check=True):
        return subprocess.run([self.client, "-p", str(self.api), *words], capture_output=True, text=True, check=check)


class Frr:
    """Reflects what a feeder (an ExaBgp to `feeder_port`) announces."""

    def __init__(self, test, port, address="127.0.0.14", feeder="127.0.0.15", target="127.0.0.1", bmp=None):
        """`bmp`: it tells of what the feeder sends it to this port, before and after policy."""
        program = need("/usr/lib/frr/bgpd")
        monitor = f""" bmp targets station
  bmp stats interval 1000
  bmp monitor ipv4 unicast pre-policy
  bmp monitor ipv4 unicast post-policy
  bmp connect 127.0.0.1 port {bmp} min-retry 100 max-retry 1000
 exit
""" if bmp else ""
        self.feeder_port = free_port(socket.SOCK_STREAM, address)
        families = "".join(f"""
 address-family {family} unicast
  neighbor {target} activate
  neighbor {target} route-reflector-client
  neighbor {target} addpath-tx-all-paths
  neighbor {feeder} activate
  neighbor {feeder} route-reflector-client
  neighbor {feeder} soft-reconfiguration inbound
 exit-address-family
""" for family in ("ipv4", "ipv6"))
        conf = test.write("frr.conf", f"""
router bgp {AS}
 bgp router-id {address}
 no bgp default ipv4-unicast
 neighbor {target} remote-as {AS}
 neighbor {target} port {port}
 neighbor {target} update-source {address}
 neighbor {target} timers connect 1
 neighbor {feeder} remote-as {AS}
 neighbor {feeder} passive
{families}
{monitor}
""")
        test.dir.chmod(0o777)
        conf.chmod(0o644)
        modules = ["-M", "bmp"] if bmp else []
        self.process = test.start([program, *modules, "-n", "-Z", "-S", "-f", conf, "-i", test.dir / "frr.pid", "-p",
                                   self.feeder_port, "-l", address, "-P", "0", "--vty_socket", test.dir, "--log", "stdout"], "frr")


class OpenBgpd:
    """Reflects what a feeder announces; waits for connections, because it can only connect to port 179. Its path ids are
    random 32-bit numbers."""

    def __init__(self, test, collector="127.0.0.1", address="127.0.0.16", feeder="127.0.0.17"):
        program = need("/usr/sbin/bgpd")
        self.port = free_port(socket.SOCK_STREAM, address)
        peers = "".join(f"""
neighbor {peer} {{
    remote-as {AS}
    local-address {address}
    route-reflector {address}
    passive
    announce IPv4 unicast
    announce IPv6 unicast
    {add_path}
}}
""" for peer, add_path in ((collector, "announce add-path send all"), (feeder, "announce add-path recv yes")))
        conf = test.write("openbgpd.conf", f"""
AS {AS}
router-id {address}
fib-update no
nexthop qualify via default
listen on {address} port {self.port}
socket "{test.dir}/openbgpd.ctl"
{peers}
allow from any
allow to any
""")
        conf.chmod(0o600)
        os.makedirs("/run/openbgpd", exist_ok=True)  # its user's home, where it goes with chroot(2)
        self.process = test.start([program, "-d", "-v", "-f", conf], "openbgpd")
