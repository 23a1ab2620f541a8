#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same configuration and the same capture through Debian's nfacctd 1.7.7 and this one: the same records, in JSON, CSV
and formatted. Where the two differ on purpose (docs/switching) the input leaves that out, or the comparison says so."""
import collections
import csv
import json
import shutil

from harness import SHARED, Skip, json_lines, main, need_pmacct
import exports

START_S = 1700000000
# timestamp_arrival is left out: pmacct takes the wall clock's, not the capture's.
KEYS = """tag, tag2, src_mac, dst_mac, vlan, cos, etype, src_as, dst_as, peer_src_as, peer_dst_as, peer_src_ip, peer_dst_ip,
in_iface, out_iface, src_host, src_net, dst_host, dst_net, src_mask, dst_mask, src_port, dst_port, tcpflags, proto, tos,
sampling_rate, sampling_direction, post_nat_src_host, post_nat_dst_host, post_nat_src_port, post_nat_dst_port, nat_event,
mpls_label_top, mpls_label_bottom, timestamp_start, timestamp_end, timestamp_export, export_proto_seqno,
export_proto_version, export_proto_sysid, flows""".replace("\n", " ")
# pmacct 1.7.7 has tcp_flags as text in JSON, and no mpls_vpn_rd_origin.
CONFIG = """
daemonize: false
plugins: print[json], print[csv], print[formatted]
aggregate[json]: label, class, mpls_vpn_rd, {keys}
aggregate[csv]: class, mpls_vpn_rd, {keys}
aggregate[formatted]: {keys}
print_output[json]: json
print_output_file[json]: {dir}/json
print_output[csv]: csv
print_output_file[csv]: {dir}/csv
print_output[formatted]: formatted
print_output_file[formatted]: {dir}/formatted
print_output_file_append: true
print_refresh_time: 3600
timestamps_utc: true
timestamps_secs: true
tcpflags_encode_as_string: true
pcap_savefile: {pcap}
{more}
"""


def run_both(test, pcap, more="", without=()):
    """The folders with what pmacct and what we wrote, of all keys but some."""
    keys = ", ".join(key for key in KEYS.split(", ") if key not in without)
    program, folders = need_pmacct("sbin/nfacctd"), []
    for name in ("theirs", "ours"):
        folder = test.dir / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        config = CONFIG.format(keys=keys, dir=folder, pcap=pcap, more=more)
        if name == "ours":
            daemon = test.nfacctd(config)
        else:
            # A key that 1.7.7 does not know is a warning there.
            daemon = test.start([program, "-f", test.write("pmacct.conf", config)], "pmacct")
        daemon.wait(60)
        folders.append(folder)
    return folders


def lines(folder, output):
    """Records without regard to order, first the title if there is one."""
    if output == "json":
        rows = json_lines(folder / "json")
        for row in rows:
            row.pop("mpls_vpn_rd_origin", None)
            row.pop("stamp_updated", None)  # when it was written
        return [json.dumps(row) for row in rows]  # in the order of keys that was written
    with open(folder / output, encoding="ascii") as file:
        rows = list(csv.reader(file)) if output == "csv" else [line.split() for line in file]
    return [" ".join(rows[0]), *(" ".join(row) for row in rows[1:])]


def differences(missing, extra):
    """Returns what differs, by key, between records paired by their addresses: (pmacct's, ours) of one record each."""
    def pairs(rows):
        return {(row["ip_src"], row["ip_dst"], row["packets"] if "packets" in row else 0): row for row in map(json.loads, rows)}
    theirs, ours = pairs(missing), pairs(extra)
    out = {"only theirs": sorted(theirs.keys() - ours.keys()), "only ours": sorted(ours.keys() - theirs.keys())}
    for key in theirs.keys() & ours.keys():
        a, b = theirs[key], ours[key]
        out.update({name: (a.get(name), b.get(name)) for name in a.keys() | b.keys() if a.get(name) != b.get(name)})
    return out


def compare(folders, count):
    for output in ("json", "csv", "formatted"):
        theirs, ours = (lines(folder, output) for folder in folders)
        if output != "json":
            assert theirs[0] == ours[0], f"{output}:\n{theirs[0]}\n{ours[0]}"
        missing, extra = (list((collections.Counter(a) - collections.Counter(b)).elements())
                          for a, b in ((theirs, ours), (ours, theirs)))
        assert not missing and not extra, f"{output}: {differences(missing, extra) if output == 'json' else (missing[:2], extra[:2])}"
        assert len(ours) == count + (output != "json"), (output, len(ours))


def write_pcap(test, messages):
    pcap = test.dir / "in.pcap"
    exports.write_pcap(pcap, [(START_S + n, exports.udp_packet(data, source)) for n, (source, data) in enumerate(messages)])
    return pcap


def ipfix(template_id, fields, *rows):
    return exports.ipfix([exports.ipfix_set(2, exports.template(template_id, fields)),
                          exports.ipfix_set(template_id, b"".join(exports.record(fields, row) for row in rows))],
                         export_time=START_S)


def test_netflow5(test):
    flows = [dict(src=f"10.0.0.{n}", dst="192.0.2.1", packets=n, bytes=100 * n, sport=1024 + n, dport=53 * n, proto=(6, 17, 1, 47)[n % 4],
                  flags=n, tos=4 * n, src_as=n, dst_as=65535 - n, src_mask=8 + n, dst_mask=24, first=3600000 - 1250 * n,
                  last=3600000 - 500 * n, **{"in": n, "out": n + 1}) for n in range(1, 21)]
    message = exports.netflow5(flows, sequence=7, engine=0x0102, sampling=0x4064, export_time=START_S)
    compare(run_both(test, write_pcap(test, [("192.0.2.5", message)])), 20)


def test_netflow9_with_sampler_options(test):
    options, fields = [(1, 4), (48, 1), (49, 1), (50, 4)], \
        [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (5, 1), (6, 1), (10, 2), (14, 2), (18, 4), (16, 2), (17, 2), (9, 1), (13, 1), (22, 4),
         (21, 4), (48, 1), (56, 6), (57, 6), (58, 2), (61, 1), (1, 4), (2, 4)]
    body = exports.template(257, options)  # RFC 3954 section 6.1: lengths of scopes and options in bytes
    body = body[:2] + bytes((0, 4, 0, 12)) + body[4:]
    rows = [[f"10.0.1.{n}", "198.51.100.1", 2000 + n, 443, 6, 0, 0x12, 3, 4, "10.9.9.9", 100, 200, 24, 16, 3590000 + n, 3599000 + n, 1,
             b"\0\x11\x22\x33\x44\x55", b"\x66\x77\x88\x99\xaa\xbb", 100, n % 2, 1500 * n, n] for n in range(1, 11)]
    messages = [exports.netflow9([exports.ipfix_set(1, body, 4)], 1, 0, export_time=START_S),
                exports.netflow9([exports.ipfix_set(257, exports.record(options, [0, 1, 2, 100]), 4)], 1, 1, export_time=START_S),
                exports.netflow9([exports.ipfix_set(0, exports.template(258, fields)),
                                  exports.ipfix_set(258, b"".join(exports.record(fields, row) for row in rows), 4)], 11, 2,
                                 export_time=START_S)]
    for more in ("", "nfacctd_renormalize: true"):
        compare(run_both(test, write_pcap(test, [("192.0.2.9", m) for m in messages]), more), 10)


def test_ipfix_of_both_families(test):
    rows = [exports.common_flow(f"10.0.2.{n}", "203.0.113.7", "10.0.0.3", sport=n, tos=184, start_ms=START_S * 1000 - 1750 * n,
                                end_ms=START_S * 1000 - 250 * n, octets=n << 33, packets=n) for n in range(1, 11)]
    rows6 = [exports.common_flow(f"2001:db8::{n:x}", "2001:db8:1::7", "2001:db8:ffff::3", dport=n, proto=58, src_mask=32, dst_mask=48,
                                 start_ms=START_S * 1000 - 1750 * n, end_ms=START_S * 1000) for n in range(1, 11)]
    compare(run_both(test, write_pcap(test, [("192.0.2.10", ipfix(256, exports.COMMON_FIELDS, *rows)),
                                             ("192.0.2.11", ipfix(257, exports.COMMON_FIELDS_V6, *rows6))])), 20)


def test_time_bins_numbers_and_forms(test):
    """No flow starts with its bin: 1.7.7 takes that one to the bin before."""
    rows = [exports.common_flow(f"10.0.2.{n}", "203.0.113.7", "10.0.0.3", proto=6 + 11 * (n % 2), tos=184, sport=n,
                                start_ms=(START_S - 41 * n) * 1000, end_ms=START_S * 1000) for n in range(1, 11)]
    compare(run_both(test, write_pcap(test, [("192.0.2.10", ipfix(256, exports.COMMON_FIELDS, *rows))]), """
print_history: 5m
print_history_roundoff: m
print_num_protos: true
timestamps_since_epoch: true
aggregate_filter[json]: dst port 443
"""), 10)


def test_events_labels_and_tunnels(test):
    """NAT and firewall events without counters, MPLS labels, a packet inside a packet."""
    base = [(8, 4), (12, 4)]
    messages = [
        ipfix(300, base + [(230, 1), (225, 4), (226, 4), (227, 2), (228, 2)],
              ["10.0.3.1", "192.0.2.1", 1, "198.51.100.1", "192.0.2.1", 40000, 443]),
        ipfix(301, base + [(233, 1)], ["10.0.3.2", "192.0.2.1", 2]),
        ipfix(302, base + [(70, 3), (71, 3), (1, 4), (2, 4)], ["10.0.3.3", "192.0.2.1", b"\x03\xec\x10", b"\x03\xec\xe1", 100, 1]),
        ipfix(303, base + [(1, 4), (2, 4)], ["10.0.3.4", "192.0.2.1", 0, 0]),
        ipfix(304, base + [(4, 1), (7, 2), (10, 4)] + base + [(4, 1), (7, 2), (1, 4), (2, 4)],
              ["10.0.3.5", "192.0.2.1", 4, 0, 7, "10.0.3.6", "192.0.2.2", 17, 53, 100, 1]),
        ipfix(305, [(27, 16), (28, 16), (4, 1), (29, 1), (30, 1)] + base + [(4, 1), (256, 2), (1, 4), (2, 4)],
              ["2001:db8::1", "2001:db8::2", 4, 48, 64, "10.0.3.7", "192.0.2.3", 6, 0x86DD, 100, 1]),  # else 1.7.7 has the inner etype
    ]
    compare(run_both(test, write_pcap(test, [("192.0.2.12", m) for m in messages])), len(messages))


def test_real_routers(test):
    """Captures from outside the project; those in which 1.7.7 itself differs from later versions are left out.
    RouterOS counts times from its start and does not export that, so the two read them differently."""
    found = 0
    for name, count, without in (("akvorado-nfv5", 29, ()), ("akvorado-nfv9", 4, ()),
                                 ("logstash-ipfix-mikrotik-routeros-6-39-2", 46, ("timestamp_start", "timestamp_end")),
                                 ("101-netflow9-custom-primitives/traffic-00", 51, ())):
        pcap = SHARED / f"captures/{name}.pcap"
        if pcap.exists():
            compare(run_both(test, pcap, without=without), count)
            found += 1
    if not found:
        raise Skip(f"there are no captures in {SHARED}/captures")


if __name__ == "__main__":
    main(globals())
