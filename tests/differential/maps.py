# SPDX-License-Identifier: GPL-2.0-or-later
"""Files with random rows that both read, and flows whose values are few enough that rows meet them."""
import inputs as feeds
import exports
import sflow

FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (10, 4), (14, 4), (15, 4), (18, 4), (16, 4), (17, 4), (9, 1), (13, 1), (58, 2), (56, 6), (57, 6),
          (61, 1), (234, 4), (1, 4), (2, 4)]
HOPS, ASES, PORTS = ("10.0.0.1", "10.0.0.2", "10.0.0.3"), (0, 64500, 64501), (53, 80, 443, 50000)
EXPORTERS = ("127.1.201.1", "127.1.202.1")


def traffic(rng, exporter, rows=120):
    """An exporter's IPFIX of `rows` flows; the source port is the flow's number."""
    stream = exports.Ipfix(fields=FIELDS)
    flows = [[f"10.{rng.randrange(3)}.{rng.randrange(2)}.{rng.randrange(4)}", f"192.0.{rng.randrange(2, 5)}.{rng.randrange(4)}", n + 1, rng.choice(PORTS),
              rng.choice((6, 17)), rng.randrange(1, 4), rng.randrange(1, 4), rng.choice(HOPS), rng.choice(HOPS), rng.choice(ASES), rng.choice(ASES),
              rng.choice((0, 16, 24)), rng.choice((0, 16, 24)), rng.randrange(1, 4), bytes([2, 0, 0, 0, 0, rng.randrange(3)]),
              bytes([2, 0, 0, 0, 1, rng.randrange(3)]), rng.randrange(2), rng.randrange(1, 4), rng.randrange(40, 1500), rng.randrange(1, 9)]
             for n in range(rows)]
    out = [(feeds.START_S, stream.announce(export_time=feeds.START_S))]
    for n in range(0, rows, 15):
        out.append((feeds.START_S + n, stream.data(flows[n:n + 15], export_time=feeds.START_S)))
    return feeds.Input("generated-maps", exporter, out)


