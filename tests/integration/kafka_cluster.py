# SPDX-License-Identifier: GPL-2.0-or-later
"""Kafka clusters for tests: librdkafka's mock cluster, whose faults come on command, Apache Kafka itself, and what readers do
with messages."""
import json
import socket
import subprocess

from harness import SOURCE, Skip, free_port, need, need_built, wait_for


class Mock:
    """A cluster out of tests/tools/kafka_mock.c. Its partitions keep some 5 MB each."""

    def __init__(self, test, brokers=1):
        program = need_built("tests/kafka_mock")
        self.process = subprocess.Popen([program, str(brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        test.cleanups.append(self.close)
        self.brokers = self.process.stdout.readline().strip()

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def command(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer == "ok", (text, answer)

    def topic(self, name, partitions=4):
        self.command(f"topic {name} {partitions}")
        return name


def consume(brokers, topic, *more):
    """All messages of a topic, as kcat reads them: topic, partition, offset, key, payload, headers (a dict)."""
    out = subprocess.run([need("kcat"), "-C", "-J", "-e", "-q", "-b", brokers, "-t", topic, "-o", "beginning", *more],
                         capture_output=True, timeout=60, check=True).stdout
    messages = [json.loads(line) for line in out.decode(errors="replace").split("\n") if line]
    for message in messages:
        pairs = message.get("headers") or []
        message["headers"] = dict(zip(pairs[::2], pairs[1::2]))
    return messages


def consume_raw(brokers, topic):
    """The payloads, as bytes."""
    raw = subprocess.run([need("kcat"), "-C", "-e", "-q", "-b", brokers, "-t", topic, "-o", "beginning", "-f", "%S\\n%s"],
                         capture_output=True, timeout=60, check=True).stdout
    payloads = []
    while raw:
        size, _, raw = raw.partition(b"\n")
        payloads.append(raw[:int(size)])
        raw = raw[int(size):]
    return payloads


def consume_raw_with_headers(brokers, topic):
    """Messages as consume() gives them, but for `payload`, which is bytes, and key, partition and offset."""
    raw = subprocess.run([need("kcat"), "-C", "-e", "-q", "-b", brokers, "-t", topic, "-o", "beginning", "-f", "%S\\n%s%h\\n"],
                         capture_output=True, timeout=60, check=True).stdout
    messages = []
    while raw:
        size, _, raw = raw.partition(b"\n")
        payload, (headers, _, raw) = raw[:int(size)], raw[int(size):].partition(b"\n")
        messages.append({"topic": topic, "payload": payload, "headers": dict(pair.split("=", 1) for pair in headers.decode().split(",") if pair)})
    return messages


def identity(message):
    """Returns what tells a message from all others, which is the same when its rows are sent again."""
    return tuple(message["headers"][name] for name in ("core_id", "instance", "worker", "seq", "rows"))


def distinct(messages):
    """The first of each identity; those that come again must have the same number of rows."""
    kept = {}
    for message in messages:
        first = kept.setdefault(identity(message), message)
        assert first["payload"].count("\n") == message["payload"].count("\n"), (first, message)
    return list(kept.values())


def rows(messages):
    return [json.loads(line) for message in messages for line in message["payload"].splitlines()]


def sums(records):
    return {unit: sum(record[unit] for record in records) for unit in ("flows", "packets", "bytes")}


POM = SOURCE / "tests/support/kafka-broker.pom.xml"


def broker_jars():
    """Apache Kafka's jars out of Maven's registry, kept in build-peers."""
    folder = SOURCE / "build-peers/kafka"
    if (folder / "complete").exists():
        return folder
    mvn = need("mvn")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run([mvn, "-q", "-B", "-f", POM, "dependency:copy-dependencies", "-DincludeScope=runtime",
                               f"-DoutputDirectory={folder}"], capture_output=True, text=True, timeout=200)
    except subprocess.TimeoutExpired:
        raise Skip("Maven's registry does not give Apache Kafka's jars within 200 s") from None
    if done.returncode != 0:
        raise Skip(f"Apache Kafka cannot be had by Maven: {(done.stdout + done.stderr).strip().splitlines()[:1]}")
    (folder / "complete").touch()
    return folder


class Broker:
    """Apache Kafka, one node that is broker and controller (KRaft). kill() and start() keep what it has on disk."""

    def __init__(self, test, partitions=4):
        self.test, self.java, self.jars = test, need("java"), broker_jars()
        need("kcat")
        port, controller, self.sasl_port = (free_port(socket.SOCK_STREAM) for _ in range(3))
        self.brokers, self.sasl_brokers = f"127.0.0.1:{port}", f"127.0.0.1:{self.sasl_port}"
        self.properties = test.write("server.properties", f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},SASL_PLAINTEXT://127.0.0.1:{self.sasl_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
 user_collector="secret";
log.dirs={test.dir}/kafka
num.partitions={partitions}
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
""")
        self.run("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", self.properties)
        self.start()

    def command(self, *args):
        # Small and quick to start: it serves one test.
        return [self.java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{self.jars}/*", *args]

    def run(self, *args):
        subprocess.run(self.command(*args), check=True, capture_output=True, timeout=60)

    def start(self):
        self.process = self.test.start(self.command("kafka.Kafka", self.properties), "kafka")
        wait_for(self.answers, "an answer of the broker", 60)

    def answers(self):
        assert self.process.popen.poll() is None, self.process.output()
        return subprocess.run(["kcat", "-L", "-b", self.brokers, "-m", "2"], capture_output=True).returncode == 0

    def kill(self):
        self.process.kill_all()
