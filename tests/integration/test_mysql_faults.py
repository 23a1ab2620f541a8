#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves what happens when something goes wrong between the mysql plugin and its server: one test for each row of
src/plugins/mysql/faults.def.

All faults are there from the start, each with an instance of one daemon; what the log advises is then done for each, and all
rows are in their tables. The first test waits for that; the others look at their part."""
import atexit
import contextlib
import os
import re
import signal
import subprocess

from harness import SOURCE, Skip, Test, main, need, need_built, wait_for
from mariadb import PASSWORD, MariaDB
import exports

FLOWS = 40
COLUMNS = ("ip_src varchar(45) NOT NULL DEFAULT '0.0.0.0', port_src int NOT NULL DEFAULT 0, packets bigint NOT NULL DEFAULT 0, "
           "bytes bigint NOT NULL DEFAULT 0")
STAMPS = "stamp_inserted datetime NOT NULL, stamp_updated datetime NOT NULL, "
PROGRESS = ("CREATE TABLE pathacct_progress (core_id CHAR(32) NOT NULL, instance VARCHAR(255) NOT NULL, worker INTEGER NOT NULL, seq BIGINT NOT NULL, "
            "updated BIGINT NOT NULL, PRIMARY KEY (core_id, instance, worker)) CHARACTER SET utf8mb4;")


def table(name, columns=COLUMNS, more="", key="ip_src, port_src"):
    return f"CREATE TABLE {name} ({columns}, flows bigint NOT NULL DEFAULT 0{', UNIQUE (' + key + ')' if key else ''}) {more};"


def user(name, rights="ALL ON pmacct.*", more=""):
    return f"CREATE USER {name}@localhost IDENTIFIED BY '{PASSWORD}' {more}; GRANT {rights} TO {name}@localhost;"


class Fault:
    """A fault to make. `keys` are its instance's, beyond the usual ones; `fix` is what to do, or gets the log line and returns it."""

    def __init__(self, words, setup="", fix="", keys="", db="pmacct"):
        self.words, self.setup, self.fix, self.keys, self.db = words, setup, fix, keys, db


FAULTS = {
    "LOGIN_REFUSED": Fault("Access denied for user 'stranger'@'localhost' .*; check sql_user, sql_passwd",
                           table("login_refused") + user("stranger").replace(PASSWORD, "other"),
                           f"ALTER USER stranger@localhost IDENTIFIED BY '{PASSWORD}'", "sql_user[login_refused]: stranger\n"),
    "DATABASE_MISSING": Fault("Unknown database 'nowhere' .*; check sql_db", fix="CREATE DATABASE nowhere",
                              keys="sql_db[database_missing]: nowhere\nsql_table_create[database_missing]: true\nsql_user[database_missing]: root_like\n"),
    "TABLE_MISSING": Fault("there is no table `table_missing` in database pmacct; create the table", fix=table("table_missing")),
    "COLUMN_MISSING": Fault("table `column_missing` lacks columns of `aggregate`; run ALTER TABLE", f"CREATE TABLE column_missing ({COLUMNS});",
                            fix=lambda line: re.search(r"run (ALTER TABLE .*)", line)[1]),
    "TABLE_UNFIT": Fault("column site of table `table_unfit` is NOT NULL without a default", table("table_unfit", COLUMNS + ", site varchar(20) NOT NULL"),
                         "ALTER TABLE table_unfit ALTER COLUMN site SET DEFAULT ''"),
    "ENGINE_UNFIT": Fault("table `engine_unfit` \\(MyISAM\\) has no transactions", table("engine_unfit", more="ENGINE=MyISAM"),
                          fix=lambda line: re.search(r"run (ALTER TABLE .*?);", line)[1]),
    "RIGHT_MISSING": Fault("INSERT.* command denied to user 'reader'.*; GRANT what is missing",
                           table("right_missing") + user("reader", "SELECT ON pmacct.*") +
                           "GRANT INSERT, UPDATE, DELETE, CREATE ON pmacct.pathacct_progress TO reader@localhost;",
                           "GRANT INSERT, UPDATE ON pmacct.right_missing TO reader@localhost", "sql_user[right_missing]: reader\n"),
    "PROGRESS_MISSING": Fault("no right to keep pathacct_progress.*or set sql_exactly_once: false",
                              table("progress_missing") + user("modest", "SELECT, INSERT, UPDATE ON closed.*"),
                              lambda line: re.search(r"run (CREATE TABLE .*); or set", line)[1].replace("'modest'@'%'", "modest@localhost"),
                              "sql_db[progress_missing]: closed\nsql_user[progress_missing]: modest\n", db="closed"),
    "PROGRESS_LATER": Fault("pathacct_progress is of version 2, and this program knows version 1: start the later version again",
                            table("progress_later") + PROGRESS + "INSERT INTO pathacct_progress VALUES ('version', '', 0, 2, 9223372036854775807);",
                            "UPDATE pathacct_progress SET seq = 1 WHERE core_id = 'version'",
                            "sql_db[progress_later]: later\nsql_user[progress_later]: root_like\n", db="later"),
    "PARTITION_MISSING": Fault("Table has no partition for value .*create the partition",
                               table("partition_missing", STAMPS + COLUMNS, "PARTITION BY RANGE COLUMNS (stamp_inserted) (PARTITION old VALUES LESS THAN "
                                     "('2001-01-01'))", key="stamp_inserted, ip_src, port_src"),
                               "ALTER TABLE partition_missing ADD PARTITION (PARTITION later VALUES LESS THAN (MAXVALUE))",
                               "sql_history[partition_missing]: 1m\n"),
    "LOCKED": Fault("Lock wait timeout exceeded.*another session holds a lock", table("locked")),
    "DISK_FULL": Fault("The table 'disk_full' is full .*make room on the server's disk"),
    "STANDBY": Fault("READ ONLY transaction.*set sql_host to the primary", table("standby") + user("replica"),
                     "SET GLOBAL init_connect = ''", "sql_user[standby]: replica\n"),
    "BUSY": Fault("User 'crowd' has exceeded the 'max_queries_per_hour'", table("busy") + user("crowd", more="WITH MAX_QUERIES_PER_HOUR 1"),
                  "ALTER USER crowd@localhost WITH MAX_QUERIES_PER_HOUR 0", "sql_user[busy]: crowd\n"),
    "MISUSED": Fault("value specified for generated column 'flows'", f"CREATE TABLE misused ({COLUMNS}, flows bigint AS (packets) STORED);",
                     "ALTER TABLE misused MODIFY flows bigint NOT NULL DEFAULT 0"),
    "ROW_REFUSED": Fault("the backend refuses a row: .*CONSTRAINT `not_this` failed",
                         table("row_refused", COLUMNS + ", CONSTRAINT not_this CHECK (port_src <> 1007)")),
}


