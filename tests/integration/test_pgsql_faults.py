#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves what happens when something goes wrong between the pgsql plugin and its server: one test for each row of
src/plugins/pgsql/faults.def.

All faults are there from the start, each with an instance of one daemon; what the log advises is then done for each, and all
rows are in their tables. The first test waits for that; the others look at their part."""
import atexit
import contextlib
import os
import re
import signal
import subprocess
import time

from harness import SOURCE, Skip, Test, main, need, wait_for
from postgres import PASSWORD, Postgres
import exports

FLOWS = 40
COLUMNS = ("ip_src inet NOT NULL DEFAULT '0.0.0.0', port_src int NOT NULL DEFAULT 0, packets bigint NOT NULL DEFAULT 0, "
           "bytes bigint NOT NULL DEFAULT 0")
STAMPS = "stamp_inserted timestamp NOT NULL DEFAULT '1970-01-01', stamp_updated timestamp NOT NULL DEFAULT '1970-01-01', "


def table(name, columns=COLUMNS, more="", key="ip_src, port_src"):
    return f"CREATE TABLE {name} ({columns}, flows bigint NOT NULL DEFAULT 0{', UNIQUE (' + key + ')' if key else ''}) {more};"


class Fault:
    """A fault to make. `keys` are its instance's, beyond the usual ones; `advice` gets the log line and returns what to do."""

    def __init__(self, words, setup="", fix="", keys="", db="pmacct", create=False):
        self.words, self.setup, self.fix, self.keys, self.db, self.create = words, setup, fix, keys, db, create


FAULTS = {
    "LOGIN_REFUSED": Fault("password authentication failed for user \"stranger\".*; check sql_user, sql_passwd",
                           "CREATE ROLE stranger LOGIN PASSWORD 'other';" + table("login_refused") + "GRANT ALL ON login_refused TO stranger;",
                           f"ALTER ROLE stranger PASSWORD '{PASSWORD}'; GRANT ALL ON pathacct_progress TO stranger;",
                           "sql_user[login_refused]: stranger\nsql_host[login_refused]: 127.0.0.1\n"),
    "DATABASE_MISSING": Fault("database \"nowhere\" does not exist .*; check sql_db", fix="CREATE DATABASE nowhere OWNER pmacct",
                              keys="sql_db[database_missing]: nowhere\nsql_table_create[database_missing]: true\n"),
    "TABLE_MISSING": Fault("there is no table \"table_missing\" in database pmacct; create the table", fix=table("table_missing")),
    "COLUMN_MISSING": Fault("table \"column_missing\" lacks columns of `aggregate`; run ALTER TABLE", f"CREATE TABLE column_missing ({COLUMNS});",
                            fix=lambda line: re.search(r"run (ALTER TABLE .*)", line)[1]),
    "TABLE_UNFIT": Fault("column site of table \"table_unfit\" is NOT NULL without a default", table("table_unfit", COLUMNS + ", site text NOT NULL"),
                         "ALTER TABLE table_unfit ALTER COLUMN site SET DEFAULT ''"),
    "RIGHT_MISSING": Fault("permission denied for table right_missing .*; GRANT what is missing", table("right_missing"),
                           "GRANT ALL ON right_missing TO pmacct"),
    "PROGRESS_MISSING": Fault("no right to keep pathacct_progress.*or set sql_exactly_once: false", table("progress_missing"),
                              lambda line: re.search(r"run (CREATE TABLE .*); or set", line)[1], "sql_db[progress_missing]: closed\n", db="closed"),
    "PROGRESS_LATER": Fault("pathacct_progress is of version 2, and this program knows version 1: start the later version again",
                            table("progress_later") + "GRANT ALL ON progress_later TO pmacct; CREATE TABLE pathacct_progress (core_id CHAR(32) NOT NULL, "
                            "instance VARCHAR(255) NOT NULL, worker INTEGER NOT NULL, seq BIGINT NOT NULL, updated BIGINT NOT NULL, "
                            "PRIMARY KEY (core_id, instance, worker)); INSERT INTO pathacct_progress VALUES ('version', '', 0, 2, 9223372036854775807); "
                            "ALTER TABLE pathacct_progress OWNER TO pmacct;",
                            "UPDATE pathacct_progress SET seq = 1 WHERE core_id = 'version'", "sql_db[progress_later]: later\n", db="later"),
    "PARTITION_MISSING": Fault("no partition of relation \"partition_missing\" found for row.*create the partition",
                               table("partition_missing", STAMPS + COLUMNS, "PARTITION BY RANGE (stamp_inserted)", key="stamp_inserted, ip_src, port_src"),
                               "CREATE TABLE later PARTITION OF partition_missing DEFAULT; GRANT ALL ON later TO pmacct",
                               "sql_history[partition_missing]: 1m\n"),
    "LOCKED": Fault("lock timeout .*another session holds a lock", table("locked")),
    "DISK_FULL": Fault("No space left on device .*make room on the server's disk"),
    "STANDBY": Fault("read-only transaction .*set sql_host to the primary",
                     "CREATE ROLE reader LOGIN IN ROLE pmacct; ALTER ROLE reader SET default_transaction_read_only = on;" + table("standby") +
                     "GRANT ALL ON standby TO reader;",
                     "ALTER ROLE reader RESET ALL; GRANT ALL ON pathacct_progress TO reader", "sql_user[standby]: reader\n"),
    "BUSY": Fault("too many connections for role \"crowd\"", "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0;" + table("busy") + "GRANT ALL ON busy TO crowd;",
                  "ALTER ROLE crowd CONNECTION LIMIT -1; GRANT ALL ON pathacct_progress TO crowd", "sql_user[busy]: crowd\n"),
    "MISUSED": Fault("column \"flows\" can only be updated to DEFAULT",
                     f"CREATE TABLE misused ({COLUMNS}, flows bigint GENERATED ALWAYS AS (packets) STORED);",
                     "ALTER TABLE misused ALTER COLUMN flows DROP EXPRESSION"),
    "ROW_REFUSED": Fault("the backend refuses a row: .*violates check constraint \"not_this\"",
                         table("row_refused", COLUMNS + ", CONSTRAINT not_this CHECK (port_src <> 1007)")),
}


