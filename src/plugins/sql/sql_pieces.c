/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cuts batches into pieces. See sql_pieces.h. */
#include "plugins/sql/sql_pieces.h"
#include "base/clock.h"
#include <errno.h>
#include <string.h>

#define PIECE_ROWS 1024
#define DAY_S      86400

static struct pa_batch batch_part(const struct sql_pieces *p, const struct pa_batch *batch,
                                  uint32_t first, uint32_t count)
{
    struct pa_batch piece = *batch;

    piece.rows += (size_t)first * p->schema->row_size;
    piece.row_count = count;
    return piece;
}

/* The recursion is as deep as the logarithm of PIECE_ROWS. */
static int write_or_cut(const struct sql_pieces *p, const struct pa_batch *batch, bool is_first)
{
    uint32_t half = batch->row_count / 2;
    int err = p->write(p->arg, batch, is_first);

    if (err != -EILSEQ)
        return err;
    if (batch->row_count == 1)
        return p->refuse(p->arg, batch);
    struct pa_batch first = batch_part(p, batch, 0, half);
    struct pa_batch second = batch_part(p, batch, half, batch->row_count - half);
    err = write_or_cut(p, &first, false);
    return err < 0 ? err : write_or_cut(p, &second, false);
}

int sql_pieces_write(const struct sql_pieces *p, const struct pa_batch *batch)
{
    int err = 0;

    for (uint32_t i = 0; i < batch->row_count && err == 0; i += PIECE_ROWS) {
        uint32_t left = batch->row_count - i;
        struct pa_batch piece = batch_part(p, batch, i, left < PIECE_ROWS ? left : PIECE_ROWS);
        err = write_or_cut(p, &piece, true);
    }
    return err;
}

bool sql_row_is_recent(const struct pa_schema *schema, int64_t time_ns, const uint8_t *row)
{
    int64_t bin_s;

    if (schema->bin_offset < 0)
        return true;
    memcpy(&bin_s, row + schema->bin_offset, sizeof bin_s);
    return bin_s > time_ns / NS_PER_S - DAY_S;
}
