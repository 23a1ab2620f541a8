#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""networks_file and the keys networks_*: Debian's pmacct gives the same rows, each instance sees its own file, BGP and the file
line up by the length of prefixes, and a reload takes a new file or keeps the old one."""
import concurrent.futures
import ipaddress
import json
import signal
import socket
import subprocess

from harness import NFACCTD, free_port, json_lines, main, need_pmacct, wait_for
import exports
import sflow
from bgp_speaker import Speaker, attributes, four_octet_as, multiprotocol, prefix, update

START_S = 1700000000
EXPORTER = "198.51.100.9"
V4 = [(8, 4), (12, 4), (9, 1), (13, 1), (16, 4), (17, 4), (129, 4), (128, 4), (18, 4), (7, 2), (1, 4), (2, 4)]
V6 = [(27, 16), (28, 16), (29, 1), (30, 1), (16, 4), (17, 4), (129, 4), (128, 4), (63, 16), (7, 2), (1, 4), (2, 4)]
COLUMNS = ("src_host, dst_host, src_net, dst_net, src_mask, dst_mask, src_as, dst_as, peer_src_as, peer_dst_as, peer_dst_ip, src_port")

FILE = """
! who has what, and behind which next hop
203.0.113.1,64601_64501,10.0.0.0/8
 64502,10.1.0.0/16
203.0.113.2 , 64503 , 10.1.2.0/24
10.1.3.7/24
# nested prefixes
198.51.100.7,64604_64504,192.0.2.0/24
,64505,192.0.2.128/25
ignored,198.51.100.8,_64506,192.0.2.192/26
2001:db8::1,64701_64601,2001:db8::/32
"""
# Source, destination, their masks. By `longest` an address without a row has a mask: pmacct takes 0 bits as a row of nobody.
FLOWS = [("10.0.0.1", "192.0.2.1", 0, 0), ("10.1.0.1", "192.0.2.129", 16, 25), ("10.1.2.1", "192.0.2.1", 28, 28),
         ("10.1.3.1", "10.1.2.9", 20, 24), ("172.16.0.1", "172.16.0.2", 12, 12), ("172.16.0.1", "10.1.2.1", 12, 16),
         ("192.0.2.200", "10.1.0.7", 24, 24), ("192.0.2.1", "10.1.3.7", 0, 8), ("2001:db8::5", "2001:db8:1::5", 0, 48),
         ("2001:db8:1::5", "2001:db8::5", 64, 20)]


def datagrams(flows):
    """The flows of each family, numbered by their source port; each says who it is by AS numbers and next hop."""
    out = []
    for domain, (fields, next_hop, family) in enumerate(((V4, "203.0.113.99", 4), (V6, "2001:db8::99", 6))):
        rows = [[src, dst, src_mask, dst_mask, 1, 2, 3, 4, next_hop, n, 100, 1] for n, (src, dst, src_mask, dst_mask) in enumerate(flows, 1)
                if ipaddress.ip_address(src).version == family]
        stream = exports.Ipfix(fields=fields, domain=domain + 1)
        out += [stream.announce(export_time=START_S), stream.data(rows, export_time=START_S)] if rows else []
    return out


def write_pcap(test, flows=None, payloads=None, dport=2100):
    pcap = test.dir / "in.pcap"
    payloads = payloads or datagrams(FLOWS if flows is None else flows)
    exports.write_pcap(pcap, [(START_S, exports.udp_packet(payload, EXPORTER, dport=dport)) for payload in payloads])
    return pcap


def config(folder, pcap, instances, more, columns=COLUMNS):
    """A configuration of print instances, each with keys of its own: {name: {key: value}}."""
    lines = ["daemonize: false", "plugins: " + ", ".join(f"print[{name}]" for name in instances), f"aggregate: {columns}", "print_output: json",
             "print_refresh_time: 1", "print_output_file_append: true", f"pcap_savefile: {pcap}", more]
    for name, keys in instances.items():
        lines += [f"print_output_file[{name}]: {folder}/{name}", *(f"{key}[{name}]: {value}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def rows_of(path):
    """{source port: row} without what says nothing of networks."""
    return {row["port_src"]: {key: value for key, value in row.items() if key not in ("event_type", "stamp_inserted", "stamp_updated", "port_src")}
            for row in json_lines(path)}


def ours(test, instances, more="", flows=None, columns=COLUMNS):
    """What each instance writes: {name: {source port: row}}."""
    daemon = test.nfacctd(config(test.dir, write_pcap(test, flows), instances, more, columns))
    assert daemon.wait(60) == 0, daemon.output()
    return {name: rows_of(test.dir / name) for name in instances}


def run_pmacct(test, program, number, methods, pcap, count):
    """Runs pmacct with the capture and gives the folder of its rows. Its plugins may miss what comes before they read, so it waits for
    them, longer each time."""
    more, instances = methods
    for delay_s in (1, 4, 10):
        folder = test.dir / f"theirs{number}-{delay_s}"
        folder.mkdir()
        conf = test.write(f"{folder.name}.conf", config(folder, pcap, instances, f"{more}pcap_savefile_delay: {delay_s}\n"))
        test.start([program, "-f", conf], f"pmacct{number}").wait(90)
        if all(len(rows_of(folder / name)) == count for name in instances):
            return folder
    raise AssertionError(f"pmacct has lost rows: {sorted(folder.iterdir())}")


def side_by_side(test, program, start, methods, pcap, count):
    """Runs pmacct for each pair of methods, several at a time, and this daemon beside; compares all rows of all instances."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(run_pmacct, test, program, number, each, pcap, count) for number, each in enumerate(methods)]
        theirs = [run.result() for run in runs]
    for number, (more, instances) in enumerate(methods):
        folder = test.dir / f"ours{number}"
        folder.mkdir()
        daemon = start(config(folder, pcap, instances, more), name=f"ours{number}")
        assert daemon.wait(60) == 0, daemon.output()
        for name in instances:
            expected, got = rows_of(theirs[number] / name), rows_of(folder / name)
            differ = [f"flow {port}: {key} is {got.get(port, {}).get(key)}, pmacct has {row[key]}"
                      for port, row in expected.items() for key in row if got.get(port, {}).get(key) != row[key]]
            assert len(got) == count and not differ, f"{more!r} {instances[name]}: {len(got)} rows for {count}\n" + "\n".join(differ)


