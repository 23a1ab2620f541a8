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

static const uint8_t *row_at(const struct pgsql *p, const struct pa_batch *batch, uint32_t i)
{
    return batch->rows + (size_t)i * p->schema->row_size;
}

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
    p->waiting_len -= t->waiting.len;
    text_reset(&t->waiting);
    return 0;
}

static int send_table(void *arg, struct sql_table *table)
{
    return table->own ? send_waiting(arg, table->own) : 0;
}

/* ---- tables ---- */

static int make_target(struct pgsql *p, const struct pa_batch *batch, const uint8_t *row,
                       struct sql_table *table)
{
    struct text schema = {0};
    struct pg_target *target = NULL;
    int err = end_copy(p);

    if (err < 0)
        return err;
    if (p->settings.schema)
        sql_tables_append_schema(p->tables, table, batch, row, &schema);
    err = pg_target_new(&p->context, table->name, schema.len > 0 ? text_cstr(&schema) : NULL,
                        p->target_number++, &p->fault, &target);
    text_clear(&schema);
    table->own = target;
    return err;
}

static void reject_row(struct pgsql *p, const uint8_t *row, const char *why)
{
    p->rejected_count++;
    p->host->reject_row(p->host, row, why);
}

/* Returns 1 if the server takes no table of that name; the row is rejected then if `counts`. */
static int find_target(struct pgsql *p, const struct pa_batch *batch, const uint8_t *row,
                       bool counts, struct pg_target **ret_target)
{
    struct sql_table *table;
    int err = sql_tables_find(p->tables, batch, row, &table);

    if (err < 0) {
        if (counts)
            reject_row(p, row, "the name that sql_table gives its table is too long");
        return 1;
    }
    if (!table->own) {
        err = make_target(p, batch, row, table);
        if (err < 0)
            return err;
    }
    *ret_target = table->own;
    if (table->row_count++ == 0) {
        (*ret_target)->row_count = (*ret_target)->unmerged_count = 0;
        (*ret_target)->is_locked = (*ret_target)->has_sent = false;
    }
    (*ret_target)->row_count++;
    return 0;
}

int pgsql_touch_tables(struct pgsql *p, const struct pa_batch *batch)
{
    struct pg_target *target;
    int err = 0;

    for (uint32_t i = 0; i < batch->row_count && err >= 0; i++)
        err = find_target(p, batch, row_at(p, batch, i), false, &target);
    return err < 0 ? err : 0;
}

static void reject_number(struct pgsql *p, const struct pg_target *t, const uint8_t *row,
                          uint32_t index)
{
    const char *name = p->columns.items[index].name;
    char why[200];

    snprintf(why, sizeof why, "its %s is too large for type %s of table %.100s", name,
             pg_table_find(&t->table, name)->type_name, t->name);
    reject_row(p, row, why);
}

/* Tells the first time, since it goes on for as long as the world has such texts. */
static void tell_shortened(struct pgsql *p, struct pg_target *t, uint32_t index)
{
    const char *name = p->columns.items[index].name;
    const struct pg_table_column *c = pg_table_find(&t->table, name);

    if (t->has_told_long)
        return;
    t->has_told_long = true;
    if (c->char_max > 0)
        p->host->log(p->host, PA_LOG_WARNING,
                     "texts that do not fit column %s of table %s (%s) are kept as their beginning "
                     "and a hash of the whole; ALTER TABLE %s ALTER COLUMN \"%s\" TYPE text keeps "
                     "all of them",
                     name, t->name, c->type_name, t->name, name);
    else
        p->host->log(p->host, PA_LOG_WARNING,
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

int pgsql_write_rows(struct pgsql *p, const struct pa_batch *batch, bool counts)
{
    for (uint32_t i = 0; i < batch->row_count; i++) {
        const uint8_t *row = row_at(p, batch, i);
        struct pg_target *t;
        uint32_t index;
        int err = find_target(p, batch, row, counts, &t);
        if (err < 0)
            return err;
        if (err > 0)
            continue;
        size_t before = t->waiting.len;
        pg_encoder_set_tight(t->encoder, p->is_tight);
        err = pg_encoder_append_row(t->encoder, batch, row, &t->waiting, &index);
        if (err < 0) {
            if (counts)
                reject_number(p, t, row, index);
            continue;
        }
        if (err > 0 && (counts || p->is_tight)) {
            p->shortened_count++;
            tell_shortened(p, t, index);
        }
        err = 0;
        if (p->is_careful && t->left_out_sql)
            add_row(&t->unmerged, t->unmerged_count, &t->unmerged_capacity, row);
        t->unmerged_count++;
        p->waiting_len += t->waiting.len - before;
        if (t->waiting.len >= PIECE_LEN)
            err = send_waiting(p, t);
        if (err == 0 && p->waiting_len >= WAITING_MAX)
            err = sql_tables_each_used(p->tables, send_table, p);
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

static int run_sql(struct pgsql *p, const char *sql)
{
    int err = pg_connection_run(p->connection, sql, 0, NULL);

    return err < 0 ? pgsql_failed(p, err) : 0;
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
    if (err == -EILSEQ && !strcmp(p->fault.sqlstate, UNIQUE_VIOLATION)) {
        p->rival_count = RIVAL_TRANSACTIONS;
        return 1;
    }
    if (err < 0)
        return err;
    if (updated + inserted != count) {
        p->has_repeated_keys = true;
        return 1;
    }
    p->purge.updated += updated;
    p->purge.inserted += inserted;
    return 0;
}

/* Keys that differ here can be equal to the table: then the server refuses to touch a row twice. */
static int upsert_in_order(struct pgsql *p, const struct pg_target *t)
{
    int err =
        run_counted(p, t, p->has_repeated_keys ? t->grouped_sql : t->merge_sql, &p->purge.inserted);

    if (err < 0 && !p->has_repeated_keys && !strcmp(p->fault.sqlstate, CARDINALITY_VIOLATION)) {
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
        err = run_sql(p, "SAVEPOINT pathacct_upsert");
        if (err == 0)
            err = is_quick ? upsert_quickly(p, t, count) : upsert_in_order(p, t);
        if (err == 0)
            return run_sql(p, "RELEASE SAVEPOINT pathacct_upsert");
        if (err == 1 &&
            run_sql(p, "ROLLBACK TO SAVEPOINT pathacct_upsert; RELEASE SAVEPOINT pathacct_upsert") <
                0)
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
    bool leaves_out = p->is_careful && t->left_out_sql;
    int err = 0;

    if (!t->is_locked && p->settings.locking == SQL_LOCK_TABLE)
        err = run_sql(p, t->lock_sql);
    if (err < 0)
        return err;
    t->is_locked = true;
    err = run_counted(p, t, t->update_sql, &p->purge.updated);
    if (err == 0)
        err =
            run_counted(p, t, leaves_out ? t->insert_rest_sql : t->insert_sql, &p->purge.inserted);
    return err == 0 && leaves_out ? find_left_out(p, t, count) : err;
}

int pgsql_merge(struct pgsql *p, struct pg_target *t)
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
        p->purge.inserted += count;
        return 0;
    case PG_WAY_INSERT:
        return run_counted(p, t, t->merge_sql, &p->purge.inserted);
    case PG_WAY_UPSERT:
        return upsert_rows(p, t, count);
    default:
        return match_rows(p, t, count);
    }
}
