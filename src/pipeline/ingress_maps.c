/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the maps of the source side for each flow. See ingress_maps.h. */
#include "pipeline/ingress_maps.h"
#include "flow/exporter.h"
#include "maps/ingress_map.h"

static bool is_used(const struct correlate_settings *s, const struct maps *maps, int kind)
{
    return s->by_map[kind] && maps && maps->ingress[kind];
}

bool ingress_maps_ask_path(const struct correlate_settings *s, const struct maps *maps)
{
    for (int kind = 0; kind < INGRESS_MAP_COUNT; kind++)
        if (is_used(s, maps, kind) && ingress_map_asks_path(maps->ingress[kind]))
            return true;
    return false;
}

static void apply(const struct correlate_settings *s, const struct maps *maps,
                  const struct source_facts *facts, struct flow *flow)
{
    uint32_t *members[INGRESS_MAP_COUNT] = {[INGRESS_MAP_PEER_AS] = &flow->peer_src_as,
                                            [INGRESS_MAP_LOCAL_PREF] = &flow->src_local_pref,
                                            [INGRESS_MAP_MED] = &flow->src_med};
    uint32_t of_path[INGRESS_MAP_COUNT] = {[INGRESS_MAP_PEER_AS] = facts->neighbour_as,
                                           [INGRESS_MAP_LOCAL_PREF] = facts->local_pref,
                                           [INGRESS_MAP_MED] = facts->med};

    for (int kind = 0; kind < INGRESS_MAP_COUNT; kind++)
        if (is_used(s, maps, kind))
            *members[kind] = ingress_map_find(maps->ingress[kind], &flow->exporter->addr, flow,
                                              facts, of_path[kind]);
}

void ingress_maps_apply(const struct correlate_settings *s, const struct maps *maps,
                        const struct source_facts *facts, struct flow_batch *batch)
{
    static const struct source_facts nothing;

    THREAD_ASSERT(worker_thread);
    for (uint32_t i = 0; i < batch->count; i++)
        apply(s, maps, facts ? &facts[i] : &nothing, flow_batch_at(batch, i));
}
