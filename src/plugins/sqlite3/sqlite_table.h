/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One table as the database has it: made or grown if the configuration says so, its unique key
 * looked up, and the statements that write a row. It lives as long as the connection at most.
 */
#include "plugins/sql/sql_columns.h"
#include "plugins/sqlite3/sqlite_database.h"

struct sql_settings;
struct sqlite_table;
struct text;

enum sqlite_outcome { SQLITE_ROW_INSERTED, SQLITE_ROW_UPDATED, SQLITE_ROW_REFUSED };

/* Called within a transaction. `schema`: SQL text to run if there is no such table, NULL: none.
 * -EAGAIN: the fault was logged. Borrows all but `name`. */
int sqlite_table_new(struct sqlite_database *db, const struct sql_settings *settings,
                     struct sql_columns *columns, const char *name, const char *schema,
                     struct sqlite_table **ret_table);
/* Tells whether sqlite_table_new() would find or make the table as it must be; changes nothing.
 * -EAGAIN as above. */
int sqlite_table_look(struct sqlite_database *db, const struct sql_settings *settings,
                      struct sql_columns *columns, const char *name);
void sqlite_table_free(void *table); /* struct sqlite_table; NULL is fine */

/* With SQLITE_ROW_REFUSED `ret_why` is valid until the next call. -EAGAIN: the fault was logged. */
int sqlite_table_write(struct sqlite_table *table, const struct pa_batch *batch, const uint8_t *row,
                       enum sqlite_outcome *ret_outcome, const char **ret_why);
