/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * An instance: one configured use of a plugin, from the configuration to what workers and the
 * supervisor need of it: its columns, its plan, its rings and ledgers, its settings as text. The
 * main thread makes it at start.
 */
#include "config/config.h"
#include "daemon/raw_sockets.h"
#include "daemon/settings.h"
#include "daemon/supervisor.h"
#include "flow/primitive.h"
#include "pipeline/ledger.h"
#include "pipeline/worker.h"

struct instance {
    int32_t lists[VALUE_LIST_COUNT]; /* numbers of its lists of values; -1: none */
    const struct config_instance *identity;
    const struct instance_settings *settings;
    struct aggregate_plan *plan;
    struct outlet *outlet;
    struct ledger *ledgers; /* one per worker */
    uint32_t worker_count;
    int64_t refresh_s, delay_s; /* epochs end at multiples of the first, later by the second */
    bool has_bins;
    bool takes_datagrams; /* instead of flows (PA_PLUGIN_TAKES_DATAGRAMS) */
    bool takes_events;    /* instead of flows: event_output.h */
    bool is_foreign;      /* which no worker makes */
    bool wants_raw_sockets;
    const struct raw_sockets *raw_sockets; /* with wants_raw_sockets, once they are open */
    int32_t tag_map;                       /* with takes_datagrams: its pre_tag_map; -1: none */
    struct setup_setting *plugin_settings;
    uint32_t plugin_setting_count;
    _Atomic uint64_t epoch; /* number of the epoch under way; the main thread writes it */
    struct poller_timer epoch_timer;
    /* These drops (pool_full) were told in the log, the last of them then. */
    struct handover_totals pool_full_told;
    int64_t pool_full_told_ns; /* of clock_mono(); 0: never */
    int spool_lock_fd;         /* held while the daemon runs; -1: it has no spool */
};

/*
 * Checks what is configured and makes the plan; members of flows that it needs are added to
 * `needs`. -EINVAL: what is wrong is appended to `errors`, line by line.
 */
int instance_new(const struct config *config, size_t index,
                 const struct instance_settings *settings, const struct row_settings *rows,
                 const struct crew *crew, const struct primitive_table *primitives,
                 struct flow_needs *needs, struct text *errors, struct text *warnings,
                 struct instance **ret_instance);
void instance_free(struct instance *instance); /* NULL is fine */

/* Makes its rings, pools and ledgers. `worker_events` are borrowed. Negative errno: memory could
 * not be shared. */
int instance_open(struct instance *instance, uint32_t worker_count, const int *worker_events);
/* Returns the part that workers see. */
struct worker_instance instance_for_workers(struct instance *instance);
/* Returns the part that the supervisor runs; `outlet` is NULL before instance_open(). */
struct supervisor_plugin instance_plugin(const struct instance *instance);
struct ledger_sum instance_ledger(const struct instance *instance);
/* Returns what its ledger counts as flows, for people: "flows" or "events". */
const char *instance_unit(const struct instance *instance);
