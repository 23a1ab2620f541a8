/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/settings.h"
#include "base/address.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/config.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

#define PREFIX     "NAME_"
#define NETFLOW    "NETFLOW_"
#define OWN_EXPORT "NAME"

static int check_address(const char *value, struct text *error)
{
    struct ip_addr address;

    if (ip_addr_parse(value, &address) == 0)
        return 0;
    text_append_string(error, "an IP address");
    return -EINVAL;
}

static int check_facility(const char *value, struct text *error)
{
    if (log_facility_is_known(value))
        return 0;
    text_append_string(error, "a syslog facility such as daemon, user or local0 to local7");
    return -EINVAL;
}

/* What the export itself says is `netflow` or `sflow`: pmacct takes either in both daemons. */
static const struct config_choice methods[] = {
    {"netflow", ROUTE_NETFLOW},
    {"bgp", ROUTE_BGP},
    {"longest", ROUTE_LONGEST},
    {"sflow", ROUTE_NETFLOW},
    {0},
};
static const struct config_choice source_methods[] = {
    {"netflow", SOURCE_EXPORT}, {"sflow", SOURCE_EXPORT}, {"bgp", SOURCE_BGP}, {0}};
static const struct config_choice bgp_alone[] = {{"bgp", true}, {0}};
static const struct config_choice views[] = {
    {"outer", TUNNEL_VIEW_OUTER}, {"inner", TUNNEL_VIEW_INNER}, {0}};
static const struct config_choice trials[] = {{"config", TRIAL_CHECK}, {"setup", TRIAL_SETUP}, {0}};

