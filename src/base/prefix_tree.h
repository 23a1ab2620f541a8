/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Longest-prefix match: from IPv4 and IPv6 prefixes to values of 32 bits, in one code. A walk gives
 * all prefixes that contain an address, from the longest to the shortest, so that whoever cannot
 * use the longest goes on to the next one.
 *
 * One thread changes a tree, others walk it under RCU: what a walk holds is good until the reader's
 * next quiescent state. Several trees may share a pool; the thread that changes one must own the
 * pool.
 */
#include "base/address.h"
#include "base/block_pool.h"
#include "base/reader.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An address's bits from the most significant one on; IPv4 uses the first 32 only. */
struct prefix_key {
    uint64_t high, low;
};
static inline struct prefix_key prefix_key_make(const struct ip_addr *addr)
{
    if (addr->family == IP_V4)
        return (struct prefix_key){(uint64_t)wire_u32(addr->bytes + 12) << 32, 0};
    return (struct prefix_key){wire_u64(addr->bytes), wire_u64(addr->bytes + 8)};
}

/* Addresses of one family. Embedded; all zero but the pool is an empty tree. */
struct prefix_tree {
    struct block_pool *pool;
    _Atomic uint32_t root;
    _Atomic uint32_t tables[2]; /* ways past the first levels, once the tree is large; 0: none */
    uint32_t prefix_count;      /* the writer's */
};
void prefix_tree_init(struct prefix_tree *tree, struct block_pool *pool);
void prefix_tree_clear(struct prefix_tree *tree); /* retires all nodes; values are the caller's */

/* The value's place, where the writer may publish another value (never 0); NULL if the prefix is
 * not there. Until the tree is changed; readers only load from it. */
_Atomic uint32_t *prefix_tree_find(const struct prefix_tree *tree, struct prefix_key key,
                                   unsigned len);
/* `value` is not 0; the prefix must not be there. Bits of the key beyond `len` do not matter. */
void prefix_tree_insert(struct prefix_tree *tree, struct prefix_key key, unsigned len,
                        uint32_t value);
/* Nodes that have become empty go too. False: it was not there. */
bool prefix_tree_remove(struct prefix_tree *tree, struct prefix_key key, unsigned len);

/*
 * Prefixes one by one, each after all that contain it, while the tree changes between the steps:
 * what is there all the time comes exactly once. All zero is the start; by the writer or, under RCU,
 * by a reader, which may be quiescent between the steps.
 */
struct prefix_cursor {
    struct prefix_key key; /* results: the prefix that the last step gave */
    unsigned len;
    uint32_t value;
    uint8_t level, position; /* where to go on */
};
bool prefix_tree_next(const struct prefix_tree *tree, struct prefix_cursor *cursor);

/* The longest prefix that contains an address, and no other: far less work than a walk. */
struct prefix_match {
    const struct prefix_tree *tree; /* set by the caller, with the key; NULL: finds nothing */
    struct prefix_key key;
    uint32_t value; /* 0: there is none */
    uint8_t len;
};
/* Sets tree and key, and fetches what the first step of the look-up reads, for those who have something
 * else to do meanwhile. */
void prefix_match_ask(struct prefix_match *match, const struct prefix_tree *tree,
                      struct prefix_key key);
/* Fetches what the second step reads, once the first one's is there. */
void prefix_match_approach(struct prefix_match *matches, size_t count);
/* Prefetches across the matches; any number of them, best 32 or more. */
void prefix_match_batch(struct prefix_match *matches, size_t count);

/* The prefixes that contain one address. */
#define PREFIX_LEVELS 23 /* 128 bits: 1 in the root, then 6 each */
struct prefix_walk {
    const struct prefix_tree *tree; /* set by the caller, with the key; NULL: finds nothing */
    struct prefix_key key;
    /* The longest prefix after prefix_walk_batch(), the next shorter one after prefix_walk_next().
     * 0: no more. */
    uint32_t value;
    uint8_t len;
    /* The walk's own. Small, as a batch of them shares the first-level cache with all else. */
    uint8_t upper_levels;          /* which the table passed over: still to be seen */
    uint32_t levels;               /* bits: those whose node holds prefixes of the address, */
    uint32_t nodes[PREFIX_LEVELS]; /* and the nodes' handles */
    uint64_t hits;                 /* in the node of the last of them: which are left */
};
/* Prefetches across the walks; any number of them, best 16 or more. */
void prefix_walk_batch(struct prefix_walk *walks, size_t count);
void prefix_walk_next(struct prefix_walk *walk);
