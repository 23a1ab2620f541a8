#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The log of BGP messages: what a peer says is there, in order, in files, at Kafka and at RabbitMQ, as Debian's nfacctd logs the
same session; a lost session leaves its paths as deleted; the ledger has every record."""
import itertools
import json
import random
import signal
import socket
import struct
import subprocess

from harness import NFACCTD, free_port, json_lines, main, need_pmacct, wait_for
from bgp_speaker import (Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update)
from kafka_cluster import Mock, consume
from rabbit import shared

NAME = "bgp_msglog"
END_OF_RIB = update()
COMMS = attribute(0xc0, 8, struct.pack("!4H", 2906, 2, 0xffff, 0xff01))
LARGE = attribute(0xc0, 32, struct.pack("!3I", 2906, 1, 2))
EXTENDED = attribute(0xc0, 16, struct.pack("!BBHI", 0, 2, 1, 2))
LOCAL_PREF = attribute(0x40, 5, struct.pack("!I", 200))
MED = attribute(0x80, 4, struct.pack("!I", 0))
OTC = attribute(0xc0, 35, struct.pack("!I", 65000))
AIGP = attribute(0x80, 26, struct.pack("!BHQ", 1, 11, 77))
CAPABILITIES = multiprotocol(1, 1) + multiprotocol(2, 1) + multiprotocol(1, 128) + four_octet_as(65000) + add_path_send((1, 1))
RD = struct.pack("!HHI", 0, 65000, 7)


def config(test, port, more=""):
    return f"""
