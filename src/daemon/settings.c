/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the daemon's own keys, and how a table that daemons share becomes one daemon's. */
#include "daemon/settings.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include <errno.h>
#include <string.h>

#define PREFIX  "NAME_"
#define NETFLOW "NETFLOW_"

static int check_facility(const char *value, struct text *error)
{
    if (log_facility_is_known(value))
        return 0;
    text_append_string(error, "a syslog facility such as daemon, user or local0 to local7");
    return -EINVAL;
}

const struct config_key process_keys[] = {
    {"daemonize", KEY_BOOL_AT(struct process_settings, daemonize), "false",
     .help = "run in the background"},
    {"debug", KEY_BOOL_AT(struct process_settings, debug), "false",
     .help = "log more than operators need"},
    {"pidfile", KEY_STRING_AT(struct process_settings, pidfile),
     .help = "file that holds the process id while the daemon runs"},
    {"core_proc_name", KEY_STRING_AT(struct process_settings, core_proc_name), "default",
     .aliases = "NAME_proc_name|pmacctd_proc_name|uacctd_proc_name",
     .help = "name of the core process in its title and log lines"},
    {"proc_priority", KEY_INT_AT(struct process_settings, proc_priority, -20, 19), "0",
     .help = "nice value of the core process"},
    {"logfile", KEY_STRING_AT(struct process_settings, logfile),
     .help = "log to this file, and to stderr unless daemonize is set; SIGHUP opens it anew"},
    {"syslog", KEY_STRING_AT(struct process_settings, syslog), .check = check_facility,
     .help = "log to syslog with this facility: daemon, local0..."},
    {"syslog_ident", KEY_STRING_AT(struct process_settings, syslog_ident),
     .help = "name in syslog; default: the daemon's"},
    {"log_stderr_tstamp", KEY_BOOL_AT(struct process_settings, log_stderr_tstamp), "true",
     .help = "begin lines on stderr with the time"},
    {"user", KEY_STRING_AT(struct process_settings, user),
     .help = "user (name or number) that a daemon started as root becomes once its sockets are "
             "open, with all that it starts; unset: it stays root"},
    {"no_new_privs", KEY_BOOL_AT(struct process_settings, no_new_privs), "false",
     .help = "nothing that the daemon starts can gain rights, as by sudo; always so with user"},
    {"seccomp", KEY_CHOICE_AT(struct process_settings, syscall_mode), "refuse",
     .choices =
         KEY_CHOICES({"refuse", SYSCALLS_REFUSED}, {"kill", SYSCALLS_KILL}, {"off", SYSCALLS_FREE}),
     .help = "what a system call meets that the core and plugin processes should not need: an "
             "error, told once and counted, or the end of the process; off: no calls are filtered"},
    {"files_umask", KEY_STRING_AT(struct process_settings, files_umask),
     .help = "umask of files that are written, octal, such as 077"},
    {"files_uid", KEY_STRING_AT(struct process_settings, files_uid),
     .help = "owner of files that are written: name or number"},
    {"files_gid", KEY_STRING_AT(struct process_settings, files_gid),
     .help = "group of files that are written: name or number"},
    {"stats_file", KEY_STRING_AT(struct process_settings, stats_file),
     .help = "JSON file for all counters, written at SIGUSR1 and at the end"},
    {"shutdown_timeout", KEY_DURATION_AT(struct process_settings, shutdown_timeout_s, 1, 3600),
     "30", .help = "how long backends may take to write what is left at the end"},
    {"dry_run", KEY_CHOICE_AT(struct process_settings, dry_run),
     .choices = KEY_CHOICES({"config", TRIAL_CHECK}, {"setup", TRIAL_SETUP}),
     .help = "check the configuration, or also try what a start would, and end"},
    {"plugin_exit_any", KEY_IGNORED, .help = "a plugin that dies is started again"},
    {"propagate_signals", KEY_IGNORED, .help = "the core tells plugins what they need"},
    {"NAME_nonroot", KEY_IGNORED, .aliases = "pmacctd_nonroot", .help = "needs no permission here"},
    {0},
};

const struct config_key process_flow_keys[] = {
    {"NETFLOW_templates_file", KEY_STRING_AT(struct process_settings, templates_file),
     .help = "keeps templates, options and clocks of exporters over a restart; default: "
             "nfacctd.state in STATE_DIRECTORY, which a unit sets"},
    {"bgp_wait_for_rib", KEY_DURATION_AT(struct process_settings, wait_for_rib_s, 0, 86400), "0",
     .help = "hold flows until the expected peers have sent their tables, at most so long"},
    {0},
};

const struct config_key row_keys[] = {
    {"NETFLOW_pro_rating", KEY_BOOL_AT(struct row_settings, has_pro_rating), "false",
     .help = "spread a flow over the time bins that it lived in"},
    {"NAME_stitching", KEY_BOOL_AT(struct row_settings, has_stitching), "false",
     .aliases = "pmacctd_stitching|uacctd_stitching",
     .help = "add timestamp_min and timestamp_max of the flows of each row"},
    {0},
};

const struct config_key instance_flow_keys[] = {
    {"aggregate", KEY_STRING_AT(struct instance_settings, aggregate), "src_host",
     .scope = SCOPE_INSTANCE, .help = "primitives that make a row's key, comma-separated; see -a"},
    {"aggregate_filter", KEY_STRING_AT(struct instance_settings, filter), .scope = SCOPE_BOUND,
     .help = "flows that the instance takes: an expression of pcap-filter(7)"},
    {"unaggregated", KEY_BOOL_AT(struct instance_settings, is_unaggregated), "false",
     .scope = SCOPE_INSTANCE, .help = "each flow is a row of its own"},
    {0},
};

