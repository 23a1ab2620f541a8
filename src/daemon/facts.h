/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The main thread publishes here for the control thread what it alone can tell: how the plugin
 * processes are, and what it failed to do itself. Immutable; read under RCU.
 */
#include "base/thread.h"
#include "daemon/supervisor.h"
#include "daemon/trouble.h"

/* A counter of a plugin's own, over all its processes. */
struct plugin_counter {
    uint32_t plugin; /* number of the instance */
    const char *name;
    uint64_t value;
};

struct facts {
    struct troubles troubles;
    const struct plugin_counter *counters; /* one plugin's after the other's */
    size_t counter_count;
    uint32_t plugin_count;
    struct supervisor_status plugins[]; /* by the number of the instance */
};

/* Returns facts as of now, to be freed with mem_free(). */
struct facts *facts_collect(const struct supervisor *supervisor, uint32_t plugin_count,
                            const struct troubles *troubles) ON_THREAD(main_thread);
