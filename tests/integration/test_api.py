#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The API of a running daemon: each page against the document, paths as routers announced them, and those who ask too much."""
import http.client
import socket
import struct
import sys
import time

from harness import free_port, main, need_option, wait_for
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update
from control_client import Api, ask
import exports


def start(test, more="", **kwargs):
    test.http, test.bgp, test.socket = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM), test.dir / "control.sock"
    daemon = test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host,dst_host\nprint_output[a]: json\nprint_refresh_time[a]: 1\n"
                          f"print_output_file[a]: {test.dir}/out-%s.json\ncontrol_socket: {test.socket}\nhttp_listen: 127.0.0.1:{test.http}\n"
                          f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {test.bgp}\n{more}", **kwargs)
    test.api = Api(test.socket)
    return daemon


def local_pref(value):
    return attribute(0x40, 5, struct.pack("!I", value))


def speaker(test, address, add_path=True):
    capabilities = multiprotocol(1, 1) + four_octet_as(65000) + (add_path_send((1, 1)) if add_path else b"")
    return Speaker(test, test.bgp, address=address, capabilities=capabilities).establish()


def send_flows(test, count, source="127.0.0.5"):
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", f"192.168.1.{n}", "10.0.0.9", octets=700) for n in range(count)]),
              source=source)


def sampler_options(rate=100, domain=1, more=()):
    """Options data of a sampler, and more of (fields, values)."""
    sets = []
    for number, (fields, values) in enumerate([([(302, 4), (34, 4)], [1, rate]), *more]):
        sets += [exports.ipfix_set(3, exports.template(300 + number, fields, 1)), exports.ipfix_set(300 + number, exports.record(fields, values))]
    return exports.ipfix(sets, 0, domain)


def paths_of(answer):
    return [path for entry in answer["prefixes"] for path in entry["paths"]]


def test_every_page_is_as_the_document_says(test):
    start(test)
    router = speaker(test, "127.0.0.21")
    router.send(update(attributes(more=local_pref(100)), prefix("192.168.0.0/16", 1)))
    send_flows(test, 10)
    wait_for(lambda: test.api.get("status")["flows"] == 10 and test.api.get("status")["bgp"]["paths"] == 1, "flows and a path")
    asked = {"routes": {"address": "192.168.1.1"}, "exporters": {"limit": 5}, "log": {"limit": 5}}
    test.send(sampler_options(), source="127.0.0.5")
    wait_for(lambda: test.api.get("options")["count"] == 1, "an option")
    pages = [path.removeprefix("/api/v1/") for path in test.api.document["paths"]]
    assert {"status", "exporters", "peers", "routes", "plugins", "ledger", "configuration", "log"} <= set(pages)
    for page in pages:
        answer = test.api.get(page, **asked.get(page, {}))
        assert any(answer.values()), page
    status = test.api.get("status")
    assert status["is_well"] and status["daemon"] == "nfacctd" and status["exporters"] == 1 and status["datagrams"]["arrived"] == 3
    wait_for(lambda: test.api.get("status")["is_ready"] and test.api.get("status")["reasons"] == [], "ready")
    wait_for(lambda: test.api.get("status")["datagrams"]["per_second"] is not None, "a pace")
    wait_for(lambda: test.api.get("ledger")["instances"][0]["written"]["flows"] == 10, "written")
    assert test.api.get("ledger")["instances"][0]["residual"] == {"flows": 0, "packets": 0, "bytes": 0}
    wait_for(lambda: test.api.get("plugins")["plugins"][0]["state"] == "ok", "an open backend")


def test_pages_of_exporters(test):
    start(test)
    for n in range(4):
        send_flows(test, 2 + n, source=f"127.0.3.{n + 1}")
    wait_for(lambda: test.api.get("exporters")["count"] == 4 and test.api.get("status")["flows"] == 14, "four exporters")
    assert sorted(e["counters"]["flows"] for e in test.api.get("exporters")["exporters"]) == [2, 3, 4, 5]
    assert len(test.api.get("exporters", limit=3)["exporters"]) == 3
    only = test.api.get("exporters", exporter="127.0.3.4")["exporters"]
    assert [(e["address"], e["counters"]["flows"], e["counters"]["datagrams_decoded"]) for e in only] == [("127.0.3.4", 5, 2)]
    assert "exporter:" in test.api.get("exporters", status=400, exporter="router")["error"]


