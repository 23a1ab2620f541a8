#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of routes from MRT files and to them: what is loaded answers for its peers until their sessions come, what is saved is read by other
programs, and over a restart no flow gets a wrong path."""
import gzip
import json
import socket
import struct
import subprocess
import time

from harness import BUILD, SOURCE, Bird, bird_path, free_port, json_lines, main, need, wait_for
import exports
from bgp_speaker import Speaker, attributes, prefix, update
from mrt_file import peers, rib
from path_collector import PEER, PREFIX, Collector

OTHER = "198.51.100.0/24"


class Waiting(Collector):
    """A collector whose speaker is not there yet."""

    def connect(self):
        return None

    def meet(self):
        self.speaker = super().connect()
        return self.speaker


def table(when=None):
    """Two peers: the first with two paths of a prefix and one of another, by path ids; the second, without, with one path."""
    when = when or time.time() - 100
    return (peers(when, (PEER, PEER, 65000), ("127.0.0.22", "127.0.0.22", 65022))
            + rib(when, 0, PREFIX, (0, when - 50, 1, attributes((65001,), "192.0.2.1")), (0, when - 50, 2, attributes((65002,), "192.0.2.2")))
            + rib(when, 1, OTHER, (0, when - 50, 1, attributes((65003,), "192.0.2.3")))
            + rib(when, 2, PREFIX, (1, when - 50, None, attributes((65022,), "192.0.2.1"))))


def write(test, name, content):
    path = test.dir / name
    path.write_bytes(content)
    return path


def peer(collector, address=PEER):
    return next((p for p in collector.statistics()["bgp"]["peers"] if p["address"] == address), None)


def loaded(collector, count):
    collector.test.wait_now(collector.daemon, lambda stats: stats["bgp"]["loaded"] == count, f"{count} loaded paths", collector.name)
    wait_for(lambda: peer(collector), "the peer of the file")


def test_what_a_file_has_answers_until_the_session_comes(test):
    path = write(test, "table.mrt", table())
    collector = Waiting(test, f"bgp_table_load: {path}\nbgp_path_lag: 0\n")
    loaded(collector, 4)
    assert collector.path(1, "192.0.2.1", 0) == ("exact", "65001")
    assert collector.path(2, "192.0.2.2", 0) == ("exact", "65002")
    got = collector.path(3, "192.0.2.77", 0, source="127.0.0.22")
    assert got == ("differs", "65022"), got  # it has no ADD-PATH
    assert collector.path(4, "192.0.2.3", 0) == ("unmatched", "")
    assert collector.path(5, "192.0.2.1", 200) == ("no_route", ""), "it was not there yet, by the times of the file"

    collector.meet()
    collector.announce((7, "192.0.2.1", (65001,)), (8, "192.0.2.2", (65222,)))
    test.wait_now(collector.daemon, lambda stats: stats["bgp"]["end_of_rib"] == 1, "the table of the session")
    assert collector.path(11, "192.0.2.2", 0) == ("exact", "65222")
    assert collector.path(12, "192.0.2.1", 120) == ("exact", "65001"), "a path as before keeps its time"
    assert collector.path(13, "192.0.2.2", 120) == ("exact", "65002"), "until the file was written"
    assert collector.path(14, "192.0.2.3", 0, destination="198.51.100.9") == ("no_route", "")
    assert collector.daemon.stop() == 0, collector.daemon.output()


def test_several_files_compressed(test):
    zstd = need("zstd")
    when = time.time() - 100
    first = write(test, "a.mrt.gz", gzip.compress(table(when)))
    more = peers(when, (PEER, PEER, 65000)) + rib(when, 0, "198.18.0.0/15", (0, when, 5, attributes((65005,), "192.0.2.5")))
    write(test, "b.mrt", more)
    subprocess.run([zstd, "-q", "--rm", test.dir / "b.mrt"], check=True)
    collector = Waiting(test, f"bgp_table_load: {first}, {test.dir}/b.mrt.zst\n")
    loaded(collector, 5)
    assert collector.path(1, "192.0.2.2", 0) == ("exact", "65002")
    assert collector.path(2, "192.0.2.5", 0, destination="198.18.3.4") == ("exact", "65005")
    assert peer(collector)["paths"] == 4, peer(collector)


def test_what_is_damaged_is_told_and_the_rest_is_loaded(test):
    content = table()
    bad = rib(time.time(), 9, OTHER, (9, 0, None, attributes((65001,), "192.0.2.1")))  # there is no such peer
    path = write(test, "cut.mrt", content + bad + content[:-3])
    collector = Waiting(test, f"bgp_table_load: {path}\n")
    loaded(collector, 7)
    collector.daemon.wait_log(f"{path}: 7 paths of 4 peers loaded")
    last = len(content) + len(bad) + content.rindex(struct.pack("!HH", 13, 2)) - 4
    collector.daemon.wait_log(f"the file is cut short, at offset {last}; nothing behind it is loaded")
    collector.daemon.wait_log(f"1 damaged records and paths passed over, the first at offset {len(content)}")
    assert collector.path(1, "192.0.2.2", 0) == ("exact", "65002")


def test_a_file_that_is_not_there_is_an_error(test):
    daemon = test.nfacctd(f"bgp_daemon: true\nbgp_daemon_port: {free_port(socket.SOCK_STREAM)}\nbgp_table_load: {test.dir}/none.mrt\n"
                          "plugins: print\naggregate: src_host\n", ready=False)
    assert daemon.wait() != 0
    assert f"bgp_table_load: {test.dir}/none.mrt: No such file" in daemon.output(), daemon.output()


def test_brokers_get_no_mrt(test):
    daemon = test.nfacctd(f"bgp_daemon: true\nbgp_daemon_port: {free_port(socket.SOCK_STREAM)}\nbgp_table_dump_output: mrt\n"
                          "bgp_table_dump_kafka_topic: t\nbgp_table_dump_refresh_time: 60\nplugins: print\naggregate: src_host\n", ready=False)
    assert daemon.wait() != 0
    assert "bgp_table_dump_output: mrt is for files" in daemon.output(), daemon.output()


def test_paths_of_a_peer_that_does_not_come_go(test):
    collector = Waiting(test, f"bgp_table_load: {write(test, 'table.mrt', table())}\nbgp_table_load_keep: 3\n")
    collector.daemon.wait_log("4 paths of 2 peers loaded")
    collector.wait_paths(0)
    assert collector.path(1, "192.0.2.1", 0)[1] == ""


def test_a_replay_waits_for_the_table_and_keeps_it(test):
    start, stream = 1_700_000_000, exports.Ipfix()
    packets = [(start, exports.udp_packet(stream.announce(export_time=start), PEER))]
    for n in range(1, 200):
        when = start + n
        hop = n % 2 + 1
        flow = exports.common_flow("172.16.0.1", "203.0.113.9", f"192.0.2.{hop}", dport=hop, start_ms=when * 1000 - 500, end_ms=when * 1000)
        packets.append((when, exports.udp_packet(stream.data([flow], export_time=when), PEER)))
    exports.write_pcap(test.dir / "in.pcap", packets)
    daemon = test.nfacctd(f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {free_port(socket.SOCK_STREAM)}
bgp_table_load: {write(test, 'table.mrt', table())}
bgp_table_load_keep: 1
bgp_table_save: {test.dir}/saved.mrt
nfacctd_as: bgp
plugins: print[p]
aggregate[p]: dst_port, as_path, path_match
print_output[p]: json
print_output_file[p]: {test.dir}/out.json
print_refresh_time[p]: 600
pcap_savefile: {test.dir}/in.pcap
""", ready=False)
    assert daemon.wait(60) == 0, daemon.output()
    rows = {(r["port_dst"], r["path_match"], r["as_path"]): r["packets"] for r in json_lines(test.dir / "out.json")}
    assert set(rows) == {(1, "exact", "65001"), (2, "exact", "65002")}, rows
    assert not (test.dir / "saved.mrt").exists()


