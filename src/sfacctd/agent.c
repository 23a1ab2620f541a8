/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps two tables, each with a bound: sub-agents by exporter, and data sources by sub-agent (sFlow
 * version 5; RFC 3176 for versions 2 and 4). */
#include "sfacctd/agent.h"

#include "base/memory.h"
#include <string.h>

#define OF_DISCARDS (UINT64_C(1) << 63) /* in the keys of sources: others than those of samples */

static void agent_discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

static void source_discard(void *arg, struct keyed_entry *entry)
{
    struct agent_table *table = arg;

    table->discards++;
    mem_free(entry);
}

void agent_table_init(struct agent_table *table, uint32_t agents_max, uint32_t sources_max)
{
    keyed_table_init(&table->agents, agents_max, agent_discard, NULL);
    keyed_table_init(&table->sources, sources_max, source_discard, table);
    table->next_id = 1;
    table->discards = 0;
}

void agent_table_clear(struct agent_table *table)
{
    keyed_table_clear(&table->agents);
    keyed_table_clear(&table->sources);
}

struct agent *agent_get(struct agent_table *table, struct exporter *exporter,
                        const struct ip_addr *addr, uint32_t sub_agent)
{
    /* Several agents behind one exporter are told apart by a hash: this is only evidence. */
    uint64_t hash = ip_addr_equal(addr, &exporter->addr) ? 0 : ip_addr_hash(addr);
    uint64_t key = hash << 32 | sub_agent;
    struct agent *agent =
        (struct agent *)keyed_table_find(&table->agents, exporter->generation, key);

    if (agent) {
        keyed_table_touch(&table->agents, &agent->entry);
        return agent;
    }
    if (table->agents.count >= table->agents.max)
        exporter_drop(exporter, DROP_too_many_domains, "sub-agent %u", sub_agent);
    agent = mem_zalloc(sizeof *agent);
    agent->id = table->next_id++;
    keyed_table_add(&table->agents, &agent->entry, exporter->generation, key);
    return agent;
}

static struct data_source *source_make(struct agent_table *table, const struct agent *agent,
                                       struct exporter *exporter, uint64_t key)
{
    struct data_source *source =
        (struct data_source *)keyed_table_find(&table->sources, agent->id, key);

    if (source) {
        keyed_table_touch(&table->sources, &source->entry);
        return source;
    }
    if (table->sources.count >= table->sources.max)
        exporter_drop(exporter, DROP_too_many_sources, "data source %u:%u",
                      (unsigned)(key >> 32 & 0xffffff), (unsigned)key);
    source = mem_zalloc(sizeof *source);
    keyed_table_add(&table->sources, &source->entry, agent->id, key);
    return source;
}

static struct data_source *source_get(struct agent_table *table, struct agent *agent,
                                      struct exporter *exporter, uint64_t key)
{
    struct data_source **recent = &agent->recent[key % AGENT_RECENT];

    if (agent->recent_discards != table->discards) {
        memset(agent->recent, 0, sizeof agent->recent);
        agent->recent_discards = table->discards;
    }
    if (*recent && (*recent)->entry.key[1] == key)
        return *recent;
    struct data_source *source = source_make(table, agent, exporter, key);
    if (agent->recent_discards == table->discards)
        *recent = source;
    return source;
}

void agent_note_other(struct agent_table *table, struct agent *agent, struct exporter *exporter,
                      uint64_t key, struct sample_counts counts)
{
    struct data_source *source = source_get(table, agent, exporter, key);

    if (data_source_goes_on(source, counts.sequence)) {
        data_source_step(source, &exporter->counters, counts);
        return;
    }
    if (source->is_started && source->sequence - counts.sequence < AGENT_RESTART)
        return; /* late: the younger one stays */
    source->sequence = counts.sequence;
    source->pool = counts.pool;
    source->drops = counts.drops;
    source->is_started = true;
}

void agent_note_discard(struct agent_table *table, struct agent *agent, struct exporter *exporter,
                        uint32_t source_class, uint32_t index, uint32_t drops)
{
    struct data_source *source =
        source_get(table, agent, exporter,
                   OF_DISCARDS | (uint64_t)(source_class & AGENT_CLASS_MASK) << 32 | index);
    uint32_t step = drops - source->drops;

    if (source->is_started && step < UINT32_MAX / 2)
        counter_add(&exporter->counters.discards_untold, step);
    source->drops = drops;
    source->is_started = true;
}
