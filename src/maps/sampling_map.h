/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * sampling_map: sampling rates of exporters that do not tell theirs. SET id (1 in so many); MATCH
 * ip, in, out. The first row that matches decides. Immutable.
 */
#include "base/address.h"
#include "flow/flow.h"
#include <stddef.h>
#include <stdint.h>

struct text;
struct map_report;
struct sampling_map;

enum { SAMPLING_MAP_TOGETHER = 32 }; /* flows that one look-up takes, at most */

int sampling_map_read(const char *path, struct map_report *report, struct sampling_map **ret_map);
int sampling_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                       struct sampling_map **ret_map);
void sampling_map_free(struct sampling_map *map); /* NULL is fine */

/* True if some row is for that exporter alone. */
bool sampling_map_names(const struct sampling_map *map, const struct ip_addr *exporter);
/* Finds the rates of some flows of a batch, whose exporters are known: of each the first row that matches;
 * 0: none does. */
void sampling_map_find(const struct sampling_map *map, const struct flow_batch *batch,
                       uint32_t start, uint32_t count, uint32_t *ret_rates);
void sampling_map_add_needs(const struct sampling_map *map, struct flow_needs *needs);
