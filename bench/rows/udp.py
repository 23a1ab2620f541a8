# SPDX-License-Identifier: GPL-2.0-or-later
"""The traffic matrix with a table of 1 M x 4 paths over UDP on loopback: CPU per flow, receiving included, and the highest rate
that one receiving core takes without losing a datagram."""
from lib import limits, live
from lib.bench import Limit, Measurement, Row
from lib.config import MATRIX, Instance, Rib
from lib.data import Flows
from lib.truth import Wrong

ORDER = 20
INSTANCES = [Instance(MATRIX, "matrix")]
STEADY = {"pathacct": 500000, "pmacct": 50000}  # flows a second at which neither loses


def work(bench, product):
    prefixes = max(1000, int(bench.flows(1000000, 100000)))
    count = bench.flows(2000000, 1000000) if product == "pathacct" else bench.flows(300000, 100000)
    return Flows(count, int(170000 / bench.scale), prefixes), Rib(prefixes)


def measure_cost(bench, product):
    flows, rib = work(bench, product)
    capture = bench.store.capture(flows)
    with live.listener(bench, product, INSTANCES, capture, rib) as listening:
        sent = bench.repeat(product, lambda: listening.blast(capture, STEADY[product]))
        lost = sum(s.lost for s in sent)
        if lost:
            raise Wrong(f"{lost} datagrams lost at {STEADY[product]:,} flows a second")
        ending_s, rows = listening.finish(capture, len(sent))
    ending = ending_s / len(sent) / flows.flows  # writing the output, shared by all rounds
    return Measurement([(s.cpu_s / flows.flows + ending) * 1e9 for s in sent],
                       {"input": flows.text(), "RIB": rib.text(), "sent at": f"{STEADY[product]:,} flows/s", "epoch": "one",
                        "output": "CSV to a file", "rows written": f"{rows:,}"}, {"capture": capture})


def confirm_rate(bench, capture, rib, rate, seconds):
    """A rate found by trials may have been luck: it counts if a new daemon takes it too, and its output tells that no flow is
    missing. If not, a tenth less is tried. Returns the rate and what was checked."""
    for _ in range(5):
        rounds = max(1, round(rate * seconds / capture.flows))
        with live.listener(bench, "pathacct", INSTANCES, capture, rib) as listening:
            sent = listening.blast(capture, rate, rounds)
            if not sent.lost:
                rows = listening.finish(capture, rounds)[1]
                return sent.flows_per_s, f"{rounds * capture.flows:,} flows at {sent.flows_per_s / 1e6:.2f} Mflows/s, {rows:,} rows"
        rate *= 0.9
    raise Wrong(f"datagrams are lost at {rate / 0.9 / 1e6:.2f} Mflows/s still")


def measure_rate(bench, product):
    flows, rib = work(bench, product)
    capture = bench.store.capture(flows)
    seconds = 2 if bench.is_quick else 10 if product == "pathacct" else 5
    with live.listener(bench, product, INSTANCES, capture, rib) as listening:
        low = STEADY[product]
        best, told = live.highest_rate(listening, capture, low, seconds, trials=4 if bench.is_quick else 7)
    facts = {"input": flows.text(), "RIB": rib.text(), "seconds": str(seconds), "tried, Mflows/s": told}
    if product == "pathacct":
        best, facts["checked"] = confirm_rate(bench, capture, rib, best, seconds)
    return Measurement([best / 1e6], facts, {"capture": capture})


def floor_cost(bench, measurement):
    return Limit(limits.receive_ns(bench, measurement.numbers["capture"]), "recvmmsg that only counts, in batches of 256 datagrams")


def floor_rate(bench, measurement):
    return Limit(1000 / limits.receive_ns(bench, measurement.numbers["capture"]), "one core that receives and only counts")


ROWS = [
    Row("udp-cost", "traffic matrix, RIB 1 M x 4 paths, over UDP on loopback, receive included", "ns/flow", measure_cost, floor_cost, 350, 230),
    Row("udp-rate", "the same, highest rate without loss for 10 s, one receiving core", "Mflows/s", measure_rate, floor_rate, 2.5, 4,
        is_rate=True, is_quick=False),
]
