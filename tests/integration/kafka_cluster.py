# SPDX-License-Identifier: GPL-2.0-or-later
"""Kafka clusters for tests: librdkafka's mock cluster, whose faults come on command, and what readers do with messages."""
import json
import subprocess
import time

from harness import BUILD, Skip, need


class Mock:
    """A cluster out of tests/tools/kafka_mock.c. Its partitions keep some 5 MB each."""

    def __init__(self, test, brokers=1):
        program = BUILD / "tests/kafka_mock"
        if not program.exists():
            raise Skip("built without the kafka plugin")
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
    messages = [json.loads(line) for line in out.decode().splitlines()]
    for message in messages:
        pairs = message.get("headers") or []
        message["headers"] = dict(zip(pairs[::2], pairs[1::2]))
    return messages


def identity(message):
    """What tells a message from all others: the same when its rows are sent again."""
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


def wait_for_messages(brokers, topic, count, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        messages = consume(brokers, topic)
        if len(messages) >= count:
            return messages
        assert time.monotonic() < deadline, f"{len(messages)} of {count} messages in {topic}"
        time.sleep(0.2)
