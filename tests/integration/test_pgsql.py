#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The pgsql plugin against a real server: what stands in tables, by each way that rows can get there, and that several writers
add up."""
import subprocess
import threading
import time

from harness import flowgen_capture, main, need
from postgres import Postgres
import exports

UNITS = ("flows", "packets", "bytes")
TUPLE = "src_host, dst_host, src_port, dst_port, proto, flows"

# pmacct's documentation has these tables for PostgreSQL, version 9 and for BGP.
PMACCT_V9 = """CREATE TABLE acct_v9 (tag BIGINT NOT NULL DEFAULT 0, class_id CHAR(16) NOT NULL DEFAULT ' ',
mac_src macaddr NOT NULL DEFAULT '0:0:0:0:0:0', mac_dst macaddr NOT NULL DEFAULT '0:0:0:0:0:0', vlan INT NOT NULL DEFAULT 0,
as_src BIGINT NOT NULL DEFAULT 0, as_dst BIGINT NOT NULL DEFAULT 0, ip_src inet NOT NULL DEFAULT '0.0.0.0',
ip_dst inet NOT NULL DEFAULT '0.0.0.0', port_src INT NOT NULL DEFAULT 0, port_dst INT NOT NULL DEFAULT 0,
tcp_flags SMALLINT NOT NULL DEFAULT 0, ip_proto SMALLINT NOT NULL DEFAULT 0, tos INT NOT NULL DEFAULT 0, packets INT NOT NULL,
bytes BIGINT NOT NULL, flows INT NOT NULL DEFAULT 0,
stamp_inserted timestamp without time zone NOT NULL DEFAULT '0001-01-01 00:00:00', stamp_updated timestamp without time zone,
CONSTRAINT acct_v9_pk PRIMARY KEY (tag, class_id, mac_src, mac_dst, vlan, as_src, as_dst, ip_src, ip_dst, port_src, port_dst,
ip_proto, tos, stamp_inserted)); GRANT ALL ON acct_v9 TO pmacct"""
PMACCT_BGP = """CREATE TABLE acct_bgp (agent_id BIGINT NOT NULL DEFAULT 0, as_src BIGINT NOT NULL DEFAULT 0,
as_dst BIGINT NOT NULL DEFAULT 0, peer_as_src BIGINT NOT NULL DEFAULT 0, peer_as_dst BIGINT NOT NULL DEFAULT 0,
peer_ip_src inet NOT NULL DEFAULT '0.0.0.0', peer_ip_dst inet NOT NULL DEFAULT '0.0.0.0', comms CHAR(24) NOT NULL DEFAULT ' ',
as_path CHAR(21) NOT NULL DEFAULT ' ', local_pref INT NOT NULL DEFAULT 0, med INT NOT NULL DEFAULT 0, packets INT NOT NULL,
bytes BIGINT NOT NULL, flows INT NOT NULL DEFAULT 0, stamp_inserted timestamp without time zone NOT NULL DEFAULT '0001-01-01',
stamp_updated timestamp without time zone, PRIMARY KEY (agent_id, as_src, as_dst, peer_as_src, peer_as_dst, peer_ip_src,
peer_ip_dst, comms, as_path, local_pref, med, stamp_inserted)); GRANT ALL ON acct_bgp TO pmacct"""


def replay(test, config, name="nfacctd"):
    daemon = test.nfacctd(f"pcap_savefile: {test.dir}/in.pcap\n{config}", name=name)
    assert daemon.wait(90) == 0, daemon.output()
    return daemon


def sums(pg, table):
    return dict(zip(UNITS, map(int, pg.sql(f"SELECT sum(flows), sum(packets), sum(bytes) FROM {table}")[0])))


def repeated_keys(pg, table, keys="ip_src, ip_dst, port_src, port_dst, ip_proto, stamp_inserted"):
    return int(pg.value(f"SELECT count(*) FROM (SELECT FROM {table} GROUP BY {keys} HAVING count(*) > 1) x"))


def test_each_way_into_a_table_writes_the_same(test):
    """Upsert, looking for rows under a lock, plain COPY, insertion with casts: the same input, the same sums; and a second run adds
    to the rows of the first where keys are looked for."""
    pg = Postgres(test)
    sent = flowgen_capture(test, "--flows", 20000, "--keys", 5000, "--seconds", 120)
    truth = {unit: sent[unit] for unit in UNITS}
    columns = ("ip_src inet, ip_dst inet, port_src int, port_dst int, ip_proto int, stamp_inserted timestamp, stamp_updated timestamp, "
               "flows bigint, packets bigint, bytes bigint")
    odd = columns.replace("ip_src inet", "ip_src varchar(45)").replace("bytes bigint", "bytes numeric(30)").replace("port_src int", "port_src real")
    pg.sql(f"CREATE TABLE matched ({columns}); CREATE TABLE copied ({columns}); CREATE TABLE casted ({odd}); CREATE TABLE late ({columns});"
           "CREATE TABLE upserted_odd (%s); CREATE UNIQUE INDEX ON upserted_odd (ip_src, ip_dst, port_src, port_dst, ip_proto, stamp_inserted);"
           "CREATE UNIQUE INDEX ON late (ip_src, ip_dst, port_src, port_dst, ip_proto, stamp_inserted);" % odd +
           "GRANT ALL ON ALL TABLES IN SCHEMA public TO pmacct")
    instances = {"upserted": "sql_table_create", "matched": "", "copied": "sql_dont_try_update sql_use_copy", "casted": "sql_dont_try_update",
                 "upserted_odd": "", "late": "sql_dont_try_update sql_use_copy"}
    config = f"plugins: {', '.join(f'pgsql[{name}]' for name in instances)}\naggregate: {TUPLE}\nsql_history: 1m\n" \
             "sql_optimize_clauses: true\nsql_table_version: 9\nsql_refresh_time: 30\n" + pg.keys()
    for name, keys in instances.items():
        config += f"sql_table[{name}]: {name}\n" + "".join(f"{key}[{name}]: true\n" for key in keys.split())
    daemon = replay(test, config)
    rows = {}
    for name in instances:
        assert sums(pg, name) == truth, (name, sums(pg, name), truth)
        rows[name] = int(pg.value(f"SELECT count(*) FROM {name}"))
    for name in ("upserted", "matched", "upserted_odd", "late"):
        assert repeated_keys(pg, name) == 0, name
    assert rows["upserted"] == rows["matched"] == rows["late"] <= rows["copied"] == rows["casted"], rows
    assert pg.value("SELECT count(*) FROM upserted u JOIN matched m USING (ip_src, ip_dst, port_src, port_dst, ip_proto, stamp_inserted, "
                    "flows, packets, bytes)") == str(rows["upserted"])
    assert "from now on they are added to, in spite of sql_use_copy" in daemon.output()
    replay(test, config, name="again")
    for name in instances:
        assert sums(pg, name) == {unit: 2 * n for unit, n in truth.items()}, name
        assert int(pg.value(f"SELECT count(*) FROM {name}")) == rows[name] * (2 if name in ("copied", "casted") else 1), name


def test_pmacct_tables(test):
    """Tables made for pmacct, version 9 and BGP, without sql_optimize_clauses: every column of the version is there."""
    pg = Postgres(test)
    pg.sql(PMACCT_V9)
    pg.sql(PMACCT_BGP)
    sent = flowgen_capture(test, "--flows", 5000, "--keys", 1000, "--seconds", 20)
    daemon = replay(test, f"""
