/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The BGP thread: a listening speaker that learns and never announces. It owns sessions and the
 * RIB; other threads read the peer snapshot and the RIB under RCU.
 */
#include "base/address.h"
#include "base/rcu.h"
#include "base/text.h"
#include "bgp/rib.h"
#include "config/config_key.h"
#include <stdbool.h>
#include <stdint.h>

struct attr_store;
struct bgp;
struct poller;

/* Values of the keys in bgp_keys[], rib_keys[] and bgp_flow_keys[]; strings are borrowed from the configuration for the BGP
 * thread's life. */
struct bgp_settings {
    bool enabled;
    const char *listen_ip; /* NULL: all addresses, IPv6 and IPv4 */
    uint16_t port, hold_time_s;
    const char *router_id; /* NULL: the listening address, else 1.2.3.4 */
    uint32_t local_as;     /* 0: the peer's own AS (iBGP) */
    uint32_t max_peers, max_sessions_per_address;
    int32_t ttl_security; /* hops; 0: off */
    const char *allow_file, *md5_file, *neighbors_file, *interface;
    bool ipv6_only, add_path_ignore, disable_router_id_check, communities_numeric;
    int32_t pipe_size, ip_precedence;
    int64_t batch, batch_interval_s;
    uint64_t path_history_max, peer_paths_max, max_prefixes;
    uint64_t max_memory; /* 0: three quarters of what there is */
    int64_t path_history_s, peer_down_keep_s, table_load_keep_s;
    const char *table_load, *table_save; /* comma-separated files; one */
    const char *connect_to; /* active mode: "address" or "address@port", comma-separated */
    uint32_t aspath_radius;
    const char *stdcomm_pattern, *extcomm_pattern, *lrgcomm_pattern; /* comma-separated */
    bool has_numeric_origin; /* tmp_bgp_daemon_origin_type_int: of logs */
    /* Not a key: somebody asks for attributes as they were received (attr_store.h). */
    bool keeps_received;
    /* Not a key: the log tells what peers say, and nothing of what the table knows of it. */
    bool log_lacks_table;
    /* Not a key: the RIB has so many slots and members of views for a guest; 0: there is none. */
    uint32_t guest_slots, guest_members;
    /* Not a key: flows come from a file. All is loaded before bgp_start() returns, stays for ever, and
     * nothing is saved. */
    bool is_replay;
};
/* `place` is in struct bgp_settings; the table ends with a row without a name. */
extern const struct config_key bgp_keys[];
extern const struct config_key rib_keys[]; /* of the RIB, whoever fills it; the same settings */
extern const struct config_key bgp_flow_keys[]; /* those for the sake of flows */

/* Appends a line to `errors` for each fault that bgp_new() would find in files and lists; opens
 * and keeps nothing. -EINVAL: there was one. */
int bgp_check(const struct bgp_settings *settings, struct text *errors);
/* Reads files and opens the listening socket, so that errors show before anything starts; the text
 * of an error (a file's name and line, the remedy) is appended to `error`. -errno. */
int bgp_new(const struct bgp_settings *settings, struct rcu *rcu, struct text *error,
            struct bgp **ret_bgp);
/* Who takes records of BGP messages (route_events.h). The BGP thread calls all of these, and none may block. */
struct event;
struct bgp_log_sink {
    void (*put)(void *arg, const struct event *event, int64_t time_ns);
    /* Does what is due; returns how many milliseconds the next call may wait; -1: until `fd` is readable. */
    int (*turn)(void *arg);
    bool (*is_ending)(void *arg); /* true: it wants no more records but the last */
    bool (*finish)(void *arg);    /* after the last record; false: call it again */
    int fd;                       /* an eventfd, borrowed */
    void *arg;
};
/* Logs messages from the start on; before bgp_start(), with settings.keeps_received. -errno. */
int bgp_set_log(struct bgp *bgp, const struct bgp_log_sink *sink);
/* Returns the number of a record of the log: this one and all that follow, applied to what the RIB holds from now on, give the
 * RIB at any later time. False: there is no log. Any thread. */
bool bgp_log_seq(const struct bgp *bgp, uint64_t *ret_seq);
int bgp_start(struct bgp *bgp); /* starts the thread */
void bgp_stop(struct bgp *bgp); /* Cease to all peers (RFC 4486: administrative shutdown), joins */
void bgp_free(struct bgp *bgp); /* after all readers of the RIB are gone */
void bgp_reload(struct bgp *bgp); /* allow and md5 files; any thread, done by the BGP thread */
/* Tells which addresses maps name, besides those of files and keys: peers that are preferred to
 * others. They take the place of those of the last call. Any thread; copied. */
