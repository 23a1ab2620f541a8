/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares how often threads have beaten with a second ago. */
#include "daemon/health.h"
#include "base/clock.h"
#include "bgp/bgp.h"
#include "pipeline/worker.h"
#include <inttypes.h>

static void note_beats(struct pulse *pulse, uint64_t beats, int64_t now_ns)
{
    if (beats != pulse->beats || pulse->since_ns == 0)
        *pulse = (struct pulse){.beats = beats, .since_ns = now_ns};
}

void health_look(struct health *health, const struct statistics_sources *s, uint64_t main_beats)
{
    int64_t now_ns = clock_mono().ns;

    THREAD_ASSERT(control_thread);
    note_beats(&health->main, main_beats, now_ns);
    if (s->crew->bgp)
        note_beats(&health->bgp, bgp_beats(s->crew->bgp), now_ns);
    for (uint32_t i = 0; i < s->crew->worker_count; i++)
        note_beats(&health->workers[i], counter_get(&worker_counters(s->crew->workers[i])->beats),
                   now_ns);
}

static bool moves(const struct pulse *pulse, const char *name, struct text *reasons)
{
    int64_t still_ns = pulse->since_ns == 0 ? 0 : clock_mono().ns - pulse->since_ns;

    if (still_ns < HEALTH_STILL_S * NS_PER_S)
        return true;
    text_append_printf(reasons, "%s has not moved for %" PRId64 " s\n", name, still_ns / NS_PER_S);
    return false;
}

bool health_is_well(const struct health *health, const struct statistics_sources *s,
                    struct text *reasons)
{
    bool is_well = moves(&health->main, "the main thread", reasons);
    char name[24];

    THREAD_ASSERT(control_thread);
    if (s->crew->bgp && !moves(&health->bgp, "the BGP thread", reasons))
        is_well = false;
    for (uint32_t i = 0; i < s->crew->worker_count; i++) {
        snprintf(name, sizeof name, "worker %u", i);
        if (!worker_is_finished(s->crew->workers[i]) && !moves(&health->workers[i], name, reasons))
            is_well = false;
    }
    return is_well;
}

void health_append_waits(const struct statistics_sources *s, const struct facts *facts,
                         struct text *reasons)
{
    THREAD_ASSERT(control_thread);
    if (!facts)
        text_append_string(reasons, "the main thread has not said yet how the plugins are\n");
    if (atomic_load_explicit(&s->crew->is_holding, memory_order_relaxed))
        text_append_string(reasons, "the tables of the expected BGP peers have not come yet "
                                    "(bgp_wait_for_rib)\n");
    if (atomic_load_explicit(&s->crew->is_stopping, memory_order_relaxed))
        text_append_string(reasons, "the daemon ends\n");
}

const char *health_plugin_fault(const struct supervisor_status *plugin)
{
    if (plugin->is_finished || (plugin->is_open && !plugin->is_failing))
        return NULL;
    return plugin->pid == 0   ? "its process does not run"
           : !plugin->is_open ? "its backend is not open"
                              : "its backend does not take rows";
}

bool health_is_ready(const struct statistics_sources *s, const struct facts *facts,
                     struct text *reasons)
{
    size_t len = reasons->len;

    THREAD_ASSERT(control_thread);
    for (uint32_t i = 0; facts && i < facts->plugin_count; i++) {
        const struct config_instance *identity = s->instances[i]->identity;
        const char *fault = health_plugin_fault(&facts->plugins[i]);
        if (fault)
            text_append_printf(reasons, "plugin %s[%s]: %s\n", identity->type, identity->name,
                               fault);
    }
    health_append_waits(s, facts, reasons);
    return reasons->len == len;
}
