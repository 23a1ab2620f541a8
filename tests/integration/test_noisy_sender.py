#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One sender, or many invented ones, cannot push out what is known of a real router: its templates, sampling rates, names,
waiting data, and itself.

Each test sends what a router sends, then a flood from elsewhere, then flows of the router that only what was known before can read."""
import socket
import time

from harness import free_port, json_lines, main, wait_for
from bgp_speaker import Speaker
import exports
import sflow

START = 1_700_000_000
ROUTER, SPOOFED = "127.0.0.9", "10.66.6.6"
FLOW = [(8, 4), (12, 4), (2, 4), (1, 4), (95, 4)]  # source, destination, packets, octets, application
RATES = [(302, 4), (34, 4)]                          # RFC 5477: selectorId (scope), sampling interval
NAMES = [(95, 4), (96, 8)]                           # RFC 6759: applicationId (scope), its name
RENORMALIZE = "nfacctd_renormalize: true\n"


def options(fields, rows, template_id=300):
    return [exports.ipfix_set(3, exports.template(template_id, fields, 1)),
            exports.ipfix_set(template_id, b"".join(exports.record(fields, row) for row in rows))]


def template(template_id=256, fields=None):
    return exports.ipfix_set(2, exports.template(template_id, fields or FLOW))


def flow(octets=100, template_id=256):
    return exports.ipfix_set(template_id, exports.record(FLOW, ["10.0.0.1", "192.0.2.1", 1, octets, 7]))


def message(*sets, domain=1, when=0):
    return exports.ipfix(sets, domain=domain, export_time=START + when)


INTRODUCTION = message(template(), *options(RATES, [[1, 1000]]), *options(NAMES, [[7, "web"]], 301))
FLOWS = message(flow())


def run(test, datagrams, config="", name="nfacctd", aggregate="src_host, class", program="nfacctd"):
    """Rows, the ledger and the log of the daemon reading `datagrams`: (seconds, source address, message)."""
    port = {"nfacctd": 2100, "sfacctd": 6343}[program]
    exports.write_pcap(test.dir / f"{name}.pcap", [(START + when, exports.udp_packet(payload, source, dport=port)) for when, source, payload in datagrams])
    daemon = getattr(test, program)(f"""
plugins: print[out]
aggregate[out]: {aggregate}
print_output[out]: json
print_output_file[out]: {test.dir}/{name}.json
print_output_file_append[out]: true
pcap_savefile: {test.dir}/{name}.pcap
{config}
""", name=name)
    assert daemon.wait(60) == 0, daemon.output()
    return json_lines(test.dir / f"{name}.json"), test.stats(name), daemon.output()


def of(stats, address):
    return next(e for e in stats["exporters"] if e["address"] == address)


def check(test, flood, config=RENORMALIZE, name="nfacctd"):
    """The flow of the router has its rate and its name, whatever came between; returns ledger and log."""
    rows, stats, log = run(test, [(0, ROUTER, INTRODUCTION), (1, ROUTER, FLOWS), *flood, (5, ROUTER, FLOWS)], config, name)
    assert [(r["ip_src"], r["bytes"], r["class"]) for r in rows] == [("10.0.0.1", 200_000, "web")], rows
    assert not any(of(stats, ROUTER)["drops"].values()), of(stats, ROUTER)
    return stats, log


def lines(log, text):
    return [line for line in log.splitlines() if text in line and "WARN" in line]


def flood_of_options(fields, make_row, datagrams=46, records=8000):
    """Datagrams of as many options records as fit, each of something new."""
    return [(2, SPOOFED, message(*options(fields, (make_row(n * records + i) for i in range(records))), domain=n)) for n in range(datagrams)]


def test_sampling_rates(test):
    """46 datagrams fill all of options_max (524,288): each of their rates is kept for the domain and for the exporter."""
    stats, log = check(test, flood_of_options(RATES, lambda n: [n, 1]))
    assert of(stats, SPOOFED)["drops"]["too_many_options"] == 2 * 46 * 8000 + 4 - 524288, of(stats, SPOOFED)["drops"]
    assert 1 <= len(lines(log, "a sampling rate or name pushed out another: more than options_max")) <= 10, log


def test_names(test):
    stats, _ = check(test, flood_of_options(NAMES, lambda n: [n + 100, f"a{n}"], 12, 5000), RENORMALIZE + "options_max: 1000\n")
    assert of(stats, SPOOFED)["drops"]["too_many_options"] == 2 * 12 * 5000 + 4 - 1000, of(stats, SPOOFED)["drops"]


def test_templates(test):
    """46 datagrams of 5000 templates each, of one field and of 40: templates_max and its fields."""
    for name, fields, count in (("small", [(1, 4)], 5000), ("wide", [(1, 4)] * 40, 300)):
        flood = [(2, SPOOFED, message(exports.ipfix_set(2, b"".join(exports.template(256 + i, fields) for i in range(count))), domain=n)) for n in range(46)]
        stats, log = check(test, flood, RENORMALIZE + "templates_max: 2000\n", name)
        assert of(stats, SPOOFED)["drops"]["too_many_templates"] > 10_000, of(stats, SPOOFED)["drops"]
        assert 1 <= len(lines(log, "more than templates_max")) <= 10, log


def test_domains(test):
    """10,000 datagrams, each of a domain of its own."""
    flood = [(2 + n / 10_000, SPOOFED, message(template(), domain=n + 10)) for n in range(10_000)]
    stats, log = check(test, flood, RENORMALIZE + "domains_max: 500\ntemplates_max: 400\n")
    assert of(stats, SPOOFED)["drops"]["too_many_domains"] > 9000, of(stats, SPOOFED)["drops"]
    assert 1 <= len(lines(log, "more than domains_max or agents_max")) <= 10, log


def test_data_that_waits(test):
    """10,000 datagrams of data without a template: the router's own data still waits for its template, which comes last."""
    waiting = (2, ROUTER, message(flow(50, 400)))
    flood = [(2, SPOOFED, message(exports.ipfix_set(256 + n % 1000, bytes(1400)), domain=n)) for n in range(10_000)]
    rows, stats, _ = run(test, [(0, ROUTER, INTRODUCTION), waiting, *flood, (5, ROUTER, message(template(400)))], RENORMALIZE)
    assert [r["bytes"] for r in rows] == [50_000], rows
    assert of(stats, ROUTER)["pending_released"] == 1 and of(stats, ROUTER)["drops"]["pending_full"] == 0, of(stats, ROUTER)
    assert of(stats, SPOOFED)["drops"]["pending_full"] > 5000, of(stats, SPOOFED)


