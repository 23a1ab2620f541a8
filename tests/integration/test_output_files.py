#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that the daemon writes by names of an operator: two writers of one file, links, streams, too few descriptors."""
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys

from harness import NFACCTD, free_port, json_lines, main, need_root, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import exports  # noqa: E402

STRANGER = 4321  # a user who is neither root nor the one of the test


def config(file, more="", aggregate="dst_port"):
    return f"""
plugins: print[out]
aggregate[out]: {aggregate}
print_output[out]: json
print_output_file[out]: {file}
print_output_file_append[out]: true
print_refresh_time[out]: 1
{more}
"""


def flows(stream, ports, peer="10.0.0.2"):
    return stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", peer, dport=port) for port in ports])


def ports_of(path):
    return sorted(row["port_dst"] for row in json_lines(path)) if path.exists() else []


def check(test, text):
    done = subprocess.run([NFACCTD, "-f", test.write("check.conf", text), "--check"], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def test_two_daemons_with_one_file_wait_for_each_other(test):
    out = test.dir / "out.json"
    first = test.nfacctd(config(out), name="first")
    first_port, stream = test.port, exports.Ipfix()
    test.send(stream.announce(), flows(stream, [1, 2]), port=first_port)
    wait_for(lambda: ports_of(out) == [1, 2], "rows of the first")
    second = test.nfacctd(config(out), name="second")
    test.send(stream.announce(), flows(stream, [3, 4]))
    second.wait_log("two would spoil it", 30)
    assert f"cannot write {out}: print[out] of nfacctd (process " in second.output(), second.output()
    test.send(flows(stream, [5]), port=first_port)
    wait_for(lambda: ports_of(out) == [1, 2, 5], "what the first writes later")
    assert first.stop() == 0
    wait_for(lambda: ports_of(out) == [1, 2, 3, 4, 5], "rows of the second, which waited")
    assert second.stop() == 0
    for name, count in ("first", 3), ("second", 2):
        assert test.stats(name)["instances"][0]["written"]["flows"] == count, test.stats(name)
    assert ports_of(out) == [1, 2, 3, 4, 5]
    assert sorted(p.name for p in test.dir.iterdir() if "out.json" in p.name) == ["out.json", "out.json.state"]


def test_a_file_of_a_daemon_that_was_killed_is_free(test):
    out = test.dir / "out.json"
    first = test.nfacctd(config(out), name="first")
    stream = exports.Ipfix()
    test.send(stream.announce(), flows(stream, [1]))
    wait_for(lambda: ports_of(out) == [1], "rows of the first")
    first.signal(signal.SIGKILL)
    first.wait()
    second = test.nfacctd(config(out), name="second")
    test.send(stream.announce(), flows(stream, [2]))
    wait_for(lambda: ports_of(out) == [1, 2], "rows of the second")
    assert "two would spoil it" not in second.output(), second.output()
    assert second.stop() == 0


def test_a_process_whose_daemon_was_killed_ends_its_work_first(test):
    """It stands still with the file open. That is no error, and what the second daemon has waits for it."""
    out = test.dir / "out.json"
    first = test.nfacctd(config(out), name="first")
    stream = exports.Ipfix()
    test.send(stream.announce(), flows(stream, [1]))
    wait_for(lambda: ports_of(out) == [1], "rows of the first")
    host = test.now(first, "first")["instances"][0]["process"]["pid"]
    os.kill(host, signal.SIGSTOP)
    test.send(flows(stream, [2]))
    test.wait_now(first, lambda s: s["instances"][0]["handed_over"]["flows"] == 1, "rows that were handed over", "first")
    first.signal(signal.SIGKILL)
    first.wait()
    second = test.nfacctd(config(out), name="second")
    test.send(stream.announce(), flows(stream, [3]))
    second.wait_log(f"{out}: print[out] of nfacctd (process {host}), whose daemon has ended, still writes it; rows wait for its end")
    assert "ERROR" not in second.output() and ports_of(out) == [1], second.output()
    os.kill(host, signal.SIGCONT)
    wait_for(lambda: ports_of(out) == [1, 2, 3], lambda: ports_of(out))
    assert second.stop() == 0


def test_check_refuses_one_file_for_two_instances(test):
    def two(a, b):
        return (f"nfacctd_port: 2100\nplugins: print[a], print[b]\naggregate: dst_port\nprint_output_file_append: true\n"
                f"print_output_file[a]: {a}\nprint_output_file[b]: {b}\n")
    status, text = check(test, two("/tmp/x-%H.json", "/tmp/x-%H.json"))
    assert status == 1, text
    assert "check.conf:6: print_output_file: 'a' and 'b' would both have '/tmp/x-%H.json'; give each its own: " in text, text
    (test.dir / "real").touch()
    (test.dir / "link").symlink_to("real")
    status, text = check(test, two(test.dir / "real", test.dir / "link"))
    assert status == 1 and "would both have" in text, text
    os.mkfifo(test.dir / "pipe")
    for stream in "/dev/null", "/dev/stdout", test.dir / "pipe":
        status, text = check(test, two(stream, stream))
        assert status == 0, text
    status, text = check(test, two("/tmp/x-%H.json", "/tmp/y-%H.json"))
    assert status == 0, text


def test_standard_output_that_is_a_file_is_not_replaced(test):
    (test.dir / "link").symlink_to("/dev/stdout")
    with open(test.dir / "log", "w", encoding="utf-8") as out:
        daemon = subprocess.Popen([NFACCTD, "-f", test.write("stdout.conf", config(test.dir / "link", f"""
nfacctd_ip: 127.0.0.1
nfacctd_port: {(port := free_port())}
stats_file: {test.dir}/stats
""")), "-l", str(port)], stdout=out, stderr=subprocess.STDOUT)
    try:
        log = test.dir / "log"
        wait_for(lambda: "waiting for NetFlow/IPFIX data" in log.read_text(), "the daemon")
        stream = exports.Ipfix()
        test.send(stream.announce(), flows(stream, [7]), port=port)
        wait_for(lambda: '"port_dst": 7' in log.read_text(), "the row, behind what is in the file")
        assert "waiting for NetFlow/IPFIX data" in log.read_text()
        assert (test.dir / "link").is_symlink()
    finally:
        daemon.terminate()
        assert daemon.wait(60) == 0


def test_links_stay_and_their_targets_are_written(test):
    disk = test.dir / "disk"
    disk.mkdir()
    names = {"out": "out.json", "stats": "stats", "pid": "pid", "log": "log", "templates": "templates", "neighbors": "neighbors"}
    for link, target in names.items():
        (test.dir / link).symlink_to(f"disk/{target}")
    daemon = test.nfacctd(config(test.dir / "out", f"""
stats_file: {test.dir}/stats
pidfile: {test.dir}/pid
logfile: {test.dir}/log
nfacctd_templates_file: {test.dir}/templates
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {free_port(socket.SOCK_STREAM)}
bgp_neighbors_file: {test.dir}/neighbors
"""))
    stream = exports.Ipfix()
    test.send(stream.announce(), flows(stream, [1]))
    wait_for(lambda: ports_of(disk / "out.json") == [1], "the row")
    assert (disk / "pid").read_text().strip() == str(daemon.pid)
    assert (disk / "out.json.state").exists()
    assert daemon.stop() == 0
    assert all((test.dir / link).is_symlink() for link in names)
    assert sorted(p.name for p in disk.iterdir()) == ["log", "neighbors", "out.json", "out.json.state", "stats", "templates"]
    for name in "stats", "templates", "neighbors":
        mode = stat.S_IMODE((disk / name).stat().st_mode)
        assert mode & ~0o640 == 0, (name, oct(mode))
    assert sorted(p.name for p in test.dir.iterdir() if not p.is_symlink()) == ["disk", "nfacctd.conf", "nfacctd.log"]


def test_a_strangers_link_is_refused(test):
    need_root()
    shared, victim = test.dir / "shared", test.dir / "victim"
    shared.mkdir()
    shared.chmod(0o1777)
    victim.write_text("precious\n")
    for name in "out", "stats", "08.json":
        (shared / name).symlink_to(victim)
        os.lchown(shared / name, STRANGER, STRANGER)
    status, text = check(test, config(shared / "out", "nfacctd_port: 2100"))
    assert status == 1 and "print_output_file: " in text and "chown -h" in text, text
    daemon = test.nfacctd(config(shared / "other", f"stats_file: {shared}/stats"))
    assert daemon.stop() == 0
    assert "a symbolic link on the way to it is not followed" in daemon.output(), daemon.output()
    assert victim.read_text() == "precious\n"


def named(stream, names):
    return [stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.2", dport=port) + [name]])
            for port, name in enumerate(names, 1)]


def test_names_from_exporters_stay_apart_and_in_their_folder(test):
    """Interface names that differ have a file each; what could steer a terminal or break a line of CSV is escaped."""
    out = test.dir / "out"
    daemon = test.nfacctd(config(out / "$in_iface_name.csv", "print_output[out]: csv", "in_iface_name, dst_port").replace("print_output[out]: json", ""))
    stream = exports.Ipfix(exports.COMMON_FIELDS + [(82, exports.VARIABLE)])
    names = {b"Gi0/1": "Gi0_1", b"Gi0_1": "Gi0=5F1", b"eth0.100": "eth0.100", b"../up": "=2E._up", b"a\x1b[2J\n": "a=1B=5B2J=0A",
             b"x" * 100: None, b"x" * 99 + b"y": None}
    test.send(stream.announce(), *named(stream, names))
    wait_for(lambda: out.exists() and len(list(out.glob("*.csv"))) == len(names), "a file for each name")
    assert daemon.stop() == 0
    files = {path.stem for path in out.glob("*.csv")}
    assert {name for name in names.values() if name} <= files, files
    assert all(len(name) <= 64 for name in files), files
    assert (out / "a=1B=5B2J=0A.csv").read_text().splitlines()[1].startswith(r"a\u001b[2J\u000a,"), files


def test_names_beyond_the_bound_share_a_file(test):
    daemon = test.nfacctd(config(test.dir / "out-$in_iface_name.json", "print_files_max[out]: 5", "in_iface_name, dst_port"))
    stream = exports.Ipfix(exports.COMMON_FIELDS + [(82, exports.VARIABLE)])
    test.send(stream.announce(), *named(stream, [b"if%d" % i for i in range(20)]))

    def rows():
        return sum(len(json_lines(path)) for path in test.dir.glob("out-*.json"))
    wait_for(lambda: rows() == 20, "all rows")
    test.send(*named(stream, [b"if0", b"if19"]))
    wait_for(lambda: rows() == 22, "two more rows")
    assert daemon.stop() == 0
    assert len(list(test.dir.glob("out-*.json"))) == 6
    assert len(json_lines(test.dir / "out-=other.json")) in (15, 16, 17)
    assert "print_files_max: 5 files are not finished" in daemon.output(), daemon.output()
    assert test.stats()["instances"][0]["written"]["flows"] == 22, test.stats()


def test_more_files_than_descriptors(test):
    """50 files of one purge, by a process that may have 90 descriptors."""
    daemon = test.nfacctd(config(test.dir / "out-$dst_port.json"), prefix=["prlimit", "--nofile=90:90"])
    daemon.wait_log("print_open_files: 13 instead of 256", 30)
    stream = exports.Ipfix()
    test.send(stream.announce(), *(flows(stream, range(first, first + 10)) for first in range(1000, 1050, 10)))
    wait_for(lambda: all(ports_of(test.dir / f"out-{port}.json") == [port] for port in range(1000, 1050)), "a row in each file")
    assert daemon.stop() == 0
    assert "cannot write" not in daemon.output(), daemon.output()
    assert test.stats()["instances"][0]["written"]["flows"] == 50, test.stats()


if __name__ == "__main__":
    main(globals())
