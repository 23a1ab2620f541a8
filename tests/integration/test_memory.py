#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory tables, live: what clients are told is what was exported, at the bound, with many clients and slow ones, after kill -9;
each fault has its message."""
import json
import os
import pwd
import signal
import socket
import stat
import struct
import subprocess
import time

from harness import BUILD, main, need, need_root, wait_for
import exports
from test_conservation import UNITS, check_ledger, flowgen, host_pid

PMACCT = BUILD / "bin/pmacct"
MAGIC = 0x70615131


def client(path, *args, ok=True):
    deadline = time.monotonic() + 10
    while True:
        done = subprocess.run([PMACCT, "-p", path, *map(str, args)], capture_output=True, text=True, timeout=60)
        if not ok or "Unable to connect" not in done.stderr or time.monotonic() > deadline:
            break
        time.sleep(0.05)  # the plugin's process is starting
    assert (done.returncode == 0) == ok, (args, done.returncode, done.stdout[-500:], done.stderr)
    return done.stdout if ok else done.stderr


def rows(path, *args):
    return [json.loads(line) for line in client(path, "-s", "-O", "json", *args).splitlines()]


def total(path):
    found = rows(path)
    return {unit: sum(row[unit] for row in found) for unit in UNITS}


def config(test, more="", aggregate="src_host, dst_host, src_port, dst_port, proto, flows"):
    return f"""
plugins: memory[live]
aggregate[live]: {aggregate}
imt_path[live]: {test.dir}/live.sock
nfacctd_pipe_size: 50000000
{more}
"""


def final(test, daemon, status=0):
    """The instance's ledger; the exit status is 1 if flows were lost."""
    assert daemon.stop() == status, daemon.output()
    return check_ledger(test.stats())


def now(test, daemon):
    """The statistics of this moment."""
    return test.now(daemon)["instances"][0]


def send(test, flows):
    stream = exports.Ipfix()
    test.send(stream.announce())
    for start in range(0, len(flows), 15):
        test.send(stream.data(flows[start:start + 15]))


def numbered(count, octets=100):
    return [exports.common_flow(f"10.0.{n >> 8}.{n & 255}", f"192.0.2.{n % 7}", "10.0.0.1", proto=(6, 17)[n % 2], octets=octets + n, packets=n + 1)
            for n in range(count)]


def test_clients_see_the_truth_while_rows_pour_in(test):
    """Each answer shows one instant: its sums never go down, and in the end they are what was sent."""
    path = test.dir / "live.sock"
    daemon = test.nfacctd(config(test, "nfacctd_workers: 2\n"))
    sender = subprocess.Popen([BUILD / "bench/flowgen", "--flows", "300000", "--keys", "60000", "--exporters", "4", "--udp",
                               f"127.0.0.1:{test.port}", "--rate", "60000"], stdout=subprocess.PIPE, text=True)
    seen = [total(path)]
    while sender.poll() is None:
        seen.append(total(path))
        assert all(seen[-2][unit] <= seen[-1][unit] for unit in UNITS), seen[-2:]
    sent = json.loads(sender.communicate()[0])
    truth = {unit: sent[unit] for unit in UNITS}
    wait_for(lambda: total(path) == truth, f"{truth} in the table", 20)
    assert len({s["flows"] for s in seen}) > 2, "no answer came while rows poured in"
    status = dict(line.split(None, 1) for line in client(path, "-t").splitlines())
    assert int(status["rows"]) == len(rows(path)) and status["rows_refused"] == "0", status
    assert final(test, daemon)["written"] == truth
    assert not path.exists(), "the socket is left behind"


