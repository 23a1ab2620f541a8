/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Finds the path that a flow took: exporter -> table -> path, and how sure that is (path_match). A router may have
 * several tables: that of its BGP session, and those that it tells by BMP. BGP with ADD-PATH decides if it has the
 * flow's next hop, else BMP, else BGP.
 * The verdicts stand in bgp/path_match.def. Fills the BGP members of flows, and source and
 * destination AS and networks by the methods that nfacctd_as and nfacctd_net ask for; looks up only
 * what some instance asks for. Verdicts are counted per exporter.
 *
 * A worker owns its correlator.
 */
#include "base/thread.h"
#include "bgp/path_match.h"
#include "config/config_key.h"
#include "flow/flow.h"
#include "maps/maps.h"
#include "pipeline/route_sources.h"
#include "rpki/roa_table.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* ROUTE_FILE and ROUTE_MASK are for networks (pipeline/network_fill.h); here they leave flows as
 * exported. */
enum route_method { ROUTE_NETFLOW, ROUTE_BGP, ROUTE_LONGEST, ROUTE_FILE, ROUTE_MASK };
enum source_method { SOURCE_NONE, SOURCE_EXPORT, SOURCE_BGP, SOURCE_BY_MAP };
enum { FOLLOW_PREFIXES_MAX = 32, FOLLOW_HOPS_MAX = 20 };

struct correlate_settings {
    bool
        is_enabled; /* there is a BGP daemon or a BMP station, and somebody asks for what it knows */
    bool is_replay; /* of a file: flows are matched against current paths */
    enum route_method as_method, net_method;
    uint32_t accepted; /* bit per enum path_match: its path is filled in */
    bool adds_differs; /* a list from before `differs` was told from `single`: both are accepted */
    enum rib_policy policy;
    int64_t path_lag_s;   /* bgp_path_lag; 0: off */
    bool start_is_export; /* flows may begin at their export, behind their end */
    bool disable_router_id_check;
    bool skip_confederation; /* bgp_peer_as_skip_subas */
    /* bgp_peer_src_as_type, bgp_src_local_pref_type, bgp_src_med_type */
    enum source_method peer_src_as, src_local_pref, src_med;
    /* primitives of the source side come from BGP: bgp_src_*_type */
    bool src_as_path, src_std_comms, src_ext_comms, src_lrg_comms, src_roa;
    const char *std_comm_to_asn, *lrg_comm_to_asn; /* patterns, comma-separated; NULL: none */
    int64_t follow_default;                        /* how many default routes to follow */
    uint32_t follow_count;                         /* bgp_follow_nexthop */
    struct ip_prefix follow[FOLLOW_PREFIXES_MAX];
    bool follow_external;
    /* what somebody asks for; texts of the destination's path one by one, as each may be a cache
     * miss of its own */
    bool needs_destination, needs_source, needs_networks, needs_path_source;
    bool dst_roa, shows_roa;
    bool has_ingress_maps, by_map[INGRESS_MAP_COUNT]; /* maps of the source side that are asked */
    bool needs_as_path, needs_std_comms, needs_ext_comms, needs_lrg_comms;
};

/* The keys of correlation in nfacctd.conf(5) and the members that they fill. The first two
 * members and disable_router_id_check are other modules', and the needs follow from aggregates. */
extern const struct config_key correlate_keys[];

struct correlator;

/* `rib` may be NULL where correlation is not enabled. */
struct correlator *correlator_new(const struct correlate_settings *settings, const struct rib *rib,
                                  uint32_t batch_capacity);
void correlator_free(struct correlator *correlator); /* NULL is fine */
/* Has origins validated by the table that is published at `roas`, under RCU, and not by that of maps.
 * Before the first batch. */
void correlator_set_roas(struct correlator *correlator, const struct roa_table *_Atomic *roas);
/* Looks up more from now on: `asked` are settings before correlate_settings_finish(), and `needs` all
 * members that are asked for, to which it adds those that it reads. */
void correlator_add_needs(struct correlator *correlator, const struct correlate_settings *asked,
                          struct flow_needs *needs) ON_THREAD(worker_thread);
/* Correlates a batch against the snapshots of this moment; `maps` may be NULL. Texts of flows are borrowed from the RIB until the next quiescent state. */
void correlate_batch(struct correlator *correlator, const struct route_sources *sources,
                     const struct maps *maps, struct flow_batch *batch) ON_THREAD(worker_thread);
/* Fills peer_src_as and its kin by their maps, after all else that fills them. */
void correlate_ingress_maps(struct correlator *correlator, const struct maps *maps,
                            struct flow_batch *batch) ON_THREAD(worker_thread);

/* Sets needs_destination and needs_source from the members that instances ask for, and adds those
 * that correlation itself reads. */
void correlate_settings_finish(struct correlate_settings *settings, struct flow_needs *needs);
