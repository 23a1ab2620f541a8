/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks through a table's unique indexes for one that fits the rows' key. See sqlite_key.h. */
#include "plugins/sqlite3/sqlite_key.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/sql/sql_statement.h"
#include <string.h>
#include <strings.h>

int sqlite_key_prepare(struct sqlite_database *db, const char *sql, const char *table,
                       sqlite3_stmt **ret_stmt)
{
    const char *dot = strrchr(table, '.');
    bool has_schema = dot && dot > table && dot[1];
    int err = sqlite_database_prepare(db, sql, ret_stmt);

    if (err < 0)
        return err;
    sqlite3_bind_text(*ret_stmt, 1, has_schema ? dot + 1 : table, -1, SQLITE_TRANSIENT);
    if (has_schema)
        sqlite3_bind_text(*ret_stmt, 2, table, (int)(dot - table), SQLITE_TRANSIENT);
    else
        sqlite3_bind_text(*ret_stmt, 2, "main", -1, SQLITE_STATIC);
    return 0;
}

void sqlite_key_clear(struct sqlite_key *key)
{
    mem_free(key->fitting);
    mem_free(key->narrower);
    mem_free(key->lacking);
}

/* An index as far as its columns were read. */
struct candidate {
    uint8_t *has; /* for each of our columns: it is in the index */
    bool is_usable;
    struct text names;
};

static void candidate_start(struct candidate *c, const struct sql_columns *columns)
{
    memset(c->has, 0, columns->count);
    c->is_usable = true;
    text_reset(&c->names);
}

static void candidate_add(struct candidate *c, const struct sql_columns *columns, const char *name,
                          bool is_fixed)
{
    const struct sql_column *column = name ? sql_columns_find(columns, name) : NULL;

    if (!name) { /* the column is an expression, or the rowid */
        c->is_usable = false;
        return;
    }
    if (column)
        c->has[column - columns->items] = 1;
    if (column ? column->role != SQL_ROLE_KEY : !is_fixed)
        c->is_usable = false;
    text_append_string(&c->names, c->names.len ? ", " : "");
    sql_append_name(&c->names, name);
}

static void candidate_end(struct candidate *c, const struct sql_columns *columns,
                          struct sqlite_key *key)
{
    const char *lacking = NULL;

    for (uint32_t i = 0; i < columns->count && !lacking; i++)
        if (columns->items[i].role == SQL_ROLE_KEY && !c->has[i])
            lacking = columns->items[i].name;
    if (!c->is_usable || c->names.len == 0)
        return;
    if (!lacking && !key->fitting)
        key->fitting = mem_strdup(text_cstr(&c->names));
    if (lacking && !key->narrower) {
        key->narrower = mem_strdup(text_cstr(&c->names));
        key->lacking = mem_strdup(lacking);
    }
}

/* Selects each unique index with its columns in order. A rowid table's INTEGER PRIMARY KEY has no
 * index, so it is selected from the table itself. */
static const char indexes_sql[] =
    "SELECT l.name, x.name, t.\"notnull\" = 1 AND t.dflt_value IS NOT NULL"
    " AND upper(t.dflt_value) <> 'NULL', x.coll = 'BINARY'"
    " FROM pragma_index_list(?1, ?2) AS l JOIN pragma_index_xinfo(l.name, ?2) AS x"
    " LEFT JOIN pragma_table_info(?1, ?2) AS t ON t.cid = x.cid"
    " WHERE l.\"unique\" AND NOT l.partial AND x.key"
    " UNION ALL SELECT '', t.name, 0, 1 FROM pragma_table_info(?1, ?2) AS t"
    " WHERE t.pk = 1 AND upper(t.type) = 'INTEGER'"
    " AND (SELECT max(pk) FROM pragma_table_info(?1, ?2)) = 1"
    " AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, ?2) WHERE origin = 'pk')";

int sqlite_key_find(struct sqlite_database *db, const struct sql_columns *columns,
                    const char *table, struct sqlite_key *ret_key)
{
    struct candidate c = {.has = mem_zalloc(columns->count + 1)};
    struct sqlite_key key = {0};
    char *index = NULL;
    sqlite3_stmt *stmt = NULL;
    int code = SQLITE_DONE, err = sqlite_key_prepare(db, indexes_sql, table, &stmt);

    while (err == 0 && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        if (!index || strcmp(index, name) != 0) {
            if (index)
                candidate_end(&c, columns, &key);
            candidate_start(&c, columns);
            mem_free(index);
            index = mem_strdup(name);
        }
        candidate_add(&c, columns, (const char *)sqlite3_column_text(stmt, 1),
                      sqlite3_column_int(stmt, 2));
        c.is_usable = c.is_usable && sqlite3_column_int(stmt, 3);
    }
    if (index)
        candidate_end(&c, columns, &key);
    if (err == 0 && code != SQLITE_DONE)
        err = sqlite_database_failed(db, code);
    sqlite3_finalize(stmt);
    mem_free(index);
    mem_free(c.has);
    text_clear(&c.names);
    if (err < 0)
        sqlite_key_clear(&key);
    else
        *ret_key = key;
    return err;
}
