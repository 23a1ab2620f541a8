# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's pmacct and this project side by side: the same configuration, each with a folder of its own."""
import contextlib
import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess

from harness import BUILD, SOURCE, need_pmacct, wait_for
from kafka_cluster import consume
from postgres import PASSWORD

MOST_INSTANCES = 30  # more plugins than some 32 pmacct does not start
ROW = re.compile(r'^(PRIMITIVE|COUNTER)\((\w+), "(\w+)", "(\w+)", "(\w+)",')
TABLE = [m.groups() for m in map(ROW.match, (SOURCE / "src/flow/primitives.def").read_text().splitlines()) if m]
JSON_NAME = {name: json_name for _, name, json_name, _, _ in TABLE}
OF_CSV = {title: json_name for _, _, json_name, title, _ in TABLE}
OF_SQL = {column: json_name for _, _, json_name, _, column in TABLE}


def primitives_of_pmacct(daemon):
    """Those that the installed one knows: any other ends it."""
    told = subprocess.run([need_pmacct(f"sbin/{daemon}"), "-a"], capture_output=True, text=True, check=False)
    return re.findall(r"^([a-z]\w*)\s*:", told.stdout + told.stderr, re.M)


class Refused(Exception):
    """What our daemon says to a key of pmacct's that it does not have."""


class Instance:
    """One configured use of a plugin: `keys` without its name in brackets."""

    def __init__(self, name, aggregate, output="json", **keys):
        self.name, self.aggregate, self.output, self.keys = name, aggregate, output, keys

    def lines(self, side):
        """The plugin's type, and its keys."""
        plugin = "sqlite3" if self.output == "sqlite3" else "print"
        if plugin == "print":
            keys = {"print_output": self.output, "print_output_file": side.dir / self.name, "print_output_file_append": "true"}
        else:
            keys = {"sql_db": side.dir / self.name, "sql_table": "acct", "sql_optimize_clauses": "true"}
        return plugin, self.bound(keys)

    def bound(self, keys):
        return [f"{key}[{self.name}]: {value}" for key, value in ({"aggregate": ", ".join(self.aggregate)} | keys | self.keys).items()]

    def prepare(self, side):
        if self.output == "sqlite3":
            with contextlib.closing(sqlite3.connect(side.dir / self.name)) as db:
                db.execute(self.create("acct", "TEXT"))
                db.commit()

    def create(self, table, kind):
        """The table: columns of one kind, so that what was written is what is read."""
        of = {name: column for _, name, _, _, column in TABLE}
        columns = []
        for name in self.aggregate:
            columns.append(of[name] if kind != "TEXT" else {"src_port": "src_port", "dst_port": "dst_port", "tag": "agent_id"}.get(name, of[name]))
        numbers = ", ".join(f"{column} {self.kind_of(column, kind)}" for column in columns)
        return f"CREATE TABLE {table} ({numbers}, packets BIGINT, bytes BIGINT, stamp_inserted TIMESTAMP, stamp_updated TIMESTAMP)"

    @staticmethod
    def kind_of(column, kind):
        if kind == "TEXT" or column == "etype":
            return "TEXT"
        return "INET" if "ip_src" in column or "ip_dst" in column or column.startswith("net_") else "MACADDR" if column.startswith("mac_") else "BIGINT"

    def read(self, side):
        """Rows as dicts by JSON name, without when they were written."""
        rows = self.rows(side)
        for row in rows:
            for name in ("event_type", "stamp_updated", "writer_id"):
                row.pop(name, None)
        return rows

    def rows(self, side):
        place = side.dir / self.name
        if not place.exists():
            return []
        if self.output == "json":
            return [json.loads(line) for line in place.read_text().splitlines()]
        if self.output == "csv":
            with open(place, encoding="utf-8", newline="") as file:
                return [{OF_CSV.get(k, k): v for k, v in row.items()} for row in csv.DictReader(file)]
        if self.output == "formatted":
            title, *lines = [line.split() for line in place.read_text().splitlines()]
            return [dict(zip((OF_CSV.get(t, t) for t in title), line)) if len(line) == len(title) else {"row": " ".join(line)} for line in lines]
        with contextlib.closing(sqlite3.connect(place)) as db:
            db.row_factory = sqlite3.Row
            return [{OF_SQL.get(k, k): row[k] for k in row.keys()} for row in db.execute("SELECT * FROM acct")]


