#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Collectors share templates: nfacctd_templates_receiver sends on what arrives, nfacctd_templates_port takes it; ours with ours, and
each with Debian's pmacct. Datagrams are parted as a load balancer would: templates to one collector, data to the other."""
import os
import pathlib
import pwd
import signal
import struct
import sys

from harness import Skip, free_port, json_lines, main, need, need_pmacct, need_root, wait_for
import exports  # harness knows where it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from small_service_manager import SmallServiceManager
from test_tee import Receiver
from test_tee_transparent import Namespace

FIELDS = [(8, 4), (12, 4), (1, 8), (2, 8)]
EXPORTERS = [f"127.0.8.{n}" for n in range(1, 10)]
RATE = [(149, 4), (305, 4)]


def config(test, name, more=""):
    return f"""plugins: print[out]
aggregate[out]: peer_src_ip, src_host
print_output[out]: json
print_output_file[out]: {test.dir}/{name}.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
daemonize: false
{more}
"""


def own_port(address="127.0.0.1"):
    port = free_port(address=address)
    return port, f"nfacctd_ip: {address}\nnfacctd_port: {port}\n"


def totals(test, name):
    """Packets and bytes of each exporter."""
    out = {}
    for row in json_lines(test.dir / f"{name}.json"):
        packets, octets = out.get(row["peer_ip_src"], (0, 0))
        out[row["peer_ip_src"]] = packets + row["packets"], octets + row["bytes"]
    return out


def wait_totals(test, name, truth, daemon):
    wait_for(lambda: totals(test, name) == truth, lambda: f"{truth}, not {totals(test, name)}\n{daemon.output()}")


def sum_of(stats, key):
    return sum(w[key] for w in stats["workers"])


def sent(stats, key="sent"):
    return sum(w["templates_sent"][key] for w in stats["workers"])


def exporters_sum(stats, key, drops=False):
    return sum((e["drops"] if drops else e)[key] for e in stats["exporters"])


class Export:
    """What an exporter sends: a template of NetFlow v9 or IPFIX, and data of it, in datagrams of their own."""

    def __init__(self, number):
        self.number, self.stream = number, exports.Ipfix(fields=FIELDS, template_id=300 + number, domain=number)
        self.is_v9 = number % 2 == 1
        self.sequence = 0

    def template(self):
        if not self.is_v9:
            return self.stream.announce()
        self.sequence += 1
        flowset = exports.ipfix_set(0, exports.template(300 + self.number, FIELDS))
        return exports.netflow9([flowset], 1, self.sequence, self.number)

    def data(self, count):
        rows = [[f"10.{self.number}.0.{k + 1}", "192.0.2.1", 100 * self.number, 2] for k in range(count)]
        if not self.is_v9:
            return self.stream.data(rows)
        self.sequence += 1
        body = b"".join(exports.record(FIELDS, row) for row in rows)
        return exports.netflow9([exports.ipfix_set(300 + self.number, body)], count, self.sequence, self.number)


def share(test, workers):
    need_root()
    templates = free_port()
    (b_port, b_own), (a_port, a_own) = own_port(), own_port()
    b = test.nfacctd(config(test, "b", f"{b_own}nfacctd_workers: {workers}\nnfacctd_templates_port: {templates}"), name="b")
    b.wait_log(f"templates of other collectors are taken at port {templates}")
    a = test.nfacctd(config(test, "a", f"{a_own}nfacctd_workers: {workers}\nnfacctd_templates_receiver: 127.0.0.1:{templates}"), name="a")
    a.wait_log(f"templates that arrive are sent on to 127.0.0.1:{templates}")
    these = {address: Export(number) for number, address in enumerate(EXPORTERS, 1)}
    # Data comes first at half of them: it waits at the other collector for the template that comes by the first.
    for address, export in list(these.items())[::2]:
        test.send(export.data(3), source=address, port=b_port)
    test.wait_now(b, lambda s: exporters_sum(s, "pending_sets") == 5, "data waits", name="b")
    for address, export in these.items():
        test.send(export.template(), source=address, port=a_port)
    a_stats = test.wait_now(a, lambda s: sent(s) == exporters_sum(s, "templates") == len(these), "all sent on and learned", name="a")
    test.wait_now(b, lambda s: exporters_sum(s, "shared_templates") == len(these), "all learned", name="b")
    for address, export in these.items():
        for _ in range(4):
            test.send(export.data(5), source=address, port=b_port)
    truth = {}
    for index, (address, export) in enumerate(these.items()):
        flows = 20 + (3 if index % 2 == 0 else 0)
        truth[address] = 2 * flows, 100 * export.number * flows
    wait_totals(test, "b", truth, b)
    assert totals(test, "a") == {}, totals(test, "a")
    assert exporters_sum(a_stats, "shared_templates") == 0
    stats = test.wait_now(b, lambda s: s["datagrams"]["waiting"] == 0, "rest", name="b")
    assert stats["datagrams"]["residual"] == 0 and stats["datagrams"]["refused"] == 0, stats["datagrams"]
    assert sum_of(stats, "template_datagrams") == len(these), stats["workers"]
    assert exporters_sum(stats, "sequence_back") == 0, stats["exporters"]
    for daemon in a, b:
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0, daemon.output()