plugins: print[flows]
print_output[flows]: json
print_output_file[flows]: {test.dir}/flows.json
aggregate[flows]: src_host
timestamps_utc: true
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {port}
bgp_daemon_max_peers: 10
{more}
"""


def speaker_of(test, port, **changes):
    wait_for(lambda: connects(port), "the BGP port")
    return Speaker(test, port, capabilities=CAPABILITIES, **changes).establish()


def connects(port):
    """True when somebody listens there; said by the kernel, as a connection would be in the log."""
    lines = [line.split() for line in open("/proc/net/tcp", encoding="ascii").readlines()[1:]]
    return any(words[3] == "0A" and int(words[1].split(":")[1], 16) == port for words in lines)


def ipv6_reach():
    next_hop = socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    nlri = bytes([32]) + socket.inet_pton(socket.AF_INET6, "2001:db8::")[:4]
    return attribute(0x80, 14, struct.pack("!HBB", 2, 1, 16) + next_hop + b"\0" + nlri)


def vpn_reach():
    label = (1234 << 4 | 1).to_bytes(3, "big")
    nlri = bytes([24 + 64 + 24]) + label + RD + bytes([198, 51, 100])
    return attribute(0x80, 14, struct.pack("!HBB", 1, 128, 12) + bytes(8) + socket.inet_aton("10.0.0.7") + b"\0" + nlri)


def origin_and_path(path=(65001,)):
    numbers = b"".join(struct.pack("!I", asn) for asn in path)
    return attribute(0x40, 1, b"\2") + attribute(0x40, 2, bytes([2, len(path)]) + numbers)


def script():
    """What the peer says; each line is one UPDATE."""
    return [
        update(attributes((789, 65001), "10.0.0.1", LOCAL_PREF + MED + COMMS + LARGE + EXTENDED), prefix("192.0.2.0/24", 1)),
        update(attributes((), "10.0.0.2", LOCAL_PREF), prefix("192.0.2.0/24", 2) + prefix("198.51.100.0/25", 2)),
        update(origin_and_path() + LOCAL_PREF + ipv6_reach()),
        update(origin_and_path() + LOCAL_PREF + OTC + AIGP + vpn_reach()),
        END_OF_RIB,
        update(withdrawn=prefix("192.0.2.0/24", 2)),
        update(withdrawn=prefix("203.0.113.0/24", 9)),  # never announced
    ]


def without_times(record):
    return {key: value for key, value in record.items() if key not in ("timestamp", "peer_tcp_port", "writer_id")}


def moving(stats):
    (instance,) = [i for i in stats["instances"] if i["name"] == NAME]
    return instance


def ledger(test):
    instance = moving(test.stats())
    assert instance["residual"]["flows"] == 0, instance
    return instance


EXPECTED = [
    {"seq": 0, "peer_ip_src": "127.0.0.21", "event_type": "log_init"},
    {"seq": 1, "log_type": "update", "peer_ip_src": "127.0.0.21", "event_type": "log", "afi": 1, "safi": 1, "ip_prefix": "192.0.2.0/24",
     "as_path_id": 1, "bgp_nexthop": "10.0.0.1", "as_path": "789 65001", "comms": "2906:2 no-export", "ecomms": "RT:1:2",
     "lcomms": "2906:1:2", "origin": "i", "local_pref": 200, "med": 0},
    {"seq": 2, "log_type": "update", "peer_ip_src": "127.0.0.21", "event_type": "log", "afi": 1, "safi": 1, "ip_prefix": "192.0.2.0/24",
     "as_path_id": 2, "bgp_nexthop": "10.0.0.2", "as_path": "", "origin": "i", "local_pref": 200},
    {"seq": 3, "log_type": "update", "peer_ip_src": "127.0.0.21", "event_type": "log", "afi": 1, "safi": 1, "ip_prefix": "198.51.100.0/25",
     "as_path_id": 2, "bgp_nexthop": "10.0.0.2", "as_path": "", "origin": "i", "local_pref": 200},
    {"seq": 4, "log_type": "update", "peer_ip_src": "127.0.0.21", "event_type": "log", "afi": 2, "safi": 1, "ip_prefix": "2001:db8::/32",
     "bgp_nexthop": "2001:db8::9", "as_path": "65001", "origin": "u", "local_pref": 200},
    {"seq": 5, "log_type": "update", "peer_ip_src": "127.0.0.21", "event_type": "log", "afi": 1, "safi": 128,
     "ip_prefix": "198.51.100.0/24", "bgp_nexthop": "10.0.0.7", "as_path": "65001", "origin": "u", "local_pref": 200, "aigp": 77,
     "otc": 65000, "rd": "0:65000:7", "rd_origin": "bgp", "mpls_label": "1234"},
    {"seq": 6, "log_type": "end-of-rib", "peer_ip_src": "127.0.0.21", "event_type": "log", "afi": 1, "safi": 1},
    {"seq": 7, "log_type": "withdraw", "peer_ip_src": "127.0.0.21", "event_type": "log", "afi": 1, "safi": 1, "ip_prefix": "192.0.2.0/24",
     "as_path_id": 2, "bgp_nexthop": "10.0.0.2", "as_path": "", "origin": "i", "local_pref": 200},
]


def check_log(records):
    """The session's records: what was said, then what is left as deleted, then the end."""
    said, left = records[:len(EXPECTED)], records[len(EXPECTED):]
    assert [list(without_times(r).items()) for r in said] == [list(e.items()) for e in EXPECTED], said
    assert [r["seq"] for r in records] == list(range(len(records)))
    assert [r.get("log_type") for r in left] == ["delete"] * 4 + [None] and left[-1]["event_type"] == "log_close", left
    updates = {(e["ip_prefix"], e["safi"]): e for e in EXPECTED if e.get("log_type") == "update" and e.get("as_path_id") != 2}
    updates["198.51.100.0/25", 1] = EXPECTED[3]
    for record in left[:-1]:
        update_ = updates.pop((record["ip_prefix"], record["safi"]))
        changed = {**update_, "seq": record["seq"], "log_type": "delete"}
        changed.pop("mpls_label", None)  # the RIB has no labels
        assert without_times(record) == changed, (record, changed)
    assert not updates


