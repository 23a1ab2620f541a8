/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A multibit trie of tree-bitmap nodes (Eatherton, Varghese, Dittia: "Tree Bitmap", 2004), six bits
 * to a node. A node knows by two bit maps which prefixes of up to five more bits end in it and
 * which of its 64 children exist; handles of those that do lie packed behind the maps. Five bits of
 * lead before the first key bit put the ends of the usual lengths (/24, /48) into the node that is
 * reached without another step.
 *
 * Copy on write: bit maps never change; a node that gains or loses something is copied and the copy
 * published with one store into its parent. Replacing a value or a child is a store in place.
 */
#include "base/prefix_tree.h"
#include "base/reader.h"
#include <assert.h>
#include <string.h>

#define STRIDE 6u
#define LEAD   5u
#define WALKS  32u /* together: enough misses in flight, few enough for the first-level cache */

struct prefix_node {
    uint64_t prefixes; /* bit (1 << l) - 1 + v: the prefix of l more bits that have the value v */
    uint64_t children;
    _Atomic uint32_t slots[]; /* children by number, then values by bit */
};

/* The bits of `prefixes` that contain the children of number c: one for each length from 0 to 5. */
#define HIT(c, l)  (UINT64_C(1) << ((1u << (l)) - 1 + ((c) >> (STRIDE - (l)))))
#define HITS(c)    (HIT(c, 0) | HIT(c, 1) | HIT(c, 2) | HIT(c, 3) | HIT(c, 4) | HIT(c, 5))
#define HITS_4(c)  HITS(c), HITS((c) + 1), HITS((c) + 2), HITS((c) + 3)
#define HITS_16(c) HITS_4(c), HITS_4((c) + 4), HITS_4((c) + 8), HITS_4((c) + 12)
static const uint64_t hits_of[64] = {HITS_16(0u), HITS_16(16u), HITS_16(32u), HITS_16(48u)};

static inline unsigned rank_of(uint64_t map, unsigned bit)
{
    return (unsigned)__builtin_popcountll(map & ((UINT64_C(1) << bit) - 1));
}

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

static inline unsigned level_of(unsigned len)
{
    return (len + LEAD) / STRIDE;
}

/* The bit of a prefix in the map of the node at its level. */
static inline unsigned bit_of(struct prefix_key key, unsigned len)
{
    unsigned more = (len + LEAD) % STRIDE;
    return (1u << more) - 1 + (chunk_at(key, level_of(len)) >> (STRIDE - more));
}

static inline unsigned len_of(unsigned level, unsigned bit)
{
    return level * STRIDE + (31u - (unsigned)__builtin_clz(bit + 1)) - LEAD;
}

static inline const struct prefix_node *node_at(const struct prefix_tree *tree, uint32_t handle)
{
    return block_at(tree->pool, handle);
}

static unsigned child_count(const struct prefix_node *node)
{
    return (unsigned)__builtin_popcountll(node->children);
}

static unsigned value_count(const struct prefix_node *node)
{
    return (unsigned)__builtin_popcountll(node->prefixes);
}

static struct prefix_node *node_new(struct prefix_tree *tree, uint64_t prefixes, uint64_t children,
                                    uint32_t *ret_handle)
{
    unsigned slots =
        (unsigned)__builtin_popcountll(prefixes) + (unsigned)__builtin_popcountll(children);
    uint32_t handle =
        block_alloc(tree->pool, sizeof(struct prefix_node) + slots * sizeof(uint32_t));
    struct prefix_node *node = block_at(tree->pool, handle);

    node->prefixes = prefixes;
    node->children = children;
    *ret_handle = handle;
    return node;
}

/* Not published yet, or the only writer looks at it: order does not matter. */
static uint32_t slot_get(const struct prefix_node *node, unsigned index)
{
    return atomic_load_explicit(&node->slots[index], memory_order_relaxed);
}
static void slot_set(struct prefix_node *node, unsigned index, uint32_t handle)
{
    atomic_store_explicit(&node->slots[index], handle, memory_order_relaxed);
}

