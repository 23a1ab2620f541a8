#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""src_roa and dst_roa: how the origins of flows' routes stand to the ROAs of a file and of a cache, and that Debian's pmacct says the same."""
import json
import shutil
import signal
import socket
import struct
import subprocess
import time

from harness import NFACCTD, Skip, free_port, main, wait_for
from bgp_speaker import attributes, prefix, update
import test_bgp_maps
from test_bgp_maps import Rig, local_pref

# The less specific routes stand before those that lie in them. Each route tells itself by its origin.
ROUTES = tuple(update(attributes(path=path, more=local_pref(100)), prefix(network)) for network, path in (
    ("192.168.0.0/16", (64501, 64600)),
    ("192.168.1.0/24", (64501, 64601)),
    ("192.168.2.0/24", (64501, 64602)),
    ("192.168.3.0/24", (64501, 64603)),
    ("172.16.0.0/16", (64501, 64604)),
    ("172.16.4.0/24", (64501, 64605)),
    ("172.18.0.0/16", (64501, 64606)),
    ("172.18.5.0/24", (64501, 64607)),
    ("10.1.0.0/16", (64501, 64608)))) + (update(),)
ROAS = [{"prefix": "192.168.0.0/16", "maxLength": 16, "asn": "64600"}, {"prefix": "192.168.1.0/24", "maxLength": 24, "asn": "AS64601"},
        {"prefix": "172.16.4.0/24", "maxLength": 24, "asn": "64999"}, {"prefix": "172.18.0.0/16", "maxLength": 24, "asn": "AS64999"},
        {"prefix": "10.1.0.0/16", "maxLength": 16, "asn": "AS64608"}]
# Destination, and the letter that tells how its route stands: 192.168.2.0/24 is covered by a ROA of another AS, and the route that
# covers it is valid; that of 172.16.4.0/24 is unknown; that of 172.18.5.0/24 is invalid too; and nobody has a route to the last one.
EXPECTED = {"192.168.1.9": "v", "192.168.2.9": "o", "192.168.9.9": "v", "172.16.9.9": "u", "172.16.4.9": "O", "172.18.5.9": "i",
            "172.18.9.9": "i", "203.0.113.9": "u"}


def conf(test, more=""):
    roas = test.write("roas.json", json.dumps({"metadata": {}, "roas": ROAS}))
    return f"rpki_roas_file: {roas}\nbgp_src_roa_type: bgp\n{more}"


def check(test, text):
    """What --check says of a configuration."""
    conf_file = test.write("checked.conf", text)
    return subprocess.run([NFACCTD, "-f", conf_file, "--check"], capture_output=True, text=True, timeout=60, check=False)


def flows():
    return [{"dst": dst} for dst in EXPECTED]


class RoaRig(Rig):
    """The rig of maps with the two states in its rows."""
    def __init__(self, test, name="ours", more=""):
        super().__init__(test, name, more=more, routes=ROUTES)


def with_states(test, name, more):
    """Runs flows through a daemon whose rows have the states too."""
    usual = test_bgp_maps.CONFIG
    test_bgp_maps.CONFIG = usual.replace("peer_dst_ip{ours}", "peer_dst_ip, dst_roa, src_roa{ours}")
    try:
        return RoaRig(test, name, more)
    finally:
        test_bgp_maps.CONFIG = usual


def test_routes_stand_to_the_roas_of_a_file_as_with_pmacct(test):
    ours = with_states(test, "ours", conf(test))
    got = [(row["roa_dst"], row["roa_src"]) for row in ours.rows(flows())]
    assert got == [(letter, "v") for letter in EXPECTED.values()], got
    theirs = with_states(test, "theirs", conf(test))
    # 1.7.7 says V and U where later versions say o and O.
    told = [(row["roa_dst"].replace("V", "o").replace("U", "O"), row["roa_src"]) for row in theirs.rows(flows())]
    assert got == told, (got, told)


