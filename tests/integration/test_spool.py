#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that a spool has one user, and that no row in it is lost: over kills, a change of configuration, hostile files and
files that somebody removed."""
import contextlib
import os
import re
import shutil
import signal
import sqlite3

from harness import NFACCTD, main, need_built, need_option, wait_for
import exports

TABLE = "CREATE TABLE acct (ip_src TEXT DEFAULT '', ip_dst TEXT DEFAULT '', port_dst INT DEFAULT 0, packets INT, bytes INT)"


class Spool:
    """A database that is away at first, and daemons that write to it by way of one spool."""

    def __init__(self, test):
        need_option("WITH_SQLITE3", "sqlite3")
        need_built("sqlite3")
        self.test, self.sent, self.number = test, 0, 0
        self.db, self.dir = test.dir / "flows.db", test.dir / "spool"
        self.dir.mkdir()
        self.away = test.dir / "away.db"
        with contextlib.closing(sqlite3.connect(self.away)) as db:
            db.execute(TABLE)

    def give(self):
        self.away.rename(self.db)

    def start(self, name, aggregate="src_host, dst_port", instance="edge", **kwargs):
        return self.test.nfacctd(f"""
plugins: sqlite3[{instance}]
aggregate: {aggregate}
sql_db: {self.db}
sql_table: acct
sql_optimize_clauses: true
sql_table_version: 9
sql_dont_try_update: true
sql_refresh_time: 1
shutdown_timeout: 10
plugin_spool_dir: {self.dir}
""", name=name, **kwargs)

    def send(self):
        self.number += 1
        stream = exports.Ipfix()
        self.test.send(stream.announce(), stream.data([exports.common_flow(f"10.0.0.{n}", "192.0.2.1", "10.0.0.1", packets=self.number)
                                                       for n in range(1, 4)]))
        self.sent += 3 * self.number

    def send_until_spooled(self, daemon, name, packets=12):
        """Sends until so many packets are on disk, and all that was sent to this daemon is."""
        before = self.sent

        def spooled():
            self.send()
            return self.test.now(daemon, name)["instances"][0]["spooled"]["packets"] >= packets
        wait_for(spooled, "hand-overs on disk", 60)
        self.test.wait_now(daemon, lambda s: s["instances"][0]["spooled"]["packets"] == self.sent - before, "all on disk", name, 60)

    def leave(self, name, **kwargs):
        """A daemon that ends while the backend is away, and leaves what it got on disk."""
        daemon = self.start(name, **kwargs)
        for _ in range(2):
            self.send()
            daemon.wait_log("cannot write")
        self.test.wait_now(daemon, lambda s: s["instances"][0]["decoded"]["packets"] == self.sent, "all decoded", name)
        assert daemon.stop() == 0, daemon.output()
        assert self.test.stats(name)["instances"][0]["spooled"]["packets"] == self.sent and self.files()

    def rows(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)) as db:
            return db.execute("SELECT coalesce(sum(packets), 0) FROM acct").fetchone()[0]

    def wait_rows(self):
        wait_for(lambda: self.rows() == self.sent, lambda: f"{self.rows()} of {self.sent} packets in the table", 60)

    def files(self, instance="edge", suffix="handover*"):
        return sorted(self.dir.glob(f"{instance}/*.{suffix}"))


def test_two_daemons_do_not_take_each_others_rows(test):
    """The second one is refused while the first one lives, whatever becomes of the backend, and waits for its host after that."""
    spool = Spool(test)
    first = spool.start("first")
    spool.send_until_spooled(first, "first")
    second = spool.start("second", ready=False)
    assert second.wait() == 1
    refusal = second.output()
    assert "/second.conf:" in refusal and f"{spool.dir}/edge is in use by process {first.pid} (nfacctd, configuration file " \
        f"{test.dir}/first.conf)" in refusal and "choose another plugin_spool_dir" in refusal, refusal
    trial = test.start([NFACCTD, "-T", "setup", "-f", test.dir / "second.conf"], "trial")
    assert trial.wait() == 1 and f"{spool.dir}/edge is in use by process {first.pid}" in trial.output(), trial.output()
    # The core is killed; its host, which stands still, is waited for by that of another configuration.
    host = test.now(first, "first")["instances"][0]["process"]["pid"]
    os.kill(host, signal.SIGSTOP)
    first.signal(signal.SIGKILL)
    first.wait()
    third = spool.start("third")
    third.wait_log("waiting for the process of an earlier start to finish its work (spool ")
    spool.send()
    spool.send()
    spool.give()
    os.kill(host, signal.SIGCONT)
    spool.wait_rows()
    assert third.stop() == 0, third.output()
    instance = test.stats("third")["instances"][0]
    assert instance["written"]["packets"] == instance["decoded"]["packets"] > 0, instance
    assert not spool.files() and not spool.files(suffix="unreadable")


def test_kills_of_core_and_host_leave_nothing_that_is_locked(test):
    spool = Spool(test)
    spool.leave("first")
    for round_ in range(3):
        daemon = spool.start(f"daemon{round_}")
        daemon.wait_log("cannot write")
        daemon.kill_all()  # the core, and with its group the host
    last = spool.start("last")
    spool.give()
    spool.wait_rows()
    assert last.stop() == 0, last.output()
    assert "waiting for the process" not in last.output()


def test_rows_of_an_earlier_configuration_are_written_first(test):
    spool = Spool(test)
    spool.leave("old")
    # As an earlier version left those that it could not read.
    oldest = spool.files()[0]
    oldest.rename(oldest.with_name(oldest.name.split(".")[0] + ".unreadable"))
    new = spool.start("new", aggregate="src_host, dst_host")
    spool.send()
    new.wait_log("spooled hand-overs of before are written first")
    wait_for(lambda: "cannot write" in new.output(), lambda: new.output())
    spool.give()
    spool.wait_rows()
    assert new.stop() == 0, new.output()
    with contextlib.closing(sqlite3.connect(spool.db)) as db:
        ports = db.execute("SELECT count(*) FROM acct WHERE ip_dst = '' AND port_dst <> 0").fetchone()[0]
        hosts = db.execute("SELECT count(*) FROM acct WHERE ip_dst <> '' AND port_dst = 0").fetchone()[0]
    assert ports >= 3 and hosts >= 3, (ports, hosts)
    assert not spool.files() and not spool.files(suffix="unreadable")


def test_what_the_backend_refuses_stays_and_is_named(test):
    spool = Spool(test)
    spool.leave("old")
    kept, old_sent = len(spool.files()), spool.sent
    spool.give()
    with contextlib.closing(sqlite3.connect(spool.db)) as db:
        db.execute("ALTER TABLE acct DROP COLUMN port_dst")
    for round_ in range(2):
        name = f"new{round_}"
        new = spool.start(name, aggregate="src_host, dst_host")
        spool.sent = 0
        with contextlib.closing(sqlite3.connect(spool.db)) as db:
            db.execute("DELETE FROM acct")
            db.commit()
        spool.send()
        spool.wait_rows()
        new.wait_log(f"those of {kept} spooled hand-overs that have other columns", 60)
        line = [l for l in new.output().splitlines() if "that have other columns" in l][0]
        assert "ERROR" in line and spool.files()[0].name in line and f"{spool.dir}/edge" in line, line
        test.wait_now(new, lambda s: s["instances"][0]["process"]["kept_handovers"] == kept, "all are counted", name)
        spool.send()
        spool.wait_rows()
        assert new.stop() == 0, new.output()
        assert len(spool.files()) == kept
    # The remedy that the line gives.
    with contextlib.closing(sqlite3.connect(spool.db)) as db:
        db.execute("ALTER TABLE acct ADD COLUMN port_dst INT DEFAULT 0")
        db.execute("DELETE FROM acct")
        db.commit()
    spool.sent = old_sent
    last = spool.start("last", aggregate="src_host, dst_host")
    spool.wait_rows()
    assert last.stop() == 0, last.output()
    assert not spool.files()


def test_hostile_files_and_folders_of_nobody_are_named_counted_and_kept(test):
    spool = Spool(test)
    spool.leave("first")
    good = spool.files()[0].read_bytes()
    last = spool.files()[-1]
    foreign = {"00000000000000000900.handover": b"", "00000000000000000901.handover": good[:100],
               "00000000000000000902.handover": good[:7] + b"9" + good[8:], "00000000000000000903.handover": b"\xff" * 5000,
               "00000000000000000904.handover": good[:-20], "notes": b"of a person"}
    for name, content in foreign.items():
        (spool.dir / "edge" / name).write_bytes(content)
    (spool.dir / "gone").mkdir()
    shutil.copy(last, spool.dir / "gone")
    (spool.dir / "strange").mkdir()
    (spool.dir / "strange" / "file").write_text("of somebody else")
    again = spool.start("again")
    spool.give()
    spool.wait_rows()
    log = again.output()
    found = re.search(r"WARN.*/edge keeps hand-overs that are not written: 3 damaged \(.*\), 1 of another version \((.*)\); "
                      "those of another version wait for that one, others can be removed", log)
    assert found and found.group(1) == "00000000000000000902.unreadable", log
    again.wait_log("a spooled hand-over is damaged; it stays in plugin_spool_dir ")
    assert "00000000000000000904.unreadable" in again.output()
    assert re.search(rf"WARN.*{spool.dir}/gone: no instance of this name is configured, and 1 hand-overs \(\d+ bytes\) wait there, 0 more",
                     log), log
    assert "strange" not in log
    test.wait_now(again, lambda s: s["instances"][0]["process"]["kept_handovers"] == 5, "all are counted", "again")
    assert again.stop() == 0, again.output()
    for name, content in foreign.items():
        assert (spool.dir / "edge" / name.replace(".handover", ".unreadable")).read_bytes() == content, name
    assert (spool.dir / "strange" / "file").exists() and list((spool.dir / "gone").iterdir())


def test_spooled_rows_that_somebody_removed_are_an_error(test):
    spool = Spool(test)
    daemon = spool.start("first")
    spool.send_until_spooled(daemon, "first")
    for path in spool.files()[1:]:
        path.unlink()
    spool.give()
    daemon.wait_log("is gone, and its rows are lost")
    assert daemon.stop() == 1, daemon.output()
    assert re.search(r"ERROR.*plugin sqlite3\[edge\]: \d+ flows were spooled and not written since, but only 0 wait in", daemon.output()), daemon.output()


if __name__ == "__main__":
    main(globals())
