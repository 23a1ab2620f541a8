#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that sfacctd reads is lost without a counter: the ledger in samples, packets and bytes under overload and kills."""
import contextlib
import os
import random
import signal
import time

from harness import main, wait_for
from test_conservation import UNITS, check_ledger, config, flowgen, host_pid, written

KEYS = "src_host, dst_host, src_port, dst_port, proto, flows"


def test_overload(test):
    """More than a tiny socket buffer holds: what was read is exact, the rest is overflow, to the datagram."""
    daemon = test.sfacctd(config(test, "sfacctd_pipe_size: 20000\nsfacctd_workers: 1\n", aggregate=KEYS))
    sent = flowgen(test, "--format", "sflow", "--flows", 100000, "--keys", 20000, "--udp", f"127.0.0.1:{test.port}")
    assert daemon.stop() == 0, daemon.output()
    stats = test.stats("sfacctd")
    instance = check_ledger(stats)
    assert stats["datagrams"]["arrived"] == sent["datagrams"], (stats["datagrams"], sent)
    assert stats["datagrams"]["overflow"] > 0, "the test did not overload the socket"
    assert written(test) == instance["written"] == instance["decoded"]
    assert sum(e["flow_samples"] for e in stats["exporters"]) == instance["decoded"]["flows"]
    missing = sum(e["sequence_missing"] for e in stats["exporters"])
    # Datagrams that agents numbered and that did not come; the last ones leave no gap.
    assert 0 < missing <= stats["datagrams"]["overflow"], (missing, stats["datagrams"])


def test_kill_9_of_the_plugin(test):
    """Each of five kills finds the plugin somewhere else; every sample is written exactly once."""
    rng = random.Random(5)
    sent = flowgen(test, "--format", "sflow", "--flows", 300000, "--keys", 50000, "--seconds", 40, "--pcap", test.dir / "in.pcap")
    daemon = test.sfacctd(config(test, f"pcap_savefile: {test.dir}/in.pcap\npcap_savefile_speed: 4\nplugin_pool_size: 4M\n", aggregate=KEYS))
    daemon.wait_log("reading sFlow data from")  # the processes before only describe and check
    killed, deadline = [], time.monotonic() + 60
    while len(killed) < 5 and daemon.popen.poll() is None and time.monotonic() < deadline:
        pid = wait_for(lambda: host_pid(daemon, skip=killed), "a plugin process")
        time.sleep(rng.uniform(0, 0.5))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        killed.append(pid)
    assert daemon.wait(60) == 0, daemon.output()
    instance = check_ledger(test.stats("sfacctd"))
    assert 0 < len(killed) == instance["process"]["restarts"], (killed, instance["process"])
    assert written(test) == instance["written"] == {unit: sent[unit] for unit in UNITS}, instance


if __name__ == "__main__":
    main(globals())
