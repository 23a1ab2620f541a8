/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages that query.h describes, encoded and decoded. Both ends use it. */
#include "base/reader.h"
#include "plugins/memory/match.h"
#include "plugins/memory/query.h"
#include "plugins/text/format.h"

struct text;

#define QUERY_MAGIC      UINT32_C(0x70615131)
#define QUERY_VERSION    1
#define QUERY_HEADER_LEN 12
#define QUERY_BODY_MAX   (1u << 26) /* what a client takes: a row may have several long values */

enum query_type {
    QUERY_ROWS = 1,
    QUERY_ERASE,
    QUERY_STATUS,
    QUERY_TABLE = 64,
    QUERY_BATCH,
    QUERY_END,
    QUERY_ERROR,
};

struct query_header {
    uint16_t type;
    uint32_t body_len;
};

/* A message is begun, appended to, and finished, which fills in its length. One text may hold
 * several. */
size_t query_begin(struct text *out, enum query_type type);
void query_finish(struct text *out, size_t start);

/* -EBADMSG: not a header; -EPROTONOSUPPORT: it is of another version; -EMSGSIZE: the body is longer
 * than `max_len`. */
int query_header_decode(const uint8_t bytes[QUERY_HEADER_LEN], uint32_t max_len,
                        struct query_header *ret_header);

/* ---- bodies ---- */

void query_append_string(struct text *out, const char *string); /* NULL is empty */
/* NULL if it is not there. Whoever sent it cannot steer a terminal by it: text_append_shown(). */
char *query_read_string(struct reader *r);

/* The first message, which tells a client about the table. */
struct query_table {
    char *instance_name;
    struct value_options values;
    struct pa_schema schema; /* columns and their texts are of mem_alloc */
};
void query_table_encode(const char *instance_name, const struct pa_schema *schema,
                        const struct value_options *values, struct text *out);
/* -EBADMSG: not a table, or columns that lie outside of a row. */
int query_table_decode(struct reader *r, struct query_table *ret_table);
void query_table_clear(struct query_table *table);

struct query_request {
    uint8_t type; /* QUERY_ROWS, QUERY_ERASE or QUERY_STATUS */
    bool resets;
    struct match *match; /* belongs to the receiver; NULL: all rows */
};
void query_rows_encode(bool resets, const struct match *match, struct text *out);
/* -EBADMSG: not a request; -ENOSPC: it asks for too much at once. */
int query_request_decode(const struct query_header *header, const uint8_t *body,
                         const struct pa_schema *schema, struct query_request *ret_request);

void query_status_encode(const struct query_status *status, struct text *out);
int query_status_decode(struct reader *r, struct query_status *ret_status);

/* A batch's body on the wire: u32 values, each u32 length and bytes; u32 rows; rows. */
struct query_batch {
    struct pa_batch batch; /* borrows the body */
    struct pa_bytes *dictionary;
    uint32_t capacity;
};
int query_batch_decode(struct reader *r, const struct pa_schema *schema, struct query_batch *batch);
void query_batch_clear(struct query_batch *batch);

void query_append_u32(struct text *out, uint32_t value);
