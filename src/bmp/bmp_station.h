/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The BMP station: routers connect to it and tell of their peers and routes (RFC 7854 section 3.2). It answers
 * nothing. It is a guest of the BGP thread (bgp/bgp.h): one poller, one RIB, one bound of memory.
 *
 * A router is known by its address. It counts from the first whole message on; a newer connection from its address
 * takes the place of the one before. Connections are read in turns, so that BGP's sessions have theirs.
 */
#include "base/text.h"
#include "bgp/bgp.h"
#include "config/config_key.h"
#include <stdbool.h>
#include <stdint.h>

struct bmp_station;
struct bmp_tables;

/* Values of the keys in bmp_keys[]; strings are borrowed from the configuration for the station's life. */
struct bmp_station_settings {
    bool enabled;
    const char *listen_ip; /* NULL: all addresses, IPv6 and IPv4 */
    uint16_t port;
    const char *interface, *allow_file;
    bool ipv6_only;
    int32_t pipe_size, ip_precedence;
    int64_t batch, batch_interval_s;
    uint32_t routers_max, peers_max; /* the latter of one router */
    uint64_t paths_max;              /* of one router */
};
extern const struct config_key bmp_keys[];
#define BMP_ROUTERS_MAX 1000
#define BMP_PEERS_MAX   1000

/* Appends a line to `errors` for each fault that bmp_station_new() would find in files; opens and keeps nothing.
 * -EINVAL: there was one. */
int bmp_station_check(const struct bmp_station_settings *settings, struct text *errors);
/* Sets how much of the RIB the station will need: guest_slots and guest_members, beside BGP's own. -EINVAL: there is
 * too little left, and `errors` has a line. */
int bmp_station_claim(const struct bmp_station_settings *settings,
                      struct bgp_settings *bgp_settings, struct text *errors);
/*
 * Opens sockets and becomes the guest of `bgp`, whose thread does not run yet. -errno: what is wrong is
 * appended to `error`.
 */
int bmp_station_new(const struct bmp_station_settings *settings, struct bgp *bgp,
                    struct text *error, struct bmp_station **ret_station);
void bmp_station_say(const struct bmp_station *station); /* logs where it listens */
void bmp_station_free(struct bmp_station *station);      /* after bgp_stop(), before bgp_free() */

const struct bmp_tables *bmp_station_tables(const struct bmp_station *station);
/* Tells `fn` all counters, always in one order; from any thread. */
void bmp_station_statistics_each(const struct bmp_station *station, bgp_statistic_fn *fn,
                                 void *arg);
