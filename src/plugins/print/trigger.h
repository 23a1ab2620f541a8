/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* print_trigger_exec: a program of the operator's after each purge. Its children are waited for,
 * always. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pa_host;

#define TRIGGER_CHILDREN_MAX 16

struct trigger {
    const char *program; /* borrowed; NULL: none */
    bool is_async;
    pid_t children[TRIGGER_CHILDREN_MAX];
    uint32_t child_count;
};

struct trigger_facts {
    const char *output_file; /* as configured */
    const char *last_file;   /* written last in this purge; "" if none was */
    const char *latest_file; /* as configured; "" if none is */
    const char *refresh_time;
    uint64_t written, total;
    double seconds;
};

/* Runs the program; waits for it unless `is_async`. What fails is logged. */
void trigger_run(struct trigger *trigger, const struct pa_host *host,
                 const struct trigger_facts *facts);
/* Collects children that ended; with `waits` all of them. */
void trigger_reap(struct trigger *trigger, bool waits);
