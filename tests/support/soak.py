# SPDX-License-Identifier: GPL-2.0-or-later
"""A soak: mixed load while everything happens that happens in months. Exporters of all versions come, restart and go, routers flap,
maps and logs are read anew, plugins are killed, strangers send nonsense. At every rest nothing may have grown: neither memory nor
descriptors; and at the end each flow must be in every output once.

`scripts/soak HOURS` runs it for long, tests/integration/test_soak.py for a minute."""
import contextlib
import csv
import os
import pathlib
import random
import signal
import socket
import sqlite3
import time

from harness import BUILD, free_port, wait_for
from bgp_speaker import (KEEPALIVE, Speaker, add_path_send, attributes, four_octet_as, message, multiprotocol, prefix, update)
import exports

UNITS = ("flows", "packets", "bytes")
EXPORTERS = [f"127.0.8.{n}" for n in range(1, 41)]
ROUTERS = EXPORTERS[:4]  # those that have a BGP session too
STRANGER = "127.0.9.1"
ROUTES = 50
QUEUED_MAX = 60000  # bytes in the sockets of the daemon; more might be lost there
LEEWAY = 24 << 20  # bytes of memory that a rest may have more than the first one, beside a tenth
EVENTS = {"routes_change": "changes of routes", "nonsense": "datagrams of a stranger", "restart": "restarts of exporters",
          "reload": "reloads of maps", "flap": "ends of BGP sessions", "kill": "kill -9 of plugins", "rotate": "new logs"}
FIELDS_V4 = [(8, 4), (12, 4), (4, 1), (10, 4), (18, 4), (22, 4), (21, 4), (1, 4), (2, 4)]


def proc(pid, name):
    return pathlib.Path(f"/proc/{pid}/{name}").read_text(errors="replace")


