/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts and times a purge. See purge.h. */
#include "plugins/message/purge.h"
#include "plugins/common/purge_log.h"
#include "plugins/message/marker.h"
#include <inttypes.h>

void purge_begin(struct purge *p, const struct pa_transaction *transaction)
{
    trigger_reap(&p->trigger, p->host, false);
    p->transaction = *transaction;
    p->transaction.sources = NULL;
    p->begun = clock_mono();
    p->written = 0;
    p->left_out = (struct row_filter_sums){0};
    purge_log_start(p->host, &p->transaction);
}

bool purge_keeps(struct purge *p, const uint8_t *row)
{
    if (row_filter_passes(p->filter, row, &p->left_out))
        return true;
    p->written--;
    return false;
}

void purge_reject(struct purge *p, const uint8_t *row, const char *why)
{
    p->host->reject_row(p->host, row, why);
    p->written--;
}

static double seconds_since(struct mono_time begun)
{
    return (double)(clock_mono().ns - begun.ns) / (double)NS_PER_S;
}

void purge_append_closing(const struct purge *p, bool is_avro, const char *writer_id,
                          struct text *out)
{
    marker_append_closing(out, is_avro, writer_id, p->written, p->transaction.row_count,
                          seconds_since(p->begun));
}

static void run_trigger(struct purge *p)
{
    struct trigger_facts facts = {0};

    if (!p->trigger.program || !p->transaction.ends_epoch)
        return;
    trigger_facts_add(&facts, "INSTANCE_NAME=%s", p->host->instance_name);
    trigger_facts_add(&facts, "%s=%s", p->refresh_variable,
                      p->host->setting(p->host, p->refresh_key));
    trigger_facts_add(&facts, "TOTAL_ELEM_NUMBER=%" PRIu64, p->transaction.row_count);
    trigger_facts_add(&facts, "EFFECTIVE_ELEM_NUMBER=%" PRIu64, p->written);
    trigger_facts_add(&facts, "ELAPSED_TIME=%.0f", seconds_since(p->begun));
    trigger_run(&p->trigger, p->host, &facts);
    trigger_facts_clear(&facts);
}

void purge_end(struct purge *p)
{
    if (p->filter)
        row_filter_count(p->host, &p->left_out);
    purge_log_end(p->host, &p->transaction, p->written, p->transaction.row_count,
                  seconds_since(p->begun));
    run_trigger(p);
}
