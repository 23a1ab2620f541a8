/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The prefixes of ROAs stand in the tree that the RIB has too. Each knows the next shorter one that
 * contains it, so that one search for the longest match finds all that cover a route.
 */
#include "rpki/roa_table.h"

#include "base/block_pool.h"
#include "base/memory.h"
#include "base/prefix_tree.h"
#include "base/rcu.h"
#include <stdbool.h>
#include <stdlib.h>

enum { FAMILY_COUNT = 2, TOGETHER = 32, DEPTH_MAX = 129 };
#define PLACE_NONE UINT32_MAX
#define PLACE_MASK 0xffffffU

/* Holds what one ROA says of its prefix. */
struct grant {
    uint32_t asn;
    uint32_t max_len;
};

/* Holds a prefix of some ROAs, mostly of one, which stands here too. Four of them share a cache line. */
struct place {
    uint32_t parent; /* the next shorter prefix that contains this one; PLACE_NONE: there is none */
    uint32_t asn;    /* of the first grant */
    uint32_t first : 24; /* of all its grants; as many as are told fit here (ROAS_MAX) */
    uint32_t max_len : 8;
    uint32_t count : 24;
    uint32_t len : 8;
};

struct roa_table {
    struct rcu *rcu; /* of the pool; it has no readers, as nothing changes once it is built */
    struct block_pool *pool;
    struct prefix_tree trees[FAMILY_COUNT]; /* IPv4, IPv6: values are numbers of places, plus 1 */
    struct place *places;
    struct grant *grants;
    uint32_t place_count, grant_count;
};

int roa_compare(const void *a, const void *b)
{
    const struct roa *x = a, *y = b;
    int order = ip_addr_compare(&x->prefix.addr, &y->prefix.addr);

    if (order != 0)
        return order;
    if (x->prefix.len != y->prefix.len)
        return x->prefix.len < y->prefix.len ? -1 : 1;
    if (x->asn != y->asn)
        return x->asn < y->asn ? -1 : 1;
    return x->max_len < y->max_len ? -1 : x->max_len > y->max_len;
}

/* The prefixes that contain the last one, the shortest first. */
struct chain {
    const struct roa *roas[DEPTH_MAX];
    uint32_t places[DEPTH_MAX];
    uint32_t count;
};

/* Leaves those in the chain that contain a prefix. */
static void chain_cut(struct chain *chain, const struct ip_prefix *prefix)
{
    while (chain->count > 0) {
        const struct ip_prefix *last = &chain->roas[chain->count - 1]->prefix;
        if (last->len < prefix->len && ip_prefix_contains(last, &prefix->addr))
            return;
        chain->count--;
    }
}

static void add_place(struct roa_table *table, struct chain *chain, const struct roa *roa)
{
    const struct ip_prefix *prefix = &roa->prefix;
    uint32_t number = table->place_count++;

    chain_cut(chain, prefix);
    table->places[number] =
        (struct place){.parent = chain->count > 0 ? chain->places[chain->count - 1] : PLACE_NONE,
                       .asn = roa->asn,
                       .first = table->grant_count & PLACE_MASK,
                       .max_len = roa->max_len,
                       .len = prefix->len};
    chain->roas[chain->count] = roa;
    chain->places[chain->count++] = number;
    prefix_tree_insert(&table->trees[prefix->addr.family == IP_V6], prefix_key_make(&prefix->addr),
                       prefix->len, number + 1);
}

struct roa_table *roa_table_new(struct roa *roas, size_t count)
{
    struct roa_table *table = mem_zalloc(sizeof *table);
    struct chain chain = {.count = 0};

    table->rcu = rcu_new(1);
    table->pool = block_pool_new(table->rcu);
    for (int i = 0; i < FAMILY_COUNT; i++)
        prefix_tree_init(&table->trees[i], table->pool);
    table->places = mem_table_calloc(count + 1, sizeof *table->places);
    table->grants = mem_table_calloc(count + 1, sizeof *table->grants);
    if (count > 0)
        qsort(roas, count, sizeof *roas, roa_compare);
    for (size_t i = 0; i < count; i++) {
        const struct roa *roa = &roas[i], *before = i > 0 ? &roas[i - 1] : NULL;
        if (before && roa_compare(before, roa) == 0)
            continue;
        if (!before || !ip_prefix_equal(&before->prefix, &roa->prefix))
            add_place(table, &chain, roa);
        table->places[table->place_count - 1].count++;
        table->grants[table->grant_count++] = (struct grant){roa->asn, roa->max_len};
    }
    block_pool_poll(table->pool);
    return table;
}

