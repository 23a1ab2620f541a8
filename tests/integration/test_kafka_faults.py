#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of faults in pathacct-kafka(7), a test for each row, against librdkafka's mock cluster: what is logged and counted,
and that in the end each row is there once, told by the headers."""
import socket

from harness import free_port, main, wait_for
from kafka_cluster import Mock, consume, distinct, rows
import exports

NOT_LEADER, TIMED_OUT, TOO_FEW_REPLICAS = 6, 7, 19
UNKNOWN_TOPIC, NOT_AUTHORIZED, TOO_LARGE, OUT_OF_ORDER = 3, 29, 10, 45
PRODUCE = 0


def start(test, cluster, more="", timeout_ms=1500, property="", **kwargs):
    """A live nfacctd with purges each second, and messages that wait for the cluster no longer than timeout_ms."""
    properties = test.write("kafka.conf", f"topic, message.timeout.ms, {timeout_ms}\nglobal, socket.timeout.ms, 1000\n"
                            "global, reconnect.backoff.max.ms, 200\nglobal, retry.backoff.ms, 50\n" + property)
    return test.nfacctd(f"""
plugins: kafka[out]
aggregate[out]: dst_host, flows
kafka_broker_host[out]: {cluster.brokers}
kafka_topic[out]: acct
kafka_refresh_time[out]: 1
kafka_config_file[out]: {properties}
{more}
""", **kwargs)


class Feed:
    """Flows to the daemon, and what they add up to."""

    def __init__(self, test):
        self.test, self.stream, self.sent = test, exports.Ipfix(), 0
        test.send(self.stream.announce())

    def send(self, count=10):
        self.test.send(self.stream.data([exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1", octets=100 + n) for n in range(count)]))
        self.sent += count


def arrived(cluster, topic="acct"):
    return sum(record["flows"] for record in rows(distinct(consume(cluster.brokers, topic))))


def finish(test, daemon, cluster, feed, topic="acct", status=0):
    """Ends the daemon: all that was sent is there once, and it has counted it as written. The instance's statistics."""
    assert daemon.stop() == status, daemon.output()
    instance = test.stats()["instances"][0]
    assert arrived(cluster, topic) == instance["written"]["flows"] == feed.sent, (instance, feed.sent)
    return instance


def counter(instance, name):
    return instance["process"]["counters"].get(name, 0)


def test_broker_down_at_start(test):
    cluster = Mock(test)
    cluster.topic("acct")
    cluster.command("down -1")
    daemon = start(test, cluster)
    feed = Feed(test)
    feed.send()
    daemon.wait_log("acct: Local: Message timed out")
    cluster.command("up -1")
    daemon.wait_log("the backend works again")
    instance = finish(test, daemon, cluster, feed)
    assert counter(instance, "kafka_failed_messages") >= 10 and counter(instance, "kafka_producers_renewed") >= 1, instance
    assert daemon.output().count("Message timed out") == 1, daemon.output()


def test_nobody_listens_at_the_address(test):
    cluster = Mock(test)
    cluster.topic("acct")
    daemon = start(test, cluster, f"kafka_broker_host[out]: 127.0.0.1:{free_port(socket.SOCK_STREAM)}\nshutdown_timeout: 3\n")
    feed = Feed(test)
    feed.send()
    daemon.wait_log("Connection refused")
    daemon.wait_log("acct: Local: Message timed out")
    assert daemon.stop() == 1, "rows were dropped, and the status says so"
    drops = test.stats()["instances"][0]["drops"]
    assert sum(drop["flows"] for drop in drops.values()) == 10, drops


def test_stopped_while_the_brokers_are_down(test):
    """Rows that the brokers did not take are on disk, and the next start sends them first."""
    cluster = Mock(test)
    cluster.topic("acct")
    cluster.command("down -1")
    (test.dir / "spool").mkdir()
    more = f"plugin_spool_dir: {test.dir}/spool\n"
    daemon = start(test, cluster, more)
    feed = Feed(test)
    feed.send()
    daemon.wait_log("acct: Local: Message timed out")
    assert daemon.stop() == 0, daemon.output()
    assert test.stats()["instances"][0]["spooled"]["flows"] == 10, test.stats()["instances"]
    cluster.command("up -1")
    daemon = start(test, cluster, more, name="again")
    wait_for(lambda: arrived(cluster) == 10, "the spooled rows")
    assert daemon.stop() == 0, daemon.output()


def test_broker_gone_in_mid_run(test):
    cluster = Mock(test)
    cluster.topic("acct")
    daemon = start(test, cluster)
    feed = Feed(test)
    feed.send()
    wait_for(lambda: arrived(cluster) == 10, "the first rows")
    cluster.command("down -1")
    feed.send()
    daemon.wait_log("acct: Local: Message timed out")
    feed.send()
    cluster.command("up -1")
    daemon.wait_log("the backend works again")
    finish(test, daemon, cluster, feed)


def test_slow_broker(test):
    cluster = Mock(test)
    cluster.topic("acct")
    cluster.command("rtt -1 700")
    daemon = start(test, cluster, "log_purges: true", timeout_ms=10000)
    feed = Feed(test)
    feed.send()
    daemon.wait_log("QN: 10/10")
    cluster.command("rtt -1 0")
    instance = finish(test, daemon, cluster, feed)
    assert counter(instance, "kafka_failed_messages") == 0 and "cannot write" not in daemon.output(), daemon.output()


