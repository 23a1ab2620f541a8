# SPDX-License-Identifier: GPL-2.0-or-later
"""The kafka plugins: how many rows a second of the clock a purge brings into librdkafka's mock cluster as packed JSON, until all
are acknowledged; and what librdkafka alone needs for the same lines."""
import contextlib
import subprocess

from lib import purge, replay, truth
from lib.bench import Limit, Measurement, Row
from lib.config import TUPLE, Instance
from lib.data import Flows

ORDER = 65
PARTITIONS = 2000  # the mock cluster keeps some 5 MB of each
# librdkafka stays with a partition for 10 ms, in which more than that may come.
CONFIG = "global, sticky.partitioning.linger.ms, 1\n"
PACKED = 65536


@contextlib.contextmanager
def cluster(bench, topic="acct"):
    """Its address; it works on the other side, so it is none of the daemon's processes."""
    popen = subprocess.Popen([bench.build / "tests/kafka_mock", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    replay.process._helpers.add(popen.pid)
    try:
        brokers = popen.stdout.readline().strip()
        popen.stdin.write(f"topic {topic} {PARTITIONS}\n")
        popen.stdin.flush()
        if popen.stdout.readline().strip() != "ok":
            raise RuntimeError("the mock cluster makes no topic")
        yield brokers
    finally:
        popen.stdin.close()
        popen.wait()
        replay.process._helpers.discard(popen.pid)


def consume(brokers, place):
    """All lines of the topic, by kcat."""
    with open(place, "wb") as out:
        kcat = subprocess.Popen(["kcat", "-C", "-e", "-q", "-b", brokers, "-t", "acct", "-o", "beginning"], stdout=subprocess.PIPE)
        subprocess.run(["grep", "-v", "^$"], stdin=kcat.stdout, stdout=out, check=True)
        if kcat.wait() != 0:
            raise RuntimeError("kcat cannot read the topic")


def measure(bench, product):
    flows = Flows(bench.flows(2000000, 400000), keys=max(1000, int((500000 if not bench.is_quick else 150000) / bench.scale)))
    kept = bench.build / "bench-input" / "kafka-rows.json"

    def once():
        with cluster(bench) as brokers:
            host, port = brokers.split(":")
            lines = (f"kafka_broker_host[out]: {host}", f"kafka_broker_port[out]: {port}", "kafka_topic[out]: acct", "kafka_output[out]: json",
                     f"kafka_multi_values[out]: {PACKED}", "kafka_refresh_time[out]: 3600", "kafka_config_file[out]: {folder}/kafka.conf")
            if product == "pmacct":
                lines += ("kafka_cache_entries[out]: 1000003",)
            watch = []

            def prepare(folder):
                (folder / "kafka.conf").write_text(CONFIG)
                watch.append(purge.Watch(folder))

            def check(bench, product, folder, instances, capture):
                watch[0].end()
                place = kept if product == "pathacct" else folder / "rows.json"
                consume(brokers, place)
                return truth.check(truth.tally(bench.tool("tally"), "json", "tuple", [place]), capture.view("tuple"), product == "pathacct")
            cost = replay.replay(bench, product, flows, [Instance(TUPLE, "tuple", plugin="kafka", more=lines)], check=check,
                                 prepare=prepare)
        return cost.rows, watch[0].seconds, cost.cpu_s
    results = bench.repeat(product, once)
    return Measurement([rows / seconds / 1000 for rows, seconds, _ in results],
                       {"input": flows.text(), "rows written": f"{results[-1][0]:,}", "messages": f"JSON lines, {PACKED // 1024} KB",
                        "producer": "idempotent, acks=all" if product == "pathacct" else "its own settings"},
                       {"rows": results[-1][0]})


def limit(bench, measurement):
    """librdkafka alone, with lines that are there already."""
    def seconds():
        with cluster(bench) as brokers:
            return bench.tool_json("kafka_load", brokers, "acct", bench.build / "bench-input" / "kafka-rows.json", PACKED)["seconds"]
    rate = measurement.numbers["rows"] / bench.best(("kafka-load", measurement.numbers["rows"]), seconds) / 1000
    return Limit(rate, "librdkafka's idempotent producer with the same lines, rendered and packed before")


ROWS = [Row("kafka", "kafka plugin: a purge into librdkafka's mock cluster", "krows/s", measure, limit, must=500, is_rate=True)]
