/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The keys seccomp and plugin_seccomp: a launcher (sandbox/launcher.h) beside the core, filters of
 * system calls for the core and, through the supervisor, for plugin processes; what they refuse is told
 * once for each process and call, then counted. Main thread.
 */
#include "base/poller.h"
#include "base/thread.h"
#include "sandbox/launcher.h"
#include "sandbox/syscall_filter.h"

struct daemon;
struct text;

/* How often a process was refused a call. */
struct refusal {
    char who[LAUNCHER_WHO_LEN]; /* "core", "print[out]" */
    int number;                 /* -1: all that are not told apart */
    uint64_t count;
};

struct confinement {
    struct launcher *launcher; /* NULL: nobody is filtered */
    enum syscall_mode core_mode;
    struct poller *poller; /* while it hears reports */
    const bool *is_stopping;
    struct refusal *refusals;
    size_t refusal_count;
};

/* Says of keys that ask for a filter which this build has not. */
void confinement_check(const struct daemon *daemon, struct text *warnings);
/* Tells whether a start could filter here. Before there are threads. */
void confinement_try_out(const struct daemon *daemon, struct text *warnings, struct text *notices);
/* Forks the launcher, if anything is to be filtered. Before there are threads, as the user that the
 * daemon stays. */
void confinement_start(struct daemon *daemon, int argc, char **argv);
/* Filters the core from here on, with all threads; hears reports. Before plugins are started. */
void confinement_enter(struct daemon *daemon) ON_THREAD(main_thread);
/* After the supervisor is gone. */
void confinement_clear(struct confinement *confinement);