def run_session(test, more):
    """A daemon hears the script, and loses the session."""
    port = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(config(test, port, more))
    speaker = speaker_of(test, port)
    speaker.send(*script())
    test.wait_now(daemon, lambda s: moving(s)["decoded"]["flows"] >= len(EXPECTED), "all records")
    speaker.socket.close()
    test.wait_now(daemon, lambda s: moving(s)["written"]["flows"] == len(EXPECTED) + 5, "all written")
    assert daemon.stop() == 0, daemon.output()
    mine = ledger(test)
    assert (mine["unit"], mine["written"]["flows"]) == ("events", len(EXPECTED) + 5), mine
    assert f"instance {NAME}: {len(EXPECTED) + 5} events, 0 filtered, {len(EXPECTED) + 5} written" in daemon.output(), daemon.output()
    return mine


def test_a_file_has_all_that_a_session_says(test):
    mine = run_session(test, f"bgp_daemon_msglog_file: {test.dir}/log-$peer_src_ip.json\n")
    assert mine["plugin"] == "print"
    check_log(json_lines(test.dir / "log-127_0_0_21.json"))


def test_kafka_has_it(test):
    cluster = Mock(test)
    cluster.topic("bgp-127_0_0_21", 1)
    run_session(test, f"bgp_daemon_msglog_kafka_broker_host: {cluster.brokers}\nbgp_daemon_msglog_kafka_topic: bgp-$peer_src_ip\n"
                      "writer_id_string: x\n")
    messages = [json.loads(m["payload"]) for m in consume(cluster.brokers, "bgp-127_0_0_21")]
    assert {list(m.items())[-1] for m in messages} == {("writer_id", "x")}, messages
    check_log(messages)


def test_rabbitmq_has_it(test):
    broker = shared()
    queue = broker.queue("bgplog")
    run_session(test, f"bgp_daemon_msglog_amqp_port: {broker.port}\nbgp_daemon_msglog_amqp_exchange: bgplog\n"
                      "bgp_daemon_msglog_amqp_routing_key: acct\n")
    messages = broker.get(queue)
    assert {m.content_type for m in messages} == {"application/json"}
    check_log([json.loads(m.body) for m in messages])


def as_old_pmacct(record):
    """What pmacct 1.7.7, which Debian has, says of the same: it knows no Only-To-Customer, and calls a label so."""
    return {{"mpls_label": "label"}.get(key, key): value for key, value in without_times(record).items() if key not in ("otc", "seq")}


def place(record):
    """Deleted paths come in an order of their own."""
    is_deleted = record.get("log_type") == "delete"
    return is_deleted, is_deleted and (record["safi"], record["ip_prefix"])


def test_pmacct_logs_the_same(test):
    """Debian's nfacctd hears the same script: what it says of a message we say too, in its order and types."""
    program = need_pmacct("sbin/nfacctd")
    ports = {name: free_port(socket.SOCK_STREAM) for name in ("ours", "theirs")}
    daemon = test.nfacctd(config(test, ports["ours"], f"bgp_daemon_msglog_file: {test.dir}/ours.json\n"))
    text = config(test, ports["theirs"], f"bgp_daemon_msglog_file: {test.dir}/theirs.json\nnfacctd_ip: 127.0.0.1\n"
                                         f"nfacctd_port: {free_port()}\n")
    running = test.start([program, "-f", test.write("theirs.conf", text)], "theirs")
    for name, port in ports.items():
        path = test.dir / f"{name}.json"
        speaker = speaker_of(test, port)
        speaker.send(*script())
        wait_for(lambda p=path: any(r.get("log_type") == "withdraw" for r in json_lines(p)), f"records of {name}")
        speaker.socket.close()
        wait_for(lambda p=path: json_lines(p)[-1]["event_type"] == "log_close", f"the end of {name}")
    running.kill_all()
    assert daemon.stop() == 0, daemon.output()
    ours, theirs = (json_lines(test.dir / f"{name}.json") for name in ("ours", "theirs"))
    ours = [r for r in ours if r.get("log_type") != "end-of-rib"]  # which 1.7.7 does not tell
    assert [place(r)[0] for r in ours] == [place(r)[0] for r in theirs]
    for mine, record in zip(sorted(ours[:-1], key=place), sorted(theirs[:-1], key=place), strict=True):
        if place(record)[0]:
            record.pop("label", None)  # our RIB has no labels
        record.pop("seq")
        assert list(as_old_pmacct(mine).items()) == list(without_times(record).items()), (mine, record)


