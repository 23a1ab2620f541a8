#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Dumps of the BGP tables: what a scripted speaker and a real BIRD have announced stands in the files, field by field as in those
of Debian's pmacct, which are whole whenever somebody looks."""
import json
import pathlib
import random
import signal
import socket
import struct
import time

from harness import Bird, bird_path, four_paths, free_port, json_lines, main, wait_for
from kafka_cluster import Broker, Mock, consume, distinct, identity
from rabbit import shared
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update

PEER, OTHER = "127.0.0.21", "127.0.0.22"
DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
FAMILIES = ((1, 1), (2, 1))
END_OF_RIB = update()


def mp_reach(afi, safi, next_hop, nlri):
    return attribute(0x80, 14, struct.pack("!HBB", afi, safi, len(next_hop)) + next_hop + b"\0" + nlri)


def number(kind, value, flags=0x80):
    return attribute(flags, kind, struct.pack("!I", value))


# What routers say in an AS of their own: each path has other attributes.
COMMS = attribute(0xc0, 8, struct.pack("!HHHHI", 65000, 1, 65000, 2, 0xffffff01))
ECOMMS = attribute(0xc0, 16, bytes.fromhex("0002fde800000005") + bytes.fromhex("0102c00002010007") + bytes.fromhex("0203fde80000000a"))
LCOMMS = attribute(0xc0, 32, struct.pack("!IIIIII", 65000, 1, 2, 4200000000, 3, 4))
SET_PATH = attribute(0x40, 1, b"\1") + attribute(0x40, 2, bytes([2, 2]) + struct.pack("!II", 65001, 4200000000) + bytes([1, 2]) +
                                                 struct.pack("!II", 7, 8)) + attribute(0x40, 3, socket.inet_aton("10.0.0.9"))
EMPTY_PATH = attribute(0x40, 1, b"\2") + attribute(0x40, 2, b"") + attribute(0x40, 3, socket.inet_aton("10.0.0.3"))
V6_NEXT_HOP = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
LOCAL_PREF = number(5, 100, 0x40)


def messages(path_ids):
    """UPDATEs of a speaker, with and without ADD-PATH."""
    ids = (lambda n: n) if path_ids else (lambda n: None)
    v6 = (struct.pack("!I", 5) if path_ids else b"") + bytes([32]) + bytes.fromhex("20010db8")
    return [
        update(attributes((65001, 65002), more=number(4, 50) + LOCAL_PREF), prefix("192.0.2.0/24", ids(1))),
        update(attributes((65001,), "10.0.0.2", number(4, 0) + number(5, 200, 0x40) + COMMS), prefix("198.51.100.0/24", ids(2))),
        update(attributes((65003,), "10.0.0.2", LOCAL_PREF + ECOMMS + LCOMMS), prefix("203.0.113.0/24", ids(3)) + prefix("203.0.112.0/24", ids(3))),
        update(SET_PATH + LOCAL_PREF, prefix("10.9.0.0/16", ids(4))),
        update(EMPTY_PATH + LOCAL_PREF, prefix("0.0.0.0/0", ids(4))),
        update(attribute(0x40, 1, b"\0") + attribute(0x40, 2, bytes([2, 1]) + struct.pack("!I", 65006)) + LOCAL_PREF +
               mp_reach(2, 1, V6_NEXT_HOP, v6)),
        update(attributes((65001,), more=LOCAL_PREF), prefix("172.16.0.0/12", ids(9))),
        update(withdrawn=prefix("172.16.0.0/12", ids(9))),  # a path that is gone is not dumped
        END_OF_RIB,
    ]


def speak(test, port, address=PEER, path_ids=False):
    capabilities = b"".join(multiprotocol(*f) for f in FAMILIES) + four_octet_as(65000)
    speaker = Speaker(test, port, address=address, capabilities=capabilities + (add_path_send(*FAMILIES) if path_ids else b"")).establish()
    speaker.send(*messages(path_ids))
    return speaker


def config(port, more):
    return f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {port}
timestamps_utc: true
{more}
"""


def collector(test, more, refresh=1, name="nfacctd"):
    test.bgp_port = free_port(socket.SOCK_STREAM)
    return test.nfacctd(config(test.bgp_port, f"""plugins: print[p]
