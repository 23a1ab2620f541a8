/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects what the main thread owns. */
#include "daemon/facts.h"
#include "base/memory.h"
#include <stdalign.h>
#include <string.h>

/* Counters are counted first, then copied behind the facts, in one piece of memory. */
struct counter_walk {
    uint32_t plugin;
    size_t count, names_len;
    struct plugin_counter *counters; /* NULL: only count */
    char *names;
};

static void walk_counter(void *arg, const char *name, uint64_t value)
{
    struct counter_walk *walk = arg;
    size_t len = strlen(name) + 1;

    if (walk->counters) {
        char *copy = memcpy(walk->names + walk->names_len, name, len);
        walk->counters[walk->count] = (struct plugin_counter){walk->plugin, copy, value};
    }
    walk->count++;
    walk->names_len += len;
}

static void walk_counters(const struct supervisor *supervisor, uint32_t plugin_count,
                          struct counter_walk *walk) ON_THREAD(main_thread)
{
    walk->count = walk->names_len = 0;
    for (walk->plugin = 0; walk->plugin < plugin_count; walk->plugin++)
        supervisor_counters(supervisor, walk->plugin, walk_counter, walk);
}

struct facts *facts_collect(const struct supervisor *supervisor, uint32_t plugin_count,
                            const struct troubles *troubles)
{
    struct counter_walk walk = {0};
    size_t size = sizeof(struct facts) + plugin_count * sizeof(struct supervisor_status);

    THREAD_ASSERT(main_thread);
    size = (size + alignof(struct plugin_counter) - 1) / alignof(struct plugin_counter) *
           alignof(struct plugin_counter);
    walk_counters(supervisor, plugin_count, &walk);
    struct facts *facts =
        mem_zalloc(size + walk.count * sizeof(struct plugin_counter) + walk.names_len);
    walk.counters = (void *)((char *)facts + size);
    walk.names = (char *)(walk.counters + walk.count);
    walk_counters(supervisor, plugin_count, &walk);
    facts->counters = walk.counters;
    facts->counter_count = walk.count;
    facts->troubles = *troubles;
    facts->plugin_count = plugin_count;
    for (uint32_t i = 0; i < plugin_count; i++)
        supervisor_status(supervisor, i, &facts->plugins[i]);
    return facts;
}
