#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables are named by what exporters say: their number is bounded, and no row is lost. What a table does not have is refused."""
import contextlib
import pathlib
import sqlite3
import subprocess
import sys

from harness import NFACCTD, main, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import exports  # noqa: E402


def config(test, more=""):
    return f"""plugins: sqlite3[out]
aggregate[out]: in_iface_name, dst_port
sql_db[out]: {test.dir}/out.db
sql_table[out]: acct_$in_iface_name
sql_refresh_time[out]: 1
{more}
"""


def tables(test):
    """Rows by table."""
    if not (test.dir / "out.db").exists():
        return {}
    with contextlib.closing(sqlite3.connect(test.dir / "out.db")) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'acct%'")]
        return {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def named(stream, names):
    return [stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.2", dport=port) + [name]])
            for port, name in enumerate(names, 1)]


def run(test, more):
    daemon = test.nfacctd(config(test, more))
    stream = exports.Ipfix(exports.COMMON_FIELDS + [(82, exports.VARIABLE)])
    test.send(stream.announce(), *named(stream, [b"if%d" % i for i in range(20)]))
    wait_for(lambda: sum(tables(test).values()) == 20, "all rows")
    before = tables(test)
    test.send(*named(stream, [b"if0", b"if19", b"if3", b"one more"]))
    test.wait_now(daemon, lambda stats: stats["instances"][0]["written"]["flows"] == 24, "four more rows")
    assert daemon.stop() == 0
    assert set(tables(test)) == set(before) and len(before) == 6, (before, tables(test))
    assert before["acct_=other"] == 15 and tables(test)["acct_=other"] == 17, tables(test)  # if0 and if3 have theirs
    assert "sql_tables_max: rows of 5 values of the $variables in sql_table have come within a day" in daemon.output(), daemon.output()
    assert "go to acct_=other; raise it if so many are meant" in daemon.output(), daemon.output()
    instance = test.stats()["instances"][0]
    assert instance["written"]["flows"] == 24 and instance["residual"]["flows"] == 0, instance
    assert instance["process"]["counters"]["sql_names_beyond_max"] > 0, instance


def test_names_beyond_the_bound_share_a_table(test):
    run(test, "sql_table_create[out]: true\nsql_tables_max[out]: 5")


def test_the_shared_table_is_made_by_its_schema(test):
    schema = test.dir / "schema.sql"
    schema.write_text('CREATE TABLE "acct_$in_iface_name" (iface_name_in TEXT, dst_port INT, packets INT, bytes INT)')
    run(test, f"sql_table_schema[out]: {schema}\nsql_tables_max[out]: 5\nsql_optimize_clauses[out]: true")


def test_what_a_version_does_not_have_is_refused_as_in_pmacct(test):
    """As measured with 1.7.7: the first version that takes each primitive (10: none), of the original table and of that for BGP."""
    def is_right(primitives, version, more=""):
        conf = test.write("v.conf", f"plugins: sqlite3[a]\naggregate[a]: {primitives}\nsql_db[a]: {test.dir}/v.db\nsql_table_version: {version}\n{more}")
        done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode == 0) != (f"{conf}:2: sqlite3[a]: aggregate: pmacct's " in done.stderr), done
        assert done.returncode == 0 or "sql_optimize_clauses: true" in done.stderr, done
        return done.returncode == 0
    first = {"vlan": (2, 10), "tag": (2, 1), "tos": (3, 10), "flows": (4, 10), "class": (5, 10), "tcpflags": (7, 10), "src_host": (1, 10),
             "dst_port": (1, 10), "proto": (1, 10), "src_mac": (1, 10), "in_iface": (1, 1), "label": (1, 1), "src_net": (1, 1), "as_path": (1, 1)}
    for primitive, versions in first.items():
        for kind, since in zip(("", "sql_table_type: bgp\n"), versions):
            for version in {1, max(since - 1, 1), min(since, 9)}:
                assert is_right(primitive, version, kind) == (version >= since), (primitive, kind, version)
    assert not is_right("src_host, peer_src_ip", 9)  # which makes it a table for BGP
    for more in ("sql_optimize_clauses: true\n", "sql_table_create: true\n"):
        assert is_right("src_host, peer_src_ip, vlan, flows", 1, more)


if __name__ == "__main__":
    main(globals())
