/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Sampling of rows by their size: fss and fsrc of sql_preprocess. A row is kept the more likely the
 * more bytes it has, and what is kept stands for what is not: its counters are divided by its chance,
 * so that sums over many rows are right on the average.
 *
 *     threshold (fss=z)   a row of x bytes is kept with the chance min(1, x/z), and counts as
 *                         max(x, z) bytes. Duffield, Lund, Thorup: Charging from sampled network
 *                         usage, 2001.
 *     fixed (fsrc=k)      k rows of a purge are kept: those with the greatest x/u, where u is drawn
 *                         from (0, 1]; with t the greatest x/u of the others, a row counts as
 *                         max(x, t). Duffield, Lund, Thorup: Flow sampling under hard resource
 *                         constraints, 2004.
 *
 * Packets and flows grow by the same factor as bytes; a fraction is rounded up as often as it says. A
 * row without bytes is never kept where rows are left out. One thread.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stdint.h>

/* The counters of a row, in the order of their worth to a sample. */
struct row_counters {
    uint64_t packets, flows, bytes;
};

struct row_counter_columns {
    const struct pa_column *packets, *flows, *bytes; /* NULL: the rows have none */
};

struct row_counters row_counters_load(const struct row_counter_columns *columns,
                                      const uint8_t *row);
void row_counters_store(const struct row_counter_columns *columns, uint8_t *row,
                        const struct row_counters *counters);

/* ---- numbers drawn ---- */

struct row_dice {
    uint64_t state;
};

double row_dice_draw(struct row_dice *dice); /* from (0, 1] */

/* Draws for one row. False: it is left out; otherwise its counters are as they are to be written. */
bool row_sample_threshold(struct row_dice *dice, uint64_t threshold, struct row_counters *counters);

/* ---- a fixed number of rows ---- */

struct row_sample;

/* Borrows the schema and the columns. `max` > 0 is the number of rows that are kept. */
struct row_sample *row_sample_new(const struct pa_schema *schema,
                                  const struct row_counter_columns *columns, uint64_t max);
void row_sample_free(struct row_sample *sample); /* NULL is fine */
void row_sample_begin(struct row_sample *sample);
/* Offers a row. It is copied with its texts if it is kept for now. True: a row, this one or another,
 * has to be left out instead, and its counters, as they came, are in `ret_left_out`. */
bool row_sample_offer(struct row_sample *sample, struct row_dice *dice,
                      const struct pa_batch *batch, const uint8_t *row,
                      struct row_counters *ret_left_out);
/* Returns the rows that were kept, in the order they came; valid until the next purge begins. */
struct pa_batch row_sample_take(struct row_sample *sample, struct row_dice *dice);
