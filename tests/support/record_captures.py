#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Records tests/data/captures: what real exporters send when they read packets of documentation addresses, and beside each
capture the flows that tshark reads in it. Run as root with the programs of scripts/packages installed:

    tests/support/record_captures.py [NAME...]

All of it stays on 127.0.0.0/8 and in a network namespace. Datagrams are kept with addresses and ports of our own choice, so
that nothing of the machine gets into a file."""
import ipaddress
import pathlib
import random
import socket
import struct
import subprocess
import sys
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/integration"), str(SOURCE / "tests/support")]

from harness import Test, need, need_pmacct, wait_for  # noqa: E402
from tshark_flows import read, text_of  # noqa: E402
from test_sfacctd_exporters import Switch  # noqa: E402
import exports  # noqa: E402

FOLDER = SOURCE / "tests/data/captures"
START = 1_700_000_000  # 2023-11-14 22:13:20 UTC
EXPORTER, COLLECTOR = "192.0.2.1", "192.0.2.254"

# The owners of the networks, as a networks_file of pmacct names them: next hop, origin, prefix.
NETWORKS = """192.0.2.9,64496,198.51.100.0/25
192.0.2.10,64497,203.0.113.0/24
192.0.2.11,64498,198.51.100.128/25
2001:db8::9,64499,2001:db8:1::/48
2001:db8::10,4200000001,2001:db8:2::/48
"""


class Sink:
    """Keeps the datagrams that come to a port."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.port, self.datagrams, self.last = self.socket.getsockname()[1], [], time.monotonic()
        self.is_open = True
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while self.is_open:
            try:
                payload = self.socket.recv(65535)
            except TimeoutError:
                continue
            self.last = time.monotonic()
            self.datagrams.append(payload)

    def close(self):
        self.is_open = False
        self.thread.join()
        self.socket.close()
        return self.datagrams

    def wait_quiet(self, seconds=3):
        """Waits until something came and nothing more does."""
        wait_for(lambda: self.datagrams and time.monotonic() - self.last > seconds, "the exporter's datagrams", 60)