void roa_table_free(void *object)
{
    struct roa_table *table = object;

    if (!table)
        return;
    block_pool_free(table->pool);
    rcu_free(table->rcu);
    mem_free(table->places);
    mem_free(table->grants);
    mem_free(table);
}

size_t roa_table_count(const struct roa_table *table)
{
    return table->grant_count;
}

/* True if one of a prefix's grants, which are in order, lets an AS originate a route of so many bits. */
static bool is_granted(const struct grant *grants, uint32_t count, uint32_t asn, uint8_t len)
{
    uint32_t low = 0, high = count;

    while (low < high) { /* looks for the first one of a greater AS */
        uint32_t middle = low + (high - low) / 2;
        if (grants[middle].asn <= asn)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && grants[low - 1].asn == asn && asn != 0 && len <= grants[low - 1].max_len;
}

/* The same of a prefix. */
static inline bool place_grants(const struct roa_table *table, const struct place *place,
                                uint32_t asn, uint8_t len)
{
    if (place->count == 1)
        return place->asn == asn && asn != 0 && len <= place->max_len;
    return is_granted(&table->grants[place->first], place->count, asn, len);
}

/* Validates a route, given the longest prefix of ROAs that has its address. */
static enum roa_validity validity_of(const struct roa_table *table, const struct roa_query *query,
                                     uint32_t number)
{
    bool is_covered = false;

    while (number != PLACE_NONE) {
        const struct place *place = &table->places[number];
        number = place->parent;
        if (place->len > query->len)
            continue;
        is_covered = true;
        if (place_grants(table, place, query->origin, query->len))
            return ROA_VALID;
    }
    return is_covered ? ROA_INVALID : ROA_UNKNOWN;
}

/* Routes that are validated together. */
struct route_part {
    struct prefix_match matches[TOGETHER];
    struct roa_query *queries;
    size_t count;
};

static void part_ask(const struct roa_table *table, struct route_part *part)
{
    for (size_t i = 0; i < part->count; i++) {
        const struct ip_addr *address = &part->queries[i].address;
        const struct prefix_tree *tree =
            address->family == IP_NONE ? NULL : &table->trees[address->family == IP_V6];
        prefix_match_ask(&part->matches[i], tree, prefix_key_make(address));
    }
}

static void part_find(const struct roa_table *table, struct route_part *part)
{
    prefix_match_batch(part->matches, part->count);
    for (size_t i = 0; i < part->count; i++)
        if (part->matches[i].value)
            __builtin_prefetch(&table->places[part->matches[i].value - 1]);
}

static void part_answer(const struct roa_table *table, const struct route_part *part)
{
    for (size_t i = 0; i < part->count; i++) {
        uint32_t value = part->matches[i].value;
        part->queries[i].validity =
            value ? validity_of(table, &part->queries[i], value - 1) : ROA_UNKNOWN;
    }
}

/* While the routes of one part wait for memory, those before and after them are worked on. */
static void validate_parts(const struct roa_table *table, struct roa_query *queries, size_t count)
{
    enum { STAGES = 4 };
    struct route_part parts[STAGES];
    size_t part_count = (count + TOGETHER - 1) / TOGETHER;

    for (size_t i = 0; i < STAGES; i++)
        parts[i].count = 0;
    for (size_t i = 0; i < part_count + STAGES - 1; i++) {
        struct route_part *first = &parts[i % STAGES], *second = &parts[(i + 3) % STAGES];
        size_t start = i * TOGETHER, left = start < count ? count - start : 0;
        first->queries = queries + (count - left);
        first->count = left < TOGETHER ? left : TOGETHER;
        part_ask(table, first);
        prefix_match_approach(second->matches, second->count);
        part_find(table, &parts[(i + 2) % STAGES]);
        part_answer(table, &parts[(i + 1) % STAGES]);
    }
}

void roa_validate(const struct roa_table *table, struct roa_query *queries, size_t count)
{
    for (size_t i = 0; !table && i < count; i++)
        queries[i].validity = ROA_UNKNOWN;
    if (table)
        validate_parts(table, queries, count);
}
