#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves what people see at a terminal: aligned columns, units, --by, --matrix, and --watch in a pseudo-terminal."""
import csv
import fcntl
import io
import ipaddress
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from harness import main, wait_for
import exports
from test_memory import PMACCT, client, config, final, numbered, send, total


def table(test, count=60):
    daemon = test.nfacctd(config(test))
    flows = numbered(count)
    send(test, flows)
    wait_for(lambda: total(test.dir / "live.sock")["flows"] == count, "all flows")
    return daemon, test.dir / "live.sock", flows


def test_matrix_has_the_sums_of_rows_and_columns(test):
    daemon, path, flows = table(test)
    truth = {}
    for f in flows:
        for row in (("udp", "tcp")[f[4] == 6], "SUM"):
            for column in (f[1], "SUM"):
                truth[row, column] = truth.get((row, column), 0) + f[16]
    found = list(csv.reader(io.StringIO(client(path, "--matrix", "proto", "dst_host", "-O", "csv"))))
    cells = {(line[0], title): int(cell) for line in found[1:] for title, cell in zip(found[0][1:], line[1:])}
    assert cells == truth
    sums = [int(line[-1]) for line in found[1:-1]]
    assert sums == sorted(sums, reverse=True) and found[-1][0] == "SUM"
    # The same in columns: every line as long as the titles', numbers to the right.
    lines = client(path, "--matrix", "proto,dst_host").splitlines()
    assert len({len(line) for line in lines}) == 1 and lines[0].startswith("PROTOCOL \\ DST_IP ") and lines[-1].startswith("SUM ")
    assert [int(cell) for cell in lines[-1].split()[1:]] == [truth["SUM", title] for title in found[0][1:]]
    # Only the largest two, the others as one; and of what matches alone.
    found = list(csv.reader(io.StringIO(client(path, "--matrix", "dst_host", "proto", "-n", "packets", "-T", "packets,2", "-O", "csv"))))
    assert [line[0] for line in found[1:]][2:] == ["others", "SUM"] and int(found[-1][-1]) == sum(f[17] for f in flows)
    found = list(csv.reader(io.StringIO(client(path, "--matrix", "dst_host", "proto", "-c", "proto", "-M", "udp", "-O", "csv"))))
    assert found[0][1:] == ["udp", "SUM"] and int(found[-1][-1]) == truth["udp", "SUM"]
    # Rows by two primitives, one column for each; cells are those of the sums by all three.
    found = list(csv.reader(io.StringIO(client(path, "--matrix", "src_host,dst_host", "proto", "-O", "csv"))))
    assert found[0] == ["SRC_IP", "DST_IP \\ PROTOCOL", *found[0][2:]] and len(found) == len(flows) + 2 and found[-1][:2] == ["SUM", ""]
    assert {(line[0], line[1]): int(line[-1]) for line in found[1:-1]} == {(f[0], f[1]): f[16] for f in flows}
    assert client(path, "--matrix", "src_host,dst_host,proto", "-O", "csv") == client(path, "--matrix", "src_host,dst_host", "proto", "-O", "csv")
    assert "takes two primitives" in client(path, "--matrix", "proto", ok=False)
    assert "unknown primitive 'bogus'" in client(path, "--matrix", "proto", "bogus", ok=False)
    final(test, daemon)


