#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that what takes long is told while it lasts: on a terminal without a line of the log being garbled, in the API and the
metrics, to the service manager, and by `pathacct status`."""
import fcntl
import os
import pty
import re
import socket
import struct
import subprocess
import termios
import threading
import time

from harness import BUILD, NFACCTD, free_port, main, wait_for
from bgp_speaker import Speaker, attributes, four_octet_as, multiprotocol, prefix, update
from control_client import Api, ask
from test_watchdog import Manager
import exports

WIDTH = 60
START = 1_700_000_000


def capture(test, seconds, each_second=20, rows=20):
    """A file of so many datagrams in each second."""
    stream = exports.Ipfix()
    packets = [(START, exports.udp_packet(stream.announce(export_time=START)))]
    for i in range(seconds * each_second):
        flows = [exports.common_flow(f"10.{i // 250}.{i % 250}.{n}", "192.0.2.1", "10.0.0.1", end_ms=START * 1000) for n in range(rows)]
        packets.append((START + i / each_second, exports.udp_packet(stream.data(flows, export_time=START))))
    path = test.dir / "big.pcap"
    exports.write_pcap(path, packets)
    return path


def ratio(where, **labels):
    text = ask(where, "/metrics")[2]
    inner = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return float(re.search(rf"^pathacct_progress_ratio{{{inner}}} (\S+)$", text, re.M)[1])


def under_way(api, what):
    return next((p for p in api.get("status")["progress"] if p["what"] == what), None)


class Terminal:
    """The other end of standard error: a terminal that takes what is written there, as bytes."""

    def __init__(self, test):
        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        self.bytes, self.thread = b"", threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        test.cleanups.append(self.close)

    def read(self):
        try:
            while data := os.read(self.ours, 65536):
                self.bytes += data
        except OSError:
            pass

    def close(self):
        os.close(self.theirs)
        self.thread.join(10)
        os.close(self.ours)


def test_a_bar_stands_below_the_log_and_garbles_no_line(test):
    where = test.dir / "control.sock"
    config = test.write("nfacctd.conf", f"plugins: print[a]\naggregate: src_host\nprint_output: json\nprint_output_file: {test.dir}/out-%s.json\n"
                        f"pcap_savefile: {capture(test, 120)}\npcap_savefile_speed: 2\ncontrol_socket: {where}\nstats_file: {test.dir}/stats\n")
    terminal, manager = Terminal(test), Manager(test)
    log = open(test.dir / "stdout", "wb")
    daemon = subprocess.Popen([NFACCTD, "-f", config], stdin=subprocess.DEVNULL, stdout=log, stderr=terminal.theirs,
                              env={**manager.environment(), "TERM": "xterm"}, start_new_session=True)
    test.cleanups.append(daemon.kill)
    wait_for(where.exists, "the socket")
    api = Api(where)
    seen = wait_for(lambda: (p := under_way(api, "capture")) and p["done"] > 0 and p["per_second"] > 0 and p, "a capture that is being read")
    assert seen["done"] < seen["total"] == (test.dir / "big.pcap").stat().st_size and seen["seconds_left"] is not None, seen
    assert re.fullmatch(r"reading the capture file: \S+B of \S+B, \S+B/s, \d+ s left", seen["text"]), seen
    assert 0 < ratio(where, what="capture") < 1 and ratio(where, what="templates") == 1 and ratio(where, what="spool", plugin_instance="a") == 1
    told = subprocess.run([BUILD / "bin/pathacct", "--socket", where, "status"], capture_output=True, text=True, check=False).stdout
    assert re.search(r"^under way  reading the capture file: \S+B of ", told, re.M), told
    wait_for(lambda: manager.read() or any("; reading NetFlow/IPFIX data from" in m and "; reading the capture file: " in m
                                           for m in manager.unread), lambda: manager.unread)
    for _ in range(5):
        os.kill(daemon.pid, 10)  # SIGUSR1: lines of the log in between
        time.sleep(0.05)
    wait_for(lambda: terminal.bytes.count(b"#.") >= 3, "bars", 60)
    daemon.terminate()
    assert daemon.wait(60) == 0
    wait_for(lambda: b"): ended" in terminal.bytes, lambda: terminal.bytes)
    bars = [part for part in re.findall(rb"\[[#.]{20}\][^\r\n]*", terminal.bytes)]
    assert len(bars) >= 3 and any(b"#" in bar for bar in bars), terminal.bytes
    assert all(len(bar) < WIDTH for bar in bars), bars
    # What stays on the screen: each bar was taken away before anything else was written.
    screen = re.sub(rb"\[[#.]{20}\][^\r\n]*\r\x1b\[K", b"", terminal.bytes).decode()
    for line in screen.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (NOTICE|WARN|ERROR|INFO) \( default/nfacctd \): ", line), terminal.bytes
    assert screen.count("statistics: written to") >= 2 and "\x1b" not in screen, screen


def test_no_bar_without_a_terminal(test):
    daemon = test.nfacctd(f"plugins: print[a]\naggregate: src_host\nprint_output: json\nprint_output_file: {test.dir}/out-%s.json\n"
                          f"pcap_savefile: {capture(test, 4)}\npcap_savefile_speed: 2\n")
    assert daemon.wait() == 0
    assert "\r" not in daemon.output() and "\x1b" not in daemon.output() and "reading the capture file:" not in daemon.output(), daemon.output()


def test_a_spool_that_is_written(test):
    """A pipe takes rows as slowly as somebody reads it."""
    where, pipe, spool = test.dir / "control.sock", test.dir / "pipe", test.dir / "spool"
    spool.mkdir()
    os.mkfifo(pipe)
    keys = f"plugins: print[slow]\naggregate: src_host\nprint_output: json\nprint_output_file: {pipe}\nplugin_spool_dir: {spool}\n" \
        f"print_refresh_time: 1\ncontrol_socket: {where}\nshutdown_timeout: 4\n"
    first = test.nfacctd(f"{keys}pcap_savefile: {capture(test, 10, 100)}\n", name="first")
    first.wait()
    files = sorted(spool.glob("slow/*.handover"))
    assert len(files) >= 8, first.output()
    size = sum(path.stat().st_size for path in files)
    test.nfacctd(keys, name="second")
    api = Api(where)
    assert under_way(api, "spool") is None and ratio(where, what="spool", plugin_instance="slow") == 1
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    read = 0

    def read_some():
        nonlocal read
        time.sleep(0.03)
        try:
            read += len(os.read(reader, 16384))
        except BlockingIOError:
            pass
        return under_way(api, "spool")
    seen = wait_for(lambda: (p := read_some()) and p["done"] > 0 and p, lambda: f"a spool that is being written, {read} bytes read", 60)
    assert seen["instance"] == "slow" and seen["done"] < seen["total"] <= size and seen["unit"] == "B", (seen, size)
    assert 0 < ratio(where, what="spool", plugin_instance="slow") < 1
    assert seen["text"].startswith("writing the spool of slow: "), seen

    def is_over():
        try:
            while os.read(reader, 65536):
                pass
        except BlockingIOError:
            pass
        return under_way(api, "spool") is None
    wait_for(is_over, "its end", 60)
    assert not list(spool.glob("slow/*.handover"))
    os.close(reader)


def test_routes_that_are_loaded(test):
    where, port, manager = test.dir / "control.sock", free_port(socket.SOCK_STREAM), Manager(test)
    test.nfacctd(f"plugins: print[a]\naggregate: src_host\nprint_output_file: {test.dir}/out-%s.json\nprint_output: json\ncontrol_socket: {where}\n"
                 f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {port}\nbgp_wait_for_rib: 60\n", env=manager.environment())
    api = Api(where)
    seen = wait_for(lambda: under_way(api, "routes"), "waiting for tables")
    assert seen["total"] is None and seen["text"].startswith("loading routes: 0 peers, 0 paths"), seen
    router = Speaker(test, port, capabilities=multiprotocol(1, 1) + four_octet_as(65000)).establish()
    router.send(update(attributes(), prefix("192.168.0.0/16") + prefix("192.0.2.0/24")))
    seen = wait_for(lambda: (p := under_way(api, "routes")) and ", 2 paths" in p["text"] and p["total"] == 1 and p, "two paths")
    assert seen["done"] == 0 and seen["text"].startswith("loading routes: 0 of 1 peers, 2 paths"), seen
    assert ratio(where, what="routes") == 0
    wait_for(lambda: manager.read() or any("; loading routes: 0 of 1 peers" in m for m in manager.unread), lambda: manager.unread)
    router.send(update())  # End-of-RIB
    wait_for(lambda: under_way(api, "routes") is None, "the end of it")
    assert ratio(where, what="routes") == 1
    manager.unread.clear()
    wait_for(lambda: manager.read() or any("STATUS=well: " in m and "loading routes" not in m for m in manager.unread), lambda: manager.unread)


if __name__ == "__main__":
    main(globals())
