/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells what is wrong now, one line a fault, with its place and what to do about it. A fault that has
 * ended is told no more: at once where a state stands for it (a session, a backend), else two minutes
 * after what it counts has ceased to grow (recent.h). The control thread owns this.
 */
#include "base/text.h"
#include "base/thread.h"
#include "daemon/facts.h"
#include "daemon/health.h"
#include "daemon/recent.h"
#include "daemon/statistics.h"

/* Something that exporters have in common. */
struct fault_group {
    uint64_t count;       /* of exporters */
    struct ip_addr first; /* one of them */
    uint64_t most;        /* of what is wrong with one */
};

/* Holds what one look at all exporters shows. */
struct fault_exporters {
    struct exporter_counters sum; /* of those in memory */
    uint64_t count;
    struct fault_group wait_for_template, clock_behind, clock_ahead, without_peer, dishonest;
};

struct faults {
    const struct statistics_sources
        *sources; /* borrowed; `reader` is the control thread's, online */
    struct recent recent;
};

void faults_init(struct faults *faults, const struct statistics_sources *sources);
void faults_clear(struct faults *faults);
/* Called once a second. */
void faults_tick(struct faults *faults) ON_THREAD(control_thread);
/* Looks at all exporters, in slices between which the reader is quiescent. */
void faults_look(const struct faults *faults, struct fault_exporters *ret_exporters)
    ON_THREAD(control_thread);
/* Appends the lines. `facts` may be NULL. */
void faults_append(const struct faults *faults, const struct health *health,
                   const struct facts *facts, const struct fault_exporters *exporters,
                   struct text *lines) ON_THREAD(control_thread);
