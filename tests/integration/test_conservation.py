#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing is lost without a counter: the ledger in stats_file adds up under overload, outages, kills and hostile input, and it
says what the files say."""
import contextlib
import csv
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

from harness import BUILD, free_port, main, wait_for
import exports  # harness knows where it is

UNITS = ("flows", "packets", "bytes")


def flowgen(test, *args):
    done = subprocess.run([BUILD / "bench/flowgen", *map(str, args)], capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


def config(test, more="", aggregate="src_host, dst_host, src_port, dst_port, proto, flows"):
    return f"""
plugins: print[out]
aggregate[out]: {aggregate}
print_output[out]: csv
print_output_file[out]: {test.dir}/out.csv
print_output_file_append[out]: true
print_refresh_time[out]: 1
{more}
"""


def written(test, name="out.csv"):
    """Sums of the file: flows, packets, bytes."""
    sums = dict.fromkeys(UNITS, 0)
    with contextlib.suppress(FileNotFoundError), open(test.dir / name, newline="") as lines:
        for row in csv.DictReader(lines):
            for unit in UNITS:
                sums[unit] += int(row[unit.upper()])
    return sums


def host_pid(daemon, skip=()):
    """The plugin process of the one instance."""
    children = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    hosts = [int(p) for p in children if int(p) not in skip and "pathacct-host" in pathlib.Path(f"/proc/{p}/cmdline").read_text(errors="replace")]
    return hosts[0] if hosts else None


def total(instance, what):
    return sum(instance["drops"][reason][what] for reason in instance["drops"])


def check_ledger(stats):
    """Every equation that the ledger promises; returns the one instance."""
    d = stats["datagrams"]
    assert d["arrived"] == d["read"] + d["overflow"], d
    assert d["read"] == d["decoded"] + d["refused"] + d["waiting"] and d["residual"] == 0, d
    for instance in stats["instances"]:
        for unit in UNITS:
            parts = sum(instance[part][unit] for part in ("filtered", "written", "open", "handed_over", "spooled")) + total(instance, unit)
            assert instance["decoded"][unit] == parts, (unit, instance)
            assert instance["residual"][unit] == 0, (unit, instance)
    assert sum(e["flows"] for e in stats["exporters"]) + sum(e["flows"] for e in stats["evicted"]) == stats["instances"][0]["decoded"]["flows"]
    return stats["instances"][0]


def test_udp_overload(test):
    """Far more than a tiny socket buffer holds: what was read is exact, the rest is overflow, to the datagram. What is
    in the socket when the end comes is still read."""
    daemon = test.nfacctd(config(test, "nfacctd_pipe_size: 20000\nnfacctd_workers: 1\n", aggregate="dst_host, proto, flows"))
    sent = flowgen(test, "--flows", 600000, "--keys", 20000, "--udp", f"127.0.0.1:{test.port}")
    assert daemon.stop() == 0, daemon.output()
    stats = test.stats()
    instance = check_ledger(stats)
    assert stats["datagrams"]["arrived"] == sent["datagrams"], (stats["datagrams"], sent)
    assert stats["datagrams"]["overflow"] > 0, "the test did not overload the socket"
    assert written(test) == instance["written"] == instance["decoded"]
    missing = sum(e["sequence_missing"] for e in stats["exporters"])
    # Sequence numbers cannot show more missing flows than were lost; they may show fewer, as the last ones leave no gap.
    assert 0 < missing <= sent["flows"] - instance["decoded"]["flows"], (missing, sent, instance)


def test_datagrams_that_wait_for_the_rib(test):
    """Datagrams are counted one by one while they wait, and decoded when the daemon ends before the RIB came."""
    agents = test.write("agents.map", "bgp_ip=127.0.0.99 ip=0.0.0.0/0\n")
    daemon = test.nfacctd(config(test, f"""
