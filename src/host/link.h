/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The plugin host's way to speak to the core: log lines, state, counters. Nothing here blocks; what
 * the core does not take at once is lost, and lost log lines are counted. Once the core is gone,
 * log lines go to stderr. Lines may come from any thread; the rest is the main thread's.
 */
#include "handover/setup.h"
#include "plugins/pathacct_plugin.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>

struct link {
    int socket; /* -1: the core is gone */
    bool debug;
    const char *instance_name, *plugin_name; /* borrowed; for stderr */
    uint64_t lost_lines;
    pthread_mutex_t lock; /* of lines, and of the end of `socket` */
};

/* `level` is enum pa_log_level, perhaps with HOST_LOG_ASIDE. */
void link_log(struct link *link, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void link_vlog(struct link *link, int level, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
/* Closes the socket. */
void link_lose_core(struct link *link);
void link_state(struct link *link, const struct host_state *state);
void link_counter(struct link *link, const char *name, uint64_t value);
/* Answers a check; NULL: all is well. */
void link_checked(struct link *link, const char *error);
