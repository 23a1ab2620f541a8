/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The memory from one datagram to the next: the sequence number of each sub-agent, and for each of
 * its data sources the sample that it sent last. This is evidence of loss only, and changes no
 * flow. One worker owns the table.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/shared_table.h"
#include "flow/exporter.h"

#define AGENT_RECENT     16
#define AGENT_RESTART    1000000   /* samples missing that are more are a restart of the agent */
#define AGENT_CLASS_MASK 0xffffffu /* of the class in the keys of sources: class, index */

/* The state that the decoder keeps at an exporter, exporter->decoder_state: its shares of both
 * tables. */
struct agent_shares {
    struct table_share agents, sources;
    struct agent_shares *next, *previous;
};

struct agent {
    struct shared_entry entry;
    struct agent_shares *shares; /* of its exporter */
    uint64_t id;                 /* never used again */
    struct sequence sequence;
    /* The sources used lately, by their index; valid while no source was discarded since. */
    struct data_source *recent[AGENT_RECENT];
    uint64_t recent_discards;
};

struct data_source {
    struct shared_entry entry;
    uint32_t sequence, pool, drops; /* of its last sample */
    bool is_started;
};

struct agent_table {
    struct shared_table agents, sources;
    struct agent_shares *shares; /* of all exporters */
    uint32_t agents_max, sources_max;
    uint64_t next_id;
    uint64_t discards; /* of sources */
};

void agent_table_init(struct agent_table *table, uint32_t agents_max, uint32_t sources_max);
void agent_table_clear(struct agent_table *table);

/* Returns the sub-agent, which is made if it is new. At the maximum another one goes, as
 * base/share.h says, which counts as a drop at `exporter`. */
struct agent *agent_get(struct agent_table *table, struct exporter *exporter,
                        const struct ip_addr *addr, uint32_t sub_agent);

/* Forgets the sub-agents and sources of an exporter that goes. */
void agent_table_forget(struct agent_table *table, struct exporter *exporter);
/* Takes note that exporter->is_known has changed. */
void agent_table_know(struct agent_table *table, const struct exporter *exporter);

/*
 * The numbers of a sample. agent_note_sample() counts at `exporter` what the source
 * `source_class`:`index` passed over since its last one. Pool and drops wrap as 32-bit numbers do.
 */
struct sample_counts {
    uint32_t sequence, pool, drops;
};
/* Does the same as agent_note_sample() for a source's first sample, for one that is late, and for
 * one of a source not used lately. */
void agent_note_other(struct agent_table *table, struct agent *agent, struct exporter *exporter,
                      uint64_t key, struct sample_counts counts);
static inline void data_source_step(struct data_source *source, struct exporter_counters *c,
                                    struct sample_counts counts)
{
    counter_add(&c->samples_missing, counts.sequence - source->sequence - 1);
    counter_add(&c->sample_pool, (uint32_t)(counts.pool - source->pool));
    counter_add(&c->sample_drops, (uint32_t)(counts.drops - source->drops));
    source->sequence = counts.sequence;
    source->pool = counts.pool;
    source->drops = counts.drops;
}
/* Returns whether the number goes on from the source's last one; a larger step is a restart of the
 * agent. */
static inline bool data_source_goes_on(const struct data_source *source, uint32_t sequence)
{
    uint32_t step = sequence - source->sequence;
    return source->is_started && step > 0 && step < AGENT_RESTART;
}
static inline void agent_note_sample(struct agent_table *table, struct agent *agent,
                                     struct exporter *exporter, uint32_t source_class,
                                     uint32_t index, struct sample_counts counts)
{
    uint64_t key = (uint64_t)(source_class & AGENT_CLASS_MASK) << 32 | index;
    struct data_source *source = agent->recent[key % AGENT_RECENT];

    if (agent->recent_discards == table->discards && source && source->entry.keyed.key[1] == key &&
        data_source_goes_on(source, counts.sequence))
        data_source_step(source, &exporter->counters, counts);
    else
        agent_note_other(table, agent, exporter, key, counts);
}
/* Notes that a source told of a discarded packet, and how many it did not tell of so far, as they
 * were too many. */
void agent_note_discard(struct agent_table *table, struct agent *agent, struct exporter *exporter,
                        uint32_t source_class, uint32_t index, uint32_t drops);
