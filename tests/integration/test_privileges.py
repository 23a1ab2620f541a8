#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose rights the daemon, its plugin processes and triggers have: the key `user`, capabilities, environment, descriptors."""
import os
import pathlib
import pwd
import re
import select
import signal
import socket
import subprocess
import sys

from harness import BUILD, NFACCTD, SFACCTD, SOURCE, Skip, free_port, json_lines, main, need, need_root, print_config, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import exports  # noqa: E402

USER = "nobody"
NO_CAPABILITIES = {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapAmb": 0}
NET_ADMIN = 1 << 12
FILES_OF_OTHERS = 0b11111  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID


def need_user(test):
    """The test's folder is the user's, who must be able to reach what was built."""
    need_root()
    os.chown(test.dir, pwd.getpwnam(USER).pw_uid, -1)
    done = subprocess.run([need("setpriv"), "--reuid", USER, "--clear-groups", "--regid", "nogroup", NFACCTD, "-V"], capture_output=True)
    assert done.returncode == 0, f"{USER} cannot run {NFACCTD}"


def status(pid):
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    caps = {name: int(value, 16) for name, value in fields.items() if name.startswith("Cap")}
    return {"uids": set(map(int, fields["Uid"].split())), "gids": set(map(int, fields["Gid"].split())),
            "groups": set(map(int, fields["Groups"].split())), "nnp": int(fields["NoNewPrivs"]), **caps}


def hosts(pid):
    """The plugin processes; the launcher is no such."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(p) for p in children if pathlib.Path(f"/proc/{p}/cmdline").read_text(errors="replace").startswith("pathacct-host")]


def low_port(kind):
    """A port that root alone, or CAP_NET_BIND_SERVICE, can open."""
    for port in range(1023, 512, -1):
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port below 1024 is free")


def send_flow(test, stream, port):
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.2", dport=port)]))


def has_port(test, port):
    return lambda: any(r["port_dst"] == port for r in json_lines(test.dir / "out.json"))


def test_root_opens_the_ports_and_becomes_the_user(test):
    need_user(test)
    entry = pwd.getpwnam(USER)
    udp, tcp, log = low_port(socket.SOCK_DGRAM), low_port(socket.SOCK_STREAM), test.dir / "own.log"
    maps = test.write("allow", "127.0.0.0/8\n")
    daemon = test.nfacctd(print_config(test, f"""
user: {USER}
nfacctd_ip: 127.0.0.1
nfacctd_port: {udp}
nfacctd_allow_file: {maps}
nfacctd_templates_file: {test.dir}/templates
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {tcp}
logfile: {log}
pidfile: {test.dir}/pid
proc_priority: -1
"""))
    host = wait_for(lambda: hosts(daemon.pid), "a plugin process")[0]
    for pid in (daemon.pid, host):
        s = status(pid)
        assert s["uids"] == {entry.pw_uid} and s["gids"] == {entry.pw_gid} and 0 not in s["groups"], s
        assert {k: s[k] for k in NO_CAPABILITIES} == NO_CAPABILITIES and s["CapBnd"] == 0, s
        assert s["nnp"] == 1, s
        assert os.getpriority(os.PRIO_PROCESS, pid) == -1
    stream = exports.Ipfix()
    send_flow(test, stream, 1)
    wait_for(has_port(test, 1), "the flow")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("maps: read anew")
    log.rename(test.dir / "old.log")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: log.exists() and "log opened anew" in log.read_text(), "the new log")
    os.kill(host, signal.SIGKILL)
    wait_for(lambda: [p for p in hosts(daemon.pid) if p != host], "the plugin process that follows")
    send_flow(test, stream, 2)
    wait_for(has_port(test, 2), "the flow after it")
    assert "stays root" not in daemon.output()
    assert daemon.stop() == 0
    for name in ("out.json", "nfacctd.stats", "templates", "own.log"):
        assert (test.dir / name).stat().st_uid == entry.pw_uid, name
    assert not (test.dir / "pid").exists()


def test_refusals_of_files_come_all_at_once_with_the_remedy(test):
    need_user(test)
    roots = test.dir / "root"
    roots.mkdir(mode=0o700)
    (roots / "inst").mkdir()
    spool = test.dir / "spool"
    (spool / "out").mkdir(parents=True)
    os.chown(spool, pwd.getpwnam(USER).pw_uid, -1)
    (test.dir / "20260101.json").write_text("")
    (test.dir / "20260102.json").write_text("")
    (test.dir / "old.db").write_text("")
    allow = test.write("allow", "127.0.0.0/8\n")
    templates = test.write("templates", "[]")
    for path in (allow, templates):
        path.chmod(0o600)
    conf = test.write("refused.conf", f"""plugins: print[out], print[day], memory[live]
user: {USER}
nfacctd_ip: 127.0.0.1
nfacctd_port: {low_port(socket.SOCK_DGRAM)}
pidfile: {roots}/pid
logfile: {roots}/log
stats_file: {roots}/stats
nfacctd_templates_file: {templates}
nfacctd_allow_file: {allow}
plugin_spool_dir[out]: {spool}
print_output_file[out]: {roots}/new/out.json
print_output_file[day]: {test.dir}/%Y%m%d.json
imt_path[live]: {roots}/sock
files_uid: root
files_gid: root
""")
    expected = [f"refused.conf:5: pidfile: user '{USER}' cannot make files in {roots}; name another folder, or give it to that user: "
                f"chown {USER} {roots}",
                f"refused.conf:6: logfile: user '{USER}' cannot make files in {roots}; ",
                f"refused.conf:7: stats_file: user '{USER}' cannot make files in {roots}; ",
                f"refused.conf:8: nfacctd_templates_file: user '{USER}' cannot read {templates}; chown {USER} {templates}",
                f"refused.conf:9: nfacctd_allow_file: user '{USER}' cannot read {allow}; chown {USER} {allow}",
                f"refused.conf:10: plugin_spool_dir: user '{USER}' cannot make files in {spool}/out; ",
                f"refused.conf:11: print_output_file: user '{USER}' cannot make files in {roots}; ",
                f"refused.conf:12: print_output_file: user '{USER}' cannot write {test.dir}/2026010",
                "and 1 more like it; give them to that user: chown",
                f"refused.conf:13: imt_path: user '{USER}' cannot make files in {roots}; ",
                f"refused.conf:14: files_uid: user '{USER}' cannot give files to another; leave files_uid out",
                f"refused.conf:15: files_gid: user '{USER}' cannot give files to a group that it is not in; "]
    for args in ([], ["--check"]):
        done = subprocess.run([NFACCTD, "-f", conf, *args], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1, done
        missing = [line for line in expected if line not in done.stderr]
        assert not missing, f"{missing}\n--- in\n{done.stderr}"
    assert not (roots / "pid").exists() and not (roots / "log").exists()


def test_lock_that_root_left_is_refused(test):
    """A plugin process could not take it, and would not know whether one of an earlier start still writes."""
    need_user(test)
    port = f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {low_port(socket.SOCK_DGRAM)}\n"
    daemon = test.nfacctd(print_config(test, f"user: root\n{port}"), name="lock")
    wait_for(lambda: hosts(daemon.pid), "a plugin process")
    daemon.wait_log("waiting for")
    wait_for(lambda: any(re.search(r"/nfacctd-[^/]*\.lock$", os.readlink(f)) for f in pathlib.Path(f"/proc/{hosts(daemon.pid)[0]}/fd").iterdir()),
             "its lock")
    daemon.kill_all()
    (test.dir / "out.json").unlink(missing_ok=True)
    (test.dir / "lock.stats").unlink(missing_ok=True)
    conf = test.write("lock.conf", print_config(test, f"user: {USER}\n{port}"))
    done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60)
    lock = re.search(rf"plugins: user '{USER}' cannot take the lock (\S+); chown", done.stderr)
    assert done.returncode == 1 and lock, done
    pathlib.Path(lock[1]).unlink()
    done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done


def test_counter_files_of_sfacctd_are_looked_at_too(test):
    need_user(test)
    agent = test.dir / "agent-192.0.2.1.json"
    agent.write_text("")
    conf = test.write("sflow.conf", f"plugins: print[x]\naggregate[x]: dst_host\nuser: {USER}\nsfacctd_counter_file: {test.dir}/agent-$peer_src_ip.json\n")
    done = subprocess.run([SFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60)
    assert f"sflow.conf:4: sfacctd_counter_file: user '{USER}' cannot write {agent}; chown {USER} {agent}" in done.stderr, done


def test_existing_database_of_root_is_refused(test):
    need_user(test)
    (test.dir / "flows.db").write_text("")
    conf = test.write("db.conf", f"plugins: sqlite3[db]\nuser: {USER}\naggregate[db]: dst_host\nsql_db[db]: {test.dir}/flows.db\n")
    done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60)
    if "no plugin 'sqlite3'" not in done.stderr:
        assert f"db.conf:4: sql_db: user '{USER}' cannot write {test.dir}/flows.db; chown {USER} {test.dir}/flows.db" in done.stderr, done


def test_user_that_is_not_there_or_cannot_be_become_is_an_error(test):
    conf = test.write("who.conf", print_config(test, "user: no-such-user"))
    done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "user: there is no user 'no-such-user' here" in done.stderr, done
    need_user(test)
    conf = test.write("root.conf", print_config(test, "user: daemon"))
    done = subprocess.run(["setpriv", "--reuid", USER, "--clear-groups", "--regid", "nogroup", NFACCTD, "-f", conf, "--check"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "user: only root can become 'daemon'" in done.stderr, done


def test_root_without_the_key_stays_root_and_says_so_once(test):
    need_root()
    told = test.dir / "told"
    trigger = test.write("trigger.sh", f"#!/bin/sh\ncat /proc/self/status > {told}.new\nmv {told}.new {told}\n")
    trigger.chmod(0o755)
    daemon = test.nfacctd(print_config(test, f"print_trigger_exec[out]: {trigger}"))
    daemon.wait_log("the daemon stays root")
    s = status(daemon.pid)
    assert s["uids"] == {0} and not s["CapEff"] & NET_ADMIN and not s["CapPrm"] & NET_ADMIN and s["nnp"] == 0, s
    stream = exports.Ipfix()
    send_flow(test, stream, 1)
    wait_for(has_port(test, 1), "the flow")
    host = status(hosts(daemon.pid)[0])
    assert host["uids"] == {0} and 0 < host["CapEff"] == host["CapPrm"] and host["CapEff"] & ~FILES_OF_OTHERS == 0, host
    wait_for(told.exists, "the trigger")
    assert int(re.search(r"CapEff:\s*(\w+)", told.read_text())[1], 16) & NET_ADMIN, "a trigger of root is root's"
    assert daemon.stop() == 0 and daemon.output().count("stays root") == 1


def test_user_root_is_asked_for_and_not_told(test):
    need_root()
    daemon = test.nfacctd(print_config(test, "user: root\nno_new_privs: true"))
    assert status(daemon.pid)["nnp"] == 1 and status(daemon.pid)["uids"] == {0}
    assert daemon.stop() == 0 and "stays root" not in daemon.output()


def test_capabilities_of_a_unit_go_once_the_sockets_are_open(test):
    need_user(test)
    udp, tcp = low_port(socket.SOCK_DGRAM), low_port(socket.SOCK_STREAM)
    conf = print_config(test, f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {udp}\nbgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {tcp}\n")
    prefix = [need("setpriv"), "--reuid", USER, "--regid", "nogroup", "--clear-groups", "--inh-caps", "-all,+net_bind_service,+net_admin",
              "--ambient-caps", "-all,+net_bind_service,+net_admin"]
    daemon = test.nfacctd(conf, prefix=prefix)
    for pid in (daemon.pid, wait_for(lambda: hosts(daemon.pid), "a plugin process")[0]):
        s = status(pid)
        assert {k: s[k] for k in NO_CAPABILITIES} == NO_CAPABILITIES, s
    assert daemon.stop() == 0


def test_everything_works_under_the_filter_of_the_packaged_unit(test):
    """With a trigger, a live table and the group of its socket, a reload and a new plugin process."""
    tool, unit = SOURCE / "tests/support/unit_filter.py", SOURCE / "packaging/nfacctd.service.in"
    if "SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text():
        raise Skip("a sanitizer's own calls are not in the unit's filter")
    if subprocess.run([sys.executable, tool, unit, NFACCTD, "-V"], stdout=subprocess.DEVNULL).returncode == 77:
        raise Skip("libseccomp, systemd-analyze or seccomp is not there")
    trigger = test.write("trigger.sh", f"#!/bin/sh\ndate > {test.dir}/told\n")
    trigger.chmod(0o755)
    daemon = test.nfacctd(print_config(test, f"""
print_trigger_exec[out]: {trigger}
nfacctd_templates_file: {test.dir}/templates
plugin_spool_dir: {test.dir}
nfacctd_allow_file: {test.write("allow", "127.0.0.0/8")}
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {free_port(socket.SOCK_STREAM)}
""").replace("plugins: print[out]", f"""plugins: print[out], memory[live]
imt_path[live]: {test.dir}/live.sock
imt_group[live]: {os.getgid()}"""), prefix=[sys.executable, tool, unit])
    assert "capabilities are kept" not in daemon.output() and "cannot be filtered" not in daemon.output()
    stream = exports.Ipfix()
    send_flow(test, stream, 1)
    wait_for(has_port(test, 1), "the flow")
    wait_for((test.dir / "told").exists, "the trigger")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("maps: read anew")
    for host in hosts(daemon.pid):
        if b"print" in pathlib.Path(f"/proc/{host}/cmdline").read_bytes():  # a table would be lost
            os.kill(host, signal.SIGKILL)
    send_flow(test, stream, 2)
    wait_for(has_port(test, 2), "the flow after it")
    shown = wait_for(lambda: subprocess.run([BUILD / "bin/pmacct", "-p", test.dir / "live.sock", "-s", "-O", "json"], capture_output=True,
                                            text=True).stdout, "the table")
    assert '"ip_dst"' in shown or '"src_host"' in shown or '"ip_src"' in shown, shown
    assert daemon.stop() == 0


def test_triggers_get_no_descriptor_and_no_socket_of_the_service_manager(test):
    told = test.dir / "told"
    trigger = test.write("trigger.sh", f"#!/bin/sh\nenv > {told}.new\nls -l /proc/self/fd >> {told}.new\nmv {told}.new {told}\n")
    trigger.chmod(0o755)
    leaked = os.open(test.dir, os.O_RDONLY)
    environment = {**os.environ, "NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "LISTEN_FDS": "1",
                   "KEPT_FOR_TRIGGERS": "yes"}
    daemon = test.nfacctd(print_config(test, f"print_trigger_exec[out]: {trigger}"), env=environment, pass_fds=[leaked])
    os.close(leaked)
    stream = exports.Ipfix()
    send_flow(test, stream, 1)
    wait_for(told.exists, "the trigger")
    text = told.read_text()
    assert "KEPT_FOR_TRIGGERS=yes" in text and "NOTIFY_SOCKET" not in text and "WATCHDOG" not in text and "LISTEN_" not in text, text
    numbers = {int(n) for n in re.findall(r" (\d+) -> ", text)}
    assert numbers <= {0, 1, 2, 3}, text  # 3 is the folder that ls reads
    assert str(test.dir) + "\n" not in text, text
    assert daemon.stop() == 0


def test_output_to_a_descriptor_that_was_handed_to_the_daemon(test):
    reader, writer = os.pipe()
    daemon = test.nfacctd(print_config(test).replace(f"{test.dir}/out.json", f"/dev/fd/{writer}"), pass_fds=[writer])
    os.close(writer)
    stream = exports.Ipfix()
    send_flow(test, stream, 1)
    with os.fdopen(reader) as lines:
        assert select.select([reader], [], [], 30)[0], daemon.output()
        assert '"port_dst": 1' in lines.readline()
    assert daemon.stop() == 0


if __name__ == "__main__":
    main(globals())
