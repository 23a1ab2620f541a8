#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The amqp plugin against a real RabbitMQ: what messages hold, where they go, and what becomes of rows when the broker is away."""
import collections
import contextlib
import json
import os
import signal
import socket
import subprocess

from harness import NFACCTD, SOURCE, flowgen_capture, free_port, json_lines, main, need, need_pmacct
from avro_reader import AvroReader
from rabbit import distinct, shared
import exports
import test_pmacct_documents

UNITS = ("flows", "packets", "bytes")


def flowgen(test, *args):
    """A capture, and what its flows add up to."""
    made = flowgen_capture(test, *args)
    return {unit: made[unit] for unit in UNITS}


def config(test, broker, exchange, more="", aggregate="src_host, dst_host, src_port, dst_port, proto, flows"):
    return f"""
plugins: amqp[out]
pcap_savefile: {test.dir}/in.pcap
aggregate[out]: {aggregate}
amqp_port[out]: {broker.port}
amqp_exchange[out]: {exchange}
amqp_refresh_time[out]: 10
writer_id_string: $proc_name
{more}
"""


def replay(test, broker, exchange, more="", status=0, **kwargs):
    daemon = test.nfacctd(config(test, broker, exchange, more, **kwargs))
    assert daemon.wait(90) == status, daemon.output()
    return daemon


def rows(messages):
    return [json.loads(line) for message in messages for line in message.body.decode().splitlines()]


def sums(records):
    return {unit: sum(record[unit] for record in records) for unit in UNITS}


def totals(records):
    """Flows, packets and bytes by key."""
    out = collections.defaultdict(lambda: [0, 0, 0])
    for r in records:
        if r["event_type"] == "purge":
            values = out[tuple(v for k, v in sorted(r.items()) if k not in ("writer_id", *UNITS))]
            values[:] = [value + r[unit] for value, unit in zip(values, UNITS)]
    return dict(out)


def test_a_message_for_each_row_with_its_identity(test):
    broker = shared()
    queue = broker.queue("each")
    sent = flowgen(test, "--flows", 5000, "--keys", 2000, "--seconds", 30, "--exporters", 16)
    replay(test, broker, "each", "nfacctd_workers: 3\n")
    messages = broker.get(queue)
    assert sums(rows(messages)) == sent
    assert len({m.identity() for m in messages}) == len({m.message_id for m in messages}) == len(messages)
    assert {m.headers["instance"] for m in messages} == {"out"}
    assert {m.headers["worker"] for m in messages} == {"0", "1", "2"}
    assert {(m.content_type, m.delivery_mode) for m in messages} == {("application/json", 1)}
    assert all(b"\n" not in m.body for m in messages)
    ledger = test.stats()["instances"][0]
    assert ledger["written"]["flows"] == sent["flows"], ledger


def test_packed_rows_are_those_that_print_writes(test):
    broker = shared()
    queue = broker.queue("packed")
    sent = flowgen(test, "--flows", 20000, "--keys", 3000, "--seconds", 30)
    daemon = test.nfacctd(config(test, broker, "packed", f"""
plugins: amqp[out], print[file]
aggregate[file]: src_host, dst_host, src_port, dst_port, proto, flows
print_output[file]: json
print_output_file[file]: {test.dir}/file.json
print_output_file_append[file]: true
print_refresh_time[file]: 10
amqp_multi_values[out]: 4000
""").replace("plugins: amqp[out]\n", "", 1))
    assert daemon.wait(60) == 0, daemon.output()
    messages = broker.get(queue)
    assert sums(rows(messages)) == sent
    assert max(len(m.body) for m in messages) <= 4000 and len(messages) < len(rows(messages)) / 10
    assert totals(rows(messages)) == totals(json_lines(test.dir / "file.json"))


