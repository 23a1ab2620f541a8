#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each fault that stands tells itself in one line of `pathacct status`, with its place and what to do, and the exit status is 1; one
that has ended is told no more. Faults that end at once (a kill) are those of docs/reliability.md, which leave no line."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys

from harness import BUILD, Skip, free_port, left_out, main, need_built, wait_for
from bgp_speaker import Speaker, attributes, prefix, update
from frozen import Frozen
import exports

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
TABLE = "CREATE TABLE acct (ip_src TEXT, port_dst INT, packets INT {}, bytes INT, PRIMARY KEY (ip_src, port_dst))"


def status(test):
    """The exit status, and the faults that are told."""
    done = subprocess.run([BUILD / "bin/pathacct", "-s", test.socket, "status"], capture_output=True, text=True, timeout=60, check=False)
    assert "Sanitizer" not in done.stderr and done.returncode in (0, 1), done
    faults = [line.removeprefix("FAULT  ") for line in done.stdout.splitlines() if line.startswith("FAULT")]
    assert (done.returncode == 1) == bool(faults), done.stdout
    return faults


def wait_fault(test, *words):
    """The one line that has all the words."""
    def lines():
        return [line for line in status(test) if all(word in line for word in words)]
    found = wait_for(lines, lambda: f"a fault with {words}: {status(test)}", 60)
    assert len(found) == 1, found
    return found[0]


def wait_no_fault(test, *words):
    wait_for(lambda: not any(all(word in line for word in words) for line in status(test)), lambda: f"no fault with {words}: {status(test)}", 60)


def start(test, config, **kwargs):
    test.socket = test.dir / "control.sock"
    return test.nfacctd(f"control_socket: {test.socket}\nnfacctd_workers: 1\n{config}", **kwargs)


def print_out(test):
    return f"plugins: print[out]\naggregate[out]: src_host, dst_port, peer_dst_ip\nprint_output_file[out]: {test.dir}/out\nprint_refresh_time[out]: 1\n"


def send(test, *packets, source="127.0.0.5", **kwargs):
    stream = exports.Ipfix()
    test.send(stream.announce(**kwargs), stream.data([exports.common_flow(f"10.0.0.{n}", "192.0.2.1", "10.0.0.1", packets=count)
                                                      for n, count in enumerate(packets, 1)], **kwargs), source=source)


def small_disk(test):
    """A folder whose disk is full, and what gives it room; None where nothing can be mounted."""
    folder = test.dir / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, check=False).returncode != 0:
        return None
    test.cleanups.append(lambda: subprocess.run(["umount", "-l", folder], check=False))
    (folder / "filler").write_bytes(bytes(64 << 10))
    return folder


def recorders(test, troubles):
    """Instances of the test plugin, each in a trouble of its own, which ends when its file goes."""
    out = ""
    for name, trouble in troubles.items():
        test.write(f"{name}.trouble", trouble)
        out += (f"aggregate[{name}]: src_host\nrecorder_file[{name}]: {test.dir}/{name}.rows\nrecorder_trouble[{name}]: {test.dir}/{name}.trouble\n"
                f"recorder_refresh_time[{name}]: 1\n")
    return out


