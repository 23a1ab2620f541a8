/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A router that speaks BMP to us, for the time of one connection: its bytes go in, and out come its
 * peers, their routes and what it says of itself. It knows of no socket and no RIB: the owner has
 * those. The BGP thread calls all of it; counters may be read by any.
 *
 * There is nothing to answer in BMP, so what is malformed is counted and passed over, by the length of
 * its message; only where that cannot be trusted the connection has to end.
 */
#include "base/metric.h"
#include "bgp/update.h"
#include "bmp/bmp_monitoring.h"
#include "bmp/bmp_peer_table.h"
#include "bmp/bmp_stream.h"

enum bmp_counter {
#define BMP_COUNTER(NAME, HELP) BMP_COUNTER_##NAME,
#include "bmp/bmp_counters.def"
#undef BMP_COUNTER
    BMP_COUNTER_COUNT
};
struct bmp_counts {
    struct counter counters[BMP_COUNTER_COUNT];
    struct counter rejects[BMP_REJECT_COUNT];
};

/* Where routes come from, for the owner's functions; borrowed for the call. */
struct bmp_source {
    struct bmp_peer *peer;
    enum bmp_rib rib;
    int64_t time_ns;               /* of the per-peer header; 0: not told */
    bool has_add_path;             /* of the family at hand */
    const struct bmp_marks *marks; /* NULL: the router says nothing of single paths */
    uint32_t first_nlri;           /* the number of the first NLRI of the call, for the marks */
};

struct bmp_router;
/* The functions that a router's messages lead to. */
struct bmp_router_owner {
    void (*initiated)(void *arg, const struct bmp_initiation *initiation);
    void (*peer_up)(void *arg, struct bmp_peer *peer);
    /* A Loc-RIB has more families than its Peer Up told. */
    void (*families_added)(void *arg, struct bmp_peer *peer);
    /* The peer is freed after it. */
    void (*peer_down)(void *arg, struct bmp_peer *peer, const struct bmp_peer_down *down);
    void (*announce)(void *arg, const struct bmp_source *source, enum address_family family,
                     const struct rib_nlri *nlri, size_t count, struct path_attrs *attrs);
    void (*withdraw)(void *arg, const struct bmp_source *source, enum address_family family,
                     const struct rib_nlri *nlri, size_t count);
    void (*end_of_rib)(void *arg, const struct bmp_source *source, enum address_family family);
    /* `counters` for bmp_statistic_next(). `peer` NULL: one whose Peer Up has not come. */
    void (*statistics)(void *arg, struct bmp_peer *peer, const struct bmp_peer_header *header,
                       struct reader counters);
    void (*terminated)(void *arg, uint16_t reason);
    void (*rejected)(void *arg, enum bmp_reject reject); /* for a line of the log; it is counted */
    void *arg;
};

struct bmp_router_settings {
    size_t peers_max;
    struct attr_store *attrs;
    struct bmp_marks *marks;   /* one for all routers of a thread */
    struct bmp_counts *totals; /* of all routers */
};

/* Borrows settings and owner for its life. */
struct bmp_router *bmp_router_new(const struct bmp_router_settings *settings,
                                  const struct bmp_router_owner *owner);
/* All peers go down (BMP_DOWN_LOST), then it is freed. */
void bmp_router_free(struct bmp_router *router);
/* Takes bytes of the connection. False: it is over, as the router said so or as its messages cannot be
 * told apart any more. */
bool bmp_router_feed(struct bmp_router *router, const uint8_t *data, size_t len);
const struct bmp_counts *bmp_router_counts(const struct bmp_router *router);
size_t bmp_router_peer_count(const struct bmp_router *router);
/* For statistics: the name and meaning of each. */
const char *bmp_counter_name(enum bmp_counter counter);
const char *bmp_counter_help(enum bmp_counter counter);
const char *bmp_reject_name(enum bmp_reject reject);
const char *bmp_reject_help(enum bmp_reject reject);
