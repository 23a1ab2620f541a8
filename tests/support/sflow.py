# SPDX-License-Identifier: GPL-2.0-or-later
"""Builders of sFlow v5 datagrams (sFlow.org, sflow_version_5.txt)."""
import ipaddress
import struct


def words(*values):
    return b"".join(struct.pack("!I", value & 0xffffffff) for value in values)


def opaque(data):
    return words(len(data)) + data + b"\0" * (-len(data) % 4)


def address(text):
    packed = ipaddress.ip_address(text).packed
    return words(1 if len(packed) == 4 else 2) + packed


def record(record_format, body, enterprise=0):
    return words(enterprise << 12 | record_format) + opaque(body)


def raw_header(frame, frame_len=None, protocol=1):
    """The record of a sampled packet; protocol 1 is Ethernet. `frame_len` counts the frame's checksum."""
    return record(1, words(protocol, frame_len or len(frame) + 4, 4) + opaque(frame))


def ethernet(src, dst, sport=1024, dport=443, proto=6, payload_len=100):
    """The first 128 bytes of a frame, and its length with the checksum."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if proto == 6:
        l4 = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, 0x18, 8192, 0, 0)
    else:
        l4 = struct.pack("!HHHH", sport, dport, 8 + payload_len, 0)
    l4 += bytes(payload_len)
    if a.version == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(l4), 1, 0, 64, proto, 0) + a.packed + b.packed
    else:
        ip = struct.pack("!IHBB", 6 << 28, len(l4), proto, 64) + a.packed + b.packed
    frame = bytes.fromhex("66778899aabb001122334455") + (b"\x08\0" if a.version == 4 else b"\x86\xdd") + ip + l4
    return frame[:128], len(frame) + 4


def header(src, dst, **more):
    """The record of such a frame, and its length."""
    data, length = ethernet(src, dst, **more)
    return raw_header(data, length), length


def router(next_hop, src_mask=24, dst_mask=24):
    return record(1002, address(next_hop) + words(src_mask, dst_mask))


def gateway(next_hop, path, src_as=65001, src_peer_as=65002, communities=(), local_pref=100):
    return record(1003, address(next_hop) + words(65000, src_as, src_peer_as, 1, 2, len(path), *path, len(communities), *communities, local_pref))


def flow_sample(records, sequence=1, source=3, rate=1, pool=None, drops=0, in_iface=3, out_iface=4):
    return record(1, words(sequence, source, rate, sequence * rate if pool is None else pool, drops, in_iface, out_iface, len(records)) +
                  b"".join(records))


def discarded_packet(records, reason, sequence=1, source=3, drops=0, in_iface=3, out_iface=0):
    """sFlow.org, sflow_drops.txt: data format 5; `drops` counts the events that there was no room to tell."""
    return record(5, words(sequence, 0, source, drops, in_iface, out_iface, reason, len(records)) + b"".join(records))


def datagram(samples, agent="192.0.2.9", sub_agent=0, sequence=1, uptime_ms=3600000):
    return words(5) + address(agent) + words(sub_agent, sequence, uptime_ms, len(samples)) + b"".join(samples)