const struct config_key core_keys[] = {
    {"daemonize", KEY_BOOL_AT(struct core_settings, daemonize), "false",
     .help = "run in the background"},
    {"debug", KEY_BOOL_AT(struct core_settings, debug), "false",
     .help = "log more than operators need"},
    {"pidfile", KEY_STRING_AT(struct core_settings, pidfile),
     .help = "file that holds the process id while the daemon runs"},
    {"core_proc_name", KEY_STRING_AT(struct core_settings, core_proc_name), "default",
     .help = "name of the core process in its title and log lines"},
    {"proc_priority", KEY_INT_AT(struct core_settings, proc_priority, -20, 19), "0",
     .help = "nice value of the core process"},
    {"logfile", KEY_STRING_AT(struct core_settings, logfile),
     .help = "log to this file, and to stderr unless daemonize is set; SIGHUP opens it anew"},
    {"syslog", KEY_STRING_AT(struct core_settings, syslog), .check = check_facility,
     .help = "log to syslog with this facility: daemon, local0..."},
    {"syslog_ident", KEY_STRING_AT(struct core_settings, syslog_ident),
     .help = "name in syslog; default: the daemon's"},
    {"log_stderr_tstamp", KEY_BOOL_AT(struct core_settings, log_stderr_tstamp), "true",
     .help = "begin lines on stderr with the time"},
    {"files_umask", KEY_STRING_AT(struct core_settings, files_umask),
     .help = "umask of files that are written, octal, such as 077"},
    {"files_uid", KEY_STRING_AT(struct core_settings, files_uid),
     .help = "owner of files that are written: name or number"},
    {"files_gid", KEY_STRING_AT(struct core_settings, files_gid),
     .help = "group of files that are written: name or number"},
    {"stats_file", KEY_STRING_AT(struct core_settings, stats_file),
     .help = "JSON file for all counters, written at SIGUSR1 and at the end"},
    {"shutdown_timeout", KEY_DURATION_AT(struct core_settings, shutdown_timeout_s, 1, 3600), "30",
     .help = "how long backends may take to write what is left at the end"},
    {"NAME_ip", KEY_STRING_AT(struct core_settings, ip), .check = check_address,
     .help = "address to receive exports on; default: all, IPv6 and IPv4"},
    {"NAME_port", KEY_INT_AT(struct core_settings, port, 0, 65535), "0",
     .help = "UDP port to receive exports on; 0: the daemon's usual one (nfacctd: 2100, sfacctd: "
             "6343)"},
    {"NAME_interface", KEY_STRING_AT(struct core_settings, interface),
     .help = "receive on this interface or VRF only"},
    {"NAME_ipv6_only", KEY_BOOL_AT(struct core_settings, ipv6_only), "false",
     .help = "no IPv4 on an IPv6 socket"},
    {"NAME_mcast_groups", KEY_STRING_AT(struct core_settings, mcast_groups),
     .help = "multicast groups to join, comma-separated"},
    {"NAME_pipe_size", KEY_SIZE_AT(struct core_settings, pipe_size, 0, INT_MAX), "0",
     .help = "receive buffer in bytes, of all workers' sockets together; 0: 32 MB, or as much as "
             "net.core.rmem_max allows"},
    {"NAME_workers", KEY_INT_AT(struct core_settings, workers, 0, 64), "0",
     .help = "threads that receive and aggregate; an exporter stays with one; 0: one less than "
             "there are CPUs"},
    {"exporters_max", KEY_INT_AT(struct core_settings, exporters_max, 1, 1 << 20), "16384",
     .help = "exporters that a worker knows at once; then the one least recently seen goes"},
    {"pcap_savefile", KEY_STRING_AT(struct core_settings, pcap_savefile),
     .help = "read exports from this capture file instead"},
    {"pcap_savefile_delay", KEY_DURATION_AT(struct core_settings, pcap_delay_s, 0, INT_MAX), "0",
     .help = "seconds to wait before each reading of the capture file"},
    {"pcap_savefile_wait", KEY_BOOL_AT(struct core_settings, pcap_wait), "false",
     .help = "after the capture file wait for a signal"},
    {"pcap_savefile_replay", KEY_INT_AT(struct core_settings, pcap_rounds, 0, INT_MAX), "1",
     .help = "how many times to read the capture file; 0: for ever"},
    {"pcap_savefile_port", KEY_INT_AT(struct core_settings, pcap_port, 0, 65535), "0",
     .help = "take only datagrams to this UDP port from the capture file; 0: all"},
    {"pcap_savefile_speed", KEY_INT_AT(struct core_settings, pcap_speed, 0, 1000000), "0",
     .help = "read at so many times the speed of the capture; 0: as fast as possible"},
    {"NETFLOW_templates_file", KEY_STRING_AT(struct core_settings, templates_file),
     .help = "keeps templates and options over a restart"},
    {"NAME_renormalize", KEY_BOOL_AT(struct core_settings, renormalize), "false",
     .help = "multiply packets and bytes by the sampling rate"},
    {"NAME_ext_sampling_rate", KEY_INT_AT(struct core_settings, ext_sampling_rate, 0, UINT32_MAX),
     "0", .help = "sampling rate of exporters that do not tell theirs"},
    {"NAME_time_new", KEY_BOOL_AT(struct core_settings, time_new), "false",
     .help = "time bins go by arrival, not by flow start"},
    {"NETFLOW_pro_rating", KEY_BOOL_AT(struct core_settings, pro_rating), "false",
     .help = "spread a flow over the time bins that it lived in"},
    {"tunnel_headers", KEY_CHOICE_AT(struct core_settings, tunnel_headers), "outer",
     .choices = views,
     .help = "which headers of a packet in a tunnel src_host, proto and the like mean; the "
             "tunnel_* primitives mean the other ones"},
    {"NAME_stitching", KEY_BOOL_AT(struct core_settings, stitching), "false",
     .help = "add timestamp_min and timestamp_max of the flows of each row"},
    {"NAME_as", KEY_CHOICE_AT(struct core_settings, as_method), OWN_EXPORT, .choices = methods,
     .aliases = "NAME_as_new",
     .help = "where AS numbers come from; longest: whoever has the longer prefix"},
    {"NAME_net", KEY_CHOICE_AT(struct core_settings, net_method), OWN_EXPORT, .choices = methods,
     .help = "where networks and masks come from; longest: whoever has the longer prefix"},
    {"bgp_path_accept", KEY_STRING_AT(struct core_settings, path_accept),
     .help = "verdicts (path_match) whose path is filled in, comma-separated; all; or pmacct: "
             "choose as pmacct does"},
    {"bgp_wait_for_rib", KEY_DURATION_AT(struct core_settings, wait_for_rib_s, 0, 86400), "0",
     .help = "hold flows until the expected peers have sent their tables, at most so long"},
    {"bgp_wait_buffer_size",
     KEY_SIZE_AT(struct core_settings, wait_buffer_size, 0, INT64_C(1) << 40), "64M",
     .help = "bytes of datagrams that bgp_wait_for_rib holds; beyond that the oldest go on without "
             "waiting"},
    {"bgp_follow_default", KEY_INT_AT(struct core_settings, follow_default, 0, 20), "0",
     .help = "how many times to follow a default route to the peer behind its next hop"},
    {"bgp_follow_nexthop", KEY_STRING_AT(struct core_settings, follow_nexthop),
     .help = "prefixes, comma-separated: follow next hops inside them from peer to peer"},
    {"bgp_follow_nexthop_external", KEY_BOOL_AT(struct core_settings, follow_nexthop_external),
     "false", .help = "the result is the next hop that the last peer inside the prefixes uses"},
    {"bgp_peer_as_skip_subas", KEY_BOOL_AT(struct core_settings, peer_as_skip_subas), "false",
     .help = "leave confederation segments out when looking for the neighbour AS"},
    {"bgp_peer_src_as_type", KEY_CHOICE_AT(struct core_settings, peer_src_as), OWN_EXPORT,
     .choices = source_methods, .help = "where peer_src_as comes from"},
    {"bgp_src_as_path_type", KEY_CHOICE_AT(struct core_settings, src_as_path), .choices = bgp_alone,
     .help = "where src_as_path comes from"},
    {"bgp_src_std_comm_type", KEY_CHOICE_AT(struct core_settings, src_std_comm),
     .choices = bgp_alone, .help = "where src_std_comm comes from"},
    {"bgp_src_ext_comm_type", KEY_CHOICE_AT(struct core_settings, src_ext_comm),
     .choices = bgp_alone, .help = "where src_ext_comm comes from"},
    {"bgp_src_lrg_comm_type", KEY_CHOICE_AT(struct core_settings, src_lrg_comm),
     .choices = bgp_alone, .help = "where src_lrg_comm comes from"},
    {"bgp_src_local_pref_type", KEY_CHOICE_AT(struct core_settings, src_local_pref),
     .choices = bgp_alone, .help = "where src_local_pref comes from"},
    {"bgp_src_med_type", KEY_CHOICE_AT(struct core_settings, src_med), .choices = bgp_alone,
     .help = "where src_med comes from"},
    {"bgp_stdcomm_pattern_to_asn", KEY_STRING_AT(struct core_settings, std_comm_to_asn),
     .help = "of a path without AS path, the first community PEER:ORIGIN that matches gives both "
             "AS numbers"},
    {"bgp_lrgcomm_pattern_to_asn", KEY_STRING_AT(struct core_settings, lrg_comm_to_asn),
     .help = "the same as bgp_stdcomm_pattern_to_asn with large communities"},
    {"NAME_peer_as", KEY_BOOL_AT(struct core_settings, peer_as), "false",
     .help =
         "exported AS numbers are those of neighbours: they become peer_src_as and peer_dst_as"},
    {"dry_run", KEY_CHOICE_AT(struct core_settings, dry_run), .choices = trials,
     .help = "check the configuration, or also start everything once, and end"},
    {"plugin_exit_any", KEY_IGNORED, .help = "a plugin that dies is started again"},
    {"propagate_signals", KEY_IGNORED, .help = "the core tells plugins what they need"},
    {"NAME_nonroot", KEY_IGNORED, .help = "needs no permission here"},
    {0},
};

