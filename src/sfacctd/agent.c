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
    *table =
        (struct agent_table){.agents_max = agents_max, .sources_max = sources_max, .next_id = 1};
    shared_table_init(&table->agents, agent_discard, NULL);
    shared_table_init(&table->sources, source_discard, table);
}

void agent_table_clear(struct agent_table *table)
{
    shared_table_clear(&table->agents);
    shared_table_clear(&table->sources);
    while (table->shares) {
        struct agent_shares *shares = table->shares;
        table->shares = shares->next;
        mem_free(shares);
    }
}

static struct agent_shares *shares_get(struct agent_table *table, struct exporter *exporter)
{
    struct agent_shares *shares = exporter->decoder_state;

    if (shares)
        return shares;
    shares = mem_zalloc(sizeof *shares);
    table_share_init(&shares->agents, &exporter->last_use, exporter->is_known);
    table_share_init(&shares->sources, &exporter->last_use, exporter->is_known);
    shares->next = table->shares;
    if (shares->next)
        shares->next->previous = shares;
    table->shares = shares;
    exporter->decoder_state = shares;
    return shares;
}

void agent_table_forget(struct agent_table *table, struct exporter *exporter)
{
    struct agent_shares *shares = exporter->decoder_state;

    if (!shares)
        return;
    shared_table_empty(&table->agents, &shares->agents);
    shared_table_empty(&table->sources, &shares->sources);
    if (shares->next)
        shares->next->previous = shares->previous;
    *(shares->previous ? &shares->previous->next : &table->shares) = shares->next;
    mem_free(shares);
    exporter->decoder_state = NULL;
}

void agent_table_know(struct agent_table *table, const struct exporter *exporter)
{
    struct agent_shares *shares = exporter->decoder_state;

    if (!shares)
        return;
    share_set_known(&table->agents.shares, &shares->agents.share, exporter->is_known);
    share_set_known(&table->sources.shares, &shares->sources.share, exporter->is_known);
}

/* Lets an entry go if the table has no room for another one; true: one went. */
static bool make_room(struct shared_table *table, uint32_t max)
{
    if (shared_table_count(table) < max)
        return false;
    struct shared_entry *loser = shared_table_loser(table);
    shared_table_remove(table, loser);
    table->index.discard(table->index.arg, &loser->keyed);
    return true;
}

struct agent *agent_get(struct agent_table *table, struct exporter *exporter,
                        const struct ip_addr *addr, uint32_t sub_agent)
{
    /* Several agents behind one exporter are told apart by a hash: this is only evidence. */
    uint64_t hash = ip_addr_equal(addr, &exporter->addr) ? 0 : ip_addr_hash(addr);
    uint64_t key = hash << 32 | sub_agent;
    struct agent *agent =
        (struct agent *)shared_table_find(&table->agents, exporter->generation, key);

    if (agent) {
        shared_table_touch(&agent->entry);
        return agent;
    }
    if (make_room(&table->agents, table->agents_max))
        exporter_drop(exporter, DROP_too_many_domains, "sub-agent %u", sub_agent);
    agent = mem_zalloc(sizeof *agent);
    agent->id = table->next_id++;
    agent->shares = shares_get(table, exporter);
    shared_table_add(&table->agents, &agent->entry, &agent->shares->agents, exporter->generation,
                     key, 1);
    return agent;
}

static struct data_source *source_make(struct agent_table *table, const struct agent *agent,
                                       struct exporter *exporter, uint64_t key)
{
    struct data_source *source =
        (struct data_source *)shared_table_find(&table->sources, agent->id, key);

    if (source) {
        shared_table_touch(&source->entry);
        return source;
    }
    if (make_room(&table->sources, table->sources_max))
        exporter_drop(exporter, DROP_too_many_sources, "data source %u:%u",
                      (unsigned)(key >> 32 & 0xffffff), (unsigned)key);
    source = mem_zalloc(sizeof *source);
    shared_table_add(&table->sources, &source->entry, &agent->shares->sources, agent->id, key, 1);
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
    if (*recent && (*recent)->entry.keyed.key[1] == key)
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
