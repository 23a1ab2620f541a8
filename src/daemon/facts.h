/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The main thread publishes here for the control thread what it alone can tell: how the plugin
 * processes are, and what it failed to do itself. Immutable; read under RCU.
 */
#include "base/thread.h"
#include "daemon/supervisor.h"
#include "daemon/trouble.h"

struct facts {
    struct troubles troubles;
    uint32_t plugin_count;
    struct supervisor_status plugins[]; /* by the number of the instance */
};

/* Returns facts as of now, to be freed with mem_free(). */
struct facts *facts_collect(const struct supervisor *supervisor, uint32_t plugin_count,
                            const struct troubles *troubles) ON_THREAD(main_thread);
