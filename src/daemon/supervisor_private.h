/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The state of each instance, for the files of the supervisor alone: supervisor.c (the life of a
 * host), supervisor_setup.c (what a new host is sent), supervisor_watch.c (hosts that hang or write
 * nonsense), supervisor_check.c (hosts that only answer). Main thread.
 */
#include "daemon/host_watch.h"
#include "daemon/supervisor.h"
#include "handover/host_message.h"

#define WATCH_NS NS_PER_S /* between two looks at the hosts */

struct named_counter {
    char *name;
    uint64_t before; /* of hosts that have ended */
    uint64_t value;  /* of the one that runs */
};

struct hosted_instance {
    struct supervisor *supervisor;
    struct supervisor_plugin plugin;
    uint32_t number; /* in the order of supervisor_start() */
    char *lock_path;
    pid_t pid; /* 0: not running */
    int pidfd, socket;
    uint8_t last_signal;
    bool is_finished, is_clean;
    bool is_recovering; /* it was said to be started again, and does not work yet */
    bool is_mad; /* it wrote nonsense into the rings, was killed for it, and is not reaped yet */
    uint32_t restarts;
    uint64_t commits_before, failures_before; /* of hosts that have ended */
    struct histogram_sum commit_time_before;
    int64_t restart_ns;
    struct poller_timer restart_timer;
    struct host_watch watch;
    char said[SUPERVISOR_SAID_LEN], ended[64]; /* struct supervisor_status */
    int64_t ends_ns[3];                        /* of clock_mono(), the last one first; 0: none */
    bool is_hung;                              /* it was killed for that and is not reaped yet */
    bool is_left; /* it does not even die, and nobody waits for it any more */
    uint32_t hung_kills;
    struct host_state state;
    struct named_counter *counters;
    size_t counter_count;
};

struct supervisor {
    struct poller *poller;
    struct launcher *launcher; /* NULL: hosts are started without one */
    struct supervisor_settings settings;
    struct host_message_buffer buffer;
    struct hosted_instance **instances;
    uint32_t instance_count;
    bool is_stopping;
    struct mono_time stop_deadline;
    struct poller_timer kill_timer, watch_timer, ring_timer;
    struct mono_time watched; /* when the hosts were looked at last */
};

/* ---- supervisor_setup.c ---- */

/* Tells what a host is started for. */
enum purpose { PURPOSE_RUN, PURPOSE_CHECK, PURPOSE_TRIAL };

/* Starts a host. `ret_socket` is ours, its other end the child's standard input. The name of the
 * instance is an argument only for lists of processes. Signals stay blocked until the host ignores
 * them. Negative errno. */
int supervisor_spawn_host(const struct supervisor *s, const struct supervisor_plugin *plugin,
                          uint32_t number, pid_t *ret_pid, int *ret_socket);
/* `in` is NULL unless the host is to run. Negative errno, as in the next two. */
int supervisor_send_setup(const struct supervisor *s, const struct supervisor_plugin *plugin,
                          enum purpose purpose, const struct hosted_instance *in, int socket);
/* Sends all that a host needs before it can work. */
int hosted_instance_send_all(const struct hosted_instance *in);
int hosted_instance_send_shutdown(const struct hosted_instance *in);
/* Returns what is left of the time to shut down. */
uint32_t supervisor_seconds_left(const struct supervisor *s);
/* Returns for how long the next host is not to touch its backend. */
int64_t hosted_instance_spool_only_s(const struct hosted_instance *in);

/* ---- supervisor_watch.c ---- */

/* The functions of watch_timer and ring_timer; each sets its timer again. */
void supervisor_watch_due(void *arg) ON_THREAD(main_thread);
void supervisor_rings_due(void *arg) ON_THREAD(main_thread);
struct host_view hosted_instance_view(const struct hosted_instance *in);
/* A host that is dead may have left nonsense that nobody had seen. */
void hosted_instance_repair_rings(struct hosted_instance *in);
