/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks through the lanes for the next transaction: isolated hand-overs first, then those that were
 * under way before, then new ones. See selection.h. */
#include "host/selection.h"

#include "base/memory.h"

#include <string.h>

/* Bounds what one lane gives to a transaction under SELECTION_AS_THEY_COME. */
#define HANDOVERS_MAX 256u

void selection_init(struct selection *selection, uint32_t lane_count)
{
    *selection = (struct selection){0};
    selection->ranges = mem_calloc(lane_count, sizeof *selection->ranges);
    selection->groups = mem_calloc(lane_count, sizeof *selection->groups);
    selection->groups_next = mem_calloc(lane_count, sizeof *selection->groups_next);
}

void selection_clear(struct selection *selection)
{
    mem_free(selection->ranges);
    mem_free(selection->groups);
    mem_free(selection->groups_next);
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

/* Finds the first marker of a lane, `ahead` hand-overs or more behind the acknowledged ones. */
static bool find_marker(const struct lane *lane, uint64_t ahead, struct handover *ret_marker)
{
    for (; ring_view_peek(lane->ring, ahead, ret_marker); ahead++)
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
        if (!find_marker(&lanes[i], 0, &marker))
            return false;
        if (marker.group < group)
            group = marker.group;
    }
    for (uint32_t i = 0; i < lane_count; i++)
        if (find_marker(&lanes[i], 0, &marker) && marker.group == group)
            add_range(s, i, ring_view_acked(lanes[i].ring) + 1, marker.seq);
    return s->range_count > 0;
}

/* Takes epoch and time from the descriptors of a range and notes its markers. True: its lane ends
 * with it. */
static bool describe_range(struct selection *s, const struct selection_range *range,
                           const struct lane *lane)
{
    struct handover h = {0};

    for (uint64_t ahead = 0; ahead <= range->last - range->first; ahead++) {
        if (!ring_view_peek(lane->ring, ahead, &h))
            break;
        if (h.epoch > s->epoch)
            s->epoch = h.epoch;
        if (h.time_ns > s->time_ns)
            s->time_ns = h.time_ns;
        if ((h.flags & HANDOVER_MARKER) != 0)
            s->groups_next[range->lane] = h.group;
        if ((h.flags & HANDOVER_ENDS_EPOCH) != 0 && h.group > s->epoch_group_next)
            s->epoch_group_next = h.group;
    }
    if ((h.flags & HANDOVER_IS_LAST) != 0)
        s->groups_next[range->lane] = UINT64_MAX;
    return (h.flags & HANDOVER_IS_LAST) != 0;
}

/*
 * An epoch may be written not at once but one hand-over at a time, or as they come. It ends with
 * the last of them, since a backend that begins a file anew after each epoch would lose the others.
 * A lane whose next marker is of a later group has nothing more for this one.
 */
static bool is_epoch_over(const struct selection *s, const struct lane *lanes, uint32_t lane_count)
{
    if (s->epoch_group_next <= s->ended_group)
        return false;
    for (uint32_t i = 0, range = 0; i < lane_count; i++) {
        uint64_t selected = 0;
        struct handover marker;
        if (range < s->range_count && s->ranges[range].lane == i) {
            selected = s->ranges[range].last - s->ranges[range].first + 1;
            range++;
        }
        if (s->groups_next[i] < s->epoch_group_next &&
            (!find_marker(&lanes[i], selected, &marker) || marker.group <= s->epoch_group_next))
            return false;
    }
    return true;
}

static void describe_ranges(struct selection *s, struct lane *lanes, uint32_t lane_count)
{
    uint32_t ended_count = 0;

    s->epoch = 0;
    s->time_ns = INT64_MIN;
    s->epoch_group_next = s->epoch_group;
    for (uint32_t i = 0; i < lane_count; i++) {
        bool is_ended = ring_view_is_ended(lanes[i].ring);
        s->groups_next[i] = is_ended ? UINT64_MAX : s->groups[i];
        ended_count += is_ended;
    }
    for (uint32_t i = 0; i < s->range_count; i++)
        ended_count += describe_range(s, &s->ranges[i], &lanes[s->ranges[i].lane]);
    s->is_last = ended_count == lane_count;
    s->ends_epoch = is_epoch_over(s, lanes, lane_count);
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
    describe_ranges(selection, lanes, lane_count);
    return true;
}

void selection_acknowledged(struct selection *s, uint32_t lane_count)
{
    memcpy(s->groups, s->groups_next, lane_count * sizeof *s->groups);
    s->epoch_group = s->epoch_group_next;
    if (s->ends_epoch)
        s->ended_group = s->epoch_group;
}