def test_a_table_that_is_lost_is_told_whole(test):
    """Tens of thousands of paths leave in slices; a second peer's records have their places between them, and the peer that comes
    back begins anew behind its log_close. The file is moved away meanwhile: after SIGHUP there is a new one."""
    port = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(config(test, port, f"bgp_daemon_msglog_file: {test.dir}/log.json\nplugin_pool_size[{NAME}]: 256M\n"))
    speaker, other = speaker_of(test, port), speaker_of(test, port, address="127.0.0.22")
    count = 40000
    prefixes = [prefix(f"10.{n >> 8 & 255}.{n & 255}.0/24", 1) for n in range(count)]
    for batch in (prefixes[i:i + 400] for i in range(0, count, 400)):
        speaker.send(update(attributes(more=LOCAL_PREF), b"".join(batch)))
    test.wait_now(daemon, lambda s: moving(s)["written"]["flows"] == count + 2, "the table")
    (test.dir / "log.json").rename(test.dir / "old.json")
    daemon.signal(signal.SIGHUP)
    speaker.socket.close()
    other.send(update(attributes(more=LOCAL_PREF), prefix("192.0.2.0/24", 1)))
    again = speaker_of(test, port)
    again.send(update(attributes(more=LOCAL_PREF), prefixes[0]))
    test.wait_now(daemon, lambda s: moving(s)["written"]["flows"] == 2 * count + 6, "all that followed")
    assert daemon.stop() == 0, daemon.output()
    records = [r for name in ("old", "log") for r in json_lines(test.dir / f"{name}.json")]
    assert [r["seq"] for r in records] == list(range(len(records)))
    mine = [r.get("log_type", r["event_type"]) for r in records if r["peer_ip_src"] == "127.0.0.21"]
    expected = [("log_init", 1), ("update", count), ("delete", count), ("log_close", 1), ("log_init", 1), ("update", 1), ("log_close", 1)]
    assert [(what, len(list(group))) for what, group in itertools.groupby(mine)] == expected, "the end closes what is open"
    deleted = {r["ip_prefix"] for r in records if r.get("log_type") == "delete"}
    assert len(deleted) == count
    dropped = sum(reason["flows"] for reason in ledger(test)["drops"].values())
    assert dropped == 0


def apply(table, record):
    key = record["ip_prefix"], record.get("as_path_id")
    if record.get("log_type") in ("withdraw", "delete"):
        table.pop(key, None)
    else:
        table[key] = record["local_pref"]


