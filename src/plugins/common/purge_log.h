/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The log lines of purges: with `log_purges: true` pmacct's, which tools look for; else none, but
 * one for debug. For plugins that have output_keys. */
#include "plugins/pathacct_plugin.h"

void purge_log_start(const struct pa_host *host, const struct pa_transaction *transaction);
/* `written` of `row_count` rows are in the backend after so many seconds. */
void purge_log_end(const struct pa_host *host, const struct pa_transaction *transaction,
                   uint64_t written, uint64_t row_count, double seconds);
