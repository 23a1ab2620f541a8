# SPDX-License-Identifier: GPL-2.0-or-later
"""The flows that tshark's dissectors read in a capture of NetFlow v5 and v9, IPFIX or sFlow v5, under the names of this project's JSON
output. No decoder of ours has a part in it. A field that no record tells stands as collectors write that: 0 or an empty text."""
import datetime
import json
import os
import re
import subprocess
import xml.etree.ElementTree

# The first of these fields that a record has. tshark shows some values in words: for those the number in hex is taken.
CFLOW = {
    "ip_src": ("srcaddr", "srcaddrv6"), "ip_dst": ("dstaddr", "dstaddrv6"), "port_src": ("srcport",), "port_dst": ("dstport",),
    "ip_proto": ("protocol",), "tos": ("tos",), "tcp_flags": ("tcpflags",), "packets": ("packets",), "bytes": ("octets",),
    "iface_in": ("inputint",), "iface_out": ("outputint",), "as_src": ("srcas",), "as_dst": ("dstas",),
    "mask_src": ("srcmask", "srcmaskv6"), "mask_dst": ("dstmask", "dstmaskv6"),
    "peer_ip_dst": ("bgpnexthop", "bgpnexthopv6", "nexthop", "nexthopv6"), "mac_src": ("srcmac",), "mac_dst": ("dstmac", "post_dstmac"),
    "vlan_in": ("vlanid",),
}
SAMPLE = {
    "ip_src": ("ip.src", "ipv6.src"), "ip_dst": ("ip.dst", "ipv6.dst"), "port_src": ("tcp.srcport", "udp.srcport"),
    "port_dst": ("tcp.dstport", "udp.dstport"), "ip_proto": ("ip.proto", "ipv6.nxt"), "tos": ("ip.dsfield", "ipv6.tclass"),
    "tcp_flags": ("tcp.flags",), "bytes": ("sflow_245.header.frame_length",), "iface_in": ("sflow.flow_sample.input_interface",),
    "iface_out": ("sflow.flow_sample.output_interface_value",), "as_src": ("sflow_245.srcAS",), "as_dst": ("sflow_245.dstAS",),
    "mask_src": ("sflow_245.nexthop.src_mask",), "mask_dst": ("sflow_245.nexthop.dst_mask",), "mac_src": ("eth.src",),
    "mac_dst": ("eth.dst",), "vlan_in": ("vlan.id", "sflow_245.vlan.in"), "sampling_rate": ("sflow.flow_sample.sampling_rate",),
}
TEXTS = {"ip_src": "", "ip_dst": "", "peer_ip_dst": "", "mac_src": "00:00:00:00:00:00", "mac_dst": "00:00:00:00:00:00",
         "timestamp_start": "", "timestamp_end": ""}
NONE = ("0.0.0.0", "::")
NO_INTERFACE = (0x3fffffff, 0xffffffff)  # sFlow v5: the packet came from the agent itself, or went to it


def reduced(fields, table):
    row = {}
    for name, candidates in table.items():
        found = next((fields[c] for c in candidates if c in fields), None)
        if name in TEXTS:
            row[name] = TEXTS[name] if found is None else found
        else:
            row[name] = int(found, 0) if found else 0
        if name.startswith("iface_") and row[name] in NO_INTERFACE:
            row[name] = 0
    return row


def instant(text):
    """Microseconds of `Nov 14, 2023 22:13:20.379096999 UTC`, to the nearest, for tshark cuts what a fraction of 2^32 leaves."""
    whole, fraction = re.fullmatch(r"(.*)\.(\d{9}) UTC", text).groups()
    seconds = datetime.datetime.strptime(whole + " +0000", "%b %d, %Y %H:%M:%S %z").timestamp()
    return int(seconds) * 1000000 + (int(fraction) + 500) // 1000


def seconds_text(microseconds):
    return f"{microseconds // 1000000}.{microseconds % 1000000:06d}"


def leaves(node):
    """{name: shown value}, the first of each name."""
    out = {}
    for field in node.iter("field"):
        if field.get("name"):
            out.setdefault(field.get("name"), field.get("show"))
    return out


class Samplers:
    """Rates that options tell: of a sampler by its number, or of all that the exporter sends."""

    def __init__(self):
        self.by_id, self.of_all = {}, 0

    def learn(self, fields):
        if "sampler_id" in fields and "sampler_random_interval" in fields:
            self.by_id[fields["sampler_id"]] = int(fields["sampler_random_interval"])
        elif "sampling_packet_interval" in fields:
            interval, space = int(fields["sampling_packet_interval"]), int(fields.get("sampling_packet_space", 0))
            self.of_all = (interval + space) // interval
        elif "sampling_interval" in fields:
            self.of_all = int(fields["sampling_interval"])