def packet(src, dst, proto, sport, dport, payload_len, flags=0x18, tos=0, vlan=0):
    """A frame from one documentation address to another."""
    src, dst = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    payload = bytes(payload_len)
    if proto == 17:
        l4 = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    elif proto == 6:
        l4 = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 8192, 0, 0) + payload
    else:
        l4 = struct.pack("!BBHI", 8 if proto == 1 else 128, 0, 0, 0x00010001) + payload
    if src.version == 6:
        ip = struct.pack("!IHBB", 6 << 28 | tos << 20, len(l4), proto, 64) + src.packed + dst.packed
    else:
        header = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(l4), 1, 0, 64, proto, 0) + src.packed + dst.packed
        total = sum(struct.unpack("!10H", header))
        total = (total & 0xffff) + (total >> 16)
        header = header[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + header[12:]
        ip = header
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    etype = struct.pack("!H", 0x86dd if src.version == 6 else 0x0800)
    return bytes.fromhex("00005e005301" "00005e005302") + tag + etype + ip + l4  # RFC 7042's documentation addresses


def traffic(*, ipv6=True, flows=14, vlan=0, same=1):
    """(seconds after START, frame): flows of all sorts, no two alike in packets and bytes. `same`: so many packets of each."""
    rng, out = random.Random(7), []
    for n in range(flows):
        six = ipv6 and n >= flows * 2 // 3  # in a row: softflowd counts too few sets, and tshark reads no more than are counted
        src = f"2001:db8:1::{n + 1:x}" if six else f"198.51.100.{n * 17 % 250 + 1}"
        dst = f"2001:db8:2::{n + 1:x}" if six else f"203.0.113.{n + 1}"
        proto = (6, 17, 6, 17, 58 if six else 1)[n % 5]
        for k in range(rng.randint(1, 5) * same):
            frame = packet(src, dst, proto, 20000 + n, (443, 53)[proto == 17], rng.randint(0, 600), (2, 0x18, 0x10, 0x11)[min(k, 3)],
                           (0, 0, 0x48)[n % 3], vlan)
            out.append((n * 0.37 + k * 0.11 + rng.random() / 100, frame))
    return sorted(out)


def write_input(test, start=START, **keys):
    exports.write_pcap(test.dir / "in.pcap", [(start + at, frame) for at, frame in traffic(**keys)], link_type=1)
    return test.dir / "in.pcap"


def softflowd(test, sink, *args, **keys):
    program = need("softflowd")
    # The file's name is that of an interface in what it exports; -a: the clock is that of the packets.
    test.start([program, "-a", "-r", write_input(test, **keys).name, "-n", f"127.0.0.1:{sink.port}", "-c", "none", "-p", test.dir / "pid",
                "-d", *args], cwd=test.dir).wait(30)


def pmacctd(test, sink, plugin, text, **keys):
    """pmacctd reads the packets; AS numbers, masks and next hops come from the networks_file."""
    networks = test.write("networks.lst", NETWORKS)
    conf = test.write("pmacctd.conf", f"""
daemonize: false
pcap_savefile: {write_input(test, **keys)}
plugins: {plugin}[out]
networks_file: {networks}
pmacctd_as: file
pmacctd_net: file
{text.replace('PORT', str(sink.port))}
""")
    daemon = test.start([need_pmacct("sbin/pmacctd"), "-f", conf], "pmacctd")
    sink.wait_quiet()
    daemon.kill_all()


NFPROBE = """
nfprobe_receiver[out]: 127.0.0.1:PORT
nfprobe_version[out]: {version}
nfprobe_source_ip[out]: 127.0.0.1
nfprobe_engine[out]: {engine}
nfprobe_timeouts[out]: tcp=1:tcp.rst=1:tcp.fin=1:udp=1:icmp=1:general=1:maxlife=2:expint=1
aggregate[out]: {keys}
"""
FIVE = "src_host, dst_host, src_port, dst_port, proto, tos, tcpflags"
PATHS = f"{FIVE}, src_as, dst_as, src_mask, dst_mask, peer_dst_ip"


def nfreplay(test, sink, version, **keys):
    """nfpcapd makes flows of the packets and keeps them in a file; nfreplay exports that."""
    flows = test.dir / "flows"
    flows.mkdir()
    subprocess.run([need("nfpcapd"), "-r", write_input(test, **keys), "-w", flows, "-t", "3600"], check=True, capture_output=True, timeout=60)
    subprocess.run([need("nfreplay"), "-r", next(flows.glob("nfcapd.2*")), "-H", "127.0.0.1", "-p", str(sink.port), "-v", str(version)],
                   check=True, capture_output=True, timeout=60)


RELAY = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.settimeout(0.2)
out, last, first = open(sys.argv[2], "w"), time.monotonic(), time.monotonic()
while time.monotonic() - last < 4 or (time.monotonic() - first < 30 and not out.tell()):
    try:
        out.write(s.recv(65535).hex() + "\\n")
        out.flush()
        last = time.monotonic()
    except TimeoutError:
        pass
"""


def openvswitch(test, sink, table, settings, **keys):
    """Its user-space datapath forwards the frames from one port to another, and exports what it is told to."""
    switch = Switch(test)
    port = 2055
    relay = test.start([*switch.prefix, sys.executable, test.write("relay.py", RELAY), port, test.dir / "datagrams"], "relay")
    switch.run("ip", "link", "add", "agent", "type", "veth", "peer", "name", "other")
    switch.run("ip", "address", "add", f"{EXPORTER}/32", "dev", "agent")
    switch.run("ip", "link", "set", "agent", "up")
    switch.ctl("--", "--id=@x", "create", table, f'targets="127.0.0.1:{port}"', *settings, "--", "set", "bridge", "br0", f"{table.lower()}=@x")
    time.sleep(0.5)
    switch.send([frame for _, frame in traffic(**keys)])
    wait_for(lambda: relay.popen.poll() is not None, "the end of the exports", 60)
    sink.datagrams = [bytes.fromhex(line) for line in (test.dir / "datagrams").read_text().split()]


# name: (port that the file tells, recorder)
CAPTURES = {
    "softflowd-netflow5": (2055, lambda t, s: softflowd(t, s, "-v", 5, ipv6=False)),
    "softflowd-netflow5-sampled": (2055, lambda t, s: softflowd(t, s, "-v", 5, "-s", 10, ipv6=False, same=20)),
    "softflowd-netflow9": (2055, lambda t, s: softflowd(t, s, "-v", 9)),
    "softflowd-netflow9-sampled": (2055, lambda t, s: softflowd(t, s, "-v", 9, "-s", 10, same=20, ipv6=False)),
    "softflowd-ipfix": (4739, lambda t, s: softflowd(t, s, "-v", 10, "-A", "milli")),
    "softflowd-ipfix-ethernet": (4739, lambda t, s: softflowd(t, s, "-v", 10, "-A", "micro", "-T", "ether", vlan=77)),
    "nfprobe-netflow5": (2100, lambda t, s: pmacctd(t, s, "nfprobe", NFPROBE.format(version=5, engine="3:4", keys=PATHS), ipv6=False,
                                                        start=int(time.time()) - 9)),  # NetFlow v5 counts from the start of the exporter
    "nfprobe-netflow9": (2100, lambda t, s: pmacctd(t, s, "nfprobe", NFPROBE.format(version=9, engine=3, keys=PATHS + ", src_mac, dst_mac, vlan"), vlan=77)),
    "nfprobe-netflow9-sampled": (2100, lambda t, s: pmacctd(
        t, s, "nfprobe", NFPROBE.format(version=9, engine=3, keys=PATHS + ", sampling_rate") + "sampling_rate[out]: 3\n", same=9)),
    "nfprobe-ipfix": (4739, lambda t, s: pmacctd(t, s, "nfprobe", NFPROBE.format(version=10, engine=3, keys=PATHS + ", src_mac, dst_mac, vlan"), vlan=77)),
    "nfreplay-netflow5": (9995, lambda t, s: nfreplay(t, s, 5, ipv6=False)),
    "nfreplay-netflow9": (9995, lambda t, s: nfreplay(t, s, 9)),
    "sfprobe-sflow": (6343, lambda t, s: pmacctd(t, s, "sfprobe", f"""
sfprobe_receiver[out]: 127.0.0.1:PORT
sfprobe_agentip[out]: {EXPORTER}
sampling_rate[out]: 3
""", same=3)),
    "openvswitch-netflow5": (2055, lambda t, s: openvswitch(t, s, "NetFlow", ["active_timeout=2", "engine_id=3", "engine_type=4"], ipv6=False)),
    "openvswitch-ipfix": (4739, lambda t, s: openvswitch(t, s, "IPFIX", ["sampling=1", "obs_domain_id=9", "obs_point_id=5", "cache_active_timeout=2",
                                                                       "cache_max_flows=100"],
                                                            vlan=77, flows=8)),
    "openvswitch-sflow": (6343, lambda t, s: openvswitch(t, s, "sFlow", ["agent=agent", "header=128", "sampling=2", "polling=0"], same=2)),
}


def record(name):
    port, recorder = CAPTURES[name]
    test, sink = Test(name), Sink()
    try:
        recorder(test, sink)
        if not name.startswith("openvswitch"):
            sink.wait_quiet(1)
    finally:
        datagrams = sink.close()
        test.close()
    path = FOLDER / f"{name}.pcap"
    exports.write_pcap(path, [(START + n, exports.udp_packet(d, EXPORTER, COLLECTOR, 40000, port)) for n, d in enumerate(datagrams)])
    flows = read(need("tshark"), path)
    counted = sum(struct.unpack_from("!H", d, 2)[0] for d in datagrams) if name.startswith("softflowd-netflow") else len(flows)
    assert len(flows) == counted >= 10, f"{name}: tshark reads {len(flows)} of {counted} flows"
    path.with_suffix(".json").write_text(text_of(flows))
    print(f"{name}: {len(datagrams)} datagrams, {path.stat().st_size} bytes, {len(flows)} flows", flush=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for chosen in sys.argv[1:] or CAPTURES:
        record(chosen)
