/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The state that the files of the BGP thread share: bgp.c (the thread), bgp_accept.c (who connects
 * to us), bgp_admission.c (who may be a peer), bgp_peering.c (what peers say), bgp_limits.c. */
#include "base/log.h"
#include "base/metric.h"
#include "base/poller.h"
#include "base/thread.h"
#include "bgp/address_list.h"
#include "bgp/attr_store.h"
#include "bgp/bgp.h"
#include "bgp/bgp_socket.h"
#include "bgp/neighbors_file.h"
#include "bgp/peer_table.h"
#include "bgp/route_log.h"
#include "bgp/session.h"
#include "bgp/standing.h"
#include "bgp/table_load.h"
#include <stdatomic.h>

enum bgp_counter {
#define BGP_COUNTER(NAME, HELP) BGP_COUNTER_##NAME,
#define BGP_TOTAL(NAME, HELP)
#define BGP_GAUGE(NAME, HELP)
#include "bgp/bgp_counters.def"
#undef BGP_COUNTER
#undef BGP_TOTAL
#undef BGP_GAUGE
    BGP_COUNTER_COUNT
};

/* Kinds of log lines that strangers can cause, each with a limit of its own; peers have theirs
 * (peer_table.h). */
enum {
    BGP_LOG_REFUSED,
    BGP_LOG_ENDED,
    BGP_LOG_CONNECT,
    BGP_LOG_ACCEPT,
    BGP_LOG_DISPLACED,
    BGP_LOG_COUNT
};

#define BGP_LISTENERS_MAX 2 /* IPv4 and IPv6 */
/* Connections to us before their OPEN: of strangers, and as many again of addresses that we know;
 * and from one place (an IPv4 address, a /64 of IPv6), so that no place fills the room of all. */
#define BGP_UNOPENED_MAX      256
#define BGP_UNOPENED_OF_PLACE 16

struct bgp_listener {
    int fd; /* -1: none */
    enum ip_family family;
    struct ip_addr address;
};

/* Addresses that others told (bgp_name_addresses()). */
struct bgp_named {
    size_t count;
    struct ip_addr addresses[];
};

/* One peer that we connect to. */
struct bgp_connector {
    struct bgp *bgp;
    struct ip_addr address;
    uint16_t port;
    struct poller_timer timer;
    struct session *session; /* in progress or up; NULL: none */
};

struct bgp {
    struct bgp_settings settings;
    struct session_settings session_settings;
    struct attr_text_settings text_settings;
    struct poller *poller;
    struct rcu *rcu;
    struct rib *rib;
    struct attr_store *attrs;
    struct bgp_guest guest; /* its functions are NULL: there is none */
    struct route_log *log;  /* NULL: there is none */
    struct peer_table peers;
    struct neighbors_file *neighbors; /* NULL: there is none, or the thread ends */
    struct session **sessions;        /* all of them, closing ones too */
    size_t session_count, session_max;
    struct bgp_listener listeners[BGP_LISTENERS_MAX];
    struct bgp_connector *connectors;
    size_t connector_count;
    struct session_owner owner;
    struct address_list allow, md5;
    struct bgp_named *named; /* NULL: none */
    struct standing_table standing;
    uint64_t memory_max;        /* of all tables, bytes */
    struct counter memory_used; /* of them, for statistics */
    struct table_load *load;    /* NULL: nothing is loaded from files, or all is */
    enum rib_intake intake;
    struct mono_time shed_until, next_memory_error;
    int64_t batch_left; /* connections that may still be accepted in this interval */
    bool is_accept_paused;
    struct poller_timer batch_timer, pause_timer, publish_timer;
    struct log_limit log_limits[BGP_LOG_COUNT];
    struct counter counters[BGP_COUNTER_COUNT];
    struct counter beats; /* of the thread, at each turn of its loop */
    /* Any thread: */
    struct thread thread;
    struct bgp_named *_Atomic named_next; /* to take the place of `named` */
    _Atomic unsigned requests;
    atomic_bool keeps_old_lists;
    int wake_fd;
};

static inline void bgp_count(struct bgp *bgp, enum bgp_counter counter, uint64_t n)
{
    counter_add(&bgp->counters[counter], n);
}

/* Publishes a change of peers, in the neighbours file too. */
void bgp_publish(struct bgp *bgp) ON_THREAD(bgp_thread);

/* bgp_accept.c */
void bgp_accept_start(struct bgp *bgp) ON_THREAD(bgp_thread);
void bgp_accept_stop(struct bgp *bgp) ON_THREAD(bgp_thread);

/* bgp_admission.c */
/* Finds or makes the peer of a session whose OPEN has come. -1: there is no place for it, and
 * *ret_error says why. */
int bgp_admit(struct bgp *bgp, struct session *session, struct peer **ret_peer,
              struct notification *ret_error) ON_THREAD(bgp_thread);

/* bgp_limits.c */
/* Looks at the memory of all tables; to be called often. */
void bgp_memory_check(struct bgp *bgp) ON_THREAD(bgp_thread);
uint64_t bgp_memory_used(const struct bgp *bgp) ON_THREAD(bgp_thread);
/* The address went beyond a limit; `subcode` of Cease tells which. Returns for how many seconds it
 * is refused. */
int64_t bgp_punish(struct bgp *bgp, const struct ip_addr *address, uint8_t subcode)
    ON_THREAD(bgp_thread);

/* bgp_peering.c */
/* The session is not its peer's any more; its paths become stale or go. */
void bgp_peer_lose(struct bgp *bgp, struct session *session, const char *reason)
    ON_THREAD(bgp_thread);
/* Parses bgp_daemon_connect. */
int bgp_connectors_make(struct bgp *bgp, struct text *error);
void bgp_peering_start(struct bgp *bgp) ON_THREAD(bgp_thread);
void bgp_peering_stop(struct bgp *bgp, const struct notification *n) ON_THREAD(bgp_thread);
/* `connector` NULL: the other end connected. There must be room. */
struct session *bgp_session_add(struct bgp *bgp, int fd, const struct ip_addr *address,
                                uint16_t port, struct bgp_connector *connector);
/* Takes a session off the list; it is to be freed then. */
void bgp_session_forget(struct bgp *bgp, const struct session *session);
bool bgp_log_allowed(struct log_limit *limit); /* says how many lines were left out, too */
const char *bgp_session_text(struct session *session, char out[IP_TEXT_LEN]);