def test_messages_like_those_of_pmacct(test):
    """Debian's nfacctd sends the same capture to the same broker: the same objects and markers, packed the same way."""
    program = need_pmacct("sbin/nfacctd")
    flowgen(test, "--flows", 200, "--keys", 20, "--seconds", 1)
    broker, running = shared(), []
    for values in (0, 700):
        for who in ("ours", "theirs"):
            broker.queue(f"{who}-{values}")
        text = config(test, broker, "EXCHANGE", f"amqp_markers[out]: true\namqp_multi_values[out]: {values}\n")
        theirs = text.replace("EXCHANGE", f"theirs-{values}").replace(f"amqp_port[out]: {broker.port}", f"amqp_host[out]: {broker.address}")
        conf = test.write(f"pmacct-{values}.conf", theirs + "amqp_refresh_time[out]: 1\n")
        running.append(test.start([program, "-f", conf], f"pmacct-{values}"))
        running.append(test.nfacctd(text.replace("EXCHANGE", f"ours-{values}"), name=f"nfacctd-{values}"))
    for daemon in running:
        daemon.wait(60)
    for values in (0, 700):
        theirs, ours = broker.get(f"of-theirs-{values}"), broker.get(f"of-ours-{values}")
        assert totals(rows(theirs)) == totals(rows(ours)), values
        keys = [{tuple(record) for record in rows(messages) if record["event_type"] == "purge"} for messages in (theirs, ours)]
        assert keys[0] == keys[1], keys
        markers = [{tuple(r) for r in rows(messages) if r["event_type"] != "purge"} for messages in (theirs, ours)]
        assert markers[0] == markers[1] and len(markers[0]) == 2, markers
        assert {m.content_type for m in theirs} == {m.content_type for m in ours} == {"application/json"}


def test_routing_keys_of_each_row(test):
    broker = shared()
    queue = broker.queue("topics", "topic", keys=("flows.#",))
    flowgen(test, "--flows", 2000, "--keys", 100, "--seconds", 1)
    replay(test, broker, "topics", "amqp_exchange_type[out]: topic\namqp_routing_key[out]: flows.$proto.$src_port\namqp_multi_values[out]: 10000\n"
           "amqp_markers[out]: true\n")
    messages = broker.get(queue)
    keys = set()
    for message in messages:
        keys.add(message.routing_key)
        for record in rows([message]):
            assert message.routing_key == f"flows.{record['ip_proto']}.{record['port_src']}", (message.routing_key, record)
    assert len(keys) > 10, keys


def test_fanout_round_robin_markers_and_persistence(test):
    broker = shared()
    queue = broker.queue("fan", "fanout", durable=True)
    sent = flowgen(test, "--flows", 300, "--keys", 30, "--seconds", 1)
    replay(test, broker, "fan", "amqp_exchange_type[out]: fanout\namqp_routing_key_rr[out]: 3\namqp_markers[out]: true\n"
           "amqp_persistent_msg[out]: true\n")
    messages = broker.get(queue)
    records = rows(messages)
    assert sums([r for r in records if r["event_type"] == "purge"]) == sent
    events = collections.Counter(r["event_type"] for r in records)
    assert events["purge_init"] >= 3 and events["purge_init"] == events["purge_close"], events
    assert {m.routing_key for m in messages} == {"acct_0", "acct_1", "acct_2"}
    assert {m.delivery_mode for m in messages} == {2}


def test_avro_and_its_schema(test):
    broker = shared()
    queue = broker.queue("avro", keys=("acct", "schema"))
    sent = flowgen(test, "--flows", 1000, "--keys", 100, "--seconds", 1)
    replay(test, broker, "avro", f"amqp_output[out]: avro\namqp_avro_schema_routing_key[out]: schema\namqp_multi_values[out]: 50\n"
           f"amqp_avro_schema_file[out]: {test.dir}/schema.avsc\n")
    messages = broker.get(queue)
    schemas = [m.body for m in messages if m.routing_key == "schema"]
    assert len(schemas) == 1, schemas
    told = json.loads(schemas[0])
    assert list(told) == ["event_type", "writer_id", "schema"] and told["event_type"] == "purge_schema", told
    assert told["schema"] == (test.dir / "schema.avsc").read_text()
    data = [m.body for m in messages if m.routing_key == "acct" and m.content_type == "avro/binary"]
    decoded = []
    for body in data:
        decoded += AvroReader(json.loads(told["schema"]), body).records()
    assert sums(decoded) == sent


def test_avro_in_its_json_encoding(test):
    broker = shared()
    queue = broker.queue("avro_json")
    sent = flowgen(test, "--flows", 1000, "--keys", 100, "--seconds", 1)
    replay(test, broker, "avro_json", "amqp_output[out]: avro_json\namqp_multi_values[out]: 2000\namqp_markers[out]: true\n")
    messages = broker.get(queue)
    records = rows(messages)
    assert {m.content_type for m in messages} == {"application/json"} and any(b"\n" in m.body for m in messages)
    assert [records[0]["event_type"], records[-1]["event_type"]] == ["purge_init", "purge_close"]
    data = records[1:-1]
    assert sums([r | {k: r[k]["long"] for k in ("packets", "flows", "bytes")} for r in data]) == sent


