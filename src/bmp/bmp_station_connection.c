/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection: what is read of it, what its router's messages lead to, and its end. */
#include "base/memory.h"
#include "bmp/bmp_station_private.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *connection_text(const struct bmp_connection *connection, char out[ROUTER_TEXT_LEN])
{
    size_t len = ip_addr_format(&connection->address, out);

    if (connection->name[0])
        snprintf(out + len, ROUTER_TEXT_LEN - len, " (%s)", connection->name);
    return out;
}

/* ---- what a router says ---- */

static void say_initiated(void *arg, const struct bmp_initiation *initiation) ON_THREAD(bgp_thread)
{
    struct bmp_connection *connection = arg;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);
    char text[ROUTER_TEXT_LEN];

    THREAD_ASSERT(bgp_thread);
    memcpy(connection->name, initiation->sys_name, sizeof connection->name);
    for (char *c = connection->name; *c; c++)
        *c = (char)(isprint((unsigned char)*c) ? *c : '?');
    if (station_log_allowed(&connection->log_limits[ROUTER_LOG_NAME]))
        log_notice("bmp: router %s says: %s", connection_text(connection, text),
                   initiation->sys_descr[0] ? initiation->sys_descr : "no description");
    tables->initiated(tables->arg, initiation);
}

static const char *peer_text(const struct bmp_peer *peer, char out[IP_TEXT_LEN])
{
    if (peer->key.type == BMP_PEER_LOC_RIB)
        return "its Loc-RIB";
    ip_addr_format(&peer->key.address, out);
    return out;
}

static void say_peer_up(void *arg, struct bmp_peer *peer) ON_THREAD(bgp_thread)
{
    struct bmp_connection *connection = arg;
    struct bmp_station *station = connection->station;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);
    char text[ROUTER_TEXT_LEN], address[IP_TEXT_LEN];

    THREAD_ASSERT(bgp_thread);
    station->peer_count++;
    standing_met(&station->standing, &connection->address, clock_mono());
    if (station_log_allowed(&connection->log_limits[ROUTER_LOG_PEER]))
        log_notice("bmp: router %s: peer %s AS %u up", connection_text(connection, text),
                   peer_text(peer, address), peer->header.as);
    tables->peer_up(tables->arg, peer);
}

static void say_families_added(void *arg, struct bmp_peer *peer) ON_THREAD(bgp_thread)
{
    struct bmp_connection *connection = arg;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);

    THREAD_ASSERT(bgp_thread);
    tables->families_added(tables->arg, peer);
}

static void say_peer_down(void *arg, struct bmp_peer *peer, const struct bmp_peer_down *down)
    ON_THREAD(bgp_thread)
{
    static const char *const reasons[] = {
        [BMP_DOWN_LOCAL_NOTIFICATION] = "the router sent it a NOTIFICATION",
        [BMP_DOWN_LOCAL_EVENT] = "the router ended its session",
        [BMP_DOWN_REMOTE_NOTIFICATION] = "it sent the router a NOTIFICATION",
        [BMP_DOWN_REMOTE] = "it ended its session",
        [BMP_DOWN_NOT_MONITORED] = "it is not monitored any more",
        [BMP_DOWN_LOC_RIB] = "the table ended",
    };
    struct bmp_connection *connection = arg;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);
    char text[ROUTER_TEXT_LEN], address[IP_TEXT_LEN];
    size_t reason = down->reason;

    THREAD_ASSERT(bgp_thread);
    connection->station->peer_count--;
    if (reason != BMP_DOWN_LOST && station_log_allowed(&connection->log_limits[ROUTER_LOG_PEER]))
        log_notice("bmp: router %s: peer %s AS %u down: %s", connection_text(connection, text),
                   peer_text(peer, address), peer->header.as,
                   reason < sizeof reasons / sizeof reasons[0] && reasons[reason]
                       ? reasons[reason]
                       : "for a reason that is not known");
    tables->peer_down(tables->arg, peer, down);
}

static void say_announce(void *arg, const struct bmp_source *source, enum address_family family,
                         const struct rib_nlri *nlri, size_t count, struct path_attrs *attrs)
    ON_THREAD(bgp_thread)
{
    struct bmp_connection *connection = arg;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);

    THREAD_ASSERT(bgp_thread);
    tables->announce(tables->arg, source, family, nlri, count, attrs);
}

static void say_withdraw(void *arg, const struct bmp_source *source, enum address_family family,
                         const struct rib_nlri *nlri, size_t count) ON_THREAD(bgp_thread)
{
    struct bmp_connection *connection = arg;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);

    THREAD_ASSERT(bgp_thread);
    tables->withdraw(tables->arg, source, family, nlri, count);
}