def resident(pid):
    return next(int(line.split()[1]) << 10 for line in proc(pid, "status").splitlines() if line.startswith("VmRSS"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def queued(port):
    """Bytes that wait in UDP sockets of that port, and datagrams that they lost."""
    wait, lost = 0, 0
    for line in proc("self", "net/udp").splitlines()[1:]:
        words = line.split()
        if int(words[1].split(":")[1], 16) == port:
            wait += int(words[4].split(":")[1], 16)
            lost += int(words[12])
    return wait, lost


class Exporter:
    """Sends IPFIX, NetFlow v9 or v5, as its address says. A restart begins with another template and another sequence."""

    def __init__(self, soak, address):
        self.soak, self.address, self.kind = soak, address, int(address.split(".")[3]) % 3
        self.restart()

    def restart(self):
        self.sequence, self.template_id, self.domain = 0, self.soak.random.randrange(256, 264), self.soak.random.randrange(1, 4)
        template = exports.template(self.template_id, FIELDS_V4)
        if self.kind == 0:
            self.soak.send(self.address, exports.ipfix([exports.ipfix_set(2, template)], 0, self.domain))
        elif self.kind == 1:
            self.soak.send(self.address, exports.netflow9([exports.ipfix_set(0, template)], 1, 0, self.domain))

    def send(self, count=15):
        numbers, now = self.soak.random, 3600000
        flows = [(f"10.{numbers.randrange(4)}.0.{numbers.randrange(250)}", f"192.0.{numbers.randrange(ROUTES)}.{numbers.randrange(250)}",
                  numbers.choice((6, 17)), numbers.randrange(1, 5), numbers.randrange(64, 100000)) for _ in range(count)]
        if self.kind == 2:
            body = exports.netflow5([{"src": src, "dst": dst, "proto": proto, "packets": packets, "bytes": octets}
                                     for src, dst, proto, packets, octets in flows], self.sequence)
        else:
            records = b"".join(exports.record(FIELDS_V4, [src, dst, proto, 1, "10.0.0.1", now - 1000, now, octets, packets])
                               for src, dst, proto, packets, octets in flows)
            data = exports.ipfix_set(self.template_id, records)
            body = exports.ipfix([data], self.sequence, self.domain) if self.kind == 0 else exports.netflow9([data], count, self.sequence, self.domain)
        self.sequence += 1 if self.kind == 1 else count
        self.soak.sent.update(flows=self.soak.sent["flows"] + count, packets=self.soak.sent["packets"] + sum(f[3] for f in flows),
                              bytes=self.soak.sent["bytes"] + sum(f[4] for f in flows))
        self.soak.send(self.address, body)


class Soak:
    """The daemon, those who send to it, and what they have sent. `tell` gets a line now and then."""

    def __init__(self, test, seed, tell=lambda line: None):
        self.test, self.tell, self.random = test, tell, random.Random(seed)
        self.sent, self.datagrams, self.rests, self.events = dict.fromkeys(UNITS, 0), 0, [], {}
        self.is_sanitized = "SANITIZE:STRING=address" in (BUILD / "CMakeCache.txt").read_text() or \
            "SANITIZE:STRING=thread" in (BUILD / "CMakeCache.txt").read_text()
        self.bgp_port = free_port(socket.SOCK_STREAM)
        self.map = test.write("sampling.map", "id=1 ip=127.0.8.200\n")
        self.daemon = test.nfacctd(f"""
plugins: print[file], sqlite3[table]
aggregate: peer_src_ip, proto, as_path, flows
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {self.bgp_port}
nfacctd_as: bgp
nfacctd_net: bgp
nfacctd_workers: 2
sampling_map: {self.map}
maps_refresh: true
logfile: {test.dir}/daemon.log
print_output[file]: csv
print_output_file[file]: {test.dir}/out.csv
print_output_file_append[file]: true
print_refresh_time[file]: 2
aggregate[file]: peer_src_ip, proto, flows
sql_db[table]: {test.dir}/out.db
sql_table[table]: acct
sql_table_create[table]: true
sql_refresh_time[table]: 2
""", ready=False)
        wait_for(lambda: "waiting for NetFlow/IPFIX data on" in self.log(), self.log)
        self.routers = {}
        for address in ROUTERS:
            self.connect(address)
        self.exporters = [Exporter(self, address) for address in EXPORTERS]

    def log(self):
        with contextlib.suppress(FileNotFoundError):
            return (self.test.dir / "daemon.log").read_text(errors="replace") + self.daemon.output()
        return self.daemon.output()

    def send(self, source, datagram):
        while queued(self.test.port)[0] > QUEUED_MAX:
            time.sleep(0.01)
        self.test.send(datagram, source=source)
        self.datagrams += 1

    def hosts(self):
        """The plugin processes by instance."""
        found = {}
        for pid in proc(self.daemon.pid, f"task/{self.daemon.pid}/children").split():
            with contextlib.suppress(OSError):
                words = proc(pid, "cmdline")
                for name in ("file", "table"):
                    if f"[{name}]" in words:
                        found[name] = int(pid)
        return found

    # What happens.

    def connect(self, address):
        speaker = Speaker(self.test, self.bgp_port, address=address, capabilities=multiprotocol(1, 1) + four_octet_as(65000) +
                          add_path_send((1, 1))).establish()
        self.test.cleanups.pop()  # of its socket, which flap() closes
        self.routers[address] = speaker
        speaker.send(*(update(attributes(path=(65001, 100 + i)), prefix(f"192.0.{i}.0/24", 1)) for i in range(ROUTES)))

    def flap(self):
        address = self.random.choice(ROUTERS)
        old = self.routers.pop(address)
        if self.random.random() < 0.5:
            old.send(message(3, b"\6\4"))  # NOTIFICATION: Cease, administrative reset
        old.socket.close()
        self.connect(address)

    def routes_change(self):
        speaker = self.routers[self.random.choice(ROUTERS)]
        i = self.random.randrange(ROUTES)
        speaker.send(update(withdrawn=prefix(f"192.0.{i}.0/24", 1)),
                     update(attributes(path=(65001, self.random.randrange(1, 6), 100 + i)), prefix(f"192.0.{i}.0/24", 1)), message(KEEPALIVE))

    def restart(self):
        self.random.choice(self.exporters).restart()

    def reload(self):
        self.map.write_text("".join(f"id={self.random.randrange(1, 100)} ip=127.0.8.{200 + n}\n" for n in range(self.random.randrange(1, 9))))
        self.daemon.signal(signal.SIGUSR2)

    def rotate(self):
        with contextlib.suppress(FileNotFoundError):
            (self.test.dir / "daemon.log").rename(self.test.dir / "daemon.log.old")
        self.daemon.signal(signal.SIGHUP)

    def kill(self):
        hosts = self.hosts()
        if hosts:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(sorted(hosts.values())), signal.SIGKILL)

    def nonsense(self):
        head = self.random.choice((b"\0\5", b"\0\t", b"\0\n", b""))
        self.send(STRANGER, head + self.random.randbytes(self.random.randrange(200)))

    # The whole.

    def work(self, seconds):
        """Load and events for so long. Kills and flaps are rare beside the rest."""
        often = [(self.routes_change, 0.2), (self.nonsense, 0.2), (self.restart, 0.05), (self.reload, 0.03), (self.flap, 0.03), (self.kill, 0.02),
                 (self.rotate, 0.01)]
        until = time.monotonic() + seconds
        keepalive = 0
        while time.monotonic() < until:
            for _ in range(8):
                self.random.choice(self.exporters).send()
            for event, chance in often:
                if self.random.random() < chance:
                    event()
                    self.events[event.__name__] = self.events.get(event.__name__, 0) + 1
            if time.monotonic() > keepalive:
                keepalive = time.monotonic() + 10
                self.keep_sessions()
            time.sleep(0.02)

    def keep_sessions(self):
        for speaker in self.routers.values():
            speaker.send(message(KEEPALIVE))
            speaker.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while speaker.socket.recv(65536):
                    pass
            speaker.socket.settimeout(15)

    def is_at_rest(self, stats):
        return (stats["datagrams"]["read"] == self.datagrams and len(self.hosts()) == 2 and
                all(i["decoded"]["flows"] == i["written"]["flows"] == self.sent["flows"] for i in stats["instances"]) and
                sum(p["is_established"] for p in stats["bgp"]["peers"]) == len(ROUTERS))

    def rest(self):
        """Waits until all that was sent is written, and notes what the processes hold then."""
        self.keep_sessions()
        stats = self.test.wait_now(self.daemon, self.is_at_rest, f"all of {self.sent}, {self.datagrams} datagrams, written", seconds=90)
        assert queued(self.test.port)[1] == 0 and stats["datagrams"]["overflow"] == 0, stats["datagrams"]
        now = {"core": (descriptors(self.daemon.pid), resident(self.daemon.pid)),
               **{name: (descriptors(pid), resident(pid)) for name, pid in self.hosts().items()}}
        self.rests.append(now)
        self.tell(f"{self.sent['flows']} flows, " + ", ".join(f"{name} {fds} descriptors {memory >> 10} kB" for name, (fds, memory) in now.items()))
        for name, (fds, memory) in now.items():
            first_fds, first_memory = self.rests[0][name]
            assert fds <= first_fds, f"{name}: {fds} descriptors, {first_fds} at the first rest"
            # A sanitizer keeps what was freed.
            assert self.is_sanitized or memory < first_memory * 1.1 + LEEWAY, f"{name}: {memory} bytes, {first_memory} at the first rest"

    def run(self, seconds, rests):
        """Works for so long, in as many parts as there are rests; ends the daemon and checks what it wrote."""
        for _ in range(rests):
            self.work(seconds / rests)
            self.rest()
        assert self.daemon.stop(90) == 0, self.log()[-5000:]
        with open(self.test.dir / "out.csv", newline="") as lines:
            rows = list(csv.DictReader(lines))
        written = {unit: sum(int(row[unit.upper()]) for row in rows) for unit in UNITS}
        assert written == self.sent, (written, self.sent)
        with contextlib.closing(sqlite3.connect(self.test.dir / "out.db")) as database:
            found = dict(zip(UNITS, database.execute("SELECT sum(flows), sum(packets), sum(bytes) FROM acct").fetchone()))
        assert found == self.sent, (found, self.sent)
        return self.test.stats()