def lines_of_bgpdump(path):
    done = subprocess.run([need("bgpdump"), "-m", str(path)], capture_output=True, text=True, check=True)
    return [line.split("|") for line in done.stdout.splitlines()]


def test_what_is_saved_is_read_by_bgpdump_and_gobgp(test):
    need("bgpdump")
    saved = test.dir / "saved.mrt"
    collector = Collector(test, f"bgp_table_save: {saved}\n")
    collector.announce((1, "192.0.2.1", (65001, 400000)), (2, "192.0.2.2", (65002,)), (1, "192.0.2.3", (65003,), OTHER))
    collector.wait_paths(3)
    assert collector.daemon.stop() == 0, collector.daemon.output()
    assert f"{saved}: 3 paths of 1 peers saved" in collector.daemon.output(), collector.daemon.output()
    got = sorted((f[3], f[4], f[5], f[6], f[7], f[9]) for f in lines_of_bgpdump(saved))
    assert got == [(PEER, "65000", OTHER, "1", "65003", "192.0.2.3"), (PEER, "65000", PREFIX, "1", "65001 400000", "192.0.2.1"),
                   (PEER, "65000", PREFIX, "2", "65002", "192.0.2.2")], got

    daemon, client = need("gobgpd", "gobgp")
    api = free_port(socket.SOCK_STREAM)
    conf = test.write("gobgp.toml", '[global.config]\n  as = 65000\n  router-id = "127.0.0.26"\n  port = -1\n')
    test.start([daemon, "-f", conf, "-t", "toml", f"--api-hosts=127.0.0.1:{api}", "--pprof-disable"], "gobgpd")

    def run(*words):
        return subprocess.run([client, "-p", str(api), *words], capture_output=True, text=True, check=False)
    wait_for(lambda: run("global").returncode == 0, "gobgpd's API")
    done = run("-d", "mrt", "inject", "global", str(saved))  # it tells what it reads
    assert done.returncode == 0, done
    told = done.stdout.splitlines()
    assert len(told) == 3 and f"ID [{PEER}] Addr [{PEER}] AS [65000]" in told[0], told
    for network, entries in ((PREFIX, ("PathIdentifier[1]", "65001 400000", "192.0.2.1", "PathIdentifier[2]", "65002", "192.0.2.2")),
                             (OTHER, ("PathIdentifier[1]", "65003", "192.0.2.3"))):
        line = next(line for line in told if f"Prefix [{network}]" in line)
        assert all(word in line for word in entries), line


