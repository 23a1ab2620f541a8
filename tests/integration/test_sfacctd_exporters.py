#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real sFlow exporters: pmacctd's sfprobe and Open vSwitch's user-space datapath, compared with what was sent and with what
tshark reads in the same datagrams; and Debian's sfacctd on the same capture."""
import collections
import json
import os
import re
import subprocess
import sys
import time

from harness import SOURCE, Process, Skip, json_lines, main, need, need_pmacct, need_root, wait_for
import exports
import sflow

DATA = SOURCE / "tests/data/sflow"
KEYS = ("peer_src_ip, in_iface, out_iface, src_mac, dst_mac, vlan, etype, src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, "
        "sampling_rate, src_mask, dst_mask, src_as, dst_as, peer_src_as, peer_dst_as, peer_dst_ip, as_path, std_comm, local_pref")


def frames(count=200):
    """Frames as an interface has them, and {(src, dst, sport, dport): [packets, bytes with checksum]}."""
    truth, out = collections.defaultdict(lambda: [0, 0]), []
    for n in range(count):
        six = n % 4 == 0
        src, dst = (f"2001:db8:1::{n % 5 + 1:x}", f"2001:db8:2::{n % 3 + 1:x}") if six else (f"10.1.0.{n % 5 + 1}", f"192.0.2.{n % 3 + 1}")
        proto, payload = (17, 40) if n % 2 else (6, 200 + n)
        header, length = sflow.ethernet(src, dst, sport=20000 + n % 7, dport=53 if proto == 17 else 443, proto=proto, payload_len=payload)
        out.append(header + bytes(length - 4 - len(header)))
        entry = truth[(src, dst, 20000 + n % 7, 53 if proto == 17 else 443)]
        entry[0] += 1
        entry[1] += length
    return out, dict(truth)


def collect(test, more="", prefix=()):
    return test.sfacctd(f"""
plugins: print[out]
aggregate[out]: src_host, dst_host, src_port, dst_port, in_iface, out_iface, sampling_rate, peer_src_ip
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
{more}
""", prefix=prefix)


def totals(test, field=1):
    out = collections.defaultdict(lambda: [0, 0])
    for row in json_lines(test.dir / "out.json"):
        entry = out[(row["ip_src"], row["ip_dst"], row["port_src"], row["port_dst"])]
        entry[0] += row["packets"]
        entry[1] += row["bytes"]
    return dict(out)


def test_sfprobe_of_pmacctd(test):
    """The probe samples each packet and counts bytes without the checksum, as it reads from a file that has none."""
    program = need_pmacct("sbin/pmacctd")
    packets, truth = frames()
    now = int(time.time()) - 10
    exports.write_pcap(test.dir / "traffic.pcap", [(now + n / 100, f) for n, f in enumerate(packets)], link_type=1)

    def all_came(delay):  # a probe that starts slower than its core reads misses some
        conf = test.write("pmacctd.conf", f"""
daemonize: false
pcap_savefile: {test.dir}/traffic.pcap
pcap_savefile_delay: {delay}
plugins: sfprobe[out]
sfprobe_receiver[out]: 127.0.0.1:{test.port}
sfprobe_agentip[out]: 127.0.0.77
sampling_rate[out]: 1
""")
        test.start([program, "-f", conf], "pmacctd").wait(60)
        try:
            wait_for(lambda: sum(p for p, _ in totals(test).values()) == len(packets), "all packets", 10)
        except AssertionError:
            return False
        return True
    for delay in (2, 8, 20):
        daemon = collect(test)
        if all_came(delay):
            break
        assert daemon.stop() == 0 and delay < 20, daemon.output()
        (test.dir / "out.json").unlink(missing_ok=True)
    got = totals(test)
    short = {key: value[1] - got[key][1] for key, value in truth.items()}
    assert {k: v[0] for k, v in got.items()} == {k: v[0] for k, v in truth.items()}
    assert all(short[key] in (0, 4 * truth[key][0]) for key in truth), short
    assert {r["peer_ip_src"] for r in json_lines(test.dir / "out.json")} == {"127.0.0.77"}
    assert daemon.stop() == 0, daemon.output()


SENDER = """
import socket, sys, time
frames = [bytes.fromhex(l) for l in open(sys.argv[2]).read().split()]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for f in frames:
    s.send(f)
    time.sleep(0.001)
"""


