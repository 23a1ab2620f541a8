#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Counters of sFlow as event records: what arrives at Kafka and RabbitMQ is what the file has, each record once and in order, with
outages, kills and too little memory; the ledger has all."""
import collections
import contextlib
import json
import os
import signal
import subprocess

from harness import BUILD, SFACCTD, free_port, json_lines, main, need_pmacct, wait_for
from control_client import ask
from kafka_cluster import Broker, Mock, consume, distinct, identity
from rabbit import shared
import exports
import rabbit
import sflow

PATHACCT = BUILD / "bin/pathacct"
START = 1_700_000_000
NAME = "sflow_counters"


def counters(n, interface=7):
    """A counter sample: the n-th of an interface, with a record of the interface's and one of its VLAN's counters."""
    fields = (interface, 6, 0, 10**9, 1, 3, 0, n, 1, 2, 3, 4, 5, 6, 0, 2000, 1, 2, 3, 4, 5, 0)
    body = sflow.words(n, interface, 2) + sflow.record(1, sflow.words(*fields)) + sflow.record(5, sflow.words(12, 0, n, 1, 2, 3, 4))
    return sflow.words(2, len(body)) + body


def capture(test, count, agents=4):
    """A capture of counters and flows from several agents."""
    packet, _ = sflow.header("10.0.0.1", "192.0.2.1")
    packets = []
    for n in range(count):
        agent = f"192.0.2.{n % agents + 1}"
        data = sflow.datagram([counters(n), sflow.flow_sample([packet], rate=1, in_iface=7)], agent=agent, sequence=n)
        packets.append((START + n / 100, exports.udp_packet(data, agent, dport=6343)))
    exports.write_pcap(test.dir / "in.pcap", packets)


def config(test, more=""):
    return f"""
plugins: print[flows]
print_output[flows]: json
print_output_file[flows]: {test.dir}/flows.json
aggregate[flows]: src_host
timestamps_utc: true
sfacctd_counter_file: {test.dir}/counters.json
{more}
"""


def kafka(cluster, topic="counters", more=""):
    return f"sfacctd_counter_kafka_broker_host: {cluster.brokers}\nsfacctd_counter_kafka_topic: {topic}\n{more}"


def amqp(broker, exchange, more="", key="acct"):
    return f"sfacctd_counter_amqp_port: {broker.port}\nsfacctd_counter_amqp_exchange: {exchange}\nsfacctd_counter_amqp_routing_key: {key}\n{more}"


def replay(test, more, seconds=60):
    daemon = test.sfacctd(config(test, f"pcap_savefile: {test.dir}/in.pcap\n{more}"))
    assert daemon.wait(seconds) == 0, daemon.output()
    return daemon


def moving(stats):
    """The instance of a daemon at work: what goes from one place to the next just then is in neither."""
    (instance,) = [i for i in stats["instances"] if i["name"] == NAME]
    return instance


def ledger(stats):
    instance = moving(stats)
    assert instance["residual"]["flows"] == 0, instance
    return instance


def by_agent(lines):
    """The lines of each agent, in order."""
    out = collections.defaultdict(list)
    for line in lines:
        out[json.loads(line)["peer_ip_src"]].append(line)
    return dict(out)


def test_kafka_has_the_lines_of_the_file_in_order(test):
    cluster = Mock(test)
    cluster.topic("counters", 1)
    capture(test, 300)
    replay(test, kafka(cluster) + "sfacctd_workers: 3\nkafka_topic: flows\nwriter_id_string: x\n")
    messages = consume(cluster.brokers, "counters")
    file = (test.dir / "counters.json").read_text().splitlines()
    assert len(file) == 600 and by_agent(m["payload"] for m in messages) == by_agent(file)
    assert len({identity(m) for m in messages}) == 600 and {m["headers"]["instance"] for m in messages} == {NAME}
    mine = ledger(test.stats("sfacctd"))
    assert (mine["plugin"], mine["unit"], mine["decoded"], mine["written"]["flows"]) == (
        "kafka", "events", {"flows": 600, "packets": 0, "bytes": 0}, 600), mine
    (flows,) = [i for i in test.stats("sfacctd")["instances"] if i["name"] == "flows"]
    assert (flows["unit"], flows["written"]["flows"]) == ("flows", 300), "events are no flows"


def test_the_agent_names_topic_and_key(test):
    cluster = Mock(test)
    for n in (1, 2):
        cluster.topic(f"c-192_0_2_{n}", 4)
    capture(test, 100, agents=2)
    replay(test, kafka(cluster, "c-$peer_src_ip", "sfacctd_counter_kafka_partition_key: $peer_src_ip\n"))
    for n in (1, 2):
        messages = consume(cluster.brokers, f"c-192_0_2_{n}")
        assert {json.loads(m["payload"])["peer_ip_src"] for m in messages} == {f"192.0.2.{n}"} and len(messages) == 100
        assert {m["key"] for m in messages} == {f"192_0_2_{n}"} and len({m["partition"] for m in messages}) == 1


def test_records_like_those_of_pmacct(test):
    """Debian's sfacctd sends the same capture to the same cluster: what it says of a record we say too, in its order and types."""
    program = need_pmacct("sbin/sfacctd")
    cluster = Mock(test)
    for topic in ("ours", "theirs"):
        cluster.topic(topic, 1)
    capture(test, 20, agents=1)
    host, _, port = cluster.brokers.partition(":")
    theirs = f"""
plugins: print[flows]
print_output[flows]: json
print_output_file[flows]: {test.dir}/theirs.json
aggregate[flows]: src_host
timestamps_utc: true
pcap_savefile: {test.dir}/in.pcap
sfacctd_counter_kafka_broker_host: {host}
sfacctd_counter_kafka_broker_port: {port}
sfacctd_counter_kafka_topic: theirs
sfacctd_counter_output: json
"""
    running = test.start([program, "-f", test.write("theirs.conf", theirs)], "theirs")
    replay(test, kafka(cluster, "ours"))
    ours = [json.loads(m["payload"]) for m in consume(cluster.brokers, "ours")]
    expected = wait_for(lambda: len(m := [r for r in (json.loads(m["payload"]) for m in consume(cluster.brokers, "theirs"))
                                          if r["event_type"] == "log"]) >= len(ours) and m, "pmacct's records")
    running.kill_all()
    for mine, record in zip(ours, expected, strict=True):
        kept = {k: v for k, v in mine.items() if k in record}
        times = [r.pop("timestamp") for r in (kept, record)]
        first = [r.pop("seq") for r in (kept, record)]
        assert list(kept.items()) == list(record.items()), (times, first, mine, record)


