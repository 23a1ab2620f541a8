/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * These functions decide which connections become routers'. Where all places are taken, an address that files or maps name goes before one
 * that they do not, and then who was there first before who came later; strangers displace nobody.
 */
#include "bmp/bmp_station_private.h"
#include <inttypes.h>

/* The smaller, the rather it may be connected. */
static uint64_t rank_of(const struct bmp_station *station, const struct ip_addr *address)
    ON_THREAD(bgp_thread)
{
    uint64_t since = (uint64_t)standing_since(&station->standing, address);
    return station_names(station, address) ? since : since | UINT64_C(1) << 63;
}

/* Finds the router that is to give way to `address`; NULL: all go before it. */
static struct bmp_connection *router_lesser(const struct bmp_station *station,
                                            const struct ip_addr *address) ON_THREAD(bgp_thread)
{
    uint64_t least_rank = rank_of(station, address);
    struct bmp_connection *least = NULL;

    if (least_rank == UINT64_MAX)
        return NULL; /* a stranger */
    for (size_t i = 0; i < station->connection_count; i++) {
        struct bmp_connection *connection = station->connections[i];
        uint64_t rank = connection->router ? rank_of(station, &connection->address) : 0;
        if (rank > least_rank) {
            least = connection;
            least_rank = rank;
        }
    }
    return least;
}

static struct bmp_connection *router_of(const struct bmp_station *station,
                                        const struct ip_addr *address)
{
    for (size_t i = 0; i < station->connection_count; i++) {
        struct bmp_connection *connection = station->connections[i];
        if (connection->router && ip_addr_equal(&connection->address, address))
            return connection;
    }
    return NULL;
}

/* A router that came anew has often not noticed yet that its older connection is gone. */
static void older_replace(struct bmp_station *station, struct bmp_connection *old)
    ON_THREAD(bgp_thread)
{
    char text[ROUTER_TEXT_LEN];

    station_count(station, BMP_STATION_COUNTER_routers_replaced);
    if (station_log_allowed(&station->log_limits[STATION_LOG_REPLACED]))
        log_notice("bmp: router %s has connected anew, and its older connection is given up; if "
                   "two routers share this "
                   "address, give each one of its own",
                   connection_text(old, text));
    connection_close(old, true);
}

/* Whether one more router may be connected; one that may less has to go for it. */
static bool has_room(struct bmp_station *station, const struct ip_addr *address)
    ON_THREAD(bgp_thread)
{
    char theirs[ROUTER_TEXT_LEN], ours[IP_TEXT_LEN];

    if (station->router_count < station->settings.routers_max)
        return true;
    struct bmp_connection *victim = router_lesser(station, address);
    if (!victim)
        return false;
    ip_addr_format(address, ours);
    station_count(station, BMP_STATION_COUNTER_routers_displaced);
    if (station_log_allowed(&station->log_limits[STATION_LOG_REPLACED]))
        log_warning("bmp: router %s has to go for %s, which is better known: bmp_daemon_max_peers "
                    "is %u; raise it",
                    connection_text(victim, theirs), ours, station->settings.routers_max);
    connection_close(victim, true);
    return true;
}

bool station_admit(struct bmp_station *station, struct bmp_connection *connection)
{
    struct bmp_connection *old = router_of(station, &connection->address);
    char address[IP_TEXT_LEN];
    uint8_t subcode;

    ip_addr_format(&connection->address, address);
    int64_t refused_s =
        standing_refused_s(&station->standing, &connection->address, clock_mono(), &subcode);
    if (refused_s > 0) {
        station_count(station, BMP_STATION_COUNTER_connections_refused_wait);
        if (station_log_allowed(&station->log_limits[STATION_LOG_REFUSED]))
            log_warning("bmp: router %s refused: it held most when bgp_daemon_max_memory was "
                        "reached, and has to wait for another %" PRId64
                        " s; name it in bmp_daemon_allow_file if it belongs here",
                        address, refused_s);
        return false;
    }
    if (old)
        older_replace(station, old);
    if (has_room(station, &connection->address))
        connection->tables_router =
            bmp_tables_connect(station->tables, &connection->address, connection->port);
    if (!connection->tables_router) {
        station_count(station, BMP_STATION_COUNTER_connections_refused_limit);
        if (station_log_allowed(&station->log_limits[STATION_LOG_REFUSED]))
            log_warning("bmp: router %s refused: bmp_daemon_max_peers is %u; raise it", address,
                        station->settings.routers_max);
    }
    return connection->tables_router != NULL;
}
