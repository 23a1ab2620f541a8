/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin sqlite3: a transaction of the host is one of the database. See sqlite_plugin.h. */
#include "plugins/sqlite3/sqlite_plugin.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/sql/sql_columns.h"
#include "plugins/sql/sql_purge.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sql/sql_tables.h"
#include "plugins/sqlite3/sqlite_progress.h"
#include "plugins/sqlite3/sqlite_table.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Types decide how SQLite compares and packs values. Numbers are compared as numbers, the rest as
 * text; an address that may be a number or 16 bytes has a type without an opinion.
 */
static const struct sql_dialect dialect = {
    .name = "sqlite3",
    .default_db = "/tmp/pmacct.db",
    .type_names = {[SQL_TYPE_U16] = "INTEGER",
                   [SQL_TYPE_U32] = "INTEGER",
                   [SQL_TYPE_U64] = "INTEGER",
                   [SQL_TYPE_PROTO] = "INTEGER",
                   [SQL_TYPE_TEXT] = "TEXT",
                   [SQL_TYPE_ADDRESS] = "TEXT",
                   [SQL_TYPE_NUMERIC_ADDRESS] = "BLOB",
                   [SQL_TYPE_MAC] = "TEXT",
                   [SQL_TYPE_TIME] = "TEXT",
                   [SQL_TYPE_REAL] = "REAL"},
    .least = "min",
    .greatest = "max",
    .has_old_port_names = true,
    .has_numeric_hosts = true,
    .has_schema_on_index = true,
};

struct sqlite_plugin {
    const struct pa_host *host;
    const struct pa_schema *schema;
    struct sql_settings settings;
    struct file_owner owner;
    struct sql_columns columns;
    struct sql_tables *tables;
    struct sql_purge purge;
    struct sqlite_database db;
    struct sqlite_progress progress;
    bool is_in_transaction; /* the database is in a transaction */
};

/* ---- open and close ---- */

static int read_settings(const struct pa_host *host, const struct pa_schema *schema, char *error,
                         size_t error_size, struct sql_settings *ret_settings,
                         struct file_owner *ret_owner)
{
    int err = sql_settings_read(host, schema, &dialect, error, error_size, ret_settings);

    if (err < 0)
        return err;
    err = file_owner_read(host, error, error_size, ret_owner);
    if (err == 0 && strcmp(ret_settings->db, ":memory:") == 0) {
        snprintf(error, error_size,
                 "sql_db: a database in memory would be gone with the plugin; name a file, or use "
                 "the memory plugin");
        err = -EINVAL;
    }
    if (err < 0)
        sql_settings_clear(ret_settings);
    return err;
}

int sqlite_plugin_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                        size_t error_size)
{
    struct sql_settings settings;
    struct sql_columns columns;
    struct file_owner owner;
    int err = read_settings(host, schema, error, error_size, &settings, &owner);

    if (err < 0)
        return err;
    sql_settings_tell(host, &dialect);
    err = sql_columns_init(&columns, &settings, schema, error, error_size);
    if (err == 0)
        sql_columns_clear(&columns);
    sql_settings_clear(&settings);
    return err;
}

static int try_database(const struct pa_host *host, const struct sql_settings *settings,
                        struct sql_columns *columns, const struct file_owner *owner)
{
    struct sqlite_database db;
    struct text name = {0};

    sqlite_database_init(&db, host, settings->db, owner,
                         settings->creates_table || settings->schema);
    int err = sqlite_database_look(&db);
    if (err == 0 && sql_tables_name_now(settings, &name))
        err = sqlite_table_look(&db, settings, columns, text_cstr(&name));
    text_clear(&name);
    sqlite_database_clear(&db);
    return err < 0 ? err : 0;
}

int sqlite_plugin_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                          size_t error_size)
{
    struct sql_settings settings;
    struct sql_columns columns;
    struct file_owner owner;
    int err = read_settings(host, schema, error, error_size, &settings, &owner);

    if (err < 0)
        return err;
    err = sql_columns_init(&columns, &settings, schema, error, error_size);
    if (err == 0) {
        err = try_database(host, &settings, &columns, &owner);
        if (trigger_try_out(host, "sql_trigger_exec", settings.trigger_exec) < 0)
            err = -EINVAL;
        sql_columns_clear(&columns);
    }
    sql_settings_clear(&settings);
    return err;
}

static void disconnect_database(struct sqlite_plugin *p)
{
    if (p->tables)
        sql_tables_forget(p->tables);
    sqlite_progress_clear(&p->progress);
    sqlite_database_close(&p->db);
}

/* SQLite's calls on files cannot beat, least of all a commit. */
static void say_what_is_waited_for(const struct sqlite_plugin *p)
{
    p->host->wait(p->host, PA_WAIT_FILE);
}

static int connect_database(struct sqlite_plugin *p)
{
    bool is_new;
    int err;

    /* If another file is in its place, all that was prepared belongs to the old one. */
    if (p->db.handle && sqlite_database_is_replaced(&p->db))
        disconnect_database(p);
    err = sqlite_database_open(&p->db, &is_new);
    if (err == 0 && is_new && p->settings.is_exactly_once)
        err = sqlite_progress_init(&p->progress, &p->db, p->host->instance_name);
    if (err < 0)
        disconnect_database(p);
    return err;
}

