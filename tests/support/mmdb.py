# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes databases in the MaxMind DB format, version 2.0 (maxmind.github.io/MaxMind-DB): a binary tree of address bits that leads to
values. Enough for tests: strings, numbers, maps, lists."""
import ipaddress
import struct

EXTENDED = 7
STRING, DOUBLE, UINT16, UINT32, MAP, UINT64, ARRAY = 2, 3, 5, 6, 7, 9, 11


class Uint16(int):
    pass


class Uint32(int):
    pass


class Uint64(int):
    pass


def head(kind, size):
    """The control byte, the byte of an extended type, and the bytes of a size above 28."""
    more = b""
    if size >= 29:
        more, size = bytes([size - 29]), 29
    assert len(more) == 0 or more[0] <= 255
    if kind > EXTENDED:
        return bytes([size, kind - EXTENDED]) + more
    return bytes([kind << 5 | size]) + more


def encode(value):
    if isinstance(value, str):
        data = value.encode()
        return head(STRING, len(data)) + data
    if isinstance(value, float):
        return head(DOUBLE, 8) + struct.pack("!d", value)
    if isinstance(value, dict):
        return head(MAP, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return head(ARRAY, len(value)) + b"".join(encode(v) for v in value)
    kind = {Uint16: UINT16, Uint32: UINT32, Uint64: UINT64}[type(value)]
    data = int(value).to_bytes(8, "big").lstrip(b"\0")
    return head(kind, len(data)) + data


def place(country=None, postal=None, latitude=None, longitude=None):
    """A value as the databases of cities have it."""
    value = {}
    if country is not None:
        value["country"] = {"iso_code": country}
    if postal is not None:
        value["postal"] = {"code": postal}
    if latitude is not None:
        value["location"] = {"latitude": latitude, "longitude": longitude}
    return value


def database(networks, ip_version=6, record_size=24, kind="Test-City"):
    """The bytes of a database of {prefix: value}; longer prefixes inside shorter ones are allowed. IPv4 stands at ::/96."""
    nodes, values, data = [[None, None]], {}, bytearray()
    for prefix in sorted(map(ipaddress.ip_network, networks), key=lambda p: p.prefixlen):
        encoded = encode(networks[str(prefix)])
        if encoded not in values:
            values[encoded] = len(data)
            data += encoded
        bits = f"{int(prefix.network_address):0{prefix.max_prefixlen}b}"[:prefix.prefixlen]
        if prefix.version == 4 and ip_version == 6:
            bits = "0" * 96 + bits
        node = 0
        for bit in bits[:-1]:
            below = nodes[node][int(bit)]
            if not isinstance(below, int):  # a value, which now holds for both halves; or nothing
                nodes.append([below, below])
                below = nodes[node][int(bit)] = len(nodes) - 1
            node = below
        nodes[node][int(bits[-1])] = (values[encoded],)

    def record(below):
        if below is None:
            return len(nodes)
        return below if isinstance(below, int) else len(nodes) + 16 + below[0]

    tree = bytearray()
    for left, right in ((record(a), record(b)) for a, b in nodes):
        if record_size == 28:
            tree += (left & 0xffffff).to_bytes(3, "big") + bytes([left >> 24 << 4 | right >> 24]) + (right & 0xffffff).to_bytes(3, "big")
        else:
            tree += left.to_bytes(record_size // 8, "big") + right.to_bytes(record_size // 8, "big")
    metadata = {"node_count": Uint32(len(nodes)), "record_size": Uint16(record_size), "ip_version": Uint16(ip_version),
                "database_type": kind, "languages": ["en"], "binary_format_major_version": Uint16(2),
                "binary_format_minor_version": Uint16(0), "build_epoch": Uint64(1700000000), "description": {"en": "for tests"}}
    return bytes(tree) + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encode(metadata)
