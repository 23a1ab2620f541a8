/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that others make, until their OPEN has come: who may connect, how many may be silent,
 * and what happens when descriptors run out. Strangers and addresses that we know have room of
 * their own, so that a flood of the former keeps none of the latter out.
 */
#include "bgp/bgp_private.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64 /* so that a flood does not fill the queue of the kernel */
#define ACCEPT_PAUSE_S   1

static bool batch_is_limited(const struct bgp *bgp)
{
    return bgp->settings.batch > 0 && bgp->settings.batch_interval_s > 0;
}

/* Listens, unless a batch is full or there are no descriptors. */
static void listeners_update(struct bgp *bgp)
{
    bool is_open = !bgp->is_accept_paused && !(batch_is_limited(bgp) && bgp->batch_left == 0);

    for (size_t i = 0; i < BGP_LISTENERS_MAX; i++) {
        if (bgp->listeners[i].fd >= 0)
            poller_modify(bgp->poller, bgp->listeners[i].fd, is_open ? POLLER_READ : 0);
    }
}

static void batch_due(void *arg) ON_THREAD(bgp_thread)
{
    struct bgp *bgp = arg;

    THREAD_ASSERT(bgp_thread);
    bgp->batch_left = bgp->settings.batch;
    listeners_update(bgp);
}

static void pause_due(void *arg) ON_THREAD(bgp_thread)
{
    struct bgp *bgp = arg;

    THREAD_ASSERT(bgp_thread);
    bgp->is_accept_paused = false;
    listeners_update(bgp);
}

/* Connections wait in the kernel, which would report them over and over, until there are
 * descriptors or memory again. */
static void accept_pause(struct bgp *bgp, int error)
{
    bgp_count(bgp, BGP_COUNTER_accept_pauses, 1);
    if (bgp_log_allowed(&bgp->log_limits[BGP_LOG_ACCEPT]))
        log_error("bgp: no new connections: %s%s; trying again each second", strerror(error),
                  error == EMFILE ? "; let this process have more (LimitNOFILE= of the unit, "
                                    "ulimit -n)"
                                  : "");
    bgp->is_accept_paused = true;
    listeners_update(bgp);
    poller_timer_set_in(bgp->poller, &bgp->pause_timer, ACCEPT_PAUSE_S * NS_PER_S);
}

/* Whether both are one place, as far as strangers are counted: a host of IPv6 has a /64. */
static bool is_same_place(const struct ip_addr *a, const struct ip_addr *b)
{
    if (a->family == IP_V6 && b->family == IP_V6)
        return memcmp(a->bytes, b->bytes, 8) == 0;
    return ip_addr_equal(a, b);
}

/* Connections to us whose OPEN has not come, or that are ending, of one kind of address. */
struct unopened {
    size_t count;
    struct session *victim; /* one that is ending, else the oldest */
};

static void unopened_add(struct unopened *unopened, struct session *session)
{
    const struct session_info *info = session_info(session);
    const struct session_info *other = unopened->victim ? session_info(unopened->victim) : NULL;
    bool is_ending = info->state == SESSION_CLOSING;

    unopened->count++;
    if (!other || (other->state == SESSION_CLOSING) < is_ending ||
        ((other->state == SESSION_CLOSING) == is_ending && info->since.ns < other->since.ns))
        unopened->victim = session;
}

/* Counts those from the place of `address`, and those of all that are as known as it is. */
static void unopened_find(const struct bgp *bgp, const struct ip_addr *address, bool is_known,
                          struct unopened *ret_place, struct unopened *ret_all)
{
    *ret_place = *ret_all = (struct unopened){0};
    for (size_t i = 0; i < bgp->session_count; i++) {
        const struct session_info *info = session_info(bgp->sessions[i]);
        if (info->is_active || info->is_known != is_known ||
            (info->peer && info->state != SESSION_CLOSING))
            continue;
        unopened_add(ret_all, bgp->sessions[i]);
        if (is_same_place(&info->address, address))
            unopened_add(ret_place, bgp->sessions[i]);
    }
}

/*
 * Makes room for one more connection: the oldest that has said nothing goes, never the youngest, as
 * a router's OPEN comes right behind its connection. One that has bytes waiting is heard first;
 * then it may be a peer, and no victim any more. False: there is no room.
 */
