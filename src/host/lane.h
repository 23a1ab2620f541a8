/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A lane: one worker's ring and pool as the plugin host sees them, and how a hand-over is read out
 * of them. One thread. */
#include "handover/ring.h"
#include "handover/segment.h"
#include "plugins/pathacct_plugin.h"

struct lane {
    struct ring_view *ring;
    struct pool_view *pool;
    int worker_event; /* owned; wakes the worker */
};

/* A hand-over's rows and dictionary, as they lie in shared memory until it is acknowledged. */
struct lane_rows {
    struct lane *lane;
    struct handover handover;
    struct pa_bytes *dictionary; /* handover.dictionary_count + 1 entries */
    uint8_t *values;             /* NULL: they lie in shared memory */
};

void lane_clear(struct lane *lane);

/* True if each id in the rows is in the dictionary. */
bool lane_batch_is_sound(const struct pa_batch *batch, const struct pa_schema *schema);

/* -EBADMSG: descriptor, chains or ids do not fit together. */
int lane_rows_init(struct lane_rows *rows, struct lane *lane, const struct handover *handover,
                   const struct pa_schema *schema);
void lane_rows_clear(struct lane_rows *rows);
/* Copies the values of the dictionary: they stay when the hand-over is acknowledged. */
void lane_rows_copy_values(struct lane_rows *rows);

/* Gives the rows to `fn`, a batch for each segment; stops at its first failure and returns that. */
typedef int lane_batch_fn(void *arg, const struct pa_batch *batch);
int lane_rows_each(const struct lane_rows *rows, const struct pa_schema *schema, lane_batch_fn *fn,
                   void *arg);