class World:
    """The server, the daemon and what became of each fault."""

    def __init__(self):
        self.test = Test("pgsql-world")
        atexit.register(self.test.close)
        self.pg = Postgres(self.test)
        self.away = Postgres(self.test, "away")
        self.away.sql(table("acct") + "GRANT ALL ON acct TO pmacct")
        self.away.stop()
        (self.test.dir / "spool").mkdir()
        self.pg.sql("CREATE DATABASE closed OWNER postgres", db="postgres")
        self.pg.sql("CREATE DATABASE later OWNER postgres", db="postgres")
        self.faults = dict(FAULTS)
        self.full = self.make_full_disk()
        for name, fault in self.faults.items():
            if fault.setup:
                self.pg.sql(fault.setup + ("" if name == "RIGHT_MISSING" or f"TABLE {name.lower()}" not in fault.setup
                                           else f"GRANT ALL ON {name.lower()} TO pmacct"), db=fault.db)
        self.hold_lock()
        self.daemon = self.start()
        self.stream = exports.Ipfix()
        self.test.send(self.stream.announce())
        self.send(1000)
        self.lines = {name: self.wait_line(fault.words) for name, fault in self.faults.items()}
        self.wait_line("could not connect|Connection refused|No such file")
        wait_for(lambda: self.stats()["away"]["process"]["spooled_handovers"] > 0, "hand-overs in plugin_spool_dir", 30)
        self.during = self.stats()
        self.repair()
        for name, fault in self.faults.items():
            want = FLOWS - (name == "ROW_REFUSED")
            db = {"DATABASE_MISSING": "nowhere", "PROGRESS_MISSING": "closed", "PROGRESS_LATER": "later"}.get(name, "pmacct")
            wait_for(lambda: self.flows(name.lower(), db) == want, f"{want} flows in the table of {name}:\n" +
                     "\n".join(self.lines_of(name)), 40)
        wait_for(lambda: self.flows("acct", server=self.away) == FLOWS, "all rows in the server that was away", 40)
        self.after = self.stats()

    def make_full_disk(self):
        """A tablespace on a file system of two megabytes, most of which is taken."""
        if os.geteuid() != 0:
            del self.faults["DISK_FULL"]
            return None
        folder = self.pg.dir / "small"
        folder.mkdir()
        subprocess.run([need("mount"), "-t", "tmpfs", "-o", "size=2M", "none", folder], check=True)
        self.test.cleanups.insert(0, lambda: subprocess.run(["umount", "-l", folder], check=False))
        space = folder / "space"
        space.mkdir()
        self.pg.give(space)
        self.pg.sql(f"CREATE TABLESPACE small LOCATION '{space}'", db="postgres")
        self.pg.sql(table("disk_full", more="TABLESPACE small") + "GRANT ALL ON disk_full TO pmacct")
        filler = folder / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
            while True:
                out.write(bytes(4096))
        return filler

    def hold_lock(self):
        args = [self.pg.bin / "psql", "-X", "-q", "-h", self.pg.host, "-p", str(self.pg.port), "-U", "postgres", "-d", "pmacct", "-c",
                "BEGIN; LOCK TABLE locked; SELECT pg_sleep(100)"]
        self.test.start(args, "locker")
        wait_for(lambda: self.pg.value("SELECT count(*) FROM pg_locks WHERE relation = 'locked'::regclass") != "0", "the lock")

    def start(self):
        names = [name.lower() for name in self.faults] + ["away"]
        lines = ["plugins: " + ", ".join(f"pgsql[{name}]" for name in names), "aggregate: src_host, src_port, flows",
                 "sql_refresh_time: 1", "sql_optimize_clauses: true", "sql_table_version: 9", "nfacctd_workers: 1",
                 f"plugin_spool_dir[away]: {self.test.dir}/spool"]
        defaults = dict(line.split(": ") for line in self.pg.keys().splitlines())
        for name in names:
            own = {**defaults, "sql_table": "acct" if name == "away" else name}
            if name == "away":
                own.update(dict(line.split(": ") for line in self.away.keys().splitlines()))
            fault = self.faults.get(name.upper())
            bound = {} if not fault else dict(line.replace(f"[{name}]", "").split(": ") for line in fault.keys.splitlines())
            lines += [f"{key}[{name}]: {value}" for key, value in {**own, **bound}.items()]
        return self.test.nfacctd("\n".join(lines) + "\n")

    def send(self, first_port, count=FLOWS):
        rows = [exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1", sport=first_port + n) for n in range(count)]
        for at in range(0, count, 10):
            self.test.send(self.stream.data(rows[at:at + 10]))

    def stats(self):
        return {i["name"]: i for i in self.test.now(self.daemon)["instances"]}

    def lines_of(self, name):
        return [line for line in self.daemon.output().splitlines() if f"( {name.lower()}/pgsql )" in line]

    def wait_line(self, words):
        def find():
            return re.search(f"^.*(?:{words}).*$", self.daemon.output(), re.M)
        return wait_for(find, f"'{words}' in the log:\n{self.daemon.output()}", 30)[0]

    def flows(self, name, db="pmacct", server=None):
        try:
            return int((server or self.pg).value(f"SELECT coalesce(sum(flows), 0) FROM {name}", db=db))
        except subprocess.CalledProcessError:
            return None

    def repair(self):
        self.away.start()
        if self.full:
            self.full.unlink()
        self.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'locked'::regclass AND granted")
        for name, fault in self.faults.items():
            what = fault.fix(self.lines[name]) if callable(fault.fix) else fault.fix
            if what:
                self.pg.sql(what, db=fault.db)
        if self.full is None:
            return
        self.pg.sql("GRANT ALL ON table_missing TO pmacct")


WORLD = []


def check(name):
    """The fault was counted and logged, nothing ended, nothing was lost, and once it was mended all rows were in."""
    if not WORLD:
        WORLD.append(None)
        WORLD[0] = World()
    world = WORLD[0]
    assert world, "the first test says why"
    if name not in world.faults and name != "SERVER_AWAY":
        raise Skip("needs root: it fills a small file system of its own")
    instance = "away" if name == "SERVER_AWAY" else name.lower()
    during, after = world.during[instance], world.after[instance]
    assert during["process"]["counters"][f"fault_{name.lower()}"] >= 1, during
    assert after["process"]["restarts"] == 0 and not after["process"]["is_failing"], after
    assert after["drops"]["rejected"]["flows"] == (name == "ROW_REFUSED"), after
    assert after["written"]["flows"] == FLOWS - (name == "ROW_REFUSED"), after
    assert after["residual"]["flows"] == 0
    if name not in ("ROW_REFUSED",):
        assert during["process"]["is_failing"] and during["written"]["flows"] == 0, during
    return world


def test_fault_server_away(_test):
    """The server is down at the start: hand-overs wait, then lie on disk, and come out when the server is there. Later it is restarted."""
    world = check("SERVER_AWAY")
    world.away.stop(signal.SIGQUIT)
    world.send(3000)
    time.sleep(1.2)
    world.away.start()
    wait_for(lambda: world.flows("acct", server=world.away) == 2 * FLOWS, "rows after a restart of the server", 30)
    assert world.stats()["away"]["process"]["restarts"] == 0


def test_fault_login_refused(_test):
    check("LOGIN_REFUSED")


def test_fault_database_missing(_test):
    check("DATABASE_MISSING")


def test_fault_table_missing(_test):
    check("TABLE_MISSING")


def test_fault_column_missing(_test):
    check("COLUMN_MISSING")


def test_fault_table_unfit(_test):
    check("TABLE_UNFIT")


def test_fault_right_missing(_test):
    check("RIGHT_MISSING")


def test_fault_progress_missing(_test):
    check("PROGRESS_MISSING")


def test_fault_progress_later(test):
    check("PROGRESS_LATER")


def test_fault_partition_missing(_test):
    check("PARTITION_MISSING")


def test_fault_locked(_test):
    check("LOCKED")


def test_fault_disk_full(_test):
    check("DISK_FULL")


def test_fault_standby(_test):
    check("STANDBY")


def test_fault_busy(_test):
    check("BUSY")


def test_fault_misused(_test):
    check("MISUSED")


def test_fault_row_refused(_test):
    """One of forty rows is refused: the others are written, and the log names the first."""
    world = check("ROW_REFUSED")
    wait_for(lambda: world.flows("row_refused") == 2 * FLOWS - 1, "what was sent after the restart of the other server")
    ports = [int(row[0]) for row in world.pg.sql("SELECT port_src FROM row_refused ORDER BY 1")]
    assert ports == [port for port in range(1000, 1000 + FLOWS) if port != 1007] + list(range(3000, 3000 + FLOWS)), ports
    refused = [line for line in world.lines_of("ROW_REFUSED") if "the backend refuses a row" in line]
    assert len(refused) == 1 and "[23514]" in refused[0], refused


def test_every_row_of_the_table_has_a_test(_test):
    rows = re.findall(r"^FAULT\((\w+),", (SOURCE / "src/plugins/pgsql/faults.def").read_text(), re.M)
    tests = [name[len("test_fault_"):].upper() for name in globals() if name.startswith("test_fault_")]
    assert sorted(rows) == sorted(tests), set(rows) ^ set(tests)


if __name__ == "__main__":
    main(globals())
