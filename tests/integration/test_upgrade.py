#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that this build goes on with what versions before it left on disk (tests/data/upgrade, which tests/support/upgrade.py
records): no row is lost, none is doubled, and templates are known at once."""
import contextlib
import json
import re
import shutil
import sqlite3
import sys
import time

from harness import SOURCE, Skip, free_port, main, need_built, need_option, wait_for
from postgres import Postgres
import exports
import upgrade

NEW_PORT = 1004


def versions():
    found = sorted(p for p in upgrade.FOLDER.iterdir() if p.is_dir())
    assert found, f"{upgrade.FOLDER} is empty: scripts/release --record"
    if sys.byteorder != "little":
        raise Skip("hand-overs stay on the machine that wrote them, and these are of a little-endian one")
    return found


def can_use(backend):
    try:
        need_option(f"WITH_{backend.upper()}", backend)
        need_built(backend)
    except Skip:
        return False
    return True


class World:
    """A folder with the files of a version, as they lay there when it was replaced."""

    def __init__(self, test, folder):
        self.test, self.dir, self.name = test, test.dir / folder.name, folder.name
        shutil.copytree(folder, self.dir, copy_function=shutil.copy)
        self.sent = json.loads((folder / "sent.json").read_text())
        self.settle_states()
        self.instances = ["file", "hour"]
        if can_use("sqlite3"):
            self.instances.append("lite")
            self.settle_lite()
        self.pg = None
        with contextlib.suppress(Skip):
            if can_use("pgsql"):
                self.pg = Postgres(test, f"pg-{self.name}")
                self.pg.psql("-c", (folder / "pgsql.sql").read_text(), user="pmacct")
                self.pg.sql(self.fresh(), user="pmacct")
                self.instances.append("pg")

    def settle_states(self):
        """The files are others now, where a version's own upgrade would find those that it wrote."""
        for state in self.dir.glob("out/*.state"):
            data = next(p for p in (state.with_suffix(""), state.with_suffix(".part")) if p.exists())
            status = data.stat()
            text, count = re.subn(r"^file \d+ \d+$", f"file {status.st_dev} {status.st_ino}", state.read_text(), flags=re.M)
            assert count == 1, text
            state.write_text(text)

    @staticmethod
    def fresh():
        """A start that is 90 days old is forgotten, and these files get older."""
        return f"UPDATE pathacct_progress SET updated = {int(time.time())} WHERE core_id <> 'version'"

    def settle_lite(self):
        with contextlib.closing(sqlite3.connect(self.dir / "lite/flows.db")) as db:
            db.execute(self.fresh())
            db.commit()

    def start(self, name):
        config = (self.dir / "nfacctd.conf").read_text()
        plugins = {"file": "print[file]", "hour": "print[hour]", "lite": "sqlite3[lite]", "pg": "pgsql[pg]"}
        config = re.sub(r"^plugins: .*$", "plugins: " + ", ".join(plugins[i] for i in self.instances), config, flags=re.M)
        config = re.sub(r"^sql_db\[lite\].*\n", "", config, flags=re.M) if "lite" not in self.instances else config
        port = free_port()
        config = config.replace("@DIR@", str(self.dir)).replace("@PORT@", str(port)).replace("@PG@", self.pg.keys("pg") if self.pg else "") \
            .replace("nfacctd.stats", f"../{name}.stats")
        return self.test.nfacctd(config, name=name)

    def rows(self, instance):
        """{(host, port): packets} of an instance; a row that is there twice counts twice."""
        if instance == "lite":
            with contextlib.closing(sqlite3.connect(f"file:{self.dir}/lite/flows.db?mode=ro", uri=True)) as db:
                found = db.execute("SELECT ip_src, port_dst, packets FROM acct").fetchall()
        elif instance == "pg":
            found = self.pg.sql("SELECT host(ip_src), port_dst, packets FROM acct")
        else:
            found = []
            for path in self.dir.glob("out/rows.json" if instance == "file" else "out/[0-9]*.json*"):
                if path.suffix != ".state":
                    found += [(row["ip_src"], row["port_dst"], row["packets"]) for row in map(json.loads, path.read_text().splitlines())]
        sums = {}
        for host, port, packets in found:
            sums[host, int(port)] = sums.get((host, int(port)), 0) + int(packets)
        return sums

    def expected(self, *more):
        return {(row[0], port): row[-1] for port in [*self.sent["ports"], *more] for row in upgrade.flows(port)}

    def spooled(self):
        return sorted(p for i in self.instances for p in self.dir.glob(f"spool/{i}/*") if p.name != "lock")

    def send_data_alone(self):
        stream = exports.Ipfix(domain=self.sent["domain"])
        stream.sequence = self.sent["sequence"]
        self.test.send(stream.data(upgrade.flows(NEW_PORT)), source=upgrade.EXPORTER)


