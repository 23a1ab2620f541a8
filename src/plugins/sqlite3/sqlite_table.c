/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a table fit the rows, prepares its statements and writes rows. See sqlite_table.h. */
#include "plugins/sqlite3/sqlite_table.h"
#include "base/memory.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sql/sql_statement.h"
#include "plugins/sqlite3/sqlite_key.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

struct sqlite_table {
    struct sqlite_database *db;
    const struct sql_settings *settings;
    struct sql_columns *columns;
    char *name;
    /* If a unique key fits, `insert` is an upsert and `update` is NULL; with sql_dont_try_update
     * `update` is NULL too. */
    sqlite3_stmt *update, *insert;
};

/* ---- look up, make, grow ---- */

/* Sets one byte for each column in `ret_missing`: 1 if the table lacks it. */
static int find_missing(const struct sqlite_table *t, uint8_t *ret_missing, uint32_t *ret_found)
{
    sqlite3_stmt *stmt;
    int code, err = sqlite_key_prepare(t->db, "SELECT name FROM pragma_table_info(?1, ?2)", t->name,
                                       &stmt);

    if (err < 0)
        return err;
    memset(ret_missing, 1, t->columns->count);
    *ret_found = 0;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const struct sql_column *c =
            sql_columns_find(t->columns, (const char *)sqlite3_column_text(stmt, 0));
        ++*ret_found;
        if (c)
            ret_missing[c - t->columns->items] = 0;
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_DONE ? 0 : sqlite_database_failed(t->db, code);
}

static int run_text(const struct sqlite_table *t, struct text *sql)
{
    int err = sqlite_database_run(t->db, text_cstr(sql));

    text_clear(sql);
    return err;
}

static int create_key(const struct sqlite_table *t)
{
    struct text sql = {0};

    if (t->columns->key_count == 0 || t->settings->dont_try_update)
        return 0; /* no key: `aggregate: none`, or equal rows are two */
    sql_append_create_key(&sql, t->settings->dialect, t->columns, t->name);
    return run_text(t, &sql);
}

static int table_is_missing(const struct sqlite_table *t)
{
    struct text sql = {0};

    sql_append_create_table(&sql, t->settings->dialect, t->columns, t->name);
    int err = sqlite_database_fault(t->db, FAULT_TABLE_GONE,
                                    "%s; `sql_table_create: true` makes it, or: %s", t->name,
                                    text_cstr(&sql));
    text_clear(&sql);
    return err;
}

static int table_create(const struct sqlite_table *t, const char *schema)
{
    struct text sql = {0};
    int err;

    if (schema) {
        err = sqlite_database_run(t->db, schema);
        if (err == 0 && sqlite3_get_autocommit(t->db->handle))
            err = sqlite_database_fault(t->db, FAULT_INPUT_OUTPUT,
                                        "sql_table_schema ends the transaction; leave out its "
                                        "BEGIN and COMMIT");
        return err;
    }
    if (!t->settings->creates_table)
        return table_is_missing(t);
    sql_append_create_table(&sql, t->settings->dialect, t->columns, t->name);
    err = run_text(t, &sql);
    if (err == 0)
        err = create_key(t);
    if (err == 0)
        t->db->host->log(t->db->host, PA_LOG_NOTICE, "%s: made table %s", t->db->path, t->name);
    return err;
}

static void append_alter(const struct sqlite_table *t, const struct sql_column *column,
                         struct text *out)
{
    text_append_string(out, "ALTER TABLE ");
    sql_append_table(out, t->settings->dialect, t->name);
    text_append_string(out, " ADD COLUMN ");
    sql_append_definition(out, t->settings->dialect, column);
}

/* Makes a new key column part of the table's key too, if that is one that we made. Rows in the
 * table have the new column's default. */
static int grow_key(const struct sqlite_table *t)
{
    struct text sql = {0};

    text_append_string(&sql, "DROP INDEX IF EXISTS ");
    sql_append_key_name(&sql, t->settings->dialect, t->name);
    int err = run_text(t, &sql);
    return err < 0 ? err : create_key(t);
}

