#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exporters that do what standards do not foresee, or leave open: small captures written by hand go in, JSON comes out."""
import ipaddress
import re
import struct

from harness import SOURCE, json_lines, main, need_sample
import exports  # harness knows where it is

START = 1_700_000_000  # 2023-11-14 22:13:20 UTC
V9_OPTIONS, V9_TEMPLATES = 1, 0


def account(test, datagrams, aggregate, more="", name="in"):
    """Rows for messages, or (seconds after START, message), or with a source port behind; and the daemon's log and ledger."""
    path = datagrams
    if isinstance(datagrams, list):
        path = test.dir / f"{name}.pcap"
        timed = [d if isinstance(d, tuple) else (0, d) for d in datagrams]
        exports.write_pcap(path, [(START + when, exports.udp_packet(message, "192.0.2.1", sport=(*port, 50000)[0])) for when, message, *port in timed])
    daemon = test.nfacctd(f"""
plugins: print[out]
aggregate[out]: {aggregate}
print_output[out]: json
print_output_file[out]: {test.dir}/{name}.json
print_output_file_append[out]: true
{more}
""", "-I", path, name=name)
    assert daemon.wait(60) == 0, daemon.output()
    return json_lines(test.dir / f"{name}.json"), daemon.output(), test.stats(name)["exporters"][0]


def v9(*sets, uptime_ms=1_000_000, export_time=START, sequence=0):
    return exports.netflow9(sets, len(sets), sequence, export_time=export_time, uptime_ms=uptime_ms)


def v9_template(fields, template_id=256):
    return exports.ipfix_set(V9_TEMPLATES, exports.template(template_id, fields), 4)


def v9_options_template(scopes, fields, scope_len, option_len, template_id=300):
    body = struct.pack("!HHH", template_id, scope_len, option_len)
    return exports.ipfix_set(V9_OPTIONS, body + b"".join(struct.pack("!HH", *f) for f in scopes + fields), 4)


def ipfix(*sets, export_time=START, sequence=0, domain=1):
    return exports.ipfix(sets, sequence, domain, export_time)


def ipfix_template(fields, template_id=256):
    return exports.ipfix_set(2, exports.template(template_id, fields))


def data(fields, *rows, template_id=256):
    return exports.ipfix_set(template_id, b"".join(exports.record(fields, row) for row in rows))


# ---- templates ----

def test_a_fortigates_template_is_read(test):
    rows, _, _ = account(test, need_sample("fortigate-app-id/exports.pcap"), "src_host, dst_host, src_port, dst_port, proto, in_iface")
    assert sorted((r["ip_src"], r["bytes"]) for r in rows) == [("198.51.100.1", 1500), ("198.51.100.2", 2500)], rows


def test_an_application_of_any_length_has_its_name(test):
    """RFC 6759: an engine's number and as many bytes as that needs; engine 20 has an enterprise number in front."""
    fields, names = [(8, 4), (95, 9), (1, 4), (2, 4)], [(95, 9), (96, 8)]
    ids = [bytes.fromhex(i) for i in ("140000304400003dd9", "140000304400003dda", "000000000300000050")]
    rows, log, exporter = account(test, [
        v9(v9_options_template([(1, 0)], names, 4, 8), data(names, [ids[0], b"mail"], [ids[1], b"chat"], [ids[2], b"http"], template_id=300)),
        v9(v9_template(fields), data(fields, *[[f"10.0.0.{n}", i, 100, 1] for n, i in enumerate(ids)]))], "src_host, class")
    assert [(r["ip_src"], r["class"]) for r in rows] == [("10.0.0.0", "mail"), ("10.0.0.1", "chat"), ("10.0.0.2", "http")], rows
    assert exporter["misfit_fields"] == 0 and "has 9 bytes" not in log, log


