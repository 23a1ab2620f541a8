/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The monitored peers of one router, from Peer Up to Peer Down, and how their UPDATEs are to be
 * read. One thread owns a table.
 */
#include "base/keyed_table.h"
#include "bgp/path_attr.h"
#include "bmp/bmp_message.h"

/* Names a peer of a router (RFC 7854 section 4.2). Which of its tables a message is of is no part of
 * it: some routers send a Peer Up for each. */
struct bmp_peer_key {
    uint64_t distinguisher;
    uint8_t type; /* enum bmp_peer_type */
    struct ip_addr address;
};

struct bmp_peer {
    struct keyed_entry entry; /* first member */
    struct bmp_peer_key key;
    struct bmp_peer_header header; /* of the Peer Up */
    struct bmp_peer_up up;
    /* How the router and its peer agreed to write UPDATEs to the router, and to the peer. */
    struct session_features features_in, features_out;
    bool is_internal; /* both are of one AS */
    uint64_t updates;
    void *owner_data; /* the owner's own */
};

struct bmp_peer_table {
    struct keyed_table table;
};

void bmp_peer_table_init(struct bmp_peer_table *table, size_t max);
void bmp_peer_table_clear(struct bmp_peer_table *table);
struct bmp_peer *bmp_peer_table_find(const struct bmp_peer_table *table,
                                     const struct bmp_peer_header *header); /* NULL: none */
/* Makes a peer, which is not there yet. NULL: the table is full. */
struct bmp_peer *bmp_peer_table_add(struct bmp_peer_table *table,
                                    const struct bmp_peer_header *header,
                                    const struct bmp_peer_up *up);
void bmp_peer_table_remove(struct bmp_peer_table *table, struct bmp_peer *peer); /* frees it */
size_t bmp_peer_table_count(const struct bmp_peer_table *table);
/* NULL gives the first one, NULL comes after the last; no other may be removed meanwhile. */
struct bmp_peer *bmp_peer_table_walk(const struct bmp_peer_table *table, struct bmp_peer *peer);

/* A further Peer Up of a peer that is up means one of these. */
enum bmp_news {
    BMP_NEWS_NONE,     /* it says what is known: some routers send one for each table */
    BMP_NEWS_FAMILIES, /* a Loc-RIB has more families: some routers send a Peer Up for each */
    BMP_NEWS_SESSION,  /* another session, as the Peer Down was lost */
};
enum bmp_news bmp_peer_news(const struct bmp_peer *peer, const struct bmp_peer_header *header,
                            const struct bmp_peer_up *up);
/* Adds the families of such a Peer Up. */
void bmp_peer_add_families(struct bmp_peer *peer, const struct bmp_peer_up *up);
/* Tells how an UPDATE is to be read that came with this header. */
struct attr_context bmp_peer_context(const struct bmp_peer *peer,
                                     const struct bmp_peer_header *header);
