#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exporters that are odd in whose templates and options hold for which of their flows: bytes in by a capture, JSON out.

Expected values are those of RFC 3954, RFC 7011 and RFC 5477, and of the vendors' documents that tests name."""
import collections
import struct

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
print_output_file_append[out]: true
pcap_savefile: {test.dir}/in.pcap
{config}
""", name=name)
    assert daemon.wait(30) == 0, daemon.output()
    rows = json_lines(test.dir / "out.json") if (test.dir / "out.json").exists() else []
    return rows, test.stats(name)["exporters"][0], daemon.output()


FLOW = [(8, 4), (12, 4), (2, 4), (1, 4)]          # source, destination, packets, octets
SWAPPED = [(12, 4), (8, 4), (1, 4), (2, 4)]
SAMPLERS = [(1, 4, "scope"), (48, 1), (50, 4)]      # RFC 3954: scope system; FLOW_SAMPLER_ID, FLOW_SAMPLER_RANDOM_INTERVAL


def v9(*sets, source_id=1, sequence=0):
    return exports.netflow9(sets, len(sets), sequence=sequence, source_id=source_id, export_time=START)


def v9_template(fields, template_id=256):
    return exports.ipfix_set(0, exports.template(template_id, fields))


def v9_flow(source="10.0.0.1", octets=1500, template_id=256, fields=FLOW, more=()):
    return exports.ipfix_set(template_id, exports.record(fields, [source, "192.0.2.1", 1, octets, *more]), 4)


def v9_samplers(*samplers, template_id=300):
    """An options template and a record of it for each (sampler, one in how many)."""
    announced = struct.pack("!HHH", template_id, 4, 8) + b"".join(struct.pack("!HH", *field[:2]) for field in SAMPLERS)
    records = b"".join(exports.record(SAMPLERS, [0, *sampler]) for sampler in samplers)
    return exports.ipfix_set(1, announced, 4) + exports.ipfix_set(template_id, records, 4)


def octets(rows):
    total = collections.Counter()
    for row in rows:
        total[row["ip_src"]] += row["bytes"]
    return total


def test_templates_and_options_from_one_port_and_data_from_another(test):
    """Options from the port of the data do not count: it announces no flows, so it is lent the template."""
    rows, exporter, _ = run(test, [(0, 1000, v9(v9_template(FLOW)))] +
                            [(n, 1001, v9(v9_samplers((1, 1)), v9_flow(), sequence=n)) for n in range(10)])
    assert octets(rows) == {"10.0.0.1": 15000} and exporter["flows"] == 10, (rows, exporter)
    early, _, _ = run(test, [(0, 1001, v9(v9_flow())), (1, 1000, v9(v9_template(FLOW)))], name="early")
    assert octets(early) == {"10.0.0.1": 1500}, early


def test_a_forged_template_changes_nothing(test):
    """One datagram with source and destination swapped, from other ports, before and between the exporter's own."""
    forged = v9(v9_template(SWAPPED), v9_template(SWAPPED, 257))
    rows, exporter, _ = run(test, [(0, 6665, forged), (1, 1000, v9(v9_template(FLOW), v9_flow()))] +
                            [(2 + n, 6666 + n, forged) for n in range(20)] + [(30, 1000, v9(v9_flow()))])
    assert octets(rows) == {"10.0.0.1": 3000}, rows


def test_every_datagram_from_a_port_of_its_own(test):
    rows, _, _ = run(test, [(0, 2000, v9(v9_template(FLOW)))] + [(n, 2000 + n, v9(v9_flow(), sequence=n)) for n in range(1, 31)])
    assert octets(rows) == {"10.0.0.1": 45000}, rows


def test_two_exporters_behind_one_address(test):
    one, two = v9_template(FLOW), v9_template(SWAPPED)
    messages = []
    for n in range(0, 40, 2):
        messages += [(n, 1000, v9(one if n % 10 == 0 else b"", v9_flow())),
                     (n + 1, 1001, v9(two if n % 10 == 0 else b"", exports.ipfix_set(256, exports.record(SWAPPED, ["192.0.2.1", "10.0.0.2", 1500, 1]))))]
    rows, _, _ = run(test, messages)
    assert octets(rows) == {"10.0.0.1": 30000, "10.0.0.2": 30000}, rows


def test_an_exporter_that_was_started_again_on_another_port(test):
    """Five minutes after the old port's last message its templates belong to the new one, also beside those it announced itself."""
    messages = [(0, 1000, v9(v9_template(FLOW), v9_template(FLOW, 257), v9_flow()))]
    messages += [(10 + n, 1001, v9(v9_template(FLOW), v9_flow(), sequence=n // 10)) for n in range(0, 330, 10)]
    messages += [(340, 1001, v9(v9_flow("10.0.0.7", template_id=257), sequence=33))]
    rows, exporter, _ = run(test, messages)
    assert octets(rows) == {"10.0.0.1": 34 * 1500, "10.0.0.7": 1500}, rows
    assert (exporter["sequence_back"], exporter["sequence_gaps"]) == (0, 0), exporter
    rows, exporter, _ = run(test, messages[:1] + [(301, 1001, v9(v9_flow("10.0.0.7", template_id=257), sequence=1))], name="late")
    assert octets(rows) == {"10.0.0.1": 1500, "10.0.0.7": 1500} and exporter["sequence_gaps"] == 0, (rows, exporter)


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
