/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Interned sets of path attributes: one copy per distinct set, with its texts rendered once. A set
 * is found by the bytes in which it was received (in the table's order, without what nobody reads),
 * so that a set that is known already is not decoded again.
 *
 * The BGP thread owns a store; readers borrow sets under RCU. Handles of sets and texts are never
 * reused.
 */
#include "base/rcu.h"
#include "bgp/community.h"
#include "bgp/path_attr.h"
#include "bgp/rib.h"

struct attr_store;

/* The way in which texts are rendered, and what is kept besides; borrowed for the store's life. */
struct attr_text_settings {
    bool keeps_received; /* sets can tell their attributes as they were received */
    bool communities_numeric;
    uint32_t as_path_radius; /* hops; 0: all */
    struct community_patterns patterns[COMMUNITY_KIND_COUNT];
};

struct attr_store *attr_store_new(struct rcu *rcu, const struct attr_text_settings *settings);
/* Frees all sets too, whoever refers to them; call it after all readers are gone. */
void attr_store_free(struct attr_store *store);
/* The pool that the sets lie in; struct path_attrs::block is a handle of it. */
const struct block_pool *attr_store_pool(const struct attr_store *store);

/* Returns the set of `list` with that next hop, and a reference to it, which is the caller's.
 * `list` has ORIGIN and AS_PATH. */
struct path_attrs *attr_store_intern(struct attr_store *store, const struct attr_list *list,
                                     const struct attr_context *context,
                                     const struct ip_addr *next_hop);
/* Gives a reference back; the last one retires the set. `store` is void to fit struct
 * rib_settings. */
void attr_store_unref(void *store, struct path_attrs *attrs);

/* Attributes as they were received, in their order, each with flags, type and length; without
 * NEXT_HOP, MP_REACH_NLRI and MP_UNREACH_NLRI (the set has its next hop), and without what
 * was discarded. */
struct attr_received {
    const uint8_t *data; /* NULL: the store does not keep them */
    size_t len;
    bool has_four_octet_as; /* width of AS numbers in AS_PATH and AGGREGATOR */
};
/* Borrowed as the set is; any thread. With a store that keeps them, sets that differ in any of
 * these bytes are two. */
struct attr_received attr_store_received(const struct path_attrs *attrs);

/* Frees what no reader can hold any more. */
void attr_store_poll(struct attr_store *store);

struct attr_store_statistics {
    uint64_t sets, texts, bytes;
};
struct attr_store_statistics attr_store_statistics(const struct attr_store *store);
