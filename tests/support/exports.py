# SPDX-License-Identifier: GPL-2.0-or-later
"""Builders of NetFlow v5, v9 and IPFIX messages and of capture files that hold them.

Layouts: NetFlow v5 as Cisco documents it, v9 RFC 3954, IPFIX RFC 7011. A field is (element, length) or
(element, length, enterprise); length 65535 is variable. Values are ints, addresses as text, or bytes.
"""
import ipaddress
import pathlib
import struct
import time

VARIABLE = 65535

# The template that the tests use unless they say otherwise.
COMMON_FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (5, 1), (6, 1), (10, 4), (14, 4), (18, 4),
                 (16, 4), (17, 4), (9, 1), (13, 1), (152, 8), (153, 8), (1, 8), (2, 8)]
COMMON_FIELDS_V6 = [(27, 16), (28, 16), (7, 2), (11, 2), (4, 1), (5, 1), (6, 1), (10, 4), (14, 4), (63, 16),
                    (16, 4), (17, 4), (29, 1), (30, 1), (152, 8), (153, 8), (1, 8), (2, 8)]


def encode(value, length):
    """One field value in its wire form."""
    if isinstance(value, str):
        try:
            value = ipaddress.ip_address(value).packed
        except ValueError:
            value = value.encode()
    if isinstance(value, int):
        value = value.to_bytes(8 if length == VARIABLE else length, "big")
    if length != VARIABLE:
        return value.ljust(length, b"\0")
    if len(value) < 255:
        return bytes([len(value)]) + value
    return b"\xff" + struct.pack("!H", len(value)) + value


def template(template_id, fields, scope_count=None):
    """The record of a template, or of an options template when it has scope fields."""
    out = struct.pack("!HH", template_id, len(fields))
    if scope_count is not None:
        out += struct.pack("!H", scope_count)
    for field in fields:
        element, length = field[:2]
        if len(field) > 2 and field[2]:
            out += struct.pack("!HHI", element | 0x8000, length, field[2])
        else:
            out += struct.pack("!HH", element, length)
    return out


def record(fields, values):
    return b"".join(encode(value, field[1]) for field, value in zip(fields, values, strict=True))


def ipfix_set(set_id, body, pad_to=1):
    body += b"\0" * (-len(body) % pad_to)
    return struct.pack("!HH", set_id, len(body) + 4) + body


def ipfix(sets, sequence=0, domain=1, export_time=None):
    body = b"".join(sets)
    return struct.pack("!HHIII", 10, len(body) + 16, int(export_time or time.time()), sequence, domain) + body


def netflow9(sets, count, sequence=0, source_id=1, export_time=None, uptime_ms=3600000):
    return struct.pack("!HHIIII", 9, count, uptime_ms, int(export_time or time.time()), sequence, source_id) + b"".join(sets)


def netflow5(flows, sequence=0, engine=0, sampling=0, export_time=None, uptime_ms=3600000):
    """A datagram of `flows`, which are dicts with src, dst, and what else differs from 0."""
    out = struct.pack("!HHIIIIBBH", 5, len(flows), uptime_ms, int(export_time or time.time()), 0, sequence,
                      engine >> 8, engine & 0xff, sampling)
    for f in flows:
        out += encode(f["src"], 4) + encode(f["dst"], 4) + encode(f.get("next_hop", "0.0.0.0"), 4)
        out += struct.pack("!HHIIIIHHBBBBHHBBH", f.get("in", 0), f.get("out", 0), f.get("packets", 1), f.get("bytes", 64),
                           f.get("first", uptime_ms - 1000), f.get("last", uptime_ms), f.get("sport", 0), f.get("dport", 0), 0,
                           f.get("flags", 0), f.get("proto", 6), f.get("tos", 0), f.get("src_as", 0), f.get("dst_as", 0),
                           f.get("src_mask", 0), f.get("dst_mask", 0), 0)
    return out


def common_flow(src, dst, next_hop, *, sport=1024, dport=443, proto=6, tos=0, flags=0x18, in_iface=1, out_iface=2,
                src_as=0, dst_as=0, src_mask=24, dst_mask=24, start_ms=None, end_ms=None, octets=1000, packets=1):
    """Values for COMMON_FIELDS (or its IPv6 form)."""
    end_ms = end_ms or int(time.time() * 1000)
    start_ms = start_ms or end_ms - 1000
    return [src, dst, sport, dport, proto, tos, flags, in_iface, out_iface, next_hop, src_as, dst_as, src_mask, dst_mask,
            start_ms, end_ms, octets, packets]


class Ipfix:
    """An exporter's IPFIX stream: keeps the sequence number, announces its template first."""

    def __init__(self, fields=None, template_id=256, domain=1):
        self.fields, self.template_id, self.domain, self.sequence = fields or COMMON_FIELDS, template_id, domain, 0

    def announce(self, **kwargs):
        return ipfix([ipfix_set(2, template(self.template_id, self.fields))], self.sequence, self.domain, **kwargs)

    def data(self, rows, **kwargs):
        body = b"".join(record(self.fields, row) for row in rows)
        message = ipfix([ipfix_set(self.template_id, body)], self.sequence, self.domain, **kwargs)
        self.sequence += len(rows)
        return message


def udp_packet(payload, source="127.0.0.1", destination="127.0.0.1", sport=50000, dport=2100):
    """An IPv4 or IPv6 packet without a link layer (checksums left 0)."""
    src, dst = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    udp = struct.pack("!HHHH", sport, dport, len(payload) + 8, 0) + payload
    if src.version == 4:
        return struct.pack("!BBHHHBBH", 0x45, 0, len(udp) + 20, 0, 0, 64, 17, 0) + src.packed + dst.packed + udp
    return struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + src.packed + dst.packed + udp


def write_pcap(path, datagrams, link_type=101):
    """Writes `datagrams`, pairs of (seconds, packet). Link type 101 is raw IP, 1 Ethernet."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, link_type))
        for when, packet in datagrams:
            out.write(struct.pack("<IIII", int(when), int(when % 1 * 1e6), len(packet), len(packet)) + packet)


def read_pcap(path, protocol=17):
    """(seconds, what UDP or TCP carries) of each packet of that protocol in a capture file of Ethernet, raw or cooked frames."""
    data = pathlib.Path(path).read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link = struct.unpack(order + "I", data[20:24])[0]
    place = 24
    while place + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack(order + "IIII", data[place:place + 16])
        payload = transported(data[place + 16:place + 16 + length], link, protocol)
        place += 16 + length
        if payload:
            yield seconds + fraction / 1e6, payload


def transported(frame, link, protocol):
    """What a frame's UDP or TCP carries; None if there is none of that protocol."""
    if link == 1:
        packet = frame[18:] if frame[12:14] == b"\x81\0" else frame[14:]
    else:
        packet = frame[{113: 16, 276: 20, 0: 4}.get(link, 0):]
    if packet[:1] and packet[0] >> 4 == 4 and packet[9] == protocol:
        packet = packet[(packet[0] & 15) * 4:struct.unpack("!H", packet[2:4])[0]]
    elif packet[:1] and packet[0] >> 4 == 6 and packet[6] == protocol:
        packet = packet[40:]
    else:
        return None
    return packet[8:] if protocol == 17 else packet[(packet[12] >> 4) * 4:]
