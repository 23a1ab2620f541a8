/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See selection.h. */
#include "host/selection.h"

#include "base/memory.h"

/* As they come: no more of one lane than this goes into a transaction. */
#define HANDOVERS_MAX 256u

void selection_init(struct selection *selection, uint32_t lane_count)
{
    *selection = (struct selection){0};
    selection->ranges = mem_calloc(lane_count, sizeof *selection->ranges);
}

void selection_clear(struct selection *selection)
{
    mem_free(selection->ranges);
    *selection = (struct selection){0};
}

static void add_range(struct selection *s, uint32_t lane, uint64_t first, uint64_t last)
{
    s->ranges[s->range_count++] = (struct selection_range){lane, first, last};
}

static bool find_isolated(struct selection *s, struct lane *lanes, uint32_t lane_count)
{
    for (uint32_t i = 0; i < lane_count; i++) {
        uint64_t acked = ring_view_acked(lanes[i].ring);
        if (acked >= ring_view_isolate_until(lanes[i].ring))
            continue;
        s->kind = SELECTION_ISOLATED;
        add_range(s, i, acked + 1, acked + 1);
        return true;
    }
    return false;
}

static bool find_repeated(struct selection *s, struct lane *lanes, uint32_t lane_count)
{
    for (uint32_t i = 0; i < lane_count; i++) {
        uint64_t acked = ring_view_acked(lanes[i].ring);
        struct ring_attempt attempt = ring_view_attempt(lanes[i].ring);
        if (attempt.seq > acked)
            add_range(s, i, acked + 1, attempt.seq);
    }
    s->kind = SELECTION_REPEATED;
    return s->range_count > 0;
}

static bool find_available(struct selection *s, struct lane *lanes, uint32_t lane_count)
{
    struct handover h;
    for (uint32_t i = 0; i < lane_count; i++) {
        uint64_t acked = ring_view_acked(lanes[i].ring), count = 0;
        while (count < HANDOVERS_MAX && ring_view_peek(lanes[i].ring, count, &h))
            count++;
        if (count > 0)
            add_range(s, i, acked + 1, acked + count);
    }
    return s->range_count > 0;
}

/* The first marker of a lane that is not acknowledged. */
static bool find_marker(const struct lane *lane, struct handover *ret_marker)
{
    for (uint64_t ahead = 0; ring_view_peek(lane->ring, ahead, ret_marker); ahead++)
        if ((ret_marker->flags & HANDOVER_MARKER) != 0)
            return true;
    return false;
}

/*
 * The lowest group among the lanes' first markers is complete once each lane has one: groups rise,
 * so a lane whose marker is of a later group has nothing more for this one.
 */
static bool find_group(struct selection *s, struct lane *lanes, uint32_t lane_count)
{
    uint64_t group = UINT64_MAX;
    struct handover marker;

    for (uint32_t i = 0; i < lane_count; i++) {
        if (ring_view_is_ended(lanes[i].ring))
            continue;
        if (!find_marker(&lanes[i], &marker))
            return false;
        if (marker.group < group)
            group = marker.group;
    }
    for (uint32_t i = 0; i < lane_count; i++)
        if (find_marker(&lanes[i], &marker) && marker.group == group)
            add_range(s, i, ring_view_acked(lanes[i].ring) + 1, marker.seq);
    return s->range_count > 0;
}

/* Epoch, time and what ends with it, from the descriptors. */
static void describe(struct selection *s, struct lane *lanes, uint32_t lane_count)
{
    uint32_t ended_count = 0;

    s->epoch = 0;
    s->time_ns = INT64_MIN;
    s->ends_epoch = false;
    for (uint32_t i = 0; i < s->range_count; i++) {
        const struct selection_range *range = &s->ranges[i];
        struct handover h = {0};
        for (uint64_t ahead = 0; ahead <= range->last - range->first; ahead++) {
            if (!ring_view_peek(lanes[range->lane].ring, ahead, &h))
                break;
            if (h.epoch > s->epoch)
                s->epoch = h.epoch;
            if (h.time_ns > s->time_ns)
                s->time_ns = h.time_ns;
            if ((h.flags & HANDOVER_ENDS_EPOCH) != 0)
                s->ends_epoch = true;
        }
        if ((h.flags & HANDOVER_IS_LAST) != 0)
            ended_count++;
    }
    for (uint32_t i = 0; i < lane_count; i++)
        if (ring_view_is_ended(lanes[i].ring))
            ended_count++;
    s->is_last = ended_count == lane_count;
}

bool selection_next(struct selection *selection, struct lane *lanes, uint32_t lane_count,
                    enum selection_rule rule)
{
    selection->kind = SELECTION_NEW;
    selection->range_count = 0;
    for (uint32_t i = 0; i < lane_count; i++)
        ring_view_untake(lanes[i].ring);
    if (!find_isolated(selection, lanes, lane_count) &&
        !find_repeated(selection, lanes, lane_count)) {
        selection->kind = SELECTION_NEW;
        bool is_found = rule == SELECTION_BY_GROUP ? find_group(selection, lanes, lane_count)
                                                   : find_available(selection, lanes, lane_count);
        if (!is_found)
            return false;
    }
    describe(selection, lanes, lane_count);
    return true;
}
