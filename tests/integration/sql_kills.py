# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of a database server are exact whatever is killed, plugin and server at random points of a run, and the core: what
test_pgsql_kill.py and test_mysql_kill.py have in common."""
import contextlib
import os
import pathlib
import random
import re
import signal
import threading
import time

from harness import flowgen, host_pids, wait_for

UNITS = ("flows", "packets", "bytes")


class Ways:
    """The ways into a table of a plugin, each with an instance on each server: {table: keys that are true}. The first table is made by the
    plugin; `setup` makes the others."""

    def __init__(self, plugin, ways, setup):
        self.plugin, self.ways, self.setup = plugin, ways, setup

    def config(self, servers, more):
        names = [f"{way}{number}" for number in range(len(servers)) for way in self.ways]
        lines = ["plugins: " + ", ".join(f"{self.plugin}[{name}]" for name in names),
                 "aggregate: src_host, dst_host, src_port, dst_port, proto, flows", "sql_history: 1m", "sql_history_roundoff: m",
                 "sql_optimize_clauses: true", "sql_table_version: 9", "shutdown_timeout: 100", more]
        for number, server in enumerate(servers):
            server.sql(self.setup)
            for way, keys in self.ways.items():
                name = f"{way}{number}"
                lines += [server.keys(name), f"sql_table[{name}]: {way}"] + [f"{key}[{name}]: true" for key in keys.split()]
        return "\n".join(lines) + "\n"


def sums(server, table):
    return dict(zip(UNITS, map(int, server.sql(f"SELECT COALESCE(SUM(flows), 0), COALESCE(SUM(packets), 0), COALESCE(SUM(bytes), 0) FROM {table}")[0])))


def progress(server):
    return server.value("SELECT COALESCE(SUM(seq), 0) FROM pathacct_progress WHERE core_id <> 'version'") if server.has_table("pathacct_progress") else "0"


def torment(server, daemon, rng, count, signals, done):
    """Kills the server `count` times and starts it again, each time when something has been committed since. `done` gets the server each
    time."""
    for _ in range(count):
        before, deadline = progress(server), time.monotonic() + 10
        while daemon.popen.poll() is None and time.monotonic() < deadline and progress(server) == before:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.6))
        if daemon.popen.poll() is not None:
            return
        server.stop(rng.choice(signals))
        done.append(server)
        server.start()


def kill_at_random_points(test, ways, servers, flows, server_kills, plugin_kills, signals):
    """The kill may find a transaction in any state: every flow is in each table exactly once. `server_kills` is how often each server is
    killed, by one of the signals."""
    rng, killed, done = random.Random(11), set(), []
    sent = flowgen("--flows", flows, "--keys", flows // 30, "--seconds", 100, "--pcap", test.dir / "in.pcap")
    daemon = test.nfacctd(ways.config(servers, f"pcap_savefile: {test.dir}/in.pcap\npcap_savefile_speed: 4\nsql_refresh_time: 2\n"))
    daemon.wait_log("reading NetFlow/IPFIX data from")
    threads = [threading.Thread(target=torment, args=(server, daemon, random.Random(n), server_kills, signals, done)) for n, server in enumerate(servers)]
    for thread in threads:
        thread.start()
    while len(killed) < plugin_kills and daemon.popen.poll() is None:
        time.sleep(rng.uniform(0.1, 0.9))
        pids = [pid for pid in host_pids(daemon) if pid not in killed]
        if pids:
            pid = rng.choice(pids)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    for thread in threads:
        thread.join()
    assert daemon.wait(200) == 0, daemon.output()[-6000:]
    deaths = re.findall(r"its process was killed by signal (\d+)", daemon.output())
    assert len(done) == server_kills * len(servers) and len(killed) == plugin_kills and deaths and set(deaths) == {"9"}, (done, killed, deaths)
    truth = {unit: sent[unit] for unit in UNITS}
    for instance in test.stats()["instances"]:
        assert instance["written"] == truth, instance
    for server in servers:
        for table, keys in ways.ways.items():
            assert sums(server, table) == truth, (server.name, table, sums(server, table), truth)
            assert "sql_dont_try_update" in keys or server.value(
                f"SELECT COUNT(*) FROM (SELECT 1 FROM {table} GROUP BY stamp_inserted, ip_src, ip_dst, port_src, port_dst, ip_proto "
                "HAVING COUNT(*) > 1) x") == "0", table


def kill_the_core(test, ways, server, flows):
    """Rows that were handed over before the kill are in the tables once; the plugins see to that by themselves."""
    daemon = test.nfacctd(ways.config([server], "nfacctd_workers: 1\nnfacctd_pipe_size: 50000000\nsql_refresh_time: 1\n"))
    first = flowgen("--flows", flows, "--keys", flows, "--udp", f"127.0.0.1:{test.port}", "--rate", 50000)
    wait_for(lambda: server.has_table(next(iter(ways.ways))) and all(sums(server, t)["flows"] == first["flows"] for t in ways.ways), "the first rows", 60)
    pids = host_pids(daemon)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    flowgen("--flows", 3000, "--keys", 3000, "--udp", f"127.0.0.1:{test.port}", "--seed", 2)
    test.wait_handed_over(daemon, 3000)
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait(5)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: all(is_gone(pid) for pid in pids), "the end of the plugin processes", 60)
    for table in ways.ways:
        assert sums(server, table)["flows"] == first["flows"] + 3000, (table, sums(server, table))


def is_gone(pid):
    try:
        return "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    except FileNotFoundError:
        return True
