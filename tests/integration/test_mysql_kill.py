#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""MariaDB tables are exact whatever is killed: plugin and server at random points of a run, the connection within COMMIT, and the
core."""
import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import threading
import time

from harness import flowgen, host_pids, main, need_built, wait_for
from mariadb import MariaDB
import exports

UNITS = ("flows", "packets", "bytes")
WAYS = {"upserted": "sql_table_create", "matched": "", "inserted": "sql_dont_try_update"}
COLUMNS = ("ip_src varchar(45), ip_dst varchar(45), port_src int, port_dst int, ip_proto varchar(6), stamp_inserted datetime, "
           "stamp_updated datetime, flows bigint, packets bigint, bytes bigint, KEY (stamp_inserted, ip_src, port_src)")
SERVER_KILLS, PLUGIN_KILLS = 6, 14


def config(server, more):
    """Returns a configuration with an instance for each way into a table."""
    lines = ["plugins: " + ", ".join(f"mysql[{way}]" for way in WAYS), "aggregate: src_host, dst_host, src_port, dst_port, proto, flows",
             "sql_history: 1m", "sql_history_roundoff: m", "sql_optimize_clauses: true", "sql_table_version: 9", "shutdown_timeout: 100",
             server.keys(), more]
    server.sql(f"CREATE TABLE matched ({COLUMNS}); CREATE TABLE inserted ({COLUMNS})")
    for way, keys in WAYS.items():
        lines += [f"sql_table[{way}]: {way}"] + [f"{key}[{way}]: true" for key in keys.split()]
    return "\n".join(lines) + "\n"


def sums(server, table):
    return dict(zip(UNITS, map(int, server.sql(f"SELECT COALESCE(SUM(flows), 0), COALESCE(SUM(packets), 0), COALESCE(SUM(bytes), 0) FROM {table}")[0])))


def progress(server):
    return server.value("SELECT SUM(seq) FROM pathacct_progress") if server.has_table("pathacct_progress") else "0"


def torment(server, daemon, counts):
    """Kills the server and starts it again, each time when something has been committed since."""
    rng = random.Random(3)
    while counts[0] < SERVER_KILLS and daemon.popen.poll() is None:
        before, deadline = progress(server), time.monotonic() + 10
        while daemon.popen.poll() is None and time.monotonic() < deadline and progress(server) == before:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.6))
        server.stop(signal.SIGKILL)
        counts[0] += 1
        server.start()


def test_kill_9_of_plugin_and_server_at_random_points(test):
    """The kill may find a transaction in any state: every flow is in each table exactly once."""
    need_built("mysql")
    rng, counts, killed = random.Random(11), [0], set()
    sent = flowgen("--flows", 100000, "--keys", 4000, "--seconds", 100, "--pcap", test.dir / "in.pcap")
    server = MariaDB(test)
    daemon = test.nfacctd(config(server, f"pcap_savefile: {test.dir}/in.pcap\npcap_savefile_speed: 4\nsql_refresh_time: 2\n"))
    daemon.wait_log("reading NetFlow/IPFIX data from")
    thread = threading.Thread(target=torment, args=(server, daemon, counts))
    thread.start()
    while len(killed) < PLUGIN_KILLS and daemon.popen.poll() is None:
        time.sleep(rng.uniform(0.1, 0.9))
        pids = [pid for pid in host_pids(daemon) if pid not in killed]
        if pids:
            pid = rng.choice(pids)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    thread.join()
    assert daemon.wait(200) == 0, daemon.output()[-6000:]
    instances = test.stats()["instances"]
    deaths = re.findall(r"its process was killed by signal (\d+)", daemon.output())
    assert counts == [SERVER_KILLS] and len(killed) == PLUGIN_KILLS and deaths and set(deaths) == {"9"}, (counts, killed, deaths)
    truth = {unit: sent[unit] for unit in UNITS}
    for instance in instances:
        assert instance["written"] == truth, instance
    for table in WAYS:
        assert sums(server, table) == truth, (table, sums(server, table), truth)
    for table in ("upserted", "matched"):
        assert server.value(f"SELECT COUNT(*) FROM (SELECT 1 FROM {table} GROUP BY stamp_inserted, ip_src, ip_dst, port_src, port_dst, "
                            "ip_proto HAVING COUNT(*) > 1) x") == "0", table


class Cutter:
    """A proxy that passes everything on until a COMMIT comes: that reaches the server, or not, and the connection is cut before the
    answer."""

    def __init__(self, port):
        self.target, self.cuts = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.target))
                threading.Thread(target=self.up, args=(client, server), daemon=True).start()
                threading.Thread(target=self.down, args=(client, server), daemon=True).start()

    def up(self, client, server):
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 20):
                if b"COMMIT" in data and b"pathacct_progress" in data and len(self.cuts) < 2:
                    self.cuts.append(None)
                    if len(self.cuts) == 1:
                        client.shutdown(socket.SHUT_RDWR)
                        server.sendall(data)
                        time.sleep(0.5)
                    break
                server.sendall(data)
        for side in (client, server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def down(client, server):
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 20):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


def test_a_connection_lost_during_commit(test):
    """The first COMMIT arrives and its answer does not; the second is lost on its way. pathacct_progress tells which it was."""
    server = MariaDB(test)
    cutter = Cutter(server.port)
    daemon = test.nfacctd("plugins: mysql[a]\naggregate: src_host, src_port, flows\nsql_table_create: true\nsql_refresh_time: 1\n" +
                          server.keys(by_tcp=True).replace(f"sql_port: {server.port}", f"sql_port: {cutter.port}"))
    stream = exports.Ipfix()
    test.send(stream.announce())
    for n in range(3):
        test.send(stream.data([exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1", sport=5 + i) for i in range(10)]))
        wait_for(lambda: server.has_table("acct") and server.value("SELECT COALESCE(SUM(flows), 0) FROM acct") == str(10 * n + 10), f"part {n}", 30)
        wait_for(lambda: test.now(daemon)["instances"][0]["written"]["flows"] == 10 * n + 10, f"part {n} in the ledger", 30)
    assert len(cutter.cuts) == 2 and daemon.output().count("cannot commit: Lost connection") == 1, daemon.output()
    assert daemon.stop() == 0, daemon.output()
    assert server.sql("SELECT COUNT(*), SUM(flows) FROM acct") == [["10", "30"]]
    cutter.listener.close()


def test_kill_9_of_the_core(test):
    """Rows that were handed over before the kill are in the tables once; the plugins see to that by themselves."""
    server = MariaDB(test)
    daemon = test.nfacctd(config(server, "nfacctd_workers: 1\nnfacctd_pipe_size: 50000000\nsql_refresh_time: 1\n"))
    first = flowgen("--flows", 8000, "--keys", 8000, "--udp", f"127.0.0.1:{test.port}", "--rate", 50000)
    wait_for(lambda: server.has_table("upserted") and all(sums(server, t)["flows"] == first["flows"] for t in WAYS), "the first rows", 60)
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
    for table in WAYS:
        assert sums(server, table)["flows"] == first["flows"] + 3000, (table, sums(server, table))


def is_gone(pid):
    try:
        return "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    except FileNotFoundError:
        return True


if __name__ == "__main__":
    main(globals())
