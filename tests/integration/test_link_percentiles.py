#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the planner's queries of the examples say of known tables, compared with sums made here: the 95th percentile of each link and
direction, and rates in which the running interval is not divided by its full length. SQLite, PostgreSQL, and the statements for
ClickHouse by its own engine where CHDB_PYTHON names one, and by SQLite with ClickHouse's functions everywhere."""
import contextlib
import datetime
import json
import math
import random
import re
import sqlite3

from harness import SOURCE, main
from clickhouse import ClickHouse, named_queries
from postgres import Postgres

EXAMPLES = SOURCE / "examples"
NOW = datetime.datetime(2026, 5, 17, 10, 23, 20, tzinfo=datetime.timezone.utc)  # 200 s of an interval have passed
STEP, DAYS = 300, 30
RUNNING = int(NOW.timestamp()) // STEP * STEP


def stamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def rows(first):
    """(time, router, iface_in, iface_out, bytes) of each interval since `first`: busy links, one that bursts for an hour and a half a day, one
    that was used once, and the interface that is none. Also of the running interval, whose bytes would change all."""
    numbers, out = random.Random(1), []
    for at in range(first, RUNNING + 1, STEP):
        out += [(at, "192.0.2.1", 1, 2, numbers.randrange(10**9)), (at, "192.0.2.1", 2, 1, numbers.randrange(10**8)),
                (at, "192.0.2.1", 1, 0, 10**6), (at, "192.0.2.2", 1, 2, numbers.randrange(10**7))]
        if at // STEP % 288 < 18:
            out.append((at, "192.0.2.2", 3, 2, 5 * 10**9))
    out.append((max(first, RUNNING - 7 * STEP), "192.0.2.2", 4, 1, 12345678))
    return out + [(RUNNING, "192.0.2.1", 1, 2, 10**13)]


