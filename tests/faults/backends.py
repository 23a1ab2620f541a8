# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the rows of a cell of the fault matrix go: each backend says its configuration, what it holds, and how it can fail.

`counts()` is what is there in the end: for each source address how often its one flow was written. `once` are the counts that
are promised to be 1: of a message queue those by the headers, which tell what came again. A tee passes datagrams on, each of which has
one flow."""
import collections
import contextlib
import csv
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import harness
from harness import Skip, need_root
from avro_reader import AvroReader
import kafka_cluster
from mariadb import MariaDB
from postgres import Postgres
import rabbit
import schema_registry


class Backend:
    """What all have in common. A fault that a backend does not have raises Skip."""

    name, spools, survives_its_process = "", False, True
    # At most once: what a process had taken when it died is counted, and lost or not. These faults kill one.
    may_count_at = ()
    flows_a_datagram = 10

    def __init__(self, test):
        self.test = test

    def before_kill(self, cell, pid):
        """Brings the process that will be killed to where it hurts most."""

    def payloads(self, stream, rows):
        """The datagrams that carry these rows."""
        return [stream.data(rows[n:n + self.flows_a_datagram]) for n in range(0, len(rows), self.flows_a_datagram)]

    def config(self):
        raise NotImplementedError

    def counts(self):
        raise NotImplementedError

    def server_dies(self, rng):
        raise Skip("has no server")

    def server_hangs(self):
        raise Skip("has no server")

    def server_goes_on(self):
        pass

    def disk_fills(self):
        raise Skip("writes to no disk of its own")

    def disk_has_room(self):
        pass

    def small_disk(self):
        """A folder on a file system of 4 MB, of which fill_disk() leaves nothing."""
        need_root()
        folder = self.test.dir / "small"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "none", folder], capture_output=True, check=False)
        if done.returncode != 0:
            raise Skip(f"a small file system cannot be mounted: {done.stderr.decode().strip()}")
        self.test.cleanups.append(lambda: subprocess.run(["umount", "-l", folder], check=False))
        return folder

    @staticmethod
    def fill_disk(folder):
        with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    @staticmethod
    def make_room(folder):
        (folder / "filler").unlink(missing_ok=True)


class Print(Backend):
    name = "print"

    def __init__(self, test, on_small_disk=False):
        super().__init__(test)
        self.folder = self.small_disk() if on_small_disk else test.dir
        self.path = self.folder / "out.csv"

    def config(self):
        return f"""plugins: print[out]
print_output[out]: csv
print_output_file[out]: {self.path}
print_output_file_append[out]: true
print_refresh_time[out]: 1
"""

    def counts(self):
        counts = collections.Counter()
        with contextlib.suppress(FileNotFoundError), open(self.path, newline="") as lines:
            for row in csv.DictReader(lines):
                counts[row["SRC_IP"]] += int(row["FLOWS"])
        return counts

    def disk_fills(self):
        self.fill_disk(self.folder)

    def disk_has_room(self):
        self.make_room(self.folder)


class Sqlite(Backend):
    name = "sqlite3"

    def __init__(self, test, on_small_disk=False):
        super().__init__(test)
        self.folder = self.small_disk() if on_small_disk else test.dir
        self.path, self.other = self.folder / "flows.db", None

    def config(self):
        return f"""plugins: sqlite3[out]
