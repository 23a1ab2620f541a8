/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of numbers. Protocols: the subset of IANA's protocol numbers that pmacct names, in its
 * spelling, so that rows compare equal; the others go by number. Forwarding status: RFC 7270
 * section 4.12, the two top bits and the reason.
 */
#include "plugins/common/value_names.h"
#include <stddef.h>

static const char *const protocols[256] = {
    [1] = "icmp",        [2] = "igmp",    [3] = "ggp",         [4] = "ipencap",
    [6] = "tcp",         [8] = "egp",     [9] = "igp",         [17] = "udp",
    [18] = "mux",        [41] = "ipv6",   [43] = "ipv6-route", [44] = "ipv6-frag",
    [46] = "rsvp",       [47] = "gre",    [50] = "esp",        [51] = "ah",
    [55] = "mobile",     [56] = "tlsp",   [58] = "ipv6-icmp",  [59] = "ipv6-nonxt",
    [60] = "ipv6-opts",  [80] = "iso-ip", [83] = "vines",      [88] = "eigrp",
    [89] = "ospf",       [91] = "larp",   [93] = "ax.25",      [94] = "ipip",
    [98] = "encap",      [102] = "pnni",  [103] = "pim",       [108] = "IPcomp",
    [111] = "ipx-in-ip", [112] = "vrrp",  [115] = "l2tp",      [124] = "isis",
    [132] = "sctp",      [133] = "fc",
};

const char *protocol_name(uint8_t protocol)
{
    return protocols[protocol];
}

static const char *const forwarding_status[256] = {
    [64] = "FORWARDED Unknown",
    [65] = "FORWARDED Fragmented",
    [66] = "FORWARDED Not Fragmented",
    [128] = "DROPPED Unknown",
    [129] = "DROPPED ACL deny",
    [130] = "DROPPED ACL drop",
    [131] = "DROPPED Unroutable",
    [132] = "DROPPED Adjacency",
    [133] = "DROPPED Fragmentation and DF set",
    [134] = "DROPPED Bad header checksum",
    [135] = "DROPPED Bad total Length",
    [136] = "DROPPED Bad header length",
    [137] = "DROPPED bad TTL",
    [138] = "DROPPED Policer",
    [139] = "DROPPED WRED",
    [140] = "DROPPED RPF",
    [141] = "DROPPED For us",
    [142] = "DROPPED Bad output interface",
    [143] = "DROPPED Hardware",
    [192] = "CONSUMED Unknown",
    [193] = "CONSUMED Punt Adjacency",
    [194] = "CONSUMED Incomplete Adjacency",
    [195] = "CONSUMED For us",
};

const char *forwarding_status_name(uint8_t status)
{
    static const char *const unlisted[4] = {"UNKNOWN Unclassified", "FORWARDED Unclassified",
                                            "DROPPED Unclassified", "CONSUMED Unclassified"};
    const char *name = forwarding_status[status];

    return name ? name : unlisted[status >> 6];
}

const char tcp_flag_names[TCP_FLAG_NAMES_COUNT][4] = {"URG", "ACK", "PSH", "RST", "SYN", "FIN"};

const char *rd_origin_name(uint8_t origin)
{
    static const char *const names[] = {"unknown", "map", "BGP", "flow", "option"};

    return origin < sizeof names / sizeof names[0] ? names[origin] : names[0];
}