const struct config_key instance_keys[] = {
    {"aggregate", KEY_STRING_AT(struct instance_settings, aggregate), "src_host",
     .scope = SCOPE_INSTANCE, .help = "primitives that make a row's key, comma-separated; see -a"},
    {"aggregate_filter", KEY_STRING_AT(struct instance_settings, filter), .scope = SCOPE_BOUND,
     .help = "flows that the instance takes: an expression of pcap-filter(7)"},
    {"unaggregated", KEY_BOOL_AT(struct instance_settings, is_unaggregated), "false",
     .scope = SCOPE_INSTANCE, .help = "each flow is a row of its own"},
    {"plugin_pool_size",
     KEY_SIZE_AT(struct instance_settings, pool_size, 1 << 20, INT64_C(1) << 42), "1G",
     .scope = SCOPE_INSTANCE,
     .help = "memory for rows that are open or on their way, over all workers; beyond it new rows "
             "are dropped and counted"},
    {"plugin_spool_dir", KEY_STRING_AT(struct instance_settings, spool_dir),
     .scope = SCOPE_INSTANCE, .help = "folder for rows that the backend cannot take now"},
    {"plugin_spool_size",
     KEY_SIZE_AT(struct instance_settings, spool_size, 1 << 20, INT64_C(1) << 50), "1G",
     .scope = SCOPE_INSTANCE, .help = "bytes that may lie in plugin_spool_dir"},
    {0},
};

