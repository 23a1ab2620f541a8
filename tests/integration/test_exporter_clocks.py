#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exporters whose clocks are off, in captures: what is measured by arrivals and headers, and how stamps and bins come out by our clock.
How clocks and paths go together is in test_path_evidence."""
import struct

from harness import json_lines, main
import exports  # harness knows where it is
import sflow

START = 1_700_000_000  # 2023-11-14 22:13:20 UTC
FIELDS = [(8, 4), (152, 8), (153, 8), (1, 4), (2, 4)]
CORRECT = "nfacctd_time_correct: true\n"


def v9(when, start_s, end_s):
    """A message of NetFlow v9 that was exported at `when`, with a flow by uptimes."""
    fields, uptime = [(8, 4), (22, 4), (21, 4), (1, 4), (2, 4)], 1_000_000
    row = ["10.0.0.1", *(uptime + int((s - when) * 1000) for s in (start_s, end_s)), 100, 1]
    return exports.netflow9([exports.ipfix_set(0, exports.template(256, fields)), exports.ipfix_set(256, exports.record(fields, row), 4)], 2,
                            export_time=START + when, uptime_ms=uptime)


def v5(when, start_s, end_s):
    first, last = (3_600_000 + int((s - when) * 1000) for s in (start_s, end_s))
    return exports.netflow5([{"src": "10.0.0.1", "dst": "192.0.2.1", "first": first, "last": last}], export_time=START + when)


def ipfix(when, start_s, end_s, source="10.0.0.1", domain=1):
    row = [source, int((START + start_s) * 1000), int((START + end_s) * 1000), 100, 1]
    return exports.ipfix([exports.ipfix_set(2, exports.template(256, FIELDS)), exports.ipfix_set(256, exports.record(FIELDS, row))], 0, domain,
                         START + when)


def run(test, datagrams, more="", aggregate="src_host, timestamp_start, timestamp_end", name="in"):
    """Rows, statistics of the exporter, and the log. `datagrams` are (seconds after START, message)."""
    exports.write_pcap(test.dir / f"{name}.pcap", [(START + when, exports.udp_packet(message, "192.0.2.1")) for when, message in datagrams])
    daemon = test.nfacctd(f"""
plugins: print[out]
aggregate[out]: {aggregate}
unaggregated[out]: true
print_output[out]: json
print_output_file[out]: {test.dir}/{name}.json
print_output_file_append[out]: true
timestamps_since_epoch: true
{more}
""", "-I", test.dir / f"{name}.pcap", name=name)
    assert daemon.wait(60) == 0, daemon.output()
    return json_lines(test.dir / f"{name}.json"), test.stats(name)["exporters"][0], daemon.output()


def stamps(rows):
    """Seconds after START."""
    return [(float(r["timestamp_start"]) - START, float(r["timestamp_end"]) - START) for r in rows]


def test_stamps_are_the_exporters_unless_ours_are_asked_for(test):
    """A header 100 s behind its arrival; NetFlow v5, v9 and IPFIX."""
    for name, make in (("v5", v5), ("v9", v9), ("ipfix", ipfix)):
        rows, exporter, log = run(test, [(100, make(0, -2, -1))], name=name)
        assert stamps(rows) == [(-2, -1)], (name, rows)
        assert (exporter["clock_behind_ms"], exporter["clock_ahead_ms"]) == (100_000, 0), exporter
        (line,) = [line for line in log.splitlines() if "its clock is" in line]
        assert "WARN" in line and "exporter 192.0.2.1: its clock is 100 s behind" in line and "nfacctd_time_correct: true" in line, line
        rows, _, _ = run(test, [(100, make(0, -2, -1))], CORRECT, name=name + "-ours")
        assert stamps(rows) == [(98, 99)], (name, rows)


def test_bins_go_by_our_clock_if_asked_to(test):
    history = "print_history[out]: 1m\nprint_history_roundoff[out]: m\n"
    for name, more, bin_s in (("theirs", "", START - 20), ("ours", CORRECT, START + 40)):
        rows, _, _ = run(test, [(100, ipfix(0, -2, -1))], history + more, "src_host", name)
        assert [float(r["stamp_inserted"]) for r in rows] == [bin_s], (name, rows)


def test_less_than_two_seconds_are_no_offset(test):
    """Headers count whole seconds, and exporters gather flows for a while."""
    for name, late_s in (("late", 1.9), ("early", -1.9)):
        rows, exporter, log = run(test, [(late_s, ipfix(0, -2, -1))], CORRECT, name=name)
        assert stamps(rows) == [(-2, -1)] and exporter["clock_behind_ms"] == exporter["clock_ahead_ms"] == 0, (rows, exporter)
    _, exporter, log = run(test, [(4, ipfix(0, -2, -1))], CORRECT, name="few")
    assert exporter["clock_behind_ms"] == 4000 and "its clock is" not in log, "5 s are told, less is not"


def test_the_least_delay_of_five_minutes_counts(test):
    """A message that is 20 s late shows nothing; when the one in time is older than five minutes, the others do."""
    late = [(when + 20, ipfix(when, when - 2, when - 1)) for when in range(30, 400, 30)]
    rows, exporter, _ = run(test, [(0, ipfix(0, -2, -1)), late[0]], CORRECT, name="two")
    assert stamps(rows) == [(-2, -1), (28, 29)] and exporter["clock_behind_ms"] == 0, rows
    _, exporter, _ = run(test, [*[(s, ipfix(s, s - 2, s - 1)) for s in range(0, 20, 10)], *[(s + 1.5, ipfix(s, s - 2, s - 1)) for s in range(20, 400, 10)]],
                         name="jitter")
    assert exporter["clock_behind_ms"] == 0, exporter


def test_a_step_of_the_clock_is_seen_after_ten_seconds_and_three_messages(test):
    """Back by 50 s: until the step is believed, messages look late. Forward: nothing comes too early, so it shows at once."""
    before = [(s, ipfix(s, s - 2, s - 1)) for s in range(0, 20, 4)]
    back = [(s, ipfix(s - 50, s - 52, s - 51)) for s in range(20, 36, 4)]
    rows, exporter, log = run(test, before + back, CORRECT, name="back")
    assert stamps(rows)[-4:] == [(-32, -31), (-28, -27), (-24, -23), (30, 31)], stamps(rows)
    assert exporter["clock_behind_ms"] == 50_000 and log.count("its clock is 50 s behind") == 1, log
    rows, exporter, _ = run(test, before + [back[0], back[3]], CORRECT, name="few")
    assert exporter["clock_behind_ms"] == 0, "two messages are no step"
    rows, exporter, _ = run(test, before + [back[0], (24, ipfix(24, 22, 23)), *back[2:]], CORRECT, name="between")
    assert exporter["clock_behind_ms"] == 0, "one in time shows that the others were late"
    rows, exporter, _ = run(test, before + [(20, ipfix(70, 68, 69))], CORRECT, name="forward")
    assert stamps(rows)[-1] == (18, 19) and exporter["clock_ahead_ms"] == 50_000, rows


def test_each_domain_has_a_clock_of_its_own(test):
    rows, _, _ = run(test, [(100, ipfix(0, -2, -1)), (100, ipfix(100, 98, 99, "10.0.0.2", domain=2))], CORRECT)
    assert {r["ip_src"]: s for r, s in zip(rows, stamps(rows))} == {"10.0.0.1": (98, 99), "10.0.0.2": (98, 99)}, rows


def test_times_that_suit_the_arrival_but_not_the_header_stay(test):
    """The header counts from the exporter's start; its flows have the time of a clock that is right."""
    message = exports.ipfix([exports.ipfix_set(2, exports.template(256, FIELDS)), exports.ipfix_set(256, exports.record(
        FIELDS, ["10.0.0.1", (START + 97) * 1000, (START + 99) * 1000, 100, 1]))], 0, 1, 5)
    rows, _, log = run(test, [(100, message)], CORRECT)
    assert stamps(rows) == [(97, 99)], rows
    assert "its clock is" in log, log


