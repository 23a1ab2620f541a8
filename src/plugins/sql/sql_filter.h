/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The key sql_preprocess: which rows are worth a place in the database, and how their counters are
 * changed. qnum=N: the filter applies only when a purge has at least N rows. Checks: minp, minf,
 * minb, minbpp, minppf (at least), maxp, maxf, maxb, maxbpp, maxppf (less than). Actions: usrf
 * (counters times N), adjb (N bytes a packet more). A row passes when any check does
 * (sql_preprocess_type: all: when all do).
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sql_filter;

struct sql_filter_sums {
    uint64_t rows, flows, packets, bytes;
};

/* -EINVAL: what is wrong and what would be right stands in `error`. Borrows the schema. */
int sql_filter_new(const char *text, bool needs_all, const struct pa_schema *schema, char *error,
                   size_t error_size, struct sql_filter **ret_filter);
void sql_filter_free(struct sql_filter *filter); /* NULL is fine */

/* Begins a purge of so many rows. */
void sql_filter_begin(struct sql_filter *filter, uint64_t row_count);
/*
 * Returns the rows of `batch` that pass, with their counters as they are to be written; valid until
 * the next call. Counters of the other rows are added to `left_out`.
 */
struct pa_batch sql_filter_apply(struct sql_filter *filter, const struct pa_batch *batch,
                                 struct sql_filter_sums *left_out);