static int table_grow(const struct sqlite_table *t, const uint8_t *missing)
{
    bool has_key_grown = false;
    int err = 0;

    for (uint32_t i = 0; i < t->columns->count && err == 0; i++) {
        const struct sql_column *c = &t->columns->items[i];
        struct text sql = {0};
        if (!missing[i])
            continue;
        append_alter(t, c, &sql);
        if (!t->settings->creates_table) {
            err = sqlite_database_fault(t->db, FAULT_COLUMN_MISSING,
                                        "%s has no column %s; `sql_table_create: true` adds it, "
                                        "or: %s",
                                        t->name, c->name, text_cstr(&sql));
            text_clear(&sql);
            return err;
        }
        err = run_text(t, &sql);
        has_key_grown = has_key_grown || c->role == SQL_ROLE_KEY;
        if (err == 0)
            t->db->host->log(t->db->host, PA_LOG_NOTICE, "%s: table %s got column %s", t->db->path,
                             t->name, c->name);
    }
    return err == 0 && has_key_grown ? grow_key(t) : err;
}

static int make_ready(const struct sqlite_table *t, const char *schema)
{
    uint8_t *missing = mem_alloc(t->columns->count);
    uint32_t found;
    int err = find_missing(t, missing, &found);

    if (err == 0 && found == 0) {
        err = table_create(t, schema);
        if (err == 0)
            err = find_missing(t, missing, &found);
        if (err == 0 && found == 0)
            err = sqlite_database_fault(t->db, FAULT_TABLE_GONE,
                                        "%s, though sql_table_schema was run; does it have the "
                                        "same name?",
                                        t->name);
    }
    if (err == 0)
        err = table_grow(t, missing);
    mem_free(missing);
    return err;
}

/* ---- statements ---- */

static void append_parameters(struct text *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        text_append_printf(out, "%s?%u", i ? ", " : "", i + 1);
}

static int prepare_insert(struct sqlite_table *t, const char *conflict_columns)
{
    struct text sql = {0};
    int err;

    text_append_string(&sql, "INSERT INTO ");
    sql_append_table(&sql, t->settings->dialect, t->name);
    text_append_string(&sql, " (");
    sql_append_columns(&sql, t->columns, "");
    text_append_string(&sql, ") VALUES (");
    append_parameters(&sql, t->columns->count);
    text_append_string(&sql, ")");
    if (conflict_columns) {
        text_append_printf(&sql, " ON CONFLICT (%s) DO UPDATE SET ", conflict_columns);
        sql_append_update(&sql, t->columns, t->settings->dialect, "", "excluded.");
    }
    err = sqlite_database_prepare(t->db, text_cstr(&sql), &t->insert);
    text_clear(&sql);
    return err;
}

/* Prepares the update. The new row is a table of one row, so that columns compare with a column:
 * text in a column of numbers finds the number. */
static int prepare_update(struct sqlite_table *t)
{
    struct text sql = {0};
    int err;

    text_append_string(&sql, "UPDATE ");
    sql_append_table(&sql, t->settings->dialect, t->name);
    text_append_string(&sql, " AS t SET ");
    sql_append_update(&sql, t->columns, t->settings->dialect, "t.", "s.");
    text_append_string(&sql, " FROM (SELECT ");
    for (uint32_t i = 0; i < t->columns->count; i++) {
        text_append_printf(&sql, "%s?%u AS ", i ? ", " : "", i + 1);
        sql_append_name(&sql, t->columns->items[i].name);
    }
    text_append_string(&sql, ") AS s WHERE ");
    sql_append_key_match(&sql, t->columns, "t.", "s.");
    err = sqlite_database_prepare(t->db, text_cstr(&sql), &t->update);
    text_clear(&sql);
    return err;
}

static int prepare_all(struct sqlite_table *t)
{
    struct sqlite_key key;
    int err = sqlite_key_find(t->db, t->columns, t->name, &key);

    if (err < 0)
        return err;
    if (key.narrower)
        t->db->host->log(t->db->host, PA_LOG_WARNING,
                         "%s: table %s: its unique key (%s) lacks %s: rows that differ there alone "
                         "are refused; make the key of all columns that `aggregate` asks for",
                         t->db->path, t->name, key.narrower, key.lacking);
    err = prepare_insert(t, key.fitting);
    if (err == 0 && !key.fitting && !t->settings->dont_try_update) {
        err = prepare_update(t);
        if (err == 0 && t->columns->key_count > 0)
            t->db->host->log(t->db->host, PA_LOG_NOTICE,
                             "%s: table %s has no unique key of just the columns that are written: "
                             "each row is looked for first, which an index makes fast",
                             t->db->path, t->name);
    }
    sqlite_key_clear(&key);
    return err;
}

