/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Loads tables from MRT files (bgp_table_load, and what bgp_table_save wrote) into the RIB, as those of
 * peers that are down: their paths are stale, and go at the End-of-RIB of the peer's session, or when
 * their time is over. Peers are known by address and router id, as sessions are. One that has, or had, a
 * session here is left as it is.
 */
#include "base/text.h"
#include "base/thread.h"
#include "bgp/bgp.h"

struct peer;
struct table_load;

/* Opens the files. -errno: one is missing or cannot be read, and `error` has its name. *ret_load is NULL
 * where there is nothing to load. */
int table_load_new(const struct bgp_settings *settings, struct text *error,
                   struct table_load **ret_load);
void table_load_free(struct table_load *load); /* NULL is fine */
/* Appends a line for each file of bgp_table_load that cannot be opened; keeps none open. -EINVAL: there
 * was one. */
int table_load_check(const struct bgp_settings *settings, struct text *errors);

/* Reads on for a few milliseconds. False: all is loaded, and bgp->load is NULL again. */
bool table_load_some(struct bgp *bgp) ON_THREAD(bgp_thread);
/* A session of the peer begins, whose table takes the place of what was loaded until now. */
void table_load_give_way(struct bgp *bgp, const struct peer *peer) ON_THREAD(bgp_thread);
