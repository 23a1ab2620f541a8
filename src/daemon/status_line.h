/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The line that the service manager shows of the daemon: whether it is well, and how much arrives; after a
 * reload for a while what that changed. The main thread's.
 */
#include "base/thread.h"
#include <stdbool.h>
#include <stdint.h>

struct daemon;

struct status_line {
    char *told;            /* what the manager has; NULL: nothing yet */
    uint64_t datagrams;    /* read as of the last line */
    uint64_t next_s;       /* when the line is to be looked at again, in seconds since the start */
    uint64_t rate_since_s; /* when `datagrams` were counted */
    bool has_progress;     /* the line says what is under way */
};

/* The daemon works: it is ready. */
void status_line_ready(struct daemon *daemon) ON_THREAD(main_thread);
/* A reload has ended, of which `what` says in one line what it changed. */
void status_line_reloaded(struct daemon *daemon, const char *what) ON_THREAD(main_thread);
/* Called once a second. `is_moving`: all threads move. `progress`: what is under way, or "". */
void status_line_tick(struct daemon *daemon, bool is_moving, const char *progress)
    ON_THREAD(main_thread);
void status_line_clear(struct status_line *line);
