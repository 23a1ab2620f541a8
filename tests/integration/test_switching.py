#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/switching.md against the program: what it lists as refused is what the tables refuse, each with a remedy, and --check says the
same; what is refused for good is; a server of Redis by itself is a notice."""
import json
import re
import subprocess

from harness import NFACCTD, SOURCE, main

PAGE = (SOURCE / "docs/switching.md").read_text()
LISTED = [line for line in PAGE[PAGE.index("## What is refused"):].splitlines() if line.startswith("| ")][2:]
# Lines that ask for what is not planned, and a word of the reason.
FOR_GOOD = {"isis_daemon: true": "IS-IS", "telemetry_daemon: true": "telemetry", "bgp_daemon_lg: true": "looking glass",
            "bgp_daemon_xconnect_map: /x": "not relayed", "nfacctd_dtls_port: 2101": "DTLS", "nfacctd_kafka_topic: x": "not from a broker",
            "nfacctd_zmq_address: 127.0.0.1:5555": "not from a broker", "bgp_daemon_ha: true": "do not agree", "plugins: nfprobe[a]": "not exported",
            "plugins: sfprobe[a]": "not exported"}


def check(test, *lines):
    config = test.write("conf", "\n".join(("plugins: print[a]", "aggregate[a]: src_host", "print_output_file[a]: /dev/null", *lines)) + "\n")
    return subprocess.run([NFACCTD, "-f", config, "--check"], capture_output=True, text=True, timeout=30, check=False)


def test_the_list_is_that_of_the_tables(_):
    done = subprocess.run([SOURCE / "scripts/switching", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_refused_key_is_there_with_its_remedy(_):
    keys = json.loads(subprocess.run([NFACCTD, "--keys=json"], capture_output=True, text=True, check=True).stdout)["unsupported"]
    texts = [(re.findall(r"`([^`]+)`", line.split(" | ")[0]), line) for line in LISTED]
    for key in (key for key in keys if key["effect"] == "refused"):
        row = next((line for names, line in texts if any(key["name"] == n or n.endswith("*") and key["name"].startswith(n[:-1]) for n in names)), None)
        assert row and key["reason"] in row and key["remedy"] in row.replace("\\|", "|"), (key, row)
    for line in LISTED:
        assert all(part.strip() for part in line.replace("\\|", "/").strip("| ").split(" | ")) and len(line.replace("\\|", "/").split(" | ")) == 3, line


def test_what_is_refused_for_good(test):
    for line, words in FOR_GOOD.items():
        lines = (line,) if not line.startswith("plugins") else ()
        done = check(test, *lines) if lines else subprocess.run([NFACCTD, "-f", test.write("p.conf", f"{line}\naggregate: src_host\n"), "--check"],
                                                                capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1 and words in done.stderr and " yet" not in done.stderr, (line, done.stderr)


def test_redis_by_itself_is_a_notice(test):
    done = check(test, "redis_host: 127.0.0.1:6379", "redis_db: 1", "cluster_name: c", "cluster_id: 1")
    assert done.returncode == 0 and "redis_host" in done.stderr + done.stdout, done.stderr


if __name__ == "__main__":
    main(globals())
