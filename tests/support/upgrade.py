#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Records what this build leaves on disk, for the versions that follow it: tests/data/upgrade/VERSION.

    BUILD_DIR=build-release tests/support/upgrade.py VERSION

scripts/release --record calls it. tests/integration/test_upgrade.py starts the daemon of its own build from these files, and
takes from here what was sent. A daemon ran four times, so that each kind of file is there, in use, and as after a crash:

    1  backends are there                    rows in files and tables; killed
    2  backends are away                     hand-overs in the spool; templates saved
    3  backends are there, nothing is sent   those hand-overs are written; killed
    4  backends are away                     more hand-overs, which nobody has written

Before run 4 the hand-overs of run 2 are put back, as if run 3 had died between a commit and the removal of the file: they are
written already, and must not be written again. Half a row, not committed, stands at the end of a file."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/integration"), str(SOURCE / "tests/support")]

from harness import NFACCTD, Test, wait_for  # noqa: E402
from postgres import Postgres  # noqa: E402
import exports  # noqa: E402

FOLDER = SOURCE / "tests/data/upgrade"
EXPORTER = "127.0.9.1"
INSTANCES = ("file", "hour", "lite", "pg")
TABLE = "CREATE TABLE acct (ip_src {text} NOT NULL DEFAULT {host}, port_dst {int} NOT NULL DEFAULT 0, packets {int} NOT NULL, " \
    "bytes {int} NOT NULL, {more}UNIQUE (ip_src, port_dst))"
LITE_TABLE = TABLE.format(text="TEXT", host="''", int="INTEGER", more="")
PG_TABLE = TABLE.format(text="inet", host="'0.0.0.0'", int="bigint", more="flows bigint NOT NULL DEFAULT 0, ")
HALF_A_ROW = '{"event_type": "purge", "ip_s'
CONFIG = """
plugins: print[file], print[hour], sqlite3[lite], pgsql[pg]
aggregate: src_host, dst_port
nfacctd_ip: 127.0.0.1
nfacctd_port: @PORT@
nfacctd_templates_file: @DIR@/templates.json
plugin_spool_dir: @DIR@/spool
stats_file: @DIR@/nfacctd.stats
shutdown_timeout: 10
print_output: json
print_refresh_time: 1
print_output_file[file]: @DIR@/out/rows.json
print_output_file_append[file]: true
print_output_file[hour]: @DIR@/out/%Y%m%d-%H.json
print_history[hour]: 1h
sql_refresh_time: 1
sql_table: acct
sql_table_version: 9
sql_optimize_clauses: true
sql_db[lite]: @DIR@/lite/flows.db
@PG@
"""


def flows(port):
    """Three flows to a port; the packets tell them from others."""
    return [exports.common_flow(f"10.0.0.{n}", "192.0.2.1", "10.0.0.1", dport=port, packets=n * port) for n in (1, 2, 3)]


def packets(port):
    return sum(n * port for n in (1, 2, 3))


class Recorder:
    def __init__(self, test):
        self.test, self.stream, self.runs = test, exports.Ipfix(domain=7), 0
        self.pg = Postgres(test)
        self.pg.sql(PG_TABLE, user="pmacct")
        for name in ("out", "lite", "spool"):
            (test.dir / name).mkdir()
        with contextlib.closing(sqlite3.connect(test.dir / "lite/flows.db")) as db:
            db.execute("PRAGMA page_size = 512")  # a small file
            db.execute(LITE_TABLE)

    def run(self, port=None, until_written=False):
        """A daemon from start to end. One that has written all is killed, since at an end in order it finishes its files."""
        self.runs += 1
        name = f"run{self.runs}"
        config = CONFIG.replace("@DIR@", str(self.test.dir)).replace("@PG@", self.pg.keys("pg")).replace("nfacctd_port: @PORT@\n", "") \
            .replace("nfacctd_ip: 127.0.0.1\n", "").replace("nfacctd.stats", f"{name}.stats")
        daemon = self.test.nfacctd(config, name=name)
        if until_written and port is None:
            wait_for(lambda: not self.spooled(), "an empty spool", 60)
        else:
            self.test.send(self.stream.announce(), self.stream.data(flows(port)), source=EXPORTER)
            self.test.wait_now(daemon, lambda s: s["instances"] and all(i["decoded"]["packets"] == packets(port) for i in s["instances"]),
                               "all decoded", name)
        if until_written and port:
            self.test.wait_now(daemon, lambda s: all(i["written"]["packets"] == packets(port) for i in s["instances"]), "all written", name)
        if until_written:
            daemon.kill_all()
        else:
            assert daemon.stop() == 0, daemon.output()

    def spooled(self):
        return sorted(self.test.dir.glob("spool/*/*.handover*"))

    def take_away(self):
        for name in ("out", "lite"):
            (self.test.dir / name).rename(self.test.dir / f"{name}.away")
            (self.test.dir / name).write_text("a file where a folder should be")
        self.pg.stop()

    def give_back(self):
        for name in ("out", "lite"):
            (self.test.dir / name).unlink()
            (self.test.dir / f"{name}.away").rename(self.test.dir / name)
        self.pg.start()

    def record(self):
        self.run(1001, until_written=True)
        self.take_away()
        self.run(1002)
        written = {path: path.read_bytes() for path in self.spooled()}
        assert {path.parent.name for path in written} == set(INSTANCES), written
        self.give_back()
        self.run(until_written=True)
        self.take_away()
        for path, content in written.items():
            path.write_bytes(content)
        self.run(1003)
        assert all(len(list(self.test.dir.glob(f"spool/{name}/*.handover"))) > len(written) // len(INSTANCES) for name in INSTANCES)
        self.give_back()
        with open(self.test.dir / "out/rows.json", "a") as out:
            out.write(HALF_A_ROW)


def dump(pg):
    """The database as statements, without what depends on the server's version."""
    out = subprocess.run([pg.bin / "pg_dump", "--inserts", "--no-owner", "-h", pg.host, "-p", str(pg.port), "-U", "postgres", "pmacct"],
                         check=True, capture_output=True, text=True).stdout
    kept = [line for line in out.splitlines() if line and not line.startswith(("--", "SET ", "SELECT pg_catalog.set_config", "\\"))]
    return "\n".join(kept) + "\n"


def save(recorder, folder):
    test = recorder.test
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("out", "spool"):
        shutil.copytree(test.dir / name, folder / name, ignore=shutil.ignore_patterns(".*", "lock"))
    shutil.copy(test.dir / "templates.json", folder)
    with contextlib.closing(sqlite3.connect(test.dir / "lite/flows.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    (folder / "lite").mkdir()
    shutil.copy(test.dir / "lite/flows.db", folder / "lite")
    (folder / "pgsql.sql").write_text(dump(recorder.pg))
    (folder / "nfacctd.conf").write_text(CONFIG.lstrip())
    version = subprocess.run([NFACCTD, "-V"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
    (folder / "sent.json").write_text(json.dumps({"by": version, "domain": 7, "sequence": recorder.stream.sequence,
                                                  "ports": [1001, 1002, 1003]}, indent=1) + "\n")


def main():
    if len(sys.argv) != 2 or not re.fullmatch(r"[0-9A-Za-z.+-]+", sys.argv[1]):
        sys.exit("usage: tests/support/upgrade.py VERSION")
    os.umask(0o022)
    test = Test("record-upgrade")
    try:
        recorder = Recorder(test)
        recorder.record()
        save(recorder, FOLDER / sys.argv[1])
    finally:
        test.close()
    print(f"recorded {FOLDER.relative_to(SOURCE) / sys.argv[1]}")


if __name__ == "__main__":
    main()
