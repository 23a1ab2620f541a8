#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kafka plugin against librdkafka's mock cluster: what messages hold, and where they go."""
import collections
import json
import subprocess

from harness import NFACCTD, SOURCE, flowgen_capture, json_lines, main, need_pmacct
from avro_reader import AvroReader
from kafka_cluster import Mock, consume, consume_raw, identity, rows, sums
import exports

UNITS = ("flows", "packets", "bytes")


def flowgen(test, *args):
    """A capture, and what its flows add up to."""
    made = flowgen_capture(test, *args)
    return {unit: made[unit] for unit in UNITS}


def config(test, cluster, more="", aggregate="src_host, dst_host, src_port, dst_port, proto, flows"):
    return f"""
plugins: kafka[out]
pcap_savefile: {test.dir}/in.pcap
aggregate[out]: {aggregate}
kafka_broker_host[out]: {cluster.brokers}
kafka_topic[out]: acct
kafka_refresh_time[out]: 10
writer_id_string: $proc_name
{more}
"""


def replay(test, cluster, more="", **kwargs):
    daemon = test.nfacctd(config(test, cluster, more, **kwargs))
    assert daemon.wait(60) == 0, daemon.output()
    return daemon


def totals(records):
    """Flows, packets and bytes by key."""
    out = collections.defaultdict(lambda: [0, 0, 0])
    for r in records:
        if r["event_type"] == "purge":
            values = out[tuple(v for k, v in r.items() if k not in ("writer_id", *UNITS))]
            values[:] = [value + r[unit] for value, unit in zip(values, UNITS)]
    return dict(out)


def canonical(records, *without):
    return collections.Counter(json.dumps({k: v for k, v in r.items() if k not in without}) for r in records)


def test_a_message_for_each_row_with_its_identity(test):
    cluster = Mock(test)
    cluster.topic("acct")
    sent = flowgen(test, "--flows", 5000, "--keys", 2000, "--seconds", 30, "--exporters", 16)
    replay(test, cluster, "nfacctd_workers: 3\n")
    messages = consume(cluster.brokers, "acct")
    assert sums(rows(messages)) == sent
    assert all("\n" not in m["payload"] and m["payload"].endswith(', "writer_id": "out"}') for m in messages)
    assert len({identity(m) for m in messages}) == len(messages)
    assert {m["headers"]["worker"] for m in messages} == {"0", "1", "2"}
    assert {m["headers"]["instance"] for m in messages} == {"out"}
    assert len({m["headers"]["core_id"] for m in messages}) == 1 and len(messages[0]["headers"]["core_id"]) == 32
    for m in messages:
        first, last = m["headers"]["rows"].split("-")
        assert first == last, m


def test_packed_rows_are_those_that_print_writes(test):
    cluster = Mock(test)
    cluster.topic("acct")
    sent = flowgen(test, "--flows", 20000, "--keys", 3000, "--seconds", 30)
    daemon = test.nfacctd(config(test, cluster, f"""
plugins: kafka[out], print[file]
aggregate[file]: src_host, dst_host, src_port, dst_port, proto, flows
print_output[file]: json
print_output_file[file]: {test.dir}/file.json
print_output_file_append[file]: true
print_refresh_time[file]: 10
kafka_multi_values[out]: 4000
""").replace("plugins: kafka[out]\n", "", 1))
    assert daemon.wait(60) == 0, daemon.output()
    messages = consume(cluster.brokers, "acct")
    assert sums(rows(messages)) == sent
    assert canonical(rows(messages), "writer_id") == canonical(json_lines(test.dir / "file.json"))
    assert max(len(m["payload"]) for m in messages) <= 4000
    assert len(messages) < len(rows(messages)) / 10
    # The rows of a hand-over, each once, in order: from 0 without a hole.
    by_handover = collections.defaultdict(list)
    for m in messages:
        first, last = map(int, m["headers"]["rows"].split("-"))
        assert last - first + 1 == len(m["payload"].splitlines()), m["headers"]
        by_handover[identity(m)[:4]].append((first, last))
    for ranges in by_handover.values():
        ranges.sort()
        assert ranges[0][0] == 0 and all(a[1] + 1 == b[0] for a, b in zip(ranges, ranges[1:])), ranges


