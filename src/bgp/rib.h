/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Every peer's Adj-RIB-In in one prefix tree per address family and route distinguisher, with a history of
 * withdrawn paths, and the question that the workers ask it: which path did traffic to this address, sent on by
 * this next hop, take? (DESIGN.md, "RIB" and "Which path did the flow take?")
 *
 * The BGP thread is the only writer. Workers look up under RCU: what a query returns is borrowed until the
 * worker's next quiescent state.
 */
#include "base/address.h"
#include "base/rcu.h"
#include "base/thread.h"
#include "bgp/path_match.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rib;

enum rib_family { RIB_IPV4, RIB_IPV6, RIB_FAMILY_COUNT };

/* A string that was rendered once; `handle` is never reused for other contents. */
struct rib_text {
    const char *data;
    uint32_t len;
    uint64_t handle;
};

/* One distinct set of path attributes, interned and immutable. */
struct path_attrs {
    uint64_t handle; /* never reused */
    struct ip_addr next_hop;
    uint32_t local_pref, med; /* 0 when absent */
    uint32_t first_as, first_as_no_confed; /* of the AS path; 0 when empty */
    uint32_t origin_as;       /* last; 0 when empty or an AS_SET */
    uint8_t origin;           /* 0 IGP, 1 EGP, 2 incomplete */
    bool has_local_pref, has_med;
    struct rib_text as_path;  /* "321_654_789", "{1,2}", "(1 2)" as flows print it */
    struct rib_text std_comms, ext_comms, lrg_comms; /* joined by '_', well-known names as configured */
    /* what only bgp/ reads follows in its own struct */
};

/* What a query found. */
struct rib_path {
    const struct path_attrs *attrs; /* NULL: no path */
    uint32_t path_id;
    struct ip_prefix prefix;        /* the one that the path belongs to */
};

enum rib_policy { RIB_POLICY_NORMAL, RIB_POLICY_PMACCT }; /* bgp_path_accept: pmacct */

struct rib_query {
    uint32_t peer;            /* index in the peer snapshot (bgp.h) */
    uint64_t rd;              /* 0: the unicast table */
    struct ip_addr address;
    struct ip_addr next_hop;  /* family IP_NONE: the flow has none */
    int64_t from_ns, to_ns;   /* life of the flow, wall clock; both 0 in replay: current paths only */
    bool any_path;            /* source side: the best path of the longest prefix, next hop ignored */
    /* results */
    enum path_match match;
    struct rib_path path;
    bool is_stale, is_loading;      /* the peer's table in that family */
    uint32_t candidate_paths;       /* alive at the flow's end, of the longest prefix */
};

/* Answers all queries, prefetching across them. Any reader of the RIB's RCU domain. */
void rib_lookup_batch(const struct rib *rib, enum rib_policy policy, struct rib_query *queries, size_t query_count);
