# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks whether an output is what the generator knows to be true."""
import json
import subprocess

# Columns of each view in the order of bench/truth.c: CSV title, JSON member, as pmacct names them.
COLUMNS = {
    "matrix": [("PEER_SRC_IP", "peer_ip_src"), ("IN_IFACE", "iface_in"), ("PEER_DST_IP", "peer_ip_dst"), ("PEER_DST_AS", "peer_as_dst"),
               ("DST_AS", "as_dst")],
    "tuple": [("SRC_IP", "ip_src"), ("DST_IP", "ip_dst"), ("SRC_PORT", "port_src"), ("DST_PORT", "port_dst"), ("PROTOCOL", "ip_proto")],
}
COLUMNS["exporter"] = COLUMNS["matrix"][:1]
COLUMNS["matrix_no_bgp"] = COLUMNS["matrix"]
COLUMNS["dump"] = COLUMNS["tuple"] + [("TCP_FLAGS", "tcp_flags"), ("TIMESTAMP_START", "timestamp_start"), ("TIMESTAMP_END", "timestamp_end")]


class Wrong(RuntimeError):
    """An output that differs from the truth."""


def tally(program, form, view, files, counters=None):
    """Rows and sums of CSV or JSON files. A database's export may be read too: its columns are named like the CSV titles."""
    which = 1 if form == "json" else 0
    packets, octets = counters or (("packets", "bytes") if which else ("PACKETS", "BYTES"))
    keys = ",".join(names[which] for names in COLUMNS[view])
    done = subprocess.run([program, form, keys, packets, octets, *map(str, files)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Wrong(done.stderr.strip())
    return json.loads(done.stdout)


def check(found, expected, is_one_epoch=True):
    """Every packet and byte under its key; where one epoch made the output, also not a row more than there are keys."""
    for what in ("packets", "bytes", "by_packets", "by_bytes"):
        if found[what] != expected[what]:
            raise Wrong(f"{what}: {found[what]}, not {expected[what]}, in {found['rows']} rows, of {expected['rows']}")
    if is_one_epoch and found["rows"] != expected["rows"]:
        raise Wrong(f"{found['rows']} rows, not {expected['rows']}")
    return found["rows"]