def cflow_times(fields, header):
    for name, absolute, relative in (("timestamp_start", "abstimestart", "timestart"), ("timestamp_end", "abstimeend", "timeend")):
        if "timestart" in fields or "timeend" in fields:  # an offset of 0 is shown as 1970
            boot = int(header["unix_secs"]) * 1000000 + int(header.get("unix_nsecs", 0)) // 1000 - round(float(header["sysuptime"]) * 1e6)
            offset = round(float(fields.get(relative, 0)) * 1e6)
            # 32 bits of milliseconds: what began before the exporter did lies far ahead of its clock.
            if offset > round(float(header["sysuptime"]) * 1e6) + (1 << 31) * 1000:
                offset -= (1 << 32) * 1000
            yield name, seconds_text(boot + offset)
        else:
            yield name, seconds_text(instant(fields[absolute])) if absolute in fields else ""


def icmp(fields):
    """Type and code in one number, as NetFlow v5 has them in the destination port."""
    for version in "46":
        if f"icmp_type_code_ipv{version}" in fields:
            return int(fields[f"icmp_type_code_ipv{version}"], 0)
        if f"icmp_ipv{version}_type" in fields:
            return int(fields[f"icmp_ipv{version}_type"], 0) << 8 | int(fields.get(f"icmp_ipv{version}_code", "0"), 0)
    return 0


def cflow_rows(proto, samplers):
    def short(node):
        return {name.removeprefix("cflow."): value for name, value in leaves(node).items()}
    header = {f.get("name").removeprefix("cflow."): f.get("show") for f in proto.iter("field") if f.get("name")}
    rate = int(header["samplerate"]) if "samplerate" in header else 0
    for node in proto.iter("field"):
        if not re.fullmatch(r"pdu \d+/\d+|Flow \d+", node.get("show") or "") or node.get("name"):
            continue
        fields = short(node)
        if not fields.keys() & {"packets", "octets"}:
            samplers.learn(fields)
            continue
        row = reduced(fields, CFLOW)
        row["sampling_rate"] = rate or (samplers.by_id[fields["sampler_id"]] if "sampler_id" in fields else samplers.of_all)
        if row["ip_proto"] in (1, 58) and row["port_dst"] == 0:
            row["port_dst"] = icmp(fields)
        row.update(cflow_times(fields, header))
        yield row


def sflow_rows(packet):
    """tshark writes the sampled packet's layers beside the sample, not into it; so this goes by the order of the text."""
    for sample in re.split(r'show="(?:Expanded f|F)low sample, seq|show="(?:Expanded c|C)ounters sample, seq', packet)[1:]:
        fields = {}
        for name, value in re.findall(r'<field name="([^"]+)"[^>]* show="([^"]*)"', sample):
            fields.setdefault(name, value)
        if "sflow_245.header.frame_length" not in fields:
            continue
        row = reduced(fields, SAMPLE)
        # The gateway's next hop goes before the router's.
        hops = re.findall(r'<field name="sflow_245.nexthop(?:.v6)?"[^>]* show="([^"]*)"', sample)
        row["peer_ip_dst"] = next((hop for hop in reversed(hops) if hop not in NONE), "")
        yield {**row, "packets": 1, "timestamp_start": "", "timestamp_end": ""}


def read(tshark, pcap):
    """Flows in the order of the capture. What the port alone does not tell tshark is told by the datagram's version."""
    port = 6343 if "sflow" in pcap.name else None
    decode = [arg for p in ([port] if port else (2055, 2100, 4739, 9995)) for arg in ("-d", f"udp.port=={p},{'sflow' if port else 'cflow'}")]
    pdml = subprocess.run([tshark, "-n", "-r", pcap, *decode, "-T", "pdml"], capture_output=True, text=True, check=True,
                          env={**os.environ, "TZ": "UTC"}).stdout
    if port:
        return [row for packet in pdml.split("<packet>") for row in sflow_rows(packet)]
    samplers = Samplers()
    return [row for proto in xml.etree.ElementTree.fromstring(pdml).iter("proto") if proto.get("name") == "cflow"
            for row in cflow_rows(proto, samplers)]


def text_of(flows):
    return "[\n" + ",\n".join(json.dumps(flow, sort_keys=True) for flow in flows) + "\n]\n"
