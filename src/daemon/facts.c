/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects what the main thread owns. */
#include "daemon/facts.h"
#include "base/memory.h"

struct facts *facts_collect(const struct supervisor *supervisor, uint32_t plugin_count,
                            const struct troubles *troubles)
{
    struct facts *facts = mem_zalloc(sizeof *facts + plugin_count * sizeof facts->plugins[0]);

    THREAD_ASSERT(main_thread);
    facts->troubles = *troubles;
    facts->plugin_count = plugin_count;
    for (uint32_t i = 0; i < plugin_count; i++)
        supervisor_status(supervisor, i, &facts->plugins[i]);
    return facts;
}
