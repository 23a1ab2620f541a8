/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A multibit trie of tree-bitmap nodes (Eatherton, Varghese, Dittia: "Tree Bitmap", 2004), six bits
 * to a node. A node knows by two bit maps which prefixes of up to five more bits end in it and
 * which of its 64 children exist; handles of those that do lie packed behind the maps. Five bits of
 * lead before the first key bit put the ends of the usual lengths (/24, /48) into the node that is
 * reached without another step.
 *
 * A large tree has a table of the nodes at the level that 13 bits lead to, a very large one also of
 * those that 19 bits lead to, where /19 to /24 end. A lookup begins there and is mostly done with
 * that node; the few prefixes shorter than that are looked at when no longer one will do. Nodes that
 * fit a cache line do not lie across two.
 *
 * Copy on write: bit maps never change; a node that gains or loses something is copied and the copy
 * published with one store into its parent. Replacing a value or a child is a store in place.
 */
#include "base/prefix_tree_private.h"
#include "base/rcu.h"
#include <assert.h>
#include <string.h>

#define LINE 64u

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

/* The writer's bit count, in line: on a processor that may lack the instruction the compiler's own
 * is a call. */
static inline unsigned count_bits(uint64_t bits)
{
    bits -= bits >> 1 & UINT64_C(0x5555555555555555);
    bits = (bits & UINT64_C(0x3333333333333333)) + (bits >> 2 & UINT64_C(0x3333333333333333));
    bits = (bits + (bits >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(bits * UINT64_C(0x0101010101010101) >> 56);
}

static inline unsigned rank_of(uint64_t map, unsigned bit)
{
    return count_bits(map & ((UINT64_C(1) << bit) - 1));
}

static unsigned child_count(const struct prefix_node *node)
{
    return count_bits(node->children);
}

static unsigned value_count(const struct prefix_node *node)
{
    return count_bits(node->prefixes);
}

static struct prefix_node *node_new(struct prefix_tree *tree, uint64_t prefixes, uint64_t children,
                                    uint32_t *ret_handle)
{
    unsigned slots = count_bits(prefixes) + count_bits(children);
    size_t size = sizeof(struct prefix_node) + slots * sizeof(uint32_t);
    /* Nodes do not lie across lines if they fit one: maps and slot are one miss for most. */
    size_t align = size <= LINE / 2 ? LINE / 2 : LINE;
    uint32_t handle = block_alloc(tree->pool, (size + align - 1) / align * align);
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

static inline _Atomic uint32_t *table_entry(const struct prefix_tree *tree, uint32_t table,
                                            const struct table_kind *kind, struct prefix_key key)
{
    return (_Atomic uint32_t *)block_at(tree->pool, table) + (key.high >> (64 - kind->bits));
}

/* The node at a level on the way to a key is another one, or none (0). */
static void table_set(struct prefix_tree *tree, struct prefix_key key, unsigned level,
                      uint32_t handle)
{
    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        uint32_t table = atomic_load_explicit(&tree->tables[i], memory_order_relaxed);
        if (table && table_kinds[i].level == level)
            atomic_store_explicit(table_entry(tree, table, &table_kinds[i], key), handle,
                                  memory_order_release);
    }
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

static void node_publish(struct prefix_tree *tree, const _Atomic uint32_t *place,
                         struct prefix_key key, unsigned level, uint32_t handle)
{
    place_publish(place, handle);
    table_set(tree, key, level, handle);
}

void prefix_tree_init(struct prefix_tree *tree, struct block_pool *pool)
{
    tree->pool = pool;
    tree->prefix_count = 0;
    atomic_init(&tree->root, 0);
    for (unsigned i = 0; i < TABLE_COUNT; i++)
        atomic_init(&tree->tables[i], 0);
}

static struct prefix_key key_with_chunk(struct prefix_key key, unsigned level, unsigned chunk);

static void table_fill(const struct prefix_tree *tree, uint32_t table,
                       const struct table_kind *kind, uint32_t handle, struct prefix_key key,
                       unsigned level)
{
    const struct prefix_node *node = node_at(tree, handle);
    unsigned slot = 0;

    if (level == kind->level) {
        atomic_store_explicit(table_entry(tree, table, kind, key), handle, memory_order_relaxed);
        return;
    }
    for (uint64_t left = node->children; left; left &= left - 1) {
        unsigned chunk = (unsigned)__builtin_ctzll(left);
        table_fill(tree, table, kind, slot_get(node, slot++), key_with_chunk(key, level, chunk),
                   level + 1);
    }
}

/* The tables that the tree is large enough for. */
static void tables_add(struct prefix_tree *tree)
{
    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        const struct table_kind *kind = &table_kinds[i];
        if (tree->prefix_count < kind->add || place_get(&tree->tables[i]))
            continue;
        size_t size = sizeof(uint32_t) << kind->bits;
        uint32_t table = block_alloc(tree->pool, size);
        memset(block_at(tree->pool, table), 0, size);
        table_fill(tree, table, kind, place_get(&tree->root), (struct prefix_key){0}, 0);
        place_publish(&tree->tables[i], table);
    }
}

static void tables_drop(struct prefix_tree *tree)
{
    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        uint32_t table = place_get(&tree->tables[i]);
        if (!table || tree->prefix_count >= table_kinds[i].drop)
            continue;
        place_publish(&tree->tables[i], 0);
        block_retire(tree->pool, table);
    }
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

    tree->prefix_count = 0;
    tables_drop(tree);
    place_publish(&tree->root, 0);
    if (root)
        node_clear(tree, root);
}

_Atomic uint32_t *prefix_tree_find(const struct prefix_tree *tree, struct prefix_key key,
                                   unsigned len)
{
    uint32_t handle = place_get(&tree->root);
    unsigned level = 0;

    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        uint32_t table = place_get(&tree->tables[i]);
        if (table && level_of(len) >= table_kinds[i].level) {
            handle = place_get(table_entry(tree, table, &table_kinds[i], key));
            level = table_kinds[i].level;
            break;
        }
    }
    for (; handle; level++) {
        const struct prefix_node *node = node_at(tree, handle);
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
    tree->prefix_count++;
    tables_add(tree);
    if (found > level) {
        uint32_t old = place_get(places[level]);
        assert(!(node_at(tree, old)->prefixes >> bit_of(key, len) & 1));
        node_publish(tree, places[level], key, level,
                     node_change(tree, node_at(tree, old), false, bit_of(key, len), value));
        block_retire(tree->pool, old);
        return;
    }
    /* The missing nodes from below, then the lowest one that is there gets a child more. */
    slot_set(node_new(tree, UINT64_C(1) << bit_of(key, len), 0, &handle), 0, value);
    for (unsigned i = level; i-- > found;) {
        uint32_t child = handle;
        table_set(tree, key, i + 1, child);
        slot_set(node_new(tree, 0, UINT64_C(1) << chunk_at(key, i), &handle), 0, child);
    }
    table_set(tree, key, found, handle);
    if (found == 0) {
        place_publish(&tree->root, handle);
        return;
    }
    uint32_t old = place_get(places[found - 1]);
    handle = node_change(tree, node_at(tree, old), true, chunk_at(key, found - 1), handle);
    node_publish(tree, places[found - 1], key, found - 1, handle);
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
            node_publish(tree, places[level], key, level,
                         node_change(tree, node, is_child, bit, 0));
            break;
        }
        table_set(tree, key, level, 0);
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
    tree->prefix_count--;
    tables_drop(tree);
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
/* The same as slot_get(), for readers too. */
static uint32_t slot_read(const struct prefix_node *node, unsigned index)
{
    return rcu_read(&node->slots[index]);
}

bool prefix_tree_next(const struct prefix_tree *tree, struct prefix_cursor *cursor)
{
    const struct prefix_node *nodes[PREFIX_LEVELS];
    uint32_t handle = rcu_read(&tree->root);
    unsigned level = 0;

    if (!handle)
        return false;
    /* Down to where the last step ended, or to what is left of that way. */
    for (nodes[0] = node_at(tree, handle); level < cursor->level; level++) {
        unsigned chunk = chunk_at(cursor->key, level);
        if (!(nodes[level]->children >> chunk & 1))
            break;
        nodes[level + 1] =
            node_at(tree, slot_read(nodes[level], rank_of(nodes[level]->children, chunk)));
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
            cursor->value = slot_read(node, child_count(node) + rank_of(node->prefixes, bit));
            cursor->level = (uint8_t)level;
            cursor->position = (uint8_t)(bit + 1);
            return true;
        }
        if (children) {
            unsigned chunk = (unsigned)__builtin_ctzll(children);
            cursor->key = key_with_chunk(cursor->key, level, chunk);
            nodes[level + 1] = node_at(tree, slot_read(node, rank_of(node->children, chunk)));
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
