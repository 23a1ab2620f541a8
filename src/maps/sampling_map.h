/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * sampling_map: sampling rates of exporters that do not tell theirs. SET id (1 in so many); MATCH
 * ip, in, out. The first row that matches decides. Immutable.
 *
 * Look up in two steps: the exporter once (kept until the snapshot changes), then its flows.
 */
#include "base/address.h"
#include "flow/flow.h"
#include <stddef.h>
#include <stdint.h>

struct text;
struct map_report;
struct sampling_map;
struct map_node; /* the rows that are left to ask for one exporter */

int sampling_map_read(const char *path, struct map_report *report, struct sampling_map **ret_map);
int sampling_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                       struct sampling_map **ret_map);
void sampling_map_free(struct sampling_map *map); /* NULL is fine */

/* True if some row is for that exporter alone. */
bool sampling_map_names(const struct sampling_map *map, const struct ip_addr *exporter);
/* Finds the rows of an exporter; NULL: there are none. Lives as long as the map. */
const struct map_node *sampling_map_exporter(const struct sampling_map *map,
                                             const struct ip_addr *exporter);
/* Returns the rate of the first row that matches; 0: none does. `node` may be NULL. */
uint32_t sampling_map_rate(const struct sampling_map *map, const struct map_node *node,
                           uint32_t in_iface, uint32_t out_iface);
void sampling_map_add_needs(const struct sampling_map *map, struct flow_needs *needs);
