/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The parts that the files of bmp_tables.h share. */
#include "base/log.h"
#include "bmp/bmp_tables.h"

/* A table of a member: before or after policy. */
struct member_table {
    bool is_up;
    uint8_t families, add_path; /* bits of enum address_family */
    uint8_t ended;              /* those whose End-of-RIB has come */
};

struct view_member {
    struct tables_view *view;
    uint8_t peer_type;      /* enum bmp_peer_type */
    uint8_t safi;           /* enum rib_safi: of a VRF, each one's routes have a member; else 0 */
    struct ip_addr address; /* IP_NONE: Loc-RIB */
    uint16_t number;        /* in the RIB's view */
    struct member_table tables[2]; /* [is_post] */
    struct monitored_peer *peer;   /* NULL: it is down, and its paths are stale */
    uint32_t as, router_id;
    uint64_t updates; /* once it is down */
    int64_t up_ns;
    struct mono_time down_since;
};

struct tables_view {
    struct bmp_tables_router *router;
    uint32_t slot;
    enum bmp_view_kind kind;
    uint64_t distinguisher;
    struct view_member **members;
    uint32_t member_count;
    struct bmp_view_family shown[RIB_FAMILY_COUNT]; /* by the snapshot */
};

/* A peer that is up; bmp_peer.owner_data points to it. */
struct monitored_peer {
    struct bmp_peer *peer;
    struct tables_view *view;                    /* NULL: it was refused */
    struct view_member *members[RIB_SAFI_COUNT]; /* NULL: none yet */
    bool is_refused;                             /* its routes are not taken */
    int64_t up_ns;
};

/* The smallest arrival minus header time, of two windows, so that a clock that is set right is
 * believed again. */
struct router_clock {
    bool has_now, has_before;
    int64_t now_ns, before_ns;
    struct mono_time window_start;
};

/* Lines that a router can cause, each with a limit of its own. */
enum { ROUTER_LOG_TABLE, ROUTER_LOG_REFUSED, ROUTER_LOG_BOUND, ROUTER_LOG_COUNT };

struct bmp_tables_router {
    struct bmp_tables *tables;
    struct bmp_router_owner owner;
    struct ip_addr address;
    uint16_t port;
    bool is_connected;
    bool is_forgotten; /* nothing is kept of it, but views may still be swept */
    char sys_name[BMP_NAME_LEN], sys_descr[BMP_NAME_LEN];
    uint32_t as, router_id;
    int64_t connected_ns, lost_ns;
    struct mono_time lost_since;
    struct router_clock offset;
    uint64_t adj_rib_out, paths_refused;
    uint64_t paths_at_most; /* counted anew where it comes near the bound */
    uint32_t peer_count, member_count;
    struct tables_view **views;
    uint32_t view_count;
    struct log_limit log_limits[ROUTER_LOG_COUNT];
    /* The snapshot's part. */
    struct bmp_router_view *block;
    bool is_changed, is_counts_due;
    struct mono_time described;
};

struct bmp_tables {
    struct bmp_tables_settings settings;
    struct rcu_queue *retired;
    struct wall_time wall;
    struct mono_time mono;
    struct bmp_tables_router **routers;
    uint32_t router_count;
    struct tables_view **slots; /* from first_slot on; NULL: free */
    struct counter counters[BMP_TABLES_COUNTER_COUNT];
    struct mono_time next_sweep, next_second;
    uint32_t tidied; /* routers that were, in this second */
    bool is_changed; /* a router came or went */
    struct bmp_views *_Atomic snapshot;
};

static inline void bmp_tables_count(struct bmp_tables *tables, enum bmp_tables_counter counter,
                                    uint64_t n)
{
    counter_add(&tables->counters[counter], n);
}

/* bmp_members.c: views and members, and room for them. */
/* The RIB's number of a member's table. */
uint32_t bmp_member_table(const struct view_member *member, bool is_post) ON_THREAD(bgp_thread);
/* Finds, or makes, the member for what a peer tells of a SAFI. NULL: there is no room (counted and
 * logged). */
struct view_member *bmp_member_take(struct bmp_tables_router *router, struct monitored_peer *peer,
                                    enum rib_safi safi) ON_THREAD(bgp_thread);
/* The peer is up: it has what was kept of it. */
void bmp_members_attach(struct bmp_tables_router *router, struct monitored_peer *peer)
    ON_THREAD(bgp_thread);
void bmp_members_detach(struct bmp_tables_router *router, struct monitored_peer *peer, bool is_kept)
    ON_THREAD(bgp_thread);
/* Forgets what is stale of a router; true: there was something. */
bool bmp_router_forget_stale(struct bmp_tables_router *router) ON_THREAD(bgp_thread);
/* Gives back members and views of which nothing is left. */
void bmp_router_tidy(struct bmp_tables_router *router) ON_THREAD(bgp_thread);
/* Forgets the router that has been lost for longest. False: all are connected. */
bool bmp_tables_drop_lost(struct bmp_tables *tables) ON_THREAD(bgp_thread);

/* bmp_routes.c: the owner's functions. */
struct bmp_router_owner bmp_routes_owner(struct bmp_tables_router *router);
int64_t bmp_clock_offset(const struct router_clock *offset); /* 0: not known */

/* bmp_views.c: the snapshot. */
/* Publishes what has changed. */
void bmp_views_publish(struct bmp_tables *tables) ON_THREAD(bgp_thread);
/* Whether the RIB's state of the router's views is another than is shown. */
bool bmp_views_are_stale(struct bmp_tables_router *router) ON_THREAD(bgp_thread);