class World:
    """The server, the daemon and what became of each fault."""

    def __init__(self):
        need_built("mysql")
        self.test = Test("mysql-world")
        atexit.register(self.test.close)
        # Sessions of `replica` only read, as those of a replica's server do.
        self.db = MariaDB(self.test, settings={"init-connect": "SET SESSION tx_read_only = (CURRENT_USER() LIKE 'replica@%')"})
        self.away = MariaDB(self.test, "away")
        self.away.sql(table("acct"))
        self.away.stop()
        (self.test.dir / "spool").mkdir()
        self.db.sql("CREATE DATABASE closed; CREATE DATABASE later;" + user("root_like", "ALL ON *.*"), db="")
        self.db.sql(PROGRESS)
        self.faults = dict(FAULTS)
        self.full = self.make_full_disk()
        for name, fault in self.faults.items():
            if fault.setup:
                self.db.sql(fault.setup, db=fault.db)
        self.hold_lock()
        self.daemon = self.start()
        self.stream = exports.Ipfix()
        self.test.send(self.stream.announce())
        self.send(1000)
        self.lines = {name: self.wait_line(name, fault.words) for name, fault in self.faults.items()}
        self.wait_line("away", "Can't connect")
        wait_for(lambda: self.stats()["away"]["process"]["spooled_handovers"] > 0, "hand-overs in plugin_spool_dir", 30)
        self.during = self.stats()
        self.repair()
        for name, fault in self.faults.items():
            want = FLOWS - (name == "ROW_REFUSED")
            db = {"DATABASE_MISSING": "nowhere"}.get(name, fault.db)
            wait_for(lambda: self.flows(name.lower(), db) == want, f"{want} flows in the table of {name}:\n" +
                     "\n".join(self.lines_of(name)), 40)
        wait_for(lambda: self.flows("acct", server=self.away) == FLOWS, "all rows in the server that was away", 40)
        self.after = self.stats()

    def make_full_disk(self):
        """A table on a file system of which nothing is left."""
        if os.geteuid() != 0:
            del self.faults["DISK_FULL"]
            return None
        folder = self.db.dir / "small"
        folder.mkdir()
        subprocess.run([need("mount"), "-t", "tmpfs", "-o", "size=2M", "none", folder], check=True)
        self.test.cleanups.insert(0, lambda: subprocess.run(["umount", "-l", folder], check=False))
        self.db.give(folder)
        # Its rows are large, so that the first ones need more room than the file has.
        self.db.sql(f"CREATE TABLE disk_full ({COLUMNS}, flows bigint NOT NULL DEFAULT 0, filler char(255) NOT NULL DEFAULT 'x', "
                    f"a char(255) NOT NULL DEFAULT 'x', b char(255) NOT NULL DEFAULT 'x', c char(255) NOT NULL DEFAULT 'x', "
                    f"KEY (filler, a, b, c), KEY (a, b, c, filler), KEY (b, c, a, filler), UNIQUE (ip_src, port_src)) DATA DIRECTORY = '{folder}'")
        filler = folder / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
            while True:
                out.write(bytes(4096))
        return filler

    def hold_lock(self):
        args = [self.db.client, "--no-defaults", "-S", self.db.socket, "-u", "root", "pmacct", "-e", "LOCK TABLE locked WRITE; SELECT SLEEP(100)"]
        self.locker = self.test.start(args, "locker")
        wait_for(lambda: self.db.sql("SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"), "the lock")

    def start(self):
        names = [name.lower() for name in self.faults] + ["away"]
        lines = ["plugins: " + ", ".join(f"mysql[{name}]" for name in names), "aggregate: src_host, src_port, flows",
                 "sql_refresh_time: 1", "sql_optimize_clauses: true", "sql_table_version: 9", "nfacctd_workers: 1",
                 f"plugin_spool_dir[away]: {self.test.dir}/spool"]
        defaults = dict(line.split(": ") for line in self.db.keys().splitlines())
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
        return [line for line in self.daemon.output().splitlines() if f"( {name.lower()}/mysql )" in line]

    def wait_line(self, name, words):
        def find():
            return next((line for line in self.lines_of(name) if re.search(words, line)), None)
        return wait_for(find, f"'{words}' in the log of {name}:\n{self.daemon.output()}", 40)

    def flows(self, name, db="pmacct", server=None):
        try:
            return int((server or self.db).value(f"SELECT COALESCE(SUM(flows), 0) FROM {name}", db=db))
        except subprocess.CalledProcessError:
            return None

    def repair(self):
        self.away.start()
        if self.full:
            self.full.unlink()
        self.db.sql("KILL (SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%' LIMIT 1)", check=False)
        for id in self.db.sql("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"):
            self.db.sql(f"KILL {id[0]}")
        for name, fault in self.faults.items():
            what = fault.fix(self.lines[name]) if callable(fault.fix) else fault.fix
            if what:
                self.db.sql(what, db=fault.db)


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
    world.away.stop(signal.SIGKILL)
    world.send(3000)
    world.wait_line("away", "Lost connection|gone away|Can't connect.*(?:s|2|111)")
    world.away.start()
    wait_for(lambda: world.flows("acct", server=world.away) == 2 * FLOWS, "rows after a restart of the server", 30)
    assert world.stats()["away"]["process"]["restarts"] == 0


