#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every configuration that the project shows is run, or at least checked: examples/, README, manual, package."""
import contextlib
import csv
import datetime
import io
import json
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
import time

from harness import NFACCTD, SOURCE, Bird, four_paths, free_port, json_lines, main, need, wait_for
from bgp_speaker import Speaker, attributes, four_octet_as, multiprotocol, prefix, update
from kafka_cluster import Mock, consume
from mariadb import MariaDB
from postgres import Postgres
from test_tee import Receiver, netflow5
import exports
import mmdb

EXAMPLES = SOURCE / "examples"
NEXT_HOPS = {"10.0.0.1": 789, "10.0.0.2": 123, "10.0.0.3": 321, "10.0.0.4": 213}


def example(test, name, port, bgp_port):
    """The example's configuration, but for ports, addresses and the folder that it writes to."""
    text = (EXAMPLES / name / "nfacctd.conf").read_text()
    text = re.sub(r"(/var/lib|/tmp)/pathacct[/-]", f"{test.dir}/", text)
    text = text.replace("/usr/share/doc/pathacct/examples", str(EXAMPLES))
    text = re.sub(r"^(nfacctd|bgp_daemon)_(port|ip): .*\n", "", text, flags=re.M)
    text += f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {bgp_port}\n"
    test.port = port
    return text


def start(test, name):
    port, bgp_port = free_port(), free_port(socket.SOCK_STREAM)
    return test.nfacctd(example(test, name, port, bgp_port)), port, bgp_port


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def away_from_the_hour(seconds=10):
    """Flows of one test are to lie in one time bin."""
    left = 3600 - time.time() % 3600
    if left < seconds:
        time.sleep(left)


def test_tee(test):
    """All goes to the first collector, firewalls' exports also to one of the others; it is accounted as well."""
    first, others = Receiver(), [Receiver(), Receiver()]
    port = free_port()
    text = example(test, "tee", port, free_port(socket.SOCK_STREAM))
    rows = (EXAMPLES / "tee/receivers").read_text().replace("192.0.2.10:2100", first.name)
    for address, receiver in zip(("192.0.2.21:2055", "192.0.2.22:2055"), others):
        rows = rows.replace(address, receiver.name)
    text = text.replace("/etc/pathacct/receivers", str(test.write("receivers", rows)))
    tags = (EXAMPLES / "tee/tags.map").read_text().replace("198.51.100.0/24", "127.0.0.3")
    text = text.replace("/etc/pathacct/tags.map", str(test.write("tags.map", tags)))
    daemon = test.nfacctd(text)
    sent = [netflow5(n) for n in range(20)]
    test.send(*sent[:10])
    first.wait(10)
    test.send(*sent[10:], source="127.0.0.3")
    assert first.wait(20) == sent
    assert others[1].wait(10) == sent[10:] and not others[0].take()  # 127.0.0.3 is odd
    assert daemon.stop() == 0, daemon.output()


def test_every_example_is_run_here(test):
    """The examples that are configurations have a test of their name. That of amqp is in test_amqp.py, which has a broker."""
    names = {path.parent.name for path in EXAMPLES.glob("*/nfacctd.conf")} - {"amqp"}
    assert names == {"compose", "distributed", "multipath", "capacity", "security", "sql", "postgresql", "mysql", "oncall", "tags", "places", "services", "tee", "rpki", "bmp"}, names
    for name in names:
        assert any(test_name.startswith(f"test_{name}") for test_name in globals()), name


