#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that a trial start (-T setup) tells all that a start would be refused at once, and leaves everything as it was."""
import os
import pathlib
import socket
import sqlite3
import subprocess
import sys

from harness import BUILD, NFACCTD, SOURCE, free_port, main, need, need_built
from kafka_cluster import Mock
from postgres import Postgres

OUTPUT = "print_output: json\n"


def trial(test, config, **env):
    """Status, standard output, and the lines on standard error without the place that each begins with."""
    if "nfacctd_port" not in config:
        config += f"nfacctd_port: {free_port()}\n"
    conf = test.write("trial.conf", f"nfacctd_ip: 127.0.0.1\n{config}")
    before = tree(test.dir)
    done = subprocess.run([NFACCTD, "-f", conf, "-T", "setup"], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={**os.environ, **env})
    after = tree(test.dir)
    assert after == before, [name for name in {*before, *after} if before.get(name) != after.get(name)]
    lines = [line for line in done.stdout.splitlines() if not line.startswith("writes to /")]
    assert lines == (["a start would succeed"] if done.returncode == 0 else []), done
    return done.returncode, done.stderr


def tree(folder):
    """All that is below a folder: names, and of files mode, size, content and time of the last change. A server's own files, and
    memory that users of a database share, change by themselves."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".log" or path.name.endswith("-shm") or path.is_relative_to(folder / "pg"):
            continue
        status = path.lstat()
        found[str(path)] = (status.st_mode, path.is_file() and (status.st_size, status.st_mtime_ns, path.read_bytes()))
    return found


def test_it_names_the_folders_that_are_written_to(test):
    """For ReadWritePaths= of a unit: each once, where links lead, and only the fixed part of names that change."""
    (test.dir / "a").mkdir()
    (test.dir / "link").symlink_to("a")
    config = f"""nfacctd_ip: 127.0.0.1
nfacctd_port: {free_port()}
control_socket: none
pidfile: {test.dir}/link/pid
logfile: {test.dir}/b/log
plugins: print[x], print[y], sqlite3[z], memory[m]
aggregate: src_host
print_output_file[x]: {test.dir}/c/%Y/$peer_src_ip.json
print_output_file[y]: /dev/stdout
sql_db[z]: {test.dir}/d/flows.db
imt_path[m]: {test.dir}/e/sock
plugin_spool_dir[x]: {test.dir}/f
"""
    done = subprocess.run([NFACCTD, "-f", test.write("trial.conf", config), "-T", "setup"], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == [f"writes to {test.dir}/{name}" for name in "abcdef"], done


def test_a_service_manager_keeps_it_in_the_foreground(test):
    conf = test.write("trial.conf", "daemonize: true\nlogfile: /dev/null\nplugins: print\naggregate: src_host\nprint_output_file: /dev/null\n")
    for manager, told in (({}, False), ({"NOTIFY_SOCKET": "/nowhere"}, True)):
        done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **manager})
        assert done.returncode == 0 and ("trial.conf:1: daemonize: has no effect under systemd" in done.stderr) == told, done


def test_a_service_manager_is_told_not_to_try_a_wrong_configuration_again(test):
    """What is wrong, missing or forbidden stays so, where a port may be free again in a while."""
    test.dir.chmod(0o755)
    flows, bgp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
    for taken in (flows, bgp):
        taken.bind(("127.0.0.1", 0))
        test.cleanups.append(taken.close)
    bgp.listen()
    empty, nonsense = test.write("empty", ""), test.write("nonsense", "neither a capture nor a key\n" * 9)
    base = f"plugins: print\naggregate: src_host\nprint_output_file: /dev/null\nnfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}\n"
    taken_tcp, public = bgp.getsockname()[1], f"http_listen: 0.0.0.0:{free_port(socket.SOCK_STREAM)}\n"
    cases = {
        "nfacctd_prot: 2100": 78, "logfile: /nowhere/log": 78, f"logfile: {test.dir}": 78, f"pcap_savefile: {empty}": 78,
        f"pcap_savefile: {nonsense}": 78, "control_socket: /nowhere/socket": 78, f"{public}http_token_file: {empty}": 78,
        f"{public}http_tls_cert: {nonsense}\nhttp_tls_key: {nonsense}": 78, "user: nosuchuser": 78, "pre_tag_map: /nowhere/map": 78,
        "nfacctd_ip: 192.0.2.7": 1, f"nfacctd_port: {flows.getsockname()[1]}": 1, f"http_listen: 127.0.0.1:{taken_tcp}": 1,
        f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {taken_tcp}": 1, "nfacctd_interface: nosuch0": 1,
    }
    ends = [(line, status, ()) for line, status in cases.items()]
    if os.geteuid() == 0 and int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 179:
        weak = (need("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups")
        ends += [("nfacctd_port: 80", 78, weak), ("bgp_daemon: true\nbgp_daemon_port: 179", 78, weak), (f"logfile: {test.dir}/log", 78, weak)]
    for more, status, prefix in ends:
        names = [line.split(":")[0] for line in more.splitlines()]
        conf = test.write("trial.conf", "".join(line + "\n" for line in base.splitlines() if line.split(":")[0] not in names) + more + "\n")
        for manager in ({}, {"NOTIFY_SOCKET": "/nowhere"}):
            done = subprocess.run([*prefix, NFACCTD, "-f", conf], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **manager})
            assert done.returncode == (status if manager else 1), (more, done)
    for unit in ("nfacctd", "sfacctd", "routes"):
        assert "\nRestartPreventExitStatus=78\n" in (SOURCE / f"packaging/{unit}.service.in").read_text()


def refused(err, *words):
    """True if a line that is no notice has all the words."""
    return any(all(word in line for word in words) for line in err.splitlines() if not line.startswith(("notice: ", "warning: ")))


def test_all_refusals_come_at_once(test):
    (test.dir / "file").write_text("no folder, and no database\n")
    (test.dir / "program").write_text("#!/bin/sh\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flows, socket.socket() as bgp:
        flows.bind(("127.0.0.1", 0))
        bgp.bind(("127.0.0.1", 0))
        bgp.listen()
        status, err = trial(test, f"""
