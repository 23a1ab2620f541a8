#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""print, memory, sqlite3, pgsql, mysql, kafka and amqp, fed by one daemon: the same records under the same names, and after kill -9 of the core
all that was handed over, once."""
import contextlib
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import time

from harness import BUILD, flowgen, host_pids, main, need_built, wait_for
from kafka_cluster import Mock, consume, distinct, rows as kafka_rows
from mariadb import MariaDB
from postgres import Postgres
import rabbit
import exports

AGGREGATE = ("src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, in_iface, in_iface_name, out_iface, src_mac, vlan, etype, src_as, "
             "dst_as, src_mask, peer_src_ip, peer_dst_ip, timestamp_start, fwd_status, sampling_direction, mpls_label_top, flows")
COUNTERS = {"packets": int.__add__, "bytes": int.__add__, "flows": int.__add__, "tcp_flags": int.__or__}
FIELDS = [(82, exports.VARIABLE), (56, 6), (58, 2), (256, 2), (89, 1), (61, 1), (70, 3)]  # beyond the common ones


PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 132: "sctp"}  # PostgreSQL's tables have numbers


class Backends:
    """A daemon with one instance of each backend, and what each then holds."""

    def __init__(self, test, aggregate, more=""):
        need_built("memory", "sqlite3", "pgsql", "mysql", "kafka", "amqp")
        self.test, self.cluster, self.pg, self.broker = test, Mock(test), Postgres(test), rabbit.shared()
        self.exchange, self.messages = f"flows-{os.path.basename(test.dir)}", []
        self.broker.queue(self.exchange)
        self.maria = MariaDB(test)
        self.cluster.topic("acct")
        self.daemon = test.nfacctd(f"""
