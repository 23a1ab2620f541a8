#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tee with tags by what flows tell: datagrams are taken apart, and each receiver gets what it asked for, whole and once."""
import collections
import random
import select
import signal
import struct

from harness import free_port, json_lines, main, need_pmacct, wait_for
import exports  # harness knows where it is
from test_tee import Receiver, config, counters, instance

FIELDS = [(8, 4), (12, 4), (10, 2), (1, 4), (2, 4)]  # source, destination, input interface, octets, packets


def rows(*interfaces):
    """Records of FIELDS, told apart by their octets."""
    return [["192.0.2.1", "198.51.100.1", interface, 1000 + k, 1] for k, interface in enumerate(interfaces)]


def data_set(template_id, *interfaces):
    return exports.ipfix_set(template_id, b"".join(exports.record(FIELDS, r) for r in rows(*interfaces)))


def split(test, program="nfacctd", rows_of_map="id=1 in=1\nid=2 in=2\n", more="", **kwargs):
    """A daemon with a receiver for each of the tags 1, 2 and 0."""
    receivers = [Receiver(), Receiver(), Receiver()]
    tags = test.write("tags", rows_of_map)
    pools = "\n".join(f"id={1 + k} tag={tag} ip={r.name}" for k, (tag, r) in enumerate(zip((1, 2, 0), receivers)))
    daemon = getattr(test, program)(config(test, pools, f"pre_tag_map[out]: {tags}\nnfacctd_workers: 1\n{more}".replace("nfacctd_", program + "_")), **kwargs)
    return daemon, receivers


def worker(stats, counter):
    return sum(w[counter] for w in stats["workers"])


def test_netflow9(test):
    """Records go by their tag, with a header that counts them; templates and options go to all; what needs no parting stays."""
    daemon, (one, two, none) = split(test)
    announced = [exports.ipfix_set(0, exports.template(256, FIELDS)),
                 exports.ipfix_set(1, struct.pack("!HHHHHHH", 257, 4, 4, 1, 4, 34, 4), pad_to=4)]

    def v9(sets, count, sequence):
        return exports.netflow9(sets, count, sequence, export_time=1700000000)
    options = exports.ipfix_set(257, struct.pack("!II", 7, 100))
    sent = [v9([*announced, options, data_set(256, 1, 2, 1)], 6, 1),
            v9([data_set(256, 2, 2)], 2, 2),           # one tag: as it came
            v9([data_set(256, 9)], 1, 3),              # no row holds
            v9([data_set(999, 1)], 1, 4),              # nobody knows this template
            v9([data_set(256, 1)], 1, 5)[:-3]]         # cut: it is not taken apart
    test.send(*sent)
    first = rows(1, 2, 1)
    mine = exports.ipfix_set(256, exports.record(FIELDS, first[0]) + exports.record(FIELDS, first[2]), pad_to=4)
    its = exports.ipfix_set(256, exports.record(FIELDS, first[1]), pad_to=4)
    for_all = v9([*announced, options], 3, 1)
    assert one.wait(2) == [for_all, v9([mine], 2, 1)], one.got
    assert two.wait(3) == [for_all, v9([its], 1, 1), sent[1]], two.got
    assert none.wait(4) == [for_all, *sent[2:]], none.got
    stats = test.wait_now(daemon, lambda s: instance(s)["written"]["flows"] == 7, "seven datagrams written")
    assert worker(stats, "unsplit") == 1 and worker(stats, "unread_parts") == 1, stats["workers"]
    assert instance(stats)["residual"]["flows"] == 0 and "no_pool" not in counters(stats), instance(stats)
    assert len(one.take()) == 2 and len(two.take()) == 3


