/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transactions from their begin to COMMIT, and what follows from a failure. See sql_server.h. */
#include "plugins/sql/sql_server.h"
#include "base/clock.h"
#include "base/memory.h"
#include <errno.h>

#define CAREFUL_TRANSACTIONS 10

/* ---- settings ---- */

static int read_settings(const struct sql_server_ops *ops, const struct pa_host *host,
                         const struct pa_schema *schema, char *error, size_t error_size,
                         struct sql_settings *ret_settings)
{
    return sql_settings_read(host, schema, ops->dialect(host), error, error_size, ret_settings);
}

int sql_server_check(const struct sql_server_ops *ops, const struct pa_host *host,
                     const struct pa_schema *schema, char *error, size_t error_size)
{
    struct sql_settings settings;
    struct sql_columns columns;
    int err = read_settings(ops, host, schema, error, error_size, &settings);

    if (err < 0)
        return err;
    sql_settings_tell(host, settings.dialect);
    err = sql_columns_init(&columns, &settings, schema, error, error_size);
    if (err == 0)
        sql_columns_clear(&columns);
    sql_settings_clear(&settings);
    return err;
}

int sql_server_open(const struct sql_server_ops *ops, const struct pa_host *host,
                    const struct pa_schema *schema, void **ret_state)
{
    struct sql_server *s = mem_zalloc(ops->state_size);
    char error[512] = "";
    int err = read_settings(ops, host, schema, error, sizeof error, &s->settings);

    s->ops = ops;
    s->host = host;
    s->schema = schema;
    if (err == 0) {
        err = sql_columns_init(&s->columns, &s->settings, schema, error, sizeof error);
        if (err < 0)
            sql_settings_clear(&s->settings);
    }
    if (err < 0) {
        host->log(host, PA_LOG_ERROR, "%s cannot start: %s", host->plugin_name, error);
        mem_free(s);
        return err;
    }
    s->answer_timeout_s = sql_answer_timeout_s(host);
    s->program = mem_printf("%s/%s", host->daemon_name, host->instance_name);
    s->tables = sql_tables_new(host, &s->settings, schema, ops->free_table);
    sql_purge_init(&s->purge, host, &s->settings, schema);
    ops->prepare(s);
    *ret_state = s;
    return 0;
}

void sql_server_close(void *state)
{
    struct sql_server *s = state;

    if (!s)
        return;
    sql_purge_clear(&s->purge);
    sql_tables_free(s->tables);
    s->ops->clear(s);
    sql_columns_clear(&s->columns);
    sql_settings_clear(&s->settings);
    mem_free(s->program);
    mem_free(s);
}

/* ---- failures ---- */

void sql_server_set_fault(struct sql_server *s, int id, const char *words)
{
    sql_fault_set(&s->fault, &s->ops->faults.rows[id], id, words);
}

/* Returns the error that makes the host try again, for ever. */
static int transaction_failed(struct sql_server *s, int err, const char *doing)
{
    bool is_known = s->ops->failed && s->ops->failed(s, err);

    if (err != -EILSEQ) {
        sql_fault_tell(&s->logged, s->host, &s->fault, doing);
    } else if (!is_known) {
        s->careful_count = CAREFUL_TRANSACTIONS;
        s->host->log(s->host, PA_LOG_NOTICE,
                     "the server refuses a row: the transaction is written again in pieces, so "
                     "that all the others get in (%s)",
                     s->fault.text);
    }
    s->host->count(s->host, s->fault.counter, 1);
    return -EAGAIN;
}

/* ---- transactions ---- */

static int connect_server(struct sql_server *s)
{
    sql_tables_forget(s->tables);
    int err = s->ops->connect(s);
    if (err < 0)
        return err;
    s->host->count(s->host, s->ops->connections, 1);
    return s->settings.is_exactly_once ? sql_server_prepare_progress(s) : 0;
}

/* A session that has slept may have lost its server meanwhile, which is no failure yet: another
 * is opened. If it took long to find that out, the server hangs, and that is one. */
static int start_transaction(struct sql_server *s)
{
    int64_t begun_ns = clock_mono().ns;
    int err;

    if (s->ops->is_connected(s)) {
        err = s->ops->execute(s, s->ops->begin_sql);
        if (err == 0 || clock_mono().ns - begun_ns > s->answer_timeout_s * NS_PER_S / 2)
            return err;
    }
    err = connect_server(s);
    return err < 0 ? err : s->ops->execute(s, s->ops->begin_sql);
}

