/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The nodes of a prefix tree, as its writer and its readers see them. */
#include "base/prefix_tree.h"

#define STRIDE 6u
#define LEAD   5u

/* A table stands in for the levels above its own. It takes 2 MB or 32 KB, so it is made only from
 * so many prefixes on. The largest stands first. */
#define TABLE_COUNT 2
static const struct table_kind {
    uint8_t level, bits;
    uint32_t add, drop;
} table_kinds[TABLE_COUNT] = {{4, 19, 65536, 16384}, {3, 13, 1024, 256}};

struct prefix_node {
    uint64_t prefixes; /* bit (1 << l) - 1 + v: the prefix of l more bits that have the value v */
    uint64_t children;
    _Atomic uint32_t slots[]; /* children by number, then values by bit */
};

/* The six bits at a level; bits before the key and behind it are 0. */
static inline unsigned chunk_at(struct prefix_key key, unsigned level)
{
    if (level == 0)
        return (unsigned)(key.high >> 63);
    unsigned shift = STRIDE * level - LEAD;
    uint64_t bits =
        shift < 64 ? key.high << shift | key.low >> (64 - shift) : key.low << (shift - 64);
    return (unsigned)(bits >> (64 - STRIDE));
}

static inline unsigned len_of(unsigned level, unsigned bit)
{
    return level * STRIDE + (31u - (unsigned)__builtin_clz(bit + 1)) - LEAD;
}

static inline const struct prefix_node *node_at(const struct prefix_tree *tree, uint32_t handle)
{
    return block_at(tree->pool, handle);
}