def test_backends(test):
    """A backend that is away, hangs, kills its process; a database that is locked or refuses a row; disks and spools that are full."""
    plugins = test.dir / "plugins"
    plugins.mkdir()
    has_sqlite = "WITH_SQLITE3" not in left_out()
    for path in [need_built("tests/plugins/recorder.so"), need_built("print"), *([need_built("sqlite3")] if has_sqlite else [])]:
        shutil.copy(path, plugins)
    config = recorders(test, {"down": "fail", "hung": "hang", "dying": "begin", "kept": "begin", "spooling": "fail", "slow": "slow"})
    names = ["recorder[down]", "recorder[hung]", "recorder[dying]", "recorder[kept]", "recorder[spooling]", "recorder[slow]"]
    spool = small_disk(test)
    config += "plugin_timeout[hung]: 2\nplugin_timeout[slow]: 3\n"
    (test.dir / "spool").mkdir()
    config += f"plugin_spool_dir[kept]: {test.dir}/spool\n"
    if spool:
        config += f"plugin_spool_dir[spooling]: {spool}\n"
        (spool / "filler").unlink()
    if has_sqlite:
        names += ["sqlite3[locked]", "sqlite3[refusing]"]
        for name in ("locked", "refusing"):
            with contextlib.closing(sqlite3.connect(test.dir / f"{name}.db")) as db:
                db.execute(TABLE.format("CHECK (packets <> 13)" if name == "refusing" else ""))
            config += f"aggregate[{name}]: src_host, dst_port\nsql_db[{name}]: {test.dir}/{name}.db\nsql_refresh_time[{name}]: 1\n"
        config += "sql_optimize_clauses: true\nsql_table_version: 9\n"
        other = sqlite3.connect(test.dir / "locked.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        test.cleanups.append(other.close)
    start(test, f"plugins: {', '.join(names)}\n{config}", env={**os.environ, "PATHACCT_PLUGIN_DIR": str(plugins)})
    if spool:
        wait_for(lambda: (spool / "spooling").exists(), "the folder of the spool")
        with contextlib.suppress(OSError), open(spool / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)) == 4096:
                pass
    send(test, 7, 13, 22)
    wait_fault(test, "plugin recorder[down]: its backend does not take rows: ", "trying again in")
    wait_fault(test, "plugin recorder[hung]: its backend hangs: ", "look after its server or disk")
    wait_fault(test, "plugin recorder[dying]: in the last two minutes 3 flows were dropped, as they killed the process three times")
    wait_fault(test, "plugin recorder[dying]: its process ", "was killed by signal 6")
    wait_fault(test, "plugin recorder[slow]: its backend is slow: nothing was written for ")
    wait_fault(test, "plugin recorder[kept]: ", f"hand-overs in plugin_spool_dir {test.dir}/spool/kept are kept and not written")
    if has_sqlite:
        wait_fault(test, "plugin sqlite3[locked]: its backend does not take rows: another program holds the lock of the database")
        wait_fault(test, "plugin sqlite3[refusing]: ", "1 flows were dropped, as the backend refused their rows", "make the table fit")
        other.execute("ROLLBACK")
        wait_no_fault(test, "sqlite3[locked]")
    if spool:
        wait_fault(test, f"plugin recorder[spooling]: plugin_spool_dir {spool} takes no more", "give it room")
        (spool / "filler").unlink()
        wait_no_fault(test, "takes no more")


def test_files(test):
    """A full disk under print, maps and lists that are wrong since a reload, statistics that cannot be written."""
    folder, allow, bgp_allow, stats = small_disk(test), test.write("allow", "127.0.0.0/8\n"), test.write("bgp_allow", "127.0.0.0/8\n"), test.dir / "stats"
    stats.mkdir()
    disk = f"print_output_file[out]: {folder}/rows\n" if folder else ""
    daemon = start(test, print_out(test).replace(f"print_output_file[out]: {test.dir}/out\n", disk) +
                   f"nfacctd_allow_file: {allow}\nbgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {free_port(socket.SOCK_STREAM)}\n"
                   f"bgp_daemon_allow_file: {bgp_allow}\nstats_file: {stats}\n")
    send(test, 7)
    if folder:
        wait_fault(test, "plugin print[out]: its backend does not take rows: ", f"{folder}/rows", "No space left on device")
        (folder / "filler").unlink()
        wait_no_fault(test, "print[out]")
    allow.write_text("127.0.0.0/8\nnonsense\n")
    bgp_allow.write_text("nonsense\n")
    daemon.signal(signal.SIGUSR2)
    wait_fault(test, "maps: the old ones stay in force since the last reload; mend this and send SIGUSR2: ", f"{allow}:2")
    wait_fault(test, "BGP: a file of addresses is wrong since the last reload", "SIGUSR2")
    daemon.signal(signal.SIGUSR1)
    wait_fault(test, f"stats_file {stats} could not be written: ", "SIGUSR1")
    allow.write_text("127.0.0.0/8\n")
    bgp_allow.write_text("127.0.0.0/8\n")
    stats.rmdir()
    daemon.signal(signal.SIGUSR2)
    daemon.signal(signal.SIGUSR1)
    for words in ("maps: ", "BGP: a file", "stats_file"):
        wait_no_fault(test, words)


