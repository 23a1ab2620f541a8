#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same datagrams into memory tables of Debian's nfacctd 1.7.7 and of this one, the same command lines to both clients: the
same text, byte for byte. Rows have no order there, so they are asked for sorted by bytes, which all differ."""
import os
import subprocess
import time

from harness import BUILD, free_port, main, need_pmacct, wait_for
import exports

TABLES = {
    "five": "dst_as, src_host, dst_host, src_port, dst_port, proto, flows",
    "wide": "tag, src_mac, dst_mac, vlan, cos, etype, src_as, dst_as, peer_src_ip, peer_dst_ip, in_iface, out_iface, src_host, src_net, dst_host, "
            "dst_net, src_mask, dst_mask, src_port, dst_port, tcpflags, proto, tos, sampling_rate, sampling_direction, post_nat_src_host, "
            "post_nat_src_port, nat_event, mpls_label_top, mpls_label_bottom, timestamp_start, timestamp_end, export_proto_seqno, "
            "export_proto_version, export_proto_sysid, timestamp_export",
    "hosts": "src_host",
    "paths": "as_path, local_pref, med, class, peer_src_as, peer_dst_as, src_host",
}
CONFIG = "\n".join([f"plugins: {', '.join(f'memory[{t}]' for t in TABLES)}",
                    *(f"aggregate[{t}]: {keys}\nimt_path[{t}]: {{dir}}/{t}.sock" for t, keys in TABLES.items()),
                    "daemonize: false\nnfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\ntcpflags_encode_as_string: true\n"])


def exported(now_ms):
    """Bytes that all differ, two rows of which come twice, and protocols with and without names."""
    flows = [exports.common_flow(f"10.9.1.{60 + n}", f"198.51.100.{9 + n % 3}", f"10.0.0.{1 + n % 2}", sport=50000 + n, dport=7 * n,
                                 proto=(6, 17, 1, 47, 50)[n % 5], src_as=100 + n, dst_as=999 - n, octets=10000 * n * n + n, packets=n, tos=4 * n,
                                 in_iface=662, out_iface=953, start_ms=now_ms - 1500, end_ms=now_ms - 300) for n in range(1, 11)]
    four, six = exports.Ipfix(domain=7), exports.Ipfix(exports.COMMON_FIELDS_V6, 257, 8)
    seconds = now_ms // 1000
    return [four.announce(export_time=seconds), six.announce(export_time=seconds), four.data(flows + flows[:2], export_time=seconds),
            four.data([exports.common_flow(
                "10.9.2.1", "198.51.100.77", "0.0.0.0", octets=555, start_ms=now_ms - 900, end_ms=now_ms - 100)], export_time=seconds),
            six.data([exports.common_flow("2001:db8::1", "2001:db8:1::2", "2001:db8:f::1", octets=777, packets=7, start_ms=now_ms - 900,
                                          end_ms=now_ms - 100)], export_time=seconds)]


class Side:
    def __init__(self, test, name, client):
        self.dir, self.client, self.port = test.dir / name, client, free_port()
        self.dir.mkdir()
        self.config = test.write(f"{name}.conf", CONFIG.format(dir=self.dir, port=self.port))

    def ask(self, table, *args, status=0, **env):
        done = subprocess.run([self.client, "-p", self.dir / f"{table}.sock", *args], capture_output=True, timeout=30, env={**os.environ, **env})
        assert done.returncode == status, (self.client, args, done)
        return done.stdout


def both(test):
    theirs, ours = Side(test, "theirs", need_pmacct("bin/pmacct")), Side(test, "ours", BUILD / "bin/pmacct")
    test.start([need_pmacct("sbin/nfacctd"), "-f", theirs.config], "pmacct")
    test.nfacctd(ours.config.read_text(), name="nfacctd")
    wait_for(lambda: all((side.dir / f"{t}.sock").exists() for t in TABLES for side in (theirs, ours)), "all sockets", 30)
    for n, payload in enumerate(exported(int(time.time()) * 1000)):
        for side in (theirs, ours):
            test.send(payload, source="127.0.0.5", port=side.port)
        time.sleep(0.3 if n < 2 else 0.05)  # pmacct learns a template before its data

    def arrived(side):
        return side.ask("five", "-c", "src_host", "-N", "*", "-n", "flows") == b"14\n" and \
            all(side.ask(t, "-c", "src_host", "-N", "*") == side.ask("five", "-c", "src_host", "-N", "*") for t in TABLES)
    for side in (theirs, ours):
        wait_for(lambda: arrived(side), f"14 flows in {side.dir}")
    return theirs, ours


def compare(theirs, ours, table, *args, **env):
    """Ours is asked once. pmacct's client now and then crashes, loses rows or goes on with zeros that nobody asked for: it
    may try again."""
    found, expected = ours.ask(table, *args, **env), b""
    for _ in range(10):
        try:
            expected = theirs.ask(table, *args, **env)
        except AssertionError:
            continue
        if found == expected:
            return
    pairs = zip(expected.decode().splitlines(), found.decode().splitlines())
    theirs, ours = next(((a, b) for a, b in pairs if a != b), (expected.count(b"\n"), found.count(b"\n")))
    raise AssertionError(f"{table} {args} {env}\ntheirs: {theirs}\nours:   {ours}")


def test_the_same_text(test):
    theirs, ours = both(test)
    zones = ("UTC", "Asia/Kolkata", "America/St_Johns")
    for table in TABLES:
        for form in ("formatted", "csv", "event_formatted", "event_csv"):
            compare(theirs, ours, table, "-s", "-T", "bytes", "-O", form)
        for args in (["-s", "-T", "bytes,3"], ["-s", "-T", "packets,1"], ["-l", "-s", "-T", "bytes"], ["-s", "-u", "-T", "bytes"],
                     ["-s", "-T", "bytes", "-O", "json"], ["-s", "-u", "-T", "bytes", "-O", "json"], ["-s", "-T", "bytes", "-O", "csv", "-E", ";"],
                     ["-s", "-T", "bytes", "-O", "csv", "-E", "\\t"], ["-s", "-I", "-T", "bytes", "-O", "csv"]):
            compare(theirs, ours, table, *args)
        for query in ("10.9.1.61", "10.9.1.61;10.9.1.62", "10.9.1.61;1.2.3.4", "*", "2001:db8::1"):
            for more in ([], ["-n", "packets"], ["-n", "bytes"], ["-S"]):
                compare(theirs, ours, table, "-c", "src_host", "-N", query, *more)
            compare(theirs, ours, table, "-c", "src_host", "-M", query, "-T", "bytes")
            compare(theirs, ours, table, "-c", "src_host", "-M", query, "-T", "bytes,2", "-O", "csv")
    for zone in zones:
        compare(theirs, ours, "wide", "-s", "-T", "bytes", "-O", "csv", TZ=zone)
        compare(theirs, ours, "wide", "-s", "-0", "-T", "bytes", TZ=zone)
        compare(theirs, ours, "wide", "-s", "-I", "-T", "bytes", "-O", "json", TZ=zone)
    for args in (["-N", "gre,198.51.100.9"], ["-N", "47,198.51.100.9"], ["-N", "*,198.51.100.9"], ["-N", "udp,*"], ["-N", "udp,*;icmp,*", "-n", "all"],
                 ["-N", "udp,*;icmp,*", "-n", "all", "-S"], ["-N", "udp,*", "-n", "flows"], ["-M", "udp,*", "-T", "bytes"]):
        compare(theirs, ours, "five", "-c", "proto,dst_host", *args)
    for column, values in (("etype", "86dd;0x86dd;800"), ("src_mac", "00:00:00:00:00:00"), ("src_port", "50001;1024"), ("dst_as", "998;1"),
                           ("peer_src_ip", "127.0.0.5"), ("in_iface", "662;1"), ("tos", "4;8"), ("vlan", "0"), ("dst_net", "198.51.100.0")):
        compare(theirs, ours, "wide", "-c", column, "-N", values)
    compare(theirs, ours, "paths", "-c", "as_path", "-N", "^$")


def test_clearing_and_resetting(test):
    theirs, ours = both(test)
    compare(theirs, ours, "five", "-i")
    assert ours.ask("five", "-c", "dst_host", "-N", "198.51.100.9", "-r").split()[:1] == \
        theirs.ask("five", "-c", "dst_host", "-N", "198.51.100.9", "-r").split()[:1]
    compare(theirs, ours, "five", "-s", "-T", "bytes")
    for side in (theirs, ours):
        side.ask("five", "-c", "dst_host", "-M", "198.51.100.10", "-r", "-T", "bytes")
    compare(theirs, ours, "five", "-s", "-T", "bytes")
    for args in (["-e"], ["-s"], ["-s", "-O", "json"], ["-s", "-O", "csv"], ["-c", "dst_host", "-N", "198.51.100.9", "-n", "all"],
                 ["-c", "dst_host", "-M", "198.51.100.9"]):
        compare(theirs, ours, "five", *args)
    for side in (theirs, ours):
        wait_for(lambda: 0 <= int(side.ask("five", "-i") or -1) < 20, "an age")  # pmacct's may answer nothing at first


def test_columns_that_the_table_does_not_have(test):
    """-a: the same titles in the same order. Values of columns that pmacct does not have either are not compared: it shifts them."""
    theirs, ours = both(test)
    for form in ("csv", "formatted"):
        expected, found = (side.ask("five", "-s", "-a", "-T", "bytes,1", "-O", form).decode().splitlines()[0].replace(",", " ").split()
                           for side in (theirs, ours))
        assert found == expected, (form, [pair for pair in zip(expected, found) if pair[0] != pair[1]][:3])


if __name__ == "__main__":
    main(globals())
