#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tee_transparent: receivers see exporters as source, over IPv4 and IPv6, also beyond the MTU. In a network namespace."""
import ctypes
import os
import pathlib
import pwd
import select
import signal
import socket
import subprocess
import sys

from harness import Skip, main, need, need_root, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from test_tee import Receiver, config, counters, instance, netflow5, tee_pid

MTU = 1500


class Namespace:
    """A network namespace of the test's own, whose loopback has the MTU of Ethernet and addresses of exporters."""

    def __init__(self, test):
        need_root()
        self.name = f"tee{os.getpid()}"
        self.prefix = ["ip", "netns", "exec", self.name]
        made = subprocess.run([need("ip"), "netns", "add", self.name], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Skip(f"a network namespace cannot be made: {made.stderr.strip()}")
        test.cleanups.append(lambda: subprocess.run(["ip", "netns", "delete", self.name], check=False))
        self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0")
        self.run("ip", "link", "set", "lo", "up", "mtu", MTU)
        for number in (1, 2):
            self.run("ip", "-6", "address", "add", f"2001:db8::{number}/128", "dev", "lo")
            self.run("ip", "address", "add", f"192.0.2.{number}/32", "dev", "lo")
        test.namespace = self

    def run(self, *args):
        done = subprocess.run([str(a) for a in (*self.prefix, *args)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (args, done.stderr)

    def inside(self, make):
        """What make() returns, which it makes there: sockets stay in the namespace."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net") as before, open(f"/run/netns/{self.name}") as there:
            assert libc.setns(there.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
            try:
                return make()
            finally:
                assert libc.setns(before.fileno(), 0) == 0

    def exporter(self, address):
        def make():
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((address, 0))
            return s
        return self.inside(make)


def start(test, rows, more=""):
    text = config(test, rows, f"nfacctd_ip: ::\nnfacctd_port: 2100\ntee_transparent[out]: true\n{more}")
    return test.nfacctd(text, prefix=test.namespace.prefix)


def send(exporter, *payloads):
    address = "::1" if exporter.family == socket.AF_INET6 else "127.0.0.1"
    for payload in payloads:
        exporter.sendto(payload, (address, 2100))
    return exporter.getsockname()[:2]


def test_receivers_see_the_exporter(test):
    """Address and port are the exporter's, whatever user the daemon has become; payloads of any length come whole."""
    n = Namespace(test)
    v4, v6 = n.inside(lambda: Receiver("127.0.0.1", 9001)), n.inside(lambda: Receiver("::1", 9002))
    nobody = pwd.getpwnam("nobody")
    test.dir.chmod(0o777)
    daemon = start(test, "id=1 ip=127.0.0.1:9001\nid=2 ip=[::1]:9002", f"user: {nobody.pw_name}\ntee_ipprec[out]: 3")
    one, other, six = n.exporter("192.0.2.1"), n.exporter("192.0.2.2"), n.exporter("2001:db8::1")
    sizes = [0, 1, 1400, 1472, 1473, 1474, 2952, 2953, 9000, 65507]
    payloads = [os.urandom(size) for size in sizes]
    for index, payload in enumerate(payloads):
        source = send(one, payload)
        v4.wait(index + 1)
    assert v4.got == payloads and set(v4.sources) == {source}, (list(map(len, v4.got)), v4.sources)
    source = send(other, payloads[0])
    v4.wait(len(sizes) + 1)
    assert v4.sources[-1] == source
    sizes = [0, 1, 1452, 1453, 2896, 9000, 65527 - 20]
    payloads = [os.urandom(size) for size in sizes]
    for index, payload in enumerate(payloads):
        source = send(six, payload)
        v6.wait(index + 1)
    assert v6.got == payloads and set(v6.sources) == {source}, (list(map(len, v6.got)), v6.sources)
    # Families are not bridged, which is counted and told.
    stats = test.wait_now(daemon, lambda s: counters(s).get("2 [::1]:9002 sent") == 7 and counters(s).get("1 127.0.0.1:9001 sent") == 11, "all sent")
    assert counters(stats)["2 [::1]:9002 dropped_family"] == 11 and counters(stats)["1 127.0.0.1:9001 dropped_family"] == 7, counters(stats)
    daemon.wait_log("datagrams dropped: the exporter's address is of the other family; give IPv4 and IPv6 exporters receivers of their own")
    # A process that is started anew, and receivers that are read anew, need no right either.
    os.kill(tee_pid(stats), signal.SIGKILL)
    test.wait_now(daemon, lambda s: instance(s)["process"]["restarts"] == 1 and instance(s)["process"]["is_open"], "a new process")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("tee_receivers: read anew")
    source = send(one, b"again")
    assert v4.wait(12)[-1] == b"again" and v4.sources[-1] == source
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0


def test_the_class_of_traffic(test):
    """tee_ipprec stands in packets with a source of somebody else, whole and in fragments."""
    n = Namespace(test)
    v4, v6 = n.inside(lambda: Receiver("127.0.0.1", 9001)), n.inside(lambda: Receiver("::1", 9002))
    v4.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    v6.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    start(test, "id=1 ip=127.0.0.1:9001\nid=2 ip=[::1]:9002", "tee_ipprec[out]: 3")
    for receiver, exporter in ((v4, n.exporter("192.0.2.1")), (v6, n.exporter("2001:db8::1"))):
        for payload in (netflow5(1), bytes(3000)):
            send(exporter, payload)
            wait_for(lambda r=receiver: select.select([r.socket], [], [], 0)[0], "a datagram")
            data, ancillary, *_ = receiver.socket.recvmsg(5000, 100)
            assert data == payload and ancillary[0][2][0] == 3 << 5, (len(data), ancillary)


def lost(test, rows, more, outcome, words, payload=b""):
    """Sends until a receiver that gets nothing has lost something for this reason."""
    n = test.namespace
    good = n.inside(lambda: Receiver("127.0.0.1", 9001))
    daemon = test.nfacctd(config(test, rows, f"nfacctd_port: 2100\n{more}"), prefix=n.prefix)
    exporter, sent = n.exporter("192.0.2.1"), [0]

    def is_lost(stats):
        for _ in range(20):
            send(exporter, payload or netflow5(1))
            sent[0] += 1
        good.take()
        return counters(stats).get(outcome, 0) > 0
    test.wait_now(daemon, is_lost, outcome)
    name = outcome.rsplit(" ", 1)[0]

    def chosen(stats, receiver):
        return sum(count for key, count in counters(stats).items() if key.startswith(receiver))
    stats = test.wait_now(daemon, lambda s: instance(s)["written"]["flows"] == chosen(s, name) == counters(s)["1 127.0.0.1:9001 sent"] == sent[0],
                          f"{sent[0]} sent, or lost for one")
    daemon.wait_log(words)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0, daemon.output()


def test_no_way_to_a_receiver(test):
    """Others get all; what is lost for it is counted and told."""
    Namespace(test)
    lost(test, "id=1 ip=127.0.0.1:9001,203.0.113.1:9", "", "1 203.0.113.1:9 dropped_unreachable",
         "pool 1, receiver 203.0.113.1:9: ")


def test_a_link_that_is_too_slow(test):
    """A buffer that stays full holds nobody up: the datagram is dropped for its receiver alone."""
    n = Namespace(test)
    try:
        n.run("ip", "link", "add", "slow", "type", "veth", "peer", "name", "end")
        n.run("ip", "link", "set", "end", "up")
        n.run("ip", "address", "add", "198.51.100.1/24", "dev", "slow")
        n.run("ip", "link", "set", "slow", "up")
        n.run("ip", "neighbour", "add", "198.51.100.2", "lladdr", "02:00:00:00:00:02", "dev", "slow")
        n.run("tc", "qdisc", "add", "dev", "slow", "root", "tbf", "rate", "8kbit", "burst", "1600", "limit", "10000000")
    except AssertionError as failed:
        raise Skip(f"a slow link cannot be made: {failed}") from None
    lost(test, "id=1 ip=127.0.0.1:9001\nid=2 ip=198.51.100.2:9", "tee_pipe_size[out]: 5000", "2 198.51.100.2:9 dropped_buffer_full",
         "pool 2, receiver 198.51.100.2:9: ", bytes(1400))


def test_the_right_is_missing(test):
    """Without CAP_NET_RAW the daemon does not start, and says which line of the unit gives it."""
    Namespace(test)
    program = need("setpriv")
    text = config(test, "id=1 ip=127.0.0.1:9001", "nfacctd_port: 2100\ntee_transparent[out]: true")
    daemon = test.nfacctd(text, prefix=[*test.namespace.prefix, program, "--bounding-set=-net_raw"], ready=False)
    assert daemon.wait() == 1
    for expected in ("nfacctd.conf:", "tee_transparent[out]: addresses of exporters can be used as source by raw sockets alone, which need CAP_NET_RAW",
                     "take the comment from the line with CAP_NET_RAW in the daemon's systemd unit"):
        assert expected in daemon.output(), daemon.output()


def test_without_the_key_no_right_is_needed(test):
    n = Namespace(test)
    receiver = n.inside(lambda: Receiver("127.0.0.1", 9001))
    text = config(test, "id=1 ip=127.0.0.1:9001", "nfacctd_port: 2100")
    test.nfacctd(text, prefix=[*n.prefix, need("setpriv"), "--bounding-set=-net_raw"])
    payload = os.urandom(9000)
    send(n.exporter("192.0.2.1"), netflow5(1), payload)
    assert receiver.wait(2)[1] == payload and receiver.sources[0][0] == "127.0.0.1"


if __name__ == "__main__":
    main({name: value for name, value in globals().items() if not name.startswith("test_") or value.__module__ == "__main__"})
