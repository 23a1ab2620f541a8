/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judges exporters by who names them and by what they sent so far. */
#include "pipeline/exporter_watch.h"

#include "base/clock.h"
#include "base/reader.h"
#include "maps/maps.h"
#include "pipeline/bmp_choice.h"
#include "pipeline/route_sources.h"

#define DELIVERS_NS    (600 * NS_PER_S)
#define PAUSE_MOST_NS  (300 * NS_PER_S) /* active timeouts are shorter */
#define SILENT_MOST_NS (3600 * NS_PER_S)
#define BURST_NS       NS_PER_S

static bool has_session(const struct route_sources *sources, const struct ip_addr *addr)
{
    const struct bgp_peers *peers = sources->peers;

    for (size_t i = 0; peers && i < peers->expected_count; i++) {
        if (ip_addr_equal(&peers->expected[i], addr))
            return true;
    }
    for (uint32_t i = 0; peers && i < peers->count; i++) {
        if (ip_addr_equal(&peers->peers[i].address, addr) ||
            (addr->family == IP_V4 && wire_u32(ip_addr_wire(addr)) == peers->peers[i].router_id))
            return true;
    }
    return bmp_choice_router(sources->views, addr, true) != NULL;
}

static bool is_named(const struct exporter *exporter, const struct route_sources *sources,
                     const struct maps *maps)
{
    return (maps && maps_names_exporter(maps, &exporter->addr)) ||
           has_session(sources, &exporter->addr);
}

bool exporter_watch_look(struct exporter *exporter, const struct route_sources *sources,
                         const struct maps *maps, int64_t now_ns)
{
    struct exporter_watch *w = &exporter->watch;
    uint64_t flow_count = counter_get(&exporter->counters.flows);

    if (now_ns < w->looked_ns || now_ns - w->flows_until_ns > PAUSE_MOST_NS)
        w->flows_since_ns = 0;
    if (flow_count != w->flow_count) {
        if (w->flows_since_ns == 0)
            w->flows_since_ns = now_ns;
        w->flows_until_ns = now_ns;
    }
    w->flow_count = flow_count;
    w->looked_ns = now_ns;
    return (w->flows_since_ns != 0 && now_ns - w->flows_since_ns >= DELIVERS_NS) ||
           is_named(exporter, sources, maps);
}

bool exporter_watch_still_known(const struct exporter *exporter,
                                const struct route_sources *sources, const struct maps *maps,
                                int64_t now_ns)
{
    return now_ns - exporter->last_seen_ns <= SILENT_MOST_NS || is_named(exporter, sources, maps);
}

bool exporter_watch_rate(struct exporter *exporter, uint32_t per_second, int64_t now_ns)
{
    struct exporter_watch *w = &exporter->watch;
    int64_t step_ns = NS_PER_S / per_second;

    if (w->rate_due_ns < now_ns ||
        w->rate_due_ns - now_ns > 2 * BURST_NS) /* or a clock went back */
        w->rate_due_ns = now_ns;
    if (w->rate_due_ns - now_ns > BURST_NS - step_ns)
        return false;
    w->rate_due_ns += step_ns;
    return true;
}