def test_a_field_of_impossible_length_costs_nothing_else(test):
    """MAC addresses of 5 bytes and route distinguishers of 7 in two templates; an interface's number of 3 is fine."""
    first, second = [(8, 4), (56, 5), (10, 3), (1, 4), (2, 4)], [(8, 4), (90, 7), (57, 5), (1, 4), (2, 4)]
    sets = [ipfix_template(first), ipfix_template(second, 257), data(first, ["10.0.0.1", 1 << 30, 77, 100, 1]),
            data(second, ["10.0.0.2", 5, 6, 200, 2], template_id=257)]
    rows, log, exporter = account(test, [ipfix(*sets), ipfix(*sets[:2])], "src_host, src_mac, in_iface")
    assert [(r["ip_src"], r["bytes"], r["iface_in"], r["mac_src"]) for r in rows] == [
        ("10.0.0.1", 100, 77, "00:00:00:00:00:00"), ("10.0.0.2", 200, 0, "00:00:00:00:00:00")], rows
    assert exporter["misfit_fields"] == 3 and exporter["drops"]["bad_template"] == 0, exporter
    lines = [line for line in log.splitlines() if " has " in line]
    assert len(lines) == 2 and "template 256: sourceMacAddress has 5 bytes;" in lines[0], log
    assert "mplsVpnRouteDistinguisher has 7 bytes, postDestinationMacAddress has 5 bytes;" in lines[1], log


def test_no_length_of_any_element_costs_a_flow(test):
    """Each element that is known, in lengths that it should not have, beside an address and counters that are right."""
    text = (SOURCE / "src/nfacctd/elements.def").read_text()
    known = {(int(enterprise), int(element)) for enterprise, element in re.findall(r"^ELEMENT\((\d+), (\d+), ", text, re.M)}
    counters = {1, 2, 23, 24, 85, 86, 171, 172, 231, 232, 298, 299, 312, 352, 353, 417, 418}
    odd = [(element, length, enterprise) for enterprise, element in sorted(known) for length in (1, 3, 7, 9, 17, 300)
           if element not in {*counters, 8} and element < 32768]
    messages = []
    for number, field in enumerate(odd):
        fields = [(8, 4), field, (1, 4), (2, 4)]
        row = ["10.0.0.1", (bytes(range(1, 256)) * 2)[:field[1]], 100, 1]
        messages.append(ipfix(ipfix_template(fields), data(fields, row), domain=number))
    everything = "src_host, dst_host, src_port, dst_port, proto, tos, src_mac, dst_mac, vlan, in_iface, out_iface, src_as, dst_as, src_mask, dst_mask, " \
        "tcpflags, mpls_label_top, timestamp_start, timestamp_end, sampling_rate, sampling_direction, mpls_vpn_rd, vxlan, class, nat_event, fwd_status, " \
        "post_nat_src_host, peer_dst_ip, etype, cos"
    rows, _, exporter = account(test, messages, everything, "domains_max: 10000\n")
    assert exporter["flows"] == len(odd) > 500 and sum(exporter["drops"].values()) == 0, exporter
    assert {r["ip_src"] for r in rows} == {"10.0.0.1"} and sum(r["bytes"] for r in rows) == 100 * len(odd), rows[:5]


def test_times_that_are_too_short_are_none(test):
    """RFC 7011 section 6.1: milliseconds since 1970 have 8 bytes; 4 hold no instant of today, and 6 do. Without a start, flows begin
    at their export."""
    fields, longer = [(8, 4), (152, 4), (153, 4), (1, 4), (2, 4)], [(8, 4), (152, 6), (153, 7), (150, 3), (1, 4), (2, 4)]
    uptimes = [(8, 4), (22, 4), (21, 4), (160, 4), (1, 4), (2, 4)]
    variable = [(8, 4), (152, exports.VARIABLE), (1, 4), (2, 4)]
    start, end = (START - 10) * 1000, (START - 5) * 1000
    rows, log, exporter = account(test, [ipfix(
        ipfix_template(fields), ipfix_template(longer, 257), ipfix_template(uptimes, 258), ipfix_template(variable, 259),
        data(fields, ["10.0.0.1", start & 0xffffffff, end & 0xffffffff, 100, 1]), data(longer, ["10.0.0.2", start, end, 7, 100, 1], template_id=257),
        data(uptimes, ["10.0.0.3", 5000, 9000, START - 100, 100, 1], template_id=258), data(variable, ["10.0.0.4", b"\1\2", 100, 1], template_id=259))],
        "src_host, timestamp_start, timestamp_end", "timestamps_since_epoch: true")
    got = {r["ip_src"]: (float(r["timestamp_start"]) - START, max(float(r["timestamp_end"]) - START, -START)) for r in rows}
    assert got == {"10.0.0.1": (0, -START), "10.0.0.2": (-10, -5), "10.0.0.3": (-4, 0), "10.0.0.4": (0, -START)}, got
    assert (exporter["misfit_fields"], exporter["misfit_values"]) == (4, 1), exporter
    assert "template 256: flowStartMilliseconds has 4 bytes, flowEndMilliseconds has 4 bytes;" in log, log