def test_every_example_has_a_page(_test):
    """It says what to change, how to run it and what comes out. tests/documents runs what stands there, where it is installed."""
    folders = [path for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert len(folders) >= 16, folders
    for folder in folders:
        text = (folder / "README.md").read_text()
        assert all(f"\n## {part}\n" in text for part in ("What to change", "Run it", "What comes out")), folder
        assert not re.search(r"\btests/|\bscripts/(?!quickstart)", re.sub(r"<!-- run: .*-->|`tests/.*`|^    CHDB_PYTHON=.*", "", text, flags=re.M)), folder
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert (folder / link).exists(), (folder, link)
        for file in folder.iterdir():
            if file.is_file() and file.suffix not in (".md", ".json"):
                assert "tests/" not in file.read_text(), f"{file}: it depends on the source"


def test_every_configuration_that_is_shown_says_what_becomes_of_sampling(_test):
    """Without the key, counters of routers that sample would be too small."""
    shown = [path for folder in (EXAMPLES, SOURCE / "packaging") for path in folder.rglob("*.conf")] + [SOURCE / "README.md"]
    shown = [path for path in shown if re.search(r"^plugins: ", path.read_text(), re.M)]
    assert len(shown) > 15, shown
    for path in shown:
        assert re.search(r"^[ns]facctd_renormalize: (true|false)$", path.read_text(), re.M), path


def test_compose(test):
    """The collector's configuration, outside of its container, which test_container.py makes."""
    port, http = free_port(), free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(example(test, "compose", port, free_port(socket.SOCK_STREAM)).replace("127.0.0.1:9570", f"127.0.0.1:{http}"))
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.9", octets=700)]))
    assert daemon.stop() == 0, daemon.output()
    assert [(row["iface_in"], row["iface_out"], row["bytes"]) for path in test.dir.glob("matrix-*.json") for row in json_lines(path)] == [(1, 2, 700)]


def test_tags(test):
    """Transit, peers and customers by the interface, and customers by their networks."""
    example, stream = EXAMPLES / "tags", exports.Ipfix()
    text = (example / "nfacctd.conf").read_text().replace("/etc/pathacct/tags.map", str(example / "tags.map"))
    text = text.replace("/var/lib/pathacct", str(test.dir)).replace("-%Y%m%d-%H%M", "").replace("nfacctd_port: 2100\n", "")
    ways = [(10, "203.0.113.1"), (25, "203.0.113.2"), (30, "198.51.100.7"), (30, "198.51.100.200"), (30, "203.0.113.3")]
    rows = [exports.common_flow("10.0.0.1", dst, "10.0.0.1", out_iface=out, octets=100) for out, dst in ways]
    exports.write_pcap(test.dir / "in.pcap", [(time.time(), exports.udp_packet(data, "192.0.2.1")) for data in (stream.announce(), stream.data(rows))])
    daemon = test.nfacctd(text + f"pcap_savefile: {test.dir}/in.pcap\n")
    assert daemon.wait(60) == 0, daemon.output()

    def table(name, column):
        with open(test.dir / f"{name}.csv", newline="") as lines:
            return {row[column]: int(row["BYTES"]) for row in csv.DictReader(lines)}
    assert table("classes", "TAG") == {"1": 100, "2": 100, "3": 300}
    assert table("customers", "LABEL") == {"red": 100, "blue": 100, "other": 100}


def test_rpki(test):
    """Bytes by the states of routes, and where the invalid ones go; the example's own ROAs name another AS."""
    port, bgp_port = free_port(), free_port(socket.SOCK_STREAM)
    text = example(test, "rpki", port, bgp_port)
    for name, file in (("/etc/pathacct/invalid.map", "invalid.map"), ("/var/lib/rpki-client/json", "roas.json")):
        text = text.replace(name, str(EXAMPLES / "rpki" / file))
    daemon = test.nfacctd(text)
    speaker = Speaker(test, bgp_port, "127.0.0.11", capabilities=multiprotocol(1, 1) + four_octet_as(65000))
    speaker.establish().send(update(attributes(path=(789,)), prefix("192.168.1.0/24")), update())
    daemon.wait_log("End-of-RIB")
    stream = exports.Ipfix()
    rows = [exports.common_flow("10.0.0.1", dst, "10.0.0.1", octets=100) for dst in ("192.168.1.1", "203.0.113.1")]
    test.send(stream.announce(), stream.data(rows), source="127.0.0.11")
    assert daemon.stop() == 0, daemon.output()
    states = [row for path in test.dir.glob("roa-states-*.csv") for row in table(path.read_text())]
    assert {row["DST_ROA"]: row["BYTES"] for row in states} == {"i": "100", "u": "100"}, states
    invalid = [row for path in test.dir.glob("roa-invalid-*.csv") for row in table(path.read_text())]
    assert [(row["DST_NET"], row["DST_AS"], row["DST_ROA"]) for row in invalid] == [("192.168.1.0", "789", "i")], invalid


def test_bmp(test):
    """The example's router tells a path of each of its four peers."""
    port, bmp_port = free_port(), free_port(socket.SOCK_STREAM)
    text = example(test, "bmp", port, bmp_port).replace("/etc/pathacct/bmp-routers", str(EXAMPLES / "bmp/routers"))
    text = text.replace("bmp_daemon_port: 1790", f"bmp_daemon_port: {bmp_port}")
    daemon = test.nfacctd(text + f"control_socket: {test.dir}/control.sock\n")
    program = test.write("send-bmp", (EXAMPLES / "bmp/send-bmp").read_text().replace("1790", str(bmp_port)))
    test.start([sys.executable, program, "60"], "send-bmp")
    test.wait_now(daemon, lambda stats: stats["bgp"]["rib_paths"] == 4 and stats["bmp"]["peers"] == 4, "four paths")
    assert daemon.stop() == 0, daemon.output()


def test_places(test):
    """Bytes by the countries of both ends, and where those are who ask our name servers; the database is made here."""
    text = (EXAMPLES / "places/nfacctd.conf").read_text().replace("/var/lib/GeoIP/GeoLite2-City.mmdb", f"{test.dir}/places.mmdb")
    text = text.replace("/var/lib/pathacct", str(test.dir)).replace("-%Y%m%d-%H%M", "").replace("nfacctd_port: 2100\n", "")
    (test.dir / "places.mmdb").write_bytes(mmdb.database({"10.0.0.0/8": mmdb.place("DE", "10115", 52.5167, 13.4),
                                                          "192.0.2.0/24": mmdb.place("US", "94043", 37.386, -122.0838)}))
    stream = exports.Ipfix(fields=[(8, 4), (12, 4), (4, 1), (11, 2), (1, 4), (2, 4)])
    rows = [["10.0.0.1", "192.0.2.1", 17, 53, 100, 1], ["10.0.0.2", "192.0.2.2", 6, 443, 1000, 1], ["198.51.100.1", "192.0.2.1", 17, 53, 10, 1]]
    exports.write_pcap(test.dir / "in.pcap", [(time.time(), exports.udp_packet(data, "192.0.2.1")) for data in (stream.announce(), stream.data(rows))])
    daemon = test.nfacctd(text + f"pcap_savefile: {test.dir}/in.pcap\n")
    assert daemon.wait(60) == 0, daemon.output()
    countries = {(row["SH_COUNTRY"], row["DH_COUNTRY"]): int(row["BYTES"]) for row in table((test.dir / "countries.csv").read_text())}
    assert countries == {("DE", "US"): 1100, ("", "US"): 10}, countries
    towns = {(row["country_ip_src"], row["pocode_ip_src"], row["lat_ip_src"], row["lon_ip_src"]): row["bytes"] for row in json_lines(test.dir / "towns.json")}
    assert towns == {("DE", "10115", 52.5167, 13.4): 100, ("", "", 0.0, 0.0): 10}, towns


def test_services(test):
    """Bytes of the services that are listed, and of hosts whichever end they are."""
    example, stream = EXAMPLES / "services", exports.Ipfix(fields=[(8, 4), (12, 4), (4, 1), (7, 2), (11, 2), (1, 4), (2, 4)])
    text = (example / "nfacctd.conf").read_text().replace("/etc/pathacct/services.ports", str(example / "services.ports"))
    text = text.replace("/var/lib/pathacct", str(test.dir)).replace("-%Y%m%d-%H%M", "").replace("nfacctd_port: 2100\n", "")
    rows = [["10.0.0.1", "192.0.2.1", 6, 50001, 443, 100, 1], ["192.0.2.1", "10.0.0.1", 6, 443, 50001, 1000, 1],
            ["10.0.0.2", "192.0.2.1", 6, 50002, 443, 10, 1], ["10.0.0.2", "192.0.2.2", 17, 6881, 51413, 1, 1]]
    exports.write_pcap(test.dir / "in.pcap", [(time.time(), exports.udp_packet(data, "192.0.2.1")) for data in (stream.announce(), stream.data(rows))])
    daemon = test.nfacctd(text + f"pcap_savefile: {test.dir}/in.pcap\n")
    assert daemon.wait(60) == 0, daemon.output()
    services = {(row["PROTOCOL"], row["SRC_PORT"], row["DST_PORT"]): int(row["BYTES"]) for row in table((test.dir / "services.csv").read_text())}
    assert services == {("tcp", "0", "443"): 110, ("tcp", "443", "0"): 1000, ("udp", "0", "0"): 1}, services
    hosts = {row["SRC_IP"]: (int(row["FLOWS"]), int(row["BYTES"])) for row in table((test.dir / "busiest.csv").read_text())}
    assert hosts == {"10.0.0.1": (2, 1100), "192.0.2.1": (3, 1110), "10.0.0.2": (2, 11), "192.0.2.2": (1, 1)}, hosts


def test_multipath(test):
    """All of the quickstart: its router, its exports, its matrix."""
    program = need("bird")
    daemon, port, bgp_port = start(test, "multipath")
    bird = (EXAMPLES / "multipath/bird.conf").read_text()
    bird = bird.replace("port 1790", f"port {bgp_port}").replace("port 1791", f"port {free_port(socket.SOCK_STREAM)}")
    test.start([program, "-f", "-c", test.write("bird.conf", bird), "-s", test.dir / "bird.ctl", "-P", test.dir / "bird.pid"])
    daemon.wait_log("End-of-RIB", 30)
    subprocess.run([EXAMPLES / "multipath/send-exports", str(port)], check=True, capture_output=True, timeout=60)
    assert daemon.stop() == 0, daemon.output()

    octets = {}
    files = sorted(test.dir.glob("matrix-*.json"))
    for row in [row for path in files for row in json_lines(path)]:
        key = (row["iface_in"], row["peer_ip_dst"], row["peer_as_dst"], row["as_path"], row["path_match"])
        octets[key] = octets.get(key, 0) + row["bytes"]
    # send-exports: so many messages of 10 flows of 50000 octets each; the NetFlow v5 record has 500000.
    assert octets == {
        (1, "10.0.0.1", 789, "789", "exact"): 40 * 500000,
        (2, "10.0.0.1", 789, "789", "exact"): 20 * 500000,
        (1, "10.0.0.2", 123, "123_456_789", "exact"): 25 * 500000,
        (2, "10.0.0.3", 321, "321_654_789", "exact"): 10 * 500000,
        (1, "10.0.0.4", 213, "213_546_789", "exact"): 4 * 500000,
        (2, "10.9.9.9", 0, "", "unmatched"): 500000,
        (3, "", 0, "", "best"): 500000,
    }, octets
    with contextlib.closing(sqlite3.connect(test.dir / "matrix.db")) as db:
        rows = db.execute((EXAMPLES / "multipath/matrix.sql").read_text()).fetchall()
    assert {(row[1], "" if row[2] == "0.0.0.0" else row[2], *row[3:6]): row[6] for row in rows} == octets, rows
    assert rows[0] == ("127.0.0.11", 1, "10.0.0.1", 789, "789", "exact", 20000000, 39.6), rows
    shown = subprocess.run([EXAMPLES / "multipath/show-matrix", *files], check=True, capture_output=True, text=True).stdout
    assert re.search(r"10\.0\.0\.2 +123 +123_456_789 +exact +12,500,000 +24\.8 %", shown), shown
    assert re.search(r"total +50,500,000 +100\.0 %", shown), shown


def test_capacity(test):
    """A row for each ingress and egress, multiplied by the exported sampling rate, in the file of its hour (UTC)."""
    daemon, _, bgp_port = start(test, "capacity")
    Bird(test, bgp_port, four_paths(), address="127.0.0.11")
    daemon.wait_log("End-of-RIB", 30)
    away_from_the_hour()
    now = time.time()
    stream = exports.Ipfix(exports.COMMON_FIELDS + [(34, 4)])  # samplingInterval
    test.send(stream.announce(), source="127.0.0.11")
    for number, next_hop in enumerate(NEXT_HOPS, 1):
        flow = exports.common_flow("172.16.0.1", "192.168.1.1", next_hop, in_iface=7, out_iface=number, octets=1000 * number,
                                   packets=number, start_ms=int(now * 1000), end_ms=int(now * 1000))
        test.send(stream.data([flow + [100], flow + [100]]), source="127.0.0.11")
    assert daemon.stop() == 0, daemon.output()

    hour = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).strftime("%Y%m%d-%H00")
    rows = table((test.dir / f"hourly-{hour}.csv").read_text())
    found = {(r["PEER_SRC_IP"], r["IN_IFACE"], r["OUT_IFACE"], r["PEER_DST_IP"], r["PEER_DST_AS"], r["PACKETS"], r["BYTES"])
             for r in rows}
    assert found == {("127.0.0.11", "7", str(n), hop, str(asn), str(2 * n * 100), str(2 * n * 1000 * 100))
                     for n, (hop, asn) in enumerate(NEXT_HOPS.items(), 1)}, rows
    assert len(rows) == 4, rows


