#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Start, signals, reload and restart of the daemon, as an operator does them."""
import json
import pathlib
import signal
import subprocess
import sys

from harness import NFACCTD, free_port, json_lines, main, print_config, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import exports  # noqa: E402


def flow(stream, port):
    return stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.2", dport=port)])


def has_port(test, port):
    return lambda: any(r["port_dst"] == port for r in json_lines(test.dir / "out.json"))


def test_all_errors_are_told_at_once(test):
    conf = test.write("bad.conf", """plugins: print[out]
nfacctd_prot: 2100
aggregate[out]: dst_hots
aggregate_filter[out]: dst port ((
nfacctd_port: 70000
print_history[out]: 0
nfacctd_as: bgp
""")
    done = subprocess.run([NFACCTD, "-f", conf], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "bad.conf:2: nfacctd_prot: unknown key; did you mean nfacctd_port?" in done.stderr, done.stderr
    assert "bad.conf:5: nfacctd_port" in done.stderr, done.stderr
    assert "bad.conf:3: aggregate[out]: " in done.stderr and "dst_host" in done.stderr, done.stderr
    assert "bad.conf:7: nfacctd_as: bgp needs bgp_daemon: true" in done.stderr, done.stderr


def test_sigusr1_writes_the_ledger_and_goes_on(test):
    daemon = test.nfacctd(print_config(test))
    stream = exports.Ipfix()
    test.send(stream.announce(), flow(stream, 1))
    wait_for(has_port(test, 1), "the first flow")
    daemon.signal(signal.SIGUSR1)
    wait_for(lambda: (test.dir / "nfacctd.stats").exists(), "stats_file")
    stats = test.stats()
    assert not stats["is_final"] and stats["exporters"][0]["flows"] == 1, stats
    test.send(flow(stream, 2))
    wait_for(has_port(test, 2), "the second flow")
    assert daemon.stop() == 0
    assert test.stats()["is_final"] and test.stats()["instances"][0]["written"]["flows"] == 2


def test_sighup_opens_the_log_anew(test):
    log = test.dir / "nfacctd.own.log"
    daemon = test.nfacctd(print_config(test, f"logfile: {log}"))
    wait_for(log.exists, "the log")
    log.rename(test.dir / "old.log")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: log.exists() and "log opened anew" in log.read_text(), "the new log")
    assert daemon.stop() == 0


