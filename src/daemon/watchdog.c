/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares how often threads have beaten with a second ago. See watchdog.h. */
#include "daemon/watchdog.h"
#include "base/clock.h"
#include "base/log.h"
#include "bgp/bgp.h"
#include <inttypes.h>
#include <stdio.h>

void watchdog_init(struct watchdog *w, const struct crew *crew)
{
    *w = (struct watchdog){.crew = crew};
    service_open(&w->service);
}

void watchdog_clear(struct watchdog *w)
{
    service_close(&w->service);
}

void watchdog_reloading(struct watchdog *w)
{
    service_tell(&w->service, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reading maps anew",
                 clock_mono().ns / 1000);
}

void watchdog_stopping(struct watchdog *w)
{
    service_tell(&w->service, "STOPPING=1\nSTATUS=writing what was received");
}

bool pulse_moves(struct pulse *pulse, uint64_t beats, int64_t now_ns, const char *name)
{
    int64_t still_ns = now_ns - pulse->since_ns;

    if (beats != pulse->beats || pulse->since_ns == 0) {
        if (pulse->is_said)
            log_notice("%s moves again, after %" PRId64 " s", name, still_ns / NS_PER_S);
        *pulse = (struct pulse){.beats = beats, .since_ns = now_ns};
        return true;
    }
    if (!pulse->is_said && still_ns >= WATCHDOG_SAY_S * NS_PER_S) {
        pulse->is_said = true;
        log_error("%s has not moved for %d s; as long as it does not, the service manager gets no "
                  "sign of life",
                  name, WATCHDOG_SAY_S);
    }
    return still_ns < WATCHDOG_STILL_S * NS_PER_S;
}

static bool worker_moves(struct watchdog *w, uint32_t index, int64_t now_ns) ON_THREAD(main_thread)
{
    struct worker *worker = w->crew->workers[index];
    char name[24];

    if (worker_is_finished(worker))
        return true;
    snprintf(name, sizeof name, "worker %u", index);
    return pulse_moves(&w->workers[index], counter_get(&worker_counters(worker)->beats), now_ns,
                       name);
}

static bool all_move(struct watchdog *w) ON_THREAD(main_thread)
{
    const struct crew *crew = w->crew;
    int64_t now_ns = clock_mono().ns;
    bool do_move = true;

    for (uint32_t i = 0; i < crew->worker_count; i++)
        if (!worker_moves(w, i, now_ns))
            do_move = false;
    if (crew->bgp && !pulse_moves(&w->bgp, bgp_beats(crew->bgp), now_ns, "the BGP thread"))
        do_move = false;
    return do_move;
}

bool watchdog_tick(struct watchdog *w)
{
    bool do_move = all_move(w);

    THREAD_ASSERT(main_thread);
    if (do_move && w->service.watchdog_ns > 0)
        service_tell(&w->service, "WATCHDOG=1");
    return do_move;
}
