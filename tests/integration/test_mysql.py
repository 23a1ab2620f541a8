#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The mysql plugin against a real MariaDB server: what stands in tables, by each way that rows can get there, that several writers
add up, and that rows which the server refuses do not cost the others. One server for all tests."""
import atexit
import os
import re
import signal
import subprocess
import threading
import time

from harness import NFACCTD, Test, flowgen_capture, free_port, main, need, need_built, wait_for
from mariadb import MariaDB
import exports

UNITS = ("flows", "packets", "bytes")
TUPLE = "src_host, dst_host, src_port, dst_port, proto, flows"
KEYS = "ip_src, ip_dst, port_src, port_dst, ip_proto, stamp_inserted"
COLUMNS = ("ip_src varchar(45), ip_dst varchar(45), port_src int, port_dst int, ip_proto varchar(6), stamp_inserted datetime, "
           "stamp_updated datetime, flows bigint, packets bigint, bytes bigint unsigned")
WORLD = []


def server():
    if not WORLD:
        need_built("mysql")
        world = Test("mysql-world")
        atexit.register(world.close)
        WORLD.append(MariaDB(world))
    return WORLD[0]


def replay(test, config, name="nfacctd"):
    daemon = test.nfacctd(f"pcap_savefile: {test.dir}/in.pcap\n{config}", name=name)
    assert daemon.wait(90) == 0, daemon.output()
    return daemon


def sums(db, table):
    return dict(zip(UNITS, map(int, db.sql(f"SELECT SUM(flows), SUM(packets), SUM(bytes) FROM {table}")[0])))


def repeated_keys(db, table, keys=KEYS):
    return int(db.value(f"SELECT COUNT(*) FROM (SELECT 1 FROM {table} GROUP BY {keys} HAVING COUNT(*) > 1) x"))


def test_each_way_into_a_table_writes_the_same(test):
    """A table that is made, one with a key of its own, one without, insertion alone: the same input, the same sums; and a second run
    adds to the rows of the first where keys are looked for."""
    db = server()
    sent = flowgen_capture(test, "--flows", 20000, "--keys", 3000, "--seconds", 120)
    truth = {unit: sent[unit] for unit in UNITS}
    db.sql(f"CREATE TABLE matched ({COLUMNS}, KEY (stamp_inserted, ip_src, port_src)); CREATE TABLE inserted ({COLUMNS}); "
           f"CREATE TABLE keyed ({COLUMNS}, UNIQUE ({KEYS}))")
    instances = {"made": "sql_table_create", "keyed": "", "matched": "", "inserted": "sql_dont_try_update"}
    config = f"plugins: {', '.join(f'mysql[{name}]' for name in instances)}\naggregate: {TUPLE}\nsql_history: 1m\n" \
             "sql_optimize_clauses: true\nsql_table_version: 9\nsql_refresh_time: 30\nsql_multi_values[keyed]: 4096\n" + db.keys()
    for name, keys in instances.items():
        config += f"sql_table[{name}]: {name}\n" + "".join(f"{key}[{name}]: true\n" for key in keys.split())
    daemon = replay(test, config)
    rows = {}
    for name in instances:
        assert sums(db, name) == truth, (name, sums(db, name), truth, daemon.output())
        rows[name] = int(db.value(f"SELECT COUNT(*) FROM {name}"))
    for name in ("made", "keyed", "matched"):
        assert repeated_keys(db, name) == 0, name
    assert rows["made"] == rows["keyed"] == rows["matched"] <= rows["inserted"], rows
    assert db.value(f"SELECT COUNT(*) FROM made JOIN matched USING ({KEYS}, flows, packets, bytes)") == str(rows["made"])
    assert "without" not in daemon.output() and " ERROR" not in daemon.output(), daemon.output()
    replay(test, config, name="again")
    for name in instances:
        assert sums(db, name) == {unit: 2 * n for unit, n in truth.items()}, name
        assert int(db.value(f"SELECT COUNT(*) FROM {name}")) == rows[name] * (2 if name == "inserted" else 1), name


def test_connections(test):
    """By TCP and by socket, and by a password that is wrong first."""
    db = server()
    sent = flowgen_capture(test, "--flows", 100, "--keys", 10, "--seconds", 5)
    replay(test, f"plugins: mysql[tcp], mysql[socket]\naggregate: {TUPLE}\nsql_table_create: true\nsql_table[tcp]: tcp\nsql_table[socket]: socket\n"
           + db.keys("tcp", by_tcp=True) + db.keys("socket"))
    for table in ("tcp", "socket"):
        assert sums(db, table)["flows"] == sent["flows"], table


def test_pmacct_tables(test):
    """Tables made for pmacct by its own files, version 1, 9 and BGP, without sql_optimize_clauses: every column of the version is there."""
    db = server()
    stamps = "stamp_inserted DATETIME NOT NULL, stamp_updated DATETIME"
    db.sql(f"""CREATE TABLE acct (mac_src CHAR(17) NOT NULL, mac_dst CHAR(17) NOT NULL, ip_src CHAR(45) NOT NULL, ip_dst CHAR(45) NOT NULL,
        src_port INT(2) UNSIGNED NOT NULL, dst_port INT(2) UNSIGNED NOT NULL, ip_proto CHAR(6) NOT NULL, packets INT UNSIGNED NOT NULL,
        bytes BIGINT UNSIGNED NOT NULL, {stamps}, PRIMARY KEY (mac_src, mac_dst, ip_src, ip_dst, src_port, dst_port, ip_proto, stamp_inserted));
        CREATE TABLE acct_v9 (tag INT(4) UNSIGNED NOT NULL, class_id CHAR(16) NOT NULL, mac_src CHAR(17) NOT NULL, mac_dst CHAR(17) NOT NULL,
        vlan INT(2) UNSIGNED NOT NULL, as_src INT(4) UNSIGNED NOT NULL, as_dst INT(4) UNSIGNED NOT NULL, ip_src CHAR(45) NOT NULL,
        ip_dst CHAR(45) NOT NULL, port_src INT(2) UNSIGNED NOT NULL, port_dst INT(2) UNSIGNED NOT NULL, tcp_flags INT(4) UNSIGNED NOT NULL,
        ip_proto CHAR(6) NOT NULL, tos INT(4) UNSIGNED NOT NULL, packets INT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED NOT NULL,
        flows INT UNSIGNED NOT NULL, {stamps}, PRIMARY KEY (tag, class_id, mac_src, mac_dst, vlan, as_src, as_dst, ip_src, ip_dst, port_src,
        port_dst, ip_proto, tos, stamp_inserted));
        CREATE TABLE acct_bgp (agent_id INT(4) UNSIGNED NOT NULL, as_src INT(4) UNSIGNED NOT NULL, as_dst INT(4) UNSIGNED NOT NULL,
        peer_as_src INT(4) UNSIGNED NOT NULL, peer_as_dst INT(4) UNSIGNED NOT NULL, peer_ip_src CHAR(45) NOT NULL, peer_ip_dst CHAR(45) NOT NULL,
        comms CHAR(24) NOT NULL, as_path CHAR(21) NOT NULL, local_pref INT(4) UNSIGNED NOT NULL, med INT(4) UNSIGNED NOT NULL,
        packets INT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED NOT NULL, {stamps}, PRIMARY KEY (agent_id, as_src, as_dst, peer_as_src,
        peer_as_dst, peer_ip_src, peer_ip_dst, comms, as_path, local_pref, med, stamp_inserted))""")
    sent = flowgen_capture(test, "--flows", 5000, "--keys", 1000, "--seconds", 20)
    daemon = replay(test, f"""
