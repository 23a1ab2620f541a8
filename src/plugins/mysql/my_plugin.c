/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin mysql. Rows become statements of many rows, which are sent while the next are made. A
 * transaction is START TRANSACTION, the progress rows, those statements, progress, COMMIT. Whatever
 * fails, the session is closed with all that hangs on it, and the host gives the transaction again.
 * If the connection was lost during COMMIT nobody knows whether it came to pass: pathacct_progress
 * tells it in the next session.
 *
 * A row that the server refuses spoils the statement it is part of. The transaction is then taken
 * again in pieces, as my_careful.c does it. See my_plugin.h.
 */
#include "plugins/mysql/my_plugin.h"

#include "base/clock.h"
#include "base/memory.h"
#include "plugins/common/setting.h"
#include "plugins/mysql/my_definition.h"
#include "plugins/mysql/my_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAREFUL_TRANSACTIONS 10
#define STATEMENT_MAX        ((size_t)1 << 20) /* bytes, where sql_multi_values is not set */
#define PACKET_MARGIN        1024              /* left free of max_allowed_packet */

/* Names are quoted as in other databases, and a value that does not fit is refused, not bent.
 * Settings of the user's usual sessions must not change what is written. */
static const char session_setup[] =
    "SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
    " innodb_lock_wait_timeout = " MY_LOCK_TIMEOUT_S ", lock_wait_timeout = " MY_LOCK_TIMEOUT_S ";"
    " SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/* ---- settings ---- */

static int read_settings(const struct pa_host *host, const struct pa_schema *schema, char *error,
                         size_t error_size, struct sql_settings *ret_settings)
{
    return sql_settings_read(host, schema, &my_dialect, error, error_size, ret_settings);
}

int my_plugin_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
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

static void prepare_connections(struct my_plugin *p)
{
    const struct sql_settings *s = &p->settings;
    struct my_connection_settings connection = {.owner = p->host,
                                                .host = s->host,
                                                .db = s->db,
                                                .user = s->user,
                                                .password = s->password,
                                                .ca_file = s->ca_file};

    p->answer_timeout_s = sql_answer_timeout_s(p->host);
    p->program = mem_printf("%s/%s", p->host->daemon_name, p->host->instance_name);
    p->setup = mem_printf("%s%s", session_setup, s->is_utc ? "; SET time_zone = '+00:00'" : "");
    connection.port = (uint32_t)p->host->setting_number(p->host, "sql_port");
    connection.timeout_s = p->answer_timeout_s;
    connection.program = p->program;
    connection.setup = p->setup;
    p->connection = my_connection_new(&connection);
    p->side = my_connection_new(&connection);
    p->progress = (struct my_progress){
        .connection = p->connection, .instance = p->host->instance_name, .user = s->user};
    p->context = (struct my_target_context){.host = p->host,
                                            .settings = s,
                                            .columns = &p->columns,
                                            .side = p->side,
                                            .connection = p->connection,
                                            .told = &p->told};
}

int my_plugin_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    struct my_plugin *p = mem_zalloc(sizeof *p);
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
        host->log(host, PA_LOG_ERROR, "mysql cannot start: %s", error);
        mem_free(p);
        return err;
    }
    prepare_connections(p);
    p->tables = sql_tables_new(p->host, &p->settings, schema, my_target_free);
    sql_purge_init(&p->purge, host, &p->settings, schema);
    *ret_state = p;
    return 0;
}

void my_plugin_close(void *state)
{
    struct my_plugin *p = state;

    if (!p)
        return;
    sql_purge_clear(&p->purge);
    sql_tables_free(p->tables);
    my_connection_free(p->connection);
    my_connection_free(p->side);
    sql_columns_clear(&p->columns);
    sql_settings_clear(&p->settings);
    text_clear(&p->told);
    text_clear(&p->row);
    mem_free(p->program);
    mem_free(p->setup);
    mem_free(p);
}

/* ---- failures ---- */

/* Returns the error that makes the host try again, for ever. */
static int transaction_failed(struct my_plugin *p, int err, const char *doing)
{
    if (err != -EILSEQ) {
        sql_fault_tell(&p->logged, p->host, &p->fault, doing);
    } else {
        p->careful_count = CAREFUL_TRANSACTIONS;
        p->host->log(p->host, PA_LOG_NOTICE,
                     "the server refuses a row: the transaction is written again in pieces, so "
                     "that all the others get in (%s)",
                     p->fault.text);
    }
    p->host->count(p->host, p->fault.counter, 1);
    return -EAGAIN;
}

int my_failed(struct my_plugin *p, int err)
{
    p->fault = *my_connection_fault(p->connection);
    return err;
}

/* ---- transactions ---- */

