# SPDX-License-Identifier: GPL-2.0-or-later
"""What is compared: each function is a case, takes the world and yields differences."""
import inputs as feeds
import maps
import mmdb
import routers_of_both as routers
from sides import MOST_INSTANCES, TABLE, Instance, Kafka, Pgsql, Side, in_parts, primitives_of_pmacct
from compare import differences
from kafka_cluster import Mock
from postgres import Postgres
import exports

# In every row; with stitching alone; pmacct's own clock at the time of the replay; 1.7.7 writes nat_event for fw_event; and it crashes
# where it is to look up places without a database.
NOT_COMPARED = (*(f"{side}_host_{what}" for side in ("src", "dst") for what in ("country", "pocode", "coords")),
                "packets", "bytes", "timestamp_min", "timestamp_max", "timestamp_arrival", "fw_event")
# 1.7.7 has TCP flags as text. A purge while it reads makes it write rows twice, so that there is none.
COMMON = ["timestamps_utc: true", "tcpflags_encode_as_string: true", "print_refresh_time: 7200", "sql_refresh_time: 7200"]
FLOW = ["peer_src_ip", "src_host", "dst_host", "src_port", "dst_port", "proto"]
# What people aggregate by: a matrix, accounting by AS, by host, by network, security, layer 2, NAT.
SETS = {
    "matrix": ["peer_src_ip", "in_iface", "peer_dst_ip", "peer_dst_as"],
    "as": ["peer_src_ip", "src_as", "dst_as", "peer_src_as", "peer_dst_as", "flows"],
    "hosts": ["peer_src_ip", "src_host", "dst_host", "proto", "tos"],
    "networks": ["peer_src_ip", "src_net", "dst_net", "src_mask", "dst_mask"],
    "security": [*FLOW, "tcpflags", "tos", "in_iface", "out_iface"],
    "layer2": ["peer_src_ip", "src_mac", "dst_mac", "vlan", "cos", "etype"],
    "ports": ["peer_src_ip", "src_port", "dst_port", "proto", "flows"],
}

# Inputs whose exporters write times of the day: uptimes are to the second there, and merge flows that stay apart here.
TIMED = ("generated-ipfix", "openvswitch-ipfix", "softflowd-ipfix", "100-ipfix-cisco")


class World:
    """A seed, its random numbers, the inputs and a test's folder for what the daemons write."""

    def __init__(self, test, seed, rng):
        self.test, self.seed, self.rng = test, seed, rng
        self.inputs = {daemon: feeds.all_of(daemon, seed) for daemon in ("nfacctd", "sfacctd")}
        self.names = {i.exporter: i.name for group in self.inputs.values() for i in group}
        self.names["127.0.0.1"] = "nfprobe-ipfix"  # whose records name their exporter
        self.names |= {exporter: "generated-maps" for exporter in maps.EXPORTERS}
        self.theirs = {daemon: set(primitives_of_pmacct(daemon)) for daemon in self.inputs}
        self.present = {i.name for group in self.inputs.values() for i in group}
        self.runs = 0

    def primitives(self, daemon):
        """Those that both know, but what stands in every row."""
        return [name for _, name, *_ in TABLE if name in self.theirs[daemon] and name not in NOT_COMPARED]

    def has(self, daemon, names):
        return [name for name in names if name in self.theirs[daemon]]

    def replay(self, daemon, instances, lines=(), of_inputs=None):
        """Both on a capture of all inputs: {instance: (their rows, our rows)}."""
        self.runs += 1
        pcap = self.test.dir / f"{daemon}.pcap"
        packets = [p for i in of_inputs or self.inputs[daemon] for p in i.packets(2100 if daemon == "nfacctd" else 6343)]
        exports.write_pcap(pcap, packets)
        lines = [*COMMON, f"pcap_savefile: {pcap}", *lines]
        ours, theirs = Side(self.test, "ours", f"{daemon}-{self.runs}"), Side(self.test, "theirs", f"{daemon}-{self.runs}")
        ours.start(daemon, instances, lines)
        ours.wait()
        for part in in_parts(instances):
            theirs.start(daemon, part, lines)
            theirs.wait()
        # On a busy machine pmacct's core may end before a plugin has read what it sent: that plugin wrote nothing, and is asked again.
        silent = [i for i in instances if i.read(ours) and not i.read(theirs)]
        if silent:
            theirs.start(daemon, silent[:MOST_INSTANCES], lines)
            theirs.wait()
        return {i.name: (i.read(theirs), i.read(ours)) for i in instances}

    def compare(self, where, found, of=None, of_file=None):
        """`of` has the one column that an instance is about, of_file the file that made its rows what they are."""
        for name, (theirs, ours) in found.items():
            for difference in differences(f"{where} {name}", theirs, ours, self.names, (of or {}).get(name)):
                if of_file:
                    difference.hint = of_file[name].read_text()
                yield difference


