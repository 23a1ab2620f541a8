/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the tree finds the longest prefix while prefixes come and go. The reference is a
 * plain list that is searched from one end to the other. */
#include "base/memory.h"
#include "base/prefix_tree.h"
#include "base/thread.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { REFERENCE_MAX = 3000, WALK_COUNT = 50 };

/*
 * Filler prefixes contain no random address; they are so many that the tree has all of its tables.
 */
enum { FILLER_COUNT = 70000, FILLER_FIRST_BYTE = 200 };
#define FILLER_VALUE UINT32_C(0x80000000)

struct reference {
    struct {
        struct ip_prefix prefix;
        uint32_t value;
    } items[REFERENCE_MAX];
    unsigned count;
};

static uint32_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static struct prefix_key filler_key(uint32_t i)
{
    return (struct prefix_key){((uint64_t)FILLER_FIRST_BYTE << 56) + ((uint64_t)i << 40), 0};
}

/* Returns an address from a small part of the space, so that prefixes contain each other. */
static struct ip_addr random_addr(uint64_t *seed, bool is_v6)
{
    uint8_t bytes[16] = {0};
    unsigned len = is_v6 ? 16 : 4;

    for (unsigned i = 0; i < len; i++)
        bytes[i] =
            (uint8_t)(random_next(seed) % 8 == 0 ? random_next(seed) : random_next(seed) & 0x81);
    if (bytes[0] == FILLER_FIRST_BYTE || bytes[0] == FILLER_FIRST_BYTE + 1)
        bytes[0] = 0;
    return is_v6 ? ip_addr_v6(bytes) : ip_addr_v4(bytes);
}

static struct ip_prefix random_prefix(uint64_t *seed, bool is_v6)
{
    unsigned len = random_next(seed) % (is_v6 ? 129 : 33);
    struct ip_addr addr = random_addr(seed, is_v6);
    return (struct ip_prefix){ip_addr_mask(&addr, len), (uint8_t)len};
}

static int reference_find(const struct reference *reference, const struct ip_prefix *prefix)
{
    for (unsigned i = 0; i < reference->count; i++) {
        if (ip_prefix_equal(&reference->items[i].prefix, prefix))
            return (int)i;
    }
    return -1;
}

/* Finds the longest prefix that contains the address and is shorter than `below`. */
static int reference_match(const struct reference *reference, const struct ip_addr *addr, int below)
{
    int best = -1;
    for (unsigned i = 0; i < reference->count; i++) {
        const struct ip_prefix *prefix = &reference->items[i].prefix;
        if (prefix->len < below && ip_prefix_contains(prefix, addr) &&
            (best < 0 || prefix->len > reference->items[best].prefix.len))
            best = (int)i;
    }
    return best;
}

static void assert_walks_agree(const struct prefix_tree *tree, const struct reference *reference,
                               uint64_t *seed, bool is_v6)
{
    static struct prefix_walk walks[WALK_COUNT];
    struct prefix_match matches[WALK_COUNT];
    struct ip_addr addrs[WALK_COUNT];

    for (unsigned i = 0; i < WALK_COUNT; i++) {
        addrs[i] = random_addr(seed, is_v6);
        walks[i].tree = tree;
        walks[i].key = prefix_key_make(&addrs[i]);
        matches[i].tree = i % 16 == 15 ? NULL : tree;
        matches[i].key = walks[i].key;
    }
    prefix_walk_batch(walks, WALK_COUNT);
    prefix_match_batch(matches, WALK_COUNT);
    for (unsigned i = 0; i < WALK_COUNT; i++) {
        int below = 129,
            longest = matches[i].tree ? reference_match(reference, &addrs[i], 129) : -1;
        assert_int_equal(matches[i].value, longest < 0 ? 0 : reference->items[longest].value);
        if (longest >= 0)
            assert_int_equal(matches[i].len, reference->items[longest].prefix.len);
        for (;;) {
            int match = reference_match(reference, &addrs[i], below);
            if (match < 0)
                break;
            assert_int_equal(walks[i].value, reference->items[match].value);
            assert_int_equal(walks[i].len, reference->items[match].prefix.len);
            below = walks[i].len;
            prefix_walk_next(&walks[i]);
        }
        assert_int_equal(walks[i].value, 0);
    }
}

