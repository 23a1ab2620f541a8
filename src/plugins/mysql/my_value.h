/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Values of rows as they stand in statements, made to fit the columns of a table. */
#include "plugins/mysql/my_table.h"
#include "plugins/sql/sql_columns.h"

struct text;

struct my_values { /* all borrowed, but `scratch` */
    struct my_connection *connection;
    struct sql_columns *columns;
    const struct my_column *const *theirs; /* the table's column for each of ours */
    struct text scratch, shortened;
};

/* Appends the value of a column. Returns true if a text did not fit and was changed: shortened, or
 * characters that the column's character set lacks were made question marks. */
bool my_value_append(struct my_values *values, uint32_t index, const struct pa_batch *batch,
                     const uint8_t *row, struct text *out);
void my_values_clear(struct my_values *values);
