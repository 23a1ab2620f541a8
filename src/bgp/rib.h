/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Every peer's Adj-RIB-In in one prefix tree per address family and route distinguisher, with a
 * history of withdrawn paths, and the question that the workers ask it: which path did traffic to
 * this address, sent on by this next hop, take? docs/design.md tells how it is laid out.
 *
 * The BGP thread is the only writer. Workers look up under RCU: what a query returns is borrowed
 * until the worker's next quiescent state.
 */
#include "base/address.h"
#include "base/block_pool.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "base/thread.h"
#include "bgp/path_match.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rib;

enum rib_family { RIB_IPV4, RIB_IPV6, RIB_FAMILY_COUNT };

/* A string that was rendered once, shared by the sets that have it. */
struct rib_text {
    uint64_t handle;          /* never reused for other contents */
    uint32_t ref_count, hash; /* the attribute store's own */
    uint32_t len;
    char data[]; /* ends with a zero */
};
static inline const char *rib_text_data(const struct rib_text *text) /* "" for NULL */
{
    return text ? text->data : "";
}

/* One distinct set of path attributes, interned and immutable. What a lookup, the decision process
 * and flows read comes first: one cache line of 64 bytes. */
struct path_attrs {
    uint64_t handle; /* never reused */
    /* Tells whether two sets agree in AS path, origin, local preference, MED and all
     * communities, as received, whatever patterns cut from the texts below: they do where it is
     * equal. A hash of 64 bits that a peer cannot steer, or a number. */
    uint64_t agreement;
    struct ip_addr next_hop;
    uint8_t origin : 2; /* 0 IGP, 1 EGP, 2 incomplete */
    bool has_local_pref : 1, has_med : 1, has_originator_id : 1;
    uint16_t as_path_len;     /* a set counts 1, confederation segments 0 (RFC 5065 section 5.3) */
    uint32_t local_pref, med; /* 0 when absent */
    uint32_t first_as, first_as_no_confed; /* of the AS path; 0 when empty */
    uint32_t origin_as;                    /* last; 0 when empty or an AS_SET */
    uint32_t originator_id;                /* host order */
    uint16_t cluster_list_len;             /* in ids */

    /* Texts; NULL: empty. */
    const struct rib_text *as_path; /* "321_654_789", "{1,2}", "(1 2)" as flows print it */
    /* joined by '_', well-known names as configured */
    const struct rib_text *std_comms, *ext_comms, *lrg_comms;
    /* Written by the BGP thread alone. References: those of the maker, and one of the RIB while it
     * has a path with this set; the count of its paths is the RIB's own, 0 at first. */
    uint32_t ref_count, rib_path_count;
    uint32_t block; /* handle of this set in the pool that the sets lie in */
};

/* The path that a query found. */
struct rib_path {
    const struct path_attrs *attrs; /* NULL: no path */
    uint32_t path_id;
    uint8_t prefix_len; /* of the prefix, which contains the query's address, that it belongs to */
};

enum rib_policy { RIB_POLICY_NORMAL, RIB_POLICY_PMACCT }; /* bgp_path_accept: pmacct */

/* Says whether a router exports flows along paths of one next hop with another one. */
struct rib_equality {
    bool (*is_same)(const void *arg, const struct ip_addr *router,
                    const struct ip_addr *path_next_hop, const struct ip_addr *exported);
    const void *arg;
};

struct rib_query {
    uint32_t peer;        /* index in the peer snapshot (bgp.h) */
    uint32_t only_member; /* of a view (rib_view.h): its number and 1; 0: all members */
    uint64_t rd;          /* 0: the unicast table */
    struct ip_addr address;
    struct ip_addr next_hop; /* family IP_NONE: the flow has none */
    int64_t from_ns, to_ns; /* life of the flow, wall clock; both 0 in replay: current paths only */
    /* Paths announced up to so long after the flow's end answer where nothing else does; 0:
     * none. In replay it has no effect. */
    int64_t late_ns;
    /* NULL: a path has the next hop if the two are equal. */
    const struct rib_equality *equality;
    const struct ip_addr *router; /* for it */
    bool any_path; /* source side: the best path of the longest prefix, next hop ignored */
    /* results */
    enum path_match match;
    struct rib_path path;
    bool is_stale, is_loading; /* the peer's table in that family */
    bool is_late;              /* the path was announced after the flow's end */
    uint32_t candidate_paths;  /* alive at the flow's end, of the longest prefix */
};

/* Returns the prefix of the path that was found. */
static inline struct ip_prefix rib_query_prefix(const struct rib_query *query)
{
    return (struct ip_prefix){ip_addr_mask(&query->address, query->path.prefix_len),
                              query->path.prefix_len};
}

