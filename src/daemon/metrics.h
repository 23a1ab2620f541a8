/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Everything that is counted, as metrics (control/exposition.h). The control thread owns this.
 *
 * An exporter that once has a series of its own keeps it, with all that it ever counted, though it may
 * be evicted and come back. Those that are known come first, then those with flows, until there are
 * as many as metrics_exporters_max; what the others count adds up in the series `other`. No series
 * of a count ever falls.
 */
#include "base/text.h"
#include "base/thread.h"
#include "daemon/facts.h"
#include "daemon/statistics.h"
#include <stdbool.h>

struct metrics;

struct metrics *metrics_new(uint32_t exporters_max);
void metrics_free(struct metrics *metrics);
/* Writes all metrics. `sources` has the control thread's reader, which is online and becomes quiescent
 * in between; so `facts` are the caller's own, or NULL: none came yet. */
void metrics_write(struct metrics *metrics, const struct statistics_sources *sources,
                   const struct facts *facts, bool is_openmetrics, struct text *out)
    ON_THREAD(control_thread);
