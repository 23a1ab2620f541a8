#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that the BGP thread stands what no well-behaved router does: errors, silence, collisions, limits, and sessions that come
twice. A scripted speaker says it, and reads the NOTIFICATION that the RFCs want."""
import socket
import struct
import time

from harness import BUILD, Skip, main, wait_for
from bgp_listener import Listener
from bgp_speaker import (KEEPALIVE, OPEN, ROUTE_REFRESH, UPDATE, Speaker, add_path_send, attribute, attributes, capability,
                         four_octet_as, message, multiprotocol, prefix, update)

END_OF_RIB = update()


def test_message_header_errors_are_named(test):
    listener = Listener(test)
    for data, expected in ((b"GET / HTTP/1.1\r\n\r\n", (1, 1)), (b"\xff" * 16 + b"\x00\x13\x09", (1, 3)),
                           (b"\xff" * 16 + b"\x00\x12\x01", (1, 2)), (message(KEEPALIVE), (5, 1)),
                           (message(UPDATE, bytes(4)), (5, 1))):
        speaker = Speaker(test, listener.port)
        speaker.send(data)
        assert speaker.read_notification()[:2] == expected, (data, expected)
    assert listener.wait_stat("opens_failed", 5)


def test_open_errors_are_named(test):
    listener = Listener(test)
    for keys, changes, expected in (({}, {"version": 3}, (2, 1)), ({"router_id": "0.0.0.0"}, {}, (2, 3)),
                                    ({"hold_time": 2}, {}, (2, 6)), ({"asn": 0}, {}, (2, 2)),
                                    ({"router_id": "127.0.0.1"}, {}, (2, 3))):  # ours: bgp_daemon_ip
        speaker = Speaker(test, listener.port, **keys)
        speaker.send(speaker.open_message(**changes))
        assert speaker.read_notification()[:2] == expected, (keys, changes, expected)


def test_our_open_offers_what_the_peer_can(test):
    listener = Listener(test)
    speaker = Speaker(test, listener.port, asn=4200000000,
                      capabilities=multiprotocol(1, 1) + add_path_send((1, 1)) + four_octet_as(4200000000)).establish()
    version, asn, hold_time = struct.unpack("!BHH", speaker.their_open[:5])
    assert (version, asn, hold_time) == (4, 23456, 90) and speaker.their_open[5:9] == socket.inet_aton("127.0.0.1")
    caps = speaker.their_open[12:]
    # multiprotocol, graceful restart without families, our AS (the peer's), ADD-PATH receive; nothing that it lacks
    assert caps == multiprotocol(1, 1) + capability(64, b"\0\0") + four_octet_as(4200000000) + capability(69, b"\0\1\1\1"), caps
    assert listener.peer("127.0.0.21", families=())["as"] == 4200000000


def test_old_speaker_gets_two_octet_paths_merged(test):
    listener = Listener(test)
    speaker = Speaker(test, listener.port, capabilities=b"").establish()
    two_octets = (attribute(0x40, 1, b"\0") + attribute(0x40, 2, bytes([2, 2]) + struct.pack("!HH", 7, 23456)) +
                  attribute(0x40, 3, socket.inet_aton("10.0.0.1")) +
                  attribute(0xc0, 17, bytes([2, 1]) + struct.pack("!I", 202222)))
    assert speaker.their_open[9:] == b"\0", speaker.their_open  # no optional parameter: it may not know what they are
    speaker.send(update(two_octets, prefix("192.168.1.0/24")), END_OF_RIB)
    got = listener.lookup(listener.peer("127.0.0.21"), "192.168.1.1")
    assert got["as_path"] == "7_202222" and got["match"] == "single", got


def test_silent_peer_loses_its_session_and_paths(test):
    listener = Listener(test, bgp_peer_down_keep=0)
    speaker = Speaker(test, listener.port, hold_time=3).establish()
    speaker.send(update(attributes(), prefix("192.168.1.0/24")), END_OF_RIB)
    peer = listener.peer("127.0.0.21")
    assert listener.lookup(peer, "192.168.1.1")["match"] == "single"
    started = time.monotonic()
    kinds = []
    while (read := speaker.read())[0] != 3:
        kinds.append(read[0])
        assert read[0] is not None
    assert read[1][:1] == b"\x04" and 2 < time.monotonic() - started < 6, read  # hold timer expired
    assert kinds.count(KEEPALIVE) >= 2, kinds  # ours go on, a third of the hold time apart
    assert wait_for(lambda: listener.lookup(peer, "192.168.1.1")["match"] == "no_rib", "the loss of the paths")


def test_keepalives_keep_the_session(test):
    listener = Listener(test)
    speaker = Speaker(test, listener.port, hold_time=3).establish()
    for _ in range(10):
        speaker.send(message(KEEPALIVE))
        time.sleep(0.5)
    assert listener.established() == ["127.0.0.21"] and listener.stats()["sessions_lost"] == 0


def test_peer_may_do_without_hold_time(test):
    listener = Listener(test)
    speaker = Speaker(test, listener.port, hold_time=0).establish()
    speaker.send(END_OF_RIB)
    listener.peer("127.0.0.21")
    speaker.socket.settimeout(1)
    try:
        raise AssertionError(speaker.read())  # no KEEPALIVE is sent either
    except TimeoutError:
        assert listener.established() == ["127.0.0.21"]


def test_labelled_and_vpn_paths_have_tables_of_their_own(test):
    families = ((1, 1), (1, 4), (1, 128))
    listener = Listener(test)
    speaker = Speaker(test, listener.port, capabilities=b"".join(multiprotocol(*f) for f in families) + add_path_send(*families) +
                      four_octet_as(65000)).establish()

    def mp_reach(safi, next_hop, nlri):
        return attribute(0x80, 14, struct.pack("!HBB", 1, safi, len(next_hop)) + next_hop + b"\0" + nlri)

    next_hop, label, rd = socket.inet_aton("10.0.0.1"), b"\x00\x01\x01", bytes.fromhex("0000fde800000005")
    network = bytes([192, 168, 1])
    speaker.send(update(attributes(path=(1,), more=mp_reach(4, next_hop, b"\0\0\0\1\x30" + label + network))),
                 update(attributes(path=(2,), more=mp_reach(128, bytes(8) + next_hop, b"\0\0\0\1\x70" + label + rd + network))),
                 update(attribute(0x80, 15, b"\0\1\x80")), END_OF_RIB)
    peer = listener.peer("127.0.0.21")
    wait_for(lambda: listener.stats()["rib_paths"] == 2, "both paths")
    assert listener.lookup(peer, "192.168.1.1", "10.0.0.1")["as_path"] == "1"
    assert listener.lookup(peer, "192.168.1.1", "10.0.0.1", rd=rd.hex())["as_path"] == "2"
    assert listener.lookup(peer, "192.168.1.1", "10.0.0.1", rd="fde800000006")["match"] == "no_route"
    speaker.send(update(attributes(path=(3,)), prefix("192.168.1.0/24", 1)))  # unicast goes before labelled
    wait_for(lambda: listener.lookup(peer, "192.168.1.1", "10.0.0.1").get("as_path") == "3", "the unicast path")


def test_newer_connection_replaces_the_old_one(test):
    listener = Listener(test)
    old = Speaker(test, listener.port).establish()
    listener.wait_stat("sessions_established")
    new = Speaker(test, listener.port).establish()
    assert old.read_notification()[:2] == (6, 7)  # connection collision resolution
    new.send(update(attributes(), prefix("192.168.1.0/24")), END_OF_RIB)
    listener.peer("127.0.0.21")
    assert listener.established() == ["127.0.0.21"] and listener.stats()["sessions_replaced"] == 1


def test_two_sessions_of_one_router_are_both_kept(test):
    listener = Listener(test)
    Speaker(test, listener.port, address="127.0.0.21", router_id="10.9.9.9").establish()
    Speaker(test, listener.port, address="127.0.0.22", router_id="10.9.9.9").establish()
    Speaker(test, listener.port, address="127.0.0.22", router_id="10.9.9.8").establish()  # another one behind the address
    listener.wait_stat("sessions_established", 3)
    assert listener.established() == ["127.0.0.21", "127.0.0.22", "127.0.0.22"] and listener.stats()["sessions_lost"] == 0


def test_peers_beyond_the_limit_are_refused(test):
    listener = Listener(test, bgp_daemon_max_peers=2)
    first = Speaker(test, listener.port, address="127.0.0.21").establish()
    Speaker(test, listener.port, address="127.0.0.22").establish()
    third = Speaker(test, listener.port, address="127.0.0.23")
    third.send(third.open_message())
    assert third.read_notification()[:2] == (6, 5)  # connection rejected
    assert listener.stats()["connections_refused_limit"] == 1
    first.socket.close()
    listener.wait_stat("sessions_lost")
    Speaker(test, listener.port, address="127.0.0.23").establish()
    listener.wait_stat("sessions_established", 3)


def test_silent_connections_do_not_keep_peers_out(test):
    """One address may have 16 connections whose OPEN has not come, all strangers together 256."""
    listener = Listener(test)
    for addresses, displaced in (["127.0.0.99"] * 60, 60 - 16), ([f"127.0.2.{i % 250}" for i in range(1, 300)], 60 - 16 + 299 - 256 + 16):
        strangers = [Speaker(test, listener.port, address=address) for address in addresses]
        listener.wait_stat("connections_displaced", displaced)
        for number in (21, 22, 23):
            Speaker(test, listener.port, address=f"127.0.0.{number}").establish()
        assert strangers and wait_for(lambda: len(listener.established()) == 3, "the peers")
    assert listener.stats()["connections_refused_limit"] == 0, listener.stats()


def test_new_identifiers_do_not_flood_the_log(test):
    listener = Listener(test)
    for number in range(150):
        Speaker(test, listener.port, router_id=f"10.1.{number}.1").establish().socket.close()
    listener.wait_stat("sessions_lost", 150)
    lines = [line for line in listener.log.read_text().splitlines() if " up: " in line or " down: " in line]
    assert 10 <= len(lines) <= 20 * 5, len(lines)  # 5 for each place of a peer, of which there are two per peer


def test_allow_list_is_enforced_and_reloaded(test):
    allow = test.write("allow", "! routers\n127.0.0.21\n127.0.1.0/24\n")
    listener = Listener(test, bgp_daemon_allow_file=allow)
    Speaker(test, listener.port, address="127.0.0.21").establish()
    Speaker(test, listener.port, address="127.0.1.9").establish()
    stranger = Speaker(test, listener.port, address="127.0.0.22")
    assert stranger.read() == (None, b"")
    allow.write_text("127.0.0.22\n")
    listener.ask("reload")
    wait_for(lambda: "read again, 1 entries" in listener.log.read_text(), "the reload")
    Speaker(test, listener.port, address="127.0.0.22").establish()
    allow.write_text("127.0.0.300\n")
    listener.ask("reload")
    wait_for(lambda: f"{allow}:1: not an IP address" in listener.log.read_text(), "the error with its line")
    Speaker(test, listener.port, address="127.0.0.22", router_id="1.1.1.1").establish()


def test_malformed_attribute_withdraws_the_path_and_keeps_the_session(test):
    listener = Listener(test)
    speaker = Speaker(test, listener.port).establish()
    speaker.send(update(attributes(), prefix("192.168.1.0/24") + prefix("192.168.2.0/24")), END_OF_RIB)
    peer = listener.peer("127.0.0.21")
    assert listener.lookup(peer, "192.168.1.1")["match"] == "single"
    speaker.send(update(attributes(more=attribute(0xc0, 8, b"")), prefix("192.168.1.0/24")))  # COMMUNITIES of no length
    wait_for(lambda: listener.lookup(peer, "192.168.1.1")["match"] == "no_route", "the withdrawal")
    assert listener.lookup(peer, "192.168.2.1")["match"] == "single"
    stats = listener.stats()
    assert stats["updates_treated_as_withdraw"] == 1 and stats["treated_as_withdrawn"] == 1 and stats["sessions_lost"] == 0, stats
    wait_for(lambda: "COMMUNITIES (type 8) is malformed; treated as a withdrawal" in listener.log.read_text(), "the line of the attribute")


def test_unreadable_update_resets_the_session(test):
    listener = Listener(test)
    speaker = Speaker(test, listener.port).establish()
    speaker.send(update(attributes(), b"\x21\x0a\x00\x00\x00\x00"))  # 33 bits
    assert speaker.read_notification()[:2] == (3, 10)
    listener.wait_stat("sessions_lost")
    assert listener.stats()["updates_reset"] == 1


def test_extended_messages_only_where_agreed(test):
    listener = Listener(test)
    announced = b"".join(prefix(f"10.{i >> 8}.{i & 255}.0/24") for i in range(2000))  # 8000 bytes
    capabilities = multiprotocol(1, 1) + four_octet_as(65000)
    speaker = Speaker(test, listener.port, capabilities=capabilities + capability(6)).establish()
    speaker.send(update(attributes(), announced), END_OF_RIB)
    peer = listener.peer("127.0.0.21")
    assert listener.stats()["rib_paths"] == 2000 and listener.lookup(peer, "10.7.207.1")["match"] == "single"
    speaker = Speaker(test, listener.port, address="127.0.0.22", capabilities=capabilities).establish()
    speaker.send(update(attributes(), announced))
    assert speaker.read_notification()[:2] == (1, 2)


def test_message_in_pieces_is_put_together(test):
    listener = Listener(test)
    speaker = Speaker(test, listener.port).establish()
    speaker.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in update(attributes(), prefix("192.168.1.0/24")) + END_OF_RIB:
        speaker.send(bytes([byte]))
        time.sleep(0.002)
    assert listener.lookup(listener.peer("127.0.0.21"), "192.168.1.1")["match"] == "single"


def test_stop_says_why(test):
    listener = Listener(test)
    speaker = Speaker(test, listener.port).establish()
    listener.wait_stat("sessions_established")
    listener.process.stdin.write("quit\n")
    listener.process.stdin.flush()
    code, subcode, data = speaker.read_notification()
    assert (code, subcode) == (6, 2) and data[1:] == b"collector stops", data  # RFC 9003
    speaker.socket.close()
    assert listener.process.wait(10) == 0


def test_lost_peer_keeps_stale_paths_for_its_time(test):
    listener = Listener(test, bgp_peer_down_keep=3)
    speaker = Speaker(test, listener.port).establish()
    speaker.send(update(attributes(), prefix("192.168.1.0/24") + prefix("192.168.2.0/24")), END_OF_RIB)
    peer = listener.peer("127.0.0.21")
    speaker.socket.close()
    listener.wait_stat("sessions_lost")
    got = listener.lookup(peer, "192.168.1.1")
    assert got["match"] == "single" and got["stale"], got
    again = Speaker(test, listener.port).establish()
    again.send(update(attributes(), prefix("192.168.1.0/24")), END_OF_RIB)
    assert listener.peer("127.0.0.21")["index"] == peer["index"]
    assert not listener.lookup(peer, "192.168.1.1")["stale"]
    assert listener.lookup(peer, "192.168.2.1")["match"] == "no_route"  # swept at End-of-RIB
    again.socket.close()
    wait_for(lambda: listener.lookup(peer, "192.168.1.1")["match"] == "no_rib", "the end of the stale time", 8)


NEIGHBOURS_HEAD = "# version 1\n"


def has_neighbours(path, *addresses):
    return lambda: path.exists() and path.read_text() == NEIGHBOURS_HEAD + "".join(f"{a}\n" for a in addresses)


def test_neighbours_are_written_to_their_file(test):
    written = test.dir / "neighbours"
    listener = Listener(test, bgp_neighbors_file=written)
    first = Speaker(test, listener.port, address="127.0.0.21").establish()
    Speaker(test, listener.port, address="127.0.0.22").establish()
    listener.wait_stat("sessions_established", 2)
    wait_for(has_neighbours(written, "127.0.0.21", "127.0.0.22"), "both neighbours")
    assert written.stat().st_mode & 0o777 == 0o640
    first.socket.close()
    wait_for(has_neighbours(written, "127.0.0.22"), "one neighbour")


def test_neighbours_of_the_run_before_go_before_strangers(test):
    """There is room for one peer. Who stands in the file takes it from a stranger; who does not is refused."""
    written = test.dir / "neighbours"
    written.write_text("127.0.0.21\n")  # as pmacct writes it, and as it was before there were versions
    listener = Listener(test, bgp_neighbors_file=written, bgp_daemon_max_peers=1)
    Speaker(test, listener.port, address="127.0.0.30", router_id="10.0.0.30").establish()
    listener.wait_stat("sessions_established", 1)
    known = Speaker(test, listener.port, address="127.0.0.21", router_id="10.0.0.21").establish()
    listener.wait_stat("sessions_established", 2)
    wait_for(has_neighbours(written, "127.0.0.21"), "the known one alone")
    known.socket.close()


def test_a_neighbours_file_of_another_version_is_told_and_not_used(test):
    for number, (content, said) in enumerate([("# version 2\n127.0.0.21\n", "it is not of version 1; it is not used, and written anew"),
                                              (NEIGHBOURS_HEAD + "127.0.0.2\n\x1b[2J\n", ":3: not an address")]):
        written = test.dir / f"neighbours{number}"
        written.write_text(content)
        listener = Listener(test, bgp_neighbors_file=written)
        wait_for(lambda: said in listener.log.read_text(), said)
        Speaker(test, listener.port, address="127.0.0.31").establish()
        wait_for(has_neighbours(written, "127.0.0.31"), "the file of this version")


def test_connections_come_in_batches(test):
    listener = Listener(test, bgp_daemon_batch=2, bgp_daemon_batch_interval=2)
    for i in range(3):
        speaker = Speaker(test, listener.port, address=f"127.0.0.{31 + i}")
        speaker.send(speaker.open_message())
    listener.wait_stat("connections_accepted", 2)
    time.sleep(0.5)
    assert listener.stats()["connections_accepted"] == 2
    listener.wait_stat("connections_accepted", 3, 5)


def test_collision_keeps_the_connection_of_the_higher_identifier(test):
    """RFC 4271 section 6.8, with us connecting and the peer connecting at the same time."""
    with socket.socket() as listen:
        listen.bind(("127.0.0.21", 0))
        listen.listen()
        listener = Listener(test, bgp_daemon_id="10.0.0.5", bgp_daemon_as=65000,
                            bgp_daemon_connect=f"127.0.0.21@{listen.getsockname()[1]}")
        ours = Speaker(test, listener.port, router_id="10.0.0.9", listen=listen)
        assert ours.read()[0] == OPEN  # we know our AS, so that we speak first
        theirs = Speaker(test, listener.port, router_id="10.0.0.9")
        theirs.send(theirs.open_message())
        assert [theirs.read()[0], theirs.read()[0]] == [OPEN, KEEPALIVE]
        ours.send(ours.open_message())  # 10.0.0.9 is higher: the connection that it made stays
        assert ours.read_notification()[:2] == (6, 7)
        theirs.send(message(KEEPALIVE))
        listener.wait_stat("sessions_established")
        assert listener.stats()["collisions"] == 1


def test_route_refresh_is_taken_and_a_short_one_refused(test):
    listener = Listener(test)
    speaker = Speaker(test, listener.port, capabilities=multiprotocol(1, 1) + four_octet_as(65000) + capability(2)).establish()
    speaker.send(message(ROUTE_REFRESH, b"\0\1\0\1"))
    listener.wait_stat("route_refresh")
    speaker.send(message(ROUTE_REFRESH, b"\0\1\0"))
    assert speaker.read_notification()[:2] == (7, 1)


def test_md5_password_is_needed(test):
    def protect(sock, address, password):
        """TCP_MD5SIG of linux/tcp.h: address, flags, prefix length, key length, interface, key."""
        key = struct.pack("=HH4s120xBBHI80s", socket.AF_INET, 0, socket.inet_aton(address), 0, 0, len(password), 0, password)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, 14, key)
        except OSError as error:
            raise Skip(f"TCP-MD5: {error}")

    with socket.socket() as probe:
        protect(probe, "127.0.0.1", b"x")
    listener = Listener(test, bgp_daemon_md5_file=test.write("md5", "127.0.0.21, secret word\n"))
    plain = socket.socket()
    plain.bind(("127.0.0.21", 0))
    plain.settimeout(1)
    try:
        plain.connect(("127.0.0.1", listener.port))
        raise AssertionError("connected without the password")
    except TimeoutError:
        plain.close()
    listen = socket.socket()
    listen.bind(("127.0.0.21", 0))
    protect(listen, "127.0.0.1", b"secret word")
    listen.connect(("127.0.0.1", listener.port))
    listen.send(message(KEEPALIVE))
    listen.settimeout(5)
    assert listen.recv(100)[18] == 3
    assert listener.stats()["connections_accepted"] == 1


def test_wrong_files_are_named_at_start(test):
    import subprocess
    bad = test.write("bad", "127.0.0.1\n\n10.0.0.1/33\n")
    run = subprocess.run([BUILD / "tests/bgp_listen", "bgp_daemon_ip: 127.0.0.1", f"bgp_daemon_allow_file: {bad}"],
                         capture_output=True, text=True)
    assert run.returncode == 1 and run.stderr == f"{bad}:3: not an IP address or prefix\n", run.stderr
    run = subprocess.run([BUILD / "tests/bgp_listen", f"bgp_daemon_md5_file: {bad}"], capture_output=True, text=True)
    assert run.returncode == 1 and run.stderr == f"{bad}:1: not of the form `address, password`\n", run.stderr


if __name__ == "__main__":
    main(globals())