plugins: mysql[v1], mysql[v9], mysql[bgp], mysql[v5]
aggregate[v1]: src_host, dst_host, src_port, dst_port, proto
aggregate[v9]: {TUPLE}, tcpflags, tos, vlan
aggregate[bgp]: src_as, dst_as, peer_src_ip, peer_dst_ip, as_path
aggregate[v5]: src_as, dst_as, tag
sql_table[v9]: acct_v9
sql_table_version[v9]: 9
sql_table_type[bgp]: bgp
sql_table[v5]: made_v5
sql_table_version[v5]: 5
sql_table_create[v5]: true
sql_history: 1h
{db.keys()}
""")
    for table in ("acct", "acct_bgp"):
        assert db.sql(f"SELECT SUM(packets), SUM(bytes) FROM {table}") == [[str(sent["packets"]), str(sent["bytes"])]], daemon.output()
    assert sums(db, "acct_v9") == {unit: sent[unit] for unit in UNITS}, daemon.output()
    assert db.sql("SELECT DISTINCT mac_src, DATE_FORMAT(stamp_inserted, '%i:%s') FROM acct") == [["0:0:0:0:0:0", "00:00"]]
    assert {row[0] for row in db.sql("SELECT DISTINCT ip_proto FROM acct")} <= {"tcp", "udp", "icmp"}
    assert db.value("SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'made_v5' AND column_name IN ('ip_src', 'ip_dst', 'agent_id')") == "3"


def ipfix_pcap(test, rows, fields, when):
    stream = exports.Ipfix(fields)
    datagrams = [(when, exports.udp_packet(stream.announce(export_time=when)))]
    datagrams += [(when + 1, exports.udp_packet(stream.data(rows[i:i + 10], export_time=when + 1))) for i in range(0, len(rows), 10)]
    exports.write_pcap(test.dir / "in.pcap", datagrams)


def test_hostile_values_and_every_type(test):
    """An exporter's text with quotes, backslashes, zero bytes and broken UTF-8; case and blanks at the end keep texts apart; numeric
    addresses; times in parts; a key grows with its table; text in columns that lack its characters or are too short."""
    db = server()
    names = [b"eth'; DROP TABLE acct; --", b"a\0b", b"\xff\xfe", b"\\", b"\\' OR 1", b'"\t\n', "µ-€-\U0001f600".encode(), b"Core", b"core", b"core ", b"x" * 300]
    when = 1795000000
    rows = [exports.common_flow("2001:db8::1", f"2001:db8::{n:x}", "2001:db8::ff", start_ms=when * 1000 + 123, end_ms=when * 1000 + 999 + n) + [name]
            for n, name in enumerate(names) for _ in range(2)]
    ipfix_pcap(test, rows, exports.COMMON_FIELDS_V6 + [(82, exports.VARIABLE)], when)
    db.sql("CREATE TABLE small (iface_name_in varchar(40) CHARACTER SET latin1 COLLATE latin1_bin, flows int, packets int, bytes int, "
           "timestamp_min datetime, timestamp_min_residual int, timestamp_max datetime, timestamp_max_residual int, UNIQUE (iface_name_in)); "
           "CREATE TABLE typed_matched (ip_src varchar(45), flows int, packets int, bytes int, timestamp_min datetime, timestamp_min_residual int, "
           "timestamp_max datetime, timestamp_max_residual int)")
    db.sql("CREATE TABLE blind (iface_name_in varchar(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, flows int, packets int, bytes int, "
           "timestamp_min datetime, timestamp_min_residual int, timestamp_max datetime, timestamp_max_residual int, UNIQUE (iface_name_in))")
    config = f"""
