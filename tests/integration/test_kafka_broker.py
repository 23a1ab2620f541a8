#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Apache Kafka itself: what nfacctd sends is what kcat reads, with a password, and when the broker is killed in between.
KAFKA_KILLS (2 unless set) says how often."""
import json
import os
import random
import signal
import subprocess
import time

from harness import BUILD, main, need_option
from kafka_cluster import Broker, consume, consume_raw, distinct, rows, sums
from schema_registry import Registry, decode
from test_kafka_kills import host_pid

UNITS = ("flows", "packets", "bytes")


def start(test, broker, seconds, flows, speed, more=""):
    out = subprocess.run([BUILD / "bench/flowgen", "--flows", str(flows), "--keys", "3000", "--seconds", str(seconds), "--exporters", "16",
                          "--pcap", test.dir / "in.pcap"], capture_output=True, text=True, check=True, timeout=60).stdout
    daemon = test.nfacctd(f"""
plugins: kafka[out]
pcap_savefile: {test.dir}/in.pcap
pcap_savefile_speed: {speed}
nfacctd_workers: 2
aggregate[out]: src_host, dst_host, proto, flows
kafka_broker_host[out]: {broker.brokers}
kafka_topic[out]: acct
kafka_refresh_time[out]: 1
kafka_multi_values[out]: 4000
plugin_pool_size: 256M
{more}
""")
    return daemon, {unit: json.loads(out)[unit] for unit in UNITS}


def test_kcat_reads_what_was_sent(test):
    """Over a listener that wants user and password, by kafka_config_file; then without, which must fail and say why."""
    broker = Broker(test)
    sasl = ("global, security.protocol, SASL_PLAINTEXT\nglobal, sasl.mechanisms, PLAIN\nglobal, sasl.username, collector\n"
            "global, sasl.password, {}\ntopic, compression.codec, zstd\ntopic, message.timeout.ms, 2000\n")
    more = f"kafka_broker_host[out]: {broker.sasl_brokers}\nkafka_config_file[out]: {test.dir}/kafka.conf\nshutdown_timeout: 3\n"
    test.write("kafka.conf", sasl.format("wrong"))
    daemon, sent = start(test, broker, 20, 50000, 20, more)
    daemon.wait_log("acct: Local: Message timed out; the last error: ")
    assert "SASL authentication error: Authentication failed" in daemon.output().split("the last error")[1], daemon.output()
    assert daemon.stop() == 1
    test.write("kafka.conf", sasl.format("secret"))
    daemon, sent = start(test, broker, 20, 50000, 20, more + "kafka_topic[out]: good\n")
    assert daemon.wait(60) == 0, daemon.output()
    messages = consume(broker.brokers, "good")
    assert sums(rows(messages)) == sent == test.stats()["instances"][0]["written"]
    assert len(distinct(messages)) == len(messages)


def test_readers_decode_by_the_registry(test):
    need_option("WITH_REGISTRY", "kafka_avro_schema_registry")
    broker, registry = Broker(test), Registry(test)
    daemon, sent = start(test, broker, 20, 20000, 20, f"kafka_output[out]: avro\nkafka_avro_schema_registry[out]: {registry.url}\n")
    assert daemon.wait(60) == 0, daemon.output()
    assert sums([record for _, record in decode(registry, consume_raw(broker.brokers, "acct"))]) == sent


def test_kills_of_the_broker_and_of_the_plugin(test):
    rng = random.Random(11)
    broker, killed, kills = Broker(test), [], int(os.environ.get("KAFKA_KILLS", "2"))
    daemon, sent = start(test, broker, 15 * (kills + 1), 20000 * (kills + 1), 2)
    for _ in range(kills):
        time.sleep(rng.uniform(0.2, 2))
        pid = host_pid(daemon, skip=killed)
        if pid and rng.random() < 0.6:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        time.sleep(rng.uniform(0, 0.5))
        broker.kill()
        broker.start()
    assert daemon.wait(300) == 0, daemon.output()
    messages = consume(broker.brokers, "acct")
    once = distinct(messages)
    print(f"    {kills} kills of the broker, {len(killed)} of the plugin, {len(messages) - len(once)} of {len(messages)} messages came again")
    assert sums(rows(once)) == sent == test.stats()["instances"][0]["written"], daemon.output()


if __name__ == "__main__":
    main(globals())
