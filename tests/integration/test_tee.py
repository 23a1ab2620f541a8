#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tee passes datagrams on: to receivers of pools, by tags, by turns and hashes; counted, at most once."""
import json
import os
import select
import signal
import socket
import struct
import subprocess
import time
import urllib.request

from harness import BUILD, free_port, main, need_built, wait_for
import exports  # harness knows where it is


def netflow5(number, engine=0, engine_type=0):
    """A datagram without records, which tells itself apart by its sequence number."""
    return struct.pack(">HHIIIIBBH", 5, 0, 1000, int(time.time()), 0, number, engine_type, engine, 0)


def ipfix(number, domain):
    return struct.pack(">HHIII", 10, 16, int(time.time()), number, domain)


class Receiver:
    """A collector's socket that remembers what came, and from where."""

    def __init__(self, address="127.0.0.1", port=None):
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(self.family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.port = port or free_port(address=address)
        self.socket.bind((address, self.port))
        self.socket.setblocking(False)
        self.name = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self.got, self.sources = [], []

    def take(self):
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
            except BlockingIOError:
                return self.got
            self.got.append(data)
            self.sources.append(source[:2])

    def wait(self, count, seconds=30):
        wait_for(lambda: len(self.take()) >= count, lambda: f"{count} datagrams, not {len(self.got)}", seconds)
        return self.got


def config(test, rows, more="", name="receivers"):
    path = test.write(name, rows + "\n")
    test.receivers = path
    return f"plugins: tee[out]\ntee_receivers[out]: {path}\n{more}\n"


def instance(stats, name="out"):
    return next(i for i in stats["instances"] if i["name"] == name)


def counters(stats, name="out"):
    return instance(stats, name)["process"]["counters"]


def test_copies_as_they_came(test):
    """Every receiver of every pool gets each datagram whole, in order, be it an export or anything else."""
    a, b, c = Receiver(), Receiver(), Receiver("::1")
    daemon = test.nfacctd(config(test, f"! pools\nid=1 ip={a.name},{b.name}\n\nid=2 ip={c.name}"))
    sent = [netflow5(i) for i in range(200)] + [b"no export at all", b"", os.urandom(9000)]
    test.send(*sent)
    for receiver in (a, b, c):
        assert receiver.wait(len(sent)) == sent, "not the same datagrams in the same order"
    stats = test.wait_now(daemon, lambda s: counters(s).get(f"1 {a.name} sent") == len(sent), "all counted as sent")
    assert counters(stats)[f"2 {c.name} sent"] == len(sent), counters(stats)
    own = instance(stats)
    assert own["decoded"]["flows"] == own["written"]["flows"] == len(sent), own
    assert own["written"]["bytes"] == sum(map(len, sent)), own
    assert own["residual"]["flows"] == 0, own
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0


def copies_of_many_sizes(test, env):
    """Datagrams that the kernel may be given as one, and others between them: all come whole and in order."""
    a, b = Receiver(), Receiver("::1")
    lengths = [900] * 70 + [700] + [900] * 3 + [0, 0] + [1400] * 60 + [1, 1, 2, 1] + [9000, 9000] + [1200, 1100, 1000] * 20
    sent = [struct.pack(">I", n)[:length].ljust(length, bytes([n % 256])) for n, length in enumerate(lengths)]
    daemon = test.nfacctd(config(test, f"id=1 ip={a.name}\nid=2 ip={b.name}"), env={**os.environ, **env})
    test.send(*sent)
    for receiver in (a, b):
        assert receiver.wait(len(sent)) == sent, "not the same datagrams in the same order"
    test.wait_now(daemon, lambda s: counters(s).get(f"1 {a.name} sent") == counters(s).get(f"2 {b.name} sent") == len(sent), "all counted as sent")
    assert daemon.stop() == 0, daemon.output()


def test_datagrams_of_one_size_go_together(test):
    copies_of_many_sizes(test, {})


def test_where_the_kernel_cannot_cut_they_go_one_by_one(test):
    preload = {"LD_PRELOAD": str(need_built("tests/no_segments.so")),
               "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0"}
    copies_of_many_sizes(test, preload)


def test_within_20_ms(test):
    """A datagram that comes alone does not wait for others, nor for a tick of any clock; nor does one that is taken apart."""
    a, b, tags = Receiver(), Receiver(), test.write("tags", "id=1 in=1\n")
    test.nfacctd(config(test, f"id=1 ip={a.name}", f"""plugins: tee[out], tee[split]
tee_receivers[split]: {test.write("split", f"id=1 ip={b.name}")}
pre_tag_map[split]: {tags}
""").replace("plugins: tee[out]\n", "", 1))
    flows = [{"src": "192.0.2.1", "dst": "198.51.100.1", "in": interface} for interface in (1, 2)]

    def took():
        sent, count = time.monotonic(), len(b.take())
        test.send(exports.netflow5(flows))
        for receiver in (a, b):
            select.select([receiver.socket], [], [], 30)
        last = time.monotonic()
        b.wait(count + 2)
        a.take()
        return last - sent
    wait_for(lambda: took() < 0.020, "a datagram that was passed on within 20 ms")


def test_pools_choose(test):
    """By turns, by exporter and by tag; pools take the tags they name; a bound filter leaves datagrams out."""
    turns = [Receiver(), Receiver(), Receiver()]
    hashed = [Receiver(), Receiver()]
    crc = [Receiver(), Receiver()]
    tagged, others, by_tag = Receiver(), Receiver(), [Receiver(), Receiver()]
    rows = "\n".join([
        "id=1 balance-alg=rr ip=" + ",".join(r.name for r in turns),
        "id=2 balance-alg=hash-agent ip=" + ",".join(r.name for r in hashed),
        f"id=3 tag=5,100-199 ip={tagged.name}",
        f"id=4 tag=-5 ip={others.name}",
        "id=5 balance-alg=hash-tag ip=" + ",".join(r.name for r in by_tag),
        "id=6 balance-alg=hash-crc32 ip=" + ",".join(r.name for r in crc)])
    tags = test.write("tags", "\n".join([
        "id=5 engine_type=7 engine_id=9",
        "id=100 source_id=4000000000",
        "id=8 ip=127.0.0.3",
        "id=66 ip=127.0.0.66"]) + "\n")
    daemon = test.nfacctd(config(test, rows, f"pre_tag_map[out]: {tags}\npre_tag_filter[out]: -66\nnfacctd_workers: 1"))
    five = [netflow5(1, engine=9, engine_type=7), netflow5(2, engine=9, engine_type=7)]
    hundred = [ipfix(1, 4000000000)]
    rest = [netflow5(3, engine=9), netflow5(4), ipfix(2, 1), b"?"]
    eight = [netflow5(5), netflow5(6)]
    test.send(*five, *hundred, *rest)
    others.wait(5)
    test.send(*eight, source="127.0.0.3")
    test.send(netflow5(7), netflow5(8), source="127.0.0.66")
    everything = five + hundred + rest + eight
    assert tagged.wait(3) == five + hundred
    assert others.wait(len(everything) - 2) == hundred + rest + eight
    for k, receiver in enumerate(turns):
        assert receiver.wait(3) == everything[k::3], f"turn {k}"
    assert hashed[127 * 2**24 + 1 & 1].wait(7)[:7] == five + hundred + rest  # 127.0.0.1 is odd, 127.0.0.3 too
    hashed[1].wait(9)
    assert not hashed[0].take()
    assert by_tag[1].wait(2) == five and by_tag[0].wait(7) == hundred + rest + eight
    import zlib
    assert crc[zlib.crc32(bytes([127, 0, 0, 1])) % 2].wait(7)[:7] == five + hundred + rest
    assert eight[0] in crc[zlib.crc32(bytes([127, 0, 0, 3])) % 2].wait(1)
    stats = test.wait_now(daemon, lambda s: instance(s)["written"]["flows"] == 9, "nine passed on")
    assert instance(stats)["filtered"]["flows"] == 2, instance(stats)
    assert instance(stats)["decoded"]["flows"] == 11 and instance(stats)["residual"]["flows"] == 0, instance(stats)


def test_no_pool_takes_it(test):
    a = Receiver()
    daemon = test.nfacctd(config(test, f"id=1 tag=1 ip={a.name}"))
    test.send(netflow5(1), netflow5(2))
    test.wait_now(daemon, lambda s: counters(s).get("no_pool") == 2, "no pool for two datagrams")
    assert not a.take()


def test_source_address_and_port(test):
    """tee_source_ip and src_port say where datagrams come from; several receivers share both."""
    a, b = Receiver(), Receiver()
    port = free_port(address="127.0.0.9")
    daemon = test.nfacctd(config(test, f"id=1 src_port={port} ip={a.name},{b.name}", "tee_source_ip[out]: 127.0.0.9\ntee_ipprec[out]: 5"))
    a.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    test.send(netflow5(1))
    assert b.wait(1) and b.sources == [("127.0.0.9", port)], b.sources
    wait_for(lambda: select.select([a.socket], [], [], 0)[0], "a datagram")
    data, ancillary, _, source = a.socket.recvmsg(100, 100)
    assert source == ("127.0.0.9", port) and ancillary[0][2][0] == 5 << 5, (source, ancillary)


def test_beside_accounting(test):
    """Collector and replicator in one daemon: an exporter that is not allowed is passed on by neither, what cannot be
    decoded is passed on all the same, and so is what waits for the RIB."""
    a = Receiver()
    allowed = test.write("allow", "127.0.0.1\n")
    peers = test.write("peers", "127.0.0.99\n")
    text = config(test, f"id=1 ip={a.name}", f"""nfacctd_allow_file: {allowed}
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {free_port(socket.SOCK_STREAM)}
bgp_daemon_allow_file: {peers}
bgp_wait_for_rib: 3600
""").replace("plugins: tee[out]", f"plugins: tee[out], print[flows]\naggregate[flows]: src_host\nprint_output_file[flows]: {test.dir}/out\nprint_refresh_time[flows]: 1")
    daemon = test.nfacctd(text)
    test.send(netflow5(9), source="127.0.0.2")
    sent = [ipfix(1, 1), b"junk"]
    test.send(*sent)
    assert a.wait(2) == sent
    stats = test.now(daemon)
    assert stats["datagrams"]["waiting"] == 3, stats["datagrams"]  # for the RIB
    assert instance(stats)["decoded"]["flows"] == 2, instance(stats)
    daemon.signal(signal.SIGTERM)
    daemon.wait()
    stats = test.stats()
    assert stats["datagrams"]["decoded"] == 1 and stats["datagrams"]["refused"] == 2, stats["datagrams"]
    assert instance(stats, "flows")["decoded"]["flows"] == 0 and instance(stats)["written"]["flows"] == 2


def tee_pid(stats):
    return instance(stats)["process"]["pid"]


def test_kills(test):
    """What a dead process had taken is lost and counted; nothing comes twice; what came meanwhile is sent."""
    a = Receiver()
    daemon = test.nfacctd(config(test, f"id=1 ip={a.name}"))
    sent = 0
    for kills in range(3):
        pid = test.wait_now(daemon, lambda s, n=kills: instance(s)["process"]["restarts"] == n and instance(s)["process"]["is_open"] and tee_pid(s) > 0,
                            "a process")
        for _ in range(40):
            test.send(*(netflow5(n) for n in range(sent, sent + 50)))
            sent += 50
            a.take()
        os.kill(tee_pid(pid), signal.SIGKILL)
        for _ in range(10):
            test.send(*(netflow5(n) for n in range(sent, sent + 50)))
            sent += 50
            a.take()
    stats = test.wait_now(daemon, lambda s: instance(s)["process"]["restarts"] == 3 and instance(s)["written"]["flows"] + instance(s)["drops"]["process_lost"]["flows"] == sent,
                          "all are sent or lost", seconds=60)
    a.take()
    numbers = [struct.unpack(">I", d[16:20])[0] for d in a.got]
    assert len(set(numbers)) == len(numbers), "a datagram came twice"
    assert numbers == sorted(numbers), "the order changed"
    own = instance(stats)
    assert own["written"]["flows"] <= len(numbers) <= sent, (own, len(numbers))
    assert own["process"]["restarts"] == 3 and own["residual"]["flows"] == 0, own
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == (1 if own["drops"]["process_lost"]["flows"] else 0)


def test_the_end_under_load(test):
    """What was read when SIGTERM came is sent before the end."""
    a = Receiver()
    daemon = test.nfacctd(config(test, f"id=1 ip={a.name}"))
    test.wait_now(daemon, lambda s: instance(s)["process"]["is_open"], "a process")
    for n in range(40):
        test.send(*(netflow5(n * 50 + k) for k in range(50)))
        a.take()
    daemon.signal(signal.SIGTERM)
    while daemon.popen.poll() is None:
        a.take()
        time.sleep(0.001)
    assert daemon.wait() == 0, daemon.output()
    stats = test.stats()
    assert stats["datagrams"]["read"] == instance(stats)["written"]["flows"] == len(a.take()), (stats["datagrams"], len(a.got))


def test_hangs_and_full_pool(test):
    """A process that does not take anything holds nobody up: what its pool has no room for is dropped and counted."""
    a, b = Receiver(), Receiver()
    daemon = test.nfacctd(config(test, f"id=1 ip={a.name}", "plugin_pool_size[out]: 2M\nplugin_timeout: 0").replace(
        "plugins: tee[out]", f"plugins: tee[out], tee[other]\ntee_receivers[other]: {test.write('others', f'id=1 ip={b.name}')}"))
    stats = test.wait_now(daemon, lambda s: instance(s)["process"]["is_open"] and instance(s, "other")["process"]["is_open"], "processes")
    os.kill(tee_pid(stats), signal.SIGSTOP)
    try:
        big = bytes(8000)
        for n in range(1000):
            test.send(big)
            if n % 50 == 49:
                b.wait(n + 1)
        assert len(b.got) == 1000
        stats = test.wait_now(daemon, lambda s: instance(s)["drops"]["pool_full"]["flows"] > 500, "datagrams without room")
        assert instance(stats)["residual"]["flows"] == 0, instance(stats)
    finally:
        os.kill(tee_pid(stats), signal.SIGCONT)
    stats = test.wait_now(daemon, lambda s: instance(s)["handed_over"]["flows"] + instance(s)["open"]["flows"] == 0, "the rest was sent")
    assert instance(stats)["written"]["flows"] == 1000 - instance(stats)["drops"]["pool_full"]["flows"]
    assert len(a.take()) == instance(stats)["written"]["flows"]


def test_reload(test):
    """SIGUSR2 and SIGHUP read the receivers anew; a file that is wrong leaves the old ones in force."""
    a, b = Receiver(), Receiver()
    daemon = test.nfacctd(config(test, f"id=1 ip={a.name}"))
    test.send(netflow5(1))
    a.wait(1)
    test.receivers.write_text("id=1 ip=nowhere\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log(f"{test.receivers}:1: ip=nowhere: a receiver is")
    daemon.wait_log("tee_receivers: the old ones stay in force")
    test.send(netflow5(2))
    a.wait(2)
    test.receivers.write_text(f"id=1 ip={b.name}\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("tee_receivers: read anew: 1 pools, 1 receivers")
    test.send(netflow5(3))
    b.wait(1)
    assert len(a.take()) == 2


def test_reload_of_tags(test):
    """A map that asks for what only BGP tells is refused at a reload too, and the old one stays."""
    one, two = Receiver(), Receiver()
    tags = test.write("tags", "id=1 ip=127.0.0.1\n")
    daemon = test.nfacctd(config(test, f"id=1 tag=1 ip={one.name}\nid=2 tag=2 ip={two.name}", f"pre_tag_map: {tags}"))
    test.send(netflow5(1))
    one.wait(1)
    tags.write_text("id=2 ip=127.0.0.1 peer_dst_as=5\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log(f"{tags}: pre_tag_map of [out]: datagrams are passed on before BGP and other maps are asked")
    daemon.wait_log("maps: the old ones stay in force")
    test.send(netflow5(2))
    one.wait(2)
    tags.write_text("id=2 ip=127.0.0.1\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("maps: read anew")
    test.send(netflow5(3))
    two.wait(1)


def test_nobody_listens(test):
    """A port that is closed is told, with place and remedy, and counted; others get all."""
    a = Receiver()
    closed = f"127.0.0.1:{free_port()}"
    daemon = test.nfacctd(config(test, f"id=1 ip={closed},{a.name}"))
    for n in range(20):
        test.send(netflow5(n))
        a.wait(n + 1)
    stats = test.wait_now(daemon, lambda s: counters(s).get(f"1 {closed} refused", 0) > 0 and counters(s).get(f"1 {closed} sent") == 20, "refusals")
    assert f"1 {closed} dropped_unreachable" not in counters(stats), counters(stats)
    test.send(netflow5(99))
    daemon.wait_log(f"pool 1, receiver {closed}: ")
    daemon.wait_log("nobody listens at its port (ICMP); start the collector there")


def test_what_a_receiver_lost(test):
    """A name without address and a datagram that is too long are counted at their receiver, and told; nothing is missing."""
    a, six = Receiver(), Receiver("::1")
    daemon = test.nfacctd(config(test, f"id=1 ip=no-such-host.invalid:9,{a.name},{six.name}", f"nfacctd_ip: ::\nnfacctd_port: {free_port(address='::')}"))
    daemon.wait_log("pool 1, receiver no-such-host.invalid:9: ")
    longest = bytes(65527)  # over IPv6 20 bytes more than IPv4 can take
    test.send(netflow5(1), longest, netflow5(2), source="::1")
    assert six.wait(3) == [netflow5(1), longest, netflow5(2)] and a.wait(2) == [netflow5(1), netflow5(2)]
    stats = test.wait_now(daemon, lambda s: instance(s)["written"]["flows"] == 3 and counters(s).get(f"1 {six.name} sent") == 3, "three written")
    assert counters(stats) == {f"1 {a.name} sent": 2, f"1 {a.name} dropped_too_long": 1, f"1 {six.name} sent": 3,
                               "1 no-such-host.invalid:9 dropped_unresolved": 3}, counters(stats)
    daemon.wait_log(f"receiver {a.name}: 1 datagrams dropped: longer than the way to it allows; raise its MTU")
    daemon.wait_log("receiver no-such-host.invalid:9: ", seconds=30)


def test_source_of_ipv6(test):
    """tee_source_ip, src_port and tee_ipprec over IPv6; a receiver of the other family gets nothing, and is told."""
    six, four, port = Receiver("::1"), Receiver(), free_port(address="::1")
    six.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    daemon = test.nfacctd(config(test, f"id=1 src_port={port} ip={six.name}\nid=2 ip={four.name}", "tee_source_ip[out]: ::1\ntee_ipprec[out]: 6"))
    daemon.wait_log(f"pool 2, receiver {four.name}: ")
    test.send(netflow5(1))
    wait_for(lambda: select.select([six.socket], [], [], 0)[0], "a datagram")
    data, ancillary, _, source = six.socket.recvmsg(100, 100)
    assert data == netflow5(1) and source[:2] == ("::1", port) and struct.unpack("i", ancillary[0][2])[0] == 6 << 5, (source, ancillary)
    stats = test.wait_now(daemon, lambda s: counters(s).get(f"1 {six.name} sent") == 1, "one sent")
    assert counters(stats)[f"2 {four.name} dropped_unresolved"] == 1 and not four.take(), counters(stats)


def test_shown_everywhere(test):
    """What each receiver was sent stands in /metrics, in the API and on the screen of pathacct plugins."""
    a, closed, port = Receiver(), f"127.0.0.1:{free_port()}", free_port(socket.SOCK_STREAM)
    test.nfacctd(config(test, f"id=1 ip={a.name}\nid=7 tag=9 ip={closed}", f"""http_listen: 127.0.0.1:{port}
control_socket: {test.dir}/control
plugins: tee[out], tee[seven]
tee_receivers[seven]: {test.write("seven", "id=7 ip=" + closed)}
""").replace("plugins: tee[out]\n", "", 1))
    for n in range(5):
        test.send(netflow5(n))
        a.wait(n + 1)

    def page(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.read().decode()
    line = f'pathacct_tee_datagrams_total{{plugin_instance="out",outcome="sent",pool="1",receiver="{a.name}"}} 5\n'
    refused_line = 'plugin_instance="seven",outcome="refused",pool="7"'
    sent_line = f'plugin_instance="seven",outcome="sent",pool="7",receiver="{closed}"}} 5\n'
    wait_for(lambda: all(words in page("/metrics") for words in (line, refused_line, sent_line)), lambda: page("/metrics"))
    plugins = json.loads(page("/api/v1/plugins"))["plugins"]
    assert plugins[0]["counters"] == {f"1 {a.name} sent": 5}, plugins
    assert plugins[1]["counters"][f"7 {closed} sent"] == 5, plugins
    shown = subprocess.run([BUILD / "bin/pathacct", "-s", f"{test.dir}/control", "plugins"], capture_output=True, text=True, timeout=30, check=False).stdout
    rows = [line.split() for line in shown.splitlines()]
    assert ["INSTANCE", "POOL", "RECEIVER", "SENT", "REFUSED", "DROPPED"] in rows, shown
    assert ["out", "1", a.name, "5", "0", "0"] in rows, shown


def sflow5(agent, sub_agent, number):
    """A datagram of sFlow without samples."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in agent else socket.AF_INET, agent)
    return struct.pack(">II", 5, 1 if len(packed) == 4 else 2) + packed + struct.pack(">IIII", sub_agent, number, 1000, 0)


def test_sflow_agents(test):
    """sfacctd passes on as well; tags go by the agent and the sub-agent that the datagram names, however short it is."""
    one, two, rest = Receiver(), Receiver(), Receiver()
    tags = test.write("tags", "id=1 ip=192.0.2.1\nid=1 ip=2001:db8::/32\nid=2 agent_id=77\n")
    text = config(test, f"id=1 tag=1 ip={one.name}\nid=2 tag=2 ip={two.name}\nid=3 tag=0 ip={rest.name}", f"pre_tag_map: {tags}")
    daemon = test.sfacctd(text)
    sent = [sflow5("192.0.2.1", 5, 1), sflow5("2001:db8::5", 6, 2), sflow5("192.0.2.2", 77, 3), sflow5("192.0.2.2", 78, 4)]
    cut = [sflow5("2001:db8::5", 6, 5)[:n] for n in range(0, 40, 3)]
    test.send(*sent)
    assert one.wait(2) == sent[:2] and two.wait(1) == sent[2:3] and rest.wait(1) == sent[3:]
    test.send(*cut)
    rest.wait(1 + len([c for c in cut if len(c) < 24]))
    one.wait(2 + len([c for c in cut if len(c) >= 24]))
    assert daemon.stop() == 0, daemon.output()


def test_a_capture_is_passed_on(test):
    """In order, whole, and with the addresses that are in it for tags; all of it, however long the plugin takes."""
    odd, even = Receiver(), Receiver()
    payloads = [netflow5(n) + bytes(n % 1400) for n in range(5000)]
    exports.write_pcap(test.dir / "in.pcap", [(1700000000 + n / 1000, exports.udp_packet(p, f"192.0.2.{1 + n % 2}")) for n, p in enumerate(payloads)])
    tags = test.write("tags", "id=1 ip=192.0.2.1\nid=2 ip=192.0.2.2\n")
    got = {odd: [], even: []}
    daemon = test.nfacctd(config(test, f"id=1 tag=1 ip={odd.name}\nid=2 tag=2 ip={even.name}",
                                 f"pcap_savefile: {test.dir}/in.pcap\npre_tag_map: {tags}\nnfacctd_workers: 2\npcap_savefile_speed: 5"))
    while daemon.popen.poll() is None:
        for receiver in got:
            receiver.take()
        time.sleep(0.001)
    assert daemon.wait() == 0, daemon.output()
    assert odd.take() == payloads[0::2] and even.take() == payloads[1::2], (len(odd.got), len(even.got))
    assert instance(test.stats())["written"]["flows"] == 5000


def refused(test, text, *expected):
    daemon = test.nfacctd(text, "--check", ready=False)
    assert daemon.wait() == 1
    for line in expected:
        assert line in daemon.output(), f"{line!r} is not in:\n{daemon.output()}"


def test_wrong_configurations(test):
    """Each mistake is told at --check with its line and what would be right."""
    path = test.dir / "receivers"
    refused(test, config(test, "id=1 ip=127.0.0.1:2055 tag=x\nid=0 ip=[::1]:1\nid=2 kafka_broker=h kafka_topic=t\nid=3 zmq_address=h:1\nid=4\nid=5 ip=a:1 balance-alg=best\nfoo"),
            f"{path}:1: tag=x: numbers or ranges", f"{path}:2: id=0: the pool's number", f"{path}:3: kafka_broker: datagrams are sent over UDP, not to brokers",
            f"{path}:4: zmq_address: datagrams are sent over UDP", f"{path}:5: ip: is missing", f"{path}:6: balance-alg=best: rr, hash-agent", f"{path}:7: foo: a row is made")
    refused(test, "plugins: tee[out]\n", "tee[out]: tee_receivers: is not set")
    refused(test, "plugins: tee[out]\ntee_receivers: /nowhere/at/all\n", "tee_receivers: cannot read /nowhere/at/all: No such file")
    refused(test, config(test, "id=1 ip=127.0.0.1:2055", "tee_source_ip: moon"), "tee_source_ip: an address of this machine")
    refused(test, config(test, "id=1 ip=127.0.0.1:2055", "aggregate_filter[out]: tcp"), "aggregate_filter[out]: datagrams are passed on whole")
    tags = test.write("tags", "id=1 ip=127.0.0.1\nid=2 in=5\nid=3 src_comms=65000:1\n")
    refused(test, config(test, "id=1 ip=127.0.0.1:2055", f"pre_tag_map[out]: {tags}"),
            f"{tags}: pre_tag_map of [out]: datagrams are passed on before BGP and other maps are asked, so rows cannot ask for src_comms")


if __name__ == "__main__":
    main(globals())