void bgp_name_addresses(struct bgp *bgp, const struct ip_addr *addresses, size_t count);
/* True if a list was wrong at the last reload, so that the one before is in force. Any thread. */
bool bgp_keeps_old_lists(const struct bgp *bgp);
/* Returns a number that grows at least every 2 s while the BGP thread moves; any thread. */
uint64_t bgp_beats(const struct bgp *bgp);
const struct rib *bgp_rib(const struct bgp *bgp);

/*
 * A guest of the BGP thread brings routes of another protocol into its RIB (bmp/bmp_station.h). It uses the thread's
 * poller and shares bgp_daemon_max_memory; the BGP thread calls all of these. Without `enabled` the thread speaks no
 * BGP and has the guest alone.
 */
struct bgp_guest {
    void (*start)(void *arg);
    void (*stop)(void *arg); /* all that it has in the RIB may be left there */
    bool (*reload)(
        void *arg); /* its files; false: one is wrong, and what was read before is in force */
    /* After each round of events and at least each second. True: there is more to do at once. */
    bool (*turn)(void *arg);
    uint64_t (*memory_used)(void *arg); /* bytes, beside the RIB and the attributes */
    /* For want of memory. Forgets what is stale; returns how many paths, as far as it knows. */
    uint64_t (*forget_stale)(void *arg);
    /* Finds who holds most of those that are not known, more than `least` paths; 0: nobody. */
    uint64_t (*largest_stranger)(void *arg, uint64_t least);
    void (*end_stranger)(void *arg); /* that one, whose paths go, and who is refused for a while */
    void *arg;
};
void bgp_set_guest(struct bgp *bgp, const struct bgp_guest *guest); /* before bgp_start(); copied */
/* A guest works with these, which are valid until bgp_free(). */
struct bgp_place {
    struct poller *poller;
    struct rib *rib;
    struct rcu *rcu;
    struct attr_store *attrs;
    uint32_t first_slot, slot_count; /* of the RIB, the guest's own */
};
struct bgp_place bgp_place(const struct bgp *bgp);
/* Whether files, keys or maps name the address; those are preferred to others. */
bool bgp_is_named(const struct bgp *bgp, const struct ip_addr *address) ON_THREAD(bgp_thread);

enum bgp_peer_state { BGP_PEER_DOWN, BGP_PEER_ESTABLISHED };
/* The state of one address family of a peer. */
struct bgp_peer_family {
    bool is_negotiated, has_add_path;
    bool is_loaded; /* End-of-RIB seen, or quiet long enough */
    bool is_stale;  /* the session is gone, its paths are kept for a while */
    bool has_paths; /* labelled ones are some too */
};
struct bgp_peer_info {
    uint32_t index;         /* struct rib_query.peer */
    struct ip_addr address; /* of the session */
    uint16_t port;
    uint32_t router_id; /* host order */
    uint32_t as;
    enum bgp_peer_state state;
    struct bgp_peer_family families[RIB_FAMILY_COUNT];
    uint64_t updates, paths, history_paths; /* at the time of the snapshot */
    int64_t established_ns;
    char last_error[128];
};
/* An immutable snapshot; a new one is published when a peer's state, families or addresses change,
 * and every ten seconds for the counts. */
struct bgp_peers {
    uint64_t generation; /* grows with every change, not for counts alone */
    /* Addresses that files and keys name one by one: they have a session, or will have. */
    const struct ip_addr *expected;
    size_t expected_count;
    uint32_t count;
    /* Sorted by index; peers that are down and have no stale paths are left out. */
    struct bgp_peer_info peers[];
};
/* RCU: the result is borrowed until the next quiescent state. */
const struct bgp_peers *bgp_peers(const struct bgp *bgp);
/* Finds a peer by its index in a snapshot, which may be NULL. NULL: it is not among them, as it came
 * or went since. */
const struct bgp_peer_info *bgp_peers_find(const struct bgp_peers *peers, uint32_t index);

/* A number that statistics tell: rows of bgp_counters.def. */
struct bgp_statistic {
    const char *name, *help;
    bool is_gauge; /* it stands now; others only grow */
};
typedef void bgp_statistic_fn(void *arg, const struct bgp_statistic *statistic, uint64_t value);
/* Tells `fn` all of them, always in one order; from any thread. */
void bgp_statistics_each(const struct bgp *bgp, bgp_statistic_fn *fn, void *arg);