plugins: mysql[a], mysql[matched], mysql[small], mysql[blind]
aggregate[a]: src_host, dst_host, in_iface_name, timestamp_start, proto, flows
aggregate[matched]: src_host, flows
aggregate[small]: in_iface_name, flows
aggregate[blind]: in_iface_name, flows
sql_table[blind]: blind
sql_table_create[a]: true
sql_optimize_clauses: true
sql_history[a]: 1m
sql_num_hosts[a]: true
sql_table[a]: typed
sql_table[matched]: typed_matched
sql_table[small]: small
timestamps_utc: true
nfacctd_stitching: true
{db.keys()}
"""
    daemon = replay(test, config)
    found = db.sql("SELECT HEX(iface_name_in), flows, INET6_NTOA(ip_dst), timestamp_start, timestamp_start_residual, stamp_inserted, ip_proto, "
                   "timestamp_min, timestamp_min_residual FROM typed ORDER BY ip_dst")
    texts = [bytes.fromhex(row[0]).decode() for row in found]
    assert len(found) == len(names) and all(row[1] == "2" for row in found), (found, daemon.output())
    assert texts[0] == names[0].decode() and texts[3:] == [name.decode() for name in names[3:]], texts
    assert "\ufffd" in texts[1] + texts[2] and texts[1].startswith("a"), texts
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when))
    assert found[1][2:] == ["2001:db8::1", date, "123000", time.strftime("%Y-%m-%d %H:%M:00", time.gmtime(when)), "tcp", date, "123000"], found[1]
    small = [row[0] for row in db.sql("SELECT iface_name_in FROM small")]
    assert len(small) == len(names) and "?-?-?" in small and sum(name[:3] == 3 * "x" and "~" in name and len(name) == 40 for name in small) == 1, small
    assert db.sql("SELECT COUNT(*), SUM(flows) FROM blind") == [[str(len(names) - 2), str(2 * len(names))]]
    warnings = [line for line in daemon.output().splitlines() if "differ in case alone are one row" in line]
    assert len(warnings) == 1 and "table `blind`" in warnings[0], warnings
    counters = {i["name"]: i["process"]["counters"] for i in test.stats()["instances"]}
    assert counters["small"]["mysql_rows_shortened"] == 4 and "mysql_rows_shortened" not in counters["a"], counters
    # Later, earlier, and of the same second: the microseconds go with the time that wins.
    for shift, name in ((2100, "later"), (-5023, "earlier"), (-5100, "earliest")):
        rows = [exports.common_flow("2001:db8::1", "2001:db8::", "2001:db8::ff", start_ms=when * 1000 + 123 + shift, end_ms=when * 1000 + 999 + shift) + [b"Core"]]
        ipfix_pcap(test, rows, exports.COMMON_FIELDS_V6 + [(82, exports.VARIABLE)], when)
        replay(test, "\n".join(line for line in config.replace("mysql[a], ", "").splitlines() if "[a]" not in line), name=name)
    first, last = (time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when + n)) for n in (-5, 3))
    for table in ("typed_matched", "small WHERE iface_name_in = 'Core'"):
        found = db.sql(f"SELECT COUNT(*), MIN(timestamp_min), MIN(timestamp_min_residual), MAX(timestamp_max), MAX(timestamp_max_residual) FROM {table}")
        assert found == [["1", first, "23000", last, "99000"]], (table, found)
    rows = [exports.common_flow("2001:db8::1", f"2001:db8::{n:x}", "2001:db8::ff", start_ms=when * 1000 + 123, end_ms=when * 1000 + 999 + n) + [name]
            for n, name in enumerate(names) for _ in range(2)]
    ipfix_pcap(test, rows, exports.COMMON_FIELDS_V6 + [(82, exports.VARIABLE)], when)
    replay(test, config.replace("aggregate[a]: src_host", "aggregate[a]: tcpflags, src_port, src_host"), name="more")
    assert db.sql("SELECT COUNT(*), SUM(flows) FROM typed") == [["22", "44"]]
    replay(test, config.replace("aggregate[a]: src_host", "aggregate[a]: src_port, src_host"), name="again")
    assert db.sql("SELECT COUNT(*), SUM(flows) FROM typed") == [["22", "66"]]


def test_tables_by_time_and_exporter(test):
    """Names out of the bin and of a primitive; sql_table_schema makes them, with the server's own idea of quotes."""
    db = server()
    schema = test.write("schema.sql", "CREATE TABLE `day_%H%M_$peer_src_ip` (ip_src char(45) COMMENT \"a text\", peer_ip_src char(45), flows int, packets int, "
                        "bytes int, stamp_inserted datetime, stamp_updated datetime); INSERT INTO made_tables VALUES ('%H%M');")
    db.sql("CREATE TABLE made_tables (name char(45))")
    sent = flowgen_capture(test, "--flows", 5000, "--keys", 500, "--seconds", 150)
    replay(test, f"""
plugins: mysql[a]
aggregate[a]: src_host, peer_src_ip, flows
sql_table[a]: day_%H%M_$peer_src_ip
sql_table_schema[a]: {schema}
sql_optimize_clauses[a]: true
sql_history[a]: 1m
sql_history_roundoff[a]: m
timestamps_utc: true
{db.keys('a')}
""")
    names = [row[0] for row in db.sql("SHOW TABLES LIKE 'day%'")]
    assert len(names) >= 8 and all(name.startswith("day_22") and name.count("_") == 5 for name in names), names
    assert sum(sums(db, name)["bytes"] for name in names) == sent["bytes"]
    assert db.value("SELECT COUNT(*) FROM made_tables") == str(len(names))