def test_rows_added_up_by_some_primitives(test):
    daemon, path, flows = table(test)
    found = list(csv.DictReader(io.StringIO(client(path, "-s", "--by", "dst_host", "-O", "csv"))))
    truth = {f[1]: sum(g[16] for g in flows if g[1] == f[1]) for f in flows}
    assert {row["DST_IP"]: int(row["BYTES"]) for row in found} == truth
    assert len(client(path, "-s", "--by", "dst_host", "-T", "bytes,3").splitlines()) == 4
    as_json = [json.loads(line) for line in client(path, "-s", "--by", "dst_host,src_port", "-O", "json").splitlines()]
    assert {(row["ip_dst"], row["port_src"]): (row["bytes"], row["packets"], row["flows"]) for row in as_json} == {
        (name, port): tuple(sum(g[at] for g in flows if g[1] == name and g[2] == port) if at else sum(g[1] == name and g[2] == port for g in flows)
                            for at in (16, 17, 0)) for name, port in {(f[1], f[2]) for f in flows}}
    # On a terminal: the sum of all, and how many of how many are shown.
    for args in (["--by", "dst_host"], []):
        count = 7 if args else len(flows)
        lines = client(path, "-s", *args, "-T", "bytes,3", "-O", "aligned").splitlines()
        assert len(lines) == 7 and lines[-1] == f"3 of {count} rows" and lines[4].split()[0] == "SUM", lines
        assert int(lines[4].split()[-1]) == sum(f[16] for f in flows)
    assert re.search(r"^SUM +[\d.]+k +[\d.]+k", client(path, "--matrix", "proto", "dst_host", "--units").splitlines()[-1])
    final(test, daemon)