class Pgsql(Instance):
    """Writes into a table of its side."""

    def __init__(self, name, aggregate, server, **keys):
        super().__init__(name, aggregate, "pgsql", **keys)
        self.server = server

    def table(self, side):
        return f"{side.name}_{side.run}_{self.name}".replace("-", "_")

    def prepare(self, side):
        self.server.sql(self.create(self.table(side), "typed"))
        self.server.sql(f"ALTER TABLE {self.table(side)} OWNER TO pmacct")

    def lines(self, side):
        return "pgsql", self.bound({"sql_host": "127.0.0.1", "sql_port": self.server.port, "sql_db": "pmacct", "sql_user": "pmacct",
                                    "sql_passwd": PASSWORD, "sql_table": self.table(side), "sql_optimize_clauses": "true"})

    def rows(self, side):
        found = self.server.sql(f"SELECT row_to_json(t) FROM {self.table(side)} t")
        return [{OF_SQL.get(k, k): v for k, v in json.loads(row[0]).items()} for row in found]


class Kafka(Instance):
    """Writes to a topic of its side."""

    def __init__(self, name, aggregate, cluster, **keys):
        super().__init__(name, aggregate, "kafka", **keys)
        self.cluster = cluster

    def topic(self, side):
        return f"{side.name}-{side.run}-{self.name}"

    def prepare(self, side):
        self.cluster.topic(self.topic(side))

    def lines(self, side):
        host, port = self.cluster.brokers.split(",")[0].rsplit(":", 1)
        return "kafka", self.bound({"kafka_broker_host": host, "kafka_broker_port": port, "kafka_topic": self.topic(side), "kafka_refresh_time": 7200})

    def rows(self, side):
        return [json.loads(line) for message in consume(self.cluster.brokers, self.topic(side)) for line in message["payload"].splitlines()]


class Side:
    """`theirs` or `ours`: runs a daemon on a configuration and keeps what it wrote."""

    def __init__(self, test, name, run):
        self.test, self.name, self.is_ours, self.run = test, name, name == "ours", run
        self.dir = test.dir / f"{run}-{name}"
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir()

    def start(self, daemon, instances, lines):
        config, plugins = [], []
        for instance in instances:
            instance.prepare(self)
            plugin, own = instance.lines(self)
            plugins.append(f"{plugin}[{instance.name}]")
            config += own
        config = ["daemonize: false", "plugins: " + ", ".join(plugins), *config, *(line.replace("{dir}", str(self.dir)) for line in lines)]
        path = self.dir / "conf"
        path.write_text("\n".join(config) + "\n")
        program = BUILD / f"sbin/{daemon}" if self.is_ours else need_pmacct(f"sbin/{daemon}")
        env = {**os.environ, "TZ": "UTC"}
        self.process = self.test.start([program, "-f", path], self.dir.name, env=env)

    def wait(self, seconds=60):
        """Until the daemon and all that it started have ended: pmacct's writers outlive its core."""
        status = self.process.wait(seconds)
        if status < 0:  # a core that dies leaves its plugins behind
            self.process.kill_all()
        wait_for(self.is_alone, lambda: f"the end of the processes of {self.dir.name}: {self.left()}", seconds)
        refusals = re.findall(r"^.*(?:: not supported: |: primitive '\w+': ).*$", self.process.output(), re.M)
        if status and self.is_ours and refusals:
            raise Refused(refusals[0])
        if status == 1 and not self.is_ours and "connection lost to" in self.process.output():
            return  # its plugins ended before its core; rows that they did not write are differences
        if status != 0:
            errors = [line for line in self.process.output().splitlines() if "ERROR" in line or line.startswith(f"{self.dir}/conf:")]
            raise AssertionError(f"{self.process.args[0]} ended with {status}: " + "; ".join(errors[:5] or self.process.output().splitlines()[-3:]))

    def left(self):
        done = subprocess.run(["ps", "-o", "pid,stat,etimes,args", "-g", str(self.process.pid)], capture_output=True, text=True, check=False)
        return done.stdout + self.process.output()[-2000:]

    def is_alone(self):
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False


def in_parts(instances):
    for n in range(0, len(instances), MOST_INSTANCES):
        yield instances[n:n + MOST_INSTANCES]
