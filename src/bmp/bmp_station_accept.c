/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that routers make, until their first message has come: who may connect, how many may be silent, and what
 * happens when descriptors run out. Strangers and addresses that we know have room of their own, as with BGP.
 */
#include "bmp/bmp_station_private.h"
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64 /* so that a flood does not fill the queue of the kernel */
#define ACCEPT_PAUSE_S   1

static bool batch_is_limited(const struct bmp_station *station)
{
    return station->settings.batch > 0 && station->settings.batch_interval_s > 0;
}

/* Listens, unless a batch is full or there are no descriptors. */
static void listeners_update(struct bmp_station *station)
{
    bool is_open =
        !station->is_accept_paused && !(batch_is_limited(station) && station->batch_left == 0);

    for (size_t i = 0; i < STATION_LISTENERS_MAX; i++) {
        if (station->listeners[i].fd >= 0)
            poller_modify(station->place.poller, station->listeners[i].fd,
                          is_open ? POLLER_READ : 0);
    }
}

static void batch_due(void *arg) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = arg;

    THREAD_ASSERT(bgp_thread);
    station->batch_left = station->settings.batch;
    listeners_update(station);
}

static void pause_due(void *arg) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = arg;

    THREAD_ASSERT(bgp_thread);
    station->is_accept_paused = false;
    listeners_update(station);
}

/* Connections wait in the kernel until there are descriptors or memory again. */
static void accept_pause(struct bmp_station *station, int error)
{
    station_count(station, BMP_STATION_COUNTER_accept_pauses);
    if (station_log_allowed(&station->log_limits[STATION_LOG_ACCEPT]))
        log_error("bmp: no new connections: %s%s; trying again each second", strerror(error),
                  error == EMFILE ? "; let this process have more (LimitNOFILE= of the unit, "
                                    "ulimit -n)"
                                  : "");
    station->is_accept_paused = true;
    listeners_update(station);
    poller_timer_set_in(station->place.poller, &station->pause_timer, ACCEPT_PAUSE_S * NS_PER_S);
}

/* Whether both are one place, as far as strangers are counted: a host of IPv6 has a /64. */
static bool is_same_place(const struct ip_addr *a, const struct ip_addr *b)
{
    if (a->family == IP_V6 && b->family == IP_V6)
        return memcmp(a->bytes, b->bytes, 8) == 0;
    return ip_addr_equal(a, b);
}

/* Connections whose first message has not come. */
struct silent {
    size_t count;
    struct bmp_connection *oldest;
};

static void unopened_add(struct silent *unopened, struct bmp_connection *connection)
{
    unopened->count++;
    if (!unopened->oldest || connection->since.ns < unopened->oldest->since.ns)
        unopened->oldest = connection;
}

/* Counts those from the place of `address`, and those of all that are as known as it is. */
static void unopened_find(const struct bmp_station *station, const struct ip_addr *address,
                          bool is_known, struct silent *ret_place, struct silent *ret_all)
{
    *ret_place = *ret_all = (struct silent){0};
    for (size_t i = 0; i < station->connection_count; i++) {
        struct bmp_connection *connection = station->connections[i];
        if (connection->router || connection->is_known != is_known)
            continue;
        unopened_add(ret_all, connection);
        if (is_same_place(&connection->address, address))
            unopened_add(ret_place, connection);
    }
}