def test_all_paths_of_all_peers(test):
    """Two routers, one with ADD-PATH: every path is there with its attributes, its place in the peer's order, and which is the best of all."""
    start(test)
    one, two = speaker(test, "127.0.0.21"), speaker(test, "127.0.0.22", add_path=False)
    communities = attribute(0xc0, 8, struct.pack("!HHHH", 65000, 1, 65000, 2))
    one.send(update(attributes((65001, 65009), "10.0.0.1", local_pref(100) + communities), prefix("192.0.2.0/24", 7)),
             update(attributes((65002, 65009), "10.0.0.2", local_pref(200)), prefix("192.0.2.0/24", 8)),
             update(attributes((65003,), "10.0.0.3", local_pref(50)), prefix("192.0.0.0/16", 1)))
    two.send(update(attributes((65004, 65009), "10.0.0.4", local_pref(300)), prefix("192.0.2.0/24")))
    wait_for(lambda: test.api.get("status")["bgp"]["paths"] == 4, "four paths")
    answer = test.api.get("routes", address="192.0.2.77")
    assert [entry["prefix"] for entry in answer["prefixes"]] == ["192.0.2.0/24", "192.0.0.0/16"] and answer["is_whole"] and answer["paths"] == 4
    told = [(p["peer"], p["path_id"], p["rank"], p["is_best"], p["next_hop"], p["as_path"], p["local_pref"]) for p in paths_of(answer)]
    assert told == [("127.0.0.21", 8, 1, False, "10.0.0.2", "65002 65009", 200), ("127.0.0.21", 7, 2, False, "10.0.0.1", "65001 65009", 100),
                    ("127.0.0.22", None, 1, True, "10.0.0.4", "65004 65009", 300), ("127.0.0.21", 1, 1, True, "10.0.0.3", "65003", 50)], told
    assert paths_of(answer)[1]["communities"] == ["65000:1", "65000:2"] and paths_of(answer)[0]["origin"] == "igp"
    assert len(paths_of(test.api.get("routes", prefix="192.0.2.0/24"))) == 3
    assert len(paths_of(test.api.get("routes", prefix="192.0.2.0/24", peer="127.0.0.22"))) == 1
    nothing = test.api.get("routes", prefix="192.0.3.0/24")
    assert (nothing["prefixes"], nothing["paths"], nothing["is_whole"]) == ([], 0, True)
    few = test.api.get("routes", address="192.0.2.1", limit=2)
    assert len(paths_of(few)) == 2 and few["paths"] == 4 and not few["is_whole"]
    one.send(update(withdrawn=prefix("192.0.2.0/24", 8)))
    wait_for(lambda: test.api.get("status")["bgp"]["paths"] == 3, "a withdrawal")
    gone = [p for p in paths_of(test.api.get("routes", prefix="192.0.2.0/24")) if p["rank"] is None]
    assert len(gone) == 1 and all(p["path_id"] == 8 and p["withdrawn"] for p in gone), gone
    peers = test.api.get("peers")["peers"]
    assert sorted((p["address"], p["state"], p["ipv4"]["has_add_path"]) for p in peers) == [
        ("127.0.0.21", "established", True), ("127.0.0.22", "established", False)]


def test_many_peers_are_read_in_slices(test):
    """More paths under one prefix than a slice holds, while sessions come and go: none is told twice."""
    start(test, "bgp_daemon_max_peers: 20\n")
    routers = [speaker(test, f"127.0.4.{n + 1}") for n in range(12)]
    for router in routers:
        router.send(*(update(attributes((65000 + path,), f"10.0.0.{path}", local_pref(path)), prefix("192.0.2.0/24", path)) for path in range(1, 21)))
    wait_for(lambda: test.api.get("status")["bgp"]["paths"] == 240, "all paths")
    paths = paths_of(test.api.get("routes", prefix="192.0.2.0/24"))
    assert len({(p["peer"], p["path_id"]) for p in paths}) == len(paths) == 240
    assert [p["path_id"] for p in paths if p["is_best"]] == [20] and all(p["rank"] == 21 - p["path_id"] for p in paths)
    for router in routers[:6]:
        router.socket.close()
        paths = paths_of(test.api.get("routes", prefix="192.0.2.0/24"))
        assert len({(p["peer"], p["path_id"]) for p in paths if p["rank"]}) == sum(1 for p in paths if p["rank"])