plugins: pgsql[v9], pgsql[bgp]
aggregate[v9]: {TUPLE}, tcpflags, tos, vlan
aggregate[bgp]: src_as, dst_as, peer_src_ip, peer_dst_ip, as_path
sql_table[v9]: acct_v9
sql_table_version[v9]: 9
sql_table[bgp]: acct_bgp
sql_table_type[bgp]: bgp
sql_history: 1h
{pg.keys()}
""")
    assert sums(pg, "acct_v9") == {unit: sent[unit] for unit in UNITS}, daemon.output()
    assert pg.sql("SELECT sum(packets), sum(bytes) FROM acct_bgp") == [[str(sent["packets"]), str(sent["bytes"])]], daemon.output()
    assert repeated_keys(pg, "acct_v9", "ip_src, ip_dst, port_src, port_dst, ip_proto, tos, stamp_inserted") == 0


def test_native_types_and_hostile_values(test):
    """IPv6, an exporter's text with quotes, zero bytes, broken UTF-8 and COPY's own escapes; times as instants."""
    pg = Postgres(test)
    names = [b"eth'; DROP TABLE acct; --", b"a\0b", b"\xff\xfe", b"\\N", b"\\.", b'"\t\n', "µ".encode()]
    fields = exports.COMMON_FIELDS_V6 + [(82, exports.VARIABLE)]
    stream = exports.Ipfix(fields)
    when = 1795000000
    rows = [exports.common_flow("2001:db8::1", f"2001:db8::{n:x}", "2001:db8::ff", start_ms=when * 1000 + 123, end_ms=when * 1000 + 999) + [name]
            for n, name in enumerate(names)]
    exports.write_pcap(test.dir / "in.pcap", [(when + 1, exports.udp_packet(stream.announce(export_time=when + 1))),
                                              (when + 2, exports.udp_packet(stream.data(rows, export_time=when + 2)))])
    replay(test, f"""