def test_ipfix_messages(test):
    """Each message of a datagram is one of its own; a filter leaves records out, and not what others need."""
    daemon, (one, two, none) = split(test, more="pre_tag_filter[out]: 1,2")

    def ipfix(sets, sequence):
        return exports.ipfix(sets, sequence, export_time=1700000000)
    announced = ipfix([exports.ipfix_set(2, exports.template(256, FIELDS))], 0)
    test.send(announced + ipfix([data_set(256, 1, 9, 2)], 5) + ipfix([data_set(256, 1)], 8))
    three = [exports.ipfix_set(256, exports.record(FIELDS, r)) for r in rows(1, 9, 2)]
    assert one.wait(3) == [announced, ipfix(three[:1], 5), ipfix([data_set(256, 1)], 8)], one.got
    assert two.wait(2) == [announced, ipfix(three[2:], 5)], two.got
    assert none.wait(1) == [announced]
    stats = test.wait_now(daemon, lambda s: instance(s)["written"]["flows"] == 4, "four datagrams written")
    assert instance(stats)["filtered"]["flows"] == 1 and instance(stats)["residual"]["flows"] == 0, instance(stats)


def test_netflow5(test):
    """By addresses, ports and protocols, with rows that add up and that give a record away twice."""
    daemon, (one, two, none) = split(test, rows_of_map="""
id=1 src_net=192.0.2.0/24 ip_proto=6 jeq=more return=true
id=2 dst_port=53
id=1 label=more dst_port=443
id=2 label=two dst_port=444
""")
    flows = [{"src": "192.0.2.1", "dst": "198.51.100.1", "dport": 443, "bytes": 1},  # twice
             {"src": "192.0.2.1", "dst": "198.51.100.1", "dport": 444, "bytes": 2},  # 1 and 2
             {"src": "203.0.113.1", "dst": "198.51.100.1", "proto": 17, "dport": 53, "bytes": 4},
             {"src": "203.0.113.1", "dst": "198.51.100.1", "proto": 17, "dport": 54, "bytes": 8}]
    test.send(exports.netflow5(flows, 77, export_time=1700000000))

    def v5(*some):
        return exports.netflow5(some, 77, export_time=1700000000)
    assert none.wait(1) == [v5(flows[3])]
    assert two.wait(1) == [v5(flows[1], flows[2])]
    got = one.wait(2)
    assert sorted(got) == sorted([v5(flows[0]), v5(flows[0], flows[1])]), got
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0


def sflow_sample(in_iface, number):
    record_ = struct.pack("!IIIIIIIIII", 3, 32, 64, 6, 0xc0000201, 0xc6336401, 1024, 443, 0x18, 0)
    body = struct.pack("!IIIIIIII", number, 7, 1, 0, 0, in_iface, 9, 1) + record_
    return struct.pack("!II", 1, len(body)) + body


def test_sflow(test):
    """Flow samples go by their tag; counters of interfaces go to all."""
    _, (one, two, none) = split(test, "sfacctd")
    counters_ = struct.pack("!IIIII", 2, 12, 1, 7, 0)

    def datagram(*samples):
        return struct.pack("!II", 5, 1) + bytes([192, 0, 2, 1]) + struct.pack("!IIII", 3, 11, 1000, len(samples)) + b"".join(samples)
    test.send(datagram(sflow_sample(1, 1), counters_, sflow_sample(2, 2), sflow_sample(1, 3)))
    assert one.wait(3) == [datagram(sflow_sample(1, 1)), datagram(counters_), datagram(sflow_sample(1, 3))], one.got
    assert two.wait(2) == [datagram(counters_), datagram(sflow_sample(2, 2))], two.got
    assert none.wait(1) == [datagram(counters_)]


def test_turns_and_templates(test):
    """All receivers of a pool with turns get what they need to read their records."""
    turns, tags = [Receiver(), Receiver(), Receiver()], test.write("tags", "id=1 in=1\nid=2 in=2\n")
    test.nfacctd(config(test, "id=1 balance-alg=rr ip=" + ",".join(r.name for r in turns), f"pre_tag_map: {tags}\nnfacctd_workers: 1"))
    announced = exports.ipfix([exports.ipfix_set(2, exports.template(256, FIELDS))], 0, export_time=1700000000)
    data = [exports.ipfix([data_set(256, 1 + k % 2)], k, export_time=1700000000) for k in range(6)]
    test.send(announced, *data)
    for k, receiver in enumerate(turns):
        assert receiver.wait(3) == [announced, *data[k::3]], f"turn {k}"


