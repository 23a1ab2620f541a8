/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A sampled packet with what its tunnel carries: GRE, ERSPAN, NVGRE, VXLAN, VXLAN-GPE, Geneve,
 * GTP-U, IP in IP (IPv4 and IPv6 both ways), Ethernet in IPv6, MPLS in IP and over UDP, SRv6. One
 * tunnel is opened; a tunnel inside it is its payload. UDP tunnels are known by the port assigned
 * to them.
 */
#include "flow/flow.h"
#include "flow/packet_header.h"

/*
 * The view says which headers the plain primitives (src_host, proto...) mean. The tunnel_*
 * primitives mean the others. Without a tunnel these are empty and the plain ones mean the only
 * headers.
 */
enum tunnel_view { TUNNEL_VIEW_OUTER, TUNNEL_VIEW_INNER };

struct packet {
    struct packet_header outer, inner;  /* `inner` only if there is a tunnel */
    const struct packet_header *plain;  /* one of them */
    const struct packet_header *tunnel; /* the other; NULL: no tunnel, or nobody asked */
    uint32_t vxlan;                     /* network identifier of VXLAN, VXLAN-GPE or Geneve */
    uint32_t nvgre;                     /* of NVGRE */
};

/* Returns whether packet_parse() must look into tunnels to fill these members. */
bool packet_wants_tunnel(const struct flow_needs *needs, enum tunnel_view view);

/* The result points into itself and into `data`. */
void packet_parse(enum packet_start start, const uint8_t *data, size_t len, bool wants_tunnel,
                  enum tunnel_view view, struct packet *ret_packet);

/* Sets the needed members that header_members.def has for the part TUNNEL; 0 without a tunnel. */
void packet_set_tunnel(const struct packet *packet, const struct flow_needs *needs,
                       struct flow *flow);
