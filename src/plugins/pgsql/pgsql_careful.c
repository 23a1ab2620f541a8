/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes rows so that one which the server refuses does not cost the others: each piece of a batch
 * is written behind a savepoint, and merged at once. A piece that fails is taken back and cut in
 * two. The pieces' keys are in no common order, so the tables are locked against other writers.
 */
#include "plugins/pgsql/pgsql_state.h"

#include "plugins/sql/sql_pieces.h"

#include <errno.h>
#include <string.h>

#define TEXT_TOO_LONG "22001" /* string_data_right_truncation */
#define TOO_COMPLEX   "54000" /* program_limit_exceeded: an index's entry is too long */

static int run_sql(struct pgsql *p, const char *sql)
{
    int err = pg_connection_run(p->connection, sql, 0, NULL);

    return err < 0 ? pgsql_failed(p, err) : 0;
}

static int lock_table(void *arg, struct sql_table *table)
{
    struct pgsql *p = arg;
    struct pg_target *t = table->own;
    int err;

    if (!t || t->is_locked || (t->way != PG_WAY_UPSERT && t->way != PG_WAY_MATCH))
        return 0;
    err = run_sql(p, t->lock_sql);
    t->is_locked = err == 0;
    return err;
}

static int merge_table(void *arg, struct sql_table *table)
{
    struct pgsql *p = arg;
    struct pg_target *t = table->own;
    int err;

    if (!t)
        return 0;
    err = pgsql_merge(p, t);
    return err == 0 && t->empty_sql ? run_sql(p, t->empty_sql) : err;
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

/* Counts the rows of a piece that a unique index over less than the key refused. */
static void reject_left_out(struct pgsql *p)
{
    p->rejected_count += p->left_out_count;
    for (uint64_t i = 0; i < p->left_out_count; i++)
        p->host->reject_row(p->host, p->left_out[i],
                            "the table has another row that its unique index takes for the same");
}

static int write_piece(void *arg, const struct pa_batch *piece, bool counts)
{
    struct pgsql *p = arg;
    int err = run_sql(p, "SAVEPOINT pathacct_piece");

    p->left_out_count = 0;
    if (err == 0)
        err = pgsql_write_rows(p, piece, counts);
    if (err == 0)
        err = sql_tables_each_used(p->tables, merge_table, p);
    if (err == 0) {
        reject_left_out(p);
        return run_sql(p, "RELEASE SAVEPOINT pathacct_piece");
    }
    if (err != -EILSEQ)
        return err;
    struct sql_fault why = p->fault;
    p->active = NULL;
    p->waiting_len = 0;
    sql_tables_each_used(p->tables, drop_waiting, p);
    err = run_sql(p, "ROLLBACK TO SAVEPOINT pathacct_piece; RELEASE SAVEPOINT pathacct_piece");
    if (err < 0)
        return err;
    p->fault = why;
    return -EILSEQ;
}

/* Rejects a row, or lets it wait for a partition that is missing. */
static int reject_or_wait(struct pgsql *p, const uint8_t *row)
{
    if (p->fault.id == PG_FAULT_PARTITION_MISSING && sql_row_is_recent(p->schema, p->time_ns, row))
        return -EINVAL;
    p->rejected_count++;
    p->host->reject_row(p->host, row, p->fault.text);
    return 0;
}

/* Writes a row once more with short texts if one of them may be why it was refused: an index of
 * another kind than B-tree, a domain or a trigger has bounds that the catalogues do not tell. */
static int write_tightly(void *arg, const struct pa_batch *row)
{
    struct pgsql *p = arg;
    struct sql_fault why = p->fault;
    uint64_t shortened = p->shortened_count;
    int err;

    if (strcmp(why.sqlstate, TOO_COMPLEX) != 0 && strcmp(why.sqlstate, TEXT_TOO_LONG) != 0)
        return reject_or_wait(p, row->rows);
    p->is_tight = true;
    err = write_piece(p, row, false);
    p->is_tight = false;
    if (err != -EILSEQ)
        return err;
    p->shortened_count = shortened;
    p->fault = why;
    return reject_or_wait(p, row->rows);
}

int pgsql_write_carefully(struct pgsql *p, const struct pa_batch *batch)
{
    const struct sql_pieces pieces = {
        .arg = p, .schema = p->schema, .write = write_piece, .refuse = write_tightly};
    /* Tables are made before any savepoint: those made behind one vanish with it. */
    int err = pgsql_touch_tables(p, batch);

    p->is_careful = true;
    if (err == 0)
        err = sql_tables_each_used(p->tables, lock_table, p);
    if (err == 0)
        err = sql_pieces_write(&pieces, batch);
    p->is_careful = false;
    return err;
}
