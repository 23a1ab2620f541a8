/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Rows added up by the texts of some of their columns. One thread. */
#include "pmacct/options.h"

struct groups;

struct group {
    const char *key; /* texts of the columns, each ended by a zero byte */
    size_t key_len;
    uint64_t sums[METRIC_COUNT];
    uint64_t row_count;
};

/* `columns` are names. -EINVAL: what is wrong is appended to `error`. */
int groups_new(const struct query *query, const struct query_output_options *options,
               char *const *columns, size_t column_count, struct text *error,
               struct groups **ret_groups);
void groups_free(struct groups *groups); /* NULL is fine */

void groups_add(struct groups *groups, const struct pa_batch *batch, const uint8_t *row);
void groups_clear(struct groups *groups); /* forgets all groups */
size_t groups_count(const struct groups *groups);
/* Groups stand in the order of their first rows, until groups_sort(). Borrowed until the next
 * groups_add(). */
const struct group *groups_at(const struct groups *groups, size_t index);
const struct group *groups_find(const struct groups *groups, const char *key, size_t key_len);
/* Puts the largest first. groups_find() does not work after it. */
void groups_sort(struct groups *groups, enum metric metric);

size_t groups_column_count(const struct groups *groups);
const struct pa_column *groups_column(const struct groups *groups, size_t index);
bool groups_has(const struct groups *groups, enum metric metric);
