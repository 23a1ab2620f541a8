#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves what a service manager is told: that the daemon is ready, reloads and stops, and that it is alive only while each of its
threads moves - but not while it merely waits for a disk."""
import os
import resource
import signal
import socket
import sys
import threading
import time

from harness import free_port, main, wait_for
from frozen import Frozen
import exports

PRINT = "plugins: print[a]\naggregate: src_host\nprint_output: json\nprint_refresh_time: 1\n"
WATCHED = {"WATCHDOG_USEC": "60000000"}


class Manager:
    """The manager's end of NOTIFY_SOCKET."""

    def __init__(self, test, name=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.name = name or str(test.dir / "notify")
        self.socket.bind(self.name.replace("@", "\0", 1))
        self.seen, self.unread = [], []
        test.cleanups.append(self.socket.close)

    def environment(self, **more):
        return {**os.environ, "NOTIFY_SOCKET": self.name, **more}

    def read(self):
        while True:
            try:
                self.unread.append(self.socket.recv(4096, socket.MSG_DONTWAIT).decode())
            except BlockingIOError:
                return

    def wait(self, line, seconds=30):
        """Waits for the next message that has the line; all before it count as read."""
        def is_there():
            self.read()
            while self.unread:
                self.seen.append(self.unread.pop(0))
                if line in self.seen[-1].splitlines():
                    return True
            return False
        wait_for(is_there, lambda: f"{line} after {self.seen}", seconds)
        return self.seen[-1]

    def is_silent(self, seconds):
        """True if it hears no sign of life for so long."""
        self.read()
        self.unread = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.05)
            self.read()
            if "WATCHDOG=1" in self.unread:
                return False
        return True


def test_daemonize_does_not_take_the_daemon_away_from_its_manager(test):
    manager = Manager(test)
    daemon = test.nfacctd(PRINT + f"daemonize: true\nlogfile: {test.dir}/log\npidfile: {test.dir}/pid\n", ready=False, env=manager.environment())
    manager.wait("READY=1")
    assert daemon.popen.poll() is None and int((test.dir / "pid").read_text()) == daemon.popen.pid, daemon.output()
    assert daemon.stop() == 0, daemon.output()


def test_the_manager_is_told_of_start_reload_and_end(test):
    manager = Manager(test)
    daemon = test.nfacctd(PRINT + f"nfacctd_allow_file: {test.write('allow', '127.0.0.0/8')}\n", env=manager.environment(**WATCHED))
    assert "STATUS=waiting for NetFlow/IPFIX data on " in manager.wait("READY=1"), manager.seen
    for _ in range(3):
        manager.wait("WATCHDOG=1")
    daemon.signal(signal.SIGUSR2)
    reloading = manager.wait("RELOADING=1")
    assert "MONOTONIC_USEC=" in reloading, reloading
    manager.wait("READY=1")
    daemon.signal(signal.SIGTERM)
    manager.wait("STOPPING=1")
    assert daemon.wait() == 0, daemon.output()
    manager.read()
    assert not [text for text in manager.unread if "READY=1" in text], manager.unread


def test_the_socket_may_be_abstract_and_nobody_may_want_signs_of_life(test):
    manager = Manager(test, f"@pathacct-test-{os.getpid()}")
    daemon = test.nfacctd(PRINT, env=manager.environment())
    manager.wait("READY=1")
    assert manager.is_silent(2.5)
    other = Manager(test)
    second = test.nfacctd(PRINT, name="other", env=other.environment(WATCHDOG_PID="1", **WATCHED))
    other.wait("READY=1")
    assert other.is_silent(2.5), "it is another process that the manager watches"
    for process in daemon, second:
        assert process.stop() == 0


def test_a_thread_that_stands_still_silences_it(test):
    manager = Manager(test)
    daemon = test.nfacctd(PRINT + "nfacctd_workers: 2\nbgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\n"
                          f"bgp_daemon_port: {free_port(socket.SOCK_STREAM)}\n", env=manager.environment(**WATCHED))
    for name in "worker 1", "bgp":
        manager.wait("WATCHDOG=1")
        with Frozen(daemon.pid, name):
            wait_for(lambda: manager.is_silent(3), "silence")
            if name != "bgp":
                daemon.wait_log(f"ERROR ( default/nfacctd ): {name} has not moved for 10 s")
        manager.wait("WATCHDOG=1")
    daemon.wait_log("worker 1 moves again, after ")
    assert daemon.stop() == 0, daemon.output()


def test_a_disk_that_does_not_answer_does_not(test):
    """Maps out of a pipe that nobody writes stand for it. Meanwhile everything else goes on."""
    def write(text):
        with open(test.dir / "allow", "w") as pipe:
            pipe.write(text)

    manager = Manager(test)
    os.mkfifo(test.dir / "allow")
    threading.Thread(target=write, args=("127.0.0.1\n",), daemon=True).start()
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/out.json\nnfacctd_allow_file: {test.dir}/allow\n"
                          "print_output_file_append: true\n", env=manager.environment(**WATCHED))
    daemon.signal(signal.SIGUSR2)
    manager.wait("RELOADING=1")
    for _ in range(7):
        manager.wait("WATCHDOG=1")
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9")]))
    wait_for(lambda: (test.dir / "out.json").exists() and (test.dir / "out.json").stat().st_size > 0, "rows")
    assert "maps: read anew" not in daemon.output()
    write("127.0.0.1\n")
    manager.wait("READY=1")
    daemon.wait_log("maps: read anew")
    assert daemon.stop() == 0, daemon.output()


def test_the_soft_limit_of_descriptors_is_raised(test):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    daemon = test.nfacctd(PRINT, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard)))
    soft = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)[0]
    assert soft == min(hard, 1 << 20) if hard != resource.RLIM_INFINITY else soft == 1 << 20, (soft, hard)
    assert daemon.stop() == 0, daemon.output()


if __name__ == "__main__":
    sys.exit(main(globals()))