static void say_end_of_rib(void *arg, const struct bmp_source *source, enum address_family family)
    ON_THREAD(bgp_thread)
{
    struct bmp_connection *connection = arg;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);

    THREAD_ASSERT(bgp_thread);
    tables->end_of_rib(tables->arg, source, family);
}

static void say_statistics(void *arg, struct bmp_peer *peer, const struct bmp_peer_header *header,
                           struct reader counters) ON_THREAD(bgp_thread)
{
    struct bmp_connection *connection = arg;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);

    THREAD_ASSERT(bgp_thread);
    tables->statistics(tables->arg, peer, header, counters);
}

static void say_terminated(void *arg, uint16_t reason) ON_THREAD(bgp_thread)
{
    struct bmp_connection *connection = arg;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);

    THREAD_ASSERT(bgp_thread);
    connection->is_terminated = true;
    connection->termination = reason;
    tables->terminated(tables->arg, reason);
}

/* Tells what an operator can do about messages that were not taken. */
static const char *remedy_of(enum bmp_reject reject)
{
    switch (reject) {
    case BMP_REJECT_unknown_peer:
        return "reset BMP on the router, and tell its vendor if it comes again";
    case BMP_REJECT_peer_limit:
        return "raise bmp_router_peers_max";
    default:
        return "capture the connection (tcpdump) and show it to the router's vendor";
    }
}

static void say_rejected(void *arg, enum bmp_reject reject) ON_THREAD(bgp_thread)
{
    struct bmp_connection *connection = arg;
    const struct bmp_router_owner *tables = bmp_tables_owner(connection->tables_router);
    char text[ROUTER_TEXT_LEN];

    THREAD_ASSERT(bgp_thread);
    if (station_log_allowed(&connection->log_limits[ROUTER_LOG_REJECT]))
        log_warning("bmp: router %s: not taken (rejected_%s): %s; %s",
                    connection_text(connection, text), bmp_reject_name(reject),
                    bmp_reject_help(reject), remedy_of(reject));
    tables->rejected(tables->arg, reject);
}

/* ---- its life ---- */

static void connection_event(void *arg, int fd, unsigned events) ON_THREAD(bgp_thread)
{
    (void)fd, (void)events;
    THREAD_ASSERT(bgp_thread);
    connection_read(arg);
}

struct bmp_connection *connection_new(struct bmp_station *station, int fd,
                                      const struct ip_addr *address, uint16_t port, bool is_known)
{
    struct bmp_connection *connection = mem_zalloc(sizeof *connection);

    connection->station = station;
    connection->fd = fd;
    connection->address = *address;
    connection->port = port;
    connection->is_known = is_known;
    connection->since = clock_mono();
    station->connections[station->connection_count++] = connection;
    poller_add(station->place.poller, fd, POLLER_READ, connection_event, connection);
    return connection;
}

void connection_close(struct bmp_connection *connection, bool is_kept)
{
    struct bmp_station *station = connection->station;

    poller_remove(station->place.poller, connection->fd);
    close(connection->fd);
    if (connection->router) {
        bmp_tables_set_time(station->tables, clock_wall(), clock_mono());
        bmp_router_free(connection->router);
        bmp_tables_lost(station->tables, connection->tables_router, is_kept);
        station->router_count--;
        station_count(station, BMP_STATION_COUNTER_routers_lost);
    }
    for (size_t i = 0; i < station->connection_count; i++) {
        if (station->connections[i] == connection) {
            station->connections[i] = station->connections[--station->connection_count];
            break;
        }
    }
    if (station->stranger == connection)
        station->stranger = NULL;
    mem_free(connection->first);
    mem_free(connection);
}

void connection_lose(struct bmp_connection *connection, bool is_kept, const char *reason)
{
    struct bmp_station *station = connection->station;
    char text[ROUTER_TEXT_LEN];

    if (station_log_allowed(&station->log_limits[STATION_LOG_STATE]))
        log_notice("bmp: router %s is gone: %s", connection_text(connection, text), reason);
    connection_close(connection, is_kept);
}

