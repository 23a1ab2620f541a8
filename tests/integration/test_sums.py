#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""sum_host and its kin: each flow counts at both of its ends, as in Debian's pmacct; the ledger adds up, whatever the number of
workers; what would be of one end alone is refused beside them."""
import json
import sqlite3
import subprocess

from harness import NFACCTD, json_lines, main, need_pmacct
import exports

START_S = 1700000000
FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (16, 4), (17, 4), (56, 6), (57, 6), (9, 1), (13, 1), (150, 4), (151, 4), (1, 4), (2, 4)]
NAMES = ["src", "dst", "sport", "dport", "proto", "src_as", "dst_as", "src_mac", "dst_mac", "src_mask", "dst_mask", "first", "last", "bytes",
         "packets"]
USUAL = dict(src="10.0.0.1", dst="192.0.2.7", sport=1024, dport=443, proto=6, src_as=64500, dst_as=64501, src_mac=bytes(5) + b"\1",
             dst_mac=bytes(5) + b"\2", src_mask=24, dst_mask=24, first=START_S, last=START_S, bytes=100, packets=1)
FLOWS = [{}, dict(src="192.0.2.7", dst="10.0.0.1", sport=443, dport=1024, src_as=64501, dst_as=64500, src_mac=bytes(5) + b"\2",
                  dst_mac=bytes(5) + b"\1", bytes=7), dict(dst="192.0.2.8", dport=80, proto=17, bytes=1000),
         dict(src="10.0.0.9", dst="10.0.0.9", sport=53, dport=53, src_as=9, dst_as=9, bytes=5000)]
ENDS = {"sum_host": ("ip_src", "src", "dst"), "sum_as": ("as_src", "src_as", "dst_as"), "sum_port": ("port_src", "sport", "dport"),
        "sum_mac": ("mac_src", "src_mac", "dst_mac"), "sum_net": ("net_src", "src", "dst")}


def text_of(primitive, value):
    if primitive == "sum_mac":
        return ":".join(f"{byte:02x}" for byte in value)
    return value.rsplit(".", 1)[0] + ".0" if primitive == "sum_net" else value


def expected(primitive, flows=None):
    """{value: (packets, bytes)} by hand."""
    _, source, destination = ENDS[primitive]
    sums = {}
    for flow in ({**USUAL, **flow} for flow in flows or FLOWS):
        for end in (source, destination):
            key = text_of(primitive, flow[end])
            packets, octets = sums.get(key, (0, 0))
            sums[key] = packets + flow["packets"], octets + flow["bytes"]
    return sums


def write_pcap(test, flows=None, exporters=("198.51.100.9",)):
    frames = []
    for exporter in exporters:
        stream = exports.Ipfix(fields=FIELDS)
        rows = [[{**USUAL, **flow}[name] for name in NAMES] for flow in flows or FLOWS]
        frames += [(START_S, exports.udp_packet(stream.announce(export_time=START_S), exporter)),
                   (START_S, exports.udp_packet(stream.data(rows, export_time=START_S), exporter))]
    exports.write_pcap(test.dir / "in.pcap", frames)
    return test.dir / "in.pcap"


def config(test, primitive, pcap, more=""):
    return (f"plugins: print[out]\naggregate: {primitive}\nprint_output: json\nprint_output_file: {test.dir}/out.json\n"
            f"print_output_file_append: true\nprint_refresh_time: 1\npcap_savefile: {pcap}\n{more}")


def run(test, primitive, pcap, more=""):
    (test.dir / "out.json").unlink(missing_ok=True)
    daemon = test.nfacctd(config(test, primitive, pcap, more))
    assert daemon.wait(60) == 0, daemon.output()
    return json_lines(test.dir / "out.json")


def sums_of(rows, name):
    assert len({row[name] for row in rows}) == len(rows), rows
    return {row[name]: (row["packets"], row["bytes"]) for row in rows}


def test_each_flow_counts_at_both_ends(test):
    pcap = write_pcap(test)
    for primitive, (name, _, _) in ENDS.items():
        assert sums_of(run(test, primitive, pcap), name) == expected(primitive), primitive
        ledger = test.stats()["instances"][0]
        octets = 2 * sum({**USUAL, **flow}["bytes"] for flow in FLOWS)
        assert ledger["decoded"]["flows"] == 2 * len(FLOWS) == ledger["written"]["flows"], ledger
        assert ledger["decoded"]["bytes"] == octets == ledger["written"]["bytes"], ledger
        assert not any(ledger["residual"].values()), ledger


def test_filters_see_the_flow(test):
    """One end of it is asked for, and both are in the rows."""
    rows = run(test, "sum_host, flows, tag", write_pcap(test), "aggregate_filter[out]: src host 192.0.2.7\npost_tag: 5\n")
    assert {row["ip_src"]: (row["flows"], row["bytes"], row["tag"]) for row in rows} == {"192.0.2.7": (1, 7, 5), "10.0.0.1": (1, 7, 5)}, rows
    ledger = test.stats()["instances"][0]
    assert ledger["filtered"]["flows"] == 2 * (len(FLOWS) - 1) and not any(ledger["residual"].values()), ledger


def test_time_bins_pro_rating_and_rows_of_single_flows(test):
    flows = [dict(first=START_S - START_S % 60, last=START_S - START_S % 60 + 119, bytes=1200, packets=120)]
    rows = run(test, "sum_host", write_pcap(test, flows), "print_history: 1m\nprint_history_roundoff: m\nnfacctd_pro_rating: true\ntimestamps_utc: true\n")
    by_bin = {}
    for row in rows:
        by_bin.setdefault(row["stamp_inserted"], {})[row["ip_src"]] = row["bytes"]
    assert len(by_bin) == 2 and all(set(hosts) == {"10.0.0.1", "192.0.2.7"} for hosts in by_bin.values()), rows
    assert all(hosts["10.0.0.1"] == hosts["192.0.2.7"] for hosts in by_bin.values()), rows
    assert sum(row["bytes"] for row in rows) == 2400, rows
    rows = run(test, "sum_host", write_pcap(test), "unaggregated: true\n")
    assert [(row["ip_src"], row["bytes"]) for row in rows] == [
        (flow[end], flow["bytes"]) for flow in ({**USUAL, **flow} for flow in FLOWS) for end in ("src", "dst")], rows


def test_any_number_of_workers_gives_the_same(test):
    flows = [dict(src=f"10.0.{i % 7}.{i % 250}", dst=f"10.0.{i % 5}.{i % 199}", bytes=i) for i in range(400)]
    pcap = write_pcap(test, flows[:40], [f"198.51.100.{i}" for i in range(20)])
    texts = []
    for workers in (1, 2, 5):
        run(test, "sum_host, flows", pcap, f"nfacctd_workers: {workers}\n")
        texts.append((test.dir / "out.json").read_text())
    assert texts[0] == texts[1] == texts[2] and texts[0]


def test_sql_has_pmaccts_columns(test):
    daemon = test.nfacctd(f"plugins: sqlite3[out]\naggregate: sum_port\nsql_db: {test.dir}/out.db\nsql_table_version: 7\nsql_optimize_clauses: true\n"
                          f"sql_table_create: true\npcap_savefile: {write_pcap(test)}\n")
    assert daemon.wait(60) == 0, daemon.output()
    db = sqlite3.connect(test.dir / "out.db")
    rows = db.execute("SELECT src_port, packets, bytes FROM acct").fetchall()
    db.close()
    assert {row[0]: row[1:] for row in rows} == expected("sum_port"), rows


def test_pmacct_writes_the_same(test):
    """But for sum_net, where it takes the network of the source for both ends."""
    program, pcap = need_pmacct("sbin/nfacctd"), write_pcap(test)
    names = ("sum_host", "sum_as", "sum_port", "sum_mac")

    def many(name):
        lines = [f"plugins: {', '.join(f'print[{p}]' for p in names)}\nprint_output: json\nprint_refresh_time: 3600\npcap_savefile: {pcap}\ndaemonize: false\n"]
        lines += [f"aggregate[{p}]: {p}, flows, tag\nprint_output_file[{p}]: {test.dir}/{name}-{p}.json\n" for p in names]
        return test.write(f"{name}.conf", "".join(lines))
    test.start([NFACCTD, "-f", many("ours")], "ours").wait(60)
    test.start([program, "-f", many("theirs")], "theirs").wait(60)
    for primitive in names:
        ours, theirs = (sorted(json.dumps(row) for row in json_lines(test.dir / f"{name}-{primitive}.json")) for name in ("ours", "theirs"))
        assert ours == theirs and len(ours) > 1, (primitive, ours, theirs)


def test_what_is_of_one_end_is_refused(test):
    text = "plugins: print[a]\naggregate[a]: tag, sum_host, proto, src_port, sum_as\nprint_output[a]: json\n"
    told = subprocess.run([NFACCTD, "-f", test.write("check.conf", text), "--check"], capture_output=True, text=True, check=False)
    said = "check.conf:2: aggregate[a]: sum_host counts each flow at both ends, and proto, src_port, sum_as would be of one of them; "
    assert told.returncode == 1 and said + "leave it out, or give it an instance of its own" in told.stderr, told.stderr
    rows = run(test, "sum_host, proto", write_pcap(test), "strict_config: false\n")
    assert sums_of(rows, "ip_src") == expected("sum_host") and "ip_proto" not in rows[0], rows


if __name__ == "__main__":
    main(globals())