def test_queries_add_up(test):
    """-N, -M, -S, -n, -r, -e against sums made here."""
    path = test.dir / "live.sock"
    daemon = test.nfacctd(config(test))
    flows = numbered(700)
    send(test, flows)
    wait_for(lambda: total(path)["flows"] == 700, "all flows")

    def expect(dst, proto=None):
        found = [f for f in flows if f[1] == dst and proto in (None, f[4])]
        return sum(f[17] for f in found), sum(f[16] for f in found), len(found)
    three, five = expect("192.0.2.3"), expect("192.0.2.5")
    assert client(path, "-c", "dst_host", "-N", "192.0.2.3") == f"{three[1]}\n"
    assert client(path, "-c", "dst_host", "-N", "192.0.2.3;192.0.2.5;1.2.3.4", "-n", "packets") == f"{three[0]}\n{five[0]}\n0\n"
    assert client(path, "-c", "dst_host", "-N", "192.0.2.3;192.0.2.5", "-S", "-n", "all") \
        == f"{three[0] + five[0]} {three[1] + five[1]} {three[2] + five[2]} {three[2] + five[2]}\n"
    udp = expect("192.0.2.3", 17)
    assert client(path, "-c", "proto,dst_host", "-N", "udp,192.0.2.3;17,192.0.2.3;*,192.0.2.3", "-n", "flows") == f"{udp[2]}\n{udp[2]}\n{three[2]}\n"
    queries = test.write("queries", "192.0.2.3\n\n192.0.2.5\n")
    assert client(path, "-c", "dst_host", "-N", f"file:{queries}") == f"{three[1]}\n{five[1]}\n"
    top = [json.loads(line) for line in client(path, "-s", "-O", "json", "-T", "bytes,3").splitlines()]
    assert [row["bytes"] for row in top] == sorted((f[16] for f in flows), reverse=True)[:3]
    matched = client(path, "-c", "dst_host", "-M", "192.0.2.3", "-r", "-O", "csv").splitlines()
    assert len(matched) == 1 + three[2]
    assert client(path, "-c", "dst_host", "-N", "192.0.2.3") == "0\n"
    assert len(rows(path)) == 700 - three[2]
    send(test, flows[:7])  # what was reset begins again
    wait_for(lambda: client(path, "-c", "dst_host", "-N", "192.0.2.3", "-n", "flows") == "1\n", "a new row")
    assert client(path, "-i") == "never\n"
    assert client(path, "-e") == "OK: Clearing stats.\n"
    assert int(client(path, "-i")) < 30 and rows(path) == []
    assert final(test, daemon)["written"]["flows"] == 707  # a clearing is no loss


def test_at_the_bound_new_keys_are_refused_and_counted(test):
    path = test.dir / "live.sock"
    daemon = test.nfacctd(config(test, "imt_size[live]: 20000\n"))
    flows = numbered(500)
    send(test, flows)
    wait_for(lambda: "is left out" in daemon.output(), "a log line of the first row that is refused")
    first = {(r["ip_src"], r["ip_dst"]) for r in rows(path)}
    assert 100 < len(first) < 500, len(first)
    send(test, flows)  # known ones add up
    wait_for(lambda: sum(r["flows"] for r in rows(path)) == 2 * len(first), "the second round")
    assert {(r["ip_src"], r["ip_dst"]) for r in rows(path)} == first
    shown = total(path)
    instance = final(test, daemon, status=1)
    assert instance["written"] == shown, (instance["written"], shown)
    assert instance["drops"]["rejected"]["flows"] == 1000 - shown["flows"]
    assert instance["process"]["counters"]["refused_rows"] == 2 * (500 - len(first))


def test_kill_of_the_plugin_is_counted_as_table_lost(test):
    """Rows that were in the table are gone and counted, rows that had not been acknowledged come again, and the ledger adds up."""
    path = test.dir / "live.sock"
    daemon = test.nfacctd(config(test, "nfacctd_workers: 2\n"))
    killed = set()
    for round_number in range(3):
        sender = subprocess.Popen([BUILD / "bench/flowgen", "--flows", "60000", "--keys", "20000", "--exporters", "4", "--udp",
                                   f"127.0.0.1:{test.port}", "--rate", "40000"], stdout=subprocess.PIPE, text=True)
        time.sleep(0.4 + 0.3 * round_number)
        pid = wait_for(lambda: host_pid(daemon, killed), "a plugin process")
        killed.add(pid)
        os.kill(pid, signal.SIGKILL)
        sender.communicate()
    wait_for(lambda: host_pid(daemon, killed), "the plugin's next process")

    def at_rest():
        i = now(test, daemon)
        return i["decoded"]["flows"] == 180000 == i["written"]["flows"] + i["drops"]["table_lost"]["flows"]
    wait_for(at_rest, "rest", 20)
    shown = total(path)
    instance = final(test, daemon, status=1)
    assert instance["process"]["restarts"] == 3 and instance["drops"]["table_lost"]["flows"] > 0
    assert instance["written"] == shown, (instance["written"], shown)


