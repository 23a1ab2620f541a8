/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Finds the table of each row: names made out of sql_table, not rendered anew for each row. With
 * each table the plugin keeps data of its own: statements, what the database said of it.
 *
 * Values of $variables may be made up by exporters, so the number of those that have tables is
 * bounded. Rows of further ones go to a table for all of them. A value that had no rows for
 * SQL_VALUE_IDLE_S makes room for another one.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sql_settings;
struct sql_tables;
struct text;

#define SQL_TABLES_MAX   1024           /* kept from one transaction to the next */
#define SQL_VALUE_IDLE_S (24 * 60 * 60) /* by the times of transactions */

struct sql_table {
    char *name;         /* as rendered, not quoted */
    void *own;          /* belongs to the plugin; NULL at first */
    bool is_for_others; /* for rows of values beyond sql_tables_max */
    bool is_used;       /* used in the transaction under way; the plugin may set it too */
    uint64_t row_count; /* rows written to it in this transaction; the plugin counts */
    int64_t time_s;     /* the time that its name was made for */
};

/* `forget` releases a table's `own`, which is not NULL. The others are borrowed. */
struct sql_tables *sql_tables_new(const struct pa_host *host, const struct sql_settings *settings,
                                  const struct pa_schema *schema, void (*forget)(void *own));
void sql_tables_free(struct sql_tables *tables); /* NULL is fine */

/* Appends the name that the table of a row of now would have. False: it depends on the row. */
bool sql_tables_name_now(const struct sql_settings *settings, struct text *out);

/* Begins a transaction that is written at that time. Forgets tables if they are too many. */
void sql_tables_begin(struct sql_tables *tables, int64_t time_ns);
/* Finds the table of a row, or makes it; valid until sql_tables_begin() or _forget().
 * -ENAMETOOLONG: the database would not take the name. */
int sql_tables_find(struct sql_tables *tables, const struct pa_batch *batch, const uint8_t *row,
                    struct sql_table **ret_table);
/* Calls `fn` for each table that is used in this transaction; stops at the first failure. */
int sql_tables_each_used(struct sql_tables *tables, int (*fn)(void *arg, struct sql_table *table),
                         void *arg);
/* Forgets all tables, so that they are looked up anew: the connection is gone, or a table has
 * changed. */
void sql_tables_forget(struct sql_tables *tables);
/* Returns the name of the table used last; "" if none was. */
const char *sql_tables_last_name(const struct sql_tables *tables);
/* Appends sql_table_schema as it reads for the table that sql_tables_find() made for this row. */
void sql_tables_append_schema(const struct sql_tables *tables, const struct sql_table *table,
                              const struct pa_batch *batch, const uint8_t *row, struct text *out);
