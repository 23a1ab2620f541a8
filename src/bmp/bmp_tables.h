/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The tables of the RIB that routers tell by BMP: a view (bgp/rib_view.h) for each router, kind of table and
 * distinguisher, and in it a member for each monitored peer. A router outlives its connection: what it told
 * stays for peer_down_keep_s, stale, and is taken up again when it is back.
 *
 * Routes of a VRF, unicast and labelled, go into the RIB's table of the distinguisher, so that they answer only
 * flows of that one. Adj-RIB-Out is counted and takes no memory here.
 *
 * The BGP thread owns all of it; other threads read the snapshot (bmp/bmp_views.h) and the counters.
 */
#include "base/metric.h"
#include "bgp/bgp.h"
#include "bmp/bmp_router.h"
#include "bmp/bmp_views.h"

struct bmp_tables;
struct bmp_tables_router; /* one router, connected or not */

enum bmp_tables_counter {
#define BMP_TABLES_COUNTER(NAME, HELP) BMP_TABLES_COUNTER_##NAME,
#include "bmp/bmp_tables_counters.def"
#undef BMP_TABLES_COUNTER
    BMP_TABLES_COUNTER_COUNT
};

/* Keys that lines of the log name as the remedy; borrowed for good. */
struct bmp_bound {
    uint64_t max;
    const char *key;
};
struct bmp_tables_settings {
    struct rib *rib;
    struct rcu *rcu;
    uint32_t first_slot, slot_count; /* of the RIB, for views; no one else uses them */
    struct bmp_bound routers;        /* connected ones, and those whose paths are kept */
    struct bmp_bound peers;          /* monitored peers of a router, kept ones too */
    struct bmp_bound paths;          /* of a router, in all its views; max 0: no bound */
};
/* The two are for before the thread runs, and after it has ended. */
struct bmp_tables *bmp_tables_new(const struct bmp_tables_settings *settings);
/* All connections are lost, and all readers gone. NULL: nothing. */
void bmp_tables_free(struct bmp_tables *tables);

/* Sets the time for all that follows, until the next call: when the bytes that routers are fed came. */
void bmp_tables_set_time(struct bmp_tables *tables, struct wall_time wall, struct mono_time mono)
    ON_THREAD(bgp_thread);

/*
 * A connection with a router stands. It is the one that had this address before, whose paths were kept, or a new
 * one. NULL: there are as many as may be, all of them connected (counted; the caller tells). The router must not
 * be connected: a newer connection takes the place of an older one when that was lost.
 */
struct bmp_tables_router *bmp_tables_connect(struct bmp_tables *tables,
                                             const struct ip_addr *address, uint16_t port)
    ON_THREAD(bgp_thread);
/* Whether a router of that address is connected. */
bool bmp_tables_is_connected(const struct bmp_tables *tables, const struct ip_addr *address)
    ON_THREAD(bgp_thread);
/* The functions for bmp_router_new(); valid until bmp_tables_lost(). One owner who does more with a message calls
 * them, with their `arg`, from his own. bmp_source.peer->owner_data is theirs. */
const struct bmp_router_owner *bmp_tables_owner(const struct bmp_tables_router *router);
/* The connection is gone, after bmp_router_free(). What it told is kept, or, unless `is_kept`, gone. The router
 * may be freed at any time from now on. */
void bmp_tables_lost(struct bmp_tables *tables, struct bmp_tables_router *router, bool is_kept)
    ON_THREAD(bgp_thread);

/* At least each second, and between turns of reading: gives back what nothing is left of, and publishes a
 * snapshot where something has changed. True: there is more to do at once. */
bool bmp_tables_turn(struct bmp_tables *tables) ON_THREAD(bgp_thread);

/* For when memory is short: forgets what lost routers and peers left; returns how many paths the
 * views had of which something went. The memory goes in slices (rib_tick()), or by rib_sweep(). */
uint64_t bmp_tables_forget_stale(struct bmp_tables *tables) ON_THREAD(bgp_thread);
/* Paths of a router, in all its views, with their history. */
uint64_t bmp_tables_paths(const struct bmp_tables *tables, const struct bmp_tables_router *router)
    ON_THREAD(bgp_thread);

/* The snapshot; any reader of the RCU domain, until its next quiescent state. Never NULL. */
const struct bmp_views *bmp_tables_views(const struct bmp_tables *tables);
/* All counters, always in one order; any thread. */
void bmp_tables_statistics_each(const struct bmp_tables *tables, bgp_statistic_fn *fn, void *arg);
