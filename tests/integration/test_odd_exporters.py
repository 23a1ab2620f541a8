#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exporters that do what standards do not foresee, or leave open: small captures written by hand go in, JSON comes out."""
import struct

from harness import SHARED, Skip, json_lines, main
import exports  # harness knows where it is

START = 1_700_000_000  # 2023-11-14 22:13:20 UTC
V9_OPTIONS, V9_TEMPLATES = 1, 0


def account(test, datagrams, aggregate, more="", name="in"):
    """Rows for messages, or (seconds after START, message); and the daemon's log and ledger."""
    path = datagrams
    if isinstance(datagrams, list):
        path = test.dir / f"{name}.pcap"
        timed = [d if isinstance(d, tuple) else (0, d) for d in datagrams]
        exports.write_pcap(path, [(START + when, exports.udp_packet(message, "192.0.2.1")) for when, message in timed])
    daemon = test.nfacctd(f"""
plugins: print[out]
aggregate[out]: {aggregate}
print_output[out]: json
print_output_file[out]: {test.dir}/{name}.json
{more}
""", "-I", path, name=name)
    assert daemon.wait(60) == 0, daemon.output()
    return json_lines(test.dir / f"{name}.json"), daemon.output(), test.stats(name)["exporters"][0]


def shared(name):
    path = SHARED / "field" / name / "exports.pcap"
    if not path.exists():
        raise Skip(f"{path} is not there")
    return path


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
    rows, _, _ = account(test, shared("fortigate-app-id"), "src_host, dst_host, src_port, dst_port, proto, in_iface")
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


if __name__ == "__main__":
    main(globals())