def test_reload(test):
    """A map may begin to ask for flows at a reload, and end; records are read once their template comes again."""
    daemon, (one, two, none) = split(test, rows_of_map="id=1 ip=127.0.0.1\n")
    announced = exports.ipfix([exports.ipfix_set(2, exports.template(256, FIELDS))], 0)
    data = exports.ipfix([data_set(256, 2)], 0)
    test.send(announced, data)
    assert one.wait(2) == [announced, data]

    def reload(text):
        (test.dir / "tags").write_text(text)
        before = daemon.output().count("maps: read anew")
        daemon.signal(signal.SIGUSR2)
        wait_for(lambda: daemon.output().count("maps: read anew") > before, "maps that were read anew")
    reload("id=1 in=1\nid=2 in=2\n")
    test.send(data, announced, data)
    assert none.wait(2) == [data, announced] and two.wait(2) == [announced, data]
    reload("id=1 ip=127.0.0.1\n")
    test.send(announced)
    assert one.wait(4) == [announced, data, announced, announced]


def test_templates_outlive_a_restart(test):
    """What nfacctd_templates_file has kept is enough to take the first datagram apart."""
    announced = exports.ipfix([exports.ipfix_set(2, exports.template(256, FIELDS))], 0)
    data = exports.ipfix([data_set(256, 1)], 0)
    more = f"nfacctd_templates_file: {test.dir}/templates"
    daemon, (one, *_) = split(test, more=more)
    test.send(announced, data)
    one.wait(2)
    assert daemon.stop() == 0, daemon.output()
    _, (one, *_) = split(test, more=more, name="again")
    test.send(data)
    assert one.wait(1) == [data]


def test_whatever_comes(test):
    """Datagrams that are damaged anywhere do no harm: each leaves as it came or with right lengths, and all are accounted for."""
    some, sane = random.Random(7), list(flowgen_datagrams())[:30]
    daemon, receivers = split(test, rows_of_map="id=1 filter='tcp and dst port 53'\nid=2 in=2\nid=7++ src_net=192.0.2.128/25\n")
    sent = []
    for n in range(1500):
        damaged = bytearray(some.choice(sane))
        for _ in range(some.randrange(4)):
            damaged[some.randrange(min(len(damaged), some.choice([24, 2000])))] = some.choice([0, 1, 255, some.randrange(256)])
        sent.append(bytes(damaged[:some.choice([len(damaged), some.randrange(1, len(damaged) + 1)])]))
        test.send(sent[-1])
        if n % 50 == 49:
            test.wait_now(daemon, lambda s, n=n: s["datagrams"]["read"] == n + 1, "the datagrams")
            for receiver in receivers:
                receiver.take()
    stats = test.wait_now(daemon, lambda s: instance(s)["handed_over"]["flows"] + instance(s)["open"]["flows"] == 0, "all was sent")
    own = instance(stats)
    assert own["residual"]["flows"] == 0 and own["drops"]["pool_full"]["flows"] == 0 and own["process"]["restarts"] == 0, own
    assert 0 < worker(stats, "unsplit") < 1500, stats["workers"]
    as_they_came = set(sent)
    for datagram in (d for receiver in receivers for d in receiver.take() if d not in as_they_came):
        version, count = struct.unpack("!HH", datagram[:4])
        if version == 5:
            assert len(datagram) == 24 + 48 * count, datagram
            continue
        place = {9: 20, 10: 16}[version]
        assert version == 9 or count == len(datagram), datagram
        while place < len(datagram):
            length = struct.unpack("!H", datagram[place + 2:place + 4])[0]
            assert 4 <= length <= len(datagram) - place, datagram
            place += length


