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
import sflow

ROUTER = "127.0.0.21"  # its flows and its BGP session come from there
FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (10, 4), (14, 4), (18, 4), (58, 2), (56, 6), (234, 4), (235, 4), (70, 3), (1, 4), (2, 4)]
NAMES = ["src", "dst", "sport", "dport", "proto", "in", "out", "bgp_nexthop", "vlan", "src_mac", "vrf_in", "vrf_out", "label", "bytes",
         "packets"]
USUAL = {"src": "10.1.0.1", "dst": "192.168.1.7", "dport": 443, "proto": 6, "in": 1, "out": 2, "bgp_nexthop": "10.0.0.1", "vlan": 7,
         "src_mac": bytes(5) + b"\1", "vrf_in": 0, "vrf_out": 0, "label": 1000 << 4 | 1, "bytes": 100, "packets": 1}
# pmacct 1.7.7 has no mpls_vpn_rd_origin.
SHOWN = ("mpls_vpn_rd", "as_path", "as_dst", "peer_as_dst", "peer_as_src", "local_pref_src", "med_src", "peer_ip_dst")
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
          vpn(bytes.fromhex("0000fde800000005"), "10.1.0.0/16", (64801, 64802)),
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


PEER_MAP = f"""
id=1001 ip={ROUTER} src_mac=00:00:00:00:00:02
id=1002 ip={ROUTER} vlan=8
id=1003 ip={ROUTER} src_net=10.2.9.0/24
id=1004 ip={ROUTER} in=5 out=2
id=bgp ip={ROUTER} bgp_nexthop=10.0.0.9
id=1006 ip={ROUTER} peer_dst_as=64601 dst_net=192.168.1.7/32
id=1007 ip=127.0.0.9
id=1008 ip={ROUTER} peer_dst_as=64801
"""
PREF_MAP = f"id=77 ip={ROUTER} src_net=10.2.9.0/24\nid=bgp ip={ROUTER} in=1\n"
MED_MAP = f"id=bgp ip={ROUTER} vlan=7\nid=55 ip={ROUTER}\n"
SOURCE_FLOWS = [{"src_mac": bytes(5) + b"\2"}, {"vlan": 8}, {"src": "10.2.9.1"}, {"in": 5}, {"in": 5, "out": 3}, {"src": "10.2.0.1"},
                {}, {"dst": "192.168.1.8"}, {"src": "172.16.0.1"}]
BY_SOURCE = [(1001, 131, 31), (1002, 131, 55), (1003, 77, 32), (1004, 0, 31), (1006, 0, 31), (64611, 132, 32), (1006, 131, 31), (0, 131, 31),
             (0, 0, 0)]


def source_maps(test, types=("map", "map", "map")):
    """The configuration of the three maps."""
    names = ("bgp_peer_src_as", "bgp_src_local_pref", "bgp_src_med")
    maps = zip(names, types, (PEER_MAP, PREF_MAP, MED_MAP))
    return "".join(f"{name}_type: {how}\n{name}_map: {test.write(name, text)}\n" for name, how, text in maps)


def ipfix_of(ifaces):
    stream = exports.Ipfix()
    rows = [exports.common_flow("10.0.0.1", "10.0.0.2", "10.0.0.3", in_iface=iface) for iface in ifaces]
    return [stream.announce(), *(stream.data(rows[at:at + 15]) for at in range(0, len(rows), 15))]


def netflow5_of(ifaces):
    flows = [{"src": "10.0.0.1", "dst": "10.0.0.2", "in": iface} for iface in ifaces]
    return [exports.netflow5(flows[at:at + 30], sequence=at) for at in range(0, len(flows), 30)]