/* Answers all queries, prefetching across them. Any reader of the RIB's RCU domain. */
void rib_lookup_batch(const struct rib *rib, enum rib_policy policy, struct rib_query *queries,
                      size_t query_count);

/* Answers a query that asks for any path by prefixes of less than `len` bits alone: what would hold if
 * that prefix were not there. */
void rib_lookup_shorter(const struct rib *rib, enum rib_policy policy, struct rib_query *query,
                        unsigned len);

/*
 * The writing side, called by the BGP thread. Peers are slots 0..max_peers-1 that the caller deals
 * out. A session is one life of a slot: paths carry its number, and a query sees those of valid
 * sessions only, so that a lost table is gone at once while its memory is swept in slices.
 */

/* The kind of table that a path was announced in; each is loaded, ADD-PATH and stale on its own.
 * A query with an rd asks VPN; others ask UNICAST, then LABELLED if that has no candidate at
 * all. */
enum rib_safi { RIB_UNICAST, RIB_LABELLED, RIB_VPN, RIB_SAFI_COUNT };

#define RIB_SLOTS_MAX 8190 /* peers and views */
struct rib_settings {
    uint32_t max_peers;         /* at most RIB_SLOTS_MAX */
    uint32_t max_members;       /* of all views (rib_view.h); 0: there are no views */
    int64_t history_s;          /* bgp_path_history; 0: none is kept */
    uint64_t history_max;       /* bgp_path_history_max, in paths */
    uint64_t peer_paths_max;    /* bgp_peer_paths_max; 0: no bound */
    uint64_t peer_prefixes_max; /* bgp_daemon_max_prefixes; 0: no bound */
    int64_t peer_down_keep_s;
    /* Every set that is announced is a block of this pool that begins a cache line, and the pool
     * outlives the RIB: paths name sets by 29 bits. */
    const struct block_pool *attrs_pool;
    /* Gives a reference back. When it was the last one the set is retired: readers may still hold
     * it. */
    void (*attrs_unref)(void *arg, struct path_attrs *attrs);
    void *attrs_arg;
};
struct rib *rib_new(struct rcu *rcu, const struct rib_settings *settings);
/* After all readers are gone. References to sets are not given back: that would take a walk over
 * the whole table; their owner frees them all. */
void rib_free(struct rib *rib);

/* The agreement of a session's OPEN messages. */
struct rib_session {
    uint32_t router_id; /* host order; stands in for an absent ORIGINATOR_ID */
    bool is_negotiated[RIB_SAFI_COUNT][RIB_FAMILY_COUNT];
    bool has_add_path[RIB_SAFI_COUNT][RIB_FAMILY_COUNT];
};
/* The peer is down. Stale paths of families that are no longer negotiated go at once. */
void rib_peer_up(struct rib *rib, uint32_t peer, const struct rib_session *session,
                 struct mono_time now) ON_THREAD(bgp_thread);
/* Paths become stale for peer_down_keep_s, or, unless `is_kept`, are gone. In the table of the next
 * session (rib_peer_up to rib_end_of_rib) those that are announced as they were keep their time,
 * others began when this one broke; those that it does not name have been gone since then. */
void rib_peer_down(struct rib *rib, uint32_t peer, bool is_kept, struct wall_time wall,
                   struct mono_time mono) ON_THREAD(bgp_thread);

/* A table that is read from a file: rib_peer_up() without any family, then for each that the file has
 * this, before the first path of it; more calls do no harm. Paths begin when rib_announce() says. */
void rib_restore_family(struct rib *rib, uint32_t peer, enum rib_safi safi, enum rib_family family,
                        bool has_add_path) ON_THREAD(bgp_thread);
/* All of it is read. The peer is down since the file was written, and its paths are stale until
 * then. */
void rib_peer_restored(struct rib *rib, uint32_t peer, struct wall_time written,
                       struct mono_time keep_until) ON_THREAD(bgp_thread);
/* The peer is down. What its last session left is gone at once; the memory goes in slices.
 * False: there was nothing. */
bool rib_peer_forget(struct rib *rib, uint32_t peer) ON_THREAD(bgp_thread);
/* Frees the memory of all that is gone now, which may take a second. */
void rib_sweep(struct rib *rib) ON_THREAD(bgp_thread);
bool rib_is_sweeping(const struct rib *rib); /* some of that memory is still to be freed */
/* The peer, which is down, is forgotten and its slot may be given to another one. False: something
 * of it is left, stale or still to be swept; ask again later. */
