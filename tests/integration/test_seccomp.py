#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Core and plugin processes make the system calls that they need; others are refused and told once; triggers may do what they like."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys

from harness import BUILD, NFACCTD, SOURCE, Skip, free_port, json_lines, main, need, need_built, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import exports  # noqa: E402

EPERM, ENOSYS = 1, 38


def config(test, more=""):
    return f"""
plugins: print[out]
aggregate[out]: peer_src_ip, dst_host, dst_port
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
{more}
"""


def need_filters():
    """What the build can do, and the machine."""
    cache = (BUILD / "CMakeCache.txt").read_text()
    if "SANITIZE:STRING=\n" not in cache or "WITH_SECCOMP:BOOL=ON" not in cache:
        raise Skip("no filters of system calls in this build: a sanitizer, or -DWITH_SECCOMP=OFF")
    if "user_notif" not in pathlib.Path("/proc/sys/kernel/seccomp/actions_avail").read_text():
        raise Skip("this kernel lets nobody listen to refused calls")


def status(pid):
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["Seccomp"]), int(fields["NoNewPrivs"])


def is_filtered(pid):
    return status(pid)[0] == 2


def children(pid, words):
    found = []
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if words in pathlib.Path(f"/proc/{child}/cmdline").read_text(errors="replace").replace("\0", " "):
            found.append(int(child))
    return found


def host(daemon, name="print[out]"):
    return wait_for(lambda: children(daemon.pid, f"pathacct-host {name}"), f"the process of {name}")[0]


def send_flow(test, port):
    stream = test.__dict__.setdefault("stream", exports.Ipfix())
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.2", dport=port)]))
    wait_for(lambda: any(r["port_dst"] == port for r in json_lines(test.dir / "out.json")), f"the flow to port {port}")


def strange(test):
    """An environment in which nfacctd and pathacct-host make strange calls, and how to have them made."""
    caller = need_built("tests/strange_caller.so")
    folder = test.dir / "strange"
    folder.mkdir()
    folder.chmod(0o777)

    def call(program):
        (folder / program).touch()
        told = folder / f"{program}.told"
        wait_for(told.exists, f"what the strange calls of {program} came to")
        return [int(n) for n in told.read_text().split()]
    return {**os.environ, "LD_PRELOAD": str(caller), "STRANGE_CALLS": str(folder)}, call


def refusals(daemon):
    return re.findall(r"WARN .*: (core|plugin \S+): the system call (.+?) is refused to its thread (\S+) \(\d+\), which gets (\w+):.*"
                      r"set (\S+: off) and", daemon.output())


def test_calls_of_strangers_are_refused_told_once_and_counted(test):
    need_filters()
    test.may_be_refused = True
    environment, call = strange(test)
    daemon = test.nfacctd(config(test), env=environment)
    plugin = host(daemon)
    send_flow(test, 1)
    assert is_filtered(daemon.pid) and is_filtered(plugin)
    assert call("nfacctd") == [EPERM, ENOSYS, EPERM]
    assert call("pathacct-host") == [EPERM, ENOSYS, EPERM]
    counts = {"personality": 3, "number 599": 1, "clone": 1}
    stats = test.wait_now(daemon, lambda s: s["refused_calls"] == {"core": counts, "print[out]": counts}, "the counts of refused calls")
    assert stats["instances"][0]["process"]["restarts"] == 0
    expected = [(who, name, "strange", answer, key) for who, key in (("core", "seccomp: off"), ("plugin print[out]", "plugin_seccomp[out]: off"))
                for name, answer in (("clone", "EPERM"), ("number 599", "ENOSYS"), ("personality", "EPERM"))]
    assert sorted(refusals(daemon)) == expected, daemon.output()
    send_flow(test, 2)
    assert daemon.stop() == 0


def trigger(test, name="trigger.sh"):
    """Does what no process of ours may, and tells how it went."""
    told = test.dir / f"{name}.told"
    path = test.write(name, f"#!/bin/sh\n{need('setarch')} -R true && echo personality > {told}.new\n"
                            f"grep -E 'Seccomp:|NoNewPrivs:' /proc/self/status >> {told}.new\nmv {told}.new {told}\n")
    path.chmod(0o755)
    return path, told


def test_trigger_is_held_by_nothing(test):
    """Also one of a plugin process that was started again; a filter and no_new_privs are for those alone that start nothing."""
    need_filters()
    outer = pathlib.Path("/proc/self/status").read_text()
    expected = ["personality", *re.findall(r"^(?:NoNewPrivs|Seccomp):.*", outer, re.M)]
    path, told = trigger(test)
    daemon = test.nfacctd(config(test, f"print_trigger_exec[out]: {path}"))
    plugin = host(daemon)
    for port in (1, 2):
        send_flow(test, port)
        wait_for(told.exists, "the trigger")
        assert told.read_text().splitlines() == expected, told.read_text()
        assert is_filtered(plugin)
        if port == 1:
            os.kill(plugin, signal.SIGKILL)
            plugin = wait_for(lambda: [p for p in children(daemon.pid, "pathacct-host") if p != plugin], "the next process")[0]
            told.unlink()
    assert daemon.stop() == 0


def test_daemon_of_an_ordinary_user_has_filters_too(test):
    need_filters()
    if os.geteuid() != 0:
        raise Skip("the other tests show it")
    user = pwd.getpwnam("nobody")
    os.chown(test.dir, user.pw_uid, -1)
    path, told = trigger(test)
    daemon = test.nfacctd(config(test, f"print_trigger_exec[out]: {path}"),
                          prefix=[need("setpriv"), "--reuid", "nobody", "--clear-groups", "--regid", "nogroup"])
    send_flow(test, 1)
    wait_for(told.exists, "the trigger")
    assert is_filtered(daemon.pid) and is_filtered(host(daemon))
    assert "NoNewPrivs:\t0" in told.read_text() and "Seccomp:\t0" in told.read_text(), told.read_text()
    assert daemon.stop() == 0


