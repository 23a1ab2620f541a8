/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Fills peer_src_as, src_local_pref and src_med by their maps, where bgp_peer_src_as_type and its kin
 * say `map`. That comes after all else that fills these members.
 */
#include "flow/flow.h"
#include "maps/maps.h"
#include "pipeline/correlate.h"

struct source_facts;

/* True if some map that is used asks of the path to the source. `maps` may be NULL. */
bool ingress_maps_ask_path(const struct correlate_settings *settings, const struct maps *maps);
/* `facts`, by flow of the batch; NULL: no path is known. */
void ingress_maps_apply(const struct correlate_settings *settings, const struct maps *maps,
                        const struct source_facts *facts, struct flow_batch *batch)
    ON_THREAD(worker_thread);
