/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Which hand-overs make up the next transaction. What was under way when an earlier host died comes
 * again just as it was; what has killed the plugin before comes one hand-over at a time.
 */
#include "host/lane.h"

enum selection_kind {
    SELECTION_NEW,
    SELECTION_REPEATED, /* it was begun before and not acknowledged */
    SELECTION_ISOLATED, /* one hand-over of those that killed the plugin */
};

struct selection {
    enum selection_kind kind;
    uint32_t range_count;
    struct selection_range {
        uint32_t lane;
        uint64_t first, last; /* seqs */
    } * ranges;               /* room for all lanes */
    uint64_t epoch;
    int64_t time_ns;
    bool ends_epoch, is_last;
    /* What lanes have ended by their markers: acknowledged, and with this selection. */
    uint64_t *groups, *groups_next;
    uint64_t epoch_group, epoch_group_next; /* of the latest marker that ends an epoch */
    uint64_t ended_group;                   /* of the latest epoch that was said to end */
};

void selection_init(struct selection *selection, uint32_t lane_count);
void selection_clear(struct selection *selection);

enum selection_rule {
    SELECTION_BY_GROUP, /* up to a marker, from all lanes that have it, once each lane has sent some
                           marker */
    SELECTION_AS_THEY_COME,
};
/* False: nothing is complete yet. */
bool selection_next(struct selection *selection, struct lane *lanes, uint32_t lane_count,
                    enum selection_rule rule);
void selection_acknowledged(struct selection *selection, uint32_t lane_count);
