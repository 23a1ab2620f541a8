#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same capture into pmacct's default tables for MySQL, as its own scripts make them, and into tables of one's own, by Debian's
nfacctd 1.7.7 and by this one; and three daemons, two of this project and one of pmacct's, into one table. All columns agree but
stamp_updated, which is the capture's time here."""
import collections
import re
import signal
import time

from harness import free_port, main, need_built, need_pmacct, wait_for
from mariadb import MariaDB
from test_sqlite_side_by_side import BASE, VERSIONS, write_pcap
import exports

CASES = {f"v{n}": (f"sql_table_version: {n}", aggregate, "acct" if n == 1 else f"acct_v{n}") for n, aggregate in VERSIONS.items()}
CASES["v9"] = ("sql_table_version: 9\nsql_table: acct_v9", VERSIONS[9], "acct_v9")  # pmacct has no name for this one
CASES["bgp"] = ("sql_table_type: bgp", "tag, src_as, dst_as, peer_src_ip, local_pref", "acct_bgp")
STAMPS = ", packets bigint, bytes bigint, stamp_inserted datetime, stamp_updated datetime"
COUNTERS = ", packets bigint, bytes bigint"
TIME = "{0} datetime, {0}_residual int"
# tables of one's own: name: (keys, aggregate, columns)
OWN = {
    "bins": ("sql_history: 1m\nsql_history_roundoff: m", "src_host, dst_host, in_iface, flows",
             "ip_src char(45), ip_dst char(45), iface_in int, flows int" + STAMPS),
    "times": ("sql_history: 5m\nsql_history_roundoff: m", "src_host, timestamp_start, timestamp_end, timestamp_export",
              ", ".join(["ip_src char(45)", *map(TIME.format, ("timestamp_start", "timestamp_end", "timestamp_export"))]) + STAMPS),
    "networks": ("sql_table_version: 6", "src_net, dst_net, src_mask, dst_mask, dst_as",
                 "net_src char(45), net_dst char(45), mask_src smallint, mask_dst smallint, as_dst bigint" + COUNTERS),
    "old_as": ("", "src_as, dst_as", "ip_src char(45), ip_dst char(45)" + COUNTERS),
    "numbers": ("sql_num_protos: true", "src_host, proto, tcpflags, tos", "ip_src char(45), ip_proto int, tcp_flags smallint, tos int" + COUNTERS),
    "layer_2": ("", "src_mac, dst_mac, etype, cos, sampling_rate, sampling_direction, class, mpls_label_top, mpls_vpn_rd, peer_dst_ip, peer_src_ip",
                "mac_src char(17), mac_dst char(17), etype varchar(5), cos smallint, sampling_rate int, sampling_direction varchar(1), "
                "class_id varchar(16), mpls_label_top int, mpls_vpn_rd varchar(18), peer_ip_dst char(45), peer_ip_src char(45)" + COUNTERS),
    "num_hosts": ("sql_num_hosts: true", "src_host, dst_host", "ip_src varbinary(16), ip_dst varbinary(16)" + COUNTERS),
    "insert_only": ("sql_dont_try_update: true\nsql_multi_values: 100000\nsql_table_version: 8", BASE,
                    "ip_src char(45), ip_dst char(45), port_src int, port_dst int, ip_proto char(6)" + COUNTERS),
}


def script(version):
    text = (need_pmacct("share/doc/pmacct/sql") / f"pmacct-create-db_{version}.mysql").read_text()
    return "".join(re.findall(r"create table acct.*?\);", text, re.DOTALL))


def rows_of(db, database, table):
    names = [row[0] for row in db.sql(f"SELECT column_name FROM information_schema.columns WHERE table_schema = '{database}' AND "
                                      f"table_name = '{table}' AND column_name <> 'stamp_updated' ORDER BY 1", db="")]
    return collections.Counter(tuple(zip(names, row)) for row in
                               db.sql(f"SELECT {', '.join(f'HEX({name})' for name in names)} FROM {table}", db=database))


def start(test, db, who, name, cases, more):
    """cases: name -> (keys, aggregate). All are instances of one daemon."""
    lines = ["daemonize: false", "plugins: " + ", ".join(f"mysql[{case}]" for case in cases), f"pcap_savefile: {test.dir}/in.pcap",
             "sql_refresh_time: 3600", *more, *db.keys(by_tcp=True).replace("sql_db: pmacct", f"sql_db: {who}").splitlines()]
    for case, (keys, aggregate) in cases.items():
        lines += [line.replace(":", f"[{case}]:", 1) for line in [f"aggregate: {aggregate}", *keys.splitlines()]]
    config = "\n".join(lines) + "\n"
    if who == "ours":
        return test.nfacctd(config, name=f"ours-{name}")
    return test.start([need_pmacct("sbin/nfacctd"), "-f", test.write(f"{name}.conf", config)], f"pmacct-{name}")