nfacctd_port: {flows.getsockname()[1]}
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp.getsockname()[1]}
bgp_neighbors_file: {test.dir}/none/neighbours
logfile: {test.dir}/none/log
pidfile: {test.dir}/none/pid
stats_file: {test.dir}
nfacctd_templates_file: {test.dir}/file/templates
plugins: print[a], print[b], print[c], memory[d], memory[e]
aggregate: src_host, peer_src_ip
plugin_spool_dir[a]: {test.dir}/none/spool
print_output_file[a]: {test.dir}/file/%Y/out.json
print_output_file[b]: {test.dir}/file/$peer_src_ip/out.json
print_output_file[c]: {test.dir}/new/%Y-%m-%d.json
print_latest_file[c]: {test.dir}/file/latest
print_trigger_exec[c]: {test.dir}/program
imt_path[d]: {test.dir}/none/sock
imt_path[e]: {test.dir}/file
""" + OUTPUT)
    assert status == 1, err
    for words in (
            ("Address already in use", "ss -ulpn"), ("Address already in use", "ss -tlpn"),
            ("bgp_neighbors_file: cannot write", "No such file or directory", "make its folder"),
            ("logfile: cannot write", "No such file or directory"), ("pidfile: cannot write", "none/pid", "No such file or directory"),
            (f"stats_file: cannot write {test.dir}: Is a directory",), ("nfacctd_templates_file: cannot write", "Not a directory"),
            ("plugin_spool_dir: cannot write", "none/spool", "No such file or directory"),
            ("print[a]: print_output_file: cannot write", "file/20", "Not a directory", "remove that, or choose another folder"),
            (f"print[b]: print_output_file: cannot write {test.dir}/file: Not a directory",),
            ("print[c]: print_latest_file: cannot write", "Not a directory"),
            ("print[c]: print_trigger_exec: cannot run", "Permission denied"),
            ("memory[d]: cannot make imt_path", "make the directory first"), ("memory[e]: imt_path", "exists and is no socket")):
        assert refused(err, *words), (words, err)
    # Each has the place of the line that it is about.
    for line in err.splitlines():
        if "cannot write" in line or "cannot run" in line:
            assert line.startswith(f"{test.dir}/trial.conf:"), line
    assert f"print_output_file: the folder {test.dir}/new is not there; it will be made with mode 700 (files_umask)" in err, err


def test_maps_are_told_together_with_outputs(test):
    """Rows that are wrong, and a file that is not there; beside a folder that cannot be made and a database that is not there."""
    (test.dir / "file").write_text("no folder\n")
    test.write("tags.map", "set_tag=1 ip=bogus\nset_tag=2 ip=192.0.2.1\n")
    status, err = trial(test, f"""
