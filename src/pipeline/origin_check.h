/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells by ROAs whether the AS that originates a flow's route may do so (RFC 6811), in pmacct's letters
 * (struct roa_state). Routes are gathered, then validated together. A route that is invalid is looked at
 * once more: the next less specific route of that peer would hold if this one were filtered out.
 *
 * A worker owns it.
 */
#include "flow/flow.h"
#include "pipeline/route_sources.h"
#include <stdint.h>

struct roa_table;
struct origin_check;

struct origin_check *origin_check_new(uint32_t capacity);
void origin_check_free(struct origin_check *check); /* NULL is fine */

/* Adds the route of a flow: the query's answer, or another path to its address. `query` is borrowed
 * until origin_check_finish(). */
void origin_check_add(struct origin_check *check, struct roa_state *state,
                      const struct rib_query *query, const struct rib_path *path,
                      const struct route_sources *sources);
/* Sets the states of all routes that were added. `roas` may be NULL: then all are unknown. */
void origin_check_finish(struct origin_check *check, const struct rib *rib, enum rib_policy policy,
                         const struct route_sources *sources, const struct roa_table *roas);
