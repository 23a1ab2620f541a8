/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin pgsql. Rows are encoded as they come and sent in pieces, so that the server works on
 * one while the next is made. A transaction is BEGIN, the progress rows, COPY for each table, the
 * statements that merge the copied rows, progress, COMMIT. Whatever fails, the session is closed
 * with all that hangs on it, and the host gives the transaction again.
 *
 * A row that the server refuses spoils the statement it is part of. The transaction is then taken
 * again row by row, as pgsql_careful.c does it. See pgsql.h.
 */
#include "plugins/pgsql/pgsql.h"

#include "base/clock.h"
#include "base/memory.h"
#include "plugins/pgsql/pg_dialect.h"
#include "plugins/pgsql/pgsql_state.h"
#include "plugins/sql/sql_columns.h"
#include "plugins/sql/sql_settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Timeouts are the client's, except for locks. Settings of the user's usual sessions must not
 * change what is written. */
static const char session_setup[] =
    "SET lock_timeout = '10s'; SET statement_timeout = 0;"
    " SET idle_in_transaction_session_timeout = 0; SET jit = off; SET work_mem = '64MB';"
    " SET client_min_messages = error; SET DateStyle = 'ISO'; SET bytea_output = 'hex'";

/* Makes the server notice during a long statement that its client is gone: the locks of a session
 * that was given up, or of a process that was killed, are free then. Not every server can. */
static const char gone_client_setup[] = "SET client_connection_check_interval = '10s'";
#define GONE_CLIENT_VERSION 140000

static void forget_target(void *own)
{
    pg_target_free(own);
}

/* ---- settings ---- */

static int read_settings(const struct pa_host *host, const struct pa_schema *schema, char *error,
                         size_t error_size, struct sql_settings *ret_settings)
{
    const struct sql_dialect *dialect =
        pg_dialect_choose(setting_choice(host, "sql_data", SQL_DATA_TYPED) == SQL_DATA_UNIFIED,
                          setting_is_on(host, "sql_timestamptz"));

    return sql_settings_read(host, schema, dialect, error, error_size, ret_settings);
}

int pgsql_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size)
{
    struct sql_settings settings;
    struct sql_columns columns;
    int err = read_settings(host, schema, error, error_size, &settings);

    if (err < 0)
        return err;
    sql_settings_tell(host, settings.dialect);
    err = sql_columns_init(&columns, &settings, schema, error, error_size);
    if (err == 0)
        sql_columns_clear(&columns);
    sql_settings_clear(&settings);
    return err;
}

static void prepare_connection(struct pgsql *p)
{
    const struct sql_settings *s = &p->settings;
    struct pg_connection_settings connection = {.owner = p->host,
                                                .host = s->host,
                                                .port = s->port,
                                                .db = s->db,
                                                .user = s->user,
                                                .password = s->password,
                                                .ca_file = s->ca_file};

    p->answer_timeout_s = sql_answer_timeout_s(p->host);
    connection.timeout_s = p->answer_timeout_s;

    p->application_name = mem_printf("%s/%s", p->host->daemon_name, p->host->instance_name);
    connection.application_name = p->application_name;
    p->connection = pg_connection_new(&connection);
    p->progress = (struct pg_progress){
        .connection = p->connection, .instance = p->host->instance_name, .user = s->user};
    p->context = (struct pg_target_context){.host = p->host,
                                            .settings = s,
                                            .columns = &p->columns,
                                            .connection = p->connection,
                                            .told = &p->narrow_told,
                                            .is_unaggregated = p->schema->is_unaggregated};
}

int pgsql_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    struct pgsql *p = mem_zalloc(sizeof *p);
    char error[512] = "";
    int err = read_settings(host, schema, error, sizeof error, &p->settings);

    p->host = host;
    p->schema = schema;
    if (err == 0) {
        err = sql_columns_init(&p->columns, &p->settings, schema, error, sizeof error);
        if (err < 0)
            sql_settings_clear(&p->settings);
    }
    if (err < 0) {
        host->log(host, PA_LOG_ERROR, "pgsql cannot start: %s", error);
        mem_free(p);
        return err;
    }
    prepare_connection(p);
    p->tables = sql_tables_new(p->host, &p->settings, schema, forget_target);
    sql_purge_init(&p->purge, host, &p->settings, schema);
    *ret_state = p;
    return 0;
}

