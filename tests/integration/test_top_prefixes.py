#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""examples/top-prefixes: sFlow and a router's table, through the example's own configuration to the list for the controller."""
import re
import socket
import sqlite3
import subprocess

from harness import BUILD, SOURCE, Bird, bird_path, free_port, main, need_built, wait_for
import sflow

EXAMPLE = SOURCE / "examples/top-prefixes"
RATE = 1000
PREFIXES = ["198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/25", "192.0.2.128/25", "2001:db8:1::/48"]
# destination: samples; the frame is the same, so bytes go as samples do
TRAFFIC = {"198.51.100.7": 30, "198.51.100.200": 30, "203.0.113.9": 25, "192.0.2.5": 7, "2001:db8:1::5": 3, "10.9.9.9": 5}


def run(test, *args, lines=None):
    return subprocess.run([EXAMPLE / "top-prefixes", *map(str, args)], input=lines, capture_output=True, text=True, check=True).stdout


def test_the_list_is_that_of_the_prefixes_with_most_bytes(test):
    need_built("memory", "sqlite3")
    bgp_port = free_port(socket.SOCK_STREAM)
    (test.dir / "top-prefixes.map").write_text("bgp_ip=127.0.0.11 ip=0.0.0.0/0\n")
    text = re.sub(r"/(var/lib|etc|run)/pathacct", str(test.dir), (EXAMPLE / "sfacctd.conf").read_text())
    text = re.sub(r"^sfacctd_port:.*\n", "", text, flags=re.M).replace("bgp_daemon_ip: 0.0.0.0", f"bgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {bgp_port}")
    daemon = test.sfacctd(text.replace("sql_refresh_time[hours]: 60", "sql_refresh_time[hours]: 1"))
    Bird(test, bgp_port, [bird_path(n, p, "2001:db8::1" if ":" in p else "10.0.0.1", "65001") for n, p in enumerate(PREFIXES)])
    daemon.wait_log("the tables of all expected peers are loaded", 30)
    frame_len = 0
    for number, (dst, count) in enumerate(TRAFFIC.items(), 1):
        record, length = sflow.header("2001:db8::9" if ":" in dst else "10.0.0.9", dst, payload_len=80 if ":" in dst else 100)
        frame_len = frame_len or length
        assert length == frame_len
        test.send(sflow.datagram([sflow.flow_sample([record], rate=RATE)] * count, agent="127.0.0.50", sequence=number))
    db, total = test.dir / "top-prefixes.db", sum(TRAFFIC.values())

    def written():
        try:
            with sqlite3.connect(db) as connection:
                return connection.execute("SELECT sum(packets) FROM prefixes").fetchone()[0] == total * RATE
        except sqlite3.OperationalError:
            return False
    wait_for(written, "all samples in the table", 20)
    shown = run(test, "--db", db).splitlines()
    got = [(line.split()[1], line.split()[2].replace(",", ""), line.split()[4]) for line in shown[1:-1]]
    unit = RATE * frame_len
    assert got == [("198.51.100.0/24", str(60 * unit), "60.00%"), ("203.0.113.0/24", str(25 * unit), "85.00%"),
                   ("192.0.2.0/25", str(7 * unit), "92.00%"), ("2001:db8:1::/48", str(3 * unit), "95.00%")], shown
    assert shown[-1] == f"4 of 4 prefixes with traffic cover 95.00 % of {100 * unit:,} bytes; {5 * unit:,} bytes had no route", shown[-1]
    assert run(test, "--db", db, "--share", 85, "--list").split() == ["198.51.100.0/24", "203.0.113.0/24"]
    assert run(test, "--db", db, "--count", 1, "--list").split() == ["198.51.100.0/24"]
    table = subprocess.run([BUILD / "bin/pmacct", "-s", "-O", "json", "-p", test.dir / "top-prefixes.sock"], capture_output=True, text=True, check=True)
    assert run(test, "--list", lines=table.stdout).split() == ["192.0.2.0/25", "198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48"], table.stdout
    assert daemon.stop() == 0, daemon.output()


if __name__ == "__main__":
    main(globals())