def test_a_template_of_odd_fields_has_one_line_however_often_it_changes(test):
    """It comes in two forms in turn, from ports of its own; another domain has a line of its own."""
    forms = [[(8, 4), (56, length), (1, 4), (2, 4)] for length in (5, 7)] * 4
    messages = [(n, ipfix(ipfix_template(fields), data(fields, ["10.0.0.1", 5, 100, 1])), 50000 + n // 2) for n, fields in enumerate(forms)]
    rows, log, exporter = account(test, messages + [(9, ipfix(ipfix_template(forms[0]), domain=2))], "src_host")
    assert [r["bytes"] for r in rows] == [800] and exporter["misfit_fields"] == 9, (rows, exporter)
    assert log.count("template 256: sourceMacAddress has ") == 2 and log.count("domain 2: template 256") == 1, log


def test_a_value_of_impossible_length_costs_nothing_else(test):
    """Fields of variable length (RFC 7011 section 7) tell the length in each record; a value of no bytes is none."""
    fields = [(8, exports.VARIABLE), (56, exports.VARIABLE), (154, exports.VARIABLE), (10, 4), (1, 4), (2, 4)]
    four, sixteen = bytes([10, 0, 0, 1]), bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 2])
    message = ipfix(ipfix_template(fields), data(
        fields, [four, b"\2\0\0\0\0\1", b"", 1, 100, 1], [four + b"\1", b"\2\0\0\0\0\1", bytes(5), 2, 200, 2],
        [sixteen, b"\2\0\0\0\0", b"", 3, 300, 3], [b"", b"", b"", 4, 400, 4]))
    rows, log, exporter = account(test, [message, message], "in_iface, src_host, src_mac")
    assert [(r["iface_in"], r["ip_src"], r["mac_src"][-1:], r["bytes"]) for r in rows] == [
        (1, "10.0.0.1", "1", 200), (2, "", "1", 400), (3, "10.0.0.2", "0", 600), (4, "", "0", 800)], rows
    assert (exporter["misfit_values"], exporter["misfit_fields"]) == (6, 0), exporter
    (line,) = [line for line in log.splitlines() if "such lengths cannot be read" in line]
    assert "template 256: sourceIPv4Address has 5 bytes, flowStartMicroseconds has 5 bytes, sourceMacAddress has 5 bytes;" in line, line


def test_lengths_with_a_reading_are_read(test):
    """Numbers of 16 bytes, IPv4 elements that hold 16, a time of seconds and microseconds, labels with their time to live."""
    fields = [(8, 16), (12, 16), (4, 9), (1, 16), (2, 12), (154, 16), (155, 16), (70, 4)]
    times = [struct.pack("!QQ", START - 60, 250_000), struct.pack("!QQ", START - 1, 0)]
    rows, log, exporter = account(test, [ipfix(ipfix_template(fields), data(
        fields, [bytes.fromhex("00000000000000000000ffff0a000001"), bytes(12) + bytes([10, 0, 0, 2]), bytes(8) + b"\x11",
                 bytes(14) + b"\x05\xdc", bytes(11) + b"\x03", *times, (1000 << 12 | 1 << 8 | 64).to_bytes(4, "big")],
        ["2001:db8::1", "2001:db8::2", bytes(8) + b"\x06", bytes(14) + b"\x05\xdd", bytes(11) + b"\x04", *times, bytes(4)]))],
        "src_host, dst_host, proto, timestamp_start, timestamp_end, mpls_label_top", "timestamps_since_epoch: true")
    assert [(r["ip_src"], r["ip_dst"], r["ip_proto"], r["bytes"], r["packets"], r["mpls_label_top"]) for r in rows] == [
        ("10.0.0.1", "10.0.0.2", "udp", 1500, 3, 1000), ("2001:db8::1", "2001:db8::2", "tcp", 1501, 4, 0)], rows
    assert {(r["timestamp_start"], r["timestamp_end"]) for r in rows} == {(f"{START - 60}.250000", f"{START - 1}.000000")}, rows
    assert exporter["misfit_fields"] == 0 and sum(exporter["drops"].values()) == 0, log


