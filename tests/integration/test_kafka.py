#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kafka plugin against librdkafka's mock cluster: what messages hold, where they go, and that each row arrives."""
import json
import pathlib
import subprocess

from harness import BUILD, NFACCTD, main, wait_for
from kafka_cluster import Mock, consume, distinct, identity, rows, sums


def flowgen(test, *args):
    done = subprocess.run([BUILD / "bench/flowgen", *map(str, args), "--pcap", test.dir / "in.pcap"], capture_output=True, text=True,
                          check=True, timeout=120)
    return json.loads(done.stdout)


def replay(test, cluster, more="", aggregate="src_host, dst_host, src_port, dst_port, proto, flows", name="nfacctd"):
    daemon = test.nfacctd(f"""
plugins: kafka[out]
pcap_savefile: {test.dir}/in.pcap
aggregate[out]: {aggregate}
kafka_broker_host[out]: {cluster.brokers}
kafka_topic[out]: acct
kafka_refresh_time[out]: 10
{more}
""", name=name)
    assert daemon.wait(60) == 0, daemon.output()
    return daemon


def test_a_message_for_each_row(test):
    cluster = Mock(test)
    cluster.topic("acct")
    sent = flowgen(test, "--flows", 5000, "--keys", 2000, "--seconds", 30)
    replay(test, cluster, "writer_id_string[out]: $proc_name\n")
    messages = consume(cluster.brokers, "acct")
    assert sums(rows(messages)) == {k: sent[k] for k in ("flows", "packets", "bytes")}
    assert all("\n" not in m["payload"] for m in messages)
    assert all(m["payload"].endswith(', "writer_id": "out"}') for m in messages)
    assert len({identity(m) for m in messages}) == len(messages)
    first = messages[0]["headers"]
    assert first["instance"] == "out" and len(first["core_id"]) == 32, first


if __name__ == "__main__":
    main(globals())
