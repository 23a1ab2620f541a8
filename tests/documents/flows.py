#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""flows.py ROUTER FLOW...: what a router of this machine exports to port 2100. A flow is NAME=VALUE,...: src, dst, hop, and what
exports.common_flow() knows (sport, dport, proto, in_iface, out_iface, octets, ago_s: how long ago it ended, in seconds)."""
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import exports  # noqa: E402

router = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
router.bind((sys.argv[1], 0))
stream = exports.Ipfix()
router.sendto(stream.announce(), ("127.0.0.1", 2100))
for text in sys.argv[2:]:
    values = dict(pair.split("=") for pair in text.split(","))
    ends = [values.pop(name, default) for name, default in (("src", "10.0.0.1"), ("dst", "192.168.1.1"), ("hop", "10.0.0.1"))]
    values = {name: int(value) for name, value in values.items()}
    values["end_ms"] = int((time.time() - values.pop("ago_s", 0)) * 1000)
    router.sendto(stream.data([exports.common_flow(*ends, **values)]), ("127.0.0.1", 2100))
    time.sleep(0.01)
