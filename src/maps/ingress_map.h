/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * bgp_peer_src_as_map, bgp_src_local_pref_map and bgp_src_med_map: a number for where flows come in,
 * which the path to their source, the way back, need not tell. SET id, a number or `bgp` (what that
 * path says); MATCH ip, in, out, bgp_nexthop and peer_dst_as (of the path to the source), src_mac,
 * vlan, src_net, dst_net, filter. The first row that matches decides. Immutable.
 */
#include "base/address.h"
#include "flow/flow.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;
struct map_report;
struct ingress_map;

/* The facts of the path to a flow's source; all zero: there is none. */
struct source_facts {
    struct ip_addr next_hop;
    uint32_t neighbour_as, local_pref, med;
};

/* -EINVAL: all that is wrong is told, a line each: "file:line: what; what would be right". */
int ingress_map_read(const char *path, struct map_report *report, struct ingress_map **ret_map);
int ingress_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                      struct ingress_map **ret_map);
void ingress_map_free(struct ingress_map *map); /* NULL is fine */

/* True if some row is for that exporter alone. */
bool ingress_map_names(const struct ingress_map *map, const struct ip_addr *exporter);
/* True if some row asks of the path to the source, or takes its value from there. */
bool ingress_map_asks_path(const struct ingress_map *map);
/* Returns the number of the first row that matches, `of_path` where that row says `bgp`; 0: none
 * does. */
uint32_t ingress_map_find(const struct ingress_map *map, const struct ip_addr *exporter,
                          const struct flow *flow, const struct source_facts *facts,
                          uint32_t of_path);
void ingress_map_add_needs(const struct ingress_map *map, struct flow_needs *needs);
