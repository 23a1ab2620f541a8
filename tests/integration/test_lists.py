#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ports_file, protos_file and tos_file: rows keep the values that stand in them, for each instance apart, and filters see the flow as it
is; with the ports as in Debian's pmacct 1.7.7, which has no more than those."""
import signal
import subprocess

from harness import NFACCTD, json_lines, main, need_pmacct, wait_for
import exports

START_S = 1700000000
FIELDS = [(8, 4), (7, 2), (11, 2), (4, 1), (5, 1), (1, 4), (2, 4)]
FLOWS = [(1024, 443, 6, 0), (443, 1024, 6, 0), (1024, 80, 17, 184), (0, 2048, 1, 40), (53, 53, 50, 34)]  # ports, protocol, TOS
NAMES = {"port_src": 0, "port_dst": 0, "ip_proto": "255", "tos": 255}
PROTOS = {6: "tcp", 17: "udp", 1: "icmp", 50: "esp"}


def write_pcap(test, flows=None):
    stream = exports.Ipfix(fields=FIELDS)
    rows = [[f"10.0.0.{n + 1}", *flow, 100, 1] for n, flow in enumerate(flows or FLOWS)]
    exports.write_pcap(test.dir / "in.pcap", [(START_S, exports.udp_packet(stream.announce(export_time=START_S))),
                                              (START_S, exports.udp_packet(stream.data(rows, export_time=START_S)))])
    return test.dir / "in.pcap"


def config(test, more, instances=("out",)):
    lines = [f"plugins: {', '.join(f'print[{name}]' for name in instances)}", "print_output: json", "print_refresh_time: 3600",
             "print_output_file_append: true", "aggregate: src_host, src_port, dst_port, proto, tos", f"pcap_savefile: {write_pcap(test)}"]
    lines += [f"print_output_file[{name}]: {test.dir}/{name}.json" for name in instances]
    return "\n".join(lines) + "\n" + more


def run(test, more, instances=("out",)):
    for name in instances:
        (test.dir / f"{name}.json").unlink(missing_ok=True)
    daemon = test.nfacctd(config(test, more, instances))
    assert daemon.wait(60) == 0, daemon.output()
    return [[(r["port_src"], r["port_dst"], r["ip_proto"], r["tos"]) for r in json_lines(test.dir / f"{name}.json")] for name in instances]


def plain():
    return [(source, destination, PROTOS[proto], tos) for source, destination, proto, tos in FLOWS]


def test_rows_keep_what_is_listed(test):
    ports = test.write("ports", "! servers\n443\n  80 \n\n# and one of clients\n1024\n1\n65535\n")
    protos = test.write("protos", "tcp\n17\nIPv6-ICMP\n")
    tos = test.write("tos", "0\n184\n")
    (rows,) = run(test, f"ports_file: {ports}\n")
    assert rows == [(1024, 443, "tcp", 0), (443, 1024, "tcp", 0), (1024, 80, "udp", 184), (0, 0, "icmp", 40), (0, 0, "esp", 34)], rows
    (rows,) = run(test, f"protos_file: {protos}\n")
    assert [row[2] for row in rows] == ["tcp", "tcp", "udp", "255", "255"], rows
    (rows,) = run(test, f"tos_file: {tos}\n")
    assert [row[3] for row in rows] == [0, 0, 184, 255, 255], rows
    (rows,) = run(test, f"ports_file: {ports}\nprotos_file: {protos}\ntos_file: {tos}\n")
    assert rows[0] == (1024, 443, "tcp", 0) and rows[3] == (0, 0, "255", 255), rows


def test_an_empty_list_keeps_nothing_and_each_instance_has_its_own(test):
    empty, web = test.write("empty", "! nothing\n"), test.write("web", "80\n443\n")
    a, b, c = run(test, f"ports_file[a]: {empty}\nports_file[b]: {web}\n", "abc")
    assert {row[:2] for row in a} == {(0, 0)} and [row[:2] for row in b] == [(0, 443), (443, 0), (0, 80), (0, 0), (0, 0)], (a, b)
    assert c == plain(), c


def test_rows_that_became_equal_are_one(test):
    web = test.write("web", "443\n")
    test.nfacctd(config(test, f"ports_file: {web}\n").replace("src_host, src_port, dst_port, proto, tos", "src_port, flows")).wait(60)
    assert {(row["port_src"], row["flows"]) for row in json_lines(test.dir / "out.json")} == {(0, 4), (443, 1)}


