/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The UPDATE of a Route Monitoring message (RFC 7854 section 4.6). In version 4 it is one of the
 * message's TLVs, and others tell more of its NLRI (draft-ietf-grow-bmp-tlv-20; path marking:
 * draft-ietf-grow-bmp-path-marking-tlv-05). Earlier drafts numbered TLVs otherwise: those that
 * have the UPDATE as type 4 are read by theirs.
 */
#include "bgp/capability.h"
#include "bmp/bmp_message.h"

/* Bits of the status that a router gives a path (path marking, section 3.1). */
enum {
    BMP_PATH_BEST = 0x2,
    BMP_PATH_PRIMARY = 0x8,
    BMP_PATH_ADD_PATH = 0x80,
    BMP_PATH_IN_USE = BMP_PATH_BEST | BMP_PATH_PRIMARY | BMP_PATH_ADD_PATH,
};

/* The marks of the NLRI of an UPDATE, which count from 0 in the order in which update_apply() gives
 * them, withdrawn ones first. Large: make one, and use it for all messages. All zero at first. */
#define BMP_MARKED_MAX 32768u /* indexes have 15 bits */
struct bmp_marks {
    bool is_there; /* the message has any */
    uint32_t all;
    uint32_t each_count; /* behind them nothing but `all` counts */
    uint32_t each[BMP_MARKED_MAX];
};
static inline uint32_t bmp_marks_of(const struct bmp_marks *marks, uint32_t nlri)
{
    return marks->all | (nlri < marks->each_count ? marks->each[nlri] : 0);
}

struct bmp_monitoring {
    struct reader update; /* the body of the UPDATE */
    bool has_trailing;    /* bytes behind it, in version 3 */
    /* Capabilities that this message alone is to be read by (stateless parsing); is_present: there
     * are some. */
    struct capabilities capabilities;
};
/* `body` begins behind the per-peer header. */
int bmp_monitoring_parse(struct reader body, uint8_t version, struct bmp_marks *marks,
                         struct bmp_monitoring *ret_monitoring, enum bmp_reject *ret_reject);