def test_exporters(test):
    """10,000 invented addresses: who is named by address stays, and so does who has delivered flows for ten minutes."""
    def invented(when):
        return [(when, f"10.{n >> 8}.{n & 255}.1", message(template(), flow(1), when=when)) for n in range(10_000)]
    test.write("allow", f"{ROUTER}\n10.0.0.0/8\n")
    config = RENORMALIZE + "exporters_max: 100\n"
    allow = f"nfacctd_allow_file: {test.dir}/allow\n"

    def last_flow(name, before, after_s, more=""):
        """Whether the last flow is read; its octets differ from those of all others."""
        last = (after_s, ROUTER, message(flow(777_000), when=after_s))
        rows, stats, log = run(test, [(0, ROUTER, INTRODUCTION), *before, *invented(after_s - 1), last], config + more, name)
        assert stats["evicted"][0]["exporters"] == 9901 + ("evicted" == name), stats["evicted"]
        assert len(lines(log, "more than exporters_max send")) in range(1, 11), log
        return sum(r["bytes"] for r in rows) >= 777_000

    assert last_flow("named", [], 10, allow)
    assert not last_flow("evicted", [], 10)
    flows = [(s, ROUTER, message(flow(), when=s)) for s in range(1, 780, 60)]
    assert last_flow("delivers", flows, 800)


def test_a_router_with_a_bgp_session_live(test):
    """Its templates outlive 200 invented exporters where there is room for 20; and lines of a flood do not stand for a line about it."""
    router, bgp_port = "127.0.0.21", free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp_port}
plugins: print[out]
aggregate[out]: peer_src_ip
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
exporters_max: 20
nfacctd_workers: 1
""")
    speaker = Speaker(test, bgp_port, address=router).establish()
    now = int(time.time()) - START
    sent = 0

    def is_known(stats):
        """Exporters are looked at when they send, every 10 s; the session may be told to workers after the first time."""
        nonlocal sent
        sent += 1
        test.send(message(template(), when=now), source=router)
        return any(e["address"] == router and e["known"] == 1 for e in stats["exporters"])
    test.wait_now(daemon, is_known, "the router is known")
    invented = [f"127.0.1.{n}" for n in range(1, 201)]
    for n, source in enumerate(invented):
        test.send(message(template(), exports.ipfix_set(2, exports.template(300, [(1, 0)])), when=now), source=source)
        if n % 20 == 19:
            test.wait_now(daemon, lambda stats: stats["datagrams"]["decoded"] == sent + n + 1, "all datagrams are decoded")
    stats = test.now(daemon)  # exporters that come and go while they are listed may be missed: now none do
    known = {e["address"]: e["known"] for e in stats["exporters"]}
    assert known == {router: 1, **{source: 0 for source in invented[-19:]}}, known
    test.send(message(flow(), exports.ipfix_set(2, exports.template(301, [(1, 0)])), when=now), source=router)
    row = wait_for(lambda: next((r for r in json_lines(test.dir / "out.json") if r["peer_ip_src"] == router), None), "the router's flow")
    assert row["bytes"] == 100, row
    daemon.wait_log(f"exporter {router}: domain 1: template 301 with 1 fields: its records would have no bytes")
    assert speaker.socket, "the session lasts until here"


def test_sflow_agents(test):
    """Numbers of sub-agents and data sources are kept as well: what is missing before the router's last sample is still seen."""
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")

    def datagram(agent, sub_agent, sequence, sources=(3,)):
        return sflow.datagram([sflow.flow_sample([records], sequence=sequence, source=s) for s in sources], agent=agent, sub_agent=sub_agent,
                              sequence=sequence)
    flood = [(1, SPOOFED, datagram(SPOOFED, n, 1, range(n, n + 3))) for n in range(1000)]
    rows, stats, _ = run(test, [(0, ROUTER, datagram(ROUTER, 0, 1)), *flood, (2, ROUTER, datagram(ROUTER, 0, 6))],
                         "agents_max: 50\nsources_max: 60\n", program="sfacctd", aggregate="src_host")
    router = of(stats, ROUTER)
    assert (router["sequence_missing"], router["samples_missing"]) == (4, 4) and rows[0]["packets"] == 3002, (router, rows)
    assert of(stats, SPOOFED)["drops"]["too_many_domains"] == 951 and of(stats, SPOOFED)["drops"]["too_many_sources"] > 2900, stats