nfacctd_workers: 3
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {free_port(socket.SOCK_STREAM)}
bgp_agent_map: {agents}
bgp_wait_for_rib: 60
"""))
    for n in range(1, 13):
        stream = exports.Ipfix()
        test.send(stream.announce(), source=f"127.0.4.{n}")
        for _ in range(5):
            test.send(stream.data([exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1")]), source=f"127.0.4.{n}")

    during = test.wait_now(daemon, lambda stats: stats["datagrams"]["waiting"] == 72, "72 waiting datagrams")["datagrams"]
    assert during["read"] == 72 and during["decoded"] == 0 and during["residual"] == 0, during
    assert daemon.stop() == 0, daemon.output()
    assert check_ledger(test.stats())["written"]["flows"] == written(test)["flows"] == 60
    assert test.stats()["datagrams"]["waiting"] == 0


def test_replay_waits_for_a_stopped_plugin(test):
    sent = flowgen(test, "--flows", 300000, "--keys", 200000, "--pcap", test.dir / "in.pcap")
    daemon = test.nfacctd(config(test, f"pcap_savefile: {test.dir}/in.pcap\nplugin_pool_size: 4M\npcap_savefile_delay: 2\n"))
    daemon.wait_log("reading NetFlow/IPFIX data from")  # the processes that only checked the configuration are gone; now come 2 s
    pid = wait_for(lambda: host_pid(daemon), "a plugin process")
    os.kill(pid, signal.SIGSTOP)

    def has_stopped(stats, before=[0]):
        before.append(stats["instances"][0]["decoded"]["flows"])
        time.sleep(0.2)
        return 0 < before[-1] == before[-2]
    stopped = test.wait_now(daemon, has_stopped, "a full pool, and a reader that waits for room in it")
    assert stopped["instances"][0]["decoded"]["flows"] < sent["flows"] and daemon.popen.poll() is None, daemon.output()
    os.kill(pid, signal.SIGCONT)
    assert daemon.wait(60) == 0, daemon.output()
    instance = check_ledger(test.stats())
    assert written(test) == instance["written"] == {k: sent[k] for k in UNITS}


def test_live_with_a_stopped_plugin(test):
    """A pool that fills up drops new rows, counted; known keys still add up; at rest nothing is unexplained."""
    daemon = test.nfacctd(config(test, "plugin_pool_size: 2M\nnfacctd_pipe_size: 50000000\nnfacctd_workers: 1\n"))
    pid = wait_for(lambda: host_pid(daemon), "a plugin process")
    os.kill(pid, signal.SIGSTOP)
    sent = flowgen(test, "--flows", 200000, "--keys", 200000, "--udp", f"127.0.0.1:{test.port}", "--rate", 100000)
    test.wait_now(daemon, lambda stats: stats["instances"][0]["drops"]["pool_full"]["flows"] > 0, "a full pool")
    daemon.wait_log("plugin_pool_size is used up")
    os.kill(pid, signal.SIGCONT)
    assert daemon.stop() == 1, "rows were dropped, so the exit status says so:\n" + daemon.output()
    instance = check_ledger(test.stats())
    assert instance["drops"]["pool_full"]["flows"] > 0, instance
    said = [line for line in daemon.output().splitlines() if "plugin_pool_size is used up, so new rows are dropped" in line]
    assert len(said) == 1 and "ERROR" in said[0] and f"[{instance['name']}]" in said[0], said  # and again after a minute
    assert written(test) == instance["written"]
    assert test.stats()["datagrams"]["overflow"] or instance["decoded"]["flows"] == sent["flows"]


def test_kill_9_of_the_plugin_at_random_points(test):
    """Each of twenty kills finds the plugin somewhere else; every flow is written exactly once."""
    rng = random.Random(5)
    sent = flowgen(test, "--flows", 1500000, "--keys", 100000, "--seconds", 120, "--pcap", test.dir / "in.pcap")
    daemon = test.nfacctd(config(test, f"pcap_savefile: {test.dir}/in.pcap\npcap_savefile_speed: 4\nplugin_pool_size: 4M\n"))
    daemon.wait_log("reading NetFlow/IPFIX data from")  # the processes before only describe and check
    killed, deadline = [], time.monotonic() + 120
    while len(killed) < 20 and daemon.popen.poll() is None and time.monotonic() < deadline:
        pid = host_pid(daemon, skip=killed)
        if pid:
            time.sleep(rng.uniform(0, 0.5))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        time.sleep(0.02)
    assert daemon.wait(150) == 0, daemon.output()
    instance = check_ledger(test.stats())
    assert len(killed) == 20 == instance["process"]["restarts"], (killed, instance["process"])
    assert written(test) == instance["written"] == {k: sent[k] for k in UNITS}, instance


def test_kill_9_of_the_core(test):
    """Rows that were handed over before the kill are written once; at most the open epoch is lost."""
    daemon = test.nfacctd(config(test, "nfacctd_workers: 1\nnfacctd_pipe_size: 50000000\n"))
    first = flowgen(test, "--flows", 50000, "--keys", 20000, "--udp", f"127.0.0.1:{test.port}", "--rate", 100000)
    pid = wait_for(lambda: host_pid(daemon), "a plugin process")
    wait_for(lambda: written(test)["flows"] == first["flows"], "the first flows")
    os.kill(pid, signal.SIGSTOP)
    flowgen(test, "--flows", 5000, "--keys", 5000, "--udp", f"127.0.0.1:{test.port}", "--seed", 2)
    test.wait_handed_over(daemon, 5000)
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait(5)
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists() or "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text(), "the end of the plugin process", 40)
    assert written(test)["flows"] == first["flows"] + 5000, written(test)


def test_hostile_datagrams(test):
    """Garbage of every kind from one exporter: counted by its reason, and the good ones beside it are exact."""
    rng = random.Random(3)
    daemon = test.nfacctd(config(test))
    good, stream = "127.0.3.1", exports.Ipfix()
    test.send(stream.announce(), source=good)
    message = exports.Ipfix(domain=9).data([exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.1")])
    template = exports.Ipfix(domain=9).announce()
    bad = [b"", b"\0", b"\0\x0a", b"\0\x05\0\x1e" + bytes(20), b"\0\x0a\xff\xff" + bytes(12), b"\0\x63" + bytes(40),
           exports.ipfix([exports.ipfix_set(2, exports.template(256, []))], domain=9),  # a withdrawal
           exports.ipfix([b"\x01\x00\x00\x00"], domain=9), exports.ipfix([b"\x01\x00\x00\x03"], domain=9),
           exports.ipfix([exports.ipfix_set(2, exports.template(300, [(8, 250), (1, 200), (4, 0)]))], domain=9),
           exports.ipfix([exports.ipfix_set(2, exports.template(301, [(8, 4)] * 3000))[:1200]], domain=9),
           exports.netflow9([b"\0\0\0\x04"], 1), message[:-3], template[:-2]]
    for payload in bad:
        test.send(payload, source="127.0.3.66")
    for _ in range(400):
        mutated = bytearray(rng.choice([message, template]))
        for _ in range(rng.randint(1, 6)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        test.send(bytes(mutated), source="127.0.3.66")
        time.sleep(0.001)
    for n in range(100):
        test.send(stream.data([exports.common_flow("10.7.7.7", f"192.0.2.{n}", "10.0.0.1", octets=100)]), source=good)
        time.sleep(0.001)
    assert daemon.stop() == 0, daemon.output()
    stats = test.stats()
    check_ledger(stats)
    assert stats["datagrams"]["arrived"] == len(bad) + 400 + 101
    by_address = {e["address"]: e for e in stats["exporters"]}
    assert by_address[good]["flows"] == 100 and sum(by_address[good]["drops"].values()) == 0, by_address[good]
    hostile = by_address["127.0.3.66"]
    assert sum(hostile["drops"].values()) > 50, hostile
    assert hostile["datagrams_read"] == hostile["datagrams_decoded"] + sum(
        hostile["drops"][r] for r in ("truncated_header", "bad_version", "bad_length", "not_allowed", "too_many_exporters")), hostile
    rows = [r for r in csv.DictReader(open(test.dir / "out.csv", newline="")) if r["SRC_IP"] == "10.7.7.7"]
    assert sum(int(r["FLOWS"]) for r in rows) == 100 and sum(int(r["BYTES"]) for r in rows) == 10000


def test_data_before_its_template(test):
    """Kept until the template comes; what never gets one is dropped under its reason."""
    daemon = test.nfacctd(config(test))
    early, never = exports.Ipfix(domain=1), exports.Ipfix(domain=2, template_id=999)
    announce = early.announce()
    for n in range(5):
        test.send(early.data([exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1", octets=10)]))
    test.send(never.data([exports.common_flow("10.0.0.2", "192.0.2.9", "10.0.0.1")]))
    test.send(announce)
    wait_for(lambda: written(test)["flows"] == 5, "the five early flows")
    assert daemon.stop() == 0, daemon.output()
    stats = test.stats()
    check_ledger(stats)
    exporter = stats["exporters"][0]
    assert exporter["pending_released"] == 5, exporter
    assert exporter["pending_sets"] + exporter["drops"]["no_template"] == 1, exporter


if __name__ == "__main__":
    main(globals())
