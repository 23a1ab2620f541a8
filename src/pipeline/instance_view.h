/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Shows each instance the flows of a batch with the tags that its maps and keys set: what is set for
 * one instance is seen by no other. A map that several instances name is walked once. Where all
 * instances see the same, flows are changed in their place; else each gets a copy.
 *
 * A worker owns its views.
 */
#include "base/thread.h"
#include "flow/flow.h"
#include <stdbool.h>
#include <stdint.h>

struct maps;
struct instance_views;

/* Says what sets tags for an instance; all workers share it. */
struct instance_view_settings {
    int32_t tag_map;    /* number of its pre_tag_map in the snapshot; -1: none */
    uint64_t post_tag;  /* 0: none */
    uint64_t post_tag2; /* 0: none */
};

/* `settings` has one element for each instance, and is borrowed. NULL if no instance sets anything,
 * which costs nothing then. */
struct instance_views *instance_views_new(const struct instance_view_settings *settings,
                                          uint32_t instance_count, uint32_t map_count,
                                          uint32_t batch_capacity, uint32_t flow_stride);
void instance_views_free(struct instance_views *views); /* NULL is fine */

/* Walks all maps for a batch. The snapshot must stay until the batch is done with. */
void instance_views_begin(struct instance_views *views, const struct maps *maps,
                          struct flow_batch *batch) ON_THREAD(worker_thread);
/* Returns what the instance sees; until the next call. */
const struct flow_batch *instance_view(struct instance_views *views, uint32_t instance,
                                       const struct flow_batch *batch) ON_THREAD(worker_thread);