def test_fault_row_refused(_test):
    """One of forty rows is refused: the others are written, and the log names the first."""
    world = check("ROW_REFUSED")
    wait_for(lambda: world.flows("row_refused") == 2 * FLOWS - 1, "what was sent after the restart of the other server")
    ports = [int(row[0]) for row in world.db.sql("SELECT port_src FROM row_refused ORDER BY 1")]
    assert ports == [port for port in range(1000, 1000 + FLOWS) if port != 1007] + list(range(3000, 3000 + FLOWS)), ports
    refused = [line for line in world.lines_of("ROW_REFUSED") if "the backend refuses a row" in line]
    assert len(refused) == 1 and "[4025]" in refused[0], refused


def make_test(name):
    def test(_test):
        check(name)
    return test


for _name in FAULTS:
    globals().setdefault(f"test_fault_{_name.lower()}", make_test(_name))


def test_every_row_of_the_table_has_a_test(_test):
    rows = re.findall(r"^FAULT\((\w+),", (SOURCE / "src/plugins/mysql/faults.def").read_text(), re.M)
    tests = [name[len("test_fault_"):].upper() for name in globals() if name.startswith("test_fault_")]
    assert sorted(rows) == sorted(tests), set(rows) ^ set(tests)


if __name__ == "__main__":
    main(globals())
