#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/data/captures: what real exporters sent, replayed and compared record by record with what tshark reads in it. The captures and
tshark's reading lie in the project, so that decoding is proved wherever it is built; where there is a tshark it reads them again."""
import collections
import json

from harness import SOURCE, json_lines, main, need
from tshark_flows import read

CAPTURES = SOURCE / "tests/data/captures"
KEYS = ("src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, in_iface, out_iface, src_as, dst_as, src_mask, dst_mask, peer_dst_ip, "
        "src_mac, dst_mac, in_vlan, sampling_rate, timestamp_start, timestamp_end")
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58}


def captures():
    found = sorted(CAPTURES.glob("*.pcap"))
    kinds = {kind for kind in ("netflow5", "netflow9", "ipfix", "sflow") for path in found if kind in path.name}
    assert len(found) > 10 and len(kinds) == 4, found
    return found


def decoded(test, pcap):
    """The rows of the daemon, one for each record, in the form of the kept ones."""
    out = test.dir / f"{pcap.stem}.out"
    start = test.sfacctd if "sflow" in pcap.name else test.nfacctd
    keys = KEYS.split(", timestamp")[0] if "sflow" in pcap.name else KEYS  # a sample has no times
    daemon = start(f"""
plugins: print[out]
aggregate[out]: {keys}
unaggregated[out]: true
print_output[out]: json
print_output_file[out]: {out}
pcap_savefile: {pcap}
use_ip_next_hop: true
timestamps_since_epoch: true
""", name=pcap.stem)
    assert daemon.wait(60) == 0, daemon.output()
    rows = []
    for row in json_lines(out):
        row = {"timestamp_start": "", "timestamp_end": "", **row, "ip_proto": PROTOCOLS[row["ip_proto"]]}
        row.pop("event_type")
        rows.append(row)
    return rows


def compare(name, got, expected):
    def counted(rows):
        return collections.Counter(json.dumps(row, sort_keys=True) for row in rows)
    missing, extra = counted(expected) - counted(got), counted(got) - counted(expected)
    if missing or extra:
        pairs = [f"expected {a}\n     got {b}" for a, b in zip(sorted(missing.elements()), sorted(extra.elements()))][:5]
        raise AssertionError(f"{name}: {sum(missing.values())} of {len(expected)} are missing, {sum(extra.values())} are not expected\n" +
                             "\n".join(pairs))


def test_every_record_is_decoded_as_tshark_read_it(test):
    for pcap in captures():
        expected = json.loads(pcap.with_suffix(".json").read_text())
        assert len(expected) >= 10, pcap
        compare(pcap.name, decoded(test, pcap), expected)


def test_tshark_reads_what_was_kept(_test):
    tshark = need("tshark")
    for pcap in captures():
        compare(pcap.name, read(tshark, pcap), json.loads(pcap.with_suffix(".json").read_text()))


def test_a_wrong_byte_is_seen(test):
    """The test changes a byte of a counter in each capture, and the comparison must not hold."""
    for pcap in captures():
        expected = json.loads(pcap.with_suffix(".json").read_text())
        data = bytearray(pcap.read_bytes())
        width = 8 if "nfprobe" in pcap.name and "netflow5" not in pcap.name else 4
        for row in expected:
            place = data.find(row["bytes"].to_bytes(width, "big"))
            if place > 0:
                data[place + width - 1] ^= 1
                break
        broken = test.dir / pcap.name
        broken.write_bytes(data)
        try:
            compare(pcap.name, decoded(test, broken), expected)
        except AssertionError:
            continue
        raise AssertionError(f"{pcap.name}: a record that differs was not noticed")


if __name__ == "__main__":
    main(globals())
