#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts that are longer than a table can take, as anybody on the Internet can announce them: each gets in, different ones stay
different rows, and a row that comes again is added to the one that is there."""
import random
import socket
import sqlite3
import struct

from harness import free_port, main
from bgp_speaker import Speaker, attribute, capability, four_octet_as, multiprotocol, prefix, update
from postgres import Postgres
from test_pgsql import PMACCT_BGP
import exports

ROUTER = "127.0.0.21"
AGGREGATE = "dst_host, peer_dst_ip, as_path, flows"
COLUMNS = "ip_dst inet NOT NULL DEFAULT '0.0.0.0', peer_ip_dst inet NOT NULL DEFAULT '0.0.0.0', as_path {}, packets bigint NOT NULL " \
          "DEFAULT 0, bytes bigint NOT NULL DEFAULT 0, flows bigint NOT NULL DEFAULT 0"
TABLES = {  # the type of as_path, and what tells rows apart
    "made": None,
    "earlier": ("text COLLATE \"C\" NOT NULL DEFAULT ''", "CREATE UNIQUE INDEX earlier_key ON earlier (ip_dst, peer_ip_dst, as_path)"),
    "narrow": ("varchar(60) NOT NULL DEFAULT ''", "ALTER TABLE narrow ADD PRIMARY KEY (ip_dst, peer_ip_dst, as_path)"),
    "keyless": ("varchar(60)", "CREATE INDEX ON keyless (ip_dst, as_path)"),
    "advised": ("text", "CREATE UNIQUE INDEX ON advised (ip_dst, peer_ip_dst, (CASE WHEN octet_length(as_path) > 63 THEN "
                "encode(sha256(decode(replace(as_path, E'\\\\', E'\\\\\\\\'), 'escape')), 'hex') ELSE as_path END))"),
    # Bounds that the catalogues do not tell: a domain's check comes as another error, and such an index is no B-tree.
    "lowered": ("text", "CREATE UNIQUE INDEX ON lowered (ip_dst, peer_ip_dst, as_path); CREATE INDEX ON lowered (lower(as_path))"),
}


def hops(count, last, seed):
    numbers = random.Random(seed)
    return [numbers.randint(100000, 4000000000) for _ in range(count - 1)] + [last]


PATHS = {"10.1.0.0/16": [65001], "10.2.0.0/16": hops(400, 65001, 2), "10.3.0.0/16": hops(4000, 65001, 3), "10.4.0.0/16": hops(4000, 65002, 3)}
TEXTS = ["_".join(map(str, path)) for path in PATHS.values()]


def announce(path, where):
    """RFC 4271 section 4.3: segments of 255 at most, an attribute of extended length; the message is one of RFC 8654."""
    segments = b"".join(bytes([2, len(path[i:i + 255])]) + b"".join(struct.pack("!I", asn) for asn in path[i:i + 255])
                        for i in range(0, len(path), 255))
    return update(attribute(0x40, 1, b"\0") + b"\x50\2" + struct.pack("!H", len(segments)) + segments +
                  attribute(0x40, 3, socket.inet_aton("10.0.0.1")) + attribute(0x40, 5, struct.pack("!I", 100)), prefix(where))


class World:
    def __init__(self, test, instances, keys):
        self.test, bgp_port = test, free_port(socket.SOCK_STREAM)
        self.daemon = test.nfacctd(f"plugins: {instances}\naggregate: {AGGREGATE}\nbgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\n"
                                   f"bgp_daemon_port: {bgp_port}\nnfacctd_as: bgp\nnfacctd_net: bgp\nnfacctd_workers: 1\n"
                                   f"sql_refresh_time: 1\nsql_table_version: 9\nsql_optimize_clauses: true\n{keys}")
        self.router = Speaker(test, bgp_port, address=ROUTER, capabilities=multiprotocol(1, 1) + four_octet_as(65000) + capability(6)).establish()
        self.router.send(*(announce(path, where) for where, path in PATHS.items()))
        self.stream, self.sent = exports.Ipfix(), 0
        test.wait_now(self.daemon, lambda s: sum(p["paths"] for p in s["bgp"]["peers"]) == len(PATHS), "the paths of the router")
        test.send(self.stream.announce(), source=ROUTER)

    def send(self):
        """Two flows behind each path; returns when all are in the tables."""
        rows = [exports.common_flow("192.0.2.1", where.replace("0.0/16", f"0.{n}"), "10.0.0.1") for where in PATHS for n in (1, 1)]
        self.test.send(self.stream.data(rows), source=ROUTER)
        self.sent += len(rows)
        self.test.wait_now(self.daemon, lambda s: all(i["written"]["flows"] == self.sent for i in s["instances"]), f"{self.sent} flows written")


def make_tables(pg):
    for name, how in TABLES.items():
        if how:
            pg.sql(f"CREATE TABLE {name} ({COLUMNS.format(how[0])}); {how[1]}; GRANT ALL ON {name} TO pmacct")
    pg.sql(PMACCT_BGP)


def test_a_path_of_any_length_gets_into_every_kind_of_table(test):
    pg = Postgres(test)
    make_tables(pg)
    names = [*TABLES, "acct_bgp"]
    keys = pg.keys() + "".join(f"sql_table[{name}]: {name}\n" for name in names) + \
        "sql_table_create[made]: true\nsql_optimize_clauses[acct_bgp]: false\nsql_table_version[acct_bgp]: 1\n" \
        "aggregate[acct_bgp]: peer_dst_ip, as_path\nsql_history[acct_bgp]: 1d\n"
    world = World(test, ", ".join(f"pgsql[{name}]" for name in names), keys)
    world.send()
    first = {name: sorted(row[0] for row in pg.sql(f"SELECT as_path FROM {name}")) for name in names}
    world.send()
    stats = {i["name"]: i for i in test.stats()["instances"]}
    assert world.daemon.stop() == 0, world.daemon.output()
    log = world.daemon.output()
    assert "refuses a row: " not in log, log
    for name in names:
        flows = "4" if name == "acct_bgp" else "flows"  # pmacct's BGP table has none
        found = pg.sql(f"SELECT as_path, {flows}, packets, bytes FROM {name}")
        assert sorted(row[0] for row in found) == first[name], (name, log)
        assert len(found) == len({row[0] for row in found}) == len(PATHS), (name, [row[0][:80] for row in found])
        assert all(row[1:] == ["4", "4", "4000"] for row in found), (name, [row[1:] for row in found])
        assert TEXTS[0] in [row[0].rstrip() for row in found], name
        whole = [text for text in first[name] if text.rstrip() in TEXTS]
        assert len(whole) == (len(TEXTS) if name in ("made", "advised") else 1), (name, len(whole))
        short = [text for text in first[name] if text.rstrip() not in TEXTS]
        assert all(any(full.startswith(text.split("~")[0]) and "~" in text for full in TEXTS) for text in short), (name, short)
        counted = stats[name]["process"]["counters"].get("pgsql_rows_shortened", 0)
        assert (counted > 0) == bool(short), (name, counted)
    assert 'texts that do not fit column as_path of table "narrow" (character varying(60)) are kept' in log, log
    assert 'texts that do not fit an index of table "earlier" with column as_path are kept' in log, log
    assert "sha256" in pg.value("SELECT indexdef FROM pg_indexes WHERE indexname = 'made_key'")


def test_sqlite_takes_them_as_they_are(test):
    db = test.dir / "flows.db"
    with sqlite3.connect(db) as connection:
        connection.execute("CREATE TABLE theirs (" + COLUMNS.format("CHAR(21) NOT NULL DEFAULT ''") + ", PRIMARY KEY (ip_dst, peer_ip_dst, as_path))")
    world = World(test, "sqlite3[made], sqlite3[theirs]", f"sql_db: {db}\nsql_table[made]: made\nsql_table[theirs]: theirs\n"
                  "sql_table_create[made]: true\n")
    world.send()
    world.send()
    assert world.daemon.stop() == 0, world.daemon.output()
    for table in ("made", "theirs"):
        with sqlite3.connect(db) as connection:
            found = connection.execute(f"SELECT as_path, flows, bytes FROM {table}").fetchall()
        assert sorted(row[0] for row in found) == sorted(TEXTS), (table, [row[0][:80] for row in found])
        assert all(row[1:] == (4, 4000) for row in found), (table, [row[1:] for row in found])


if __name__ == "__main__":
    main(globals())