def test_numbers_beyond_64_bits_are_counted_and_named(test):
    """Octets of 9 bytes and packets of variable length (RFC 7011 section 7); the surplus byte is 0 in the first record alone."""
    fields = [(8, 4), (1, 9), (2, 65535)]
    records = [exports.record([(8, 4)], [source]) + octets.to_bytes(9, "big") + b"\x09" + packets.to_bytes(9, "big")
               for source, octets, packets in (("10.0.0.1", 1500, 3), ("10.0.0.2", 1 << 64, 4), ("10.0.0.3", 1 << 70, 1 << 65))]
    message = ipfix(ipfix_template(fields), exports.ipfix_set(256, b"".join(records)))
    rows, log, exporter = account(test, [message, message], "src_host")
    assert {r["ip_src"]: (r["bytes"], r["packets"]) for r in rows} == {"10.0.0.1": (3000, 6), "10.0.0.2": (0, 8), "10.0.0.3": (0, 0)}, rows
    assert exporter["large_numbers"] == 6, exporter
    (line,) = [line for line in log.splitlines() if "beyond 64 bits" in line]
    assert "template 256: octetDeltaCount, packetDeltaCount;" in line, line


def test_a_template_that_is_refused_is_said_why(test):
    """An id below 256, fields of no bytes, fields that are not there, and more of them than the limit."""
    good = [(8, 4), (1, 4), (2, 4)]
    _, log, exporter = account(test, [
        ipfix(ipfix_template(good, 255)), ipfix(ipfix_template([(8, 0), (1, 0)], 300)),
        ipfix(exports.ipfix_set(2, exports.template(301, good)[:-4])), ipfix(ipfix_template(good * 2, 302))],
        "src_host", "template_fields_max: 5")
    lines = [line.split("template ", 1)[1] for line in log.splitlines() if "a template that cannot be used is ignored" in line]
    assert [line.split(": a template")[0] for line in lines] == [
        "255 with 3 fields: ids below 256 are not those of templates", "300 with 2 fields: its records would have no bytes",
        "301 with 3 fields: its set ends before its last field", "302 with 6 fields: more than template_fields_max"], log
    assert exporter["drops"]["bad_template"] == 4, exporter


def test_data_of_a_refused_template_is_not_said_to_lack_one(test):
    empty, good = [(8, 0), (1, 0)], [(8, 4), (1, 4), (2, 4)]
    rows, log, exporter = account(test, [
        ipfix(exports.ipfix_set(256, bytes(12))),
        ipfix(ipfix_template(empty), ipfix_template(good, 257), data(good, ["10.0.0.1", 100, 1], template_id=257)),
        ipfix(exports.ipfix_set(256, bytes(12))),
        (1000, ipfix(ipfix_template(good, 257), export_time=START + 1000))], "src_host")
    assert [r["bytes"] for r in rows] == [100], rows
    drops = exporter["drops"]
    assert (drops["bad_template"], drops["refused_template"], drops["no_template"], exporter["pending_sets"]) == (1, 2, 0, 0), drops
    assert "did not come in time" not in log, log


def test_options_lengths_of_netflow_9_that_are_no_multiple_of_4(test):
    """Routers with pmacct's probe announce 9 bytes for two fields; and lengths may count the fields."""
    fields, names = [(8, 4), (95, 5), (1, 4), (2, 4)], [(95, 5), (96, 8)]
    for scope_len, option_len in ((4, 9), (4, 11), (5, 11), (1, 2), (4, 8)):
        rows, log, exporter = account(test, [
            v9(v9_options_template([(1, 4)], names, scope_len, option_len),
               exports.ipfix_set(300, bytes(4) + exports.record(names, [b"\x16\0\0\0\5", b"dns"]))),
            v9(v9_template(fields), data(fields, ["10.0.0.1", b"\x16\0\0\0\5", 100, 1]))], "src_host, class", name=f"o{scope_len}-{option_len}")
        assert [r["class"] for r in rows] == ["dns"], (scope_len, option_len, rows, log)
        assert sum(exporter["drops"].values()) == 0, log