def test_keys_turn_it_off_for_all_or_for_one(test):
    need_filters()
    two = "plugins: print[out], print[other]\naggregate[other]: src_host\nprint_output_file[other]: /dev/null\n"
    for name, more, core, out, other in (("none", "seccomp: off", False, False, False), ("one", "plugin_seccomp[out]: off", True, False, True),
                                         ("core", "seccomp: off\nplugin_seccomp[other]: refuse", False, False, True)):
        daemon = test.nfacctd(config(test, more).replace("plugins: print[out]\n", two), name=name)
        wait_for(lambda: is_filtered(host(daemon, "print[other]")) == other, "the other instance's filter")
        send_flow(test, 1)
        assert (is_filtered(daemon.pid), is_filtered(host(daemon))) == (core, out), (name, daemon.output())
        assert bool(children(daemon.pid, "Launcher")) == (name != "none")
        assert daemon.stop() == 0
        (test.dir / "out.json").unlink()


def test_kill_ends_the_process_which_is_started_again(test):
    need_filters()
    test.may_be_refused = True
    environment, _ = strange(test)
    daemon = test.nfacctd(config(test, "plugin_seccomp[out]: kill"), env=environment)
    plugin = host(daemon)
    send_flow(test, 1)
    (test.dir / "strange/pathacct-host").touch()
    daemon.wait_log("Bad system call")
    (test.dir / "strange/pathacct-host").unlink()
    wait_for(lambda: [p for p in children(daemon.pid, "pathacct-host") if p != plugin], "the next process")
    send_flow(test, 2)
    assert daemon.stop() == 0


def test_plugin_of_others_has_no_filter(test):
    """Also one that has the name of ours."""
    need_filters()
    folder = test.dir / "plugins"
    folder.mkdir()
    shutil.copy(BUILD / "tests/plugins/recorder.so", folder)
    daemon = test.nfacctd(f"plugins: recorder[out]\naggregate: src_host\nrecorder_file: {test.dir}/rows\nrecorder_trouble: {test.dir}/none\n",
                          env={**os.environ, "PATHACCT_PLUGIN_DIR": str(folder)})
    plugin = host(daemon, "recorder[out]")
    wait_for((test.dir / "rows").exists, "the backend")
    assert is_filtered(daemon.pid) and not is_filtered(plugin)
    assert daemon.stop() == 0


def test_kafka_has_none_where_librdkafka_starts_programs(test):
    """kinit, for SASL with GSSAPI, which is librdkafka's default."""
    need_filters()
    need_built("kafka")
    for name, properties, filtered in (("plain", "global, client.id, pathacct", True), ("kerberos", "global, security.protocol, sasl_plaintext\nglobal, sasl.kerberos.keytab, /none", False)):
        daemon = test.nfacctd(f"""
plugins: kafka[out]
aggregate: src_host
kafka_topic: flows
kafka_broker_host: 127.0.0.1
kafka_broker_port: {free_port(socket.SOCK_STREAM)}
kafka_config_file: {test.write(f"{name}.properties", properties)}
shutdown_timeout: 1
""", name=name)
        plugin = host(daemon, "kafka[out]")
        if filtered:
            wait_for(lambda: is_filtered(plugin), "a filter")
        else:
            daemon.wait_log("the system calls of its process are not filtered: librdkafka starts kinit for sasl.mechanisms GSSAPI")
            assert not is_filtered(plugin)
        daemon.stop()


def test_launcher_that_was_killed_is_told_and_collection_goes_on(test):
    need_filters()
    daemon = test.nfacctd(config(test, "shutdown_timeout: 1"))
    plugin = host(daemon)
    send_flow(test, 1)
    os.kill(children(daemon.pid, "Launcher")[0], signal.SIGKILL)
    daemon.wait_log("the daemon's launcher was killed: a plugin process that ends cannot be started again")
    send_flow(test, 2)
    os.kill(plugin, signal.SIGKILL)
    daemon.wait_log("the daemon's launcher was killed, start the daemon anew; trying again in")
    assert daemon.stop() == 1


def test_where_no_filter_can_be_put_on_it_is_told_once(test):
    """As under the units of before."""
    need_filters()
    tool, unit = SOURCE / "tests/support/unit_filter.py", test.dir / "old.service"
    text = (SOURCE / "packaging/nfacctd.service.in").read_text()
    unit.write_text(text.replace("SystemCallFilter=seccomp\n", ""))
    if subprocess.run([sys.executable, tool, unit, NFACCTD, "-V"], stdout=subprocess.DEVNULL).returncode == 77:
        raise Skip("libseccomp, systemd-analyze or seccomp is not there")
    daemon = test.nfacctd(config(test), prefix=[sys.executable, tool, unit])
    send_flow(test, 1)
    assert daemon.output().count("system calls cannot be filtered") == 1, daemon.output()
    assert "SystemCallFilter=seccomp" in daemon.output()
    assert daemon.stop() == 0
    tried = test.write("tried.conf", config(test, f"nfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}"))
    for prefix, times in ([sys.executable, tool, unit], 1), ([], 0):
        done = subprocess.run([*prefix, NFACCTD, "-f", tried, "-T", "setup"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr.count("warning: system calls cannot be filtered") == times, done


if __name__ == "__main__":
    main(globals())