plugins: pgsql[a]
aggregate[a]: src_host, dst_host, in_iface_name, timestamp_start, src_mac, proto, flows
sql_table_create[a]: true
sql_timestamptz[a]: true
sql_history[a]: 1m
sql_table[a]: acct
{pg.keys('a')}
""")
    found = pg.sql("SELECT host(ip_dst), iface_name_in, extract(epoch FROM timestamp_start), extract(epoch FROM stamp_inserted), ip_proto, mac_src, "
                   "pg_typeof(ip_dst), pg_typeof(timestamp_start) FROM acct ORDER BY ip_dst", user="pmacct")
    texts = [row[1] for row in found]
    assert len(found) == len(names), found
    assert texts[0] == names[0].decode() and texts[3] == "\\N" and texts[4] == "\\." and texts[6] == "µ", texts
    assert "\ufffd" in texts[1] + texts[2] and texts[1].startswith("a"), texts
    assert found[1][0] == "2001:db8::1" and found[1][2:] == [
        f"{when}.123000", f"{when // 60 * 60}.000000", "6", "00:00:00:00:00:00", "inet", "timestamp with time zone"], found[1]


def test_unified_text_types(test):
    pg = Postgres(test)
    flowgen_capture(test, "--flows", 100, "--keys", 10, "--seconds", 5)
    replay(test, f"plugins: pgsql[a]\naggregate[a]: {TUPLE}, src_mac\nsql_table_create[a]: true\nsql_data[a]: unified\nsql_table[a]: acct\n{pg.keys('a')}")
    assert pg.sql("SELECT DISTINCT pg_typeof(ip_src), pg_typeof(mac_src), pg_typeof(ip_proto) FROM acct") == [["text", "text", "smallint"]]
    assert pg.sql("SELECT count(*) FROM acct WHERE ip_proto IN (6, 17) AND mac_src = '00:00:00:00:00:00'") == pg.sql("SELECT count(*) FROM acct")


def test_table_grows_with_aggregate(test):
    """A column is added, with its place in the key; what was there has the column's default."""
    pg = Postgres(test)
    sent = flowgen_capture(test, "--flows", 2000, "--keys", 500, "--seconds", 5)
    config = f"plugins: pgsql[a]\nsql_table_create[a]: true\nsql_table[a]: acct\n{pg.keys('a')}"
    replay(test, config + "aggregate[a]: src_host, flows\n")
    hosts = int(pg.value("SELECT count(*) FROM acct"))
    replay(test, config + "aggregate[a]: src_host, dst_port, tcpflags, flows\n", name="more")
    assert sums(pg, "acct") == {unit: 2 * sent[unit] for unit in UNITS}
    assert int(pg.value("SELECT count(*) FROM acct WHERE port_dst = 0")) == hosts
    assert "port_dst" in pg.value("SELECT indexdef FROM pg_indexes WHERE indexname = 'acct_key'")


def test_tables_by_time_and_exporter(test):
    """Names out of the bin and of a primitive; sql_table_schema makes them."""
    pg = Postgres(test)
    schema = test.write("schema.sql", "CREATE TABLE acct_%H%M_$peer_src_ip (ip_src inet, peer_ip_src inet, flows int, packets int, bytes int, "
                        "stamp_inserted timestamp, stamp_updated timestamp)")
    sent = flowgen_capture(test, "--flows", 5000, "--keys", 500, "--seconds", 150)
    replay(test, f"""
plugins: pgsql[a]
aggregate[a]: src_host, peer_src_ip, flows
sql_table[a]: acct_%H%M_$peer_src_ip
sql_table_schema[a]: {schema}
sql_optimize_clauses[a]: true
sql_history[a]: 1m
sql_history_roundoff[a]: m
timestamps_utc: true
{pg.keys('a')}
""")
    names = [row[0] for row in pg.sql("SELECT relname FROM pg_class WHERE relname LIKE 'acct%' AND relkind = 'r' ORDER BY 1")]
    assert len(names) >= 8 and all(name.startswith("acct_22") and name.count("_") == 5 for name in names), names
    assert sum(sums(pg, f'"{name}"')["bytes"] for name in names) == sent["bytes"]
    for name in names:
        minute, address = name.split("_", 2)[1:]
        assert pg.sql(f"SELECT DISTINCT to_char(stamp_inserted, 'HH24MI'), host(peer_ip_src) FROM \"{name}\"") == [[minute, address.replace("_", ".")]]


