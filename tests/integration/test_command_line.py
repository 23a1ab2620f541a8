#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves what a user finds who types commands: options, lists, the check of a configuration, a trial start, exit statuses, the way
to the end."""
import csv
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

from harness import BUILD, NFACCTD, SOURCE, free_port, main, need_built, wait_for
import exports

GOOD = "plugins: print[a]\naggregate[a]: src_host, proto\n"


def run(*args, **kwargs):
    done = subprocess.run([NFACCTD, *[str(a) for a in args]], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **kwargs)
    return done.returncode, done.stdout, done.stderr


def capture(test):
    """Two flows of 10.0.0.1 and one of 10.0.0.2."""
    stream = exports.Ipfix()
    rows = [exports.common_flow(f"10.0.0.{n}", "192.168.1.1", "10.0.0.9", octets=100, packets=1, start_ms=1700000000000,
                                end_ms=1700000001000) for n in (1, 1, 2)]
    packets = [stream.announce(export_time=1700000001), stream.data(rows, export_time=1700000001)]
    exports.write_pcap(test.dir / "in.pcap", [(1700000001, exports.udp_packet(p, "192.0.2.1")) for p in packets])
    return test.dir / "in.pcap"


def config(test, text):
    return test.write("t.conf", text)


def test_help_names_options_that_the_manual_has(test):
    status, out, err = run("--help")
    assert (status, err) == (0, "") and out.startswith("usage: nfacctd -f FILE"), out
    assert run("-h") == (status, out, err)
    manual = (SOURCE / "man/nfacctd.8").read_text()
    letters = re.findall(r"^  -(\w)", out, flags=re.M)
    assert len(letters) > 20, out
    assert [letter for letter in letters if not re.search(rf"^\.It Fl {letter}\b", manual, flags=re.M)] == []


def test_lists(test):
    status, out, _ = run("-V")
    assert status == 0 and re.fullmatch(r"nfacctd \(pathacct\) \d+\.\d+\.\d+\n", out) and run("--version")[1] == out, out
    status, out, _ = run("-a")
    names = [line.split()[0] for line in out.splitlines()]
    assert status == 0 and {"src_host", "as_path", "path_match", "tcpflags"} <= set(names), out
    # Each name in the list may stand in `aggregate`.
    names = [name for name in names if not name.startswith("sum_")]  # those stand alone
    conf = config(test, "plugins: print[a]\nprint_output: json\n" + f"aggregate: {', '.join(names)}\nbgp_daemon: true\nnfacctd_as: longest\n"
                  f"geoipv2_file: {SOURCE}/tests/fuzz/corpus/geoip/good\nrpki_roas_file: {SOURCE}/tests/fuzz/corpus/roa_file/forms\n"
                  f"bgp_daemon_allow_file: {test.write('allow', '192.0.2.1')}\n")
    assert run("-f", conf, "--check") == (0, "the configuration is right\n", ""), run("-f", conf, "--check")
    primitives = test.write("own.lst", "name=delay field_type=43874:99 len=4 semantics=u_int\n")
    status, out, err = run("-f", config(test, f"aggregate_primitives: {primitives}\n{GOOD}"), "-a")
    assert status == 0 and re.search(r"^delay ", out, flags=re.M), out + err
    status, text, _ = run("--keys")
    rows = [line.split("\t") for line in text.splitlines()]
    assert status == 0 and {len(row) for row in rows} == {4}, text
    keys = json.loads(run("--keys=json")[1])["keys"]
    assert {row[0].split("[")[0] for row in rows} == {key["name"] for key in keys}
    # What several plugins have is told once.
    shared = [row[3] for row in rows if row[0] == "timestamps_utc[name]?"]
    assert len(shared) == 1 and "memory, " in shared[0] and "print" in shared[0], shared


def test_a_plugin_describes_itself_where_the_daemon_finds_it(test):
    """Not only in the folder that was configured, where nothing is before the installation."""
    host = BUILD / "libexec/pathacct-host"
    done = subprocess.run([host, "--describe", "print"], capture_output=True, text=True, cwd=test.dir, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "print_output" in [key["name"] for key in json.loads(done.stdout)["keys"]]
    done = subprocess.run([host, "--describe", "print", test.dir], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and str(test.dir) in done.stderr, done.stderr


def test_a_wrong_command_line_is_all_that_is_reported(test):
    for args, said in [
        (["-x"], "-x: no such option; see --help"),
        (["--chek"], "--chek: no such option; see --help"),
        (["-f"], "-f: needs a value; see --help"),
        (["nfacctd.conf"], "nfacctd.conf: not an option; the configuration file follows -f"),
        (["-f", "/nonexistent.conf"], "/nonexistent.conf: cannot read it: No such file or directory"),
        (["-T", "nothing"], "-T: 'nothing' is neither config nor setup"),
        (["--keys=xml"], "--keys: 'xml' is no format; write --keys or --keys=json"),
        ([], "nothing is configured: -f names a file, -P plugins; see --help"),
        (["--check"], "nothing is configured: -f names a file, -P plugins; see --help"),
    ]:
        answer = run(*args)
        assert answer == (1, "", said + "\n"), (args, answer)


def test_options_stand_above_the_file(test):
    conf = config(test, f"{GOOD}print_output: json\nprint_output[a]: json\npcap_savefile: {capture(test)}\n")
    status, out, err = run("-f", conf)
    assert status == 0 and [json.loads(line)["ip_src"] for line in out.splitlines()] == ["10.0.0.1", "10.0.0.2"], out + err
    status, out, err = run("-O", "csv", "-E", ";", "-u", "-f", conf)
    assert status == 0 and out.splitlines() == ["SRC_IP;PROTOCOL;PACKETS;BYTES", "10.0.0.1;6;2;200", "10.0.0.2;6;1;100"], out


def test_keys_and_choices_are_read_in_any_case(test):
    conf = config(test, f"{GOOD}Print_Output[a]: JSON\nPCAP_savefile: {capture(test)}\n")
    status, out, err = run("-f", conf)
    assert status == 0 and [json.loads(line)["ip_src"] for line in out.splitlines()] == ["10.0.0.1", "10.0.0.2"], out + err


def test_processes_are_told_apart(test):
    daemon = test.nfacctd("core_proc_name: edge\nplugins: print[a], print[b]\naggregate: src_host\n")

    def titles():
        listed = subprocess.run(["ps", "-o", "args=", "--ppid", str(daemon.pid)], capture_output=True, text=True).stdout
        names = sorted(line.strip() for line in listed.splitlines())
        return [name for name in names if name != "nfacctd: Launcher [edge]"] == ["pathacct-host print[a]", "pathacct-host print[b]"]

    wait_for(titles, "a process for each instance, by its name")
    title = subprocess.run(["ps", "-o", "args=", "-p", str(daemon.pid)], capture_output=True, text=True).stdout
    assert title.strip() == "nfacctd: Core Process [edge]", title
    assert daemon.stop() == 0


def test_a_capture_without_a_file(test):
    """The same rows in each form; the last line of the log is that of the end."""
    args = ["-I", capture(test), "-P", "print", "-c", "src_host"]
    status, out, err = run(*args)
    assert status == 0 and [line.split() for line in out.splitlines()] == \
        [["SRC_IP", "PACKETS", "BYTES"], ["10.0.0.1", "2", "200"], ["10.0.0.2", "1", "100"]], out
    assert err.splitlines()[-1].endswith("( default/nfacctd ): ended"), err
    rows = list(csv.DictReader(io.StringIO(run(*args, "-O", "csv")[1])))
    assert [(r["SRC_IP"], r["PACKETS"], r["BYTES"]) for r in rows] == [("10.0.0.1", "2", "200"), ("10.0.0.2", "1", "100")]
    status, out, _ = run(*args, "-O", "json", "-o", test.dir / "%Y" / "out.json", "-Y", "3")
    assert (status, out) == (0, "")
    files = list(test.dir.glob("*/out.json"))
    assert len(files) == 1 and sum(json.loads(line)["bytes"] for line in files[0].read_text().splitlines()) == 900


def test_each_problem_is_told_at_its_line(test):
    """All of them at once, those of plugins, maps and other files too."""
    test.write("sampling.map", "id=x ip=192.0.2.1\n")
    problems = [
        ("plugins: print[a], print[b]", None),
        ("aggregate: src_host", None),
        ("nfacctd_prot: 1", "nfacctd_prot: unknown key; did you mean nfacctd_port?"),
        ("nothing like any key", "no ':' after the key; expected key: value"),
        ("nfacctd_ip: 300.0.0.1", "nfacctd_ip: bad value '300.0.0.1'; expected an IP address"),
        ("nfacctd_port: 70000", "nfacctd_port: bad value '70000'; expected a whole number from 0 to 65535"),
        ("syslog: nowhere", "syslog: bad value 'nowhere'; expected a syslog facility"),
        ("nfacctd_as: bgp", "nfacctd_as: bgp needs bgp_daemon: true"),
        ("bgp_path_accept: exakt", "bgp_path_accept: no verdict 'exakt'; there are historic, exact,"),
        ("aggregate_filter: udp", "aggregate_filter: must say for which instance; write aggregate_filter[name]: udp"),
        ("aggregate_filter[a]: udp port ((", "aggregate_filter[a]: 'udp port (('"),
        ("print_output[b]: xml", "print_output[b]: bad value 'xml'; expected one of formatted, csv, json"),
        ("print_output[b]: custom", "print_output[b]: custom is not supported: output libraries of this kind are not loaded; write a plugin"),
        ("print_history[c]: 5m", "print_history[c]: no instance has that name; `plugins` names a, b"),
        ("print_history[b]: 5m", None),
        ("print_history_roundoff[b]: q", "print_history_roundoff: 'q' is none of the letters m, h, d, w, M"),
        ("nfacctd_allow_file: /nonexistent", "nfacctd_allow_file: cannot read /nonexistent: No such file"),
        (f"sampling_map: {test.dir}/sampling.map", None),
        ("bgp_daemon_xconnect_map: /x", "bgp_daemon_xconnect_map: not supported: BGP sessions are not relayed"),
        ("nfprobe_no_such_key: flows", None),  # a notice, as no such plugin is configured
    ]
    conf = config(test, "".join(line + "\n" for line, _ in problems))
    status, out, err = run("-f", conf, "--check")
    assert (status, out) == (1, ""), out
    for number, (_, said) in enumerate(problems, 1):
        here = [line for line in err.splitlines() if line.startswith(f"{conf}:{number}: ")]
        assert not here if said is None else len(here) == 1 and here[0].startswith(f"{conf}:{number}: {said}"), (number, here, err)
    assert f"{test.dir}/sampling.map:1: id=x: expected a number" in err, err
    assert run("-f", conf)[0] == 1


def test_a_plugin_complains_at_the_line_of_its_key(test):
    conf = config(test, GOOD + "files_umask: 077\nprint_output_separator[a]: ab\n")
    status, _, err = run("-f", conf, "--check")
    assert (status, err) == (1, f"{conf}:4: print[a]: print_output_separator: not one printable character, \\t or \\s\n"), err


def test_the_key_is_spelt_as_on_its_line(test):
    """sfacctd's name of a key that nfacctd has too."""
    conf = config(test, GOOD + "sfacctd_allow_file: /nonexistent\n")
    status, _, err = run("-f", conf, "--check")
    assert status == 1 and err.startswith(f"{conf}:3: sfacctd_allow_file: cannot read /nonexistent: No such file"), err


