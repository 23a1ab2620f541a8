# SPDX-License-Identifier: GPL-2.0-or-later
"""The fault matrix of a plugin for a database server, as test_pgsql_faults.py and test_mysql_faults.py have it: one test for each row of
the plugin's faults.def.

All faults are there from the start, each with an instance of one daemon; what the log advises is then done for each, and all
rows are in their tables. The first test waits for that; the others look at their part."""
import atexit
import contextlib
import os
import re
import subprocess

from harness import SOURCE, Skip, Test, need, need_built, wait_for
import exports

FLOWS = 40


def table(name, columns, more="", key="ip_src, port_src"):
    return f"CREATE TABLE {name} ({columns}, flows bigint NOT NULL DEFAULT 0{', UNIQUE (' + key + ')' if key else ''}) {more};"


class Fault:
    """A fault to make. `keys` are its instance's, beyond the usual ones; `fix` is what to do, or gets the log line and returns it."""

    def __init__(self, words, setup="", fix="", keys="", db="pmacct"):
        self.words, self.setup, self.fix, self.keys, self.db = words, setup, fix, keys, db


class World:
    """The server, the daemon and what became of each fault. A plugin's has
    plugin, FAULTS, AWAY    its name, the faults by their rows but SERVER_AWAY, and the words for that
    REFUSED                 the server's number of the fault ROW_REFUSED
    make_servers()          sets self.db and self.away, of which the second has a table acct and is down
    grant(name, fault)      what lets the plugin write to the table that `setup` makes, as SQL
    make_small(folder)      makes a table disk_full on that small file system
    hold_lock(), free_lock()    of the table `locked`
    crash                   the signal by which a server dies at once"""

    def __init__(self):
        need_built(self.plugin)
        self.test = Test(f"{self.plugin}-world")
        atexit.register(self.test.close)
        self.make_servers()
        (self.test.dir / "spool").mkdir()
        self.faults = dict(self.FAULTS)
        self.full = self.make_full_disk()
        for name, fault in self.faults.items():
            if fault.setup:
                self.db.sql(fault.setup + self.grant(name, fault), db=fault.db)
        self.hold_lock()
        self.daemon = self.start()
        self.stream = exports.Ipfix()
        self.test.send(self.stream.announce())
        self.send(1000)
        self.lines = {name: self.wait_line(name, fault.words) for name, fault in self.faults.items()}
        self.wait_line("away", self.AWAY)
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

    def grant(self, name, fault):
        return ""

    def make_full_disk(self):
        """A file system of two megabytes, of which nothing is left."""
        if os.geteuid() != 0:
            del self.faults["DISK_FULL"]
            return None
        folder = self.db.dir / "small"
        folder.mkdir()
        subprocess.run([need("mount"), "-t", "tmpfs", "-o", "size=2M", "none", folder], check=True)
        self.test.cleanups.insert(0, lambda: subprocess.run(["umount", "-l", folder], check=False))
        self.make_small(folder)
        filler = folder / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
            while True:
                out.write(bytes(4096))
        return filler

    def start(self):
        names = [name.lower() for name in self.faults] + ["away"]
        lines = [f"plugins: {', '.join(f'{self.plugin}[{name}]' for name in names)}", "aggregate: src_host, src_port, flows",
                 "sql_refresh_time: 1", "sql_optimize_clauses: true", "sql_table_version: 9", "nfacctd_workers: 1",
                 f"plugin_spool_dir[away]: {self.test.dir}/spool"]
        for name in names:
            keys = dict(line.split(": ") for line in (self.away if name == "away" else self.db).keys().splitlines())
            keys["sql_table"] = "acct" if name == "away" else name
            if name != "away":
                keys.update(line.replace(f"[{name}]", "").split(": ") for line in self.faults[name.upper()].keys.splitlines())
            lines += [f"{key}[{name}]: {value}" for key, value in keys.items()]
        return self.test.nfacctd("\n".join(lines) + "\n")

    def send(self, first_port, count=FLOWS):
        rows = [exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1", sport=first_port + n) for n in range(count)]
        for at in range(0, count, 10):
            self.test.send(self.stream.data(rows[at:at + 10]))

    def stats(self):
        return {i["name"]: i for i in self.test.now(self.daemon)["instances"]}

    def lines_of(self, name):
        return [line for line in self.daemon.output().splitlines() if f"( {name.lower()}/{self.plugin} )" in line]

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
        self.free_lock()
        for name, fault in self.faults.items():
            what = fault.fix(self.lines[name]) if callable(fault.fix) else fault.fix
            if what:
                self.db.sql(what, db=fault.db)


def tests(make_world):
    """The tests of a plugin, by their names, in their order."""
    worlds, rows = [], list(make_world.FAULTS)

    def check(name):
        """The fault was counted and logged, nothing ended, nothing was lost, and once it was mended all rows were in."""
        if not worlds:
            worlds.append(None)
            worlds[0] = make_world()
        world = worlds[0]
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
        if name != "ROW_REFUSED":
            assert during["process"]["is_failing"] and during["written"]["flows"] == 0, during
        return world

    def server_away(_test):
        """The server is down at the start: hand-overs wait, then lie on disk, and come out when the server is there. Later it is
        killed."""
        world = check("SERVER_AWAY")
        seen = world.stats()["away"]["process"]["counters"]["fault_server_away"]
        world.away.stop(world.crash)
        world.send(3000)
        wait_for(lambda: world.stats()["away"]["process"]["counters"]["fault_server_away"] > seen, "the end of the server to be noticed", 40)
        world.away.start()
        wait_for(lambda: world.flows("acct", server=world.away) == 2 * FLOWS, "rows after a restart of the server", 30)
        assert world.stats()["away"]["process"]["restarts"] == 0

    def row_refused(_test):
        """One of forty rows is refused: the others are written, and the log names the first."""
        world = check("ROW_REFUSED")
        wait_for(lambda: world.flows("row_refused") == 2 * FLOWS - 1, "what was sent after the restart of the other server")
        ports = [int(row[0]) for row in world.db.sql("SELECT port_src FROM row_refused ORDER BY 1")]
        assert ports == [port for port in range(1000, 1000 + FLOWS) if port != 1007] + list(range(3000, 3000 + FLOWS)), ports
        refused = [line for line in world.lines_of("ROW_REFUSED") if "the backend refuses a row" in line]
        assert len(refused) == 1 and f"[{world.REFUSED}]" in refused[0], refused

    def every_row(_test):
        text = (SOURCE / f"src/plugins/{make_world.plugin}/faults.def").read_text()
        assert sorted(re.findall(r"^FAULT\((\w+),", text, re.M)) == sorted(["SERVER_AWAY", *rows])

    found = {"test_fault_server_away": server_away}
    for name in rows:
        found[f"test_fault_{name.lower()}"] = row_refused if name == "ROW_REFUSED" else lambda _test, name=name: check(name)
    return {**found, "test_every_row_of_the_table_has_a_test": every_row}