int sql_server_begin(void *state, const struct pa_transaction *transaction)
{
    struct sql_server *s = state;

    sql_purge_begin(&s->purge, transaction);
    sql_columns_set_written(&s->columns, transaction->time_ns);
    if (s->ops->begun)
        s->ops->begun(s);
    sql_tables_begin(s->tables, transaction->time_ns);
    s->time_ns = transaction->time_ns;
    s->is_careful = s->careful_count > 0;
    s->rejected_count = 0;
    s->shortened_count = 0;
    s->waiting_len = 0;
    s->has_begun = transaction->row_count > 0; /* an empty transaction cannot be done twice */
    if (!s->has_begun)
        return 0;
    int err = start_transaction(s);
    if (err == 0 && s->settings.is_exactly_once)
        err = sql_server_lock_progress(s, transaction);
    if (err < 0)
        return transaction_failed(s, err, "start a transaction");
    if (err == 0)
        return 0;
    s->has_begun = false;
    if (s->ops->execute(s, "ROLLBACK") < 0)
        s->ops->disconnect(s); /* the answer stands all the same */
    return PA_DONE_ALREADY;
}

static int write_passed(struct sql_server *s, const struct pa_batch *rows)
{
    return s->is_careful ? sql_server_write_carefully(s, rows) : s->ops->write_rows(s, rows, true);
}

int sql_server_write(void *state, const struct pa_batch *batch)
{
    struct sql_server *s = state;
    struct pa_batch passed = sql_purge_filter(&s->purge, batch);
    int err = write_passed(s, &passed);

    return err < 0 ? transaction_failed(s, err, "write") : 0;
}

static int end_transaction(struct sql_server *s, const struct pa_transaction *transaction)
{
    struct text sql = {0};

    if (s->settings.is_exactly_once)
        sql_server_append_progress(s, transaction, &sql);
    text_append_string(&sql, "COMMIT");
    int err = s->ops->commit(s, text_cstr(&sql), sql_work_s(transaction->row_count));
    text_clear(&sql);
    return err;
}

/* Writes carefully for some more transactions: where one row was refused the next ones may be
 * soon. */
static void count_down_care(struct sql_server *s)
{
    if (s->careful_count > 0)
        s->careful_count = s->rejected_count > 0 ? CAREFUL_TRANSACTIONS : s->careful_count - 1;
}

int sql_server_commit(void *state, const struct pa_transaction *transaction)
{
    struct sql_server *s = state;

    if (s->has_begun) {
        const struct pa_batch rest = sql_purge_rest(&s->purge);
        int err = write_passed(s, &rest);
        if (err == 0)
            err = s->ops->send_rows(s);
        if (err < 0)
            return transaction_failed(s, err, "write");
        err = end_transaction(s, transaction);
        if (err < 0)
            return transaction_failed(s, err, "commit");
        count_down_care(s);
        if (s->ops->committed)
            s->ops->committed(s);
        if (s->shortened_count > 0)
            s->host->count(s->host, s->ops->rows_shortened, s->shortened_count);
        s->logged.text[0] = 0;
    }
    s->has_begun = false;
    sql_purge_end(&s->purge, transaction, sql_tables_last_name(s->tables));
    return 0;
}

void sql_server_abort(void *state)
{
    struct sql_server *s = state;

    s->has_begun = false;
    sql_tables_forget(s->tables);
    s->ops->disconnect(s);
}

/* ---- trials ---- */

static int try_server(struct sql_server *s)
{
    struct text name = {0};
    int err = s->ops->connect(s);

    if (err == 0 && s->settings.is_exactly_once)
        err = s->ops->try_progress(s);
    if (err == 0 && sql_tables_name_now(&s->settings, &name))
        err = s->ops->try_table(s, text_cstr(&name));
    text_clear(&name);
    if (err < 0)
        s->host->log(s->host, PA_LOG_ERROR, "%s", s->fault.text);
    return err;
}

int sql_server_try_out(const struct sql_server_ops *ops, const struct pa_host *host,
                       const struct pa_schema *schema)
{
    void *state = NULL;
    int err = sql_server_open(ops, host, schema, &state);

    if (err == 0) {
        const struct sql_server *s = state;
        err = try_server(state);
        if (trigger_try_out(host, "sql_trigger_exec", s->settings.trigger_exec) < 0)
            err = -EINVAL;
    }
    sql_server_close(state);
    return err;
}