def test_a_reload_takes_other_roas_and_keeps_the_old_ones_where_they_are_wrong(test):
    rig = with_states(test, "ours", conf(test))
    assert [row["roa_dst"] for row in rig.rows(flows())] == list(EXPECTED.values())
    file = test.dir / "roas.json"
    file.write_text('{"roas": [{"prefix": "192.168.1.0/24", "maxLength": 24, "asn": 1}, {"prefix": "10.0.0.0/8"}]}')
    rig.reload()
    rig.daemon.wait_log("roas.json:1: a ROA is left out: its asn is none")
    changed = ["O", "u", "u", "u", "u", "u", "u", "u"]
    assert [row["roa_dst"] for row in rig.rows(flows())] == changed
    file.write_text('{"roas": [')
    rig.reload(good=False)
    rig.daemon.wait_log("roas.json:1: unexpected token near end of file; expected JSON with a member")
    assert [row["roa_dst"] for row in rig.rows(flows())] == changed


def test_maps_ask_for_the_states(test):
    tags = test.write("tags.map", "set_tag=1 dst_roa=i\nset_tag=2 dst_roa=o\nset_tag=3 src_roa=v dst_roa=-u\nset_tag=4\n")
    usual = test_bgp_maps.CONFIG
    test_bgp_maps.CONFIG = usual.replace("peer_dst_ip{ours}", "peer_dst_ip, tag{ours}")
    try:  # the states are in no row, only the map asks for them
        rig = Rig(test, more=conf(test, f"pre_tag_map: {tags}\n"), routes=ROUTES)
    finally:
        test_bgp_maps.CONFIG = usual
    tag = {"i": 1, "o": 2, "v": 3, "O": 3, "u": 4}
    assert [row["tag"] for row in rig.rows(flows())] == [tag[letter] for letter in EXPECTED.values()]


def test_wrong_files_and_letters_are_refused_at_start(test):
    base = "plugins: print[p]\naggregate[p]: src_host, dst_roa\nbgp_daemon: true\n"
    wrong = test.write("wrong.json", '{"roas": 1}')
    checked = check(test, base + f"rpki_roas_file: {wrong}\n")
    assert checked.returncode == 1 and 'wrong.json:1: "roas" is no array; expected JSON' in checked.stderr, checked
    absent = check(test, base + "rpki_roas_file: /nonexistent/roas.json\n")
    assert absent.returncode == 1 and "/nonexistent/roas.json" in absent.stderr, absent
    tags = test.write("tags.map", "set_tag=1 dst_roa=x\n")
    lettered = check(test, base + f"pre_tag_map: {tags}\n")
    assert lettered.returncode == 1 and "expected u, i, v, o or O" in lettered.stderr, lettered
    noticed = check(test, base)
    assert noticed.returncode == 0 and "dst_roa: u without ROAs; name a file of them by rpki_roas_file" in noticed.stderr, noticed


# ---- caches ----

