#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A backend that stands still costs no row and writes none twice: one that is only slow is waited for, one that hangs is left alone
while rows are spooled. `plugin_timeout` is small in all of these."""
import contextlib
import fcntl
import glob
import os
import signal
import sqlite3
import threading
import time

from harness import json_lines, main, need_built, wait_for
from postgres import Postgres
import exports

FLOWS = 20
SLOW = "its backend is slow: nothing was written for"
KILLED = "gives no sign of life"


def send(test, count=FLOWS, first=0):
    """Flows of as many source ports."""
    stream = test.__dict__.setdefault("stream", exports.Ipfix())
    test.send(stream.announce())
    for at in range(first, first + count, FLOWS):
        test.send(stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", octets=700, sport=1000 + at + i) for i in range(FLOWS)]))


def server_pids(server):
    found = []
    for cwd in glob.glob("/proc/[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if os.readlink(cwd) == str(server.data):
                found.append(int(cwd.split("/")[2]))
    return found


@contextlib.contextmanager
def stopped(server):
    """Meanwhile the server stands still, and its sessions with it."""
    pids = server_pids(server)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def pgsql(server, names, timeout=4):
    return (f"plugins: {', '.join(f'pgsql[{name}]' for name in names)}\naggregate: src_host, src_port, flows\nsql_refresh_time: 1\n"
            f"sql_optimize_clauses: true\nsql_table_create: true\nplugin_timeout: {timeout}\nnfacctd_workers: 2\n" +
            "".join(server.keys(name) + f"sql_table[{name}]: {name}\n" for name in names))


def written(server, name):
    return server.sql(f"SELECT count(*), sum(flows), count(DISTINCT port_src) FROM {name}")[0]


def instance(stats, name):
    return next(i for i in stats["instances"] if i["name"] == name)


def is_written(flow_count):
    return lambda stats: all(i["written"]["flows"] == flow_count for i in stats["instances"])


def test_server_that_is_stopped_loses_and_doubles_nothing(test):
    """One instance keeps its rows in memory, the other spools them. Both are in the middle of things when the server stops."""
    server = Postgres(test)
    (test.dir / "spool").mkdir()
    daemon = test.nfacctd(pgsql(server, ("patient", "spooling")) + f"plugin_spool_dir[spooling]: {test.dir}/spool\nshutdown_timeout: 60\n")
    send(test)
    test.wait_now(daemon, is_written(FLOWS), "the first flows")
    with stopped(server):
        send(test, first=FLOWS)
        stats = test.wait_now(daemon, lambda s: instance(s, "spooling")["spooled"]["flows"] == FLOWS, "rows on disk", seconds=60)
        assert instance(stats, "patient")["handed_over"]["flows"] == FLOWS, stats["instances"]
        daemon.wait_log("does not answer")
    test.wait_now(daemon, is_written(2 * FLOWS), "all flows", seconds=90)
    assert daemon.stop(90) == 0
    assert not any(any(i["residual"].values()) or i["process"]["restarts"] for i in test.stats()["instances"]), test.stats()["instances"]
    for name in "patient", "spooling":
        assert written(server, name) == [str(2 * FLOWS)] * 3, (name, written(server, name))
    assert KILLED not in daemon.output()


def test_commit_that_takes_long_is_waited_for(test):
    """The server waits for a standby that never comes: each commit takes as long as the test likes."""
    server = Postgres(test, settings={"log_statement": "all", "logging_collector": "off"})
    daemon = test.nfacctd(pgsql(server, ("slow",), timeout=8))
    send(test)
    test.wait_now(daemon, is_written(FLOWS), "the first flows")
    assert "SET client_connection_check_interval" in server.process.output(), "a client that is gone is noticed during a statement"
    set_standby(server, "nobody")
    send(test, first=FLOWS)
    daemon.wait_log("is slow: a statement takes")
    assert "waits for IPC SyncRep" in daemon.output(), daemon.output()
    daemon.wait_log(SLOW)  # that is after plugin_timeout
    set_standby(server, "")
    test.wait_now(daemon, is_written(2 * FLOWS), "all flows")
    assert daemon.stop() == 0
    assert instance(test.stats(), "slow")["process"]["restarts"] == 0 and KILLED not in daemon.output()
    assert written(server, "slow") == [str(2 * FLOWS)] * 3
    assert "cannot commit" not in daemon.output(), daemon.output()


def set_standby(server, name):
    # Not by a statement that commits: that would wait for the standby, too.
    with open(server.data / "postgresql.auto.conf", "a", encoding="ascii") as conf:
        conf.write(f"synchronous_standby_names = '{name}'\n")
    server.process.signal(signal.SIGHUP)
    wait_for(lambda: server.psql("-A", "-t", "-c", "SHOW synchronous_standby_names").strip() == name, "another list of standbys")


def test_commit_that_never_ends_does_not_stop_the_end(test):
    """At the end there is no time to wait for it: what it holds is spooled, and written by the next start."""
    server = Postgres(test)
    (test.dir / "spool").mkdir()
    config = pgsql(server, ("last",)) + f"plugin_spool_dir: {test.dir}/spool\nshutdown_timeout: 3\n"
    daemon = test.nfacctd(config)
    send(test)
    test.wait_now(daemon, is_written(FLOWS), "the first flows")
    set_standby(server, "nobody")
    send(test, first=FLOWS)
    daemon.wait_log("is slow: a statement takes")
    assert daemon.stop() == 0
    assert "given up: the time to end is over" in daemon.output() and KILLED not in daemon.output(), daemon.output()
    set_standby(server, "")
    again = test.nfacctd(config, name="again")
    again.wait_log("spooled hand-overs of before are written first")
    wait_for(lambda: written(server, "last") == [str(2 * FLOWS)] * 3, lambda: written(server, "last"))
    assert again.stop() == 0
    assert written(server, "last") == [str(2 * FLOWS)] * 3


def test_table_that_is_locked_longer_than_plugin_timeout_kills_nobody(test):
    server = Postgres(test)
    daemon = test.nfacctd(pgsql(server, ("locked",), timeout=2))
    send(test)
    test.wait_now(daemon, is_written(FLOWS), "the first flows")
    holder = threading.Thread(target=server.sql, args=("BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(6); COMMIT",))
    holder.start()
    wait_for(lambda: server.value("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'locked'::regclass") != "0",
             "the lock")
    send(test, first=FLOWS)
    daemon.wait_log("is slow: a statement takes")
    assert "waits for Lock relation" in daemon.output(), daemon.output()
    daemon.wait_log(SLOW)
    holder.join()
    test.wait_now(daemon, is_written(2 * FLOWS), "all flows", seconds=60)
    assert daemon.stop() == 0
    assert instance(test.stats(), "locked")["process"]["restarts"] == 0 and KILLED not in daemon.output()
    assert written(server, "locked") == [str(2 * FLOWS)] * 3


def test_sqlite_database_that_another_program_locks_kills_nobody(test):
    path = test.dir / "flows.db"
    daemon = test.nfacctd("plugins: sqlite3[a]\naggregate: src_port, flows\nsql_refresh_time: 1\nsql_optimize_clauses: true\n"
                          f"sql_table_create: true\nsql_table: acct\nsql_db: {path}\nplugin_timeout: 1\n")
    send(test)
    test.wait_now(daemon, is_written(FLOWS), "the first flows")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    send(test, first=FLOWS)
    daemon.wait_log("another program holds the lock of the database")
    other.execute("ROLLBACK")
    test.wait_now(daemon, is_written(2 * FLOWS), "all flows")
    assert daemon.stop() == 0
    assert test.stats()["instances"][0]["process"]["restarts"] == 0 and KILLED not in daemon.output()
    assert other.execute("SELECT count(*), sum(flows) FROM acct").fetchone() == (2 * FLOWS, 2 * FLOWS)


def test_reader_of_a_stream_and_trigger_may_take_their_time(test):
    """A pipe that is full, and a program that sleeps; both longer than plugin_timeout. The program is told, the reader is not."""
    pipe = test.dir / "pipe"
    os.mkfifo(pipe)
    program = test.write("program", f"#!/bin/sh\necho > {test.dir}/runs\nwhile ! [ -e {test.dir}/go ]; do sleep 0.1; done\n")
    program.chmod(0o755)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    daemon = test.nfacctd("plugins: print[pipe], print[file]\naggregate: src_port, flows\nprint_refresh_time: 1\nprint_output: json\n"
                          f"print_output_file[pipe]: {pipe}\nprint_output_file[file]: {test.dir}/out\nprint_output_file_append[file]: true\n"
                          f"print_trigger_exec[file]: {program}\nplugin_timeout: 1\nunaggregated[pipe]: true\n")
    count = 3000  # more than a pipe holds
    for first in range(0, count, 100):
        send(test, 100, first)
        time.sleep(0.005)
    wait_for((test.dir / "runs").exists, "the program")
    daemon.wait_log(f"print[file]: {SLOW}")
    assert "waiting for the program that it has started" in daemon.output()
    stats = test.wait_now(daemon, lambda s: instance(s, "pipe")["handed_over"]["flows"] > 0, "flows that wait for the reader")
    time.sleep(2)  # that nothing happens has no event to wait for
    assert all(i["process"]["restarts"] == 0 for i in stats["instances"]) and KILLED not in daemon.output(), daemon.output()
    (test.dir / "go").touch()
    received = drain(reader, count)
    assert daemon.stop() == 0
    assert received == count and sum(r["flows"] for r in json_lines(test.dir / "out")) == count
    assert all(i["process"]["hung_kills"] == 0 for i in test.stats()["instances"])


def drain(reader, count):
    """Reads the pipe until so many rows came."""
    text = bytearray()

    def is_there():
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(reader, 65536):
                text.extend(chunk)
        return text.count(b"\n") >= count
    wait_for(is_there, lambda: f"{count} rows in the pipe, not {text.count(10)}")
    return text.count(b"\n")


# ---- files that stand still ----

FILES = ("print", "sqlite3")
STILL = "the backend has stood still for"


class StillDisk:
    """A file system for outputs that stands still while it is told to, by tests/plugin/still_disk.c."""

    def __init__(self, test):
        self.lock = test.write("disk.lock", "")
        self.fd = os.open(self.lock, os.O_RDWR)
        (test.dir / "slow-disk").mkdir()
        (test.dir / "spool").mkdir()
        self.env = {**os.environ, "LD_PRELOAD": str(need_built("tests/still_disk.so")), "STILL_DISK_NAME": "/slow-disk/",
                    "STILL_DISK_LOCK": str(self.lock)}
        self.env["ASAN_OPTIONS"] = f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0"
        self.config = (f"plugins: print[print], sqlite3[sqlite3]\naggregate: src_host, src_port, flows\nprint_refresh_time: 1\n"
                       f"sql_refresh_time: 1\nprint_output: json\nprint_output_file: {test.dir}/slow-disk/out.json\n"
                       f"print_output_file_append: true\nsql_optimize_clauses: true\nsql_table_create: true\nsql_table: acct\n"
                       f"sql_db: {test.dir}/slow-disk/flows.db\nnfacctd_workers: 2\n")
        self.dir = test.dir

    def stand_still(self):
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def move(self):
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def assert_each_once(self, count):
        ports = sorted(row["port_src"] for row in json_lines(self.dir / "slow-disk/out.json"))
        assert ports == list(range(1000, 1000 + count)), ports
        with contextlib.closing(sqlite3.connect(self.dir / "slow-disk/flows.db")) as database:
            found = database.execute("SELECT count(*), count(DISTINCT port_src), sum(flows) FROM acct").fetchone()
        assert found == (count, count, count), found


def need_moved(daemon):
    for name in FILES:
        daemon.wait_log(f"( {name}/{name} ): {STILL}")


def spools(count):
    return lambda stats: all(i["spooled"]["flows"] == count for i in stats["instances"])


def test_files_that_stand_still_have_rows_spooled_beside(test):
    """The commit under way, and what comes meanwhile. It ends after all: then its rows are not written again."""
    disk = StillDisk(test)
    daemon = test.nfacctd(disk.config + f"plugin_spool_dir: {test.dir}/spool\n", env=disk.env)
    send(test)
    test.wait_now(daemon, is_written(FLOWS), "the first flows")
    disk.stand_still()
    send(test, first=FLOWS)
    test.wait_now(daemon, spools(FLOWS), "the rows under way on disk")
    send(test, first=2 * FLOWS)
    stats = test.wait_now(daemon, spools(2 * FLOWS), "the rows of later on disk, too")
    assert all(i["handed_over"]["flows"] == 0 for i in stats["instances"]), stats["instances"]
    need_moved(daemon)
    assert len(list((test.dir / "spool").glob("*/*"))) > 2
    disk.move()
    stats = test.wait_now(daemon, is_written(3 * FLOWS), "all flows")
    assert all(i["spooled"]["flows"] == 0 and i["process"]["restarts"] == 0 for i in stats["instances"]), stats["instances"]
    assert daemon.stop() == 0
    assert "the backend moves again" in daemon.output() and KILLED not in daemon.output(), daemon.output()
    assert not any(any(i["residual"].values()) for i in test.stats()["instances"]), test.stats()["instances"]
    disk.assert_each_once(3 * FLOWS)


def test_files_that_hang_have_their_process_killed_and_nothing_lost(test):
    """The kernel says that the thread waits for a lock and not for a disk: that is a call which hangs."""
    disk = StillDisk(test)
    daemon = test.nfacctd(disk.config + f"plugin_spool_dir: {test.dir}/spool\nplugin_timeout: 4\n", env=disk.env)
    send(test)
    test.wait_now(daemon, is_written(FLOWS), "the first flows")
    disk.stand_still()
    send(test, first=FLOWS)
    for name in FILES:
        daemon.wait_log(f"plugin {name}[{name}]: its process {KILLED} for 4 s while")
    assert "waiting for a file" in daemon.output(), daemon.output()
    send(test, first=2 * FLOWS)
    disk.move()
    test.wait_now(daemon, is_written(3 * FLOWS), "all flows", seconds=90)
    assert daemon.stop() == 0
    disk.assert_each_once(3 * FLOWS)


def test_files_that_stand_still_do_not_stop_the_end(test):
    """What was handed over is on disk then, and the next start writes it."""
    disk = StillDisk(test)
    config = disk.config + f"plugin_spool_dir: {test.dir}/spool\nshutdown_timeout: 3\nplugin_timeout: 0\n"
    daemon = test.nfacctd(config, env=disk.env)
    send(test)
    test.wait_now(daemon, is_written(FLOWS), "the first flows")
    disk.stand_still()
    send(test, first=FLOWS)
    test.wait_now(daemon, lambda s: all(i["handed_over"]["flows"] + i["spooled"]["flows"] == FLOWS for i in s["instances"]), "rows under way")
    send(test, first=2 * FLOWS)
    assert daemon.stop() == 0
    assert daemon.output().count("the rest is spooled") == 2, daemon.output()
    disk.move()
    again = test.nfacctd(config, name="again", env=disk.env)
    test.wait_now(again, lambda s: all(i["process"]["commits"] > 0 and i["process"]["spooled_handovers"] == 0 for i in s["instances"]), "the rows of before",
                  name="again")
    assert again.stop() == 0
    disk.assert_each_once(3 * FLOWS)


main(globals())
