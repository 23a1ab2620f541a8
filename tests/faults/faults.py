# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong while flows arrive: one function a fault. It gets the cell (tests/faults/cell.py), does its worst, and mends
what only an operator could mend; the plugin and the daemon must do the rest.

A fault's promise is in its row: `exact` means each flow that was sent is there once. `epoch` means that of what was sent before a
kill of the core only the epoch that was still open may be missing: nothing in the world can write what only its memory held."""
import contextlib
import os
import signal
import subprocess

from harness import Skip, need, wait_for

FAULTS = {}


def fault(name, promise="exact", small_disk=False, clock=False, kills=0):
    def register(function):
        FAULTS[name] = function
        function.fault_name, function.promise, function.small_disk, function.clock, function.kills = name, promise, small_disk, clock, kills
        return function
    return register


@fault("none")
def nothing(cell):
    cell.pause(1)


@fault("kill -9 of the plugin", kills=1)
def kill_host(cell):
    if not cell.backend.survives_its_process:
        raise Skip("the table lives in the process")
    for _ in range(cell.kills):
        cell.pause(cell.rng.uniform(0, 0.6))
        pid = cell.host_pid()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                cell.backend.before_kill(cell, pid)
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: cell.host_pid() not in (None, pid), "a plugin process in place of the one that was killed", 60)


@fault("kill -9 of the core", promise="epoch", kills=1)
def kill_core(cell):
    if not cell.backend.survives_its_process:
        raise Skip("the table lives in the process")
    for _ in range(cell.kills):
        cell.pause(cell.rng.uniform(0.2, 0.8))
        with cell.sender_waits():
            stats = cell.ledger()
            held = sum(stats["instances"][0][part]["flows"] for part in ("written", "handed_over", "spooled"))
            cell.core_is_killed(held)
            cell.start_daemon()


@fault("kill -9 of the server", kills=1)
def kill_server(cell):
    for _ in range(cell.kills):
        cell.pause(cell.rng.uniform(0, 0.8))
        cell.backend.server_dies(cell.rng)


@fault("SIGSTOP of the plugin")
def stop_host(cell):
    pid = cell.host_pid()
    os.kill(pid, signal.SIGSTOP)
    cell.pause(2)
    os.kill(pid, signal.SIGCONT)


@fault("the server hangs")
def hang_server(cell):
    cell.backend.server_hangs()
    try:
        cell.pause(3)
    finally:
        cell.backend.server_goes_on()


@fault("the disk is full", small_disk=True)
def fill_disk(cell):
    cell.backend.disk_fills()
    try:
        cell.pause(3)
    finally:
        cell.backend.disk_has_room()


def limit(cell, pid, resource, value):
    """Sets the soft limit of a process, and takes it back after two seconds if that process is still there."""
    program = need("prlimit")
    subprocess.run([program, "--pid", str(pid), f"--{resource}={value}:"], check=True)
    cell.pause(2)
    subprocess.run([program, "--pid", str(pid), f"--{resource}=unlimited:" if resource == "as" else f"--{resource}=1024:"],
                   check=False, capture_output=True)


@fault("the plugin gets no memory")
def no_memory(cell):
    if cell.sanitizer:
        raise Skip("a sanitizer maps terabytes")
    if not cell.backend.survives_its_process:
        raise Skip("the table lives in the process")
    pid = cell.host_pid()
    pages = int(open(f"/proc/{pid}/statm", encoding="ascii").read().split()[0])
    limit(cell, pid, "as", pages * 4096 + (64 << 10))


@fault("the plugin gets no descriptors")
def no_descriptors(cell):
    pid = cell.host_pid()
    limit(cell, pid, "nofile", max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1)


@fault("the core gets no descriptors")
def no_core_descriptors(cell):
    pid = cell.daemon.pid
    limit(cell, pid, "nofile", max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1)


@fault("the clock steps an hour ahead", clock=True)
def clock_ahead(cell):
    cell.set_clock("+3600")
    cell.pause(2)


@fault("the clock steps an hour back", clock=True)
def clock_back(cell):
    cell.set_clock("-3600")
    cell.pause(2)


@fault("SIGTERM under load")
def terminate(cell):
    if not cell.backend.survives_its_process:
        raise Skip("the table lives in the process")
    with cell.sender_waits():
        cell.daemon_ends()
        cell.start_daemon()


@fault("reloads under load")
def reload(cell):
    for _ in range(8):
        for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGUSR1):
            cell.daemon.signal(number)
            cell.pause(0.1)


@fault("kill -9 of the plugin while the server hangs", kills=1)
def kill_host_of_hung_server(cell):
    if not cell.backend.survives_its_process:
        raise Skip("the table lives in the process")
    cell.backend.server_hangs()
    try:
        cell.pause(1)
        pid = cell.host_pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
        cell.pause(2)
    finally:
        cell.backend.server_goes_on()


