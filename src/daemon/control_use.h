/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The daemon's use of its control interface (control/control.h): which pages there are, and what the
 * main thread publishes for them.
 */
#include "base/text.h"
#include "base/thread.h"
#include "control/control.h"
#include "daemon/statistics.h"

struct config;
struct control_use;
struct troubles;

/* All of it is borrowed. `sources.reader` is not used: the control thread has its own. */
struct control_use_settings {
    const struct control_settings *control;
    const struct config *config;
    struct statistics_sources sources;
    const char *daemon_name, *identity; /* identity: the path of the configuration; NULL: none */
    const struct troubles *troubles;    /* the main thread's */
    const char *traffic_path;           /* of the table of control_traffic; NULL: none */
    struct rcu *rcu;
    int main_event; /* wakes the main thread, which calls control_use_publish() then */
    uint32_t metrics_exporters_max;
};

/* Opens the sockets and starts the thread; what was wrong is appended to `error` (-errno). */
int control_use_start(const struct control_use_settings *settings, struct text *error,
                      struct control_use **ret_use) ON_THREAD(main_thread);
/* Publishes facts if somebody asks for them. */
void control_use_publish(struct control_use *use) ON_THREAD(main_thread);
/* Called once a second: a sign of life, and frees old facts. */
void control_use_tick(struct control_use *use) ON_THREAD(main_thread);
/* Ends the thread. NULL is fine. */
void control_use_end(struct control_use *use) ON_THREAD(main_thread);
