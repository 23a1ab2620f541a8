/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The readers' side of a prefix tree: many lookups take each step together, so that their misses
 * overlap. See prefix_tree.c for the nodes that they walk over.
 */
#include "base/prefix_tree_private.h"
#include "base/rcu.h"

#define MATCHES 64u
#define WALKS   32u /* together: enough misses in flight, few enough for the first-level cache */

/* The bits of `prefixes` that contain the children of number c: one for each length from 0 to 5. */
#define HIT(c, l)  (UINT64_C(1) << ((1u << (l)) - 1 + ((c) >> (STRIDE - (l)))))
#define HITS(c)    (HIT(c, 0) | HIT(c, 1) | HIT(c, 2) | HIT(c, 3) | HIT(c, 4) | HIT(c, 5))
#define HITS_4(c)  HITS(c), HITS((c) + 1), HITS((c) + 2), HITS((c) + 3)
#define HITS_16(c) HITS_4(c), HITS_4((c) + 4), HITS_4((c) + 8), HITS_4((c) + 12)
static const uint64_t hits_of[64] = {HITS_16(0u), HITS_16(16u), HITS_16(32u), HITS_16(48u)};

/* Where the value of the longest of `hits` in a node stands, and that prefix's length. */
static inline const _Atomic uint32_t *value_slot(const struct prefix_node *node, unsigned level,
                                                 uint64_t hits, uint8_t *ret_len)
{
    unsigned bit = 63u - (unsigned)__builtin_clzll(hits);
    uint64_t before = node->prefixes & ((UINT64_C(1) << bit) - 1);

    *ret_len = (uint8_t)len_of(level, bit);
    return &node->slots[__builtin_popcountll(node->children) + __builtin_popcountll(before)];
}
static inline const _Atomic uint32_t *walk_longest(struct prefix_walk *walk)
{
    unsigned level = 31u - (unsigned)__builtin_clz(walk->levels);

    return value_slot(node_at(walk->tree, walk->nodes[level]), level, walk->hits, &walk->len);
}

/* Where walks in a tree begin: entries, one for each value of the first bits of a key. */
struct entrance {
    const struct prefix_tree *tree;
    const _Atomic uint32_t *entries;
    uint8_t level; /* of the nodes that they name */
    uint8_t shift; /* 63 less those bits, as the root's entry takes none */
};

/* The largest of the tables from `kind` on, or the root. */
static struct entrance entrance_from(const struct prefix_tree *tree, unsigned kind)
{
    for (unsigned i = kind; i < TABLE_COUNT; i++) {
        uint32_t table = rcu_read(&tree->tables[i]);
        if (table)
            return (struct entrance){tree, block_at(tree->pool, table), table_kinds[i].level,
                                     (uint8_t)(63 - table_kinds[i].bits)};
    }
    return (struct entrance){tree, &tree->root, 0, 63};
}

/* Does what chunk_at() does; in the levels of IPv4 one word is enough. */
static inline unsigned walk_chunk(const struct prefix_key *key, unsigned level)
{
    if (level * STRIDE + STRIDE <= 64)
        return (unsigned)(key->high >> LEAD << level * STRIDE >> (64 - STRIDE));
    return chunk_at(*key, level);
}

static inline const _Atomic uint32_t *child_slot(const struct prefix_node *node, unsigned chunk)
{
    return &node->slots[__builtin_popcountll(node->children & ((UINT64_C(1) << chunk) - 1))];
}

static inline void walk_hit(struct prefix_walk *walk, uint32_t handle, unsigned level,
                            uint64_t hits)
{
    walk->hits = hits;
    walk->levels |= 1u << level;
    walk->nodes[level] = handle;
}

/* Looks at the short prefixes, which the table passed over. */
static void walk_upper(struct prefix_walk *walk)
{
    uint32_t handle = rcu_read(&walk->tree->root);
    unsigned end = walk->upper_levels;

    walk->upper_levels = 0;
    for (unsigned level = 0; handle && level < end; level++) {
        const struct prefix_node *node = node_at(walk->tree, handle);
        unsigned chunk = walk_chunk(&walk->key, level);
        uint64_t hits = node->prefixes & hits_of[chunk];
        if (hits)
            walk_hit(walk, handle, level, hits);
        handle = node->children >> chunk & 1 ? rcu_read(child_slot(node, chunk)) : 0;
    }
}

/* Nothing lies below, and nothing in the last node: the result is the longest of those before, or
 * NULL. */
