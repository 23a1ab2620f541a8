/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The rows that a client asks for: a list of columns, and alternatives that give each of them a
 * value or leave it open. A row matches an alternative if all its values are equal; where the value of
 * an address is a prefix, if the address lies within it.
 *
 * Alternatives that leave the same columns open, and have prefixes of the same lengths, are found by a
 * hash, so many of them cost a row
 * hardly more than one. One thread.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct match;

#define MATCH_COLUMNS_MAX      64
#define MATCH_ALTERNATIVES_MAX 16384
/* Sets of columns that alternatives leave open, with the lengths of their prefixes. */
#define MATCH_SHAPES_MAX 128

/* `schema` is borrowed. `columns` are indices into it. -EINVAL: one is not there or stands twice,
 * or there are too many. */
int match_new(const struct pa_schema *schema, const uint16_t *columns, size_t column_count,
              struct match **ret_match);
void match_free(struct match *match); /* NULL is fine */

/*
 * Copies `values`: one for each column, as it is stored in a row, or the bytes behind the id for a
 * PA_KIND_BYTES column; NULL data: any value. An address with one more byte, the length in bits, is a
 * prefix. -EINVAL: a length is wrong; -ENOSPC: too many.
 */
int match_add(struct match *match, const struct pa_bytes *values);

size_t match_column_count(const struct match *match);
uint16_t match_column_at(const struct match *match, size_t index);
size_t match_count(const struct match *match);
const struct pa_bytes *match_values(const struct match *match, size_t alternative);

/* Returns the bytes behind an id of a row. */
typedef struct pa_bytes match_bytes_fn(const void *arg, uint32_t id);
bool match_row(const struct match *match, const uint8_t *row, match_bytes_fn *bytes,
               const void *arg);
/* Calls `fn` for each alternative that matches. */
typedef void match_each_fn(void *arg, size_t alternative);
void match_each(const struct match *match, const uint8_t *row, match_bytes_fn *bytes,
                const void *bytes_arg, match_each_fn *fn, void *arg);
