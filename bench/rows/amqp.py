# SPDX-License-Identifier: GPL-2.0-or-later
"""The amqp plugins: how many rows a second of the clock a purge brings into RabbitMQ as packed JSON, until all are confirmed; and what
librabbitmq alone needs for the same lines. The broker is a private one, that of the integration tests."""
import contextlib
import itertools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/integration"))
from lib import process, purge, replay, truth
from lib.bench import Limit, Measurement, Row
from lib.config import TUPLE, Instance
from lib.data import Flows

ORDER = 66
PACKED = 65536
NUMBERS = itertools.count()


@contextlib.contextmanager
def broker():
    """It works on the other side, so it is none of the daemon's processes."""
    import harness
    import rabbit
    try:
        server = rabbit.Rabbit()
    except harness.Skip as why:
        raise process.Failed(str(why)) from why
    for popen in (server.names, server.process):
        process.leave_out(popen.pid)
    try:
        yield server
    finally:
        server.close()


def drain(server, queue, place):
    """All lines of the queue. What is not confirmed may come into it a little later than its sender has ended."""
    with open(place, "wb") as out:
        while messages := server.get(queue):
            for message in messages:
                out.write(message.body.rstrip(b"\n") + b"\n")


def measure(bench, product):
    flows = Flows(bench.flows(2000000, 400000), keys=max(1000, int((500000 if not bench.is_quick else 150000) / bench.scale)))
    kept = bench.build / "bench-input" / "amqp-rows.json"

    def once():
        with broker() as server:
            exchange = f"bench-{next(NUMBERS)}"
            queue = server.queue(exchange)
            lines = (f"amqp_host[out]: {server.address}", f"amqp_exchange[out]: {exchange}", "amqp_routing_key[out]: acct",
                     "amqp_output[out]: json", f"amqp_multi_values[out]: {PACKED}", "amqp_refresh_time[out]: 3600")
            if product == "pmacct":
                lines += ("amqp_cache_entries[out]: 1000003",)
            watch = []

            def prepare(folder):
                watch.append(purge.Watch(folder))

            def check(bench, product, folder, instances, capture):
                watch[0].end()
                place = kept if product == "pathacct" else folder / "rows.json"
                drain(server, queue, place)
                return truth.check(truth.tally(bench.tool("tally"), "json", "tuple", [place]), capture.view("tuple"), product == "pathacct")
            cost = replay.replay(bench, product, flows, [Instance(TUPLE, "tuple", plugin="amqp", more=lines)], check=check, prepare=prepare)
        return cost.rows, watch[0].seconds, cost.cpu_s
    results = bench.repeat(product, once)
    return Measurement([rows / seconds / 1000 for rows, seconds, _ in results],
                       {"input": flows.text(), "rows written": f"{results[-1][0]:,}", "messages": f"JSON lines, {PACKED // 1024} KB",
                        "publisher": "until all are confirmed" if product == "pathacct" else "without confirms",
                        "CPU of the daemon, not of the broker": f"{min(cpu for _, _, cpu in results):.1f} s"},
                       {"rows": results[-1][0]})


def limit(bench, measurement):
    """librabbitmq alone, with lines that are there already."""
    def seconds():
        with broker() as server:
            server.queue("bench-load")
            return bench.tool_json("amqp_load", server.port, "bench-load", bench.build / "bench-input" / "amqp-rows.json", PACKED)["seconds"]
    rate = measurement.numbers["rows"] / bench.best(("amqp-load", measurement.numbers["rows"]), seconds) / 1000
    return Limit(rate, "librabbitmq with the same lines, rendered and packed before, until all are confirmed")


ROWS = [Row("amqp", "amqp plugin: a purge into RabbitMQ", "krows/s", measure, limit, is_rate=True)]