def test_errors_that_pass(test):
    cluster = Mock(test)
    cluster.topic("acct")
    for error in (NOT_LEADER, TIMED_OUT, TOO_FEW_REPLICAS):
        cluster.command(f"errors {PRODUCE} 2 {error}")
    daemon = start(test, cluster, timeout_ms=10000)
    feed = Feed(test)
    for _ in range(2):
        feed.send()
        wait_for(lambda: arrived(cluster) == feed.sent, "all rows")
    instance = finish(test, daemon, cluster, feed)
    assert counter(instance, "kafka_failed_messages") == 0 and "cannot write" not in daemon.output(), daemon.output()


def test_change_of_a_leader(test):
    cluster = Mock(test, brokers=3)
    cluster.topic("acct", 1)
    daemon = start(test, cluster, timeout_ms=10000)
    feed = Feed(test)
    for broker in (1, 2, 3):
        cluster.command(f"leader acct 0 {broker}")
        feed.send()
        wait_for(lambda: arrived(cluster) == feed.sent, "all rows")
    instance = finish(test, daemon, cluster, feed)
    assert counter(instance, "kafka_failed_messages") == 0, instance


def test_topic_that_is_not_there(test):
    cluster = Mock(test)
    cluster.topic("acct")
    cluster.command(f"topic-error acct {UNKNOWN_TOPIC}")
    daemon = start(test, cluster, property="global, topic.metadata.propagation.max.ms, 300\nglobal, topic.metadata.refresh.fast.interval.ms, 100\n")
    feed = Feed(test)
    feed.send()
    daemon.wait_log("kafka: acct: Broker: Unknown topic or partition")
    cluster.command("topic-error acct 0")
    daemon.wait_log("the backend works again")
    instance = finish(test, daemon, cluster, feed)
    assert counter(instance, "kafka_failed_messages") >= 10, instance


def test_topic_that_may_not_be_written(test):
    cluster = Mock(test)
    cluster.topic("acct", 1)
    cluster.command(f"errors {PRODUCE} 2 {NOT_AUTHORIZED}")
    daemon = start(test, cluster)
    feed = Feed(test)
    feed.send()
    daemon.wait_log("kafka: acct: Broker: Topic authorization failed")
    daemon.wait_log("the backend works again")
    finish(test, daemon, cluster, feed)
    assert daemon.output().count("Topic authorization failed") == 1, daemon.output()


def test_partition_that_is_not_there(test):
    cluster = Mock(test)
    cluster.topic("acct", 2)
    daemon = start(test, cluster, "kafka_partition[out]: 2\nshutdown_timeout: 3\n")
    feed = Feed(test)
    feed.send()
    daemon.wait_log("acct: Local: Unknown partition")
    assert daemon.stop() == 1, daemon.output()


def test_refused_message_is_sent_again_in_smaller_ones(test):
    """A packed message that is too large is sent again in halves, down to single rows; the fifth answer is good."""
    cluster = Mock(test)
    cluster.topic("acct", 1)
    daemon = start(test, cluster, "kafka_multi_values[out]: 100000\n", timeout_ms=10000)
    feed = Feed(test)
    cluster.command(f"errors {PRODUCE} 4 {TOO_LARGE}")
    feed.send(16)
    wait_for(lambda: arrived(cluster) == 16, "all rows")
    instance = finish(test, daemon, cluster, feed)
    messages = consume(cluster.brokers, "acct")
    assert counter(instance, "kafka_refused_messages") == 4, instance
    # Whole twice, the first half, the first quarter: refused. Its halves of two rows, then the rest.
    assert [m["headers"]["rows"] for m in messages] == ["0-1", "2-3", "4-7", "8-15"], [m["headers"] for m in messages]
    assert daemon.output().count("messages are refused") == 1


def test_row_that_is_refused_by_itself(test):
    """Counted, the first one logged; the others arrive."""
    cluster = Mock(test)
    cluster.topic("acct")
    primitives = test.write("primitives.map", "name=weblink field_type=9999:1 len=vlen semantics=str\n")
    daemon = start(test, cluster, f"aggregate_primitives: {primitives}\naggregate[out]: dst_host, weblink, flows\n",
                   property="global, message.max.bytes, 1500\n")
    stream = exports.Ipfix(exports.COMMON_FIELDS + [(1, exports.VARIABLE, 9999)])
    test.send(stream.announce())
    for n in range(10):
        url = "x" * (1400 if n in (3, 6) else 10)
        test.send(stream.data([exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1") + [url]]))
    assert daemon.stop() == 1, "something was lost, and the status says so"
    instance = test.stats()["instances"][0]
    assert arrived(cluster) == instance["written"]["flows"] == 8 and counter(instance, "kafka_refused_messages") == 4, instance
    assert instance["drops"]["rejected"]["flows"] == 2, instance["drops"]
    assert daemon.output().count("the backend refuses a row") == 1, daemon.output()


def test_fatal_error_of_the_producer(test):
    """A broker that has lost the producer's state: librdkafka gives up, and a new producer sends all again."""
    cluster = Mock(test)
    cluster.topic("acct", 1)
    daemon = start(test, cluster, timeout_ms=10000)
    feed = Feed(test)
    feed.send()
    wait_for(lambda: arrived(cluster) == 10, "the first rows")
    cluster.command(f"errors {PRODUCE} 1 {OUT_OF_ORDER}")
    feed.send()
    daemon.wait_log("the backend works again")
    instance = finish(test, daemon, cluster, feed)
    assert counter(instance, "kafka_producers_renewed") == 1, instance


if __name__ == "__main__":
    main(globals())
