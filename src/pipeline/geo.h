/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Says where the hosts of flows are, by the database of places in the maps. A worker remembers the
 * hosts that it saw last, and what the database has at each place, so that most flows cost one look
 * at a cache line for each address.
 */
#include "base/thread.h"
#include "flow/flow.h"
#include <stdbool.h>

struct maps;
struct geo;

/* Says which side's members somebody needs; geo_settings_make() adds to the needs what finding them
 * takes. */
struct geo_settings {
    bool source, destination;
};
struct geo_settings geo_settings_make(struct flow_needs *needs);

/* A worker owns it. NULL if nobody needs anything, which costs nothing then. */
struct geo *geo_new(struct geo_settings settings);
void geo_free(struct geo *geo); /* NULL is fine */

/* Sets the members of each flow; empty and 0 without a database. `maps` may be NULL. */
void geo_batch(struct geo *geo, const struct maps *maps, struct flow_batch *batch)
    ON_THREAD(worker_thread);
