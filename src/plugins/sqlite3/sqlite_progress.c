/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and moves the rows of pathacct_progress. See sqlite_progress.h. */
#include "plugins/sqlite3/sqlite_progress.h"
#include "base/clock.h"
#include "plugins/sql/sql_statement.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check_version(struct sqlite_database *db)
{
    sqlite3_stmt *ask = NULL;
    int err = sqlite_database_prepare(db, sql_progress_ask_version, &ask);

    if (err < 0)
        return err;
    int code = sqlite3_step(ask);
    sqlite3_int64 version = code == SQLITE_ROW ? sqlite3_column_int64(ask, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        err = sqlite_database_failed(db, code);
    sqlite3_finalize(ask);
    if (version > SQL_PROGRESS_VERSION)
        return sqlite_database_fault(db, FAULT_PROGRESS_LATER, SQL_PROGRESS_LATER,
                                     (long long)version, SQL_PROGRESS_VERSION);
    if (err < 0 || code == SQLITE_ROW)
        return err;
    char insert[256];
    snprintf(insert, sizeof insert, "%s ON CONFLICT DO NOTHING", sql_progress_insert_version);
    return sqlite_database_run(db, insert);
}

int sqlite_progress_init(struct sqlite_progress *progress, struct sqlite_database *db,
                         const char *instance)
{
    sqlite3_stmt *forget = NULL;
    int err, code;

    *progress = (struct sqlite_progress){.db = db, .instance = instance};
    err = sqlite_database_run(db, sql_progress_create);
    if (err == 0)
        err = check_version(db);
    if (err == 0)
        err = sqlite_database_prepare(
            db, "DELETE FROM " SQL_PROGRESS_TABLE " WHERE instance = ?1 AND updated < ?2", &forget);
    if (err < 0)
        return err;
    sqlite3_bind_text(forget, 1, instance, -1, SQLITE_STATIC);
    sqlite3_bind_int64(forget, 2, clock_wall().ns / NS_PER_S - SQL_PROGRESS_KEEP_S);
    code = sqlite3_step(forget);
    if (code != SQLITE_DONE)
        err = sqlite_database_failed(db, code);
    sqlite3_finalize(forget);
    if (err == 0)
        err = sqlite_database_prepare(db,
                                      "SELECT seq FROM " SQL_PROGRESS_TABLE
                                      " WHERE core_id = ?1 AND instance = ?2 AND worker = ?3",
                                      &progress->find);
    if (err == 0)
        err = sqlite_database_prepare(
            db,
            "INSERT INTO " SQL_PROGRESS_TABLE " (core_id, instance, worker, seq, updated)"
            " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (core_id, instance, worker)"
            " DO UPDATE SET seq = excluded.seq, updated = excluded.updated",
            &progress->move);
    if (err < 0)
        sqlite_progress_clear(progress);
    return err;
}

void sqlite_progress_clear(struct sqlite_progress *progress)
{
    sqlite3_finalize(progress->find);
    sqlite3_finalize(progress->move);
    progress->find = progress->move = NULL;
}

static void bind_identity(sqlite3_stmt *stmt, const char *instance, const struct pa_source *source)
{
    char core_id[SQL_CORE_ID_LEN + 1];

    sql_core_id_format(core_id, source->core_id);
    sqlite3_bind_text(stmt, 1, core_id, SQL_CORE_ID_LEN, SQLITE_TRANSIENT);
    sqlite3_bind_text(stmt, 2, instance, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, source->worker);
}

static int find_seq(struct sqlite_progress *progress, const struct pa_source *source,
                    uint64_t *ret_seq)
{
    int code;

    bind_identity(progress->find, progress->instance, source);
    code = sqlite3_step(progress->find);
    *ret_seq = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(progress->find, 0) : 0;
    sqlite3_reset(progress->find);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return sqlite_database_failed(progress->db, code);
    return 0;
}

int sqlite_progress_has(struct sqlite_progress *progress, const struct pa_transaction *transaction)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < transaction->source_count; i++) {
        const struct pa_source *source = &transaction->sources[i];
        uint64_t seq;
        int err = find_seq(progress, source, &seq);
        if (err < 0)
            return err;
        done += seq >= source->last_seq;
        /* Cannot be: transactions were committed whole, and come back as they were or in smaller
         * ones. */
        if ((seq < source->last_seq && seq >= source->first_seq) || (done > 0 && done != i + 1))
            return sqlite_database_fault(progress->db, FAULT_INPUT_OUTPUT,
                                         "%s has %" PRIu64 " for worker %u: a part of hand-overs "
                                         "%" PRIu64 " to %" PRIu64 "; was it changed by hand?",
                                         SQL_PROGRESS_TABLE, seq, source->worker, source->first_seq,
                                         source->last_seq);
    }
    return done > 0;
}

int sqlite_progress_move(struct sqlite_progress *progress, const struct pa_transaction *transaction)
{
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        const struct pa_source *source = &transaction->sources[i];
        int code;
        bind_identity(progress->move, progress->instance, source);
        sqlite3_bind_int64(progress->move, 4, (sqlite3_int64)source->last_seq);
        sqlite3_bind_int64(progress->move, 5, clock_wall().ns / NS_PER_S);
        code = sqlite3_step(progress->move);
        sqlite3_reset(progress->move);
        if (code != SQLITE_DONE)
            return sqlite_database_failed(progress->db, code);
    }
    return 0;
}
