# SPDX-License-Identifier: GPL-2.0-or-later
"""What both daemons are fed: captures, and exports made from a seed. Each input comes from an exporter of its own, an address in
127.0.0.0/8, so that one run reads many and each row tells which it is of."""
import ipaddress
import os
import random
import struct

from harness import SHARED, SOURCE
import exports
import sflow

START_S = 1700000005  # 2023-11-14 22:13:25 UTC, no first second of a minute
# The element that names a flow within its exporter is its source port; the others are drawn. Lengths are those that pmacct
# reads: other ones are a difference of their own (docs/switching.md).
ELEMENTS = [(11, 2), (4, 1), (5, 1), (6, 1), (10, 4), (10, 2), (14, 4), (14, 2), (18, 4), (16, 4), (16, 2), (17, 4), (17, 2), (129, 4), (128, 4),
            (56, 6), (57, 6), (80, 6), (58, 2), (61, 1), (225, 4), (226, 4), (227, 2), (228, 2), (70, 3), (95, 4), (252, 4), (253, 4),
            (243, 2), (256, 2), (249, 4)]
EXCLUSIVE = [{10, 252}, {14, 253}, {58, 243}, {57, 80}]  # one of each: which comes first is pmacct's order of a template
APPLICATIONS = {13 << 24 | 1: b"http", 13 << 24 | 2: b"dns", 3 << 24 | 443: b"quic-tls"}


class Input:
    """(seconds, payload) of an exporter, whose address both print as peer_ip_src."""

    def __init__(self, name, exporter, datagrams):
        self.name, self.exporter, self.datagrams = name, exporter, datagrams

    def packets(self, dport):
        return [(when, exports.udp_packet(payload, self.exporter, dport=dport)) for when, payload in self.datagrams]


def is_of(payload, daemon):
    version = struct.unpack("!H", payload[:2])[0] if len(payload) > 8 else 0
    return version in (5, 9, 10) if daemon == "nfacctd" else payload[:4] == b"\0\0\0\5"


def captures(daemon):
    """The captures of the project and, where they are, those beside it."""
    places = [*sorted((SOURCE / "tests/data/captures").glob("*.pcap"))]
    if os.environ.get("SHARED_DIR") or SHARED.exists():
        places += sorted((SHARED / "captures").glob("*.pcap")) + sorted((SHARED / "captures").glob("*/traffic-00.pcap"))
    for place in places:
        if place.stem.startswith("nfprobe-netflow9"):
            continue  # 1.7.7 does not read which exporter its records name, so no row would have its counterpart
        name = place.parent.name if place.stem == "traffic-00" else place.stem
        payloads = [(when, payload) for when, payload in exports.read_pcap(place) if is_of(payload, daemon)]
        if payloads:
            yield name, payloads


def mac(rng):
    return bytes([2, 0, 0, rng.randrange(3), rng.randrange(3), rng.randrange(256)])


def value(rng, element, length):
    """Something that an exporter might say: small numbers, powers of two and their neighbours."""
    if element in (56, 57, 80):
        return mac(rng)
    if element in (18, 225, 226):
        return f"10.{rng.randrange(3)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    if element == 4:
        return rng.choice((6, 17, 1, 47, 50, 58, 89, 132, 0, 255, 144))
    if element == 61:
        return rng.randrange(2)
    if element in (58, 243):
        return rng.randrange(1, 4095)
    if element == 256:
        return 0x800
    if element == 70:
        return rng.randrange(16, 1 << 20) << 4 | 1
    if element == 95:
        return rng.choice((*APPLICATIONS, 13 << 24 | 99))
    return rng.choice((0, 1, 2, 127, 128, 255, 256, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, rng.randrange(1 << 32))) % (1 << 8 * length)


