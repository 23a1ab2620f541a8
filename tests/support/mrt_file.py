# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes MRT files of TABLE_DUMP_V2 (RFC 6396, RFC 8050)."""
import ipaddress
import struct

PEER_INDEX_TABLE, IPV4_UNICAST, IPV4_UNICAST_ADD_PATH = 1, 2, 8


def record(when, subtype, body):
    return struct.pack("!IHHI", int(when), 13, subtype, len(body)) + body


def peers(when, *peers):
    """Peers are (address, router id, AS)."""
    body = ipaddress.ip_address("192.0.2.99").packed + struct.pack("!HH", 0, len(peers))
    for address, router_id, asn in peers:
        address = ipaddress.ip_address(address)
        body += struct.pack("!B", 2 | (address.version == 6)) + ipaddress.ip_address(router_id).packed + address.packed + struct.pack("!I", asn)
    return record(when, PEER_INDEX_TABLE, body)


def rib(when, sequence, network, *entries):
    """A prefix of IPv4; entries are (number of the peer, since when, path id or None, attributes)."""
    network = ipaddress.ip_network(network)
    has_path_id = entries[0][2] is not None
    body = struct.pack("!IB", sequence, network.prefixlen) + network.network_address.packed[:(network.prefixlen + 7) // 8]
    body += struct.pack("!H", len(entries))
    for peer, since, path_id, attrs in entries:
        body += struct.pack("!HI", peer, int(since)) + (struct.pack("!I", path_id) if has_path_id else b"") + struct.pack("!H", len(attrs)) + attrs
    return record(when, IPV4_UNICAST_ADD_PATH if has_path_id else IPV4_UNICAST, body)