/* A copy of `old` with a value (is_child false) or child more, or one less where `handle` is 0. */
static uint32_t node_change(struct prefix_tree *tree, const struct prefix_node *old, bool is_child,
                            unsigned bit, uint32_t handle)
{
    uint64_t mask = UINT64_C(1) << bit;
    uint32_t copy_handle;
    struct prefix_node *copy = node_new(tree, old->prefixes ^ (is_child ? 0 : mask),
                                        old->children ^ (is_child ? mask : 0), &copy_handle);
    unsigned old_count = child_count(old) + value_count(old);
    unsigned at =
        is_child ? rank_of(old->children, bit) : child_count(old) + rank_of(old->prefixes, bit);

    for (unsigned i = 0; i < at; i++)
        slot_set(copy, i, slot_get(old, i));
    if (handle) {
        slot_set(copy, at, handle);
        for (unsigned i = at; i < old_count; i++)
            slot_set(copy, i + 1, slot_get(old, i));
    } else {
        for (unsigned i = at + 1; i < old_count; i++)
            slot_set(copy, i - 1, slot_get(old, i));
    }
    return copy_handle;
}

/* Where the handles of the nodes on the way to `level` stand: places[0] is the root's. Returns how
 * many of these nodes exist. */
static unsigned path_find(const struct prefix_tree *tree, struct prefix_key key, unsigned level,
                          const _Atomic uint32_t *places[PREFIX_LEVELS])
{
    const _Atomic uint32_t *place = &tree->root;

    for (unsigned i = 0; i <= level; i++) {
        places[i] = place;
        uint32_t handle = atomic_load_explicit(place, memory_order_relaxed);
        if (!handle)
            return i; /* the root alone */
        const struct prefix_node *node = node_at(tree, handle);
        unsigned chunk = chunk_at(key, i);
        if (i < level && !(node->children >> chunk & 1))
            return i + 1;
        place = &node->slots[rank_of(node->children, chunk)];
    }
    return level + 1;
}

/* Only slots in published nodes are looked up as const; the writer may store into them. */
static void place_publish(const _Atomic uint32_t *place, uint32_t handle)
{
    atomic_store_explicit((_Atomic uint32_t *)(uintptr_t)place, handle, memory_order_release);
}

static uint32_t place_get(const _Atomic uint32_t *place)
{
    return atomic_load_explicit(place, memory_order_relaxed);
}

struct prefix_key prefix_key_make(const struct ip_addr *addr)
{
    if (addr->family == IP_V4)
        return (struct prefix_key){(uint64_t)wire_u32(addr->bytes + 12) << 32, 0};
    return (struct prefix_key){wire_u64(addr->bytes), wire_u64(addr->bytes + 8)};
}

void prefix_tree_init(struct prefix_tree *tree, struct block_pool *pool)
{
    tree->pool = pool;
    atomic_init(&tree->root, 0);
}

static void node_clear(struct prefix_tree *tree, uint32_t handle)
{
    const struct prefix_node *node = node_at(tree, handle);

    for (unsigned i = 0; i < child_count(node); i++) /* at most PREFIX_LEVELS deep */
        node_clear(tree, slot_get(node, i));
    block_retire(tree->pool, handle);
}

void prefix_tree_clear(struct prefix_tree *tree)
{
    uint32_t root = place_get(&tree->root);

    place_publish(&tree->root, 0);
    if (root)
        node_clear(tree, root);
}

_Atomic uint32_t *prefix_tree_find(const struct prefix_tree *tree, struct prefix_key key,
                                   unsigned len)
{
    const struct prefix_node *node;
    uint32_t handle = place_get(&tree->root);

    for (unsigned level = 0; handle; level++) {
        node = node_at(tree, handle);
        if (level == level_of(len)) {
            unsigned bit = bit_of(key, len);
            if (!(node->prefixes >> bit & 1))
                return NULL;
            const _Atomic uint32_t *place =
                &node->slots[child_count(node) + rank_of(node->prefixes, bit)];
            return (_Atomic uint32_t *)(uintptr_t)place;
        }
        unsigned chunk = chunk_at(key, level);
        if (!(node->children >> chunk & 1))
            return NULL;
        handle = slot_get(node, rank_of(node->children, chunk));
    }
    return NULL;
}