def draw_fields(rng, version, six):
    addresses = [(27, 16), (28, 16), (29, 1), (30, 1)] if six else [(8, 4), (12, 4), (9, 1), (13, 1)]
    chosen = rng.sample(ELEMENTS, rng.randrange(6, len(ELEMENTS)))
    fields, seen = [], set()
    for field in chosen:
        group = next((g for g in EXCLUSIVE if field[0] in g), {field[0]})
        if not group & seen and not (version == 9 and field[0] > 127 and field[0] not in (225, 226, 227, 228, 252, 253, 256)):
            fields.append(field)
        seen |= group
    times = rng.choice([[(22, 4), (21, 4)]] if version == 9 else [[(152, 8), (153, 8)], [(150, 4), (151, 4)]])
    fields += [(7, 2), *addresses, *times, (1, rng.choice((4, 8))), (2, rng.choice((4, 8)))]
    if six and (18, 4) in fields:
        fields[fields.index((18, 4))] = (63, 16)
    rng.shuffle(fields)
    return fields


def draw_row(rng, fields, number, six):
    def one(element, length):
        if element == 7:
            return number
        if element in (8, 12):
            return f"198.51.{rng.choice((100, 101))}.{rng.randrange(256)}" if element == 8 else f"203.0.{rng.choice((113, 114))}.{rng.randrange(256)}"
        if element in (27, 28):
            return f"2001:db8:{element}::{rng.randrange(1, 1 << 16):x}"
        if element == 63:
            return f"2001:db8:ffff::{rng.randrange(1, 9)}"
        if element in (9, 13, 29, 30):
            return rng.choice((0, 8, 15, 24, 30, 32) if not six else (0, 32, 48, 63, 64, 128))
        if element in (22, 21):
            return 3600000 - (3000 if element == 22 else 1000)
        if element in (150, 151):
            return START_S - (5 if element == 150 else 1)
        if element in (152, 153):
            return START_S * 1000 - rng.randrange(2000, 5000) if element == 152 else START_S * 1000 - rng.randrange(2000)
        if element in (1, 2):
            return rng.choice((1, 40, 1500, 65536, 4294967295)) if element == 1 else rng.randrange(1, 1000)
        return value(rng, element, length)
    return [one(*field[:2]) for field in fields]


def templated(rng, version):
    """A stream of NetFlow v9 or IPFIX: templates, the names of applications, flows."""
    out, sequence, number = [], 0, 1

    def message(sets, count):
        nonlocal sequence
        if version == 9:
            data, sequence_step = exports.netflow9(sets, count, sequence, 7, export_time=START_S), 1
        else:
            data, sequence_step = exports.ipfix(sets, sequence, 7, export_time=START_S), count
        sequence += sequence_step
        out.append((START_S + len(out), data))
    options = [(95, 4), (96, 16)] if version == 10 else [(1, 4), (95, 4), (96, 16)]
    body = exports.template(999, options, 1)
    if version == 9:  # RFC 3954 section 6.1: lengths of scopes and options in bytes
        body = struct.pack("!HHH", 999, 4, 8) + exports.template(999, options)[4:]
    names = b"".join(exports.record(options, ([0] if version == 9 else []) + [key, name]) for key, name in APPLICATIONS.items())
    message([exports.ipfix_set(1 if version == 9 else 3, body, 4)], 0 if version == 10 else 1)
    message([exports.ipfix_set(999, names, 4)], len(APPLICATIONS))
    for template_id in range(300, 308):
        six = template_id % 2 == 1
        fields = draw_fields(rng, version, six)
        message([exports.ipfix_set(0 if version == 9 else 2, exports.template(template_id, fields))], 0 if version == 10 else 1)
        for _ in range(2):
            rows = [draw_row(rng, fields, number + n, six) for n in range(8)]
            number += len(rows)
            message([exports.ipfix_set(template_id, b"".join(exports.record(fields, row) for row in rows), 4)], len(rows))
    return out


