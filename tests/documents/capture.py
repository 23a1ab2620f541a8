#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capture.py FILE: what a router sent, as tcpdump would have it: sFlow if the name says so, otherwise IPFIX."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import exports  # noqa: E402
import sflow  # noqa: E402

if "sflow" in sys.argv[1]:
    records, _ = sflow.header("10.0.0.1", "192.0.2.1")
    datagrams, port = [sflow.datagram([sflow.flow_sample([records])])], 6343
else:
    stream = exports.Ipfix()
    datagrams, port = [stream.announce(), stream.data([exports.common_flow("172.16.0.1", f"192.168.1.{n}", "10.0.0.1") for n in range(1, 11)])], 2100
exports.write_pcap(pathlib.Path(sys.argv[1]), [(time.time(), exports.udp_packet(data, "192.0.2.1", dport=port)) for data in datagrams])
