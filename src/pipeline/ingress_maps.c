/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the maps of the source side for each flow. See ingress_maps.h. */
#include "pipeline/ingress_maps.h"
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

static uint32_t *member_of(struct flow *flow, int kind)
{
    switch (kind) {
    case INGRESS_MAP_PEER_AS:
        return &flow->peer_src_as;
    case INGRESS_MAP_LOCAL_PREF:
        return &flow->src_local_pref;
    default:
        return &flow->src_med;
    }
}

static uint32_t of_path(const struct source_facts *facts, int kind)
{
    switch (kind) {
    case INGRESS_MAP_PEER_AS:
        return facts->neighbour_as;
    case INGRESS_MAP_LOCAL_PREF:
        return facts->local_pref;
    default:
        return facts->med;
    }
}

/* Fills a member of some flows of a batch; `facts` are those of these flows. */
static void apply(const struct ingress_map *map, int kind, const struct source_facts *facts,
                  const struct flow_batch *batch, uint32_t start, uint32_t count)
{
    struct ingress_answer answers[INGRESS_MAP_TOGETHER];

    ingress_map_find(map, batch, start, count, facts, answers);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t known = facts ? of_path(&facts[i], kind) : 0;
        *member_of(flow_batch_at(batch, start + i), kind) =
            answers[i].is_of_path ? known : answers[i].value;
    }
}

void ingress_maps_apply(const struct correlate_settings *s, const struct maps *maps,
                        const struct source_facts *facts, struct flow_batch *batch)
{
    THREAD_ASSERT(worker_thread);
    for (uint32_t start = 0; start < batch->count; start += INGRESS_MAP_TOGETHER) {
        uint32_t left = batch->count - start;
        uint32_t count = left < INGRESS_MAP_TOGETHER ? left : INGRESS_MAP_TOGETHER;
        for (int kind = 0; kind < INGRESS_MAP_COUNT; kind++)
            if (is_used(s, maps, kind))
                apply(maps->ingress[kind], kind, facts ? facts + start : NULL, batch, start, count);
    }
}
