# SPDX-License-Identifier: GPL-2.0-or-later
"""pre_tag_map and the maps of BGP's source side: what a flow costs, by the number of rows and of their shapes, and how long a large map takes to load."""
import subprocess

from lib import truth
from lib.row import Measurement, Row

ROUNDS = 8000


def figures(bench, kind, rows):
    def run():
        done = subprocess.run([bench.tool("map_bench"), kind, str(rows), str(ROUNDS)], check=False, capture_output=True, text=True)
        values = {name: float(value) for name, value, _unit in map(str.split, done.stdout.splitlines())}
        if done.returncode != 0 or values.get("wrong") != 0:
            raise truth.Wrong(f"map_bench: status {done.returncode}, {values.get('wrong')} wrong answers")
        return values
    return bench.once(f"map_bench-{kind}-{rows}", lambda: bench.repeat("pathacct", run))


def walk_row(name, title, kind, rows, must=None):
    def measure(bench, _product):
        return Measurement([run["walk"] for run in figures(bench, kind, rows)], {"map": f"{rows:,} rows", "flows": "hit random rows"})
    return Row(name, title, "ns/flow", measure, must=must, has_pmacct=False)


def load_row(name, title, kind, rows, must=None):
    def measure(bench, _product):
        return Measurement([run["load"] for run in figures(bench, kind, rows)], {"map": f"{rows:,} rows"})
    return Row(name, title, "s", measure, must=must, has_pmacct=False)


ROWS = [
    walk_row("maps-two-keys", "pre_tag_map of 10,000 rows by ip and in", "two_keys", 10000, must=30),
    walk_row("maps-two-keys-400k", "the same of 400,000 rows", "two_keys", 400000),
    walk_row("maps-shapes-40", "pre_tag_map of 40 rows by prefixes of 16 lengths", "shapes", 40),
    walk_row("maps-shapes-400k", "the same of 400,000 rows", "shapes", 400000),
    walk_row("maps-filters", "pre_tag_map of 10,000 rows by src_net, each with a filter", "filters", 10000),
    walk_row("maps-jumps", "pre_tag_map of 10,000 rows by interface, reached by a jump", "jumps", 10000),
    walk_row("maps-peer-as", "bgp_peer_src_as_map (and its kin) of 10,000 rows by ip and in", "ingress", 10000),
    walk_row("maps-peer-as-path", "the same by bgp_nexthop and peer_dst_as", "ingress_path", 10000),
    walk_row("maps-peer-as-400k", "the same of 400,000 rows by ip and in", "ingress", 400000),
    load_row("maps-load", "pre_tag_map of 400,000 rows by ip and in: time to load", "two_keys", 400000, must=1),
]
