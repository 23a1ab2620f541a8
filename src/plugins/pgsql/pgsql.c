/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin pgsql, as sql_server.h has it of a server: the session, its commit, and what
 * PostgreSQL's faults mean. Rows are encoded as they come and sent in pieces, so that the server
 * works on one while the next is made; pgsql_rows.c does that. See pgsql.h.
 */
#include "plugins/pgsql/pgsql.h"

#include "base/memory.h"
#include "plugins/common/setting.h"
#include "plugins/pgsql/pg_dialect.h"
#include "plugins/pgsql/pgsql_state.h"
#include "plugins/sql/sql_statement.h"

#include <errno.h>
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

#define TEXT_TOO_LONG    "22001" /* string_data_right_truncation */
#define TOO_COMPLEX      "54000" /* program_limit_exceeded: an index's entry is too long */
#define UNIQUE_VIOLATION "23505"
#define DEADLOCK         "40P01"

#define VALUES_MAX 8 /* in a row of an answer */

/* ---- state ---- */

static const struct sql_dialect *choose_dialect(const struct pa_host *host)
{
    return pg_dialect_choose(setting_choice(host, "sql_data", SQL_DATA_TYPED) == SQL_DATA_UNIFIED,
                             setting_is_on(host, "sql_timestamptz"));
}

static void prepare_connection(struct sql_server *s)
{
    struct pgsql *p = pgsql_of(s);
    const struct pg_connection_settings connection = {.owner = s->host,
                                                      .host = s->settings.host,
                                                      .port = s->settings.port,
                                                      .db = s->settings.db,
                                                      .user = s->settings.user,
                                                      .password = s->settings.password,
                                                      .ca_file = s->settings.ca_file,
                                                      .application_name = s->program,
                                                      .timeout_s = s->answer_timeout_s};

    p->connection = pg_connection_new(&connection);
    p->context = (struct pg_target_context){.host = s->host,
                                            .settings = &s->settings,
                                            .columns = &s->columns,
                                            .connection = p->connection,
                                            .told = &p->narrow_told,
                                            .is_unaggregated = s->schema->is_unaggregated};
}

static void clear_state(struct sql_server *s)
{
    struct pgsql *p = pgsql_of(s);

    pg_connection_free(p->connection);
    mem_free(p->narrow_told.table);
    mem_free(p->left_out);
}

/* ---- session ---- */

int pgsql_failed(struct pgsql *p, int err)
{
    p->server.fault = *pg_connection_fault(p->connection);
    return err;
}

static int execute(struct sql_server *s, const char *sql)
{
    struct pgsql *p = pgsql_of(s);
    int err = pg_connection_run(p->connection, sql, 0, NULL);

    return err < 0 ? pgsql_failed(p, err) : 0;
}

static bool is_connected(const struct sql_server *s)
{
    return pg_connection_is_open(((const struct pgsql *)s)->connection);
}

static int connect_session(struct sql_server *s)
{
    struct pgsql *p = pgsql_of(s);
    int err = pg_connection_open(p->connection);

    if (err < 0)
        return pgsql_failed(p, err);
    err = execute(s, session_setup);
    if (err == 0 && pg_connection_server_version(p->connection) >= GONE_CLIENT_VERSION &&
        execute(s, gone_client_setup) < 0 && !is_connected(s))
        err = -EAGAIN;
    return err;
}

static void disconnect(struct sql_server *s)
{
    struct pgsql *p = pgsql_of(s);

    p->active = NULL;
    pg_connection_close(p->connection);
}

static int ask_server(struct sql_server *s, const char *sql, sql_row_fn *take, void *arg)
{
    struct pgsql *p = pgsql_of(s);
    const char *values[VALUES_MAX] = {NULL};
    PGresult *result;
    int err = pg_connection_run(p->connection, sql, 0, &result);

    if (err < 0)
        return pgsql_failed(p, err);
    for (int i = 0; i < PQntuples(result); i++) {
        for (int k = 0; k < PQnfields(result) && k < VALUES_MAX; k++)
            values[k] = PQgetisnull(result, i, k) ? NULL : PQgetvalue(result, i, k);
        take(arg, values);
    }
    PQclear(result);
    return 0;
}

static int commit_transaction(struct sql_server *s, const char *sql, uint32_t work_s)
{
    struct pgsql *p = pgsql_of(s);
    PGresult *result;
    int err = pg_connection_run(p->connection, sql, work_s, &result);

    if (err < 0) {
        pgsql_failed(p, err);
        if (err != -EILSEQ)
            return err;
        /* Constraints that are checked at the end do not say which row is at fault. */
        pg_fault_change(&s->fault, PG_FAULT_TABLE_UNFIT);
        return -EINVAL;
    }
    bool is_committed = !strcmp(PQcmdStatus(result), "COMMIT");
    PQclear(result);
    if (is_committed)
        return 0;
    sql_server_set_fault(s, PG_FAULT_BUSY, "the server rolled the transaction back");
    return -EAGAIN;
}

static void append_literal(struct sql_server *s, struct text *out, const char *value)
{
    (void)s;
    pg_append_literal(out, value);
}

