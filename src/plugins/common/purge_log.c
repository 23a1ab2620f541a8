/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the lines of purges in pmacct's words. See purge_log.h. */
#include "plugins/common/purge_log.h"
#include "plugins/common/setting.h"
#include <inttypes.h>
#include <unistd.h>

/* The end of an epoch is news to who wants these lines; the hand-overs of unaggregated rows in
 * between come each second. */
static int log_level(const struct pa_transaction *transaction)
{
    return transaction->ends_epoch ? PA_LOG_INFO : PA_LOG_DEBUG;
}

void purge_log_start(const struct pa_host *host, const struct pa_transaction *transaction)
{
    if (setting_is_on(host, "log_purges"))
        host->log(host, log_level(transaction), "*** Purging cache - START (PID: %d) ***",
                  (int)getpid());
}

void purge_log_end(const struct pa_host *host, const struct pa_transaction *transaction,
                   uint64_t written, uint64_t row_count, double seconds)
{
    if (!setting_is_on(host, "log_purges"))
        host->log(host, PA_LOG_DEBUG, "%" PRIu64 " of %" PRIu64 " rows are written, in %.3f s",
                  written, row_count, seconds);
    else if (row_count == 0)
        host->log(host, log_level(transaction),
                  "*** Purging cache - END (PID: %d, QN: 0/0, ET: X) ***", (int)getpid());
    else
        host->log(host, log_level(transaction),
                  "*** Purging cache - END (PID: %d, QN: %" PRIu64 "/%" PRIu64 ", ET: %.0f) ***",
                  (int)getpid(), written, row_count, seconds);
}