def test_avro_markers(test):
    """They have schemas of their own, which are sent with that of rows."""
    broker = shared()
    queue = broker.queue("avromarkers", keys=("acct", "schema"))
    flowgen(test, "--flows", 100, "--keys", 10, "--seconds", 1)
    replay(test, broker, "avromarkers", "amqp_output[out]: avro\namqp_markers[out]: true\namqp_avro_schema_routing_key[out]: schema\n")
    messages = broker.get(queue)
    schemas = {s["name"]: s for s in (json.loads(json.loads(m.body)["schema"]) for m in messages if m.routing_key == "schema")}
    assert set(schemas) == {"acct_data", "acct_init", "acct_close"}, schemas
    of_purges = [m for m in messages if m.routing_key == "acct"]
    assert {m.content_type for m in of_purges} == {"avro/binary"}
    first, last = of_purges[0].body, of_purges[-1].body
    assert [r["event_type"] for r in AvroReader(schemas["acct_init"], first).records()] == ["purge_init"]
    closing = list(AvroReader(schemas["acct_close"], last).records())
    assert closing[0]["event_type"] == "purge_close" and closing[0]["purged_entries"] == closing[0]["total_entries"] > 0, closing


def test_messages_that_no_queue_gets_are_counted(test):
    """Half of the rows have a routing key that is bound to nothing."""
    broker = shared()
    queue = broker.queue("half", keys=("proto_tcp",))
    sent = flowgen(test, "--flows", 3000, "--keys", 300, "--seconds", 1)
    daemon = replay(test, broker, "half", "amqp_routing_key[out]: proto_$proto\n", status=1, aggregate="src_host, dst_port, proto, flows")
    got = sums(rows(broker.get(queue)))
    ledger = test.stats()["instances"][0]
    assert 0 < got["flows"] < sent["flows"]
    assert ledger["written"]["flows"] == got["flows"], (ledger, got)
    assert ledger["drops"]["rejected"]["flows"] == sent["flows"] - got["flows"], ledger
    assert ledger["process"]["counters"]["unroutable"] > 0, ledger
    lines = [line for line in daemon.output().splitlines() if "to no queue" in line]
    assert len(lines) == 1 and "exchange half" in lines[0] and "proto_udp" in lines[0], daemon.output()


