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


STAMPS = ", packets bigint, bytes bigint, stamp_inserted timestamp, stamp_updated timestamp"
COUNTERS = ", packets bigint, bytes bigint"
TIME = "{0} timestamp, {0}_residual int"
# tables of one's own: name: (keys, aggregate, columns)
OWN = {
    "bins": ("sql_history: 1m\nsql_history_roundoff: m", "src_host, dst_host, in_iface, flows",
             "ip_src inet, ip_dst inet, iface_in int, flows int" + STAMPS),
    "times": ("sql_history: 5m\nsql_history_roundoff: m", "src_host, timestamp_start, timestamp_end, timestamp_export",
              ", ".join(["ip_src inet", *map(TIME.format, ("timestamp_start", "timestamp_end", "timestamp_export"))]) + STAMPS),
    "networks": ("sql_table_version: 6", "src_net, dst_net, src_mask, dst_mask, dst_as",
                 "net_src inet, net_dst inet, mask_src smallint, mask_dst smallint, as_dst bigint" + COUNTERS),
    "old_as": ("", "src_as, dst_as", "ip_src int, ip_dst int" + COUNTERS),
    "protocols": ("", "src_host, proto, tcpflags, tos", "ip_src inet, ip_proto smallint, tcp_flags smallint, tos int" + COUNTERS),
    "layer_2": ("", "src_mac, dst_mac, etype, cos, vlan, sampling_rate, sampling_direction, class, mpls_label_top, mpls_vpn_rd, peer_dst_ip, peer_src_ip",
                "mac_src macaddr, mac_dst macaddr, etype varchar(5), cos smallint, vlan int, sampling_rate int, sampling_direction varchar(1), "
                "class_id varchar(16), mpls_label_top int, mpls_vpn_rd varchar(18), peer_ip_dst inet, peer_ip_src inet" + COUNTERS),
    "insert_only": ("sql_dont_try_update: true", BASE, "ip_src inet, ip_dst inet, port_src int, port_dst int, ip_proto smallint" + COUNTERS),
    "copied": ("sql_dont_try_update: true\nsql_use_copy: true", BASE,
               "ip_src inet, ip_dst inet, port_src int, port_dst int, ip_proto smallint" + COUNTERS),
}


def script(version):
    path = need_pmacct("share/doc/pmacct/sql") / f"pmacct-create-table_{version}.pgsql"
    packed = path.with_suffix(".pgsql.gz")
    text = gzip.open(packed, "rt").read() if packed.exists() else path.read_text()
    return "".join(re.findall(r"CREATE TABLE acct.*?\);|GRANT [^;]* ON acct[^;]*;", text, re.DOTALL))


def rows_of(pg, db, table):
    text = pg.psql("-A", "-t", "-c", f"SELECT to_jsonb(t) - 'stamp_updated' FROM {table} t", db=db)
    return collections.Counter(text.splitlines())


def start(test, pg, who, name, cases, more):
    """cases: name -> (keys, aggregate). All are instances of one daemon."""
    lines = ["daemonize: false", "plugins: " + ", ".join(f"pgsql[{case}]" for case in cases), f"pcap_savefile: {test.dir}/in.pcap",
             "sql_refresh_time: 3600", *more, *pg.keys(by_password=True).replace("sql_db: pmacct", f"sql_db: {who}").splitlines()]
    for case, (keys, aggregate) in cases.items():
        lines += [line.replace(":", f"[{case}]:", 1) for line in [f"aggregate: {aggregate}", *keys.splitlines()]]
    config = "\n".join(lines) + "\n"
    if who == "ours":
        return test.nfacctd(config, name=f"ours-{name}")
    return test.start([need_pmacct("sbin/nfacctd"), "-f", test.write(f"{name}.conf", config)], f"pmacct-{name}")


def write_default_tables(test, pg, who):
    """A daemon for each kind of table: sql_data is pmacct's for all instances."""
    daemons = []
    for kind in ("typed", "unified"):
        cases = {name: case[:2] for name, case in CASES.items() if name.startswith("uni") == (kind == "unified")}
        daemons.append(start(test, pg, who, kind, cases, [f"sql_data: {kind}", "sql_history: 1m", "sql_history_roundoff: m"]))
    for daemon in daemons:
        daemon.wait(90)


def check_equal(pg, tables):
    """tables: name of the case -> table."""
    for name, table in tables.items():
        theirs, ours = (rows_of(pg, db, table) for db in ("theirs", "ours"))
        assert len(theirs) > 1, f"pmacct wrote nothing for {name}"
        assert theirs == ours, (name, "theirs", list((theirs - ours).items())[:2], "ours", list((ours - theirs).items())[:2])


def test_default_tables(test):
    need_pmacct("sbin/nfacctd")
    pg = Postgres(test)
    write_pcap(test)
    for db in ("theirs", "ours"):
        pg.sql(f"CREATE DATABASE {db} OWNER pmacct", db="postgres")
        for version in ("v1", "v2", "v3", "v4", "v5", "v6", "v7_v8", "v9", "bgp_v1"):
            pg.psql("-c", script(version), db=db)
        write_default_tables(test, pg, db)
    check_equal(pg, {name: table for name, (_, _, table) in CASES.items()})


def test_tables_of_ones_own(test):
    need_pmacct("sbin/nfacctd")
    pg = Postgres(test)
    write_pcap(test)
    cases = {name: (f"sql_optimize_clauses: true\nsql_table: {name}\n{keys}", aggregate) for name, (keys, aggregate, _) in OWN.items()}
    for db in ("theirs", "ours"):
        pg.sql(f"CREATE DATABASE {db} OWNER pmacct", db="postgres")
        pg.sql("".join(f"CREATE TABLE {name} ({columns}); GRANT ALL ON {name} TO pmacct;" for name, (_, _, columns) in OWN.items()), db=db)
        start(test, pg, db, "own", cases, []).wait(90)
    check_equal(pg, {name: name for name in OWN})


if __name__ == "__main__":
    main(globals())
