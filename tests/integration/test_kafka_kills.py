#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kafka: whatever is killed and whenever, each row is there, and once by the messages' headers."""
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import time

from harness import BUILD, main
from kafka_cluster import Mock, consume, distinct, rows, sums

UNITS = ("flows", "packets", "bytes")


def host_pid(daemon, skip=()):
    children = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    hosts = [int(p) for p in children if int(p) not in skip and "pathacct-host" in pathlib.Path(f"/proc/{p}/cmdline").read_text(errors="replace")]
    return hosts[0] if hosts else None


def test_kills_of_the_plugin_and_outages_at_fifty_random_points(test):
    """kill -9 of the process that sends, and brokers that cut all connections: by the headers each row is there once."""
    rng = random.Random(7)
    cluster = Mock(test, brokers=2)
    cluster.topic("acct", 60)
    out = subprocess.run([BUILD / "bench/flowgen", "--flows", "200000", "--keys", "3000", "--seconds", "120", "--exporters", "16",
                          "--pcap", test.dir / "in.pcap"], capture_output=True, text=True, check=True, timeout=60).stdout
    properties = test.write("kafka.conf", "topic, message.timeout.ms, 4000\nglobal, reconnect.backoff.max.ms, 100\nglobal, retry.backoff.ms, 20\n")
    daemon = test.nfacctd(f"""
plugins: kafka[out]
pcap_savefile: {test.dir}/in.pcap
pcap_savefile_speed: 4
nfacctd_workers: 2
aggregate[out]: src_host, dst_host, proto, flows
kafka_broker_host[out]: {cluster.brokers}
kafka_topic[out]: acct
kafka_refresh_time[out]: 1
kafka_multi_values[out]: 2000
kafka_partition_by_key[out]: true
kafka_config_file[out]: {properties}
plugin_pool_size: 64M
""")
    daemon.wait_log("reading NetFlow/IPFIX data from")
    killed, cuts, deadline = [], 0, time.monotonic() + 60
    while len(killed) + cuts < 50 and daemon.popen.poll() is None and time.monotonic() < deadline:
        time.sleep(rng.uniform(0, 0.3))
        pid = host_pid(daemon, skip=killed)
        if pid and (rng.random() < 0.8 or cuts == 35):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        elif cuts < 35:
            cluster.command("down -1")
            time.sleep(rng.uniform(0, 0.05))
            cluster.command("up -1")
            cuts += 1
    assert daemon.wait(120) == 0, daemon.output()
    messages = consume(cluster.brokers, "acct")
    once = distinct(messages)
    print(f"    {len(killed)} kills, {cuts} outages, {len(messages) - len(once)} of {len(messages)} messages came again")
    # A process that is killed again before it has written anything waits longer each time, up to 32 s.
    assert len(killed) + cuts >= 40 and len(killed) >= 8, (killed, cuts)
    sent = json.loads(out)
    assert sums(rows(once)) == {unit: sent[unit] for unit in UNITS} == test.stats()["instances"][0]["written"]


if __name__ == "__main__":
    main(globals())
