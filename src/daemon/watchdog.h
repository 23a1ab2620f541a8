/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Watches whether the daemon's threads move, and tells the service manager (base/service.h): when
 * the daemon reloads and stops, and each second that all threads are alive. Workers and
 * the BGP thread beat at least every 2 s, idle or not. One that has not for WATCHDOG_STILL_S
 * silences the sign of life, and after WATCHDOG_SAY_S the log says so. The main thread is watched by
 * being the one that speaks. All this is the main thread's.
 */
#include "base/service.h"
#include "base/thread.h"
#include "pipeline/worker.h"

enum { WATCHDOG_STILL_S = 5, WATCHDOG_SAY_S = 10 };

/* The last that was seen of a thread. */
struct pulse {
    uint64_t beats;
    int64_t since_ns; /* when the number was new */
    bool is_said;     /* the log has said that it stands still */
};

struct watchdog {
    struct service service;
    const struct crew *crew; /* borrowed */
    struct pulse workers[WORKERS_MAX], bgp;
};

void watchdog_init(struct watchdog *watchdog, const struct crew *crew) ON_THREAD(main_thread);
void watchdog_clear(struct watchdog *watchdog);
/* The daemon begins to read its maps anew, until it is ready again (daemon/status_line.h). */
void watchdog_reloading(struct watchdog *watchdog) ON_THREAD(main_thread);
void watchdog_stopping(struct watchdog *watchdog) ON_THREAD(main_thread);
/* Called once a second. True: all threads move. */
bool watchdog_tick(struct watchdog *watchdog) ON_THREAD(main_thread);

/* Notes how far the thread of that name has come at that instant. True: it moves. */
bool pulse_moves(struct pulse *pulse, uint64_t beats, int64_t now_ns, const char *name);
