# SPDX-License-Identifier: GPL-2.0-or-later
"""A scripted BGP speaker: says what a test wants, well-formed or not, and reads what comes back."""
import socket
import struct

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
MARKER = b"\xff" * 16


def message(kind, body=b""):
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def capability(code, value=b""):
    return bytes([code, len(value)]) + value


def multiprotocol(afi, safi):
    return capability(1, struct.pack("!HBB", afi, 0, safi))


def add_path_send(*families):
    return capability(69, b"".join(struct.pack("!HBB", afi, safi, 2) for afi, safi in families))


def four_octet_as(asn):
    return capability(65, struct.pack("!I", asn))


def attribute(flags, kind, value):
    return bytes([flags, kind, len(value)]) + value


def attributes(path=(65001,), next_hop="10.0.0.1", more=b""):
    """ORIGIN, AS_PATH of four-octet numbers, NEXT_HOP, and what else is given."""
    numbers = b"".join(struct.pack("!I", asn) for asn in path)
    as_path = bytes([2, len(path)]) + numbers if path else b""
    return attribute(0x40, 1, b"\0") + attribute(0x40, 2, as_path) + attribute(0x40, 3, socket.inet_aton(next_hop)) + more


def prefix(text, path_id=None):
    address, length = text.split("/")
    return (b"" if path_id is None else struct.pack("!I", path_id)) + bytes([int(length)]) + \
        socket.inet_aton(address)[:(int(length) + 7) // 8]


def update(attrs=b"", announced=b"", withdrawn=b""):
    return message(UPDATE, struct.pack("!H", len(withdrawn)) + withdrawn + struct.pack("!H", len(attrs)) + attrs + announced)


class Speaker:
    """A connection of its own from `address` to the listener's port."""

    def __init__(self, test, port, address="127.0.0.21", router_id=None, asn=65000, hold_time=90, capabilities=None, listen=None):
        self.router_id, self.asn, self.hold_time = router_id or address, asn, hold_time
        self.capabilities = capabilities if capabilities is not None else multiprotocol(1, 1) + four_octet_as(asn)
        if listen:
            listen.settimeout(20)
            self.socket, _ = listen.accept()
        else:
            self.socket = socket.socket(socket.AF_INET)
            self.socket.bind((address, 0))
            self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(15)
        test.cleanups.append(self.socket.close)
        self.pending = b""

    def send(self, *messages):
        self.socket.sendall(b"".join(messages))

    def open_message(self, **changes):
        parameter = bytes([2, len(self.capabilities)]) + self.capabilities if self.capabilities else b""
        asn = self.asn if self.asn < 65536 else 23456
        return message(OPEN, struct.pack("!BHH4sB", changes.get("version", 4), asn, self.hold_time,
                                         socket.inet_aton(self.router_id), len(parameter)) + parameter)

    def read(self):
        """The next (type, body); (None, b"") when the connection has ended."""
        while len(self.pending) < 19 or len(self.pending) < struct.unpack("!H", self.pending[16:18])[0]:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None, b""
            self.pending += data
        length, kind = struct.unpack("!HB", self.pending[16:19])
        body, self.pending = self.pending[19:length], self.pending[length:]
        return kind, body

    def read_notification(self):
        """(code, subcode, data) of the NOTIFICATION that ends the session, whatever comes before it; None without one."""
        while True:
            kind, body = self.read()
            if kind == NOTIFICATION:
                return body[0], body[1], body[2:]
            if kind is None:
                return None

    def establish(self):
        self.send(self.open_message())
        kind, self.their_open = self.read()
        assert kind == OPEN, (kind, self.their_open)
        assert self.read()[0] == KEEPALIVE
        self.send(message(KEEPALIVE))
        return self
