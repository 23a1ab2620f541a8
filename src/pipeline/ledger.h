/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The ledger of an instance tells what became of the flows that it got:
 *
 *     decoded = filtered + written + dropped (by reason) + in flight (open, handed over, spooled)
 *
 * in flows, packets and bytes, counted after renormalisation at the entrance of the instance. One
 * ledger for each (worker, instance): the worker writes it, any thread reads it. Exact when the
 * worker is at rest.
 */
#include "base/memory.h"
#include "base/metric.h"
#include "flow/exporter.h"
#include "handover/ring.h"
#include <stdalign.h>
#include <stdint.h>

struct ledger_entry {
    struct counter flows, packets, bytes;
};

struct ledger {
    alignas(CACHE_LINE) struct ledger_entry decoded;
    struct ledger_entry filtered, open, handed_over, spooled, written;
    struct ledger_entry drops[DROP_REASON_COUNT];
    struct counter rows, handovers; /* made, in all */
    /* Records of options data (nfacctd_account_options), which have no flows, packets and bytes:
     * all, those that filters left out, and those that there was no room for. */
    struct counter option_records, options_filtered, options_dropped;
};

static inline void ledger_add(struct ledger_entry *entry, const struct handover_totals *totals)
{
    counter_add(&entry->flows, totals->flows);
    counter_add(&entry->packets, totals->packets);
    counter_add(&entry->bytes, totals->bytes);
}

static inline void ledger_subtract(struct ledger_entry *entry, const struct handover_totals *totals)
{
    counter_add(&entry->flows, -totals->flows);
    counter_add(&entry->packets, -totals->packets);
    counter_add(&entry->bytes, -totals->bytes);
}

struct handover_totals ledger_totals(const struct ledger_entry *entry);
void ledger_totals_subtract(struct handover_totals *from, const struct handover_totals *less);
/* Moves the sums of an acknowledged hand-over to where its outcome says. */
void ledger_settle(struct ledger *ledger, const struct handover *handover,
                   const struct handover_outcome *outcome);

/* A volatile backend ended: what was written is lost. */
void ledger_lose(struct ledger *ledger);

/* Sums, for statistics. */
struct ledger_sum {
    struct handover_totals decoded, filtered, open, handed_over, spooled, written;
    struct handover_totals drops[DROP_REASON_COUNT];
    uint64_t rows, handovers;
    uint64_t option_records, options_filtered, options_dropped;
};
/* Adds a ledger to the sum. `drained` is ring_drained() of its ring: spooled before, written
 * since; `lost` is ring_lost_drained(): of that, what a volatile backend lost; `rejected` is
 * ring_rejected_drained(): what it refused. */
void ledger_sum_add(struct ledger_sum *sum, const struct ledger *ledger,
                    const struct handover_totals *drained, const struct handover_totals *lost,
                    const struct handover_totals *rejected);
/* Returns decoded - everything else: 0 at rest. */
struct handover_totals ledger_sum_residual(const struct ledger_sum *sum);
