/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Writes rows in pieces, so that one which the server refuses does not cost the others: a piece that
 * is refused is cut in two, down to single rows.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stdint.h>

struct sql_pieces { /* functions return 0 or a negative errno */
    void *arg;
    const struct pa_schema *schema;
    /* Writes a piece, or takes all of it back and returns -EILSEQ. `is_first`: the rows have not
     * been tried before. */
    int (*write)(void *arg, const struct pa_batch *piece, bool is_first);
    /* Called with a batch of the one row that `write` has just refused. */
    int (*refuse)(void *arg, const struct pa_batch *row);
};

int sql_pieces_write(const struct sql_pieces *pieces, const struct pa_batch *batch);

/*
 * True if the row's time bin began less than a day before `time_ns`. A partition that somebody
 * forgot to make would cost all rows from then on, so recent ones wait for it. One that somebody has
 * dropped must not stop everything for a flow that comes late.
 */
bool sql_row_is_recent(const struct pa_schema *schema, int64_t time_ns, const uint8_t *row);
