#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""print_preprocess leaves out what pmacct leaves out, counts it, and says what it does not offer."""
from harness import NFACCTD, json_lines, main, need_pmacct
import exports

START = 1_700_000_000
# host: flows, packets and bytes of each
HOSTS = {1: (1, 1, 40), 2: (2, 5, 7500), 3: (1, 100, 4000), 4: (3, 1, 20), 5: (1, 10, 15000)}
CHECKS = {"one": ("minb=4000", "any"), "any": ("minp=100, minb=15000", "any"), "all": ("minp=5, minb=10000", "all"), "ratio": ("minbpp=1000", "any"),
          "flows": ("minf=3,minppf=100", "any")}


def write_pcap(test):
    stream = exports.Ipfix()
    rows = [exports.common_flow(f"10.0.0.{host}", "192.0.2.1", "10.0.0.1", octets=octets, packets=packets, start_ms=START * 1000, end_ms=START * 1000)
            for host, (flows, packets, octets) in HOSTS.items() for _ in range(flows)]
    exports.write_pcap(test.dir / "in.pcap", [(START, exports.udp_packet(stream.announce(export_time=START))),
                                              (START + 1, exports.udp_packet(stream.data(rows, export_time=START + 1)))])


def config(test, who):
    lines = ["daemonize: false", "plugins: " + ", ".join(f"print[{name}]" for name in CHECKS), f"pcap_savefile: {test.dir}/in.pcap", "print_refresh_time: 3600",
             "aggregate: src_host, flows", "print_output: json"]
    for name, (checks, kind) in CHECKS.items():
        lines += [f"print_output_file[{name}]: {test.dir}/{who}-{name}", f"print_preprocess[{name}]: {checks}", f"print_preprocess_type[{name}]: {kind}"]
    return "\n".join(lines) + "\n"


def rows_of(path):
    return sorted((r["ip_src"], r["flows"], r["packets"], r["bytes"]) for r in json_lines(path)) if path.exists() else []


def test_as_pmacct(test):
    write_pcap(test)
    test.start([need_pmacct("sbin/nfacctd"), "-f", test.write("pmacct.conf", config(test, "theirs"))], "pmacct").wait(60)
    daemon = test.nfacctd(config(test, "ours"))
    assert daemon.wait(60) == 0, daemon.output()
    instances = {i["name"]: i for i in test.stats()["instances"]}
    for name in CHECKS:
        theirs, ours = rows_of(test.dir / f"theirs-{name}"), rows_of(test.dir / f"ours-{name}")
        assert theirs == ours and ours, (name, theirs, ours)
        counters = instances[name]["process"]["counters"]
        assert counters["preprocess_left_out_rows"] == len(HOSTS) - len(ours), counters
        assert counters["preprocess_left_out_bytes"] + sum(row[3] for row in ours) == sum(f * b for f, _, b in HOSTS.values()), counters


def test_what_is_not_offered(test):
    wrong = test.write("wrong.conf", "plugins: print[a], print[b], print[c]\naggregate: src_host\nprint_preprocess[a]: minb=1, qnum=10\n"
                       "print_preprocess[b]: minf=2\nprint_preprocess[c]: large\n")
    daemon = test.start([NFACCTD, "-f", wrong, "--check"], "wrong")
    assert daemon.wait(60) == 1, daemon.output()
    said = daemon.output()
    assert "print_preprocess: qnum is not offered; there are minp, minf, minb, minbpp and minppf (SQL plugins have more)" in said, said
    assert "print_preprocess: a check of flows needs the primitive flows" in said and "'large' is not of the form minb=10000" in said, said


if __name__ == "__main__":
    main(globals())
