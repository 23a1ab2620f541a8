#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""pre_tag_map and its filters: what rows get as tags, for each instance apart, and that Debian's pmacct gives the same where it
knows the keys."""
import csv
import json
import re
import signal
import socket
import struct
import subprocess

from harness import NFACCTD, free_port, json_lines, main, need_pmacct, wait_for
import exports
from bgp_speaker import Speaker, attribute, attributes, four_octet_as, multiprotocol, prefix, update

START_S = 1700000000
EXPORTER = "198.51.100.9"
FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (5, 1), (6, 1), (10, 4), (14, 4), (15, 4), (18, 4), (16, 4), (17, 4), (58, 2), (56, 6),
          (57, 6), (61, 1), (89, 1), (1, 4), (2, 4)]
NAMES = ["src", "dst", "sport", "dport", "proto", "tos", "flags", "in", "out", "nexthop", "bgp_nexthop", "src_as", "dst_as", "vlan", "src_mac",
         "dst_mac", "direction", "fwd_status", "bytes", "packets"]
USUAL = dict(src="10.0.0.1", dst="192.0.2.7", sport=1024, dport=443, proto=6, tos=0, flags=0x18, nexthop="10.9.9.1", bgp_nexthop="10.9.9.2",
             src_as=64500, dst_as=64501, vlan=7, src_mac=bytes(5) + b"\1", dst_mac=bytes(5) + b"\2", direction=1, fwd_status=64, bytes=100,
             packets=1, out=2)
USUAL["in"] = 1


def write_pcap(test, flows, exporter=EXPORTER):
    """A capture of flows that differ from the usual one in what is named; the source port is the flow's number."""
    stream = exports.Ipfix(fields=FIELDS)
    rows = [[{**USUAL, "sport": n + 1, **flow}[name] for name in NAMES] for n, flow in enumerate(flows)]
    pcap = test.dir / "in.pcap"
    exports.write_pcap(pcap, [(START_S, exports.udp_packet(stream.announce(export_time=START_S), exporter)),
                              (START_S, exports.udp_packet(stream.data(rows, export_time=START_S), exporter))])
    return pcap


CONFIG = """
daemonize: false
plugins: print[out]
aggregate[out]: tag, tag2, label, tos, src_port
print_output[out]: json
print_output_file[out]: {out}
print_refresh_time[out]: 1
print_output_file_append: true
pre_tag_map: {map}
pcap_savefile: {pcap}
{more}
"""


def rows_of(path):
    """{source port: (tag, tag2, label, tos)}"""
    return {row["port_src"]: (row["tag"], row["tag2"], row["label"], row["tos"]) for row in json_lines(path)}


def tags(test, tag_map, flows, more="", name="out"):
    """What the one instance writes: {source port: (tag, tag2, label, tos)}."""
    out = test.dir / f"{name}.csv"
    daemon = test.nfacctd(CONFIG.format(out=out, map=test.write(f"{name}.map", tag_map), pcap=write_pcap(test, flows), more=more))
    assert daemon.wait(60) == 0, daemon.output()
    return rows_of(out)


# Each key with a value that holds for the flow, and one that does not.
MATCHES = {
    "ip": (EXPORTER, "198.51.100.8", {}), "in": ("1", "2", {}), "out": ("2", "1", {}), "engine_id": ("1", "2", {}), "source_id": ("1", "0", {}),
    "nexthop": ("10.9.9.1", "10.9.9.2", {}), "bgp_nexthop": ("10.9.9.2", "10.9.9.1", {}), "direction": ("1", "0", {}),
    "src_as": ("64500", "64501", {}), "dst_as": ("64501", "64500", {}), "src_mac": ("00:00:00:00:00:01", "00:00:00:00:00:02", {}),
    "dst_mac": ("00:00:00:00:00:02", "00:00:00:00:00:01", {}), "vlan": ("7", "8", {}), "src_net": ("10.0.0.0/8", "11.0.0.0/8", {}),
    "dst_net": ("192.0.2.0/24", "192.0.3.0/24", {}), "ip_proto": ("6", "17", {}), "src_port": ("1", "2", {}), "dst_port": ("443", "80", {}),
    "tcp_flags": ("18", "10", {}), "fwd_status": ("64", "65", {}), "is_multicast": ("true", "false", {"dst": "224.0.0.5"}),
    "filter": ("'dst port 443'", "'dst port 80'", {}), "sample_type": ("flow-ipv4", "event", {}), "is_nsel": ("false", "true", {}),
    "is_nel": ("false", "true", {}),
}


