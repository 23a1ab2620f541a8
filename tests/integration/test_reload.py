#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that a reload says in one line what it changed, in the log and to the service manager: which maps have other rows, are the same
or wrong, and which keys of the configuration need a restart; and that the manager's line tells whether the daemon is well."""
import re
import signal
import sys

from harness import main, wait_for
from small_service_manager import SmallServiceManager
import exports


def config(test, more=""):
    return f"""
plugins: print[a], print[b]
aggregate: src_host
print_output: json
print_output_file[a]: {test.dir}/a.json
print_output_file[b]: {test.dir}/b.json
print_refresh_time: 1
nfacctd_allow_file: {test.dir}/allow
sampling_map: {test.dir}/sampling.map
{more}
"""


def reloaded(manager, daemon):
    """Asks for a reload as the unit does; the line that tells the manager of it."""
    with manager.lock:
        manager.messages = []
    daemon.signal(signal.SIGUSR2)
    begun = manager.wait_line("RELOADING=1")
    assert any(line.startswith("MONOTONIC_USEC=") and int(line.split("=")[1]) > 0 for line in begun), begun
    told = manager.wait_line("READY=1")
    (status,) = [line[len("STATUS="):] for line in told if line.startswith("STATUS=")]
    return status


def reload(_test, manager, daemon, expected):
    """The manager and the log are told the same."""
    status = reloaded(manager, daemon)
    assert status == expected, (status, expected)
    wait_for(lambda: f": {expected}\n" in daemon.output(), daemon.output)


def test_a_reload_says_what_it_changed(test):
    (test.dir / "allow").write_text("127.0.0.0/8\n")
    (test.dir / "sampling.map").write_text("id=10 ip=192.0.2.1\n")
    manager = SmallServiceManager(test)
    daemon = manager.start(config(test))
    manager.wait_line("READY=1")
    reload(test, manager, daemon, "maps: read anew: 2 the same")
    (test.dir / "allow").write_text("127.0.0.0/8\n192.0.2.0/24\n")
    reload(test, manager, daemon, f"maps: read anew: 1 changed ({test.dir}/allow: 1 entries, now 2), 1 the same")
    (test.dir / "sampling.map").write_text("id=10 ip=192.0.2.1\nid=\n")
    reload(test, manager, daemon, f"maps: the old ones stay in force; strict_config: false leaves out rows that are wrong: 1 wrong "
           f"({test.dir}/sampling.map), 1 the same")
    (test.dir / "sampling.map").write_text("id=20 ip=192.0.2.1\n")
    # What changed in the configuration takes effect only at a restart; values are not shown.
    path = test.dir / f"{daemon.name}.conf"
    text = path.read_text()
    path.write_text(text.replace("print_refresh_time: 1", "print_refresh_time: 5").replace("print_output: json", "") + "print_history[b]: 1m\n")
    reload(test, manager, daemon, f"maps: read anew: 1 changed ({test.dir}/sampling.map: 1 entries, now 1), 1 the same; changed in the "
           "configuration, which needs a restart: print_refresh_time, print_history[b], print_output")
    path.write_text(text + "this is no line\n")
    assert reloaded(manager, daemon).startswith("maps: read anew: 2 the same; the configuration is wrong now: ")
    path.write_text(text)
    reload(test, manager, daemon, "maps: read anew: 2 the same")
    assert daemon.stop() == 0, daemon.output()


def test_a_reload_without_maps_and_a_log_that_is_opened_anew_end_too(test):
    manager = SmallServiceManager(test)
    daemon = manager.start("plugins: print\naggregate: src_host\nprint_output: json\n")
    manager.wait_line("READY=1")
    for number in signal.SIGUSR2, signal.SIGHUP:
        with manager.lock:
            manager.messages = []
        daemon.signal(number)
        manager.wait_line("RELOADING=1")
        manager.wait_line("READY=1")
    daemon.wait_log("maps: none is configured, so none is read anew")
    assert daemon.stop() == 0, daemon.output()


def test_the_managers_line_tells_whether_the_daemon_is_well(test):
    (test.dir / "allow").write_text("127.0.0.0/8\n")
    (test.dir / "sampling.map").write_text("id=10 ip=192.0.2.1\n")
    manager = SmallServiceManager(test)
    (test.dir / "folder").mkdir()
    daemon = manager.start(config(test).replace(f"{test.dir}/b.json", f"{test.dir}/folder/b.json"))
    manager.wait_line("READY=1")
    (test.dir / "folder").rename(test.dir / "moved")
    (test.dir / "folder").write_text("no folder")
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9")]))
    manager.wait_line("STATUS=not well: plugin print[b]: its backend does not take rows")
    (test.dir / "folder").unlink()
    (test.dir / "moved").rename(test.dir / "folder")
    manager.wait_line("STATUS=well: ")
    with manager.lock:
        lines = [line for m in manager.messages for line in m if line.startswith("STATUS=well")]
    assert re.fullmatch(r"STATUS=well: \d+ datagrams a second; waiting for NetFlow/IPFIX data on 127.0.0.1:\d+ with \d+ workers?", lines[0]), lines
    assert daemon.stop() == 0, daemon.output()


if __name__ == "__main__":
    sys.exit(main(globals()))