plugins: print[a], memory[b]
aggregate: src_host
pre_tag_map: {test.dir}/tags.map
sampling_map: {test.dir}/none.map
print_output_file[a]: {test.dir}/file/out.json
imt_path[b]: {test.dir}/none/sock
stats_file: {test.dir}/file/stats
""" + OUTPUT)
    assert status == 1, err
    for words in (("tags.map:1: ip=bogus: expected an address",), ("sampling_map: cannot read", "none.map"), ("print[a]: print_output_file: cannot write",),
                  ("memory[b]: cannot make imt_path",), ("stats_file: cannot write",)):
        assert refused(err, *words), (words, err)
    assert "5 errors" in err, err
    status, err = trial(test, f"plugins: print[a]\naggregate: src_host\naggregate_primitives: {test.dir}/none.lst\n"
                        f"print_output_file: {test.dir}/file/out.json\n" + OUTPUT)
    assert status == 1 and refused(err, "aggregate_primitives: cannot read"), err
    status, err = trial(test, f"plugins: print[a]\naggregate: src_host\npcap_savefile: {test.dir}/none.pcap\n" + OUTPUT)
    assert status == 1 and refused(err, "pcap_savefile: cannot read"), err


def test_what_is_right_is_left_alone(test):
    """Outputs of before are neither cut nor replaced; a configuration that is wrong is told as by --check."""
    test.write("out.json", '{"from": "an earlier run"}\n')
    test.write("log", "an earlier line\n")
    good = f"""
