#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exporters that are odd in whose templates and options hold for which of their flows: bytes in by a capture, JSON out.

Expected values are those of RFC 3954, RFC 7011 and RFC 5477, and of the vendors' documents that tests name."""
import collections
import struct

from harness import json_lines, main, need_sample
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


def test_data_that_waits_is_decoded_with_the_template_that_a_silent_port_leaves(test):
    """The new port announces another template only, so that none is lent to it while the old port may be in use."""
    messages = [(0, 1000, v9(v9_template(FLOW), v9_template(FLOW, 257))), (50, 1001, v9(v9_template(FLOW), v9_flow("10.0.0.7", template_id=257)))]
    messages += [(s, 1001, v9(v9_template(FLOW), sequence=s)) for s in range(100, 320, 20)]
    rows, exporter, log = run(test, messages + [(320, 1001, v9(v9_flow("10.0.0.8", template_id=257)))])
    assert octets(rows) == {"10.0.0.7": 1500, "10.0.0.8": 1500}, rows
    assert exporter["pending_released"] == 1 and sum(exporter["drops"].values()) == 0 and "did not come in time" not in log, log


def test_a_port_that_follows_a_silent_one_has_all_that_was_known_of_it(test):
    """A rate without a sampler (options of scope system), names, totals, and how far the clock is off: all were told the old port alone."""
    fields = [*FLOW[:2], (95, 4), (86, 4), (85, 4), (148, 8)]  # totals of a flow by its id
    told = b"".join(
        exports.ipfix_set(1, struct.pack("!HHH", template_id, 4, 4 * len(options)) + b"".join(struct.pack("!HH", *f) for f in [(1, 4), *options]), 4) +
        exports.ipfix_set(template_id, exports.record([(1, 4), *options], [0, *values]), 4)
        for template_id, options, values in ((300, [(34, 4)], [100]), (301, [(95, 4), (96, 8)], [7, "web"])))

    def flow(port, when, octets):
        record = exports.record(fields, ["10.0.0.1", "192.0.2.1", 7, octets // 100, octets, 99])
        return when, port, exports.netflow9([v9_template(fields), exports.ipfix_set(256, record, 4)], 2, export_time=START + when - 100)
    first = (0, 1000, exports.netflow9([told], 4, export_time=START - 100))
    # Two ports at once, until the old one has been silent for five minutes.
    messages = [first, flow(1000, 1, 1000), *(flow(1001, when, 1000 + when) for when in range(10, 400, 10))]
    rows, exporter, log = run(test, messages, RENORMALIZE, "src_host, class")
    # The new port's 300 octets of the first 310 s are counted as they are, the 90 after that a hundred times, as all of the old port's.
    assert {r["class"] for r in rows} == {"web"} and sum(r["bytes"] for r in rows) == 100_000 + 300 + 100 * 90, rows
    assert exporter["clock_behind_ms"] == 100_000 and log.count("its clock is 100 s behind") == 1, log
    assert (exporter["total_unknown"], exporter["total_late"]) == (0, 0), exporter


RENORMALIZE = "nfacctd_renormalize: true"
NAMED = FLOW + [(48, 1)]


def test_one_rate_of_all_samplers_is_that_of_flows_that_name_none(test):
    """However many samplers, and from another source id, as Catalyst 9300 does; not where two rates are said."""
    flows = v9(v9_template(FLOW), v9_flow(), v9_flow("10.0.0.2"), source_id=0)
    for name, samplers, rate in (("one", [(1, 100)], 100), ("three", [(1, 100), (2, 100), (3, 100)], 100), ("two", [(1, 100), (2, 50)], 1)):
        for source_id in (0, 6):
            rows, exporter, _ = run(test, [(0, 1000, v9(v9_samplers(*samplers), source_id=source_id)), (1, 1001 if source_id else 1000, flows)],
                                    RENORMALIZE, name=f"{name}{source_id}")
            assert octets(rows) == {"10.0.0.1": 1500 * rate, "10.0.0.2": 1500 * rate}, (name, source_id, rows)
            assert (exporter["rate_assumed"], exporter["rate_unknown"]) == ((0, 2) if rate == 1 else (2, 0)), exporter
    rows, exporter, _ = run(test, [(0, 1000, v9(v9_samplers((1, 50)), source_id=6)), (1, 1000, v9(v9_samplers((1, 100)), source_id=0)), (2, 1000, flows)],
                            RENORMALIZE, name="own")
    assert octets(rows)["10.0.0.1"] == 150000, "the domain's own options go before those of the exporter"


def test_ipfix_rates_of_all_forms(test):
    """RFC 5477: 305 of 305 + 306 packets, 309 of 310; and 34, 50 by selectorId (302) or by none."""
    forms = [([(305, 4), (306, 4)], [1, 3999], 4000), ([(305, 4), (306, 4)], [2, 198], 100), ([(309, 4), (310, 4)], [5, 5000], 1000),
             ([(34, 4)], [77], 77), ([(50, 4)], [78], 78)]
    for n, (fields, values, rate) in enumerate(forms):
        for selector in ([], [(302, 8)]):
            options = [(144, 4), *selector, *fields]
            sets = [exports.ipfix_set(3, exports.template(300, options, 1)),
                    exports.ipfix_set(300, exports.record(options, [9, *([7] if selector else []), *values])),
                    exports.ipfix_set(2, exports.template(256, FLOW)), v9_flow()]
            rows, exporter, _ = run(test, [(0, 1000, exports.ipfix(sets, export_time=START))], RENORMALIZE, name=f"f{n}{len(selector)}")
            assert octets(rows) == {"10.0.0.1": 1500 * rate}, (fields, selector, rows)
            assert exporter["rate_assumed"] == (1 if selector else 0), exporter


def test_a_sampler_that_nobody_described_has_the_one_rate_after_two_minutes(test):
    def named(source):
        return v9(v9_template(NAMED), v9_flow(source, fields=NAMED, more=[9]))
    rows, exporter, _ = run(test, [(0, 1000, v9(v9_samplers((1, 100)))), (1, 1000, named("10.0.0.1")), (119, 1000, named("10.0.0.2")),
                                   (121, 1000, named("10.0.0.3"))], RENORMALIZE)
    assert octets(rows) == {"10.0.0.1": 1500, "10.0.0.2": 1500, "10.0.0.3": 150000}, rows
    assert (exporter["rate_unknown"], exporter["rate_assumed"]) == (2, 1), exporter


def test_rates_do_not_cross_ports_that_share_an_id(test):
    one = [(0, 1000, v9(v9_template(FLOW), v9_samplers((1, 100)), v9_flow()))]
    two = [(1, 1001, v9(v9_template(FLOW), v9_flow("10.0.0.2"))), (2, 1001, v9(v9_template(FLOW), v9_flow("10.0.0.3"), source_id=2))]
    rows, exporter, _ = run(test, one + two + [(3, 1000, v9(v9_flow()))], RENORMALIZE)
    assert octets(rows) == {"10.0.0.1": 300000, "10.0.0.2": 1500, "10.0.0.3": 1500}, rows
    assert exporter["rate_unknown"] == 2, exporter


def test_interfaces_with_rates_of_their_own(test):
    """By flowDirection (61): 0 ingress (10), 1 egress (14); without it ingress, else egress."""
    options, fields = [(10, 4), (34, 4)], FLOW + [(10, 4), (14, 4), (61, 1)]
    announced = struct.pack("!HHHHHHH", 300, 4, 4, 2, 4, 34, 4)  # RFC 3954: scope interface
    sets = [exports.ipfix_set(1, announced, 4),
            exports.ipfix_set(300, exports.record(options, [1, 10]) + exports.record(options, [2, 20]), 4), v9_template(fields)]
    cases = {"10.0.0.1": ([1, 2, 0], 10), "10.0.0.2": ([1, 2, 1], 20), "10.0.0.3": ([1, 2, 9], 10), "10.0.0.4": ([7, 2, 9], 20)}
    flows = [v9_flow(source, fields=fields, more=more) for source, (more, _) in cases.items()]
    rows, _, _ = run(test, [(0, 1000, v9(*sets, *flows))], RENORMALIZE)
    assert octets(rows) == {source: 1500 * rate for source, (_, rate) in cases.items()}, rows


def lines_of(log, text):
    return [line for line in log.splitlines() if text in line and "WARN" in line]


def test_an_unknown_rate_is_counted_once_and_warned_of_once(test):
    rows, exporter, log = run(test, [(n, 1000, v9(v9_template(NAMED), v9_flow(fields=NAMED, more=[3]), v9_samplers((1, 100), (2, 50))))
                                     for n in range(60)], RENORMALIZE)
    assert octets(rows) == {"10.0.0.1": 90000} and exporter["rate_unknown"] == 60, (rows, exporter)
    (line,) = lines_of(log, "sampling rate is not known")
    assert "sampling_map" in line and "nfacctd_ext_sampling_rate" in line, line
    _, exporter, log = run(test, [(0, 1000, v9(v9_template(FLOW), v9_flow()))], RENORMALIZE + "\nnfacctd_ext_sampling_rate: 5", name="ext")
    assert exporter["rate_unknown"] == 0 and not lines_of(log, "not known"), log


def test_a_rate_that_nothing_multiplies_by_is_warned_of_once(test):
    test.write("sampling.map", "id=50 ip=127.0.0.77\n")
    def told(rate, config="", aggregate="src_host", name="nfacctd", messages=None):
        messages = messages or [(n, 1000, v9(v9_samplers((1, rate)), v9_template(FLOW), v9_flow())) for n in range(5)]
        rows, _, log = run(test, messages, config, aggregate, name)
        assert octets(rows) == {"10.0.0.1": 1500 * len(messages)}, rows
        return lines_of(log, "it samples 1 packet in")
    (line,) = told(1000)
    assert f"exporter {EXPORTER}: it samples 1 packet in 1000" in line and "set nfacctd_renormalize: true" in line, line
    assert told(1, name="all") == []
    assert told(1000, "nfacctd_renormalize: false", name="false") == told(1000, aggregate="src_host, sampling_rate", name="shown") == []
    assert told(1000, f"sampling_map: {test.dir}/sampling.map", name="map") == told(1000, "nfacctd_ext_sampling_rate: 7", name="ext") == []
    flow = {"src": "10.0.0.1", "dst": "192.0.2.1", "bytes": 1500}
    assert len(told(0, name="v5", messages=[(0, 1000, exports.netflow5([flow], sampling=0x4000 | 64, export_time=START))])) == 1


def test_samples_of_the_field(test):
    """Catalyst 9300 with its sampler under another source id; IPFIX with frames and a selector that only options name."""
    for name, config, aggregate, expected in (
            ("cisco-source-ids", RENORMALIZE, "src_host, sampling_rate", [("198.51.100.1", 100, 150000), ("198.51.100.2", 100, 150000)]),
            # Five packets of one in 4,000; a pseudowire's frame and one of ARP count whole.
            ("ipfix-315", RENORMALIZE, "src_host, src_port, in_iface, etype, mpls_label_top",
             [("", 4000, 4000 * 60), ("", 4000, 4000 * 1430), ("198.51.100.1", 4000, 4000 * 1400), ("198.51.100.2", 4000, 4000 * 1400),
              ("2001:db8::1", 4000, 4000 * 1400)])):
        daemon = test.nfacctd(f"""
plugins: print[out]
aggregate[out]: {aggregate}
print_output[out]: json
print_output_file[out]: {test.dir}/{name}.json
pcap_savefile: {need_sample(f"{name}/exports.pcap")}
{config}
""", name=name)
        assert daemon.wait(30) == 0, daemon.output()
        rows = json_lines(test.dir / f"{name}.json")
        assert sorted((row["ip_src"], row["packets"], row["bytes"]) for row in rows) == expected, rows


def test_a_header_of_garbage_is_no_evidence(test):
    """Bytes of 0xff are a NetFlow v9 header of the year 2106 with the largest uptime; their set is longer than the datagram."""
    garbage = b"\0\x09" + b"\xff" * 98
    good = [(n, 1000, v9(v9_template(FLOW), v9_flow(), sequence=n)) for n in range(3)]
    waiting = (3, 1000, exports.netflow9([exports.ipfix_set(300, bytes(16))], 1, source_id=1, export_time=START + 3))
    late = (5, 1000, exports.netflow9([exports.ipfix_set(0, exports.template(300, FLOW))], 1, source_id=1, export_time=START + 5))
    same_id = garbage[:16] + b"\0\0\0\1" + garbage[20:]
    for name, messages in (("alone", [(0, 1000, garbage)]), ("other", good + [(4, 1000, garbage)]),
                           ("same", good + [waiting, (4, 1000, same_id), late])):
        _, exporter, log = run(test, messages, name=name)
        assert "its clock is" not in log and (exporter["clock_ahead_ms"], exporter["clock_behind_ms"]) == (0, 0), log
        assert exporter["drops"]["exporter_restarted"] == 0 and exporter["pending_released"] == (name == "same"), exporter
    _, exporter, log = run(test, [(0, 1000, exports.netflow9([v9_template(FLOW)], 1, export_time=START + 3600))], name="ahead")
    assert "its clock is 3600 s ahead" in log and exporter["clock_ahead_ms"] == 3_600_000, log


def test_sflow_is_answered_with_the_daemon_to_run(test):
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")
    message = sflow.datagram([sflow.flow_sample([records])])
    rows, exporter, log = run(test, [(s, 6343, message) for s in range(3)])
    lines = [line for line in log.splitlines() if "run sfacctd" in line]
    assert len(lines) == 1 and f"exporter {EXPORTER}: it sends sFlow (version 5)" in lines[0] and "WARN" in lines[0], log
    assert rows == [] and exporter["drops"]["bad_version"] == 3, exporter
    assert "version 0" not in log, log
    _, exporter, log = run(test, [(0, 6343, b"\0\0\0\5 something else")], name="other")
    assert "run sfacctd" not in log and exporter["drops"]["bad_version"] == 1, log


if __name__ == "__main__":
    main(globals())