sql_db[out]: {self.path}
sql_table[out]: acct
sql_table_create[out]: true
sql_refresh_time[out]: 1
"""

    def counts(self):
        if not self.path.exists():
            return collections.Counter()
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            return collections.Counter(dict(db.execute("SELECT ip_src, sum(flows) FROM acct GROUP BY 1")))

    def server_hangs(self):
        """Another program holds the lock."""
        self.other = sqlite3.connect(self.path, isolation_level=None, timeout=30, check_same_thread=False)
        self.other.execute("BEGIN IMMEDIATE")

    def server_goes_on(self):
        if self.other:
            self.other.execute("ROLLBACK")
            self.other.close()
            self.other = None

    def disk_fills(self):
        self.fill_disk(self.folder)

    def disk_has_room(self):
        self.make_room(self.folder)


class Pgsql(Backend):
    name = "pgsql"

    def __init__(self, test, on_small_disk=False):
        if on_small_disk:
            raise Skip("its server's disk: test_pgsql_faults")
        super().__init__(test)
        # A server that is killed must have what it acknowledged, which the kernel keeps without fsync.
        self.server = Postgres(test)

    def config(self):
        return f"""plugins: pgsql[out]
{self.server.keys("out")}
sql_table[out]: acct
sql_table_create[out]: true
sql_refresh_time[out]: 1
"""

    def counts(self):
        if self.server.value("SELECT to_regclass('acct') IS NULL") == "t":
            return collections.Counter()
        return collections.Counter({address: int(flows) for address, flows in
                                    self.server.sql("SELECT host(ip_src), sum(flows) FROM acct GROUP BY 1")})

    def server_dies(self, rng):
        self.server.stop(rng.choice((signal.SIGQUIT, signal.SIGKILL)))
        time.sleep(rng.uniform(0, 1))
        self.server.start()

    def processes(self):
        found = []
        for place in pathlib.Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                if os.readlink(place) == str(self.server.data):
                    found.append(int(place.parts[2]))
        return found

    def server_hangs(self):
        self.signal(signal.SIGSTOP)

    def server_goes_on(self):
        self.signal(signal.SIGCONT)

    def signal(self, number):
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Mysql(Backend):
    name = "mysql"

    def __init__(self, test, on_small_disk=False):
        if on_small_disk:
            raise Skip("its server's disk: test_mysql_faults")
        super().__init__(test)
        self.server = MariaDB(test)

    def config(self):
        return f"""plugins: mysql[out]
{self.server.keys("out")}
sql_table[out]: acct
sql_table_create[out]: true
sql_refresh_time[out]: 1
"""

    def counts(self):
        if not self.server.has_table("acct"):
            return collections.Counter()
        return collections.Counter({address: int(flows) for address, flows in self.server.sql("SELECT ip_src, SUM(flows) FROM acct GROUP BY 1")})

    def server_dies(self, rng):
        self.server.stop(rng.choice((signal.SIGTERM, signal.SIGKILL)))
        time.sleep(rng.uniform(0, 1))
        self.server.start()

    def server_hangs(self):
        os.kill(self.server.process.pid, signal.SIGSTOP)

    def server_goes_on(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.server.process.pid, signal.SIGCONT)


class PgsqlWithSpool(Pgsql):
    name, spools = "pgsql, spool", True

    def config(self):
        folder = self.test.dir / "spool"
        folder.mkdir(exist_ok=True)
        return super().config() + f"plugin_spool_dir: {folder}\n"


class KafkaMock(Backend):
    """librdkafka's cluster of mocks, whose faults come at once."""

    name = "kafka"

    def __init__(self, test, on_small_disk=False):
        if on_small_disk:
            raise Skip("its broker's disk is not this project's")
        super().__init__(test)
        self.cluster = kafka_cluster.Mock(test)
        self.cluster.topic("acct", 4)
        self.brokers = self.cluster.brokers

    def config(self):
        properties = self.test.write("kafka.conf", "topic, message.timeout.ms, 4000\nglobal, reconnect.backoff.max.ms, 200\n")
        return f"""plugins: kafka[out]
kafka_broker_host[out]: {self.brokers}
kafka_topic[out]: acct
kafka_refresh_time[out]: 1
kafka_multi_values[out]: 500
kafka_config_file[out]: {properties}
"""

    def counts(self):
        counts = collections.Counter()
        for row in kafka_cluster.rows(kafka_cluster.distinct(kafka_cluster.consume(self.brokers, "acct"))):
            counts[row["ip_src"]] += row["flows"]
        return counts

    def server_dies(self, rng):
        self.server_hangs()
        time.sleep(rng.uniform(0, 1))
        self.server_goes_on()

    def server_hangs(self):
        self.cluster.command("down -1")

    def server_goes_on(self):
        self.cluster.command("up -1")


class KafkaRegistry(KafkaMock):
    """The same with a schema registry, which goes down with it and comes back."""

    name = "kafka, registry"

    def __init__(self, test, on_small_disk=False):
        super().__init__(test, on_small_disk)
        self.registry = schema_registry.Registry(test)

    def config(self):
        return super().config() + f"kafka_output[out]: avro\nkafka_avro_schema_registry[out]: {self.registry.url}\n"

    def counts(self):
        once = {kafka_cluster.identity(m): m["payload"] for m in kafka_cluster.consume_raw_with_headers(self.brokers, "acct")}
        counts = collections.Counter()
        for payload in once.values():
            number, datum = schema_registry.split(payload)
            for row in AvroReader(json.loads(self.registry.texts[number]), datum).records():
                counts[row["ip_src"]] += row["flows"]
        return counts

    def server_hangs(self):
        super().server_hangs()
        self.registry.stop()

    def server_goes_on(self):
        super().server_goes_on()
        self.registry.start_unless_it_runs()