def netflow5(rng):
    out, number = [], 1
    for sequence in range(0, 120, 20):
        flows = []
        for _ in range(20):
            flows.append(dict(src=f"198.51.100.{rng.randrange(256)}", dst=f"203.0.113.{rng.randrange(256)}", next_hop=value(rng, 18, 4),
                              packets=rng.randrange(1, 1 << 31), bytes=rng.choice((40, 1500, (1 << 32) - 1)), sport=number, dport=value(rng, 11, 2),
                              proto=rng.choice((6, 17)), flags=rng.randrange(256), tos=rng.randrange(256), src_as=value(rng, 16, 2),
                              dst_as=value(rng, 17, 2), src_mask=rng.choice((0, 8, 24, 32)), dst_mask=rng.choice((0, 9, 25, 32)),
                              first=3600000 - 3000, last=3600000 - 1000, **{"in": value(rng, 10, 2), "out": value(rng, 14, 2)}))
            number += 1
        out.append((START_S + sequence, exports.netflow5(flows, sequence=sequence, engine=0x0102, export_time=START_S + sequence)))
    return out


def frame(rng, number):
    """An Ethernet frame of random kind, its length with checksum."""
    six = rng.random() < 0.3
    a, b = (f"2001:db8:{n}::{rng.randrange(1, 999):x}" if six else f"{('198.51.100', '203.0.113')[n]}.{rng.randrange(256)}" for n in (0, 1))
    data, length = sflow.ethernet(a, b, sport=number, dport=rng.choice((53, 80, 443, 65535)), proto=rng.choice((6, 17)),
                                  payload_len=rng.choice((0, 20, 400, 1400)))
    if rng.random() < 0.3:
        data, length = data[:12] + struct.pack("!HH", 0x8100, rng.randrange(8) << 13 | rng.randrange(1, 4095)) + data[12:], length + 4
    return sflow.raw_header(data[:128], length)


def sflow5(rng, agent):
    out = []
    for sequence in range(1, 31):
        samples = []
        for n in range(4):
            records = [frame(rng, 4 * sequence + n)]
            if rng.random() < 0.4:
                records.append(sflow.record(1001, sflow.words(rng.randrange(1, 4095), rng.randrange(8), rng.randrange(1, 4095), rng.randrange(8))))
            if rng.random() < 0.5:
                records.append(sflow.router(value(rng, 18, 4), rng.choice((8, 24)), rng.choice((9, 32))))
            if rng.random() < 0.4:
                records.append(sflow.gateway(value(rng, 18, 4), rng.sample(range(1, 70000), rng.randrange(1, 5)), rng.randrange(1 << 32),
                                             rng.randrange(1 << 32), [rng.randrange(1 << 16, 1 << 30)], rng.randrange(1000)))
            samples.append(sflow.flow_sample(records, 4 * sequence + n, in_iface=rng.randrange(1, 1 << 20), out_iface=rng.randrange(1, 1 << 20)))
        out.append((START_S + sequence, sflow.datagram(samples, agent, sub_agent=3, sequence=sequence)))
    return out


def all_of(daemon, seed):
    """Every input of a daemon."""
    rng, inputs = random.Random(f"{daemon} {seed}"), []

    def add(name, datagrams):
        number = len(inputs) + 1
        exporter = f"127.{1 if daemon == 'nfacctd' else 2}.{number}.1"
        if daemon == "sfacctd":  # whose exporter is the agent that the datagram names
            datagrams = [(when, payload[:8] + ipaddress.ip_address(exporter).packed + payload[12:]) for when, payload in datagrams
                         if payload[4:8] == b"\0\0\0\1"]
        inputs.append(Input(name, exporter, datagrams))
    if daemon == "sfacctd":
        add("generated-sflow", sflow5(rng, "127.1.1.1"))
    else:
        add("generated-netflow5", netflow5(rng))
        add("generated-netflow9", templated(rng, 9))
        add("generated-ipfix", templated(rng, 10))
    for name, datagrams in captures(daemon):
        add(name, datagrams)
    return inputs
