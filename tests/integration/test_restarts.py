#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that a restart loses nothing under a service manager that keeps the flow sockets: what was sent meanwhile waits in them, also for
another number of workers, and is decoded by templates, named and multiplied by options that came before. Without one, what is lost is
said. The manager is a small one of the tests (support/small_service_manager.py)."""
import json
import re
import socket
import sys
import threading
import time

from harness import Bird, bird_path, free_port, json_lines, main, need, need_pmacct, wait_for
import exports
import sflow
from small_service_manager import SmallServiceManager
from test_exporters import totals, traffic

EXPORTERS = 12


def config(test, more="", aggregate="peer_src_ip, in_iface, dst_port"):
    return f"""
plugins: print[out]
aggregate[out]: {aggregate}
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
{more}
"""


def at_port(test):
    port = free_port()
    return port, f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\n"


class Load:
    """Exporters that each announce a template once and then send flows, one a datagram, until they are stopped."""

    def __init__(self, port):
        self.port, self.sent, self.is_stopping = port, 0, False
        self.sockets, self.streams = [], []
        for i in range(EXPORTERS):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((f"127.0.9.{i + 1}", 0))
            self.sockets.append(s)
            self.streams.append(exports.Ipfix(domain=i))
        self.flows = 0
        for s, stream in zip(self.sockets, self.streams):
            self.send(s, stream.announce())
        self.thread = threading.Thread(target=self.run, daemon=True)

    def send(self, s, payload):
        s.sendto(payload, ("127.0.0.1", self.port))
        self.sent += 1

    def run(self):
        while not self.is_stopping:
            for s, stream in zip(self.sockets, self.streams):
                self.send(s, stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", dport=stream.domain)]))
                self.flows += 1
            time.sleep(0.004)

    def wait_more(self, count):
        goal = self.sent + count
        wait_for(lambda: self.sent >= goal, f"{count} more datagrams are sent")

    def stop(self):
        self.is_stopping = True
        self.thread.join()
        for s in self.sockets:
            s.close()


def said(daemon, pattern):
    """What the log says in these words, which may come after the manager was told."""
    return wait_for(lambda: re.search(pattern, daemon.output(), re.M), lambda: f"{pattern} in\n{daemon.output()}")


def ledgers(test, daemons):
    return [test.stats(daemon.name) for daemon in daemons]


def ledger_sum(stats, key):
    return sum(s["datagrams"][key] for s in stats)


def test_every_datagram_is_accounted_for_over_restarts_under_load(test):
    """The same number of workers, then 1 -> 3 -> 2; the templates are sent once, to the first daemon."""
    port, where = at_port(test)
    manager, load, daemons = SmallServiceManager(test), Load(port), []
    load_is_running = False
    for workers in 1, 1, 3, 3, 2:
        daemon = manager.start(config(test, where + f"nfacctd_workers: {workers}\n"))
        daemons.append(daemon)
        manager.wait_line("READY=1")
        manager.wait_names([f"nfacctd.{i}" for i in range(workers)])
        if not load_is_running:
            for s, stream in zip(load.sockets, load.streams):
                load.send(s, stream.announce())
            load.thread.start()
            load_is_running = True
        load.wait_more(1000)
        if workers != 2:
            assert daemon.stop() == 0, daemon.output()
            load.wait_more(500)
    load.stop()
    last = daemons[-1]
    test.wait_now(last, lambda s: s["datagrams"]["residual"] == 0 and s["datagrams"]["waiting"] == 0, "rest", name=last.name)
    assert last.stop() == 0, last.output()
    stats = ledgers(test, daemons)
    # The first announcements went to a port that nobody had opened yet.
    sent = load.sent - EXPORTERS
    assert ledger_sum(stats, "arrived") == sent, (sent, [s["datagrams"] for s in stats])
    assert ledger_sum(stats, "overflow") == ledger_sum(stats, "residual") == ledger_sum(stats, "waiting") == 0, stats
    rows = json_lines(test.dir / "out.json")
    assert sum(r["flows"] if "flows" in r else r["packets"] for r in rows) == load.flows, (load.flows, len(rows))
    for daemon, s in zip(daemons, stats):
        assert s["datagrams"]["decoded"] > 0
        for exporter in s["exporters"]:
            assert exporter["sequence_gaps"] == exporter["sequence_back"] == 0, (daemon.name, exporter)
            assert not {k: v for k, v in exporter["drops"].items() if v}, (daemon.name, exporter)
    for daemon in daemons[1], daemons[3]:
        assert re.search(r"[13] flow sockets? w(as|ere) kept by the service manager: what came meanwhile waits there", daemon.output()), daemon.output()
    for daemon, text in (daemons[2], "1 flow socket was kept by the service manager, for 3 workers now: "), (
            daemons[4], "3 flow sockets were kept by the service manager, for 2 workers now: "):
        assert int(re.search(text + r"(\d+) datagrams that waited were shared out anew", daemon.output())[1]) > 0, daemon.output()
    for s in stats[3:]:  # each socket has the exporters of its worker
        assert sum(w["passed_on"] for w in s["workers"]) == 0, s["workers"]


def test_real_exporters_send_while_no_daemon_runs(test):
    """What softflowd and pmacct's nfprobe send, templates and all, waits for the next daemon, and for the table of a real BIRD. The second
    daemon is killed."""
    softflowd, pmacctd = need("softflowd"), need_pmacct("sbin/pmacctd")
    port, where = at_port(test)
    pcap, truth = traffic(test)
    bgp_port = free_port(socket.SOCK_STREAM)
    agents = test.write("agents.map", "bgp_ip=127.0.0.11 ip=0.0.0.0/0\n")
    text = config(test, f"""{where}
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp_port}
bgp_agent_map: {agents}
bgp_wait_for_rib: 60
nfacctd_as: bgp
nfacctd_net: bgp
bgp_path_accept: all
""", "src_host, dst_host, src_port, dst_port, proto, export_proto_version, as_path, path_match")
    Bird(test, bgp_port, [bird_path(1, "192.0.2.0/24", "10.0.0.1", "789")])
    conf = test.write("pmacctd.conf", f"""