def test_any_number_of_workers(test):
    """A capture leaves in the same datagrams however many workers read it."""
    exports.write_pcap(test.dir / "in.pcap", [(1700000000 + n / 1000, exports.udp_packet(d, f"192.0.2.{1 + n % 5}"))
                                              for n, d in enumerate(flowgen_datagrams())])
    seen = []
    for workers in (1, 3):
        receivers, tags = [Receiver(), Receiver()], test.write("tags", "id=1 in=1\n")
        daemon = test.nfacctd(config(test, f"id=1 tag=1 ip={receivers[0].name}\nid=2 tag=0 ip={receivers[1].name}",
                                     f"pcap_savefile: {test.dir}/in.pcap\npre_tag_map: {tags}\nnfacctd_workers: {workers}"), name=f"workers{workers}")
        while daemon.popen.poll() is None:
            for receiver in receivers:
                select.select([receiver.socket], [], [], 0.01)
                receiver.take()
        assert daemon.wait() == 0, daemon.output()
        seen.append([sorted(receiver.take()) for receiver in receivers])
    assert seen[0] == seen[1] and all(len(got) > 100 for got in seen[0]), [list(map(len, s)) for s in seen]


def accounted(test, name, datagrams):
    """What our nfacctd makes of datagrams: octets of each address pair and interface."""
    exports.write_pcap(test.dir / f"{name}.pcap", [(1700000000 + k / 1000, exports.udp_packet(d)) for k, d in enumerate(datagrams)])
    daemon = test.nfacctd(f"""pcap_savefile: {test.dir}/{name}.pcap
plugins: print
aggregate: src_host, dst_host, in_iface, src_port, dst_port, proto
print_output: json
print_output_file: {test.dir}/{name}.json
nfacctd_time_new: true
""", name=name)
    assert daemon.wait() == 0, daemon.output()
    sums = collections.Counter()
    for row in json_lines(test.dir / f"{name}.json"):
        sums[tuple(row[k] for k in ("ip_src", "ip_dst", "iface_in", "port_src", "port_dst", "ip_proto"))] += row["bytes"]
    return sums


# Keys that Debian's pmacct has for tee as well.
MAP = "id=1 in=1 src_net=192.0.2.0/25\nid=1 in=2\nid=2 dst_net=10.0.0.0/8\n"


def flowgen_datagrams():
    """NetFlow v5, v9 and IPFIX with many records of all kinds in each datagram."""
    some = random.Random(5)

    def flow():
        return ["192.0.2.%d" % some.randrange(1, 200), some.choice(["10.1.2.3", "198.51.100.7"]), some.choice([443, 80, 1024]), some.choice([53, 443, 9]),
                some.choice([6, 17]), some.randrange(1, 4), some.randrange(40, 100000), 1]
    fields = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (10, 4), (1, 4), (2, 4)]
    template = exports.template(256, fields)
    keys = ("src", "dst", "sport", "dport", "proto", "in", "bytes", "packets")
    for n in range(60):
        some_flows = [flow() for _ in range(20)]
        body = b"".join(exports.record(fields, f) for f in some_flows)
        yield exports.netflow5([dict(zip(keys, f)) for f in some_flows], n * 20)
        announced9, announced10 = [exports.ipfix_set(i, template) for i in (0, 2)] if n % 7 == 0 else (b"", b"")
        yield exports.netflow9([announced9, exports.ipfix_set(256, body, pad_to=4)], 20 + (n % 7 == 0), n)
        yield exports.ipfix([announced10, exports.ipfix_set(256, body)], n * 20)


def pmacct_split(test, receivers):
    """Debian's nfacctd with the same map."""
    port = free_port()
    pools = test.write("pmacct_receivers", "\n".join(f"id={1 + k} tag={tag} ip={r.name}" for k, (tag, r) in enumerate(zip((1, 2, 0), receivers))) + "\n")
    conf = test.write("pmacct.conf", f"""
nfacctd_port: {port}
nfacctd_ip: 127.0.0.1
plugins: tee[a]
tee_receivers[a]: {pools}
pre_tag_map[a]: {test.write("pmacct_tags", MAP)}
tee_transparent: false
logfile: {test.dir}/pmacct.log
""")
    test.start([need_pmacct("sbin/nfacctd"), "-f", conf], "pmacct", cwd=test.dir)
    log = test.dir / "pmacct.log"
    wait_for(lambda: log.exists() and "waiting for NetFlow/IPFIX data" in log.read_text(), lambda: log.read_text() if log.exists() else "its log")
    return port


