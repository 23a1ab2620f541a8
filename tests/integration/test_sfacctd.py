#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""sfacctd as an operator runs it: sampling, keys, hostile datagrams, the same output for any number of workers, paths by BGP."""
import collections
import hashlib
import json
import os
import random
import socket
import subprocess

from harness import SFACCTD, Bird, four_paths, free_port, json_lines, main, need_pmacct, need_sample, wait_for
import exports
import sflow

START = 1_700_000_000
PORT = 6343


def sample(records, rate=1000, in_iface=7, **more):
    return sflow.flow_sample(records, rate=rate, in_iface=in_iface, source=7, out_iface=9, **more)


def one(test, *samples, agent="127.0.0.1", config="", **more):
    """The rows that sfacctd makes of one datagram out of a capture."""
    exports.write_pcap(test.dir / "in.pcap", [(START, exports.udp_packet(sflow.datagram(samples, agent=agent), "127.0.0.1", dport=PORT))])
    (test.dir / "out.json").unlink(missing_ok=True)
    daemon = test.sfacctd(f"""
plugins: print[out]
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
pcap_savefile: {test.dir}/in.pcap
{config}
""", **more)
    assert daemon.wait(30) == 0, daemon.output()
    return json_lines(test.dir / "out.json")


def test_a_sample_is_renormalised_once_whatever_the_number_of_plugins(test):
    """pmacct 1.7.7 gives the second plugin another count: 2000 and 1000 of the same sample."""
    records, length = sflow.header("10.0.0.1", "192.0.2.1")
    samples = [sample([records], sequence=n, pool=2000 * n, rate=1000) for n in range(1, 11)]
    exports.write_pcap(test.dir / "in.pcap", [(START + n, exports.udp_packet(sflow.datagram([s], sequence=n), dport=PORT))
                                              for n, s in enumerate(samples)])
    daemon = test.sfacctd(f"""
plugins: print[a], print[b], print[c]
aggregate: src_host, sampling_rate
print_output: json
print_output_file[a]: {test.dir}/a
print_output_file[b]: {test.dir}/b
print_output_file[c]: {test.dir}/c
sfacctd_renormalize: true
pcap_savefile: {test.dir}/in.pcap
""")
    assert daemon.wait(30) == 0, daemon.output()
    for name in "abc":
        (row,) = json_lines(test.dir / name)
        assert (row["packets"], row["bytes"], row["sampling_rate"]) == (10000, 10000 * length, 1), (name, row)
    counters = test.stats("sfacctd")["exporters"][0]
    assert "sample_pool" in json.dumps(counters), counters


def test_sampling_map_and_ext_sampling_rate(test):
    records, length = sflow.header("10.0.0.1", "192.0.2.1")
    sampled = [sample([records], rate=1000, in_iface=1), sample([records], rate=1000, in_iface=2),
               sample([records], rate=0, in_iface=3)]
    test.write("sampling.map", "id=50 ip=127.0.0.1 in=2\n")
    rows = one(test, *sampled, config=f"""
aggregate[out]: in_iface
sampling_map: {test.dir}/sampling.map
sfacctd_ext_sampling_rate: 7
sfacctd_renormalize: true
""")
    assert {r["iface_in"]: (r["packets"], r["bytes"]) for r in rows} == {1: (1000, 1000 * length), 2: (50, 50 * length), 3: (7, 7 * length)}


