# SPDX-License-Identifier: GPL-2.0-or-later
"""sFlow v5 datagrams, built by hand (sFlow.org, "sFlow Version 5")."""
import ipaddress
import struct


def words(*values):
    return b"".join(struct.pack("!I", value & 0xffffffff) for value in values)


def address(text):
    packed = ipaddress.ip_address(text).packed
    return words(1 if len(packed) == 4 else 2) + packed


def ethernet(src, dst, sport=1024, dport=443, proto=6, payload_len=100):
    """The first 128 bytes of a frame, and its length with the checksum that sFlow counts too."""
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


def record(number, body):
    return words(number, len(body)) + body


def header(src, dst, **more):
    data, length = ethernet(src, dst, **more)
    return record(1, words(1, length, 4, len(data)) + data + bytes(-len(data) % 4)), length


def router(next_hop, src_mask=24, dst_mask=24):
    return record(1002, address(next_hop) + words(src_mask, dst_mask))


def gateway(next_hop, path, src_as=65001, src_peer_as=65002, communities=(), local_pref=100):
    return record(1003, address(next_hop) + words(65000, src_as, src_peer_as, 1, 2, len(path), *path, len(communities), *communities, local_pref))


def sample(records, sequence=0, source=7, rate=1000, pool=0, drops=0, in_iface=7, out_iface=9):
    body = words(sequence, source, rate, pool, drops, in_iface, out_iface, len(records)) + b"".join(records)
    return words(1, len(body)) + body


def datagram(samples, sequence=0, agent="127.0.0.1", sub_agent=0):
    return words(5) + address(agent) + words(sub_agent, sequence, 60000, len(samples)) + b"".join(samples)
