/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The snapshot of routers that speak BMP, of their views and monitored peers, for threads that match exporters
 * or tell statistics. Immutable, as struct bgp_peers (bgp/bgp.h) is: a new one is published, under RCU, when
 * a router, a peer or the state of a table changes, and every ten seconds for the counts.
 */
#include "base/address.h"
#include "bgp/rib.h"

enum bmp_view_kind { BMP_VIEW_IN, BMP_VIEW_LOC, BMP_VIEW_OUT, BMP_VIEW_KIND_COUNT };
const char *bmp_view_kind_name(enum bmp_view_kind kind); /* "Adj-RIB-In" */

/* A monitored peer, as a member of a view. */
struct bmp_view_member {
    uint16_t number;        /* struct rib_query.only_member is one more */
    uint8_t peer_type;      /* enum bmp_peer_type */
    bool is_up;             /* the router says so; else its paths are stale */
    bool is_labelled;       /* its labelled routes of a VRF, which are a member of their own */
    bool has_pre, has_post; /* the router tells of this table */
    uint64_t pre_paths,
        post_paths; /* at the time of the snapshot; those that policy left alone are in both */
    struct ip_addr address; /* IP_NONE: the router itself (Loc-RIB) */
    uint32_t as, router_id; /* host order */
    uint64_t updates;       /* Route Monitoring messages since it came up */
    int64_t up_ns;          /* wall clock, by us; 0: never since we started */
};

struct bmp_view_family {
    bool is_negotiated, has_add_path, is_loaded, is_stale,
        has_paths; /* as of struct bgp_peer_family */
};
struct bmp_view {
    uint32_t slot; /* struct rib_query.peer */
    enum bmp_view_kind kind;
    /* 0: the global instance, whose peers may send VPN routes, which answer queries with an `rd`. Else all its
     * routes are in the RIB's table of this `rd`. */
    uint64_t distinguisher;
    struct bmp_view_family families[RIB_FAMILY_COUNT];
    uint64_t paths, history_paths, prefixes;
    uint32_t member_count;
    const struct bmp_view_member *members; /* by address, those of labelled routes behind others */
};

#define BMP_VIEW_NAME_LEN 256
struct bmp_router_view {
    struct ip_addr address; /* of the connection */
    uint16_t port;
    bool is_connected;
    uint32_t as, router_id; /* its own, by the OPENs that it sent its peers; 0: not known yet */
    char sys_name[BMP_VIEW_NAME_LEN], sys_descr[BMP_VIEW_NAME_LEN]; /* "": not told */
    int64_t connected_ns, lost_ns; /* wall clock; lost_ns 0: it is connected */
    int64_t clock_offset_ns;       /* what is added to its times */
    bool has_clock_offset;
    uint64_t adj_rib_out; /* NLRI of Adj-RIB-Out that it told, and that are not kept */
    uint64_t paths_refused;
    uint32_t peer_count; /* up */
    uint32_t view_count;
    const struct bmp_view *views; /* in no order */
};

struct bmp_views {
    uint64_t generation; /* grows with every change, not for counts alone */
    /* The view of each slot, from first_slot on, so that a flow's is found at once; NULLs: there is none. */
    uint32_t first_slot, slot_count;
    const struct bmp_view_place {
        const struct bmp_router_view *router;
        const struct bmp_view *view;
    } * places;
    uint32_t count;
    const struct bmp_router_view *routers[]; /* in no order; lost ones too, while paths are kept */
};
/* NULL: no router of the snapshot has it. */
const struct bmp_view *bmp_views_find_slot(const struct bmp_views *views, uint32_t slot,
                                           const struct bmp_router_view **ret_router);
/* The view of that kind and distinguisher; NULL: the router has none. */
const struct bmp_view *bmp_router_view_find(const struct bmp_router_view *router,
                                            enum bmp_view_kind kind, uint64_t distinguisher);
/* A member by its peer's address; NULL: there is none. */
const struct bmp_view_member *bmp_view_find_member(const struct bmp_view *view,
                                                   const struct ip_addr *address);
