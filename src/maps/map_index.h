/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Finds the rows of a map that hold for an exporter and a pair of interfaces, without asking the
 * rows one by one. Each of the three is cut at every value at which some row begins or ends to
 * hold; between two cuts the same rows hold. So a look-up is a binary search for the exporter, one
 * for the input and one for the output interface, and ends at a ready list of rows. Immutable.
 */
#include "base/address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_file;
struct map_index;
struct map_node; /* the part of the index that is one exporter's */

/* Indices of the keys in the map's table. */
struct map_index_keys {
    size_t ip, in, out;
};

/* Borrows nothing. -E2BIG: rows overlap in so many ways that the index would not fit into
 * memory. */
int map_index_new(const struct map_file *file, const struct map_index_keys *keys,
                  struct map_index **ret_index);
void map_index_free(struct map_index *index); /* NULL is fine */

/* Finds the rows of an exporter; NULL: there are none. Lives as long as the index. */
const struct map_node *map_index_exporter(const struct map_index *index,
                                          const struct ip_addr *exporter);
/* True if some row is for that address alone. */
bool map_index_names(const struct map_index *index, const struct ip_addr *exporter);
/* Returns the numbers of the rows that hold, in the order of the file. `node` may be NULL. */
const uint32_t *map_node_rows(const struct map_node *node, uint32_t in_iface, uint32_t out_iface,
                              size_t *ret_count);
/* Returns all rows of the exporter, whatever the interfaces. */
const uint32_t *map_node_all_rows(const struct map_node *node, size_t *ret_count);
bool map_node_uses_iface(const struct map_node *node);