class Switch:
    """Open vSwitch's user-space datapath in a network namespace of its own: p1 to p2, every packet sampled."""

    def __init__(self, test):
        need_root()
        self.test = test
        server, self.vswitchd, self.vsctl, tool = need("ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovsdb-tool")
        self.name = f"sf{os.getpid()}"
        self.prefix = ["ip", "netns", "exec", self.name]
        made = subprocess.run([need("ip"), "netns", "add", self.name], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Skip(f"a network namespace cannot be made: {made.stderr.strip()}")
        test.cleanups.append(lambda: subprocess.run(["ip", "netns", "delete", self.name], check=False))
        # The setting for all is the default too, so it comes last: links of the test speak no IPv6 of their own.
        self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=1")
        self.run("ip", "link", "set", "lo", "up")
        for n in (1, 2):
            self.run("ip", "link", "add", f"h{n}", "type", "veth", "peer", "name", f"p{n}")
            for end in ("h", "p"):
                self.run("ip", "link", "set", f"{end}{n}", "arp", "off", "up")
        db = test.dir / "conf.db"
        self.run_plain(tool, "create", db, "/usr/share/openvswitch/vswitch.ovsschema")
        self.env = dict(os.environ, OVS_RUNDIR=str(test.dir), OVS_LOGDIR=str(test.dir), OVS_DBDIR=str(test.dir))
        self.socket = f"unix:{test.dir}/db.sock"
        test.start([*self.prefix, server, f"--remote=p{self.socket}", "--no-chdir", db], "ovsdb", env=self.env)
        wait_for((test.dir / "db.sock").exists, "the database")
        self.ctl("--no-wait", "init")
        test.start([*self.prefix, self.vswitchd, "--no-chdir", self.socket], "vswitchd", env=self.env)
        self.ctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure")
        self.ctl("add-port", "br0", "p1", "--", "add-port", "br0", "p2")
        self.run(need("ovs-ofctl"), "add-flow", f"unix:{test.dir}/br0.mgmt", "in_port=p1,actions=output:p2")

    def run_plain(self, *args):
        done = subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (args, done.stderr)

    def run(self, *args):
        self.run_plain(*self.prefix, *args)

    def ctl(self, *args):
        self.run(self.vsctl, "--timeout=20", f"--db={self.socket}", *args)

    def sample_to(self, port, polling=0):
        self.ctl("--", "--id=@s", "create", "sflow", "agent=lo", f'target="127.0.0.1:{port}"', "header=128", "sampling=1", f"polling={polling}",
                 "--", "set", "bridge", "br0", "sflow=@s")
        time.sleep(0.5)

    def send(self, packets):
        self.test.write("frames.hex", "\n".join(p.hex() for p in packets))
        self.run(sys.executable, self.test.write("send.py", SENDER), "h1", self.test.dir / "frames.hex")


def tshark_rows(pcap):
    """(source, destination, input interface, output interface, sampling rate): [packets, bytes], by tshark's dissector."""
    program = need("tshark")
    done = subprocess.run([program, "-r", pcap, "-d", "udp.port==6343,sflow", "-T", "pdml", "-Y", "sflow"], capture_output=True, text=True, check=True)
    rows = collections.defaultdict(lambda: [0, 0])
    for sample in re.split(r'show="Flow sample, seq|show="Expanded flow sample, seq', done.stdout)[1:]:
        def field(name, index=0, text=sample):
            return re.findall(rf'<field name="{name}"[^>]* show="([^"]*)"', text)[index]
        entry = rows[(field("ip(?:v6)?.src"), field("ip(?:v6)?.dst"), int(field("sflow.flow_sample.sampling_rate")))]
        entry[0] += 1
        entry[1] += int(field("sflow_245.header.frame_length"))
    return dict(rows)


def test_open_vswitch_samples_every_packet(test):
    switch = Switch(test)
    packets, truth = frames(120)
    daemon = collect(test, f"sfacctd_counter_file: {test.dir}/counters\n", prefix=switch.prefix)
    switch.sample_to(test.port, polling=1)
    switch.send(packets)
    wait_for(lambda: sum(p for p, _ in totals(test).values()) >= len(packets), "all packets", 20)
    got = totals(test)
    assert got == truth, {k: (truth.get(k), got.get(k)) for k in truth.keys() | got.keys() if truth.get(k) != got.get(k)}
    rows = json_lines(test.dir / "out.json")
    assert {r["sampling_rate"] for r in rows} == {1} and len({(r["iface_in"], r["iface_out"]) for r in rows}) == 1, rows[:3]
    assert rows[0]["iface_in"] != 0 and rows[0]["iface_out"] != 0, rows[0]
    kinds = wait_for(lambda: (k := {line["sf_cnt_type"] for line in json_lines(test.dir / "counters")}) and "sflow_cnt_generic" in k and k, "counters")
    assert {"sflow_cnt_generic", "sflow_cnt_of_port", "sflow_cnt_port_name"} <= kinds, kinds
    assert daemon.stop() == 0, daemon.output()
    text = json.dumps(test.stats("sfacctd"))
    assert '"bad_flow_record": 0' in text or '"bad_flow_record"' not in text, text


def replay(test, pcap, keys, more="", name="sfacctd"):
    out = test.dir / f"{name}.json"
    daemon = test.sfacctd(f"""
plugins: print[out]
aggregate[out]: {keys}
print_output[out]: json
print_output_file[out]: {out}
pcap_savefile: {pcap}
{more}
""", name=name)
    assert daemon.wait(30) == 0, daemon.output()
    return json_lines(out)


def recorded():
    """Captures of the exporters above, recorded once: tests/data/sflow/README says how."""
    found = sorted(DATA.glob("*.pcap"))
    assert len(found) == 2, found
    return found


def test_recorded_samples_are_tsharks(test):
    """Only datagrams that tshark reads to their end are compared: where it does not know a counter record it loses its place."""
    for pcap in recorded():
        whole = test.dir / pcap.name
        subprocess.run([need("tshark"), "-r", pcap, "-d", "udp.port==6343,sflow", "-Y", "sflow and not _ws.malformed", "-F", "pcap", "-w", whole],
                       capture_output=True, check=True)
        expected, got = tshark_rows(whole), collections.defaultdict(lambda: [0, 0])
        for row in replay(test, whole, "src_host, dst_host, sampling_rate", name=pcap.stem):
            entry = got[(row["ip_src"], row["ip_dst"], row["sampling_rate"])]
            entry[0] += row["packets"]
            entry[1] += row["bytes"]
        assert len(expected) > 10 and dict(got) == expected, (pcap.name, expected, dict(got))


def test_recorded_tunnel_tells_its_ends_and_network(test):
    rows = [r for r in replay(test, DATA / "openvswitch.pcap", "encap_src_host, encap_dst_host, vxlan, src_host, dst_host") if r["encap_ip_src"]]
    assert sum(r["packets"] for r in rows) == 10, rows
    assert {(r["encap_ip_src"], r["encap_ip_dst"], r["vxlan"]) for r in rows} == {("172.30.0.2", "172.30.0.1", 5001)}, rows


def test_debians_sfacctd_writes_the_same(test):
    """The outputs differ in three places only: Debian's prints a missing next hop as ::ffff:0.0.0.0, and the code of a packet that was
    dropped, or that of a side without an interface, as an interface."""
    program = need_pmacct("sbin/sfacctd")
    for pcap in recorded():
        conf = test.write("pmacct.conf", f"""
daemonize: false
plugins: print[out]
aggregate[out]: {KEYS}
print_output[out]: json
print_output_file[out]: {test.dir}/{pcap.stem}.theirs
print_refresh_time[out]: 3600
tcpflags_encode_as_string: true
sfacctd_counter_file: {test.dir}/{pcap.stem}.theirs.counters
pcap_savefile: {pcap}
""")
        for _ in range(3):  # on a busy machine its plugin may start after the file was read
            Process.wait(test.start([program, "-f", conf], f"pmacct-{pcap.stem}"), 30)
            theirs = json_lines(test.dir / f"{pcap.stem}.theirs")
            if theirs:
                break
        ours = replay(test, pcap, KEYS, f"tcpflags_encode_as_string: true\nsfacctd_counter_file: {test.dir}/{pcap.stem}.ours.counters\n", pcap.stem)
        for row in theirs:
            if row["peer_ip_dst"] == "::ffff:0.0.0.0":
                row["peer_ip_dst"] = ""
            for side in ("iface_in", "iface_out"):
                if row[side] in (0x40000100, 0x3fffffff):  # discarded, for an unknown reason; none
                    row[side] = 0
        for row in theirs + ours:
            row["tcp_flags"] = str(row["tcp_flags"])

        def counted(rows):
            return collections.Counter(json.dumps(row) for row in rows)
        missing, extra = counted(theirs) - counted(ours), counted(ours) - counted(theirs)
        assert theirs and not missing and not extra, "\n".join(["theirs:", *list(missing)[:3], "ours:", *list(extra)[:3]])
        known = {"sflow_cnt_generic", "sflow_cnt_ethernet", "sflow_cnt_vlan"}
        lines = [[{k: v for k, v in line.items() if k not in ("seq", "timestamp", "sub_agent_id", "source_id_class")}
                  for line in json_lines(test.dir / f"{pcap.stem}.{who}.counters") if line.get("sf_cnt_type") in known] for who in ("theirs", "ours")]
        assert lines[0] and counted(lines[0]) == counted(lines[1]), (lines[0][:2], lines[1][:2])


if __name__ == "__main__":
    main(globals())
