#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every row of src/flow/primitives.def, through the real daemons to JSON and CSV: exports from tests/data/primitives as a
capture, and what BGP gives from a scripted router. A primitive without a vector fails."""
import contextlib
import csv
import io
import json
import re
import socket
import sqlite3
import struct
import subprocess

from harness import NFACCTD, SOURCE, free_port, json_lines, main
import exports
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update

VECTORS = SOURCE / "tests/data/primitives"
ARRIVAL_S = 1700000000  # of every vector's datagrams: 2023-11-14 22:13:20 UTC
ROW = re.compile(r'^(?:PRIMITIVE|COUNTER)\((\w+), "(\w+)", "(\w+)", "\w+", \w+, \w+, \w+, (\d+),')
STITCHED = ("timestamp_min", "timestamp_max")  # not asked for: they come with stitching
SUMS = ("sum_mac", "sum_as", "sum_host", "sum_net", "sum_port")  # they stand alone: test_sums.py
COMPANIONS = ("src_host_lon", "dst_host_lon")  # nor these: they come with the latitude
# Rows of a replay keep the order of their first flows, so the first row is the vector's first flow.
CONFIG = """
plugins: print[json], print[csv]
print_output[json]: json
print_output_file[json]: {dir}/out.json
print_output[csv]: csv
print_output_file[csv]: {dir}/out.csv
timestamps_utc: true
"""


def table():
    """(aggregate name, JSON name, CSV title, CSV place) in the table's order."""
    rows = [ROW.match(line) for line in (SOURCE / "src/flow/primitives.def").read_text().splitlines()]
    return [(m[1], m[2], m[3], int(m[4])) for m in rows if m and m[1] not in SUMS]


TABLE = table()
JSON_NAME = {name: json_name for name, json_name, _, _ in TABLE}
CSV_TITLE = {name: title for name, _, title, _ in TABLE}

# The router's table: one path to each end of the flow, no two values alike.
BGP_VALUES = {
    "src_as": 2906, "dst_as": 789, "std_comm": "65000:1_no-export", "ext_comm": "RT:65000:2", "lrg_comm": "65000:3:4",
    "as_path": "321_654_789", "local_pref": 150, "med": 42, "peer_src_as": 64500, "peer_dst_as": 321,
    "peer_src_ip": "127.0.0.21", "peer_dst_ip": "10.0.0.3", "src_std_comm": "65000:9", "src_ext_comm": "RT:65000:8",
    "src_lrg_comm": "65000:7:6", "src_as_path": "64500_2906", "src_local_pref": 120, "src_med": 21,
    "path_match": "exact", "path_source": "bgp", "path_id": 7, "dst_roa": "v", "src_roa": "i", "src_net": "10.9.0.0", "dst_net": "192.168.1.0", "src_mask": 16, "dst_mask": 24,
}


def header(text, key):
    match = re.search(rf"^# {key}: (.*)$", text, re.MULTILINE)
    return match[1] if match else None


def datagrams(text):
    for part in text.split("\n---\n"):
        yield bytes.fromhex("".join(line.split("#")[0].strip() for line in part.splitlines()))


def csv_text(value):
    return "_".join(value) if isinstance(value, list) else str(value)


def run_vector(test, path):
    """An error text, or None: JSON has the value, byte for byte, and CSV has it in the right column."""
    text = path.read_text()
    name, expected = header(text, "aggregate"), header(text, "json")
    exports.write_pcap(test.dir / "in.pcap", [(ARRIVAL_S, exports.udp_packet(d, "192.0.2.1")) for d in datagrams(text)])
    config = CONFIG.format(dir=test.dir) + f"pcap_savefile: {test.dir}/in.pcap\n{header(text, 'config') or ''}\n"
    config += "nfacctd_stitching: true\naggregate: none\n" if name in STITCHED else f"aggregate: {name}\n"
    for output in ("out.json", "out.csv"):
        (test.dir / output).unlink(missing_ok=True)
    start = test.sfacctd if header(text, "daemon") == "sfacctd" else test.nfacctd
    daemon = start(config, name=f"daemon-{path.stem}")
    if daemon.wait(30) != 0:
        return daemon.output()
    line = (test.dir / "out.json").read_text().splitlines()[0]
    if not re.search(rf'"{JSON_NAME[name]}": {re.escape(expected)}[,}}]', line):
        return f"JSON: expected {expected} in {line}"
    titles, row = list(csv.reader(io.StringIO((test.dir / "out.csv").read_text())))[:2]
    values = dict(zip(titles, row, strict=True))
    if values.get(CSV_TITLE[name]) != csv_text(json.loads(expected)):
        return f"CSV: expected {expected} in {values}"
    return None


def test_exports_give_every_value(test):
    paths = sorted(VECTORS.glob("*.hex"))
    wrong = {path.name: error for path in paths if (error := run_vector(test, path))}
    assert len(paths) > 100 and not wrong, "\n".join(f"{name}: {error}" for name, error in wrong.items())


