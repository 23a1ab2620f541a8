/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Reads one record of an MRT file, which it borrows, into what mrt.h says. */
#include "base/reader.h"
#include "mrt/mrt.h"

enum mrt_kind {
    MRT_PEERS,
    MRT_RIB,
    MRT_OTHER,   /* well-formed as a record, but none that is read here */
    MRT_DAMAGED, /* does not hold what it says */
};

struct mrt_record {
    enum mrt_kind kind;
    uint32_t time_s;
    /* MRT_PEERS */
    uint16_t peer_count; /* that it says it has */
    struct reader peers;
    /* MRT_RIB */
    uint16_t afi;
    uint8_t safi;
    bool has_path_id;
    struct reader nlri; /* one prefix (RFC 4271 section 4.3, RFC 8277, RFC 4364), without path id */
    uint16_t entry_count; /* that are left to be read */
    bool has_entry_path_id;
    uint32_t path_id; /* of all entries, unless each has its own */
    struct reader entries;
};

/* `body` follows the header. */
void mrt_record_parse(uint32_t time_s, uint16_t type, uint16_t subtype, struct reader body,
                      struct mrt_record *ret_record);
/* Reads the next peer or entry. False: there is none, or the record is cut short; its reader has
 * failed then. */
bool mrt_record_next_peer(struct mrt_record *record, struct mrt_peer *ret_peer);
bool mrt_record_next_entry(struct mrt_record *record, struct mrt_entry *ret_entry);