static bool connection_make_room(struct bgp *bgp, const struct ip_addr *address, bool is_known)
    ON_THREAD(bgp_thread)
{
    struct unopened place, all;
    char text[IP_TEXT_LEN];

    for (size_t tries = 0; tries < BGP_UNOPENED_OF_PLACE; tries++) {
        unopened_find(bgp, address, is_known, &place, &all);
        bool is_place_full = place.count >= BGP_UNOPENED_OF_PLACE;
        if (!is_place_full && all.count < BGP_UNOPENED_MAX && bgp->session_count < bgp->session_max)
            return true;
        struct session *victim = is_place_full ? place.victim : all.victim;
        if (!victim)
            return false;
        if (session_has_input(victim)) {
            session_hear(victim);
            continue;
        }
        if (session_info(victim)->state != SESSION_CLOSING) { /* else its end was told before */
            bgp_count(bgp, BGP_COUNTER_connections_displaced, 1);
            if (bgp_log_allowed(&bgp->log_limits[BGP_LOG_REFUSED]))
                log_warning("bgp: connection from %s given up for a newer one: it has sent no OPEN",
                            bgp_session_text(victim, text));
        }
        bgp_session_forget(bgp, victim);
        session_free(victim);
        return true;
    }
    return false;
}

static void connection_refuse(struct bgp *bgp, int fd, const struct ip_addr *address,
                              enum bgp_counter counter, const char *reason)
{
    char text[IP_TEXT_LEN];

    ip_addr_format(address, text);
    bgp_count(bgp, counter, 1);
    if (bgp_log_allowed(&bgp->log_limits[BGP_LOG_REFUSED]))
        log_warning("bgp: connection from %s refused: %s", text, reason);
    close(fd);
}

static void connection_accept(struct bgp *bgp, int fd, const struct sockaddr_storage *sa)
    ON_THREAD(bgp_thread)
{
    struct ip_addr address = {0};
    uint16_t port = 0;

    if (ip_addr_from_sockaddr(sa, &address, &port) < 0 ||
        (bgp->settings.allow_file && !address_list_contains(&bgp->allow, &address))) {
        connection_refuse(bgp, fd, &address, BGP_COUNTER_connections_refused_address,
                          "not in bgp_daemon_allow_file");
        return;
    }
    bool is_known =
        bgp_is_named(bgp, &address) || standing_since(&bgp->standing, &address) != STANDING_NEVER;
    if (!connection_make_room(bgp, &address, is_known)) {
        connection_refuse(bgp, fd, &address, BGP_COUNTER_connections_refused_limit,
                          "too many connections");
        return;
    }
    bgp_count(bgp, BGP_COUNTER_connections_accepted, 1);
    struct session *session = bgp_session_add(bgp, fd, &address, port, NULL);
    session_info(session)->is_known = is_known;
}

static void listener_readable(void *arg, int listener_fd, unsigned events) ON_THREAD(bgp_thread)
{
    struct bgp *bgp = arg;

    THREAD_ASSERT(bgp_thread);
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !bgp->is_accept_paused; i++) {
        struct sockaddr_storage sa;
        socklen_t sa_len = sizeof sa;
        if (batch_is_limited(bgp) && bgp->batch_left == 0) {
            listeners_update(bgp);
            return;
        }
        int fd =
            accept4(listener_fd, (struct sockaddr *)&sa, &sa_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                accept_pause(bgp, errno);
            return; /* else nobody is there, or the connection has failed meanwhile */
        }
        if (batch_is_limited(bgp) && bgp->batch_left-- == bgp->settings.batch)
            poller_timer_set_in(bgp->poller, &bgp->batch_timer,
                                bgp->settings.batch_interval_s * NS_PER_S);
        connection_accept(bgp, fd, &sa);
    }
}

void bgp_accept_start(struct bgp *bgp)
{
    bgp->batch_timer.fn = batch_due;
    bgp->batch_timer.arg = bgp;
    bgp->batch_left = bgp->settings.batch;
    bgp->pause_timer.fn = pause_due;
    bgp->pause_timer.arg = bgp;
    for (size_t i = 0; i < BGP_LISTENERS_MAX; i++) {
        if (bgp->listeners[i].fd >= 0)
            poller_add(bgp->poller, bgp->listeners[i].fd, POLLER_READ, listener_readable, bgp);
    }
}

void bgp_accept_stop(struct bgp *bgp)
{
    for (size_t i = 0; i < BGP_LISTENERS_MAX; i++)
        poller_remove(bgp->poller, bgp->listeners[i].fd);
    poller_timer_cancel(bgp->poller, &bgp->batch_timer);
    poller_timer_cancel(bgp->poller, &bgp->pause_timer);
}