def test_each_key_holds_or_does_not_and_can_be_negated(test):
    for key, (right, wrong, flow) in MATCHES.items():
        got = tags(test, f"set_tag=1 {key}={wrong}\nset_tag=2 {key}={right}\n", [flow])
        assert got[1][0] == 2, (key, got)
        (test.dir / "out.csv").unlink()
        if key != "filter":
            got = tags(test, f"set_tag=3 {key}=-{right}\nset_tag=4 {key}=-{wrong}\n", [flow])
            assert got[1][0] == 4, (key, got)
            (test.dir / "out.csv").unlink()


TEMPLATE_FIELDS = [(8, 4), (12, 4), (7, 2), (90, 8), (70, 3), (1, 4), (2, 4)]


def test_keys_of_templates_labels_and_options(test):
    """What the template is, the VPN and the labels of a flow: source port 1 is of a usual template, 2 counts both ways, 3 has labels."""
    plain = exports.Ipfix(fields=[(8, 4), (12, 4), (7, 2), (1, 4), (2, 4)], template_id=300)
    both = exports.Ipfix(fields=[(8, 4), (12, 4), (7, 2), (231, 4), (232, 4)], template_id=301)
    vpn = exports.Ipfix(fields=TEMPLATE_FIELDS, template_id=302)
    rd = bytes.fromhex("0000fde800000007")
    messages = [plain.announce(export_time=START_S), plain.data([["10.0.0.1", "10.0.0.2", 1, 100, 1]], export_time=START_S)]
    both.sequence = plain.sequence
    messages += [both.announce(export_time=START_S), both.data([["10.0.0.1", "10.0.0.2", 2, 100, 50]], export_time=START_S)]
    vpn.sequence = both.sequence
    messages += [vpn.announce(export_time=START_S), vpn.data([["10.0.0.1", "10.0.0.2", 3, rd, b"\0\x01\x01", 100, 1]], export_time=START_S)]
    pcap = test.dir / "in.pcap"
    exports.write_pcap(pcap, [(START_S, exports.udp_packet(message, EXPORTER)) for message in messages])
    for rows, right in (("flowset_id=301", {2}), ("flowset_id=-301", {1, 3}), ("is_bi_flow=true", {2}), ("is_bi_flow=false", {1, 3}),
                        ("is_bi_flow=-true", {1, 3}), ("mpls_vpn_rd=0:65000:7", {3}), ("mpls_vpn_rd=-0:65000:7", {1, 2}),
                        ("mpls_vpn_rd=vrfid:7", set()), ("sample_type=flow-mpls-ipv4", {3}), ("sample_type=-flow-mpls-ipv4", {1, 2}),
                        ("sample_type=flow-mpls-ipv6", set()), ("sample_type=flow", {1, 2, 3}), ("sample_type=0:1", set()),
                        ("sample_type=option", set()), ("agent_id=1", set()), ("agent_id=-7", set())):
        out = test.dir / "out.csv"
        daemon = test.nfacctd(CONFIG.format(out=out, map=test.write("out.map", f"set_tag=1 {rows}\n"), pcap=pcap, more=""))
        assert daemon.wait(60) == 0, daemon.output()
        got = {row["port_src"] for row in json_lines(out) if row["tag"] == 1 and row["port_src"]}
        assert got == right, (rows, got)
        assert ("agent_id: sub-agents are sFlow's" in daemon.output()) == ("agent_id" in rows), daemon.output()
        out.unlink()


def bits(*conditions):
    """A map whose row n sets bit n of the tag where its condition holds: what holds can be seen of one flow."""
    rows = [f"set_tag={1 << n} {condition} stack=or jeq=next\n" for n, condition in enumerate(conditions)]
    return "".join(rows).removesuffix(" jeq=next\n") + "\n"


