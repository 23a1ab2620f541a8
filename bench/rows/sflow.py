# SPDX-License-Identifier: GPL-2.0-or-later
"""sFlow out of a file: a sample is a packet header of 128 bytes with router and gateway records."""
from lib.config import MATRIX, Instance
from rows.aggregate import floor, flow_row

ORDER = 15
EXPORTERS = Instance("peer_src_ip", "exporter")
MATRIX_OF_GATEWAY = Instance(MATRIX, "matrix")  # the gateway record tells the path's ASes, as BGP would

ROWS = [
    flow_row("decode-sflow", "decoding alone (one row an agent), sFlow", [EXPORTERS], 170000, floor(0), is_quick=False, form="sflow"),
    flow_row("sflow-matrix", "sFlow traffic matrix without BGP, 170 k keys", [MATRIX_OF_GATEWAY], 170000, floor(), must=200, goal=140,
             form="sflow"),
    flow_row("sflow-matrix-1m", "sFlow traffic matrix, RIB 1 M x 4 paths, 170 k keys", [MATRIX_OF_GATEWAY], 170000, floor(1, 1),
             must=300, goal=200, is_quick=False, form="sflow", rib_prefixes=1000000, pmacct=200000),
]