void pgsql_close(void *state)
{
    struct pgsql *p = state;

    if (!p)
        return;
    sql_purge_clear(&p->purge);
    sql_tables_free(p->tables);
    pg_connection_free(p->connection);
    sql_columns_clear(&p->columns);
    sql_settings_clear(&p->settings);
    mem_free(p->application_name);
    mem_free(p->narrow_told.table);
    mem_free(p->left_out);
    mem_free(p);
}

/* ---- failures ---- */

/* True if rows of equal key lie in the table already, where they can be added up. */
static bool is_late_row(const struct pgsql *p)
{
    return !strcmp(p->fault.sqlstate, "23505") && p->failed_copy && !p->has_late_rows;
}

static void prepare_for_bad_row(struct pgsql *p)
{
    if (is_late_row(p)) {
        p->has_late_rows = p->context.avoids_copy = true;
        p->host->log(p->host, PA_LOG_NOTICE,
                     "rows of equal key are in the table already: from now on they are added to, "
                     "in spite of sql_use_copy");
        return;
    }
    p->careful_count = CAREFUL_TRANSACTIONS;
    p->context.avoids_copy = true; /* a row of equal key must not look like a bad one */
    p->host->log(p->host, PA_LOG_NOTICE,
                 "the server refuses a row: the transaction is written again in pieces, so that "
                 "all the others get in (%s)",
                 p->fault.text);
}

/* Returns the error that makes the host try again, for ever. */
static int transaction_failed(struct pgsql *p, int err, const char *doing)
{
    /* Two writers waited for rows of each other: rows are locked in order for a while. */
    if (!strcmp(p->fault.sqlstate, "40P01"))
        p->rival_count = RIVAL_TRANSACTIONS;
    if (err != -EILSEQ)
        sql_fault_tell(&p->logged, p->host, &p->fault, doing);
    else
        prepare_for_bad_row(p);
    p->host->count(p->host, p->fault.counter, 1);
    return -EAGAIN;
}

int pgsql_failed(struct pgsql *p, int err)
{
    p->fault = *pg_connection_fault(p->connection);
    return err;
}

/* ---- transactions ---- */

int pgsql_connect(struct pgsql *p)
{
    int err = pg_connection_open(p->connection);

    sql_tables_forget(p->tables);
    if (err == 0)
        err = pg_connection_run(p->connection, session_setup, 0, NULL);
    if (err == 0 && pg_connection_server_version(p->connection) >= GONE_CLIENT_VERSION &&
        pg_connection_run(p->connection, gone_client_setup, 0, NULL) < 0 &&
        !pg_connection_is_open(p->connection))
        err = -EAGAIN;
    return err < 0 ? pgsql_failed(p, err) : 0;
}

static int connect_server(struct pgsql *p)
{
    int err = pgsql_connect(p);

    if (err < 0)
        return err;
    p->host->count(p->host, "pgsql_connections", 1);
    return p->settings.is_exactly_once ? pg_progress_prepare(&p->progress, &p->fault) : 0;
}

/* A session that has slept may have lost its server meanwhile, which is no failure yet: another
 * is opened. If it took long to find that out, the server hangs, and that is one. */
static int start_transaction(struct pgsql *p)
{
    static const char sql[] = "BEGIN ISOLATION LEVEL READ COMMITTED";
    int64_t begun_ns = clock_mono().ns;
    int err;

    if (pg_connection_is_open(p->connection)) {
        err = pg_connection_run(p->connection, sql, 0, NULL);
        if (err == 0)
            return 0;
        if (clock_mono().ns - begun_ns > p->answer_timeout_s * NS_PER_S / 2)
            return pgsql_failed(p, err);
    }
    err = connect_server(p);
    if (err < 0)
        return err;
    err = pg_connection_run(p->connection, sql, 0, NULL);
    return err < 0 ? pgsql_failed(p, err) : 0;
}