def test_dumps_as_mrt(test):
    """Two peers, each with a file of its own and then both in one; what was dumped can be loaded."""
    for name, pattern, count in (("each", "$peer_src_ip.mrt", 2), ("all", "all.mrt", 1)):
        folder = test.dir / name
        folder.mkdir()
        collector = Collector(test, f"""
bgp_table_dump_file: {folder}/{pattern}
bgp_table_dump_output: mrt
bgp_table_dump_refresh_time: 1
""", name=name)
        collector.announce((1, "192.0.2.1", (65001, 400000)), (2, "192.0.2.2", (65002,)))
        other = Speaker(test, collector.bgp_port, address="127.0.0.22", asn=65000)
        other.establish().send(update(attributes((65022,), "192.0.2.9"), prefix(PREFIX)))

        def dumped():
            return sorted((f[3], f[5], f[6], f[7], f[9]) if f[0] == "TABLE_DUMP2_AP" else (f[3], f[5], None, f[6], f[8])
                          for path in folder.glob("*.mrt") for f in lines_of_bgpdump(path))
        expected = [(PEER, PREFIX, "1", "65001 400000", "192.0.2.1"), (PEER, PREFIX, "2", "65002", "192.0.2.2"),
                    ("127.0.0.22", PREFIX, None, "65022", "192.0.2.9")]
        wait_for(lambda: dumped() == expected, lambda: f"{expected} in {dumped()}")
        assert len(list(folder.glob("*.mrt"))) == count
        assert collector.daemon.stop() == 0, collector.daemon.output()

    again = Waiting(test, f"bgp_table_load: {folder}/all.mrt\n", name="again")
    loaded(again, 3)
    assert again.path(1, "192.0.2.2", 0) == ("exact", "65002")