def test_any_number_of_workers_measures_the_same(test):
    """Four exporters with clocks of their own, each of whose messages has another delay."""
    packets = []
    for n in range(200):
        when, exporter = n * 2.5, n % 4
        message = ipfix(int(when) - 1000 * exporter, when - 2 - 1000 * exporter, when - 1 - 1000 * exporter, f"10.0.0.{exporter}")
        packets.append((START + when + n * 37 % 11 / 10, exports.udp_packet(message, f"192.0.2.{exporter + 1}")))
    packets.sort(key=lambda p: p[0])
    exports.write_pcap(test.dir / "in.pcap", packets)
    seen = []
    for workers in (1, 3):
        daemon = test.nfacctd(f"""
nfacctd_workers: {workers}
plugins: print[out]
aggregate[out]: src_host, timestamp_start
print_output[out]: json
print_output_file[out]: {test.dir}/{workers}.json
timestamps_since_epoch: true
{CORRECT}
""", "-I", test.dir / "in.pcap", name=f"w{workers}")
        assert daemon.wait(60) == 0, daemon.output()
        clocks = {e["address"]: (e["clock_behind_ms"], e["clock_ahead_ms"]) for e in test.stats(f"w{workers}")["exporters"]}
        seen.append(((test.dir / f"{workers}.json").read_bytes(), clocks))
    assert seen[0] == seen[1] and len(seen[0][1]) == 4, seen
    assert [behind for behind, _ in seen[0][1].values()].count(0) == 1, seen[0][1]


def test_sflow_has_no_clock(test):
    """Its header tells an uptime alone: samples are of when they arrive."""
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")
    exports.write_pcap(test.dir / "s.pcap", [(START + n, exports.udp_packet(sflow.datagram([sflow.flow_sample([records])], uptime_ms=5), dport=6343))
                                             for n in range(3)])
    daemon = test.sfacctd(f"""
plugins: print[out]
aggregate[out]: src_host, timestamp_arrival
print_output[out]: json
print_output_file[out]: {test.dir}/s.json
timestamps_since_epoch: true
pcap_savefile: {test.dir}/s.pcap
""", name="s")
    assert daemon.wait(60) == 0, daemon.output()
    assert [float(r["timestamp_arrival"]) - START for r in json_lines(test.dir / "s.json")] == [0, 1, 2]
    exporter = test.stats("s")["exporters"][0]
    assert exporter["clock_behind_ms"] == exporter["clock_ahead_ms"] == 0 and "its clock" not in daemon.output(), exporter


if __name__ == "__main__":
    main(globals())