def methods_of(test, daemon, own):
    """Pairs of methods, each with instances that differ in their keys."""
    file, default = test.write("networks", FILE), test.write("default", FILE + "203.0.113.7,7,0.0.0.0/0\n")
    plain, filtered = {"networks_file": file}, {"networks_file": file, "networks_file_filter": "true"}
    some = {"plain": plain, "filtered": filtered, "whole": {"networks_file": default, "networks_file_filter": "true"},
            "bare": {"networks_file": file, "networks_no_mask_if_zero": "true"}, "any": {"networks_file": file, "networks_file_no_lpm": "true"},
            "filtered_any": {**filtered, "networks_file_no_lpm": "true"}, "any_default": {"networks_file": default, "networks_file_no_lpm": "true"}}
    return [(f"{daemon}_as: {as_method}\n{daemon}_net: {net}\n", instances) for as_method, net, instances in (
        (own, own, {**some, "none": {}}), ("file", "file", some), ("longest", "longest", some), ("file", own, some), (own, "file", some),
        (own, "longest", some), ("true", "fallback", {"plain": plain}),
        (own, "mask", {"short": {"networks_mask": 20}, "full": {"networks_mask": 32}, "file": {"networks_mask": 9, "networks_file": file}}))]


def test_the_same_as_pmacct(test):
    program = need_pmacct("sbin/nfacctd")
    side_by_side(test, program, test.nfacctd, methods_of(test, "nfacctd", "netflow"), write_pcap(test), len(FLOWS))


def test_sfacctd_does_the_same_as_pmacct(test):
    program = need_pmacct("sbin/sfacctd")
    samples = [sflow.flow_sample([sflow.header(src, dst, sport=number)[0], sflow.router("203.0.113.98", src_mask, dst_mask),
                                  sflow.gateway("203.0.113.99", [4, 2], src_as=1, src_peer_as=3)], sequence=number)
               for number, (src, dst, src_mask, dst_mask) in enumerate(FLOWS, 1) if ":" not in src]
    pcap = write_pcap(test, payloads=[sflow.datagram(samples)], dport=6343)
    side_by_side(test, program, test.sfacctd, methods_of(test, "sfacctd", "sflow"), pcap, len(samples))


