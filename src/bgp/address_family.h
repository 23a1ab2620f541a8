/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The address families that we speak (AFI and SAFI, RFC 4760): what their NLRI look like and which
 * table of the RIB they feed. One row each; capabilities, NLRI and MP attributes are driven by it.
 */
#include "bgp/rib.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum address_family {
    FAMILY_IPV4_UNICAST,
    FAMILY_IPV6_UNICAST,
    FAMILY_IPV4_LABELLED,
    FAMILY_IPV6_LABELLED,
    FAMILY_IPV4_VPN,
    FAMILY_IPV6_VPN,
    FAMILY_COUNT
};

enum { AFI_IPV4 = 1, AFI_IPV6 = 2 };
enum { SAFI_UNICAST = 1, SAFI_LABELLED = 4, SAFI_VPN = 128 };

struct address_family_info {
    uint16_t afi;
    uint8_t safi;
    uint8_t ip_family; /* enum ip_family */
    uint8_t max_bits;  /* of a prefix */
    bool has_labels;   /* RFC 8277 */
    bool has_rd;       /* RFC 4364 */
    enum rib_family rib_family;
    enum rib_safi rib_safi;
    const char *name;
};
extern const struct address_family_info address_families[FAMILY_COUNT];

/* The family that feeds a table of the RIB. */
const struct address_family_info *address_family_of(enum rib_safi safi, enum rib_family family);
/* The index in address_families, or -1: one that we do not speak. */
int address_family_find(uint16_t afi, uint8_t safi);