def test_sql(test):
    """Questions about the traffic by path, asked as questions.sql asks them."""
    daemon, _, bgp_port = start(test, "sql")
    Bird(test, bgp_port, four_paths(), address="127.0.0.11")
    daemon.wait_log("End-of-RIB", 30)
    away_from_the_hour()
    now = time.time()
    hour = datetime.datetime.fromtimestamp(now - now % 3600, datetime.timezone.utc)
    stream = exports.Ipfix()
    test.send(stream.announce(), source="127.0.0.11")
    for ago_s, octets in ((3600, 450000), (0, 900000)):  # twice as much in this hour as in the one before
        for number, next_hop in enumerate(NEXT_HOPS, 1):
            at = int((now - ago_s) * 1000)
            flow = exports.common_flow("172.16.0.1", "192.168.1.1", next_hop, in_iface=7, out_iface=number, octets=octets * number,
                                       packets=number, sport=5000 + number, start_ms=at, end_ms=at)
            test.send(stream.data([flow, flow]), source="127.0.0.11")
    assert daemon.stop() == 0, daemon.output()

    text = (EXAMPLES / "sql/questions.sql").read_text()
    text = text.replace("/var/lib/pathacct", str(test.dir)).replace("flows_TODAY", hour.strftime("flows_%Y%m%d"))
    with contextlib.closing(sqlite3.connect(test.dir / "traffic.db")) as db:
        answers = []
        for statement in text.split(";\n")[:5]:
            answers.append(db.execute(statement).fetchall())
        _, peering, growth, links, talkers = answers
        written = datetime.datetime.fromisoformat(db.execute("SELECT max(stamp_updated) FROM pairs").fetchone()[0] + "+00:00")
        days = [name for (name,) in db.execute("SELECT name FROM flows.sqlite_master WHERE name LIKE 'flows%'")]
        flows = sum(db.execute(f"SELECT count(*) FROM flows.{name}").fetchone()[0] for name in days)
    assert peering == [("127.0.0.11", 7, asn, hop, 2 * n * 1350000, round(10.0 * n, 1))
                       for n, (hop, asn) in sorted(enumerate(NEXT_HOPS.items(), 1), reverse=True)], peering
    hours = [(hour - datetime.timedelta(hours=back)).strftime("%Y-%m-%d %H:00:00") for back in (1, 0)]
    passed = (3600, max(60, int((written - hour).total_seconds())))  # of the running hour, what there are rows of
    assert [row[:4] for row in growth] == [(hours[back], "127.0.0.11 if 7", f"{hop} if {n}", 2 * n * (450000 << back) * 8 // passed[back])
                                           for n, hop in enumerate(NEXT_HOPS, 1) for back in (0, 1)], growth
    assert all(before[4] is None and abs(after[4] - (100 * after[3] / before[3] - 100)) < 0.06 for before, after in zip(growth[::2], growth[1::2])), growth
    bits = 2 * 450000 * 8  # an hour ago; the running interval is left out
    assert links == [("127.0.0.11", n, "out", n * bits // 300, n * bits // 300) for n in (1, 2, 3, 4)] + [
        ("127.0.0.11", 7, "in", 10 * bits // 300, 10 * bits // 300)], links
    assert flows == 16, days  # equal flows are two rows
    assert {row[3] for row in talkers} == {5001, 5002, 5003, 5004} and all(row[4] == "192.168.1.1" for row in talkers), talkers


def test_postgresql(test):
    """Schema, configuration, queries and every panel of the dashboard, on a real server."""
    pg, folder = Postgres(test), EXAMPLES / "postgresql"
    pg.sql("CREATE DATABASE traffic", db="postgres")
    pg.psql("-f", folder / "schema.sql", db="traffic")
    (test.dir / "spool").mkdir()
    port, bgp_port = free_port(), free_port(socket.SOCK_STREAM)
    config = re.sub(r"^sql_(host|refresh_time.*): .*\n", "", example(test, "postgresql", port, bgp_port), flags=re.M)
    daemon = test.nfacctd(config + f"sql_host: {pg.host}\nsql_port: {pg.port}\nsql_refresh_time: 1\n")
    away_from_the_hour()
    Bird(test, bgp_port, four_paths(), address="127.0.0.11")
    daemon.wait_log("End-of-RIB", 30)
    stream = exports.Ipfix()
    test.send(stream.announce(), source="127.0.0.11")
    test.send(stream.data([exports.common_flow("10.1.1.1", "192.168.1.1", hop, flags=2) for hop in NEXT_HOPS]), source="127.0.0.11")
    assert daemon.stop() == 0, daemon.output()
    assert pg.sql("SELECT host(peer_ip_dst), peer_as_dst, path_match, bytes FROM hourly ORDER BY 1", db="traffic", user="grafana") == [
        [hop, str(asn), "exact", "1000"] for hop, asn in NEXT_HOPS.items()]
    assert pg.sql("SELECT host(peer_ip_src), iface_in, iface_out, bytes FROM links", db="traffic", user="grafana") == [["127.0.0.11", "1", "2", "4000"]]
    pg.sql("UPDATE links SET stamp_inserted = stamp_inserted - interval '1 hour'", db="traffic")  # the running interval is in no percentile
    assert pg.sql("SELECT sum(flows), min(tcp_flags) FROM flows", db="traffic") == [["4", "2"]]
    assert pg.value("SELECT count(*) FROM flows_other", db="traffic") == "0"
    # The daily job has not run for a while: rows of a day that has no partition yet, and of one whose time is over.
    for days in (5, -40):
        pg.sql(f"INSERT INTO flows SELECT stamp_inserted + interval '{days} days', now(), peer_ip_src, ip_src, ip_dst, port_src, port_dst, ip_proto,"
               " tcp_flags, flows, packets, bytes FROM flows WHERE stamp_inserted > now() - interval '2 days'"
               " AND stamp_inserted < now() + interval '1 day'", db="traffic")
    assert pg.value("SELECT sum(flows) FROM flows_other", db="traffic") == "8"
    pg.sql("SELECT flows_partitions('30 days', 6)", db="traffic")
    assert pg.value("SELECT count(*) FROM flows_other", db="traffic") == "0"
    assert pg.value("SELECT sum(flows) FROM flows", db="traffic") == "8"
    pg.sql("DELETE FROM flows WHERE stamp_inserted > now() + interval '1 day'", db="traffic")
    shown = pg.psql("-f", folder / "queries.sql", db="traffic", user="grafana")
    assert shown.count("\n(") == 5 and shown.count("(0 rows)") == 0, shown
    for panel in json.loads((folder / "grafana.json").read_text())["panels"]:
        text = panel["targets"][0]["rawSql"].replace("$router", "'127.0.0.11'")
        text = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN now() - interval '1 day' AND now()", text)
        text = text.replace("$__timeFrom()", "now() - interval '1 day'").replace("$__timeTo()", "now()")
        assert pg.sql(text, db="traffic", user="grafana"), panel["title"]


def test_mysql(test):
    """Schema, configuration and queries, on a real server."""
    db, folder = MariaDB(test), EXAMPLES / "mysql"
    db.sql((folder / "schema.sql").read_text(), db="")
    (test.dir / "spool").mkdir()
    port, bgp_port = free_port(), free_port(socket.SOCK_STREAM)
    config = re.sub(r"^sql_(host|refresh_time.*): .*\n", "", example(test, "mysql", port, bgp_port), flags=re.M)
    daemon = test.nfacctd(config + f"sql_host: unix:{db.socket}\nsql_refresh_time: 1\n")
    away_from_the_hour()
    Bird(test, bgp_port, four_paths(), address="127.0.0.11")
    daemon.wait_log("End-of-RIB", 30)
    stream = exports.Ipfix()
    test.send(stream.announce(), source="127.0.0.11")
    test.send(stream.data([exports.common_flow("10.1.1.1", "192.0.2.1" if hop == next(iter(NEXT_HOPS)) else "192.168.1.1", hop, flags=2)
                           for hop in NEXT_HOPS]), source="127.0.0.11")
    assert daemon.stop() == 0, daemon.output()
    assert db.value("SELECT COUNT(*) FROM hourly WHERE path_match = 'exact'", db="traffic") == str(len(NEXT_HOPS) - 1), daemon.output()
    assert db.sql("SELECT SUM(flows), MIN(tcp_flags), MIN(ip_proto) FROM flows", db="traffic") == [["4", "2", "tcp"]]
    text = (folder / "queries.sql").read_text()
    for query in filter(str.strip, re.sub("--.*", "", text).split(";")):
        assert db.sql(query, db="traffic"), query


def test_security(test):
    """Every record is a row of its own, in order, also those that are equal, and the ledger is written."""
    zstd = need("zstd")
    daemon, _, _ = start(test, "security")
    away_from_the_hour()
    stream = exports.Ipfix()
    test.send(stream.announce())
    now_ms = int(time.time() * 1000)
    for first in range(0, 1000, 20):
        test.send(stream.data([exports.common_flow("198.51.100.7", "192.0.2.1", "0.0.0.0", sport=number // 2, start_ms=now_ms,
                                                   end_ms=now_ms) for number in range(first, first + 20)]))
        time.sleep(0.002)
    assert daemon.stop() == 0, daemon.output()

    files = sorted(test.dir.glob("flows-*.csv.zst"))
    assert len(files) == 1, files
    rows = table(subprocess.run([zstd, "-dcq", files[0]], check=True, capture_output=True, text=True).stdout)
    assert [int(row["SRC_PORT"]) for row in rows] == [number // 2 for number in range(1000)]
    assert {(row["SRC_IP"], row["DST_IP"], row["DST_PORT"], row["PROTOCOL"], row["BYTES"]) for row in rows} == \
        {("198.51.100.7", "192.0.2.1", "443", "tcp", "1000")}
    ledger = test.stats()["instances"][0]
    assert ledger["written"]["flows"] == 1000, ledger


def test_distributed(test):
    """Messages of many rows, named by headers, equal keys in one partition. What a database makes of them: test_distributed.py."""
    cluster = Mock(test)
    cluster.topic("flows", 4)
    port = free_port()
    text = example(test, "distributed", port, free_port(socket.SOCK_STREAM))
    daemon = test.nfacctd(text.replace("kafka_broker_host[flows]: 127.0.0.1", f"kafka_broker_host[flows]: {cluster.brokers}"))
    stream = exports.Ipfix()
    test.send(stream.announce())
    for first in range(0, 200, 20):
        test.send(stream.data([exports.common_flow("10.0.0.1", "192.0.2.1", f"10.0.{n}.1") for n in range(first, first + 20)]))
        time.sleep(0.002)
    assert daemon.stop() == 0, daemon.output()
    messages = consume(cluster.brokers, "flows")
    records = [json.loads(line) for m in messages for line in m["payload"].splitlines()]
    assert sum(r["bytes"] for r in records) == 200 * 1000 and {r["writer_id"] for r in records} == {"collector-a"}
    assert {m["partition"] for m in messages} == {0, 1, 2, 3} and all(int(m["key"]) % 4 == m["partition"] for m in messages)
    assert all(set(m["headers"]) == {"core_id", "instance", "worker", "seq", "rows"} for m in messages)


def check(test, text):
    text = re.sub(r"^user: pathacct$", "user: root", text, flags=re.M)  # the package makes that user
    done = subprocess.run([NFACCTD, "-f", test.write("shown.conf", text), "--check"], capture_output=True, text=True, timeout=20)
    told = [line for line in done.stderr.splitlines() if "whoever reaches port" not in line]  # texts leave out who may peer
    assert (done.returncode, done.stdout, told) == (0, "the configuration is right\n", []), f"{text}\n{done.stderr}"


def test_configurations_in_texts_are_right(test):
    readme = re.findall(r"^```nfacctd[^\n]*\n(.*?)^```$", (SOURCE / "README.md").read_text(), flags=re.S | re.M)
    manual = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", (SOURCE / "man/nfacctd.8").read_text(), flags=re.S | re.M)
    shown = [text for text in readme + manual if re.search(r"^plugins: ", text, flags=re.M)]
    assert len(shown) >= 2, shown
    for text in shown + [(SOURCE / "packaging/nfacctd.conf").read_text()]:
        check(test, text)
        # Whoever removes the marks gets a configuration that is right, too.
        check(test, re.sub(r"^!(?=\w+: )", "", text, flags=re.M))


def test_oncall(test):
    """Every command of its README, against the tables that the configuration makes."""
    (test.dir / "run").mkdir()
    port, bgp_port = free_port(), free_port(socket.SOCK_STREAM)
    text = example(test, "oncall", port, bgp_port).replace("/run/pathacct", f"{test.dir}/run").replace("imt_group: adm\n", "")
    daemon = test.nfacctd(text)
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("192.0.2.7", f"198.51.100.{n}", "10.0.0.1", octets=1000 * n) for n in range(1, 6)]))
    commands = re.findall(r"`pmacct (.*?)`", (EXAMPLES / "oncall/README.md").read_text())
    assert len(commands) == 8, commands
    client = NFACCTD.parents[1] / "bin/pmacct"

    def ask(command):
        words = [word.replace("/run/pathacct", f"{test.dir}/run") for word in shlex.split(command)]
        done = subprocess.run([client, *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0 or "--watch" in words and "needs a terminal" in done.stderr, (command, done)
        return done.stdout
    wait_for(lambda: daemon.output().count("waiting for data on: ") == 2, "both tables")
    wait_for(lambda: "15.0k" in ask("-p /run/pathacct/peers.sock -s --by peer_dst_ip --units"), "the flows")
    answers = {command: ask(command) for command in commands}
    assert len(answers[commands[1]].splitlines()) == 1 + 5 + 1 + 2, answers
    assert "198.51.100.5" in answers[commands[2]] and answers[commands[3]].splitlines()[-1].startswith("SUM "), answers
    assert answers[commands[5]] == "0\n0\n", answers


if __name__ == "__main__":
    sys.exit(main(globals()))
