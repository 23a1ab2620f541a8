/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Which table each row goes to: names out of sql_table, found without rendering them anew for each
 * row. With each table the plugin keeps what is its own: statements, what the database said of it.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sql_settings;
struct sql_tables;
struct text;

#define SQL_TABLES_MAX 1024 /* kept from one transaction to the next */

struct sql_table {
    char *name;         /* as rendered, not quoted */
    void *own;          /* the plugin's; NULL at first */
    bool is_used;       /* in the transaction under way; the plugin may use it too */
    uint64_t row_count; /* written to it in this transaction; the plugin counts */
    int64_t time_s;     /* what its name was made for */
};

/* `forget` releases a table's `own`, which is not NULL. Settings and schema are borrowed. */
struct sql_tables *sql_tables_new(const struct sql_settings *settings,
                                  const struct pa_schema *schema, void (*forget)(void *own));
void sql_tables_free(struct sql_tables *tables); /* NULL is fine */

/* A transaction begins, written at that time. Forgets tables if they are too many. */
void sql_tables_begin(struct sql_tables *tables, int64_t time_ns);
/*
 * The table of a row, made if need be; valid until sql_tables_begin() or _forget().
 * -ENAMETOOLONG: the database would not take the name.
 */
int sql_tables_find(struct sql_tables *tables, const struct pa_batch *batch, const uint8_t *row,
                    struct sql_table **ret_table);
/* Calls `fn` for all tables that are used in this transaction; ends at the first that fails. */
int sql_tables_each_used(struct sql_tables *tables, int (*fn)(void *arg, struct sql_table *table),
                         void *arg);
/* The connection is gone, or a table is not what it was: everything is looked up anew. */
void sql_tables_forget(struct sql_tables *tables);
/* The name of the table used last; "" if none was. */
const char *sql_tables_last_name(const struct sql_tables *tables);
/* sql_table_schema as it reads for the table that sql_tables_find() made for this row. */
void sql_tables_append_schema(const struct sql_tables *tables, const struct sql_table *table,
                              const struct pa_batch *batch, const uint8_t *row, struct text *out);
