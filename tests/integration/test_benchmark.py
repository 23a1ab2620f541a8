#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark itself works: rows run at a tiny size, check outputs against the truth, and fail when an output is wrong."""
import json
import subprocess
import sys

from harness import BUILD, SOURCE, main

sys.path.insert(0, str(SOURCE / "bench"))
from lib import truth  # noqa: E402


def bench(test, *args):
    return subprocess.run([SOURCE / "bench/run", "--quick", "--no-pmacct", "--build", BUILD, "--scale", "50", "--output", test.dir / "results.md",
                           *args], capture_output=True, text=True, timeout=120, check=False)


def test_rows_are_listed_without_building(test):
    done = subprocess.run([SOURCE / "bench/run", "--list"], capture_output=True, text=True, check=True)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"matrix-1m", "tuple-1m", "dump-csv", "udp-rate", "rib-load", "memory-aggregate"} <= set(names), names
    assert len(names) == len(set(names))


def test_rows_from_a_file_with_and_without_bgp_are_right(test):
    done = bench(test, "--only", "tuple-170k", "matrix-100k", "dump-json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = (test.dir / "results.md").read_text()
    for row in ("tuple-170k", "matrix-100k", "dump-json"):
        assert f"(`{row}`)" in report, report
    assert "rows written: 20,000" in report, report  # the dump: a row for each of a million flows / 50


def test_flows_over_udp_are_all_there(test):
    done = bench(test, "--only", "udp-cost")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_packet_under_the_wrong_key_is_found(test):
    capture = test.dir / "in.pcap"
    made = subprocess.run([BUILD / "bench/flowgen", "--flows", "50", "--keys", "5", "--pcap", capture, "--views"], capture_output=True,
                          text=True, check=True)
    expected = json.loads(made.stdout)["views"]["tuple"]
    output = test.dir / "out.csv"
    test.nfacctd(f"plugins: print\naggregate: src_host, dst_host, src_port, dst_port, proto\nprint_output: csv\n"
                 f"print_output_file: {output}\npcap_savefile: {capture}\nprint_refresh_time: 3600\n").wait()
    right = output.read_text().splitlines()

    def found(lines):
        output.write_text("\n".join(lines) + "\n")
        return truth.tally(BUILD / "bench/tally", "csv", "tuple", [output])

    assert truth.check(found(right), expected) == 5
    first, second = right[1].split(","), right[2].split(",")
    first[-2], second[-2] = str(int(first[-2]) + 1), str(int(second[-2]) - 1)  # the same totals
    wrong = [right[0], ",".join(first), ",".join(second), *right[3:]]
    for lines in (wrong, right[:-1], [*right, right[1]]):
        try:
            truth.check(found(lines), expected)
        except truth.Wrong:
            continue
        raise AssertionError(f"taken for right: {lines}")


if __name__ == "__main__":
    main(globals())
