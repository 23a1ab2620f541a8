/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Brings rows from a batch into the tables: encodes, copies and merges them. See pgsql_state.h. */
#include "plugins/pgsql/pgsql_state.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_LEN             (256u << 10) /* sent at once */
#define UNIQUE_VIOLATION      "23505"
#define CARDINALITY_VIOLATION "21000"
#define WAITING_MAX           ((size_t)16 << 20) /* over all tables, should they be many */

/* ---- COPY ---- */

static int end_copy(struct pgsql *p)
{
    struct pg_target *t = p->active;
    struct text end = {0};
    int err;

    if (!t)
        return 0;
    p->active = NULL;
    pg_encoder_append_end(&end);
    err = pg_connection_copy_data(p->connection, end.data, end.len);
    text_clear(&end);
    if (err == 0)
        err = pg_connection_copy_end(p->connection, sql_work_s(t->row_count));
    if (err < 0) {
        p->failed_copy = t->way == PG_WAY_COPY && t->table.conflict_columns;
        return pgsql_failed(p, err);
    }
    return 0;
}

static int send_waiting(struct pgsql *p, struct pg_target *t)
{
    int err = 0;

    if (t->waiting.len == 0)
        return 0;
    if (p->active != t) {
        struct text start = {0};
        err = end_copy(p);
        if (err < 0)
            return err;
        err = pg_connection_copy_begin(p->connection, t->copy_sql);
        pg_encoder_append_start(&start);
        if (err == 0)
            err = pg_connection_copy_data(p->connection, start.data, start.len);
        text_clear(&start);
    }
    if (err == 0)
        err = pg_connection_copy_data(p->connection, t->waiting.data, t->waiting.len);
    if (err < 0) {
        p->active = NULL;
        return pgsql_failed(p, err);
    }
    p->active = t;
    t->has_sent = true;
    p->server.waiting_len -= t->waiting.len;
    text_reset(&t->waiting);
    return 0;
}

static int send_table(void *arg, struct sql_table *table)
{
    return table->own ? send_waiting(arg, table->own) : 0;
}

/* ---- tables ---- */

int pgsql_make_table(struct sql_server *s, const char *table, const char *schema_text,
                     void **ret_own)
{
    struct pgsql *p = pgsql_of(s);
    struct pg_target *target = NULL;
    int err = end_copy(p);

    if (err == 0)
        err =
            pg_target_new(&p->context, table, schema_text, p->target_number++, &s->fault, &target);
    *ret_own = target;
    return err;
}

/* The keys of pieces are in no common order, so tables are locked against other writers then. */
int pgsql_use_table(struct sql_server *s, void *own, bool is_first)
{
    struct pg_target *t = own;

    if (is_first) {
        t->row_count = t->unmerged_count = 0;
        t->is_locked = t->has_sent = false;
    }
    t->row_count++;
    if (!s->is_careful || t->is_locked || (t->way != PG_WAY_UPSERT && t->way != PG_WAY_MATCH))
        return 0;
    int err = s->ops->execute(s, t->lock_sql);
    t->is_locked = err == 0;
    return err;
}

static void reject_number(struct pgsql *p, const struct pg_target *t, const uint8_t *row,
                          uint32_t index)
{
    const char *name = p->server.columns.items[index].name;
    char why[200];

    snprintf(why, sizeof why, "its %s is too large for type %s of table %.100s", name,
             pg_table_find(&t->table, name)->type_name, t->name);
    sql_server_reject(&p->server, row, why);
}

/* Tells the first time, since it goes on for as long as the world has such texts. */
static void tell_shortened(struct pgsql *p, struct pg_target *t, uint32_t index)
{
    const char *name = p->server.columns.items[index].name;
    const struct pg_table_column *c = pg_table_find(&t->table, name);

    if (t->has_told_long)
        return;
    t->has_told_long = true;
    if (c->char_max > 0)
        p->server.host->log(
            p->server.host, PA_LOG_WARNING,
            "texts that do not fit column %s of table %s (%s) are kept as their beginning "
            "and a hash of the whole; ALTER TABLE %s ALTER COLUMN \"%s\" TYPE text keeps "
            "all of them",
            name, t->name, c->type_name, t->name, name);
    else
        p->server.host->log(
            p->server.host, PA_LOG_WARNING,
            "texts that do not fit an index of table %s with column %s are kept as their "
            "beginning and a hash of the whole; an index that has the hash alone keeps "
            "all of them: see pathacct-pgsql(7)",
            t->name, name);
}

