#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""examples/tenants: sFlow of an overlay with known totals, through the example's own configuration and schema to its bill."""
import ipaddress
import re
import sqlite3
import struct
import time

from harness import SOURCE, free_port, main, wait_for
import exports
import sflow

EXAMPLE = SOURCE / "examples/tenants"
LEAF_A, LEAF_B, GATEWAY, SPINE = "192.0.2.1", "192.0.2.2", "192.0.2.254", "192.0.2.100"
RATE = 1000


def ip(address):
    return ipaddress.ip_address(address).packed


def frame(outer_src, outer_dst, vni, src, dst):
    """Ethernet, IPv4, UDP, VXLAN, and a tenant's Ethernet frame; as much of it as a switch samples."""
    inner = bytes.fromhex("0a00000000020a0000000001") + b"\x08\x00" + exports.udp_packet(b"x" * 20, src, dst, 40000, 443)
    packet = struct.pack("!II", 0x08000000, vni << 8) + inner
    return bytes.fromhex("66778899aabb001122334455") + b"\x08\x00" + exports.udp_packet(packet, outer_src, outer_dst, 50000, 4789)


def sample(agent, number, outer_src, outer_dst, vni, src, dst, tenant_bytes):
    header = sflow.raw_header(frame(outer_src, outer_dst, vni, src, dst), frame_len=tenant_bytes + 50)
    return sflow.datagram([sflow.flow_sample([header], sequence=number, rate=RATE)], agent=agent, sequence=number)


def test_bill_is_what_the_tenants_sent(test):
    text = (EXAMPLE / "sfacctd.conf").read_text().replace("/var/lib/pathacct", str(test.dir))
    port = free_port()
    text = re.sub(r"sfacctd_port: \d+", f"sfacctd_port: {port}\nsfacctd_ip: 127.0.0.1", text).replace(
        "sql_refresh_time: 60", "sql_refresh_time: 1")
    left = 3600 - time.time() % 3600
    if left < 15:
        time.sleep(left)
    daemon = test.sfacctd(text)
    packets = [  # one sample stands for RATE packets
        (LEAF_A, LEAF_A, GATEWAY, 10100, "10.0.0.1", "198.51.100.7", 1500),  # blue out
        (LEAF_A, LEAF_A, GATEWAY, 10100, "10.0.0.1", "198.51.100.7", 1500),
        (GATEWAY, GATEWAY, LEAF_A, 10100, "198.51.100.7", "10.0.0.1", 1000),  # blue in
        (LEAF_A, LEAF_A, LEAF_B, 10100, "10.0.0.1", "10.0.0.2", 9000),  # between blue's own hosts
        (SPINE, LEAF_A, LEAF_B, 10100, "10.0.0.1", "10.0.0.2", 9000),  # the same packet seen on its way
        (LEAF_B, LEAF_A, LEAF_B, 10100, "10.0.0.1", "10.0.0.2", 9000),  # and at its end
        (LEAF_B, LEAF_B, GATEWAY, 10200, "10.0.0.1", "198.51.100.7", 500),  # green uses blue's addresses
    ]
    for number, (agent, *packet) in enumerate(packets, 1):
        test.send(sample(agent, number, *packet), port=port)
    db = test.dir / "tenants.db"

    def query(sql):
        try:
            with sqlite3.connect(db, timeout=10) as connection:
                return connection.execute(sql).fetchall()
        except sqlite3.OperationalError as error:
            return None if "no such table" in str(error) or "unable to open" in str(error) else (_ for _ in ()).throw(error)
    for table in ("overlay", "hosts"):
        wait_for(lambda: (query(f"SELECT sum(packets) FROM {table}") or [[0]])[0][0] == len(packets) * RATE, f"all of {table}", 20)
    connection = sqlite3.connect(db, timeout=10)
    connection.executescript((EXAMPLE / "schema.sql").read_text())
    connection.executescript(f"INSERT INTO tenants VALUES (10100, 'blue'); INSERT INTO gateways VALUES ('{GATEWAY}');")
    bill = connection.execute("SELECT tenant, bytes_out, bytes_in, bytes_inside FROM bill ORDER BY tenant").fetchall()
    assert bill == [("VNI 10200", 500 * RATE, 0, 0), ("blue", 3000 * RATE, 1000 * RATE, 9000 * RATE)], bill
    rates = connection.execute("SELECT tenant, bits_per_second FROM percentile95 ORDER BY tenant").fetchall()
    assert rates == [("VNI 10200", 500 * RATE * 8 / 3600), ("blue", 4000 * RATE * 8 / 3600)], rates
    hosts = connection.execute("SELECT ip_src, ip_dst, sum(packets) FROM hosts WHERE vxlan = 10100 GROUP BY 1, 2").fetchall()
    assert sorted(hosts) == [("10.0.0.1", "10.0.0.2", 3 * RATE), ("10.0.0.1", "198.51.100.7", 2 * RATE),
                             ("198.51.100.7", "10.0.0.1", RATE)], hosts
    connection.close()
    assert daemon.stop() == 0, daemon.output()


if __name__ == "__main__":
    main(globals())
