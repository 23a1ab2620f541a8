#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same capture into the same table by Debian's nfacctd 1.7.7 and by this one: pmacct's default tables of all versions, as its
own scripts make them, and tables of one's own. All columns agree but stamp_updated, which is the capture's time here."""
import collections
import contextlib
import gzip
import sqlite3

from harness import main, need_pmacct
import exports

# No flow starts in the first second of a minute: those pmacct's SQL plugins have in the bin before.
START_S = 1700000005
BASE = "src_host, dst_host, src_port, dst_port, proto"
# version: what its table has columns for
VERSIONS = {1: BASE, 2: BASE + ", tag, vlan", 3: BASE + ", tos", 4: BASE + ", tos, flows", 5: BASE + ", flows", 6: BASE + ", src_as, dst_as",
            7: BASE + ", tcpflags, src_as, flows", 8: "src_host, dst_port, tcpflags", 9: BASE + ", tag, tcpflags, tos, src_as, dst_as, flows"}
OWN = {
    "bins": ("src_host, dst_host, in_iface", "sql_history: 1m\nsql_history_roundoff: m",
             "ip_src TEXT, ip_dst TEXT, iface_in INT, packets INT, bytes INT, stamp_inserted TEXT, stamp_updated TEXT"),
    "times": ("src_host, timestamp_start, timestamp_end, timestamp_export", "sql_history: 5m\nsql_history_roundoff: m",
              "ip_src TEXT, timestamp_start TEXT, timestamp_start_residual INT, timestamp_end TEXT, timestamp_end_residual INT, "
              "timestamp_export TEXT, timestamp_export_residual INT, packets INT, bytes INT, stamp_inserted TEXT, stamp_updated TEXT"),
    "seconds": ("src_host, timestamp_start", "timestamps_secs: true\ntimestamps_utc: true\nsql_history: 1m",
                "ip_src TEXT, timestamp_start TEXT, packets INT, bytes INT, stamp_inserted TEXT, stamp_updated TEXT"),
    "epoch": ("src_host, timestamp_start", "timestamps_since_epoch: true\nsql_history: 1m",
              "ip_src TEXT, timestamp_start INT, timestamp_start_residual INT, packets INT, bytes INT, stamp_inserted INT, stamp_updated INT"),
    "networks": ("src_net, dst_net, src_mask, dst_mask, dst_as", "sql_table_version: 6",
                 "net_src TEXT, net_dst TEXT, mask_src INT, mask_dst INT, as_dst INT, packets INT, bytes INT"),
    "old_as": ("src_as, dst_as", "", "ip_src TEXT, ip_dst TEXT, packets INT, bytes INT"),
    "numbers": ("src_host, proto", "sql_num_protos: true", "ip_src TEXT, ip_proto INT, packets INT, bytes INT"),
    "layer_2": ("src_mac, dst_mac, etype, cos, sampling_rate, sampling_direction, class, mpls_label_top, mpls_vpn_rd, peer_dst_ip, peer_src_ip",
                "", "mac_src TEXT, mac_dst TEXT, etype TEXT, cos INT, sampling_rate INT, sampling_direction TEXT, class_id TEXT, "
                "mpls_label_top INT, mpls_vpn_rd TEXT, peer_ip_dst TEXT, peer_ip_src TEXT, packets INT, bytes INT"),
    "insert_only": (BASE, "sql_dont_try_update: true\nsql_multi_values: 100000\nsql_table_version: 8",
                    "ip_src TEXT, ip_dst TEXT, port_src INT, port_dst INT, ip_proto TEXT, packets INT, bytes INT"),
}


def script(name):
    path = need_pmacct("share/doc/pmacct/sql") / f"pmacct-create-table_{name}.sqlite3"
    if path.with_suffix(".sqlite3.gz").exists():
        return gzip.open(path.with_suffix(".sqlite3.gz"), "rt").read()
    return path.read_text()


def write_pcap(test):
    """40 flows out of four minutes, some of them of one key."""
    messages = []
    for n in range(40):
        flow = dict(src=f"10.0.0.{n % 7}", dst=f"192.0.2.{n % 3}", packets=n + 1, bytes=100 * n + 40, sport=1024 + n % 5, dport=53 * (n % 2),
                    proto=(6, 17, 1, 47, 99)[n % 5], flags=1 << n % 6, tos=4 * (n % 3), src_as=n % 4, dst_as=65000 + n % 3, src_mask=24,
                    dst_mask=25, first=3600000 - 1000 * (n % 4), last=3600000, **{"in": n % 3, "out": 7})
        messages.append((START_S + 6 * n, exports.udp_packet(exports.netflow5([flow], sequence=n, export_time=START_S + 6 * n), f"127.0.0.{1 + n % 2}")))
    exports.write_pcap(test.dir / "in.pcap", messages)


def rows_of(path, table):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return collections.Counter(tuple((k, row[k]) for k in sorted(row.keys()) if k != "stamp_updated")
                                   for row in db.execute(f"SELECT * FROM {table}"))


def compare(test, cases):
    """cases: name -> (aggregate, keys, statements that make the table, its name). All are instances of one daemon."""
    program, results = need_pmacct("sbin/nfacctd"), {}
    write_pcap(test)
    for who in ("theirs", "ours"):
        lines = ["daemonize: false", "plugins: " + ", ".join(f"sqlite3[{name}]" for name in cases), f"pcap_savefile: {test.dir}/in.pcap"]
        for name, (aggregate, keys, ddl, table) in cases.items():
            path = test.dir / f"{who}-{name}.db"
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.executescript(ddl)
            own = [f"aggregate: {aggregate}", f"sql_db: {path}", f"sql_table: {table}", "sql_refresh_time: 3600", *keys.splitlines()]
            lines += [line.replace(":", f"[{name}]:", 1) for line in own]
        config = "\n".join(lines) + "\n"
        if who == "ours":
            daemon = test.nfacctd(config)
        else:
            daemon = test.start([program, "-f", test.write("pmacct.conf", config)], "pmacct")
        daemon.wait(60)
    for name, (_, _, _, table) in cases.items():
        theirs, ours = (rows_of(test.dir / f"{who}-{name}.db", table) for who in ("theirs", "ours"))
        assert len(theirs) > 1, f"pmacct wrote nothing for {name}"
        assert theirs == ours, (name, "theirs", list((theirs - ours).items())[:2], "ours", list((ours - theirs).items())[:2])


def test_default_tables_of_all_versions(test):
    cases = {f"v{n}": (aggregate, f"sql_table_version: {n}\nsql_history: 1m\nsql_history_roundoff: m", script(f"v{n}"),
                       "acct" if n == 1 else f"acct_v{n}") for n, aggregate in VERSIONS.items()}
    cases["paths"] = ("tag, src_as, dst_as, peer_src_ip, local_pref", "sql_table_type: bgp\nsql_table_version: 1\nsql_history: 1m",
                      script("bgp_v1"), "acct_bgp")
    compare(test, cases)


def test_tables_of_ones_own(test):
    compare(test, {name: (aggregate, "sql_optimize_clauses: true\n" + keys, f"CREATE TABLE acct ({columns})", "acct")
                   for name, (aggregate, keys, columns) in OWN.items()})


if __name__ == "__main__":
    main(globals())
