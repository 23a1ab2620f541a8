# SPDX-License-Identifier: GPL-2.0-or-later
"""Both daemons with BGP: scripted routers tell both the same routes, then send both the same flows."""
import json
import signal
import socket
import struct
import subprocess
import time

from harness import BUILD, free_port, need_pmacct, wait_for
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update
from sides import Instance, Side
import exports

ADD_PATH, PLAIN, BORROWER = "127.1.211.1", "127.1.212.1", "127.1.213.1"
KEYS = ["peer_src_ip", "src_host", "dst_host", "src_port", "dst_port", "as_path", "std_comm", "lrg_comm", "local_pref", "med", "src_as", "dst_as",
        "peer_src_as", "peer_dst_as", "peer_dst_ip", "src_net", "dst_net", "src_mask", "dst_mask", "src_as_path", "src_std_comm", "src_local_pref",
        "src_med", "flows"]
LINES = """bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {bgp_port}
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
nfacctd_as: bgp
nfacctd_net: bgp
bgp_src_as_path_type: bgp
bgp_src_std_comm_type: bgp
bgp_daemon_max_peers: 10
bgp_path_accept: pmacct
print_refresh_time: 600
timestamps_utc: true
"""


PLAIN_TYPES = "bgp_peer_src_as_type: bgp\nbgp_src_local_pref_type: bgp\nbgp_src_med_type: bgp\n"
# What maps ask for, beside addresses and next hop.
ASKED = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (10, 4), (14, 4), (18, 4), (58, 2), (56, 6), (234, 4), (70, 3), (1, 4), (2, 4)]
SOURCES, TARGETS = ("198.51.100.{}", "198.51.7.{}"), ("203.0.113.{}", "203.0.114.{}")
VPN = bytes.fromhex("0000fde800000005")  # 0:65000:5


def path(rng, next_hop, asn):
    numbers = [asn, *(rng.randrange(1, 70000) for _ in range(rng.randrange(4)))]
    communities = [rng.randrange(1 << 16, 1 << 31) for _ in range(rng.randrange(4))]
    more = attribute(0x80, 4, struct.pack("!I", rng.randrange(1000))) + attribute(0x40, 5, struct.pack("!I", rng.randrange(1000)))
    if communities:
        more += attribute(0xc0, 8, struct.pack(f"!{len(communities)}I", *communities))
    if rng.random() < 0.5:
        more += attribute(0xc0, 32, struct.pack("!III", asn, rng.randrange(9), rng.randrange(9)))
    return attributes(tuple(numbers), next_hop, more=more)


def routes(rng, is_add_path):
    """Prefixes inside each other. With ADD-PATH each has paths behind next hops of its own, so that which one is meant is plain."""
    out = []
    for n, text in enumerate(("203.0.113.0/24", "203.0.113.128/25", "203.0.112.0/20", "198.51.100.0/24", "198.51.0.0/16", "198.51.100.64/26")):
        hops = [f"10.{n}.0.{hop}" for hop in range(1, 4)] if is_add_path else [f"10.{n}.0.1"]
        for path_id, hop in enumerate(hops, 1):
            out.append(update(path(rng, hop, rng.randrange(1, 70000)), prefix(text, path_id if is_add_path else None)))
    return out


def longest(address):
    """The index of the route to it."""
    last = int(address.split(".")[3])
    if address.startswith("203.0.113."):
        return 1 if last >= 128 else 0
    return 2 if address.startswith("203.0.") else 5 if 64 <= last < 128 and address.startswith("198.51.100.") else 3


def flows(rng, exporter):
    stream = exports.Ipfix(domain=3)
    now_ms = int(time.time() * 1000)
    rows = []
    for n in range(60):
        target = rng.choice((f"203.0.113.{rng.randrange(1, 255)}", f"203.0.114.{rng.randrange(1, 255)}"))
        rows.append(exports.common_flow(f"198.51.100.{rng.randrange(1, 255)}", target, f"10.{longest(target)}.0.{rng.randrange(1, 4)}", sport=n + 1,
                                        octets=1000 + n, packets=1 + n % 7, src_mask=0, dst_mask=0, end_ms=now_ms, start_ms=now_ms - 500))
    return exporter, stream.announce(), [stream.data(rows[n:n + 20]) for n in range(0, 60, 20)]


