/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The statements of pathacct_progress. See pg_progress.h. */
#include "plugins/pgsql/pg_progress.h"

#include "base/clock.h"
#include "base/text.h"
#include "plugins/pathacct_plugin.h"
#include "plugins/sql/sql_statement.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_RIGHT "42501"

/* Says which statements a person with the rights has to run. */
static void explain_rights(const struct pg_progress *p, struct sql_fault *fault)
{
    char words[sizeof fault->text];

    snprintf(words, sizeof words,
             "no right to keep %s, by which no row is written twice; let the owner of the database "
             "run %s; GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO \"%s\"; or set "
             "sql_exactly_once: false",
             SQL_PROGRESS_TABLE, sql_progress_create, SQL_PROGRESS_TABLE, p->user);
    pg_fault_set_own(fault, PG_FAULT_PROGRESS_MISSING, words);
}

static int progress_failed(const struct pg_progress *p, int err, struct sql_fault *fault)
{
    *fault = *pg_connection_fault(p->connection);
    if (!strcmp(fault->sqlstate, NO_RIGHT))
        explain_rights(p, fault);
    if (err != -EILSEQ)
        return err;
    pg_fault_change(fault, PG_FAULT_BUSY); /* it is never the fault of a row */
    return -EAGAIN;
}

static int64_t now_s(void)
{
    return clock_wall().ns / NS_PER_S;
}

static int check_version(const struct pg_progress *p, struct sql_fault *fault)
{
    char words[sizeof fault->text];
    PGresult *result;
    int err = pg_connection_run(p->connection, sql_progress_ask_version, 0, &result);

    if (err < 0)
        return progress_failed(p, err, fault);
    bool has_version = PQntuples(result) > 0;
    long long version = has_version ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    if (version > SQL_PROGRESS_VERSION) {
        snprintf(words, sizeof words, SQL_PROGRESS_LATER, version, SQL_PROGRESS_VERSION);
        pg_fault_set_own(fault, PG_FAULT_PROGRESS_LATER, words);
        return -EINVAL;
    }
    err = has_version ? 0 : pg_connection_run(p->connection, sql_progress_note_version, 0, NULL);
    return err < 0 ? progress_failed(p, err, fault) : 0;
}

int pg_progress_prepare(const struct pg_progress *p, struct sql_fault *fault)
{
    struct text sql = {0};
    PGresult *result;
    int err = pg_connection_run(p->connection,
                                "SELECT to_regclass('" SQL_PROGRESS_TABLE "') IS NULL", 0, &result);

    if (err < 0)
        return progress_failed(p, err, fault);
    bool is_missing = *PQgetvalue(result, 0, 0) == 't';
    PQclear(result);
    if (is_missing) {
        err = pg_connection_run(p->connection, sql_progress_create, 0, NULL);
        /* If two make the table at once, one finds the name taken, and then the table is there. */
        if (err == -EILSEQ)
            return 0;
        return err < 0 ? progress_failed(p, err, fault) : check_version(p, fault);
    }
    err = check_version(p, fault);
    if (err < 0)
        return err;
    text_append_printf(&sql, "DELETE FROM " SQL_PROGRESS_TABLE " WHERE updated < %" PRId64,
                       now_s() - SQL_PROGRESS_KEEP_S);
    err = pg_connection_run(p->connection, text_cstr(&sql), 0, NULL);
    text_clear(&sql);
    /* Without the right to delete the table only grows, by a row for each start. */
    return err == -EAGAIN && !pg_connection_is_open(p->connection) ? progress_failed(p, err, fault)
                                                                   : 0;
}

static void append_key(const struct pg_progress *p, const struct pa_source *source,
                       struct text *out)
{
    char core_id[SQL_CORE_ID_LEN + 1];

    sql_core_id_format(core_id, source->core_id);
    text_append_printf(out, "'%s', ", core_id);
    pg_append_literal(out, p->instance);
    text_append_printf(out, ", %" PRIu32, source->worker);
}

static void append_lock(const struct pg_progress *p, const struct pa_transaction *transaction,
                        struct text *out)
{
    text_append_string(out, "INSERT INTO " SQL_PROGRESS_TABLE
                            " AS p (core_id, instance, worker, seq, updated)");
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        text_append_string(out, i ? ", (" : " VALUES (");
        append_key(p, &transaction->sources[i], out);
        text_append_printf(out, ", 0, %" PRId64 ")", now_s());
    }
    text_append_string(out, " ON CONFLICT (core_id, instance, worker) DO UPDATE SET seq = p.seq"
                            " RETURNING worker, seq");
}

static uint64_t find_seq(const void *arg, uint32_t worker)
{
    const PGresult *result = arg;

    for (int i = 0; i < PQntuples(result); i++)
        if (strtoul(PQgetvalue(result, i, 0), NULL, 10) == worker)
            return strtoull(PQgetvalue(result, i, 1), NULL, 10);
    return 0;
}

int pg_progress_lock(const struct pg_progress *p, const struct pa_transaction *transaction,
                     struct sql_fault *fault)
{
    struct text sql = {0};
    PGresult *result;
    int err;

    append_lock(p, transaction, &sql);
    err = pg_connection_run(p->connection, text_cstr(&sql), 0, &result);
    text_clear(&sql);
    if (err < 0)
        return progress_failed(p, err, fault);
    err = sql_progress_judge(transaction, find_seq, result);
    PQclear(result);
    if (err < 0)
        pg_fault_set_own(fault, PG_FAULT_MISUSED, sql_progress_parted);
    return err;
}

void pg_progress_append_update(const struct pg_progress *p,
                               const struct pa_transaction *transaction, struct text *out)
{
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        const struct pa_source *source = &transaction->sources[i];
        text_append_printf(out,
                           "UPDATE " SQL_PROGRESS_TABLE " SET seq = %" PRIu64 ", updated = %" PRId64
                           " WHERE (core_id, instance, worker) = (",
                           source->last_seq, now_s());
        append_key(p, source, out);
        text_append_string(out, "); ");
    }
}