def that_hold(tag, conditions):
    return [condition for n, condition in enumerate(conditions) if tag >> n & 1]


def test_keys_of_virtual_networks_and_of_netflow_5(test):
    fields = [(8, 4), (12, 4), (7, 2), (234, 4), (235, 4), (245, 2), (249, 4), (1, 4), (2, 4)]
    stream = exports.Ipfix(fields=fields, template_id=310)
    row = ["10.0.0.1", "192.0.2.7", 1, 5, 6, 77, 9, 100, 1]
    flow5 = {"src": "10.0.0.1", "dst": "192.0.2.7", "sport": 2}
    pcap = test.dir / "in.pcap"
    exports.write_pcap(pcap, [(START_S, exports.udp_packet(message, EXPORTER)) for message in (
        stream.announce(export_time=START_S), stream.data([row], export_time=START_S),
        exports.netflow5([flow5], engine=3 << 8 | 4, export_time=START_S))])
    conditions = ("mpls_vpn_id_in=5", "mpls_vpn_id_in=6", "mpls_vpn_id_in=-6", "mpls_vpn_id_out=6", "mpls_vpn_id_out=5", "cvlan=77", "cvlan=78",
                  "cvlan=-78", "mpls_pw_id=9", "mpls_pw_id=8", "engine_type=3", "engine_type=4", "engine_type=-4", "engine_id=4")
    out = test.dir / "out.json"
    daemon = test.nfacctd(CONFIG.format(out=out, map=test.write("t.map", bits(*conditions)), pcap=pcap, more=""))
    assert daemon.wait(60) == 0, daemon.output()
    got = {port: that_hold(tag, conditions) for port, (tag, *_) in rows_of(out).items()}
    assert got[1] == ["mpls_vpn_id_in=5", "mpls_vpn_id_in=-6", "mpls_vpn_id_out=6", "cvlan=77", "cvlan=-78", "mpls_pw_id=9"], got
    assert [c for c in got[2] if c.startswith("engine")] == ["engine_type=3", "engine_type=-4", "engine_id=4"], got


def test_keys_of_both_ends_paths(test):
    """The path to the source and the one to the destination have their own communities, preferences and neighbours."""
    conditions = ("comms=65000:22", "comms=65000:11", "comms=65000:2.", "comms=1:1,65000:22", "src_comms=65000:11", "src_comms=65000:22",
                  "local_pref=250", "local_pref=150", "src_local_pref=150", "src_local_pref=250", "src_local_pref=-250", "peer_src_as=65010",
                  "peer_src_as=65020", "peer_dst_as=65020", "peer_dst_as=65021", "peer_dst_as=-65021", "src_as=65010", "dst_as=65021")
    bgp_port = free_port(socket.SOCK_STREAM)
    out = test.dir / "out.json"
    daemon = test.nfacctd(f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp_port}
nfacctd_as: bgp
nfacctd_net: bgp
bgp_peer_src_as_type: bgp
bgp_src_std_comm_type: bgp
bgp_src_local_pref_type: bgp
plugins: print[out]
aggregate[out]: tag, src_port
print_output[out]: json
print_output_file[out]: {out}
print_refresh_time[out]: 1
print_output_file_append: true
pre_tag_map: {test.write("t.map", bits(*conditions))}
""")

    def route(path, value, community, network):
        more = attribute(0x40, 5, struct.pack("!I", value)) + attribute(0xc0, 8, struct.pack("!HH", 65000, community))
        return update(attributes(path, "203.0.113.50", more), prefix(network))
    speaker = Speaker(test, bgp_port, capabilities=multiprotocol(1, 1) + four_octet_as(65000)).establish()
    speaker.send(route((65010,), 150, 11, "10.0.0.0/8"), route((65020, 65021), 250, 22, "192.0.2.0/24"), update())
    test.wait_now(daemon, lambda stats: stats["bgp"]["rib_paths"] == 2, "two paths")
    stream = exports.Ipfix(fields=[(8, 4), (12, 4), (7, 2), (18, 4), (1, 4), (2, 4)])
    test.send(stream.announce(), stream.data([["10.0.0.1", "192.0.2.7", 1, "203.0.113.50", 100, 1]]), source="127.0.0.21")
    (row,) = wait_for(lambda: out.exists() and json_lines(out), "the row")
    wrong = {"comms=65000:11", "src_comms=65000:22", "local_pref=150", "src_local_pref=250", "peer_src_as=65020", "peer_dst_as=65021"}
    assert that_hold(row["tag"], conditions) == [c for c in conditions if c not in wrong], that_hold(row["tag"], conditions)


def test_a_label_that_is_cut_is_counted_and_told(test):
    rows = "".join(f"set_label={chr(97 + n) * 600} jeq=next\n" for n in range(2)) + "set_label=end\n"
    got = tags(test, rows, [{}, {}], more=f"stats_file: {test.dir}/stats.json")
    assert got[1][2] == "a" * 600 + ",end", got
    log = (test.dir / "nfacctd.log").read_text() if (test.dir / "nfacctd.log").exists() else ""
    assert "a label of its flows would have more than 1024 bytes; texts of later rows are left out" in log, log
    exporter = json.loads((test.dir / "stats.json").read_text())["exporters"][0]
    assert exporter["labels_cut"] == 2, exporter


def test_jumps_stacks_labels_and_counting(test):
    got = tags(test, """
