/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of names for numbers. Forwarding status (RFC 7270 section 4.12) is named by its two top bits
 * and the reason.
 */
#include "plugins/text/value_names.h"
#include <stddef.h>

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
    static const char *const names[] = {"unknown", "map", "bgp", "flow"};

    return origin < sizeof names / sizeof names[0] ? names[origin] : names[0];
}