int sqlite_table_new(struct sqlite_database *db, const struct sql_settings *settings,
                     struct sql_columns *columns, const char *name, const char *schema,
                     struct sqlite_table **ret_table)
{
    struct sqlite_table *t = mem_zalloc(sizeof *t);
    int err;

    t->db = db;
    t->settings = settings;
    t->columns = columns;
    t->name = mem_strdup(name);
    err = make_ready(t, schema);
    if (err == 0)
        err = prepare_all(t);
    if (err < 0) {
        sqlite_table_free(t);
        return err;
    }
    *ret_table = t;
    return 0;
}

int sqlite_table_look(struct sqlite_database *db, const struct sql_settings *settings,
                      struct sql_columns *columns, const char *name)
{
    const struct sqlite_table t = {
        .db = db, .settings = settings, .columns = columns, .name = (char *)(uintptr_t)name};
    uint8_t *missing = mem_alloc(columns->count);
    uint32_t found;
    int err = find_missing(&t, missing, &found);

    if (err == 0 && found == 0 && !settings->creates_table && !settings->schema)
        err = table_is_missing(&t);
    else if (err == 0 && found > 0 && !settings->creates_table)
        err = table_grow(&t, missing); /* only tells which columns are missing */
    mem_free(missing);
    return err;
}

void sqlite_table_free(void *table)
{
    struct sqlite_table *t = table;

    if (!t)
        return;
    sqlite3_finalize(t->update);
    sqlite3_finalize(t->insert);
    mem_free(t->name);
    mem_free(t);
}

/* ---- rows ---- */

/* Binds a value, which must stay where it is until the statement was run and reset. */
static int bind_one(sqlite3_stmt *stmt, int index, const struct sql_value *v)
{
    char digits[24];

    switch (v->kind) {
    case SQL_VALUE_TEXT:
        return sqlite3_bind_text(stmt, index, v->text, (int)v->len, SQLITE_STATIC);
    case SQL_VALUE_BLOB:
        return sqlite3_bind_blob(stmt, index, v->text, (int)v->len, SQLITE_STATIC);
    default:
        if (v->number <= INT64_MAX)
            return sqlite3_bind_int64(stmt, index, (sqlite3_int64)v->number);
        /* The number is beyond SQLite's integers: text keeps all digits where the column lets
         * it. */
        return sqlite3_bind_text(stmt, index, digits, (int)text_format_uint(digits, v->number),
                                 SQLITE_TRANSIENT);
    }
}

static int run_statement(struct sqlite_table *t, sqlite3_stmt *stmt, const struct pa_batch *batch,
                         const uint8_t *row)
{
    int code = SQLITE_OK;

    for (uint32_t i = 0; i < t->columns->count && code == SQLITE_OK; i++) {
        struct sql_value v = sql_columns_value(t->columns, i, batch, row);
        code = bind_one(stmt, (int)i + 1, &v);
    }
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int sqlite_table_write(struct sqlite_table *t, const struct pa_batch *batch, const uint8_t *row,
                       enum sqlite_outcome *ret_outcome, const char **ret_why)
{
    int code = SQLITE_OK;

    *ret_outcome = SQLITE_ROW_UPDATED;
    if (t->update) {
        code = run_statement(t, t->update, batch, row);
        if (code == SQLITE_OK && sqlite3_changes(t->db->handle) > 0)
            return 0;
    }
    if (code == SQLITE_OK) {
        *ret_outcome = SQLITE_ROW_INSERTED;
        code = run_statement(t, t->insert, batch, row);
    }
    if (code == SQLITE_OK)
        return 0;
    /* A trigger may have ended the transaction; then the other rows are gone too. */
    if (!sqlite_database_refuses_row(code) || sqlite3_get_autocommit(t->db->handle))
        return sqlite_database_failed(t->db, code);
    *ret_outcome = SQLITE_ROW_REFUSED;
    *ret_why = sqlite3_errmsg(t->db->handle);
    return 0;
}