def test_sigusr2_reads_the_allow_file_anew(test):
    allow = test.write("allow", "127.0.5.0/24\n")
    daemon = test.nfacctd(print_config(test, f"nfacctd_allow_file: {allow}"))
    stream = exports.Ipfix()
    test.send(stream.announce(), flow(stream, 1), source="127.0.6.1")
    test.send(stream.announce(), flow(stream, 2), source="127.0.5.1")
    wait_for(has_port(test, 2), "the flow of the exporter that is allowed")
    allow.write_text("127.0.6.0/24\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("maps: read anew")
    test.send(stream.announce(), flow(stream, 3), source="127.0.6.1")
    wait_for(has_port(test, 3), "the flow of the exporter that is allowed now")
    allow.write_text("nonsense\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("the old ones stay in force")
    test.send(flow(stream, 4), source="127.0.6.1")
    wait_for(has_port(test, 4), "a flow under the old list")
    assert daemon.stop() == 0
    assert not has_port(test, 1)(), "the exporter was not allowed"
    assert sum(w["not_allowed"] for w in test.stats()["workers"]) == 2


def test_templates_outlive_a_restart_with_another_number_of_workers(test):
    saved = test.dir / "templates.json"
    streams = {f"127.0.7.{n}": exports.Ipfix(domain=n) for n in range(1, 9)}
    daemon = test.nfacctd(print_config(test, f"nfacctd_templates_file: {saved}\nnfacctd_workers: 1"))
    for source, stream in streams.items():
        test.send(stream.announce(), source=source)
    assert daemon.stop() == 0
    content = saved.read_text()
    assert content.startswith('{"version": 1,') and len(json.loads(content)["exporters"]) > 0, content
    daemon = test.nfacctd(print_config(test, f"nfacctd_templates_file: {saved}\nnfacctd_workers: 3"), name="again")
    for port, (source, stream) in enumerate(streams.items(), 1):
        test.send(flow(stream, port), source=source)
    wait_for(lambda: all(has_port(test, port)() for port in range(1, 9)), "flows of all exporters, without a template sent again")
    assert daemon.stop() == 0


def test_what_changed_since_the_last_save_is_added_to_the_templates_file(test):
    saved = test.dir / "templates.json"
    daemon = test.nfacctd(print_config(test, f"nfacctd_templates_file: {saved}"))
    for domain in (1, 2):
        test.send(exports.Ipfix(domain=domain).announce())
    wait_for(saved.exists, "the first save")
    test.send(exports.Ipfix(domain=3).announce())
    assert daemon.stop() == 0
    scopes = json.loads(saved.read_text())["exporters"]
    assert sorted(s["domain"] for s in scopes if "version" in s) == [1, 2, 3], scopes
    assert all(len(s["templates"]) == 1 for s in scopes if "version" in s), scopes


def test_templates_of_before_there_were_versions_are_read_and_of_unknown_ones_not(test):
    saved = test.dir / "templates.json"
    stream = exports.Ipfix(domain=1)
    daemon = test.nfacctd(print_config(test, f"nfacctd_templates_file: {saved}"))
    test.send(stream.announce())
    assert daemon.stop() == 0
    exporters = json.loads(saved.read_text())["exporters"]
    saved.write_text(json.dumps(exporters))
    daemon = test.nfacctd(print_config(test, f"nfacctd_templates_file: {saved}"), name="old")
    test.send(flow(stream, 1))
    wait_for(has_port(test, 1), "a flow by a template of the old file")
    assert daemon.stop() == 0
    for number, (content, said) in enumerate([
            (json.dumps({"version": 99, "exporters": exporters}), "it is of version 99, not 1"), ('{"exporters": []}', "it holds no templates"),
            ('{"version": 1, "exporters": {}}', "it holds no templates"), ("nonsense", "in line 1")]):
        saved.write_text(content)
        daemon = test.nfacctd(print_config(test, f"nfacctd_templates_file: {saved}"), name=f"unknown{number}")
        daemon.wait_log(f"templates file {saved}: ")
        assert f"{said}" in daemon.output() and "it is not used, and written anew" in daemon.output(), daemon.output()
        test.send(stream.announce())
        test.wait_now(daemon, lambda stats: stats["exporters"] and stats["exporters"][0]["templates"] == 1, "the template",
                      name=f"unknown{number}")
        assert daemon.stop() == 0
        assert json.loads(saved.read_text())["exporters"], saved.read_text()


def test_a_datagram_of_each_exporter_reaches_its_worker(test):
    daemon = test.nfacctd(print_config(test, "nfacctd_workers: 3"))
    for n in range(1, 41):
        stream = exports.Ipfix(domain=n)
        test.send(stream.announce(), flow(stream, n), source=f"127.0.8.{n}")
    wait_for(lambda: all(has_port(test, n)() for n in range(1, 41)), "flows of forty exporters")
    assert daemon.stop() == 0
    stats = test.stats()
    assert all(w["datagrams"] > 0 for w in stats["workers"]), stats["workers"]
    assert sum(w["passed_on"] for w in stats["workers"]) == 0, "the kernel steers"


def test_daemonize_and_pidfile(test):
    pidfile = test.dir / "pid"
    log = test.dir / "d.log"
    conf = test.write("d.conf", print_config(test, f"""
daemonize: true
pidfile: {pidfile}
logfile: {log}
nfacctd_ip: 127.0.0.1
nfacctd_port: {free_port()}
"""))
    done = subprocess.run([NFACCTD, "-f", conf], timeout=20)
    assert done.returncode == 0
    pid = int(wait_for(lambda: pidfile.exists() and pidfile.read_text().strip(), "the pid file"))
    test.cleanups.append(lambda: subprocess.run(["kill", "-9", str(pid)], stderr=subprocess.DEVNULL))
    assert b"nfacctd: Core Process [default]" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    wait_for(lambda: "waiting for" in log.read_text(), "the daemon in its log")
    subprocess.run(["kill", str(pid)], check=True)
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists() and not pidfile.exists(), "the end", 40)


if __name__ == "__main__":
    main(globals())