static bool has_input(const struct bmp_connection *connection)
{
    int waiting = 0;

    return ioctl(connection->fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

/*
 * Makes room for one more connection: the oldest goes, never the youngest, as a router's first message comes right
 * behind its connection. One that has bytes waiting is heard first; then it may be a router, or gone. False: there
 * is no room.
 */
static bool make_room(struct bmp_station *station, const struct ip_addr *address, bool is_known)
    ON_THREAD(bgp_thread)
{
    struct silent place, all;
    char text[ROUTER_TEXT_LEN];

    for (size_t tries = 0; tries < STATION_UNOPENED_OF_PLACE; tries++) {
        unopened_find(station, address, is_known, &place, &all);
        bool is_place_full = place.count >= STATION_UNOPENED_OF_PLACE;
        if (!is_place_full && all.count < STATION_UNOPENED_MAX &&
            station->connection_count < station->connection_max)
            return true;
        struct bmp_connection *victim = is_place_full ? place.oldest : all.oldest;
        if (!victim)
            return false;
        if (has_input(victim)) {
            connection_read(victim);
            continue;
        }
        station_count(station, BMP_STATION_COUNTER_connections_displaced);
        if (station_log_allowed(&station->log_limits[STATION_LOG_REFUSED]))
            log_warning("bmp: connection from %s given up for a newer one: it has sent no message",
                        connection_text(victim, text));
        connection_close(victim, true);
        return true;
    }
    return false;
}

static void refuse(struct bmp_station *station, int fd, const struct ip_addr *address,
                   enum bmp_station_counter counter, const char *reason)
{
    char text[IP_TEXT_LEN];

    ip_addr_format(address, text);
    station_count(station, counter);
    if (station_log_allowed(&station->log_limits[STATION_LOG_REFUSED]))
        log_warning("bmp: connection from %s refused: %s", text, reason);
    close(fd);
}

static void connection_accept(struct bmp_station *station, int fd,
                              const struct sockaddr_storage *sa) ON_THREAD(bgp_thread)
{
    struct ip_addr address = {0};
    uint16_t port = 0;

    if (ip_addr_from_sockaddr(sa, &address, &port) < 0 ||
        (station->settings.allow_file && !address_list_contains(&station->allow, &address))) {
        refuse(station, fd, &address, BMP_STATION_COUNTER_connections_refused_address,
               "not in bmp_daemon_allow_file");
        return;
    }
    bool is_known = station_names(station, &address) ||
                    standing_since(&station->standing, &address) != STANDING_NEVER;
    if (!make_room(station, &address, is_known)) {
        refuse(station, fd, &address, BMP_STATION_COUNTER_connections_refused_limit,
               "too many connections");
        return;
    }
    station_count(station, BMP_STATION_COUNTER_connections_accepted);
    connection_new(station, fd, &address, port, is_known);
}

static void listener_readable(void *arg, int listener_fd, unsigned events) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = arg;

    THREAD_ASSERT(bgp_thread);
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !station->is_accept_paused; i++) {
        struct sockaddr_storage sa;
        socklen_t sa_len = sizeof sa;
        if (batch_is_limited(station) && station->batch_left == 0) {
            listeners_update(station);
            return;
        }
        int fd =
            accept4(listener_fd, (struct sockaddr *)&sa, &sa_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                accept_pause(station, errno);
            return; /* else nobody is there, or the connection has failed meanwhile */
        }
        if (batch_is_limited(station) && station->batch_left-- == station->settings.batch)
            poller_timer_set_in(station->place.poller, &station->batch_timer,
                                station->settings.batch_interval_s * NS_PER_S);
        connection_accept(station, fd, &sa);
    }
}

void station_accept_start(struct bmp_station *station)
{
    station->batch_timer = (struct poller_timer){.fn = batch_due, .arg = station};
    station->pause_timer = (struct poller_timer){.fn = pause_due, .arg = station};
    station->batch_left = station->settings.batch;
    for (size_t i = 0; i < STATION_LISTENERS_MAX; i++) {
        if (station->listeners[i].fd >= 0)
            poller_add(station->place.poller, station->listeners[i].fd, POLLER_READ,
                       listener_readable, station);
    }
}

void station_accept_stop(struct bmp_station *station)
{
    for (size_t i = 0; i < STATION_LISTENERS_MAX; i++) {
        if (station->listeners[i].fd >= 0)
            poller_remove(station->place.poller, station->listeners[i].fd);
    }
    poller_timer_cancel(station->place.poller, &station->batch_timer);
    poller_timer_cancel(station->place.poller, &station->pause_timer);
}