def test_messages_like_those_of_pmacct(test):
    """Debian's nfacctd sends the same capture to the same cluster: the same objects and markers, packed the same way."""
    program = need_pmacct("sbin/nfacctd")
    flowgen(test, "--flows", 200, "--keys", 20, "--seconds", 1)
    cluster, running = Mock(test), []
    for values in (0, 700):
        for who in ("ours", "theirs"):
            cluster.topic(f"{who}-{values}", 1)
        text = config(test, cluster, f"kafka_markers[out]: true\nkafka_multi_values[out]: {values}\n")
        host, port = cluster.brokers.split(":")
        theirs = text.replace("topic[out]: acct", f"topic[out]: theirs-{values}").replace(cluster.brokers, host)
        conf = test.write(f"pmacct-{values}.conf", theirs + f"kafka_broker_port[out]: {port}\nkafka_refresh_time[out]: 1\n")
        running.append(test.start([program, "-f", conf], f"pmacct-{values}"))
        ours = text.replace("topic[out]: acct", f"topic[out]: ours-{values}")
        running.append(test.nfacctd(ours, name=f"nfacctd-{values}"))
    for daemon in running:
        daemon.wait(60)
    for values in (0, 700):
        ours, theirs = ([m["payload"] for m in consume(cluster.brokers, f"{who}-{values}")] for who in ("ours", "theirs"))
        for sender in (ours, theirs):
            assert {p.endswith("\n") for p in sender if '"purge"' in p} == {values > 0}, sender
        # pmacct and we name the process in writer_id whatever is configured, and also mark purges without rows.
        ours, theirs = ([json.loads(line) for p in sender for line in p.splitlines()] for sender in (ours, theirs))
        assert all(list(r)[-1] == "writer_id" for r in ours + theirs if r["event_type"] == "purge")
        for event in ("purge", "purge_init", "purge_close"):
            assert {tuple(r) for r in ours if r["event_type"] == event} == {tuple(r) for r in theirs if r["event_type"] == event}
        assert totals(ours) == totals(theirs) and [r["event_type"] for r in (ours[0], ours[-1])] == ["purge_init", "purge_close"]


def test_topics_by_time_by_primitive_and_in_turn(test):
    cluster = Mock(test)
    stream = exports.Ipfix()
    start = 1700000000 // 86400 * 86400
    flows = [exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1", sport=n, start_ms=(start + n * 3600) * 1000,
                                 end_ms=(start + n * 3600) * 1000 + 10) for n in (1, 2)]
    at = start + 3 * 3600
    exports.write_pcap(test.dir / "in.pcap", [(at, exports.udp_packet(stream.announce(export_time=at))),
                                              (at, exports.udp_packet(stream.data(flows, export_time=at)))])
    replay(test, cluster, """
timestamps_utc: true
kafka_history[out]: 1h
kafka_history_roundoff[out]: h
kafka_topic[out]: f-%Y%m%d-%H.$dst_host
""", aggregate="dst_host, flows")
    day = "20231114"
    for n in (1, 2):
        found = rows(consume(cluster.brokers, f"f-{day}-0{n}.192_0_2_{n}"))
        assert [r["ip_dst"] for r in found] == [f"192.0.2.{n}"], found
    flowgen(test, "--flows", 90, "--keys", 90)
    replay(test, cluster, "kafka_topic_rr[out]: 3\nkafka_topic[out]: turn\n")
    counts = [len(consume(cluster.brokers, f"turn_{n}")) for n in range(3)]
    assert max(counts) - min(counts) <= 1 and sum(counts) > 60, counts