def vpn_route(rng, text, asn):
    """An UPDATE of a route in the VPN (RFC 4364), with label 16."""
    address, length = text.split("/")
    nlri = bytes([88 + int(length)]) + b"\x00\x01\x01" + VPN + socket.inet_aton(address)[:(int(length) + 7) // 8]
    reach = struct.pack("!HBB", 1, 128, 12) + bytes(8) + socket.inet_aton("10.0.0.1") + b"\0" + nlri
    more = attribute(0x80, 4, struct.pack("!I", rng.randrange(1000))) + attribute(0x40, 5, struct.pack("!I", rng.randrange(1000)))
    return update(attributes(path=(asn, rng.randrange(1, 70000)), more=more + attribute(0x80, 14, reach)))


def asking_flows(rng, exporter):
    """Flows whose values are few enough that rows of maps meet them."""
    stream, rows = exports.Ipfix(fields=ASKED, domain=4), []
    for n in range(60):
        target = rng.choice(TARGETS).format(rng.randrange(1, 255))
        hop = f"10.{longest(target)}.0.{rng.randrange(1, 4)}"
        rows.append([rng.choice(SOURCES).format(rng.randrange(1, 255)), target, n + 1, 443, 6, rng.randrange(1, 4), rng.randrange(1, 4), hop,
                     rng.randrange(1, 4), bytes([2, 0, 0, 0, 0, rng.randrange(3)]), rng.choice((0, 0, 30)), rng.randrange(1, 4) << 4 | 1, 1000 + n, 1 + n % 7])
    return exporter, stream.announce(), [stream.data(rows[n:n + 20]) for n in range(0, 60, 20)]


def source_map(rng):
    """One of bgp_peer_src_as_map and its kin. 1.7.7 takes id=bgp for an AS number in all of them, and finds nothing by filters."""
    conditions = {"in": lambda: rng.randrange(1, 4), "out": lambda: rng.randrange(1, 4), "vlan": lambda: rng.randrange(1, 4),
                  "src_mac": lambda: f"02:00:00:00:00:0{rng.randrange(3)}", "src_net": lambda: rng.choice(("198.51.100.0/25", "198.51.0.0/16")),
                  "dst_net": lambda: rng.choice(("203.0.113.0/25", "203.0.112.0/20")), "bgp_nexthop": lambda: f"10.{rng.randrange(3, 6)}.0.1"}
    rows = []
    for n in range(8):
        keys = rng.sample(sorted(conditions), rng.randrange(1, 3))
        rows.append(f"id={1000 + n} ip={rng.choice((PLAIN, BORROWER, ADD_PATH, '127.1.0.0/16'))} " + " ".join(f"{key}={conditions[key]()}" for key in keys))
    return "\n".join(rows) + "\n"


def other_maps(rng):
    """{key: rows}: VPNs, peers of exporters. 1.7.7 finds nothing by bgp_peer_dst_ip_map, however its rows are written."""
    # The VPN has routes to all, as the table is looked in too where it has none; only in this project.
    rds = [f"id=0:65000:5 ip={PLAIN} {key}" for key in rng.sample(["in=1", "in=2", "out=3", "mpls_label_bottom=2", "mpls_vpn_id=30", "in=3 out=1"], 3)]
    # One table for all of its flows: 1.7.7 finds nothing for the first flow after another table was asked.
    agents = rng.sample([f"bgp_ip={ADD_PATH} ip={BORROWER} filter='ip6'", f"bgp_ip={ADD_PATH} ip=127.1.214.0/24", f"bgp_ip={ADD_PATH} ip={BORROWER} in=9"],
                        2) + [f"bgp_ip={PLAIN} ip={rng.choice((BORROWER, '127.1.213.0/24', '127.1.212.0/23'))}"]
    return {"flow_to_rd_map": rds, "bgp_agent_map": agents}


class Memory(Instance):
    """A table in memory, asked by the client of its own side."""

    def lines(self, side):
        return "memory", self.bound({"imt_path": side.dir / f"{self.name}.sock"})

    def ask(self, side):
        client = BUILD / "bin/pmacct" if side.is_ours else need_pmacct("bin/pmacct")
        done = subprocess.run([client, "-s", "-p", side.dir / f"{self.name}.sock", "-O", "json"], capture_output=True, text=True, timeout=30, check=False)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def both(world):
    """{instance: (their rows, our rows)}"""
    agents = world.test.write("agents", f"bgp_ip={PLAIN} ip={BORROWER}\n")
    return compared(world, KEYS, f"{LINES}{PLAIN_TYPES}bgp_agent_map: {agents}\n", [flows(world.rng, exporter) for exporter in (ADD_PATH, PLAIN, BORROWER)])


def by_maps(world):
    """The same with a random map of each kind; and the maps, which are the hint of what differs."""
    rng, test, lines, hint = world.rng, world.test, LINES, ""
    maps = {f"{name}_map": source_map(rng).splitlines() for name in ("bgp_peer_src_as", "bgp_src_local_pref", "bgp_src_med")} | other_maps(rng)
    for key, rows in maps.items():
        text = "\n".join(rows) + "\n"
        lines += f"{key}: {test.write(key, text)}\n" + (f"{key.removesuffix('_map')}_type: map\n" if "_src_" in key else "")
        hint += f"{key}:\n{text}"
    sent = [asking_flows(rng, exporter) for exporter in (ADD_PATH, PLAIN, BORROWER)]
    return compared(world, [*KEYS, "mpls_vpn_rd"], lines, sent)["print"], hint


def compared(world, keys, lines, sent):
    """Both daemons with `lines`, the same routers, and what they export: {instance: (their rows, our rows)}"""
    rng, test = world.rng, world.test
    world.names |= {ADD_PATH: "router-add-path", PLAIN: "router-plain", BORROWER: "router-of-map"}
    tables = {ADD_PATH: routes(rng, True), PLAIN: routes(rng, False)}
    tables[PLAIN] += [vpn_route(rng, text, 64700 + n) for n, text in enumerate(("203.0.112.0/20", "203.0.113.0/25", "198.51.0.0/16"))]
    instances = [Instance("print", keys), Memory("memory", keys)]
    world.runs += 1
    sides = [Side(test, name, f"live-{world.runs}") for name in ("theirs", "ours")]
    for side in sides:
        side.port, side.bgp_port = free_port(), free_port(socket.SOCK_STREAM)
        side.start("nfacctd", instances, lines.format(port=side.port, bgp_port=side.bgp_port).splitlines())
    for side in sides:
        side.process.wait_log("waiting for NetFlow/IPFIX data on")
        for address, updates in tables.items():
            capabilities = multiprotocol(1, 1) + multiprotocol(1, 128) + four_octet_as(65000) + (add_path_send((1, 1)) if address == ADD_PATH else b"")
            speaker = Speaker(test, side.bgp_port, address, capabilities=capabilities).establish()
            speaker.send(*updates, update())
    time.sleep(1)  # pmacct says nothing when it has read an UPDATE
    for exporter, template, data in sent:
        for side in sides:
            test.send(template, source=exporter, port=side.port)
    time.sleep(0.5)  # and learns a template before its data
    for exporter, template, data in sent:
        for payload in data:
            for side in sides:
                test.send(payload, source=exporter, port=side.port)
    want, memory = 60 * len(sent), instances[1]
    asked = []
    for side in sides:
        wait_for(lambda: sum(row["flows"] for row in memory.ask(side)) >= want, f"{want} flows in the table of {side.dir.name}")
        asked.append(memory.ask(side))
        side.process.signal(signal.SIGINT)
        side.wait()
    return {"print": tuple(instances[0].read(side) for side in sides), "memory": tuple(asked)}
