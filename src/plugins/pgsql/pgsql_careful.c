/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes rows so that one which the server refuses does not cost the others: each piece of a batch
 * is written behind a savepoint, and merged at once. A piece that fails is taken back and cut in
 * two. The pieces' keys are in no common order, so the tables are locked against other writers.
 */
#include "plugins/pgsql/pgsql_state.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define PIECE_ROWS 1024
#define DAY_S      86400

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

static int write_piece(struct pgsql *p, const struct pa_batch *piece, bool counts)
{
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
    struct pg_fault why = p->fault;
    p->active = NULL;
    p->waiting_len = 0;
    sql_tables_each_used(p->tables, drop_waiting, p);
    err = run_sql(p, "ROLLBACK TO SAVEPOINT pathacct_piece; RELEASE SAVEPOINT pathacct_piece");
    if (err < 0)
        return err;
    p->fault = why;
    return -EILSEQ;
}

static bool is_recent(const struct pgsql *p, const uint8_t *row)
{
    int64_t bin_s;

    if (p->schema->bin_offset < 0)
        return true;
    memcpy(&bin_s, row + p->schema->bin_offset, sizeof bin_s);
    return bin_s > p->time_ns / NS_PER_S - DAY_S;
}

/* Rejects a row, or lets it wait. A partition that somebody forgot to make would cost all rows from
 * then on, so they wait for it. A partition that somebody has dropped must not stop everything for
 * a flow that comes late. */
static int reject_or_wait(struct pgsql *p, const uint8_t *row)
{
    if (p->fault.id == PG_FAULT_PARTITION_MISSING && is_recent(p, row))
        return -EINVAL;
    p->rejected_count++;
    p->host->reject_row(p->host, row, p->fault.text);
    return 0;
}

/* Writes a row once more with short texts if one of them may be why it was refused: an index of
 * another kind than B-tree, a domain or a trigger has bounds that the catalogues do not tell. */
static int write_tightly(struct pgsql *p, const struct pa_batch *row)
{
    struct pg_fault why = p->fault;
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

static struct pa_batch batch_part(const struct pgsql *p, const struct pa_batch *batch,
                                  uint32_t first, uint32_t count)
{
    struct pa_batch piece = *batch;

    piece.rows += (size_t)first * p->schema->row_size;
    piece.row_count = count;
    return piece;
}

/* The recursion is as deep as the logarithm of PIECE_ROWS. */
static int write_or_cut(struct pgsql *p, const struct pa_batch *batch, bool counts)
{
    uint32_t half = batch->row_count / 2;
    int err = write_piece(p, batch, counts);

    if (err != -EILSEQ)
        return err;
    if (batch->row_count == 1)
        return write_tightly(p, batch);
    struct pa_batch first = batch_part(p, batch, 0, half);
    struct pa_batch second = batch_part(p, batch, half, batch->row_count - half);
    err = write_or_cut(p, &first, false);
    return err < 0 ? err : write_or_cut(p, &second, false);
}

int pgsql_write_carefully(struct pgsql *p, const struct pa_batch *batch)
{
    /* Tables are made before any savepoint: those made behind one vanish with it. */
    int err = pgsql_touch_tables(p, batch);

    p->is_careful = true;
    if (err == 0)
        err = sql_tables_each_used(p->tables, lock_table, p);
    for (uint32_t i = 0; i < batch->row_count && err == 0; i += PIECE_ROWS) {
        uint32_t left = batch->row_count - i;
        struct pa_batch piece = batch_part(p, batch, i, left < PIECE_ROWS ? left : PIECE_ROWS);
        err = write_or_cut(p, &piece, true);
    }
    p->is_careful = false;
    return err;
}
