#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same capture into pmacct's default tables for PostgreSQL, as its own scripts make them, by Debian's nfacctd 1.7.7 and by this one.
sql_table is not set: the names of tables are part of it. All columns agree but stamp_updated, which is the capture's time here."""
import collections
import gzip
import re

from harness import main, need_pmacct
from postgres import Postgres
from test_sqlite_side_by_side import BASE, write_pcap

# version: what its table has columns for
VERSIONS = {1: BASE, 2: BASE + ", tag, vlan", 3: BASE + ", tos", 4: BASE + ", tos, flows", 5: BASE + ", flows", 6: BASE + ", src_as, dst_as",
            7: BASE + ", tcpflags, src_as, flows", 9: BASE + ", tag, tcpflags, tos, src_as, dst_as, flows"}
# name: (keys, aggregate, table)
CASES = {f"v{n}": (f"sql_table_version: {n}", aggregate, "acct" if n == 1 else f"acct_v{n}") for n, aggregate in VERSIONS.items()}
CASES |= {f"uni{n}": (f"sql_table_version: {n}", VERSIONS[n], "acct_uni" if n == 1 else f"acct_uni_v{n}") for n in range(1, 6)}
CASES |= {f"as{n}": (f"sql_table_version: {n}", "src_as, dst_as, src_port, proto", "acct_as" if n == 1 else f"acct_as_v{n}") for n in range(1, 6)}
CASES["v9"] = ("sql_table_version: 9\nsql_table: acct_v9", VERSIONS[9], "acct_v9")  # pmacct has no name for this one
CASES["bgp"] = ("sql_table_type: bgp", "src_as, dst_as, peer_src_ip, local_pref", "acct_bgp")


def script(version):
    path = need_pmacct("share/doc/pmacct/sql") / f"pmacct-create-table_{version}.pgsql"
    packed = path.with_suffix(".pgsql.gz")
    text = gzip.open(packed, "rt").read() if packed.exists() else path.read_text()
    return "".join(re.findall(r"CREATE TABLE acct.*?\);|GRANT [^;]* ON acct[^;]*;", text, re.DOTALL))


def rows_of(pg, db, table):
    text = pg.psql("-A", "-t", "-c", f"SELECT to_jsonb(t) - 'stamp_updated' FROM {table} t", db=db)
    return collections.Counter(text.splitlines())


def write(test, pg, who, db):
    """A daemon for each kind of table: sql_data is pmacct's for all instances."""
    daemons = []
    for kind in ("typed", "unified"):
        cases = {name: case for name, case in CASES.items() if name.startswith("uni") == (kind == "unified")}
        lines = ["daemonize: false", "plugins: " + ", ".join(f"pgsql[{name}]" for name in cases), f"pcap_savefile: {test.dir}/in.pcap",
                 f"sql_data: {kind}", "sql_history: 1m", "sql_history_roundoff: m", "sql_refresh_time: 60",
                 *pg.keys(by_password=True).replace("sql_db: pmacct", f"sql_db: {db}").splitlines()]
        for name, (keys, aggregate, _) in cases.items():
            lines += [line.replace(":", f"[{name}]:", 1) for line in [f"aggregate: {aggregate}", *keys.splitlines()]]
        config = "\n".join(lines) + "\n"
        if who == "ours":
            daemons.append(test.nfacctd(config, name=f"ours-{kind}"))
        else:
            daemons.append(test.start([need_pmacct("sbin/nfacctd"), "-f", test.write(f"{kind}.conf", config)], f"pmacct-{kind}"))
    for daemon in daemons:
        daemon.wait(90)


def test_default_tables(test):
    need_pmacct("sbin/nfacctd")
    pg = Postgres(test)
    write_pcap(test)
    for db in ("theirs", "ours"):
        pg.sql(f"CREATE DATABASE {db} OWNER pmacct", db="postgres")
        for version in ("v1", "v2", "v3", "v4", "v5", "v6", "v7_v8", "v9", "bgp_v1"):
            pg.psql("-c", script(version), db=db)
        write(test, pg, db, db)
    for name, (_, _, table) in CASES.items():
        theirs, ours = (rows_of(pg, db, table) for db in ("theirs", "ours"))
        assert len(theirs) > 1, f"pmacct wrote nothing for {name}"
        assert theirs == ours, (name, "theirs", list((theirs - ours).items())[:2], "ours", list((ours - theirs).items())[:2])


if __name__ == "__main__":
    main(globals())