def test_counters_are_there_without_an_epochs_end(test):
    """The refresh time is a minute; records do not wait for it. /metrics, statistics and --check know the instance."""
    cluster = Mock(test)
    cluster.topic("counters", 1)
    daemon = test.sfacctd(config(test, kafka(cluster) + f"control_socket: {test.dir}/control\n"))
    test.send(sflow.datagram([counters(1)], agent="192.0.2.1"))
    wait_for(lambda: len(consume(cluster.brokers, "counters")) == 2, "two records")
    mine = moving(test.wait_now(daemon, lambda s: moving(s)["written"]["flows"] == 2, "two written events", "sfacctd"))
    assert mine["process"]["pid"] > 0, mine
    told = {view: subprocess.run([PATHACCT, "-s", test.dir / "control", view], capture_output=True, text=True, timeout=30, check=False).stdout
            for view in ("status", "ledger")}
    assert all(f"{NAME} (events)" in text for text in told.values()), told
    assert f'pathacct_instance_written_flows_total{{plugin_instance="{NAME}",plugin="kafka"}} 2' in ask(f"{test.dir}/control", "/metrics")[2]
    assert daemon.stop() == 0, daemon.output()
    assert f"instance {NAME}: 2 events, 0 filtered, 2 written" in daemon.output(), daemon.output()


def test_an_outage_and_a_kill_lose_nothing(test):
    """The broker is away while records come, and the plugin's process is killed: each is there, once by its identity, in order."""
    cluster = Broker(test, partitions=1)
    cluster.kill()
    # Messages that wait for a cluster which is away count as failed after 2 s, not 20.
    properties = test.write("librdkafka.conf", "topic, message.timeout.ms, 2000\n")
    daemon = test.sfacctd(config(test, kafka(cluster) + f"sfacctd_counter_kafka_config_file: {properties}\n"))
    sent = 0

    def send(count):
        nonlocal sent
        for _ in range(count):
            test.send(sflow.datagram([counters(sent)], agent="192.0.2.1", sequence=sent))
            sent += 1

    send(50)
    test.wait_now(daemon, lambda s: moving(s)["decoded"]["flows"] == 100, "the first records", "sfacctd")
    test.wait_now(daemon, lambda s: moving(s)["handed_over"]["flows"] > 0, "records on their way", "sfacctd")
    pid = moving(test.now(daemon, "sfacctd"))["process"]["pid"]
    os.kill(pid, signal.SIGKILL)
    send(50)
    cluster.start()
    test.wait_now(daemon, lambda s: moving(s)["written"]["flows"] == 2 * sent, "all written", "sfacctd", 90)
    pid = moving(test.now(daemon, "sfacctd"))["process"]["pid"]
    send(50)
    os.kill(pid, signal.SIGKILL)
    send(50)
    test.wait_now(daemon, lambda s: moving(s)["written"]["flows"] == 2 * sent, "all written again", "sfacctd", 90)
    assert daemon.stop() == 0, daemon.output()
    got = [m["payload"] for m in distinct(consume(cluster.brokers, "counters"))]
    assert sorted(got) == sorted((test.dir / "counters.json").read_text().splitlines())