def test_filters_and_maps_see_the_flow(test):
    empty, tag_map = test.write("empty", ""), test.write("tags", "set_tag=5 dst_port=443\n")
    more = f"ports_file: {empty}\naggregate_filter[out]: dst port 443\npre_tag_map: {tag_map}\n"
    test.nfacctd(config(test, more).replace("aggregate: src_host,", "aggregate: tag,")).wait(60)
    (row,) = json_lines(test.dir / "out.json")
    assert (row["tag"], row["port_dst"]) == (5, 0), row


def test_dscp_values_are_listed_where_tos_is_shown_as_dscp(test):
    expedited = test.write("dscp", "46\n8\n")
    (rows,) = run(test, f"tos_file: {expedited}\ntos_encode_as_dscp: true\n")
    assert [row[3] for row in rows] == [63, 63, 46, 63, 8], rows  # 255 >> 2 is what others read as


def test_ports_of_both_ends(test):
    web = test.write("web", "443\n1024\n")
    test.nfacctd(config(test, f"ports_file: {web}\n").replace("src_host, src_port, dst_port, proto, tos", "sum_port, flows")).wait(60)
    assert {(row["port_src"], row["flows"]) for row in json_lines(test.dir / "out.json")} == {(443, 2), (1024, 3), (0, 5)}


def test_pmacct_keeps_the_same_ports(test):
    program, ports = need_pmacct("sbin/nfacctd"), test.write("ports", "443\n80\n! no more\n1024\n")
    (rows,) = run(test, f"ports_file[out]: {ports}\naggregate_filter[out]: src port 1024 or dst port 1024\n")
    text = config(test, f"ports_file[out]: {ports}\naggregate_filter[out]: src port 1024 or dst port 1024\ndaemonize: false\n")
    test.start([program, "-f", test.write("theirs.conf", text.replace("/out.json", "/theirs.json"))], "pmacct").wait(60)
    theirs = [(r["port_src"], r["port_dst"], r["ip_proto"], r["tos"]) for r in json_lines(test.dir / "theirs.json")]
    assert sorted(rows) == sorted(theirs) and len(rows) == 3, (rows, theirs)


def check(test, text):
    return subprocess.run([NFACCTD, "-f", test.write("check.conf", text), "--check"], capture_output=True, text=True, check=False)


def test_bad_rows_are_errors_or_left_out(test):
    ports = test.write("ports", "443\nhttp\n70000\n0\n80x\n-1\n")
    told = check(test, f"plugins: print\naggregate: src_port\nports_file: {ports}\n")
    for line, text in (2, "http"), (3, "70000"), (4, "0"), (5, "80x"), (6, "-1"):
        assert f"{ports}:{line}: {text}: expected a port from 1 to 65535; all others become 0" in told.stderr, told.stderr
    assert told.returncode == 1 and "strict_config: false passes over lines" in told.stderr, told.stderr
    protos, tos = test.write("protos", "foo\n255\n"), test.write("tos", "0x28\n255\n")
    told = check(test, f"plugins: print\naggregate: proto\nprotos_file: {protos}\ntos_file: {tos}\n")
    assert told.stderr.count("expected a protocol such as tcp") == 2 and told.stderr.count("expected a number from 0 to 254") == 2, told.stderr
    told = check(test, f"plugins: print[a], print[b]\naggregate: proto\nprotos_file: {test.dir}/none\n")
    assert told.returncode == 1 and told.stderr.count("check.conf:3: protos_file: cannot read") == 1, told.stderr
    (rows,) = run(test, f"ports_file: {ports}\nstrict_config: false\n")
    assert [row[1] for row in rows] == [443, 0, 0, 0, 0], rows


def test_a_reload_reads_lists_anew(test):
    ports = test.write("ports", "443\n")
    daemon = test.nfacctd(f"plugins: print[out]\naggregate: src_host, dst_port\nprint_output: json\nprint_output_file: {test.dir}/out.json\n"
                          f"print_output_file_append: true\nprint_refresh_time: 1\nports_file: {ports}\n")
    stream = exports.Ipfix(fields=FIELDS)
    test.send(stream.announce())

    def port_of(host):
        test.send(stream.data([[host, 1, 80, 6, 0, 100, 1]]))
        rows = wait_for(lambda: [row for row in json_lines(test.dir / "out.json") if row["ip_src"] == host], f"a row of {host}")
        return rows[-1]["port_dst"]
    assert port_of("10.0.0.1") == 0
    ports.write_text("80\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("maps: read anew")
    assert f"[{ports}] map successfully (re)loaded with 1 entries." in daemon.output()
    assert port_of("10.0.0.2") == 80
    ports.write_text("443\nnonsense\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("the old ones stay in force")
    assert port_of("10.0.0.3") == 80
    assert daemon.stop() == 0, daemon.output()


if __name__ == "__main__":
    main(globals())