def check_equal(db, tables):
    """tables: name of the case -> table."""
    for name, table in tables.items():
        theirs, ours = (rows_of(db, database, table) for database in ("theirs", "ours"))
        assert len(theirs) > 1, f"pmacct wrote nothing for {name}"
        assert theirs == ours, (name, "theirs", list((theirs - ours).items())[:2], "ours", list((ours - theirs).items())[:2])


def test_the_same_tables(test):
    """Default tables of all versions, and tables of one's own."""
    need_built("mysql")
    need_pmacct("sbin/nfacctd")
    # pmacct's strings would not fit a strict server everywhere.
    db = MariaDB(test, settings={"sql-mode": ""})
    write_pcap(test)
    own = {name: (f"sql_optimize_clauses: true\nsql_table: {name}\n{keys}", aggregate) for name, (keys, aggregate, _) in OWN.items()}
    for who in ("theirs", "ours"):
        db.sql(f"CREATE DATABASE {who}; GRANT ALL ON {who}.* TO pmacct@'%'", db="")
        for version in ("v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "bgp_v1"):
            db.sql(script(version), db=who)
        db.sql("".join(f"CREATE TABLE {name} ({columns});" for name, (_, _, columns) in OWN.items()), db=who)
        daemons = [start(test, db, who, "default", {name: case[:2] for name, case in CASES.items()}, ["sql_history: 1m", "sql_history_roundoff: m"]),
                   start(test, db, who, "own", own, [])]
        for daemon in daemons:
            daemon.wait(90)
    check_equal(db, {name: table for name, (_, _, table) in CASES.items()})
    check_equal(db, {name: name for name in OWN})


def test_three_writers_into_one_table(test):
    """Two daemons of this project and one of pmacct's, at once, purge after purge, into the same rows of a table with a key and of one
    without: the sums are right."""
    need_built("mysql")
    program = need_pmacct("sbin/nfacctd")
    db = MariaDB(test, settings={"sql-mode": ""})
    columns = "ip_src char(45) NOT NULL, ip_proto char(6) NOT NULL, packets int unsigned NOT NULL, bytes bigint unsigned NOT NULL, " \
              "stamp_inserted datetime NOT NULL, stamp_updated datetime"
    db.sql(f"CREATE TABLE keyed ({columns}, PRIMARY KEY (ip_src, ip_proto, stamp_inserted)); CREATE TABLE plain ({columns}, KEY (ip_src))")
    config = """daemonize: false
plugins: mysql[keyed], mysql[plain]
aggregate: src_host, proto
sql_optimize_clauses: true
sql_history: 1d
sql_history_roundoff: d
sql_refresh_time: 1
sql_table[keyed]: keyed
sql_table[plain]: plain
""" + db.keys(by_tcp=True)
    ours = {}
    for name in ("one", "two"):
        daemon = test.nfacctd(config, name=name)
        ours[name] = (daemon, test.port)
    port = free_port()
    theirs = test.start([program, "-f", test.write("pmacct.conf", f"{config}nfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\n")], "pmacct")
    theirs.wait_log("waiting for NetFlow/IPFIX data", 30)
    packets, now = 0, int(time.time())  # the flows are of one day, whatever the time is now
    for n in range(30):
        flows = [dict(src=f"10.0.0.{(n + k) % 7}", dst="192.0.2.1", packets=n + 1, bytes=100 * (n + 1), sport=1024, dport=53, proto=(6, 17)[k % 2],
                      first=3600000, last=3600000) for k in range(20)]
        for _, to in (*ours.values(), (None, port)):
            test.send(exports.netflow5(flows, sequence=20 * n, export_time=now), port=to)
        packets += 20 * (n + 1)
        time.sleep(0.2)  # so that there are many purges, which meet
    for daemon, _ in ours.values():
        assert daemon.stop() == 0, daemon.output()
    theirs.signal(signal.SIGINT)
    for table in ("keyed", "plain"):
        want = [[str(3 * packets), str(300 * packets), "14"]]
        wait_for(lambda: db.sql(f"SELECT SUM(packets), SUM(bytes), COUNT(*) FROM {table}") == want,
                 lambda: f"{want} in {table}: {db.sql(f'SELECT SUM(packets), SUM(bytes), COUNT(*) FROM {table}')} {db.sql(f'SELECT stamp_inserted, COUNT(*) FROM {table} GROUP BY 1')}\n{theirs.output()[-3000:]}", 40)


if __name__ == "__main__":
    main(globals())
