/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Which members of struct flow the headers of a sampled packet tell: the rows of header_members.def
 * without their values, for decoders that choose what to do before they see a packet.
 */
#include <stdbool.h>

#include "flow/flow.h"

/* What a decoder that needs nothing of it passes over at once. */
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

/* NULL: headers do not tell that member. */
const struct header_member *header_member_find(enum flow_member member);

/* Is a member of that part needed? */
bool header_part_is_needed(const struct flow_needs *needs, enum header_part part);
