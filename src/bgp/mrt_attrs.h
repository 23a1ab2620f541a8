/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Path attributes and prefixes as MRT files have them (RFC 6396 section 4.3.4), made from what was
 * received: AS numbers have four octets, and of MP_REACH_NLRI there is the next hop alone.
 */
#include "base/text.h"
#include "bgp/address_family.h"
#include "bgp/as_path.h"
#include "bgp/attr_store.h"
#include <stddef.h>
#include <stdint.h>

/* All zero at first; kept from one set to the next. */
struct mrt_attrs_scratch {
    struct as_path path, as4_path, merged;
};
void mrt_attrs_scratch_clear(struct mrt_attrs_scratch *scratch);

/* Replaces what is in `out` by what was received of a set, and its next hop. */
void mrt_attrs_write(struct text *out, const struct attr_received *received,
                     const struct ip_addr *next_hop, const struct address_family_info *family,
                     struct mrt_attrs_scratch *scratch);

/* Writes a prefix as NLRI without path id; where the family has labels, with the one that says
 * there is none (RFC 8277 section 2.4), as the RIB keeps none. Returns the length. */
#define NLRI_SIZE_MAX (1 + 3 + 8 + 16)
size_t mrt_nlri_write(uint8_t out[NLRI_SIZE_MAX], const struct address_family_info *family,
                      uint64_t rd, const struct ip_prefix *prefix);
