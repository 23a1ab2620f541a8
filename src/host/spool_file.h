/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A hand-over as the bytes of a file. It is complete in itself: version, schema, identity, rows,
 * dictionary, checksum. Numbers are big-endian, but rows are as they were in memory: a spool stays
 * on its machine. What is read may be anything; nothing in it leads outside.
 */
#include "handover/schema.h"
#include "host/lane.h"

struct reader;
struct text;

/* A head is no longer, since a schema has to fit into a message to the host. */
#define SPOOL_HEAD_MAX     (131072u + 256u)
#define SPOOL_CHECKSUM_LEN 8u

/* The part of a file that stands before the rows. */
struct spool_head {
    const uint8_t *schema; /* encoded; borrowed from the bytes */
    uint32_t schema_len;
    uint8_t core_id[16];
    uint32_t worker;
    struct handover handover; /* without segments */
};

/* `len` bytes from the beginning of a file: all of it, or at least SPOOL_HEAD_MAX. -EBADMSG: not a
 * head. -EPROTONOSUPPORT: one of another version. */
int spool_head_decode(const void *data, size_t len, struct spool_head *ret_head);

/* A file's content. */
struct spool_entry {
    uint8_t core_id[16];
    uint32_t worker;
    struct handover handover; /* without segments */
    uint8_t *rows;            /* in the layout of the schema */
    struct pa_bytes *dictionary;
    uint8_t *bytes; /* the dictionary points into it */
};

/* Appends a file's content. */
void spool_file_encode(const struct schema *schema, const uint8_t core_id[16], uint32_t worker,
                       const struct lane_rows *rows, struct text *out);
/* Reads a whole file of the schema that is `encoded` and decoded; the caller clears the entry.
 * -EBADMSG: it is damaged, or of another schema. */
int spool_file_decode(const void *data, size_t len, const struct text *encoded,
                      const struct pa_schema *schema, struct spool_entry *ret_entry);
void spool_entry_clear(struct spool_entry *entry);
/* Reads an open file in pieces; it stays the caller's, wherever it is read next. -EBADMSG: its
 * checksum is wrong. */
int spool_file_verify(int fd);