plugins: print[print], memory[memory], sqlite3[sqlite3], pgsql[pgsql], mysql[mysql], kafka[kafka], amqp[amqp]
aggregate: {aggregate}
timestamps_utc: true
nfacctd_pipe_size: 50000000
print_output[print]: json
print_output_file[print]: {test.dir}/out.json
print_output_file_append[print]: true
print_refresh_time[print]: 1
imt_path[memory]: {test.dir}/memory.sock
sql_db[sqlite3]: {test.dir}/out.db
sql_table[sqlite3]: acct
sql_table_create[sqlite3]: true
sql_refresh_time[sqlite3]: 1
{self.pg.keys("pgsql")}
sql_table[pgsql]: acct
sql_table_create[pgsql]: true
sql_data[pgsql]: unified
sql_refresh_time[pgsql]: 1
{self.maria.keys("mysql")}
sql_table[mysql]: acct
sql_table_create[mysql]: true
sql_refresh_time[mysql]: 1
kafka_broker_host[kafka]: {self.cluster.brokers}
kafka_topic[kafka]: acct
kafka_refresh_time[kafka]: 1
amqp_port[amqp]: {self.broker.port}
amqp_exchange[amqp]: {self.exchange}
amqp_refresh_time[amqp]: 1
{more}
""")

    def print(self):
        with contextlib.suppress(FileNotFoundError):
            return [json.loads(line) for line in (self.test.dir / "out.json").read_text().splitlines(keepends=True) if line.endswith("\n")]
        return []

    def memory(self):
        out = subprocess.run([BUILD / "bin/pmacct", "-p", self.test.dir / "memory.sock", "-s", "-O", "json"], capture_output=True, text=True, check=False)
        return [json.loads(line) for line in out.stdout.splitlines()] if out.returncode == 0 else []  # perhaps it has just begun

    def sqlite3(self):
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(self.test.dir / "out.db")) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute("SELECT * FROM acct")]
        return []

    def pgsql(self):
        if self.pg.value("SELECT to_regclass('acct') IS NULL") == "t":
            return []
        rows = [json.loads(row[0]) for row in self.pg.sql("SELECT row_to_json(acct) FROM acct")]
        return [{**row, "ip_proto": PROTOCOLS.get(row["ip_proto"], row["ip_proto"])} for row in rows]

    def mysql(self):
        if not self.maria.has_table("acct"):
            return []
        names = [row[0] for row in self.maria.sql("SELECT column_name FROM information_schema.columns WHERE table_name = 'acct' AND column_name <> 'pathacct_key'")]
        rows = self.maria.sql(f"SELECT {', '.join(f'HEX(CAST({name} AS CHAR))' for name in names)} FROM acct")
        return [dict(zip(names, (bytes.fromhex(value).decode() for value in row))) for row in rows]

    def kafka(self):
        return kafka_rows(distinct(consume(self.cluster.brokers, "acct")))

    def amqp(self):
        self.messages += self.broker.get(f"of-{self.exchange}")  # which takes them out of the queue
        return [json.loads(message.body) for message in rabbit.distinct(self.messages)]

    def all(self):
        return {name: getattr(self, name)() for name in ("print", "memory", "sqlite3", "pgsql", "mysql", "kafka", "amqp")}


def normal(record):
    """Returns a record without what is the backend's own. SQL has microseconds in a column of their own, and the client of memory
    tables, like pmacct's, and PostgreSQL's JSON have a T between date and time."""
    record = {name: value for name, value in record.items() if name not in ("event_type", "writer_id")}
    for name in [name for name in record if name.endswith("_residual")]:
        time_name = name.removesuffix("_residual")
        record[time_name] += f".{int(record.pop(name)):06d}"
    for name in [name for name in record if name.startswith("timestamp_")]:
        record[name] = record[name].replace("T", " ").removesuffix("Z")  # so writes memory's client
    return {name: str(value) if name not in COUNTERS else int(value) for name, value in record.items()}


def by_key(records):
    """Files and messages have a record for each epoch."""
    found = {}
    for record in map(normal, records):
        key = tuple(sorted((name, value) for name, value in record.items() if name not in COUNTERS))
        counters = {name: record[name] for name in COUNTERS if name in record}
        if key in found:
            counters = {name: COUNTERS[name](value, found[key][name]) for name, value in counters.items()}
        found[key] = counters
    return found


def flows_of(records):
    return sum(int(record["flows"]) for record in records)


def test_the_same_records_everywhere(test):
    """Every kind of value, IPv4 and IPv6, text that needs quoting in each format, counters that are added up."""
    backends = Backends(test, AGGREGATE)
    names = [b"eth0", b'"quo\\ted", \'too\'; --', "µ-ring".encode(), b"\\N", b"bad\xff", b"", b"tab\there", b"0"]
    when = int(time.time() * 1000) - 5000
    sent = 0
    for fields, source, target in ((exports.COMMON_FIELDS, "10.0.0.{}", "192.0.2.{}"), (exports.COMMON_FIELDS_V6, "2001:db8::{}", "2001:db8:1::{}")):
        stream = exports.Ipfix(fields + FIELDS, template_id=300 + len(source), domain=len(source))
        test.send(stream.announce())
        hop = "10.9.9.9" if "." in source else "2001:db8:ff::1"
        for round_number in range(3):
            for n in range(40):
                row = exports.common_flow(source.format(n % 9 + 1), target.format(n % 7 + 1), hop, sport=1024 + n, proto=(6, 17, 1, 47, 132, 250)[n % 6],
                                          tos=n % 256, flags=1 << (round_number + n) % 6, in_iface=n, out_iface=4000000000 + n, src_as=4200000000 + n,
                                          dst_as=n, start_ms=when + n, end_ms=when + n, octets=100 + n, packets=1 + n)
                row += [names[n % len(names)], bytes([2, 0, 0, 0, 0, n]), n % 4095, (0x800, 0x86dd)[n % 2], 64 + n % 3, n % 2, bytes([0, n, 0x11])]
                test.send(stream.data([row]))
                sent += 1
    wait_for(lambda: all(flows_of(records) == sent for records in backends.all().values()), f"{sent} flows in each backend", 30)
    found = backends.all()
    merged = {name: by_key(records) for name, records in found.items()}
    assert backends.daemon.stop() == 0, backends.daemon.output()
    for name in ("memory", "sqlite3", "pgsql", "mysql"):
        assert len(found[name]) == len(merged[name]), f"{name} has rows of equal key"
    assert len(merged["print"]) == 80
    for name, records in merged.items():
        assert records == merged["print"], (name, sorted(set(records) ^ set(merged["print"]))[:2],
                                            [(k, records[k], merged["print"][k]) for k in records if k in merged["print"] and records[k] != merged["print"][k]][:2])


def is_gone(pid):
    try:
        return "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    except FileNotFoundError:
        return True


def test_kill_9_of_the_core(test):
    """Two epochs lie handed over, unwritten, when the core dies: each backend that keeps things has them once."""
    backends = Backends(test, "src_host, dst_host, src_port, dst_port, proto, flows", "nfacctd_workers: 1\n")
    kept = ("print", "sqlite3", "pgsql", "mysql", "kafka", "amqp")
    first = flowgen("--flows", 5000, "--keys", 3000, "--udp", f"127.0.0.1:{test.port}", "--rate", 50000)["flows"]
    wait_for(lambda: all(flows_of(getattr(backends, name)()) == first for name in kept), "the first flows", 30)
    pids = host_pids(backends.daemon)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    second = flowgen("--flows", 2000, "--keys", 1500, "--udp", f"127.0.0.1:{test.port}", "--seed", 2)["flows"]
    test.wait_handed_over(backends.daemon, second)
    flowgen("--flows", 500, "--keys", 400, "--udp", f"127.0.0.1:{test.port}", "--seed", 3)  # of the open epoch: may be lost
    os.kill(backends.daemon.pid, signal.SIGKILL)
    backends.daemon.wait(5)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: all(is_gone(pid) for pid in pids), "the end of the plugin processes", 40)
    for name in kept:
        flows = flows_of(getattr(backends, name)())
        assert first + second <= flows <= first + second + 500, (name, flows)


if __name__ == "__main__":
    main(globals())