bool rib_peer_release(struct rib *rib, uint32_t peer) ON_THREAD(bgp_thread);

struct rib_nlri {
    uint64_t rd;             /* 0 unless the SAFI is VPN */
    struct ip_prefix prefix; /* its family is the NLRI's */
    uint32_t path_id;        /* 0 without ADD-PATH */
    uint32_t label; /* the first one, 20 bits, of families with labels; the RIB does not keep it */
};
/* All NLRI of an UPDATE with its attributes, or of its withdrawals; one SAFI per call, of an
 * established peer. Announcing a path as it is already keeps its time. Returns how many were not
 * taken (counted); rib_limit_hit() tells why. */
#define RIB_PATHS_MAX   255
#define RIB_MEMBERS_MAX 8192 /* of a view (rib_view.h) */
size_t rib_announce(struct rib *rib, uint32_t peer, enum rib_safi safi, const struct rib_nlri *nlri,
                    size_t count, struct path_attrs *attrs, struct wall_time now)
    ON_THREAD(bgp_thread);
/* The limits, the more severe the greater. */
enum rib_limit {
    RIB_LIMIT_NONE,
    RIB_LIMIT_PREFIX, /* RIB_PATHS_MAX paths of a peer in one prefix */
    RIB_LIMIT_MEMORY, /* rib_set_intake(), or no handles are left (base/block_pool.h) */
    RIB_LIMIT_PEER_PATHS,
    RIB_LIMIT_PEER_PREFIXES,
};
/* Returns the most severe limit that the last rib_announce() came to. */
enum rib_limit rib_limit_hit(const struct rib *rib);
/* The RIB takes these announcements from now on. */
enum rib_intake {
    RIB_INTAKE_ALL,
    RIB_INTAKE_SAME, /* of paths that are there: as they were, or with other attributes */
    RIB_INTAKE_NONE, /* as they were; with other attributes they are gone, without a history */
};
void rib_set_intake(struct rib *rib, enum rib_intake intake) ON_THREAD(bgp_thread);
/* Bytes in use, without the attributes. */
uint64_t rib_memory_used(const struct rib *rib);
/* Finds the set with which the peer's session, which is up, has announced the path; NULL: it has not, or the path is
 * withdrawn. Borrowed until the next change. */
const struct path_attrs *rib_announced(struct rib *rib, uint32_t peer, enum rib_safi safi,
                                       const struct rib_nlri *nlri) ON_THREAD(bgp_thread);
/* Returns how many were not there. */
size_t rib_withdraw(struct rib *rib, uint32_t peer, enum rib_safi safi, const struct rib_nlri *nlri,
                    size_t count, struct wall_time now) ON_THREAD(bgp_thread);
/* The family is loaded; what older sessions left in it goes, into the history. */
void rib_end_of_rib(struct rib *rib, uint32_t peer, enum rib_safi safi, enum rib_family family,
                    struct wall_time now) ON_THREAD(bgp_thread);
/* RFC 7313: between BoRR and EoRR every path is announced anew; at its end the rest is swept
 * (rib_end_of_rib). */
void rib_begin_refresh(struct rib *rib, uint32_t peer, enum rib_safi safi, enum rib_family family)
    ON_THREAD(bgp_thread);

/* Between messages and at least each second: a slice of sweeping, history that is old enough, stale
 * paths whose time is up, families that count as loaded after 10 s without an UPDATE, memory past
 * its grace period. True: more to do at once. *ret_changes grows when a family's state changed by
 * itself (a new snapshot is due). */
bool rib_tick(struct rib *rib, struct wall_time wall, struct mono_time mono, uint64_t *ret_changes)
    ON_THREAD(bgp_thread);

/* For the peer snapshot. */
struct rib_family_state {
    bool is_negotiated, has_add_path, is_loaded, is_stale;
    bool has_paths; /* what is still to be swept is counted too */
};
struct rib_family_state rib_peer_family(const struct rib *rib, uint32_t peer, enum rib_safi safi,
                                        enum rib_family family); /* any thread */
struct rib_peer_counts {
    uint64_t paths, history_paths, prefixes; /* what is still to be swept is counted too */
};
struct rib_peer_counts rib_peer_counts(const struct rib *rib, uint32_t peer); /* any thread */

struct rib_statistics {
    uint64_t prefixes, paths, history_paths, attribute_sets;
    uint64_t bytes;           /* without the attributes */
    uint64_t history_evicted; /* paths that left the history early, for its bounds */
    uint64_t paths_refused;   /* beyond a limit (enum rib_limit) */
};
void rib_statistics(const struct rib *rib, struct rib_statistics *ret_statistics); /* any thread */
