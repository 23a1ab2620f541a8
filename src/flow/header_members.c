/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of header_members.def as an array. It is searched only when needs or templates change.
 */
#include "flow/header_members.h"

#include <assert.h>

#include "flow/packet_header.h"

/* HEADER_BYTES rows promise copies no longer than the headers. Segments are copied as they are; an
 * entry of a label stack has four bytes (RFC 3032 section 2.1), so no more may be kept of it. */
static_assert(sizeof(((struct packet_header *)0)->labels[0]) <= 4, "an entry of a label stack");

static const struct header_member header_members[] = {
#define HEADER_MEMBER(part, member, ...) {FLOW_##member, HEADER_PART_##part, false},
#define HEADER_ADDR(part, member, ...)   {FLOW_##member, HEADER_PART_##part, false},
#define HEADER_BYTES(part, member, ...)  {FLOW_##member, HEADER_PART_##part, true},
#include "flow/header_members.def"
};
#define ROW_COUNT (sizeof header_members / sizeof header_members[0])

const struct header_member *header_member_find(enum flow_member member)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (header_members[i].member == member)
            return &header_members[i];
    }
    return NULL;
}

bool header_part_is_needed(const struct flow_needs *needs, enum header_part part)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (header_members[i].part == part && flow_needs_has(needs, header_members[i].member))
            return true;
    }
    return false;
}