def test_templates_and_options(test):
    """Of four workers: what each exporter announced, what is read of it, and what it told in options."""
    start(test, "nfacctd_workers: 4\n")
    for n in range(6):
        send_flows(test, 2, source=f"127.0.5.{n + 1}")
        test.send(sampler_options(100 + n, more=[([(234, 4), (90, 8)], [7, 65000 << 32 | n])]), source=f"127.0.5.{n + 1}")
    wait_for(lambda: test.api.get("options")["count"] == 12, "options")
    answer = test.api.get("templates")
    assert answer["count"] == 18 == len(answer["templates"]) and answer["taken"]
    flows = [t for t in answer["templates"] if not t["is_options"]]
    assert sorted(t["exporter"] for t in flows) == [f"127.0.5.{n + 1}" for n in range(6)]
    fields = {f["name"]: f for f in flows[0]["fields"]}
    assert fields["sourceIPv4Address"]["is_used"] and fields["sourceIPv4Address"]["len"] == 4 and not fields["destinationTransportPort"]["is_used"]
    assert all(f["is_used"] and f["is_scope"] == (f["name"] == "selectorId") for t in answer["templates"] if t["template"] == 300 for f in t["fields"])
    assert flows[0]["steps"] > 0 and flows[0]["version"] == 10 and 0 <= flows[0]["age_s"] < 300
    rates = {o["exporter"]: o["number"] for o in test.api.get("options")["options"] if o["kind"] == "sampler_rate"}
    assert rates == {f"127.0.5.{n + 1}": 100 + n for n in range(6)}
    only = test.api.get("options", exporter="127.0.5.3")["options"]
    assert sorted((o["kind"], o["id"], o["number"], o["text"]) for o in only if o["kind"] == "sampler_rate") == [("sampler_rate", 1, 102, None)]
    assert [(o["id"], o["text"]) for o in only if o["kind"] == "vrf_rd"] == [(7, "0:65000:2")]
    assert len(test.api.get("templates", limit=3)["templates"]) == 3
    assert "exporter:" in test.api.get("templates", status=400, exporter="x")["error"]


def test_many_templates_are_described_in_slices(test):
    """More than a slice and a first table hold, while more of them come: each is there once, and flows go on."""
    daemon = start(test, "nfacctd_workers: 2\n")
    fields = [(8, 4), (12, 4), (1, 8), (2, 8), (7, 2), (11, 2)]
    for turn in range(4):
        for n in range(20):
            stream = exports.ipfix([exports.ipfix_set(2, b"".join(exports.template(256 + turn * 400 + n * 20 + k, fields) for k in range(20)))], 0, 1)
            test.send(stream, source="127.0.6.1")
        test.api.get("templates", limit=10)
    wait_for(lambda: test.api.get("templates")["count"] == 1600, lambda: f"all templates: {test.api.get('templates', limit=0)['count']}")
    told = test.api.get("templates", limit=10000)["templates"]
    assert len({t["template"] for t in told}) == len(told) == 1600
    send_flows(test, 20)
    test.wait_now(daemon, lambda s: sum(e["flows"] for e in s["exporters"]) == 20, "flows")


def test_sflow_has_no_templates(test):
    test.socket = test.dir / "control.sock"
    test.sfacctd(f"plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {test.dir}/out\ncontrol_socket: {test.socket}\n")
    test.api = Api(test.socket)
    assert "sFlow" in test.api.get("templates", status=409)["error"] and test.api.get("status")["daemon"] == "sfacctd"


def test_what_is_wrong_is_told(test):
    start(test)
    for parameters, words in (({}, "address and prefix"), ({"address": "1.2.3.4", "prefix": "1.0.0.0/8"}, "address and prefix"),
                              ({"address": "1.2.3"}, "address:"), ({"prefix": "1.2.3.4/8"}, "beyond its length"), ({"address": "1.2.3.4", "limit": "x"}, "limit:"),
                              ({"address": "1.2.3.4", "limit": 5001}, "5000"), ({"address": "1.2.3.4", "rd": "7"}, "rd:"),
                              ({"address": "1.2.3.4", "peer": "r1"}, "peer:")):
        assert words in test.api.get("routes", status=400, **parameters)["error"], parameters
    assert test.api.get("routes", address="1.2.3.4", rd="0:65000:1")["prefixes"] == []
    assert ask(test.http, "/api/v1/nothing")[0] == 404
    for query in ("&".join(f"a{n}=%ff%00%zz" for n in range(300)), "x=" + "y" * 30000, "&" * 1000, "limit=%31%00%39"):
        try:
            assert ask(test.http, f"/api/v1/exporters?{query}")[0] in (200, 400, 413, 414, 431)
        except (http.client.RemoteDisconnected, ConnectionResetError):
            pass  # too long
    test.api.get("status")


