/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * All maps that attach knowledge to flows, as one immutable snapshot. The main thread loads and
 * reloads; workers read the snapshot in force under RCU. A map with an error keeps the snapshot
 * that was in force.
 */
#include "base/address.h"
#include "base/rcu.h"
#include "base/thread.h"
#include "config/config_key.h"
#include "flow/flow.h"
#include "maps/tag_map.h"
#include "maps/value_list.h"
#include <stdbool.h>
#include <stdint.h>

struct map_report;
struct allow_list;
struct sampling_map;
struct agent_map;
struct rd_map;
struct ingress_map;
struct next_hop_map;
struct geoip;
struct roa_table;
struct networks;

/* The maps of the source side (ingress_map.h), by the member that they fill. */
enum ingress_map_kind {
    INGRESS_MAP_PEER_AS,
    INGRESS_MAP_LOCAL_PREF,
    INGRESS_MAP_MED,
    INGRESS_MAP_COUNT
};

/* Says where a list of values is. */
struct maps_list {
    const char *path;
    enum value_list_kind kind;
    uint32_t instance; /* the first that names it */
};

/* Values of maps_keys[]: paths, NULL when there is no such map. Borrowed from the configuration. */
struct maps_settings {
    const char *allow_file;
    const char *sampling_map;
    const char *flow_to_rd_map;
    const char *bgp_agent_map;
    const char *bgp_peer_dst_ip_map;
    const char *ingress_maps[INGRESS_MAP_COUNT];
    const char *geoip_file;           /* geoipv2_file */
    const char *roas_file;            /* rpki_roas_file */
    const char *aggregate_primitives; /* read once, at start: maps/custom_primitives.h */
    bool may_refresh;                 /* maps_refresh: SIGUSR2 reloads */
    const char **tag_maps;            /* the pre_tag_map of all instances, each once */
    uint32_t tag_map_count;
    const char **networks_files; /* the networks_file of all instances, each once */
    uint32_t networks_file_count;
    bool *tag_map_pairs; /* of each: its labels have to be pairs */
    /* Names for each an instance that takes datagrams and tags them by it, so that its rows may ask only
     * for what exports tell; NULL: there is none. */
    const char **tag_map_exports;
    struct tag_map_reading of_tag_maps;
    struct maps_list *lists; /* the lists of values of all instances, each once */
    uint32_t list_count;
};
extern const struct config_key maps_keys[];

struct maps {
    uint64_t generation;            /* 1, 2, 3... with each snapshot */
    const struct allow_list *allow; /* each may be NULL */
    const struct sampling_map *sampling;
    const struct rd_map *rd;
    const struct agent_map *agents;
    const struct next_hop_map *next_hops;
    const struct ingress_map *ingress[INGRESS_MAP_COUNT];
    const struct geoip *geoip;
    const struct roa_table *roas;
    struct tag_map **tags; /* by the number of maps_settings.tag_maps */
    uint32_t tag_map_count;
    struct networks **networks; /* by the number of maps_settings.networks_files */
    uint32_t networks_count;
    struct value_list **lists; /* by the number of maps_settings.lists */
    uint32_t list_count;
    struct flow_needs needs; /* members of flows that look-ups read */
};

/* True if the exporter may send: there is no allow-list, or the exporter is in it. */
bool maps_exporter_is_allowed(const struct maps *maps, const struct ip_addr *exporter);

/* True if a map names the exporter by its address; a prefix is no name. */
bool maps_names_exporter(const struct maps *maps, const struct ip_addr *exporter);

/* ---- loading: one thread at a time ---- */

/* -EINVAL: the report has a line for each error of each map (maps/map_source.h). */
int maps_load(const struct maps_settings *settings, uint64_t generation, struct map_report *report,
              struct maps **ret_maps);
void maps_free(void *maps); /* NULL is fine */

/* Publishes a snapshot at `place`; what was there is retired into `queue`. */
void maps_publish(const struct maps *_Atomic *place, struct rcu_queue *queue, struct maps *maps)
    ON_THREAD(main_thread);