def test_problems_stand_in_the_order_of_lines_and_are_counted(test):
    sampling = test.write("sampling.map", "id=1 ip=nonsense\nid=x ip=192.0.2.1\n")
    conf = config(test, f"sampling_map: {sampling}\n{GOOD}print_output_separator[a]: ab\nno_such_key: 1\nprint_cache_entries: 5\n"
                  "aggregate_filter: udp\nnfacctd_port: 99999\n")
    status, _, err = run("-f", conf, "--check")
    lines = err.splitlines()
    errors = [line for line in lines if not line.startswith(("notice: ", "warning: "))]
    numbers = [int(line[len(f"{conf}:"):].split(":")[0]) for line in errors if line.startswith(f"{conf}:")]
    assert status == 1 and len(numbers) >= 4 and numbers == sorted(numbers), err
    assert lines[-2:] == [f"{len(errors) - 2} errors, 1 warning",
                          "strict_config: false passes over lines that are wrong or not supported, with a warning, as pmacct does"], err
    assert err.index(f"{sampling}:1:") < err.index(f"{sampling}:2:"), err


def test_notices_of_what_nobody_would_see(test):
    """Rows and log of a daemon in the background, and a table in memory that nobody asked for."""
    conf = config(test, GOOD + "daemonize: true\n")
    status, out, err = run("-f", conf, "--check")
    assert status == 0 and out == "the configuration is right\n", err
    assert f"notice: {conf}:3: daemonize: nobody sees the log; set logfile or syslog" in err, err
    assert f"notice: {conf}:1: print[a]: its rows are lost: daemonize closes standard output, and print_output_file is not set" in err, err
    err = run("-f", config(test, GOOD + f"daemonize: true\nsyslog: daemon\nprint_output_file: {test.dir}/%H\n"), "--check")[2]
    assert "daemonize" not in err, err
    err = run("-f", config(test, "aggregate: src_host\n"), "--check")[2]
    assert "notice: plugins: not set, so rows go into a table in memory, which pmacct(1) shows and which ends with the daemon" in err, err


