#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real collectors behind a tee account what a real exporter sent, each the same; pmacct's own tee beside ours."""
import pathlib
import sys
import time

from harness import NFACCTD, free_port, main, need, need_pmacct, wait_for
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from test_exporters import totals, traffic
from test_tee import Receiver, config, counters, netflow5
import exports


class Behind:
    """A collector, of the project's or Debian's, that writes out.json in a folder of its own."""

    def __init__(self, test, name, program):
        self.dir, self.port = test.dir / name, free_port()
        self.dir.mkdir()
        text = (f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {self.port}\nnfacctd_renormalize: true\ndaemonize: false\nplugins: print[out]\n"
                f"aggregate[out]: src_host, dst_host, src_port, dst_port, proto\nprint_output[out]: json\n"
                f"print_output_file[out]: {self.dir}/out.json\nprint_output_file_append[out]: true\nprint_refresh_time[out]: 1\n")
        self.process = test.start([program, "-f", test.write(f"{name}.conf", text)], name)
        self.process.wait_log("waiting for NetFlow/IPFIX data on")

    def warm_up(self, test):
        """pmacct's core says that it waits before its plugin does: flows of its own go there until one is written."""
        flow = exports.netflow5([{"src": "203.0.113.1", "dst": "203.0.113.2"}])
        wait_for(lambda: [test.send(flow, port=self.port), time.sleep(0.2), totals(self)][2], "a first row of pmacct's")

    def totals(self):
        return {key: value for key, value in totals(self).items() if key[0] != "203.0.113.1"}


def pass_on(test, version, ipv6):
    program, (pcap, truth) = need("softflowd"), traffic(test, ipv6)
    behind = [Behind(test, "ours", NFACCTD), Behind(test, "theirs", need_pmacct("sbin/nfacctd"))]
    behind[1].warm_up(test)
    names = [f"127.0.0.1:{b.port}" for b in behind]
    daemon = test.nfacctd(config(test, f"id=1 ip={','.join(names)}", f"""aggregate[out]: src_host
plugins: tee[out], print[own]
aggregate[own]: src_host, dst_host, src_port, dst_port, proto
print_output[own]: json
print_output_file[own]: {test.dir}/out.json
print_output_file_append[own]: true
print_refresh_time[own]: 1
""").replace("plugins: tee[out]\n", "", 1))
    test.start([program, "-r", pcap, "-n", f"127.0.0.1:{test.port}", "-v", version, "-c", "none", "-p", test.dir / "pid", "-d"]).wait(30)
    wait_for(lambda: totals(test) == truth, lambda: f"the totals of the capture: {totals(test)}")
    for place in behind:
        wait_for(lambda where=place: where.totals() == truth, lambda where=place: f"the totals of the capture in {where.dir}: {where.totals()}")
    stats = test.now(daemon)
    read = stats["datagrams"]["read"]
    assert read > 0 and all(counters(stats)[f"1 {name} sent"] == read for name in names), (read, counters(stats))


def test_netflow5(test):
    pass_on(test, 5, False)


def test_netflow9(test):
    pass_on(test, 9, True)


def test_ipfix(test):
    pass_on(test, 10, True)


def run_both(test, rows, sent, receiver_count, more="", tags=None):
    """What each receiver got from our daemon, then from pmacct's, with one configuration."""
    out = []
    for name, program in (("ours", None), ("theirs", need_pmacct("sbin/nfacctd"))):
        receivers = [Receiver() for _ in range(receiver_count)]
        text = config(test, rows(receivers), more, name=f"receivers.{name}")
        if tags:
            text += f"pre_tag_map: {test.write('tags', tags)}\n"
        port = free_port()
        text += f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\ndaemonize: false\n"
        if program:
            process = test.start([program, "-f", test.write("theirs.conf", text)], name)
            process.wait_log("waiting for NetFlow/IPFIX data on")
            # Its plugin opens its sockets when it likes: until something comes nothing tells that it has.
            wait_for(lambda: [test.send(netflow5(0), port=port), time.sleep(0.1), any([r.take() for r in receivers])][2], "pmacct's plugin")
            time.sleep(0.5)
            for r in receivers:
                r.take()
                r.got, r.sources = [], []
            test.port = port
        else:
            process = test.nfacctd(text, name=name)
        for source, payload in sent:
            test.send(payload, source=source)
        wait_for(lambda: sum(len(r.take()) for r in receivers) >= expected(rows, sent, receiver_count), lambda: [len(r.got) for r in receivers])
        out.append([sorted(r.got) for r in receivers])
        process.kill_all()  # Debian's waits for itself at the end
    return out


def expected(rows, sent, receiver_count):
    return rows.copies(len(sent), receiver_count)


class Rows:
    def __init__(self, text, copies):
        self.text, self.copies = text, copies

    def __call__(self, receivers):
        return self.text(receivers)


def numbered(count, source="127.0.0.1"):
    return [(source, netflow5(n, engine=n % 3)) for n in range(1, count + 1)]


def test_copies_beside_pmacct(test):
    rows = Rows(lambda r: f"id=1 ip={r[0].name},{r[1].name}\nid=2 ip={r[2].name}", lambda n, k: n * k)
    ours, theirs = run_both(test, rows, numbered(30) + [("127.0.0.1", exports.Ipfix().announce())], 3)
    assert ours == theirs


def test_turns_beside_pmacct(test):
    """As many to each; where the turn begins is not the same."""
    rows = Rows(lambda r: f"id=1 balance-alg=rr ip={r[0].name},{r[1].name},{r[2].name}", lambda n, k: n)
    ours, theirs = run_both(test, rows, numbered(30), 3)
    assert [len(got) for got in ours] == [len(got) for got in theirs] == [10, 10, 10]
    assert sorted(map(tuple, ours)) == sorted(map(tuple, theirs))


def test_tags_beside_pmacct(test):
    rows = Rows(lambda r: f"id=1 tag=1 ip={r[0].name}\nid=2 tag=-1 ip={r[1].name}", lambda n, k: n)
    tags = "set_tag=1 ip=127.0.0.2\nset_tag=2 ip=127.0.0.0/8\n"
    ours, theirs = run_both(test, rows, numbered(20) + numbered(10, "127.0.0.2"), 2, tags=tags)
    assert [len(got) for got in ours] == [10, 20]
    assert ours == theirs, [len(got) for got in theirs]


if __name__ == "__main__":
    main({name: value for name, value in globals().items() if not name.startswith("test_") or value.__module__ == "__main__"})