aggregate[p]: src_host
print_output_file[p]: {test.dir}/flows
bgp_table_dump_refresh_time: {refresh}
{more}"""), name=name)


def records(path, kind="dump"):
    return [r for r in json_lines(path) if r["event_type"] == kind]


def wait_dump(path, count):
    """The records of the first dump with so many paths."""
    wait_for(lambda: path.exists() and len(records(path)) == count, lambda: f"{count} paths in {path}: {path.exists() and path.read_text()}")
    return json_lines(path)


def strip(record):
    """Without what differs from run to run. Order counts: keys stand as pmacct has them."""
    return [(k, v) for k, v in record.items() if k not in ("seq", "timestamp", "peer_tcp_port", "dump_period")]


def by_route(lines):
    return sorted(map(strip, lines), key=lambda r: str(r))


def pmacct_records(name):
    return json_lines(DATA / f"table_dump_{name}.json")


def end(daemon):
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(60) == 0, daemon.output()


def test_files_are_those_of_pmacct_field_by_field(test):
    """What Debian's pmacct 1.7.7 wrote of the same two speakers is in tests/data/table_dump_*.json, as recorded."""
    daemon = collector(test, f"bgp_table_dump_file: {test.dir}/out/dump-$peer_src_ip.json\nbgp_table_dump_latest_file: {test.dir}/latest")
    speak(test, test.bgp_port)
    speak(test, test.bgp_port, OTHER, True)
    for address in (PEER, OTHER):
        name = address.replace(".", "_")
        ours, theirs = wait_dump(test.dir / f"out/dump-{name}.json", 7), pmacct_records(name)
        assert by_route(ours) == by_route(theirs), f"ours:\n{ours}\npmacct's:\n{theirs}"
        assert [r["event_type"] for r in ours] == ["dump_init"] + 7 * ["dump"] + ["dump_close"]
        assert len({r["seq"] for r in ours}) == 1 and len({r["timestamp"] for r in ours}) == 1, ours
        assert ours[0]["dump_period"] == 1 and ours[-1]["entries"] == 7
        assert time.strptime(ours[0]["timestamp"], "%Y-%m-%d %H:%M:%S")
    assert (test.dir / "latest").is_symlink() and records(test.dir / "latest")
    log = daemon.output()
    assert "*** Dumping BGP tables - START (PID: " in log and "TABLES: 2 ENTRIES: 14 ET: " in log, log
    end(daemon)
    assert not list((test.dir / "out").glob("*.json.*")), "files that are not whole are gone"


def test_dumps_follow_the_table_and_are_whole_whenever_somebody_looks(test):
    out = test.dir / "dump.json"
    daemon = collector(test, f"bgp_table_dump_file: {out}")
    bird = Bird(test, test.bgp_port, four_paths())
    wait_dump(out, 4)
    assert {(r["bgp_nexthop"], r["as_path"]) for r in records(out)} == \
        {("10.0.0.1", "789"), ("10.0.0.2", "123 456 789"), ("10.0.0.3", "321 654 789"), ("10.0.0.4", "213 546 789")}
    assert len({r["as_path_id"] for r in records(out)}) == 4
    many = [bird_path(i + 10, f"10.{i // 256}.{i % 256}.0/24", "10.0.0.1", f"65001 {65100 + i}") for i in range(1, 301)]
    bird.configure(four_paths()[:1] + many)
    looked = 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = json_lines(out)  # each look finds a whole one
        assert lines[0]["event_type"] == "dump_init" and lines[-1]["event_type"] == "dump_close", lines
        assert lines[-1]["entries"] == len(lines) - 2
        looked += 1
        if len(lines) == 303:
            break
    assert looked > 1 and len(records(out)) == 301
    assert len({r["ip_prefix"] for r in records(out)}) == 301
    bird.process.stop()  # its paths are stale now, and no peer is left to be dumped
    before = out.read_text()
    test.wait_now(daemon, lambda stats: stats["bgp_dump"]["dumps"] > 3, "a dump without peers")
    stats = test.wait_now(daemon, lambda stats: stats["bgp_dump"]["last_paths"] == 0, "a dump without paths")
    assert json.loads(out.read_text().splitlines()[-1])["entries"] == json.loads(before.splitlines()[-1])["entries"]
    assert stats["bgp_dump"]["records_lost"] == 0 and stats["bgp_dump"]["records_written"] >= 303, stats["bgp_dump"]
    end(daemon)


