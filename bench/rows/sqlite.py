# SPDX-License-Identifier: GPL-2.0-or-later
"""The sqlite3 plugins: how many rows a second of the clock a purge brings into a table with a key, until it is committed; and
what SQLite's own shell needs to .import the same rows into the same table."""
import csv
import pathlib
import sqlite3
import subprocess
import time

from lib import purge, replay, truth
from lib.bench import Limit, Measurement, Row
from lib.config import TUPLE, Instance
from lib.data import Flows

ORDER = 60
TABLE = """CREATE TABLE acct (ip_src TEXT NOT NULL, ip_dst TEXT NOT NULL, port_src INTEGER NOT NULL, port_dst INTEGER NOT NULL,
ip_proto TEXT NOT NULL, packets INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (ip_src, ip_dst, port_src, port_dst, ip_proto))"""
EXPORT = """SELECT ip_src AS SRC_IP, ip_dst AS DST_IP, port_src AS SRC_PORT, port_dst AS DST_PORT, ip_proto AS PROTOCOL,
packets AS PACKETS, bytes AS BYTES FROM acct"""


def make_database(path):
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        db.execute(TABLE)
    db.close()


def check_database(bench, folder, capture, is_one_epoch):
    """The table against the truth; the file of its rows and how many there are."""
    rows = folder / "rows.csv"
    db = sqlite3.connect(folder / "flows.db")
    found = db.execute(EXPORT)
    with open(rows, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column[0] for column in found.description)
        writer.writerows(found)
    db.close()
    return truth.check(truth.tally(bench.tool("tally"), "csv", "tuple", [rows]), capture.view("tuple"), is_one_epoch)


def keep_rows(folder, place):
    """Copies the rows without the title, for .import."""
    with open(folder / "rows.csv", encoding="utf-8") as file:
        next(file)
        place.write_text(file.read(), encoding="utf-8")


def measure(bench, product):
    flows = Flows(bench.flows(2000000, 400000), keys=max(1000, int((500000 if not bench.is_quick else 150000) / bench.scale)))
    lines = ("sql_db[out]: {folder}/flows.db", "sql_table[out]: acct", "sql_table_version[out]: 9", "sql_optimize_clauses[out]: true",
             "sql_refresh_time[out]: 3600")
    if product == "pmacct":
        # pmacct is made as fast as it can be: rows it has not seen are inserted, many with one statement, from a cache that holds them all.
        lines += ("sql_dont_try_update[out]: true", "sql_multi_values[out]: 1000000", "sql_cache_entries[out]: 1000003")
    instance = Instance(TUPLE, "tuple", plugin="sqlite3", more=lines)
    kept = bench.build / "bench-input" / "sqlite-rows.csv"

    def once():
        watch = []

        def check(bench, product, folder, instances, capture):
            watch[0].end()
            count = check_database(bench, folder, capture, product == "pathacct")
            if product == "pathacct":
                keep_rows(folder, kept)
            return count

        def prepare(folder):
            make_database(folder / "flows.db")
            watch.append(purge.Watch(folder))
        cost = replay.replay(bench, product, flows, [instance], check=check, prepare=prepare)
        return cost.rows, watch[0].seconds, cost.cpu_s
    results = bench.repeat(product, once)
    return Measurement([rows / seconds / 1000 for rows, seconds, _ in results],
                       {"input": flows.text(), "rows written": f"{results[-1][0]:,}", "database": "WAL, synchronous=FULL"
                        if product == "pathacct" else "its own settings: no WAL; INSERT only, 1 MB a statement"},
                       {"rows": results[-1][0], "file": kept})


def limit(bench, measurement):
    """SQLite's shell, .import of the same rows into the same empty table."""
    def seconds():
        with replay.work_folder() as folder:
            path = pathlib.Path(folder) / "import.db"
            make_database(path)
            begun = time.monotonic()
            subprocess.run(["sqlite3", path, ".mode csv", f".import {measurement.numbers['file']} acct"], check=True)
            return time.monotonic() - begun
    rate = measurement.numbers["rows"] / bench.best(("sqlite-import", measurement.numbers["rows"]), seconds) / 1000
    return Limit(rate, ".import of the same rows by SQLite's shell into the same table")


ROWS = [Row("sqlite3", "sqlite3 plugin: a purge into a table with a key", "krows/s", measure, limit, must=130, goal=142, is_rate=True)]
