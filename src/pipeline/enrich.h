/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Gives a flow what it needs before it is correlated: its sampling rate from maps and settings,
 * counters multiplied by it once, the instant that its time bin goes by, the VPN that flow_to_rd_map
 * gives it, and source and destination networks out of exported masks.
 */
#include "base/thread.h"
#include "config/config_key.h"
#include "flow/flow.h"
#include <stdbool.h>
#include <stdint.h>

struct maps;

struct enrich_settings {
    bool renormalize;           /* nfacctd_renormalize */
    uint32_t ext_sampling_rate; /* of exporters that do not tell theirs; 0: none */
    bool shows_rate;            /* sampling_rate is in an aggregate */
    bool warns_of_rates;        /* nobody has thought of sampling */
    bool bins_by_arrival;       /* nfacctd_time_new */
    bool corrects_time;         /* nfacctd_time_correct */
    bool as_is_peer_as;         /* nfacctd_peer_as */
    bool needs_bins;            /* some instance has time bins */
    bool needs_networks;        /* some instance asks for src_net or dst_net */
};
extern const struct config_key enrich_keys[]; /* those that are not needs */

#define ENRICH_PAST_NS   (INT64_C(86400) * 1000000000)
#define ENRICH_FUTURE_NS (INT64_C(300) * 1000000000)

/* `maps` may be NULL. Counts rate_unknown and bad_time at the flows' exporters. */
void enrich_batch(const struct enrich_settings *settings, const struct maps *maps,
                  struct flow_batch *batch) ON_THREAD(worker_thread);
/* The same for a batch of options data: its records have arrivals, and nothing that maps know. */
void enrich_options(struct flow_batch *batch) ON_THREAD(worker_thread);
/* Returns whether the end of a flow suits its arrival, but not the time in the header of its message:
 * then its absolute times come from another clock than the header's, which is right. */
bool enrich_is_of_right_clock(const struct flow *flow, int64_t end_ns);
/* Adds the members that enrich_batch() reads, given what the settings ask of it. */
void enrich_add_needs(const struct enrich_settings *settings, struct flow_needs *needs);