class Feed:
    """Flows to the daemon, and how many."""

    def __init__(self, test):
        self.test, self.stream, self.sent = test, exports.Ipfix(), 0
        test.send(self.stream.announce())

    def send(self, count=10):
        self.test.send(self.stream.data([exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1", octets=100 + n) for n in range(count)]))
        self.sent += count


def live(test, broker, exchange, more="", **kwargs):
    return test.nfacctd(f"""
plugins: amqp[out]
aggregate[out]: dst_host, flows
amqp_port[out]: {broker.port}
amqp_exchange[out]: {exchange}
amqp_refresh_time[out]: 1
{more}
""", **kwargs)


def written(statistics):
    return statistics["instances"][0]["written"]["flows"]


def test_exchange_of_another_type_names_both(test):
    broker = shared()
    broker.queue("typed", "topic")
    daemon = live(test, broker, "typed", "amqp_exchange_type[out]: fanout\n")
    daemon.wait_log("no exchange typed of type fanout")
    line = next(line for line in daemon.output().splitlines() if "no exchange typed" in line)
    assert "'topic'" in line and "'fanout'" in line and "amqp_exchange_type" in line, line
    daemon.stop()


def test_what_pmacct_s_documents_show_runs(test):
    """A broker that is no part of test_pmacct_documents, whose configurations these are."""
    test_pmacct_documents.prepare(test)
    queue = shared().queue("pmacct")
    test_pmacct_documents.run_all(test, {"amqp": shared()}, lambda text: "plugins: amqp" in text)
    assert rows(shared().get(queue))


def test_wrong_password_and_no_broker_are_told_by_the_trial(test):
    broker = shared()
    base = f"plugins: amqp[out]\naggregate[out]: src_host\nnfacctd_port: {free_port()}\namqp_port: {broker.port}\n"
    for more, words, status in (("amqp_exchange: brand-new\n", "no exchange brand-new", 0),
                                ("amqp_passwd: wrong\n", "ACCESS_REFUSED", 1),
                                ("amqp_vhost: /nowhere\n", "vhost", 1),
                                (f"amqp_port: {free_port(socket.SOCK_STREAM)}\n", "no connection to 127.0.0.1", 1)):
        conf = test.write("trial.conf", base + more)
        done = subprocess.run([NFACCTD, "-f", conf, "-T", "setup"], capture_output=True, text=True, timeout=60, check=False)
        output = done.stdout + done.stderr
        assert words in output and (done.returncode == 0) == (status == 0), (more, done.returncode, output)


def test_tls_with_a_certificate_that_is_checked(test):
    broker = shared()
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", "other.pem",
                    "-days", "2", "-subj", "/CN=another"], cwd=test.dir, check=True, capture_output=True)
    queue = broker.queue("tls")
    flowgen(test, "--flows", 100, "--keys", 10, "--seconds", 1)
    good = f"amqp_host[out]: localhost\namqp_port[out]: {broker.tls_port}\namqp_conn_ca_file[out]: {broker.dir}/cert.pem\n"
    replay(test, broker, "tls", good)
    assert sums(rows(broker.get(queue)))["flows"] == 100
    certificate = str(broker.dir / "cert.pem")
    for bad in (good.replace(certificate, f"{test.dir}/other.pem"), good.replace("localhost", "127.0.0.1"),
                good.replace(certificate, f"{test.dir}/none.pem")):
        conf = test.write("bad.conf", f"plugins: amqp[out]\naggregate[out]: src_host\nnfacctd_port: {free_port()}\n" + bad)
        done = subprocess.run([NFACCTD, "-f", conf, "-T", "setup"], capture_output=True, text=True, timeout=60, check=False)
        output = done.stdout + done.stderr
        assert done.returncode != 0 and ("by TLS" in output or "amqp_conn_ca_file" in output), (bad, output)


def test_the_example(test):
    """Each router's rows have a routing key of their own."""
    broker = shared()
    queue = broker.queue("flows", "topic", keys=("flows.127_0_0_3",), durable=True)
    text = (SOURCE / "examples/amqp/nfacctd.conf").read_text().replace("nfacctd_port: 2100\n", "").replace("refresh_time[live]: 10", "refresh_time[live]: 1")
    daemon = test.nfacctd(text + f"amqp_port[live]: {broker.port}\n")
    stream = exports.Ipfix()
    for source, octets in (("127.0.0.2", 100), ("127.0.0.3", 2000)):
        flow = exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1", octets=octets)
        test.send(stream.announce(), stream.data([flow]), source=source)
    test.wait_now(daemon, lambda s: s["instances"][0]["drops"].get("rejected", {"flows": 0})["flows"] == 1 and written(s) == 1, "both flows")
    assert daemon.stop() == 1, "rows of the other router were dropped"
    assert [(row["peer_ip_src"], row["bytes"]) for row in rows(broker.get(queue))] == [("127.0.0.3", 2000)]


def test_plugin_killed_in_the_middle(test):
    """Twenty kills while rows go out: what comes twice has the same identity."""
    broker = shared()
    queue = broker.queue("kills")
    daemon = live(test, broker, "kills")
    feed = Feed(test)
    for _ in range(20):
        feed.send()
        instance = test.now(daemon)["instances"][0]
        pid = instance["process"]["pid"]
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    test.wait_now(daemon, lambda s: written(s) == feed.sent, "all rows", seconds=90)
    assert daemon.stop() == 0, daemon.output()
    assert sums(rows(distinct(broker.get(queue))))["flows"] == feed.sent


def test_broker_that_dies_and_comes_back(test):
    """What was confirmed is in the durable queue; what was not is sent again. Each identity is there, none is missing."""
    broker = shared()
    queue = broker.queue("life", durable=True)
    daemon = live(test, broker, "life", "amqp_persistent_msg[out]: true\namqp_heartbeat_interval[out]: 10\n")
    feed = Feed(test)
    feed.send()
    test.wait_now(daemon, lambda s: written(s) == feed.sent, "the first rows")
    broker.kill()
    feed.send()
    daemon.wait_log("amqp_host: no connection")
    broker.start()
    feed.send()
    test.wait_now(daemon, lambda s: written(s) == feed.sent, "all rows", seconds=90)
    assert daemon.stop() == 0, daemon.output()
    assert sums(rows(distinct(broker.get(queue))))["flows"] == feed.sent


if __name__ == "__main__":
    main(globals())
