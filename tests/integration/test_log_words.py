#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The log tells an operator what to do: who listens where, what is wrong with whom, and which remedy there is. Each line once."""
import os
import re
import socket
import subprocess
import sys
import time

from harness import NFACCTD, SFACCTD, free_port, main, wait_for
from bgp_listener import Listener
from bgp_speaker import NOTIFICATION, OPEN, Speaker, message
import exports
import sflow

PRINT = "plugins: print[a]\naggregate[a]: src_host\nprint_output: json\n"
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (ERROR|WARN|NOTICE|INFO|DEBUG) \( ")


def run(program, *args, **kwargs):
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **kwargs)
    return done.returncode, done.stdout, done.stderr


def lines_with(process, text):
    return [line for line in process.output().splitlines() if text in line]


def one_flow():
    stream = exports.Ipfix()
    return [stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", octets=700)])]


def check(test, text, program=NFACCTD, **kwargs):
    """What --check remarks on a configuration that is right."""
    conf = test.write("t.conf", text)
    status, out, err = run(program, "-f", conf, "--check", **kwargs)
    assert (status, out) == (0, "the configuration is right\n"), (out, err)
    return [line.removeprefix(f"notice: {conf}:") for line in err.splitlines()]


def allow_file(test):
    return f"bgp_daemon_allow_file: {test.write('routers', '127.0.0.0/8')}\n"


# ---- what is right, and may not be meant ----


def test_check_remarks_columns_that_bgp_does_not_fill(test):
    ask, bgp = "plugins: print[a]\naggregate[a]: src_host, src_as, peer_dst_as\n", f"bgp_daemon: true\n{allow_file(test)}"
    said = "2: aggregate[a]: src_as, peer_dst_as: these come from the exporter alone, though bgp_daemon is true; " \
           "set nfacctd_as: longest (or bgp) to have BGP fill them"
    assert check(test, ask + bgp) == [said]
    assert check(test, ask + bgp, SFACCTD) == [said.replace("nfacctd_as", "sfacctd_as")]
    for line in "nfacctd_as: longest\n", "nfacctd_as: bgp\n", "nfacctd_net: bgp\n", "nfacctd_net: longest\n":
        assert check(test, ask + bgp + line) == [], line
    assert check(test, ask) == []  # the exporter is all there is
    peer = "plugins: print[a]\naggregate[a]: peer_src_as\n"
    assert len(check(test, peer + bgp)) == 1 and check(test, peer + bgp + "bgp_peer_src_as_type: bgp\n") == []


def test_check_remarks_columns_that_are_empty_without_bgp(test):
    ask = "plugins: print[a], print[b]\naggregate[a]: src_host\nprint_output: json\naggregate[b]: as_path, lrg_comm, med, path_match\n"
    remedy = "empty without BGP; set bgp_daemon: true and give the routers a session, or leave them out"
    assert check(test, ask) == [f"4: aggregate[b]: as_path, lrg_comm, med, path_match: {remedy}"]
    # An sFlow agent may tell the AS path itself.
    assert check(test, ask, SFACCTD) == [f"4: aggregate[b]: lrg_comm, med, path_match: {remedy}"]
    assert check(test, ask + f"bgp_daemon: true\n{allow_file(test)}") == []


def test_check_remarks_a_port_that_is_open_to_all(test):
    ask = "plugins: print[a]\naggregate[a]: src_host\nbgp_daemon: true\n"
    assert check(test, ask + "bgp_daemon_port: 17900\n") == [
        "3: bgp_daemon: whoever reaches port 17900 may become a peer; bgp_daemon_allow_file names a file of those that may"]
    assert check(test, ask + allow_file(test)) == []
    remarks = check(test, ask.replace("true", "false"))
    assert remarks == [], remarks


def test_check_remarks_a_file_that_each_purge_replaces(test):
    def remarks(name, more=""):
        return check(test, f"plugins: print[a]\naggregate[a]: src_host\nprint_output_file: {test.dir}/{name}\n{more}")
    said = remarks("out.json")
    assert len(said) == 1 and said[0].startswith(f"3: print[a]: print_output_file: {test.dir}/out.json has no time in it"), said
    assert len(remarks("$src_host.json")) == 1
    assert remarks("%Y%m%d.json") == remarks("out.json", "print_output_file_append: true\n") == []
    # A start says it too, in the log and with its time.
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/out.json\n")
    assert [STAMP.match(line)[1] for line in lines_with(daemon, "has no time in it")] == ["NOTICE"], daemon.output()


def test_check_remarks_stamps_that_come_twice(test):
    summer, none = {**os.environ, "TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, {**os.environ, "TZ": "UTC"}
    bins = "plugins: print[a]\naggregate[a]: src_host\nprint_history: 5m\n"
    said = check(test, bins, env=summer)
    assert len(said) == 1 and said[0].startswith("3: print_history[a]: bins are stamped in local time") \
        and said[0].endswith("set timestamps_utc: true"), said
    assert check(test, bins, env=none) == check(test, bins + "timestamps_utc: true\n", env=summer) == []
    assert check(test, bins + "timestamps_rfc9557: true\n", env=summer) == check(test, bins.replace("5m", "1d"), env=summer) == []
    daemon = test.nfacctd(bins, env=summer)
    assert lines_with(daemon, "set timestamps_utc: true"), daemon.output()


# ---- BGP ----


def test_the_log_says_where_bgp_listens(test):
    port = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(PRINT + f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {port}\n")
    assert lines_with(daemon, f"NOTICE ( default/nfacctd ): bgp: waiting for peers on 127.0.0.1:{port}"), daemon.output()
    both = test.nfacctd(PRINT + f"bgp_daemon: true\nbgp_daemon_port: {free_port(socket.SOCK_STREAM)}\n", name="both")
    assert re.search(r"waiting for peers on 0\.0\.0\.0:\d+ and \[::\]:\d+", both.output()), both.output()


def test_a_wrong_as_is_told_from_both_sides(test):
    listener = Listener(test, bgp_daemon_as=65010)
    speaker = Speaker(test, listener.port, asn=65020)
    speaker.send(speaker.open_message())
    assert speaker.read()[0] == OPEN
    speaker.send(message(NOTIFICATION, bytes([2, 2])))  # OPEN message error, bad peer AS
    said = wait_for(lambda: [l for l in listener.log.read_text().splitlines() if "bad peer AS" in l], "the line")
    assert len(said) == 1 and "we sent AS 65010, the peer is in AS 65020; bgp_daemon_as is our AS" in said[0], said


def test_busy_ports_are_told_with_their_holder(test):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        udp.bind(("127.0.0.1", 0))
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        ports = udp.getsockname()[1], tcp.getsockname()[1]
        conf = test.write("t.conf", PRINT + f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {ports[0]}\n")
        assert f"`ss -ulpn 'sport = :{ports[0]}'` shows who has it" in run(NFACCTD, "-f", conf)[2]
        conf = test.write("t.conf", PRINT + f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}\nbgp_daemon: true\n"
                          f"bgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {ports[1]}\n")
        assert f"`ss -tlpn 'sport = :{ports[1]}'` shows who has it" in run(NFACCTD, "-f", conf)[2]


# ---- exporters ----


def test_the_first_datagram_of_an_exporter_is_told(test):
    daemon = test.nfacctd(PRINT)
    for _ in range(3):
        test.send(*one_flow())
    test.send(one_flow()[0], source="127.0.0.2")
    test.wait_now(daemon, lambda stats: stats["datagrams"]["decoded"] == 7, "all datagrams")
    port = test.sockets["127.0.0.1"].getsockname()[1]
    said = lines_with(daemon, "first datagram")
    assert len(said) == 2 and f"exporter 127.0.0.1: first datagram: version 10, domain 1, from port {port}" in said[0], said
    agent = test.sfacctd(PRINT)
    test.send(sflow.datagram([sflow.flow_sample([sflow.header("10.0.0.1", "192.168.1.1")[0]])]))
    agent.wait_log("first datagram: version 5, domain ")


def test_a_hundred_exporters_are_told_by_name(test):
    """Of the rest there is a sum each minute: unit/test_statistics."""
    daemon = test.nfacctd(PRINT)
    for i in range(105):
        test.send(one_flow()[0], source=f"127.0.1.{i + 1}")
    test.wait_now(daemon, lambda stats: stats["datagrams"]["decoded"] == 105, "all datagrams")
    assert len(lines_with(daemon, "first datagram: ")) == 100


def test_data_that_waits_for_its_template_is_told_once(test):
    daemon = test.nfacctd(PRINT)
    for _ in range(3):
        test.send(one_flow()[1])
    wait_for(lambda: lines_with(daemon, "data waits for template"), "the line", 20)
    test.send(one_flow()[1])
    time.sleep(3)
    said = lines_with(daemon, "data waits for template")
    assert len(said) == 1 and "WARN" in said[0] and "exporter 127.0.0.1: domain " in said[0] and "template refresh" in said[0] \
        and "nfacctd_templates_file" in said[0], said
    test.send(one_flow()[0])
    test.wait_now(daemon, lambda stats: stats["exporters"][0]["flows"] == 4, "the flows")


def test_debug_tells_of_datagrams_templates_and_handovers(test):
    daemon = test.nfacctd(PRINT + "print_refresh_time: 1\n", "-d")
    test.send(*one_flow(), b"\0\7nothing known")
    for _ in range(20):  # more than the log takes otherwise
        test.send(b"\0\7nothing known")
    for text in ("DEBUG ( default/nfacctd ): exporter 127.0.0.1: datagram of ", ": template ", "version 7: a version that this daemon",
                 "DEBUG ( a/print ): hand-overs 1 to 1 of worker 0 are written"):
        daemon.wait_log(text)
    assert len(lines_with(daemon, "version 7: a version")) == 21, daemon.output()


def test_debug_of_a_flood_is_bounded(test):
    daemon = test.nfacctd(PRINT, "-d")
    for _ in range(2000):
        test.send(b"\0\7nothing known")
    test.wait_now(daemon, lambda stats: stats["datagrams"]["refused"] == 2000, "all of them")
    assert len(lines_with(daemon, "DEBUG")) < 1000, len(lines_with(daemon, "DEBUG"))


def test_debug_tells_of_bgp_messages(test):
    port = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(PRINT + f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {port}\n", "-d")
    Speaker(test, port).establish()
    for text in "received OPEN (type 1) of ", "sends OPEN", "received KEEPALIVE", "sends KEEPALIVE":
        daemon.wait_log(f"DEBUG ( default/nfacctd ): bgp: 127.0.0.21: {text}")


# ---- print ----


def test_print_names_file_and_remedy(test):
    test.write("blocker", "not a folder")
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/blocker/out.json\nprint_refresh_time: 1\nshutdown_timeout: 1\n")
    test.send(*one_flow())
    wait_for(lambda: lines_with(daemon, "cannot write"), "the failure")
    wait_for(lambda: lines_with(daemon, "trying again"), "the pause")
    time.sleep(4)  # attempts at 1, 2 and 4 s
    said = lines_with(daemon, f"cannot write {test.dir}/blocker/out.json: Not a directory")
    assert len(said) == 1 and "remove that, or choose another folder in print_output_file" in said[0], daemon.output()
    assert len(lines_with(daemon, "trying again")) == 1 and "Resource temporarily" not in daemon.output(), daemon.output()
    (test.dir / "blocker").unlink()
    daemon.wait_log("the backend works again")
    assert daemon.stop() == 0


def test_print_names_the_pipe_that_nobody_reads(test):
    os.mkfifo(test.dir / "pipe")
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/pipe\nprint_refresh_time: 1\nshutdown_timeout: 1\n")
    test.send(*one_flow())
    daemon.wait_log(f"cannot write {test.dir}/pipe: No such device or address")
    assert lines_with(daemon, "nobody reads that pipe; rows wait until somebody does"), daemon.output()
    daemon.wait_log("cannot write now; trying again in 1 s")
    assert "Resource temporarily" not in daemon.output()


def test_purges_are_quiet_unless_they_are_asked_for(test):
    daemon = test.nfacctd(PRINT + f"print_refresh_time: 1\nprint_output_file: {test.dir}/%Y/out.json\n")
    test.send(*one_flow())
    test.wait_now(daemon, lambda stats: stats["instances"][0]["process"]["commits"] >= 3, "three epochs")
    assert daemon.stop() == 0
    assert not lines_with(daemon, "( a/print )") and not lines_with(daemon, " INFO "), daemon.output()
    asked = test.nfacctd(PRINT + f"print_refresh_time: 1\nprint_output_file: {test.dir}/%Y/asked.json\nlog_purges: true\n", name="asked")
    test.send(*one_flow())
    wait_for(lambda: re.search(r"INFO \( a/print \): \*\*\* Purging cache - END \(PID: \d+, QN: 1/1, ET: \d+\) \*\*\*$", asked.output(), re.M),
             asked.output)
    assert re.search(r"INFO \( a/print \): \*\*\* Purging cache - START \(PID: \d+\) \*\*\*$", asked.output(), re.M)


# ---- the form of lines ----


def test_every_line_has_a_time_and_none_follows_the_end(test):
    """Also where data still waits for its template, and where a plugin was told to look at a setting before there was a log."""
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/%Y/out.json\nnfacctd_pipe_size: 2000000000\n")
    for i in range(1, 6):
        test.send(one_flow()[1], source=f"127.0.0.{i}")
    test.wait_now(daemon, lambda stats: len(stats["exporters"]) == 5, "the exporters")
    assert daemon.stop() == 0
    lines = daemon.output().splitlines()
    assert lines[-1].endswith("( default/nfacctd ): ended"), daemon.output()
    assert not [line for line in lines if not STAMP.match(line)], daemon.output()


if __name__ == "__main__":
    sys.exit(main(globals()))
