#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fss and fsrc of sql_preprocess in each SQL plugin: which rows are there, what they stand for, what is counted, and what pmacct does
with the same."""
import contextlib
import math
import sqlite3

from harness import main, need_built, need_pmacct
from mariadb import MariaDB
from postgres import Postgres
import exports

START = 1_700_000_005
HOSTS = 400
SIZES = {f"10.0.{n // 200}.{n % 200}": (1 + n % 3, 40 + 17 * n % 1500 + (20000 if n % 40 == 0 else 0)) for n in range(HOSTS)}  # packets, bytes
BYTES, PACKETS = sum(b for _, b in SIZES.values()), sum(p for p, _ in SIZES.values())
FSS, FSRC = 8000, 40
TABLE = "CREATE TABLE acct (ip_src VARCHAR(45), class_id VARCHAR(50), packets BIGINT, bytes BIGINT)"


def write_pcap(test):
    stream = exports.Ipfix()
    flows = [exports.common_flow(host, "192.0.2.1", "10.0.0.1", octets=octets, packets=packets, start_ms=START * 1000, end_ms=START * 1000)
             for host, (packets, octets) in SIZES.items()]
    packets = [(START, exports.udp_packet(stream.announce(export_time=START)))]
    packets += [(START + 1, exports.udp_packet(stream.data(flows[n:n + 20], export_time=START + 1))) for n in range(0, HOSTS, 20)]
    exports.write_pcap(test.dir / "in.pcap", packets)


def base(test):
    return (f"daemonize: false\npcap_savefile: {test.dir}/in.pcap\naggregate: src_host\nsql_table: acct\nsql_optimize_clauses: true\n"
            "sql_dont_try_update: true\n")


def sqlite_rows(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return sorted(db.execute("SELECT ip_src, packets, bytes FROM acct"))


def make_sqlite(test, name):
    with contextlib.closing(sqlite3.connect(test.dir / name)) as db:
        db.execute(TABLE)
    return test.dir / name


def expect_sampled(rows, counters):
    """By the threshold: what is above it stays as it is, the rest stands for it. The bound is 5 deviations by the paper's variance."""
    large = {host: size for host, size in SIZES.items() if size[1] >= FSS}
    assert {(host, *size) for host, size in large.items()} <= set(rows), rows
    small = [row for row in rows if row[0] not in large]
    assert small and {row[2] for row in small} == {FSS} and len(rows) < HOSTS / 2, rows
    assert abs(sum(row[2] for row in rows) - BYTES) < 5 * math.sqrt(FSS * BYTES)
    assert counters["preprocess_left_out_rows"] == HOSTS - len(rows), counters
    assert counters["preprocess_left_out_bytes"] == BYTES - sum(SIZES[row[0]][1] for row in rows), counters
    assert counters["preprocess_left_out_packets"] == PACKETS - sum(SIZES[row[0]][0] for row in rows), counters


def expect_fixed(rows, counters):
    assert len(rows) == FSRC, rows
    least = min(row[2] for row in rows)
    assert all(row[2] in (SIZES[row[0]][1], least, least + 1) for row in rows), rows
    assert abs(sum(row[2] for row in rows) - BYTES) < 5 * BYTES / math.sqrt(FSRC - 1)
    assert counters["preprocess_left_out_rows"] == HOSTS - FSRC, counters


def test_each_plugin_writes_the_sample(test):
    need_built("sqlite3", "pgsql", "mysql")
    write_pcap(test)
    pg, maria = Postgres(test), MariaDB(test)
    plugins = [f"{kind}[{kind}{key}]" for kind in ("sqlite3", "pgsql", "mysql") for key in ("fss", "fsrc")]
    config = base(test) + "plugins: " + ", ".join(plugins) + "\n"
    for key, value in (("fss", FSS), ("fsrc", FSRC)):
        maria.sql(TABLE.replace("acct", f"acct_{key}"))
        pg.sql(TABLE.replace("acct", f"acct_{key}"), user="pmacct")
        config += f"sql_db[sqlite3{key}]: {make_sqlite(test, f'{key}.db')}\n" + pg.keys(f"pgsql{key}") + maria.keys(f"mysql{key}")
        config += f"sql_data[pgsql{key}]: unified\nsql_table[pgsql{key}, mysql{key}]: acct_{key}\n"
        config += f"sql_preprocess[sqlite3{key}, pgsql{key}, mysql{key}]: {key}={value}\n"
    daemon = test.nfacctd(config)
    assert daemon.wait(60) == 0, daemon.output()
    counters = {i["name"]: i["process"]["counters"] for i in test.stats()["instances"]}
    for key, expect in (("fss", expect_sampled), ("fsrc", expect_fixed)):
        rows = sqlite_rows(test.dir / f"{key}.db")
        expect(rows, counters[f"sqlite3{key}"])
        for kind, server in (("pgsql", pg), ("mysql", maria)):
            theirs = server.sql(f"SELECT ip_src, packets, bytes FROM acct_{key}")
            # All plugins draw the same numbers in a replay.
            assert sorted((h, int(p), int(b)) for h, p, b in theirs) == rows, (kind, theirs)


def test_a_replay_is_sampled_alike_by_any_number_of_workers(test):
    need_built("sqlite3")
    write_pcap(test)
    found = []
    for workers in (1, 3, 3):
        db = make_sqlite(test, f"{len(found)}.db")
        daemon = test.nfacctd(base(test) + f"plugins: sqlite3\nsql_db: {db}\nsql_preprocess: fss={FSS}, fsrc=30\nnfacctd_workers: {workers}\n",
                              name=f"run{len(found)}")
        assert daemon.wait(60) == 0, daemon.output()
        found.append(sqlite_rows(db))
    assert found[0] == found[1] == found[2] and len(found[0]) == 30, found


def test_recover_is_told_to_have_no_effect(test):
    need_built("sqlite3")
    write_pcap(test)
    db = make_sqlite(test, "a.db")
    daemon = test.nfacctd(base(test) + f"plugins: sqlite3\nsql_db: {db}\nsql_preprocess: minb=1000, recover=1\n")
    assert daemon.wait(60) == 0, daemon.output()
    assert "recover has no effect" in daemon.output(), daemon.output()
    assert {row[0] for row in sqlite_rows(db)} == {host for host, (_, b) in SIZES.items() if b >= 1000}


def test_as_pmacct(test):
    """Its sample is another one; what a row stands for is the same, and packets are renormalised like bytes."""
    need_built("sqlite3")
    program = need_pmacct("sbin/nfacctd")
    write_pcap(test)
    db = make_sqlite(test, "theirs.db")
    config = base(test) + f"plugins: sqlite3\nsql_db: {db}\nsql_preprocess: fss={FSS}\nsql_refresh_time: 3600\n"
    daemon = test.start([program, "-f", test.write("pmacct.conf", config)], "pmacct")
    assert daemon.wait(60) == 0, daemon.output()
    rows = sqlite_rows(db)
    assert {row[2] for row in rows if SIZES[row[0]][1] < FSS} == {FSS}, rows
    assert all(row[1:] == SIZES[row[0]] for row in rows if SIZES[row[0]][1] >= FSS), rows
    for host, packets, octets in rows:
        mean = SIZES[host][0] * octets / SIZES[host][1]
        assert 0.9 * mean - 1 < packets < 1.1 * mean + 1, (host, packets, mean)


if __name__ == "__main__":
    main(globals())
