#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The maps of BGP (flow_to_rd_map and its kin): what flows get by them, at a reload too, and that Debian's pmacct gives the same."""
import signal
import socket
import struct
import subprocess
import time

from harness import NFACCTD, free_port, json_lines, main, need_pmacct, wait_for
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update
import exports

ROUTER = "127.0.0.21"  # its flows and its BGP session come from there
FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (10, 4), (14, 4), (18, 4), (58, 2), (56, 6), (234, 4), (235, 4), (70, 3), (1, 4), (2, 4)]
NAMES = ["src", "dst", "sport", "dport", "proto", "in", "out", "bgp_nexthop", "vlan", "src_mac", "vrf_in", "vrf_out", "label", "bytes",
         "packets"]
USUAL = {"src": "10.1.0.1", "dst": "192.168.1.7", "dport": 443, "proto": 6, "in": 1, "out": 2, "bgp_nexthop": "10.0.0.1", "vlan": 7,
         "src_mac": bytes(5) + b"\1", "vrf_in": 0, "vrf_out": 0, "label": 1000 << 4 | 1, "bytes": 100, "packets": 1}
# pmacct 1.7.7 has no mpls_vpn_rd_origin.
SHOWN = ("mpls_vpn_rd", "as_path", "as_dst", "peer_as_dst", "peer_as_src", "src_local_pref", "src_med", "peer_ip_dst")
CONFIG = """
daemonize: false
plugins: print[out]
aggregate[out]: src_port, mpls_vpn_rd, as_path, dst_as, peer_dst_as, peer_src_as, src_local_pref, src_med, peer_dst_ip{ours}
print_output[out]: json
print_output_file[out]: {out}
print_output_file_append[out]: true
print_refresh_time[out]: 1
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp_port}
bgp_daemon_max_peers: 10
nfacctd_as: bgp
nfacctd_net: bgp
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
{more}
"""


def vpn(rd, text, path, next_hop="10.0.0.1"):
    """An UPDATE of a route in a VPN (RFC 4364), with label 16."""
    address, length = text.split("/")
    nlri = bytes([88 + int(length)]) + b"\x00\x01\x01" + rd + socket.inet_aton(address)[:(int(length) + 7) // 8]
    reach = struct.pack("!HBB", 1, 128, 12) + bytes(8) + socket.inet_aton(next_hop) + b"\0" + nlri
    return update(attributes(path=path, more=local_pref(100) + attribute(0x80, 14, reach)))


def local_pref(value):
    return attribute(0x40, 5, struct.pack("!I", value))


def med(value):
    return attribute(0x80, 4, struct.pack("!I", value))


# A table and a VPN 0:65000:5, whose routes tell themselves by their AS path; sources in 10.1 and 10.2.
ROUTES = (update(attributes(path=(64501, 64502), more=local_pref(100)), prefix("192.168.1.0/24")),
          update(attributes(path=(64601, 64602), next_hop="10.0.0.8", more=med(31) + local_pref(131)), prefix("10.1.0.0/16")),
          update(attributes(path=(64611, 64612), next_hop="10.0.0.9", more=med(32) + local_pref(132)), prefix("10.2.0.0/16")),
          vpn(bytes.fromhex("0000fde800000005"), "192.168.1.0/24", (64701, 64702)),
          update(attribute(0x80, 15, b"\0\1\x80")), update())  # End-of-RIB of both


class Rig:
    """A daemon, ours or pmacct's, with a router that speaks BGP and sends flows, numbered by their source port."""

    def __init__(self, test, name="ours", more="", routes=ROUTES, add_path=False):
        self.test, self.out, self.sent = test, test.dir / f"{name}.json", 0
        bgp_port, self.port = free_port(socket.SOCK_STREAM), free_port()
        text = CONFIG.format(out=self.out, bgp_port=bgp_port, port=self.port, more=more,
                             ours="" if name == "theirs" else ", path_match")
        if name == "theirs":
            self.daemon = test.start([need_pmacct("sbin/nfacctd"), "-f", test.write("theirs.conf", text)], name)
        else:
            self.daemon = test.nfacctd(text, name=name, ready=False)
        families = ((1, 1), (1, 128))
        capabilities = b"".join(multiprotocol(*f) for f in families) + four_octet_as(65000)
        if add_path:
            capabilities += add_path_send((1, 1))
        wait_for(lambda: self.is_listening(bgp_port), lambda: f"a BGP listener:\n{self.daemon.output()}")
        self.speaker = Speaker(test, bgp_port, ROUTER, capabilities=capabilities)
        self.speaker.establish().send(*routes)
        self.stream = exports.Ipfix(fields=FIELDS)
        self.daemon.wait_log("waiting for NetFlow/IPFIX data on")
        if name != "theirs":
            self.daemon.wait_log("End-of-RIB")

    @staticmethod
    def is_listening(port):
        done = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True)
        return str(port) in done.stdout

    def rows(self, flows):
        """What is written of flows that differ from the usual one in what is named, in their order."""
        numbers = range(self.sent + 1, self.sent + 1 + len(flows))
        self.sent += len(flows)
        rows = [[{**USUAL, "sport": number, **flow}[name] for name in NAMES] for number, flow in zip(numbers, flows)]
        data, due = self.stream.data(rows), [0]

        def written():
            # Debian's nfacctd now and then misses what comes at once after it has said that it listens.
            if time.monotonic() >= due[0]:
                self.test.send(self.stream.announce(), data, source=ROUTER, port=self.port)
                due[0] = time.monotonic() + 5
            found = {row["port_src"]: row for row in json_lines(self.out)} if self.out.exists() else {}
            return [found[number] for number in numbers] if all(number in found for number in numbers) else None
        return wait_for(written, lambda: f"rows of flows {numbers}:\n{self.daemon.output()}")

    def reload(self, good=True):
        self.daemon.signal(signal.SIGUSR2)
        self.daemon.wait_log("maps: read anew" if good else "the old ones stay in force")