def test_what_each_version_left_is_used(test):
    for folder in versions():
        world = World(test, folder)
        assert len(world.spooled()) >= 2 * len(world.instances), world.spooled()
        before = (world.dir / "out/rows.json").read_bytes()
        committed = int(re.search(r"^length (\d+)$", (world.dir / "out/rows.json.state").read_text(), re.M)[1])
        assert before[committed:].decode() == upgrade.HALF_A_ROW
        daemon = world.start(f"new-{world.name}")
        daemon.wait_log(f"templates file {world.dir}/templates.json: 1 templates")
        world.send_data_alone()
        wait_for(lambda: not world.spooled(), lambda: f"an empty spool, not {world.spooled()}:\n{daemon.output()}", 60)
        test.wait_now(daemon, lambda s: all(i["written"]["packets"] == upgrade.packets(NEW_PORT) for i in s["instances"]),
                      "new rows, without a template sent again", f"new-{world.name}", 60)
        assert daemon.stop() == 0, daemon.output()
        for instance in world.instances:
            assert world.rows(instance) == world.expected(NEW_PORT), (world.name, instance, world.rows(instance))
        after = (world.dir / "out/rows.json").read_bytes()
        assert after[:committed] == before[:committed] and upgrade.HALF_A_ROW.encode() + b"{" not in after, after
        assert not list(world.dir.glob("out/*.part")) and not list(world.dir.glob("spool/*/*.unreadable")), list(world.dir.glob("*/*"))
        loud = [line for line in daemon.output().splitlines() if re.search(r" (WARN|ERROR|ALERT|CRIT) ", line)
                and not any(f"/spool/{i}: no instance" in line for i in ("lite", "pg"))]
        assert not loud, loud
        # What it has left by now is as good for the next start.
        again = world.start(f"again-{world.name}")
        assert again.stop() == 0, again.output()
        for instance in world.instances:
            assert world.rows(instance) == world.expected(NEW_PORT), (world.name, instance, world.rows(instance))


def test_files_of_a_later_version_are_left_alone(test):
    """Each with a line that names it and says what to do; once they are of this version again, all rows come."""
    world = World(test, versions()[-1])
    state, templates = world.dir / "out/rows.json.state", world.dir / "templates.json"
    hand_overs = world.spooled()
    state.write_text(state.read_text().replace("pathacct-print 1\n", "pathacct-print 2\n"))
    for path in hand_overs:
        content = path.read_bytes()
        path.write_bytes(content[:7] + b"2" + content[8:])
    later = {path: path.read_bytes() for path in [state, *hand_overs]}
    version_row = "INSERT INTO pathacct_progress VALUES ('version', '', 0, 2, 9223372036854775807) ON CONFLICT (core_id, instance, worker) " \
        "DO UPDATE SET seq = 2"
    if "lite" in world.instances:
        with contextlib.closing(sqlite3.connect(world.dir / "lite/flows.db")) as db:
            db.execute(version_row)
            db.commit()
    if world.pg:
        world.pg.sql(version_row, user="pmacct")
    daemon = world.start("older")
    for instance in world.instances:
        daemon.wait_log(f"plugin_spool_dir {world.dir}/spool/{instance} keeps hand-overs that are not written: 2 of another version (")
    assert "those of another version wait for that one" in daemon.output()
    world.send_data_alone()
    daemon.wait_log("out/rows.json: its .state is of a later version of this program")
    daemon.wait_log("start that version again, or move the file and its .state elsewhere")
    for instance in world.instances[2:]:
        wait_for(lambda: re.search(rf"ERROR \( {instance}/\w+ \): .*the table pathacct_progress is of version 2, and this program knows version 1: "
                                   "start the later version again", daemon.output()), daemon.output)
    test.wait_now(daemon, lambda s: s["instances"][1]["written"]["packets"] == upgrade.packets(NEW_PORT), "rows of the file without a state",
                  "older")
    assert daemon.stop() == 0, daemon.output()
    assert templates.exists()
    for path, content in later.items():
        aside = path.with_suffix(".unreadable")
        assert (path if path == state else aside).read_bytes() == content, path
        (path if path == state else aside).write_bytes(content.replace(b"pathacct-print 2", b"pathacct-print 1") if path == state
                                                       else content[:7] + b"1" + content[8:])
    if "lite" in world.instances:
        with contextlib.closing(sqlite3.connect(world.dir / "lite/flows.db")) as db:
            db.execute("UPDATE pathacct_progress SET seq = 1 WHERE core_id = 'version'")
            db.commit()
    if world.pg:
        world.pg.sql("UPDATE pathacct_progress SET seq = 1 WHERE core_id = 'version'", user="pmacct")
    daemon = world.start("upgraded")
    wait_for(lambda: not world.spooled(), lambda: f"an empty spool, not {world.spooled()}:\n{daemon.output()}", 60)
    assert daemon.stop() == 0, daemon.output()
    for instance in world.instances:
        if instance != "hour":
            assert world.rows(instance) == world.expected(NEW_PORT), (instance, world.rows(instance))


if __name__ == "__main__":
    main(globals())