def test_several_writers_into_one_table_add_up(test):
    """Two daemons, two instances for each table, at once, with a unique key, without, and without locks: no deadlock costs a row."""
    db = server()
    columns = "ip_src varchar(45), port_dst int, flows bigint, packets bigint, bytes bigint"
    db.sql(f"CREATE TABLE upserted ({columns}, UNIQUE (ip_src, port_dst)); CREATE TABLE looked_for ({columns}, KEY (ip_src, port_dst)); "
           f"CREATE TABLE unlocked ({columns}, UNIQUE (ip_src, port_dst))")
    sent = flowgen_capture(test, "--flows", 30000, "--keys", 2000, "--seconds", 60)
    tables = {"a": "upserted", "b": "upserted", "c": "looked_for", "d": "looked_for", "e": "unlocked", "f": "unlocked"}
    config = f"plugins: {', '.join(f'mysql[{name}]' for name in tables)}\naggregate: src_host, dst_port, flows\nsql_optimize_clauses: true\n" \
             "sql_table_version: 9\nsql_refresh_time: 10\nnfacctd_workers: 2\nsql_locking_style[e]: row\nsql_locking_style[f]: row\n" + db.keys() + \
             "".join(f"sql_table[{name}]: {table}\n" for name, table in tables.items())
    threads = [threading.Thread(target=replay, args=(test, config, name)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for table in set(tables.values()):
        assert sums(db, table) == {unit: 4 * sent[unit] for unit in UNITS}, (table, sums(db, table), sent)
        assert repeated_keys(db, table, "ip_src, port_dst") == 0, table


def test_rejected_rows_among_many(test):
    """Values that a column cannot hold, found one by one; the rest of a large transaction is in, by an upsert and by UPDATEs. Of rows that
    a key of fewer columns takes for the same the first is written."""
    db = server()
    columns = "ip_src varchar(45), port_src smallint, flows int, packets int, bytes bigint CHECK (bytes <> 666)"
    db.sql(f"CREATE TABLE bad_upserted ({columns}, UNIQUE (ip_src, port_src)); CREATE TABLE bad_matched ({columns}, KEY (ip_src)); "
           "CREATE TABLE narrow (ip_src varchar(45), port_src int, flows int, packets int, bytes bigint, UNIQUE (ip_src))")
    rows = [exports.common_flow(f"10.0.{n // 250}.{n % 250}", "192.0.2.1", "10.0.0.1", sport=40000 if n == 77 else 5,
                                octets=666 if n in (1234, 1235) else 1000, start_ms=1795000000000, end_ms=1795000000000) for n in range(3000)]
    rows += [exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1", sport=6, octets=1000, start_ms=1795000000000, end_ms=1795000000000)]
    ipfix_pcap(test, rows, exports.COMMON_FIELDS, 1795000000)
    names = ("bad_upserted", "bad_matched", "narrow")
    daemon = test.nfacctd(f"pcap_savefile: {test.dir}/in.pcap\nplugins: {', '.join(f'mysql[{name}]' for name in names)}\naggregate: src_host, src_port, flows\n"
                          "sql_optimize_clauses: true\nsql_table_version: 9\n" + db.keys() + "".join(f"sql_table[{name}]: {name}\n" for name in names))
    assert daemon.wait(60) == 1, "rows were lost, so the exit status says so:\n" + daemon.output()
    for instance in test.stats()["instances"]:
        lost = 1 if instance["name"] == "narrow" else 3
        assert instance["drops"]["rejected"]["flows"] == lost and instance["written"]["flows"] == 3001 - lost, instance
        assert instance["residual"]["bytes"] == 0
    for name in names[:2]:
        assert sums(db, name) == {"flows": 2998, "packets": 2998, "bytes": 2998000}, (name, daemon.output())
    assert sums(db, "narrow")["flows"] == 3000
    assert daemon.output().count("the backend refuses a row") == 3 and "covers less than the key of `aggregate`" in daemon.output(), daemon.output()


def test_engines_without_transactions(test):
    """MyISAM is refused with the statement that mends it; with sql_exactly_once: false, or
    strict_config: false, it is written to, with a warning, which -T setup gives too."""
    db = server()
    columns = "ip_src varchar(45), flows int, packets int, bytes bigint, UNIQUE (ip_src)"
    db.sql(f"CREATE TABLE isam ({columns}) ENGINE=MyISAM; CREATE TABLE isam_once ({columns}) ENGINE=MyISAM; "
           f"CREATE TABLE isam_tolerant ({columns}) ENGINE=MyISAM")
    sent = flowgen_capture(test, "--flows", 100, "--keys", 10, "--seconds", 5)
    config = f"aggregate: src_host, flows\nsql_optimize_clauses: true\n{db.keys()}"
    daemon = test.nfacctd(f"pcap_savefile: {test.dir}/in.pcap\nplugins: mysql[a]\nsql_table[a]: isam_once\nshutdown_timeout: 2\n{config}", name="refused")
    assert daemon.wait(60) == 1, daemon.output()
    line = next(line for line in daemon.output().splitlines() if "has no transactions" in line)
    assert " ERROR " in line and db.value("SELECT COUNT(*) FROM isam_once") == "0", daemon.output()
    db.sql(re.search(r"run (ALTER TABLE .*?);", line)[1])
    replay(test, f"plugins: mysql[a]\nsql_table[a]: isam_once\n{config}", name="mended")
    daemon = replay(test, f"plugins: mysql[a]\nsql_table[a]: isam\nsql_exactly_once[a]: false\n{config}")
    assert "written at least once" in daemon.output(), daemon.output()
    tolerant = f"strict_config: false\nplugins: mysql[a]\nsql_table[a]: isam_tolerant\n{config}"
    status, out = trial(test, tolerant)
    assert status == 0 and out.count("written at least once") == 1, out
    daemon = replay(test, tolerant, name="tolerant")
    assert daemon.output().count("table `isam_tolerant` (MyISAM) has no transactions: rows are written at least once") == 1, daemon.output()
    for table in ("isam", "isam_once", "isam_tolerant"):
        assert sums(db, table) == {unit: sent[unit] for unit in UNITS}, table


def certificate(test, db, name, names):
    """A certificate of its own authority, with its key."""
    files = db.dir / f"{name}.crt", db.dir / f"{name}.key"
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mariadb", "-addext",
                    f"subjectAltName={names}", "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    for file in files:
        file.chmod(0o600)
        db.give(file)
    return files


def test_sql_conn_ca_file(test):
    """Rows get in by TLS with the server's authority; with another one, for another name and without TLS none does, and the log says why."""
    need_built("mysql")
    db = MariaDB(test)
    right, key = certificate(test, db, "right", "IP:127.0.0.1")
    wrong, _ = certificate(test, db, "wrong", "IP:127.0.0.1")
    elsewhere, elsewhere_key = certificate(test, db, "elsewhere", "DNS:db.example.net")
    sent = flowgen_capture(test, "--flows", 100, "--keys", 10, "--seconds", 5)
    config = f"aggregate: {TUPLE}\nsql_table_create: true\nsql_table: acct\n{db.keys(by_tcp=True)}plugins: mysql[a]\nsql_conn_ca_file: "
    db.stop()
    for certificate_file, key_file, ca_file, words in ((None, None, right, "SSL"), (right, key, wrong, "certificate"), (elsewhere, elsewhere_key, elsewhere, ""),
                                                       (right, key, right, None)):
        db.settings.update({"ssl-cert": certificate_file, "ssl-key": key_file} if certificate_file else {"skip-ssl": 1})
        db.settings.pop("skip-ssl" if certificate_file else "", None)
        db.start()
        daemon = test.nfacctd(f"pcap_savefile: {test.dir}/in.pcap\nshutdown_timeout: {2 if words is not None else 60}\n{config}{ca_file}\n", name=f"tls-{words}")
        status = daemon.wait(60)
        if words is None:
            assert status == 0 and sums(db, "acct") == {unit: sent[unit] for unit in UNITS}, daemon.output()
            assert int(db.value("SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Ssl_finished_accepts'")) > 0
        else:
            line = next((line for line in daemon.output().splitlines() if "check sql_user, sql_passwd, sql_conn_ca_file" in line), "")
            assert status == 1 and words in line and "[2026]" in line and not db.has_table("acct"), daemon.output()
        db.stop()


def test_a_server_that_is_slow_or_hangs(test):
    """A lock that somebody holds is waited for, and said; a server that does not answer loses its session, not its process."""
    need_built("mysql")
    db = MariaDB(test)
    daemon = test.nfacctd(f"plugins: mysql[a]\naggregate: src_host, flows\nsql_table_create: true\nsql_refresh_time: 1\nplugin_timeout: 8\n{db.keys()}")
    stream = exports.Ipfix()
    test.send(stream.announce())

    def send(want):
        test.send(stream.data([exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1") for _ in range(10)]))
        return lambda: db.has_table("acct") and db.value("SELECT SUM(flows) FROM acct") == str(want)
    wait_for(send(10), "rows", 30)
    args = [db.client, "--no-defaults", "-S", db.socket, "-u", "root", "pmacct", "-e", "LOCK TABLE acct WRITE; SELECT SLEEP(6)"]
    locker = test.start(args, "locker")
    wait_for(lambda: db.sql("SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"), "the lock")
    are_there = send(20)
    daemon.wait_log("is slow: a statement takes", 30)
    locker.wait(30)
    wait_for(are_there, "rows after the lock", 30)
    os.kill(db.process.pid, signal.SIGSTOP)
    are_there = send(30)
    daemon.wait_log("does not answer", 60)
    os.kill(db.process.pid, signal.SIGCONT)
    wait_for(are_there, "rows after the server woke up", 60)
    process = test.now(daemon)["instances"][0]["process"]
    assert process["restarts"] == 0 and process["counters"]["fault_server_away"] >= 1, process
    assert "Waiting for table metadata lock" in daemon.output(), daemon.output()
    assert daemon.stop() == 0, daemon.output()


def trial(test, config):
    conf = test.write("trial.conf", f"{config}\nnfacctd_port: {free_port()}\n")
    done = subprocess.run([NFACCTD, "-f", conf, "-T", "setup"], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr + done.stdout


def test_T_setup(test):
    """Server, table, rights and pathacct_progress are looked at, and nothing is made."""
    db = server()
    db.sql("CREATE DATABASE trial; CREATE USER modest@localhost IDENTIFIED BY 'arealsmartpwd'; GRANT SELECT ON trial.* TO modest@localhost", db="")
    config = f"plugins: mysql[a]\naggregate: src_host\nsql_optimize_clauses: true\n{db.keys().replace('sql_db: pmacct', 'sql_db: trial')}" \
        .replace("sql_user: pmacct", "sql_user: modest")
    status, out = trial(test, config)
    assert status == 1 and "no right to keep pathacct_progress" in out, out
    db.sql("GRANT CREATE, INSERT, UPDATE, DELETE ON trial.pathacct_progress TO modest@localhost", db="")
    status, out = trial(test, config)
    assert status == 1 and "there is no table `acct` in database trial" in out, out
    status, out = trial(test, config + "sql_table_create: true\n")
    assert status == 1 and "CREATE command denied" in out, out
    db.sql("CREATE TABLE acct (packets BIGINT, bytes BIGINT)", db="trial")
    status, out = trial(test, config)
    assert status == 1 and "lacks columns of `aggregate`" in out and "`ip_src`" in out, out
    db.sql("ALTER TABLE acct ADD ip_src varchar(45)", db="trial")
    status, out = trial(test, config)
    assert status == 1 and "command denied" in out and "GRANT what is missing" in out, out
    db.sql("GRANT INSERT, UPDATE ON trial.acct TO modest@localhost", db="")
    status, out = trial(test, config)
    assert status == 0, out
    status, out = trial(test, config.replace("sql_db: trial", "sql_db: nosuch"))
    assert status == 1 and ("sql_db" in out or "GRANT" in out), out
    status, out = trial(test, config.replace("unix:", "unix:/nowhere"))
    assert status == 1 and "Can't connect" in out, out
    assert db.sql("SHOW TABLES", db="trial") == [["acct"]]


def test_a_packet_bounds_a_statement(test):
    """max_allowed_packet of the server: statements are shorter, and of rows the one that alone is longer is rejected."""
    need_built("mysql")
    db = MariaDB(test, settings={"max-allowed-packet": 16384})
    names = [b"short", b"x" * 17000, b"y" * 9000]
    rows = [exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1", sport=n, start_ms=1795000000000, end_ms=1795000000000) + [names[n % 3 if n < 3 else 0]]
            for n in range(1000)]
    stream = exports.Ipfix(exports.COMMON_FIELDS + [(82, exports.VARIABLE)])
    datagrams = [(1795000000, exports.udp_packet(stream.announce(export_time=1795000000)))]
    datagrams += [(1795000001, exports.udp_packet(stream.data([row], export_time=1795000001))) for row in rows]
    exports.write_pcap(test.dir / "in.pcap", datagrams)
    daemon = test.nfacctd(f"pcap_savefile: {test.dir}/in.pcap\nplugins: mysql[a]\naggregate: src_port, in_iface_name, flows\nsql_table_create: true\n{db.keys()}")
    assert daemon.wait(60) == 1, daemon.output()
    instance = test.stats()["instances"][0]
    assert instance["drops"]["rejected"]["flows"] == 1 and sums(db, "acct")["flows"] == 999, daemon.output()
    assert "longer than the server's max_allowed_packet" in daemon.output() and instance["process"]["restarts"] == 0


if __name__ == "__main__":
    main(globals())
