# SPDX-License-Identifier: GPL-2.0-or-later
"""One cell of the fault matrix: flows arrive at a daemon that writes to a backend, a fault strikes, and in the end each flow is
looked for. Every flow has a source address of its own, so that a flow that is missing and one that came twice cannot hide each
other."""
import collections
import contextlib
import os
import pathlib
import random
import threading
import time

import harness
from harness import SANITIZER, Skip, Test, wait_for
import exports
from backends import BACKENDS
from faults import FAULTS

FLOWS_AT_ONCE, TIMES_A_SECOND = 10, 100
FIELDS = [(8, 4), (12, 4), (1, 8), (2, 8)]
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
Result = collections.namedtuple("Result", "backend fault promise kills sent missing excused doubled counted skipped failure seconds")


class Sender(threading.Thread):
    """Sends flows until it is told to end; each has the next number as its address."""

    def __init__(self, test, backend):
        super().__init__()
        self.test, self.backend, self.sent = test, backend, 0
        self.ends, self.waits, self.idle, self.lock = threading.Event(), threading.Event(), threading.Event(), threading.Lock()
        self.stream = exports.Ipfix(fields=FIELDS)

    def run(self):
        count = 0
        while not self.ends.is_set():
            if self.waits.is_set():
                self.idle.set()
                self.ends.wait(0.01)
                count = 0
                continue
            self.idle.clear()
            if count % 20 == 0 and self.backend.flows_a_datagram > 1:  # otherwise it would be one of what is counted
                self.test.send(self.stream.announce())
            rows = [[f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", "192.0.2.1", 100, 1]
                    for n in range(self.sent, self.sent + FLOWS_AT_ONCE)]
            self.test.send(*self.backend.payloads(self.stream, rows))
            self.sent += FLOWS_AT_ONCE
            count += 1
            self.ends.wait(1 / TIMES_A_SECOND)
        self.idle.set()


class Cell:
    def __init__(self, backend, fault, seed, kills=1):
        self.backend_class, self.fault, self.kills = BACKENDS[backend], FAULTS[fault], kills
        self.rng = random.Random(f"{seed} {backend} {fault}")
        self.test = Test("fault")
        self.config, self.daemon, self.sanitizer = None, None, "san" in str(harness.BUILD) or "dev" in harness.BUILD.name
        self.lives = 0          # daemons so far
        self.sent_before = 0    # flows that were sent before this daemon's life
        self.excused = 0        # flows that may be missing
        self.counted = 0        # flows that ledgers of daemons that ended count as dropped

    def run(self):
        """Returns the Result. What was started has ended."""
        started, sender, skipped, failure, missing, doubled = time.monotonic(), None, "", "", 0, 0
        try:
            self.prepare()
            sender = self.sender = Sender(self.test, self.backend)
            sender.start()
            self.pause(0.7)
            self.fault(self)
            self.pause(0.7)
            sender.ends.set()
            sender.join()
            missing, doubled = self.settle()
            for process in self.test.processes:
                assert not SANITIZER.search(process.output()), f"a sanitizer speaks: {process.output()[-3000:]}"
        except Skip as reason:
            skipped = str(reason)
        except Exception as error:  # a cell that cannot go on is a failure, and the others run
            failure = f"{type(error).__name__}: {str(error)[:1500]}\n" + "\n".join(
                f"--- {p.log.name}, status {p.popen.poll()}\n" + "\n".join([l for l in p.output().splitlines() if " NOTICE " not in l or " datagrams, " not in l and " on their way" not in l][-25:]) for p in self.test.processes)
        finally:
            if sender:
                sender.ends.set()
                sender.join()
            with contextlib.suppress(Exception):
                self.backend.server_goes_on()
            self.test.close()
        lost = missing - min(missing, self.excused) - self.counted
        if not failure and not skipped and (lost > 0 or doubled or (self.counted and self.fault.promise == "exact" and not self.may_count())):
            failure = f"of {sender.sent} flows {missing} are missing, {self.excused} may be, {self.counted} are counted; {doubled} came again"
        kills = 0 if skipped or not self.fault.kills else self.kills
        return Result(self.backend_class.name, self.fault.fault_name, self.fault.promise, kills, sender.sent if sender else 0, missing,
                      min(missing, self.excused), doubled, self.counted, skipped, failure, time.monotonic() - started)

    def may_count(self):
        return self.fault.fault_name in self.backend_class.may_count_at

    def prepare(self):
        if self.fault.clock:
            if self.sanitizer:
                raise Skip("libfaketime and a sanitizer want the same functions")
            if not pathlib.Path(FAKETIME).exists():
                raise Skip("libfaketime (package faketime) is not installed")
            self.set_clock("+0")
        self.backend = self.backend_class(self.test, on_small_disk=self.fault.small_disk)
        self.config = self.backend.config() + f"""aggregate[out]: src_host, flows
nfacctd_ip: 127.0.0.1
nfacctd_port: {harness.free_port()}
nfacctd_pipe_size: 20000000
stats_file: {self.test.dir}/nfacctd.stats
shutdown_timeout: 60
"""
        self.start_daemon()

    def start_daemon(self):
        """A daemon of the same configuration; its predecessor has ended."""
        self.sent_before = self.sender.sent if self.lives else 0
        self.lives += 1
        env = dict(os.environ)
        if self.fault.clock:
            env.update(LD_PRELOAD=f"{harness.need_built('tests/stepped_waits.so')}:{FAKETIME}", FAKETIME_TIMESTAMP_FILE=str(self.test.dir / "clock"), FAKETIME_NO_CACHE="1",
                       FAKETIME_DONT_FAKE_MONOTONIC="1")
        self.daemon = self.test.nfacctd(self.config, name=f"nfacctd{self.lives}", env=env)

    def set_clock(self, offset):
        (self.test.dir / "clock.new").write_text(offset + "\n")
        (self.test.dir / "clock.new").rename(self.test.dir / "clock")

    def pause(self, seconds):
        time.sleep(seconds)

    @contextlib.contextmanager
    def sender_waits(self):
        self.sender.waits.set()
        wait_for(self.sender.idle.is_set, "a sender at rest")
        try:
            yield
        finally:
            self.sender.idle.clear()
            self.sender.waits.clear()

    def host_pid(self):
        """The plugin process, or None while there is none."""
        with contextlib.suppress(OSError):
            for pid in self.children(self.daemon.pid):
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
                if "pathacct-host" in words:
                    return pid
        return None

    @staticmethod
    def children(pid):
        """Processes below a process, by whatever is between them."""
        found = []
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found.append(int(child))
            with contextlib.suppress(OSError):
                found += Cell.children(child)
        return found

    def ledger(self):
        return self.test.now(self.daemon)

    def core_is_killed(self, held):
        """Kills the core, which had `held` flows out of its hands. Its plugin goes on until it has delivered; the next daemon's
        plugin waits for that."""
        self.daemon.popen.kill()
        self.daemon.wait(20)
        self.excused += max(0, self.sender.sent - self.sent_before - held)

    def daemon_ends(self):
        status = self.daemon.stop(90)
        assert status == 0, f"status {status} after SIGTERM"
        self.count_drops(self.test.stats())

    def count_drops(self, stats):
        instance = stats["instances"][0]
        assert all(residual == 0 for residual in instance["residual"].values()) and stats["datagrams"]["residual"] == 0, stats
        self.counted += sum(drop["flows"] for drop in instance["drops"].values())
        self.counted += stats["datagrams"]["overflow"] * self.backend.flows_a_datagram

    def settle(self):
        """Waits until all that was sent to this daemon is written; returns how many flows are missing and how many came again."""
        mine = self.sender.sent - self.sent_before

        def is_done(stats):
            time.sleep(0.2)  # each look is a file and two lines of the log
            instance = stats["instances"][0]
            dropped = sum(drop["flows"] for drop in instance["drops"].values()) + stats["datagrams"]["overflow"] * self.backend.flows_a_datagram
            return instance["written"]["flows"] + dropped >= mine
        self.test.wait_now(self.daemon, is_done, f"{mine} flows that are written or counted", seconds=90)
        counts = None if self.backend.survives_its_process else self.backend.counts()
        status = self.daemon.stop(90)
        self.count_drops(self.test.stats())
        assert status == 0 or self.counted, f"status {status} at the end"
        if counts is None:
            counts = self.backend.counts()
        expected = {f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(self.sender.sent)}
        assert not counts.keys() - expected, f"rows that nobody sent: {sorted(counts.keys() - expected)[:5]}"
        return len(expected - counts.keys()), sum(count - 1 for count in counts.values() if count > 1)
