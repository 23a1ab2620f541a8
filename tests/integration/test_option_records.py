#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""nfacctd_account_options: records of options data are rows without counters, and counted apart; flows, packets and bytes add up."""
import contextlib
import json
import sqlite3
import struct

from harness import json_lines, main
import exports

START = 1_700_000_000
PRIMITIVES = """
name=sampler field_type=302 len=4 semantics=u_int
name=interval field_type=305 len=4 semantics=u_int
name=line_card field_type=141 len=4 semantics=u_int
name=iface field_type=82 len=vlen semantics=str
name=system field_type=1 len=4 semantics=ip
name=exported field_type=41 len=8 semantics=u_int
"""
# an options template with a scope, counters of the exporter's own, and a name of variable length
SAMPLER = [(302, 4), (305, 4), (306, 4)]
INTERFACE = [(141, 4), (10, 4), (82, exports.VARIABLE)]
PROCESS = [(144, 4), (41, 8), (40, 8), (85, 8)]


def options_set(template_id, fields, scope_count=1):
    return exports.ipfix_set(3, exports.template(template_id, fields, scope_count))


def ipfix_capture(test):
    """Three kinds of options, twice the same, among ten flows; returns nothing."""
    stream, when = exports.Ipfix(domain=1), START
    row = exports.common_flow("10.1.0.1", "10.1.0.2", "10.0.0.1", octets=100, packets=2, start_ms=when * 1000, end_ms=when * 1000)
    sets = [options_set(300, SAMPLER), options_set(301, INTERFACE), options_set(302, PROCESS)]
    packets = [(when, stream.announce(export_time=when)), (when, exports.ipfix(sets, 0, 1, when))]
    for n in range(2):
        data = [exports.ipfix_set(300, exports.record(SAMPLER, [1, 1, 999]) + exports.record(SAMPLER, [2, 1, 499])),
                exports.ipfix_set(301, exports.record(INTERFACE, [7, 3, "eth3"])),
                exports.ipfix_set(302, exports.record(PROCESS, [1, 41, 9000, 123456]))]
        packets.append((when + 1 + n, exports.ipfix(data, stream.sequence, 1, when + 1 + n)))
        stream.sequence += 4
        packets.append((when + 1 + n, stream.data([row] * 5, export_time=when + 1 + n)))
    exports.write_pcap(test.dir / "in.pcap", [(t, exports.udp_packet(data)) for t, data in packets])


def run(test, config, status=0):
    daemon = test.nfacctd(f"pcap_savefile: {test.dir}/in.pcap\ntimestamps_utc: true\n{config}")
    assert daemon.wait(60) == status, daemon.output()
    return daemon, {i["name"]: i for i in test.stats()["instances"]}


def without(row, *names):
    return {k: v for k, v in row.items() if k not in names}


def test_options_are_rows_without_counters(test):
    ipfix_capture(test)
    daemon, instances = run(test, f"""
plugins: print[a], print[b], print[flows]
aggregate_primitives: {test.write('primitives', PRIMITIVES)}
nfacctd_account_options: true
aggregate[a]: peer_src_ip, sampler, interval, line_card, iface, exported, src_host, flows
aggregate[b]: peer_src_ip, flows
aggregate[flows]: src_host, flows
aggregate_filter[flows]: src net 10.0.0.0/8
print_output: json
print_output_file[a]: {test.dir}/a
print_output_file[b]: {test.dir}/b
print_output_file[flows]: {test.dir}/flows
""")
    rows = json_lines(test.dir / "a")
    options = [without(r, "event_type") for r in rows if "packets" not in r]
    nothing = {"sampler": "0", "interval": "0", "line_card": "0", "iface": "", "exported": "0"}
    expected = [{"sampler": "1", "interval": "1"}, {"sampler": "2", "interval": "1"}, {"line_card": "7", "iface": "eth3"}, {"exported": "41"}]
    assert options == [{"peer_ip_src": "127.0.0.1", "ip_src": "", **nothing, **e} for e in expected], options
    flows = [r for r in rows if "packets" in r]
    assert len(flows) == 1 and (flows[0]["flows"], flows[0]["ip_src"]) == (10, "10.1.0.1"), flows
    for name in ("a", "b"):
        assert instances[name]["option_records"] == {"decoded": 8, "filtered": 0, "dropped": 0}, instances[name]
        assert instances[name]["written"]["flows"] == 10 and instances[name]["residual"] == {"flows": 0, "packets": 0, "bytes": 0}
    assert instances["flows"]["option_records"] == {"decoded": 8, "filtered": 8, "dropped": 0}, instances["flows"]
    b = json_lines(test.dir / "b")
    assert len(b) == 1 and b[0]["flows"] == 10, "an option and a flow of one key are one row, with the flow's counters"
    exporter = test.stats()["exporters"][0]
    assert exporter["options_records"] == 8 and exporter["flows"] == 10 and exporter.get("sequence_missing", 0) == 0, exporter
    assert "8 records of options data" in daemon.output()