/* The daemons of the suite: each takes its keys under the others' names too, as pmacct's do. */
static const char *const daemon_names[] = {"nfacctd", "sfacctd"};
enum { DAEMON_COUNT = sizeof daemon_names / sizeof *daemon_names };

static void add_alias(struct text *aliases, const char *daemon_name, const char *suffix)
{
    text_append_printf(aliases, "%s%s_%s", aliases->len ? "|" : "", daemon_name, suffix);
}

/* The key under the names of the other daemons, and its other word under all names. */
static const char *aliases_of(const struct config_key *key, const char *daemon_name)
{
    struct text aliases = {0};
    const char *result;

    if (strncmp(key->name, PREFIX, strlen(PREFIX)) != 0)
        return key->aliases ? mem_strdup(key->aliases) : NULL;
    for (size_t i = 0; i < DAEMON_COUNT; i++) {
        if (strcmp(daemon_names[i], daemon_name) != 0)
            add_alias(&aliases, daemon_names[i], key->name + strlen(PREFIX));
        if (key->aliases)
            add_alias(&aliases, daemon_names[i], key->aliases + strlen(PREFIX));
    }
    result = mem_strdup(text_cstr(&aliases));
    text_clear(&aliases);
    return result;
}

/* What belongs to NetFlow is accepted elsewhere, as one configuration may serve both daemons. */
static void key_for_daemon(struct config_key *key, const char *daemon_name)
{
    bool is_netflow = strcmp(daemon_name, "nfacctd") == 0;
    const char *name = key->name;

    key->aliases = aliases_of(key, daemon_name);
    if (key->default_value && strcmp(key->default_value, OWN_EXPORT) == 0)
        key->default_value = is_netflow ? "netflow" : "sflow";
    if (strncmp(name, NETFLOW, strlen(NETFLOW)) == 0) {
        key->name = mem_printf("nfacctd_%s", name + strlen(NETFLOW));
        if (!is_netflow)
            *key = (struct config_key){
                .name = key->name, .type = KEY_IGNORED, .help = "belongs to NetFlow and IPFIX"};
    } else if (strncmp(name, PREFIX, strlen(PREFIX)) == 0) {
        key->name = mem_printf("%s_%s", daemon_name, name + strlen(PREFIX));
    } else {
        key->name = mem_strdup(name);
    }
}

struct config_key *settings_keys_new(const struct config_key *table, const char *daemon_name)
{
    size_t count = 0;
    struct config_key *keys;

    while (table[count].name)
        count++;
    keys = mem_calloc(count + 1, sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        keys[i] = table[i];
        key_for_daemon(&keys[i], daemon_name);
    }
    return keys;
}

void settings_keys_free(struct config_key *keys)
{
    for (struct config_key *k = keys; k && k->name; k++) {
        mem_free((void *)(uintptr_t)k->name);
        mem_free((void *)(uintptr_t)k->aliases);
    }
    mem_free(keys);
}