def write_vrps(path, roas):
    vrps = [{**roa, "asn": str(roa["asn"]), "ta": "t", "expires": int(time.time()) + 86400} for roa in roas]
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps({"metadata": {"buildtime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}, "roas": vrps}))
    aside.rename(path)


def stayrtr(test, path, port):
    """The real cache of Debian's stayrtr, which reads the file anew each second."""
    program = shutil.which("stayrtr")
    if not program:
        raise Skip("there is no stayrtr (Debian: stayrtr)")
    cache = test.start([program, "-bind", f"127.0.0.1:{port}", "-cache", str(path), "-refresh", "1", "-checktime=false", "-metrics.addr", "",
                        "-rtr.refresh", "1", "-rtr.retry", "1"], f"stayrtr{port}")
    wait_for(lambda: is_taken(port), lambda: f"a cache:\n{cache.output()}")
    return cache


def is_taken(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def letters(rig):
    return [row["roa_dst"] for row in rig.rows(flows())]


def until_letters(rig, expected):
    """Sends flows until their origins stand so, and each row tells it."""
    wait_for(lambda: letters(rig) == list(expected), lambda: f"{expected}:\n{rig.daemon.output()}")


def run_with_a_real_cache(test, version):
    path, port = test.dir / "vrps.json", free_port(socket.SOCK_STREAM)
    write_vrps(path, ROAS)
    cache = stayrtr(test, path, port)
    rig = with_states(test, "ours", f"rpki_rtr_cache: 127.0.0.1:{port}\nrpki_rtr_cache_version: {version}\n")
    rig.daemon.wait_log(f"rpki: cache 127.0.0.1:{port}: {len(ROAS)} ROAs, serial")
    assert letters(rig) == list(EXPECTED.values())
    changed = [roa for roa in ROAS if roa["prefix"] != "172.18.0.0/16"] + [{"prefix": "10.9.0.0/16", "maxLength": 16, "asn": 1}]
    write_vrps(path, changed)
    after = [letter if not dst.startswith("172.18.") else "u" for dst, letter in EXPECTED.items()]
    until_letters(rig, after)
    return rig, cache, after, path, port


def test_a_real_cache_tells_roas_and_changes_by_version_1(test):
    rig, cache, after, path, port = run_with_a_real_cache(test, 1)
    cache.signal(signal.SIGKILL)
    rig.daemon.wait_log("the connection is lost: the cache closed it; its 5 ROAs hold for another")
    assert letters(rig) == after
    write_vrps(path, [])
    stayrtr(test, path, port)
    until_letters(rig, "u" * len(EXPECTED))


def test_a_real_cache_tells_roas_and_changes_by_version_0(test):
    run_with_a_real_cache(test, 0)


def pdu(kind, session, body=b"", version=0):
    return struct.pack("!BBHI", version, kind, session, 8 + len(body)) + body


def ipv4(network, length, asn, flags=1, max_len=None, version=0):
    return pdu(4, 0, struct.pack("!BBBx4sI", flags, length, max_len or length, socket.inet_aton(network), asn), version)


def end_of_data(serial, session=7, version=0):
    return pdu(7, session, struct.pack("!I", serial) + (struct.pack("!III", 3600, 1, 7200) if version else b""), version)


class Cache:
    """A cache of the test's own, for what no real one does."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)
        self.port = self.listener.getsockname()[1]
        self.connection = None

    def accept(self):
        if self.connection:
            self.connection.close()
        self.connection = self.listener.accept()[0]
        self.connection.settimeout(60)
        return self

    def query(self):
        """The next question: its version, its kind, and the session and serial number that it names."""
        data = self.connection.recv(8, socket.MSG_WAITALL)
        version, kind, session, length = struct.unpack("!BBHI", data)
        body = self.connection.recv(length - 8, socket.MSG_WAITALL) if length > 8 else b""
        return version, kind, session, struct.unpack("!I", body)[0] if body else None

    def send(self, *pdus):
        self.connection.sendall(b"".join(pdus))
        return self


def rig_with(test, cache, version=0):
    return with_states(test, "ours", f"rpki_rtr_cache: 127.0.0.1:{cache.port}\nrpki_rtr_cache_version: {version}\n")


V1 = ipv4("192.168.1.0", 24, 64601)


def test_changes_hold_together_and_a_reset_begins_anew(test):
    cache = Cache()
    rig = rig_with(test, cache)
    assert cache.accept().query() == (0, 2, 0, None)
    cache.send(pdu(3, 7), V1, ipv4("172.16.4.0", 24, 1))
    assert letters(rig) == ["u"] * 8  # the answer has not ended
    cache.send(end_of_data(10))
    until_letters(rig, "vuuuOuuu")
    cache.send(pdu(0, 7, struct.pack("!I", 11)))
    assert cache.query() == (0, 1, 7, 10)
    # The last word on a ROA counts.
    cache.send(pdu(3, 7), ipv4("172.16.4.0", 24, 1, flags=0), ipv4("192.168.2.0", 24, 9), ipv4("192.168.2.0", 24, 9, flags=0),
               ipv4("192.168.3.0", 24, 9, flags=0), ipv4("192.168.3.0", 24, 9), end_of_data(11))
    until_letters(rig, "vuuuuuuu")
    cache.send(pdu(0, 7, struct.pack("!I", 12)))
    assert cache.query() == (0, 1, 7, 11)
    cache.send(pdu(8, 0))
    assert cache.query() == (0, 2, 0, None)
    cache.send(pdu(3, 8), ipv4("172.18.0.0", 16, 9), end_of_data(1, 8))
    until_letters(rig, "uuuuuuii"[:5] + "iiu")


def test_what_a_cache_does_wrong_ends_the_connection_and_not_the_roas(test):
    cache = Cache()
    of_version_1, response = ipv4("192.168.1.0", 24, 64601, version=1), pdu(3, 7, version=1)
    rig = rig_with(test, cache, 1)
    cache.accept().query()
    cache.send(response, of_version_1, end_of_data(10, version=1))
    until_letters(rig, "vuuuuuuu")
    for wrong, said in ((b"HTTP/1.1 400 Bad Request\r\n\r\n", "it sent what is no message of RTR"), (of_version_1, "it sent a ROA outside of an answer"),
                        (end_of_data(3, version=1), "it ended an answer that had not begun"), (response + response, "it sent an answer that nobody asked for"),
                        (pdu(10, 1, struct.pack("!II", 0, 4) + b"ow\n!", version=1), "it refuses: error 1: ow?!"),
                        (response + ipv4("10.0.0.0", 33, 1, version=1), "it sent what is no message of RTR")):
        is_asked = wrong.startswith(response)
        if is_asked:
            cache.send(pdu(0, 7, struct.pack("!I", 11), version=1))
            cache.query()
        cache.send(wrong)
        rig.daemon.wait_log(said)
        # It goes on where it was, or asks for all where it had asked what changed.
        assert cache.accept().query() == ((1, 2, 0, None) if is_asked else (1, 1, 7, 10))
        cache.send(response, *([of_version_1] if is_asked else []), end_of_data(10, version=1))
        rig.daemon.wait_log("1 ROAs, serial 10")
    assert letters(rig) == list("vuuuuuuu")
    cache.send(pdu(0, 7, struct.pack("!I", 11), version=1))
    cache.query()
    cache.send(pdu(3, 9, version=1))  # another session: the cache has begun anew
    assert cache.accept().query() == (1, 2, 0, None)


def test_an_older_cache_is_asked_by_version_0(test):
    cache = Cache()
    rig = rig_with(test, cache, 1)
    assert cache.accept().query() == (1, 2, 0, None)
    cache.send(pdu(10, 4, struct.pack("!II", 0, 0)))
    assert cache.accept().query() == (0, 2, 0, None)
    cache.send(pdu(10, 2, struct.pack("!II", 0, 0)))
    rig.daemon.wait_log("it has no data yet; there are no ROAs, and origins are unknown until it answers")
    assert cache.query() == (0, 2, 0, None)
    cache.send(pdu(3, 7), V1, end_of_data(1))
    until_letters(rig, "vuuuuuuu")


def test_a_file_and_a_cache_are_two_truths(test):
    base = "plugins: print[p]\naggregate[p]: src_host, dst_roa\nbgp_daemon: true\n"
    roas = test.write("roas.json", '{"roas": []}')
    both = check(test, base + f"rpki_roas_file: {roas}\nrpki_rtr_cache: 127.0.0.1:3323\n")
    assert both.returncode == 1 and "rpki_roas_file is set too; ROAs come from one of them" in both.stderr, both
    for wrong in ("127.0.0.1", "::1:3323", "cache.example:3323", "127.0.0.1:0", "[::1]"):
        refused = check(test, base + f"rpki_rtr_cache: '{wrong}'\n")
        assert refused.returncode == 1 and "rpki_rtr_cache: expected an address and a port, such as " in refused.stderr, refused
    assert check(test, base + "rpki_rtr_cache: [::1]:3323\n").returncode == 0


if __name__ == "__main__":
    main(globals())