def test_invented_sflow_agents_push_out_each_other(test):
    """One address names 1000 agents. Those of others stay, though they were heard before, and the sender's counter says why."""
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")

    def datagram(agent):
        return sflow.datagram([sflow.flow_sample([records])], agent=agent)
    quiet = [f"198.51.100.{n}" for n in range(1, 31)]
    flood = [(1, SPOOFED, datagram(f"10.9.{n // 250}.{n % 250}")) for n in range(1000)]
    rows, stats, log = run(test, [*((0, source, datagram(source)) for source in quiet), *flood], "exporters_max: 40\n", program="sfacctd",
                           aggregate="src_host")
    addresses = {e["address"] for e in stats["exporters"]}
    assert addresses >= {*quiet, SPOOFED} and len(addresses) == 40, addresses
    assert of(stats, SPOOFED)["drops"]["too_many_agents"] == 1000 - 9, of(stats, SPOOFED)["drops"]
    assert rows[0]["packets"] == 1030 and "agent 10.9.3.249 in place of" not in log, rows
    assert "an sFlow agent that it names pushed out another exporter: more than exporters_max" in log, log


def test_a_template_that_went_is_said_to_have_gone(test):
    """Pushed out (templates_max), with its domain (domains_max), or expired (template_lifetime): never that it did not come."""
    cases = {"templates": ("templates_max: 2", [(1, ROUTER, message(template(257), template(258)))]),
             "domains": ("domains_max: 1", [(1, ROUTER, message(template(), domain=2))]),
             "expired": ("template_lifetime: 60", [(100, ROUTER, message(template(257), when=100))])}
    for name, (config, between) in cases.items():
        data = [(200 + s, ROUTER, message(flow(), when=200 + s)) for s in range(0, 30, 3)]
        end = [(900, ROUTER, message(template(259), when=900))]
        _, stats, log = run(test, [(0, ROUTER, message(template(), flow())), *between, *data, *end], config, name)
        drops = of(stats, ROUTER)["drops"]
        assert drops["template_gone"] > 0 and drops["template_gone"] + of(stats, ROUTER)["pending_sets"] == 10, (name, drops)
        assert drops["no_template"] == 0 and "did not come in time" not in log, log
        assert len(lines(log, "template 256 since 10 s; that template was here")) == 1, log
        # Once it comes again all is as it was.
        rows, stats, log = run(test, [(0, ROUTER, message(template(), flow())), *between, *data, (240, ROUTER, message(template(), when=240))],
                               config, name + "-again")
        assert sum(r["bytes"] for r in rows) == 1100 and of(stats, ROUTER)["pending_released"] == 10, (name, rows)


def test_exporter_rate_max(test):
    """One second's datagrams at once, then so many a second; the ledger adds up, and another exporter is not touched."""
    other = "10.0.0.7"
    noisy = [(s, SPOOFED, message(template(), flow(), when=int(s))) for s in [0] * 100 + [10 + n / 50 for n in range(100)]]
    calm = [(s, other, message(template(), flow(), when=s)) for s in range(12)]
    rows, stats, log = run(test, sorted(noisy + calm), "exporter_rate_max: 10\n")
    drops, read = of(stats, SPOOFED)["drops"]["rate_limited"], of(stats, SPOOFED)["datagrams_read"]
    decoded = of(stats, SPOOFED)["datagrams_decoded"]
    assert read == 200 and decoded + drops == 200 and decoded in range(38, 42), of(stats, SPOOFED)
    assert of(stats, other)["datagrams_decoded"] == 12 and sum(of(stats, other)["drops"].values()) == 0, of(stats, other)
    assert sum(r["packets"] for r in rows) == decoded + 12 and lines(log, "beyond exporter_rate_max"), log


if __name__ == "__main__":
    main(globals())
