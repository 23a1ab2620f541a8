#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves what tunnels carry, against tshark's dissection of the same packets and, for VXLAN, Debian's pmacct. The packets are the
fuzz corpus of packet_header (its first byte, 1, says that they begin with IP); here they go through sections of packets in
IPFIX, and through sFlow."""
import json
import os
import subprocess

from harness import SOURCE, json_lines, main, need, need_pmacct, wait_for
import exports
import sflow

CORPUS = SOURCE / "tests/fuzz/corpus/packet_header"
TUNNELS = ["gre", "gre-all-optional-fields", "gre-over-ipv6", "gre-mpls-inside", "gre-ethernet-inside", "nvgre", "erspan-ii",
           "erspan-iii", "erspan-iii-no-subheader", "ipip", "6in4", "4in6", "mpls-in-ip", "vxlan", "vxlan-tagged-frame",
           "vxlan-gpe-ipv4", "vxlan-gpe-ipv6", "vxlan-gpe-ethernet", "geneve", "geneve-with-options", "gtp-u",
           "gtp-u-with-sequence", "gtp-u-with-two-extensions", "mpls-over-udp", "srv6", "srv6-ethernet"]
PLAIN = "src_host, dst_host, proto, src_port, dst_port"
INSIDE = "tunnel_src_host, tunnel_dst_host, tunnel_proto, tunnel_src_port, tunnel_dst_port, tunnel_src_mac, vxlan, nvgre"


def frames():
    for name in TUNNELS:
        packet = (CORPUS / name).read_bytes()
        assert packet[0] == 1, name
        etype = b"\x08\x00" if packet[1] >> 4 == 4 else b"\x86\xdd"
        yield bytes.fromhex("66778899aabb001122334455") + etype + packet[1:]


def replay(test, name, config):
    fields = [(315, exports.VARIABLE), (1, 4)]  # a number of its own for each frame, so that rows are told apart
    sender = exports.Ipfix(fields)
    messages = [sender.announce(export_time=1700000000)]
    messages += [sender.data([[frame, 1000 + i]], export_time=1700000000) for i, frame in enumerate(frames())]
    exports.write_pcap(test.dir / "in.pcap", [(1700000000, exports.udp_packet(m)) for m in messages])
    daemon = test.nfacctd(f"""
plugins: print[out]
unaggregated: true
print_output: json
print_num_protos: true
print_output_file: {test.dir}/{name}.json
pcap_savefile: {test.dir}/in.pcap
{config}
""", name=name)
    assert daemon.wait(40) == 0, daemon.output()
    rows = {row["bytes"] - 1000: row for row in json_lines(test.dir / f"{name}.json")}
    assert len(rows) == len(TUNNELS), sorted(rows)
    return rows


def dissect(test):
    """Per frame, tshark's addresses, ports and so on: those of the outer header first."""
    tshark = need("tshark")
    exports.write_pcap(test.dir / "frames.pcap", [(1700000000, f) for f in frames()], link_type=1)
    names = ["ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "eth.src", "vxlan.vni", "geneve.vni"]
    args = [a for n in names for a in ("-e", n)]
    out = subprocess.run([tshark, "-r", test.dir / "frames.pcap", "-T", "json", "-d", "udp.port==6635,mpls", *args],
                         capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(test.dir)}).stdout
    return [p["_source"]["layers"] for p in json.loads(out)]


def last(layers, *names):
    values = [v for n in names for v in layers.get(n, [])]
    return values[-1] if values else None


def test_inner_headers_are_tsharks(test):
    rows = replay(test, "outer", f"aggregate: {PLAIN}, {INSIDE}")
    layers = dissect(test)
    for index, name in enumerate(TUNNELS):
        row, shark = rows[index], layers[index]
        inner_is_6 = ":" in row["tunnel_ip_src"]
        kind = "ipv6" if inner_is_6 else "ip"
        assert row["tunnel_ip_src"] == shark[f"{kind}.src"][-1], (name, row, shark)
        assert row["tunnel_ip_dst"] == shark[f"{kind}.dst"][-1], (name, row, shark)
        assert row["tunnel_port_src"] == int(shark["tcp.srcport"][-1]), (name, row, shark)
        assert row["tunnel_port_dst"] == int(shark["tcp.dstport"][-1]), (name, row, shark)
        assert int(row["tunnel_ip_proto"]) == 6, (name, row)
        outer_is_6 = ":" in row["ip_src"]
        assert row["ip_src"] == shark["ipv6.src" if outer_is_6 else "ip.src"][0], (name, row, shark)
        macs = shark["eth.src"]
        assert row["tunnel_mac_src"] == (macs[1] if len(macs) > 1 else "00:00:00:00:00:00"), (name, row, shark)
        vni = last(shark, "vxlan.vni", "geneve.vni")
        assert row["vxlan"] == (int(vni, 0) if vni else 0), (name, row, shark)
        if name == "nvgre":
            assert row["nvgre"] == 0xabcd, row
        else:
            assert row["nvgre"] == 0, (name, row)


def test_views_are_the_two_sides_of_one_packet(test):
    outer = replay(test, "outer", f"aggregate: {PLAIN}, {INSIDE}")
    inner = replay(test, "inner", f"aggregate: {PLAIN}, {INSIDE}\ntunnel_headers: inner")
    pairs = [("ip_src", "tunnel_ip_src"), ("ip_dst", "tunnel_ip_dst"), ("ip_proto", "tunnel_ip_proto"),
             ("port_src", "tunnel_port_src"), ("port_dst", "tunnel_port_dst")]
    for index, name in enumerate(TUNNELS):
        for plain, tunnel in pairs:
            assert inner[index][plain] == outer[index][tunnel], (name, plain)
            assert inner[index][tunnel] == outer[index][plain], (name, tunnel)
        assert inner[index]["vxlan"] == outer[index]["vxlan"], name


def test_sfacctd_tells_of_vxlan_what_pmacct_tells(test):
    pmacct = need_pmacct("sbin/sfacctd")
    frame = dict(zip(TUNNELS, frames()))["vxlan"]
    frame_len = 14 + int.from_bytes(frame[16:18], "big") + 4  # of the whole frame: only its beginning is here
    sample = sflow.flow_sample([sflow.raw_header(frame, frame_len)])
    exports.write_pcap(test.dir / "sflow.pcap", [(1700000000, exports.udp_packet(sflow.datagram([sample]), dport=6343))])
    aggregate = ("src_host, dst_host, proto, tunnel_src_mac, tunnel_dst_mac, tunnel_src_host, tunnel_dst_host, tunnel_proto, "
                 "tunnel_tos, tunnel_src_port, tunnel_dst_port, vxlan")
    config = f"""
plugins: print[out]
aggregate: {aggregate}
print_output: json
pcap_savefile: {test.dir}/sflow.pcap
"""
    daemon = test.sfacctd(config + f"print_output_file: {test.dir}/ours.json\n")
    assert daemon.wait(40) == 0, daemon.output()
    other = test.start([pmacct, "-f", test.write("pmacct.conf", config + f"""
print_output_file: {test.dir}/theirs.json
print_refresh_time: 1
pcap_savefile_wait: true
""")], "pmacct")
    theirs = wait_for(lambda: json_lines(test.dir / "theirs.json"), "pmacct's output", 20)
    ours = json_lines(test.dir / "ours.json")
    other.kill_all()
    assert list(ours[0]) == list(theirs[0]), (ours, theirs)
    assert ours == theirs, (ours, theirs)


if __name__ == "__main__":
    main(globals())