int sqlite_plugin_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    struct sqlite_plugin *p = mem_zalloc(sizeof *p);
    char error[1024] = "";
    int err;

    p->host = host;
    p->schema = schema;
    err = read_settings(host, schema, error, sizeof error, &p->settings, &p->owner);
    if (err == 0)
        err = sql_columns_init(&p->columns, &p->settings, schema, error, sizeof error);
    if (err < 0) {
        host->log(host, PA_LOG_ERROR, "sqlite3 cannot start: %s", error);
        sql_settings_clear(&p->settings);
        mem_free(p);
        return err;
    }
    p->tables = sql_tables_new(p->host, &p->settings, schema, sqlite_table_free);
    sql_purge_init(&p->purge, host, &p->settings, schema);
    sqlite_database_init(&p->db, host, p->settings.db, &p->owner,
                         p->settings.creates_table || p->settings.schema);
    *ret_state = p;
    say_what_is_waited_for(p);
    /* A first look, so that faults are reported at the start; each transaction looks again. */
    connect_database(p);
    return 0;
}

void sqlite_plugin_close(void *state)
{
    struct sqlite_plugin *p = state;

    if (!p)
        return;
    sqlite_plugin_abort(p);
    sql_purge_clear(&p->purge);
    say_what_is_waited_for(p);
    sql_tables_free(p->tables);
    p->tables = NULL;
    disconnect_database(p);
    sqlite_database_clear(&p->db);
    sql_columns_clear(&p->columns);
    sql_settings_clear(&p->settings);
    mem_free(p);
}

int sqlite_plugin_reopen(void *state)
{
    say_what_is_waited_for(state);
    disconnect_database(state);
    return 0;
}

/* ---- transactions ---- */

void sqlite_plugin_abort(void *state)
{
    struct sqlite_plugin *p = state;

    if (!p->is_in_transaction)
        return;
    say_what_is_waited_for(p);
    p->is_in_transaction = false;
    /* Tables made in this transaction are gone with it, and what failed may look different next
     * time. */
    if (p->db.handle && !sqlite3_get_autocommit(p->db.handle))
        sqlite3_exec(p->db.handle, "ROLLBACK", NULL, NULL, NULL);
    disconnect_database(p);
}

int sqlite_plugin_begin(void *state, const struct pa_transaction *transaction)
{
    struct sqlite_plugin *p = state;
    int err;

    sql_purge_begin(&p->purge, transaction);
    say_what_is_waited_for(p);
    if (transaction->row_count == 0)
        return 0;
    err = connect_database(p);
    if (err == 0)
        err = sqlite_database_run(&p->db, "BEGIN IMMEDIATE");
    if (err < 0)
        return err;
    p->is_in_transaction = true;
    sql_tables_begin(p->tables, transaction->time_ns);
    sql_columns_set_written(&p->columns, transaction->time_ns);
    if (!p->settings.is_exactly_once)
        return 0;
    err = sqlite_progress_has(&p->progress, transaction);
    if (err <= 0)
        return err;
    p->is_in_transaction = false;
    err = sqlite_database_run(&p->db, "ROLLBACK");
    return err < 0 ? err : PA_DONE_ALREADY;
}

static int prepare_table(struct sqlite_plugin *p, const struct pa_batch *batch, const uint8_t *row,
                         struct sql_table *table)
{
    struct sqlite_table *own;
    struct text schema = {0};
    int err;

    if (p->settings.schema)
        sql_tables_append_schema(p->tables, table, batch, row, &schema);
    err = sqlite_table_new(&p->db, &p->settings, &p->columns, table->name,
                           p->settings.schema ? text_cstr(&schema) : NULL, &own);
    text_clear(&schema);
    if (err == 0)
        table->own = own;
    return err;
}

static void refuse_row(struct sqlite_plugin *p, const uint8_t *row, const char *why)
{
    sqlite_database_count(&p->db, FAULT_ROW_REFUSED);
    p->host->reject_row(p->host, row, why);
}

static int write_rows(struct sqlite_plugin *p, const struct pa_batch *rows)
{
    enum sqlite_outcome outcome;
    struct sql_table *table;
    const char *why;
    int err = 0;

    for (uint32_t i = 0; i < rows->row_count && err == 0; i++) {
        const uint8_t *row = rows->rows + (size_t)i * p->schema->row_size;
        err = sql_tables_find(p->tables, rows, row, &table);
        if (err == 0 && !table->own)
            err = prepare_table(p, rows, row, table);
        if (err == 0)
            err = sqlite_table_write(table->own, rows, row, &outcome, &why);
        if (err != 0)
            break;
        if (outcome == SQLITE_ROW_REFUSED)
            refuse_row(p, row, why);
        p->purge.inserted += outcome == SQLITE_ROW_INSERTED;
        p->purge.updated += outcome == SQLITE_ROW_UPDATED;
    }
    return err;
}

int sqlite_plugin_write(void *state, const struct pa_batch *batch)
{
    struct sqlite_plugin *p = state;
    const struct pa_batch rows = sql_purge_filter(&p->purge, batch);

    say_what_is_waited_for(p);
    return write_rows(p, &rows);
}

int sqlite_plugin_commit(void *state, const struct pa_transaction *transaction)
{
    struct sqlite_plugin *p = state;
    int err = 0;

    say_what_is_waited_for(p);
    if (p->is_in_transaction) {
        const struct pa_batch rest = sql_purge_rest(&p->purge);
        err = write_rows(p, &rest);
        if (err == 0 && p->settings.is_exactly_once)
            err = sqlite_progress_move(&p->progress, transaction);
        if (err == 0)
            err = sqlite_database_run(&p->db, "COMMIT");
        if (err < 0)
            return err;
        p->is_in_transaction = false;
        sqlite_database_works(&p->db);
    }
    sql_purge_end(&p->purge, transaction, sql_tables_last_name(p->tables));
    return 0;
}