def path_attributes(as_path, next_hop, local_pref, med, communities, extended, large):
    return attributes(as_path, next_hop, more=attribute(0x80, 4, struct.pack("!I", med)) +
                      attribute(0x40, 5, struct.pack("!I", local_pref)) +
                      attribute(0xc0, 8, struct.pack(f"!{len(communities)}I", *communities)) +
                      attribute(0xc0, 16, struct.pack("!BBHI", 0, 2, *extended)) +  # route target (RFC 4360 section 4)
                      attribute(0xc0, 32, struct.pack("!III", *large)))


def test_a_router_gives_every_value(test):
    daemon = test.nfacctd(CONFIG.format(dir=test.dir) + f"""
aggregate: {', '.join(BGP_VALUES)}
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {(bgp_port := free_port(socket.SOCK_STREAM))}
nfacctd_as: bgp
nfacctd_net: bgp
bgp_peer_src_as_type: bgp
bgp_src_as_path_type: bgp
bgp_src_std_comm_type: bgp
bgp_src_ext_comm_type: bgp
bgp_src_lrg_comm_type: bgp
bgp_src_local_pref_type: bgp
bgp_src_med_type: bgp
bgp_src_roa_type: bgp
rpki_roas_file: {test.write("roas.json", '{"roas": [{"prefix": "192.168.0.0/16", "asn": 789, "maxLength": 24}, {"prefix": "10.9.0.0/16", "asn": 1}]}')}
""")
    router = Speaker(test, bgp_port, capabilities=multiprotocol(1, 1) + four_octet_as(65000) + add_path_send((1, 1)))
    router.establish()
    router.send(update(path_attributes((321, 654, 789), "10.0.0.3", 150, 42, (65000 << 16 | 1, 0xffffff01), (65000, 2),
                                       (65000, 3, 4)), prefix("192.168.1.0/24", 7)),
                update(path_attributes((555, 789), "10.0.0.4", 100, 1, (1,), (1, 1), (1, 1, 1)), prefix("192.168.1.0/24", 8)),
                update(path_attributes((64500, 2906), "10.0.0.9", 120, 21, (65000 << 16 | 9,), (65000, 8), (65000, 7, 6)),
                       prefix("10.9.0.0/16", 9)),
                update())
    daemon.wait_log("End-of-RIB")
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.9.1.71", "192.168.1.148", "10.0.0.3", src_mask=0,
                                                                  dst_mask=0)]), source="127.0.0.21")
    assert daemon.stop() == 0, daemon.output()
    (row,) = json_lines(test.dir / "out.json")
    got = {name: row.get(JSON_NAME[name]) for name in BGP_VALUES}
    assert got == BGP_VALUES, {name: (BGP_VALUES[name], got[name]) for name in got if got[name] != BGP_VALUES[name]}
    (titles, values), expected = list(csv.reader((test.dir / "out.csv").open())), BGP_VALUES.items()
    got = dict(zip(titles, values, strict=True))
    assert all(got[CSV_TITLE[name]] == csv_text(value) for name, value in expected), got


def test_every_primitive_has_a_vector(test):
    covered = {header(path.read_text(), "aggregate") for path in VECTORS.glob("*.hex")} | set(BGP_VALUES)
    covered |= {name for name, *_ in TABLE if "_host_" in name}  # the database of places gives them: test_geoip.py
    assert len(TABLE) > 80 and not (missing := [row[0] for row in TABLE if row[0] not in covered]), missing


def test_the_list_is_the_table(test):
    listed = subprocess.run([NFACCTD, "-a"], capture_output=True, text=True, check=True).stdout
    expected = [row[0] for row in TABLE if row[0] not in STITCHED + COMPANIONS]
    listed = [line.split()[0] for line in listed.splitlines()]
    assert [name for name in listed if name not in SUMS] == expected and set(SUMS) <= set(listed)


def test_all_at_once_stand_in_the_order_of_the_table(test):
    exports.write_pcap(test.dir / "in.pcap",
                       [(ARRIVAL_S, exports.udp_packet(d)) for d in datagrams((VECTORS / "bytes-1.hex").read_text())])
    daemon = test.nfacctd(CONFIG.format(dir=test.dir) + f"pcap_savefile: {test.dir}/in.pcap\n"
                          "nfacctd_stitching: true\n"
                          f"aggregate: {', '.join(row[0] for row in reversed(TABLE) if row[0] not in STITCHED + COMPANIONS)}\n")
    assert daemon.wait(30) == 0, daemon.output()
    keys = list(json_lines(test.dir / "out.json")[0])
    assert [k for k in keys if k not in ("event_type", "mpls_vpn_rd_origin")] == [row[1] for row in TABLE], keys
    assert keys.index("mpls_vpn_rd_origin") == keys.index("mpls_vpn_rd") + 1, keys
    titles = next(csv.reader((test.dir / "out.csv").open()))
    assert titles == [row[2] for row in sorted(TABLE, key=lambda row: row[3])], titles


