/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds tables for rows, and writes rows in pieces where one is refused. See sql_server.h. */
#include "plugins/sql/sql_pieces.h"
#include "plugins/sql/sql_server.h"
#include <errno.h>

/* ---- tables ---- */

void sql_server_reject(struct sql_server *s, const uint8_t *row, const char *why)
{
    s->rejected_count++;
    s->host->reject_row(s->host, row, why);
}

static int make_table(struct sql_server *s, const struct pa_batch *batch, const uint8_t *row,
                      struct sql_table *table)
{
    struct text schema = {0};

    if (s->settings.schema)
        sql_tables_append_schema(s->tables, table, batch, row, &schema);
    int err =
        s->ops->make_table(s, table->name, schema.len > 0 ? text_cstr(&schema) : NULL, &table->own);
    text_clear(&schema);
    return err;
}

int sql_server_find_table(struct sql_server *s, const struct pa_batch *batch, const uint8_t *row,
                          bool counts, void **ret_own)
{
    struct sql_table *table;
    int err = sql_tables_find(s->tables, batch, row, &table);

    if (err < 0) {
        if (counts)
            sql_server_reject(s, row, "the name that sql_table gives its table is too long");
        return 1;
    }
    if (!table->own) {
        err = make_table(s, batch, row, table);
        if (err < 0)
            return err;
    }
    *ret_own = table->own;
    return s->ops->use_table(s, table->own, table->row_count++ == 0);
}

/* Tables are made, and locks taken, before any savepoint: what is made behind one may vanish with
 * it. */
static int touch_tables(struct sql_server *s, const struct pa_batch *batch)
{
    void *own;
    int err = 0;

    for (uint32_t i = 0; i < batch->row_count && err >= 0; i++)
        err = sql_server_find_table(s, batch, batch->rows + (size_t)i * s->schema->row_size, false,
                                    &own);
    return err < 0 ? err : 0;
}

/* ---- pieces ---- */

static int write_piece(void *arg, const struct pa_batch *piece, bool counts)
{
    struct sql_server *s = arg;
    uint64_t inserted = s->purge.inserted, updated = s->purge.updated;
    int err = s->ops->execute(s, "SAVEPOINT pathacct_piece");

    if (err == 0)
        err = s->ops->write_rows(s, piece, counts);
    if (err == 0)
        err = s->ops->send_rows(s);
    if (err == 0)
        return s->ops->execute(s, "RELEASE SAVEPOINT pathacct_piece");
    if (err != -EILSEQ)
        return err;
    struct sql_fault why = s->fault;
    s->ops->drop_rows(s);
    s->purge.inserted = inserted;
    s->purge.updated = updated;
    err = s->ops->execute(s,
                          "ROLLBACK TO SAVEPOINT pathacct_piece; RELEASE SAVEPOINT pathacct_piece");
    if (err < 0)
        return err;
    s->fault = why;
    return -EILSEQ;
}

/* Rejects a row, or lets it wait for a partition that is missing. */
static int reject_or_wait(struct sql_server *s, const uint8_t *row)
{
    if (s->fault.id == s->ops->faults.partition_missing &&
        sql_row_is_recent(s->schema, s->time_ns, row))
        return -EINVAL;
    sql_server_reject(s, row, s->fault.text);
    return 0;
}

/* Writes a row once more with short texts if one of them may be why it was refused: a table has
 * bounds that its description does not tell. */
static int refuse_row(void *arg, const struct pa_batch *row)
{
    struct sql_server *s = arg;
    struct sql_fault why = s->fault;
    uint64_t shortened = s->shortened_count;

    if (!s->ops->may_be_too_long || !s->ops->may_be_too_long(&why))
        return reject_or_wait(s, row->rows);
    s->is_tight = true;
    int err = write_piece(s, row, false);
    s->is_tight = false;
    if (err != -EILSEQ)
        return err;
    s->shortened_count = shortened;
    s->fault = why;
    return reject_or_wait(s, row->rows);
}

int sql_server_write_carefully(struct sql_server *s, const struct pa_batch *batch)
{
    const struct sql_pieces pieces = {
        .arg = s, .schema = s->schema, .write = write_piece, .refuse = refuse_row};
    int err = touch_tables(s, batch);

    return err < 0 ? err : sql_pieces_write(&pieces, batch);
}
