/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Selects the hand-overs of the next transaction. Those that were under way when an earlier host
 * died come again just as they were; those that have killed the plugin before come one at a time.
 */
#include "host/lane.h"

enum selection_kind {
    SELECTION_NEW,
    SELECTION_REPEATED, /* begun before and not acknowledged */
    SELECTION_ISOLATED, /* one of the hand-overs that killed the plugin */
};

struct selection {
    enum selection_kind kind;
    uint32_t range_count;
    struct selection_range {
        uint32_t lane;
        uint64_t first, last; /* seqs; first and last are included */
    } * ranges;               /* room for all lanes */
    uint64_t epoch;
    int64_t time_ns;
    bool ends_epoch, is_last;
    /* For each lane the last group that a marker has ended: acknowledged, and with this
     * selection. */
    uint64_t *groups, *groups_next;
    uint64_t epoch_group, epoch_group_next; /* the group of the latest marker that ends an epoch */
    uint64_t ended_group;                   /* the latest group that was said to end an epoch */
};

void selection_init(struct selection *selection, uint32_t lane_count);
void selection_clear(struct selection *selection);

enum selection_rule {
    /* Takes all up to a marker, from all lanes that have it, once each lane has sent some
     * marker. */
    SELECTION_BY_GROUP,
    SELECTION_AS_THEY_COME,
};
/* Returns false while nothing is complete. */
bool selection_next(struct selection *selection, struct lane *lanes, uint32_t lane_count,
                    enum selection_rule rule);
void selection_acknowledged(struct selection *selection, uint32_t lane_count);
