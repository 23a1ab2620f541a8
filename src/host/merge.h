/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rows of several hand-overs as one set in a certain order: one key from several workers becomes
 * one row, compared by the bytes behind dictionary ids, and in replay all rows are sorted by their
 * place in the input.
 *
 * The plugin host's only thread owns it. Memory grows with the largest transaction and is kept.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>

struct merge;

/* With `combines`, rows of equal key become one. The schema is borrowed for the merge's life. */
struct merge *merge_new(const struct pa_schema *schema, bool combines);
void merge_free(struct merge *merge); /* NULL is fine */
void merge_reset(struct merge *merge);

/* The rows that follow use this dictionary (entry 0 included); its bytes are borrowed until
 * merge_reset(). */
void merge_set_dictionary(struct merge *merge, const struct pa_bytes *dictionary, uint32_t count);
/* Copies rows. -EBADMSG: one has an id that is not in the dictionary. */
int merge_add(struct merge *merge, const uint8_t *rows, uint32_t row_count);

uint64_t merge_row_count(const struct merge *merge);
/* Gives the rows to `fn` in batches, in order; stops at its first failure and returns that. */
typedef int merge_batch_fn(void *arg, const struct pa_batch *batch);
int merge_emit(struct merge *merge, merge_batch_fn *fn, void *arg);
