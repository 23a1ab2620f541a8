#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile exports do no harm: lengths, counts and types that lie, of the kinds that broke collectors before, through the real daemon.

Each kind comes from an address of its own and ends as its row of the table says: in these drops, in so many flows. Beside it a good
exporter sends, and in the end exactly its rows are there, and every datagram is accounted for."""
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

# pylint: disable=wrong-import-position
from harness import json_lines, main  # noqa: E402
from test_conservation import check_ledger  # noqa: E402
import exports  # noqa: E402
import sflow  # noqa: E402

GOOD = "127.0.0.21"
FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 8), (2, 8)]
ROW = ["10.9.9.9", "10.8.8.8", 1, 2, 6, 100, 1]


def words16(*values):
    return struct.pack(f"!{len(values)}H", *values)


def ipfix(*sets, length=None):
    message = exports.ipfix(sets)
    return message if length is None else message[:2] + words16(length) + message[4:]


def v9(*sets, count=None):
    return exports.netflow9(sets, len(sets) if count is None else count)


def raw_set(set_id, length, body=b""):
    return words16(set_id, length) + body


def template(fields, template_id=256):
    return exports.template(template_id, fields)


def data(rows=1, fields=None, values=None):
    return exports.ipfix_set(256, exports.record(fields or FIELDS, values or ROW) * rows)


def v5(count, records=1):
    message = exports.netflow5([{"src": "10.9.9.9", "dst": "10.8.8.8", "bytes": 100}] * records)
    return message[:2] + words16(count) + message[4:]


def noise(seed, *heads):
    """Random bytes behind each of these beginnings."""
    numbers = random.Random(seed)
    return [head + numbers.randbytes(numbers.randrange(400)) for head in heads for _ in range(10)]


TEMPLATES, OPTIONS = 2, 3
OK = exports.ipfix_set(TEMPLATES, template(FIELDS))
OK_V9 = exports.ipfix_set(0, template(FIELDS))
VARIABLE = [(8, 4), (82, exports.VARIABLE), (1, 8), (2, 8)]
LIST = [(8, 4), (291, exports.VARIABLE), (1, 8), (2, 8)]
SAMPLER = [(302, 4), (305, 4), (306, 4)]


def variable(value):
    """A record whose text has these bytes of length and content."""
    return exports.encode("10.9.9.9", 4) + value + exports.encode(100, 8) + exports.encode(1, 8)


# Kind: (datagrams, drops that they must end in, flows that are decoded out of them all the same).
NETFLOW = {
    "nothing at all": ([b""], {"truncated_header": 1}, 0),
    "headers that are cut": ([ipfix(OK)[:n] for n in range(1, 16)] + [v9(OK_V9)[:n] for n in (2, 19)] + [v5(1)[:n] for n in (2, 23)],
                             {"truncated_header": 19}, 0),
    "IPFIX length of 0": ([ipfix(OK, length=0)], {"bad_length": 1}, 0),
    "IPFIX length below its header": ([ipfix(OK, length=15)], {"bad_length": 1}, 0),
    "IPFIX length of 65535": ([ipfix(OK, length=65535)], {"bad_length": 1}, 0),
    "set length below 4": ([ipfix(OK, raw_set(256, n, b"\0" * 40)) for n in range(4)], {"bad_set_length": 4}, 0),
    "set length beyond the message": ([ipfix(OK, data(), raw_set(256, 65535, b"\0" * 40))], {"bad_set_length": 1}, 1),
    "v9 set length below 4": ([v9(OK_V9, raw_set(256, n, b"\0" * 40)) for n in range(4)], {"bad_set_length": 4}, 0),
    "v9 count of 65535": ([v9(OK_V9, data(), count=65535)], {}, 1),
    "v9 count of 0": ([v9(OK_V9, data(), count=0)], {}, 1),
    "template of 0 fields": ([ipfix(OK, exports.ipfix_set(TEMPLATES, words16(256, 0)), data()), v9(exports.ipfix_set(0, words16(257, 0)))],
                             {"template_withdrawal": 2}, 1),
    "template of 65535 fields, 5 of them there": ([ipfix(exports.ipfix_set(TEMPLATES, words16(256, 65535) + template(FIELDS)[4:]))],
                                                  {"bad_template": 1}, 0),
    "template of 16000 fields": ([ipfix(exports.ipfix_set(TEMPLATES, template([(1, 1)] * 16000)), raw_set(256, 500, b"\1" * 496))],
                                 {"bad_template": 1, "refused_template": 1}, 0),
    "template of fields of 65534 bytes": ([ipfix(exports.ipfix_set(TEMPLATES, template([(8, 65534), (1, 65534)])), raw_set(256, 500, b"\1" * 496))],
                                          {"bad_record": 1}, 0),
    "template of fields of 0 bytes": ([ipfix(exports.ipfix_set(TEMPLATES, template([(8, 0), (1, 0)])), raw_set(256, 500, b"\1" * 496)),
                                       v9(exports.ipfix_set(0, template([(8, 0), (1, 0)])), raw_set(256, 500, b"\1" * 496))],
                                      {"bad_template": 2, "refused_template": 2}, 0),
    "enterprise bit at the end": ([ipfix(exports.ipfix_set(TEMPLATES, words16(256, 2, 8, 4, 0x8001, 4)))], {"bad_template": 1}, 0),
    "template ids below 256": ([ipfix(exports.ipfix_set(TEMPLATES, template(FIELDS, n))) for n in (0, 2, 3, 255)], {"bad_template": 4}, 0),
    "set ids that stand for nothing": ([ipfix(raw_set(n, 20, b"\0" * 16)) for n in (0, 1, 4, 128, 255)], {"unknown_set": 5}, 0),
    "variable length beyond the set": ([ipfix(exports.ipfix_set(TEMPLATES, template(VARIABLE)), exports.ipfix_set(256, body)) for body in
                                        (variable(b"\xff\xff\xff"), variable(b"\xfe" + b"a" * 9), exports.encode("10.9.9.9", 4) + b"\xff\xff")],
                                       {"bad_record": 2}, 0),  # the third is shorter than a record can be: padding
    "variable length of 0 in the long form": ([ipfix(exports.ipfix_set(TEMPLATES, template(VARIABLE)),
                                                     exports.ipfix_set(256, variable(b"\xff\0\0") + variable(b"\0")))], {}, 2),
    "lists that lie": ([ipfix(exports.ipfix_set(TEMPLATES, template(LIST)), exports.ipfix_set(256, variable(bytes([len(inner)]) + inner)))
                        for inner in (b"", b"\xff", b"\xff" + words16(8, 65535), b"\xff" + words16(0x8008, 65535), b"\4" + words16(8, 0) + b"\0" * 9)],
                       {}, 5),
    "options template with more scopes than fields": ([ipfix(exports.ipfix_set(OPTIONS, words16(300, 2, 9) + struct.pack("!4H", 302, 4, 305, 4)))],
                                                      {}, 0),  # all its fields are scopes then
    "options template without scopes": ([ipfix(exports.ipfix_set(OPTIONS, words16(300, 2, 0) + struct.pack("!4H", 302, 4, 305, 4)))], {}, 0),
    "v9 scope lengths": ([v9(exports.ipfix_set(1, words16(300, a, b) + struct.pack("!4H", 1, 4, 48, 4))) for a, b in
                          ((65535, 4), (4, 65535), (3, 5), (65532, 65532), (8, 8))], {"bad_template": 5}, 0),
    "sampler of rate 0": ([ipfix(exports.ipfix_set(OPTIONS, exports.template(300, SAMPLER, scope_count=1)),
                                 exports.ipfix_set(300, exports.record(SAMPLER, [7, 0, 0]) + exports.record(SAMPLER, [8, 0, 2**32 - 1])),
                                 exports.ipfix_set(TEMPLATES, template(FIELDS + [(302, 4)])),
                                 exports.ipfix_set(256, exports.record(FIELDS + [(302, 4)], ROW + [7])))], {"bad_options": 2}, 1),
    "padding of a whole set": ([ipfix(OK, exports.ipfix_set(256, exports.record(FIELDS, ROW) + b"\0" * 28))], {"bad_record": 1}, 1),
    "bytes behind the message": ([ipfix(OK) + b"\1\2\3", ipfix(OK) + ipfix(OK)[:20]], {"trailing_bytes": 2}, 0),
    "v5 count of 65535": ([v5(65535)], {"bad_length": 1}, 0),
    "v5 count of 0": ([v5(0)], {"bad_length": 1}, 0),
    "v5 with a record too few": ([v5(3, 2)], {"bad_length": 1}, 0),
    "versions of others": ([words16(n) + b"\0" * 60 for n in (0, 1, 6, 7, 8, 11, 65535)], {"bad_version": 7}, 0),
    "a withdrawal of everything": ([ipfix(OK, exports.ipfix_set(TEMPLATES, words16(2, 0)), exports.ipfix_set(OPTIONS, words16(3, 0)), data())],
                                   {"template_withdrawal": 2}, 1),
    "a template that changes with each message": ([ipfix(exports.ipfix_set(TEMPLATES, template(FIELDS[:1 + n % 7])), raw_set(256, 100, b"\2" * 96))
                                                   for n in range(40)], {"bad_record": 10}, 395),
    "data that waits for ever": ([exports.ipfix([raw_set(256 + n, 1000, b"\0" * 996)], domain=n) for n in range(60)], {"pending_full": 42, "no_template": 18}, 0),
    "noise": (noise(1, ipfix(OK), v9(OK_V9), v5(1), words16(10, 200), words16(9), words16(5, 3)), None, None),  # whatever it ends in
}


# sFlow.org, sflow_version_5.txt: an XDR number that lies, at each place where one stands.
HUGE = (0x7fffffff, 0xfffffffc, 0xfffffffd, 0xffffffff)
GOOD_SAMPLE = sflow.flow_sample([sflow.header("10.9.9.9", "10.8.8.8")[0]])


def sample(body, length=None, kind=1):
    return sflow.words(kind, len(body) if length is None else length) + body


def flow_sample(records, count=None, rate=1):
    return sample(sflow.words(1, 3, rate, 1, 0, 3, 4, len(records) if count is None else count) + b"".join(records))


def sflow_record(body, length, kind=1):
    return sflow.words(kind, length) + body


def counter_sample(records, count):
    return sample(sflow.words(1, 3, count) + b"".join(records), kind=2)


def sflow_datagram(*samples, count=None, agent=None, version=5):
    return sflow.words(version) + (agent or sflow.address("192.0.2.1")) + \
        sflow.words(0, 1, 1000, len(samples) if count is None else count) + b"".join(samples)


FRAME = sflow.ethernet("10.9.9.9", "10.8.8.8")[0]
HOP = sflow.address("192.0.2.7")
SFLOW = {
    "nothing at all": ([b"", b"\0", b"\0\0\0\5"], {"truncated_header": 3}, 0),
    "headers that are cut": ([sflow_datagram()[:n] for n in range(4, 28, 4)], {"truncated_header": 6}, 0),
    "address types that are none": ([sflow_datagram(GOOD_SAMPLE, agent=sflow.words(n, 0xc0000201)) for n in (0, 3, 4, 255, *HUGE)],
                                    {"truncated_header": 7, "bad_sample_length": 1, "bad_sample": 5}, 0),
    "an IPv6 agent that is cut": ([sflow_datagram(agent=sflow.words(2, 1, 2))[:24]], {"truncated_header": 1}, 0),
    "versions that are none": ([sflow_datagram(GOOD_SAMPLE, version=n) for n in (0, 1, 3, 6, *HUGE)], {"bad_version": 8}, 0),
    "more samples than there are": ([sflow_datagram(GOOD_SAMPLE, count=n) for n in (2, *HUGE)], {"bad_sample_length": 5}, 5),
    "fewer samples than there are": ([sflow_datagram(GOOD_SAMPLE, GOOD_SAMPLE, count=n) for n in (0, 1)], {"bad_sample_count": 2}, 1),
    "sample lengths that lie": ([sflow_datagram(sample(GOOD_SAMPLE[8:], n)) for n in (0, 1, 31, *HUGE)],
                                {"bad_sample_length": 4, "bad_sample_count": 3, "bad_sample": 3}, 0),
    "samples within samples": ([sflow_datagram(sample(sflow.words(1, 3, 1, 1, 0, 3, 4, 1) + sflow.record(1, GOOD_SAMPLE)),
                                               sample(GOOD_SAMPLE, kind=3), sample(GOOD_SAMPLE, kind=4))], {}, 1),
    "kinds of samples that are none": ([sflow_datagram(sample(b"\0" * 40, kind=n), GOOD_SAMPLE) for n in (0, 6, 4095, 0xfffff001)],
                                       {"unknown_sample": 4}, 4),
    "more records than there are": ([sflow_datagram(flow_sample([sflow.raw_header(FRAME)], n)) for n in (2, *HUGE)], {"bad_sample": 5}, 5),
    "record lengths that lie": ([sflow_datagram(flow_sample([sflow_record(sflow.words(1, 128, 4) + sflow.opaque(FRAME), n)])) for n in (0, 3, *HUGE)],
                                {"bad_sample": 4, "bad_flow_record": 2}, 0),
    "lengths of packets that lie": ([sflow_datagram(flow_sample([sflow.record(1, sflow.words(1, 128, 4, n) + FRAME)])) for n in (129, 65536, *HUGE)],
                                    {"bad_flow_record": 6}, 0),
    "packets longer than packets": ([sflow_datagram(flow_sample([sflow.record(1, sflow.words(1, n, 4) + sflow.opaque(FRAME))]))
                                     for n in (0, 3, *HUGE)],
                                    {}, 6),
    "protocols of packets that are none": ([sflow_datagram(flow_sample([sflow.record(1, sflow.words(n, 128, 4) + sflow.opaque(FRAME))]))
                                            for n in (0, 99, *HUGE)],
                                           {}, 6),
    "padding that is not there": ([sflow_datagram(flow_sample([sflow_record(sflow.words(1, 128, 4, 61) + FRAME[:61], 16 + 61)]))], {}, 1),
    "segments of AS paths that lie": ([sflow_datagram(flow_sample([sflow.raw_header(FRAME), sflow.record(1003, HOP + sflow.words(1, 2, 3, *more))]))
                                       for more in ([n] for n in HUGE)] +
                                      [sflow_datagram(flow_sample([sflow.raw_header(FRAME), sflow.record(1003, HOP + sflow.words(1, 2, 3, 1, 2, n, 7))]))
                                       for n in HUGE], {"bad_flow_record": 8}, 8),
    "numbers of communities that lie": ([sflow_datagram(flow_sample([sflow.raw_header(FRAME), sflow.record(1003, HOP + sflow.words(1, 2, 3, 1, 2, 1, 7, n))]))
                                         for n in HUGE], {"bad_flow_record": 4}, 4),
    "next hops of no address type": ([sflow_datagram(flow_sample([sflow.raw_header(FRAME), sflow.record(kind, sflow.words(n, 1, 24, 24))]))
                                      for n in (3, *HUGE) for kind in (1002, 1003)], {"bad_flow_record": 10}, 10),
    "names of users and URLs that lie": ([sflow_datagram(flow_sample([sflow.raw_header(FRAME), sflow.record(kind, sflow.words(1, n) + b"abcd")]))
                                          for n in HUGE for kind in (1004, 1005)], {"bad_flow_record": 8}, 8),
    "label stacks that lie": ([sflow_datagram(flow_sample([sflow.raw_header(FRAME), sflow.record(1006, HOP + sflow.words(n, 1, n))])) for n in HUGE],
                              {"bad_flow_record": 4}, 4),
    "a sampling rate of 0": ([sflow_datagram(flow_sample([sflow.raw_header(FRAME)], rate=n)) for n in (0, 0xffffffff)], {}, 2),
    "counters that lie": ([sflow_datagram(counter_sample([sflow_record(b"\0" * 88, n)], 1)) for n in (0, 87, *HUGE)] +
                          [sflow_datagram(counter_sample([sflow.record(1, b"\0" * 88)], n)) for n in HUGE], {"bad_sample": 8}, 0),
    "sFlow v4 that lies": ([sflow_datagram(sflow.words(1, 1, 3, 1, 1, 0, 3, 4, 1, 1, 128, n) + FRAME, version=4) for n in HUGE] +
                           [sflow_datagram(sflow.words(1, 1, 3, 1, 1, 0, 3, 4, n), version=v) for n in HUGE for v in (2, 4)], {"bad_sample_length": 12}, 0),
    "noise": (noise(2, sflow_datagram(GOOD_SAMPLE), sflow_datagram(count=9), sflow_datagram(GOOD_SAMPLE[:60]), sflow_datagram(version=4),
                    sflow_datagram(version=2), sflow_datagram(sflow.words(1, 200))), None, None),
}


def flow_of(n):
    """Source, destination and ports of the good exporter's flow of that number, which has 1000 + n bytes."""
    return f"10.1.{n // 250}.{n % 250}", "10.2.0.1", 1000 + n, 443


