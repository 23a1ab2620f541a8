/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The headers of a packet whose first bytes were exported (IPFIX elements 313 to 316, sFlow):
 * Ethernet, 802.1Q and 802.1ad tags, PPPoE, MPLS, IPv4 and IPv6 with extension headers, TCP, UDP,
 * SCTP, ICMP. One struct holds one stack of them; packet_tunnel.h looks into tunnels.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define PACKET_HEADER_LABELS 10

/* The layer that a packet's exported bytes begin with. */
enum packet_start {
    PACKET_ETHERNET,
    PACKET_IP, /* the first four bits say which version */
    PACKET_MPLS
};

/* Members are 0 where the header was absent or cut off. Pointers borrow from the packet. */
struct packet_header {
    bool has_mac, has_ip, has_ports;
    struct mac_addr src_mac, dst_mac;
    uint16_t etype; /* of the payload, after tags and before PPPoE; of an IP packet in MPLS */
    uint16_t vlan;  /* outermost */
    uint16_t customer_vlan;
    uint8_t cos;
    uint8_t ip_version;
    uint8_t proto, tos;
    const uint8_t *src, *dst; /* addresses, as long as the version's are */
    uint32_t flow_label;
    uint32_t ip_len;             /* of the IP packet as its header says */
    uint16_t src_port, dst_port; /* ICMP: dst_port is type << 8 | code; later fragments have none */
    uint16_t tcp_flags;
    uint8_t segment_count; /* of an SRv6 routing header (RFC 8754), those that are there */
    uint8_t label_count;
    const uint8_t *segments; /* 16 bytes each, in the order of the header */
    /* The bytes behind a UDP header, or behind an IP header of a protocol that has no case of its
     * own; empty in later fragments. */
    const uint8_t *payload;
    size_t payload_len;
    uint32_t labels[PACKET_HEADER_LABELS]; /* 20 bits each, top first; those beyond are not set */
};

/* Return the first and the last label of the stack; 0 if there is none. */
static inline uint32_t packet_label_top(const struct packet_header *h)
{
    return h->label_count > 0 ? h->labels[0] : 0;
}
static inline uint32_t packet_label_bottom(const struct packet_header *h)
{
    return h->label_count > 0 ? h->labels[h->label_count - 1] : 0;
}

void packet_header_parse(enum packet_start start, const uint8_t *data, size_t len,
                         struct packet_header *ret_header);
