/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Puts paths, which come prefix by prefix, together into the records of an MRT file. Those of a prefix
 * with and without path identifiers are two records.
 */
#include "base/text.h"
#include "bgp/attr_store.h"
#include "bgp/mrt_attrs.h"
#include "mrt/mrt_writer.h"

/* Time is rounded up to seconds, so that no path is older than it was. */
struct mrt_table_path {
    enum rib_safi safi;
    uint64_t rd;
    struct ip_prefix prefix;
    bool has_add_path;
    uint32_t path_id;
    uint16_t peer;        /* in the file's table of peers */
    int64_t announced_ms; /* wall clock; 0: nobody knows */
    struct attr_received received;
    struct ip_addr next_hop;
};

/* All zero at first, but for time_s. */
struct mrt_table {
    struct text out; /* whole records, to be taken away by the caller at any time */
    uint32_t time_s, sequence;
    struct mrt_table_path last; /* of the records under way */
    struct mrt_table_record {
        struct text text;
        struct mrt_rib_record record;
        bool is_open;
    } records[2]; /* without and with path identifiers */
    struct text attrs;
    struct mrt_attrs_scratch scratch;
};

/* False: its attributes have more than 65535 bytes, and it is left out. */
bool mrt_table_add(struct mrt_table *table, const struct mrt_table_path *path);
/* Ends the records under way; no path of their prefix should come any more. */
void mrt_table_flush(struct mrt_table *table);
void mrt_table_clear(struct mrt_table *table); /* frees */