def test_partitions(test):
    cluster = Mock(test)
    for topic in ("fixed", "keyed", "whole"):
        cluster.topic(topic, 7)
    flowgen(test, "--flows", 4000, "--keys", 600, "--seconds", 40)
    replay(test, cluster, "kafka_topic[out]: fixed\nkafka_partition[out]: 5\n")
    assert {m["partition"] for m in consume(cluster.brokers, "fixed")} == {5}
    replay(test, cluster, "kafka_topic[out]: keyed\nkafka_partition_dynamic[out]: true\nkafka_partition_key[out]: a-$src_host\n"
           "kafka_multi_values[out]: 1000\n")
    homes = collections.defaultdict(set)
    for m in consume(cluster.brokers, "keyed"):
        assert {"a-" + r["ip_src"].replace(".", "_") for r in rows([m])} == {m["key"]}, m
        homes[m["key"]].add(m["partition"])
    assert len(homes) > 100 and all(len(home) == 1 for home in homes.values())
    # Two collectors with other numbers of workers and in other order of keys: one home for each key.
    for number, workers in enumerate((1, 3)):
        replay(test, cluster, f"kafka_topic[out]: whole\nkafka_partition_by_key[out]: true\nkafka_multi_values[out]: 1000\n"
               f"nfacctd_workers: {workers}\n", aggregate=("src_host, dst_host, proto, flows", "flows, proto, dst_host, src_host")[number])
    homes, partitions, cores = collections.defaultdict(set), collections.Counter(), set()
    for m in consume(cluster.brokers, "whole"):
        cores.add(m["headers"]["core_id"])
        assert int(m["key"]) % 7 == m["partition"]
        partitions[m["partition"]] += len(rows([m]))
        for r in rows([m]):
            homes[r["ip_src"], r["ip_dst"], r["ip_proto"]].add(m["partition"])
    assert len(cores) == 2 and all(len(home) == 1 for home in homes.values())
    assert len(partitions) == 7 and max(partitions.values()) < 2 * min(partitions.values()), partitions


def test_the_trigger_runs_after_a_purge(test):
    cluster = Mock(test)
    sent = flowgen(test, "--flows", 50, "--keys", 10)
    program = test.write("trigger", f"#!/bin/sh\necho $INSTANCE_NAME $TOTAL_ELEM_NUMBER >>{test.dir}/triggered\n")
    program.chmod(0o755)
    replay(test, cluster, f"kafka_trigger_exec[out]: {program}\n")
    messages = consume(cluster.brokers, "acct")
    lines = (test.dir / "triggered").read_text().splitlines()
    assert sums(rows(messages)) == sent and all(line.startswith("out ") for line in lines), lines
    assert sum(int(line.split()[1]) for line in lines) == len(messages), lines