/* Adds a row to a list. */
static void add_row(const uint8_t ***rows, uint64_t count, uint64_t *capacity, const uint8_t *row)
{
    if (count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 1024;
        *rows = mem_realloc_array(*rows, *capacity, sizeof **rows);
    }
    (*rows)[count] = row;
}

int pgsql_write_rows(struct sql_server *s, const struct pa_batch *batch, bool counts)
{
    struct pgsql *p = pgsql_of(s);

    for (uint32_t i = 0; i < batch->row_count; i++) {
        const uint8_t *row = batch->rows + (size_t)i * s->schema->row_size;
        void *own;
        uint32_t index;
        int err = sql_server_find_table(s, batch, row, counts, &own);
        if (err < 0)
            return err;
        if (err > 0)
            continue;
        struct pg_target *t = own;
        size_t before = t->waiting.len;
        pg_encoder_set_tight(t->encoder, p->server.is_tight);
        err = pg_encoder_append_row(t->encoder, batch, row, &t->waiting, &index);
        if (err < 0) {
            if (counts)
                reject_number(p, t, row, index);
            continue;
        }
        if (err > 0 && (counts || p->server.is_tight)) {
            p->server.shortened_count++;
            tell_shortened(p, t, index);
        }
        err = 0;
        if (p->server.is_careful && t->left_out_sql)
            add_row(&t->unmerged, t->unmerged_count, &t->unmerged_capacity, row);
        t->unmerged_count++;
        p->server.waiting_len += t->waiting.len - before;
        if (t->waiting.len >= PIECE_LEN)
            err = send_waiting(p, t);
        if (err == 0 && p->server.waiting_len >= WAITING_MAX)
            err = sql_tables_each_used(p->server.tables, send_table, p);
        if (err < 0)
            return err;
    }
    return 0;
}

/* ---- merging ---- */

static uint64_t affected_rows(const PGresult *result)
{
    return strtoull(PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10);
}

static int run_counted(struct pgsql *p, const struct pg_target *t, const char *sql, uint64_t *count)
{
    PGresult *result;
    int err = pg_connection_run(p->connection, sql, sql_work_s(t->row_count), &result);

    if (err < 0)
        return pgsql_failed(p, err);
    *count += affected_rows(result);
    PQclear(result);
    return 0;
}

/*
 * Merges the quick way: updates the rows that are there and inserts the others, which costs the
 * server half of what ON CONFLICT does. This is right when each key came once, that is when every
 * row was counted once, and when no other writer inserted the same key meanwhile, which the index
 * notices. Returns 1 if one of the two was not so.
 */
static int upsert_quickly(struct pgsql *p, const struct pg_target *t, uint64_t count)
{
    uint64_t updated = 0, inserted = 0;
    int err = run_counted(p, t, t->update_sql, &updated);

    if (err == 0)
        err = run_counted(p, t, t->insert_sql, &inserted);
    if (err == -EILSEQ && !strcmp(p->server.fault.sqlstate, UNIQUE_VIOLATION)) {
        p->rival_count = RIVAL_TRANSACTIONS;
        return 1;
    }
    if (err < 0)
        return err;
    if (updated + inserted != count) {
        p->has_repeated_keys = true;
        return 1;
    }
    p->server.purge.updated += updated;
    p->server.purge.inserted += inserted;
    return 0;
}

/* Keys that differ here can be equal to the table: then the server refuses to touch a row twice. */
static int upsert_in_order(struct pgsql *p, const struct pg_target *t)
{
    int err = run_counted(p, t, p->has_repeated_keys ? t->grouped_sql : t->merge_sql,
                          &p->server.purge.inserted);

    if (err < 0 && !p->has_repeated_keys &&
        !strcmp(p->server.fault.sqlstate, CARDINALITY_VIOLATION)) {
        p->has_repeated_keys = true;
        return 1;
    }
    return err;
}

/* Merges with what earlier attempts have shown: each that was not right tells what the next must
 * heed. */
