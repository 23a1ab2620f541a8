/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Walks over all tables of the RIB and tells what the sessions that are up have announced: no path that is stale,
 * that waits for its session to announce it again, or that is gone. In slices, between which the reader may be
 * quiescent or offline for any time: nothing is kept from one to the next but the place. What one peer has of
 * one prefix is told at once, as it stood at one moment; what is there all the time comes exactly once.
 *
 * Any reader of the RIB's RCU domain. One thread owns a walk.
 */
#include "base/prefix_tree.h"
#include "bgp/rib.h"

/* A path as it is told; `attrs` is borrowed until the reader's next quiescent state. */
struct rib_dumped {
    const struct path_attrs *attrs;
    struct ip_prefix prefix;
    uint64_t rd; /* RIB_VPN alone */
    uint32_t peer;
    uint32_t path_id;     /* of ADD-PATH */
    int64_t announced_ms; /* wall clock; 0: in the first table of the session, so nobody knows */
    enum rib_safi safi;
    bool has_add_path;
};
typedef void rib_dump_fn(void *arg, const struct rib_dumped *path);

/* The caller sets what comes first; the rest is 0 at first. Views (rib_view.h) are left out. */
struct rib_dump {
    const struct rib *rib;
    const bool
        *is_wanted;      /* by peer: whose paths are told; it may change between slices. Borrowed */
    uint32_t peer_count; /* of that array; others are not wanted */
    bool has_stale;      /* what is stale, or waits to be announced again, is told too */
    enum rib_safi safi;  /* where the next slice begins */
    enum rib_family family;
    uint64_t rd;
    bool has_rd, is_in_prefix;
    uint32_t next_peer; /* is_in_prefix: of the cursor's prefix */
    struct prefix_cursor rds, cursor;
};

/* A slice ends after so many prefixes or paths, whichever comes first; with the list that is under way it may tell
 * RIB_PATHS_MAX paths more. That is a fraction of a millisecond. */
enum { RIB_DUMP_SLICE = 1024, RIB_DUMP_SLICE_MAX = RIB_DUMP_SLICE + RIB_PATHS_MAX };

/* Tells the next slice. False: that was the end. */
bool rib_dump_some(struct rib_dump *dump, rib_dump_fn *fn, void *arg);