def test_several_writers_into_one_table_add_up(test):
    """Two daemons, two instances each, at once, with and without a unique index: no deadlock costs a row, no key stands twice."""
    pg = Postgres(test)
    columns = "ip_src inet, port_dst int, flows bigint, packets bigint, bytes bigint"
    pg.sql(f"CREATE TABLE upserted ({columns}, UNIQUE (ip_src, port_dst)); CREATE TABLE matched ({columns});"
           "GRANT ALL ON upserted, matched TO pmacct")
    sent = flowgen_capture(test, "--flows", 60000, "--keys", 3000, "--seconds", 60)
    config = f"""
plugins: pgsql[a], pgsql[b], pgsql[c], pgsql[d]
aggregate: src_host, dst_port, flows
sql_table[a]: upserted
sql_table[b]: upserted
sql_table[c]: matched
sql_table[d]: matched
sql_optimize_clauses: true
sql_table_version: 9
sql_refresh_time: 5
nfacctd_workers: 2
{pg.keys()}
"""
    threads = [threading.Thread(target=replay, args=(test, config, name)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for table in ("upserted", "matched"):
        assert sums(pg, table) == {unit: 4 * sent[unit] for unit in UNITS}, (table, sums(pg, table), sent)
        assert repeated_keys(pg, table, "ip_src, port_dst") == 0, table


def test_rejected_rows_among_many(test):
    """Values that a column cannot hold, found one by one; the rest of a large transaction is in. A text that is too long is cut."""
    pg = Postgres(test)
    pg.sql("CREATE TABLE acct (ip_src inet, port_src smallint, iface_name_in varchar(8), flows int, packets int, bytes bigint CHECK (bytes <> 666),"
           "UNIQUE (ip_src, port_src, iface_name_in)); GRANT ALL ON acct TO pmacct")
    fields = exports.COMMON_FIELDS + [(82, exports.VARIABLE)]
    stream, when, datagrams = exports.Ipfix(fields), int(time.time()) - 100, []
    datagrams.append((when, exports.udp_packet(stream.announce(export_time=when))))
    for n in range(0, 3000, 10):
        rows = [exports.common_flow(f"10.0.{(n + i) // 250}.{(n + i) % 250}", "192.0.2.1", "10.0.0.1", sport=40000 if n + i == 77 else 5,
                                    octets=666 if n + i in (1234, 1235) else 1000, start_ms=when * 1000, end_ms=when * 1000) +
                [b"interface-too-long" if n + i == 2999 else b"eth0"] for i in range(10)]
        datagrams.append((when + 1, exports.udp_packet(stream.data(rows, export_time=when + 1))))
    exports.write_pcap(test.dir / "in.pcap", datagrams)
    daemon = test.nfacctd(f"""
pcap_savefile: {test.dir}/in.pcap
plugins: pgsql[a]
aggregate[a]: src_host, src_port, in_iface_name, flows
sql_table[a]: acct
sql_optimize_clauses[a]: true
sql_table_version[a]: 9
{pg.keys('a')}
""")
    assert daemon.wait(60) == 1, "rows were lost, so the exit status says so:\n" + daemon.output()
    instance = test.stats()["instances"][0]
    assert instance["drops"]["rejected"]["flows"] == 3 and instance["written"]["flows"] == 2997, instance
    assert instance["residual"]["bytes"] == 0
    assert sums(pg, "acct") == {"flows": 2997, "packets": 2997, "bytes": 2997000}, daemon.output()
    assert pg.value("SELECT iface_name_in FROM acct WHERE iface_name_in <> 'eth0'").startswith("int~")
    assert daemon.output().count("the backend refuses a row") == 1


def test_a_unique_key_of_fewer_columns_costs_the_conflicting_rows_alone(test):
    """A table whose key lacks a column of aggregate: the first row of each key is written and added to, the others are counted."""
    pg = Postgres(test)
    pg.sql("CREATE TABLE acct (ip_src inet, port_src int, flows int, packets int, bytes bigint, UNIQUE (ip_src)); GRANT ALL ON acct TO pmacct")
    stream, when, datagrams = exports.Ipfix(), int(time.time()) - 200, []
    datagrams.append((when, exports.udp_packet(stream.announce(export_time=when))))
    for minute in (0, 60):
        for host in range(100):
            rows = [exports.common_flow(f"10.0.0.{host}", "192.0.2.1", "10.0.0.1", sport=1000 + port, octets=1000, packets=1, start_ms=when * 1000,
                                        end_ms=when * 1000) for port in range(1 + host % 3)]
            datagrams.append((when + 1 + minute, exports.udp_packet(stream.data(rows, export_time=when + 1 + minute))))
    exports.write_pcap(test.dir / "in.pcap", datagrams)
    daemon = test.nfacctd(f"""
pcap_savefile: {test.dir}/in.pcap
plugins: pgsql[a]
aggregate[a]: src_host, src_port, flows
sql_table[a]: acct
sql_optimize_clauses[a]: true
sql_refresh_time[a]: 30
{pg.keys('a')}
""")
    assert daemon.wait(60) == 1, "rows were lost, so the exit status says so:\n" + daemon.output()
    instance = test.stats()["instances"][0]
    assert instance["drops"]["rejected"]["flows"] == 2 * (33 + 2 * 33) and instance["written"]["flows"] == 200, instance
    assert pg.value("SELECT format('%s,%s,%s,%s', count(*), min(flows), max(flows), max(port_src)) FROM acct") == "100,2,2,1000", daemon.output()
    warnings = [line for line in daemon.output().splitlines() if "covers less than the key of `aggregate`" in line]
    assert len(warnings) == 1 and "acct_ip_src_key" in warnings[0], daemon.output()
    assert daemon.output().count("the backend refuses a row") == 1


def test_keys_without_effect_are_told(test):
    """What pmacct starts with: sql_num_hosts, and sql_use_copy without sql_dont_try_update."""
    pg = Postgres(test)
    sent = flowgen_capture(test, "--flows", 500, "--keys", 50, "--seconds", 20)
    daemon = replay(test, "plugins: pgsql[a]\naggregate[a]: src_host, flows\nsql_table_create[a]: true\nsql_refresh_time[a]: 5\n"
                    f"sql_use_copy[a]: true\nsql_num_hosts[a]: true\n{pg.keys('a')}")
    assert sums(pg, "acct") == {unit: sent[unit] for unit in UNITS} and repeated_keys(pg, "acct", "ip_src") == 0
    for notice in ("sql_use_copy: no effect without sql_dont_try_update: true", "sql_num_hosts: no effect in pgsql"):
        assert daemon.output().count(notice) == 1, daemon.output()


def certificate(test, pg, name):
    """A certificate of its own authority, for localhost, with its key."""
    files = pg.dir / f"{name}.crt", pg.dir / f"{name}.key"
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    for file in files:
        file.chmod(0o600)
        pg.give(file)
    return files


def test_sql_conn_ca_file(test):
    """Rows get in by TLS with the server's authority; with another one none does, and the log says why."""
    pg = Postgres(test)
    right, key = certificate(test, pg, "right")
    wrong, _ = certificate(test, pg, "wrong")
    pg.stop()
    pg.settings.update(ssl="on", ssl_cert_file=str(right), ssl_key_file=str(key))
    pg.start()
    sent = flowgen_capture(test, "--flows", 100, "--keys", 10, "--seconds", 5)
    config = f"aggregate: {TUPLE}\nsql_table_create: true\n" + pg.keys(by_password=True).replace("127.0.0.1", "localhost")
    replay(test, f"plugins: pgsql[a]\nsql_table[a]: acct\nsql_conn_ca_file[a]: {right}\n{config}")
    assert sums(pg, "acct")["bytes"] == sent["bytes"]
    daemon = test.nfacctd(f"pcap_savefile: {test.dir}/in.pcap\nplugins: pgsql[b]\nsql_table[b]: other\nsql_conn_ca_file[b]: {wrong}\n"
                          f"shutdown_timeout: 2\n{config}", name="wrong")
    assert daemon.wait(60) == 1, daemon.output()
    assert "certificate verify failed" in daemon.output() and "check sql_user, sql_passwd, sql_conn_ca_file" in daemon.output(), daemon.output()
    assert pg.value("SELECT to_regclass('other') IS NULL") == "t"


def test_no_progress_table_on_request(test):
    pg = Postgres(test)
    sent = flowgen_capture(test, "--flows", 100, "--keys", 10, "--seconds", 5)
    replay(test, f"plugins: pgsql[a]\naggregate[a]: {TUPLE}\nsql_table_create[a]: true\nsql_exactly_once[a]: false\nsql_table[a]: acct\n{pg.keys('a')}")
    assert sums(pg, "acct")["bytes"] == sent["bytes"]
    assert pg.value("SELECT to_regclass('pathacct_progress') IS NULL") == "t"


if __name__ == "__main__":
    main(globals())