def test_the_generator_of_flows_has_a_help(test):
    flowgen = need_built("bench/flowgen")
    done = subprocess.run([flowgen, "--help"], capture_output=True, text=True, timeout=60)
    source = (SOURCE / "bench/flowgen.c").read_text()
    assert done.returncode == 0 and done.stderr == "", done
    for name in re.findall(r'\{"(\w+)", [01], 0,', source):
        assert f"  --{name}" in done.stdout, name
    done = subprocess.run([flowgen, "--udp", "127.0.0.1:1", "--format", "xml"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--format: neither ipfix" in done.stderr, done


def test_check_opens_nothing(test):
    """A configuration that is right is so while the daemon runs, too."""
    text = f"{GOOD}nfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}\n"
    test.nfacctd(text)
    conf = config(test, text)
    assert run("-f", conf, "--check") == (0, "the configuration is right\n", "")
    assert run("-f", conf, "-T", "config") == (0, "the configuration is right\n", "")
    # A trial start meets the one that runs: a port has one daemon.
    status, _, err = run("-f", conf, "-T", "setup")
    assert status == 1 and "Address already in use" in err, err
    assert run("-f", conf)[0] == 1


def stop_daemon(test):
    """Ends a daemon that went into the background, and waits until it is gone."""
    pid = int((test.dir / "pid").read_text())
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not (test.dir / "pid").exists() and not pathlib.Path(f"/proc/{pid}").exists(), "the end of the daemon")


def test_warnings_are_called_so_and_are_in_the_log(test):
    text = f"strict_config: false\nno_such_key: 1\n{GOOD}nfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}\n" \
           f"print_cache_entries: 5\nlogfile: {test.dir}/log\npidfile: {test.dir}/pid\n"
    conf = config(test, text)
    status, out, err = run("-f", conf, "--check")
    assert (status, out) == (0, "the configuration is right\n"), err
    assert err.splitlines() == [
        f"warning: {conf}:2: no_such_key: unknown key; the line is left out",
        f"warning: these keys tune pmacct's internals and have no effect here: print_cache_entries ({conf}:7)"], err
    status, _, err = run("-f", conf, "-D")
    assert status == 0, err
    test.cleanups.append(lambda: stop_daemon(test))
    wait_for((test.dir / "pid").exists, "the pid file")
    wait_for(lambda: "waiting for" in (test.dir / "log").read_text(), "the start")
    log = (test.dir / "log").read_text()
    assert f"WARN ( default/nfacctd ): {conf}:2: no_such_key: unknown key" in log, log


def test_a_start_that_fails_says_why(test):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for line, said in [
            (f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {port}", "Address already in use"),
            ("nfacctd_interface: nosuch0", "nosuch0: No such device"),
            ("logfile: /nonexistent/log", "logfile /nonexistent/log: No such file or directory"),
            ("bgp_daemon: true\nbgp_daemon_interface: nosuch0", "of interface nosuch0: No such device"),
        ]:
            if "nfacctd_port" not in line:
                line += f"\nnfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}"
            status, out, err = run("-f", config(test, GOOD + line + "\n"))
            assert status == 1 and said in err and err.endswith("\n"), (line, err)


def test_term_and_int_write_what_was_received(test):
    for number in signal.SIGTERM, signal.SIGINT:
        name = number.name
        daemon = test.nfacctd(f"{GOOD}print_output: csv\nprint_output_file: {test.dir}/{name}.csv\nprint_refresh_time: 3600\n"
                              f"pidfile: {test.dir}/{name}.pid\n", name=name)
        assert int((test.dir / f"{name}.pid").read_text()) == daemon.pid
        stream = exports.Ipfix()
        test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", octets=700)]))
        daemon.signal(number)
        assert daemon.wait() == 0, daemon.output()
        assert (test.dir / f"{name}.csv").read_text() == "SRC_IP,PROTOCOL,PACKETS,BYTES\n10.0.0.1,tcp,1,700\n"
        assert not (test.dir / f"{name}.pid").exists()


def test_rows_that_no_backend_took_make_the_exit_status_1(test):
    daemon = test.nfacctd(f"{GOOD}print_output_file: /proc/nowhere/out\nprint_refresh_time: 1\nshutdown_timeout: 1\n")
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9")]))
    wait_for(lambda: "trying again in" in daemon.output(), "the plugin's failure in the log")
    assert daemon.stop() == 1, daemon.output()
    ledger = test.stats()["instances"][0]
    assert "some flows were lost" in daemon.output() and ledger["written"]["flows"] == 0, ledger


if __name__ == "__main__":
    sys.exit(main(globals()))
