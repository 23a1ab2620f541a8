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
/* Holds what the first row that matches says. */
struct ingress_answer {
    uint32_t value; /* 0: no row matches */
    bool is_of_path;
};
/*
 * Answers for `count` flows of a batch from `start` on, at most INGRESS_MAP_TOGETHER: they wait for
 * memory together. `facts` are those of these flows; NULL: no path is known.
 */
enum { INGRESS_MAP_TOGETHER = 32 };
void ingress_map_find(const struct ingress_map *map, const struct flow_batch *batch, uint32_t start,
                      uint32_t count, const struct source_facts *facts,
                      struct ingress_answer *ret_answers);
void ingress_map_add_needs(const struct ingress_map *map, struct flow_needs *needs);