static int ask_bounds(struct my_plugin *p)
{
    MYSQL_RES *rows;
    MYSQL_ROW row;
    size_t packet_max = 0;
    int err = my_connection_ask(p->connection, "SELECT @@max_allowed_packet", &rows);

    if (err < 0)
        return err;
    row = mysql_fetch_row(rows);
    if (row && row[0])
        packet_max = strtoull(row[0], NULL, 10);
    mysql_free_result(rows);
    p->row_max =
        packet_max > UINT64_C(2) * PACKET_MARGIN ? packet_max - PACKET_MARGIN : PACKET_MARGIN;
    p->statement_max = p->settings.statement_max ? p->settings.statement_max : STATEMENT_MAX;
    if (p->statement_max > p->row_max)
        p->statement_max = p->row_max;
    return 0;
}

int my_connect(struct my_plugin *p)
{
    int err = my_connection_open(p->connection);

    sql_tables_forget(p->tables);
    if (err == 0)
        err = ask_bounds(p);
    return err < 0 ? my_failed(p, err) : 0;
}

static int connect_server(struct my_plugin *p)
{
    int err = my_connect(p);

    if (err < 0)
        return err;
    p->host->count(p->host, "mysql_connections", 1);
    return p->settings.is_exactly_once ? my_progress_prepare(&p->progress, false, &p->fault) : 0;
}

/* A session that has slept may have lost its server meanwhile, which is no failure yet: another
 * is opened. If it took long to find that out, the server hangs, and that is one. */
static int start_transaction(struct my_plugin *p)
{
    static const char sql[] = "START TRANSACTION";
    int64_t begun_ns = clock_mono().ns;
    int err;

    if (my_connection_is_open(p->connection)) {
        err = my_connection_ask(p->connection, sql, NULL);
        if (err == 0)
            return 0;
        if (clock_mono().ns - begun_ns > p->answer_timeout_s * NS_PER_S / 2)
            return my_failed(p, err);
    }
    err = connect_server(p);
    if (err < 0)
        return err;
    err = my_connection_ask(p->connection, sql, NULL);
    return err < 0 ? my_failed(p, err) : 0;
}

int my_plugin_begin(void *state, const struct pa_transaction *transaction)
{
    struct my_plugin *p = state;
    int err;

    sql_purge_begin(&p->purge, transaction);
    sql_columns_set_written(&p->columns, transaction->time_ns);
    sql_tables_begin(p->tables, transaction->time_ns);
    p->time_ns = transaction->time_ns;
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
    err = my_progress_lock(&p->progress, transaction, &p->fault);
    if (err < 0)
        return transaction_failed(p, err, "start a transaction");
    if (err == 0)
        return 0;
    p->has_begun = false;
    if (my_connection_ask(p->connection, "ROLLBACK", NULL) < 0)
        my_connection_close(p->connection); /* the answer stands all the same */
    return PA_DONE_ALREADY;
}

static int write_passed(struct my_plugin *p, const struct pa_batch *rows)
{
    return p->careful_count > 0 ? my_write_carefully(p, rows) : my_write_rows(p, rows, true);
}

int my_plugin_write(void *state, const struct pa_batch *batch)
{
    struct my_plugin *p = state;
    struct pa_batch passed = sql_purge_filter(&p->purge, batch);
    int err = write_passed(p, &passed);

    return err < 0 ? transaction_failed(p, err, "write") : 0;
}

static int end_transaction(struct my_plugin *p, const struct pa_transaction *transaction)
{
    struct text sql = {0};
    int err;

    if (p->settings.is_exactly_once)
        my_progress_append_update(&p->progress, transaction, &sql);
    text_append_string(&sql, "COMMIT");
    err = my_connection_run(p->connection, sql.data, sql.len, sql_work_s(transaction->row_count),
                            NULL);
    text_clear(&sql);
    if (err == 0)
        return 0;
    my_failed(p, err);
    if (err != -EILSEQ)
        return err;
    my_fault_change(&p->fault, MY_FAULT_BUSY); /* it is not the fault of a row */
    return -EAGAIN;
}

/* Writes carefully for some more transactions: where one row was refused the next ones may be
 * soon. */
static void count_down_care(struct my_plugin *p)
{
    if (p->careful_count > 0)
        p->careful_count = p->rejected_count > 0 ? CAREFUL_TRANSACTIONS : p->careful_count - 1;
}

int my_plugin_commit(void *state, const struct pa_transaction *transaction)
{
    struct my_plugin *p = state;

    if (p->has_begun) {
        const struct pa_batch rest = sql_purge_rest(&p->purge);
        int err = write_passed(p, &rest);
        if (err == 0)
            err = my_send_all(p);
        if (err < 0)
            return transaction_failed(p, err, "write");
        err = end_transaction(p, transaction);
        if (err < 0)
            return transaction_failed(p, err, "commit");
        my_unlock_tables(p);
        my_connection_close(p->side);
        count_down_care(p);
        if (p->shortened_count > 0)
            p->host->count(p->host, "mysql_rows_shortened", p->shortened_count);
        p->logged.text[0] = 0;
    }
    p->has_begun = false;
    sql_purge_end(&p->purge, transaction, sql_tables_last_name(p->tables));
    return 0;
}

void my_plugin_abort(void *state)
{
    struct my_plugin *p = state;

    p->has_begun = false;
    sql_tables_forget(p->tables);
    my_connection_close(p->side);
    my_connection_close(p->connection);
}
