# SPDX-License-Identifier: GPL-2.0-or-later
"""Daemons under measurement: CPU time of a daemon and of everything that it starts, and the peak of their memory.

This process is a subreaper: what a daemon leaves behind becomes its child, is waited for, and is counted. Helpers (generators,
feeders, database servers) are started with helper(), so that their time is never taken for the daemon's.
"""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

_helpers = set()


def _parents():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                found[int(name)] = int(pathlib.Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return found


def descendants(root, leave_out=()):
    """Returns `root` and all processes below it that live."""
    parents, found, waiting = _parents(), [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += [p for p, parent in parents.items() if parent == pid and p not in leave_out]
    return found


def cpu_seconds(pid):
    """CPU seconds of a living process, its finished threads included; 0 when it is gone."""
    with contextlib.suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3) of another process
    return 0.0


def memory_bytes(pid, kind="Pss"):
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(kind + ":"):
                return int(line.split()[1]) * 1024
    return 0


def leave_out(pid):
    """A process that works for the benchmark, started elsewhere: its time is not the daemon's."""
    _helpers.add(pid)


@contextlib.contextmanager
def helper(args, log=None, **kwargs):
    """A process that works for the benchmark; ended (SIGTERM, then SIGKILL) when the block is left."""
    out = open(log, "w") if log else subprocess.DEVNULL
    popen = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **kwargs)
    _helpers.add(popen.pid)
    try:
        yield popen
    finally:
        if popen.poll() is None:
            popen.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                popen.wait(20)
            popen.kill()
        popen.wait()
        _helpers.discard(popen.pid)
        if log:
            out.close()


class Failed(RuntimeError):
    """A run that cannot be measured; the text says why."""


class Daemon:
    """One daemon from start to end. After finish(): cpu_s (user and system time of all its processes) and wall_s."""

    def __init__(self, args, folder, name="daemon", watch_memory=False, any_status=False):
        self.any_status = any_status  # pmacct ends with 1 when its plugin is faster at ending than its core
        self.log_path = pathlib.Path(folder) / f"{name}.log"
        self.peak_bytes, self.cpu_s, self._is_watching = 0, None, watch_memory
        self.started = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        self.pid = self.popen.pid
        if watch_memory:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()

    def _watch(self):
        while self._is_watching:
            self.peak_bytes = max(self.peak_bytes, self.memory())
            time.sleep(0.05)

    def memory(self, kind="Pss"):
        """Sum over all processes of the daemon, now."""
        return sum(memory_bytes(pid, kind) for pid in self.processes())

    def processes(self):
        """Returns the processes below the daemon, and those that it left to this process."""
        mine = descendants(os.getpid(), _helpers)
        return [pid for pid in mine if pid != os.getpid()]

    def cpu_now(self):
        """CPU seconds so far of the processes that live."""
        return sum(cpu_seconds(pid) for pid in self.processes())

    def is_alive(self):
        return self.popen.returncode is None and os.path.exists(f"/proc/{self.pid}/smaps_rollup")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, words, seconds=120):
        deadline = time.monotonic() + seconds
        while words not in self.log():
            if time.monotonic() > deadline or not self._lives():
                raise Failed(f"no '{words}' in the log:\n{self.log()[-2000:]}")
            time.sleep(0.005)

    def _lives(self):
        try:
            state = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        return state != "Z"

    def wait_idle(self, seconds=0.5, limit=600, share=0.03):
        """Waits until all its processes together used less than `share` of one CPU for so long. Returns the CPU seconds at that time."""
        deadline, since, before = time.monotonic() + limit, time.monotonic(), self.cpu_now()
        while time.monotonic() - since < seconds:
            if time.monotonic() > deadline or not self._lives():
                raise Failed(f"it was not idle in {limit} s, or ended:\n{self.log()[-2000:]}")
            time.sleep(0.05)
            now = self.cpu_now()
            if now - before > share * max(0.05, time.monotonic() - since):
                since, before = time.monotonic(), now
        return self.cpu_now()

    def signal(self, number):
        os.kill(self.pid, number)

    def finish(self, seconds=1200, end=None):
        """Waits for it and all it left behind, after the signal `end` if given."""
        if end:
            self.signal(end)
        deadline = time.monotonic() + seconds
        usage = self._reap(self.pid, deadline)
        self.popen.returncode = usage[0]
        total = usage[1]
        if os.WIFSIGNALED(usage[0]):
            self.kill()
            raise Failed(f"it died of signal {os.WTERMSIG(usage[0])}:\n{self.log()[-2000:]}")
        deadline = min(deadline, time.monotonic() + 120)
        while True:
            orphans = [pid for pid, parent in _parents().items() if parent == os.getpid() and pid not in _helpers]
            if not orphans:
                break
            for pid in orphans:
                total += self._reap(pid, deadline)[1]
        self._is_watching = False
        self.cpu_s, self.wall_s = total, time.monotonic() - self.started
        status = self.popen.returncode
        if not os.WIFEXITED(status) or (os.WEXITSTATUS(status) != 0 and not self.any_status):
            raise Failed(f"wait status {status}:\n{self.log()[-2000:]}")
        return self

    def _reap(self, pid, deadline):
        """Status and CPU seconds of a child, those that it waited for included."""
        while True:
            try:
                found, status, usage = os.wait4(pid, os.WNOHANG)
            except ChildProcessError:
                return 0, 0.0
            if found:
                return status, usage.ru_utime + usage.ru_stime
            if time.monotonic() > deadline:
                self.kill()
                raise Failed(f"it did not end:\n{self.log()[-2000:]}")
            time.sleep(0.005)

    def kill(self):
        """Ends what is left of it; for use after a failure."""
        self._is_watching = False
        for pid in reversed(self.processes()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pid in self.processes():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


@contextlib.contextmanager
def daemon(args, folder, **kwargs):
    """A Daemon that does not outlive the block."""
    d = Daemon(args, folder, **kwargs)
    try:
        yield d
    finally:
        if d.cpu_s is None:
            d.kill()
