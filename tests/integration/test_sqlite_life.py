#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SQLite tables are exact whatever happens to the processes: kill -9 at fifty random points, of the plugin and of the core."""
import contextlib
import os
import pathlib
import random
import signal
import sqlite3
import time

from harness import flowgen, host_pids, main, wait_for

UNITS = ("flows", "packets", "bytes")
INSTANCES = {"a": ("one.db", "acct"), "b": ("two.db", "acct_%H%M"), "c": ("three.db", "acct"), "d": ("both.db", "acct"),
             "e": ("both.db", "acct")}  # the last two add up in one table


def config(test, names, more=""):
    lines = ["plugins: " + ", ".join(f"sqlite3[{name}]" for name in names),
             "aggregate: src_host, dst_host, src_port, dst_port, proto, flows", "sql_table_create: true", "sql_refresh_time: 1",
             "sql_history: 1m", "sql_history_roundoff: m", more]
    for name in names:
        lines += [f"sql_db[{name}]: {test.dir}/{INSTANCES[name][0]}", f"sql_table[{name}]: {INSTANCES[name][1]}"]
    return "\n".join(lines) + "\n"


def written(test, file):
    """Sums over all tables of a database, and whether any key stands twice."""
    sums = dict.fromkeys(UNITS, 0)
    with contextlib.closing(sqlite3.connect(test.dir / file)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'acct%'").fetchall():
            for unit, value in zip(UNITS, db.execute(f'SELECT sum(flows), sum(packets), sum(bytes) FROM "{name}"').fetchone()):
                sums[unit] += value or 0
            assert db.execute(f'SELECT count(*) FROM (SELECT 1 FROM "{name}" GROUP BY stamp_inserted, ip_src, ip_dst, port_src, '
                              'port_dst, ip_proto HAVING count(*) > 1)').fetchone() == (0,), name
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return sums


def test_kill_9_of_the_plugin_at_fifty_random_points(test):
    """Five instances, ten kills each, all over their transactions: every flow is in its table exactly once."""
    rng = random.Random(7)
    sent = flowgen("--flows", 300000, "--keys", 30000, "--seconds", 100, "--pcap", test.dir / "in.pcap")
    daemon = test.nfacctd(config(test, INSTANCES, f"pcap_savefile: {test.dir}/in.pcap\npcap_savefile_speed: 5\n"))
    daemon.wait_log("reading NetFlow/IPFIX data from")
    killed, lives, deadline = set(), {}, time.monotonic() + 100
    while len(killed) < 50 and daemon.popen.poll() is None and time.monotonic() < deadline:
        for pid in host_pids(daemon):
            ends = lives.setdefault(pid, time.monotonic() + rng.uniform(0, 0.5))
            if pid not in killed and len(killed) < 50 and time.monotonic() >= ends:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(0.01)
    assert daemon.wait(100) == 0, daemon.output()[-4000:]
    instances = test.stats()["instances"]
    assert len(killed) == 50 == sum(i["process"]["restarts"] for i in instances), (len(killed), [i["process"] for i in instances])
    truth = {unit: sent[unit] for unit in UNITS}
    for instance in instances:
        assert instance["written"] == truth, instance
    for file in ("one.db", "two.db", "three.db"):
        assert written(test, file) == truth, (file, written(test, file), truth)
    assert written(test, "both.db") == {unit: 2 * truth[unit] for unit in UNITS}


def test_kill_9_of_the_core(test):
    """Rows that were handed over before the kill are in the table once; the plugin sees to that by itself."""
    daemon = test.nfacctd(config(test, "a", "nfacctd_workers: 1\nnfacctd_pipe_size: 50000000\n"))
    first = flowgen("--flows", 30000, "--keys", 20000, "--udp", f"127.0.0.1:{test.port}", "--rate", 100000)
    pid = wait_for(lambda: host_pids(daemon), "a plugin process")[0]
    wait_for(lambda: (test.dir / "one.db").exists() and written_or_none(test) == first["flows"], "the first rows")
    os.kill(pid, signal.SIGSTOP)
    flowgen("--flows", 5000, "--keys", 5000, "--udp", f"127.0.0.1:{test.port}", "--seed", 2)
    test.wait_handed_over(daemon, 5000)
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait(5)
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists() or "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text(),
             "the end of the plugin process", 40)
    assert written(test, "one.db")["flows"] == first["flows"] + 5000, written(test, "one.db")


def written_or_none(test):
    with contextlib.suppress(sqlite3.Error):
        return written(test, "one.db")["flows"]
    return None


if __name__ == "__main__":
    main(globals())