const struct config_key instance_keys[] = {
    {"plugin_pool_size",
     KEY_SIZE_AT(struct instance_settings, pool_size, 1 << 20, INT64_C(1) << 42), "1G",
     .scope = SCOPE_INSTANCE,
     .help = "memory for rows that are open or on their way, over all workers; beyond it new rows "
             "are dropped and counted"},
    {"plugin_timeout", KEY_DURATION_AT(struct instance_settings, timeout_s, 0, 86400), "120",
     .scope = SCOPE_INSTANCE,
     .help = "a plugin's process that gives no sign of life for so long while rows wait is killed "
             "and started again; 0: never"},
    {"plugin_seccomp", KEY_CHOICE_AT(struct instance_settings, seccomp), .scope = SCOPE_INSTANCE,
     .choices = KEY_CHOICES({"refuse", PLUGIN_SECCOMP_REFUSE}, {"kill", PLUGIN_SECCOMP_KILL},
                            {"off", PLUGIN_SECCOMP_OFF}),
     .help = "the same as seccomp, for a plugin's process; unset: as seccomp"},
    {"plugin_spool_dir", KEY_STRING_AT(struct instance_settings, spool_dir),
     .scope = SCOPE_INSTANCE, .help = "folder for rows that the backend cannot take now"},
    {"plugin_spool_size",
     KEY_SIZE_AT(struct instance_settings, spool_size, 1 << 20, INT64_C(1) << 50), "1G",
     .scope = SCOPE_INSTANCE, .help = "bytes that may lie in plugin_spool_dir"},
    {0},
};

/* The suite's daemons of flows. Each takes its keys under the names of the others too, as pmacct's
 * daemons do. */
static const char *const daemon_names[] = {"nfacctd", "sfacctd"};
enum { DAEMON_COUNT = sizeof daemon_names / sizeof *daemon_names };

static void add_alias(struct text *aliases, const char *daemon_name, const char *suffix)
{
    text_append_printf(aliases, "%s%s_%s", aliases->len ? "|" : "", daemon_name, suffix);
}

/* Adds a word of a key's list of aliases: under the names of all daemons if it begins with PREFIX. */
static void add_word(struct text *aliases, const char *word)
{
    if (strncmp(word, PREFIX, strlen(PREFIX)) != 0) {
        text_append_printf(aliases, "%s%s", aliases->len ? "|" : "", word);
        return;
    }
    for (size_t i = 0; i < DAEMON_COUNT; i++)
        add_alias(aliases, daemon_names[i], word + strlen(PREFIX));
}

/* Returns the aliases of a key: its name under the other daemons' names, and its other words. */
static const char *aliases_of(const struct config_key *key, const char *daemon_name)
{
    struct text aliases = {0};
    char *words = mem_strdup(key->aliases ? key->aliases : ""), *rest = words;
    const char *word, *result;

    if (strncmp(key->name, PREFIX, strlen(PREFIX)) == 0)
        for (size_t i = 0; i < DAEMON_COUNT; i++)
            if (strcmp(daemon_names[i], daemon_name) != 0)
                add_alias(&aliases, daemon_names[i], key->name + strlen(PREFIX));
    while ((word = strsep(&rest, "|")))
        if (*word)
            add_word(&aliases, word);
    result = aliases.len ? mem_strdup(text_cstr(&aliases)) : NULL;
    text_clear(&aliases);
    mem_free(words);
    return result;
}

/* Makes a key of the shared table this daemon's. Keys of NetFlow are accepted by all, as one
 * configuration may serve both daemons. */
static void key_for_daemon(struct config_key *key, const struct daemon_description *description)
{
    const char *name = key->name;

    key->aliases = aliases_of(key, description->name);
    if (key->default_value && strcmp(key->default_value, KEY_OWN_EXPORT) == 0)
        key->default_value = description->export_word;
    if (description->service && strcmp(name, description->service) == 0)
        key->default_value = "true";
    if (strncmp(name, NETFLOW, strlen(NETFLOW)) == 0) {
        key->name = mem_printf("nfacctd_%s", name + strlen(NETFLOW));
        if (!description->has_netflow_keys)
            *key = (struct config_key){
                .name = key->name, .type = KEY_IGNORED, .help = "belongs to NetFlow and IPFIX"};
    } else if (strncmp(name, PREFIX, strlen(PREFIX)) == 0) {
        key->name = mem_printf("%s_%s", description->name, name + strlen(PREFIX));
    } else {
        key->name = mem_strdup(name);
    }
}

struct config_key *settings_keys_new(const struct config_key *table,
                                     const struct daemon_description *description)
{
    size_t count = 0;
    struct config_key *keys;

    while (table[count].name)
        count++;
    keys = mem_calloc(count + 1, sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        keys[i] = table[i];
        key_for_daemon(&keys[i], description);
    }
    return keys;
}

struct config_key *settings_foreign_keys_new(const struct config_key *table)
{
    const struct daemon_description owner = {.name = daemon_names[0], .has_netflow_keys = true};

    return settings_keys_new(table, &owner);
}

void settings_keys_free(struct config_key *keys)
{
    for (struct config_key *k = keys; k && k->name; k++) {
        mem_free((void *)(uintptr_t)k->name);
        mem_free((void *)(uintptr_t)k->aliases);
    }
    mem_free(keys);
}