def beside_pmacct(test, datagrams):
    """Both take the same datagrams apart: receivers of the same tag account the same, and together all that came."""
    datagrams = list(datagrams)
    theirs = [Receiver(), Receiver(), Receiver()]
    port = pmacct_split(test, theirs)
    daemon, ours = split(test, rows_of_map=MAP)
    for start in range(0, len(datagrams), 10):
        test.send(*datagrams[start:start + 10])
        test.send(*datagrams[start:start + 10], port=port)
        test.wait_now(daemon, lambda s, n=start: s["datagrams"]["read"] >= min(n + 10, len(datagrams)), "the datagrams")
        for receiver in (*ours, *theirs):
            receiver.take()
    stats = test.wait_now(daemon, lambda s: instance(s)["handed_over"]["flows"] + instance(s)["open"]["flows"] == 0, "all was sent")
    assert worker(stats, "unsplit") == worker(stats, "unread_parts") == 0, stats["workers"]
    wait_for(lambda: sum(len(r.take()) for r in ours) >= instance(stats)["written"]["flows"], "all datagrams of ours")
    came = accounted(test, "came", datagrams)
    here = [accounted(test, f"ours{k}", r.got) for k, r in enumerate(ours)]
    assert sum(here, collections.Counter()) == came, "receivers account something else than came"
    there = []

    def all_came():
        there[:] = [accounted(test, f"theirs{k}", r.take()) for k, r in enumerate(theirs)]
        return sum(there, collections.Counter()).total() >= came.total()
    wait_for(all_came, "all records from pmacct")
    for k, tag in enumerate((1, 2, 0)):
        assert here[k] == there[k], f"tag {tag}: {(here[k] - there[k])} here, {(there[k] - here[k])} there"
        assert here[k], f"nothing has tag {tag}"


def test_live_collectors(test):
    """Collectors behind account together what one beside accounts, each what its tags say, and refuse nothing."""
    names, behind = ("one", "two", "none"), []
    for name in names:
        behind.append((test.nfacctd(f"""plugins: print
aggregate: in_iface, tag
print_output: json
print_output_file: {test.dir}/{name}.json
print_refresh_time: 3600
nfacctd_time_new: true
""", name=name), test.port))
    pools = "\n".join(f"id={1 + k} tag={(1, 2, 0)[k]} ip=127.0.0.1:{port}" for k, (_, port) in enumerate(behind))
    tags = test.write("tags", "id=1 in=1\nid=2 in=2\n")
    daemon = test.nfacctd(config(test, pools, f"pre_tag_map[out]: {tags}\n").replace(
        "plugins: tee[out]", f"""plugins: tee[out], print[beside]
aggregate[beside]: in_iface
print_output[beside]: json
print_output_file[beside]: {test.dir}/beside.json
print_refresh_time[beside]: 3600
nfacctd_time_new: true"""), name="splitter")
    came = list(flowgen_datagrams())
    for k in range(0, len(came), 20):
        test.send(*came[k:k + 20])
        test.wait_now(daemon, lambda s, n=k: s["datagrams"]["read"] >= min(n + 20, len(came)), "the datagrams", name="splitter")

    def accounted_flows():
        return sum(instance(test.now(c, name), "default_print")["decoded"]["flows"] for name, (c, _) in zip(names, behind))
    wait_for(lambda: accounted_flows() == 3600, lambda: f"{accounted_flows()} flows")
    for name, (collector, _) in zip(names, behind):
        got = test.now(collector, name)
        assert got["datagrams"]["decoded"] == got["datagrams"]["read"] and not any(sum(e["drops"].values()) for e in got["exporters"]), got
    for process in (daemon, *(d for d, _ in behind)):
        assert process.stop() == 0, process.output()

    def octets(name):
        return {row["iface_in"]: row["bytes"] for row in json_lines(test.dir / f"{name}.json")}
    here, beside = {name: octets(name) for name in names}, octets("beside")
    assert here == {"one": {1: beside[1]}, "two": {2: beside[2]}, "none": {3: beside[3]}}, (here, beside)


def test_beside_pmacct(test):
    beside_pmacct(test, flowgen_datagrams())


if __name__ == "__main__":
    main(globals())
