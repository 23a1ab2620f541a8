/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The state that the files of the station share: bmp_station.c (its life as a guest of the BGP thread),
 * bmp_station_accept.c (who connects), bmp_station_connection.c (what is read of a connection). */
#include "base/log.h"
#include "base/metric.h"
#include "base/poller.h"
#include "base/thread.h"
#include "bgp/address_list.h"
#include "bgp/standing.h"
#include "bmp/bmp_router.h"
#include "bmp/bmp_station.h"
#include "bmp/bmp_tables.h"
#include <stdatomic.h>

enum bmp_station_counter {
#define BMP_STATION_COUNTER(NAME, HELP) BMP_STATION_COUNTER_##NAME,
#define BMP_STATION_GAUGE(NAME, HELP)   BMP_STATION_COUNTER_##NAME,
#include "bmp/bmp_station_counters.def"
#undef BMP_STATION_COUNTER
#undef BMP_STATION_GAUGE
    BMP_STATION_COUNTER_COUNT
};

/* Kinds of log lines that strangers can cause, each with a limit of its own; routers have theirs. */
enum {
    STATION_LOG_REFUSED,
    STATION_LOG_FOREIGN,
    STATION_LOG_ACCEPT,
    STATION_LOG_REPLACED,
    STATION_LOG_STATE,
    STATION_LOG_COUNT
};
enum { ROUTER_LOG_NAME, ROUTER_LOG_PEER, ROUTER_LOG_REJECT, ROUTER_LOG_COUNT };

#define STATION_LISTENERS_MAX 2 /* IPv4 and IPv6 */
/* Connections whose first message has not come: of strangers, and as many again of addresses that we know; and from
 * one place (an IPv4 address, a /64 of IPv6). */
#define STATION_UNOPENED_MAX      256
#define STATION_UNOPENED_OF_PLACE 16
/* A turn reads so much of a connection at most, and less where there are many: never much more than
 * STATION_ROUND of all, between two turns of BGP. */
#define STATION_TURN     65536u
#define STATION_TURN_MIN 4096u
#define STATION_ROUND    (4u << 20)
#define STATION_FIRST_MAX                                                                          \
    16384u /* bytes of the first message, an Initiation (RFC 7854 section 4.3) */

struct bmp_listener {
    int fd; /* -1: none */
    struct ip_addr address;
};

struct bmp_connection {
    struct bmp_station *station;
    int fd;
    struct ip_addr address;
    uint16_t port;
    struct mono_time since;
    bool is_known;  /* when it came */
    uint8_t *first; /* the start of its first message */
    size_t first_len;
    /* Once that has come: */
    struct bmp_router *router; /* NULL: it has not */
    struct bmp_router_owner owner;
    struct bmp_tables_router *tables_router;
    char name[BMP_NAME_LEN]; /* sysName; "": not told */
    bool is_terminated;
    uint16_t termination;
    struct log_limit log_limits[ROUTER_LOG_COUNT];
};

struct bmp_station {
    struct bmp_station_settings settings;
    struct bgp *bgp;
    struct bgp_place place;
    struct bmp_tables *tables;
    struct bmp_listener listeners[STATION_LISTENERS_MAX];
    struct address_list allow;
    struct standing_table standing;
    struct bmp_connection **connections;
    size_t connection_count, connection_max;
    size_t router_count;             /* of them */
    struct bmp_connection *stranger; /* that holds most, for end_stranger() */
    struct bmp_router_settings router_settings;
    struct bmp_marks *marks;
    struct bmp_counts totals;
    uint64_t peer_count;
    int64_t batch_left;
    bool is_accept_paused;
    struct mono_time next_second;
    struct poller_timer batch_timer, pause_timer;
    struct log_limit log_limits[STATION_LOG_COUNT];
    struct counter counters[BMP_STATION_COUNTER_COUNT];
    uint8_t buffer[STATION_FIRST_MAX + STATION_TURN];
};

static inline void station_count(struct bmp_station *station, enum bmp_station_counter counter)
{
    counter_add(&station->counters[counter], 1);
}
bool station_log_allowed(struct log_limit *limit); /* says how many lines were left out, too */
/* Whether files or maps name the address; those are preferred to others. */
bool station_names(const struct bmp_station *station, const struct ip_addr *address)
    ON_THREAD(bgp_thread);

/* bmp_station_accept.c */
void station_accept_start(struct bmp_station *station) ON_THREAD(bgp_thread);
void station_accept_stop(struct bmp_station *station) ON_THREAD(bgp_thread);

/* bmp_station_admission.c */
/* Makes the connection, whose first message is there, a router's. False: it may not be one, which is counted and
 * told. */
bool station_admit(struct bmp_station *station, struct bmp_connection *connection)
    ON_THREAD(bgp_thread);

/* bmp_station_connection.c */
/* `fd` is taken. There must be room. */
struct bmp_connection *connection_new(struct bmp_station *station, int fd,
                                      const struct ip_addr *address, uint16_t port, bool is_known)
    ON_THREAD(bgp_thread);
/* Ends and frees it. What a router told is kept for a while, or, unless `is_kept`, gone. Tells nothing. */
void connection_close(struct bmp_connection *connection, bool is_kept) ON_THREAD(bgp_thread);
/* The same of a router, and tells why. */
void connection_lose(struct bmp_connection *connection, bool is_kept, const char *reason)
    ON_THREAD(bgp_thread);
/* Reads what there is, as far as a turn goes; the connection may be gone after it. */
void connection_read(struct bmp_connection *connection) ON_THREAD(bgp_thread);
/* "192.0.2.1 (edge1)" */
#define ROUTER_TEXT_LEN (IP_TEXT_LEN + BMP_NAME_LEN + 3)
const char *connection_text(const struct bmp_connection *connection, char out[ROUTER_TEXT_LEN]);
