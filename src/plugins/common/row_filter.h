/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The keys *_preprocess and *_preprocess_type: which rows are worth writing. Checks: minp, minf,
 * minb, minbpp, minppf (at least); in SQL plugins also maxp, maxf, maxb, maxbpp, maxppf (less than),
 * the condition qnum=N (the filter applies only when a purge has at least N rows), sampling of what
 * has passed (fss=N and then fsrc=N, see row_sample.h), and the actions usrf (counters times N) and
 * adjb (N bytes a packet more). A row passes when any check does, or when all do. `recover` is
 * accepted and has no effect.
 */
#include "plugins/common/choice.h"
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct row_filter;

#define ROW_FILTER_TYPES(EACH) EACH(ROW_FILTER_ANY, "any") EACH(ROW_FILTER_ALL, "all")
enum row_filter_type { ROW_FILTER_TYPES(CHOICE_ENUMERATOR) }; /* *_preprocess_type */

struct row_filter_sums {
    uint64_t rows, flows, packets, bytes;
};

/*
 * Reads the keys of a plugin whose keys begin with `prefix`; `is_sql` offers all of the above.
 * NULL in `ret_filter`: the key is not set, and all rows pass. -EINVAL: what is wrong and what would
 * be right stands in `error`. Borrows the schema.
 */
int row_filter_read(const struct pa_host *host, const char *prefix, bool is_sql,
                    const struct pa_schema *schema, char *error, size_t error_size,
                    struct row_filter **ret_filter);
void row_filter_free(struct row_filter *filter); /* NULL is fine */
/* Sampling draws the numbers of this seed from now on; it has a random one before, and in replay
 * always the same. */
void row_filter_seed(struct row_filter *filter, uint64_t seed);

/* Begins a purge of so many rows. Sampling draws the same numbers for the same purge. */
void row_filter_begin(struct row_filter *filter, uint64_t row_count, uint64_t epoch);
/* True if a row passes the checks; otherwise its counters are added to `left_out`. */
bool row_filter_passes(const struct row_filter *filter, const uint8_t *row,
                       struct row_filter_sums *left_out);
/*
 * Returns the rows of `batch` that pass, with their counters as they are to be written; valid until
 * the next call. Counters of the other rows, as they came, are added to `left_out`. With fsrc nothing
 * is returned, as rows to come may be worth more: see row_filter_rest().
 */
struct pa_batch row_filter_apply(struct row_filter *filter, const struct pa_batch *batch,
                                 struct row_filter_sums *left_out);
/* Returns, after all batches of a purge, the rows that were kept back; valid until the next begins. */
struct pa_batch row_filter_rest(struct row_filter *filter);
/* Counts rows that were meant to be left out (the ledger has them as written), and clears the
 * sums. Call it when the transaction is committed. */
void row_filter_count(const struct pa_host *host, struct row_filter_sums *left_out);
