#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""MariaDB tables are exact whatever is killed: plugin and server at random points of a run, the connection within COMMIT, and the
core."""
import contextlib
import signal
import socket
import threading
import time

from harness import main, need_built, wait_for
from mariadb import MariaDB
from sql_kills import Ways, kill_at_random_points, kill_the_core
import exports

COLUMNS = ("ip_src varchar(45), ip_dst varchar(45), port_src int, port_dst int, ip_proto varchar(6), stamp_inserted datetime, "
           "stamp_updated datetime, flows bigint, packets bigint, bytes bigint, KEY (stamp_inserted, ip_src, port_src)")
WAYS = Ways("mysql", {"upserted": "sql_table_create", "matched": "", "inserted": "sql_dont_try_update"},
            f"CREATE TABLE matched ({COLUMNS}); CREATE TABLE inserted ({COLUMNS})")


def test_kill_9_of_plugin_and_server_at_random_points(test):
    need_built("mysql")
    kill_at_random_points(test, WAYS, [MariaDB(test)], 100000, 6, 14, [signal.SIGKILL])


def test_kill_9_of_the_core(test):
    kill_the_core(test, WAYS, MariaDB(test), 8000)


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


if __name__ == "__main__":
    main(globals())