def test_without_bgp_it_is_said(test):
    test.socket = test.dir / "control.sock"
    test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {test.dir}/out\ncontrol_socket: {test.socket}\n")
    test.api = Api(test.socket)
    assert "bgp_daemon: true" in test.api.get("peers", status=409)["error"]
    assert test.api.get("status")["bgp"] is None


def test_secrets_are_masked(test):
    need_option("WITH_SQLITE3", "sqlite3")
    start(test, "plugins: print[a], sqlite3[b]\naggregate[b]: dst_host\nsql_passwd[b]: geheim\n"
          f"sql_db[b]: {test.dir}/x.db\nsql_host[b]: password=geheim://me:geheim@host/\n")
    assert "geheim" not in ask(test.socket, "/api/v1/configuration")[2]
    settings = test.api.get("configuration")["settings"]
    told = {(s["key"], s["instance"]): s for s in settings}
    assert told["sql_passwd", "b"]["value"] == "***"
    assert told["sql_host", "b"]["value"] == "password=***", told["sql_host", "b"]
    assert told["aggregate", "a"]["value"] == "src_host,dst_host" and told["aggregate", "a"]["place"].endswith("nfacctd.conf:2")
    assert told["http_listen", None]["value"] == f"127.0.0.1:{test.http}" and told["bgp_daemon_max_peers", None]["place"] == "default"


def test_passwords_are_masked_as_libpq_reads_them(test):
    need_option("WITH_SQLITE3", "sqlite3")
    forms = {"user=me password = 'ge heim' port=5432": "user=me password = *** port=5432", r"password='ge\' heim' port=1": "password=*** port=1",
             "password='geheim": "password=***", "PASSWORD=geheim&x=1": "PASSWORD=***&x=1", "passwords are none": "passwords are none",
             "postgresql://me:geheim@host/db?password=geheim": "postgresql://***@host/db?password=***"}
    lines = "".join(f"sql_host[b{n}]: {form}\nsql_db[b{n}]: {test.dir}/{n}.db\naggregate[b{n}]: dst_host\n" for n, form in enumerate(forms))
    start(test, "plugins: print[a], " + ", ".join(f"sqlite3[b{n}]" for n in range(len(forms))) + "\n" + lines)
    told = {s["instance"]: s["value"] for s in test.api.get("configuration")["settings"] if s["key"] == "sql_host"}
    assert [told[f"b{n}"] for n in range(len(forms))] == list(forms.values()), told


def test_the_log_can_be_read(test):
    start(test)
    first = test.api.get("log")
    assert any("waiting for NetFlow/IPFIX data" in line["text"] and line["level"] == "NOTICE" for line in first["lines"])
    assert test.api.get("log", after=first["next"] - 1)["lines"] == []
    test.send(b"nonsense", source="127.0.0.6")
    more = wait_for(lambda: test.api.get("log", after=first["next"] - 1)["lines"], "a line about nonsense")
    assert "127.0.0.6" in more[0]["text"] and more[0]["number"] == first["next"]
    assert len(test.api.get("log", limit=1)["lines"]) == 1
    numbers = [line["number"] for line in test.api.get("log")["lines"]]
    assert numbers == sorted(numbers)


def test_who_does_not_read_holds_nothing_up(test):
    """Readers that ask for all and read nothing, at both doors: others are answered, and flows go on."""
    daemon = start(test)
    slow = []
    for n in range(30):
        s = socket.socket(socket.AF_UNIX) if n % 2 else socket.socket(socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.settimeout(30)
        s.connect(str(test.socket) if n % 2 else ("127.0.0.1", test.http))
        slow.append(s)
        try:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        except OSError:
            pass  # refused: root alone may have more than its share
    send_flows(test, 20)
    wait_for(lambda: test.api.get("status")["flows"] == 20, "flows")
    begun = time.monotonic()
    for _ in range(20):
        test.api.get("exporters")
    assert time.monotonic() - begun < 30
    test.wait_now(daemon, lambda s: s["instances"][0]["written"]["flows"] == 20, "written")
    for s in slow:
        s.close()


if __name__ == "__main__":
    sys.exit(main(globals()))
