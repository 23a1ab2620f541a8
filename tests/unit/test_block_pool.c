/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that blocks of a pool never overlap, that pages freed by one size serve another, and that
 * a block which a reader may hold is not given out again. The test fills each block and looks at it
 * later. */
#include "base/block_pool.h"
#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 4000 };

static uint32_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static void assert_filled(const struct block_pool *pool, uint32_t handle, size_t size, uint8_t with)
{
    const uint8_t *bytes = block_at(pool, handle);
    size_t filled = 0;

    while (filled < size && bytes[filled] == with)
        filled++;
    assert_int_equal(filled, size);
}

static void blocks_of_all_sizes_never_overlap(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(1);
    struct block_pool *pool = block_pool_new(rcu);
    uint32_t *handles = mem_calloc(BLOCKS, sizeof *handles);
    size_t *sizes = mem_calloc(BLOCKS, sizeof *sizes);
    uint64_t seed = 7;

    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = random_next(&seed) % BLOCKS;
        if (handles[i]) {
            assert_filled(pool, handles[i], sizes[i], (uint8_t)i);
            if (step % 2)
                block_retire(pool, handles[i]);
            else
                block_discard(pool, handles[i]);
            handles[i] = 0;
            continue;
        }
        sizes[i] = 1 + random_next(&seed) % (step % 100 == 0 ? BLOCK_MAX_BYTES : 600);
        if (step % 3000 < 2)
            sizes[i] = BLOCK_CHUNK_BYTES;
        handles[i] = block_alloc(pool, sizes[i]);
        assert_int_not_equal(handles[i], 0);
        memset(block_at(pool, handles[i]), (uint8_t)i, sizes[i]);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (!handles[i])
            continue;
        assert_filled(pool, handles[i], sizes[i], (uint8_t)i);
        block_discard(pool, handles[i]);
    }
    block_pool_poll(pool);
    assert_int_equal(block_pool_bytes(pool), 0);
    mem_free(handles);
    mem_free(sizes);
    block_pool_free(pool);
    rcu_free(rcu);
}

static void memory_of_one_size_serves_another(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(1);
    struct block_pool *pool = block_pool_new(rcu);
    uint32_t *handles = mem_calloc(400000, sizeof *handles);

    for (size_t size = 16; size <= 128; size *= 2) {
        for (unsigned i = 0; i < 6400000 / size; i++)
            handles[i] = block_alloc(pool, size);
        for (unsigned i = 0; i < 6400000 / size; i++)
            block_discard(pool, handles[i]);
    }
    /* Each size takes 6.4 MB: without the reuse of pages the pool would reserve four times that. */
    assert_true(block_pool_reserved(pool) < 7500000);
    mem_free(handles);
    block_pool_free(pool);
    rcu_free(rcu);
}

static void a_retired_block_is_not_reused_while_a_reader_may_hold_it(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(1);
    struct rcu_reader *reader;
    struct block_pool *pool = block_pool_new(rcu);

    assert_int_equal(rcu_reader_register(rcu, &reader), 0);
    rcu_online(reader);
    uint32_t first = block_alloc(pool, 64);
    block_retire(pool, first);
    block_pool_poll(pool);
    block_pool_poll(pool);
    assert_int_not_equal(block_alloc(pool, 64), first);
    rcu_quiescent(reader);
    block_pool_poll(pool);
    assert_int_equal(block_alloc(pool, 64), first);
    rcu_reader_unregister(reader);
    block_pool_free(pool);
    rcu_free(rcu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_all_sizes_never_overlap),
        cmocka_unit_test(memory_of_one_size_serves_another),
        cmocka_unit_test(a_retired_block_is_not_reused_while_a_reader_may_hold_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
