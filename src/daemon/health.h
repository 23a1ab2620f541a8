/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells whether the daemon is well: every thread moves (healthy), and flows can go all the way
 * (ready): sockets and backends are open, and tables of routes that are waited for have come. The
 * control thread owns this; it looks once a second.
 */
#include "base/metric.h"
#include "base/text.h"
#include "base/thread.h"
#include "daemon/facts.h"
#include "daemon/statistics.h"
#include "daemon/watchdog.h"
#include <stdbool.h>

enum { HEALTH_STILL_S = 10 };

struct health {
    struct pulse main, bgp, workers[WORKERS_MAX];
};

/* Notes how far each thread has come; `main_beats` grows at least once a second. */
void health_look(struct health *health, const struct statistics_sources *sources,
                 uint64_t main_beats) ON_THREAD(control_thread);
/* Appends a line for each thread that has not moved for HEALTH_STILL_S; false: there is one. */
bool health_is_well(const struct health *health, const struct statistics_sources *sources,
                    struct text *reasons) ON_THREAD(control_thread);
/* Appends a line for each thing but plugins that flows wait for. `facts` may be NULL. */
void health_append_waits(const struct statistics_sources *sources, const struct facts *facts,
                         struct text *reasons) ON_THREAD(control_thread);
/* Returns what keeps rows from a plugin's backend; NULL: nothing. */
const char *health_plugin_fault(const struct supervisor_status *plugin);
/* Appends a line for each thing that flows cannot pass yet; false: there is one. `facts` may be NULL. */
bool health_is_ready(const struct statistics_sources *sources, const struct facts *facts,
                     struct text *reasons) ON_THREAD(control_thread);
