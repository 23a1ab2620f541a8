# SPDX-License-Identifier: GPL-2.0-or-later
"""The pgsql plugins: how many rows a second of the clock a purge brings into a table with a key, until it is committed; and what
psql needs to \\copy the same rows into the same table. The server is a private one with its own defaults, fsync included."""
import contextlib
import glob
import os
import pathlib
import pwd
import subprocess
import time

from lib import net, process, purge, replay, truth
from lib.bench import Limit, Measurement, Row
from lib.config import TUPLE, Instance
from lib.data import Flows

ORDER = 61
TABLE = """CREATE TABLE acct (ip_src inet NOT NULL, ip_dst inet NOT NULL, port_src int NOT NULL,
port_dst int NOT NULL, ip_proto smallint NOT NULL, packets bigint NOT NULL, bytes bigint NOT NULL,
PRIMARY KEY (ip_src, ip_dst, port_src, port_dst, ip_proto))"""
EXPORT = """COPY (SELECT host(ip_src) AS "SRC_IP", host(ip_dst) AS "DST_IP", port_src AS "SRC_PORT", port_dst AS "DST_PORT",
CASE ip_proto WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' WHEN 58 THEN 'ipv6-icmp' ELSE ip_proto::text END AS "PROTOCOL",
packets AS "PACKETS", bytes AS "BYTES" FROM acct) TO STDOUT (FORMAT csv, HEADER)"""


class Server:
    """PostgreSQL in the folder of a run; not as root, which it refuses."""

    def __init__(self, folder):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found:
            raise process.Failed("PostgreSQL (Debian: postgresql) is not installed")
        self.bin, self.folder, self.port = pathlib.Path(found[-1]), folder, net.free_tcp_port()
        self.become = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self.become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            os.chown(folder, user.pw_uid, user.pw_gid)
            folder.chmod(0o755)

    @contextlib.contextmanager
    def run(self):
        subprocess.run([*self.become, self.bin / "initdb", "-D", self.folder / "data", "-U", "pmacct", "-N", "-A", "trust", "--locale=C.UTF-8",
                        "-E", "UTF8"], check=True, capture_output=True, cwd="/")
        with process.helper([*self.become, self.bin / "postgres", "-D", self.folder / "data", "-k", self.folder, "-p", self.port, "-c",
                             "listen_addresses="], self.folder / "server.log", cwd="/") as popen:
            net.wait_file(self.folder / f".s.PGSQL.{self.port}", 60, popen)
            while subprocess.run([self.bin / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)], check=False).returncode != 0:
                time.sleep(0.05)
            yield self

    def psql(self, *args, **kwargs):
        return subprocess.run([self.bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port), "-U", "pmacct",
                               "-d", "postgres", *args], check=True, **kwargs)


def keys(bench, product, server, is_copy):
    lines = (f"sql_host[out]: {server.folder}", f"sql_port[out]: {server.port}", "sql_db[out]: postgres", "sql_user[out]: pmacct",
             "sql_table[out]: acct", "sql_table_version[out]: 9", "sql_optimize_clauses[out]: true", "sql_refresh_time[out]: 3600")
    if is_copy:
        lines += ("sql_dont_try_update[out]: true", "sql_use_copy[out]: true")
    if product == "pmacct":
        lines += ("sql_cache_entries[out]: 1000003",)
    return lines


def measure_way(is_copy):
    def measure(bench, product):
        full, quick = (2000000, 400000) if product == "pathacct" or is_copy else (200000, 40000)
        keys_full = full // 4
        flows = Flows(bench.flows(full, quick), keys=max(1000, int((keys_full if not bench.is_quick else quick // 3) / bench.scale)))
        kept = bench.build / "bench-input" / "pgsql-rows.csv"

        def once():
            with replay.work_folder() as place, Server(place).run() as server:
                watch = []

                def check(bench, product, folder, instances, capture):
                    watch[0].end()
                    with open(folder / "rows.csv", "wb") as out:
                        server.psql("-c", EXPORT, stdout=out)
                    if product == "pathacct":
                        server.psql("-c", "COPY acct TO STDOUT (FORMAT csv)", stdout=open(kept, "wb"))
                    found = truth.tally(bench.tool("tally"), "csv", "tuple", [folder / "rows.csv"])
                    return truth.check(found, capture.view("tuple"), product == "pathacct")

                def prepare(folder):
                    server.psql("-c", TABLE)
                    watch.append(purge.Watch(folder))
                instance = Instance(TUPLE, "tuple", plugin="pgsql", more=keys(bench, product, server, is_copy))
                cost = replay.replay(bench, product, flows, [instance], check=check, prepare=prepare)
                return cost.rows, watch[0].seconds, cost.cpu_s
        results = bench.repeat(product, once)
        return Measurement([rows / seconds / 1000 for rows, seconds, _ in results],
                           {"input": flows.text(), "rows written": f"{results[-1][0]:,}",
                            "CPU of the daemon, not of the server": f"{min(cpu for _, _, cpu in results):.1f} s"},
                           {"rows": results[-1][0], "file": kept})
    return measure


def limit(bench, measurement):
    """psql's \\copy of the same rows into the same empty table."""
    def seconds():
        with replay.work_folder() as place, Server(place).run() as server:
            server.psql("-c", TABLE)
            begun = time.monotonic()
            server.psql("-c", f"\\copy acct from '{measurement.numbers['file']}' (format csv)")
            return time.monotonic() - begun
    rate = measurement.numbers["rows"] / bench.best(("pgsql-copy", measurement.numbers["rows"]), seconds) / 1000
    return Limit(rate, "\\copy of the same rows by psql into the same table")


ROWS = [
    Row("pgsql-copy", "pgsql plugin: a purge by COPY into a table with a key", "krows/s", measure_way(True), limit, must=190, goal=210, is_rate=True),
    Row("pgsql-upsert", "pgsql plugin: a purge by upsert into a table with a key", "krows/s", measure_way(False), limit, must=100, goal=150,
        is_rate=True),
]
