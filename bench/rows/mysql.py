# SPDX-License-Identifier: GPL-2.0-or-later
"""The mysql plugins: how many rows a second of the clock a purge brings into a table with a key, until it is committed; and what
LOAD DATA needs for the same rows into the same table. The server is a private MariaDB with its own defaults, fsync included."""
import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import time

from lib import net, process, purge, replay, truth
from lib.bench import Limit, Measurement, Row
from lib.config import TUPLE, Instance
from lib.data import Flows

ORDER = 62
TABLE = """CREATE TABLE acct (ip_src varchar(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, ip_dst varchar(45) CHARACTER SET ascii
COLLATE ascii_bin NOT NULL, port_src smallint unsigned NOT NULL, port_dst smallint unsigned NOT NULL, ip_proto varchar(20) CHARACTER SET
ascii COLLATE ascii_bin NOT NULL, packets bigint unsigned NOT NULL, bytes bigint unsigned NOT NULL,
PRIMARY KEY (ip_src, ip_dst, port_src, port_dst, ip_proto)) ENGINE=InnoDB"""
ROWS_OF_TABLE = "SELECT ip_src, ip_dst, port_src, port_dst, ip_proto, packets, bytes FROM acct"
TITLES = "SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,PACKETS,BYTES\n"


class Server:
    """MariaDB in the folder of a run, as a user of its own."""

    def __init__(self, folder):
        self.server = shutil.which("mariadbd") or shutil.which("mysqld") or "/usr/sbin/mariadbd"
        if not pathlib.Path(self.server).exists():
            raise process.Failed("MariaDB (Debian: mariadb-server) is not installed")
        self.folder, self.port, self.become = folder, net.free_tcp_port(), []
        if os.geteuid() == 0:
            user = pwd.getpwnam("mysql")
            self.become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            os.chown(folder, user.pw_uid, user.pw_gid)
            folder.chmod(0o755)

    @contextlib.contextmanager
    def run(self):
        subprocess.run([*self.become, "mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
                        "--auth-root-authentication-method=normal", f"--tmpdir={self.folder}"], check=True, capture_output=True, cwd="/")
        with process.helper([*self.become, self.server, "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.folder}/s",
                             f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}",
                             "--skip-name-resolve", "--local-infile=1"], self.folder / "server.log", cwd="/") as popen:
            net.wait_file(self.folder / "s", 60, popen)
            self.sql("CREATE DATABASE pmacct; CREATE USER pmacct@'%' IDENTIFIED BY 'arealsmartpwd'; GRANT ALL ON pmacct.* TO pmacct@'%'", db="")
            yield self

    def sql(self, text, db="pmacct"):
        done = subprocess.run(["mariadb", "--no-defaults", "-S", self.folder / "s", "-u", "root", "--local-infile=1", "--batch", "--raw", "--quick",
                               "--skip-column-names", *([db] if db else [])], input=text.encode(), check=True, capture_output=True)
        return done.stdout


def keys(product, server):
    lines = ("sql_host[out]: 127.0.0.1", f"sql_port[out]: {server.port}", "sql_db[out]: pmacct", "sql_user[out]: pmacct",
             "sql_passwd[out]: arealsmartpwd", "sql_table[out]: acct", "sql_table_version[out]: 9", "sql_optimize_clauses[out]: true",
             "sql_refresh_time[out]: 3600")
    return lines + (("sql_cache_entries[out]: 1000003",) if product == "pmacct" else ())


def measure(bench, product):
    full, quick = (2000000, 400000) if product == "pathacct" else (200000, 40000)
    flows = Flows(bench.flows(full, quick), keys=max(1000, int((full // 4 if not bench.is_quick else quick // 3) / bench.scale)))
    kept = bench.build / "bench-input" / "mysql-rows.tsv"

    def once():
        with replay.work_folder() as place, Server(place).run() as server:
            watch = []

            def check(bench, product, folder, instances, capture):
                watch[0].end()
                rows = server.sql(ROWS_OF_TABLE)
                (folder / "rows.csv").write_bytes(TITLES.encode() + rows.replace(b"\t", b","))
                if product == "pathacct":
                    kept.write_bytes(rows)
                found = truth.tally(bench.tool("tally"), "csv", "tuple", [folder / "rows.csv"])
                return truth.check(found, capture.view("tuple"), product == "pathacct")

            def prepare(folder):
                server.sql(TABLE)
                watch.append(purge.Watch(folder))
            instance = Instance(TUPLE, "tuple", plugin="mysql", more=keys(product, server))
            cost = replay.replay(bench, product, flows, [instance], check=check, prepare=prepare)
            return cost.rows, watch[0].seconds, cost.cpu_s
    results = bench.repeat(product, once)
    return Measurement([rows / seconds / 1000 for rows, seconds, _ in results],
                       {"input": flows.text(), "rows written": f"{results[-1][0]:,}",
                        "CPU of the daemon, not of the server": f"{min(cpu for _, _, cpu in results):.1f} s"},
                       {"rows": results[-1][0], "file": kept})


def limit(bench, measurement):
    """LOAD DATA of the same rows into the same empty table."""
    def seconds():
        with replay.work_folder() as place, Server(place).run() as server:
            server.sql(TABLE)
            begun = time.monotonic()
            server.sql(f"LOAD DATA LOCAL INFILE '{measurement.numbers['file']}' INTO TABLE acct")
            return time.monotonic() - begun
    rate = measurement.numbers["rows"] / bench.best(("mysql-upsert", measurement.numbers["rows"]), seconds) / 1000
    return Limit(rate, "LOAD DATA of the same rows into the same table")


ROWS = [
    Row("mysql-upsert", "mysql plugin: a purge by upsert into a table with a key", "krows/s", measure, limit, must=20, goal=30, is_rate=True),
]
