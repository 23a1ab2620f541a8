/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the ROAs of a cache in order, and merges changes into them. */
#include "rpki/roa_set.h"

#include "base/memory.h"
#include <errno.h>
#include <stdlib.h>

void roa_set_clear(struct roa_set *set)
{
    mem_free(set->roas);
    mem_free(set->changes);
    *set = (struct roa_set){0};
}

int roa_set_change(struct roa_set *set, const struct roa *roa, bool is_announcement)
{
    if (set->change_count == set->change_capacity) {
        if (set->change_count >= 2 * (size_t)ROAS_MAX)
            return -ENOSPC;
        set->change_capacity = set->change_capacity ? 2 * set->change_capacity : 1024;
        set->changes = mem_realloc_array(set->changes, set->change_capacity, sizeof *set->changes);
    }
    set->changes[set->change_count++] = (struct roa_change){*roa, is_announcement};
    return 0;
}

void roa_set_drop_changes(struct roa_set *set)
{
    mem_free(set->changes);
    set->changes = NULL;
    set->change_count = set->change_capacity = 0;
}

/* Equal ROAs stay in the order in which they came. */
static int compare_changes(const void *a, const void *b)
{
    const struct roa_change *const *x = a, *const *y = b;
    int order = roa_compare(&(*x)->roa, &(*y)->roa);

    return order ? order : *x < *y ? -1 : *x > *y;
}

/* Puts the changes in order and leaves the last one of each ROA. Returns how many there are. */
static size_t sort_changes(const struct roa_set *set, const struct roa_change **sorted)
{
    size_t count = 0;

    for (size_t i = 0; i < set->change_count; i++)
        sorted[i] = &set->changes[i];
    if (set->change_count > 0)
        qsort(sorted, set->change_count, sizeof(const struct roa_change *), compare_changes);
    for (size_t i = 0; i < set->change_count; i++)
        if (i + 1 == set->change_count || roa_compare(&sorted[i]->roa, &sorted[i + 1]->roa) != 0)
            sorted[count++] = sorted[i];
    return count;
}

int roa_set_commit(struct roa_set *set, bool starts_anew)
{
    size_t old_count = starts_anew ? 0 : set->count, count = 0, old = 0, at = 0;
    const struct roa_change **sorted =
        mem_calloc(set->change_count + 1, sizeof(const struct roa_change *));
    size_t change_count = sort_changes(set, sorted);
    struct roa *roas = mem_calloc(old_count + change_count + 1, sizeof *roas);

    while (old < old_count || at < change_count) {
        int order = old == old_count     ? 1
                    : at == change_count ? -1
                                         : roa_compare(&set->roas[old], &sorted[at]->roa);
        if (order < 0)
            roas[count++] = set->roas[old];
        else if (sorted[at]->is_announcement)
            roas[count++] = sorted[at]->roa;
        old += order <= 0;
        at += order >= 0;
    }
    mem_free(sorted);
    if (count > ROAS_MAX) {
        mem_free(roas);
        return -ENOSPC;
    }
    mem_free(set->roas);
    set->roas = roas;
    set->count = count;
    roa_set_drop_changes(set);
    return 0;
}
