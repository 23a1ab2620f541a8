#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""pmbgpd: a RIB without flows. Sessions, questions, reload and end are those of nfacctd; keys of flows have no effect."""
import json
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request

from harness import BUILD, PMBGPD, SOURCE, Bird, four_paths, free_port, json_lines, main, need_pmacct, need_root, wait_for
from bgp_speaker import Speaker, attributes, message, prefix, update
from kafka_cluster import Mock, consume
from small_service_manager import SmallServiceManager

PATHACCT = BUILD / "bin/pathacct"


def start(test, more="", **kwargs):
    test.socket = test.dir / "control.sock"
    return test.pmbgpd(f"control_socket: {test.socket}\n{more}", **kwargs)


def ask(test, *args):
    done = subprocess.run([PATHACCT, "-s", test.socket, *map(str, args)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def answer(test, *args):
    status, out, err = ask(test, "-j", *args)
    assert err == "" or status, err
    return json.loads(out)


def end(daemon):
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(60) == 0, daemon.output()
    assert "ended" in daemon.output().splitlines()[-1], daemon.output()


def test_routers_fill_a_table_that_can_be_asked(test):
    daemon = start(test)
    Bird(test, test.port, four_paths())
    wait_for(lambda: answer(test, "routes", "192.168.1.7")["paths"] == 4, "four paths")
    status, out, _ = ask(test, "routes", "192.168.1.7")
    assert status == 0 and all(path in out for path in ("789", "123 456 789", "321 654 789", "213 546 789")), out
    (peer,) = answer(test, "peers")["peers"]
    assert peer["address"] == "127.0.0.11" and peer["paths"] == 4, peer
    status, out, _ = ask(test, "status")
    assert status == 0 and out.startswith("pmbgpd default, pathacct ") and "1 of 1 sessions" in out, out
    now = test.now(daemon, "pmbgpd")
    assert now["daemon"] == "pmbgpd" and now["workers"] == [] and now["instances"] == [], now
    assert now["bgp"]["rib_paths"] == 4, now["bgp"]
    end(daemon)
    assert test.stats("pmbgpd")["bgp"]["sessions_established"] == 1


def test_every_page_answers(test):
    http = free_port(socket.SOCK_STREAM)
    daemon = start(test, f"http_listen: 127.0.0.1:{http}\n")
    speaker = Speaker(test, test.port).establish()
    speaker.send(update(attributes(), prefix("192.168.1.0/24")), update())
    wait_for(lambda: answer(test, "peers")["peers"], "the session")
    pages = re.findall(r"^API_ROUTE\((\w+)", (SOURCE / "src/daemon/api_routes.def").read_text(), re.M)
    assert len(pages) > 8, pages
    for page in [f"/api/v1/{page}" for page in pages] + ["/metrics", "/-/healthy", "/-/ready"]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http}{page}", timeout=60) as reply:
                body = reply.read().decode()
                assert reply.status == 200, (page, reply.status)
        except urllib.error.HTTPError as error:
            assert error.code in (400, 404, 409), (page, error.code, error.read())
    assert "pathacct_bgp_rib_paths" in urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=60).read().decode()
    for page in ("templates", "options"):
        status, _, err = ask(test, page)
        assert status != 0 and "takes no flows" in err, err
    end(daemon)


def test_a_reload_reads_who_may_be_a_peer(test):
    allow = test.write("allow", "127.0.0.21\n")
    daemon = start(test, f"bgp_daemon_allow_file: {allow}\n")
    first = Speaker(test, test.port).establish()
    first.send(update())
    wait_for(lambda: answer(test, "peers")["peers"], "the session of the address in the file")
    allow.write_text("127.0.0.21\n127.0.0.22\n")
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log("maps: none is configured", 30)

    def established():
        try:
            return Speaker(test, test.port, address="127.0.0.22").establish()
        except (OSError, AssertionError, EOFError):
            return None
    second = wait_for(established, "the session of the address that came into the file")
    second.send(update())
    wait_for(lambda: len(answer(test, "peers")["peers"]) == 2, "both sessions")
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("no log is opened anew", 30)
    end(daemon)
    assert first.read_notification()[0] == 6 and second.read_notification()[0] == 6  # cease


def check(test, text, *args):
    done = subprocess.run([PMBGPD, "-f", test.write("check.conf", text), "--check", *args], capture_output=True, text=True, timeout=60)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done.returncode, done.stderr