def test_events_have_no_counters(test):
    """A template without bytes and packets; one whose exporter counted 0; in one file."""
    fields, counted = [(8, 4), (12, 4), (233, 1)], [(8, 4), (12, 4), (1, 4), (2, 4)]
    message = exports.ipfix([exports.ipfix_set(2, exports.template(256, fields) + exports.template(257, counted)),
                             exports.ipfix_set(256, exports.record(fields, ["10.0.0.1", "10.0.0.2", 1])),
                             exports.ipfix_set(257, exports.record(counted, ["10.0.0.3", "10.0.0.4", 0, 0]))])
    exports.write_pcap(test.dir / "in.pcap", [(ARRIVAL_S, exports.udp_packet(message))])
    daemon = test.nfacctd(CONFIG.format(dir=test.dir) + f"pcap_savefile: {test.dir}/in.pcap\naggregate: src_host, fw_event, flows\n")
    assert daemon.wait(30) == 0, daemon.output()
    assert json_lines(test.dir / "out.json") == [
        {"event_type": "purge", "ip_src": "10.0.0.1", "fw_event": 1},
        {"event_type": "purge", "ip_src": "10.0.0.3", "fw_event": 0, "flows": 1, "packets": 0, "bytes": 0}]


def test_encode_keys_change_the_form(test):
    """tcp_flags, fwd_status and mpls_label_stack as arrays, text and words."""
    fields = [(8, 4), (6, 1), (89, 1), (70, 3), (71, 3), (1, 4), (2, 4)]
    row = ["10.0.0.1", 0x12, 0x40, b"\x03\xec\x10", b"\x03\xec\xe1", 100, 1]  # SYN ACK; labels 16065, 16078
    message = exports.ipfix([exports.ipfix_set(2, exports.template(256, fields)), exports.ipfix_set(256, exports.record(fields, row))])
    exports.write_pcap(test.dir / "in.pcap", [(ARRIVAL_S, exports.udp_packet(message))])
    forms = {"": {"tcp_flags": 18, "fwd_status": "64", "mpls_label_stack": "16065_16078"},
             "tcpflags_encode_as_array": {"tcp_flags": ["SYN", "ACK"]},
             "tcpflags_encode_as_string": {"tcp_flags": "18"},
             "fwd_status_encode_as_string": {"fwd_status": "FORWARDED Unknown"},
             "mpls_label_stack_encode_as_array": {"mpls_label_stack": ["0-16065", "1-16078"]}}
    for key, expected in forms.items():
        for output in ("out.json", "out.csv"):
            (test.dir / output).unlink(missing_ok=True)
        daemon = test.nfacctd(CONFIG.format(dir=test.dir) + f"pcap_savefile: {test.dir}/in.pcap\n" + (f"{key}: true\n" if key else "") +
                              "aggregate: tcpflags, fwd_status, mpls_label_stack\n", name=f"nfacctd-{key}")
        assert daemon.wait(30) == 0, daemon.output()
        (got,) = json_lines(test.dir / "out.json")
        assert {k: sorted(v) if k == "tcp_flags" and isinstance(v, list) else v for k, v in got.items() if k in expected} == \
            {k: sorted(v) if k == "tcp_flags" and isinstance(v, list) else v for k, v in expected.items()}, (key, got)


def test_flows_of_one_dscp_are_one_row(test):
    """tos_encode_as_dscp: 0xb8 and 0xb9 are both EF (46), in every output."""
    stream = exports.Ipfix()
    rows = [exports.common_flow("10.0.0.1", "10.0.0.2", "10.0.0.3", tos=tos, octets=100, start_ms=ARRIVAL_S * 1000, end_ms=ARRIVAL_S * 1000) for tos in (0xb8, 0xb9, 0)]
    exports.write_pcap(test.dir / "in.pcap", [(ARRIVAL_S, exports.udp_packet(stream.announce(export_time=ARRIVAL_S))),
                                              (ARRIVAL_S, exports.udp_packet(stream.data(rows, export_time=ARRIVAL_S)))])
    daemon = test.nfacctd(CONFIG.format(dir=test.dir).replace("plugins: ", "plugins: sqlite3[db], ") + f"""
pcap_savefile: {test.dir}/in.pcap
aggregate: tos, flows
tos_encode_as_dscp: true
sql_db[db]: {test.dir}/a.db
sql_table_create[db]: true
""")
    assert daemon.wait(60) == 0, daemon.output()
    expected = [(0, 1, 100), (46, 2, 200)]
    assert sorted((r["tos"], r["flows"], r["bytes"]) for r in json_lines(test.dir / "out.json")) == expected
    lines = [line.split(",") for line in (test.dir / "out.csv").read_text().splitlines()[1:]]
    assert sorted((int(tos), int(flows), int(octets)) for tos, _, flows, octets in lines) == expected, lines
    with contextlib.closing(sqlite3.connect(test.dir / "a.db")) as db:
        assert sorted(db.execute("SELECT tos, flows, bytes FROM acct")) == expected


if __name__ == "__main__":
    main(globals())