def test_keys_go_by_either_daemons_name(test):
    """One configuration may serve both daemons, as with pmacct."""
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")
    rows = one(test, sample([records, sflow.gateway("10.9.9.9", (789, 654))], rate=10), config="""
aggregate[out]: dst_as, as_path, peer_dst_ip
nfacctd_renormalize: true
nfacctd_as: netflow
nfacctd_time_secs: true
nfacctd_templates_file: /nowhere
""")
    assert [(r["as_dst"], r["as_path"], r["peer_ip_dst"], r["packets"]) for r in rows] == [(654, "789_654", "10.9.9.9", 10)]
    refused = subprocess.run([SFACCTD, "--check", "-f", test.write("bad.conf", "plugins: print\nsfacctd_counter_kafka_avro_schema_registry: x\nsfacctd_porrt: 1\n")],
                             capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "did you mean sfacctd_port" in refused.stderr and "counters of sFlow are written as JSON" in refused.stderr, refused.stderr


def test_what_sflow_cannot_tell_is_said(test):
    test.write("custom", "name=x field_type=1 len=4 semantics=u_int\n")
    config = "plugins: print[a]\naggregate[a]: src_host, timestamp_start, class, dst_as\n"
    told = subprocess.run([SFACCTD, "--check", "-f", test.write("a.conf", config)], capture_output=True, text=True, check=False)
    assert told.returncode == 0 and "'timestamp_start' is not told by sFlow" in told.stderr and "'class'" in told.stderr, told.stderr
    assert "dst_as" not in told.stderr and "src_host" not in told.stderr, told.stderr
    refused = subprocess.run([SFACCTD, "--check", "-f", test.write("b.conf", config + f"aggregate_primitives: {test.dir}/custom\n")],
                             capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "b.conf:3: aggregate_primitives: sFlow has no information elements" in refused.stderr, refused.stderr


def test_discarded_packets_are_flows_where_asked_for(test):
    """Discards are told, not sampled: renormalisation leaves each one packet, whatever the rate of the samples beside it."""
    records, length = sflow.header("10.0.0.1", "192.0.2.1")
    events = [sample([records], rate=1000), sflow.discarded_packet([records], 258, sequence=1, drops=0),
              sflow.discarded_packet([records], 258, sequence=2, drops=5)]
    config = "aggregate[out]: src_host, discard_reason, fwd_status\nsfacctd_renormalize: true\n"
    (row,) = one(test, *events, config=config)
    assert (row["packets"], row["bytes"], row["discard_reason"]) == (1000, 1000 * length, ""), row
    counters = test.stats("sfacctd")["exporters"][0]
    assert (counters["discarded_packets"], counters["discards_untold"], counters["flows"]) == (2, 5, 1), counters
    rows = one(test, *events, config=config + "sfacctd_discards: true\n")
    assert {r["discard_reason"]: (r["packets"], r["bytes"]) for r in rows} == {"": (1000, 1000 * length), "acl": (2, 2 * length)}


def test_the_agent_is_the_exporter_for_maps_too(test):
    """Agents behind one address are told apart; sfacctd_ignore_exporter_address takes them as one."""
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")
    test.write("sampling.map", "id=50 ip=192.0.2.77\n")
    config = f"aggregate[out]: peer_src_ip\nsampling_map: {test.dir}/sampling.map\nsfacctd_renormalize: true\n"
    rows = one(test, sample([records]), agent="192.0.2.77", config=config)
    assert [(r["peer_ip_src"], r["packets"]) for r in rows] == [("192.0.2.77", 50)], rows
    assert [e["address"] for e in test.stats("sfacctd")["exporters"]] == ["192.0.2.77"], "the carrier of its datagrams is none"
    rows = one(test, sample([records]), agent="192.0.2.77", config=config + "sfacctd_ignore_exporter_address: true\n", name="ignore")
    assert [(r["peer_ip_src"], r["packets"]) for r in rows] == [("127.0.0.1", 1000)], rows


def test_a_record_of_the_outer_header_gives_the_tunnel_primitives(test):
    """An agent behind the end of the tunnel samples the inner packet; sFlow.org's tunnel structures, formats 1024 and 1026."""
    packet, _ = sflow.header("10.0.0.1", "10.0.0.2")
    outer = {4: sflow.record(1024, sflow.words(150, 17, 0xc0000201, 0xc0000202, 50000, 4789, 0, 0xb8)),
             6: sflow.record(1026, sflow.words(170, 47) + sflow.address("2001:db8::1")[4:] + sflow.address("2001:db8::2")[4:] + sflow.words(0, 0, 0, 8))}
    names = "src_host, tunnel_src_host, tunnel_dst_host, tunnel_proto, tunnel_tos, tunnel_src_port, tunnel_dst_port, encap_src_host"
    expected = {4: ("10.0.0.1", "192.0.2.1", "192.0.2.2", "udp", 0xb8, 50000, 4789, "192.0.2.1"),
                6: ("10.0.0.1", "2001:db8::1", "2001:db8::2", "gre", 8, 0, 0, "2001:db8::1")}
    for version, record in outer.items():
        for records in ([packet, record], [record, packet]):
            (row,) = one(test, sample(records), config=f"aggregate[out]: {names}\ntunnel_headers: inner\n")
            got = tuple(row[k] for k in ("ip_src", "tunnel_ip_src", "tunnel_ip_dst", "tunnel_ip_proto", "tunnel_tos", "tunnel_port_src",
                                         "tunnel_port_dst", "encap_ip_src"))
            assert got == expected[version], got
    (row,) = one(test, sample([packet, outer[4]]), config=f"aggregate[out]: {names}\n")
    assert (row["ip_src"], row["tunnel_ip_src"], row["encap_ip_src"]) == ("10.0.0.1", "", "192.0.2.1"), row


HOSTILE = {
    "a gateway of 2^32 segments": sflow.record(1003, sflow.address("10.0.0.1") + sflow.words(1, 2, 3, -1, 2, -1, 1)),
    "a segment of 2^32 ASes": sflow.record(1003, sflow.address("10.0.0.1") + sflow.words(1, 2, 3, 1, 2, -1, 1)),
    "2^30 communities": sflow.record(1003, sflow.address("10.0.0.1") + sflow.words(1, 2, 3, 0, 1 << 30, 1)),
    "2^31 labels": sflow.record(1006, sflow.address("10.0.0.1") + sflow.words(1 << 31, 1)),
    "a user name of 4 GB": sflow.record(1004, sflow.words(106, -1, 1)),
    "a header longer than the datagram": sflow.record(1, sflow.words(1, 1500, 4, 65535) + bytes(60)),
    "an address of a family that is not": sflow.record(1002, sflow.words(9, 1, 2, 3)),
}


def test_hostile_datagrams_are_counted_and_the_good_ones_are_not_lost(test):
    good, length = sflow.header("10.0.0.1", "192.0.2.1")
    daemon = test.sfacctd(f"""
sfacctd_workers: 2
plugins: print[out]
aggregate[out]: src_host
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_refresh_time[out]: 1
""")
    rng, sent, flows = random.Random(5), 0, 0
    for record in HOSTILE.values():
        test.send(sflow.datagram([sample([record, good])], sequence=sent), source="127.0.0.9")
        sent, flows = sent + 1, flows + 1
    whole = sflow.datagram([sample([good])] * 5)
    for n in range(300):  # cut anywhere, or with a word of it changed
        data = bytearray(whole)
        if n % 2:
            data = data[:rng.randrange(1, len(data))]
        else:
            data[rng.randrange(0, len(data) // 4) * 4:][:4] = b"\xff\xff\xff\xff"
        test.send(bytes(data), source=f"127.0.0.{10 + n % 5}")
        sent += 1
    test.send(sflow.datagram([sample([good])], sequence=1), source="127.0.0.9")
    sent, flows = sent + 1, flows + 1
    assert daemon.stop() == 0, daemon.output()
    stats = test.stats("sfacctd")
    text = json.dumps(stats)
    assert '"bad_flow_record"' in text, text
    total = collections.Counter()

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if isinstance(value, int):
                    total[key] += value
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
    for exporter in stats["exporters"]:
        walk(exporter)
    assert total["datagrams_read"] == sent, (sent, total)
    refused = total["truncated_header"] + total["bad_version"]
    assert total["datagrams_decoded"] + refused == sent, total
    assert total["bad_flow_record"] >= len(HOSTILE), total
    rows = json_lines(test.dir / "out.json")
    assert sum(r["packets"] for r in rows) == total["flows"] >= flows


def capture(test):
    """Samples of eight agents over a minute; the truth by agent and destination AS."""
    rng, packets, truth, sequence = random.Random(3), [], collections.Counter(), collections.Counter()
    for n in range(1500):
        agent = f"127.0.3.{rng.randint(1, 8)}"
        samples = []
        for _ in range(rng.randint(1, 6)):
            asn = rng.randint(64496, 64499)
            records, length = sflow.header(f"10.1.0.{rng.randint(1, 99)}", f"192.0.2.{rng.randint(1, 99)}", payload_len=rng.randint(0, 1200))
            sequence[agent, "s"] += 1
            samples.append(sample([sflow.gateway("10.0.0.9", (789, asn)), records], sequence=sequence[agent, "s"], rate=100))
            truth[agent, asn] += length * 100
        sequence[agent] += 1
        packets.append((START + n * 60 / 1500, exports.udp_packet(sflow.datagram(samples, sequence=sequence[agent], agent=agent), agent, dport=PORT)))
    exports.write_pcap(test.dir / "in.pcap", packets)
    return truth


def test_replay_is_the_same_for_any_number_of_workers(test):
    truth, digests = capture(test), {}
    for workers in (1, 2, 3):
        out = test.dir / f"w{workers}"
        out.mkdir()
        daemon = test.sfacctd(f"""
sfacctd_workers: {workers}
sfacctd_renormalize: true
pcap_savefile: {test.dir}/in.pcap
plugins: print[json], print[csv]
aggregate[json]: peer_src_ip, dst_as, as_path, peer_dst_ip
aggregate[csv]: dst_as, src_host, dst_host, proto, flows
print_output[json]: json
print_output[csv]: csv
print_output_file[json]: {out}/json-%H%M%S
print_output_file[csv]: {out}/csv
print_history[json]: 10s
print_refresh_time: 10
print_output_file_append: true
""", name=f"w{workers}")
        assert daemon.wait(60) == 0, daemon.output()
        files = sorted(p for p in out.iterdir() if not p.name.endswith(".state"))
        digests[workers] = [(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]
        got = collections.Counter()
        for path in out.glob("json-*"):
            for row in json_lines(path) if not path.name.endswith(".state") else ():
                got[row["peer_ip_src"], row["as_dst"]] += row["bytes"]
        assert got == truth, "the bytes of the capture"
    assert len(digests[1]) > 3 and digests[1] == digests[2] == digests[3], digests


def test_bgp_tells_the_path_by_the_gateways_next_hop(test):
    daemon = test.sfacctd(f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {(bgp_port := free_port(socket.SOCK_STREAM))}
sfacctd_as: bgp
sfacctd_net: bgp
use_ip_next_hop: true
plugins: print[out]
aggregate[out]: in_iface, peer_dst_ip, peer_dst_as, as_path, dst_net, dst_mask, path_match, local_pref
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
""")
    Bird(test, bgp_port, four_paths(), address="127.0.0.11")
    daemon.wait_log("End-of-RIB", 30)
    packet, _ = sflow.header("10.0.0.1", "192.168.1.9")
    samples = [sample([packet, sflow.gateway("10.0.0.3", (1, 2))], in_iface=1), sample([packet, sflow.router("10.0.0.2")], in_iface=2),
               sample([sflow.router("10.0.0.2"), sflow.gateway("10.0.0.4", (1, 2)), packet], in_iface=3),
               sample([packet, sflow.gateway("10.9.9.9", (1, 2))], in_iface=4), sample([packet], in_iface=5)]
    test.send(sflow.datagram(samples, agent="127.0.0.11"), source="127.0.0.11")
    rows = wait_for(lambda: len(r := json_lines(test.dir / "out.json")) == 5 and r, "five rows")
    got = {r["iface_in"]: (r["path_match"], r["peer_ip_dst"], r["as_path"], r["peer_as_dst"]) for r in rows}
    assert got == {1: ("exact", "10.0.0.3", "321_654_789", 321), 2: ("exact", "10.0.0.2", "123_456_789", 123),
                   3: ("exact", "10.0.0.4", "213_546_789", 213), 4: ("unmatched", "10.9.9.9", "", 0), 5: ("best", "", "", 0)}, got
    assert all((r["net_dst"], r["mask_dst"]) == ("192.168.1.0", 24) for r in rows if r["path_match"] == "exact"), rows
    assert daemon.stop() == 0, daemon.output()


def test_the_exports_own_path_stays_where_bgp_is_not_asked_for_it(test):
    """sfacctd_as: sflow with a BGP daemon for other things: as_path, communities and preference are the gateway record's."""
    daemon = test.sfacctd(f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {free_port(socket.SOCK_STREAM)}
sfacctd_as: sflow
plugins: print[out]
aggregate[out]: dst_as, peer_dst_as, src_as, peer_src_as, as_path, std_comm, local_pref, peer_dst_ip
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_refresh_time[out]: 1
""")
    packet, _ = sflow.header("10.0.0.1", "192.168.1.9")
    test.send(sflow.datagram([sample([sflow.gateway("10.0.0.3", (789, 654), communities=(65000 << 16 | 1,)), packet])]), source="127.0.0.11")
    (row,) = wait_for(lambda: json_lines(test.dir / "out.json"), "a row")
    assert {k: row[k] for k in ("as_dst", "peer_as_dst", "as_src", "peer_as_src", "as_path", "comms", "local_pref", "peer_ip_dst")} == {
        "as_dst": 654, "peer_as_dst": 789, "as_src": 65001, "peer_as_src": 65002, "as_path": "789_654", "comms": "65000:1",
        "local_pref": 100, "peer_ip_dst": "10.0.0.3"}, row
    assert daemon.stop() == 0, daemon.output()


def test_counters_are_lines_of_json(test):
    fields = (7, 6, 0, 10**9, 1, 3, 0, 1000, 1, 2, 3, 4, 5, 6, 0, 2000, 1, 2, 3, 4, 5, 0)
    body = sflow.words(9, 7, 1) + sflow.record(1, sflow.words(*fields))
    packet, _ = sflow.header("10.0.0.1", "192.0.2.1")
    os.environ["TZ"] = "XXX5"
    rows = one(test, sflow.words(2, len(body)) + body, sample([packet]), agent="192.0.2.77", config=f"""
aggregate[out]: src_host
timestamps_utc: true
sfacctd_counter_file: {test.dir}/counters-$peer_src_ip
""")
    del os.environ["TZ"]
    assert len(rows) == 1
    (line,) = json_lines(test.dir / "counters-192_0_2_77")
    assert line["timestamp"] == "2023-11-14 22:13:20.000000", "START, in UTC: " + line["timestamp"]
    assert (line["sf_cnt_type"], line["ifIndex"], line["ifInOctets"], line["ifOutOctets"]) == ("sflow_cnt_generic", 7, 1000, 2000), line


# sFlow.org, "sFlow Version 5", type interface: the greatest number means that there is none. Agents write it in 30 bits or in 32.
NO_INTERFACE = (0x3fffffff, 0xffffffff)


def expanded_sample(records, in_iface, out_iface):
    """Format 3: source class and index, and format and number of each interface, are words of their own."""
    return sflow.record(3, sflow.words(1, 0, 7, 1, 1, 0, 0, in_iface, 0, out_iface, len(records)) + b"".join(records))


def test_a_side_without_an_interface_is_0(test):
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")
    sides = [(none, 9) for none in NO_INTERFACE] + [(7, none) for none in NO_INTERFACE]
    for make in (lambda i, o: sflow.flow_sample([records], in_iface=i, out_iface=o), lambda i, o: expanded_sample([records], i, o)):
        rows = one(test, *(make(*side) for side in sides), make(0x3ffffffe, 5), config="aggregate[out]: in_iface, out_iface\n")
        got = {(r["iface_in"], r["iface_out"]): r["packets"] for r in rows}
        assert got == {(0, 9): 2, (7, 0): 2, (0x3ffffffe, 5): 1}, got
    events = [sflow.discarded_packet([records], 258, in_iface=none) for none in NO_INTERFACE]
    (row,) = one(test, *events, config="aggregate[out]: in_iface, out_iface\nsfacctd_discards: true\n")
    assert (row["iface_in"], row["iface_out"], row["packets"]) == (0, 0, 2), row


def test_a_frame_as_long_as_what_was_captured_has_the_ip_headers_length(test):
    """The packet has 20 + 20 + 1000 bytes by its IP header, of which 128 bytes of frame were captured. IPv6: 40 + 20 + 1000."""
    for src, dst, length in (("10.0.0.1", "192.0.2.1", 1040), ("2001:db8::1", "2001:db8::2", 1060)):
        frame, whole = sflow.ethernet(src, dst, payload_len=1000)
        for said, counted in ((128, length), (100, length), (whole, whole), (133, 133)):
            for names in ("src_host", "in_iface"):  # which nobody needs the header for
                (row,) = one(test, sample([sflow.raw_header(frame, said)]), config=f"aggregate[out]: {names}\n")
                assert row["bytes"] == counted, (src, said, names, row)
    frame, _ = sflow.ethernet("10.0.0.1", "192.0.2.1", payload_len=0)  # padded to the least frame: its length stays
    (row,) = one(test, sample([sflow.raw_header(frame + bytes(6), 64)]), config="aggregate[out]: src_host\n")
    assert row["bytes"] == 64, row


def ip_record(src, dst, length):
    """Formats 3 and 4: length, protocol, addresses, ports, flags, and a type of service of 8."""
    both = sflow.address(src)[4:] + sflow.address(dst)[4:]
    return sflow.record(3 if len(both) == 8 else 4, sflow.words(length, 6) + both + sflow.words(1024, 443, 0x18, 8))


def test_of_a_header_and_an_ip_record_the_last_one_counts(test):
    """Debian's pmacct 1.7.7 does the same: this was run beside it."""
    for src, dst in (("10.0.0.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::2")):
        packet, length = sflow.header(src, dst, payload_len=500)
        record = ip_record(src, dst, 777)
        for records, counted in (([packet, record], 777), ([record, packet], length), ([record], 777), ([packet, ip_record(src, dst, 0)], length)):
            (row,) = one(test, sample(records), config="aggregate[out]: src_host\n")
            assert (row["ip_src"], row["bytes"]) == (src, counted), (counted, row)


def rows_of_pmacct(test, samples, aggregate, name):
    """What Debian's sfacctd writes first, of samples in datagrams of their own."""
    messages = [sflow.datagram([sample], sequence=number) for number, sample in enumerate(samples, 1)]
    exports.write_pcap(test.dir / "in.pcap", [(START, exports.udp_packet(message, "127.0.0.1", dport=PORT)) for message in messages])
    conf = test.write("pmacct.conf", f"""
daemonize: false
plugins: print[out]
aggregate[out]: {aggregate}
print_output[out]: json
print_output_file[out]: {test.dir}/{name}.json
print_refresh_time[out]: 1
pcap_savefile: {test.dir}/in.pcap
""")
    daemon = test.start([need_pmacct("sbin/sfacctd"), "-f", conf], "pmacct")
    rows = wait_for(lambda: (test.dir / f"{name}.json").exists() and json_lines(test.dir / f"{name}.json"), "pmacct's rows")
    daemon.stop()
    return rows


def test_the_last_length_counts_in_pmacct_too(test):
    packet, length = sflow.header("10.0.0.1", "192.0.2.1", payload_len=500)
    record = ip_record("10.0.0.1", "192.0.2.1", 777)
    for name, records, counted in (("a", [packet, record], 777), ("b", [record, packet], length)):
        rows = rows_of_pmacct(test, [sample(records)], "in_iface", name)
        assert [r["bytes"] for r in rows] == [counted], rows


def labelled_frames():
    """Frames by number: of IPv4 or IPv6 below labels, with a VLAN before them, of ARP, and a pseudowire's."""
    macs, tag = bytes.fromhex("020000000002020000000001"), bytes.fromhex("81000007")
    four, six = (sflow.ethernet(src, dst, proto=17, payload_len=20)[0][14:] for src, dst in (("10.0.0.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::2")))
    top, bottom = sflow.words(1000 << 12 | 64), sflow.words(1001 << 12 | 1 << 8 | 64)
    return [macs + after for after in (b"\x88\x47" + bottom + four, b"\x88\x47" + top + bottom + four, tag + b"\x88\x47" + bottom + four,
                                       b"\x88\x47" + bottom + six, b"\x08\x06" + bytes(46),
                                       b"\x88\x47" + bottom + bytes(4) + macs + b"\x08\0" + four)]


def test_the_etype_is_that_of_the_packet_below_the_labels(test):
    samples = [sflow.flow_sample([sflow.raw_header(frame)], in_iface=number) for number, frame in enumerate(labelled_frames(), 1)]
    rows = one(test, *samples, config="aggregate[out]: in_iface, etype, src_host, vlan, mpls_label_top\n")
    got = {r["iface_in"]: (r["etype"], r["ip_src"], r["vlan"], r["mpls_label_top"], r["bytes"]) for r in rows}
    lengths = [len(frame) + 4 for frame in labelled_frames()]  # and the checksum
    assert got == {1: ("800", "10.0.0.1", 0, 1001, lengths[0]), 2: ("800", "10.0.0.1", 0, 1000, lengths[1]), 3: ("800", "10.0.0.1", 7, 1001, lengths[2]),
                   4: ("86dd", "2001:db8::1", 0, 1001, lengths[3]), 5: ("806", "", 0, 0, lengths[4]), 6: ("8847", "", 0, 1001, lengths[5])}, got
    theirs = {r["iface_in"]: r["etype"] for r in rows_of_pmacct(test, samples, "in_iface, etype", "pmacct")}
    assert theirs == {number: got[number][0] for number in (1, 2, 3, 4)}, "it leaves out what has no IP packet"


def test_maps_ask_for_the_kind_of_sample_and_the_sub_agent(test):
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")
    samples = (sflow.flow_sample([records], in_iface=1), expanded_sample([records], 2, 9), sflow.discarded_packet([records], 258, in_iface=3))
    for key, right in (("sample_type=0:1", {1}), ("sample_type=0:3", {2}), ("sample_type=0:5", {3}), ("sample_type=-0:1", {2, 3}),
                       ("sample_type=8800:1", set()), ("sample_type=flow", {1, 2, 3}), ("sample_type=option", set()),
                       ("agent_id=0", {1, 2, 3}), ("agent_id=1", set()), ("flowset_id=300", set())):
        tag_map = test.write("t.map", f"set_tag=7 {key}\n")
        rows = one(test, *samples, config=f"aggregate[out]: tag, in_iface\nsfacctd_discards: true\npre_tag_map: {tag_map}\n")
        assert {r["iface_in"] for r in rows if r["tag"] == 7} == right, (key, rows)


def test_samples_of_agents_without_interfaces(test):
    """A sample kept by hand beside the project."""
    capture_file = need_sample("sflow-internal-port/exports.pcap")
    daemon = test.sfacctd(f"""
plugins: print[out]
aggregate[out]: src_host, in_iface, out_iface, peer_src_ip
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
pcap_savefile: {capture_file}
""")
    assert daemon.wait(30) == 0, daemon.output()
    rows = json_lines(test.dir / "out.json")
    got = {r["ip_src"].rsplit(".", 1)[1]: (r["iface_in"], r["iface_out"]) for r in rows}
    # None on either side; several, a discarded packet; and an index beyond 30 bits, for which expanded samples have room.
    assert got == {"1": (0, 5), "2": (5, 0), "3": (5, 0), "4": (5, 0), "5": (5, 0), "6": (0, 0), "7": (1342177281, 0), "8": (5, 0)}, rows


def test_sampling_that_nothing_multiplies_by_is_warned_of_once(test):
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")
    for n, (rate, config, count) in enumerate(((1000, "", 1), (1, "", 0), (1000, "sfacctd_renormalize: false", 0), (1000, "sfacctd_renormalize: true", 0))):
        one(test, *[sample([records], rate=rate)] * 3, config=f"aggregate[out]: src_host\n{config}\n", name=f"n{n}")
        log = (test.dir / f"n{n}.log").read_text()
        lines = [line for line in log.splitlines() if "it samples 1 packet in 1000" in line and "sfacctd_renormalize" in line]
        assert len(lines) == count, (rate, config, log)


def test_netflow_is_answered_with_the_daemon_to_run(test):
    flows = [{"src": "10.0.0.1", "dst": "192.0.2.1"}]
    for n, (message, name) in enumerate(((exports.netflow5(flows), "NetFlow (version 5)"), (exports.netflow9([], 1), "NetFlow (version 9)"),
                                         (exports.ipfix([]), "IPFIX"))):
        exports.write_pcap(test.dir / "in.pcap", [(START + s, exports.udp_packet(message, dport=PORT)) for s in range(3)])
        daemon = test.sfacctd(f"plugins: print[out]\naggregate[out]: src_host\nprint_output_file[out]: {test.dir}/out\npcap_savefile: {test.dir}/in.pcap\n",
                              name=f"n{n}")
        assert daemon.wait(30) == 0, daemon.output()
        lines = [line for line in daemon.output().splitlines() if "run nfacctd" in line]
        assert len(lines) == 1 and f"exporter 127.0.0.1: it sends {name}" in lines[0] and "WARN" in lines[0], daemon.output()
        counters = test.stats(f"n{n}")["exporters"][0]
        assert counters["drops"]["bad_version"] == 3, counters
        assert ": version " not in daemon.output(), daemon.output()


if __name__ == "__main__":
    main(globals())