static const _Atomic uint32_t *walk_back(struct prefix_walk *walk)
{
    if (!walk->levels && walk->upper_levels)
        walk_upper(walk);
    return walk->levels ? walk_longest(walk) : NULL;
}

/* One step for all walks, then the next one, so that their misses overlap: where a node's handle
 * stands, the node, and where the value stands, which mostly is in the line of its node. */
static inline __attribute__((always_inline)) void walk_group(struct prefix_walk *walks,
                                                             size_t count)
{
    const _Atomic uint32_t *slots[WALKS], *values[WALKS];
    const struct prefix_node *nodes[WALKS];
    uint32_t handles[WALKS];
    struct prefix_walk *active[WALKS], *found[WALKS];
    size_t active_count = 0, found_count = 0;
    struct entrance in = {0};

    for (struct prefix_walk *walk = walks; walk < walks + count; walk++) {
        walk->value = 0;
        walk->levels = 0;
        walk->upper_levels = 0;
        if (!walk->tree)
            continue;
        if (walk->tree != in.tree) /* most batches ask one tree */
            in = entrance_from(walk->tree, 0);
        walk->upper_levels = in.level;
        slots[active_count] = &in.entries[walk->key.high >> 1 >> in.shift];
        __builtin_prefetch(slots[active_count]);
        active[active_count++] = walk;
    }
    for (unsigned step = 0; active_count > 0; step++) {
        size_t still = 0;
        for (size_t a = 0; a < active_count; a++) {
            handles[a] = rcu_read(slots[a]);
            nodes[a] = node_at(active[a]->tree, handles[a]);
            __builtin_prefetch(nodes[a]);
        }
        for (size_t a = 0; a < active_count; a++) {
            const struct prefix_node *node = nodes[a];
            struct prefix_walk *walk = active[a];
            const _Atomic uint32_t *value;
            if (!handles[a]) { /* an entry may be empty */
                value = walk_back(walk);
            } else {
                unsigned level = step + walk->upper_levels;
                unsigned chunk = walk_chunk(&walk->key, level);
                uint64_t hits = node->prefixes & hits_of[chunk];
                if (hits)
                    walk_hit(walk, handles[a], level, hits);
                if (node->children >> chunk & 1) {
                    slots[still] = child_slot(node, chunk);
                    __builtin_prefetch(slots[still]);
                    active[still++] = walk;
                    continue;
                }
                value = hits ? value_slot(node, level, hits, &walk->len) : walk_back(walk);
            }
            values[found_count] = value;
            __builtin_prefetch(value);
            found[found_count] = walk;
            found_count += value != NULL;
        }
        active_count = still;
    }
    for (size_t i = 0; i < found_count; i++)
        found[i]->value = rcu_read(values[i]);
}

/* Walks that note down nothing but the longest prefix so far. All take one step, then the next one,
 * as in prefix_walk_batch(). A walk that finds nothing behind the largest table begins again before
 * the next one, at last at the root. Handle 0 needs no branch: the block of that name is never
 * given out and all zero, a node without anything. */
static inline __attribute__((always_inline)) void match_group(struct prefix_match *matches,
                                                              size_t count)
{
    const _Atomic uint32_t *slots[MATCHES], *values[MATCHES];
    const struct prefix_node *nodes[MATCHES];
    uint8_t ends[MATCHES], levels[MATCHES], left[MATCHES], active[MATCHES];
    size_t left_count = 0, active_count = 0;

    for (size_t i = 0; i < count; i++) {
        matches[i].value = 0;
        values[i] = NULL;
        ends[i] = PREFIX_LEVELS;
        left[left_count] = (uint8_t)i;
        left_count += matches[i].tree != NULL;
    }
    for (unsigned kind = 0; kind <= TABLE_COUNT && left_count > 0; kind++) {
        struct entrance in = {0};
        for (size_t l = 0; l < left_count; l++) {
            struct prefix_match *match = &matches[left[l]];
            if (match->tree != in.tree) /* most batches ask one tree */
                in = entrance_from(match->tree, kind);
            slots[active_count] = &in.entries[match->key.high >> 1 >> in.shift];
            __builtin_prefetch(slots[active_count]);
            levels[active_count] = in.level;
            active[active_count] = left[l];
            active_count += in.level < ends[left[l]];
        }
        while (active_count > 0) {
            size_t still = 0;
            for (size_t a = 0; a < active_count; a++) {
                nodes[a] = node_at(matches[active[a]].tree, rcu_read(slots[a]));
                __builtin_prefetch(nodes[a]);
            }
            for (size_t a = 0; a < active_count; a++) {
                const struct prefix_node *node = nodes[a];
                struct prefix_match *match = &matches[active[a]];
                unsigned level = levels[a];
                unsigned chunk = walk_chunk(&match->key, level);
                uint64_t hits = node->prefixes & hits_of[chunk];
                if (hits) {
                    values[active[a]] = value_slot(node, level, hits, &match->len);
                    __builtin_prefetch(values[active[a]]);
                }
                if (node->children >> chunk & 1 && level + 1 < ends[active[a]]) {
                    slots[still] = child_slot(node, chunk);
                    __builtin_prefetch(slots[still]);
                    levels[still] = (uint8_t)(level + 1);
                    active[still++] = active[a];
                }
            }
            active_count = still;
        }
        size_t still_left = 0;
        for (size_t l = 0; l < left_count; l++) {
            uint8_t i = left[l];
            if (values[i]) {
                matches[i].value = rcu_read(values[i]);
                continue;
            }
            if (matches[i].tree != in.tree)
                in = entrance_from(matches[i].tree, kind);
            ends[i] = in.level;
            left[still_left++] = i;
        }
        left_count = still_left;
    }
}

