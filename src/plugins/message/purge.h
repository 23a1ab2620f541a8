/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A plugin that sends messages keeps this of the transaction under way, and does this at its begin and
 * end. One thread. */
#include "base/clock.h"
#include "plugins/common/row_filter.h"
#include "plugins/common/trigger.h"
#include "plugins/pathacct_plugin.h"

struct text;

struct purge {
    /* Set once by the plugin. */
    const struct pa_host *host;
    const struct row_filter *filter; /* NULL: all rows pass */
    const char *refresh_key;         /* kafka_refresh_time */
    const char *refresh_variable;    /* what the trigger knows its value by: KAFKA_REFRESH_TIME */
    struct trigger trigger;
    /* Belong to the transaction under way. */
    struct pa_transaction transaction; /* without sources */
    struct mono_time begun;
    uint64_t written;                /* rows that were neither left out nor refused */
    struct row_filter_sums left_out; /* by the filter */
};

void purge_begin(struct purge *purge, const struct pa_transaction *transaction);
/* False: the filter leaves the row out, and it is no more of what is written. */
bool purge_keeps(struct purge *purge, const uint8_t *row);
/* Rejects a row; it is no more of what is written. */
void purge_reject(struct purge *purge, const uint8_t *row, const char *why);
/* Appends the marker that comes behind the rows. */
void purge_append_closing(const struct purge *purge, bool is_avro, const char *writer_id,
                          struct text *out);
/* Tells and counts what was written, and runs the trigger. */
void purge_end(struct purge *purge);
