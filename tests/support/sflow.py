# SPDX-License-Identifier: GPL-2.0-or-later
"""Builders of sFlow v5 datagrams (sFlow.org, sflow_version_5.txt)."""
import ipaddress
import struct


def opaque(data):
    return struct.pack("!I", len(data)) + data + b"\0" * (-len(data) % 4)


def record(record_format, body, enterprise=0):
    return struct.pack("!I", enterprise << 12 | record_format) + opaque(body)


def raw_header(frame, frame_len=None, protocol=1):
    """The record of a sampled packet; protocol 1 is Ethernet. `frame_len` counts the frame's checksum."""
    return record(1, struct.pack("!III", protocol, frame_len or len(frame) + 4, 4) + opaque(frame))


def flow_sample(records, sequence=1, source=3, rate=1, pool=None, drops=0, in_iface=3, out_iface=4):
    return record(1, struct.pack("!IIIIIIII", sequence, source, rate, sequence * rate if pool is None else pool, drops, in_iface,
                                 out_iface, len(records)) + b"".join(records))


def datagram(samples, agent="192.0.2.9", sub_agent=0, sequence=1, uptime_ms=3600000):
    address = ipaddress.ip_address(agent)
    return (struct.pack("!II", 5, 1 if address.version == 4 else 2) + address.packed +
            struct.pack("!IIII", sub_agent, sequence, uptime_ms, len(samples)) + b"".join(samples))
