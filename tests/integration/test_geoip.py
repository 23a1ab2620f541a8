#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where hosts are, by geoipv2_file: the same in all outputs as Debian's pmacct and mmdblookup tell, after a reload what the new
database says, and nothing while a file is no database."""
import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess

from harness import NFACCTD, Skip, json_lines, main, need_pmacct, wait_for
import exports
import mmdb
from postgres import Postgres

START_S = 1700000000
FIELDS = [(8, 4), (12, 4), (27, 16), (28, 16), (1, 4), (2, 4)]
PRIMITIVES = [f"{side}_host_{what}" for what in ("country", "pocode", "coords") for side in ("src", "dst")]
HOSTS = ["10.0.0.1", "10.9.9.9", "192.0.2.7", "192.0.2.8", "198.51.100.1"]
PLACES = {"10.0.0.0/8": mmdb.place("DE", "10115", 52.5167, 13.4), "192.0.2.0/24": mmdb.place("US", "94043-1", 37.386, -122.0838),
          "192.0.2.8/32": mmdb.place("CHE", "12345678901234", -33.0, 1e-4), "2001:db8::/32": mmdb.place(country="FR")}
NOWHERE = ("", "", 0.0, 0.0)


def known(host):
    if host.startswith("10."):
        return ("DE", "10115", 52.5167, 13.4)
    return {"192.0.2.7": ("US", "94043-1", 37.386, -122.0838), "192.0.2.8": ("CHE", "12345678901", -33.0, 0.0001)}.get(host, NOWHERE)


def write_database(test, places=None, **options):
    path = test.dir / "places.mmdb"
    aside = test.dir / "places.new"
    aside.write_bytes(mmdb.database(PLACES if places is None else places, **options))
    aside.rename(path)
    return path


def write_pcap(test):
    """A flow from each host to the one before it."""
    stream = exports.Ipfix(fields=[FIELDS[0], FIELDS[1], *FIELDS[4:]])
    rows = [[host, HOSTS[i - 1], 100, 1] for i, host in enumerate(HOSTS)]
    pcap = test.dir / "in.pcap"
    exports.write_pcap(pcap, [(START_S, exports.udp_packet(stream.announce(export_time=START_S))),
                              (START_S, exports.udp_packet(stream.data(rows, export_time=START_S)))])
    return pcap


def config(test, database, output, more=""):
    return (f"plugins: print[out]\naggregate: src_host, dst_host, {', '.join(PRIMITIVES)}\nprint_output: {output}\n"
            f"print_output_file: {test.dir}/out.{output}\nprint_output_file_append: true\nprint_refresh_time: 3600\n"
            f"geoipv2_file: {database}\npcap_savefile: {write_pcap(test)}\n{more}")


def places_of(rows, side):
    """{host: (country, postal code, latitude, longitude)} out of rows of JSON."""
    return {row[f"ip_{side}"]: tuple(row[f"{what}_ip_{side}"] for what in ("country", "pocode", "lat", "lon")) for row in rows}


EXPECTED = {host: known(host) for host in HOSTS}


def test_both_ends_of_a_flow_have_their_places(test):
    for options in ({}, {"record_size": 28}, {"record_size": 32}):
        daemon = test.nfacctd(config(test, write_database(test, **options), "json"))
        assert daemon.wait(60) == 0, daemon.output()
        assert "geoipv2_file database" in daemon.output() and "loaded" in daemon.output()
        rows = json_lines(test.dir / "out.json")
        assert places_of(rows, "src") == EXPECTED == places_of(rows, "dst"), (options, rows)
        (test.dir / "out.json").unlink()


def test_other_outputs_have_the_same(test):
    database = write_database(test)
    for output, separator in (("csv", ","), ("formatted", None)):
        daemon = test.nfacctd(config(test, database, output))
        assert daemon.wait(60) == 0, daemon.output()
    with (test.dir / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    got = {r["SRC_IP"]: (r["SH_COUNTRY"], r["SH_POCODE"], float(r["SH_LAT"]), float(r["SH_LON"])) for r in rows}
    assert got == EXPECTED and rows[0]["DH_LAT"] == "0.000000" and rows[0]["SH_LAT"] == "52.516700", rows
    table = (test.dir / "out.formatted").read_text()
    assert table.splitlines()[0].split() == list(rows[0]), table
    daemon = test.nfacctd(f"plugins: sqlite3[out]\naggregate: src_host, {', '.join(PRIMITIVES)}\nsql_db: {test.dir}/out.db\n"
                          f"sql_table_create: true\ngeoipv2_file: {database}\npcap_savefile: {write_pcap(test)}\n")
    assert daemon.wait(60) == 0, daemon.output()
    with sqlite3.connect(test.dir / "out.db") as db:
        rows = db.execute("SELECT ip_src, country_ip_src, pocode_ip_src, lat_ip_src, lon_ip_src FROM acct").fetchall()
        assert {row[0]: row[1:] for row in rows} == EXPECTED, rows
        assert {row[0] for row in db.execute("SELECT typeof(lat_ip_dst) FROM acct")} == {"real"}
    db.close()


def test_postgresql_has_the_same_and_rows_add_up(test):
    """In tables that we make, and in one of the user's with FLOAT columns and no key, as pmacct's documentation has them."""
    pg = Postgres(test)
    pg.sql("CREATE TABLE theirs (ip_src inet, country_ip_src CHAR(2), pocode_ip_src CHAR(12), lat_ip_src REAL, lon_ip_src REAL, "
           "packets INT NOT NULL, bytes BIGINT NOT NULL); GRANT ALL ON theirs TO pmacct")
    hosts = [host for host in HOSTS if host != "192.0.2.8"]  # its country has three letters
    for table, more in ("ours", "sql_table_create: true\n"), ("theirs", ""):
        text = (f"plugins: pgsql[out]\naggregate: src_host, src_host_country, src_host_pocode, src_host_coords\nsql_table: {table}\n{pg.keys()}{more}"
                f"sql_optimize_clauses: true\naggregate_filter[out]: not src host 192.0.2.8\n"
                f"geoipv2_file: {write_database(test)}\npcap_savefile: {write_pcap(test)}\n")
        for run in (1, 2):
            daemon = test.nfacctd(text, name=f"{table}-{run}")
            assert daemon.wait(60) == 0, daemon.output()
        rows = pg.sql(f"SELECT host(ip_src), trim(country_ip_src), trim(pocode_ip_src), lat_ip_src, lon_ip_src, packets FROM {table}")
        got = {row[0]: (row[1], row[2], float(row[3]), float(row[4])) for row in rows}
        assert got == {host: known(host) for host in hosts} and [int(row[5]) for row in rows] == [2] * len(hosts), (table, rows)


def test_the_library_tells_the_same(test):
    if not shutil.which("mmdblookup"):
        raise Skip("mmdblookup (package mmdb-bin) is not installed")
    database = write_database(test)

    def look_up(host, *path):
        told = subprocess.run(["mmdblookup", "-f", database, "-i", host, *path], capture_output=True, text=True, check=False).stdout
        return told.split("<")[0].strip().strip('"')

    for host in HOSTS:
        country, postal, latitude, longitude = known(host)
        assert look_up(host, "country", "iso_code") == country and look_up(host, "postal", "code")[:11] == postal, host
        if country:
            assert float(look_up(host, "location", "latitude")) == latitude and float(look_up(host, "location", "longitude")) == longitude


def test_pmacct_writes_the_same(test):
    program, database = need_pmacct("sbin/nfacctd"), write_database(test)
    for output in ("json", "csv"):
        ours, theirs = test.dir / f"out.{output}", test.dir / f"theirs.{output}"
        text = config(test, database, output)
        daemon = test.nfacctd(text)
        assert daemon.wait(60) == 0, daemon.output()
        peer = test.start([program, "-f", test.write("theirs.conf", text.replace(str(ours), str(theirs)) + "daemonize: false\n")], "pmacct")
        peer.wait(60)
        if output == "csv":
            assert sorted(ours.read_text().splitlines()) == sorted(theirs.read_text().splitlines())
            continue
        by_host = [sorted(json_lines(path), key=lambda row: row["ip_src"]) for path in (ours, theirs)]
        assert by_host[0] == by_host[1], by_host
        assert [list(row) for row in by_host[0]] == [list(row) for row in by_host[1]]


def live(test, database, more=""):
    daemon = test.nfacctd(f"plugins: print[out]\naggregate: src_host, src_host_country\nprint_output: json\n"
                          f"print_output_file: {test.dir}/out.json\nprint_output_file_append: true\nprint_refresh_time: 1\n"
                          f"geoipv2_file: {database}\n{more}")
    stream = exports.Ipfix(fields=[FIELDS[0], *FIELDS[4:]])
    test.send(stream.announce())
    return daemon, lambda host: test.send(stream.data([[host, 100, 1]]))


def country_of(test, host):
    rows = [row for row in json_lines(test.dir / "out.json") if row["ip_src"] == host]
    return rows[-1]["country_ip_src"] if rows else None


def test_a_reload_reads_the_new_database_and_keeps_the_old_one_for_a_bad_one(test):
    database = write_database(test)
    daemon, send = live(test, database)
    send("10.0.0.1")
    wait_for(lambda: country_of(test, "10.0.0.1") == "DE", "a row of DE")
    os.truncate(database, 100)  # what is mapped of a file that is cut ends a process
    send("10.0.0.2")
    wait_for(lambda: country_of(test, "10.0.0.2") == "DE", "a row of DE after the file was cut")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("the old ones stay in force")
    assert "places.mmdb: no database of places:" in daemon.output(), daemon.output()
    send("10.0.0.3")
    wait_for(lambda: country_of(test, "10.0.0.3") == "DE", "a row of DE after a bad reload")
    write_database(test, {"10.0.0.0/8": mmdb.place("NL")})
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("maps: read anew")
    send("10.0.0.4")
    wait_for(lambda: country_of(test, "10.0.0.4") == "NL", "a row of NL after the reload")
    assert daemon.stop() == 0, daemon.output()


def check(test, text, *options):
    return subprocess.run([NFACCTD, "-f", test.write("check.conf", text), *options], capture_output=True, text=True, check=False, timeout=60)


def test_what_is_no_database_is_an_error_or_a_warning(test):
    bad = test.write("bad.mmdb", "a page that says: you have to log in\n")
    for trial in (["--check"], ["-T", "setup"]):
        told = check(test, f"plugins: print\naggregate: src_host_country\ngeoipv2_file: {bad}\nnfacctd_port: 0\n", *trial)
        assert told.returncode == 1 and f"{bad}: no database of places: it does not say what it is" in told.stderr, told.stderr
        told = check(test, f"plugins: print\naggregate: src_host_country\ngeoipv2_file: {test.dir}/none.mmdb\nnfacctd_port: 0\n", *trial)
        assert told.returncode == 1 and "check.conf:3: geoipv2_file: cannot read" in told.stderr, told.stderr
    for file, why in ((bad, "no database of places"), (test.dir / "none.mmdb", "cannot read it: No such file")):
        daemon = test.nfacctd(config(test, file, "json", "strict_config: false\n"))
        assert daemon.wait(60) == 0, daemon.output()
        assert f"WARN ( default/nfacctd ): {file}: {why}" in daemon.output(), daemon.output()
        assert set(places_of(json_lines(test.dir / "out.json"), "src").values()) == {NOWHERE}
        (test.dir / "out.json").unlink()
    told = check(test, "plugins: print\naggregate: src_host\ngeoip_ipv4_file: /x\n", "--check")
    assert told.returncode == 1 and "geoipv2_file" in told.stderr, told.stderr


def test_primitives_without_a_database_are_told(test):
    told = check(test, "plugins: print[a]\naggregate[a]: src_host, dst_host_coords, src_host_country\n", "--check")
    assert told.returncode == 0 and "aggregate[a]: dst_host_coords, src_host_country: empty without a database" in told.stderr, told.stderr


if __name__ == "__main__":
    main(globals())
