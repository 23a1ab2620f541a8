/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The daemon's state: setup.c makes it from the configuration, daemon.c runs it. All of it is the
 * main thread's. */
#include "base/chores.h"
#include "base/log.h"
#include "base/poller.h"
#include "base/text.h"
#include "base/thread.h"
#include "bgp/bgp.h"
#include "bmp/bmp_station.h"
#include "daemon/confinement.h"
#include "daemon/control_use.h"
#include "daemon/daemon.h"
#include "daemon/flow_sockets.h"
#include "daemon/instance.h"
#include "daemon/options.h"
#include "daemon/places.h"
#include "daemon/plugin_list.h"
#include "daemon/privileges.h"
#include "daemon/progress.h"
#include "daemon/rib_wait.h"
#include "daemon/settings.h"
#include "daemon/statistics.h"
#include "daemon/status_line.h"
#include "daemon/supervisor.h"
#include "daemon/table_dump.h"
#include "daemon/template_sharing.h"
#include "daemon/templates_file.h"
#include "daemon/trouble.h"
#include "daemon/watchdog.h"
#include "maps/map_census.h"
#include "maps/maps.h"
#include "rpki/rtr.h"

enum { KEY_TABLES_MAX = 32 };

struct event_producer;

struct daemon {
    const struct daemon_description *description;
    struct options options;
    char *file; /* options.file is a copy */
    struct config *config;
    struct config_key *keys[KEY_TABLES_MAX];
    struct process_settings process;
    struct privileges_user *user; /* whom it becomes, or is to be; NULL: the key `user` is unset */
    struct row_settings rows;
    struct udp_settings udp;
    struct bgp_settings bgp_settings;
    struct bmp_station_settings bmp_settings;
    struct rtr_settings rtr_settings;
    struct table_dump_settings table_dump_settings;
    struct maps_settings maps_settings;
    struct control_settings control_settings;
    bool is_misconfigured; /* a start again, with the same configuration, fails the same way */
    bool has_row_error;    /* a row of a map that strict_config: false would leave out */
    struct instance_settings *instance_settings;
    struct places places;
    struct plugin_list plugins;
    struct primitive_table *primitives;
    struct flow_needs needs; /* members of flows that instances need */
    struct instance **instances;
    struct instance_view_settings *views; /* one per instance */
    uint32_t instance_count; /* those that workers feed come first: crew.instance_count */
    struct crew crew;
    struct worker_instance *worker_instances;
    struct udp_receiver *receivers[WORKERS_MAX]; /* until workers take them */
    struct flow_sockets flow_sockets;
    struct template_sharing sharing;
    char *state_file;               /* process.templates_file, if no key names it */
    struct raw_sockets raw_sockets; /* open if an instance asks for them, or templates are shared */
    int worker_events[WORKERS_MAX];
    struct event_producer *msglog; /* of the BGP thread; NULL: there is no log */
    int *foreign_events;           /* one per instance; -1: workers feed it */
    alignas(CACHE_LINE) const struct maps *_Atomic maps; /* workers look at it for each datagram */
    alignas(CACHE_LINE) struct rcu *rcu;
    struct rcu_queue *retired;
    struct rcu_reader *reader;
    struct bgp *bgp; /* its thread, which has the RIB; NULL: neither BGP nor BMP is spoken */
    struct bmp_station *bmp; /* its guest; NULL: BMP is not spoken */
    struct rtr *rtr;
    struct table_dump *table_dump; /* NULL: no dumps are made */
    struct poller *poller;
    struct supervisor *supervisor;
    struct confinement confinement;
    struct supervisor_settings supervisor_settings;
    struct chores *chores;
    struct watchdog watchdog;
    char *traffic_path;          /* of the table of control_traffic; NULL: none */
    struct control_use *control; /* NULL: nobody can ask */
    char *status;                /* a line that says what the daemon does */
    struct troubles troubles;    /* what failed and has not worked since */
    struct progress *progress;
    struct templates_file *templates;
    struct rib_wait *rib_wait;
    struct poller_timer second_timer, shutdown_timer;
    struct statistics_watch watch;
    int64_t started_ns;
    uint64_t seconds, ending_s;      /* since the start; since the end began */
    struct text warnings;            /* of the configuration; kept until the log tells them */
    struct text notices;             /* likewise: of what is right and may not be meant */
    bool is_reloading, wants_reload; /* maps are being read; and once more after that */
    struct map_census map_census;    /* of those in force */
    struct status_line status_line;
    bool is_stopping; /* set by a signal, or at the end of the file */
};

/* True if routers tell of routes, by BGP or BMP. */
static inline bool daemon_has_rib(const struct daemon *daemon)
{
    return daemon->bgp_settings.enabled || daemon->bmp_settings.enabled;
}
struct statistics_sources daemon_statistics(struct daemon *daemon, bool is_final);
/* Logs each line of a text, and empties it. */
void log_lines(struct text *lines, enum log_level level);

/*
 * Reads the configuration and checks everything that can be checked without opening anything.
 * -EINVAL: errors were appended to `errors`. Lines that are odd are told in `warnings`.
 */
int setup_read(struct daemon *daemon, int argc, char **argv, struct text *errors,
               struct text *warnings) ON_THREAD(main_thread);
/* Puts where it is, and whose it is, before each line that a plugin says of its settings. */
void setup_append_said(const struct daemon *daemon, uint32_t index, const char *lines,
                       struct text *out);
/* Lets the plugins check their settings. */
int setup_check_plugins(struct daemon *daemon, struct text *errors) ON_THREAD(main_thread);
/* Opens sockets, makes workers and rings; starts nothing. */
int setup_open(struct daemon *daemon, struct text *errors) ON_THREAD(main_thread);
/* Takes the folders of its spools into use, as the user whom the daemon is now, and looks for others
 * beside them. Called after setup_open(). -EWOULDBLOCK: another daemon uses one. */
int setup_take_spools(struct daemon *daemon, struct text *errors) ON_THREAD(main_thread);
/* Tries what a start opens beside sockets: files, folders, backends; makes none of it. Called after
 * setup_open(), whose errors do not keep it from finding more. */
int setup_try_out(struct daemon *daemon, struct text *errors) ON_THREAD(main_thread);
void setup_close(struct daemon *daemon) ON_THREAD(main_thread);
/* Tells BGP which peers the maps name. */
void daemon_name_peers(struct daemon *daemon) ON_THREAD(main_thread);