def test_names_that_try_to_steer_the_terminal(test):
    """Zero bytes, control characters of one byte and of two, bytes that are no UTF-8: each name is one row with its bytes."""
    daemon = test.nfacctd(config(test, aggregate="src_host, in_iface_name, flows"))
    names = [b"zero\0byte", b"\x1b[2J", b"a\x9bb", "c1\u009bm".encode(), "µ-ring".encode(), b"half\xc2"]
    stream = exports.Ipfix(exports.COMMON_FIELDS + [(82, exports.VARIABLE)])
    test.send(stream.announce())
    for octets, name in enumerate(names, 1):
        test.send(stream.data([exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1", octets=octets) + [name]]))
    path = test.dir / "live.sock"
    wait_for(lambda: total(path)["packets"] == len(names), "all flows")
    shown = [r"zero\u0000byte", r"\u001b[2J", r"a\ufffdb", r"c1\u009bm", "µ-ring", r"half\ufffd"]
    for args in (["--by", "in_iface_name", "-O", "aligned"], ["--matrix", "in_iface_name", "src_host"]):
        lines = [line for line in client(path, *args).splitlines() if line and not line.endswith(" rows")]
        assert {line.split()[0]: int(line.split()[-1]) for line in lines[1:] if line[:3] != "SUM"} == {
            name: octets for octets, name in enumerate(shown, 1)}, lines
        assert len({len(line) for line in lines}) == 1, lines
    lines = client(path, "-s", "-O", "csv").splitlines()
    title = lines[0].split(",")
    assert {line.split(",")[title.index("IN_IFACE_NAME")] for line in lines[1:]} == set(shown), lines
    final(test, daemon)


def test_units(test):
    """Three digits and a prefix; below 1000 as it is."""
    daemon = test.nfacctd(config(test))
    send(test, [exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1", octets=octets)
                for n, octets in enumerate((999, 1000, 9994, 9996, 99949, 99951, 999499, 999501, 1234567890, 2 ** 63))])
    path = test.dir / "live.sock"
    wait_for(lambda: total(path)["flows"] == 10, "all flows")
    shown = [line.split()[-1] for line in client(path, "-s", "-T", "bytes", "--units").splitlines()[1:11]]
    assert shown == ["9.22E", "1.23G", "1.00M", "999k", "100k", "99.9k", "10.0k", "9.99k", "1.00k", "999"], shown
    final(test, daemon)


class Terminal:
    """pmacct in a pseudo-terminal; keeps what it draws."""

    def __init__(self, *args, rows=20, columns=100):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen([PMACCT, *map(str, args)], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        self.slave, self.raw = slave, b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.2):
        while select.select([self.master], [], [], seconds)[0]:
            try:
                self.raw += os.read(self.master, 65536)
            except OSError:
                break
        return self.raw

    def screen(self):
        """The lines of the last whole drawing."""
        last = self.read().split(b"\x1b[H")[-1].decode(errors="replace")
        return [re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", line).rstrip("\r") for line in last.split("\n")]

    def type(self, keys):
        os.write(self.master, keys)

    def end(self, seconds=10):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.05)
        return self.process.poll()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.slave)
        os.close(self.master)


def test_watch_shows_what_grows_and_quits_on_q(test):
    daemon, path, flows = table(test)
    terminal = Terminal("-p", path, "--watch=1", "--by", "dst_host")
    test.cleanups.append(terminal.close)
    wait_for(lambda: any("DST_IP" in line for line in terminal.screen()), "titles")
    screen = terminal.screen()
    assert "live" in screen[0] and "since 20" in screen[0] and "60 rows" in screen[0], screen[0]
    assert len([line for line in screen if line.startswith("192.0.2.")]) == 7
    send(test, [exports.common_flow("10.99.0.1", "192.0.2.200", "10.0.0.1", octets=5000000)])
    wait_for(lambda: any(line.startswith("192.0.2.200") for line in terminal.screen()[4:5]), "what grows on top")
    assert "BITS/S" in terminal.screen()[3] and "8 of 8 rows" in terminal.screen()[1]
    last = [line for line in terminal.screen() if line.startswith("SUM")]
    assert len(last) == 1 and int(last[0].split()[-1]) == sum(f[16] for f in flows) + 5000000, last
    terminal.type(b"t")  # totals
    wait_for(lambda: "by bytes every" in terminal.screen()[1], "sorting by totals")
    terminal.type(b"p")
    wait_for(lambda: "by packets every" in terminal.screen()[1], "sorting by packets")
    terminal.type(b"u")
    wait_for(lambda: any(re.search(r"5\.00M", line) for line in terminal.screen()), "units")
    terminal.resize(7, 30)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    wait_for(lambda: len(terminal.screen()) == 7 and all(len(line) <= 30 for line in terminal.screen()), "the smaller screen")
    # The plugin dies and comes back: the view says so and goes on.
    from test_conservation import host_pid
    os.kill(host_pid(daemon), signal.SIGKILL)
    wait_for(lambda: terminal.screen()[0].startswith("Unable to connect") or "hung up" in terminal.screen()[0] or " 0 rows" in terminal.screen()[0],
             "the outage on the screen")
    wait_for(lambda: "0 rows" in terminal.screen()[0] or "live" in terminal.screen()[0], "the table again")
    # Keys that send more than one byte: F2, F1 of the Linux console, an arrow, Alt and q, Escape.
    terminal.type(b"b")
    for key in (b"\x1bOQ", b"\x1b[[A", b"\x1b[1;5q", b"\x1b[12~", b"\x1b"):
        terminal.type(key)
        time.sleep(0.1)  # as a person's keys come apart
    # On a slow machine the first of them comes together with Escape, which is Alt and f.
    wait_for(lambda: terminal.type(b"f") or "by flows" in terminal.screen()[1], "a view that goes on")
    assert terminal.process.poll() is None
    terminal.type(b"q")
    assert terminal.end() == 0
    assert terminal.read().rstrip().endswith(b"\x1b[?1049l"), "the screen of before does not come back"
    assert termios.tcgetattr(terminal.slave) == terminal.before
    final(test, daemon, status=1)


def test_the_sorted_column_is_seen_on_any_terminal(test):
    """Long texts are cut before a counter is, and other counters before the one by which rows are sorted."""
    daemon = test.nfacctd(config(test, aggregate="src_host, dst_host, src_port, dst_port, proto, in_iface_name, out_iface_name, flows"))
    stream = exports.Ipfix(exports.COMMON_FIELDS + [(82, exports.VARIABLE)])
    name = "a-very-long-name-of-an-interface-" * 3
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1", octets=123456) +
                                              [name.encode()]]))
    wait_for(lambda: total(test.dir / "live.sock")["flows"] == 1, "the flow")
    for columns in (160, 120, 80, 50):
        terminal = Terminal("-p", test.dir / "live.sock", "--watch=1", columns=columns)
        test.cleanups.append(terminal.close)
        wait_for(lambda: any("BITS/S" in line for line in terminal.screen()), "titles")
        screen = terminal.screen()
        assert all(len(line) <= columns for line in screen), screen
        assert ("BYTES" in screen[3].split()) == (columns >= 120) and (columns < 120 or "a-very-lon" in screen[4]), (columns, screen)
        terminal.type(b"t")
        wait_for(lambda: "BYTES" in terminal.screen()[3].split() and any("123456" in line for line in terminal.screen()), "totals")
        terminal.type(b"q")
        assert terminal.end() == 0
    final(test, daemon)