# ---- counters ----

def counted(test, fields, rows, aggregate="src_host", name="in", more=""):
    """(source, bytes, packets) of each record, in one message that has the template too."""
    out, _, _ = account(test, [ipfix(ipfix_template(fields), data(fields, *rows))], aggregate, more, name)
    return [(r["ip_src"], r["bytes"], r["packets"]) for r in out]


def test_the_first_pair_of_counters_that_has_something_counts(test):
    rows, _, _ = account(test, need_sample("in-out-counters/exports.pcap"), "src_host, sampling_direction")
    assert sorted((r["ip_src"], r["bytes"], r["packets"]) for r in rows) == [(f"198.51.100.{n}", 500, 5) for n in (1, 2, 3, 4)], rows


def test_pairs_of_counters_are_not_mixed(test):
    fields = [(8, 4), (1, 4), (2, 4), (23, 4), (24, 4), (85, 4), (86, 4)]
    assert counted(test, fields, [["10.0.0.1", 0, 0, 500, 5, 700, 7], ["10.0.0.2", 500, 0, 600, 6, 700, 7], ["10.0.0.3", 0, 5, 600, 6, 700, 7],
                                  ["10.0.0.4", 0, 0, 0, 0, 700, 7], ["10.0.0.5", 0, 0, 0, 0, 0, 0]]) == [
        ("10.0.0.1", 500, 5), ("10.0.0.2", 500, 0), ("10.0.0.3", 0, 5), ("10.0.0.4", 700, 7), ("10.0.0.5", 0, 0)]


def test_half_a_pair_gives_way_to_a_whole_one(test):
    """Packets before a middlebox without their bytes, and both behind it: what is behind it belongs together."""
    fields = [(8, 4), (2, 4), (23, 4), (24, 4)]
    assert counted(test, fields, [["10.0.0.1", 5, 500, 4], ["10.0.0.2", 5, 0, 0]]) == [("10.0.0.1", 500, 4), ("10.0.0.2", 0, 5)]
    fields = [(8, 4), (152, 8), (1, 4), (85, 8), (86, 8)]  # bytes have a delta, packets a total alone
    assert counted(test, fields, [["10.0.0.1", START * 1000, 500, 900, 9]], name="total") == [("10.0.0.1", 500, 9)]


def test_counters_of_directions_stand_for_no_others(test):
    """Firewalls export 231 and 298 for the initiator, 232 and 299 for the responder: two flows."""
    fields = [(8, 4), (12, 4), (231, 4), (298, 4), (232, 4), (299, 4)]
    assert counted(test, fields, [["10.0.0.1", "10.0.0.2", 500, 5, 900, 9]]) == [("10.0.0.1", 500, 5), ("10.0.0.2", 900, 9)]
    fields = [(8, 4), (12, 4), (1, 4), (2, 4), (231, 4), (298, 4)]
    assert counted(test, fields, [["10.0.0.1", "10.0.0.2", 0, 0, 500, 5]], name="both") == [("10.0.0.1", 0, 0)]
    fields = [(8, 4), (12, 4), (1, 4), (2, 4), (23, 4), (24, 4), (231, 4), (298, 4)]
    assert counted(test, fields, [["10.0.0.1", "10.0.0.2", 0, 0, 0, 0, 500, 5]], name="more") == [("10.0.0.1", 0, 0)]


def test_octets_of_layer_2_count_where_those_of_ip_are_missing(test):
    fields = [(8, 4), (1, 4), (2, 4), (352, 8), (312, 2)]
    assert counted(test, fields, [["10.0.0.1", 500, 5, 590, 118], ["10.0.0.2", 0, 5, 590, 118], ["10.0.0.3", 0, 1, 0, 118]]) == [
        ("10.0.0.1", 500, 5), ("10.0.0.2", 590, 5), ("10.0.0.3", 118, 1)]
    assert counted(test, [(8, 4), (312, 2), (2, 4)], [["10.0.0.1", 118, 1]], name="size") == [("10.0.0.1", 118, 1)]


def frame(etype, payload=b""):
    return bytes.fromhex("020000000002020000000001") + struct.pack("!H", etype) + payload


