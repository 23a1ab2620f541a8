#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exporters that are odd in whose templates and options hold for which of their flows: bytes in by a capture, JSON out.

Expected values are those of RFC 3954, RFC 7011 and RFC 5477, and of the vendors' documents that tests name."""
from harness import json_lines, main
import exports
import sflow

START = 1_700_000_000
EXPORTER = "127.0.0.9"


def run(test, datagrams, config="", aggregate="src_host", name="nfacctd"):
    """The rows, the first exporter's statistics and the log of nfacctd reading `datagrams`: (seconds, source port, message)."""
    packets = [(START + when, exports.udp_packet(message, EXPORTER, sport=port)) for when, port, message in datagrams]
    exports.write_pcap(test.dir / "in.pcap", packets)
    (test.dir / "out.json").unlink(missing_ok=True)
    daemon = test.nfacctd(f"""
plugins: print[out]
aggregate[out]: {aggregate}
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
pcap_savefile: {test.dir}/in.pcap
{config}
""", name=name)
    assert daemon.wait(30) == 0, daemon.output()
    rows = json_lines(test.dir / "out.json") if (test.dir / "out.json").exists() else []
    return rows, test.stats(name)["exporters"][0], daemon.output()


def test_sflow_is_answered_with_the_daemon_to_run(test):
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")
    message = sflow.datagram([sflow.flow_sample([records])])
    rows, exporter, log = run(test, [(s, 6343, message) for s in range(3)])
    lines = [line for line in log.splitlines() if "run sfacctd" in line]
    assert len(lines) == 1 and f"exporter {EXPORTER}: it sends sFlow (version 5)" in lines[0] and "WARN" in lines[0], log
    assert rows == [] and exporter["drops"]["bad_version"] == 3, exporter
    _, exporter, log = run(test, [(0, 6343, b"\0\0\0\5 something else")], name="other")
    assert "run sfacctd" not in log and exporter["drops"]["bad_version"] == 1, log


if __name__ == "__main__":
    main(globals())