def sampled(rng, agent, rows=120):
    """The same of sFlow: packets of a VLAN that the switch tells, most of them with what a router and BGP say of them. 1.7.7 finds them by
    filters that say vlan alone."""
    samples = []
    for n in range(rows):
        frame, length = sflow.ethernet(f"10.{rng.randrange(3)}.{rng.randrange(2)}.{rng.randrange(4)}", f"192.0.{rng.randrange(2, 5)}.{rng.randrange(4)}",
                                       sport=n + 1, dport=rng.choice(PORTS), proto=rng.choice((6, 17)), payload_len=rng.randrange(20, 90))
        macs = bytes([2, 0, 0, 0, 1, rng.randrange(3)]) + bytes([2, 0, 0, 0, 0, rng.randrange(3)])
        vlan = rng.randrange(1, 4)
        records = [sflow.raw_header(macs + frame[12:], length), sflow.record(1001, sflow.words(vlan, 0, vlan, 0))]
        if rng.random() < 0.8:
            records.append(sflow.router(rng.choice(HOPS), rng.choice((0, 16, 24)), rng.choice((0, 16, 24))))
            records.append(sflow.gateway(rng.choice(HOPS), [64510, rng.choice(ASES[1:])], rng.choice(ASES), rng.choice(ASES)))
        samples.append(sflow.flow_sample(records, n + 1, in_iface=rng.randrange(1, 4), out_iface=rng.randrange(1, 4)))
    datagrams = [(feeds.START_S + n, sflow.datagram(samples[n:n + 5], agent, sub_agent=3, sequence=n // 5 + 1)) for n in range(0, rows, 5)]
    return feeds.Input("generated-maps", agent, datagrams)


def all_traffic(rng, daemon="nfacctd"):
    return [(traffic if daemon == "nfacctd" else sampled)(rng, exporter) for exporter in EXPORTERS]


def match(rng, how_many, daemon):
    """Some conditions of a row of pre_tag_map, in the keys of 1.7.7."""
    keys = {
        "ip": lambda: rng.choice((*EXPORTERS, "127.1.0.0/16", "0.0.0.0/0", "127.1.200.0/23")), "in": lambda: number(rng, 1, 4),
        "out": lambda: number(rng, 1, 4), "nexthop": lambda: maybe_not(rng, rng.choice(HOPS)), "bgp_nexthop": lambda: maybe_not(rng, rng.choice(HOPS)),
        "src_as": lambda: maybe_not(rng, rng.choice(ASES)), "dst_as": lambda: maybe_not(rng, rng.choice(ASES)), "vlan": lambda: number(rng, 1, 4),
        "src_net": lambda: maybe_not(rng, f"10.{rng.randrange(3)}.0.0/16"), "dst_net": lambda: maybe_not(rng, f"192.0.{rng.randrange(2, 5)}.0/24"),
        "src_mac": lambda: maybe_not(rng, f"02:00:00:00:00:0{rng.randrange(3)}"), "direction": lambda: number(rng, 0, 2),
        "filter": lambda: rng.choice(("'udp'", "'tcp and dst port 443'", "'src net 10.1.0.0/16'", "'dst port 53 or dst port 80'")),
    }
    if daemon == "sfacctd":
        del keys["direction"]
        words = ("udp", "tcp and dst port 443", "src net 10.1.0.0/16", "(dst port 53 or dst port 80)")
        keys |= {"filter": lambda: f"'vlan and {rng.choice(words)}'", "agent_id": lambda: number(rng, 2, 5), "sample_type": lambda: rng.choice(("0:1", "0:3"))}
    chosen = rng.sample(sorted(keys), how_many)
    return [f"{key}={keys[key]()}" for key in chosen]


def maybe_not(rng, text):
    return f"-{text}" if rng.random() < 0.2 else str(text)


def number(rng, low, high):
    return maybe_not(rng, rng.randrange(low, high))


def tag_map(rng, daemon, rows=14):
    """Rows that set one thing each (1.7.7 loses one of two), some of them with a jump to a row below."""
    out = []
    for n in range(rows):
        row = [rng.choice((f"set_tag={n + 1}", f"set_tag={n + 1}", f"set_tag2={100 + n}", f"set_label=row{n}"))]
        row += match(rng, rng.randrange(1, 4), daemon)
        row.append(f"label=at{n}")
        if n + 1 < rows and rng.random() < 0.4:
            row.append(f"jeq=at{rng.randrange(n + 1, rows)}")
        if rng.random() < 0.3 and row[0].startswith("set_tag="):
            row.append(f"stack={rng.choice(('sum', 'or'))}")
        out.append(" ".join(row))
    return "\n".join(out) + "\n"


def tag_filter(rng):
    items = [rng.choice((f"{rng.randrange(15)}", f"{(low := rng.randrange(12))}-{low + 3}")) for _ in range(rng.randrange(1, 4))]
    return ",".join(items) if rng.random() < 0.7 else f"-{items[0]}"


def sampling_map(rng):
    return "".join(f"id={rng.choice((1, 10, 1000))} ip={exporter}{rng.choice(('', f' in={rng.randrange(1, 4)}', f' out={rng.randrange(1, 4)}'))}\n"
                   for exporter in EXPORTERS for _ in range(3)) + "id=7 ip=0.0.0.0/0\n"


def networks(rng):
    """Lines of each form, prefixes inside each other."""
    lines = ["0.0.0.0/0"] if rng.random() < 0.3 else []
    for prefix in rng.sample(["10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.2.0.0/15", "10.2.0.2/32", "192.0.2.0/24", "192.0.3.0/25", "192.0.0.0/16"], 5):
        asn = rng.randrange(1, 70000)
        lines.append(rng.choice((prefix, f"{asn},{prefix}", f"{rng.randrange(1, 70000)}_{asn},{prefix}", f"192.0.2.9,{asn},{prefix}")))
    return "\n".join(lines) + "\n"


def rd_map(rng):
    rows = [f"id={rng.choice(('0:65000:', '1:10.0.0.1:', '2:70000:'))}{n} ip={rng.choice(EXPORTERS)} {rng.choice(('in', 'out'))}={rng.randrange(1, 4)}"
            for n in range(1, 4)]
    return "\n".join([*rows, f"id=0:1:9 ip={EXPORTERS[0]} mpls_vpn_id=2"]) + "\n"


def number_list(rng, numbers):
    return "".join(f"{n}\n" for n in rng.sample(numbers, rng.randrange(1, len(numbers))))
