#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""past_exports.py PORT: the router of examples/multipath exports what went over its links in the last three hours, every five minutes: each
hour twice as much as the one before."""
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import exports  # noqa: E402

NEXT_HOPS = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
router = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
router.bind(("127.0.0.11", 0))
stream = exports.Ipfix(exports.COMMON_FIELDS + [(34, 4)])
now = int(time.time())
this_hour = now - now % 3600


def send(message):
    router.sendto(message, ("127.0.0.1", int(sys.argv[1])))
    time.sleep(0.002)


send(stream.announce())
for hour in range(3):
    for interval in range(12):
        at_ms = (this_hour - (3 - hour) * 3600 + interval * 300 + 60) * 1000
        send(stream.data([exports.common_flow("172.16.0.1", "192.168.1.1", next_hop, in_iface=7, out_iface=number, octets=(37500000 << hour) * number,
                                              packets=number << hour, start_ms=at_ms, end_ms=at_ms) + [1] for number, next_hop in enumerate(NEXT_HOPS, 1)]))
