/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The keys of the daemon itself and their values; other modules have tables of their own. */
#include "config/config_key.h"
#include "maps/tag_filter.h"
#include "maps/value_list.h"
#include "pipeline/instance_view.h"
#include "sandbox/syscall_filter.h"
#include <stdbool.h>
#include <stdint.h>

struct daemon_description;
struct event_output;

/* The values of dry_run: how much of a start is tried before the process ends. */
enum trial { TRIAL_NONE, TRIAL_CHECK, TRIAL_SETUP };

/* The values of plugin_seccomp, with one for a plugin that has none. */
enum plugin_seccomp {
    PLUGIN_SECCOMP_AS_CORE,
    PLUGIN_SECCOMP_REFUSE,
    PLUGIN_SECCOMP_KILL,
    PLUGIN_SECCOMP_OFF,
};

struct process_settings {
    bool daemonize, debug, log_stderr_tstamp;
    const char *pidfile, *core_proc_name, *logfile, *syslog, *syslog_ident;
    const char *user;
    bool no_new_privs;
    enum syscall_mode syscall_mode;
    const char *files_umask, *files_uid, *files_gid;
    const char *stats_file, *templates_file;
    int64_t shutdown_timeout_s, wait_for_rib_s;
    int32_t proc_priority;
    enum trial dry_run;
};
extern const struct config_key process_keys[];
extern const struct config_key
    process_flow_keys[]; /* those that concern flows; the same settings */

/* Settings that hold for the rows of all plugin instances. */
struct row_settings {
    bool has_pro_rating, has_stitching;
};
extern const struct config_key row_keys[];

/* Settings of one plugin instance. */
struct instance_settings {
    const char *aggregate, *filter, *spool_dir;
    bool is_unaggregated;
    uint64_t pool_size, spool_size;
    int64_t timeout_s;
    enum plugin_seccomp seccomp;
    /* These have tables of their own, where they are used. */
    struct network_settings networks;
    struct tag_settings tags;
    struct tag_filter_settings tag_filter;
    struct value_list_settings lists;
    const struct event_output *event_output; /* of an instance that takes events; else NULL */
};
extern const struct config_key instance_keys[];
extern const struct config_key instance_flow_keys[]; /* of instances that get rows of flows */

/* Makes of a shared table (config_key.h) the one of this daemon. The caller frees it with
 * settings_keys_free(). */
struct config_key *settings_keys_new(const struct config_key *table,
                                     const struct daemon_description *description);
/* Likewise for a program without flows, to which the table is foreign: the names are those of the
 * daemons that have it. */
struct config_key *settings_foreign_keys_new(const struct config_key *table);
void settings_keys_free(struct config_key *keys);