def test_peers_are_dumped_in_the_slot_of_their_address(test):
    def slot(address):
        value = 5381
        for byte in address.encode():
            value = (value * 33 ^ byte) & 0xffffffff
        return (2**32 - value if value >> 31 else value) % 2
    addresses = ["127.0.0.21", "127.0.0.22"]
    assert {slot(a) for a in addresses} == {0, 1}, "the addresses are of two slots"
    daemon = collector(test, f"bgp_table_dump_file: {test.dir}/dump-%s-$peer_src_ip.json\nbgp_table_dump_time_slots: 2", refresh=2)
    for address in addresses:
        speak(test, test.bgp_port, address)
    for address in addresses:
        pattern = f"dump-*-{address.replace('.', '_')}.json"
        wait_for(lambda p=pattern: len(list(test.dir.glob(p))) >= 2, f"two dumps of {address}")
        times = [int(path.name.split("-")[1]) for path in test.dir.glob(pattern)]
        assert {t % 2 for t in times} == {slot(address)}, (address, times)
    assert "SLOT 1 / 2" in daemon.output() and "SLOT 2 / 2" in daemon.output(), daemon.output()
    end(daemon)


def test_what_cannot_be_written_is_told_and_counted(test):
    (test.dir / "blocked").write_text("")
    daemon = collector(test, f"bgp_table_dump_file: {test.dir}/blocked/dump.json")
    speak(test, test.bgp_port)
    stats = test.wait_now(daemon, lambda stats: stats["bgp_dump"]["records_lost"] >= 9, "lost records")
    assert stats["bgp_dump"]["records_written"] == 0, stats
    assert "bgp_table_dump_file " in daemon.output() and "this dump of it is lost, the next one is tried again" in daemon.output()
    (test.dir / "blocked").unlink()
    wait_dump(test.dir / "blocked/dump.json", 7)
    end(daemon)


def refused(test, more):
    daemon = test.nfacctd(config(free_port(socket.SOCK_STREAM), f"plugins: print\naggregate: src_host\n{more}"), "--check", ready=False)
    assert daemon.wait(30) != 0, daemon.output()
    return daemon.output()


def test_what_cannot_be_dumped_is_refused_with_the_remedy(test):
    assert "'$peer_dst' is no variable here; there are $peer_src_ip" in refused(test, f"bgp_table_dump_file: {test.dir}/$peer_dst")
    assert "is not a conversion for file names" in refused(test, f"bgp_table_dump_file: {test.dir}/%D")
    assert "leave one of the two out" in refused(test, f"bgp_table_dump_file: {test.dir}/x\nbgp_table_dump_kafka_topic: x")
    assert "leave one of the two out" in refused(test, "bgp_table_dump_amqp_routing_key: x\nbgp_table_dump_kafka_topic: x")
    assert "json" in refused(test, f"bgp_table_dump_file: {test.dir}/x\nbgp_table_dump_output: avro")


def instance(stats):
    (found,) = [i for i in stats["instances"] if i["name"] == "bgp_dump"]
    return found


def check_dumps(lines, peers):
    """Each dump of each peer is there from its first record to its last, with all of its paths between."""
    whole = 0
    for peer in peers:
        mine = [r for r in lines if r["peer_ip_src"] == peer]
        for seq in {r["seq"] for r in mine}:
            dump = [r for r in mine if r["seq"] == seq]
            kinds = [r["event_type"] for r in dump]
            if kinds[-1] != "dump_close":  # under way
                continue
            assert kinds == ["dump_init"] + (len(kinds) - 2) * ["dump"] + ["dump_close"], kinds
            assert dump[-1]["entries"] == len(dump) - 2
            whole += dump[-1]["entries"] == 7
    return whole