static void assert_cursor_gives_all_once(const struct prefix_tree *tree,
                                         const struct reference *reference)
{
    struct prefix_cursor cursor = {0};
    bool *seen = mem_calloc(reference->count + 1, sizeof *seen);
    unsigned count = 0;

    while (prefix_tree_next(tree, &cursor)) {
        if (cursor.value >= FILLER_VALUE)
            continue;
        unsigned found = reference->count;
        for (unsigned i = 0; i < reference->count && found == reference->count; i++) {
            struct prefix_key key = prefix_key_make(&reference->items[i].prefix.addr);
            if (key.high == cursor.key.high && key.low == cursor.key.low &&
                reference->items[i].prefix.len == cursor.len)
                found = i;
        }
        assert_true(found < reference->count);
        assert_false(seen[found]);
        assert_int_equal(cursor.value, reference->items[found].value);
        seen[found] = true;
        count++;
    }
    assert_int_equal(count, reference->count);
    mem_free(seen);
}

static void filler_insert(struct prefix_tree *tree)
{
    for (uint32_t i = 0; i < FILLER_COUNT; i++)
        prefix_tree_insert(tree, filler_key(i), 24, FILLER_VALUE + i);
}

static void filler_remove(struct prefix_tree *tree)
{
    struct prefix_walk walks[WALK_COUNT] = {0};

    for (uint32_t i = 0; i < WALK_COUNT; i++) {
        walks[i].tree = tree;
        walks[i].key = filler_key(i * (FILLER_COUNT / WALK_COUNT));
    }
    prefix_walk_batch(walks, WALK_COUNT);
    for (uint32_t i = 0; i < WALK_COUNT; i++)
        assert_int_equal(walks[i].value, FILLER_VALUE + i * (FILLER_COUNT / WALK_COUNT));
    for (uint32_t i = 0; i < FILLER_COUNT; i++)
        assert_true(prefix_tree_remove(tree, filler_key(i), 24));
}

static void random_changes(bool is_v6, uint64_t seed)
{
    struct rcu *rcu = rcu_new(1);
    struct block_pool *pool = block_pool_new(rcu);
    struct prefix_tree tree;
    struct reference *reference = mem_zalloc(sizeof *reference);

    prefix_tree_init(&tree, pool);
    for (unsigned step = 1; step <= 12000; step++) {
        struct ip_prefix prefix = random_prefix(&seed, is_v6);
        bool shrink = step / 3000 % 2; /* grow, shrink, grow, shrink */
        if (step == 4000)
            filler_insert(&tree);
        else if (step == 10000)
            filler_remove(&tree);
        if (shrink && reference->count > 0 && random_next(&seed) % 4 != 0)
            prefix = reference->items[random_next(&seed) % reference->count].prefix;
        struct prefix_key key = prefix_key_make(&prefix.addr);
        int at = reference_find(reference, &prefix);
        _Atomic uint32_t *place = prefix_tree_find(&tree, key, prefix.len);
        assert_int_equal(place != NULL, at >= 0);
        if (at >= 0 && (shrink || step % 5 == 0)) {
            assert_true(prefix_tree_remove(&tree, key, prefix.len));
            reference->items[at] = reference->items[--reference->count];
        } else if (at >= 0) {
            rcu_publish(place, step);
            reference->items[at].value = step;
        } else if (shrink) {
            assert_false(prefix_tree_remove(&tree, key, prefix.len));
        } else if (reference->count < REFERENCE_MAX) {
            prefix_tree_insert(&tree, key, prefix.len, step);
            reference->items[reference->count].prefix = prefix;
            reference->items[reference->count++].value = step;
        }
        if (step % 200 == 0)
            assert_walks_agree(&tree, reference, &seed, is_v6);
        if (step % 3000 == 0)
            assert_cursor_gives_all_once(&tree, reference);
    }
    while (reference->count > 0) {
        const struct ip_prefix *prefix = &reference->items[--reference->count].prefix;
        assert_true(prefix_tree_remove(&tree, prefix_key_make(&prefix->addr), prefix->len));
    }
    block_pool_poll(pool);
    assert_int_equal(block_pool_bytes(pool), 0); /* no node is left behind */
    mem_free(reference);
    block_pool_free(pool);
    rcu_free(rcu);
}

static void ipv4_agrees_with_a_linear_search(void **state)
{
    (void)state;
    random_changes(false, 1);
}

static void ipv6_agrees_with_a_linear_search(void **state)
{
    (void)state;
    random_changes(true, 2);
}

static void every_length_is_found_and_walked_in_order(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(1);
    struct block_pool *pool = block_pool_new(rcu);
    struct prefix_tree tree;
    struct prefix_key ones = {~UINT64_C(0), ~UINT64_C(0)};

    prefix_tree_init(&tree, pool);
    for (unsigned len = 0; len <= 128; len++)
        prefix_tree_insert(&tree, ones, len, len + 1);
    struct prefix_walk walk = {.tree = &tree, .key = ones};
    prefix_walk_batch(&walk, 1);
    for (unsigned len = 129; len-- > 0; prefix_walk_next(&walk)) {
        assert_int_equal(walk.value, len + 1);
        assert_int_equal(walk.len, len);
    }
    assert_int_equal(walk.value, 0);
    prefix_tree_clear(&tree);
    block_pool_poll(pool);
    assert_int_equal(block_pool_bytes(pool), 0);
    block_pool_free(pool);
    rcu_free(rcu);
}

