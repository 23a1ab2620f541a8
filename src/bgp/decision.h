/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The decision process of RFC 4271 section 9.1.2.2, as far as a listener can follow it: local
 * preference, AS-path length, origin, MED among paths from the same neighbouring AS, cluster-list
 * length (RFC 4456 section 9), originator or router id, path id. Pure functions.
 */
#include "bgp/rib.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct decision_path {
    const struct path_attrs *attrs;
    uint32_t router_id; /* of the peer; counts where there is no ORIGINATOR_ID */
    uint32_t path_id;
};

/* Returns the index of the best of `count` paths, at least one, straight by the rules: tests hold
 * the other two against this. */
size_t decision_best(const struct decision_path *paths, size_t count);

/* Sorts into decision order: each place holds the best of what is not placed before it.
 * ret_order[i] is the index of the path at place i. At most UINT16_MAX paths. */
void decision_sort(const struct decision_path *paths, size_t count, uint16_t *ret_order);

/*
 * Finds the place of one more path among paths in decision order, where adding it (or having
 * removed it) leaves the others in their order. False: paths from its neighbouring AS differ in
 * MED, which may move any of them; sort.
 */
bool decision_place(const struct decision_path *sorted, size_t count,
                    const struct decision_path *path, size_t *ret_place);