/* ---- correlation ---- */

static void add_error(const struct config *config, const char *key, struct text *errors)
{
    text_append_printf(errors, "%s: %s: ", config_place(config, key, CONFIG_GLOBAL), key);
}

static int accept_word(const char *word, struct correlate_settings *c)
{
    if (strcmp(word, "pmacct") == 0) {
        c->policy = RIB_POLICY_PMACCT;
        c->accepted = UINT32_MAX;
        return 0;
    }
    if (strcmp(word, "all") == 0) {
        c->accepted = UINT32_MAX;
        return 0;
    }
    for (int i = 1; i < PATH_MATCH_COUNT; i++)
        if (strcmp(word, path_matches[i].text) == 0) {
            c->accepted |= UINT32_C(1) << i;
            return 0;
        }
    return -EINVAL;
}

static int read_accepted(const struct core_settings *s, const struct config *config,
                         struct text *errors, struct correlate_settings *c)
{
    char *list, *rest;
    int err = 0;

    if (!s->path_accept) {
        for (int i = 0; i < PATH_MATCH_COUNT; i++)
            c->accepted |= (uint32_t)path_matches[i].is_accepted_by_default << i;
        return 0;
    }
    rest = list = mem_strdup(s->path_accept);
    for (char *word; (word = strtok_r(rest, ", \t", &rest)) != NULL;) {
        if (accept_word(word, c) == 0)
            continue;
        add_error(config, "bgp_path_accept", errors);
        text_append_printf(errors, "no verdict '%s'; there are", word);
        for (int i = 1; i < PATH_MATCH_COUNT; i++)
            text_append_printf(errors, " %s,", path_matches[i].text);
        text_append_string(errors, " all, pmacct\n");
        err = -EINVAL;
    }
    mem_free(list);
    return err;
}

static int read_follow(const struct core_settings *s, const struct config *config,
                       struct text *errors, struct correlate_settings *c)
{
    char *list, *rest;
    int err = 0;

    if (!s->follow_nexthop)
        return 0;
    rest = list = mem_strdup(s->follow_nexthop);
    for (char *word; (word = strtok_r(rest, ", \t", &rest)) != NULL;) {
        if (c->follow_count == FOLLOW_PREFIXES_MAX) {
            add_error(config, "bgp_follow_nexthop", errors);
            text_append_printf(errors, "more than %d prefixes; join some\n", FOLLOW_PREFIXES_MAX);
            err = -EINVAL;
            break;
        }
        if (ip_prefix_parse(word, &c->follow[c->follow_count]) == 0) {
            c->follow_count++;
            continue;
        }
        add_error(config, "bgp_follow_nexthop", errors);
        text_append_printf(errors, "'%s' is not a prefix; write address/length\n", word);
        err = -EINVAL;
    }
    mem_free(list);
    return err;
}

int settings_correlate(const struct core_settings *s, const struct config *config, bool has_bgp,
                       bool disable_router_id_check, struct text *errors,
                       struct correlate_settings *c)
{
    int err = 0;

    *c = (struct correlate_settings){
        .is_enabled = has_bgp,
        .is_replay = s->pcap_savefile != NULL,
        .as_method = s->as_method,
        .net_method = s->net_method,
        .disable_router_id_check = disable_router_id_check,
        .skip_confederation = s->peer_as_skip_subas,
        .peer_src_as = s->peer_src_as,
        .src_as_path = s->src_as_path,
        .src_std_comms = s->src_std_comm,
        .src_ext_comms = s->src_ext_comm,
        .src_lrg_comms = s->src_lrg_comm,
        .src_local_pref = s->src_local_pref,
        .src_med = s->src_med,
        .std_comm_to_asn = s->std_comm_to_asn,
        .lrg_comm_to_asn = s->lrg_comm_to_asn,
        .follow_default = s->follow_default,
        .follow_external = s->follow_nexthop_external,
    };
    err = read_accepted(s, config, errors, c) < 0 ? -EINVAL : err;
    err = read_follow(s, config, errors, c) < 0 ? -EINVAL : err;
    return err;
}
