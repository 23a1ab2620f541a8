/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Writes records of TABLE_DUMP_V2 to a text, which the caller takes to a file. Paths with and without
 * path identifier of one prefix are two records; in those of RIB_GENERIC_ADDPATH (RFC 8050 section
 * 4.3) all entries have one identifier.
 */
#include "base/text.h"
#include "mrt/mrt.h"

/* At most 65535 peers. */
void mrt_write_peers(struct text *out, uint32_t time_s, uint32_t collector_id,
                     const struct mrt_peer *peers, size_t count);

/* A record under way. */
struct mrt_rib_record {
    struct text *out;
    size_t start, count_at;
    unsigned count;
    bool has_entry_path_id;
};

/* The prefix of a record. */
struct mrt_prefix {
    uint16_t afi;
    uint8_t safi;
    bool has_path_id;
    uint32_t path_id;    /* of families other than unicast */
    const uint8_t *nlri; /* in wire form, without path id */
    size_t nlri_len;
};
#define MRT_ENTRIES_MAX 65535u
struct mrt_rib_record mrt_rib_begin(struct text *out, uint32_t time_s, uint32_t sequence,
                                    const struct mrt_prefix *prefix);
/* At most MRT_ENTRIES_MAX, with attributes of at most 65535 bytes each. */
void mrt_rib_add(struct mrt_rib_record *record, const struct mrt_entry *entry);
void mrt_rib_end(struct mrt_rib_record *record);
