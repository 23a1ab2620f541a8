/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rows as Avro data, made from their lines of JSON, so that the two cannot differ: they have the
 * same names in the same order and the same texts. Numbers are longs, arrays are arrays of strings,
 * labels as maps are maps of strings.
 */
#include <stdbool.h>
#include <stddef.h>

struct text;
struct avro_rows;

/* `line` has a value of each column and so tells what the columns are. `has_events`: packets, bytes
 * and flows may be missing. -EINVAL: it is no JSON object. */
int avro_rows_new(const char *line, size_t len, bool has_events, struct avro_rows **ret_rows);
void avro_rows_free(struct avro_rows *rows); /* NULL is fine */

const char *avro_rows_schema(const struct avro_rows *rows); /* JSON; borrowed */

/* Appends one datum, without a header. A number larger than a long can be is the largest long.
 * -EINVAL: the line is of other columns. */
int avro_rows_append(struct avro_rows *rows, const char *line, size_t len, struct text *out);
