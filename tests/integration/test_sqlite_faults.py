#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves, for each fault of src/plugins/sqlite3/faults.def, which the manual lists too: its log line, its counter, that rows wait
and come when it is over, that the plugin goes on, and that rows which wait too long are on disk meanwhile."""
import contextlib
import os
import pathlib
import re
import sqlite3
import subprocess
import time

from harness import SOURCE, Skip, main, wait_for
import exports

TABLE = "CREATE TABLE acct (ip_src TEXT PRIMARY KEY, port_dst INT, packets INT, bytes INT)"
FAULTS = {row[0]: row for row in (re.findall(r'\w+(?=,)|"[^"]*"', line) for line in
                                  (SOURCE / "src/plugins/sqlite3/faults.def").read_text().splitlines() if line.startswith("FAULT("))}


class Case:
    """A database in some trouble, and the way out of it."""
    more, refused = "", 0

    def __init__(self, test):
        self.path = test.dir / type(self).__name__ / "flows.db"
        self.path.parent.mkdir()
        self.break_it()

    def run(self, *statements):
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            for sql in statements:
                db.execute(sql)
            db.commit()

    def break_it(self):
        self.run(TABLE)

    def cure(self):
        raise NotImplementedError

    def packets(self):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as db:
            return db.execute("SELECT sum(packets) FROM acct").fetchone()[0]
        return None


class DIRECTORY_MISSING(Case):
    more = "sql_table_create"

    def break_it(self):
        self.path = self.path.parent / "folder" / "flows.db"

    def cure(self):
        self.path.parent.mkdir()


class FILE_MISSING(Case):
    def break_it(self):
        pass

    def cure(self):
        self.path = self.path.with_suffix(".new")
        self.run(TABLE)
        self.path = self.path.rename(self.path.with_suffix(".db"))


class NOT_WRITABLE(Case):
    def break_it(self):
        if os.geteuid() == 0:
            self.path.mkdir()  # nothing is read-only for root, but a folder is no file
        else:
            self.run(TABLE)
            self.path.chmod(0o444)

    def cure(self):
        if os.geteuid() == 0:
            self.path.rmdir()
            FILE_MISSING.cure(self)
        else:
            self.path.chmod(0o644)


class NOT_A_DATABASE(Case):
    def break_it(self):
        self.path.write_bytes(b"\x55" * 8192)

    def cure(self):
        FILE_MISSING.cure(self)


class LOCKED(Case):
    def break_it(self):
        self.run("PRAGMA journal_mode = WAL", TABLE)
        self.other = sqlite3.connect(self.path, isolation_level=None)
        self.other.execute("BEGIN IMMEDIATE")

    def cure(self):
        self.other.execute("ROLLBACK")
        self.other.close()


class PROGRESS_LATER(Case):
    """A later version of the program was here."""

    def break_it(self):
        self.run(TABLE, "CREATE TABLE pathacct_progress (core_id CHAR(32) NOT NULL, instance VARCHAR(255) NOT NULL, worker INTEGER NOT NULL, "
                 "seq BIGINT NOT NULL, updated BIGINT NOT NULL, PRIMARY KEY (core_id, instance, worker))",
                 "INSERT INTO pathacct_progress VALUES ('version', '', 0, 2, 9223372036854775807)")

    def cure(self):
        self.run("UPDATE pathacct_progress SET seq = 1 WHERE core_id = 'version'")


class TABLE_GONE(Case):
    def break_it(self):
        self.run("CREATE TABLE other (x)")

    def cure(self):
        self.run(TABLE)


class COLUMN_MISSING(Case):
    def break_it(self):
        self.run(TABLE.replace("port_dst INT, ", ""))

    def cure(self):
        self.run("ALTER TABLE acct ADD COLUMN port_dst INT")


class ROW_REFUSED(Case):
    refused = 1

    def break_it(self):
        self.run(TABLE.replace("packets INT", "packets INT CHECK (packets <> 13)"))

    def cure(self):
        pass


class INPUT_OUTPUT(Case):
    def break_it(self):
        self.run("CREATE VIEW acct AS SELECT '' AS ip_src, 0 AS port_dst, 0 AS packets, 0 AS bytes")

    def cure(self):
        self.run("DROP VIEW acct", TABLE)


class DISK_FULL(Case):
    more = "sql_table_create"

    def break_it(self):
        folder = self.path.parent
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, check=False)
        if done.returncode != 0:
            raise Skip(f"a small file system cannot be mounted: {done.stderr.decode().strip() or 'needs root'}")
        (folder / "filler").write_bytes(bytes(60 << 10))

    def cure(self):
        subprocess.run(["mount", "-o", "remount,size=16m", self.path.parent], check=True)


def test_every_fault_has_its_case(_):
    assert len(FAULTS) >= 10 and FAULTS.keys() == {case.__name__ for case in Case.__subclasses__()}, FAULTS.keys()


def config(cases):
    lines = ["plugins: " + ", ".join(f"sqlite3[{name.lower()}]" for name in cases), "aggregate: src_host, dst_port",
             "sql_optimize_clauses: true", "sql_table_version: 9", "sql_refresh_time: 1"]
    for name, case in cases.items():
        lines.append(f"sql_db[{name.lower()}]: {case.path}")
        if case.more:
            lines.append(f"{case.more}[{name.lower()}]: true")
    return "\n".join(lines) + "\n"


def send(test, *packets):
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow(f"10.0.0.{n}", "192.0.2.1", "10.0.0.1", packets=count)
                                              for n, count in enumerate(packets, 1)]))


def check_fault(test, name, log):
    _, counter, level, text = [part.strip('"') for part in FAULTS[name][:4]]
    lines = [line for line in log.splitlines() if f"( {name.lower()}/sqlite3 )" in line and text in line]
    assert lines and all(line.split()[1].startswith(level[:4]) for line in lines), (name, level, text, log)
    assert len(lines) == 1, (name, "said more than once", lines)
    instance = next(i for i in test.stats()["instances"] if i["name"] == name.lower())
    assert instance["process"]["counters"][counter] >= 1, (name, instance)
    return instance


def test_each_fault_is_logged_and_counted_and_rows_wait_until_it_is_over(test):
    cases, skipped = {}, None
    for case in Case.__subclasses__():
        try:
            cases[case.__name__] = case(test)
        except Skip as why:
            skipped = why
    if "DISK_FULL" in cases:
        test.cleanups.append(lambda: subprocess.run(["umount", "-l", cases["DISK_FULL"].path.parent], check=False))
    daemon = test.nfacctd(config(cases))
    send(test, 7, 13, 22)

    def all_failed():
        log = daemon.output()
        return all(FAULTS[name][3].strip('"') in "\n".join(line for line in log.splitlines() if f"( {name.lower()}/sqlite3 )" in line)
                   for name in cases)
    wait_for(all_failed, "all faults in the log", 20)
    time.sleep(3)  # another attempt, which says nothing new
    for name, case in cases.items():
        if name != "ROW_REFUSED":
            assert not case.packets(), name
        case.cure()
    for name, case in cases.items():
        want = 42 - 13 * case.refused
        wait_for(lambda c=case, w=want: c.packets() == w, f"the rows after {name}: {case.packets()}", 30)
    assert daemon.stop() == 1, daemon.output()  # one row was lost, and that is not kept quiet
    for name, case in cases.items():
        instance = check_fault(test, name, daemon.output())
        assert instance["process"]["restarts"] == 0, name
        assert instance["drops"]["rejected"]["flows"] == case.refused, (name, instance["drops"])
        assert instance["written"]["flows"] == 3 - case.refused, instance
    if skipped:
        raise skipped


def test_a_long_outage_is_spooled_and_drained_in_order(test):
    """Hand-overs wait in the pool, after the third failure in plugin_spool_dir, and go from there to the table."""
    path, spool = test.dir / "flows.db", test.dir / "spool"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(TABLE)
    spool.mkdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    daemon = test.nfacctd(f"""
plugins: sqlite3[out]
aggregate: src_host, dst_port
sql_db: {path}
sql_optimize_clauses: true
sql_table_version: 9
sql_refresh_time: 1
plugin_spool_dir: {spool}
""")

    sent = [0]

    def spooled():
        send(test, 1, 2, 3)
        sent[0] += 6
        time.sleep(0.3)  # more rows, for more epochs
        return test.now(daemon)["instances"][0]["spooled"]["packets"] >= 12
    wait_for(spooled, "hand-overs on disk", 40)
    assert sum(1 for p in pathlib.Path(spool).rglob("*") if p.is_file()) >= 2
    other.execute("ROLLBACK")
    other.close()

    def packets():
        with contextlib.closing(sqlite3.connect(path)) as db:
            return db.execute("SELECT sum(packets) FROM acct").fetchone()[0]
    wait_for(lambda: packets() == sent[0], "all that was sent, in the table", 40)
    assert daemon.stop() == 0, daemon.output()
    instance = test.stats()["instances"][0]
    assert sent[0] == instance["written"]["packets"] == instance["decoded"]["packets"], (sent, instance)
    assert instance["spooled"]["packets"] == 0, instance


if __name__ == "__main__":
    main(globals())