def config(test):
    return f"""
plugins: print[out]
aggregate[out]: peer_src_ip, src_host, dst_host, src_port, dst_port, flows
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
"""


class Attack:
    """A daemon, a good exporter, and strangers beside it. `good` makes the good exporter's datagram out of the numbers of its flows."""

    def __init__(self, test, daemon, name, good):
        self.test, self.daemon, self.name, self.good = test, daemon, name, good
        self.sent = self.flows = 0

    def send(self, *datagrams, source):
        """Waits until they are read, so that none is lost in the socket."""
        for first in range(0, len(datagrams), 20):
            part = datagrams[first:first + 20]
            self.test.send(*part, source=source)
            self.sent += len(part)
            self.test.wait_now(self.daemon, lambda stats: stats["datagrams"]["read"] == self.sent, f"{self.sent} datagrams read", name=self.name)

    def send_good(self):
        self.send(self.good(range(self.flows, self.flows + 3)), source=GOOD)
        self.flows += 3

    def strike(self, kinds):
        for n, datagrams in enumerate(kinds):
            self.send(*datagrams, source=f"127.0.7.{n + 1}")
            self.send_good()

    def end(self):
        """The final ledger, after it and the good exporter's rows were found exact."""
        assert self.daemon.stop() == 0, self.daemon.output()
        stats = self.test.stats(self.name)
        check_ledger(stats)
        assert stats["datagrams"]["arrived"] == self.sent and stats["datagrams"]["overflow"] == 0, stats["datagrams"]
        keys = ("ip_src", "ip_dst", "port_src", "port_dst", "flows", "packets", "bytes")
        rows = sorted(tuple(row[key] for key in keys) for row in json_lines(self.test.dir / "out.json") if row["peer_ip_src"] == GOOD)
        assert rows == sorted((*flow_of(n), 1, 1, 1000 + n) for n in range(self.flows)), rows
        return stats