class Raw:
    """A client that speaks for itself."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))

    def message(self):
        header = self.bytes(12)
        magic, version, kind, length = struct.unpack("!IHHI", header)
        assert magic == MAGIC and version == 1
        return kind, self.bytes(length)

    def bytes(self, count):
        out = b""
        while len(out) < count:
            more = self.socket.recv(count - len(out))
            if not more:
                raise EOFError
            out += more
        return out

    def send(self, kind, body=b"", magic=MAGIC, version=1):
        self.socket.sendall(struct.pack("!IHHI", magic, version, kind, len(body)) + body)

    def is_cut(self):
        try:
            while self.socket.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        return True


ALL_ROWS = struct.pack("!BHI", 0, 0, 0)


def test_slow_and_hostile_clients_are_cut_off(test):
    path = test.dir / "live.sock"
    daemon = test.nfacctd(config(test, "imt_client_timeout[live]: 1\nimt_clients_max[live]: 5\nnfacctd_workers: 1\n"))
    flowgen(test, "--flows", 60000, "--keys", 60000, "--udp", f"127.0.0.1:{test.port}", "--rate", 60000)
    wait_for(lambda: total(path)["flows"] == 60000, "all flows")
    slow = [Raw(path) for _ in range(5)]
    for raw in slow:
        assert raw.message()[0] == 64
        raw.send(1, ALL_ROWS)  # and does not read
    assert "imt_clients_max" in client(path, "-t", ok=False)
    wait_for(lambda: now(test, daemon)["process"]["counters"].get("clients_cut_slow") == 5, "the end of slow clients")
    assert all(raw.is_cut() for raw in slow)
    for body in (struct.pack("!IHHI", 0x41414141, 1, 1, 0), struct.pack("!IHHI", MAGIC, 2, 1, 0), struct.pack("!IHHI", MAGIC, 1, 99, 0),
                 struct.pack("!IHHI", MAGIC, 1, 1, 0xffffffff), struct.pack("!IHHIBHHI", MAGIC, 1, 1, 9, 0, 1, 999, 0), b"GET / HTTP/1.0\r\n\r\n"):
        raw = Raw(path)
        assert raw.message()[0] == 64
        raw.socket.sendall(body)
        assert raw.message()[0] == 67, body  # an error that says why
        assert raw.is_cut()
    gone = Raw(path)
    gone.send(1, ALL_ROWS)
    gone.socket.close()
    assert total(path)["flows"] == 60000
    counters = final(test, daemon) and test.stats()["instances"][0]["process"]["counters"]
    assert counters["clients_cut_slow"] == 5 and counters["clients_refused"] == 1 and counters["bad_requests"] == 6, counters


def test_many_clients_at_once(test):
    path = test.dir / "live.sock"
    daemon = test.nfacctd(config(test))
    send(test, numbered(2000))
    wait_for(lambda: total(path)["flows"] == 2000, "all flows")
    clients = [subprocess.Popen([PMACCT, "-p", path, "-s", "-O", "csv"], stdout=subprocess.PIPE, text=True) for _ in range(30)]
    answers = {tuple(sorted(c.communicate(timeout=60)[0].splitlines())) for c in clients}
    assert len(answers) == 1 and len(answers.pop()) == 2001 and all(c.returncode == 0 for c in clients)
    final(test, daemon)


def test_place_of_the_socket(test):
    """The socket's mode and group, and each fault of its place: the message, and whether the plugin goes on."""
    path = test.dir / "live.sock"
    # mode and group
    daemon = test.nfacctd(config(test, "imt_mode[live]: 640\nimt_group[live]: 12345\n"))
    wait_for(path.exists, "the socket")
    wait_for(lambda: stat.S_IMODE(path.stat().st_mode) == 0o640 and path.stat().st_gid == 12345, "mode and group")
    # another process serves it: said, retried, and taken when the other ends
    second = test.nfacctd(config(test), name="second")
    second.wait_log("is served by another process")
    assert total(path)["flows"] == 0 and "waiting for data on" not in second.output()
    assert daemon.stop() == 0
    wait_for(lambda: "waiting for data on" in second.output() and path.exists(), "the second to take over", 20)
    wait_for(lambda: stat.S_IMODE(path.stat().st_mode) == 0o777, "the mode that pmacct's has, as none is configured")
    # a socket that nobody serves is replaced
    os.kill(wait_for(lambda: host_pid(second), "a plugin process"), signal.SIGKILL)
    wait_for(lambda: second.output().count("waiting for data on: '") == 2, "the next process to serve", 20)
    assert total(path)["flows"] == 0
    assert second.stop() == 0
    # a file that is no socket is left alone; when it is gone the table is served
    path.write_text("precious")
    third = test.nfacctd(config(test), name="third")
    third.wait_log("is no socket")
    assert path.read_text() == "precious"
    path.unlink()
    wait_for(lambda: path.is_socket(), "the socket", 20)
    assert third.stop() == 0
    # no directory
    fourth = test.nfacctd(config(test).replace("live.sock", "missing/live.sock"), name="fourth")
    fourth.wait_log("make the directory first")
    (test.dir / "missing").mkdir()
    wait_for(lambda: (test.dir / "missing/live.sock").is_socket(), "the socket", 20)
    assert fourth.stop() == 0
    # still none at the end: nothing came, so nothing is lost
    fifth = test.nfacctd(config(test, "shutdown_timeout: 1\n").replace("live.sock", "never/live.sock"), name="fifth")
    fifth.wait_log("make the directory first")
    assert fifth.stop() == 0 and "dropped" not in fifth.output().replace("0 dropped", ""), fifth.output()


