/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The core's configuration keys and their values. In tables of keys that all daemons share, a name
 * that starts with "NAME_" begins with the daemon's name (nfacctd_port, sfacctd_port), and one with
 * "NETFLOW_" is nfacctd's alone: settings_keys_new() makes the daemon's own table of them.
 */
#include "config/config_key.h"
#include "flow/packet_tunnel.h"
#include "pipeline/correlate.h"
#include <stdbool.h>
#include <stdint.h>

/* dry_run: how much of a start is tried before the process ends. */
enum trial { TRIAL_NONE, TRIAL_CHECK, TRIAL_SETUP };

struct core_settings {
    /* process */
    bool daemonize, debug, log_stderr_tstamp;
    const char *pidfile, *core_proc_name, *logfile, *syslog, *syslog_ident;
    const char *files_umask, *files_uid, *files_gid;
    const char *stats_file;
    int64_t shutdown_timeout_s, proc_priority;
    /* input */
    const char *ip, *interface, *mcast_groups;
    int64_t port, pipe_size, workers, exporters_max;
    bool ipv6_only;
    const char *pcap_savefile;
    int64_t pcap_port, pcap_delay_s, pcap_rounds, pcap_speed;
    bool pcap_wait;
    const char *templates_file;
    /* enrichment */
    enum trial dry_run;
    bool peer_as, renormalize, time_new, pro_rating, stitching;
    int64_t ext_sampling_rate;
    /* correlation */
    enum route_method as_method, net_method;
    enum tunnel_view tunnel_headers;
    enum source_method peer_src_as;
    bool src_as_path, src_std_comm, src_ext_comm, src_lrg_comm, src_local_pref, src_med;
    bool peer_as_skip_subas, follow_nexthop_external;
    const char *path_accept, *follow_nexthop, *std_comm_to_asn, *lrg_comm_to_asn;
    int64_t follow_default, wait_for_rib_s, wait_buffer_size;
};

/* Of one plugin instance. */
struct instance_settings {
    const char *aggregate, *filter, *spool_dir;
    bool is_unaggregated;
    int64_t pool_size, spool_size;
};

extern const struct config_key instance_keys[]; /* `place` is in struct instance_settings */

extern const struct config_key core_keys[]; /* `place` is in struct core_settings */

/* A shared table as the daemon of this name has it: to be freed with settings_keys_free(). */
struct config_key *settings_keys_new(const struct config_key *table, const char *daemon_name);
void settings_keys_free(struct config_key *keys);

/* Fills what correlation is told. -EINVAL: appends to `errors` lines with the place of the
 * value. */
struct config;
int settings_correlate(const struct core_settings *settings, const struct config *config,
                       bool has_bgp, bool disable_router_id_check, struct text *errors,
                       struct correlate_settings *ret_correlate);
