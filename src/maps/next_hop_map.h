/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * bgp_peer_dst_ip_map: exporters that report another next hop than the one in their paths, such as
 * its link-local address, or the neighbour's loopback. SET id, the exported next hop; MATCH
 * bgp_nexthop, that of the path, and ip, the exporter. The first row that matches a path decides what
 * it is exported as. Immutable.
 */
#include "base/address.h"
#include <stdbool.h>
#include <stddef.h>

struct text;
struct map_report;
struct next_hop_map;

/* -EINVAL: all that is wrong is told, a line each: "file:line: what; what would be right". */
int next_hop_map_read(const char *path, struct map_report *report, struct next_hop_map **ret_map);
int next_hop_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                       struct next_hop_map **ret_map);
void next_hop_map_free(struct next_hop_map *map); /* NULL is fine */

/* True if some row is for that exporter alone. */
bool next_hop_map_names(const struct next_hop_map *map, const struct ip_addr *exporter);
/* True if some row says that next hops are exported as this one. */
bool next_hop_map_has(const struct next_hop_map *map, const struct ip_addr *exported);
/* True if that exporter exports paths of this next hop as `exported`. */
bool next_hop_map_is_same(const struct next_hop_map *map, const struct ip_addr *exporter,
                          const struct ip_addr *path_next_hop, const struct ip_addr *exported);
