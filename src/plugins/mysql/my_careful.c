/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes rows so that one which the server refuses does not cost the others: each piece of a batch
 * is written behind a savepoint. A piece that fails is taken back and cut in two.
 */
#include "plugins/mysql/my_state.h"
#include "plugins/sql/sql_pieces.h"

#include <errno.h>
#include <string.h>

static int run_sql(struct my_plugin *p, const char *sql)
{
    int err = my_connection_ask(p->connection, sql, NULL);

    return err < 0 ? my_failed(p, err) : 0;
}

static int write_piece(void *arg, const struct pa_batch *piece, bool counts)
{
    struct my_plugin *p = arg;
    uint64_t inserted = p->purge.inserted, updated = p->purge.updated;
    int err = run_sql(p, "SAVEPOINT pathacct_piece");

    if (err == 0)
        err = my_write_rows(p, piece, counts);
    if (err == 0)
        err = my_send_all(p);
    if (err == 0)
        return run_sql(p, "RELEASE SAVEPOINT pathacct_piece");
    if (err != -EILSEQ)
        return err;
    struct sql_fault why = p->fault;
    my_drop_waiting(p);
    p->purge.inserted = inserted;
    p->purge.updated = updated;
    err = run_sql(p, "ROLLBACK TO SAVEPOINT pathacct_piece; RELEASE SAVEPOINT pathacct_piece");
    if (err < 0)
        return err;
    p->fault = why;
    return -EILSEQ;
}

/* Rejects a row, or lets it wait for a partition that is missing. */
static int reject_or_wait(struct my_plugin *p, const uint8_t *row)
{
    if (p->fault.id == MY_FAULT_PARTITION_MISSING && sql_row_is_recent(p->schema, p->time_ns, row))
        return -EINVAL;
    p->rejected_count++;
    p->host->reject_row(p->host, row, p->fault.text);
    return 0;
}

static int refuse_row(void *arg, const struct pa_batch *row)
{
    return reject_or_wait(arg, row->rows);
}

int my_write_carefully(struct my_plugin *p, const struct pa_batch *batch)
{
    const struct sql_pieces pieces = {
        .arg = p, .schema = p->schema, .write = write_piece, .refuse = refuse_row};
    /* Locks are taken before any row is written, whatever becomes of the piece. */
    int err = my_touch_tables(p, batch);

    return err < 0 ? err : sql_pieces_write(&pieces, batch);
}
