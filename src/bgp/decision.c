/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decision process (RFC 4271 section 9.1.2.2). The MED compares paths from one neighbouring AS
 * only, so that "better" is no order: of three paths each can beat the next. The best of a set is
 * well defined, as each rule removes the worse paths, and from that follows the decision order: the
 * best, the best of the rest, and so on.
 */
#include "bgp/decision.h"
#include <assert.h>

/* The preference of a path without LOCAL_PREF. RFC 4271 leaves it to the receiver, and all
 * routers that we know take 100. */
#define DEFAULT_LOCAL_PREF 100u

static int compare(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static uint32_t local_pref(const struct decision_path *path)
{
    return path->attrs->has_local_pref ? path->attrs->local_pref : DEFAULT_LOCAL_PREF;
}

/* RFC 4271 section 9.1.2.2 c: an absent MED is the lowest one. */
static uint32_t med_of(const struct decision_path *path)
{
    return path->attrs->has_med ? path->attrs->med : 0;
}

static uint32_t originator(const struct decision_path *path)
{
    return path->attrs->has_originator_id ? path->attrs->originator_id : path->router_id;
}

/* Compares by the rules that come before the MED. */
static int compare_head(const struct decision_path *a, const struct decision_path *b)
{
    int result = compare(local_pref(b), local_pref(a)); /* the higher is the better */

    if (result == 0)
        result = compare(a->attrs->as_path_len, b->attrs->as_path_len);
    if (result == 0)
        result = compare(a->attrs->origin, b->attrs->origin);
    return result;
}

/* Compares by the rules that come after the MED. */
static int compare_tail(const struct decision_path *a, const struct decision_path *b)
{
    int result = compare(a->attrs->cluster_list_len, b->attrs->cluster_list_len);

    if (result == 0)
        result = compare(originator(a), originator(b));
    if (result == 0)
        result = compare(a->path_id, b->path_id);
    return result;
}

static bool is_same_neighbour(const struct decision_path *a, const struct decision_path *b)
{
    return a->attrs->first_as_no_confed == b->attrs->first_as_no_confed;
}

/* True if another path that got as far comes from the same AS with a lower MED. */
static bool is_beaten_by_med(const struct decision_path *paths, size_t count, size_t index)
{
    for (size_t i = 0; i < count; i++) {
        if (is_same_neighbour(&paths[i], &paths[index]) &&
            med_of(&paths[i]) < med_of(&paths[index]) &&
            compare_head(&paths[i], &paths[index]) == 0)
            return true;
    }
    return false;
}

size_t decision_best(const struct decision_path *paths, size_t count)
{
    size_t head = 0;
    size_t best = SIZE_MAX;

    for (size_t i = 1; i < count; i++) {
        if (compare_head(&paths[i], &paths[head]) < 0)
            head = i;
    }
    for (size_t i = head; i < count; i++) { /* those before it are worse */
        if (compare_head(&paths[i], &paths[head]) != 0 || is_beaten_by_med(paths, count, i))
            continue;
        if (best == SIZE_MAX || compare_tail(&paths[i], &paths[best]) < 0)
            best = i;
    }
    return best;
}

/* Compares for an order in which the paths of a neighbour stand together, by MED, then by the
 * later rules: the first one of a neighbour is its best. */
static int compare_by_neighbour(const struct decision_path *a, const struct decision_path *b)
{
    int result = compare_head(a, b);

    if (result == 0)
        result = compare(a->attrs->first_as_no_confed, b->attrs->first_as_no_confed);
    if (result == 0)
        result = compare(med_of(a), med_of(b));
    if (result == 0)
        result = compare_tail(a, b);
    return result;
}

/* Turns that order into decision order: takes the best of the neighbours' firsts, again and
 * again. The paths of order[0..count) are equal by the rules before the MED. */
static void merge_neighbours(const struct decision_path *paths, uint16_t *order, size_t count)
{
    for (size_t placed = 0; placed + 1 < count; placed++) {
        size_t best = placed;
        for (size_t i = placed + 1; i < count; i++) {
            bool is_first = !is_same_neighbour(&paths[order[i]], &paths[order[i - 1]]);
            if (is_first && compare_tail(&paths[order[i]], &paths[order[best]]) < 0)
                best = i;
        }
        uint16_t taken = order[best];
        for (size_t i = best; i > placed; i--)
            order[i] = order[i - 1];
        order[placed] = taken;
    }
}

void decision_sort(const struct decision_path *paths, size_t count, uint16_t *ret_order)
{
    assert(count <= UINT16_MAX);
    /* Insertion sort: there is a handful of paths, mostly in order already. */
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && compare_by_neighbour(&paths[i], &paths[ret_order[at - 1]]) < 0; at--)
            ret_order[at] = ret_order[at - 1];
        ret_order[at] = (uint16_t)i;
    }
    for (size_t start = 0, end; start < count; start = end) {
        for (end = start + 1; end < count; end++) {
            if (compare_head(&paths[ret_order[start]], &paths[ret_order[end]]) != 0)
                break;
        }
        merge_neighbours(paths, ret_order + start, end - start);
    }
}

bool decision_place(const struct decision_path *sorted, size_t count,
                    const struct decision_path *path, size_t *ret_place)
{
    size_t place = SIZE_MAX;

    for (size_t i = 0; i < count; i++) {
        int head = compare_head(path, &sorted[i]);
        if (head > 0)
            continue;
        if (head == 0 && is_same_neighbour(path, &sorted[i]) && med_of(path) != med_of(&sorted[i]))
            return false;
        if (place == SIZE_MAX && (head < 0 || compare_tail(path, &sorted[i]) < 0))
            place = i;
        if (head < 0)
            break;
    }
    *ret_place = place == SIZE_MAX ? count : place;
    return true;
}