void prefix_tree_insert(struct prefix_tree *tree, struct prefix_key key, unsigned len,
                        uint32_t value)
{
    const _Atomic uint32_t *places[PREFIX_LEVELS];
    unsigned level = level_of(len);
    unsigned found = path_find(tree, key, level, places);
    uint32_t handle;

    assert(value != 0);
    if (found > level) {
        uint32_t old = place_get(places[level]);
        assert(!(node_at(tree, old)->prefixes >> bit_of(key, len) & 1));
        place_publish(places[level],
                      node_change(tree, node_at(tree, old), false, bit_of(key, len), value));
        block_retire(tree->pool, old);
        return;
    }
    /* The missing nodes from below, then the lowest one that is there gets a child more. */
    slot_set(node_new(tree, UINT64_C(1) << bit_of(key, len), 0, &handle), 0, value);
    for (unsigned i = level; i-- > found;) {
        uint32_t child = handle;
        slot_set(node_new(tree, 0, UINT64_C(1) << chunk_at(key, i), &handle), 0, child);
    }
    if (found == 0) {
        place_publish(&tree->root, handle);
        return;
    }
    uint32_t old = place_get(places[found - 1]);
    place_publish(places[found - 1],
                  node_change(tree, node_at(tree, old), true, chunk_at(key, found - 1), handle));
    block_retire(tree->pool, old);
}

bool prefix_tree_remove(struct prefix_tree *tree, struct prefix_key key, unsigned len)
{
    const _Atomic uint32_t *places[PREFIX_LEVELS];
    uint32_t gone[PREFIX_LEVELS];
    unsigned gone_count = 0;
    unsigned level = level_of(len);
    unsigned bit = bit_of(key, len);
    bool is_child = false;

    if (path_find(tree, key, level, places) <= level)
        return false;
    if (!(node_at(tree, place_get(places[level]))->prefixes >> bit & 1))
        return false;
    for (;;) {
        uint32_t handle = place_get(places[level]);
        const struct prefix_node *node = node_at(tree, handle);
        gone[gone_count++] = handle;
        if (child_count(node) + value_count(node) > 1) {
            place_publish(places[level], node_change(tree, node, is_child, bit, 0));
            break;
        }
        if (level == 0) {
            place_publish(&tree->root, 0);
            break;
        }
        level--; /* it is empty now: its parent loses a child */
        bit = chunk_at(key, level);
        is_child = true;
    }
    while (gone_count > 0)
        block_retire(tree->pool, gone[--gone_count]);
    return true;
}

static struct prefix_key key_with_chunk(struct prefix_key key, unsigned level, unsigned chunk)
{
    if (level == 0)
        return (struct prefix_key){(uint64_t)chunk << 63, 0};
    unsigned shift = STRIDE * level - LEAD; /* bits before this chunk stay, those behind become 0 */
    uint64_t bits = (uint64_t)chunk << (64 - STRIDE);
    if (shift >= 64) {
        uint64_t keep = shift == 64 ? 0 : ~UINT64_C(0) << (128 - shift);
        return (struct prefix_key){key.high, (key.low & keep) | bits >> (shift - 64)};
    }
    return (struct prefix_key){(key.high & ~UINT64_C(0) << (64 - shift)) | bits >> shift,
                               bits << (64 - shift)};
}

/* In a node the prefixes come first (positions 0 to 63), then the children (64 to 127). */
bool prefix_tree_next(const struct prefix_tree *tree, struct prefix_cursor *cursor)
{
    const struct prefix_node *nodes[PREFIX_LEVELS];
    uint32_t handle = place_get(&tree->root);
    unsigned level = 0;

    if (!handle)
        return false;
    /* Down to where the last step ended, or to what is left of that way. */
    for (nodes[0] = node_at(tree, handle); level < cursor->level; level++) {
        unsigned chunk = chunk_at(cursor->key, level);
        if (!(nodes[level]->children >> chunk & 1))
            break;
        nodes[level + 1] =
            node_at(tree, slot_get(nodes[level], rank_of(nodes[level]->children, chunk)));
    }
    unsigned position =
        level == cursor->level ? cursor->position : 64 + chunk_at(cursor->key, level) + 1;
    for (;;) {
        const struct prefix_node *node = nodes[level];
        uint64_t prefixes = position < 64 ? node->prefixes >> position << position : 0;
        unsigned first_child = position < 64 ? 0 : position - 64;
        uint64_t children = first_child < 64 ? node->children >> first_child << first_child : 0;
        if (prefixes) {
            unsigned bit = (unsigned)__builtin_ctzll(prefixes);
            unsigned more = 31u - (unsigned)__builtin_clz(bit + 1);
            unsigned chunk = (bit + 1 - (1u << more)) << (STRIDE - more);
            cursor->key = key_with_chunk(cursor->key, level, chunk);
            cursor->len = len_of(level, bit);
            cursor->value = slot_get(node, child_count(node) + rank_of(node->prefixes, bit));
            cursor->level = (uint8_t)level;
            cursor->position = (uint8_t)(bit + 1);
            return true;
        }
        if (children) {
            unsigned chunk = (unsigned)__builtin_ctzll(children);
            cursor->key = key_with_chunk(cursor->key, level, chunk);
            nodes[level + 1] = node_at(tree, slot_get(node, rank_of(node->children, chunk)));
            level++;
            position = 0;
            continue;
        }
        if (level == 0)
            return false;
        level--;
        position = 64 + chunk_at(cursor->key, level) + 1;
    }
}

