/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells a plugin process that hangs from one whose backend is only slow. It hangs if work waits and
 * neither a heartbeat came, nor does the kernel say that the thread of its backend is in the disk, for
 * the time of plugin_timeout. In calls on files, which cannot beat, any move that the kernel sees counts
 * too.
 *
 * Time is counted in turns of the caller's clock, so that a core which was stopped itself does not
 * take that time for the host's silence. The main thread owns it.
 */
#include "handover/ring.h"
#include <stdbool.h>
#include <sys/types.h>

struct text;

/* The core sees this of a process now. */
struct host_view {
    pid_t pid;
    pid_t thread; /* it makes the calls of the backend; 0: the main thread does */
    struct ring_sign sign;
    uint64_t waiting_count; /* hand-overs that are not written: in the rings and in the spool */
    uint64_t acked_count;
    uint64_t commits; /* by this process */
    uint64_t spooled_count;
    bool is_failing; /* it says so itself, and tries again */
};

struct host_watch {
    uint64_t beat, run_ns;         /* as seen last */
    uint64_t acked_count, commits; /* likewise */
    uint64_t spooled_count;
    int64_t silent_ns;   /* without a sign of life, while work waits */
    int64_t slow_ns;     /* in the backend's functions without anything done */
    int64_t told_ns;     /* `slow_ns` at the last line about it */
    unsigned hung_count; /* processes in a row that were killed, until something is acknowledged */
};

enum host_verdict { HOST_IS_FINE, HOST_IS_SLOW /* say so now */, HOST_HANGS };

/* Must come before the first turn of each process. */
void host_watch_start(struct host_watch *watch);
/* One turn. `patience_ns`: the time without a sign of life that it takes to hang; 0: it never
 * does. */
enum host_verdict host_watch_turn(struct host_watch *watch, const struct host_view *view,
                                  int64_t elapsed_ns, int64_t patience_ns);
/* Appends what the process was last seen with, for a log line. */
void host_watch_describe(const struct host_view *view, struct text *out);
/* Returns `timeout_s`, doubled for each of `times`, up to an hour. */
int64_t host_watch_double(int64_t timeout_s, unsigned times);
