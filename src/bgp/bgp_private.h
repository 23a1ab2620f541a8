/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The state that bgp.c (the thread) and bgp_peering.c (who may talk to us, and what they say)
 * share. */
#include "base/log.h"
#include "base/metric.h"
#include "base/poller.h"
#include "base/thread.h"
#include "bgp/address_list.h"
#include "bgp/attr_store.h"
#include "bgp/bgp.h"
#include "bgp/bgp_socket.h"
#include "bgp/peer_table.h"
#include "bgp/session.h"
#include <stdatomic.h>

enum bgp_counter {
#define BGP_COUNTER(NAME, HELP) BGP_COUNTER_##NAME,
#include "bgp/bgp_counters.def"
#undef BGP_COUNTER
    BGP_COUNTER_COUNT
};

/* Kinds of log lines that strangers can cause, each with a limit of its own; peers have theirs
 * (peer_table.h). */
enum { BGP_LOG_REFUSED, BGP_LOG_ENDED, BGP_LOG_NEIGHBORS, BGP_LOG_CONNECT, BGP_LOG_COUNT };

#define BGP_LISTENERS_MAX 2 /* IPv4 and IPv6 */
/* Connections beyond max_peers that may be about to open or close. */
#define BGP_SESSIONS_UNOPENED_MAX 16
/* Unopened connections from one address: few routers are behind one, and strangers may not fill
 * the room of all. */
#define BGP_SESSIONS_UNOPENED_OF_ADDRESS 4

struct bgp_listener {
    int fd; /* -1: none */
    enum ip_family family;
    struct ip_addr address;
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
    struct rib *rib;
    struct attr_store *attrs;
    struct peer_table peers;
    struct session **sessions; /* all of them, closing ones too */
    size_t session_count, session_max;
    struct bgp_listener listeners[BGP_LISTENERS_MAX];
    struct bgp_connector *connectors;
    size_t connector_count;
    struct session_owner owner;
    struct address_list allow, md5;
    int64_t batch_left; /* connections that may still be accepted in this interval */
    struct poller_timer batch_timer, publish_timer;
    struct log_limit log_limits[BGP_LOG_COUNT];
    struct counter counters[BGP_COUNTER_COUNT];
    /* Any thread: */
    struct thread thread;
    _Atomic unsigned requests;
    int wake_fd;
};

static inline void bgp_count(struct bgp *bgp, enum bgp_counter counter, uint64_t n)
{
    counter_add(&bgp->counters[counter], n);
}

/* Publishes a change of peers, in the neighbours file too. */
void bgp_publish(struct bgp *bgp) ON_THREAD(bgp_thread);

/* Parses bgp_daemon_connect. */
int bgp_connectors_make(struct bgp *bgp, struct text *error);
void bgp_peering_start(struct bgp *bgp) ON_THREAD(bgp_thread);
void bgp_peering_stop(struct bgp *bgp, const struct notification *n) ON_THREAD(bgp_thread);
