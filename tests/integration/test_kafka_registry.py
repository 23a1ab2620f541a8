#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kafka plugin with a schema registry, and the messages that carry schemas: what readers decode by the schema that they get by its
id are the rows, whatever the registry does meanwhile."""
import collections
import json
import os
import signal
import socket
import subprocess

from harness import NFACCTD, flowgen_capture, free_port, host_pids, main, need, need_option, wait_for
from kafka_cluster import Mock, consume, consume_raw, identity, rows, sums
from schema_registry import (Registry, decode, fetch, split, with_body, with_endless_body, with_redirection, with_silence, with_status)
import exports

AGGREGATE = "src_host, dst_host, src_port, dst_port, proto, flows"


def begin(test, **kwargs):
    need_option("WITH_REGISTRY", "kafka_avro_schema_registry")
    cluster = Mock(test)
    cluster.topic("acct")
    return cluster, Registry(test, **kwargs)


def config(cluster, urls, more="", aggregate=AGGREGATE):
    return f"""
plugins: kafka[out]
aggregate[out]: {aggregate}
kafka_broker_host[out]: {cluster.brokers}
kafka_topic[out]: acct
kafka_refresh_time[out]: 1
kafka_output[out]: avro
kafka_avro_schema_registry[out]: {urls}
{more}
"""


def replay(test, text, status=0):
    daemon = test.nfacctd(f"pcap_savefile: {test.dir}/in.pcap\n{text}")
    assert daemon.wait(60) == status, daemon.output()
    return daemon


class Feed:
    """Flows of two exporters to the daemon, and their number."""

    def __init__(self, test):
        self.test, self.sent, self.streams = test, 0, {}

    def send(self, count=10, source="127.0.0.1"):
        if source not in self.streams:
            self.streams[source] = exports.Ipfix()
            self.test.send(self.streams[source].announce(), source=source)
        self.test.send(self.streams[source].data([exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1") for n in range(count)]), source=source)
        self.sent += count


def flows(cluster, registry, topic="acct"):
    """Flows of the messages of a topic, those that come again left out."""
    kept = {identity(m): m for m in consume(cluster.brokers, topic)}
    messages = consume_raw(cluster.brokers, topic)
    if len(kept) != len(messages):
        return None
    return sum(record["flows"] for _, record in decode(registry, messages))


def counter(test, name):
    return test.stats()["instances"][0]["process"]["counters"].get(name, 0)


def test_readers_decode_rows_by_the_id_in_front(test):
    """A message for each row, whatever kafka_multi_values says, with one question to the registry; the rows are those of JSON."""
    cluster, registry = begin(test)
    for topic in ("json", "other"):
        cluster.topic(topic)
    sent = flowgen_capture(test, "--flows", 3000, "--keys", 400, "--seconds", 20)
    daemon = replay(test, config(cluster, registry.url, "kafka_multi_values[out]: 20\n"))
    assert "kafka_multi_values has no effect with kafka_avro_schema_registry" in daemon.output(), daemon.output()
    payloads = consume_raw(cluster.brokers, "acct")
    assert registry.registrations() == ["acct-acct_data"], registry.requests
    assert {split(p)[0] for p in payloads} == set(registry.subjects["acct-acct_data"])
    decoded = decode(registry, payloads)
    assert {name for name, _ in decoded} == {"acct_data"} and sums([r for _, r in decoded]) == {u: sent[u] for u in ("flows", "packets", "bytes")}
    replay(test, config(cluster, registry.url).replace("kafka_output[out]: avro", "kafka_output[out]: json")
           .replace("kafka_avro_schema_registry", "! ") + "kafka_topic[out]: json\n")

    def canonical(records):
        return collections.Counter(json.dumps({k: v for k, v in r.items() if k not in ("event_type", "writer_id")}, sort_keys=True) for r in records)
    assert canonical(r for _, r in decoded) == canonical(rows(consume(cluster.brokers, "json")))
    # The same schema has the same id for another topic, and the registry knows both.
    replay(test, config(cluster, registry.url, "kafka_topic[out]: other\n"))
    assert registry.subjects["other-acct_data"] == registry.subjects["acct-acct_data"]


def test_markers_have_schemas_of_their_own(test):
    cluster, registry = begin(test)
    cluster.topic("marked", 1)
    flowgen_capture(test, "--flows", 50, "--keys", 10)
    replay(test, config(cluster, registry.url, "kafka_markers[out]: true\nkafka_topic[out]: marked\n", aggregate="dst_host, flows"))
    assert set(registry.subjects) == {"marked-acct_data", "marked-acct_init", "marked-acct_close"}
    messages = decode(registry, consume_raw(cluster.brokers, "marked"))
    assert messages[0][0] == "acct_init" and messages[-1][0] == "acct_close", messages
    opening, closing = messages[0][1], messages[-1][1]
    assert list(opening) == ["event_type", "writer_id"] and opening["event_type"] == "purge_init"
    assert list(closing) == ["event_type", "writer_id", "purged_entries", "total_entries", "duration"], closing
    count = len([1 for name, _ in messages if name == "acct_data"])
    purged = [record["purged_entries"] for name, record in messages if name == "acct_close"]
    assert sum(purged) == count > 0 and closing["event_type"] == "purge_close", messages
    types = {field["name"]: field["type"] for field in json.loads(fetch(registry, registry.subjects["marked-acct_close"][0]))["fields"]}
    assert (types["purged_entries"], types["total_entries"], types["duration"]) == ("long", "long", "int"), types


def test_topics_with_variables_have_a_subject_each(test):
    cluster, registry = begin(test)
    daemon = test.nfacctd(config(cluster, registry.url, "kafka_topic[out]: from-$peer_src_ip\n", aggregate="peer_src_ip, dst_host, flows"))
    feed = Feed(test)
    for n in (1, 2, 3):
        feed.send(source=f"127.0.0.{n}")
    topics = [f"from-127_0_0_{n}" for n in (1, 2, 3)]
    wait_for(lambda: [flows(cluster, registry, t) for t in topics if f"{t}-acct_data" in registry.subjects] == [10, 10, 10], "10 flows in each topic")
    assert daemon.stop() == 0, daemon.output()
    assert sorted(registry.registrations()) == [f"{t}-acct_data" for t in topics]


def test_rows_wait_while_the_registry_is_away(test):
    """At the start; then a process that knows the id needs it no more; then one that died must ask again."""
    cluster, registry = begin(test)
    registry.stop()
    daemon = test.nfacctd(config(cluster, registry.url, aggregate="dst_host, flows"))
    feed = Feed(test)
    feed.send()
    daemon.wait_log("rows wait")
    assert consume(cluster.brokers, "acct") == []
    registry.start()
    wait_for(lambda: flows(cluster, registry) == feed.sent, "all flows")
    registry.stop()
    feed.send()
    wait_for(lambda: len(consume_raw(cluster.brokers, "acct")) == feed.sent, "rows by the id that is known")
    dead = host_pids(daemon)[0]
    os.kill(dead, signal.SIGKILL)
    feed.send()
    wait_for(lambda: daemon.output().count("rows wait") == 2, "the registry is missed again")
    assert len(consume_raw(cluster.brokers, "acct")) == feed.sent - 10
    registry.start()
    wait_for(lambda: flows(cluster, registry) == feed.sent, "all flows")
    assert daemon.stop() == 0, daemon.output()
    assert test.stats()["instances"][0]["written"]["flows"] == feed.sent
    line = next(line for line in daemon.output().splitlines() if "rows wait" in line)
    assert "kafka_avro_schema_registry: http://127.0.0.1:" in line and "refused" in line, line


def test_rows_of_an_outage_are_in_the_spool_of_the_next_start(test):
    cluster, registry = begin(test)
    registry.stop()
    (test.dir / "spool").mkdir()
    text = config(cluster, registry.url, f"plugin_spool_dir: {test.dir}/spool\nshutdown_timeout: 2\n", aggregate="dst_host, flows")
    daemon = test.nfacctd(text)
    feed = Feed(test)
    feed.send()
    daemon.wait_log("rows wait")
    daemon.stop()
    registry.start()
    daemon = test.nfacctd(text)
    wait_for(lambda: flows(cluster, registry) == feed.sent, "the rows of the spool")
    assert daemon.stop() == 0, daemon.output()


def test_what_a_registry_can_answer(test):
    """Each is one line with its remedy, counted, and over when the registry answers well again: nothing is lost. Each exporter has a
    topic of its own, so that each must be asked for."""
    cluster, registry = begin(test)
    elsewhere = Registry(test)
    daemon = test.nfacctd(config(cluster, registry.url, "kafka_topic[out]: from-$peer_src_ip\n", aggregate="peer_src_ip, dst_host, flows"))
    feed = Feed(test)
    for n, (fault, said) in enumerate((
            (with_status(409, message="incompatible\nwith\x1b[31m all"), "incompatible\\u000awith\\u001b[31m all): it has another schema"),
            (with_redirection(elsewhere.url), "a redirection, which is not followed"),
            (with_body(b"[" * 60000), "answers something else than a schema registry does, for the subject from-127_0_0_3-acct_data"),
            (with_endless_body, "answers with more than 64 kB"),
            (lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), "Empty reply from server")), 1):
        registry.fault = fault
        asked = len(registry.requests)
        feed.send(source=f"127.0.0.{n}")
        wait_for(lambda: len(registry.requests) >= asked + (2 if n == 1 else 1), "a question")
        daemon.wait_log(said)
        registry.fault = None
        wait_for(lambda: len(consume_raw(cluster.brokers, f"from-127_0_0_{n}")) == 10, "the rows")
        assert daemon.output().count("rows wait") == n, daemon.output()
    assert elsewhere.requests == [], "a redirection was followed"
    assert daemon.stop() == 0, daemon.output()
    assert test.stats()["instances"][0]["written"]["flows"] == feed.sent and counter(test, "kafka_registry_failures") >= 6


def test_a_registry_that_is_silent(test):
    """It costs its time limit, and the daemon ends in time."""
    cluster, registry = begin(test)
    registry.fault = with_silence
    daemon = test.nfacctd(config(cluster, registry.url, "shutdown_timeout: 2\n", aggregate="dst_host, flows"))
    Feed(test).send()
    wait_for(lambda: len(registry.requests) >= 1, "a question")
    assert daemon.stop(30) == 1, daemon.output()


def test_the_next_address_is_asked(test):
    cluster, registry = begin(test)
    nobody, sick = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}", Registry(test)
    sick.fault = with_status(503)
    flowgen_capture(test, "--flows", 50, "--keys", 10)
    by_name = registry.url.replace("127.0.0.1", "localhost")
    daemon = replay(test, config(cluster, f"{nobody}, {sick.url}/ ,{by_name}/"))
    assert decode(registry, consume_raw(cluster.brokers, "acct")), daemon.output()
    assert len(sick.requests) == 1 and counter(test, "kafka_registry_failures") == 0


def certificate(test, name):
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", f"subjectAltName={name}", "-keyout", test.dir / f"{name}.key", "-out", test.dir / f"{name}.pem"],
                   check=True, capture_output=True, timeout=60)
    return test.dir / f"{name}.pem", test.dir / f"{name}.key"


def test_https_and_a_password_that_nobody_sees(test):
    good, other = certificate(test, "IP:127.0.0.1"), certificate(test, "DNS:elsewhere.example")
    cluster, registry = begin(test, certificate=good, user="writer:geheim@1")
    flowgen_capture(test, "--flows", 50, "--keys", 10)
    url = registry.url.replace("https://", "https://writer:geheim%401@")

    more = f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}\n"

    def trial(urls, ca_file):
        ca_line = f"kafka_avro_schema_registry_ca_file[out]: {ca_file}\n" if ca_file else ""
        status, err = check(test, config(cluster, urls, more + ca_line), "-T", "setup")
        assert "geheim" not in err, err
        return status, err
    daemon = replay(test, config(cluster, url, f"kafka_avro_schema_registry_ca_file[out]: {good[0]}\n"))
    assert "geheim" not in daemon.output() and len(consume_raw(cluster.brokers, "acct")) > 0, daemon.output()
    assert trial(url, good[0])[0] == 0
    for urls, ca_file, said in ((url, other[0], "certificate"), (url, None, "certificate"), (url, test.dir / "none.pem", "error setting certificate"),
                                (url.replace("writer", "reader"), good[0], "answers 401"), (registry.url, good[0], "answers 401")):
        status, err = trial(urls, ca_file)
        assert status == 1 and said in err, (urls, ca_file, err)


def check(test, text, *args):
    done = subprocess.run([NFACCTD, "-f", test.write("check.conf", text), *args], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


def test_addresses_that_are_none_are_refused(test):
    cluster, registry = begin(test)
    flowgen_capture(test, "--flows", 10, "--keys", 10)
    for urls in ("127.0.0.1:8081", "ftp://127.0.0.1", "http://", "https://u:geh/eim@h", f"{registry.url} http://h:99999", "file:///etc/passwd", "http://h/?a=b"):
        status, err = check(test, config(cluster, urls), "--check")
        assert status == 1 and "kafka_avro_schema_registry: address " in err and "is none of a registry" in err, (urls, err)
        assert "eim" not in err, err
    status, err = check(test, config(cluster, registry.url).replace("_output[out]: avro", "_output[out]: json"), "--check")
    assert status == 0 and "kafka_avro_schema_registry: has no effect without kafka_output: avro" in err, err
    status, err = check(test, config(cluster, registry.url, "kafka_avro_schema_topic[out]: a b\n"), "--check")
    assert status == 1 and "kafka_avro_schema_topic: ' ' cannot be in a topic's name" in err, err
    assert registry.requests == []


def test_a_trial_start_asks_and_registers_nothing(test):
    cluster, registry = begin(test)
    text = config(cluster, registry.url, f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}\nkafka_markers[out]: true\n")
    status, err = check(test, text, "-T", "setup")
    assert status == 0 and registry.subjects == {} and len(registry.requests) == 3, (err, registry.requests)
    registry.register("acct-acct_data", json.dumps({"type": "record", "name": "acct_data", "fields": [{"name": "other", "type": "string"}]}))
    status, err = check(test, text, "-T", "setup")
    assert status == 1 and "answers 409 for the subject acct-acct_data: it has another schema" in err, err
    registry.compatibility["acct-acct_data"] = "NONE"
    assert check(test, text, "-T", "setup")[0] == 0
    status, err = check(test, text.replace("kafka_markers[out]: true", "kafka_topic[out]: to-$dst_host"), "-T", "setup")
    assert status == 0, err
    registry.fault = with_status(401)
    status, err = check(test, text, "-T", "setup")
    assert status == 1 and "answers 401" in err, err
    registry.stop()
    status, err = check(test, text, "-T", "setup")
    assert status == 1 and "kafka_avro_schema_registry: http://127.0.0.1" in err, err


def test_the_schema_goes_to_a_topic_of_its_own(test):
    """As pmacct's message, at the first purge and again later."""
    cluster, registry = begin(test)
    cluster.topic("schema", 1)
    daemon = test.nfacctd(config(cluster, registry.url, "kafka_avro_schema_topic[out]: schema\nkafka_avro_schema_refresh_time[out]: 1\n"
                                 "kafka_markers[out]: true\n", aggregate="dst_host, flows"))
    feed = Feed(test)
    feed.send()
    wait_for(lambda: len(consume(cluster.brokers, "schema")) >= 6, "the schemas twice")
    assert daemon.stop() == 0, daemon.output()
    messages = [json.loads(m["payload"]) for m in consume(cluster.brokers, "schema")]
    assert all(list(m) == ["event_type", "writer_id", "schema"] and m["event_type"] == "purge_schema" for m in messages), messages
    assert [json.loads(m["schema"])["name"] for m in messages[:3]] == ["acct_data", "acct_init", "acct_close"]
    for name in ("acct_data", "acct_init", "acct_close"):
        registered = fetch(registry, registry.subjects[f"acct-{name}"][0])
        assert registered in [m["schema"] for m in messages], name


if __name__ == "__main__":
    main(globals())