def test_a_map_tells_them_apart(test):
    ipfix_capture(test)
    told = test.write("told.map", "set_tag=1 sample_type=flow\nset_tag=2 sample_type=option\nset_tag=3 sample_type=event\n")
    silent = test.write("silent.map", "set_tag=1 ip=127.0.0.1\n")
    daemon, instances = run(test, f"""
plugins: print[told], print[only], print[silent]
nfacctd_account_options: true
aggregate: tag, peer_src_ip, flows
pre_tag_map[told]: {told}
pre_tag_map[only]: {told}
pre_tag_filter[only]: 1
pre_tag_map[silent]: {silent}
print_output: json
print_output_file[told]: {test.dir}/told
print_output_file[only]: {test.dir}/only
print_output_file[silent]: {test.dir}/silent
""")
    assert [(r["tag"], r.get("flows")) for r in json_lines(test.dir / "told")] == [(2, None), (1, 10)]
    assert [(r["tag"], r["flows"]) for r in json_lines(test.dir / "only")] == [(1, 10)]
    assert instances["only"]["option_records"] == {"decoded": 8, "filtered": 8, "dropped": 0}
    notices = [line for line in daemon.output().splitlines() if "no row has sample_type" in line]
    assert len(notices) == 1 and "pre_tag_map[silent]" in notices[0], daemon.output()


def test_a_custom_primitive_with_the_name_of_a_built_in_one(test):
    """pmacct takes the built-in one; `url` is none of pmacct's, so the custom one has it."""
    ipfix_capture(test)
    primitives = test.write("primitives", "name=tos field_type=4 len=1 semantics=u_int\nname=url field_type=10 len=4 semantics=u_int\n")
    daemon, _ = run(test, f"plugins: print[a], print[b]\naggregate: tos, url\naggregate_primitives: {primitives}\nprint_output[a]: json\n"
                    f"print_output[b]: csv\nprint_output_file[a]: {test.dir}/a\nprint_output_file[b]: {test.dir}/b\n")
    rows = [without(r, "event_type") for r in json_lines(test.dir / "a")]
    assert rows == [{"tos": 0, "url": "1", "packets": 20, "bytes": 1000}], rows
    assert (test.dir / "b").read_text().splitlines()[0] == "TOS,url,PACKETS,BYTES"
    assert daemon.output().count("primitives:1: name=tos: `aggregate` means the built-in primitive of that name") == 1, daemon.output()


def test_nothing_changes_without_the_key(test):
    ipfix_capture(test)
    daemon, instances = run(test, f"plugins: print[a]\naggregate[a]: peer_src_ip, flows\nprint_output: json\nprint_output_file[a]: {test.dir}/a\n")
    assert len(json_lines(test.dir / "a")) == 1 and instances["a"]["option_records"]["decoded"] == 0
    assert "records of options data" not in daemon.output()


def test_rows_of_sql_have_counters_of_0(test):
    ipfix_capture(test)
    with contextlib.closing(sqlite3.connect(test.dir / "a.db")) as db:
        db.execute("CREATE TABLE acct (sampler INT, packets INT NOT NULL, bytes INT NOT NULL, stamp_inserted TEXT, stamp_updated TEXT)")
        db.commit()
    run(test, f"""
plugins: sqlite3[a]
aggregate_primitives: {test.write('primitives', PRIMITIVES)}
nfacctd_account_options: true
aggregate[a]: sampler
sql_db[a]: {test.dir}/a.db
sql_optimize_clauses: true
sql_history: 1m
sql_history_roundoff: m
nfacctd_time_new: true
""")
    with contextlib.closing(sqlite3.connect(test.dir / "a.db")) as db:
        rows = sorted(db.execute("SELECT sampler, packets, bytes FROM acct"))
    assert rows == [(0, 20, 1000), (1, 0, 0), (2, 0, 0)], rows


def test_netflow_v9_and_its_scopes(test):
    """RFC 3954 section 6.1: scope System (1) of 4 bytes, then SAMPLING_INTERVAL (34)."""
    options = struct.pack("!HHHHHHHHH", 1, 18, 300, 4, 4, 1, 4, 34, 4)
    template = struct.pack("!HH", 0, 16) + exports.template(256, [(8, 4), (1, 4)])
    body = exports.record([(1, 4), (34, 4)], ["192.0.2.9", 100])
    packets = [exports.netflow9([template, options], 2, 0, export_time=START),
               exports.netflow9([struct.pack("!HH", 300, 4 + len(body)) + body], 1, 1, export_time=START + 1),
               exports.netflow9([struct.pack("!HH", 256, 12) + exports.record([(8, 4), (1, 4)], ["10.0.0.1", 77])], 1, 2, export_time=START + 2)]
    exports.write_pcap(test.dir / "in.pcap", [(START + n, exports.udp_packet(data)) for n, data in enumerate(packets)])
    run(test, f"""
plugins: print[a]
aggregate_primitives: {test.write('primitives', PRIMITIVES + 'name=every field_type=34 len=4 semantics=u_int')}
nfacctd_account_options: true
aggregate[a]: system, every, src_host
print_output: json
print_output_file[a]: {test.dir}/a
""")
    rows = [json.dumps(without(r, "event_type")) for r in json_lines(test.dir / "a")]
    assert rows == ['{"ip_src": "", "system": "192.0.2.9", "every": "100"}',
                    '{"ip_src": "10.0.0.1", "system": "0.0.0.77", "every": "0", "packets": 0, "bytes": 77}'], rows


if __name__ == "__main__":
    main(globals())
