#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The log tells an operator what to do: who listens where, what is wrong with whom, and which remedy there is. Each line once."""
import os
import re
import socket
import subprocess
import sys
import time

from harness import NFACCTD, free_port, main, wait_for
from bgp_listener import Listener
from bgp_speaker import NOTIFICATION, OPEN, Speaker, message
import exports

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
