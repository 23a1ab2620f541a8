/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what pools and their dictionaries promise by themselves: a bound that pools share, memory
 * that goes back to the system, and damage that is noticed. */
#include "handover/segment.h"

#include "base/thread.h"
#include "handover/dictionary.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void two_pools_share_one_bound(void **state)
{
    (void)state;
    struct pool_budget budget;
    struct pool *a, *b;
    uint32_t index[9], unused;
    pool_budget_init(&budget, UINT64_C(8) * SEGMENT_SIZE);
    assert_int_equal(pool_new(&budget, &a), 0);
    assert_int_equal(pool_new(&budget, &b), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(pool_take(a, false, &index[i]), 0);
    assert_false(pool_budget_is_tight(&budget)); /* just a quarter is free */
    assert_int_equal(pool_take(b, false, &index[6]), 0);
    assert_true(pool_budget_is_tight(&budget));
    assert_int_equal(pool_take(b, false, &index[7]), 0);
    assert_int_equal(pool_take(b, false, &unused), -ENOSPC);
    assert_int_equal(pool_take(a, false, &unused), -ENOSPC);
    assert_int_equal(pool_take(a, true, &index[8]), 0);
    pool_release(a, index[8]);
    pool_release(a, index[0]);
    assert_int_equal(pool_take(b, false, &index[0]), 0);
    pool_free(a);
    pool_free(b);
    assert_int_equal(atomic_load(&budget.used_count), 0);
}

static uint64_t resident_bytes(const struct pool *pool)
{
    struct stat status;
    int fd = pool_open_readonly(pool);
    assert_int_equal(fstat(fd, &status), 0);
    close(fd);
    return (uint64_t)status.st_blocks * 512;
}

static void unused_memory_goes_back_after_two_quiet_epochs(void **state)
{
    (void)state;
    struct pool_budget budget;
    struct pool *pool;
    uint32_t index[40];
    pool_budget_init(&budget, UINT64_C(64) * SEGMENT_SIZE);
    assert_int_equal(pool_new(&budget, &pool), 0);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(pool_take(pool, false, &index[i]), 0);
        memset(pool_segment(pool, index[i])->data, 1, SEGMENT_DATA_SIZE);
    }
    for (int i = 1; i < 40; i++)
        pool_release(pool, index[i]);
    pool_trim(pool);
    assert_int_equal(resident_bytes(pool), UINT64_C(40) * SEGMENT_SIZE);
    pool_trim(pool); /* the first epoch that needs one only */
    assert_int_equal(pool_resident_count(pool), 40);
    pool_trim(pool);
    assert_int_equal(pool_resident_count(pool), 1);
    assert_int_equal(resident_bytes(pool), SEGMENT_SIZE);
    assert_int_equal(pool_segment(pool, index[0])->data[SEGMENT_DATA_SIZE - 1], 1);
    assert_int_equal(pool_take(pool, false, &index[1]), 0);
    assert_int_equal(pool_segment(pool, index[1])->used, 0);
    pool_free(pool);
}

static void host_does_not_follow_an_index_out_of_the_file(void **state)
{
    (void)state;
    struct pool_budget budget;
    struct pool *pool;
    struct pool_view *view;
    uint32_t index;
    pool_budget_init(&budget, UINT64_C(4) * SEGMENT_SIZE);
    assert_int_equal(pool_new(&budget, &pool), 0);
    assert_int_equal(pool_take(pool, false, &index), 0);
    assert_int_equal(pool_view_new(pool_open_readonly(pool), pool_max_count(pool), &view), 0);
    assert_non_null(pool_view_segment(view, index));
    assert_null(
        pool_view_segment(view, pool_max_count(pool) - 1)); /* mapped, but not in the file */
    assert_null(pool_view_segment(view, pool_max_count(pool)));
    assert_null(pool_view_segment(view, SEGMENT_NONE));
    pool_segment(pool, index)->used = SEGMENT_DATA_SIZE + 1;
    assert_null(pool_view_segment(view, index));
    pool_view_free(view);
    pool_free(pool);
}

static void dictionary_keeps_ids_while_its_tables_grow(void **state)
{
    (void)state;
    struct pool_budget budget;
    struct pool *pool;
    char value[32];
    uint32_t id = 0, segment, count;
    pool_budget_init(&budget, UINT64_C(64) * SEGMENT_SIZE);
    assert_int_equal(pool_new(&budget, &pool), 0);
    struct dictionary *dict = dictionary_new(pool);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 1; i <= 20000; i++) {
            int len = snprintf(value, sizeof value, "65000_%u", i);
            assert_int_equal(dictionary_find(dict, i), 0);
            assert_int_equal(dictionary_put(dict, value, (size_t)len, false, &id), 0);
            assert_int_equal(id, i);
            dictionary_remember(dict, i, id);
        }
        for (uint32_t i = 1; i <= 20000; i++) {
            int len = snprintf(value, sizeof value, "65000_%u", i);
            assert_int_equal(dictionary_find(dict, i), i);
            assert_int_equal(dictionary_put(dict, value, (size_t)len, false, &id), 0);
            assert_int_equal(id, i);
        }
        dictionary_finish(dict, &segment, &count);
        assert_int_equal(count, 20000);
        assert_int_equal(dictionary_find(dict, 1), 0); /* what it knew went with the hand-over */
        pool_release_chain(pool, segment);
    }
    dictionary_free(dict);
    assert_int_equal(pool_used_count(pool), 0);
    pool_free(pool);
}

static void damaged_dictionary_is_refused(void **state)
{
    (void)state;
    static char too_long[DICTIONARY_VALUE_MAX + 1];
    struct pool_budget budget;
    struct pool *pool;
    struct pool_view *view;
    struct pa_bytes entries[4];
    uint32_t id, segment, count, len = 1000;
    pool_budget_init(&budget, UINT64_C(4) * SEGMENT_SIZE);
    assert_int_equal(pool_new(&budget, &pool), 0);
    assert_int_equal(pool_view_new(pool_open_readonly(pool), pool_max_count(pool), &view), 0);
    struct dictionary *dict = dictionary_new(pool);
    assert_int_equal(dictionary_put(dict, "701 1239", 8, false, &id), 0);
    assert_int_equal(dictionary_put(dict, "174", 3, false, &id), 0);
    dictionary_finish(dict, &segment, &count);
    assert_int_equal(dictionary_read(view, segment, 2, entries), 0);
    assert_int_equal(entries[2].len, 3);
    assert_int_equal(dictionary_read(view, segment, 3, entries), -EBADMSG);
    assert_int_equal(dictionary_read(view, SEGMENT_NONE, 1, entries), -EBADMSG);
    memcpy(pool_segment(pool, segment)->data, &len, sizeof len);
    assert_int_equal(dictionary_read(view, segment, 2, entries), -EBADMSG);
    pool_release_chain(pool, segment);
    assert_int_equal(dictionary_put(dict, too_long, sizeof too_long, false, &id), -EMSGSIZE);
    assert_int_equal(dictionary_put(dict, too_long, sizeof too_long - 1, false, &id), 0);
    dictionary_free(dict);
    pool_view_free(view);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_pools_share_one_bound),
        cmocka_unit_test(unused_memory_goes_back_after_two_quiet_epochs),
        cmocka_unit_test(host_does_not_follow_an_index_out_of_the_file),
        cmocka_unit_test(dictionary_keeps_ids_while_its_tables_grow),
        cmocka_unit_test(damaged_dictionary_is_refused),
    };

    thread_enter_role(&worker_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
