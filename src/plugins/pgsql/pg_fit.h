/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Texts that are too long for a table: for a column of type varchar(n), or for an index, whose
 * entries have 2,700 bytes. Anybody on the Internet can announce such an AS path. They are shortened
 * (sql_fit.h). What a text becomes depends on the row's texts and the table alone: the same key is
 * always the same row.
 */
#include "plugins/pgsql/pg_table.h"
#include <stddef.h>

struct sql_columns;

#define PG_FIT_NO_BOUND  SIZE_MAX
#define PG_FIT_TIGHT_MAX 60 /* what a text gets where the server did not say what fits */

/*
 * Finds how many bytes each text of a row may have. `lens` has the bytes of each column's text, 0
 * for those that are none; `char_counts` its characters. Sets `ret_maxes`, PG_FIT_NO_BOUND where
 * the text can stay as it is.
 */
void pg_fit_maxes(const struct pg_table *table, const struct sql_columns *columns,
                  const size_t *lens, const size_t *char_counts, size_t *ret_maxes);
