/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A core with two workers and one plugin instance, but without flows: the test pushes hand-overs as
 * workers would, and a real supervisor runs a real pathacct-host. Columns are dst_as, as_path and
 * packets; the path is made of the AS.
 */
#include "daemon/supervisor.h"
#include "handover/dictionary.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FAKE_CORE_LANES 2
#define EPOCH_END       (HANDOVER_MARKER | HANDOVER_ENDS_EPOCH)

struct fake_core {
    char dir[64], file[128], trouble[128], spool_dir[128]; /* in a directory of its own */
    struct poller *poller;
    struct schema *schema;
    struct outlet *outlet;
    struct supervisor *supervisor;
    struct dictionary *dicts[FAKE_CORE_LANES];
    int worker_events[FAKE_CORE_LANES];
    struct setup_setting settings[3];
    struct supervisor_settings supervisor_settings;
    struct supervisor_plugin plugin;
    uint64_t group[FAKE_CORE_LANES];
    uint64_t recycled[FAKE_CORE_LANES];
    uint64_t fates[HANDOVER_LOST + 1]; /* of recycled hand-overs, by enum handover_fate */
    uint64_t rejected_rows;
    struct handover_totals poison, spooled;
};

/* Makes everything but the supervisor, so that settings and plugin can still be changed. */
void fake_core_init(struct fake_core *core);
void fake_core_start(struct fake_core *core);
void fake_core_clear(struct fake_core *core); /* removes the directory too */

/* Pushes a hand-over of one row, or of none if `packets` is 0. `flags` are of enum handover_flag; a
 * marker ends a group. */
void fake_core_push(struct fake_core *core, int lane, uint32_t key, uint64_t packets,
                    uint32_t flags);
void fake_core_push_last(struct fake_core *core);
/* Recycles hand-overs that are acknowledged, and returns the number of the others. */
uint64_t fake_core_pending(struct fake_core *core);
struct supervisor_status fake_core_status(const struct fake_core *core);

/* Runs the main loop until `is_reached` says true; returns false after a minute. */
bool fake_core_run_until(struct fake_core *core, bool (*is_reached)(struct fake_core *core));
bool all_acknowledged(struct fake_core *core);
bool supervisor_done(struct fake_core *core);
bool host_is_open(struct fake_core *core);
/* Kills the plugin host with SIGKILL and waits until the supervisor has seen it. */
void fake_core_kill_host(struct fake_core *core);
/* Ends as a daemon does, and asserts that nothing was lost. */
void fake_core_finish(struct fake_core *core);