class KafkaBroker(KafkaMock):
    """Apache Kafka."""

    name = "kafka, Apache"

    def __init__(self, test, on_small_disk=False):
        if on_small_disk:
            raise Skip("its broker's disk is not this project's")
        Backend.__init__(self, test)
        self.broker = kafka_cluster.Broker(test)
        self.brokers = self.broker.brokers

    def server_dies(self, rng):
        self.broker.kill()
        time.sleep(rng.uniform(0, 1))
        self.broker.start()

    def server_hangs(self):
        os.killpg(self.broker.process.pid, signal.SIGSTOP)

    def server_goes_on(self):
        os.killpg(self.broker.process.pid, signal.SIGCONT)


class Amqp(Backend):
    """RabbitMQ. Its queue is durable, as are the messages: what it has confirmed must outlive it."""

    name = "amqp"

    def __init__(self, test, on_small_disk=False):
        if on_small_disk:
            raise Skip("its broker's disk is not this project's")
        super().__init__(test)
        self.broker = rabbit.Rabbit()
        test.cleanups.append(self.broker.close)
        self.queue, self.messages = self.broker.queue("flows", durable=True), []

    def config(self):
        return f"""plugins: amqp[out]
amqp_port[out]: {self.broker.port}
amqp_exchange[out]: flows
amqp_persistent_msg[out]: true
amqp_multi_values[out]: 500
amqp_refresh_time[out]: 1
"""

    def counts(self):
        self.messages += self.broker.get(self.queue)
        counts = collections.Counter()
        for message in rabbit.distinct(self.messages):
            for line in message.body.splitlines():
                row = json.loads(line)
                counts[row["ip_src"]] += row["flows"]
        return counts

    def server_dies(self, rng):
        self.broker.kill()
        time.sleep(rng.uniform(0, 1))
        self.broker.start()

    def server_hangs(self):
        os.killpg(self.broker.process.pid, signal.SIGSTOP)

    def server_goes_on(self):
        os.killpg(self.broker.process.pid, signal.SIGCONT)


class Memory(Backend):
    """A table that lives in its process; it is asked before the daemon ends."""

    name, survives_its_process = "memory", False

    def __init__(self, test, on_small_disk=False):
        if on_small_disk:
            raise Skip("writes to no disk")
        super().__init__(test)
        self.pipe = test.dir / "memory.pipe"

    def config(self):
        return f"plugins: memory[out]\nimt_path[out]: {self.pipe}\n"

    def counts(self):
        program = harness.BUILD / "bin/pmacct"
        out = subprocess.run([program, "-s", "-p", self.pipe, "-O", "csv"], capture_output=True, text=True, check=True, timeout=60).stdout
        counts = collections.Counter()
        for row in csv.DictReader(out.splitlines()):
            counts[row["SRC_IP"]] += int(row["FLOWS"])
        return counts


class Tee(Backend):
    """A collector that remembers what came. Nobody tells a tee whether it is there, so it cannot hang or die for it."""

    name, flows_a_datagram = "tee", 1
    may_count_at = ("kill -9 of the plugin", "kill -9 of the core", "kill -9 of the plugin while the server hangs", "the plugin gets no memory")

    def __init__(self, test, on_small_disk=False):
        if on_small_disk:
            raise Skip("writes to no disk")
        super().__init__(test)
        self.seen, self.ends = collections.Counter(), threading.Event()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.port = harness.free_port()
        self.socket.bind(("127.0.0.1", self.port))
        self.socket.settimeout(0.2)
        self.lock = threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()
        test.cleanups.append(self.ends.set)

    def listen(self):
        while not self.ends.is_set():
            self.take()
        self.socket.close()

    def take(self):
        """Takes one datagram; false: none came for a while. Its flow's address stands behind the headers of message and set."""
        with self.lock, contextlib.suppress(TimeoutError):
            payload = self.socket.recv(65536)
            if payload[16:18] != b"\0\x02":
                self.seen[".".join(map(str, payload[20:24]))] += 1
            return True
        return False

    def config(self):
        receivers = self.test.write("receivers", f"id=1 ip=127.0.0.1:{self.port}\n")
        return f"plugins: tee[out]\ntee_receivers[out]: {receivers}\n"

    def counts(self):
        while self.take():
            pass
        return self.seen

    def before_kill(self, cell, pid):
        """Much waits, and it dies while it sends that."""
        os.kill(pid, signal.SIGSTOP)
        cell.pause(0.3)
        os.kill(pid, signal.SIGCONT)
        time.sleep(cell.rng.uniform(0, 0.0005))

    def server_dies(self, rng):
        raise Skip("nobody answers a tee")

    def server_hangs(self):
        raise Skip("nobody answers a tee")


BACKENDS = {backend.name: backend for backend in (Print, Sqlite, Pgsql, Mysql, PgsqlWithSpool, KafkaMock, KafkaRegistry, KafkaBroker, Amqp, Tee, Memory)}