def as_user(path, *args, groups="--clear-groups", ok=True):
    """What the client prints for another user than root and the daemon's."""
    done = subprocess.run([need("setpriv"), "--reuid", "nobody", "--regid", "nogroup", *groups.split(), PMACCT, "-p", path, *map(str, args)],
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == ok, (args, done)
    return done.stdout if ok else done.stderr


def test_strangers_may_read_and_members_of_the_group_may_clear(test):
    need_root()
    path = test.dir / "live.sock"
    daemon = test.nfacctd(config(test, "imt_mode[live]: 666\nimt_group[live]: 12345\n"))
    send(test, numbered(100))
    wait_for(lambda: total(path)["flows"] == 100, "all flows")
    assert len(as_user(path, "-s", "-O", "json").splitlines()) == 100
    reset = ["-c", "proto", "-M", "*", "-r"]
    for clearing in (["-e"], reset):
        error = as_user(path, *clearing, ok=False)
        assert "only root, the daemon's user and members of imt_group may empty or reset the table" in error, error
    assert total(path)["flows"] == 100
    as_user(path, *reset, groups="--groups 12345")
    assert total(path)["flows"] == 0
    wait_for(lambda: now(test, daemon)["process"]["counters"].get("clears_refused") == 2, "the counter of refusals")
    # the group may be the primary one, too
    done = subprocess.run(["setpriv", "--reuid", "nobody", "--regid", "12345", "--clear-groups", PMACCT, "-p", path, "-e"], timeout=60)
    assert done.returncode == 0
    assert daemon.stop() == 0


def test_imt_clear_all_lets_everybody_clear(test):
    need_root()
    path = test.dir / "live.sock"
    daemon = test.nfacctd(config(test, "imt_clear[live]: all\n"))
    send(test, numbered(10))
    wait_for(lambda: total(path)["flows"] == 10, "all flows")
    as_user(path, "-e")
    assert total(path)["flows"] == 0
    assert daemon.stop() == 0


def test_one_user_gets_half_of_the_clients(test):
    need_root()
    path = test.dir / "live.sock"
    daemon = test.nfacctd(config(test, "imt_clients_max[live]: 6\n"))
    assert total(path)["flows"] == 0
    os.seteuid(pwd.getpwnam("nobody").pw_uid)  # the kernel notes who connects
    try:
        theirs = [Raw(path) for _ in range(3)]
    finally:
        os.seteuid(0)
    assert all(raw.message()[0] == 64 for raw in theirs)
    error = as_user(path, "-t", ok=False)
    assert "half of imt_clients_max clients are this user's already" in error, error
    assert total(path)["flows"] == 0  # root and others are not kept out
    own = [Raw(path) for _ in range(3)]
    assert all(raw.message()[0] == 64 for raw in own)
    assert "there are imt_clients_max clients" in client(path, "-t", ok=False)
    wait_for(lambda: now(test, daemon)["process"]["counters"].get("clients_refused") == 2, "the counter of refusals")
    assert daemon.stop() == 0


def test_configurations_that_cannot_be(test):
    for line, words in ((f"imt_path[live]: /tmp/{'x' * 108}", "107 characters"), ("imt_mode[live]: 888", "octal"),
                        ("imt_group[live]: no_such_group", "no group"), ("imt_size[live]: 10", "a row takes")):
        text = config(test).replace(f"imt_path[live]: {test.dir}/live.sock\n", "") + line + "\n"
        daemon = test.nfacctd(text, ready=False, name="bad")
        assert daemon.wait(20) == 1 and words in daemon.output(), (line, daemon.output())


if __name__ == "__main__":
    main(globals())
