/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One worker's table of rows for one instance: dense in segments of its pool, found by a private
 * index of key hashes; for an unaggregated instance rows are just appended. aggregate_end() hands
 * the rows over, as deltas that add up.
 *
 * The worker owns it. Nothing is allocated per flow.
 */
#include "base/thread.h"
#include "handover/outlet.h"
#include "pipeline/aggregate_plan.h"
#include "pipeline/ledger.h"

struct aggregate;

/* All borrowed for its life. `lane` is the worker's, `flow_stride` that of its flow batches. */
struct aggregate *aggregate_new(const struct aggregate_plan *plan, struct outlet *outlet,
                                struct outlet_lane *lane, uint32_t flow_stride,
                                struct ledger *ledger);
void aggregate_free(struct aggregate *aggregate) ON_THREAD(worker_thread); /* NULL is fine */

/* Says which values of a kind rows keep, until it is said anew; NULL: all. Borrowed. */
void aggregate_set_list(struct aggregate *aggregate, enum value_list_kind kind,
                        const struct value_list *list) ON_THREAD(worker_thread);

/*
 * Filters the batch and adds what is left; counts it in the ledger. Live, an unaggregated instance
 * hands full segments over at once, for the group and epoch that aggregate_end() was told last.
 */
void aggregate_add(struct aggregate *aggregate, const struct flow_batch *batch)
    ON_THREAD(worker_thread);

struct datagram;
/*
 * Adds a datagram with its tag to an instance that takes datagrams, and counts it in the ledger as one
 * flow and one packet. `is_for_all`: it has no flows, and is for whoever gets some. There is no room for
 * it: it is dropped, and counted.
 */
void aggregate_add_datagram(struct aggregate *aggregate, const struct datagram *datagram,
                            uint64_t tag, bool is_for_all) ON_THREAD(worker_thread);
/* Counts a datagram that a filter of tags leaves out. */
void aggregate_filter_datagram(struct aggregate *aggregate, const struct datagram *datagram)
    ON_THREAD(worker_thread);
/*
 * Adds an event to an instance that takes them, behind all others, and counts it in the ledger as one
 * flow without packets and bytes. There is no room for it, or for one of its values: it is dropped,
 * and counted.
 */
void aggregate_add_event(struct aggregate *aggregate, const struct event *event, int64_t time_ns)
    ON_THREAD(worker_thread);
/* The same, but for room: -ENOSPC, and nothing is counted. One of its values is too large: it is dropped and counted. */
int aggregate_try_event(struct aggregate *aggregate, const struct event *event, int64_t time_ns)
    ON_THREAD(worker_thread);
/* True if rows wait to be handed over. */
bool aggregate_has_rows(const struct aggregate *aggregate);
/* Returns how many hand-overs are on their way. */
uint64_t aggregate_pending_count(const struct aggregate *aggregate);
/* Hands them over before the epoch ends, if the ring has a slot. */
void aggregate_hand_over_early(struct aggregate *aggregate, int64_t time_ns)
    ON_THREAD(worker_thread);

struct aggregate_end {
    uint64_t group, epoch; /* as in struct handover */
    int64_t time_ns;
    uint32_t flags; /* enum handover_flag; 0: no marker, for rows of an unaggregated instance */
};
/*
 * Ends an epoch or a position of the replay: hands over the rows, and the marker. While the pool is
 * nearly full and hand-overs are on their way the table stays open and the marker goes alone.
 * False: there is no slot for it in the ring; the table stays open (a later marker covers this one;
 * before the last one, wait and call again).
 */
bool aggregate_end(struct aggregate *aggregate, const struct aggregate_end *end)
    ON_THREAD(worker_thread);

/* Takes back what the host has acknowledged. */
void aggregate_recycle(struct aggregate *aggregate) ON_THREAD(worker_thread);
/* True if a replay has to wait with reading until hand-overs come back. */
bool aggregate_must_wait(const struct aggregate *aggregate) ON_THREAD(worker_thread);
/* The host is gone or had its time: what is open or handed over counts as dropped at shutdown. */
void aggregate_abandon(struct aggregate *aggregate) ON_THREAD(worker_thread);