def test_too_little_memory_is_told_and_counted(test):
    """No broker, no spool: what the pool cannot hold is dropped, with a line, and flows go on."""
    port = free_port()
    daemon = test.sfacctd(config(test, f"""
sfacctd_counter_kafka_broker_port: {port}
sfacctd_counter_kafka_topic: counters
plugin_pool_size[{NAME}]: 1M
shutdown_timeout: 1
"""))
    for round_ in range(400):
        test.send(*(sflow.datagram([counters(n, n) for n in range(8)], agent="192.0.2.1", sequence=round_) for _ in range(4)))
        if round_ % 20 == 0 and moving(test.now(daemon, "sfacctd"))["drops"]["pool_full"]["flows"] > 0:
            break
    daemon.wait_log(f"plugin kafka[{NAME}]: plugin_pool_size is used up, so new rows are dropped: ")
    daemon.stop()
    mine = ledger(test.stats("sfacctd"))
    dropped = sum(reason["flows"] for reason in mine["drops"].values())
    assert mine["decoded"]["flows"] == mine["written"]["flows"] + dropped, mine
    assert "events" in [line for line in daemon.output().splitlines() if "plugin_pool_size is used up" in line][0]


def test_rabbitmq_has_the_lines_of_the_file(test):
    broker = shared()
    queue = broker.queue("counters")
    capture(test, 200)
    replay(test, amqp(broker, "counters"))
    messages = broker.get(queue)
    assert [m.body.decode() for m in messages] == (test.dir / "counters.json").read_text().splitlines()
    assert len({m.identity() for m in messages}) == 400 and {m.headers["instance"] for m in messages} == {NAME}
    assert {m.content_type for m in messages} == {"application/json"}
    mine = ledger(test.stats("sfacctd"))
    assert (mine["plugin"], mine["written"]["flows"]) == ("amqp", 400), mine


def test_rabbitmq_by_agent_over_an_outage_and_a_kill(test):
    broker = shared()
    (test.dir / "spool").mkdir()
    queue = broker.queue("persist", kind="topic", keys=("c.192_0_2_1",), durable=True)
    text = config(test, amqp(broker, "persist", f"""
sfacctd_counter_amqp_exchange_type: topic
sfacctd_counter_amqp_persistent_msg: true
plugin_spool_dir: {test.dir}/spool
""", "c.$peer_src_ip"))
    daemon = test.sfacctd(text)
    for n in range(50):
        test.send(sflow.datagram([counters(n)], agent="192.0.2.1", sequence=n))
    test.wait_now(daemon, lambda s: moving(s)["written"]["flows"] == 100, "the first records", "sfacctd")
    broker.kill()
    for n in range(50, 100):
        test.send(sflow.datagram([counters(n)], agent="192.0.2.1", sequence=n))
    test.wait_now(daemon, lambda s: moving(s)["spooled"]["flows"] > 0, "spooled records", "sfacctd", 60)
    with contextlib.suppress(ProcessLookupError):
        os.kill(moving(test.now(daemon, "sfacctd"))["process"]["pid"], signal.SIGKILL)
    test.wait_now(daemon, lambda s: moving(s)["process"]["is_failing"], "a new process", "sfacctd", 60)
    assert daemon.stop() == 0, "what is spooled is not lost: " + daemon.output()
    assert ledger(test.stats("sfacctd"))["spooled"]["flows"] == 100
    broker.start()
    daemon = test.sfacctd(text, name="again")
    for n in range(100, 110):
        test.send(sflow.datagram([counters(n)], agent="192.0.2.1", sequence=n))
    test.wait_now(daemon, lambda s: moving(s)["written"]["flows"] == 20 and moving(s)["process"]["spooled_handovers"] == 0, "all written",
                  "again", 90)
    assert daemon.stop() == 0, daemon.output()
    got = [m.body.decode() for m in rabbit.distinct(broker.get(queue))]
    assert sorted(got) == sorted((test.dir / "counters.json").read_text().splitlines())


def check(test, text):
    done = subprocess.run([SFACCTD, "--check", "-f", test.write("check.conf", config(test, text))], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_what_is_wrong_is_told_with_the_keys_own_name(test):
    assert check(test, "sfacctd_counter_kafka_topic: counters\n")[0] == 0
    both = check(test, "sfacctd_counter_kafka_topic: a\nsfacctd_counter_amqp_routing_key: b\n")
    assert both[0] == 1 and "sfacctd_counter_amqp_routing_key: they go to one broker, and sfacctd_counter_kafka_topic names another" in both[1], both
    bad = check(test, "sfacctd_counter_kafka_topic: a!b\n")
    assert bad[0] == 1 and f"check.conf:8: kafka[{NAME}]: sfacctd_counter_kafka_topic: '!' cannot be" in bad[1], bad
    bad = check(test, "sfacctd_counter_amqp_routing_key: b\nsfacctd_counter_amqp_exchange_type: x\n")
    assert bad[0] == 1 and "sfacctd_counter_amqp_exchange_type: bad value 'x'; expected one of direct, fanout, topic, headers" in bad[1], bad
    bad = check(test, "sfacctd_counter_kafka_topic: a\nsfacctd_counter_kafka_avro_schema_registry: http://x\n")
    assert bad[0] == 1 and "sfacctd_counter_kafka_avro_schema_registry: not supported: " in bad[1], bad
    taken = check(test, f"plugins: print[flows], print[{NAME}]\nsfacctd_counter_kafka_topic: a\n")
    assert taken[0] == 1 and f"two instances are named '{NAME}'" in taken[1], taken


if __name__ == "__main__":
    main(globals())