def expected(table, first):
    """{(router, link, direction): (95th percentile, highest)} in bit/s: the smallest value that 95 % of all intervals do not exceed."""
    since = max(first, RUNNING - DAYS * 86400)
    number = (RUNNING - since) // STEP
    links = {}
    for at, router, iface_in, iface_out, octets in table:
        for key in ((router, iface_in, "in"), (router, iface_out, "out")):
            if key[1] and since <= at < RUNNING:
                sums = links.setdefault(key, [0] * number)
                sums[(at - since) // STEP] += octets
    return {key: (sorted(sums)[math.ceil(number * 95 / 100) - 1] * 8 // STEP, max(sums) * 8 // STEP) for key, sums in links.items()}


def same(found, wanted):
    assert found == wanted, {key: (found.get(key), wanted.get(key)) for key in {*found, *wanted} if found.get(key) != wanted.get(key)}


def periods():
    """Tables that are older than the 30 days, younger, and of few intervals: of 19 the highest counts, of 20 the second."""
    for back in (35 * 288, 10 * 288 + 7, 20, 19, 1):
        first = RUNNING - back * STEP
        yield first, rows(first)


def test_the_expected_is_what_a_bill_would_have(_):
    """A burst of 6.25 % of the time counts; by hand: 18 of 288 intervals a day, when 14.4 are free."""
    first = RUNNING - 35 * 288 * STEP
    found = expected(rows(first), first)
    assert found["192.0.2.2", 3, "in"] == (5 * 10**9 * 8 // 300,) * 2 and found["192.0.2.2", 4, "in"] == (0, 12345678 * 8 // 300), found


def sqlite_percentiles():
    (text,) = [t for t in (EXAMPLES / "sql/questions.sql").read_text().split(";\n") if "percentile_95" in t]
    return text.replace("'now'", f"'{stamp(NOW.timestamp())}'")


def test_sqlite(_):
    for first, table in periods():
        with contextlib.closing(sqlite3.connect(":memory:")) as db:
            db.execute("CREATE TABLE links (stamp_inserted TEXT, stamp_updated TEXT, peer_ip_src TEXT, iface_in INTEGER, iface_out INTEGER, bytes INTEGER)")
            db.executemany("INSERT INTO links VALUES (?, '', ?, ?, ?, ?)", [(stamp(at), *rest) for at, *rest in table])
            found = {row[:3]: row[3:] for row in db.execute(sqlite_percentiles())}
        same(found, expected(table, first))


def test_postgresql(test):
    pg = Postgres(test)
    pg.sql("CREATE DATABASE traffic", db="postgres")
    schema = (EXAMPLES / "postgresql/schema.sql").read_text()
    moment = f"timestamptz '{stamp(NOW.timestamp())}Z'"
    pg.psql("-f", test.write("schema.sql", schema.replace("now()", moment)), db="traffic")
    queries = (EXAMPLES / "postgresql/queries.sql").read_text()
    (text,) = [t for t in queries.replace("now()", moment).split(";\n") if "link_percentiles" in t]
    (panel,) = [p for p in json.loads((EXAMPLES / "postgresql/grafana.json").read_text())["panels"] if "percentile" in p["title"]]
    panel = panel["targets"][0]["rawSql"].replace("$router", "'192.0.2.1', '192.0.2.2'")
    panel = panel.replace("$__timeTo()", f"'{stamp(NOW.timestamp())}Z'").replace("$__timeFrom()", f"'{stamp(RUNNING - DAYS * 86400)}Z'")
    for first, table in periods():
        pg.sql("TRUNCATE links", db="traffic")
        path = test.write("rows.csv", "".join(f"{stamp(at)}Z,{stamp(at)}Z,{router},{i},{o},1,{octets}\n" for at, router, i, o, octets in sums(table)))
        pg.psql("-c", f"\\copy links FROM '{path}' CSV", db="traffic")
        wanted = expected(table, first)
        asked = pg.sql(f"SELECT host(router), link, direction, floor(percentile_95), floor(highest) FROM link_percentiles({moment} - interval '30 days', {moment})",
                       db="traffic", user="grafana")
        same({(r, int(link), way): (int(p), int(h)) for r, link, way, p, h in asked}, wanted)
        shown = pg.sql(text, db="traffic", user="grafana")
        assert {(r, int(link), way): (float(p), float(h)) for r, link, way, p, h in shown} == {
            key: (round(p / 1e6 + 1e-9, 1), round(h / 1e6 + 1e-9, 1)) for key, (p, h) in wanted.items()}, shown
        drawn = pg.sql(panel, db="traffic", user="grafana")
        assert {(r, int(link), way): int(float(p)) for r, link, way, p, _ in drawn} == {key: p for key, (p, _) in wanted.items()}, drawn


def sums(table):
    """Rows of one key are one row, as where the daemon writes."""
    out = {}
    for *key, octets in table:
        out[tuple(key)] = out.get(tuple(key), 0) + octets
    return [(*key, octets) for key, octets in out.items()]


def test_rates_of_the_running_interval_in_postgresql(test):
    """A steady 8 Mbit/s is one in each interval, also in the running one and in the one whose last rows have not come yet."""
    pg = Postgres(test)
    pg.sql("CREATE DATABASE traffic", db="postgres")
    now = RUNNING // 3600 * 3600 + 90  # s into an hour
    moment = f"timestamptz '{stamp(now)}Z'"
    pg.psql("-f", test.write("schema.sql", (EXAMPLES / "postgresql/schema.sql").read_text().replace("now()", moment)), db="traffic")
    for written in (now - 100, now - 20):  # the last write: before the hour turned, and after
        pg.sql("TRUNCATE links, hourly", db="traffic")
        for table, step, columns, values in (
                ("links", 300, "", ""),
                ("hourly", 3600, "peer_ip_dst, peer_as_dst, as_dst, path_match, flows,", "'192.0.2.9', 1, 1, 'exact', 1,")):
            for at in range(now // step * step - 3 * step, now, step):
                seconds = min(step, written - at)
                if seconds > 0:
                    pg.sql(f"INSERT INTO {table} (stamp_inserted, stamp_updated, peer_ip_src, iface_in, iface_out, {columns} packets, bytes) VALUES "
                           f"('{stamp(at)}Z', '{stamp(min(written, at + step))}Z', '192.0.2.1', 1, 2, {values} 1, {seconds * 10**6})", db="traffic")
        for panel in json.loads((EXAMPLES / "postgresql/grafana.json").read_text())["panels"]:
            if panel["type"] == "timeseries":
                text = re.sub(r"\$__timeFilter\((\w+)\)", "true", panel["targets"][0]["rawSql"].replace("$router", "'192.0.2.1'"))
                points = pg.sql(text, db="traffic", user="grafana")
                assert len(points) >= 3 and {float(value) for *_, value in points} == {8e6}, (panel["title"], points)


def clickhouse_percentiles():
    return named_queries()["percentiles"].replace("now()", f"toDateTime({int(NOW.timestamp())}, 'UTC')")


def test_clickhouse_by_sqlite(_):
    """The same text, which SQLite understands but for the functions."""
    def number(text):
        return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp())
    for first, table in periods():
        with contextlib.closing(sqlite3.connect(":memory:")) as db:
            db.create_function("toUnixTimestamp", 1, number)
            db.create_function("toDateTime", 2, lambda seconds, _: stamp(seconds))
            db.create_function("intDiv", 2, lambda a, b: a // b)
            db.create_function("greatest", 2, max)
            db.execute("ATTACH ':memory:' AS flows")
            db.execute("CREATE TABLE flows.matrix_5m (stamp_inserted, peer_ip_src, iface_in, iface_out, bytes)")
            db.executemany("INSERT INTO flows.matrix_5m VALUES (?, ?, ?, ?, ?)", [(stamp(at), *rest) for at, *rest in table])
            found = {row[:3]: row[3:] for row in db.execute(clickhouse_percentiles())}
        same(found, expected(table, first))


def test_clickhouse(test):
    clickhouse = ClickHouse(test)
    schema = re.sub(r"INTERVAL \d+ (DAY|YEAR)", "INTERVAL 50 YEAR", (EXAMPLES / "distributed/clickhouse.sql").read_text())
    clickhouse.run(";\n".join(t for t in schema.split(";\n") if "queue" not in t))
    for first, table in periods():
        clickhouse.query("TRUNCATE TABLE flows.matrix_5m")
        path = test.write("rows.csv", "".join(f'{at},"{r}",{i},{o},"10.0.0.1",1,1,1,{octets}\n' for at, r, i, o, octets in table))
        clickhouse.query(f"INSERT INTO flows.matrix_5m SELECT * FROM file('{path}', 'CSV', 'a UInt32, b String, c UInt32, d UInt32, e String, f UInt32,"
                         " g UInt64, h UInt64, i UInt64')")
        found = {(row["router"], row["link"], row["direction"]): (int(row["percentile_95"]), int(row["highest"]))
                 for row in clickhouse.query(clickhouse_percentiles())}
        same(found, expected(table, first))


if __name__ == "__main__":
    main(globals())