! the first row that holds decides
set_tag=1 src_net=10.0.0.0/8 jeq=more
set_tag=2
set_tag=100 label=never
set_tag=10 label=more stack=sum jeq=next
set_tag2=7 set_label=a jeq=next
set_label=b set_tag=4 stack=or set_tos=8
""", [{}, {"src": "11.0.0.1"}])
    assert got == {1: (15, 7, "a,b", 8), 2: (2, 0, "", 0)}, got
    got = tags(test, "set_tag=5++ dst_port=443\nset_tag=1\n", [{}, {"dport": 80}, {}, {}], name="counting")
    assert got == {1: (5, 0, "", 0), 2: (1, 0, "", 0), 3: (6, 0, "", 0), 4: (7, 0, "", 0)}, got
    assert tags(test, "set_tag=5 in=9\n", [{}], name="none") == {1: (0, 0, "", 0)}


RETURNING = "set_tag=1 set_label=a dst_port=443 jeq=next return=true\nset_tag2=2 jeq=next\nset_label=b set_tos=8 src_net=10.0.0.0/8\n"


def given(path):
    return sorted((row["port_src"], row["tag"], row["tag2"], row["label"], row["tos"]) for row in json_lines(path))


def test_a_row_gives_a_flow_away_and_the_walk_goes_on(test):
    """Such a flow counts twice, once with what it had, in the ledger too; instances that share the map and those that do not agree."""
    flows = [{}, {"dport": 80}, {"src": "11.0.0.1"}]
    expected = [(1, 0, 2, "b", 8), (1, 1, 0, "a", 0), (2, 0, 2, "b", 8), (3, 0, 2, "", 0), (3, 1, 0, "a", 0)]
    tags(test, RETURNING, flows)
    assert given(test.dir / "out.csv") == expected, given(test.dir / "out.csv")
    assert "out.map:1: return: flows that it gives away count twice" in test.processes[-1].output()
    instance = test.stats()["instances"][0]
    assert instance["decoded"]["flows"] == instance["written"]["flows"] == 5 and instance["residual"]["flows"] == 0
    more = f"plugins: print[out], print[other]\naggregate[other]: tag, tag2, label, tos, src_port\nprint_output[other]: json\n" \
           f"print_output_file[other]: {test.dir}/other.json\nprint_refresh_time[other]: 1\npost_tag2[other]: 9\n"
    tags(test, RETURNING, flows, more=more, name="two")
    assert given(test.dir / "two.csv") == expected
    assert given(test.dir / "other.json") == sorted((*row[:2], 9, *row[3:]) for row in expected)


def test_instances_see_their_own_map_and_filters(test):
    first = test.write("first.map", "set_tag=1 dst_port=443\nset_tag=2 set_label=dns,x dst_port=53\n")
    second = test.write("second.map", "set_tag=7\n")
    config, names = "", ("plain", "other", "some", "label", "none", "posted")
    for name in names:
        config += f"print_output_file[{name}]: {test.dir}/{name}.csv\n"
    daemon = test.nfacctd(f"""
