#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""examples/maps: each configuration with its map answers its question. Their routers are 192.0.2.x, ours 127.0.2.x."""
import csv
import re
import socket

from harness import SOURCE, free_port, json_lines, main
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update
import exports

MAPS = SOURCE / "examples/maps"
LOCAL_PREF_150 = attribute(0x40, 5, bytes((0, 0, 0, 150)))
FIELDS = [*exports.COMMON_FIELDS, (56, 6)]


def config(test, name):
    """The example's configuration and map, with addresses of loopback and a file of ours."""
    text = (MAPS / f"{name}.conf").read_text()
    (map_name,) = re.findall(r"/etc/pathacct/(\S+)", text)
    path = test.write(map_name, (MAPS / map_name).read_text().replace("192.0.2.", "127.0.2."))
    text = text.replace(f"/etc/pathacct/{map_name}", str(path)).replace("/var/lib/pathacct", str(test.dir)).replace("-%Y%m%d-%H%M", "")
    return re.sub(r"^nfacctd_port: .*\n", "", text, flags=re.M)


def flow(in_iface=1, mac=1, next_hop="0.0.0.0", octets=100, src="10.0.0.1"):
    return exports.common_flow(src, "203.0.113.9", next_hop, in_iface=in_iface, octets=octets) + [bytes((0, 0, 0x5e, 0, 0x53, mac))]


def replayed(test, name, output, *flows, exporter="127.0.2.1"):
    """The rows of a CSV file, out of a capture of an exporter's flows."""
    stream = exports.Ipfix(FIELDS)
    exports.write_pcap(test.dir / "in.pcap", [(1700000000, exports.udp_packet(data, exporter)) for data in (stream.announce(), stream.data(flows))])
    daemon = test.nfacctd(config(test, name) + f"pcap_savefile: {test.dir}/in.pcap\n")
    assert daemon.wait(60) == 0, daemon.output()
    with open(test.dir / f"{output}.csv", newline="") as lines:
        return list(csv.DictReader(lines))


def test_each_configuration_has_a_test(_):
    names = {path.stem for path in MAPS.glob("*.conf")}
    assert len(names) >= 5 and all(f"test_{name.replace('-', '_')}" in globals() for name in names), names
    listed = set(re.findall(r"\[(\S+\.(?:conf|map|networks))\]", (MAPS / "README.md").read_text()))
    assert {path.name for path in MAPS.glob("*.*") if path.suffix != ".md"} <= listed, listed


def test_sampling(test):
    rows = replayed(test, "sampling", "routers", flow(in_iface=7), flow(in_iface=8), flow(in_iface=8))
    assert {(row["IN_IFACE"], row["BYTES"]) for row in rows} == {("7", "100"), ("8", "200000")}, rows
    rows = replayed(test, "sampling", "routers", flow(in_iface=7), exporter="127.0.2.9")
    assert [row["BYTES"] for row in rows] == ["204800"], rows


def test_ingress(test):
    rows = replayed(test, "ingress", "neighbours", flow(in_iface=10), flow(in_iface=20, mac=1), flow(in_iface=20, mac=2), flow(in_iface=20, mac=3))
    assert {row["PEER_SRC_AS"] for row in rows} == {"64500", "64501", "64502", "0"}, rows


def test_vpns(test):
    rows = replayed(test, "vpns", "vpns", flow(in_iface=100), flow(in_iface=200, octets=5), flow(in_iface=200, octets=6))
    assert {(row["MPLS_VPN_RD"], row["BYTES"]) for row in rows} == {("0:65000:1", "100"), ("0:65000:2", "11")}, rows


def test_networks(test):
    rows = replayed(test, "networks", "customers", flow(src="198.51.100.1"), flow(src="198.51.100.200", octets=5), flow(octets=7), flow(octets=8, src="10.9.9.9"))
    assert {(row["SRC_AS"], row["DST_AS"], row["SRC_NET"], row["BYTES"]) for row in rows} == {
        ("64601", "64600", "198.51.100.0", "100"), ("64602", "64600", "198.51.100.128", "5"), ("0", "64600", "0.0.0.0", "15")}, rows


def test_costs(test):
    flows = (flow(in_iface=20), flow(in_iface=20, src="198.51.100.9"), flow(in_iface=10))
    assert {row["SRC_MED"] for row in replayed(test, "costs", "costs", *flows)} == {"30", "10", "0"}
    assert [row["SRC_MED"] for row in replayed(test, "costs", "costs", flow(in_iface=20), exporter="127.0.2.2")] == ["45"]


def correlated(test, name, exporter, *flows, output="paths"):
    """The rows of a JSON file of the exporter's flows, with a router at 127.0.2.1 that has a path behind each of two next hops."""
    bgp_port = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(config(test, name) + f"bgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {bgp_port}\n")
    router = Speaker(test, bgp_port, "127.0.2.1", capabilities=multiprotocol(1, 1) + four_octet_as(65000) + add_path_send((1, 1))).establish()
    router.send(update(attributes((64500,), "10.0.0.1", LOCAL_PREF_150), prefix("203.0.113.0/24", 1)),
                update(attributes((64501, 64502), "10.0.0.2"), prefix("203.0.113.0/24", 2)), update())
    daemon.wait_log("End-of-RIB")
    stream = exports.Ipfix(FIELDS)
    test.send(stream.announce(), stream.data(flows), source=exporter)
    test.wait_now(daemon, lambda stats: stats["instances"][0]["decoded"]["flows"] == len(flows), "the flows")
    assert daemon.stop() == 0, daemon.output()
    return json_lines(test.dir / f"{output}.json")


def test_agents(test):
    rows = correlated(test, "agents", "127.0.2.102", flow(next_hop="10.0.0.2"))
    assert [(row["peer_ip_src"], row["as_path"], row["path_match"]) for row in rows] == [("127.0.2.102", "64501_64502", "exact")], rows


def test_next_hops(test):
    rows = correlated(test, "next-hops", "127.0.2.1", flow(next_hop="198.51.100.1"), flow(next_hop="198.51.100.2"))
    assert {(row["as_path"], row["path_match"]) for row in rows} == {("64500", "exact"), ("64501_64502", "exact")}, rows


def test_preferences(test):
    rows = correlated(test, "preferences", "127.0.2.1", flow(in_iface=20), flow(in_iface=10), flow(in_iface=30, src="203.0.113.1"),
                      output="preferences")
    assert {row["local_pref_src"] for row in rows} == {50, 200, 150}, rows


if __name__ == "__main__":
    main(globals())
