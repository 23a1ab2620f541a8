/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Runs the plugin processes: starts a pathacct-host for each instance, gives it settings, schema
 * and descriptors, takes its log lines and counters, and starts it again when it dies (after 1 s,
 * then twice as long each time up to 60 s, for ever). Acknowledgements do not pass through here:
 * they stand in the rings.
 *
 * A host that hangs (host_watch.h) is killed. The next one gets twice the time, up to an hour, until
 * something is acknowledged. Where there is a spool, the time stays; but after the second of them in
 * a row the next ones leave their backend alone for twice as long each time, and only spool.
 * At the end one that hangs is killed when half of the time is over, so that the next can spool.
 *
 * The main thread owns the supervisor; everything happens inside its poller. SIGCHLD is not used: a
 * pidfd tells that a host has ended.
 */
#include "base/poller.h"
#include "base/thread.h"
#include "handover/outlet.h"
#include "handover/schema.h"
#include "handover/setup.h"
#include <sys/types.h>

struct launcher;
struct raw_sockets;
struct supervisor;
struct text;

/* An instance to run. Everything is borrowed for the life of the supervisor. */
struct supervisor_plugin {
    const char *instance_name, *plugin_name;
    const struct schema *schema;
    struct outlet *outlet;                /* NULL for supervisor_check() */
    const struct setup_setting *settings; /* the keys of its plugin */
    uint32_t setting_count;
    const char *spool_dir; /* plugin_spool_dir; NULL: none */
    uint64_t spool_size;   /* bytes at most; 0: the default, 1 GB */
    int64_t timeout_s;     /* plugin_timeout; 0: a host that hangs is never killed */
    const struct raw_sockets *raw_sockets; /* NULL: it gets none */
};

/* Strings are borrowed for the life of the supervisor. */
struct supervisor_settings {
    const char *daemon_name; /* "nfacctd" */
    const char *host_path;   /* the plugin host (places.h) */
    const char *plugin_dir;  /* where the plugins are */
    /* Tells daemons on one machine apart: the path of the configuration; NULL: none. */
    const char *identity;
    uint8_t core_id[16]; /* random, of this start of the core */
    bool is_replay;
    bool is_tolerant; /* strict_config: false */
    bool debug;
    int64_t shutdown_timeout_s;
};

struct supervisor *supervisor_new(struct poller *poller,
                                  const struct supervisor_settings *settings);
/* From now on hosts are started by the launcher, whose programs are theirs in the order of
 * supervisor_start(), and filter their system calls. Borrowed; NULL: as before. */
void supervisor_use_launcher(struct supervisor *supervisor, struct launcher *launcher);
/* Returns how its host is named: "print[out]". The caller frees it. */
char *supervisor_host_name(const struct supervisor_plugin *plugin);
/* Kills the hosts that still run. NULL is fine. */
void supervisor_free(struct supervisor *supervisor) ON_THREAD(main_thread);

/*
 * Has the plugin look at its settings and schema, in a process that opens nothing, and waits for
 * it. What is wrong is appended to `error`: -EINVAL. -ENOENT: no such plugin; other errno: the host
 * cannot be run. What the plugin logs meanwhile, notices and worse, is appended to `notices`, a line
 * each.
 */
int supervisor_check(struct supervisor *supervisor, const struct supervisor_plugin *plugin,
                     struct text *error, struct text *notices) ON_THREAD(main_thread);
/* The same, but the plugin tries what it would open. If that fails, errors and warnings that it
 * logged are part of `error`. */
int supervisor_try_out(struct supervisor *supervisor, const struct supervisor_plugin *plugin,
                       struct text *error, struct text *notices) ON_THREAD(main_thread);

/* Takes an instance over and starts its host. Its number is the count of those before it. Negative
 * errno: the host cannot be run at all; a host that ends at once is started again. */
int supervisor_start(struct supervisor *supervisor, const struct supervisor_plugin *plugin)
    ON_THREAD(main_thread);

/* Called on SIGHUP: backends reopen what they log to. */
void supervisor_reopen(struct supervisor *supervisor) ON_THREAD(main_thread);
/* Called on SIGUSR2: backends read their maps anew. */
void supervisor_reload(struct supervisor *supervisor) ON_THREAD(main_thread);

/*
 * Begins the end. The workers have handed over everything with HANDOVER_IS_LAST, or will within the
 * time. Hosts end when they have written it, at the latest after shutdown_timeout_s; those that
 * still run a moment later are killed, and those that do not die are left behind. The caller goes on with its poller until
 * supervisor_is_done().
 */
void supervisor_stop(struct supervisor *supervisor) ON_THREAD(main_thread);
/* True if no host is left. */
bool supervisor_is_done(const struct supervisor *supervisor) ON_THREAD(main_thread);
/* Called after supervisor_is_done(): true if every host had written or spooled all it was given. */
bool supervisor_all_clean(const struct supervisor *supervisor) ON_THREAD(main_thread);

/* ---- statistics ---- */

enum { SUPERVISOR_SAID_LEN = 320 };
struct supervisor_status {
    int pid; /* 0: not running */
    uint32_t restarts;
    uint32_t hung_kills; /* how often the process was killed because it hung */
    bool is_finished;    /* its process has done its work and will not be started again */
    bool is_open;        /* the backend has been opened */
    bool is_failing;     /* the last attempt to write failed; it is tried again */
    bool is_spool_full;  /* the spool took no more when rows were to go there last */
    /* The last warning or error of a process that has not worked since; empty: there is none. */
    char said[SUPERVISOR_SAID_LEN];
    char ended[64];      /* how the last process ended that was not to; empty: none did */
    unsigned hung_count; /* processes in a row that were killed as they hung */
    int64_t silent_s;    /* without a sign of life while rows wait */
    int64_t slow_s; /* without anything done by a backend that was said to be slow; 0: none was */
    int64_t
        third_last_end_ns; /* of clock_mono(): of its processes, without one that was meant; 0: none */
    uint64_t commits;
    uint64_t spooled_count; /* hand-overs on disk now */
    uint64_t spooled_flows; /* of this core in them */
    uint64_t kept_count;    /* hand-overs on disk that are not written: damaged, poison, refused */
    uint64_t spooled_bytes; /* of those that are to be written */
    int64_t spooled_since_ns; /* when the oldest of them came there, by the wall clock; 0: none */
    uint64_t failures;        /* of the backend: each is tried again */
    struct histogram_sum commit_time; /* over restarts */
};
void supervisor_status(const struct supervisor *supervisor, uint32_t number,
                       struct supervisor_status *ret_status) ON_THREAD(main_thread);
/* Calls `fn` for each of the instance's own counters, summed over restarts. */
typedef void supervisor_counter_fn(void *arg, const char *name, uint64_t value);
void supervisor_counters(const struct supervisor *supervisor, uint32_t number,
                         supervisor_counter_fn *fn, void *arg) ON_THREAD(main_thread);