daemonize: false
pcap_savefile: {pcap}
plugins: nfprobe[out]
nfprobe_receiver[out]: 127.0.0.1:{port}
nfprobe_version[out]: 10
nfprobe_timeouts[out]: tcp=1:tcp.rst=1:tcp.fin=1:udp=1:icmp=1:general=1:maxlife=2:expint=1
aggregate[out]: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags
""")

    manager = SmallServiceManager(test)
    first = manager.start(text)
    manager.wait_line("READY=1")
    assert first.stop() == 0, first.output()
    test.start([softflowd, "-r", pcap, "-n", f"127.0.0.1:{port}", "-v", 9, "-c", "none", "-p", test.dir / "pid", "-d"], "softflowd").wait(30)
    second = manager.start(text)
    wait_for(lambda: totals(test) == truth, lambda: f"the totals of the capture: {totals(test)}\n{second.output()}", 60)
    second.popen.kill()
    second.wait()
    test.start([pmacctd, "-f", conf], "pmacctd").wait(30)
    third = manager.start(text)
    twice = {key: [2 * n for n in counts] for key, counts in truth.items()}
    wait_for(lambda: totals(test) == twice, lambda: f"twice the totals of the capture: {totals(test)}\n{third.output()}", 60)
    rows = json_lines(test.dir / "out.json")
    assert {r["export_proto_version"] for r in rows} == {9, 10}, rows[:3]
    assert {(r["as_path"], r["path_match"]) for r in rows} == {("789", "sole")}, {(r["as_path"], r["path_match"]) for r in rows}
    assert third.stop() == 0, third.output()


def has_row(test, **values):
    return lambda: [r for r in json_lines(test.dir / "out.json") if values.items() <= r.items()]


def test_options_hold_right_after_a_restart(test):
    """Template, sampling rate and interface name are sent once; flows that are sent while no daemon runs have them all."""
    port, where = at_port(test)
    more = f"{where}nfacctd_renormalize: true\n"
    primitives = "peer_src_ip, in_iface_name, dst_port, sampling_rate"
    manager, stream = SmallServiceManager(test), exports.Ipfix(domain=7)
    rate, name = [(149, 4), (305, 4), (306, 4)], [(10, 4), (82, 16)]

    def flow(dport):
        return stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", dport=dport, packets=3, octets=100)])
    sets = [exports.ipfix_set(3, exports.template(300, rate, 1)), exports.ipfix_set(300, exports.record(rate, [7, 1, 999])),
            exports.ipfix_set(3, exports.template(301, name, 1)), exports.ipfix_set(301, exports.record(name, [1, "uplink-1"]))]
    first = manager.start(config(test, more, primitives))
    manager.wait_line("READY=1")
    test.send(stream.announce(), exports.ipfix(sets, 0, 7), flow(1), port=port)
    expected = {"iface_name_in": "uplink-1", "packets": 3000, "bytes": 100000, "sampling_rate": 1}
    wait_for(has_row(test, port_dst=1, **expected), lambda: json_lines(test.dir / "out.json"))
    assert first.stop() == 0, first.output()
    for workers in 3, 1:
        test.send(flow(workers + 1), port=port)
        daemon = manager.start(config(test, f"{more}nfacctd_workers: {workers}\n", primitives))
        wait_for(has_row(test, port_dst=workers + 1, **expected), lambda: json_lines(test.dir / "out.json"))
        assert daemon.stop() == 0, daemon.output()


def test_what_the_kernel_lost_while_no_daemon_read_is_counted(test):
    """Buffers too small for what is sent: read and lost are all that was sent, over daemons of other numbers of workers and one that is
    killed."""
    port, where = at_port(test)
    manager, stream = SmallServiceManager(test), exports.Ipfix()
    stats, sent, lost = [], 0, 0

    def send(count):
        nonlocal sent
        for n in range(count):
            test.send(stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9")]), source=f"127.0.9.{n % 9 + 1}", port=port)
        sent += count

    for number, workers in enumerate((2, 2, 3, 1)):
        daemon = manager.start(config(test, f"{where}nfacctd_workers: {workers}\nnfacctd_pipe_size: 20000\n"))
        manager.wait_line("READY=1")
        if number > 0:
            said(daemon, "datagrams were lost while no daemon read them")
        assert daemon.stop() == 0, daemon.output()
        stats.append(test.stats(daemon.name))
        if workers != 1:
            send(500)
    assert ledger_sum(stats, "arrived") == sent, (sent, [s["datagrams"] for s in stats])
    assert ledger_sum(stats, "overflow") > 0 and ledger_sum(stats, "read") > 0, stats
    daemon = manager.start(config(test, f"{where}nfacctd_workers: 1\n"))
    manager.wait_line("READY=1")
    assert daemon.stop() == 0 and test.stats(daemon.name)["datagrams"]["arrived"] == 0, daemon.output()


def test_what_waits_keeps_the_time_of_its_arrival(test):
    """A second's worth of datagrams in each second is no burst, though they are read at once."""
    port, where = at_port(test)
    manager, stream = SmallServiceManager(test), exports.Ipfix()
    text = config(test, f"{where}exporter_rate_max: 100\n")
    first = manager.start(text)
    manager.wait_line("READY=1")
    test.send(stream.announce(), port=port)
    assert first.stop() == 0, first.output()
    for workers in 1, 2:  # the first one's are of the same group, the second one's are moved
        begin = time.monotonic()
        for n in range(160):
            test.send(stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9")]), port=port)
            time.sleep(max(0, begin + n / 70 - time.monotonic()))
        daemon = manager.start(text + f"nfacctd_workers: {workers}\n")
        manager.wait_line("READY=1")
        assert daemon.stop() == 0, daemon.output()
        stats = test.stats(daemon.name)
        assert stats["datagrams"]["decoded"] == stats["datagrams"]["arrived"] == 160, stats["datagrams"]


def test_sockets_that_do_not_fit_are_closed(test):
    port, where = at_port(test)
    manager = SmallServiceManager(test)
    first = manager.start(config(test, where + "nfacctd_workers: 2\n"))
    manager.wait_names(["nfacctd.0", "nfacctd.1"])
    manager.wait_line("READY=1")
    assert first.stop() == 0
    test.send(b"for the old port", port=port)
    other_port, other_where = at_port(test)
    second = manager.start(config(test, other_where + "nfacctd_workers: 1\n"))
    manager.wait_line("READY=1")
    manager.wait_names(["nfacctd.0"])
    closed = rf"kept as nfacctd.[01] is closed: it is bound to 127.0.0.1 port {port}, not to 127.0.0.1 port {other_port}; (\d) datagrams"
    wait_for(lambda: sorted(re.findall(closed, second.output())) == ["0", "1"], second.output)
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", dport=5)]), port=other_port)
    wait_for(has_row(test, port_dst=5), "a flow at the other port")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", port))  # nobody has it any more
    assert second.stop() == 0
    # The capture of a file needs no sockets at all.
    exports.write_pcap(test.dir / "in.pcap", [(1, exports.udp_packet(stream.announce()))])
    third = manager.start(config(test), "-I", test.dir / "in.pcap")
    assert third.wait() == 0, third.output()
    manager.wait_names([])
    assert "kept as nfacctd.0 is closed: no flow sockets are needed" in third.output(), third.output()


def test_a_manager_that_keeps_nothing_does_no_harm(test):
    """No place in the store: it is as without, and the log says what that costs."""
    port, where = at_port(test)
    manager, stream = SmallServiceManager(test, store_max=0), exports.Ipfix()
    first = manager.start(config(test, where))
    manager.wait_line("READY=1")
    test.send(stream.announce(), port=port)
    test.wait_now(first, lambda s: s["exporters"] and s["exporters"][0]["templates"] == 1, "the template", name=first.name)
    assert first.stop() == 0
    test.send(b"lost", port=port)
    second = manager.start(config(test, where))
    manager.wait_line("READY=1")
    said(second, r"nfacctd\.state: 1 templates; the daemon was away for \d+ s; what was sent meanwhile is lost")
    wait_for(lambda: not json.loads((test.dir / "state/nfacctd.state").read_text())["is_end"], "the second daemon has saved that it runs")
    second.popen.kill()
    second.wait()
    third = manager.start(config(test, where))
    manager.wait_line("READY=1")
    said(third, r"nfacctd\.state: 1 templates; the daemon was away for at most \d+ s, as it did not end by itself; what was sent meanwhile is lost")
    assert third.stop() == 0
    saved = json.loads((test.dir / "state/nfacctd.state").read_text())
    assert saved["version"] == 1 and saved["is_end"] is True, saved
    saved["sockets"] = [1, None, {}, {"cookie": "1", "drops": 1}, {"cookie": -1, "drops": 1}, {"cookie": 1, "drops": 2 ** 32}]
    saved["saved_ns"] = 2 ** 63 - 1
    (test.dir / "state/nfacctd.state").write_text(json.dumps(saved))
    odd = manager.start(config(test, where))
    manager.wait_line("READY=1")
    said(odd, r"nfacctd\.state: 1 templates$")
    assert odd.stop() == 0
    saved["version"] = 2
    (test.dir / "state/nfacctd.state").write_text(json.dumps(saved))
    fourth = manager.start(config(test, where))
    manager.wait_line("READY=1")
    said(fourth, r"nfacctd\.state: it is of version 2, not 1; it is not used, and written anew")
    assert fourth.stop() == 0


def test_a_folder_for_the_state_that_cannot_be_written_is_no_error(test):
    port, where = at_port(test)
    manager = SmallServiceManager(test)
    daemon = manager.start(config(test, where), state=False, env={"STATE_DIRECTORY": "/proc/1:/tmp"})
    manager.wait_line("READY=1")
    said(daemon, r"STATE_DIRECTORY: /proc/1/nfacctd.state cannot be written \(.*\), so templates, options and clocks are not kept")
    assert daemon.stop() == 0 and "ERROR" not in daemon.output(), daemon.output()


def test_sfacctd_too(test):
    port = free_port()
    text = f"""
plugins: print[out]
aggregate[out]: src_host
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_refresh_time[out]: 1
sfacctd_ip: 127.0.0.1
sfacctd_port: {port}
"""
    manager = SmallServiceManager(test)
    first = manager.start(text + "sfacctd_workers: 2\n", program="sfacctd")
    manager.wait_line("READY=1")
    manager.wait_names(["sfacctd.0", "sfacctd.1"])
    assert first.stop() == 0, first.output()
    for n in range(10):
        test.send(sflow.datagram([sflow.flow_sample([sflow.header("10.0.0.1", "192.168.1.1")[0]], rate=10)], sequence=n + 1), source=f"127.0.9.{n + 1}", port=port)
    second = manager.start(text + "sfacctd_workers: 1\n", program="sfacctd")
    manager.wait_line("READY=1")
    wait_for(lambda: sum(r["packets"] for r in json_lines(test.dir / "out.json")) > 0, "rows")
    assert second.stop() == 0, second.output()
    stats = test.stats(second.name)
    assert stats["datagrams"]["arrived"] == stats["datagrams"]["decoded"] == 10, stats["datagrams"]
    assert "sfacctd.state: 0 templates; the daemon was away for" in second.output(), second.output()


if __name__ == "__main__":
    sys.exit(main(globals()))
