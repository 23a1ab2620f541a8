#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real exporters read a capture whose totals are known by construction; what nfacctd accounts must be just that."""
import collections
import ipaddress
import random
import struct
import time

from harness import json_lines, main, need, need_pmacct, wait_for
import exports  # harness knows where it is



def traffic(test, ipv6=False):
    """A capture of TCP, UDP and ICMP packets; returns its path and {(src, dst, sport, dport, proto): [packets, bytes]}."""
    rng, truth, packets = random.Random(7), collections.defaultdict(lambda: [0, 0]), []
    start = int(time.time()) - 100
    for flow in range(40):
        version6 = ipv6 and flow % 4 == 0
        proto = [6, 17, 6, 17][flow % 4]
        base_src, base_dst = ("2001:db8:1::", "2001:db8:2::") if version6 else ("10.1.0.0", "192.0.2.0")
        src = ipaddress.ip_address(base_src) + flow + 1
        dst = ipaddress.ip_address(base_dst) + flow + 1
        sport, dport = 20000 + flow, 53 if proto == 17 else 443
        for _ in range(rng.randint(1, 6)):
            payload = bytes(rng.randint(0, 900))
            if proto == 17:
                l4 = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
            else:
                l4 = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, 0x10, 8192, 0, 0) + payload
            if version6:
                ip = struct.pack("!IHBB", 6 << 28, len(l4), proto, 64) + src.packed + dst.packed
            else:
                ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(l4), 1, 0, 64, proto, 0) + src.packed + dst.packed
            frame = bytes(12) + struct.pack("!H", 0x86dd if version6 else 0x0800) + ip + l4
            packets.append((start + len(packets) * 0.01, frame))
            entry = truth[(str(src), str(dst), sport, dport, {6: "tcp", 17: "udp"}[proto])]
            entry[0] += 1
            entry[1] += len(ip) + len(l4)
    exports.write_pcap(test.dir / "traffic.pcap", packets, link_type=1)
    return test.dir / "traffic.pcap", dict(truth)


def collect(test, more=""):
    return test.nfacctd(f"""
plugins: print[out]
aggregate[out]: src_host, dst_host, src_port, dst_port, proto, export_proto_version
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
{more}
""")


def totals(test):
    out = collections.defaultdict(lambda: [0, 0])
    for row in json_lines(test.dir / "out.json"):
        entry = out[(row["ip_src"], row["ip_dst"], row["port_src"], row["port_dst"], row["ip_proto"])]
        entry[0] += row["packets"]
        entry[1] += row["bytes"]
    return dict(out)


def expect(test, daemon, truth):
    try:
        wait_for(lambda: totals(test) == truth, "the totals of the capture", 15)
    except AssertionError:
        got = totals(test)
        wrong = {k: (truth.get(k), got.get(k)) for k in truth.keys() | got.keys() if truth.get(k) != got.get(k)}
        raise AssertionError(f"(expected, got): {wrong}") from None
    assert daemon.stop() == 0, daemon.output()


def softflowd(test, version, ipv6):
    program = need("softflowd")
    pcap, truth = traffic(test, ipv6)
    daemon = collect(test)
    exporter = test.start([program, "-r", pcap, "-n", f"127.0.0.1:{test.port}", "-v", version, "-c", "none", "-p", test.dir / "pid", "-d"])
    exporter.wait(30)
    expect(test, daemon, truth)
    assert {r["export_proto_version"] for r in json_lines(test.dir / "out.json")} == {version}


def test_softflowd_netflow5(test):
    softflowd(test, 5, ipv6=False)


def test_softflowd_netflow9(test):
    softflowd(test, 9, ipv6=True)


def test_softflowd_ipfix(test):
    softflowd(test, 10, ipv6=True)


def test_softflowd_ipfix_bidirectional(test):
    """Biflow (RFC 5103): requests and answers in one record come out as two flows."""
    program = need("softflowd")
    pcap, truth = traffic(test)
    daemon = collect(test)
    # The same packets with source and destination exchanged, so that each flow has its answer.
    data = pcap.read_bytes()
    out, pos = bytearray(data), 24
    while pos < len(data):
        length = struct.unpack_from("<I", data, pos + 8)[0]
        frame = bytearray(data[pos + 16:pos + 16 + length])
        frame[26:30], frame[30:34] = frame[30:34], frame[26:30]
        frame[34:36], frame[36:38] = frame[36:38], frame[34:36]
        out += data[pos:pos + 16] + frame
        pos += 16 + length
    pcap.write_bytes(out)
    for (src, dst, sport, dport, proto), counts in list(truth.items()):
        truth[(dst, src, dport, sport, proto)] = list(counts)
    test.start([program, "-r", pcap, "-n", f"127.0.0.1:{test.port}", "-v", 10, "-b", "-c", "none", "-p", test.dir / "pid", "-d"]).wait(30)
    expect(test, daemon, truth)


def nfprobe(test, version):
    program = need_pmacct("sbin/pmacctd")
    pcap, truth = traffic(test, ipv6=version != 5)
    daemon = collect(test)
    conf = test.write("pmacctd.conf", f"""
daemonize: false
pcap_savefile: {pcap}
plugins: nfprobe[out]
nfprobe_receiver[out]: 127.0.0.1:{test.port}
nfprobe_version[out]: {version}
nfprobe_timeouts[out]: tcp=1:tcp.rst=1:tcp.fin=1:udp=1:icmp=1:general=1:maxlife=2:expint=1
aggregate[out]: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags
""")
    test.start([program, "-f", conf], "pmacctd")
    expect(test, daemon, truth)


def test_nfprobe_netflow5(test):
    nfprobe(test, 5)


def test_nfprobe_netflow9(test):
    nfprobe(test, 9)


def test_nfprobe_ipfix(test):
    nfprobe(test, 10)


if __name__ == "__main__":
    main(globals())