plugins: {', '.join(f'print[{name}]' for name in names)}
aggregate: tag, tag2, label, tos, src_port
print_output: json
pre_tag_map: {first}
pre_tag_map[other]: {second}
pre_tag_filter[some]: 0,2-9
pre_tag_label_filter[label]: x
pre_tag_label_filter[none]: null
post_tag[posted]: 99
post_tag2[posted]: 98
pre_tag_filter[posted]: 99
pcap_savefile: {write_pcap(test, [{}, {"dport": 53}, {"dport": 80}])}
{config}""")
    assert daemon.wait(60) == 0, daemon.output()
    got = {name: sorted((port, *row[:3]) for port, row in rows_of(test.dir / f"{name}.csv").items()) for name in names}
    assert got["plain"] == [(1, 1, 0, ""), (2, 2, 0, "dns,x"), (3, 0, 0, "")], got
    assert got["other"] == [(1, 7, 0, ""), (2, 7, 0, ""), (3, 7, 0, "")], got
    assert got["some"] == [(2, 2, 0, "dns,x"), (3, 0, 0, "")], got
    assert got["label"] == [(2, 2, 0, "dns,x")], got
    assert got["none"] == [(1, 1, 0, ""), (3, 0, 0, "")], got
    assert got["posted"] == [(1, 99, 98, ""), (2, 99, 98, "dns,x"), (3, 99, 98, "")], got
    ledger = {i["name"]: i for i in test.stats()["instances"]}
    assert ledger["some"]["filtered"]["flows"] == 1 and ledger["label"]["filtered"]["flows"] == 2, ledger
    assert all(i["residual"]["flows"] == 0 for i in ledger.values()), ledger


def test_a_map_that_cannot_be_read_is_told_once_at_its_line(test):
    conf = test.write("t.conf", f"plugins: print[a], print[b]\naggregate: tag\nprint_output_file: /dev/null\npre_tag_map: {test.dir}/none\n")
    done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60, check=False)
    told = [line for line in done.stderr.splitlines() if "cannot read" in line]
    assert done.returncode == 1 and told == [f"{conf}:4: pre_tag_map: cannot read {test.dir}/none: No such file or directory"], done


def test_all_errors_of_a_map_are_told_at_once(test):
    bad = test.write("bad.map", "set_tag=x\nset_tag=1 in=one\nset_tag=1 jeq=nowhere\nset_tag=1 filter='no such'\nin=5\nset_tag=1 colour=red\n"
                                "set_tag=1 tcp_flags=xyz\nset_tag=1 src_mac=1:2\nset_tag=1 sample_type=sFlow\nset_tag=1 src_roa=w\n")
    daemon = test.nfacctd(CONFIG.format(out=test.dir / "out", map=bad, pcap=write_pcap(test, [{}]), more=""))
    assert daemon.wait(30) == 1
    # Rows that cannot be read at all come first, so that of these no further faults are told.
    lines = {int(line.split(":")[1]) for line in daemon.output().splitlines() if line.startswith(str(bad))}
    assert lines == {2, 6}, daemon.output()
    bad.write_text("".join(f"{line}\n" for n, line in enumerate(bad.read_text().splitlines(), 1) if n not in lines))
    daemon = test.nfacctd(CONFIG.format(out=test.dir / "out", map=bad, pcap=write_pcap(test, [{}]), more=""), name="again")
    assert daemon.wait(30) == 1
    assert {int(line.split(":")[1]) for line in daemon.output().splitlines() if line.startswith(str(bad))} == {1, 2, 3, 4, 5, 6, 7, 8}, daemon.output()


LENIENT = """
strict_config: false
sampling_map: {dir}/rates.map
aggregate_primitives: {dir}/own.lst
nfacctd_allow_file: {dir}/allow.lst
"""


def test_strict_config_false_leaves_out_rows_that_are_wrong(test):
    bad = test.write("bad.map", "set_tag=x\nset_tag=1 in=one\nset_tag=1 jeq=nowhere\nset_tag=1 colour=red\nset_tag=7 in=1\n")
    test.write("rates.map", "id=none ip=198.51.100.9\nid=10 ip=198.51.100.9\n")
    test.write("own.lst", "name=good field_type=7 len=2 semantics=u_int\nname=good2 field_type=0 len=2 semantics=u_int\n")
    test.write("allow.lst", "198.51.100.9\n300.0.0.1\n")
    more = LENIENT.format(dir=test.dir)
    conf = CONFIG.format(out=test.dir / "out", map=bad, pcap=write_pcap(test, [{}]), more=more)
    strict = test.nfacctd(conf.replace("strict_config: false", ""), name="strict")
    assert strict.wait(30) == 1
    assert strict.output().splitlines()[-1].startswith("strict_config: false "), strict.output()
    wrong = [f"{bad}:{n}: " for n in (1, 2, 3, 4)] + [f"{test.dir}/{f}: " for f in ("rates.map:1", "own.lst:2", "allow.lst:2")]
    done = subprocess.run([NFACCTD, "-f", test.write("t.conf", conf), "--check"], capture_output=True, text=True, timeout=60, check=False)
    told = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert done.returncode == 0 and "(re)load" not in done.stderr, done
    for start in wrong:
        assert any(w.startswith(f"warning: {start}") and w.endswith("; the row is left out") for w in told), (start, done.stderr)
    daemon = test.nfacctd(conf)
    assert daemon.wait(60) == 0, daemon.output()
    assert rows_of(test.dir / "out") == {1: (7, 0, "", 0)}
    for file, count in ((bad, 1), (test.dir / "rates.map", 1), (test.dir / "own.lst", 1), (test.dir / "allow.lst", 1)):
        count += file == bad  # a row without ip is one for each family
        assert f"[{file}] map successfully (re)loaded with {count} entries." in daemon.output(), (file, daemon.output())


def test_bits_beyond_the_length_of_a_prefix_do_not_count(test):
    """As in pmacct: people write a router's address with the length of its network."""
    flows = [{"src": "10.1.0.1"}, {"src": "10.2.0.1"}]
    assert tags(test, "set_tag=5 ip=198.51.100.77/24 src_net=10.1.200.9/16\nset_tag=6 ip=198.51.100.9\n", flows) == {1: (5, 0, "", 0), 2: (6, 0, "", 0)}
    rates, allowed = test.write("rates.map", "id=7 ip=198.51.100.77/24\n"), test.write("allowed", "198.51.100.77/24\n")
    got = tags(test, "set_tag=1\n", flows, f"sampling_map: {rates}\nnfacctd_allow_file: {allowed}\n", "lists")
    assert len(got) == 2, got


