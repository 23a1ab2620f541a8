#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same input gives the same output, byte for byte, for any number of workers; and it is the right output."""
import collections
import hashlib
import random
import socket

from harness import FOUR_PATHS, Bird, four_paths, free_port, json_lines, main
import exports  # harness knows where it is

START = 1_700_000_000
EXPORTERS = [f"127.0.1.{n}" for n in range(1, 13)]


def capture(test, datagrams=3000):
    """IPFIX from twelve exporters over five minutes of their clock; returns the truth by (exporter, next hop)."""
    rng, packets, truth = random.Random(11), [], collections.defaultdict(lambda: [0, 0, 0])
    streams = {e: exports.Ipfix(domain=i) for i, e in enumerate(EXPORTERS)}
    when = START
    for exporter, stream in streams.items():
        packets.append((when, exports.udp_packet(stream.announce(export_time=when), exporter)))
    for n in range(datagrams):
        when = START + 1 + n * 300 / datagrams
        exporter = rng.choice(EXPORTERS)
        rows = []
        for _ in range(rng.randint(1, 20)):
            next_hop, octets, count = rng.choice(FOUR_PATHS)[0], rng.randint(40, 90000), rng.randint(1, 60)
            end = int(when * 1000) - rng.randint(0, 2000)
            rows.append(exports.common_flow(f"10.1.{rng.randint(0, 3)}.{rng.randint(1, 250)}", f"192.168.1.{rng.randint(1, 250)}", next_hop,
                                            in_iface=rng.randint(1, 4), octets=octets, packets=count, start_ms=end - rng.randint(0, 90000), end_ms=end))
            entry = truth[(exporter, next_hop)]
            entry[0] += 1
            entry[1] += count
            entry[2] += octets
        packets.append((when, exports.udp_packet(streams[exporter].data(rows, export_time=when), exporter)))
    exports.write_pcap(test.dir / "in.pcap", packets)
    return truth


def replay(test, workers, more=""):
    out = test.dir / f"w{workers}"
    out.mkdir()
    daemon = test.nfacctd(f"""
plugins: print[json], print[csv], print[raw]
aggregate[json]: peer_src_ip, in_iface, peer_dst_ip, src_as, dst_as, src_host, peer_dst_as, as_path, path_match, tcpflags, flows
aggregate[csv]: in_iface, peer_dst_ip, dst_host, proto, flows
aggregate[raw]: peer_src_ip, src_host, dst_host, src_port, dst_port, proto, timestamp_start, timestamp_end, timestamp_arrival
unaggregated[raw]: true
print_output[json]: json
print_output[csv]: csv
print_output[raw]: csv
print_output_file[json]: {out}/json-%H%M
print_output_file[csv]: {out}/csv-%H%M
print_output_file[raw]: {out}/raw
print_refresh_time: 60
print_history[json]: 1m
print_history_roundoff[json]: m
print_history[csv]: 5m
print_history_roundoff[csv]: m
timestamps_utc: true
nfacctd_workers: {workers}
pcap_savefile: {test.dir}/in.pcap
{more}
""", name=f"w{workers}.d")
    return daemon, out


def digest(folder):
    names = sorted(p.name for p in folder.iterdir())
    return [(name, hashlib.sha256((folder / name).read_bytes()).hexdigest()) for name in names]


def check_truth(folder, truth):
    got = collections.defaultdict(lambda: [0, 0, 0])
    for path in folder.glob("json-*"):
        for row in json_lines(path):
            entry = got[(row["peer_ip_src"], row["peer_ip_dst"])]
            entry[0] += row["flows"]
            entry[1] += row["packets"]
            entry[2] += row["bytes"]
    assert got == truth, "the sums by exporter and next hop"


def all_equal(test, truth, more=""):
    digests = {}
    for workers in (1, 2, 3, 7):
        daemon, out = replay(test, workers, more)
        assert daemon.wait(120) == 0, daemon.output()
        check_truth(out, truth)
        digests[workers] = digest(out)
        assert len(digests[workers]) > 5, digests[workers]
    for workers in (2, 3, 7):
        different = [name for name, d in digests[1] if (name, d) not in digests[workers]]
        assert digests[workers] == digests[1], f"{workers} workers differ from one in {different}"


def test_any_number_of_workers_gives_the_same_bytes(test):
    all_equal(test, capture(test))


def test_also_with_a_rib_at_rest(test):
    truth = capture(test, 800)
    bgp_port = free_port(socket.SOCK_STREAM)
    routers = test.write("agents.map", "\n".join(f"bgp_ip=127.0.0.11 ip={e}" for e in EXPORTERS) + "\n")
    Bird(test, bgp_port, four_paths())
    all_equal(test, truth, f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp_port}
bgp_agent_map: {routers}
bgp_wait_for_rib: 30
nfacctd_as: bgp
""")
    rows = [row for path in (test.dir / "w3").glob("json-*") for row in json_lines(path)]
    paths = {nh: path.replace(" ", "_") for nh, path, _ in FOUR_PATHS}
    for row in rows:
        assert row["path_match"] == "exact" and row["as_path"] == paths[row["peer_ip_dst"]], row


def test_the_records_of_a_datagram_arrive_a_microsecond_apart(test):
    stream = exports.Ipfix(domain=1)
    row = exports.common_flow("10.1.0.1", "10.1.0.2", "10.0.0.1", octets=100, packets=1, start_ms=START * 1000, end_ms=START * 1000)
    packets = [(START, stream.announce(export_time=START))]
    packets += [(START + 1, stream.data([row] * 3, export_time=START)), (START + 2, stream.data([row] * 2, export_time=START))]
    exports.write_pcap(test.dir / "in.pcap", [(when, exports.udp_packet(data, EXPORTERS[0])) for when, data in packets])
    daemon = test.nfacctd(f"""
plugins: print[us], print[s]
aggregate: src_host, timestamp_arrival, flows
print_output: csv
print_output_file[us]: {test.dir}/us
print_output_file[s]: {test.dir}/s
timestamps_utc: true
timestamps_since_epoch: true
timestamps_secs[s]: true
pcap_savefile: {test.dir}/in.pcap
""")
    assert daemon.wait(60) == 0, daemon.output()
    arrivals = [line.split(",")[1:3] for line in (test.dir / "us").read_text().splitlines()[1:]]
    assert [a[0] for a in arrivals] == [f"{START + 1}.00000{n}" for n in range(3)] + [f"{START + 2}.00000{n}" for n in range(2)], arrivals
    seconds = [line.split(",")[1:] for line in (test.dir / "s").read_text().splitlines()[1:]]
    assert [(s[0], s[2]) for s in seconds] == [(f"{START + 1}.000000", "3"), (f"{START + 2}.000000", "2")], seconds


if __name__ == "__main__":
    main(globals())