def test_kafka_gets_dumps_as_files_have_them(test):
    cluster = Mock(test)
    cluster.topic("dumps", 1)
    daemon = collector(test, f"""bgp_table_dump_kafka_broker_host: {cluster.brokers}
bgp_table_dump_kafka_topic: dumps
writer_id_string: me""")
    speak(test, test.bgp_port)
    speak(test, test.bgp_port, OTHER, True)
    wait_for(lambda: check_dumps([json.loads(m["payload"]) for m in consume(cluster.brokers, "dumps")], (PEER, OTHER)) >= 4, "two dumps of both")
    end(daemon)
    messages = consume(cluster.brokers, "dumps")
    lines = [json.loads(m["payload"]) for m in messages]
    assert {m["headers"]["instance"] for m in messages} == {"bgp_dump"} and all(list(r.items())[-1] == ("writer_id", "me") for r in lines), lines[:3]
    for peer in (PEER, OTHER):
        last = max(r["seq"] for r in lines if r["peer_ip_src"] == peer and r["event_type"] == "dump_close")
        ours = [{k: v for k, v in r.items() if k != "writer_id"} for r in lines if r["seq"] == last and r["peer_ip_src"] == peer]
        assert by_route(ours) == by_route(pmacct_records(peer.replace(".", "_")))
        assert all(not "." in r["timestamp"] for r in ours), ours[0]
    mine = instance(test.stats())
    assert mine["unit"] == "events" and mine["residual"]["flows"] == 0, mine
    assert mine["written"]["flows"] == mine["decoded"]["flows"] == len({identity(m) for m in messages}), (mine, len(messages))


def test_a_dump_waits_for_a_broker_and_the_table_goes_on(test):
    """The broker is away, and there is room for little: the dump stands still and drops nothing, while routes come and go."""
    cluster = Broker(test, partitions=1)
    cluster.kill()
    properties = test.write("librdkafka.conf", "topic, message.timeout.ms, 2000\n")
    daemon = collector(test, f"""bgp_table_dump_kafka_broker_host: {cluster.brokers}
bgp_table_dump_kafka_topic: dumps
bgp_table_dump_kafka_config_file: {properties}
plugin_pool_size: 1M""")
    speaker = speak(test, test.bgp_port)
    for n in range(50):
        nlri = b"".join(prefix(f"100.{n}.{k}.0/24") for k in range(100))
        speaker.send(update(attributes((65001, 65002 + n), more=LOCAL_PREF), nlri))
    test.wait_now(daemon, lambda s: s["bgp"]["rib_paths"] == 5007, "five thousand paths")
    stuck = test.wait_now(daemon, lambda s: 0 < instance(s)["decoded"]["flows"] and instance(s)["handed_over"]["flows"] > 1000, "a dump under way")
    bytes_before = stuck["bgp"]["rib_bytes"]
    for n in range(300):  # replaces each path many times over
        nlri = b"".join(prefix(f"100.{n % 50}.{k}.0/24") for k in range(100))
        speaker.send(update(attributes((65001, 70000 + n), more=LOCAL_PREF), nlri))
    speaker.send(update(attributes((65009,), more=LOCAL_PREF), prefix("9.9.9.0/24")))
    later = test.wait_now(daemon, lambda s: s["bgp"]["rib_paths"] == 5008, "the last route, while the dump stands still")
    assert later["bgp_dump"]["dumps"] == stuck["bgp_dump"]["dumps"], "it does stand still"
    assert later["bgp"]["rib_bytes"] < bytes_before + 64 * 2**20, (bytes_before, later["bgp"])
    cluster.start()
    done = test.wait_now(daemon, lambda s: s["bgp_dump"]["last_paths"] == 5008, "a dump of all", seconds=90)
    assert not any(d["flows"] for d in instance(done)["drops"].values()), instance(done)
    end(daemon)
    lines = [json.loads(m["payload"]) for m in distinct(consume(cluster.brokers, "dumps"))]
    assert check_dumps(lines, (PEER,)) >= 0 and any(r.get("entries") == 5008 for r in lines)


