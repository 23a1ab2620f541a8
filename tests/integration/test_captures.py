#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of real routers, replayed and compared record by record with what an independent collector printed for them.
They stand outside the project; without them these tests are skipped."""
import collections
import json
import socket

from harness import SHARED, Skip, free_port, json_lines, main, need_option, wait_for
from kafka_cluster import Mock, consume_raw
from schema_registry import Registry, fetch, read
import exports

CAPTURES = SHARED / "captures"
EXPORTER = "127.21.1.101"  # of the references
WIDE = ("src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, in_iface, out_iface, src_as, dst_as, src_mask, dst_mask, "
        "src_mac, dst_mac, vlan, etype")


def replay(test, pcap, config, start=None):
    if not pcap.exists():
        raise Skip(f"there is no {pcap}")
    daemon = (start or test.nfacctd)(config + f"""
plugins: print[out]
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
pcap_savefile: {pcap}
""")
    assert daemon.wait(60) == 0, daemon.output()
    return json_lines(test.dir / "out.json")


def compare(got, expected, ignore=()):
    """Compares records as multisets, over the keys of the expected records."""
    def canonical(rows):
        keys = set().union(*expected) - set(ignore)
        return collections.Counter(json.dumps({k: sorted(v) if isinstance(v, list) and k == "tcp_flags" else v
                                               for k, v in row.items() if k in keys}, sort_keys=True) for row in rows)
    missing, extra = canonical(expected) - canonical(got), canonical(got) - canonical(expected)
    assert not missing and not extra, "missing:\n%s\nnot expected:\n%s" % ("\n".join(missing), "\n".join(extra))


def merge(rows):
    """Rows of equal key put together: references hold one row per purge of theirs."""
    out = {}
    for row in rows:
        key = json.dumps({k: v for k, v in row.items() if k not in ("packets", "bytes", "flows", "tcp_flags")}, sort_keys=True)
        if key in out:
            out[key]["packets"] += row["packets"]
            out[key]["bytes"] += row["bytes"]
            out[key]["tcp_flags"] |= row["tcp_flags"]
        else:
            out[key] = dict(row)
    return list(out.values())


def pair(test, name, start=None):
    if not (CAPTURES / f"{name}.ref.json").exists():
        raise Skip(f"there is no {CAPTURES / name}.ref.json")
    reference = json.loads((CAPTURES / f"{name}.ref.json").read_text())
    got = replay(test, CAPTURES / f"{name}.pcap", f"aggregate[out]: {WIDE}\n", start)
    compare(merge(got), merge(reference["records"]))


def test_netflow5(test):
    pair(test, "akvorado-nfv5")


def test_netflow9(test):
    pair(test, "akvorado-nfv9")


def test_ipfix_mikrotik(test):
    pair(test, "logstash-ipfix-mikrotik-routeros-6-39-2")


def test_sflow_with_bare_ip_headers(test):
    pair(test, "akvorado-sflow-raw-ipv4", test.sfacctd)


def test_invalid_netflow5_beside_a_good_exporter(test):
    pair(test, "logstash-netflow-5-invalid-01")


def config_of(test, directory, cluster, without=()):
    """The configuration as it stands there, its Avro into a topic of ours, but for places of files and addresses."""
    out = []
    for line in (directory / "nfacctd-00.conf").read_text().splitlines():
        key = line.split(":")[0].strip()
        if not key.startswith(("logfile", "pidfile", "nfacctd_ip", "nfacctd_port", *without)):
            out.append(line.replace("/var/log/pmacct/", f"{test.dir}/").replace("http://127.0.0.1:8081", test.registry.url).replace("/etc/pmacct/librdkafka.conf", f"{test.dir}/librdkafka.conf")
                       .replace("/etc/pmacct/pretag.map", f"{test.dir}/pretag.map")
                       .replace("/etc/pmacct/custom-primitives.map", str(directory / "custom-primitives-00.map")))
    if (directory / "pretag-00.map").exists():
        # There the capture is played by another host, which the map names.
        test.write("pretag.map", (directory / "pretag-00.map").read_text().replace("192.168.100.1", EXPORTER))
    test.write("librdkafka.conf", f"global, bootstrap.servers, {cluster.brokers}\n")
    return "\n".join(out) + "\n"


def compare_topic(test, directory, cluster):
    assert list(test.registry.subjects) == ["daisy.flow-acct_data"], test.registry.subjects
    schema = fetch(test.registry, test.registry.subjects["daisy.flow-acct_data"][0])
    assert json.loads(schema) == json.loads((test.dir / "avsc/nfacctd.avsc").read_text())
    compare(read(test.registry, consume_raw(cluster.brokers, "daisy.flow")), json_lines(directory / "reference-flow-00.json"))


def need_folder(test, name):
    """The folder, and a cluster for what its configuration writes."""
    directory = CAPTURES / name
    if not directory.exists():
        raise Skip(f"there is no {directory}")
    cluster = Mock(test)
    need_option("WITH_REGISTRY", "kafka_avro_schema_registry")
    cluster.topic("daisy.flow")
    test.registry = Registry(test)
    return directory, cluster


def folder(test, name):
    """Its exports as those of the exporter that the reference names."""
    directory, cluster = need_folder(test, name)
    exports.write_pcap(test.dir / "in.pcap", [(when, exports.udp_packet(data, EXPORTER)) for when, data in exports.read_pcap(directory / "traffic-00.pcap")])
    daemon = test.nfacctd(config_of(test, directory, cluster) + f"pcap_savefile: {test.dir}/in.pcap\n")
    assert daemon.wait(60) == 0, daemon.output()
    compare_topic(test, directory, cluster)


def test_ipfix_cisco(test):
    folder(test, "100-ipfix-cisco")


def test_netflow9_custom_primitives(test):
    folder(test, "101-netflow9-custom-primitives")


def test_ipfix_with_labels(test):
    folder(test, "103-pretag-labels")


def test_ipfix_with_bgp(test):
    """Flows of VRFs in SRv6 and the router's session: first what the router says, then its exports. What is written of BGP's messages is
    no part of it."""
    directory, cluster = need_folder(test, "500-ipfix-with-bgp")
    config = config_of(test, directory, cluster, ("bgp_daemon_msglog_", "bgp_daemon_tag_map", "bgp_daemon_ip", "bgp_daemon_port"))
    bgp_port = free_port(socket.SOCK_STREAM)
    daemon = test.nfacctd(config + f"bgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {bgp_port}\n")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as router:
        router.bind((EXPORTER, 0))
        router.connect(("127.0.0.1", bgp_port))
        sent = b"".join(data for _, data in exports.read_pcap(directory / "traffic-00.pcap", protocol=6))
        router.sendall(sent)
        daemon.wait_log("End-of-RIB of ipv4-unicast")
        test.send(*(data for _, data in exports.read_pcap(directory / "traffic-00.pcap")), source=EXPORTER)
        wait_for(lambda: test.now(daemon)["instances"][0]["decoded"]["flows"] == 43, "43 flows")
        assert daemon.stop() == 0, daemon.output()
    compare_topic(test, directory, cluster)


if __name__ == "__main__":
    main(globals())
