/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The evidence is a small set of hashes that is never emptied: of two that collide the second
 * counts as seen. */
#include "pipeline/exporter_evidence.h"

enum { PREFIXES_ENOUGH = 32 };

static bool add_if_new(struct exporter_evidence *e, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash % EVIDENCE_SLOTS), mark = (uint32_t)(hash >> 32) | 1;

    for (; e->seen[at] != 0; at = (at + 1) % EVIDENCE_SLOTS)
        if (e->seen[at] == mark)
            return false;
    if (e->used >= EVIDENCE_MAX)
        return false;
    e->seen[at] = mark;
    e->used++;
    return true;
}

void exporter_evidence_add(struct exporter_evidence *e, struct exporter_counters *counters,
                           const struct ip_prefix *prefix, const struct ip_addr *next_hop)
{
    uint64_t hash = (ip_addr_hash(&prefix->addr) + prefix->len) * UINT64_C(0x9e3779b97f4a7c15);

    if (add_if_new(e, hash))
        counter_add(&counters->multipath_prefixes, 1);
    if (add_if_new(e, (hash ^ ip_addr_hash(next_hop)) * UINT64_C(0xd6e8feb86659fd93)))
        counter_add(&counters->multipath_next_hops, 1);
}

bool exporter_evidence_is_dishonest(const struct exporter_counters *counters)
{
    uint64_t prefixes = counter_get(&counters->multipath_prefixes);

    return prefixes >= PREFIXES_ENOUGH && counter_get(&counters->multipath_next_hops) <= prefixes;
}