def test_keys_of_flows_are_foreign(test):
    keys = json.loads(subprocess.run([PMBGPD, "--keys=json"], capture_output=True, text=True, check=True, timeout=60).stdout)
    own = {k["name"] for k in keys["keys"]}
    assert {"bgp_daemon_max_peers", "control_socket", "logfile", "seccomp"} <= own and next(
        k["default"] for k in keys["keys"] if k["name"] == "bgp_daemon") == "true"
    assert not [k for k in own if re.match("nfacctd|sfacctd|aggregate|plugins$|print|sql|kafka|bmp|pre_tag|pcap|imt|tee", k)], own
    foreign = {k["name"] for k in keys["unsupported"] if k["effect"] == "foreign"}
    assert {"plugins", "aggregate", "nfacctd_port", "bgp_agent_map", "pcap_savefile", "nfacctd_time_secs"} <= foreign, foreign
    status, said = check(test, f"""plugins: print[a], kafka
aggregate[a]: src_host
print_output_file[a]: {test.dir}/none
kafka_topic: flows
nfacctd_port: 2100
sfacctd_renormalize: true
nfacctd_disable_checks: true
bgp_agent_map: /nonexistent
bgp_daemon_max_peers: 100
""")
    notice = next(line for line in said.splitlines() if "belong to other daemons" in line)
    assert status == 0 and re.findall(r"(\w+) \(\S+:(\d)\)", notice) == [
        ("plugins", "1"), ("aggregate", "2"), ("print_output_file", "3"), ("kafka_topic", "4"), ("nfacctd_port", "5"),
        ("sfacctd_renormalize", "6"), ("nfacctd_disable_checks", "7"), ("bgp_agent_map", "8")], said
    status, said = check(test, "bgp_daemon_max_pers: 5\n")
    assert status == 1 and "unknown key; did you mean bgp_daemon_max_peers?" in said, said
    status, said = check(test, "bgp_daemon: false\n")
    assert status == 1 and "check.conf:1: bgp_daemon: false leaves nothing that pmbgpd does" in said, said
    for key in ("bgp_daemon_lg: true", "bgp_daemon_xconnect_map: /nonexistent"):
        status, said = check(test, f"{key}\n")
        assert status == 1 and "not supported: " in said, said
    assert check(test, "bgp_daemon: true\nbgp_daemon_allow_file: /dev/null\n") == (0, "")