def ipv4(src, dst, length, payload=b"", proto=17):
    return struct.pack("!BBHHHBBH", 0x45, 0, length, 1, 0, 64, proto, 0) + ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + payload


def test_frames_count_their_ip_packet_or_whole(test):
    fields = [(10, 4), (312, 2), (315, exports.VARIABLE)]
    packet = ipv4("10.0.0.1", "10.0.0.2", 1400, struct.pack("!HHHH", 1, 2, 1380, 0))
    label = struct.pack("!I", 1000 << 12 | 1 << 8 | 64)
    rows, _, _ = account(test, [ipfix(ipfix_template(fields), data(
        fields, [1, 1418, frame(0x0800, packet)], [2, 1422, frame(0x8847, label + packet)], [3, 60, frame(0x0806, bytes(28))],
        [4, 1430, frame(0x8847, label + bytes(4) + frame(0x0800, packet))]))], "in_iface, src_host, etype, mpls_label_top")
    assert [(r["iface_in"], r["bytes"], r["packets"], r["ip_src"], r["etype"], r["mpls_label_top"]) for r in rows] == [
        (1, 1400, 1, "10.0.0.1", "800", 0), (2, 1400, 1, "10.0.0.1", "800", 1000), (3, 60, 1, "", "806", 0), (4, 1430, 1, "", "8847", 1000)], rows
    fields = [(315, exports.VARIABLE)]
    rows, _, _ = account(test, [ipfix(ipfix_template(fields), data(fields, [frame(0x0806, bytes(46))]))], "etype", name="alone")
    assert [(r["bytes"], r["packets"]) for r in rows] == [(60, 1)], rows


# ---- totals ----

TOTALS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (152, 8), (153, 8), (85, 8), (86, 8)]


def total(start_s, end_s, octets, packets, src="10.0.0.1"):
    return [src, "192.0.2.9", 1024, 443, 6, (START + start_s) * 1000, (START + end_s) * 1000, octets, packets]


def totals(test, *timed, fields=None, more="", name="in", domain=1):
    """What each record counts, by the order of the rows; `timed` are (seconds, record)."""
    fields = fields or TOTALS
    datagrams = [(0, ipfix(ipfix_template(fields), domain=domain))]
    datagrams += [(when, ipfix(data(fields, row), export_time=START + when, domain=domain)) for when, row in timed]
    rows, log, exporter = account(test, datagrams, "src_host", "unaggregated[out]: true\n" + more, name)
    return [(r["bytes"], r["packets"]) for r in rows], exporter, log


def test_totals_count_by_their_differences(test):
    """Active timeouts of 60 s; then the flow's name comes again, and a datagram that was late."""
    got, exporter, _ = totals(test, (60, total(0, 59, 1000, 10)), (120, total(0, 119, 1500, 15)), (180, total(0, 179, 1500, 15)),
                              (181, total(0, 119, 1400, 14)), (240, total(0, 239, 200, 2)), (300, total(290, 299, 300, 3)))
    assert got == [(1000, 10), (500, 5), (0, 0), (0, 0), (200, 2), (300, 3)], got
    assert (exporter["total_late"], exporter["total_unknown"]) == (1, 0), exporter


def test_a_flow_that_began_long_before_the_exporter_counts_from_its_first_total_on(test):
    got, exporter, _ = totals(test, (1, total(-3700, 0, 1 << 40, 1 << 30)), (2, total(-3500, 1, 700, 7)), (60, total(-3700, 59, (1 << 40) + 100, (1 << 30) + 1)))
    assert got == [(0, 0), (700, 7), (100, 1)], got
    assert exporter["total_unknown"] == 1, exporter


def test_deltas_count_where_records_have_both(test):
    fields = [(8, 4), (152, 8), (153, 8), (1, 8), (2, 8), (85, 8), (86, 8)]

    def row(end_s, delta, packets, octets, all_packets):
        return ["10.0.0.1", START * 1000, (START + end_s) * 1000, delta, packets, octets, all_packets]
    got, _, _ = totals(test, (60, row(59, 0, 0, 1000, 10)), (120, row(119, 500, 5, 1500, 15)), (180, row(179, 0, 0, 1700, 17)),
                       (240, row(239, 100, 1, 1800, 18)), fields=fields)
    assert got == [(1000, 10), (500, 5), (0, 0), (100, 1)], got


