/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rows in the binary format of COPY (PostgreSQL manual, "COPY", Binary Format): nothing in it needs
 * escaping, and the server parses no numbers, addresses and times. An encoder is compiled once for
 * a table, by the types of its columns.
 */
#include "plugins/pgsql/pg_table.h"
#include "plugins/sql/sql_columns.h"

struct pg_encoder;

/* `types` has the type of each column, as the server knows it. The columns are borrowed. */
struct pg_encoder *pg_encoder_new(struct sql_columns *columns, const enum pg_type *types);
void pg_encoder_free(struct pg_encoder *encoder); /* NULL is fine */

/* Returns the type that a column is sent as: PG_TYPE_TEXT if its type is PG_TYPE_OTHER or does not
 * go with its values. */
enum pg_type pg_encoder_type(const struct pg_encoder *encoder, uint32_t index);

/* Lets texts be shortened where they do not fit the table (pg_fit.h), which is borrowed. */
void pg_encoder_fit(struct pg_encoder *encoder, const struct pg_table *table);
/* With `is_tight` each text is short: the server refused a row and did not say what fits. */
void pg_encoder_set_tight(struct pg_encoder *encoder, bool is_tight);

void pg_encoder_append_start(struct text *out); /* appends the start of a COPY */
void pg_encoder_append_end(struct text *out);
/* Returns 1 if texts of the row were shortened; the index of the first one's column is given then.
 * -ERANGE: a number does not fit its column, whose index is given; nothing is appended. */
int pg_encoder_append_row(struct pg_encoder *encoder, const struct pa_batch *batch,
                          const uint8_t *row, struct text *out, uint32_t *ret_index);