EXPORTER = "127.0.0.11"  # the address of the harness's BIRD


def over_restart(test, saved, name):
    return Waiting(test, f"""
bgp_table_save: {saved}
bgp_path_lag: 0
""", name=name)


def test_no_flow_gets_a_wrong_path_over_a_restart(test):
    """A real router and an exporter: before the router is back its table of before answers; and what it changed meanwhile began when
    the collector stopped."""
    saved = test.dir / "saved.mrt"
    before = over_restart(test, saved, "before")
    bird = Bird(test, before.bgp_port, [bird_path(1, PREFIX, "192.0.2.1", "65001"), bird_path(2, PREFIX, "192.0.2.2", "65002")])
    test.wait_now(before.daemon, lambda stats: stats["bgp"]["rib_paths"] == 2 and stats["bgp"]["end_of_rib"] >= 1, "BIRD's table", "before")
    time.sleep(2)  # the paths are older than the flows below
    assert before.path(1, "192.0.2.1", 0, lasted_s=0, source=EXPORTER) == ("exact", "65001")
    ended = time.time()
    assert before.daemon.stop() == 0, before.daemon.output()
    bird.configure([bird_path(1, PREFIX, "192.0.2.1", "65001"), bird_path(2, PREFIX, "192.0.2.2", "65222")])

    after = over_restart(test, saved, "after")
    after.daemon.wait_log(f"{saved}: 2 paths of 1 peers loaded")
    wait_for(lambda: peer(after, EXPORTER), "the table of before")
    assert after.path(1, "192.0.2.1", 0, lasted_s=0, source=EXPORTER) == ("exact", "65001"), "before the router is back"
    assert after.path(2, "192.0.2.2", time.time() - ended + 1, lasted_s=0, source=EXPORTER) == ("exact", "65002")

    text = bird.conf.read_text().replace(f"port {before.bgp_port} as", f"port {after.bgp_port} as")
    bird.conf.write_text(text)
    bird.command("configure")
    test.wait_now(after.daemon, lambda stats: stats["bgp"]["end_of_rib"] >= 1, "BIRD's table again", "after")
    late = time.time() - ended + 1
    assert after.path(3, "192.0.2.2", late, lasted_s=0, source=EXPORTER) == ("exact", "65002"), "a flow of before"
    assert after.path(4, "192.0.2.1", late, lasted_s=0, source=EXPORTER) == ("exact", "65001")
    assert after.path(5, "192.0.2.2", 0, lasted_s=0, source=EXPORTER) == ("exact", "65222")
    assert after.path(6, "192.0.2.1", 0, lasted_s=0, source=EXPORTER) == ("exact", "65001")
    assert after.daemon.stop() == 0, after.daemon.output()


def test_packaged_configurations_save_tables(test):
    page = (SOURCE / "packaging/pmbgpd.conf").read_text()
    assert "\nbgp_table_save: " in page
    done = subprocess.run([BUILD / "sbin/pmbgpd", "-f", SOURCE / "packaging/pmbgpd.conf", "--check"], capture_output=True, text=True, check=False)
    assert "bgp_table_save" not in done.stdout + done.stderr, done


def test_a_table_outlives_restarts_without_its_router(test):
    saved = write(test, "saved.mrt", table(time.time() - 20))
    for name in ("once", "twice"):
        collector = over_restart(test, saved, name)
        wait_for(lambda: peer(collector), "the table of before")
        assert collector.path(1, "192.0.2.2", 0) == ("exact", "65002")
        assert collector.daemon.stop() == 0, collector.daemon.output()
        assert f"{saved}: 4 paths of 2 peers saved" in collector.daemon.output(), collector.daemon.output()


def test_a_table_that_is_too_old_is_not_loaded(test):
    path = write(test, "saved.mrt", table(time.time() - 1000))
    collector = Waiting(test, f"bgp_table_save: {path}\n")
    collector.daemon.wait_log("longer ago than bgp_table_load_keep; not loaded")
    assert collector.path(1, "192.0.2.1", 0)[1] == ""


if __name__ == "__main__":
    main(globals())
