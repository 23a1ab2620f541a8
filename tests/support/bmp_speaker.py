# SPDX-License-Identifier: GPL-2.0-or-later
"""A scripted BMP router: says what a test wants, well-formed or not (RFC 7854)."""
import socket
import struct

from bgp_speaker import OPEN, attributes, four_octet_as, message as bgp_message, multiprotocol, prefix, update

MONITORING, STATISTICS, PEER_DOWN, PEER_UP, INITIATION, TERMINATION, MIRRORING = range(7)
GLOBAL, LOC_RIB = 0, 3
POST_POLICY = 0x40


def message(kind, body=b"", version=3):
    return struct.pack("!BIB", version, 6 + len(body), kind) + body


def tlv(kind, value):
    return struct.pack("!HH", kind, len(value)) + value


def initiation(name="edge1", description="a scripted router"):
    return message(INITIATION, tlv(1, description.encode()) + tlv(2, name.encode()))


def termination(reason):
    return message(TERMINATION, tlv(1, struct.pack("!H", reason)))


def peer_header(address="192.0.2.1", asn=65001, kind=GLOBAL, flags=0, distinguisher=0, seconds=0):
    """The router id of a peer is its address, that of a Loc-RIB 10.255.0.1."""
    loc_rib = kind == LOC_RIB
    return struct.pack("!BBQ16sI4sII", kind, flags, distinguisher, b"" if loc_rib else b"\0" * 12 + socket.inet_aton(address), asn,
                       socket.inet_aton("10.255.0.1" if loc_rib else address), seconds, 0)


def bgp_open(asn, router_id, capabilities=None):
    capabilities = capabilities if capabilities is not None else multiprotocol(1, 1) + four_octet_as(asn)
    parameter = bytes([2, len(capabilities)]) + capabilities
    return bgp_message(OPEN, struct.pack("!BHH4sB", 4, asn if asn < 65536 else 23456, 90, socket.inet_aton(router_id), len(parameter)) + parameter)


def peer_up(header=None, asn=65001, peer="192.0.2.1", router="10.255.0.1", own_asn=65000, capabilities=None):
    """By default the peer 192.0.2.1 of a router 10.255.0.1 of AS 65000."""
    return message(PEER_UP, (header or peer_header(peer, asn)) + b"\0" * 12 + socket.inet_aton(router) + struct.pack("!HH", 179, 40000) +
                   bgp_open(own_asn, router, capabilities) + bgp_open(asn, peer, capabilities))


def peer_down(header=None, reason=4, data=b""):
    return message(PEER_DOWN, (header or peer_header()) + bytes([reason]) + data)


def monitoring(pdu, header=None):
    return message(MONITORING, (header or peer_header()) + pdu)


def route(network, next_hop="192.0.2.1", path=(65001,), header=None):
    return monitoring(update(attributes(path=path, next_hop=next_hop), prefix(network)), header)


class Router:
    """A connection from `address` to the station's port."""

    def __init__(self, test, port, address="127.0.0.31"):
        self.socket = socket.socket(socket.AF_INET)
        self.socket.bind((address, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(30)
        test.cleanups.append(self.socket.close)

    def send(self, *messages):
        self.socket.sendall(b"".join(messages))
        return self

    def is_ended(self):
        """Waits until the station has ended the connection; nothing is ever said before."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