def test_data_alone_is_decoded_by_one_worker(test):
    share(test, 1)


def test_data_alone_is_decoded_by_several_workers(test):
    share(test, 3)


def test_what_is_sent(test):
    """Header and sets of templates, nothing else, under the exporter's address and port; of a daemon that has become another user."""
    need_root()
    receiver, (port, own) = Receiver(), own_port()
    test.dir.chmod(0o777)
    daemon = test.nfacctd(config(test, "a", f"{own}user: {pwd.getpwnam('nobody').pw_name}\nnfacctd_templates_receiver: {receiver.name}"))
    one = exports.ipfix_set(2, exports.template(256, FIELDS))
    options = exports.ipfix_set(3, exports.template(257, RATE, 1))
    data = exports.ipfix_set(256, exports.record(FIELDS, ["10.0.0.1", "192.0.2.1", 1, 1]))
    rate = exports.ipfix_set(257, exports.record(RATE, [1, 100]))
    whole, other = exports.ipfix([one, data, options, rate], 77, 5), exports.ipfix([data, one], 78, 6)
    v9_one = exports.ipfix_set(0, exports.template(256, FIELDS) + exports.template(259, FIELDS))
    v9_options = exports.ipfix_set(1, struct.pack("!HHHHHHH", 258, 4, 4, 1, 4, 34, 4))
    test.send(exports.ipfix([data], 76, 5), source="127.0.8.1")           # no templates: nothing is sent
    test.send(whole + other, source="127.0.8.1")                         # two messages in one datagram
    test.send(exports.netflow9([v9_one, data, v9_options], 4, 9, 3), source="127.0.8.2")
    test.send(b"", b"\0\x0a", b"\0\x09" + bytes(30), exports.ipfix([one], 1)[:-3], whole + b"\0\x0a\xff\xff", source="127.0.8.3")
    receiver.wait(4)
    expected = [struct.pack("!HH", 10, 16 + len(one + options)) + whole[4:16] + one + options,
                struct.pack("!HH", 10, 16 + len(one)) + other[4:16] + one]
    v9 = exports.netflow9([v9_one, v9_options], 3, 9, 3)
    assert receiver.got[:2] == expected, receiver.got
    assert receiver.got[2][:4] == v9[:4] and receiver.got[2][12:] == v9[12:], (receiver.got[2], v9)
    assert receiver.got[3] == expected[0]
    sources = [test.sockets[f"127.0.8.{n}"].getsockname() for n in (1, 1, 2, 3)]
    assert receiver.sources == sources, (receiver.sources, sources)
    stats = test.wait_now(daemon, lambda s: sent(s) == 4, "four sent")
    # Its flows are counted as ever, and a reload needs no right.
    wait_totals(test, "a", {"127.0.8.1": (3, 3), "127.0.8.2": (1, 1), "127.0.8.3": (1, 1)}, daemon)
    daemon.signal(signal.SIGHUP)
    daemon.signal(signal.SIGUSR2)
    test.send(exports.ipfix([one], 1, 9), source="127.0.8.1")
    assert receiver.wait(5)[4][16:] == one
    assert stats["datagrams"]["residual"] == 0