def test_avro_says_what_json_says(test):
    """Decoded by the specification alone: values of all sorts, rows in one message, and events without counters."""
    cluster = Mock(test)
    cluster.topic("json", 1)
    cluster.topic("avro", 1)
    cluster.topic("avro_json", 1)
    for output in ("json", "avro", "avro_json"):
        cluster.topic(f"schema-{output}", 1)
    common = exports.Ipfix(exports.COMMON_FIELDS + [(70, 3), (71, 3)])
    events = exports.Ipfix([(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (230, 1), (152, 8)], template_id=300, domain=2)
    huge = exports.common_flow("10.0.0.9", "192.0.2.9", "10.0.0.1", octets=(1 << 64) - 1) + [b"\0\x10\x01", b"\0\x20\x01"]
    flows = [exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1", flags=n, octets=n << 40) + [b"\0\x10\x01", b"\0\x20\x01"] for n in range(100)]
    packets = [common.announce(), events.announce(), *(common.data(flows[n:n + 10]) for n in range(0, 100, 10)), common.data([huge]),
               events.data([["10.0.0.1", "192.0.2.1", 1, 2, 6, 1, 1700000000000]])]
    exports.write_pcap(test.dir / "in.pcap", [(1700000000, exports.udp_packet(p)) for p in packets])
    keys = "src_host, dst_host, tcpflags, proto, mpls_label_stack, in_iface, tos, timestamp_start, nat_event, peer_src_ip, src_host_country, src_host_coords"
    for output in ("json", "avro", "avro_json"):
        replay(test, cluster, f"""
kafka_topic[out]: {output}
kafka_output[out]: {output}
kafka_multi_values[out]: {dict(json=0, avro=16, avro_json=4000)[output]}
avro_schema_file[out]: {test.dir}/flow.avsc
kafka_avro_schema_topic[out]: schema-{output}
tcpflags_encode_as_array: true
mpls_label_stack_encode_as_array: true
timestamps_utc: true
kafka_history[out]: 5m
geoipv2_file: {SOURCE}/tests/fuzz/corpus/geoip/good
""", aggregate=keys)
    schema = json.loads((test.dir / "flow.avsc").read_text())
    expected = rows(consume(cluster.brokers, "json"))
    for r in expected:
        del r["event_type"]
    types = {f["name"]: f["type"] for f in schema["fields"]}
    # What is optional, and what is not there, is as pmacct has it.
    names = max((list(r) for r in expected), key=len)
    names.insert(names.index("bytes"), "flows")
    assert list(types) == names, types
    assert [n for n, kind in types.items() if kind == ["null", "long"]] == ["packets", "flows", "bytes"], types
    assert [n for n, kind in types.items() if kind == ["null", "string"]] == ["stamp_inserted", "stamp_updated"], types
    messages = consume_raw(cluster.brokers, "avro")
    counts = [len(list(AvroReader(schema, message).records())) for message in messages]
    got = [{k: v for k, v in r.items() if v is not None} for message in messages for r in AvroReader(schema, message).records()]
    assert max(counts) == 16 and len(got) == 102, counts
    for r in expected:
        r["bytes"] = min(r["bytes"], (1 << 63) - 1) if "bytes" in r else None
        if r["bytes"] is None:
            del r["bytes"]
    assert canonical(got, "stamp_updated") == canonical(expected, "stamp_updated")
    assert {(r["country_ip_src"], r["lat_ip_src"], r["lon_ip_src"]) for r in got} == {("DE", 52.5167, 13.4)}
    assert any(r["tcp_flags"] for r in got) and any(r["mpls_label_stack"] for r in got)
    expect_json_encoding(cluster, schema, got)
    sent = {output: [json.loads(r["schema"]) for r in rows(consume(cluster.brokers, f"schema-{output}"))] for output in ("json", "avro", "avro_json")}
    assert sent == {"json": [], "avro": [schema], "avro_json": [schema]}, sent


def expect_json_encoding(cluster, schema, expected):
    """Lines of the topic avro_json, each field of the schema in its order, say what the binary data does."""
    messages = consume(cluster.brokers, "avro_json")
    lines = rows(messages)
    assert len(messages) < len(lines) and all(list(r) == [f["name"] for f in schema["fields"]] for r in lines), lines[:1]
    for r in lines:
        for field in schema["fields"]:
            if isinstance(field["type"], list) and r[field["name"]] is not None:
                (branch, r[field["name"]]), = r[field["name"]].items()
                assert branch == field["type"][1]
    got = [{k: v for k, v in r.items() if v is not None} for r in lines]
    assert canonical(got, "stamp_updated", "writer_id") == canonical(expected, "stamp_updated", "writer_id")


def check(test, text):
    done = subprocess.run([NFACCTD, "-f", test.write("check.conf", text), "--check"], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_properties_of_librdkafka_come_from_a_file(test):
    cluster = Mock(test)
    sent = flowgen(test, "--flows", 50, "--keys", 10)
    # The broker in the file counts, comments and blanks do not, and a value may have commas.
    good = test.write("good.conf", f"# a comment\n! another\n\n global , bootstrap.servers,{cluster.brokers},127.0.0.1:1\n"
                      "global, client.id, a test\ntopic, message.timeout.ms, 9000\n")
    replay(test, cluster, f"kafka_config_file[out]: {good}\nkafka_broker_host[out]: 127.0.0.1:1\n")
    assert sums(rows(consume(cluster.brokers, "acct"))) == sent
    for line, said in (("global, no.such.property, 1", 'no.such.property: No such configuration property'),
                       ("global, linger.ms, soon", "linger.ms: Invalid value"),
                       ("topic, security.protocol, SSL", 'security.protocol: No such configuration property'),
                       ("security.protocol=SSL", "security.protocol=SSL: expected global, PROPERTY, VALUE or topic"),
                       ("brokers, a, b", "brokers: neither global nor topic"),
                       ("topic, request.required.acks, 1", "request.required.acks: only 'all'"),
                       ("global, enable.idempotence, false", "enable.idempotence: must stay true"),
                       ("global, transactional.id, x", "transactional.id: transactions are not used")):
        bad = test.write("bad.conf", f"# first\n{line}\n")
        status, err = check(test, config(test, cluster, f"kafka_config_file[out]: {bad}\n"))
        assert status == 1 and f"kafka_config_file: {bad}:2: {said}" in err, (line, err)
    for line, said in (("global, max.in.flight, 6", "max.in.flight"), ("global, security.protocol, SSL\nglobal, ssl.ca.location, /nowhere", "ssl.ca.location")):
        status, err = check(test, config(test, cluster, f"kafka_config_file[out]: {test.write('odd.conf', line)}\n"))
        assert status == 1 and "kafka_config_file: " in err and said in err, err
    status, err = check(test, config(test, cluster, "kafka_config_file[out]: /nowhere\n"))
    assert status == 1 and "kafka_config_file: cannot read /nowhere: No such file" in err, err


def test_combinations_that_make_no_sense_are_refused(test):
    cluster = Mock(test)
    flowgen(test, "--flows", 10, "--keys", 10)
    for more, said in (("kafka_topic[out]: a b", "kafka_topic: ' ' cannot be in a topic's name"),
                       ("kafka_topic[out]: $nothing", "kafka_topic: $nothing is neither a primitive"),
                       ("kafka_partition[out]: 1\nkafka_partition_by_key[out]: true", "kafka_partition: one partition, or many"),
                       ("kafka_partition_dynamic[out]: true", "kafka_partition_dynamic: needs kafka_partition_key"),
                       ("kafka_partition_by_key[out]: true\nkafka_topic_rr[out]: 2", "kafka_partition_by_key: makes the messages' keys itself"),
                       ("kafka_output[out]: xml", "kafka_output[out]: bad value 'xml'")):
        status, err = check(test, config(test, cluster, more + "\n"))
        assert status == 1 and said in err, (more, err)


def test_what_pmacct_accepts_is_a_notice(test):
    """Messages that would be too large are made smaller, and topics of rows get no markers; the rows come."""
    cluster = Mock(test)
    sent = flowgen(test, "--flows", 20000, "--keys", 20000)
    cluster.topic("acct", 1)
    for more, said in (("kafka_topic[out]: t-$proto\nkafka_markers[out]: true", "kafka_markers: none are sent"),
                       ("kafka_multi_values[out]: 2000000", "kafka_multi_values: 2000000 bytes are more than a message may have, so messages have up to ")):
        status, err = check(test, config(test, cluster, more + "\n"))
        assert status == 0 and f"kafka[out]: {said}" in err, (more, err)
    replay(test, cluster, more + "\n")
    messages = consume(cluster.brokers, "acct")
    largest = max(len(message["payload"]) for message in messages)
    assert 500_000 < largest <= 1_000_000, largest
    assert sums(rows(messages)) == sent


if __name__ == "__main__":
    main(globals())