static void cursor_passes_what_stays_once_while_the_rest_goes(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(1);
    struct block_pool *pool = block_pool_new(rcu);
    struct prefix_tree tree;
    struct prefix_cursor cursor = {0};
    unsigned kept = 0;

    prefix_tree_init(&tree, pool);
    for (uint64_t i = 0; i < 4096; i++)
        prefix_tree_insert(&tree, (struct prefix_key){i << 40, 0}, 24, (uint32_t)i + 1);
    while (prefix_tree_next(
        &tree, &cursor)) { /* each step removes what it stands on, but for every eighth */
        if (cursor.value % 8 == 0)
            kept++;
        else
            assert_true(prefix_tree_remove(&tree, cursor.key, cursor.len));
    }
    assert_int_equal(kept, 512);
    cursor = (struct prefix_cursor){0};
    for (kept = 0; prefix_tree_next(&tree, &cursor); kept++)
        assert_int_equal(cursor.value % 8, 0);
    assert_int_equal(kept, 512);
    block_pool_free(pool);
    rcu_free(rcu);
}

struct shared {
    struct rcu *rcu;
    struct prefix_tree tree;
    _Atomic bool is_over;
    uint64_t wrong;
};

/* The /16 is always there, and a /24 in it comes and goes: a reader finds one of them, never
 * anything else and never nothing. */
static void read_on(void *arg)
{
    struct shared *shared = arg;
    struct rcu_reader *reader;
    struct prefix_walk walks[8];
    struct prefix_match matches[8];

    if (rcu_reader_register(shared->rcu, &reader) != 0)
        return;
    rcu_online(reader);
    for (uint32_t n = 0; !atomic_load_explicit(&shared->is_over, memory_order_acquire); n++) {
        for (unsigned i = 0; i < 8; i++) {
            walks[i].tree = &shared->tree;
            walks[i].key =
                (struct prefix_key){(uint64_t)(0x0a000000 | ((n + i) & 0xff) << 8) << 32, 0};
            matches[i].tree = &shared->tree;
            matches[i].key = walks[i].key;
        }
        prefix_walk_batch(walks, 8);
        prefix_match_batch(matches, 8);
        for (unsigned i = 0; i < 8; i++) {
            uint32_t expected = matches[i].len == 24 ? 1000 + ((n + i) & 0xff) : 16;
            shared->wrong += matches[i].value != expected;
            if (walks[i].len == 24) {
                shared->wrong += walks[i].value != 1000 + ((n + i) & 0xff);
                prefix_walk_next(&walks[i]);
            }
            shared->wrong += walks[i].value != 16 || walks[i].len != 16;
        }
        rcu_quiescent(reader);
    }
    rcu_reader_unregister(reader);
}

static void readers_see_whole_prefixes_while_others_come_and_go(void **state)
{
    (void)state;
    struct shared shared = {.rcu = rcu_new(2)};
    struct block_pool *pool = block_pool_new(shared.rcu);
    struct thread thread = {0};
    bool is_there[256] = {false};
    uint64_t seed = 5;

    prefix_tree_init(&shared.tree, pool);
    prefix_tree_insert(&shared.tree, (struct prefix_key){UINT64_C(0x0a) << 56, 0}, 16, 16);
    assert_int_equal(thread_start(&thread, "reader", read_on, &shared), 0);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned i = random_next(&seed) % 256;
        struct prefix_key key = {(uint64_t)(0x0a000000 | i << 8) << 32, 0};
        if (is_there[i])
            prefix_tree_remove(&shared.tree, key, 24);
        else
            prefix_tree_insert(&shared.tree, key, 24, 1000 + i);
        is_there[i] = !is_there[i];
        if (step % 64 == 0)
            block_pool_poll(pool);
    }
    atomic_store_explicit(&shared.is_over, true, memory_order_release);
    thread_join(&thread);
    assert_int_equal(shared.wrong, 0);
    block_pool_free(pool);
    rcu_free(shared.rcu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_agrees_with_a_linear_search),
        cmocka_unit_test(ipv6_agrees_with_a_linear_search),
        cmocka_unit_test(every_length_is_found_and_walked_in_order),
        cmocka_unit_test(cursor_passes_what_stays_once_while_the_rest_goes),
        cmocka_unit_test(readers_see_whole_prefixes_while_others_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