def test_labels_that_are_shown_as_pairs_have_to_be_pairs(test):
    """By the instance that has the map: pmacct leaves such rows out."""
    tag_map = "set_label=a%b,c%d in=1\nset_label=a%b,c in=2\nset_label=%b\nset_label=a%\nset_label=a%b%c\nset_label=a%b,\n"
    path, conf = test.write("pairs.map", tag_map), "plugins: print[a], print[b]\naggregate: label\nprint_output: json\npre_tag_map[{}]: {}\n"
    for name, more, status in (("a", "", 1), ("b", "", 0), ("a", "strict_config: false\n", 0)):
        text = conf.format(name, path) + f"print_output_file[a]: {test.dir}/a\nprint_output_file[b]: {test.dir}/b\npre_tag_label_encode_as_map[a]: true\n{more}"
        done = subprocess.run([NFACCTD, "-f", test.write("pairs.conf", text), "--check"], capture_output=True, text=True, timeout=60, check=False)
        wrong = [int(line) for line in re.findall(r"pairs\.map:(\d+): set_label=.*: expected KEY%VALUE", done.stderr)]
        assert (done.returncode, wrong) == (status, [] if name == "b" else [2, 3, 4, 5, 6]), done


def test_rows_are_counted_as_pmacct_counts_them(test):
    """Those without an exporter count for each family, unless told otherwise; they hold for the same flows."""
    tag_map = test.write("rows.map", "set_tag=1 ip=192.0.2.1\nset_tag=2 in=1\nset_tag=3\n")
    for line, count in (("", 5), ("pre_tag_map_dont_recirculate: false", 5), ("pre_tag_map_dont_recirculate: true", 3)):
        out = test.dir / f"out-{count}"
        daemon = test.nfacctd(CONFIG.format(out=out, map=tag_map, pcap=write_pcap(test, [{"in": 1}, {"in": 2}]), more=line))
        assert daemon.wait(60) == 0 and f"[{tag_map}] map successfully (re)loaded with {count} entries." in daemon.output(), daemon.output()
        assert [row[0] for row in rows_of(out).values()] == [2, 3], rows_of(out)


