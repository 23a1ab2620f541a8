#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An exporter whose next hops are hardly ever those of its router's paths is told of, once, with an example and what helps: captures of
a few flows a second, against the table of a scripted speaker."""
import collections
import socket

from harness import free_port, json_lines, main
import exports  # harness knows where it is
from bgp_speaker import Speaker, attributes, four_octet_as, multiprotocol, prefix, update
from path_collector import ADD_PATH, END_OF_RIB, PEER, PREFIX

START = 1_700_000_000


def replay(test, next_hops, seconds, name, capabilities=ADD_PATH):
    """Verdicts, the exporter's statistics and warnings of flows with these next hops, spread over so many seconds."""
    stream = exports.Ipfix()
    packets = [(START, exports.udp_packet(stream.announce(export_time=START), PEER))]
    for number, next_hop in enumerate(next_hops):
        when = START + seconds * number / (len(next_hops) - 1)
        flow = exports.common_flow("172.16.0.1", "203.0.113.9", next_hop, start_ms=int(when * 1000), end_ms=int(when * 1000))
        packets.append((when, exports.udp_packet(stream.data([flow], export_time=when), PEER)))
    exports.write_pcap(test.dir / f"{name}.pcap", packets)
    bgp_port = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp_port}
bgp_wait_for_rib: 60
nfacctd_as: bgp
plugins: print[p]
aggregate[p]: path_match
print_output[p]: json
print_output_file[p]: {test.dir}/{name}.json
print_output_file_append[p]: true
pcap_savefile: {test.dir}/{name}.pcap
""", name=name)
    daemon.wait_log("bgp: waiting for peers")
    speaker = Speaker(test, bgp_port, address=PEER, capabilities=capabilities).establish()
    speaker.send(update(attributes((65001,), "10.0.0.1"), prefix(PREFIX, 1 if capabilities is ADD_PATH else None)), END_OF_RIB)
    assert daemon.wait(60) == 0, daemon.output()
    verdicts = collections.Counter()
    for row in json_lines(test.dir / f"{name}.json"):
        verdicts[row["path_match"]] += row["packets"]
    warnings = [line for line in daemon.output().splitlines() if "next hops are of no path" in line]
    return verdicts, test.stats(name)["exporters"][0], warnings


def test_one_line_with_an_example_and_the_remedies(test):
    """Six in 1,200 are right, then all are wrong for another ten minutes: it is said once."""
    right = {0, 100, 200, 300, 400, 500}
    hops = ["10.0.0.1" if number in right else "10.9.0.1" for number in range(2400)]
    verdicts, exporter, warnings = replay(test, hops, 1400, "unmatched")
    assert verdicts == {"exact": 6, "unmatched": 2394} and exporter["path_match"]["unmatched"] == 2394, verdicts
    (line,) = warnings
    assert " WARN " in line and f"exporter {PEER}: " in line and "such as 10.9.0.1 where the path has 10.0.0.1" in line, line
    assert "next-hop-self" in line and "bgp_peer_dst_ip_map" in line, line


def test_without_add_path_too(test):
    verdicts, _, warnings = replay(test, ["10.9.0.1"] * 1100, 660, "differs", multiprotocol(1, 1) + four_octet_as(65000))
    assert verdicts == {"differs": 1100} and len(warnings) == 1, (verdicts, warnings)


def test_fewer_shorter_or_better_is_no_news(test):
    """999 flows, nine minutes, one right flow in ten, and flows that name no next hop."""
    for name, hops, seconds in (("few", ["10.9.0.1"] * 999, 900), ("short", ["10.9.0.1"] * 1500, 540),
                                ("better", ["10.0.0.1" if n % 10 == 0 else "10.9.0.1" for n in range(1500)], 700), ("none", ["0.0.0.0"] * 1500, 700)):
        _, _, warnings = replay(test, hops, seconds, name)
        assert warnings == [], (name, warnings)


if __name__ == "__main__":
    main(globals())