def shown(rows, *names):
    return [tuple(row.get(name) for name in names) for row in rows]


RD_MAP = f"""
id=0:65000:5 ip={ROUTER} in=2
id=0:65000:6 ip={ROUTER} in=3
id=0:65000:5 ip={ROUTER} bgp_nexthop=10.0.0.5
id=0:65000:5 ip={ROUTER} mpls_label_bottom=2000
id=1:192.0.2.1:7 ip={ROUTER} mpls_vpn_id=30
id=0:0:0 ip=127.0.0.0/8 out=9
"""
RD_FLOWS = [{}, {"in": 2}, {"label": 2000 << 4 | 1}, {"in": 2, "out": 9}]


def test_flows_go_to_the_vpn_that_flow_to_rd_map_names(test):
    rig = Rig(test, more=f"flow_to_rd_map: {test.write('rd.map', RD_MAP)}")
    got = shown(rig.rows(RD_FLOWS + [{"bgp_nexthop": "10.0.0.5"}, {"in": 3}, {"vrf_in": 30}, {"vrf_out": 30}, {"out": 9}, {"vrf_in": 4}]),
                "mpls_vpn_rd", "mpls_vpn_rd_origin", "as_path")
    table, of_vpn = "64501_64502", "64701_64702"
    in_vpn = ("0:65000:5", "map", of_vpn)
    assert got == [("0:0:0", "unknown", table), in_vpn, in_vpn, in_vpn, in_vpn, ("0:65000:6", "map", table), ("1:192.0.2.1:7", "map", table),
                   ("1:192.0.2.1:7", "map", table), ("0:0:0", "map", table), ("vrfid:4", "flow", table)], got


def test_a_reload_takes_new_rows_and_keeps_the_old_ones_after_an_error(test):
    rd_map = test.write("rd.map", f"id=0:65000:5 ip={ROUTER} in=2\n")
    rig = Rig(test, more=f"flow_to_rd_map: {rd_map}")
    assert shown(rig.rows([{}, {"in": 2}]), "mpls_vpn_rd") == [("0:0:0",), ("0:65000:5",)]
    rd_map.write_text(f"id=0:65000:7 ip={ROUTER} mpls_vpn_id=30\n")  # reads what nothing read before
    rig.reload()
    assert shown(rig.rows([{"in": 2}, {"vrf_out": 30}]), "mpls_vpn_rd") == [("0:0:0",), ("0:65000:7",)]
    rd_map.write_text(f"id=65000:7 ip={ROUTER}\nid=0:65000:8 in=1\n")
    rig.reload(good=False)
    assert f"{rd_map}:2: the row does not say ip=" in rig.daemon.output(), rig.daemon.output()
    assert shown(rig.rows([{"vrf_out": 30}]), "mpls_vpn_rd") == [("0:65000:7",)]


def test_the_same_as_pmacct(test):
    more = f"flow_to_rd_map: {test.write('rd.map', RD_MAP)}"
    ours, theirs = (Rig(test, name, more).rows(RD_FLOWS) for name in ("ours", "theirs"))
    assert shown(ours, *SHOWN) == shown(theirs, *SHOWN), (shown(ours, *SHOWN), shown(theirs, *SHOWN))


if __name__ == "__main__":
    main(globals())
