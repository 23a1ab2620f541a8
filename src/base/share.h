/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Shares of something that is bounded and that several owners fill: who has to give something up
 * when it is full. This is the one place of that rule. Owners that are not known come first, of those
 * the one that holds most, and of several that hold as much the one that was not used for longest;
 * known owners come only when the others hold nothing. So one that makes things up pushes out its
 * own. One thread owns all of it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part that one owner holds. */
struct share {
    /* Grows with each use of the owner and orders all owners; nobody has to tell that it grew.
     * Borrowed. */
    const uint64_t *last_use;
    uint64_t ranked_use; /* that, as of its place */
    size_t held;         /* in units of the caller's */
    size_t place;        /* from 1; 0: it holds nothing */
    bool is_known;
};

struct share_ranking {
    struct share **shares;
    size_t count, capacity;
};

struct shares {
    size_t held;                      /* by all */
    struct share_ranking rankings[2]; /* of the owners that are not known, of those that are */
};

void shares_init(struct shares *shares);
void shares_clear(struct shares *shares);

/* Begins a share that holds nothing. */
static inline void share_init(struct share *share, const uint64_t *last_use, bool is_known)
{
    *share = (struct share){.last_use = last_use, .is_known = is_known};
}
void share_grow(struct shares *shares, struct share *share, size_t amount);
/* A share that holds nothing may go. */
void share_shrink(struct shares *shares, struct share *share, size_t amount);
void share_set_known(struct shares *shares, struct share *share, bool is_known);

/* Returns the share that has to give something up; NULL: nobody holds anything. */
struct share *shares_loser(struct shares *shares);
