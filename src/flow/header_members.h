/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells which members of struct flow the headers of a sampled packet give: the rows of
 * header_members.def without their values, for decoders that choose what to do before they see a
 * packet.
 */
#include <stdbool.h>

#include "flow/flow.h"

/* A part is a group of members that a decoder passes over at once if it needs none of them. */
enum header_part {
    HEADER_PART_COUNTERS,
    HEADER_PART_ADDRESSES,
    HEADER_PART_TRANSPORT,
    HEADER_PART_LINK,
    HEADER_PART_VLANS,
    HEADER_PART_STACKS, /* of MPLS labels and of segments */
    HEADER_PART_TUNNEL, /* what a tunnel carries, or is carried by */
    HEADER_PART_COUNT
};

struct header_member {
    uint16_t member; /* enum flow_member */
    uint8_t part;
    bool is_copied; /* bytes, at most as many as the headers have */
};

/* Returns the member's row, or NULL if headers do not tell that member. */
const struct header_member *header_member_find(enum flow_member member);

/* Returns whether a member of that part is needed. */
bool header_part_is_needed(const struct flow_needs *needs, enum header_part part);
