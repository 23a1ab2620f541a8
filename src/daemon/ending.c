/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of the end, each with the instance and what can be done. See ending.h. */
#include "daemon/ending.h"
#include "base/log.h"
#include "daemon/daemon_private.h"
#include <inttypes.h>

enum { FIRST_S = 3, AGAIN_S = 10 };

/* Each remedy is what an operator can do about rows that were lost for that reason. */
static const char *const remedies[DROP_REASON_COUNT] = {
    [DROP_pool_full] = "raise plugin_pool_size, or see why the backend is slow",
    [DROP_rejected] = "the log has the first such row, and why",
    [DROP_poison] = "the files *.poison in plugin_spool_dir, if it is set, hold them",
    [DROP_shutdown] = "raise shutdown_timeout, or set plugin_spool_dir so that they wait on disk",
    [DROP_table_lost] = "the log says how its process ended",
    [DROP_write_failed] = "the log has the backend's words",
};

static void tell_waiting(struct daemon *d, uint32_t index) ON_THREAD(main_thread)
{
    const struct config_instance *identity = d->instances[index]->identity;
    int64_t left_s = d->process.shutdown_timeout_s - (int64_t)d->ending_s;
    struct ledger_sum sum = instance_ledger(d->instances[index]);
    struct supervisor_status status;

    supervisor_status(d->supervisor, index, &status);
    if (status.is_finished)
        return;
    log_notice("plugin %s[%s]: the end waits for it, %" PRId64
               " s more at most (shutdown_timeout): %" PRIu64 " %s are not written yet%s",
               identity->type, identity->name, left_s > 0 ? left_s : 0,
               sum.open.flows + sum.handed_over.flows, instance_unit(d->instances[index]),
               status.pid == 0                        ? "; its process does not run"
               : status.is_failing || !status.is_open ? "; the backend does not take them now"
                                                      : "");
}

void ending_tick(struct daemon *d)
{
    d->ending_s++;
    if (d->ending_s % AGAIN_S != FIRST_S)
        return;
    for (uint32_t i = 0; i < d->instance_count; i++)
        tell_waiting(d, i);
}

static void add_waiting(void *arg, struct exporter *exporter)
{
    uint64_t *count = arg;

    *count += counter_get(&exporter->counters.pending_sets);
}

void ending_tell_waiting_sets(const struct daemon *d)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < d->crew.worker_count; i++)
        exporter_table_each(worker_exporters(d->crew.workers[i]), add_waiting, &count);
    if (count > 0)
        log_warning("%" PRIu64 " data sets still waited for their template: their flows are lost "
                    "(no_template); nfacctd_templates_file keeps templates over a restart",
                    count);
}

/* Compares what is booked as spooled with what the instance's process has on disk. */
static uint64_t tell_missing(const struct daemon *d, uint32_t index, const struct ledger_sum *sum)
    ON_THREAD(main_thread)
{
    const struct config_instance *identity = d->instances[index]->identity;
    struct supervisor_status status;

    supervisor_status(d->supervisor, index, &status);
    if (sum->spooled.flows <= status.spooled_flows)
        return 0;
    log_error(
        "some flows were lost: plugin %s[%s]: %" PRIu64
        " flows were spooled and not written since, but only %" PRIu64
        " wait in plugin_spool_dir: the others were put aside there, or somebody removed them",
        identity->type, identity->name, sum->spooled.flows, status.spooled_flows);
    return sum->spooled.flows - status.spooled_flows;
}

uint64_t ending_tell_lost(const struct daemon *d)
{
    uint64_t lost = 0;

    for (uint32_t i = 0; i < d->instance_count; i++) {
        const struct config_instance *identity = d->instances[i]->identity;
        struct ledger_sum sum = instance_ledger(d->instances[i]);
        lost += tell_missing(d, i, &sum);
        for (int reason = 0; reason < DROP_REASON_COUNT; reason++) {
            const struct handover_totals *drops = &sum.drops[reason];
            if (drops->flows + drops->packets == 0)
                continue;
            lost += drops->flows + drops->packets;
            log_error("some %s were lost: plugin %s[%s]: %" PRIu64 " %s, %" PRIu64
                      " bytes: %s (%s)%s%s",
                      instance_unit(d->instances[i]), identity->type, identity->name, drops->flows,
                      instance_unit(d->instances[i]), drops->bytes, drop_reasons[reason].help,
                      drop_reasons[reason].key, remedies[reason] ? "; " : "",
                      remedies[reason] ? remedies[reason] : "");
        }
    }
    return lost;
}