def test_what_arrives(test):
    """Senders that nobody knows, clocks that are wrong, data without a template, routers without a session, a worker that stands
    still and what its socket drops meanwhile."""
    bgp, peers, allow = free_port(socket.SOCK_STREAM), test.write("peers", "127.0.0.21\n127.0.0.22\n"), test.write("allow", "127.0.0.0/28\n")
    daemon = start(test, print_out(test) + f"nfacctd_as: bgp\nnfacctd_net: bgp\nbgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {bgp}\n"
                   f"bgp_daemon_allow_file: {peers}\nnfacctd_pipe_size: 20000\n"
                   f"nfacctd_allow_file: {allow}\n")
    wait_fault(test, "BGP: no session with 127.0.0.21, which the configuration names")
    routers = [Speaker(test, bgp, address=f"127.0.0.{n}").establish() for n in (21, 22)]
    routers[0].send(update(attributes((65001,), "10.0.0.1"), prefix("192.0.2.0/24")))
    wait_no_fault(test, "BGP: ")
    send(test, 7, source="127.0.0.77")
    wait_fault(test, "in the last two minutes 2 datagrams came from sources that nfacctd_allow_file", "does not name")
    send(test, 7, source="127.0.0.5")
    wait_fault(test, "exporter 127.0.0.5: 1 flows in the last two minutes had no table of routes", "bgp_agent_map")
    send(test, 7, source="127.0.0.6", export_time=1_000_000_000)
    wait_fault(test, "exporter 127.0.0.6: the clock is up to ", " s behind", "NTP")
    late = exports.Ipfix()
    test.send(late.data([exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1")]), source="127.0.0.7")
    wait_fault(test, "exporter 127.0.0.7: 1 sets of data wait for their template", "template refresh")
    test.send(late.announce(), source="127.0.0.7")
    wait_no_fault(test, "wait for their template")
    test.send(b"\0\x05nonsense", b"\0\x63" + bytes(50), source="127.0.0.8")
    wait_fault(test, "datagrams are of a version that this daemon does not read")
    with contextlib.closing(socket.socket(socket.AF_INET)) as stranger:
        stranger.bind(("127.0.0.99", 0))
        stranger.connect(("127.0.0.1", bgp))
        wait_fault(test, "1 BGP connections came from addresses that bgp_daemon_allow_file does not name")
    routers[0].socket.close()
    wait_fault(test, "BGP: the session with 127.0.0.21 is down: ", "see to it at that router")
    Speaker(test, bgp, address="127.0.0.21").establish()
    wait_no_fault(test, "session with 127.0.0.21")
    with Frozen(daemon.pid, "worker"):
        for _ in range(400):
            test.send(bytes(1000), source="127.0.0.8")
        wait_fault(test, "worker 0 has not moved for ")
    wait_no_fault(test, "has not moved")
    wait_fault(test, "datagrams found the socket's buffer full", "pipe_size")


def test_silence(test):
    """An hour without a datagram, of which nobody has to wait for: the clock is stepped."""
    if not pathlib.Path(FAKETIME).exists():
        raise Skip("libfaketime (package faketime) is not installed")
    if re.search(r"^SANITIZE:\w+=\w", (BUILD / "CMakeCache.txt").read_text(), re.M):
        raise Skip("libfaketime and a sanitizer want the same functions")
    clock = test.write("clock", "+0\n")
    start(test, print_out(test), env={**os.environ, "LD_PRELOAD": f"{need_built('tests/stepped_waits.so')}:{FAKETIME}", "FAKETIME_TIMESTAMP_FILE": str(clock),
                                      "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    send(test, 7)
    wait_for(lambda: status(test) == [], lambda: f"no fault: {status(test)}", 60)
    clock.with_suffix(".new").write_text("+3600\n")
    clock.with_suffix(".new").rename(clock)
    wait_fault(test, "nothing arrives, for 36", "does a firewall let them?")
    send(test, 7)
    wait_no_fault(test, "nothing arrives")


def test_no_daemon(test):
    daemon = start(test, print_out(test))
    daemon.stop()
    done = subprocess.run([BUILD / "bin/pathacct", "-s", test.socket], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3 and done.stdout == "" and done.stderr.count("\n") == 1 and "no daemon runs" in done.stderr, done


if __name__ == "__main__":
    sys.exit(main(globals()))