static void match_group_any(struct prefix_match *matches, size_t count)
{
    match_group(matches, count);
}

static void walk_group_any(struct prefix_walk *walks, size_t count)
{
    walk_group(walks, count);
}

#if defined(__x86_64__)
/* The loops are compiled twice, as without the instruction a bit count is a call, and a lookup has
 * four of them. */
__attribute__((target("popcnt"))) static void walk_group_popcnt(struct prefix_walk *walks,
                                                                size_t count)
{
    walk_group(walks, count);
}
__attribute__((target("popcnt"))) static void match_group_popcnt(struct prefix_match *matches,
                                                                 size_t count)
{
    match_group(matches, count);
}
#endif

static inline const _Atomic uint32_t *first_entry(const struct prefix_tree *tree,
                                                  struct prefix_key key)
{
    uint32_t table = rcu_read(&tree->tables[0]);

    return table ? (const _Atomic uint32_t *)block_at(tree->pool, table) +
                       (key.high >> (64 - table_kinds[0].bits))
                 : NULL;
}

/* This and the next one set the match too, as a call that only fetches is thought to do nothing. */
void prefix_match_ask(struct prefix_match *match, const struct prefix_tree *tree,
                      struct prefix_key key)
{
    match->tree = tree;
    match->key = key;
    if (tree)
        __builtin_prefetch(first_entry(tree, key));
}

void prefix_match_approach(struct prefix_match *matches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct prefix_tree *tree = matches[i].tree;
        const _Atomic uint32_t *entry = tree ? first_entry(tree, matches[i].key) : NULL;
        matches[i].value = 0;
        if (entry)
            __builtin_prefetch(node_at(tree, rcu_read(entry)));
    }
}

void prefix_match_batch(struct prefix_match *matches, size_t count)
{
    void (*group)(struct prefix_match *, size_t) = match_group_any;

#if defined(__x86_64__)
    if (__builtin_cpu_supports("popcnt"))
        group = match_group_popcnt;
#endif
    for (size_t done = 0; done < count; done += MATCHES)
        group(matches + done, count - done < MATCHES ? count - done : MATCHES);
}

void prefix_walk_batch(struct prefix_walk *walks, size_t count)
{
    void (*group)(struct prefix_walk *, size_t) = walk_group_any;

#if defined(__x86_64__)
    if (__builtin_cpu_supports("popcnt"))
        group = walk_group_popcnt;
#endif
    for (size_t done = 0; done < count; done += WALKS)
        group(walks + done, count - done < WALKS ? count - done : WALKS);
}

void prefix_walk_next(struct prefix_walk *walk)
{
    walk->value = 0;
    if (!walk->levels)
        return;
    walk->hits &= ~(UINT64_C(1) << (63u - (unsigned)__builtin_clzll(walk->hits)));
    if (!walk->hits) {
        walk->levels &= ~(1u << (31u - (unsigned)__builtin_clz(walk->levels)));
        if (!walk->levels && walk->upper_levels) {
            walk_upper(walk);
        } else if (walk->levels) {
            unsigned level = 31u - (unsigned)__builtin_clz(walk->levels);
            walk->hits = node_at(walk->tree, walk->nodes[level])->prefixes &
                         hits_of[chunk_at(walk->key, level)];
        }
    }
    if (walk->levels)
        walk->value = rcu_read(walk_longest(walk));
}
