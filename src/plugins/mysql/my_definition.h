/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* MariaDB and MySQL as the common SQL layer sees them, and the statements that make and extend
 * tables. */
#include "plugins/sql/sql_columns.h"

struct my_table;
struct text;

extern const struct sql_dialect my_dialect;

/* Appends CREATE TABLE for InnoDB, in which texts compare by bytes. With `has_key` the table gets
 * the unique key MY_KEY_NAME. `table` is quoted. */
void my_append_create(struct text *out, const struct sql_columns *columns, const char *table,
                      bool has_key);
/*
 * Appends one ALTER TABLE for the columns that the table lacks, and returns how many there are. With
 * `has_key` it makes MY_KEY_NAME anew if the key grows by them, or if the one that is there lacks
 * columns. If nothing is to be changed nothing is appended.
 */
uint32_t my_append_alter(struct text *out, const struct sql_columns *columns,
                         const struct my_table *found, const char *table, bool has_key);
