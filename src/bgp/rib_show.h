/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells all that the RIB holds under a prefix, for people: every peer's paths in decision order, and
 * those that are gone but kept. In slices, between which the reader may be quiescent; what changes
 * meanwhile is told as it is when its peer's turn comes.
 */
#include "base/address.h"
#include "base/prefix_tree.h"
#include "bgp/rib.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A path as it is told; `attrs` is borrowed until the reader's next quiescent state. */
struct rib_shown {
    const struct path_attrs *attrs;
    uint32_t peer;      /* index in the peer snapshot */
    uint32_t router_id; /* of the peer, host order */
    uint32_t path_id;
    uint32_t rank;        /* 0: the peer's best; those that are gone have none and say UINT32_MAX */
    int64_t announced_ms; /* wall clock; 0: in the first table of the session, so nobody knows */
    int64_t withdrawn_ms; /* 0: the path stands */
    bool is_stale;        /* the session is gone, and the path is kept for a while */
    bool has_add_path;
    /* A view's path (rib_view.h) has these: whose it is, of which policy, and whether the router uses it. */
    uint16_t member;
    bool is_pre, is_post, is_in_use;
};
typedef void rib_show_fn(void *arg, const struct rib_shown *path);

/* A prefix that is told. The caller sets what comes first; the rest is 0 at first. */
struct rib_show {
    const struct rib *rib;
    enum rib_safi safi;
    uint64_t rd; /* RIB_VPN alone */
    struct ip_prefix prefix;
    uint32_t next_peer; /* where the next slice begins */
    bool is_over;
};
/* Tells the paths of some peers, until there are `count` or more; at most RIB_PATHS_MAX and the
 * history of one peer more. False: that was all. */
bool rib_show_some(struct rib_show *show, unsigned count, rib_show_fn *fn, void *arg);

/* Puts the lengths of the prefixes that are there and contain the address into `lens`, the longest
 * first; returns how many. */
enum { RIB_SHOW_LENS = 129 };
size_t rib_show_covering(const struct rib *rib, enum rib_safi safi, uint64_t rd,
                         const struct ip_addr *address, uint8_t lens[RIB_SHOW_LENS]);

/*
 * Tells a whole table, prefix by prefix: the paths that stand. In slices too; a prefix that is there
 * all the time comes exactly once. The caller sets what comes first; the rest is 0 at first.
 */
struct rib_scan {
    const struct rib *rib;
    enum rib_safi safi;
    uint64_t rd; /* RIB_VPN alone */
    enum rib_family family;
    uint32_t peer; /* RIB_SCAN_ALL: all peers */
    struct prefix_cursor cursor;
};
#define RIB_SCAN_ALL UINT32_MAX
typedef void rib_scan_fn(void *arg, const struct ip_prefix *prefix, const struct rib_shown *path);
/* Goes on for so many prefixes. False: that was all. */
bool rib_scan_some(struct rib_scan *scan, unsigned prefix_count, rib_scan_fn *fn, void *arg);