def alone(world, daemon):
    """Each primitive beside the exporter, by which rows are told apart."""
    names = [n for n in world.primitives(daemon) if n != "peer_src_ip"]
    found = world.replay(daemon, [Instance(n, [n, "peer_src_ip"]) for n in names])
    of = {name: json_name for _, name, json_name, _, _ in TABLE}
    yield from world.compare(f"{daemon} alone", found, of)


def wide(world, daemon):
    """All primitives of a flow at once, and a random half of them."""
    names = world.primitives(daemon)
    half = sorted(world.rng.sample(names, len(names) // 2) + [n for n in FLOW if n in names])
    found = world.replay(daemon, [Instance("all", names), Instance("half", sorted(set(half), key=names.index))], ["timestamps_secs: true"])
    yield from world.compare(f"{daemon} wide", found)


def times(world, daemon):
    """Time stamps to the microsecond and as numbers."""
    keys = world.has(daemon, ["peer_src_ip", "src_port", "timestamp_start", "timestamp_end", "timestamp_export"])
    which = [i for i in world.inputs[daemon] if i.name in TIMED]
    if which:
        for lines in ([], ["timestamps_since_epoch: true"], ["timestamps_rfc3339: true"]):
            yield from world.compare(f"{daemon} times", world.replay(daemon, [Instance("out", keys)], lines, which))


def sets(world, daemon):
    """What people aggregate by, in each output."""
    instances = [Instance(f"{output}-{name}", world.has(daemon, keys), output)
                 for name, keys in SETS.items() for output in ("json", "csv", "formatted", "sqlite3")]
    yield from world.compare(f"{daemon} sets", world.replay(daemon, instances[:MOST_INSTANCES]))


def tags(world, daemon):
    """Random maps, what filters let through, fixed tags. Rows of networks, VLANs and interfaces meet sFlow too."""
    keys = ["peer_src_ip", "src_port", "tag", "tag2", "label"]
    instances = []
    for n in range(12):
        path = world.test.dir / f"tags-{n}"
        path.write_text(maps.tag_map(world.rng, daemon))
        instance = Instance(f"map{n}", keys, pre_tag_map=path)
        if n % 3 == 1:
            instance.keys["pre_tag_filter"] = maps.tag_filter(world.rng)
        elif n % 3 == 2:
            instance.keys["post_tag"] = world.rng.randrange(1, 99)
        instances.append(instance)
    found = world.replay(daemon, instances, of_inputs=maps.all_traffic(world.rng, daemon))
    yield from world.compare(f"{daemon} tags", found, of_file={i.name: i.keys["pre_tag_map"] for i in instances})


def rates(world, daemon):
    """sampling_map, and counters multiplied by what it says."""
    path = world.test.dir / "sampling"
    path.write_text(maps.sampling_map(world.rng))
    keys = ["peer_src_ip", "src_port", "sampling_rate"]
    for more in ([], ["nfacctd_renormalize: true"]):
        found = world.replay(daemon, [Instance("out", keys)], [f"sampling_map: {path}", *more], maps.all_traffic(world.rng, daemon))
        yield from world.compare(f"{daemon} rates", found)


def networks(world, daemon):
    """networks_file with each method, for each instance its own; lists of ports, protocols, TOS; route distinguishers."""
    nets = ["peer_src_ip", "src_port", "src_net", "dst_net", "src_mask", "dst_mask", "src_as", "dst_as", "peer_src_as", "peer_dst_as", "peer_dst_ip",
            "src_host", "dst_host"]
    for method in ("file", "longest"):
        instances = []
        for n, more in enumerate(({}, {"networks_file_filter": "true"}, {"networks_file_no_lpm": "true"}, {"networks_no_mask_if_zero": "true"})):
            path = world.test.dir / f"networks-{method}-{n}"
            path.write_text(maps.networks(world.rng))
            instances.append(Instance(f"{method}{n}", nets, networks_file=path, **more))
        found = world.replay(daemon, instances, [f"nfacctd_net: {method}", f"nfacctd_as: {method}"], maps.all_traffic(world.rng, daemon))
        yield from world.compare(f"{daemon} networks", found, of_file={i.name: i.keys["networks_file"] for i in instances})


def lists(world, daemon):
    """ports_file; 1.7.7 does not have the other two."""
    path = world.test.write("list-ports", maps.number_list(world.rng, [53, 80, 443, 1, 2, 3, 4]))
    instances = [Instance("ports", ["peer_src_ip", "src_host", "dst_host", "src_port", "dst_port"], ports_file=path)]
    yield from world.compare(f"{daemon} lists", world.replay(daemon, instances, of_inputs=maps.all_traffic(world.rng, daemon)))


def sums(world, daemon):
    """Two entries of each flow."""
    instances = [Instance(name, [name]) for name in ("sum_host", "sum_net", "sum_as", "sum_port", "sum_mac")]
    yield from world.compare(f"{daemon} sums", world.replay(daemon, instances, of_inputs=maps.all_traffic(world.rng, daemon)))


def distinguishers(world, daemon):
    """flow_to_rd_map."""
    path = world.test.write("rds", maps.rd_map(world.rng))
    found = world.replay(daemon, [Instance("rd", ["peer_src_ip", "src_port", "mpls_vpn_rd"])], [f"flow_to_rd_map: {path}"], maps.all_traffic(world.rng, daemon))
    yield from world.compare(f"{daemon} distinguishers", found)


def places(world, daemon):
    """geoipv2_file; addresses that it has and others."""
    path = world.test.dir / "places.mmdb"
    path.write_bytes(mmdb.database({"10.0.0.0/15": mmdb.place("DE", "10115", 52.5167, 13.4), "192.0.3.0/24": mmdb.place("US", "94043", 37.386, -122.0838)}))
    instances = [Instance(what, ["peer_src_ip", f"src_host_{what}", f"dst_host_{what}"], output) for what, output in
                 (("country", "json"), ("pocode", "json"), ("coords", "json"))] + [Instance("csv", ["peer_src_ip", "src_host_country", "dst_host_pocode"], "csv")]
    yield from world.compare(f"{daemon} places", world.replay(daemon, instances, [f"geoipv2_file: {path}"], maps.all_traffic(world.rng, daemon)))


def thresholds(world, daemon):
    """print_preprocess, any and all of its checks (maxbpp and others are those of SQL plugins)."""
    keys = ["peer_src_ip", "src_host", "dst_host", "flows"]
    limits = f"minb={world.rng.randrange(500, 2000)}, minp={world.rng.randrange(2, 6)}, minbpp={world.rng.randrange(100, 900)}"
    instances = [Instance(kind, keys, print_preprocess=limits, print_preprocess_type=kind) for kind in ("any", "all")]
    yield from world.compare(f"{daemon} thresholds", world.replay(daemon, instances, of_inputs=maps.all_traffic(world.rng, daemon)))


def forms(world, daemon):
    """How values are written: numbers of protocols, bins of time, separators, filters of packets, thresholds of rows."""
    keys = world.has(daemon, FLOW)
    instances = [Instance("numbers", keys, print_num_protos="true"), Instance("csv", keys, "csv", print_num_protos="true"),
                 Instance("filter", keys, aggregate_filter=world.rng.choice(("tcp", "udp or dst port 443", "src net 198.51.100.0/25", "ip6"))),
                 Instance("num_sql", keys, "sqlite3", sql_num_protos="true")]
    if daemon == "nfacctd":  # sFlow has no times, and pmacct takes those of the replay
        instances += [Instance("bins", keys, print_history="1m", print_history_roundoff="m"), Instance("sql_bins", keys, "sqlite3", sql_history="5m",
                                                                                                      sql_history_roundoff="m")]
    # Times of captures and of the flows in them are far apart, and then bins are of the arrival here.
    found = world.replay(daemon, instances, of_inputs=[i for i in world.inputs[daemon] if i.name.startswith("generated")])
    yield from world.compare(f"{daemon} forms", found)


def live(world, daemon):
    """Routers with and without ADD-PATH and one whose sessions are another's (bgp_agent_map); print, and the client's view of memory."""
    for name, rows in routers.both(world).items():
        yield from differences(f"{daemon} live {name}", *rows, world.names)


def bgp_maps(world, daemon):
    """The same by maps: bgp_peer_src_as_map and its kin, flow_to_rd_map, bgp_agent_map."""
    rows, hint = routers.by_maps(world)
    for difference in differences(f"{daemon} live by maps", *rows, world.names):
        difference.hint = hint
        yield difference


def postgresql(world, daemon):
    """The same tables of a server of our own."""
    server = getattr(world, "server", None) or Postgres(world.test)
    world.server = server
    instances = []
    for name in ("security", "networks", "as", "layer2"):
        instance = Pgsql(name, world.has(daemon, SETS[name]), server)
        instances.append(instance)
    yield from world.compare(f"{daemon} postgresql", world.replay(daemon, instances))


def kafka(world, daemon):
    """Messages of a mock cluster, whole and packed."""
    cluster = Mock(world.test)
    instances = [Kafka(name, world.has(daemon, SETS[name]), cluster, **more)
                 for name, more in (("security", {}), ("matrix", {"kafka_multi_values": 4000}), ("layer2", {}), ("ports", {"kafka_num_protos": "true"}))]
    yield from world.compare(f"{daemon} kafka", world.replay(daemon, instances))


BOTH, FLOWS = ("nfacctd", "sfacctd"), ("nfacctd",)
CASES = {"wide": (wide, BOTH), "alone": (alone, BOTH), "sets": (sets, BOTH), "forms": (forms, BOTH), "postgresql": (postgresql, BOTH), "kafka": (kafka, BOTH),
         "times": (times, FLOWS), "live": (live, FLOWS), "bgp maps": (bgp_maps, FLOWS), "tags": (tags, BOTH), "rates": (rates, FLOWS), "networks": (networks, BOTH), "lists": (lists, BOTH),
         "sums": (sums, FLOWS), "distinguishers": (distinguishers, FLOWS), "thresholds": (thresholds, FLOWS), "places": (places, FLOWS)}