def test_templates_alone_are_taken(test):
    """Data at that port is dropped, counted and told; nothing that comes there upsets what the exporter itself has sent."""
    templates, allowed = free_port(), test.write("allowed", "127.0.8.1\n127.0.8.2\n")
    port, own = own_port()
    daemon = test.nfacctd(config(test, "b", f"{own}nfacctd_workers: 2\nnfacctd_templates_port: {templates}\nnfacctd_allow_file: {allowed}"))
    stream = exports.Ipfix(fields=FIELDS)
    rows = [["10.0.0.1", "192.0.2.1", 100, 2]]
    test.send(stream.announce(), stream.data(rows), source="127.0.8.1", port=port)
    wait_totals(test, "b", {"127.0.8.1": (2, 100)}, daemon)
    for n in range(50):  # the clock is wrong there, and so are the numbers
        test.send(exports.ipfix([exports.ipfix_set(2, exports.template(300 + n, FIELDS))], 1000 * n, 1, export_time=5), source="127.0.8.1", port=templates)
    data = exports.ipfix([exports.ipfix_set(256, exports.record(FIELDS, rows[0]))], 5)
    test.send(data, data, b"", b"\0", exports.netflow5([{"src": "10.0.0.1", "dst": "10.0.0.2"}]), b"\0\x0a\0\x08" + bytes(20), b"\0\x09",
              exports.ipfix([b"\0\x02\0\x01"]), exports.ipfix([exports.ipfix_set(9, bytes(8))]), exports.ipfix([]) + b"??", source="127.0.8.1", port=templates)
    test.send(data, source="127.0.8.2", port=templates)
    for _ in range(20):
        test.send(stream.announce(), os.urandom(200), source="127.0.8.9", port=templates)
    test.send(stream.data(rows), source="127.0.8.1", port=port)
    wait_totals(test, "b", {"127.0.8.1": (4, 200)}, daemon)
    count = 50 + 10 + 1 + 40
    stats = test.wait_now(daemon, lambda s: sum_of(s, "template_datagrams") == count and s["datagrams"]["waiting"] == 0, "all read")
    exporter = next(e for e in stats["exporters"] if e["address"] == "127.0.8.1")
    assert exporter["shared_templates"] == 50 and exporter["templates"] == 51, exporter
    assert exporter["sequence_gaps"] == exporter["sequence_back"] == exporter["clock_behind_ms"] == 0, exporter
    drops = {key: n for key, n in exporter["drops"].items() if n}
    assert drops == {"shared_data": 2, "truncated_header": 3, "bad_version": 1, "bad_length": 1, "bad_set_length": 1, "unknown_set": 1,
                     "trailing_bytes": 1}, drops
    assert sum_of(stats, "not_allowed") == 40, stats["workers"]
    assert stats["datagrams"]["residual"] == 0, stats["datagrams"]
    for address in EXPORTERS[:2]:
        daemon.wait_log(f"exporter {address}: domain 1: data of template 256; nfacctd_templates_port takes templates alone, and its flows are not counted")
    assert stats["instances"][0]["decoded"]["flows"] == 2, stats["instances"]
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0, daemon.output()


def test_over_ipv6_and_beyond_the_mtu(test):
    """A message that is longer than the MTU comes whole; families are not bridged, which is counted and told."""
    n = Namespace(test)
    b = test.nfacctd(config(test, "b", "nfacctd_ip: ::\nnfacctd_port: 2200\nnfacctd_templates_port: 2201"), prefix=n.prefix, name="b")
    a = test.nfacctd(config(test, "a", "nfacctd_ip: ::\nnfacctd_port: 2100\nnfacctd_templates_receiver: [::1]:2201"), prefix=n.prefix, name="a")
    six, four = n.exporter("2001:db8::1"), n.exporter("192.0.2.1")
    count = 300
    sets = [exports.ipfix_set(2, b"".join(exports.template(256 + k, FIELDS) for k in range(count)))]
    six.sendto(exports.ipfix(sets), ("::1", 2100))
    four.sendto(exports.ipfix(sets[:1]), ("127.0.0.1", 2100))
    test.wait_now(b, lambda s: exporters_sum(s, "shared_templates") == count, "all learned", name="b")
    six.sendto(exports.ipfix([exports.ipfix_set(256 + k, exports.record(FIELDS, ["10.0.0.1", "192.0.2.1", 10, 1])) for k in range(0, count, 10)]),
               ("::1", 2200))
    wait_totals(test, "b", {"2001:db8::1": (30, 300)}, b)
    stats = test.wait_now(a, lambda s: sent(s, "dropped_family") == 1, "one of the other family", name="a")
    assert sent(stats) == 1, stats["workers"]
    a.wait_log("nfacctd_templates_receiver: [::1]:2201: 1 messages of templates dropped: the exporter's address is of the other family; "
               "IPv4 exporters need a receiver with an IPv4 address")


