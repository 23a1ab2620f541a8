/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The columns of one instance's rows: built once by the core, sent to the plugin host as bytes,
 * read-only after schema_finish(). The layout of a row:
 *
 *     key       [int64_t start of the time bin, seconds]  key columns packed
 *     counters  the narrow ones, padding to 8, those of 8 bytes
 *     order     [uint64_t place of the row's first flow in the input, replay only]
 *
 * Keys compare with memcmp; a row begins at a multiple of 8.
 */
#include "base/event.h"
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct schema;
struct text;

#define SCHEMA_COLUMNS_MAX  256
#define SCHEMA_ROW_SIZE_MAX 16384

struct schema *schema_new(void);
void schema_free(struct schema *schema); /* NULL is fine */

/* Before schema_finish(). Copies the column and its names; `offset` is set later, `width` needed
 * only for PA_KIND_FIXED. -ENOSPC: too many columns. -EINVAL: no name, unknown kind, a width of 0
 * or a counter that is not a number. */
int schema_add(struct schema *schema, const struct pa_column *column);
/* Gives rows a time bin of that length; 0: a calendar month. */
void schema_set_bin(struct schema *schema, uint32_t bin_seconds);
void schema_set_order(struct schema *schema); /* rows have an order column */
void schema_set_unaggregated(struct schema *schema);
/* Adds the columns and kinds of event records, to a schema that has none; each row is an event.
 * Copies all. -ENOSPC, -EINVAL: as schema_add(). */
int schema_add_events(struct schema *schema, const struct event_table *events);
/* Puts keys before counters and computes the offsets. -ENOSPC: a row would be too long. */
int schema_finish(struct schema *schema);

/* Borrowed until schema_free(). */
const struct pa_schema *schema_view(const struct schema *schema);
/* The finished column of that name in `aggregate`, or NULL. */
const struct pa_column *schema_find(const struct pa_schema *schema, const char *name);
/* Bytes that a column of this kind takes in a row; 0 for PA_KIND_FIXED and unknown kinds. */
size_t schema_kind_width(uint8_t kind);

/* A finished schema as bytes, for the socketpair: appended to `out`. */
void schema_encode(const struct schema *schema, struct text *out);
/* Checks everything. -EBADMSG: not a schema. -EPROTONOSUPPORT: one of another version. */
int schema_decode(const void *data, size_t len, struct schema **ret_schema);

/* Adds the counters of `row` to those of `into` by each column's combine rule; the order becomes
 * the lower one. */
void schema_combine(const struct pa_schema *schema, uint8_t *into, const uint8_t *row);