def test_where_it_differs_from_pmacct_on_purpose(test):
    """An address that nobody has keeps what the exporter said; a mask fits its family; lengths are compared whoever shows them."""
    file = test.write("networks", FILE)
    got = ours(test, {"a": {}}, f"networks_file: {file}\nnfacctd_as: longest\nnfacctd_net: longest\n", [("172.16.0.1", "172.16.0.2", 0, 0)])["a"][1]
    assert (got["as_src"], got["peer_as_dst"], got["peer_ip_dst"]) == (1, 4, "203.0.113.99"), got
    nested = test.write("nested", "64601,2001:db8::/32\n64602,2001:db8:1::/48\n64603,2001:db8:1::5/128\n64600,::/0\n")
    got = ours(test, {"d": {}}, f"networks_file: {nested}\nnfacctd_as: file\n", [(f"2001:db{n}::5", f"2001:db8:{n}::{n}", 0, 0) for n in (1, 5, 8, 9)])["d"]
    assert [(row["as_src"], row["as_dst"]) for row in got.values()] == [(64600, 64602), (64600, 64601), (64601, 64601), (64600, 64601)], got
    got = ours(test, {"b": {}}, "nfacctd_net: mask\nnetworks_mask: 48\n", [FLOWS[0], FLOWS[8]])["b"]
    assert [row["mask_src"] for row in got.values()] == [32, 48], got
    got = ours(test, {"c": {}}, f"networks_file: {file}\nnfacctd_as: longest\n", [FLOWS[2], FLOWS[1]], "src_as, src_port")["c"]
    assert [row["as_src"] for row in got.values()] == [1, 64502], got


def test_an_instance_sees_its_own_file_and_its_maps_see_it_too(test):
    first = test.write("first", "64501,10.0.0.0/8\n64502,192.0.2.0/24\n")
    second = test.write("second", "203.0.113.5,64600_64601,10.0.0.0/8\n")
    tags = test.write("tags.map", "set_tag=1 src_as=64501\nset_tag=2 src_as=64601\nset_tag=3 src_as=1\nset_tag=4 src_net=10.0.0.0/8\n")
    got = ours(test, {"one": {"networks_file": first}, "two": {"networks_file": second}, "again": {"networks_file": first, "post_tag": 9},
                      "none": {}, "filter": {"networks_file": second, "networks_file_filter": "true", "aggregate_filter": "dst net 192.0.2.0/24"}},
               f"nfacctd_as: longest\nnfacctd_net: netflow\npre_tag_map: {tags}\n", [("10.0.0.1", "192.0.2.1", 0, 0), ("172.16.0.1", "10.9.9.9", 0, 0)],
               f"tag, {COLUMNS}")
    assert {name: [(row["tag"], row["as_src"], row["as_dst"], row["peer_as_src"], row["ip_dst"]) for row in rows.values()]
            for name, rows in got.items()} == {
        "one": [(1, 64501, 64502, 0, "192.0.2.1"), (3, 1, 64501, 3, "10.9.9.9")],
        "two": [(2, 64601, 2, 64600, "192.0.2.1"), (3, 1, 64601, 3, "10.9.9.9")],
        "again": [(9, 64501, 64502, 0, "192.0.2.1"), (9, 1, 64501, 3, "10.9.9.9")],
        "none": [(3, 1, 2, 3, "192.0.2.1"), (3, 1, 2, 3, "10.9.9.9")],
        # What is not shown is there all the same, for filters and maps.
        "filter": [(2, 64601, 0, 64600, "0.0.0.0")]}, got
    assert all(i["residual"]["flows"] == 0 for i in test.stats()["instances"])


