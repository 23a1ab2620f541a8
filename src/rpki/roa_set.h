/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The ROAs that a cache has told, and the changes of an answer that has not ended yet: they hold all
 * together or not at all (RFC 8210 section 8). One thread.
 */
#include "rpki/roa_table.h"
#include <stdbool.h>
#include <stddef.h>

enum { ROAS_MAX = 1 << 23 }; /* more than ten times of what the Internet has */

struct roa_change {
    struct roa roa;
    bool is_announcement;
};

struct roa_set {
    struct roa *roas; /* in order */
    size_t count;
    struct roa_change *changes; /* as they came */
    size_t change_count, change_capacity;
};

void roa_set_clear(struct roa_set *set); /* frees; all zero is an empty set */
/* -ENOSPC: beyond ROAS_MAX. */
int roa_set_change(struct roa_set *set, const struct roa *roa, bool is_announcement);
void roa_set_drop_changes(struct roa_set *set);
/* Makes the changes hold. `starts_anew`: in place of what there was. Of several changes of one ROA the
 * last one counts. -ENOSPC: there would be more than ROAS_MAX; nothing has changed. */
int roa_set_commit(struct roa_set *set, bool starts_anew);