def test_flows_are_named_by_flow_id_or_their_key(test):
    """One flow id under two addresses is one flow; another domain, another start, another source are others."""
    fields = [(148, 8)] + TOTALS
    got, _, _ = totals(test, (60, [7] + total(0, 59, 1000, 10)), (120, [7] + total(0, 119, 1500, 15, src="10.0.0.2")),
                       (121, [8] + total(0, 119, 1500, 15)), (122, [7] + total(100, 119, 40, 1)), fields=fields)
    assert got == [(1000, 10), (500, 5), (1500, 15), (40, 1)], got
    got, _, _ = totals(test, (60, total(0, 59, 1000, 10)), (120, total(0, 119, 1500, 15, src="10.0.0.2")), name="key")
    assert got == [(1000, 10), (1500, 15)], got


def test_the_way_back_of_a_biflow_has_totals_of_its_own(test):
    fields = TOTALS + [(85, 8, 29305), (86, 8, 29305)]
    got, _, _ = totals(test, (60, total(0, 59, 1000, 10) + [3000, 30]), (120, total(0, 119, 1500, 15) + [3100, 31]), fields=fields)
    assert got == [(1000, 10), (3000, 30), (500, 5), (100, 1)], got
    got, _, _ = totals(test, (60, [7] + total(0, 59, 1000, 10) + [3000, 30]), (120, [7] + total(0, 119, 1500, 15) + [3100, 31]),
                       fields=[(148, 8)] + fields, name="by-id")
    assert got == [(1000, 10), (3000, 30), (500, 5), (100, 1)], got


def test_totals_of_uptimes_are_followed_across_seconds(test):
    """NetFlow v9: the header counts whole seconds, so that a start by uptime is another instant each time."""
    fields = [(8, 4), (22, 4), (21, 4), (85, 4), (86, 4)]
    datagrams = [v9(v9_template(fields))]
    for n, (octets, count) in enumerate([(1000, 10), (1500, 15), (1600, 16)], 1):
        datagrams.append((60 * n, v9(data(fields, ["10.0.0.1", 999_000, 1_000_000 + n * 60_333, octets, count]),
                                     uptime_ms=1_000_500 + n * 60_333, export_time=START + n * 60)))
    rows, _, _ = account(test, datagrams, "src_host, timestamp_start", "unaggregated[out]: true")
    assert [(r["bytes"], r["packets"]) for r in rows] == [(1000, 10), (500, 5), (100, 1)], rows


def test_totals_have_a_bound_and_say_what_it_costs(test):
    """The third flow pushes out the first, whose next total may have been counted; a flow that began later counts whole."""
    got, exporter, _ = totals(test, (1, total(0, 1, 100, 1, "10.0.0.1")), (2, total(0, 2, 200, 2, "10.0.0.2")), (3, total(0, 3, 300, 3, "10.0.0.3")),
                              (60, total(0, 59, 150, 2, "10.0.0.1")), (61, total(50, 60, 40, 1, "10.0.0.4")), more="flow_totals_max: 2")
    assert got == [(100, 1), (200, 2), (300, 3), (0, 0), (40, 1)], got
    assert exporter["total_unknown"] == 1 and exporter["totals_evicted"] == 3, exporter


def test_totals_are_forgotten_at_each_reading_of_a_capture(test):
    got, _, _ = totals(test, (60, total(0, 59, 1000, 10)), (120, total(0, 119, 1500, 15)), more="pcap_savefile_replay: 3")
    assert got == 3 * [(1000, 10), (500, 5)], got


def test_differences_come_before_renormalisation(test):
    fields = TOTALS + [(34, 4)]
    got, _, _ = totals(test, (60, total(0, 59, 1000, 10) + [100]), (120, total(0, 119, 1500, 15) + [100]), fields=fields, more="nfacctd_renormalize: true")
    assert got == [(100_000, 1000), (50_000, 500)], got


# ---- the rest ----

