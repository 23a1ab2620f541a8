/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells whether an exporter is honest about next hops. Some report the first path of the forwarding
 * table for every multipath destination. So this counts the multipath prefixes seen in an
 * exporter's flows, and how many distinct next hops it named for them. One that names exactly one
 * for each of many prefixes does not tell which path its traffic takes.
 */
#include "base/address.h"
#include "flow/exporter.h"

enum { EVIDENCE_SLOTS = 2048, EVIDENCE_MAX = 1024 }; /* then it has seen enough */

struct exporter_evidence {
    uint32_t used;
    uint32_t seen[EVIDENCE_SLOTS]; /* hashes of prefixes and of (prefix, next hop) */
};

/* Takes note of a flow to a prefix with several paths, sent to `next_hop`. Counts what is new at
 * the exporter. */
void exporter_evidence_add(struct exporter_evidence *evidence, struct exporter_counters *counters,
                           const struct ip_prefix *prefix, const struct ip_addr *next_hop);
/* True if there were many multipath prefixes, and never a second next hop for one of them. */
bool exporter_evidence_is_dishonest(const struct exporter_counters *counters);