def test_the_log_from_there_on_applied_to_a_dump_gives_the_table(test):
    """Routes come and go while dumps are made: each dump, with the records of the log that are numbered from its own number on, is
    the table of the end. A session that is lost and comes back is no exception."""
    daemon = collector(test, f"bgp_table_dump_file: {test.dir}/dump-%s.json\nbgp_daemon_msglog_file: {test.dir}/log.json")
    chosen, table = random.Random(4), {}
    speaker = speak(test, test.bgp_port, path_ids=True)
    other = speak(test, test.bgp_port, OTHER, True)

    def change(count):
        messages_out = []
        for _ in range(count):
            network, path_id = f"20.{chosen.randrange(4)}.{chosen.randrange(256)}.0/24", chosen.randrange(1, 4)
            if chosen.random() < 0.4:
                table.pop((network, path_id), None)
                messages_out.append(update(withdrawn=prefix(network, path_id)))
            else:
                med = chosen.randrange(1000)
                table[(network, path_id)] = med
                messages_out.append(update(attributes((65001,), more=number(4, med) + LOCAL_PREF), prefix(network, path_id)))
        speaker.send(*messages_out)

    def dumps():
        return sorted(test.dir.glob("dump-*.json"))
    for _ in range(3):
        begun = len(dumps())
        wait_for(lambda n=begun: change(300) or len(dumps()) > n + 1, "a dump under changes")
        other.socket.close()
        other = speak(test, test.bgp_port, OTHER, True)
    change(1)
    speaker.send(update(attributes((65077,), more=LOCAL_PREF), prefix("30.0.0.0/8", 1)))
    table[("30.0.0.0/8", 1)] = None
    wait_for(lambda: any(r.get("ip_prefix") == "30.0.0.0/8" for r in json_lines(test.dir / "log.json")), "the last route in the log")
    log = json_lines(test.dir / "log.json")
    assert [r["seq"] for r in log] == sorted(r["seq"] for r in log)
    checked = 0
    for path in dumps():
        lines = json_lines(path)
        if lines[0]["seq"] == log[0]["seq"]:
            continue
        got = {(r["ip_prefix"], r["as_path_id"]): r.get("med") for r in lines if r["event_type"] == "dump" and r["peer_ip_src"] == PEER}
        at_first = dict(got)
        begun = int(path.stem.split("-")[1])
        before = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(begun - 2))
        assert all(r["seq"] < lines[0]["seq"] for r in log if r["timestamp"] < before), "the number is that of the dump's moment"
        for r in log:
            if r["seq"] < lines[0]["seq"] or r["peer_ip_src"] != PEER or r["event_type"] != "log" or r["log_type"] == "end-of-rib":
                continue
            if r["log_type"] == "update":
                got[(r["ip_prefix"], r["as_path_id"])] = r.get("med")
            else:
                got.pop((r["ip_prefix"], r["as_path_id"]), None)
        ours = {k: v for k, v in got.items() if k[0].startswith(("20.", "30."))}
        assert ours == table, (path, set(ours.items()) ^ set(table.items()))
        checked += len(at_first) > 100
    assert checked > 3
    end(daemon)


def test_pmbgpd_dumps_without_a_flow(test):
    """To a file and, in a second one, to Kafka: it has no instance but this."""
    cluster = Mock(test)
    cluster.topic("dumps", 1)
    common = "bgp_table_dump_refresh_time: 1\ntimestamps_utc: true\n"
    daemon = test.pmbgpd(common + f"bgp_table_dump_file: {test.dir}/dump.json\ntimestamps_since_epoch: true\n", name="to_file")
    speak(test, test.port)
    lines = wait_dump(test.dir / "dump.json", 7)
    assert lines[0]["timestamp"].isdigit(), lines[0]
    end(daemon)
    daemon = test.pmbgpd(common + f"bgp_table_dump_kafka_broker_host: {cluster.brokers}\nbgp_table_dump_kafka_topic: dumps\n", name="to_kafka")
    speak(test, test.port)
    wait_for(lambda: check_dumps([json.loads(m["payload"]) for m in consume(cluster.brokers, "dumps")], (PEER,)) >= 1, "a dump")
    end(daemon)
    assert instance(test.stats("to_kafka"))["residual"]["flows"] == 0


def test_without_bgp_there_is_a_notice(test):
    daemon = test.nfacctd(f"plugins: print\naggregate: src_host\nbgp_table_dump_file: {test.dir}/x\nbgp_table_dump_kafka_topic: y", "--check", ready=False)
    assert daemon.wait(30) == 0, daemon.output()
    for key in ("file", "kafka_topic"):
        assert f"bgp_table_dump_{key}: has no effect without bgp_daemon: true" in daemon.output(), daemon.output()


def test_rabbitmq_gets_dumps(test):
    broker = shared()
    queue = broker.queue("table_dumps", keys=("dumps",))
    daemon = collector(test, f"""bgp_table_dump_amqp_port: {broker.port}
bgp_table_dump_amqp_exchange: table_dumps
bgp_table_dump_amqp_routing_key: dumps""")
    speak(test, test.bgp_port)
    test.wait_now(daemon, lambda s: instance(s)["written"]["flows"] >= 18 and s["bgp_dump"]["last_paths"] == 7, "two dumps")
    end(daemon)
    lines = [json.loads(m.body) for m in broker.get(queue)]
    assert check_dumps(lines, (PEER,)) >= 1, lines


if __name__ == "__main__":
    main(globals())