def test_prefixes_match_the_addresses_in_them(test):
    daemon, path, flows = table(test)
    def told(*args):
        return sorted((row["ip_src"], row["ip_dst"]) for row in map(json.loads, client(path, "-O", "json", *args).splitlines()))

    def truth(source, destination):
        return sorted((f[0], f[1]) for f in flows if ipaddress.ip_address(f[0]) in ipaddress.ip_network(source) and
                      ipaddress.ip_address(f[1]) in ipaddress.ip_network(destination))
    assert told("-c", "dst_host", "-M", "192.0.2.4/30") == truth("0.0.0.0/0", "192.0.2.4/30") != []
    assert told("-c", "src_host,dst_host", "-M", "10.0.0.32/27,192.0.2.0/31") == truth("10.0.0.32/27", "192.0.2.0/31") != []
    assert told("-c", "dst_host", "-M", "0.0.0.0/0") == truth("0.0.0.0/0", "0.0.0.0/0") and told("-c", "dst_host", "-M", "::/0") == []
    assert told("-c", "src_host,dst_host", "-M", "*,192.0.2.1;10.0.0.0/28,*") == sorted(truth("0.0.0.0/0", "192.0.2.1/32") + truth("10.0.0.0/28", "0.0.0.0/0"))
    assert int(client(path, "-c", "dst_host", "-N", "192.0.2.0/29")) == sum(f[16] for f in flows)
    assert "beyond the prefix's length" in client(path, "-c", "dst_host", "-M", "192.0.2.1/24", ok=False)
    assert "Invalid IP address" in client(path, "-c", "dst_host", "-M", "192.0.2.0/33", ok=False)
    # Rows that are taken out are those alone.
    client(path, "-c", "dst_host", "-M", "192.0.2.4/30", "-r")
    assert told("-s") == sorted(set(truth("0.0.0.0/0", "0.0.0.0/0")) - set(truth("0.0.0.0/0", "192.0.2.4/30")))
    final(test, daemon, status=0)


def test_watch_ends_well_on_signals(test):
    daemon, path, _ = table(test, 5)
    for number in (signal.SIGINT, signal.SIGTERM):
        terminal = Terminal("-p", path, "--watch")
        test.cleanups.append(terminal.close)
        wait_for(lambda: any("SRC_IP" in line for line in terminal.screen()), "titles")
        os.kill(terminal.process.pid, number)
        assert terminal.end() == 0 and termios.tcgetattr(terminal.slave) == terminal.before
    final(test, daemon)


def test_watch_needs_a_terminal(test):
    daemon, path, _ = table(test, 5)
    assert client(path, "--watch", ok=False) == "ERROR: --watch needs a terminal; a script asks with -s or -M\n"
    assert "Unable to connect" in client(test.dir / "none.sock", "--watch", ok=False)
    final(test, daemon)


def test_columns_are_aligned_on_a_terminal_and_of_fixed_width_elsewhere(test):
    daemon, path, _ = table(test, 5)
    terminal = Terminal("-p", path, "-s", "-T", "bytes")
    test.cleanups.append(terminal.close)
    assert terminal.end() == 0
    shown = terminal.read().decode().replace("\r\n", "\n")
    assert shown == client(path, "-s", "-T", "bytes", "-O", "aligned") and len(shown.splitlines()[0]) < 90
    assert client(path, "-s", "-T", "bytes") == client(path, "-s", "-T", "bytes", "-O", "formatted")
    final(test, daemon)


if __name__ == "__main__":
    main(globals())
