/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps a heap for each of the two kinds of owners, with the next loser on top. A place is by the
 * last use that the share had when it was placed. Uses only grow, which makes a share a later loser, so
 * it is enough to look at the use again when a share is on top.
 */
#include "base/share.h"

#include "base/memory.h"

#define FIRST_CAPACITY 16

void shares_init(struct shares *shares)
{
    *shares = (struct shares){0};
}

void shares_clear(struct shares *shares)
{
    mem_free(shares->rankings[0].shares);
    mem_free(shares->rankings[1].shares);
    shares_init(shares);
}

static bool loses_before(const struct share *a, const struct share *b)
{
    return a->held != b->held ? a->held > b->held : a->ranked_use < b->ranked_use;
}

static void put(struct share_ranking *ranking, struct share *share, size_t place)
{
    ranking->shares[place - 1] = share;
    share->place = place;
}

static void rise(struct share_ranking *ranking, struct share *share)
{
    size_t place = share->place;

    while (place > 1 && loses_before(share, ranking->shares[place / 2 - 1])) {
        put(ranking, ranking->shares[place / 2 - 1], place);
        place /= 2;
    }
    put(ranking, share, place);
}

static void sink(struct share_ranking *ranking, struct share *share)
{
    size_t place = share->place;

    for (size_t below; (below = 2 * place) <= ranking->count; place = below) {
        if (below < ranking->count &&
            loses_before(ranking->shares[below], ranking->shares[below - 1]))
            below++;
        if (!loses_before(ranking->shares[below - 1], share))
            break;
        put(ranking, ranking->shares[below - 1], place);
    }
    put(ranking, share, place);
}

static void enter(struct shares *shares, struct share *share)
{
    struct share_ranking *ranking = &shares->rankings[share->is_known];

    if (ranking->count == ranking->capacity) {
        ranking->capacity = ranking->capacity > 0 ? ranking->capacity * 2 : FIRST_CAPACITY;
        ranking->shares =
            mem_realloc_array(ranking->shares, ranking->capacity, sizeof *ranking->shares);
    }
    share->ranked_use = *share->last_use;
    put(ranking, share, ++ranking->count);
    rise(ranking, share);
}

static void leave(struct shares *shares, struct share *share)
{
    struct share_ranking *ranking = &shares->rankings[share->is_known];
    struct share *last = ranking->shares[--ranking->count];

    if (last != share) {
        put(ranking, last, share->place);
        rise(ranking, last);
        sink(ranking, last);
    }
    share->place = 0;
}

void share_grow(struct shares *shares, struct share *share, size_t amount)
{
    shares->held += amount;
    share->held += amount;
    if (share->place == 0)
        enter(shares, share);
    else
        rise(&shares->rankings[share->is_known], share);
}

void share_shrink(struct shares *shares, struct share *share, size_t amount)
{
    shares->held -= amount;
    share->held -= amount;
    if (share->held == 0)
        leave(shares, share);
    else
        sink(&shares->rankings[share->is_known], share);
}

void share_set_known(struct shares *shares, struct share *share, bool is_known)
{
    if (share->is_known == is_known)
        return;
    if (share->place > 0)
        leave(shares, share);
    share->is_known = is_known;
    if (share->held > 0)
        enter(shares, share);
}

struct share *shares_loser(struct shares *shares)
{
    struct share_ranking *ranking = &shares->rankings[shares->rankings[0].count == 0];

    if (ranking->count == 0)
        return NULL;
    for (struct share *first = ranking->shares[0]; first->ranked_use != *first->last_use;
         first = ranking->shares[0]) {
        first->ranked_use = *first->last_use;
        sink(ranking, first);
    }
    return ranking->shares[0];
}
