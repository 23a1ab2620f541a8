/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The statements of pathacct_progress. See my_progress.h. */
#include "plugins/mysql/my_progress.h"

#include "base/clock.h"
#include "base/text.h"
#include "plugins/pathacct_plugin.h"
#include "plugins/sql/sql_statement.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATE_OPTIONS " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

/* Says which statements a person with the rights has to run. */
static void explain_rights(const struct my_progress *p, struct sql_fault *fault)
{
    char words[sizeof fault->text];

    snprintf(words, sizeof words,
             "no right to keep %s, by which no row is written twice; let an administrator run "
             "%s" CREATE_OPTIONS
             "; GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO '%s'@'%%'; or set "
             "sql_exactly_once: false",
             SQL_PROGRESS_TABLE, sql_progress_create, SQL_PROGRESS_TABLE, p->user);
    my_fault_set_own(fault, MY_FAULT_PROGRESS_MISSING, words);
}

static int progress_failed(const struct my_progress *p, int err, struct sql_fault *fault)
{
    *fault = *my_connection_fault(p->connection);
    if (fault->id == MY_FAULT_RIGHT_MISSING)
        explain_rights(p, fault);
    if (err != -EILSEQ)
        return err;
    my_fault_change(fault, MY_FAULT_BUSY); /* it is never the fault of a row */
    return -EAGAIN;
}

static int64_t now_s(void)
{
    return clock_wall().ns / NS_PER_S;
}

/* Looks whether the table is there, and whether what is written to it can be taken back. */
static int look_up(const struct my_progress *p, struct sql_fault *fault, bool *ret_is_there)
{
    MYSQL_RES *rows;
    MYSQL_ROW row;
    int err = my_connection_ask(p->connection,
                                "SELECT engine FROM information_schema.tables WHERE table_schema = "
                                "DATABASE() AND table_name = '" SQL_PROGRESS_TABLE "'",
                                &rows);

    if (err < 0)
        return progress_failed(p, err, fault);
    row = mysql_fetch_row(rows);
    *ret_is_there = row != NULL;
    if (row && (!row[0] || strcmp(row[0], "InnoDB") != 0)) {
        my_fault_set_own(fault, MY_FAULT_ENGINE_UNFIT,
                         SQL_PROGRESS_TABLE
                         " has no transactions; run ALTER TABLE " SQL_PROGRESS_TABLE
                         " ENGINE=InnoDB");
        err = -EINVAL;
    }
    mysql_free_result(rows);
    return err;
}

static int check_version(const struct my_progress *p, bool is_trial, struct sql_fault *fault)
{
    char words[sizeof fault->text];
    MYSQL_RES *rows;
    int err = my_connection_ask(p->connection, sql_progress_ask_version, &rows);

    if (err < 0)
        return progress_failed(p, err, fault);
    MYSQL_ROW row = mysql_fetch_row(rows);
    bool has_version = row && row[0];
    long long version = has_version ? strtoll(row[0], NULL, 10) : 0;
    mysql_free_result(rows);
    if (version > SQL_PROGRESS_VERSION) {
        snprintf(words, sizeof words, SQL_PROGRESS_LATER, version, SQL_PROGRESS_VERSION);
        my_fault_set_own(fault, MY_FAULT_PROGRESS_LATER, words);
        return -EINVAL;
    }
    if (has_version || is_trial)
        return 0;
    snprintf(words, sizeof words,
             "INSERT IGNORE INTO " SQL_PROGRESS_TABLE " (core_id, instance, worker, seq, updated)"
             " VALUES ('" SQL_PROGRESS_VERSION_ROW "', '', 0, %d, 9223372036854775807)",
             SQL_PROGRESS_VERSION);
    err = my_connection_ask(p->connection, words, NULL);
    return err < 0 ? progress_failed(p, err, fault) : 0;
}