def test_a_reload_leaves_out_rows_that_are_wrong_too(test):
    tag_map = test.write("live.map", "set_tag=1\n")
    daemon = test.nfacctd(f"""
strict_config: false
plugins: print[out]
aggregate[out]: tag
print_output_file[out]: {test.dir}/out
pre_tag_map: {tag_map}
""")
    daemon.wait_log("map successfully (re)loaded with 2 entries.")
    tag_map.write_text("set_tag=3 nonsense=1\nset_tag=2 ip=192.0.2.1\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log(f"[{tag_map}] map successfully (re)loaded with 1 entries.")
    daemon.wait_log(f"{tag_map}:1: unknown key 'nonsense'")


def test_a_reload_takes_a_new_map_and_keeps_the_old_one_after_an_error(test):
    tag_map, stream = test.write("live.map", "set_tag=1\n"), exports.Ipfix(fields=FIELDS)
    daemon = test.nfacctd(f"""
plugins: print[out]
aggregate[out]: tag, src_port
print_output[out]: csv
print_output_file[out]: {test.dir}/out.csv
print_output_file_append[out]: true
print_refresh_time[out]: 1
pre_tag_map: {tag_map}
""")
    daemon.wait_log(f"[{tag_map}] (re)loading map.")
    daemon.wait_log(f"[{tag_map}] map successfully (re)loaded with 2 entries.")
    test.send(stream.announce())

    def tag_of(number):
        test.send(stream.data([[{**USUAL, "sport": number}[name] for name in NAMES]]))

        def written():
            with open(test.dir / "out.csv", newline="") as lines:
                return [int(row["TAG"]) for row in csv.DictReader(lines) if row["SRC_PORT"] == str(number)]
        return wait_for(lambda: (test.dir / "out.csv").exists() and written(), "the flow's row")[0]
    assert tag_of(1) == 1
    tag_map.write_text("set_tag=2 vlan=7 in=1\nset_tag=3 ip=192.0.2.1\n")  # reads what nothing read before
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log(f"[{tag_map}] map successfully (re)loaded with 3 entries.")
    daemon.wait_log("maps: read anew")
    assert tag_of(2) == 2
    tag_map.write_text("set_tag=3 nonsense=1\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("the old ones stay in force; strict_config: false leaves out rows that are wrong")
    assert tag_of(3) == 2


def test_the_same_as_pmacct(test):
    program = need_pmacct("sbin/nfacctd")
    tag_map = """
set_tag=1 ip=198.51.100.0/24 in=1 out=2 jeq=second
set_tag=2 src_net=10.1.0.0/16
set_tag=3 vlan=-7
set_label=first label=second jeq=third
set_tag=9 filter='udp' label=third stack=sum jeq=fourth
set_label=tcp src_mac=00:00:00:00:00:01 label=fourth
set_tag=77 nexthop=10.9.9.1
set_tag2=5 dst_net=192.0.3.0/24
set_tag=8 ip=0.0.0.0/0
"""
    flows = [{}, {"proto": 17}, {"in": 3}, {"in": 3, "src": "10.1.2.3"}, {"in": 3, "vlan": 8}, {"in": 3, "nexthop": "10.9.9.9"},
             {"in": 3, "nexthop": "10.9.9.9", "dst": "192.0.3.1"}]
    ours = tags(test, tag_map, flows)
    out = test.dir / "theirs.csv"
    theirs = test.start([program, "-f", test.write("pmacct.conf", CONFIG.format(out=out, map=test.write("theirs.map", tag_map),
                                                                               pcap=write_pcap(test, flows), more=""))], "pmacct")
    theirs.wait(60)
    assert rows_of(out) == ours, (rows_of(out), ours, theirs.output())


if __name__ == "__main__":
    main(globals())