plugins: print[a], memory[b]
aggregate: src_host
print_output_file[a]: {test.dir}/out.json
imt_path[b]: {test.dir}/table.sock
logfile: {test.dir}/log
pidfile: {test.dir}/pid
stats_file: {test.dir}/stats
nfacctd_templates_file: {test.dir}/templates
daemonize: true
""" + OUTPUT
    status, err = trial(test, good)
    assert status == 0 and not refused(err, ""), err
    status, err = trial(test, good + "no_such_key: 1\n")
    assert status == 1 and refused(err, "no_such_key"), err


def test_a_table_that_is_served_stays_so(test):
    memory = f"plugins: memory[live]\naggregate: src_host\nimt_path: {test.dir}/live.sock\n"
    daemon = test.nfacctd(memory)
    daemon.wait_log("waiting for data on: ")
    status, err = trial(test, memory)
    assert status == 1 and refused(err, "memory[live]: imt_path", "is served by another process"), err
    done = subprocess.run([BUILD / "bin/pmacct", "-p", test.dir / "live.sock", "-s"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert daemon.stop() == 0, daemon.output()


def test_a_plugin_without_a_trial_is_named(test):
    need_built("tests/plugins/lines.so")
    status, err = trial(test, f"plugins: lines[a]\naggregate: src_host\nlines_file: {test.dir}/rows.txt\n",
                        PATHACCT_PLUGIN_DIR=str(BUILD / "tests/plugins"))
    assert status == 0 and "lines[a]: only its settings were checked: this plugin offers no trial" in err, err


def sqlite_config(test, name, more=""):
    return f"plugins: sqlite3[a]\naggregate: src_host\nsql_db: {test.dir}/{name}\nsql_optimize_clauses: true\n{more}"


def test_sqlite(test):
    need_built("sqlite3")
    sound = sqlite3.connect(test.dir / "sound.db")
    sound.execute("CREATE TABLE other (x)")
    sound.execute("CREATE TABLE narrow (ip_src TEXT, packets INTEGER, bytes INTEGER)")
    sound.execute("CREATE TABLE lacking (packets INTEGER, bytes INTEGER)")
    sound.commit()
    sound.close()
    (test.dir / "text.db").write_text("this is a text, longer than the header of a database would be: " * 3)
    create = "sql_table_create: true\n"
    for name, more, *words in (
            ("none.db", "", "the database is not there", "sql_table_create: true"),
            ("none/a.db", create, "the folder of the database is not there"),
            ("text.db", create, "this is no sound SQLite database"),
            ("sound.db", "", "there is no such table", "acct", "CREATE TABLE"),
            ("sound.db", "sql_table: lacking\n", "the table lacks a column", "ip_src", "ALTER TABLE"),
            ("sound.db", create + f"sql_trigger_exec: {test.dir}/none\n", "sql_trigger_exec: cannot run")):
        status, err = trial(test, sqlite_config(test, name, more))
        assert status == 1 and refused(err, "sqlite3[a]: ", *words), (name, words, err)
    for name, more in (("none.db", create), ("sound.db", create), ("sound.db", "sql_table: lacking\n" + create),
                       ("sound.db", "sql_table: narrow\n"), ("sound.db", "sql_table: acct_$src_host\n")):
        status, err = trial(test, sqlite_config(test, name, more))
        assert status == 0, (name, err)


def test_sqlite_sees_a_table_that_is_in_the_log_alone(test):
    """As it is while another program, or the daemon itself, has the database open."""
    need_built("sqlite3")
    writer = sqlite3.connect(test.dir / "w?al%20#.db")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE acct (ip_src TEXT, packets INTEGER, bytes INTEGER)")
    writer.commit()
    assert (test.dir / "w?al%20#.db-wal").stat().st_size > 0
    status, err = trial(test, sqlite_config(test, "w?al%20#.db"))
    assert status == 0, err
    writer.close()


def test_postgresql(test):
    need_built("pgsql")
    pg = Postgres(test)
    config = "plugins: pgsql[a]\naggregate: src_host\nsql_optimize_clauses: true\n" + pg.keys()
    made = "SELECT count(*) FROM pg_class WHERE relname IN ('acct', 'pathacct_progress')"
    status, err = trial(test, config)
    assert status == 1 and refused(err, "pgsql[a]: there is no table", "acct"), err
    status, err = trial(test, config + "sql_table_create: true\n")
    assert status == 0 and pg.value(made) == "0", err
    pg.sql("CREATE TABLE acct (packets BIGINT, bytes BIGINT)")
    status, err = trial(test, config)
    assert status == 1 and refused(err, "lacks columns of `aggregate`", "ip_src"), err
    status, err = trial(test, config + "sql_table_create: true\n")
    assert status == 1 and refused(err, "no right to write table", "GRANT SELECT, UPDATE, INSERT"), err
    pg.sql("ALTER TABLE acct ADD COLUMN ip_src inet; GRANT ALL ON acct TO pmacct")
    assert trial(test, config)[0] == 0 and pg.value(made) == "1"
    pg.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO pmacct; ALTER DATABASE pmacct OWNER TO postgres")
    status, err = trial(test, config)
    assert status == 1 and refused(err, "no right to keep pathacct_progress"), err
    status, err = trial(test, config + "sql_exactly_once: false\n")
    assert status == 0, err
    status, err = trial(test, config.replace("sql_db: pmacct", "sql_db: nosuch"))
    assert status == 1 and refused(err, "check sql_db"), err


def test_postgresql_that_is_not_there(test):
    need_built("pgsql")
    status, err = trial(test, f"plugins: pgsql[a], pgsql[b]\naggregate: src_host\nsql_host: 127.0.0.1\nsql_port: {free_port(socket.SOCK_STREAM)}\n")
    for instance in "ab":
        assert refused(err, f"pgsql[{instance}]: ", "Connection refused"), err
    assert status == 1


def test_kafka(test):
    need_built("kafka")
    mock = Mock(test)
    mock.topic("flows", 1)
    host, port = mock.brokers.split(",")[0].split(":")
    config = f"plugins: kafka[a]\naggregate: src_host\nkafka_broker_host: {host}\nkafka_broker_port: {port}\n"
    status, err = trial(test, config + "kafka_topic: flows\n")
    assert status == 0 and "kafka" not in err, err
    status, err = trial(test, config + "kafka_topic: others\n")
    assert status == 0 and "kafka_topic: the cluster shows no topic others" in err, err
    status, err = trial(test, config.replace(f": {port}\n", f": {free_port(socket.SOCK_STREAM)}\n") + "kafka_topic: flows\n")
    assert status == 1 and refused(err, "kafka_broker_host: the cluster does not answer", "Connection refused"), err


if __name__ == "__main__":
    sys.exit(main(globals()))