def test_options_are_those_of_pmacct(test):
    text = subprocess.run([PMBGPD, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert text.startswith("usage: pmbgpd -f FILE") and "take sessions on this address" in text and "  -a " not in text, text
    port = free_port(socket.SOCK_STREAM)
    daemon = test.start([PMBGPD, "-L", "127.0.0.1", "-l", str(port), "-d"])
    daemon.wait_log(f"waiting for BGP sessions on 127.0.0.1:{port}", 30)
    Speaker(test, port).establish()
    end(daemon)
    done = subprocess.run([PMBGPD, "-a"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "-a: no such option" in done.stderr, done


def test_one_file_serves_pmacct_and_us(test):
    theirs = need_pmacct("sbin/pmbgpd")
    port = free_port(socket.SOCK_STREAM)
    conf = test.write("both.conf", f"""debug: false
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {port}
bgp_daemon_max_peers: 100
! bgp_daemon_as: 65555
""")
    for program in (theirs, PMBGPD):
        daemon = test.start([program, "-f", conf], f"{program.parent.parent.name}-pmbgpd")

        def established():
            try:
                return Speaker(test, port).establish()
            except OSError:
                return None
        speaker = wait_for(established, lambda: f"a session: {daemon.output()}")
        speaker.send(update(attributes(), prefix("192.168.1.0/24")), message(4))
        daemon.signal(signal.SIGINT)
        assert daemon.wait(60) == 0, daemon.output()


def announce(test):
    speaker = Speaker(test, test.port).establish()
    speaker.send(update(attributes(), prefix("192.168.1.0/24")), update())
    return speaker


def dumped(path):
    """The routes of a dump that is whole."""
    return [line for line in json_lines(path) if line["event_type"] == "dump"] if path.exists() else []


def test_the_configuration_of_the_manual_of_pmacct_dumps_the_table(test):
    daemon = start(test, f"""bgp_daemon_max_peers: 100
! bgp_daemon_as: 65555
bgp_table_dump_file: {test.dir}/spool/bgp-$peer_src_ip.log
bgp_table_dump_refresh_time: 1
""")
    speaker = announce(test)
    path = test.dir / "spool/bgp-127_0_0_21.log"
    (route,) = wait_for(lambda: dumped(path), lambda: f"a dump: {daemon.output()}")
    assert route["ip_prefix"] == "192.168.1.0/24" and route["peer_ip_src"] == "127.0.0.21", route
    speaker.send(message(4))
    end(daemon)


def log_of(path):
    """(log_type or event_type, prefix, whether attributes are told) of each record but those of the end of the table."""
    return [(r.get("log_type", r["event_type"]), r.get("ip_prefix"), "as_path" in r) for r in json_lines(path) if r.get("log_type") != "end-of-rib"]


def say_and_go(port, test):
    def established():
        try:
            return Speaker(test, port).establish()
        except OSError:
            return None
    speaker = wait_for(established, "a session")
    speaker.send(update(attributes(), prefix("192.168.1.0/24")), update(attributes(), prefix("192.168.2.0/24")),
                 update(withdrawn=prefix("192.168.1.0/24")), update(withdrawn=prefix("10.9.0.0/16")))
    return speaker


BARE = [("log_init", None, False), ("update", "192.168.1.0/24", True), ("update", "192.168.2.0/24", True),
        ("withdraw", "192.168.1.0/24", False), ("withdraw", "10.9.0.0/16", False), ("log_close", None, False)]


def test_a_log_without_dumps_tells_what_peers_say_and_no_more(test):
    path = test.dir / "log.json"
    daemon = start(test, f"bgp_daemon_msglog_file: {path}\n")
    say_and_go(test.port, test).socket.close()
    wait_for(lambda: path.exists() and log_of(path)[-1:] == BARE[-1:], lambda: f"log_close: {path.exists() and path.read_text()}")
    end(daemon)
    assert log_of(path) == BARE, log_of(path)


def test_with_dumps_the_log_tells_what_the_table_had(test):
    path = test.dir / "log.json"
    daemon = start(test, f"bgp_daemon_msglog_file: {path}\nbgp_table_dump_file: {test.dir}/dump\nbgp_table_dump_refresh_time: 3600\n")
    say_and_go(test.port, test).socket.close()
    wait_for(lambda: path.exists() and log_of(path)[-1:] == BARE[-1:], lambda: f"log_close: {path.exists() and path.read_text()}")
    end(daemon)
    assert log_of(path) == BARE[:3] + [("withdraw", "192.168.1.0/24", True), ("delete", "192.168.2.0/24", True)] + BARE[-1:], log_of(path)


def test_pmacct_logs_the_same_without_dumps(test):
    theirs, path, port = need_pmacct("sbin/pmbgpd"), test.dir / "theirs.json", free_port(socket.SOCK_STREAM)
    daemon = test.start([theirs, "-f", test.write("theirs.conf", f"bgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {port}\nbgp_daemon_msglog_file: {path}\n")], "theirs")
    speaker = say_and_go(port, test)
    wait_for(lambda: path.exists() and ("withdraw", "10.9.0.0/16", False) in log_of(path), lambda: f"the last withdrawal: {daemon.output()}")
    speaker.socket.close()
    wait_for(lambda: log_of(path)[-1:] == BARE[-1:], lambda: f"log_close: {path.read_text()}")
    assert log_of(path) == BARE, log_of(path)


def test_routes_outlive_a_restart(test):
    keys = f"bgp_table_save: {test.dir}/routes.mrt\n"
    daemon = start(test, keys)
    speaker = announce(test)
    wait_for(lambda: answer(test, "routes", "192.168.1.7").get("paths") == 1, "the route")
    end(daemon)
    speaker.socket.close()
    daemon = start(test, keys, name="again")
    wait_for(lambda: answer(test, "routes", "192.168.1.7").get("paths") == 1, lambda: f"the route of before: {daemon.output()}")
    end(daemon)


def test_a_dump_goes_to_kafka_without_plugins_and_workers(test):
    cluster = Mock(test)
    cluster.topic("dumps", 1)
    daemon = start(test, f"bgp_table_dump_kafka_broker_host: {cluster.brokers}\nbgp_table_dump_kafka_topic: dumps\nbgp_table_dump_refresh_time: 1\n"
                   f"plugin_pool_size: 64M\n")
    speaker = announce(test)

    def has_route():
        return any(json.loads(m["payload"]).get("ip_prefix") == "192.168.1.0/24" for m in consume(cluster.brokers, "dumps"))
    wait_for(has_route, lambda: f"the route in the topic: {daemon.output()}")
    assert [i["name"] for i in test.now(daemon, "pmbgpd")["instances"]] == ["bgp_dump"]
    status, out, _ = ask(test, "status")
    assert status == 0 and "kafka" in out, out
    speaker.send(message(4))
    end(daemon)


def test_a_service_manager_hears_of_it(test):
    manager = SmallServiceManager(test)
    daemon = manager.start("control_socket: none\n", program="pmbgpd")
    assert any("waiting for BGP sessions on 127.0.0.1" in line for line in manager.wait_line("READY=1"))
    manager.messages.clear()
    daemon.signal(signal.SIGUSR2)
    manager.wait_line("RELOADING=1")
    manager.wait_line("READY=1")
    end(daemon)
    manager.wait_line("STOPPING=1")
    assert not list((test.dir / "state").iterdir()) and manager.names() == []  # nothing of exporters is kept


def test_root_becomes_the_user(test):
    need_root()
    allow = test.write("allow", "127.0.0.0/8\n")
    test.dir.chmod(0o777)
    daemon = start(test, f"user: nobody\nbgp_daemon_allow_file: {allow}\n")
    speaker = Speaker(test, test.port).establish()
    speaker.send(update())
    wait_for(lambda: answer(test, "peers")["peers"], "the session")
    uids = {line.split()[1] for line in open(f"/proc/{daemon.pid}/status") if line.startswith("Uid:")}
    assert uids and uids != {"0"}, uids
    end(daemon)


if __name__ == "__main__":
    main(globals())