def sflow_of(ifaces):
    records, _ = sflow.header("10.0.0.1", "10.0.0.2")
    samples = [sflow.flow_sample([records], sequence=n + 1, in_iface=iface) for n, iface in enumerate(ifaces)]
    return [sflow.datagram(samples[at:at + 8], agent=ROUTER, sequence=at // 8 + 1) for at in range(0, len(samples), 8)]


def test_a_flow_has_nothing_of_the_one_before(test):
    """Whatever the export does not tell of VPNs is not left over from a flow that a row gave one."""
    count, rd_map = 3000, test.write("rd.map", f"id=0:65000:5 ip={ROUTER} in=1\n")
    peer_map = test.write("peer.map", f"id=7 ip={ROUTER} in=1\n")
    for name, start, messages in (("ipfix", test.nfacctd, ipfix_of), ("netflow5", test.nfacctd, netflow5_of), ("sflow", test.sfacctd, sflow_of)):
        pcap, out = test.dir / f"{name}.pcap", test.dir / f"{name}.json"
        exports.write_pcap(pcap, [(1700000000, exports.udp_packet(data, ROUTER)) for data in messages([1] * count + [2] * count)])
        daemon = start(f"plugins: print[out]\naggregate[out]: in_iface, mpls_vpn_rd, peer_src_as\nprint_output[out]: json\n"
                       f"print_output_file[out]: {out}\nflow_to_rd_map: {rd_map}\nbgp_peer_src_as_type: map\nbgp_peer_src_as_map: {peer_map}\n"
                       f"pcap_savefile: {pcap}\n", name=name)
        assert daemon.wait(60) == 0, daemon.output()
        got = {(row["iface_in"], row["mpls_vpn_rd"], row["mpls_vpn_rd_origin"], row["peer_as_src"]) for row in json_lines(out)}
        assert got == {(1, "0:65000:5", "map", 7), (2, "0:0:0", "unknown", 0)}, (name, got)


def test_maps_of_the_source_side(test):
    rig = Rig(test, more=source_maps(test))
    got = shown(rig.rows(SOURCE_FLOWS), "peer_as_src", "local_pref_src", "med_src")
    assert got == BY_SOURCE, got
    (test.dir / "bgp_peer_src_as").write_text(f"id=9 ip={ROUTER}\nid=8 ip={ROUTER} src_mac=1:2\nid=x ip={ROUTER}\n")
    rig.reload(good=False)
    for wrong in ("bgp_peer_src_as:2: src_mac=1:2: expected a MAC address", "bgp_peer_src_as:3: id=x: expected a number, or bgp"):
        assert wrong in rig.daemon.output(), rig.daemon.output()
    assert shown(rig.rows([{"vlan": 8}]), "peer_as_src") == [(1002,)]
    (test.dir / "bgp_peer_src_as").write_text(f"id=9 ip={ROUTER} filter='dst net 192.168.1.0/24 and udp'\nid=8 ip={ROUTER} out=-2\n")
    rig.reload()
    assert shown(rig.rows([{"proto": 17}, {}, {"out": 3}]), "peer_as_src") == [(9,), (0,), (8,)]


def test_a_reload_makes_correlation_look_for_the_source(test):
    """The first maps need no path to the source."""
    text = source_maps(test)
    (test.dir / "bgp_peer_src_as").write_text(f"id=5 ip={ROUTER}\n")
    (test.dir / "bgp_src_local_pref").write_text(f"id=6 ip={ROUTER}\n")
    (test.dir / "bgp_src_med").write_text(f"id=7 ip={ROUTER}\n")
    rig, names = Rig(test, more=text), ("peer_as_src", "local_pref_src", "med_src")
    assert shown(rig.rows([{}]), *names) == [(5, 6, 7)]
    source_maps(test)
    rig.reload()
    assert shown(rig.rows([{}]), *names) == [(1006, 131, 31)]


def test_maps_of_the_source_side_need_no_bgp(test):
    peer, out = test.write("peer.map", f"id=5 ip={ROUTER} in=1\nid=bgp ip={ROUTER}\n"), test.dir / "out.json"
    daemon = test.nfacctd(f"plugins: print[out]\naggregate[out]: peer_src_as, in_iface\nprint_output[out]: json\nprint_output_file[out]: {out}\n"
                          f"print_refresh_time: 1\nprint_output_file_append: true\nbgp_peer_src_as_type: map\nbgp_peer_src_as_map: {peer}\n")
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "10.0.0.2", "10.0.0.3", in_iface=n) for n in (1, 2)]), source=ROUTER)
    wait_for(lambda: out.exists() and len(json_lines(out)) == 2, daemon.output)
    assert {(row["iface_in"], row["peer_as_src"]) for row in json_lines(out)} == {(1, 5), (2, 0)}


