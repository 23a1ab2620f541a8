#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL tables are exact whatever is killed: plugin and server at fifty random points of a run, and the core."""
import contextlib
import os
import pathlib
import random
import signal
import threading
import time

from harness import flowgen, host_pids, main, wait_for
from postgres import Postgres

UNITS = ("flows", "packets", "bytes")
WAYS = {"upserted": "sql_table_create", "matched": "", "copied": "sql_dont_try_update sql_use_copy"}
COLUMNS = ("ip_src inet, ip_dst inet, port_src int, port_dst int, ip_proto int, stamp_inserted timestamp, stamp_updated timestamp, "
           "flows bigint, packets bigint, bytes bigint")
SERVER_KILLS, PLUGIN_KILLS = 12, 26  # the former on each of two servers


def config(servers, more):
    """Returns a configuration with an instance for each way into a table, on each server."""
    names = [f"{way}{number}" for number in range(len(servers)) for way in WAYS]
    lines = ["plugins: " + ", ".join(f"pgsql[{name}]" for name in names),
             "aggregate: src_host, dst_host, src_port, dst_port, proto, flows", "sql_history: 1m", "sql_history_roundoff: m",
             "sql_optimize_clauses: true", "sql_table_version: 9", "shutdown_timeout: 100", more]
    for number, server in enumerate(servers):
        server.sql(f"CREATE TABLE matched ({COLUMNS}); CREATE TABLE copied ({COLUMNS}); GRANT ALL ON matched, copied TO pmacct")
        for way, keys in WAYS.items():
            name = f"{way}{number}"
            lines += [server.keys(name), f"sql_table[{name}]: {way}"] + [f"{key}[{name}]: true" for key in keys.split()]
    return "\n".join(lines) + "\n"


def sums(server, table):
    return dict(zip(UNITS, map(int, server.sql(f"SELECT coalesce(sum(flows), 0), coalesce(sum(packets), 0), coalesce(sum(bytes), 0) FROM {table}")[0])))


def torment(server, daemon, seed, counts):
    """Kills the server and starts it again, each time when something has been committed since."""
    rng = random.Random(seed)
    while counts[seed] < SERVER_KILLS and daemon.popen.poll() is None:
        before = server.value("SELECT coalesce(sum(seq), 0) FROM pathacct_progress WHERE core_id <> 'version'") if has_progress(server) else "0"
        deadline = time.monotonic() + 10
        while daemon.popen.poll() is None and time.monotonic() < deadline:
            if has_progress(server) and server.value("SELECT coalesce(sum(seq), 0) FROM pathacct_progress WHERE core_id <> 'version'") != before:
                break
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.6))
        server.stop(rng.choice((signal.SIGQUIT, signal.SIGKILL)))
        counts[seed] += 1
        server.start()


def has_progress(server):
    return server.value("SELECT to_regclass('pathacct_progress') IS NOT NULL") == "t"


def test_kill_9_of_plugin_and_server_at_fifty_random_points(test):
    """The kill may find a transaction in any state: every flow is in each table exactly once."""
    rng, counts, killed = random.Random(11), [0, 0], set()
    sent = flowgen("--flows", 300000, "--keys", 8000, "--seconds", 100, "--pcap", test.dir / "in.pcap")
    servers = [Postgres(test, "one"), Postgres(test, "two")]
    daemon = test.nfacctd(config(servers, f"pcap_savefile: {test.dir}/in.pcap\npcap_savefile_speed: 4\nsql_refresh_time: 2\n"))
    daemon.wait_log("reading NetFlow/IPFIX data from")
    threads = [threading.Thread(target=torment, args=(server, daemon, n, counts)) for n, server in enumerate(servers)]
    for thread in threads:
        thread.start()
    while len(killed) < PLUGIN_KILLS and daemon.popen.poll() is None:
        time.sleep(rng.uniform(0.1, 0.9))
        pids = [pid for pid in host_pids(daemon) if pid not in killed]
        if pids:
            pid = rng.choice(pids)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    for thread in threads:
        thread.join()
    assert daemon.wait(120) == 0, daemon.output()[-6000:]
    instances = test.stats()["instances"]
    assert counts == [SERVER_KILLS] * 2 and len(killed) == PLUGIN_KILLS == sum(i["process"]["restarts"] for i in instances), (counts, killed)
    truth = {unit: sent[unit] for unit in UNITS}
    for instance in instances:
        assert instance["written"] == truth, instance
    for server in servers:
        for table in WAYS:
            assert sums(server, table) == truth, (server.name, table, sums(server, table), truth)
        for table in ("upserted", "matched"):
            assert server.value(f"SELECT count(*) FROM (SELECT FROM {table} GROUP BY stamp_inserted, ip_src, ip_dst, port_src, port_dst, "
                                "ip_proto HAVING count(*) > 1) x") == "0", table


def test_kill_9_of_the_core(test):
    """Rows that were handed over before the kill are in the tables once; the plugins see to that by themselves."""
    server = Postgres(test)
    daemon = test.nfacctd(config([server], "nfacctd_workers: 1\nnfacctd_pipe_size: 50000000\nsql_refresh_time: 1\n"))
    first = flowgen("--flows", 20000, "--keys", 20000, "--udp", f"127.0.0.1:{test.port}", "--rate", 100000)
    tables = [f"{way}" for way in WAYS]
    wait_for(lambda: has_table(server, "upserted") and all(sums(server, t)["flows"] == first["flows"] for t in tables), "the first rows")
    pids = host_pids(daemon)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    flowgen("--flows", 5000, "--keys", 5000, "--udp", f"127.0.0.1:{test.port}", "--seed", 2)
    test.wait_handed_over(daemon, 5000)
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait(5)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: all(is_gone(pid) for pid in pids), "the end of the plugin processes", 40)
    for table in tables:
        assert sums(server, table)["flows"] == first["flows"] + 5000, (table, sums(server, table))


def has_table(server, name):
    return server.value(f"SELECT to_regclass('{name}') IS NOT NULL") == "t"


def is_gone(pid):
    try:
        return "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    except FileNotFoundError:
        return True


if __name__ == "__main__":
    main(globals())
