# SPDX-License-Identifier: GPL-2.0-or-later
"""geoipv2_file by itself: what it takes to say where the source of a flow is, for hosts that a worker remembers and for others."""
import ipaddress
import pathlib
import sys

from lib.bench import Measurement, Row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/support"))
import mmdb  # noqa: E402  pylint: disable=wrong-import-position

ORDER = 26
NETWORKS = 20000


def country(number):
    return chr(ord("A") + number % 676 // 26) + chr(ord("A") + number % 26)


def database(bench):
    def make():
        path = bench.store.folder / "places.mmdb"
        first = int(ipaddress.ip_address("16.0.0.0"))
        path.write_bytes(mmdb.database({f"{ipaddress.ip_address(first + (n << 8))}/24": mmdb.place(country(n)) for n in range(NETWORKS)}))
        return path
    return bench.once("places.mmdb", make)


def row(name, title, hosts):
    def measure(bench, _product):
        def once():
            return bench.tool_json("geo_bench", database(bench), NETWORKS, hosts, bench.flows(10000000, 1000000))
        runs = bench.repeat("pathacct", once)
        assert all(run["is_right"] for run in runs)  # the program fails by itself if a host is said to be elsewhere
        return Measurement([run["host_ns"] for run in runs], {"database": f"{NETWORKS:,} networks", "hosts": f"{hosts:,}, in turn"})
    return Row(name, title, "ns/flow", measure, has_pmacct=False)


ROWS = [
    row("geoip-known", "geoipv2_file, country of a flow's source, of hosts that are remembered", 1000),
    row("geoip-new", "the same of hosts that are looked up each time", 1000000),
]