int my_progress_prepare(const struct my_progress *p, bool is_trial, struct sql_fault *fault)
{
    struct text sql = {0};
    bool is_there = false;
    int err = look_up(p, fault, &is_there);

    if (err < 0)
        return err;
    /* To prepare a statement asks for the rights that running it needs. */
    if (is_trial)
        text_append_string(&sql, "PREPARE pathacct_trial FROM '");
    if (!is_there)
        text_append_printf(&sql, "%s%s", sql_progress_create, CREATE_OPTIONS);
    else if (is_trial)
        text_append_string(&sql, "UPDATE " SQL_PROGRESS_TABLE " SET seq = seq WHERE worker = -1");
    if (is_trial)
        text_append_string(&sql, "'");
    if (sql.len > 0)
        err = my_connection_ask(p->connection, text_cstr(&sql), NULL);
    if (err < 0)
        err = progress_failed(p, err, fault);
    if (err == 0 && (is_there || !is_trial))
        err = check_version(p, is_trial, fault);
    text_reset(&sql);
    text_append_printf(&sql, "DELETE FROM " SQL_PROGRESS_TABLE " WHERE updated < %" PRId64,
                       now_s() - SQL_PROGRESS_KEEP_S);
    /* Without the right to delete the table only grows, by a row for each start. */
    if (err == 0 && !is_trial && my_connection_ask(p->connection, text_cstr(&sql), NULL) < 0 &&
        !my_connection_is_open(p->connection))
        err = progress_failed(p, -EAGAIN, fault);
    text_clear(&sql);
    return err;
}

static void append_key(const struct my_progress *p, const struct pa_source *source,
                       struct text *out)
{
    char core_id[SQL_CORE_ID_LEN + 1];

    sql_core_id_format(core_id, source->core_id);
    text_append_printf(out, "('%s', ", core_id);
    my_append_literal(p->connection, out, p->instance, strlen(p->instance));
    text_append_printf(out, ", %" PRIu32, source->worker);
}

static void append_lock(const struct my_progress *p, const struct pa_transaction *transaction,
                        struct text *out)
{
    text_append_string(out, "INSERT INTO " SQL_PROGRESS_TABLE
                            " (core_id, instance, worker, seq, updated) VALUES ");
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        text_append_string(out, i ? ", " : "");
        append_key(p, &transaction->sources[i], out);
        text_append_printf(out, ", 0, %" PRId64 ")", now_s());
    }
    text_append_string(out, " ON DUPLICATE KEY UPDATE seq = seq; SELECT worker, seq "
                            "FROM " SQL_PROGRESS_TABLE " WHERE (core_id, instance, worker) IN (");
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        text_append_string(out, i ? ", " : "");
        append_key(p, &transaction->sources[i], out);
        text_append_string(out, ")");
    }
    text_append_string(out, ") FOR UPDATE");
}

static uint64_t find_seq(const void *arg, uint32_t worker)
{
    MYSQL_RES *rows = (MYSQL_RES *)(uintptr_t)arg;
    MYSQL_ROW row;

    mysql_data_seek(rows, 0);
    while ((row = mysql_fetch_row(rows)))
        if (row[0] && row[1] && strtoul(row[0], NULL, 10) == worker)
            return strtoull(row[1], NULL, 10);
    return 0;
}

int my_progress_lock(const struct my_progress *p, const struct pa_transaction *transaction,
                     struct sql_fault *fault)
{
    struct text sql = {0};
    MYSQL_RES *rows;
    int err;

    append_lock(p, transaction, &sql);
    err = my_connection_ask(p->connection, text_cstr(&sql), &rows);
    text_clear(&sql);
    if (err < 0)
        return progress_failed(p, err, fault);
    err = sql_progress_judge(transaction, find_seq, rows);
    mysql_free_result(rows);
    if (err < 0)
        my_fault_set_own(fault, MY_FAULT_MISUSED, sql_progress_parted);
    return err;
}

void my_progress_append_update(const struct my_progress *p,
                               const struct pa_transaction *transaction, struct text *out)
{
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        const struct pa_source *source = &transaction->sources[i];
        text_append_printf(out,
                           "UPDATE " SQL_PROGRESS_TABLE " SET seq = %" PRIu64 ", updated = %" PRId64
                           " WHERE (core_id, instance, worker) = ",
                           source->last_seq, now_s());
        append_key(p, source, out);
        text_append_string(out, "); ");
    }
}
