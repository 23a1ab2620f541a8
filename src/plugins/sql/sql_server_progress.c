/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The statements of pathacct_progress. See sql_server.h. */
#include "base/clock.h"
#include "base/memory.h"
#include "plugins/sql/sql_server.h"
#include "plugins/sql/sql_statement.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Says which statements a person with the rights has to run. */
static void explain_rights(struct sql_server *s)
{
    const struct sql_server_progress *p = &s->ops->progress;
    char words[sizeof s->fault.text];

    snprintf(words, sizeof words,
             "no right to keep " SQL_PROGRESS_TABLE ", by which no row is written twice; let %s "
             "run %s%s; GRANT SELECT, INSERT, UPDATE, DELETE ON " SQL_PROGRESS_TABLE
             " TO %s%s%s; or set sql_exactly_once: false",
             p->owner, sql_progress_create, p->options, p->user_begin, s->settings.user,
             p->user_end);
    sql_server_set_fault(s, s->ops->faults.progress_missing, words);
}

int sql_server_progress_failed(struct sql_server *s, int err)
{
    const struct sql_server_faults *faults = &s->ops->faults;

    if (s->fault.id == faults->right_missing)
        explain_rights(s);
    if (err != -EILSEQ)
        return err;
    sql_fault_change(&s->fault, &faults->rows[faults->busy], faults->busy);
    return -EAGAIN;
}

static int64_t now_s(void)
{
    return clock_wall().ns / NS_PER_S;
}

/* ---- the table ---- */

static void take_version(void *arg, const char *const *values)
{
    *(long long *)arg = values[0] ? strtoll(values[0], NULL, 10) : 0;
}

int sql_server_check_progress(struct sql_server *s, bool notes)
{
    long long version = -1;
    char words[sizeof s->fault.text];
    int err = s->ops->ask(s, sql_progress_ask_version, take_version, &version);

    if (err < 0)
        return sql_server_progress_failed(s, err);
    if (version > SQL_PROGRESS_VERSION) {
        snprintf(words, sizeof words, SQL_PROGRESS_LATER, version, SQL_PROGRESS_VERSION);
        sql_server_set_fault(s, s->ops->faults.progress_later, words);
        return -EINVAL;
    }
    if (version >= 0 || !notes)
        return 0;
    snprintf(words, sizeof words, "%s%s", sql_progress_insert_version, s->ops->progress.keep);
    err = s->ops->execute(s, words);
    return err < 0 ? sql_server_progress_failed(s, err) : 0;
}

static int make_progress(struct sql_server *s)
{
    struct text sql = {0};

    text_append_printf(&sql, "%s%s", sql_progress_create, s->ops->progress.options);
    int err = s->ops->execute(s, text_cstr(&sql));
    text_clear(&sql);
    return err;
}

int sql_server_prepare_progress(struct sql_server *s)
{
    char sql[128];
    bool is_there = false;
    int err = s->ops->find_progress(s, &is_there);

    if (err == 0 && !is_there) {
        err = make_progress(s);
        /* If two make the table at once, one finds the name taken, and then the table is there. */
        if (err == -EILSEQ)
            return 0;
    }
    if (err < 0)
        return sql_server_progress_failed(s, err);
    err = sql_server_check_progress(s, true);
    if (err < 0)
        return err;
    snprintf(sql, sizeof sql, "DELETE FROM " SQL_PROGRESS_TABLE " WHERE updated < %" PRId64,
             now_s() - SQL_PROGRESS_KEEP_S);
    /* Without the right to delete the table only grows, by a row for each start. */
    if (s->ops->execute(s, sql) < 0 && !s->ops->is_connected(s))
        return sql_server_progress_failed(s, -EAGAIN);
    return 0;
}

/* ---- its rows ---- */

static void append_key(struct sql_server *s, const struct pa_source *source, struct text *out)
{
    char core_id[SQL_CORE_ID_LEN + 1];

    sql_core_id_format(core_id, source->core_id);
    text_append_printf(out, "('%s', ", core_id);
    s->ops->append_literal(s, out, s->host->instance_name);
    text_append_printf(out, ", %" PRIu32, source->worker);
}

static void append_lock(struct sql_server *s, const struct pa_transaction *transaction,
                        struct text *out)
{
    text_append_string(out, "INSERT INTO " SQL_PROGRESS_TABLE
                            " (core_id, instance, worker, seq, updated) VALUES ");
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        text_append_string(out, i ? ", " : "");
        append_key(s, &transaction->sources[i], out);
        text_append_printf(out, ", 0, %" PRId64 ")", now_s());
    }
    text_append_printf(out,
                       "%s; SELECT worker, seq FROM " SQL_PROGRESS_TABLE
                       " WHERE (core_id, instance, worker) IN (",
                       s->ops->progress.keep);
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        text_append_string(out, i ? ", " : "");
        append_key(s, &transaction->sources[i], out);
        text_append_string(out, ")");
    }
    text_append_string(out, ") FOR UPDATE");
}

/* Up to which hand-over the database has the rows of each worker. */
struct seqs_found {
    uint32_t count, capacity;
    struct {
        uint32_t worker;
        uint64_t seq;
    } items[];
};

static void take_seq(void *arg, const char *const *values)
{
    struct seqs_found *found = arg;

    if (!values[0] || !values[1] || found->count == found->capacity)
        return;
    found->items[found->count].worker = (uint32_t)strtoul(values[0], NULL, 10);
    found->items[found->count++].seq = strtoull(values[1], NULL, 10);
}

static uint64_t find_seq(const void *arg, uint32_t worker)
{
    const struct seqs_found *found = arg;

    for (uint32_t i = 0; i < found->count; i++)
        if (found->items[i].worker == worker)
            return found->items[i].seq;
    return 0;
}

int sql_server_lock_progress(struct sql_server *s, const struct pa_transaction *transaction)
{
    uint32_t capacity = transaction->source_count;
    struct seqs_found *found = mem_zalloc(sizeof *found + capacity * sizeof found->items[0]);
    struct text sql = {0};

    found->capacity = capacity;
    append_lock(s, transaction, &sql);
    int err = s->ops->ask(s, text_cstr(&sql), take_seq, found);
    text_clear(&sql);
    if (err < 0) {
        err = sql_server_progress_failed(s, err);
    } else {
        err = sql_progress_judge(transaction, find_seq, found);
        if (err < 0)
            sql_server_set_fault(s, s->ops->faults.misused, sql_progress_parted);
    }
    mem_free(found);
    return err;
}

void sql_server_append_progress(struct sql_server *s, const struct pa_transaction *transaction,
                                struct text *out)
{
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        const struct pa_source *source = &transaction->sources[i];
        text_append_printf(out,
                           "UPDATE " SQL_PROGRESS_TABLE " SET seq = %" PRIu64 ", updated = %" PRId64
                           " WHERE (core_id, instance, worker) = ",
                           source->last_seq, now_s());
        append_key(s, source, out);
        text_append_string(out, "); ");
    }
}
