/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * NLRI of all families that we speak: prefixes (RFC 4271 section 4.3) with path identifiers (RFC
 * 7911), labels (RFC 8277) and route distinguishers (RFC 4364).
 */
#include "base/reader.h"
#include "bgp/address_family.h"
#include <stdbool.h>
#include <stddef.h>

/* How the NLRI of one field are laid out. */
struct nlri_format {
    const struct address_family_info *family;
    bool has_path_id;
    bool is_withdrawal; /* the label is a placeholder (RFC 8277 section 2.4) */
};

/* Reads up to `capacity` NLRI. Bits beyond a prefix's length are of no relevance on the wire and
 * come out as 0. Returns how many, 0 at the end; -EBADMSG: the rest of the field cannot be read. */
int nlri_read(struct reader *field, const struct nlri_format *format, struct rib_nlri *nlri,
              size_t capacity);
