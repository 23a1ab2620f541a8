#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""examples/metrics with a real Prometheus: it reads the daemon, takes the alert rules, and every query of the dashboard has an answer."""
import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.parse
import urllib.request

from harness import SOURCE, free_port, main, need, wait_for
from bgp_speaker import Speaker
import exports

EXAMPLE = SOURCE / "examples" / "metrics"


def ask(port, path, **query):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        answer = json.load(answer)
    assert answer["status"] == "success", answer
    return answer["data"]


def is_up(port):
    try:
        return any(target["health"] == "up" for target in ask(port, "targets")["activeTargets"])
    except OSError:
        return False


def start_prometheus(test, http):
    """As its example says, but on ports of this test, and each second."""
    text = (EXAMPLE / "prometheus.yml").read_text().replace("127.0.0.1:9570", f"127.0.0.1:{http}")
    text = re.sub(r"_interval: \d+s", "_interval: 1s", text)
    shutil.copy(EXAMPLE / "alerts.yml", test.dir)
    port = free_port(socket.SOCK_STREAM)
    test.start(["prometheus", f"--config.file={test.write('prometheus.yml', text)}", f"--storage.tsdb.path={test.dir}/tsdb",
                f"--web.listen-address=127.0.0.1:{port}"], "prometheus")
    wait_for(lambda: is_up(port), "a daemon that it has read", 60)
    return port


def queries():
    """(panel, query) of the dashboard, with all daemons and exporters chosen."""
    dashboard = json.loads((EXAMPLE / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "30s").replace("$daemon", ".+").replace("$exporter", ".+")
    for variable in dashboard["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        if found:
            yield variable["name"], f"count by ({found[2]}) ({found[1]})"


def test_the_dashboard_and_the_rules(test):
    need("prometheus")
    bgp, http = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host,peer_dst_as\nprint_output[a]: json\nprint_output_file[a]: {test.dir}/out.json\n"
                          f"print_refresh_time[a]: 1\nbgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {bgp}\n"
                          f"control_socket: none\nhttp_listen: 127.0.0.1:{http}\n")
    Speaker(test, bgp).establish()
    port = start_prometheus(test, http)
    stream = exports.Ipfix()
    for n in range(5):
        test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", f"192.168.1.{n}", "10.0.0.9", octets=700)]), b"nonsense",
                  source="127.0.0.21")
    test.wait_now(daemon, lambda s: s["instances"][0]["written"]["flows"] == 5, "all flows")
    left = dict.fromkeys(queries())
    assert len(left) > 30

    def answered():
        for query in list(left):
            if ask(port, "query", query=query[1])["result"]:
                del left[query]
        return not left
    wait_for(answered, lambda: f"series for {list(left)}", 60)
    wait_for(lambda: [series["value"][1] for series in ask(port, "query", query="sum(pathacct_exporter_flows_total)")["result"]] == ["5"],
             "a reading of all flows")

    def rules():
        return [rule for group in ask(port, "rules")["groups"] for rule in group["rules"]]
    found = wait_for(lambda: (all(rule["health"] == "ok" for rule in rules()) and rules()), "an evaluation of all rules")
    assert len(found) >= 12
    assert [rule["name"] for rule in found if rule["state"] == "firing"] == []
    labels = [series["metric"] for series in ask(port, "query", query='{job="pathacct"}')["result"]]
    assert labels and not any(name.startswith("exported_") for metric in labels for name in metric), "a label that Prometheus itself gives"


def test_each_rule_fires_when_it_should(test):
    need("promtool")
    for words in (["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "alerts-test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=EXAMPLE, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done


def test_each_rule_has_a_test(test):
    text = (EXAMPLE / "alerts.yml").read_text()
    tests = (EXAMPLE / "alerts-test.yml").read_text()
    names = re.findall(r"- alert: (\w+)", text)
    assert len(names) >= 12
    assert [name for name in names if f'alertname="{name}"' not in tests or f"alertname: {name}," not in tests] == []


if __name__ == "__main__":
    sys.exit(main(globals()))
