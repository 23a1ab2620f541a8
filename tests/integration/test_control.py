#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a daemon tells over HTTP: health, readiness, metrics; on a Unix socket and on a TCP port, to whoever asks too much too."""
import http.client
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import time

from harness import NFACCTD, Skip, free_port, main, need, wait_for
from bgp_speaker import Speaker
from control_client import ask
from frozen import Frozen
import exports

PRINT = "plugins: print[a]\naggregate[a]: src_host,dst_host\nprint_output[a]: json\nprint_refresh_time[a]: 1\n"


def samples(where):
    """The metrics: {name{labels}: value}."""
    status, _, text = ask(where, "/metrics")
    assert status == 200
    found = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    assert len({name for name, _ in found}) == len(found), "a series stands there twice"
    return {name: float(value) for name, value in found}


def start(test, more="", text=None, **kwargs):
    test.http = free_port(socket.SOCK_STREAM)
    test.socket = test.dir / "control.sock"
    return test.nfacctd((text or PRINT + f"print_output_file[a]: {test.dir}/out-%s.json\n") +
                        f"control_socket: {test.socket}\nhttp_listen: 127.0.0.1:{test.http}\n{more}", **kwargs)


def test_pages(test):
    """Both doors lead to the same; what is not there is told with what is."""
    start(test)
    mode = os.stat(test.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    for where in (test.http, test.socket):
        assert ask(where, "/healthz")[::2] == (200, "well\n")
        wait_for(lambda: ask(where, "/readyz")[::2] == (200, "ready\n"), "ready")
        status, headers, text = ask(where, "/metrics")
        assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8") and "pathacct_build_info{" in text
        status, _, text = ask(where, "/metric")
        assert status == 404 and "/metrics" in text
        assert ask(where, "/metrics", "HEAD")[2] == ""
        status, headers, _ = ask(where, "/metrics", "POST")
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    status, headers, text = ask(test.socket, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0") and text.endswith("# EOF\n")


def test_metrics_agree_with_the_statistics(test):
    daemon = start(test, f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {(bgp := free_port(socket.SOCK_STREAM))}\n"
                   "nfacctd_account_options: true\n")
    Speaker(test, bgp).establish()
    stream = exports.Ipfix()
    flows = [exports.common_flow("10.0.0.1", f"192.168.1.{n}", "10.0.0.9", octets=700) for n in range(10)]
    for source in ("127.0.0.5", "127.0.0.6"):
        sampler = [(302, 4), (34, 4)]
        options = exports.ipfix([exports.ipfix_set(3, exports.template(300, sampler, 1)), exports.ipfix_set(300, exports.record(sampler, [1, 100]))],
                                stream.sequence)
        stream.sequence += 1
        test.send(options, stream.announce(), stream.data(flows), b"nonsense", source=source)
    stats = test.wait_now(daemon, lambda s: sum(e["flows"] for e in s["exporters"]) == 20 and s["instances"][0]["written"]["flows"] == 20 and
                          s["bgp"]["peers"] and sum(e["datagrams_read"] for e in s["exporters"]) == 8, "all")
    told = samples(test.http)
    assert len(stats["exporters"]) == 2
    for exporter in stats["exporters"]:
        mark = f'{{exporter="{exporter["address"]}"}}'
        for name in ("flows", "datagrams_read", "datagrams_decoded", "bytes_read", "templates", "rate_unknown"):
            assert told[f"pathacct_exporter_{name}_total{mark}"] == exporter[name], name
        assert abs(told[f"pathacct_exporter_last_datagram_timestamp_seconds{mark}"] - time.time()) < 60
        assert told[f'pathacct_exporter_drops_total{{exporter="{exporter["address"]}",reason="bad_version"}}'] == 1
    assert told['pathacct_exporter_flows_total{exporter="other"}'] == 0
    mark = '{plugin_instance="a",plugin="print"}'
    for name in ("decoded", "written"):
        for part in ("flows", "packets", "bytes"):
            assert told[f"pathacct_instance_{name}_{part}_total{mark}"] == stats["instances"][0][name][part], (name, part)
    assert told[f"pathacct_instance_option_records_total{mark}"] == stats["instances"][0]["option_records"]["decoded"] == 2
    assert told[f"pathacct_instance_residual_flows{mark}"] == 0 and told[f"pathacct_plugin_open{mark}"] == 1
    assert told[f"pathacct_instance_handovers_total{mark}"] > 0 and told[f"pathacct_plugin_queue_limit_bytes{mark}"] > 0
    worker = stats["workers"][0]
    assert told['pathacct_worker_batch_seconds_count{worker="0"}'] >= worker["batches"] > 0 and told['pathacct_worker_batch_seconds_sum{worker="0"}'] > 0
    assert told['pathacct_worker_batch_seconds_bucket{worker="0",le="+Inf"}'] == told['pathacct_worker_batch_seconds_count{worker="0"}']
    assert told["pathacct_bgp_sessions_established_total"] == 1
    assert [value for name, value in told.items() if name.startswith("pathacct_bgp_peer_up{peer=")] == [1]


def test_promtool_has_nothing_to_say(test):
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed")
    start(test, f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {free_port(socket.SOCK_STREAM)}\n")
    text = ask(test.http, "/metrics")[2]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr + done.stdout == "", done


def test_no_series_ever_falls(test):
    """Exporters that make room for others, and come back: what has a series keeps it; the rest adds up in `other`."""
    daemon = start(test, "exporters_max: 3\nmetrics_exporters_max: 2\n")
    stream = exports.Ipfix()
    sent, before = 0, {}
    for turn in range(4):
        for n in range(8):
            test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", octets=700)]), source=f"127.0.1.{n + 1}")
            sent += 1
        test.wait_now(daemon, lambda s: sum(e["flows"] for e in s["exporters"] + s["evicted"]) == sent, "the flows")
        now = samples(test.socket)
        assert {name: value for name, value in before.items() if name.split("{")[0].endswith("_total") and now.get(name, -1) < value} == {}
        flows = {name: value for name, value in now.items() if name.startswith("pathacct_exporter_flows_total{")}
        assert len(flows) == 3 and sum(flows.values()) == sent, flows
        before = now


def test_what_is_not_ready_is_told(test):
    """A backend that does not open is named; the daemon is well all the same."""
    file = test.dir / "file"
    file.write_text("no folder")
    start(test, text="plugins: sqlite3[b]\naggregate[b]: src_host\n" f"sql_db[b]: {file}/x.db\nsql_refresh_time[b]: 1\n")
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", octets=700)]))
    wait_for(lambda: ask(test.http, "/readyz")[0] == 503, "not ready")
    assert "plugin sqlite3[b]: " in ask(test.http, "/readyz")[2]
    assert ask(test.http, "/healthz")[0] == 200


def test_a_plugin_that_is_behind_is_told(test):
    """Lag, queue, failures; then the spool; and the time of commits when the backend is back."""
    folder, spool = test.dir / "later", test.dir / "spool"
    spool.mkdir()
    start(test, text="plugins: sqlite3[b]\naggregate[b]: src_host\n" f"sql_db[b]: {folder}/x.db\nsql_refresh_time[b]: 1\nplugin_spool_dir: {spool}\n"
          "sql_table[b]: t\nsql_table_create[b]: true\n")
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", octets=700)]))
    mark = '{plugin_instance="b",plugin="sqlite3"}'
    behind = wait_for(lambda: (now := samples(test.http))[f"pathacct_plugin_lag_seconds{mark}"] > 1 and now, "a lag")
    assert behind[f"pathacct_plugin_failures_total{mark}"] > 0 and behind[f"pathacct_plugin_commit_seconds_count{mark}"] == 0
    assert behind[f"pathacct_plugin_queue_handovers{mark}"] + behind[f"pathacct_plugin_spooled_handovers{mark}"] > 0
    spooled = wait_for(lambda: (now := samples(test.http))[f"pathacct_plugin_spooled_handovers{mark}"] > 0 and now, "the spool")
    assert spooled[f"pathacct_plugin_spooled_bytes{mark}"] > 100 and spooled[f"pathacct_plugin_lag_seconds{mark}"] > 0
    folder.mkdir()
    well = wait_for(lambda: (now := samples(test.http))[f"pathacct_instance_written_flows_total{mark}"] == 1 and
                    now[f"pathacct_plugin_spooled_handovers{mark}"] == 0 and now[f"pathacct_plugin_commit_seconds_count{mark}"] > 0 and now, "written", 60)
    assert well[f"pathacct_plugin_lag_seconds{mark}"] < behind[f"pathacct_plugin_lag_seconds{mark}"] + 60
    assert well[f"pathacct_plugin_commit_seconds_sum{mark}"] > 0 and well[f"pathacct_plugin_spooled_bytes{mark}"] == 0


def test_a_thread_that_stands_still_is_told(test):
    daemon = start(test)
    assert ask(test.http, "/healthz")[0] == 200
    with Frozen(daemon.pid, "worker 0"):
        wait_for(lambda: ask(test.http, "/healthz")[0] == 503, "not well", 40)
        status, _, text = ask(test.socket, "/healthz")
        assert status == 503 and re.fullmatch(r"worker 0 has not moved for \d+ s\n", text), text
    wait_for(lambda: ask(test.http, "/healthz")[0] == 200, "well again")


def test_who_asks_too_much_is_bounded(test):
    """Connections that say nothing take no place from others for long, and never more than their share."""
    start(test)
    idle = []
    for _ in range(30):
        s = socket.create_connection(("127.0.0.1", test.http))
        s.settimeout(30)
        idle.append(s)

    def closed(s):
        s.setblocking(False)
        try:
            return s.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
    wait_for(lambda: sum(map(closed, idle)) >= 14, "beyond the share of 16 they are closed")
    assert ask(test.socket, "/healthz")[0] == 200  # another door, another share
    for s in idle:
        s.close()
    wait_for(lambda: answers(test.http), "answers again")
    s = socket.create_connection(("127.0.0.1", test.http), timeout=30)
    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n")
    try:
        assert b" 200 " not in s.recv(100)
    except ConnectionResetError:
        pass
    assert ask(test.http, "/healthz")[0] == 200


def answers(where):
    try:
        return ask(where, "/healthz")[0] == 200
    except (ConnectionResetError, http.client.RemoteDisconnected, BrokenPipeError):
        return False


def check(test, more):
    conf = test.write("t.conf", PRINT + more)
    done = subprocess.run([NFACCTD, "-f", conf, "--check"], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


TOKEN = "0123456789abcdef-of-the-test"


def certificate(test):
    """Files of a certificate for 127.0.0.1 and of its key."""
    cert, key = test.dir / "cert.pem", test.dir / "key.pem"
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    return cert, key


def test_addresses_of_others_need_a_token_or_tls(test):
    status, err = check(test, "http_listen: 0.0.0.0:9570\n")
    assert status == 1 and "t.conf:5: http_listen: " in err and "http_token_file" in err and "http_tls_cert" in err, err
    token = test.write("token", TOKEN + "\nmore\n")
    status, err = check(test, f"http_listen: 0.0.0.0:9570\nhttp_token_file: {token}\n")
    assert status == 0 and "in clear" in err, err
    status, err = check(test, f"http_tls_cert: {token}\n")
    assert status == 1 and "go together" in err, err
    status, err = check(test, f"http_listen: [::1]:9570\nhttp_token_file: {test.dir}/none\n")
    assert status == 1 and "http_token_file" in err and "none" in err, err
    status, err = check(test, "http_listen: nowhere:9570\n")
    assert status == 1 and "127.0.0.1:9570" in err, err


def test_a_token_is_asked_for_on_tcp(test):
    """All pages of the TCP port want it; the Unix socket does not."""
    start(test, f"http_token_file: {test.write('token', TOKEN)}\n")
    for page in ("/metrics", "/healthz", "/api/v1/status", "/nothing"):
        for wrong in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Bearer {TOKEN[:-1]}"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer "}):
            status, headers, text = ask(test.http, page, **wrong)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer") and TOKEN not in text
    assert ask(test.http, "/healthz", Authorization=f"Bearer {TOKEN}")[0] == 200 == ask(test.socket, "/healthz")[0]
    program = NFACCTD.parents[1] / "bin/pathacct"
    url = f"http://127.0.0.1:{test.http}"
    done = subprocess.run([program, "-u", url, "ledger"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and "--token-file" in done.stderr
    assert subprocess.run([program, "-u", url, "--token-file", test.dir / "token", "ledger"], capture_output=True, timeout=60).returncode == 0


def test_bad_tokens_and_certificates_are_refused_at_start(test):
    for more, words in ((f"http_token_file: {test.write('short', 'abc')}\n", "openssl rand"), (f"http_token_file: {test.write('odd', 'a b' * 20)}\n", "openssl rand"),
                        (f"http_tls_cert: {test.write('c', 'x')}\nhttp_tls_key: {test.write('k', 'y')}\n", "GnuTLS")):
        conf = test.write("t.conf", PRINT + f"control_socket: none\nhttp_listen: 127.0.0.1:{free_port(socket.SOCK_STREAM)}\nnfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}\n{more}")
        done = subprocess.run([NFACCTD, "-f", conf], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and words in done.stderr, done


def test_https(test):
    """With a certificate TCP speaks TLS alone; who speaks something else, or nothing, holds up nobody."""
    cert, key = certificate(test)
    daemon = start(test, f"http_tls_cert: {cert}\nhttp_tls_key: {key}\nhttp_token_file: {test.write('token', TOKEN)}\n")
    context = ssl.create_default_context(cafile=cert)

    def ask_https(page, **headers):
        connection = http.client.HTTPSConnection("127.0.0.1", test.http, timeout=30, context=context)
        connection.request("GET", page, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text
    assert ask_https("/healthz")[0] == 401
    status, text = ask_https("/metrics", Authorization=f"Bearer {TOKEN}")
    assert status == 200 and "pathacct_build_info{" in text
    strangers = []
    for greeting in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 3000, b"", b"\0" * 100):
        s = socket.create_connection(("127.0.0.1", test.http), timeout=30)
        s.sendall(greeting)
        strangers.append(s)
    for _ in range(5):
        wait_for(lambda: ask_https("/readyz", Authorization=f"Bearer {TOKEN}") == (200, "ready\n"), "ready")  # waits for facts meanwhile
        assert ask(test.socket, "/healthz")[0] == 200
    for s in strangers:
        s.close()
    daemon.signal(15)
    assert daemon.wait(30) == 0


def test_a_thousand_connections(test):
    """Those beyond the bound are closed; the Unix socket always has a place left, and workers do not notice."""
    daemon = start(test)
    sockets = []
    for n in range(1000):
        s = socket.socket()
        s.bind((f"127.0.{1 + n // 250}.{1 + n % 250}", 0))
        s.settimeout(30)
        try:
            s.connect(("127.0.0.1", test.http))
            s.sendall(b"GET /api/v1/ex")  # half a request
        except OSError:
            pass
        sockets.append(s)
    assert ask(test.socket, "/healthz")[0] == 200
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", octets=700)]))
    test.wait_now(daemon, lambda s: sum(e["flows"] for e in s["exporters"]) == 1, "the flow")
    for s in sockets:
        s.close()
    wait_for(lambda: answers(test.http), "answers again")


def test_a_place_that_is_taken_is_told(test):
    daemon = start(test)
    conf = test.write("t.conf", PRINT + f"control_socket: {test.socket}\nnfacctd_ip: 127.0.0.1\nnfacctd_port: {free_port()}\n")
    done = subprocess.run([NFACCTD, "-f", conf], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and re.search(r"ERROR .*control_socket .* is served by another process", done.stderr), done
    daemon.signal(15)
    daemon.wait(30)
    assert not test.socket.exists()


if __name__ == "__main__":
    sys.exit(main(globals()))
