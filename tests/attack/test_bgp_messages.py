#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that no message does harm beside the session it comes in. The inputs are of the kinds that public reports of BGP speakers
(FRR, BIRD, GoBGP, OpenBGPD, ExaBGP, pmacct, routers) tell of: lengths that lie, attributes that are empty, cut, twice, huge or
unknown, families nobody agreed on, words that overflow a buffer. Each is written here by hand, from the RFCs."""
import socket
import struct
import time

from attack import GoodRouter, connections_add_up
from harness import main, wait_for
from bgp_listener import Listener
from bgp_speaker import (KEEPALIVE, MARKER, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE, Speaker, add_path_send, attribute, attributes,
                         capability, four_octet_as, message, multiprotocol, prefix, update)

NET = prefix("10.77.0.0/16")


def open_body(parameters, length=None, version=4, asn=65000, hold=90, identifier="127.0.0.22"):
    length = len(parameters) if length is None else length
    return struct.pack("!BHH4sB", version, asn, hold, socket.inet_aton(identifier), length) + parameters


def parameter(value, kind=2, length=None):
    return bytes([kind, len(value) if length is None else length]) + value


# Each with the OPEN's own error code: 2, or 1 for its header.
BAD_OPENS = {
    "a capability longer than its parameter": (2, open_body(parameter(b"\x41\x09\0\0\xfd\xe8"))),
    "a four-octet AS of three bytes": (2, open_body(parameter(b"\x41\x03\0\xfd\xe8"))),
    "a four-octet AS of no bytes at the end": (2, open_body(parameter(b"\x41\x00"))),
    "a four-octet AS of 0": (2, open_body(parameter(four_octet_as(0)))),
    "a four-octet AS of AS_TRANS": (2, open_body(parameter(four_octet_as(23456)))),
    "multiprotocol of one byte": (2, open_body(parameter(b"\x01\x01\0"))),
    "a parameter beyond the OPEN": (2, open_body(parameter(b"\x02\x00", length=200))),
    "fewer parameters than are said": (2, open_body(parameter(b"\x02\x00"), length=40)),
    "more parameters than are said": (2, open_body(parameter(b"\x02\x00"), length=1)),
    "parameters of no length with bytes behind": (2, open_body(b"\x02\x02\x02\x00", length=0)),
    "extended parameters without their length": (2, open_body(b"\xff\x00", length=255)),
    "extended parameters of one byte": (2, open_body(b"\xff", length=255)),
    "extended parameters that lie": (2, open_body(b"\xff\xff\xff\x02\x00\x02\x02\x00", length=255)),
    "an extended parameter beyond the OPEN": (2, open_body(b"\xff\x00\x05\x02\xff\xff\x02\x00", length=255)),
    "an authentication parameter": (2, open_body(parameter(b"\x00" * 20, kind=1))),
    "version 3": (2, open_body(b"", version=3)),
    "AS 0": (2, open_body(b"", asn=0)),
    "no identifier": (2, open_body(b"", identifier="0.0.0.0")),
    "our identifier": (2, open_body(b"", identifier="127.0.0.1")),
    "a hold time of one second": (2, open_body(b"", hold=1)),
    "an OPEN of 28 bytes": (1, open_body(b"")[:-1]),
}

# These are odd and no error: what is malformed and not vital is taken as not understood, and what is unknown is passed over.
ODD_OPENS = {
    "ADD-PATH of no length": open_body(parameter(multiprotocol(1, 1) + b"\x45\x00")),
    "ADD-PATH of half an entry": open_body(parameter(multiprotocol(1, 1) + b"\x45\x03\0\1\1")),
    "graceful restart of one byte": open_body(parameter(multiprotocol(1, 1) + b"\x40\x01\0")),
    "a software version of no length": open_body(parameter(multiprotocol(1, 1) + b"\x4b\x00")),
    "a software version longer than it is": open_body(parameter(multiprotocol(1, 1) + b"\x4b\x03\xff\x41\x42")),
    "a host name with no name": open_body(parameter(multiprotocol(1, 1) + b"\x49\x02\x00\x00")),
    "a host name with escapes": open_body(parameter(multiprotocol(1, 1) + capability(73, b"\x06\x1b[2J\x07\x0a\x00"))),
    "extended next hop of five bytes": open_body(parameter(multiprotocol(1, 1) + b"\x05\x05\0\1\0\1\0")),
    "the same family a hundred times": open_body(b"".join(parameter(multiprotocol(1, 1) * 20) for _ in range(2))),
    "four AS capabilities": open_body(parameter(b"".join(four_octet_as(a) for a in (1, 2, 3, 65000)))),
    "extended parameters of 3000 bytes": open_body(b"\xff" + struct.pack("!H", 3003) + b"\x02" + struct.pack("!H", 3000) +
                                                   (multiprotocol(1, 1) * 500), length=255),
    "empty parameters of capabilities": open_body(parameter(b"") * 100),
}


def test_bad_opens_are_refused_by_name(test):
    listener = Listener(test)
    good = GoodRouter(test, listener)
    for what, (code, body) in BAD_OPENS.items():
        speaker = Speaker(test, listener.port, address="127.0.0.22")
        speaker.send(message(OPEN, body))
        got = speaker.read_notification()
        assert got and got[0] == code, (what, got)
    listener.wait_stat("opens_failed", len(BAD_OPENS))
    good.check()
    assert connections_add_up(listener) == 0


def test_odd_opens_are_understood_as_far_as_they_go(test):
    listener = Listener(test)
    good = GoodRouter(test, listener)
    for what, body in ODD_OPENS.items():
        speaker = Speaker(test, listener.port, address="127.0.0.22")
        speaker.send(message(OPEN, body))
        assert speaker.read()[0] == OPEN and speaker.read()[0] == KEEPALIVE, what
        speaker.send(message(KEEPALIVE), update(attributes(path=()), NET), update())  # AS numbers have two octets or four
        peer = listener.peer("127.0.0.22", families=())
        wait_for(lambda: listener.lookup(peer, "10.77.0.1", "10.0.0.1")["match"] in ("exact", "single", "sole"), what)
        lost = listener.stats()["sessions_lost"]
        speaker.send(message(NOTIFICATION, b"\x06\x02"))
        listener.wait_stat("sessions_lost", lost + 1)
    good.check()
    assert connections_add_up(listener) == 0


def mp_reach(afi, safi, next_hop, nlri, length=None):
    return attribute(0x80, 14, struct.pack("!HBB", afi, safi, len(next_hop) if length is None else length) + next_hop + b"\0" + nlri)


def long_attribute(flags, kind, value):
    return struct.pack("!BBH", flags | 0x10, kind, len(value)) + value


def as_path(*segments):
    return attribute(0x40, 2, b"".join(bytes([kind, len(asns)]) + b"".join(struct.pack("!I", a) for a in asns) for kind, asns in segments))


ORIGIN, NEXT_HOP = attribute(0x40, 1, b"\0"), attribute(0x40, 3, socket.inet_aton("10.0.0.1"))
V6 = bytes.fromhex("20010db8000000000000000000000009")
KEPT, GONE, RESET = "kept", "gone", "reset"

# What becomes of the route 10.77.0.0/16, which stands before, and of the session.
UPDATES = {
    "unknown transitive attribute of 3000 bytes": (KEPT, update(attributes(more=long_attribute(0xc0, 99, bytes(3000))), NET)),
    "unknown attribute of no length": (KEPT, update(attributes(more=attribute(0xc0, 254, b"")), NET)),
    "unknown attribute that is partial": (KEPT, update(attributes(more=attribute(0xe0, 128, b"\xde\xad\xbe\xef")), NET)),
    "entropy label, long out of use": (KEPT, update(attributes(more=attribute(0xc0, 28, b"\x00")), NET)),
    "tunnel encapsulation that is cut": (KEPT, update(attributes(more=attribute(0xc0, 23, b"\x00\x0b\x00\xff\x01")), NET)),
    "tunnel encapsulation of one byte": (KEPT, update(attributes(more=attribute(0xc0, 23, b"\x00")), NET)),
    "prefix SID that lies": (KEPT, update(attributes(more=attribute(0xc0, 40, b"\x01\xff\xff\x00")), NET)),
    "attribute set with attributes inside": (KEPT, update(attributes(more=attribute(0xc0, 128, b"\0\0\0\1\x40\x01\xff")), NET)),
    "AIGP that lies": (KEPT, update(attributes(more=attribute(0x80, 26, b"\x01\x00\x00")), NET)),
    "only to customer": (KEPT, update(attributes(more=attribute(0xc0, 35, b"\0\0\0\1")), NET)),
    "only to customer of three bytes": (GONE, update(attributes(more=attribute(0xc0, 35, b"\0\0\1")), NET)),
    "aggregator of AS 0": (KEPT, update(attributes(more=attribute(0xc0, 7, b"\0\0\0\0\n\0\0\1")), NET)),
    "aggregator of no length": (KEPT, update(attributes(more=attribute(0xc0, 7, b"")), NET)),
    "AS 0 in the path": (GONE, update(attributes(path=(65001, 0)), NET)),
    "a set of 255 ASes": (KEPT, update(ORIGIN + long_attribute(0x40, 2, b"\x01\xff" + b"".join(struct.pack("!I", 1 + i) for i in range(255)))
                                       + NEXT_HOP, NET)),
    "a path of 900 hops": (KEPT, update(ORIGIN + long_attribute(0x40, 2, b"".join(b"\x02\xe1" + struct.pack("!I", 65001) * 225
                                                                                for _ in range(4))) + NEXT_HOP, NET)),
    "an empty segment": (GONE, update(ORIGIN + attribute(0x40, 2, b"\x02\x00") + NEXT_HOP, NET)),
    "a segment beyond the path": (GONE, update(ORIGIN + attribute(0x40, 2, b"\x02\xff\0\0\0\1") + NEXT_HOP, NET)),
    "a segment of an unknown type": (GONE, update(ORIGIN + as_path((7, (1, 2))) + NEXT_HOP, NET)),
    "confederations": (KEPT, update(ORIGIN + as_path((3, (1, 2)), (4, (3, 4)), (2, (5,))) + NEXT_HOP, NET)),
    "path of no length": (KEPT, update(attributes(path=()), NET)),
    "communities of no length": (GONE, update(attributes(more=attribute(0xc0, 8, b"")), NET)),
    "1000 communities": (KEPT, update(attributes(more=long_attribute(0xc0, 8, b"".join(struct.pack("!I", i) for i in range(990)))), NET)),
    "extended communities of seven bytes": (GONE, update(attributes(more=attribute(0xc0, 16, bytes(7))), NET)),
    "large communities of eleven bytes": (GONE, update(attributes(more=attribute(0xc0, 32, bytes(11))), NET)),
    "attribute 0": (RESET, update(attributes(more=attribute(0x40, 0, b"")), NET)),
    "attribute 255": (KEPT, update(attributes(more=attribute(0xff & ~0x10, 255, bytes(200))), NET)),
    "origin twice": (KEPT, update(attributes(more=ORIGIN), NET)),
    "an attribute of no length at the end": (GONE, update(attributes(more=b"\xc0\x08"), NET)),
    "extended length that is cut": (GONE, update(attributes(more=b"\xd0\x08\x00"), NET)),
    "an attribute of 65535 bytes": (GONE, update(attributes(more=b"\xd0\x20\xff\xff\x00"), NET)),
    "no attributes at all": (GONE, update(b"", NET)),
    "attributes of no length and NLRI of no length": (KEPT, update(b"", b"")),
    "next hop of 0.0.0.0": (GONE, update(attributes(next_hop="0.0.0.0"), NET)),
    "next hop 224.0.0.5": (GONE, update(attributes(next_hop="224.0.0.5"), NET)),
    "next hop of five bytes": (GONE, update(ORIGIN + as_path((2, (1,))) + attribute(0x40, 3, bytes(5)), NET)),
    "IPv6 with the next hop ::": (KEPT, update(attributes(more=mp_reach(2, 1, bytes(16), b"\x20\x20\x01\x0d\xb8")), NET)),
    "MP_REACH of one byte": (RESET, update(attributes(more=attribute(0x80, 14, b"\0")), NET)),
    "MP_REACH of no length": (RESET, update(attributes(more=attribute(0x80, 14, b"")), NET)),
    "MP_REACH whose next hop lies": (RESET, update(attributes(more=mp_reach(2, 1, V6, b"", length=255)), NET)),
    "MP_REACH with a next hop of three bytes": (RESET, update(attributes(more=mp_reach(2, 1, b"abc", b"\x20\x20\x01\x0d\xb8")), NET)),
    "MP_REACH of a prefix of 129 bits": (RESET, update(attributes(more=mp_reach(2, 1, V6, b"\x81" + bytes(17))), NET)),
    "MP_UNREACH of two bytes": (RESET, update(attributes(more=attribute(0x80, 15, b"\0\2")), NET)),
    "MP_REACH twice": (RESET, update(attributes(more=mp_reach(2, 1, V6, b"") * 2), NET)),
    "flowspec that lies, of no agreement": (KEPT, update(attributes(more=mp_reach(1, 133, b"", b"\xf0\xff\x01")), NET)),
    "EVPN that lies, of no agreement": (KEPT, update(attributes(more=mp_reach(25, 70, b"\n\0\0\1", b"\x02\xff\x00")), NET)),
    "BGP-LS, of no agreement": (KEPT, update(attributes(more=mp_reach(16388, 71, b"\n\0\0\1", b"\x00\x01\xff\xff")), NET)),
    "AFI 0": (KEPT, update(attributes(more=mp_reach(0, 0, b"", b"")), NET)),
    "labels without an end": (RESET, update(attributes(more=mp_reach(1, 4, b"\n\0\0\1", b"\xff" + b"\x00\x01\x00" * 10)), NET)),
    "a label of eight bits": (RESET, update(attributes(more=mp_reach(1, 4, b"\n\0\0\1", b"\x08\x00")), NET)),
    "VPN without a whole distinguisher": (RESET, update(attributes(more=mp_reach(1, 128, bytes(8) + b"\n\0\0\1", b"\x30" + b"\0\0\1" * 2)), NET)),
    "NLRI of 33 bits": (RESET, update(attributes(), b"\x21\n\0\0\0\0")),
    "NLRI of 255 bits": (RESET, update(attributes(), b"\xff" + bytes(32))),
    "NLRI that is cut": (RESET, update(attributes(), b"\x18\n\0")),
    "withdrawn routes beyond the message": (RESET, message(UPDATE, struct.pack("!H", 500) + bytes(8))),
    "attributes beyond the message": (RESET, message(UPDATE, struct.pack("!HH", 0, 500) + bytes(8))),
    "withdrawn NLRI that is cut": (RESET, update(b"", b"", b"\x18\n")),
    "bits beyond the prefix": (KEPT, update(attributes(), b"\x0f\n\xff")),
    "the same prefix a thousand times": (KEPT, update(attributes(), NET * 1000)),
    "announced and withdrawn at once": (KEPT, update(attributes(), NET, NET)),
    "an UPDATE of 22 bytes": (RESET, MARKER + b"\0\x16\x02\0\0\0"),
    "a KEEPALIVE with a body": (RESET, message(KEEPALIVE, b"\0")),
    "a second OPEN": (RESET, message(OPEN, open_body(b""))),
    "route refresh of five bytes": (RESET, message(ROUTE_REFRESH, b"\0\1\0\1\0")),
    "route refresh of a family nobody knows": (KEPT, message(ROUTE_REFRESH, b"\xff\xff\0\xff")),
    "a message type of 0": (RESET, message(0)),
    "a message type of 255": (RESET, message(255)),
    "a message of 65535 bytes": (RESET, MARKER + b"\xff\xff\x02"),
    "a message of no length": (RESET, MARKER + b"\0\0\x02"),
    "a broken marker": (RESET, b"\xff" * 15 + b"\xfe\0\x13\x04"),
    "NOTIFICATION of 20 bytes": (RESET, MARKER + b"\0\x14\x03\x06"),
}


def test_updates_do_what_the_rfcs_say_and_no_more(test):
    """RFC 7606: the route is kept, or gone, and only what cannot be read resets the session that it came in."""
    listener = Listener(test)
    good = GoodRouter(test, listener)
    families = ((1, 1), (1, 4), (1, 128), (2, 1))
    capabilities = b"".join(multiprotocol(*f) for f in families) + four_octet_as(65000)
    speaker = None
    for what, (outcome, data) in UPDATES.items():
        if not speaker:
            speaker = Speaker(test, listener.port, address="127.0.0.22", capabilities=capabilities).establish()
        updates = listener.stats()["updates"]
        speaker.send(update(attributes(path=(7, 8)), NET), data)
        if outcome == RESET:
            got = speaker.read_notification()
            assert got and got[0] in (1, 3, 5, 7), (what, got)
            speaker.socket.close()
            speaker = None
            wait_for(lambda: listener.established() == ["127.0.0.21"], what)
        else:
            speaker.send(update(attributes(), prefix("10.78.0.0/16")))  # what comes behind it is read, too
            wait_for(lambda: listener.stats()["updates"] >= updates + 2, what)
            peer = listener.peer("127.0.0.22", families=())
            wait_for(lambda: listener.lookup(peer, "10.78.0.1", "10.0.0.1").get("prefix") == "10.78.0.0/16", what)
            got = listener.lookup(peer, "10.77.0.1", "10.0.0.1")
            assert (got.get("prefix") == "10.77.0.0/16") == (outcome == KEPT), (what, got)
        speaker and speaker.send(update(withdrawn=NET + prefix("10.78.0.0/16")))
    good.check()
    stats = listener.stats()
    assert stats["sessions_lost"] == sum(outcome == RESET for outcome, _ in UPDATES.values()), stats
    assert stats["no_next_hop"] == 3, stats
    assert connections_add_up(listener) == 0


def test_the_good_router_may_send_them_as_well(test):
    """What one of its own neighbours made up reaches us through it: its session stays, and so do its other routes."""
    listener = Listener(test)
    good = GoodRouter(test, listener)
    for outcome, data in UPDATES.values():
        if outcome != RESET:
            good.speaker.send(data, update(withdrawn=NET + prefix("10.254.0.0/15")))
    good.check()
    assert listener.stats()["sessions_lost"] == 0


def test_messages_of_64_kilobytes(test):
    """RFC 8654: attributes of the length that there can be, each of its own, again and again."""
    listener = Listener(test)
    good = GoodRouter(test, listener)
    speaker = Speaker(test, listener.port, address="127.0.0.22",
                      capabilities=multiprotocol(1, 1) + four_octet_as(65000) + capability(6)).establish()
    for i in range(20):
        hops = b"".join(b"\x02\xff" + struct.pack("!I", 65001 + i) * 255 for _ in range(60))  # 15,300 of them
        speaker.send(update(ORIGIN + long_attribute(0x40, 2, hops) + NEXT_HOP, NET))
        speaker.send(update(attributes(path=(i + 1,), more=long_attribute(0xc0, 8, struct.pack("!I", i) * 16000)), NET))
        speaker.send(update(attributes(path=(i + 1,), more=long_attribute(0xc0, 32, b"".join(
            struct.pack("!III", i, k, k) for k in range(5000)))), NET))
    speaker.send(update(attributes(path=(77,)), NET), update())
    peer = listener.peer("127.0.0.22")
    wait_for(lambda: listener.lookup(peer, "10.77.0.1", "10.0.0.1").get("as_path") == "77", "the last one")
    speaker.send(MARKER + b"\xff\xff\x04")  # a KEEPALIVE stays short
    assert speaker.read_notification()[:2] == (1, 2)
    good.check()


def test_words_of_a_peer_reach_the_log_clean(test):
    listener = Listener(test)
    good = GoodRouter(test, listener)
    words = {"1b5b324a07": "?[2J?", "c29b314dc285": "?1M?", "ff80c3": "???", "0a6e6f74696365": "?notice", "e282ac": "\u20ac"}
    for hexed, _ in words.items():
        data = bytes.fromhex(hexed)
        speaker = Speaker(test, listener.port, address="127.0.0.22").establish()
        speaker.send(message(NOTIFICATION, bytes([6, 2, len(data)]) + data))
        assert speaker.read()[0] is None
    for data in (b"\xff" + b"w" * 255, b"\xff" + b"w" * 100, b"\x00", b"", b"\x80" + b"\xc3" * 128):  # longest, cut, none, bad
        speaker = Speaker(test, listener.port, address="127.0.0.22", router_id="10.0.0.22").establish()
        speaker.send(message(NOTIFICATION, bytes([6, 4]) + data))
        assert speaker.read()[0] is None
    listener.wait_stat("sessions_lost", len(words) + 5)
    good.check()
    log = listener.log.read_bytes()
    assert not any(byte < 0x20 and byte != 0x0a or byte == 0x7f for byte in log), log
    text = log.decode()  # it is UTF-8, all of it
    for shown in list(words.values())[:2]:  # lines of one peer have a limit
        assert f"({shown})" in text, (shown, text)


def test_slow_senders_are_done_with_in_their_hold_time(test):
    """Bytes alone do not keep a session: these send half a message, one byte at a time, for ever."""
    listener = Listener(test)
    good = GoodRouter(test, listener)
    slow = [Speaker(test, listener.port, address=f"127.0.3.{i + 1}", hold_time=3).establish() for i in range(8)]
    for speaker in slow:
        speaker.send(MARKER + struct.pack("!HB", 4096, UPDATE))
    deadline = time.monotonic() + 30
    while len(listener.established()) > 1 and time.monotonic() < deadline:
        for speaker in slow:
            try:
                speaker.send(b"\0")
            except OSError:
                pass
        time.sleep(0.05)
    good.check()
    assert listener.established() == ["127.0.0.21"]
    assert listener.stats()["sessions_lost"] == 8


if __name__ == "__main__":
    main(globals())
