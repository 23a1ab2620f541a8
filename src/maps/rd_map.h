/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * flow_to_rd_map: which VPN a flow is of, for exporters that do not tell, or tell it wrong. SET id (a
 * route distinguisher; 0:0:0 is the global table); MATCH ip, in, out, bgp_nexthop (as exported),
 * mpls_label_bottom, mpls_vpn_id (of the VRF at ingress or egress). The first row that matches
 * decides. Immutable.
 */
#include "base/address.h"
#include "flow/flow.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;
struct map_report;
struct rd_map;

int rd_map_read(const char *path, struct map_report *report, struct rd_map **ret_map);
int rd_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                 struct rd_map **ret_map);
void rd_map_free(struct rd_map *map); /* NULL is fine */

/* True if some row is for that exporter alone. */
bool rd_map_names(const struct rd_map *map, const struct ip_addr *exporter);
/* Finds the route distinguisher of a flow (host order); false: no row matches. */
bool rd_map_find(const struct rd_map *map, const struct ip_addr *exporter, const struct flow *flow,
                 uint64_t *ret_rd);
/* Adds the members that the rows ask for, and those that they set. */
void rd_map_add_needs(const struct rd_map *map, struct flow_needs *needs);