/* Where the value of the longest hit that is left stands, and its `len`. */
static inline const _Atomic uint32_t *walk_longest(struct prefix_walk *walk)
{
    const struct prefix_step *step = &walk->steps[walk->step_count - 1];
    unsigned bit = 63u - (unsigned)__builtin_clzll(step->hits);

    walk->len = (uint8_t)len_of(step->level, bit);
    return &step->node->slots[(unsigned)__builtin_popcountll(step->node->children) +
                              rank_of(step->node->prefixes, bit)];
}

/* One level for all walks, then the next one, so that their misses overlap: first the bit maps,
 * which say where the child's handle stands, then the handles. */
static inline __attribute__((always_inline)) void walk_group(struct prefix_walk *walks,
                                                             size_t count)
{
    const struct prefix_node *nodes[WALKS];
    const _Atomic uint32_t *slots[WALKS];
    uint8_t active[WALKS];
    size_t active_count = 0;

    for (size_t i = 0; i < count; i++) {
        struct prefix_walk *walk = &walks[i];
        uint32_t root = walk->tree ? rcu_read(&walk->tree->root) : 0;
        walk->value = 0;
        walk->step_count = 0;
        if (root) {
            nodes[active_count] = node_at(walk->tree, root);
            active[active_count++] = (uint8_t)i;
        }
    }
    for (unsigned level = 0; active_count > 0; level++) {
        size_t still = 0;
        for (size_t a = 0; a < active_count; a++) {
            struct prefix_walk *walk = &walks[active[a]];
            const struct prefix_node *node = nodes[a];
            unsigned chunk = chunk_at(walk->key, level);
            uint64_t hits = node->prefixes & hits_of[chunk];
            if (hits)
                walk->steps[walk->step_count++] = (struct prefix_step){node, hits, (uint8_t)level};
            if (!(node->children >> chunk & 1))
                continue;
            slots[still] = &node->slots[rank_of(node->children, chunk)];
            __builtin_prefetch(slots[still]);
            active[still++] = active[a];
        }
        for (size_t a = 0; a < still; a++) {
            nodes[a] = node_at(walks[active[a]].tree, rcu_read(slots[a]));
            __builtin_prefetch(nodes[a]);
        }
        active_count = still;
    }
    for (size_t i = 0; i < count; i++) {
        slots[i] = walks[i].step_count > 0 ? walk_longest(&walks[i]) : NULL;
        __builtin_prefetch(slots[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (slots[i])
            walks[i].value = rcu_read(slots[i]);
    }
}

static void walk_group_any(struct prefix_walk *walks, size_t count)
{
    walk_group(walks, count);
}

#if defined(__x86_64__)
/* Without the instruction a bit count is a call of some 5 ns, and a lookup has six of them. */
__attribute__((target("popcnt"))) static void walk_group_popcnt(struct prefix_walk *walks,
                                                                size_t count)
{
    walk_group(walks, count);
}
#endif

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
    if (walk->step_count == 0)
        return;
    struct prefix_step *step = &walk->steps[walk->step_count - 1];
    step->hits &= ~(UINT64_C(1) << (63u - (unsigned)__builtin_clzll(step->hits)));
    if (!step->hits)
        walk->step_count--;
    if (walk->step_count > 0)
        walk->value = rcu_read(walk_longest(walk));
}
