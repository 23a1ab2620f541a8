/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The words of MRT files (RFC 6396; RFC 8050 for ADD-PATH) that hold a table: TABLE_DUMP_V2. A file is
 * a sequence of records, each with a header of 12 bytes: seconds since 1970, type, subtype, length.
 * All numbers are big-endian. Which peers there are stands in the first record, and each of the
 * others has the paths of one prefix.
 */
#include "base/address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MRT_HEADER_SIZE 12u
#define MRT_RECORD_MAX  (16u << 20) /* bytes; who says more is damaged */

enum { MRT_TYPE_TABLE_DUMP_V2 = 13 };
enum mrt_subtype { /* of TABLE_DUMP_V2 (RFC 6396 section 4.3, RFC 8050 section 4) */
                   MRT_PEER_INDEX_TABLE = 1,
                   MRT_RIB_IPV4_UNICAST = 2,
                   MRT_RIB_IPV6_UNICAST = 4,
                   MRT_RIB_GENERIC = 6,
                   MRT_RIB_IPV4_UNICAST_ADDPATH = 8,
                   MRT_RIB_IPV6_UNICAST_ADDPATH = 10,
                   MRT_RIB_GENERIC_ADDPATH = 12,
};
enum {
    MRT_AFI_IPV4 = 1,
    MRT_AFI_IPV6 = 2,
    MRT_SAFI_UNICAST = 1,
    MRT_SAFI_LABELLED = 4,
    MRT_SAFI_VPN = 128
};

struct mrt_peer {
    struct ip_addr address;
    uint32_t router_id, as; /* host order */
};

/* A path. The attributes are in wire form, AS numbers with four octets; of MP_REACH_NLRI there is
 * only the next hop with its length (RFC 6396 section 4.3.4). */
struct mrt_entry {
    uint16_t peer;         /* in the table of peers */
    uint32_t originated_s; /* since 1970 */
    uint32_t path_id;      /* 0 without ADD-PATH */
    const uint8_t *attrs;
    size_t attrs_len;
};