def test_icmp_has_type_and_code_where_netflow_5_has_them(test):
    fields = [(8, 4), (4, 1), (11, 2), (32, 2), (1, 4), (2, 4)]
    rows, _, _ = account(test, [ipfix(ipfix_template(fields), data(
        fields, ["10.0.0.1", 1, 0, 0x0301, 100, 1], ["10.0.0.2", 1, 0x0800, 0x0301, 100, 1], ["10.0.0.3", 17, 0, 0x0301, 100, 1],
        ["10.0.0.4", 58, 0, 0x8000, 100, 1]))], "src_host, dst_port")
    assert [(r["ip_src"], r["port_dst"]) for r in rows] == [("10.0.0.1", 0x301), ("10.0.0.2", 0x800), ("10.0.0.3", 0), ("10.0.0.4", 0x8000)], rows
    fields = [(27, 16), (4, 1), (178, 1), (179, 1), (1, 4), (2, 4)]
    rows, _, _ = account(test, [ipfix(ipfix_template(fields), data(fields, ["2001:db8::1", 58, 1, 4, 100, 1], ["2001:db8::2", 6, 1, 4, 100, 1]))],
                         "src_host, dst_port", name="six")
    assert [r["port_dst"] for r in rows] == [0x104, 0], rows


def test_each_message_in_a_datagram_is_decoded(test):
    """Two domains, whose templates have one id, in one datagram; then a message and a rest that is none."""
    fields, other = [(8, 4), (1, 4), (2, 4)], [(8, 4), (1, 8), (2, 8)]
    both = (ipfix(ipfix_template(fields), data(fields, ["10.0.0.1", 100, 1], ["10.0.0.1", 10, 1])) +
            ipfix(ipfix_template(other), data(other, ["10.0.0.2", 200, 2]), domain=2))
    rest = ipfix(data(fields, ["10.0.0.1", 1000, 3]), sequence=2) + b"\0\x0a\0\x09rest"
    rows, _, exporter = account(test, [both, rest], "src_host, export_proto_sysid")
    assert [(r["ip_src"], r["export_proto_sysid"], r["bytes"], r["packets"]) for r in rows] == [("10.0.0.1", 1, 1110, 5), ("10.0.0.2", 2, 200, 2)], rows
    assert exporter["datagrams_decoded"] == 2 and exporter["sequence_gaps"] == 0, exporter
    assert {k: v for k, v in exporter["drops"].items() if v} == {"trailing_bytes": 1}, exporter


def test_uptimes_of_ipfix_without_a_start_are_told_by_the_latest_end(test):
    """RFC 7011 has no uptime in the header; two sets, and uptimes that wrap."""
    fields, other = [(8, 4), (22, 4), (21, 4), (1, 4), (2, 4)], [(8, 4), (21, 4), (22, 4), (1, 4), (2, 4)]
    near = 1 << 32
    rows, _, _ = account(test, [
        ipfix(ipfix_template(fields), ipfix_template(other, 257)),
        ipfix(data(fields, ["10.0.0.1", near - 9000, near - 4000, 100, 1]), data(other, ["10.0.0.2", 1000, near - 2000, 200, 2], template_id=257))],
        "src_host, timestamp_start, timestamp_end", "timestamps_since_epoch: true")
    assert [(r["ip_src"], r["timestamp_start"], r["timestamp_end"]) for r in rows] == [
        ("10.0.0.1", f"{START - 10}.000000", f"{START - 5}.000000"), ("10.0.0.2", f"{START - 3}.000000", f"{START}.000000")], rows


def test_times_that_are_no_ntp_are_plain_microseconds(test):
    fields = [(8, 4), (154, 8), (155, 8), (1, 4), (2, 4)]
    plain = [(START - 60) * 1_000_000 + 250_000, START * 1_000_000]
    ntp = [(START - 60 + 2_208_988_800) << 32 | 1 << 30, (START + 2_208_988_800) << 32]
    rows, _, _ = account(test, [ipfix(ipfix_template(fields), data(fields, ["10.0.0.1", *plain, 100, 1], ["10.0.0.2", *ntp, 100, 1]))],
                         "src_host, timestamp_start, timestamp_end", "timestamps_since_epoch: true")
    assert {(r["timestamp_start"], r["timestamp_end"]) for r in rows} == {(f"{START - 60}.250000", f"{START}.000000")} and len(rows) == 2, rows


if __name__ == "__main__":
    main(globals())