int pgsql_begin(void *state, const struct pa_transaction *transaction)
{
    struct pgsql *p = state;
    int err;

    sql_purge_begin(&p->purge, transaction);
    sql_columns_set_written(&p->columns, transaction->time_ns);
    if (p->is_way_open)
        sql_tables_forget(p->tables);
    p->is_way_open = false;
    sql_tables_begin(p->tables, transaction->time_ns);
    p->time_ns = transaction->time_ns;
    p->active = NULL;
    p->failed_copy = false;
    p->rejected_count = 0;
    p->shortened_count = 0;
    p->waiting_len = 0;
    p->has_begun = transaction->row_count > 0; /* an empty transaction cannot be done twice */
    if (!p->has_begun)
        return 0;
    err = start_transaction(p);
    if (err < 0)
        return transaction_failed(p, err, "start a transaction");
    if (!p->settings.is_exactly_once)
        return 0;
    err = pg_progress_lock(&p->progress, transaction, &p->fault);
    if (err < 0)
        return transaction_failed(p, err, "start a transaction");
    if (err == 0)
        return 0;
    p->has_begun = false;
    if (pg_connection_run(p->connection, "ROLLBACK", 0, NULL) < 0)
        pg_connection_close(p->connection); /* the answer stands all the same */
    return PA_DONE_ALREADY;
}

static int write_passed(struct pgsql *p, const struct pa_batch *rows)
{
    return p->careful_count > 0 ? pgsql_write_carefully(p, rows) : pgsql_write_rows(p, rows, true);
}

int pgsql_write(void *state, const struct pa_batch *batch)
{
    struct pgsql *p = state;
    struct pa_batch passed = sql_purge_filter(&p->purge, batch);
    int err = write_passed(p, &passed);

    return err < 0 ? transaction_failed(p, err, "write") : 0;
}

static int merge_table(void *arg, struct sql_table *table)
{
    return table->own ? pgsql_merge(arg, table->own) : 0;
}

static int end_transaction(struct pgsql *p, const struct pa_transaction *transaction)
{
    struct text sql = {0};
    PGresult *result;
    int err;

    if (p->settings.is_exactly_once)
        pg_progress_append_update(&p->progress, transaction, &sql);
    text_append_string(&sql, "COMMIT");
    err = pg_connection_run(p->connection, text_cstr(&sql), sql_work_s(transaction->row_count),
                            &result);
    text_clear(&sql);
    if (err < 0) {
        pgsql_failed(p, err);
        if (err != -EILSEQ)
            return err;
        /* Constraints that are checked at the end do not say which row is at fault. */
        pg_fault_change(&p->fault, PG_FAULT_TABLE_UNFIT);
        return -EINVAL;
    }
    bool is_committed = !strcmp(PQcmdStatus(result), "COMMIT");
    PQclear(result);
    if (is_committed)
        return 0;
    pg_fault_set_own(&p->fault, PG_FAULT_BUSY, "the server rolled the transaction back");
    return -EAGAIN;
}

/* Writes carefully for some more transactions: where one row was refused the next ones may be
 * soon. */
static void count_down_care(struct pgsql *p)
{
    if (p->careful_count == 0)
        return;
    p->careful_count = p->rejected_count > 0 ? CAREFUL_TRANSACTIONS : p->careful_count - 1;
    if (p->careful_count > 0)
        return;
    p->context.avoids_copy = p->has_late_rows;
    p->is_way_open = true;
}

int pgsql_commit(void *state, const struct pa_transaction *transaction)
{
    struct pgsql *p = state;

    if (p->has_begun) {
        const struct pa_batch rest = sql_purge_rest(&p->purge);
        int err = write_passed(p, &rest);
        if (err == 0)
            err = sql_tables_each_used(p->tables, merge_table, p);
        if (err < 0)
            return transaction_failed(p, err, "write");
        err = end_transaction(p, transaction);
        if (err < 0)
            return transaction_failed(p, err, "commit");
        count_down_care(p);
        if (p->shortened_count > 0)
            p->host->count(p->host, "pgsql_rows_shortened", p->shortened_count);
        p->rival_count -= p->rival_count > 0;
        p->logged.text[0] = 0;
    }
    p->has_begun = false;
    sql_purge_end(&p->purge, transaction, sql_tables_last_name(p->tables));
    return 0;
}

void pgsql_abort(void *state)
{
    struct pgsql *p = state;

    p->active = NULL;
    p->has_begun = false;
    sql_tables_forget(p->tables);
    pg_connection_close(p->connection);
}