def check_kinds(stats, kinds):
    by_address = {e["address"]: e for e in stats["exporters"]}
    wrong = []
    for n, (kind, (_, drops, flows)) in enumerate(kinds.items()):
        exporter = by_address[f"127.0.7.{n + 1}"]
        found = {reason: count for reason, count in exporter["drops"].items() if count}
        if drops not in (None, found) or flows not in (None, exporter["flows"]):
            wrong.append(f"{kind}: {found}, {exporter['flows']} flows; not {drops}, {flows}")
    assert not wrong, "\n".join(wrong)


def test_netflow_and_ipfix(test):
    daemon = test.nfacctd(config(test) + "nfacctd_renormalize: true\npending_sets_size: 20K\n")
    stream = exports.Ipfix(FIELDS)

    def good(numbers):
        return stream.data([[*flow_of(n), 6, 1000 + n, 1] for n in numbers])
    attack = Attack(test, daemon, "nfacctd", good)
    attack.send(stream.announce(), source=GOOD)
    attack.strike([datagrams for datagrams, _, _ in NETFLOW.values()])
    stats = attack.end()
    check_kinds(stats, NETFLOW)


def test_sflow(test):
    """The agent's address is left out, so that each kind counts at the address that it came from."""
    daemon = test.sfacctd(config(test) + "sfacctd_ignore_exporter_address: true\nsfacctd_renormalize: true\n")

    def good(numbers):
        samples = []
        for n in numbers:
            source, destination, sport, dport = flow_of(n)
            frame, _ = sflow.ethernet(source, destination, sport=sport, dport=dport)
            samples.append(sflow.flow_sample([sflow.raw_header(frame, 1000 + n)], sequence=n + 1))
        return sflow.datagram(samples, sequence=numbers[0] // 3 + 1)
    attack = Attack(test, daemon, "sfacctd", good)
    attack.strike([datagrams for datagrams, _, _ in SFLOW.values()])
    check_kinds(attack.end(), SFLOW)


if __name__ == "__main__":
    main(globals())
