/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Shows each instance the flows of a batch with what its own maps and keys set: networks_file first, as
 * maps of tags may ask for AS numbers, then pre_tag_map, then post_tag. What is set for one instance
 * is seen by no other. A map that several instances name is walked once for all whose networks are the
 * same. Where all instances see the same, flows are changed in their place; else each gets a copy.
 *
 * A worker owns its views.
 */
#include "base/thread.h"
#include "config/config_key.h"
#include "flow/flow.h"
#include "pipeline/network_fill.h"
#include <stdbool.h>
#include <stdint.h>

struct maps;
struct instance_views;

/* Values of an instance's keys. */
struct tag_settings {
    const char *map;              /* pre_tag_map; NULL: none */
    uint64_t post_tag, post_tag2; /* 0: none */
};
extern const struct config_key instance_tag_keys[];

/* Says what an instance sees in another way than others; all workers share it. */
struct instance_view_settings {
    struct network_fill_settings networks;
    int32_t tag_map;    /* number of its pre_tag_map in the snapshot; -1: none */
    uint64_t post_tag;  /* 0: none */
    uint64_t post_tag2; /* 0: none */
};

/* `settings` has one element for each instance, and is borrowed. NULL if no instance sets anything,
 * which costs nothing then. */
struct instance_views *instance_views_new(const struct instance_view_settings *settings,
                                          uint32_t instance_count, const struct flow_needs *needs,
                                          uint32_t batch_capacity, uint32_t flow_stride);
void instance_views_free(struct instance_views *views); /* NULL is fine */
/* Adds the members that views of these instances read, given those that somebody needs. */
void instance_views_add_needs(const struct instance_view_settings *settings,
                              uint32_t instance_count, struct flow_needs *needs);
/* Fills more members from now on: `needs` are all that somebody needs. */
void instance_views_set_needs(struct instance_views *views, const struct flow_needs *needs)
    ON_THREAD(worker_thread);

/* Looks up all networks and walks all maps for a batch. The snapshot must stay until the batch is done with. */
void instance_views_begin(struct instance_views *views, const struct maps *maps,
                          struct flow_batch *batch) ON_THREAD(worker_thread);
/* Returns what the instance sees; until the next call. */
const struct flow_batch *instance_view(struct instance_views *views, uint32_t instance,
                                       struct flow_batch *batch) ON_THREAD(worker_thread);
/*
 * Returns a batch of flows that the instance gets once more, as a row of its map gave them away before
 * the end of their walk (return=true); NULL after the last. *position begins at 0. Until the next call.
 */
const struct flow_batch *instance_view_returned(struct instance_views *views, uint32_t instance,
                                                struct flow_batch *batch, uint32_t *position)
    ON_THREAD(worker_thread);