static void take_existence(void *arg, const char *const *values)
{
    *(bool *)arg = values[0] != NULL;
}

static int find_progress(struct sql_server *s, bool *ret_is_there)
{
    return ask_server(s, "SELECT to_regclass('" SQL_PROGRESS_TABLE "')", take_existence,
                      ret_is_there);
}

/* ---- transactions ---- */

static void begin_transaction(struct sql_server *s)
{
    struct pgsql *p = pgsql_of(s);

    if (p->is_way_open)
        sql_tables_forget(s->tables);
    p->is_way_open = false;
    p->active = NULL;
    p->failed_copy = false;
    p->left_out_count = 0;
}

static void note_commit(struct sql_server *s)
{
    struct pgsql *p = pgsql_of(s);

    p->rival_count -= p->rival_count > 0;
    if (!s->is_careful || s->careful_count > 0)
        return;
    p->context.avoids_copy = p->has_late_rows;
    p->is_way_open = true;
}

/* True if rows of equal key lie in the table already, where they can be added up. */
static bool is_late_row(const struct pgsql *p)
{
    return !strcmp(p->server.fault.sqlstate, UNIQUE_VIOLATION) && p->failed_copy &&
           !p->has_late_rows;
}

static bool take_failure(struct sql_server *s, int err)
{
    struct pgsql *p = pgsql_of(s);

    /* Two writers waited for rows of each other: rows are locked in order for a while. */
    if (!strcmp(s->fault.sqlstate, DEADLOCK))
        p->rival_count = RIVAL_TRANSACTIONS;
    if (err != -EILSEQ)
        return false;
    p->context.avoids_copy = true; /* a row of equal key must not look like a bad one */
    if (!is_late_row(p))
        return false;
    p->has_late_rows = true;
    s->host->log(s->host, PA_LOG_NOTICE,
                 "rows of equal key are in the table already: from now on they are added to, in "
                 "spite of sql_use_copy");
    return true;
}

/* An index of another kind than B-tree, a domain or a trigger has bounds that the catalogues do not
 * tell. */
static bool may_be_too_long(const struct sql_fault *fault)
{
    return !strcmp(fault->sqlstate, TOO_COMPLEX) || !strcmp(fault->sqlstate, TEXT_TOO_LONG);
}

/* ---- trials ---- */

/* A trial makes what is needed and rolls it back: a server knows best what it would refuse. A session
 * that is closed takes its transaction with it, so a failure needs no ROLLBACK. */
static int try_progress(struct sql_server *s)
{
    int err = execute(s, "BEGIN");

    if (err == 0)
        err = sql_server_prepare_progress(s);
    return err < 0 ? err : execute(s, "ROLLBACK");
}

static int try_table(struct sql_server *s, const char *table)
{
    int err = execute(s, "BEGIN");

    if (err == 0)
        err = pg_target_look(&pgsql_of(s)->context, table, &s->fault);
    return err < 0 ? err : execute(s, "ROLLBACK");
}

/* ---- */

static const struct sql_server_ops pgsql_ops = {
    .state_size = sizeof(struct pgsql),
    .faults = {.rows = pg_faults,
               .busy = PG_FAULT_BUSY,
               .misused = PG_FAULT_MISUSED,
               .right_missing = PG_FAULT_RIGHT_MISSING,
               .partition_missing = PG_FAULT_PARTITION_MISSING,
               .progress_missing = PG_FAULT_PROGRESS_MISSING,
               .progress_later = PG_FAULT_PROGRESS_LATER},
    .progress = {.options = "",
                 .keep = " ON CONFLICT DO NOTHING",
                 .owner = "the owner of the database",
                 .user_begin = "\"",
                 .user_end = "\""},
    .begin_sql = "BEGIN ISOLATION LEVEL READ COMMITTED",
    .connections = "pgsql_connections",
    .rows_shortened = "pgsql_rows_shortened",
    .dialect = choose_dialect,
    .prepare = prepare_connection,
    .clear = clear_state,
    .connect = connect_session,
    .is_connected = is_connected,
    .disconnect = disconnect,
    .execute = execute,
    .ask = ask_server,
    .commit = commit_transaction,
    .append_literal = append_literal,
    .find_progress = find_progress,
    .make_table = pgsql_make_table,
    .free_table = pg_target_free,
    .use_table = pgsql_use_table,
    .write_rows = pgsql_write_rows,
    .send_rows = pgsql_send_rows,
    .drop_rows = pgsql_drop_rows,
    .may_be_too_long = may_be_too_long,
    .begun = begin_transaction,
    .committed = note_commit,
    .failed = take_failure,
    .try_progress = try_progress,
    .try_table = try_table,
};

int pgsql_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size)
{
    return sql_server_check(&pgsql_ops, host, schema, error, error_size);
}

int pgsql_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                  size_t error_size)
{
    (void)error, (void)error_size; /* all is logged */
    return sql_server_try_out(&pgsql_ops, host, schema);
}

int pgsql_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    return sql_server_open(&pgsql_ops, host, schema, ret_state);
}