def test_the_log_brings_each_dump_up_to_date(test):
    """Routes come and go, and a session is lost, while the table is dumped each second: the log from the number in dump_init on, applied
    to the dump, gives the table of the end, whichever dump it is."""
    port = free_port(socket.SOCK_STREAM)
    (test.dir / "dumps").mkdir()
    daemon = test.nfacctd(config(test, port, f"bgp_daemon_msglog_file: {test.dir}/log.json\nbgp_table_dump_refresh_time: 1\n"
                                             f"bgp_table_dump_file: {test.dir}/dumps/%s.json\n"))
    speaker, other = speaker_of(test, port), speaker_of(test, port, address="127.0.0.22")
    random_ = random.Random(1)

    def change(peer, net):
        where = prefix(f"{net}.{random_.randrange(40)}.0.0/16", random_.randrange(3))
        more = attribute(0x40, 5, struct.pack("!I", random_.randrange(1000)))
        peer.send(update(withdrawn=where) if random_.random() < 0.4 else update(attributes(more=more), where))

    def dumps():
        return sorted((test.dir / "dumps").glob("*.json"))

    def go_on():
        for _ in range(50):
            change(speaker, 10)
        return len(dumps()) >= 3

    for _ in range(100):
        change(other, 11)
    wait_for(go_on, "three dumps")
    other.socket.close()
    wait_for(lambda count=len(dumps()): go_on() and len(dumps()) > count, "one more")
    test.wait_now(daemon, lambda s: moving(s)["decoded"]["flows"] == moving(s)["written"]["flows"], "all written")
    log = [r for r in json_lines(test.dir / "log.json") if "ip_prefix" in r]
    assert daemon.stop() == 0, daemon.output()
    whole = {}
    for record in log:
        apply(whole, record)
    assert whole and not any(where.startswith("11.") for where, _ in whole)
    for path in dumps():
        lines, table = json_lines(path), {}
        (first,) = {r["seq"] for r in lines}
        for record in lines:
            if record["event_type"] == "dump":
                apply(table, record)
        for record in log:
            if record["seq"] >= first:
                apply(table, record)
        assert table == whole, (path, first)
    assert first > 100, "it is a number of the log"


def test_too_little_memory_drops_and_counts(test):
    """No broker: what the pool cannot hold is dropped; the session and flows go on."""
    port = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(config(test, port, f"""
bgp_daemon_msglog_kafka_broker_port: {free_port()}
bgp_daemon_msglog_kafka_topic: bgp
plugin_pool_size[{NAME}]: 1M
shutdown_timeout: 1
"""))
    speaker = speaker_of(test, port)
    for n in range(100):
        speaker.send(update(attributes(more=LOCAL_PREF), b"".join(prefix(f"10.{n}.{k}.0/24", 1) for k in range(250))))
    stats = test.wait_now(daemon, lambda s: moving(s)["decoded"]["flows"] == 25001, "all records")
    assert moving(stats)["drops"]["pool_full"]["flows"] > 0, moving(stats)
    daemon.wait_log(f"plugin kafka[{NAME}]: plugin_pool_size is used up, so new rows are dropped: ")
    daemon.stop()
    mine = ledger(test)
    assert mine["decoded"]["flows"] == mine["written"]["flows"] + sum(r["flows"] for r in mine["drops"].values()), mine


def check(test, text):
    done = subprocess.run([NFACCTD, "--check", "-f", test.write("check.conf", config(test, 1790, text))], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stderr


def test_what_is_wrong_is_told(test):
    assert check(test, f"bgp_daemon_msglog_file: {test.dir}/x\n")[0] == 0
    both = check(test, "bgp_daemon_msglog_file: x\nbgp_daemon_msglog_kafka_topic: a\n")
    assert both[0] == 1 and "bgp_daemon_msglog_file: they go to one place, and bgp_daemon_msglog_kafka_topic names another" in both[1], both
    bad = check(test, "bgp_daemon_msglog_file: log-$nothing\n")
    assert bad[0] == 1 and f"check.conf:11: print[{NAME}]: bgp_daemon_msglog_file: " in bad[1], bad
    bad = check(test, "bgp_daemon_msglog_file: x\nbgp_daemon_msglog_output: avro\n")
    assert bad[0] == 1 and "bgp_daemon_msglog_output: bad value 'avro'; expected json" in bad[1], bad
    without = check(test, "bgp_daemon_msglog_file: x\nbgp_daemon: false\n")
    assert without[0] == 0 and "check.conf:11: bgp_daemon_msglog_file: there is no log, as bgp_daemon is not true" in without[1], without


if __name__ == "__main__":
    main(globals())