static int upsert_rows(struct pgsql *p, const struct pg_target *t, uint64_t count)
{
    int err = 1;

    while (err == 1) {
        bool is_quick = t->update_sql && !p->has_repeated_keys && p->rival_count == 0;
        err = p->server.ops->execute(&p->server, "SAVEPOINT pathacct_upsert");
        if (err == 0)
            err = is_quick ? upsert_quickly(p, t, count) : upsert_in_order(p, t);
        if (err == 0)
            return p->server.ops->execute(&p->server, "RELEASE SAVEPOINT pathacct_upsert");
        if (err == 1 &&
            p->server.ops->execute(
                &p->server,
                "ROLLBACK TO SAVEPOINT pathacct_upsert; RELEASE SAVEPOINT pathacct_upsert") < 0)
            return -EAGAIN;
    }
    return err;
}

/* Notes which rows are not in the table: those that its unique index took for others. */
static int find_left_out(struct pgsql *p, const struct pg_target *t, uint64_t count)
{
    PGresult *result;
    int err = pg_connection_run(p->connection, t->left_out_sql, sql_work_s(t->row_count), &result);

    if (err < 0)
        return pgsql_failed(p, err);
    for (int i = 0; i < PQntuples(result); i++) {
        uint64_t number = strtoull(PQgetvalue(result, i, 0), NULL, 10);
        if (number >= 1 && number <= count)
            add_row(&p->left_out, p->left_out_count++, &p->left_out_capacity,
                    t->unmerged[number - 1]);
    }
    PQclear(result);
    return 0;
}

/* Without a unique index only a lock keeps two writers from inserting the same key. */
static int match_rows(struct pgsql *p, struct pg_target *t, uint64_t count)
{
    bool leaves_out = p->server.is_careful && t->left_out_sql;
    int err = 0;

    if (!t->is_locked && p->server.settings.locking == SQL_LOCK_TABLE)
        err = p->server.ops->execute(&p->server, t->lock_sql);
    if (err < 0)
        return err;
    t->is_locked = true;
    err = run_counted(p, t, t->update_sql, &p->server.purge.updated);
    if (err == 0)
        err = run_counted(p, t, leaves_out ? t->insert_rest_sql : t->insert_sql,
                          &p->server.purge.inserted);
    return err == 0 && leaves_out ? find_left_out(p, t, count) : err;
}

static int merge_target(struct pgsql *p, struct pg_target *t)
{
    int err = send_waiting(p, t);

    if (err == 0)
        err = end_copy(p);
    if (err < 0 || !t->has_sent)
        return err;
    t->has_sent = false;
    uint64_t count = t->unmerged_count;
    t->unmerged_count = 0;
    switch (t->way) {
    case PG_WAY_COPY:
        p->server.purge.inserted += count;
        return 0;
    case PG_WAY_INSERT:
        return run_counted(p, t, t->merge_sql, &p->server.purge.inserted);
    case PG_WAY_UPSERT:
        return upsert_rows(p, t, count);
    default:
        return match_rows(p, t, count);
    }
}

static int merge_table(void *arg, struct sql_table *table)
{
    struct pgsql *p = arg;
    struct pg_target *t = table->own;
    int err;

    if (!t)
        return 0;
    err = merge_target(p, t);
    return err == 0 && p->server.is_careful && t->empty_sql
               ? p->server.ops->execute(&p->server, t->empty_sql)
               : err;
}

int pgsql_send_rows(struct sql_server *s)
{
    struct pgsql *p = pgsql_of(s);

    p->left_out_count = 0;
    int err = sql_tables_each_used(s->tables, merge_table, p);
    for (uint64_t i = 0; err == 0 && i < p->left_out_count; i++)
        sql_server_reject(s, p->left_out[i],
                          "the table has another row that its unique index takes for the same");
    return err;
}

static int drop_waiting(void *arg, struct sql_table *table)
{
    struct pg_target *t = table->own;

    (void)arg;
    if (t) {
        text_reset(&t->waiting);
        t->has_sent = false;
        t->unmerged_count = 0;
    }
    return 0;
}

void pgsql_drop_rows(struct sql_server *s)
{
    pgsql_of(s)->active = NULL;
    s->waiting_len = 0;
    sql_tables_each_used(s->tables, drop_waiting, NULL);
}
