/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* All SQL plugins do this around the rows of a transaction: the filter, the log lines that people
 * look for, counters, the trigger. One thread. */
#include "base/clock.h"
#include "plugins/common/row_filter.h"
#include "plugins/common/trigger.h"

struct sql_settings;

struct sql_purge {
    const struct pa_host *host; /* borrowed */
    const struct sql_settings *settings;
    const struct pa_schema *schema;
    struct trigger trigger;
    int64_t triggered_ns; /* when the trigger ran last, by the clock of transactions */
    /* Belongs to the transaction under way. */
    struct mono_time begun;
    uint64_t row_count;
    struct row_filter_sums left_out;
    uint64_t inserted, updated; /* rows; the plugin counts them */
};

void sql_purge_init(struct sql_purge *purge, const struct pa_host *host,
                    const struct sql_settings *settings, const struct pa_schema *schema);
void sql_purge_clear(struct sql_purge *purge); /* waits for the trigger's children */

void sql_purge_begin(struct sql_purge *purge, const struct pa_transaction *transaction);
/* Returns the rows of the batch that are to be written; valid until the next call. */
struct pa_batch sql_purge_filter(struct sql_purge *purge, const struct pa_batch *batch);
/* Returns, before the database commits, the rows that sampling kept back (row_filter_rest). */
struct pa_batch sql_purge_rest(struct sql_purge *purge);
/* Called after the database has committed. `table`: the name of the table written last, "" if none
 * was. */
void sql_purge_end(struct sql_purge *purge, const struct pa_transaction *transaction,
                   const char *table);