def test_the_right_is_missing(test):
    """Without CAP_NET_RAW the daemon does not start, and says which line of the unit gives it; to take templates needs no right."""
    need_root()
    prefix = [need("setpriv"), "--bounding-set=-net_raw"]
    daemon = test.nfacctd(config(test, "a", f"nfacctd_templates_receiver: 127.0.0.1:{free_port()}"), prefix=prefix, ready=False)
    assert daemon.wait() == 1
    for expected in ("nfacctd.conf:", "nfacctd_templates_receiver: addresses of exporters can be used as source by raw sockets alone, which need CAP_NET_RAW",
                     "take the comment from the line with CAP_NET_RAW in the daemon's systemd unit"):
        assert expected in daemon.output(), daemon.output()
    daemon = test.nfacctd(config(test, "b", f"nfacctd_templates_port: {free_port()}"), prefix=prefix, name="b")
    daemon.wait_log("templates of other collectors are taken")


def test_mistakes_are_told(test):
    port, own = own_port()
    for more, words in (
            ("nfacctd_templates_receiver: collector:2101", "nfacctd_templates_receiver: bad value 'collector:2101'; expected ADDRESS:PORT or [IPV6]:PORT of another collector"),
            ("nfacctd_templates_receiver: 127.0.0.1", "ADDRESS:PORT or [IPV6]:PORT of another collector"),
            (f"nfacctd_templates_receiver: 127.0.0.1:{port}", "is this daemon's own port: each template would come back without end"),
            (f"nfacctd_templates_port: {port}", f"nfacctd_templates_port: {port} is the port for exports; choose another one")):
        daemon = test.nfacctd(config(test, "a", own + more), "--check", ready=False)
        assert daemon.wait() == 1 and words in daemon.output(), (words, daemon.output())
        assert "nfacctd.conf:" in daemon.output(), daemon.output()
    both = f"nfacctd_templates_receiver: 127.0.0.2:{port}\nnfacctd_templates_port: {free_port()}"
    daemon = test.nfacctd(config(test, "a", own + both), "--check", ready=False)
    assert daemon.wait() == 0, daemon.output()
    daemon = test.sfacctd(config(test, "a", own + both).replace("nfacctd_ip", "sfacctd_ip"), "--check", ready=False)
    assert daemon.wait() == 0 and "have no effect here: nfacctd_templates_receiver (" in daemon.output(), daemon.output()


def test_the_socket_outlives_a_restart(test):
    """Templates that are sent while no daemon runs wait with the data, also for other numbers of workers; without the key the manager is
    told to close the socket."""
    manager, templates = SmallServiceManager(test), free_port()
    port, own = own_port()
    truth = {address: [0, 0] for address in EXPORTERS}
    for workers in 1, 3, 3, 2:
        daemon = manager.start(config(test, "b", f"{own}nfacctd_templates_port: {templates}\nnfacctd_workers: {workers}"))
        manager.wait_line("READY=1")
        manager.wait_names([f"nfacctd.{i}" for i in range(workers)] + ["nfacctd_templates.0"])
        wait_totals(test, "b", {a: tuple(t) for a, t in truth.items() if t[0]}, daemon)
        if workers == 2:
            break
        assert daemon.stop() == 0, daemon.output()
        assert not [k for k in test.stats(daemon.name)["exporters"] if k["drops"]["no_template"]], daemon.output()
        for number, address in enumerate(EXPORTERS, 1):
            export = Export(number)
            export.stream.template_id = 400 + workers
            test.send(exports.ipfix([exports.ipfix_set(2, exports.template(900 + 10 * daemon.popen.pid % 60000, FIELDS))], 0, number), source=address, port=templates)
            test.send(exports.ipfix([exports.ipfix_set(900 + 10 * daemon.popen.pid % 60000, exports.record(FIELDS, ["10.0.0.1", "192.0.2.1", 10, 1]))], 0, number),
                      source=address, port=port)
            truth[address][0] += 1
            truth[address][1] += 10
    assert daemon.stop() == 0, daemon.output()
    daemon = manager.start(config(test, "b", own + "nfacctd_workers: 2"))
    manager.wait_line("READY=1")
    manager.wait_names(["nfacctd.0", "nfacctd.1"])
    daemon.wait_log("a descriptor that the service manager kept as nfacctd_templates.0 is closed")
    assert daemon.stop() == 0, daemon.output()


def theirs(test, name, more):
    process = test.start([need_pmacct("sbin/nfacctd"), "-f", test.write(f"{name}.conf", config(test, name, more))], name)
    process.wait_log("waiting for NetFlow/IPFIX data on")
    return process