/* The first message is there: from now on this is a router. False: it may not be one. */
static bool connection_begin(struct bmp_connection *connection) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = connection->station;
    char text[ROUTER_TEXT_LEN];

    if (!station_admit(station, connection))
        return false;
    connection->owner = (struct bmp_router_owner){
        say_initiated,  say_peer_up,  say_families_added, say_peer_down,
        say_announce,   say_withdraw, say_end_of_rib,     say_statistics,
        say_terminated, say_rejected, connection,
    };
    connection->router = bmp_router_new(&station->router_settings, &connection->owner);
    station->router_count++;
    station_count(station, BMP_STATION_COUNTER_routers_connected);
    if (station_log_allowed(&station->log_limits[STATION_LOG_STATE]))
        log_notice("bmp: router %s is connected", connection_text(connection, text));
    return true;
}

/* Ends a connection of a stranger who does not speak BMP, or not from its beginning. */
static void connection_is_foreign(struct bmp_connection *connection, const char *reason)
    ON_THREAD(bgp_thread)
{
    struct bmp_station *station = connection->station;
    char text[ROUTER_TEXT_LEN];

    station_count(station, BMP_STATION_COUNTER_connections_foreign);
    if (station_log_allowed(&station->log_limits[STATION_LOG_FOREIGN]))
        log_warning("bmp: connection from %s ended: %s; if it is a router, look at what it sends "
                    "to bmp_daemon_port",
                    connection_text(connection, text), reason);
    connection_close(connection, true);
}

/* Feeds bytes to the router; it may be gone after it. */
static void router_feed(struct bmp_connection *connection, const uint8_t *data, size_t len)
    ON_THREAD(bgp_thread)
{
    static const char *const terminations[] = {
        [BMP_TERMINATED_ADMIN] = "its session was closed by its administrator",
        [BMP_TERMINATED_UNSPECIFIED] = "it ended the session without a reason",
        [BMP_TERMINATED_RESOURCES] = "it is out of resources",
        [BMP_TERMINATED_REDUNDANT] = "it takes the connection for redundant",
        [BMP_TERMINATED_FOR_GOOD] = "its session was closed for good by its administrator",
    };

    bmp_tables_set_time(connection->station->tables, clock_wall(), clock_mono());
    if (bmp_router_feed(connection->router, data, len))
        return;
    if (!connection->is_terminated) {
        connection_lose(connection, true, "its messages cannot be told apart any more");
        return;
    }
    size_t reason = connection->termination;
    connection_lose(connection, reason != BMP_TERMINATED_FOR_GOOD,
                    reason < sizeof terminations / sizeof terminations[0]
                        ? terminations[reason]
                        : "it ended the session for a reason that is not known");
}

/* Looks whether `data`, all that has come, has the first message whole. */
static void first_take(struct bmp_connection *connection, const uint8_t *data, size_t len)
    ON_THREAD(bgp_thread)
{
    struct bmp_message message = {.len = BMP_HEADER_LEN};
    enum bmp_reject reject;

    /* The version is told before the header is whole. */
    if (data[0] != 3 && data[0] != 4) {
        connection_is_foreign(connection, "it does not begin with a BMP message");
        return;
    }
    if (len >= BMP_HEADER_LEN &&
        (bmp_message_read(data, &message, &reject) < 0 || message.type > BMP_ROUTE_MIRRORING ||
         message.len > STATION_FIRST_MAX)) {
        connection_is_foreign(connection, "it does not begin with a BMP message");
        return;
    }
    if (len < BMP_HEADER_LEN || len < message.len) {
        mem_free(connection->first);
        connection->first = mem_dup(data, len);
        connection->first_len = len;
        return;
    }
    mem_free(connection->first);
    connection->first = NULL;
    connection->first_len = 0;
    if (connection_begin(connection))
        router_feed(connection, data, len);
    else
        connection_close(connection, true);
}

static void connection_ended(struct bmp_connection *connection, const char *reason)
    ON_THREAD(bgp_thread)
{
    if (connection->router) {
        connection_lose(connection, true, reason);
        return;
    }
    station_count(connection->station, BMP_STATION_COUNTER_connections_silent);
    connection_close(connection, true);
}

void connection_read(struct bmp_connection *connection)
{
    struct bmp_station *station = connection->station;
    size_t kept = connection->first_len, share = STATION_ROUND / station->connection_count;
    uint8_t *buffer = station->buffer;

    if (share > STATION_TURN)
        share = STATION_TURN;
    if (share < STATION_TURN_MIN)
        share = STATION_TURN_MIN;
    ssize_t len = recv(connection->fd, buffer + kept, share, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        connection_ended(connection, len == 0 ? "it closed the connection" : strerror(errno));
        return;
    }
    if (kept > 0)
        memcpy(buffer, connection->first, kept);
    if (connection->router)
        router_feed(connection, buffer, (size_t)len);
    else
        first_take(connection, buffer, kept + (size_t)len);
}