def test_next_hops_that_are_exported_otherwise_than_announced(test):
    routes = (update(attributes(path=(64501,), more=local_pref(100)), prefix("192.168.1.0/24", 1)),
              update(attributes(path=(64511,), next_hop="10.0.0.2", more=local_pref(200)), prefix("192.168.1.0/24", 2)), update())
    next_hops = test.write("next_hops.map", f"id=172.16.0.1 bgp_nexthop=10.0.0.1 ip={ROUTER}\nid=172.16.0.2 bgp_nexthop=10.0.0.2\n")
    rig = Rig(test, more=f"bgp_peer_dst_ip_map: {next_hops}", routes=routes, add_path=True)
    names = ("as_path", "peer_ip_dst", "path_match")
    flows = [{"bgp_nexthop": f"172.16.0.{n}"} for n in (1, 2, 3)] + [{}]
    got = shown(rig.rows(flows), *names)
    first, second, nothing = ("64501", "10.0.0.1", "exact"), ("64511", "10.0.0.2", "exact"), ("", "172.16.0.3", "unmatched")
    assert got == [first, second, nothing, first], got
    next_hops.write_text("id=172.16.0.3 bgp_nexthop=10.0.0.2\n")
    rig.reload()
    got = shown(rig.rows(flows), *names)
    assert got == [("", "172.16.0.1", "unmatched"), ("", "172.16.0.2", "unmatched"), second, first], got
    next_hops.write_text("id=172.16.0.3\nid=172.16 bgp_nexthop=10.0.0.2\n")
    rig.reload(good=False)
    assert f"{next_hops}:1: the row does not say bgp_nexthop=" in rig.daemon.output(), rig.daemon.output()
    assert shown(rig.rows([{"bgp_nexthop": "172.16.0.3"}]), *names) == [second]
    stats = test.wait_now(rig.daemon, lambda stats: stats["exporters"], "exporters", name="ours")
    assert stats["exporters"][0]["next_hop_mapped"] == 4, stats["exporters"]


def check(test, text):
    """What --check says of a configuration."""
    conf = test.write("t.conf", f"plugins: print[out]\naggregate: peer_src_as\nprint_output_file: {test.dir}/out\n{text}")
    done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_a_type_needs_its_map_and_a_map_its_type(test):
    good = test.write("good.map", "id=1 ip=10.0.0.1\n")
    for name in ("bgp_peer_src_as", "bgp_src_local_pref", "bgp_src_med"):
        status, said = check(test, f"{name}_type: map\n")
        assert status == 1 and f":4: {name}_type: map needs {name}_map: FILE" in said, said
        status, said = check(test, f"{name}_map: {good}\n")
        assert status == 0 and f":4: {name}_map: it has no effect without {name}_type: map" in said, said
        status, said = check(test, f"{name}_type: map\n{name}_map: {good}\n")
        assert status == 0 and name not in said, said


def test_next_hops_to_follow_may_have_bits_beyond_their_length(test):
    status, said = check(test, "bgp_daemon: true\nbgp_follow_nexthop: 10.0.0.1/8, 2001:db8::1/32, 192.0.2.1\n")
    assert status == 0 and "bgp_follow_nexthop" not in said, said
    status, said = check(test, "bgp_daemon: true\nbgp_follow_nexthop: 10.0.0/8, 10.0.0.1/33\n")
    assert status == 1 and "'10.0.0/8' is not a prefix" in said and "'10.0.0.1/33' is not a prefix" in said, said


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
    more = f"flow_to_rd_map: {test.write('rd.map', RD_MAP)}\n" + source_maps(test)
    for name in ("bgp_src_local_pref", "bgp_src_med"):  # for id=bgp 1.7.7 gives the AS number here too
        (test.dir / name).write_text((test.dir / name).read_text().replace("id=bgp", "id=66"))
    ours, theirs = (shown(Rig(test, name, more).rows(RD_FLOWS + SOURCE_FLOWS), *SHOWN) for name in ("ours", "theirs"))
    assert ours == theirs, "\n".join(f"{flow}\n    {a}\n    {b}" for flow, a, b in zip(RD_FLOWS + SOURCE_FLOWS, ours, theirs))


if __name__ == "__main__":
    main(globals())