def test_the_peer_as_of_a_row_goes_before_bgp_peer_src_as_map(test):
    """Where the row's AS counts, as in pmacct, whose plugins look up networks_file last."""
    file, peers = test.write("networks", "64600_64601,10.0.0.0/8\n64502,192.0.2.0/24\n"), test.write("peers", f"id=1001 ip={EXPORTER}\n")
    flows = [("10.0.0.1", "192.0.2.1", 0, 0), ("192.0.2.1", "10.0.0.1", 0, 0), ("172.16.0.1", "10.0.0.1", 12, 12)]
    for method, expected in (("netflow", [1001] * 3), ("longest", [64600, 0, 1001]), ("file", [64600, 0, 0])):
        got = ours(test, {"all": {}, "own": {"networks_file": file}}, f"nfacctd_as: {method}\nnetworks_file: {file}\nbgp_peer_src_as_type: map\n"
                   f"bgp_peer_src_as_map: {peers}\n", flows, "src_port, peer_src_as")
        for name, rows in got.items():
            assert [row["peer_as_src"] for row in rows.values()] == expected, (method, name, rows)


def test_path_source_without_bgp(test):
    file = test.write("networks", FILE)
    for number, (more, expected) in enumerate((("", ["export"] * 3), ("nfacctd_as: file", ["file", "none", "file"]),
                                               ("nfacctd_net: file", ["file", "none", "file"]),
                                               ("nfacctd_as: longest", ["export", "export", "file"]), ("nfacctd_net: mask\nnetworks_mask: 8", ["export"] * 3))):
        name = f"s{number}"
        got = ours(test, {name: {}}, f"networks_file: {file}\n{more}\n", [FLOWS[2], FLOWS[4], FLOWS[0]], "path_source, src_port")[name]
        assert [row["path_source"] for row in got.values()] == expected, (more, got)


class Routed:
    """A collector whose exporter has a BGP session with two routes: 10.20.0.0/16 and 10.20.30.0/24."""

    def __init__(self, test, more, instances="plugins: print[p]", address="127.0.0.21"):
        self.test, self.address, self.stream = test, address, exports.Ipfix(fields=V4)
        bgp_port = free_port(socket.SOCK_STREAM)
        self.daemon = test.nfacctd(f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp_port}
{instances}
aggregate: {COLUMNS}, path_match, path_source, as_path
print_output: json
print_output_file[p]: {test.dir}/out.json
print_output_file_append: true
print_refresh_time: 1
{more}
""")
        speaker = Speaker(test, bgp_port, address=address, capabilities=multiprotocol(1, 1) + four_octet_as(65000)).establish()
        speaker.send(update(attributes((65001, 65002), "203.0.113.50"), prefix("10.20.0.0/16")),
                     update(attributes((65003,), "203.0.113.50"), prefix("10.20.30.0/24")), update())
        test.wait_now(self.daemon, lambda stats: stats["bgp"]["rib_paths"] == 2, "two paths")
        test.send(self.stream.announce(), source=address)

    def flow(self, number, src, dst, src_mask=0, dst_mask=0, next_hop="203.0.113.50"):
        self.test.send(self.stream.data([[src, dst, src_mask, dst_mask, 1, 2, 3, 4, next_hop, number, 100, 1]]), source=self.address)
        return wait_for(lambda: rows_of(self.test.dir / "out.json").get(number), f"the row of flow {number}")


def test_bgp_and_the_file_line_up_by_length(test):
    file = test.write("networks", "203.0.113.1,64601_64501,10.20.30.0/24\n203.0.113.2,64602_64502,10.20.0.0/15\n203.0.113.3,64503,10.20.30.128/25\n")
    router = Routed(test, f"nfacctd_as: longest\nnfacctd_net: longest\nnetworks_file: {file}\n")

    def destination(*args, **kwargs):
        got = router.flow(*args, **kwargs)
        return got["as_dst"], got["peer_as_dst"], got["mask_dst"], got["peer_ip_dst"], got["path_source"], got["path_match"]
    assert destination(1, "10.20.1.1", "10.20.1.1") == (65002, 65001, 16, "203.0.113.50", "bgp", "exact")
    assert destination(2, "10.20.1.1", "10.20.30.1") == (64501, 64601, 24, "203.0.113.1", "file", "exact")  # as long: the row
    assert destination(3, "10.20.1.1", "10.20.30.200") == (64503, 0, 25, "203.0.113.3", "file", "exact")
    assert destination(4, "10.20.1.1", "10.20.30.1", dst_mask=28) == (2, 4, 28, "203.0.113.50", "export", "exact")
    assert destination(5, "10.20.1.1", "10.21.0.1") == (64502, 64602, 15, "203.0.113.2", "file", "no_route")
    assert destination(6, "10.20.1.1", "172.16.0.1", dst_mask=12) == (2, 4, 12, "203.0.113.50", "export", "no_route")
    got = router.flow(7, "10.20.30.1", "172.16.0.1", src_mask=16)
    assert (got["as_src"], got["peer_as_src"], got["mask_src"], got["net_src"]) == (64501, 64601, 24, "10.20.30.0"), got


def test_the_as_goes_by_its_own_length_whatever_the_networks_are(test):
    """The mask shown is the exporter's; the row is shorter than BGP's prefix, which the AS is of."""
    file = test.write("networks", "64501,10.0.0.0/8\n")
    router = Routed(test, f"nfacctd_as: longest\nnfacctd_net: netflow\nnetworks_file: {file}\n")
    got = router.flow(1, "10.20.30.1", "10.20.30.1")
    assert (got["as_src"], got["as_dst"], got["mask_dst"], got["path_source"]) == (65003, 65003, 0, "bgp"), got
    got = router.flow(2, "10.99.0.1", "10.99.0.1")
    assert (got["as_src"], got["as_dst"], got["path_source"]) == (64501, 64501, "file"), got


def test_an_exported_next_hop_without_a_route(test):
    """pmacct gives it up with nfacctd_net: bgp; here that is for those who ask for pmacct's choice."""
    router = Routed(test, "nfacctd_as: bgp\nnfacctd_net: bgp\nbgp_path_accept: pmacct\n")
    got = router.flow(1, "10.20.1.1", "172.16.0.1", next_hop="203.0.113.99")
    assert (got["peer_ip_dst"], got["path_match"], got["path_source"]) == ("", "no_route", "none"), got
    assert router.flow(2, "10.20.1.1", "10.20.1.1")["peer_ip_dst"] == "203.0.113.50"