def part(test, a_port, b_port, wait_learned):
    these = {address: Export(number) for number, address in enumerate(EXPORTERS, 1)}
    for address, export in these.items():
        test.send(export.template(), source=address, port=a_port)
    wait_learned(len(these))
    for address, export in these.items():
        test.send(export.data(5), source=address, port=b_port)
    return {address: (10, 500 * export.number) for address, export in these.items()}


def test_pmacct_sends_to_ours(test):
    need_root()
    templates, (b_port, b_own), (a_port, a_own) = free_port(), own_port(), own_port()
    b = test.nfacctd(config(test, "b", f"{b_own}nfacctd_workers: 2\nnfacctd_templates_port: {templates}"), name="b")
    a = theirs(test, "theirs", f"{a_own}nfacctd_templates_receiver: 127.0.0.1:{templates}\ndebug: true\n")

    def learned(count):
        wait_for(lambda: a.output().count("template ID") >= count, lambda: a.output()[-3000:])
        try:
            test.wait_now(b, lambda s: exporters_sum(s, "shared_templates") == count, "learned from pmacct", name="b", seconds=2)
        except AssertionError as error:
            if sum_of(test.now(b, "b"), "template_datagrams") > 0:
                raise
            raise Skip("Debian's pmacct has its raw socket and the templates, and sends none (its issue 611)") from error
    truth = part(test, a_port, b_port, learned)
    wait_totals(test, "b", truth, b)


def test_ours_sends_by_a_replicator_of_pmacct(test):
    """As collectors behind a load balancer are set up: each sends to a transparent tee, which sends to each one's port for templates."""
    need_root()
    templates, tee_port, (b_port, b_own), (a_port, a_own) = free_port(), free_port(), own_port(), own_port()
    names = {"a": free_port(), "b": templates}
    rows = test.write("tee.lst", "id=1 ip=" + ",".join(f"127.0.0.1:{port}" for port in names.values()) + "\n")
    tee = test.start([need_pmacct("sbin/nfacctd"), "-f", test.write("tee.conf", f"""daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {tee_port}
plugins: tee[out]
tee_receivers[out]: {rows}
tee_transparent[out]: true
""")], "tee")
    tee.wait_log("waiting for NetFlow/IPFIX data on")
    receiver = f"nfacctd_templates_receiver: 127.0.0.1:{tee_port}"
    b = test.nfacctd(config(test, "b", f"{b_own}nfacctd_workers: 2\nnfacctd_templates_port: {names['b']}\n{receiver}"), name="b")
    a = test.nfacctd(config(test, "a", f"{a_own}nfacctd_workers: 2\nnfacctd_templates_port: {names['a']}\n{receiver}"), name="a")

    def learned(count):
        def all_have():
            for address, export in {a: Export(n) for n, a in enumerate(EXPORTERS, 1)}.items():  # the tee opens its sockets when it likes
                test.send(export.template(), source=address, port=a_port)
            return all(exporters_sum(test.now(d, name), "shared_templates") >= count and len(test.now(d, name)["exporters"]) == count
                       for d, name in ((b, "b"), (a, "a")))
        wait_for(all_have, lambda: f"all learned:\n{tee.output()}\n{test.now(b, 'b')['workers']}")
    truth = part(test, a_port, b_port, learned)
    wait_totals(test, "b", truth, b)
    stats = test.now(b, "b")
    assert sent(stats) == 0, "what others have sent is not sent on"


def test_ours_sends_to_pmacct(test):
    need_root()
    templates, (b_port, b_own), (a_port, a_own) = free_port(), own_port(), own_port()
    b = theirs(test, "theirs", f"{b_own}nfacctd_templates_port: {templates}\ndebug: true\n")
    a = test.nfacctd(config(test, "a", f"{a_own}nfacctd_templates_receiver: 127.0.0.1:{templates}"), name="a")
    truth = part(test, a_port, b_port, lambda count: [
        test.wait_now(a, lambda s: sent(s) == count, "sent to pmacct", name="a"),
        wait_for(lambda: b.output().count("NfV") + b.output().count("emplate") >= count, lambda: b.output()[-3000:])])
    wait_for(lambda: totals(test, "theirs") == truth, lambda: f"{truth}, not {totals(test, 'theirs')}\n{b.output()[-3000:]}")


if __name__ == "__main__":
    main({name: value for name, value in globals().items() if not name.startswith("test_") or value.__module__ == "__main__"})
