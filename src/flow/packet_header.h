/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The headers of a packet of which the first bytes were exported (IPFIX sections 313 and 315,
 * sFlow): Ethernet, 802.1Q and 802.1ad tags, MPLS, IPv4 and IPv6 with extension headers, TCP, UDP,
 * SCTP, ICMP.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define PACKET_HEADER_LABELS 10

/* What was not there, or was cut off, is 0. */
struct packet_header {
    bool has_mac, has_ip, has_ports;
    struct mac_addr src_mac, dst_mac;
    uint16_t etype; /* of the payload, after tags; before MPLS */
    uint16_t vlan;  /* outermost */
    uint16_t customer_vlan;
    uint8_t cos;
    uint8_t label_count;
    uint32_t labels[PACKET_HEADER_LABELS]; /* 20 bits each, top first */
    uint8_t ip_version;
    struct ip_addr src_addr, dst_addr;
    uint8_t proto, tos;
    uint32_t flow_label;
    uint32_t ip_len;             /* of the IP packet as its header says */
    uint16_t src_port, dst_port; /* ICMP: dst_port is type << 8 | code; later fragments have none */
    uint16_t tcp_flags;
};

void packet_header_parse_ethernet(const uint8_t *data, size_t len,
                                  struct packet_header *ret_header);
void packet_header_parse_ip(const uint8_t *data, size_t len, struct packet_header *ret_header);