def test_an_exported_next_hop_without_a_route_stays_otherwise(test):
    router = Routed(test, "nfacctd_as: bgp\nnfacctd_net: bgp\n")
    got = router.flow(1, "10.20.1.1", "172.16.0.1", next_hop="203.0.113.99")
    assert (got["peer_ip_dst"], got["path_match"]) == ("203.0.113.99", "no_route"), got


def test_a_reload_takes_a_new_file_and_keeps_the_old_one_after_an_error(test):
    file, tags = test.write("networks", "64501,10.0.0.0/8\n"), test.write("tags.map", "set_tag=1\n")
    stream = exports.Ipfix(fields=V4)
    daemon = test.nfacctd(f"""
plugins: print[out]
aggregate[out]: tag, dst_as, src_port
print_output: json
print_output_file[out]: {test.dir}/out
print_output_file_append: true
print_refresh_time: 1
nfacctd_as: file
networks_file: {file}
pre_tag_map: {tags}
""")
    daemon.wait_log(f"[{file}] (re)loading map.")
    daemon.wait_log(f"[{file}] map successfully (re)loaded with 1 entries.")
    test.send(stream.announce())

    def flow(number, src="10.0.0.1"):
        test.send(stream.data([[src, "10.0.0.2", 0, 0, 1, 2, 3, 4, "203.0.113.99", number, 100, 1]]))
        row = wait_for(lambda: rows_of(test.dir / "out").get(number), f"the row of flow {number}")
        return row["as_dst"], row["tag"]
    assert flow(1) == (64501, 1)
    # The map asks for source AS numbers, which nothing looked up before.
    file.write_text("64501,10.0.0.0/8\n64502,10.0.0.2/32\n")
    tags.write_text("set_tag=2 src_as=64501\nset_tag=3 src_as=0\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("maps: read anew")
    daemon.wait_log(f"[{file}] map successfully (re)loaded with 2 entries.")
    assert flow(2) == (64502, 2)
    assert flow(3, "172.16.0.1") == (64502, 3)
    file.write_text("64503,10.0.0.0/8\nAS64504,10.0.0.2/32\n10.0.0.0\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("the old ones stay in force")
    assert f"{file}:2: AS64504,10.0.0.2/32: the field before the prefix is no AS" in daemon.output()
    assert f"{file}:3: 10.0.0.0: its last field is no prefix" in daemon.output()
    assert flow(4) == (64502, 2)


def check(test, lines, program=NFACCTD):
    """The status of --check and what it says of each line: [(line, text)]."""
    conf = test.write("check.conf", "".join(f"{line}\n" for line in lines))
    done = subprocess.run([program, "-f", conf, "--check"], capture_output=True, text=True, timeout=60, check=False)
    told = [line.removeprefix(f"{conf}:").split(": ", 1) for line in done.stderr.splitlines() if line.startswith(f"{conf}:")]
    return done.returncode, [(int(number), text) for number, text in told]


def test_what_pmacct_refuses_at_the_start_is_refused(test):
    base = ["plugins: print[a], print[b]", "print_output: json", "print_output_file[a]: /dev/null", "print_output_file[b]: /dev/null", f"aggregate: {COLUMNS}"]
    file = test.write("networks", FILE)
    for method, lacking in (("as: file", "networks_file"), ("as: true", "networks_file"), ("net: file", "networks_file"), ("net: mask", "networks_mask")):
        status, told = check(test, [*base, f"nfacctd_{method}"])
        assert status == 1 and [n for n, _ in told] == [6, 6] and f"needs {lacking}, which [a] lacks" in told[0][1], (method, told)
        status, told = check(test, [*base, f"nfacctd_{method}", f"{lacking}[a]: {24 if lacking == 'networks_mask' else file}"])
        assert status == 1 and len(told) == 1 and f"needs {lacking}, which [b] lacks" in told[0][1], (method, told)
        status, told = check(test, [*base[:4], "aggregate: src_host, as_path", f"nfacctd_{method}"])
        assert status == 0, (method, told)
    assert check(test, [*base, "nfacctd_as: longest", "nfacctd_net: fallback"])[0] == 0
    for key in ("as", "net"):
        status, told = check(test, [*base, f"nfacctd_{key}: igp"])
        assert status == 1 and "IS-IS is not spoken" in told[0][1] and "longest" in told[0][1], told
    status, told = check(test, [*base, "networks_file: /nonexistent"])
    assert status == 1 and told == [(6, "networks_file: cannot read /nonexistent: No such file or directory")], told
    assert check(test, [*base, "networks_cache_entries: 99991"])[0] == 0


def test_rows_that_are_wrong_are_left_out_where_that_is_asked_for(test):
    file = test.write("networks", "64501,10.0.0.0/8\nAS64502,192.0.2.0/24\n64503,198.51.100.0/24\n")
    got = ours(test, {"a": {}}, f"strict_config: false\nnetworks_file: {file}\nnfacctd_as: file\n", [("10.0.0.1", "192.0.2.1", 0, 0)])["a"][1]
    assert (got["as_src"], got["as_dst"]) == (64501, 0), got
    told = test.processes[-1].output()
    assert f"{file}:2: AS64502,192.0.2.0/24: the field before the prefix is no AS" in told and "2 entries" in told, told


def test_a_file_that_nobody_asks_is_told(test):
    file = test.write("networks", "nonsense\n")  # which is not read
    lines = ["plugins: print[a]", "print_output_file[a]: /dev/null", "aggregate: src_as"]
    conf = test.write("unused.conf", "\n".join([*lines, f"networks_file: {file}"]) + "\n")
    done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and f"notice: {conf}:4: networks_file[a]: nothing is read from it" in done.stderr, done.stderr
    test.write("unused.conf", "\n".join([*lines, f"networks_file: {file}", "nfacctd_as: longest"]) + "\n")
    done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and f"{file}:1: nonsense: its last field is no prefix" in done.stderr, done.stderr


def test_the_letter_n_and_all_outputs(test):
    file, pcap = test.write("networks", FILE), write_pcap(test, [FLOWS[0]])
    for output, expected in (("csv", "64504,file"), ("formatted", "file"), ("json", '"path_source": "file"')):
        conf = test.write("letter.conf", "nfacctd_as: file\n")
        done = subprocess.run([NFACCTD, "-f", conf, "-I", pcap, "-n", file, "-P", "print", "-c", "path_source,dst_as", "-O", output], capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 0 and expected in done.stdout, (output, done)
        if output == "json":
            assert json.loads(done.stdout.splitlines()[0])["as_dst"] == 64504


main(globals())
