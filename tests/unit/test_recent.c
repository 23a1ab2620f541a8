/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers that grow, and what is still recent of that. */
#include "base/clock.h"
#include "daemon/recent.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_all_is_recent_at_first(void **state)
{
    struct recent r;

    (void)state;
    recent_init(&r, 2, 1);
    assert_int_equal(recent_growth(&r, 1, 5), 5);
    assert_int_equal(recent_growth(&r, 0, 0), 0);
    assert_false(recent_is_due(&r, 60 * NS_PER_S));
    assert_true(recent_is_due(&r, 60 * NS_PER_S + 1));
    recent_clear(&r);
}

/* The growth of before the last two notes is recent no more, and what began after them is. */
static void test_what_ended_is_recent_no_more(void **state)
{
    struct recent r;

    (void)state;
    recent_init(&r, 2, 0);
    recent_note(&r, (const uint64_t[]){7, 1}, 60 * NS_PER_S);
    assert_int_equal(recent_growth(&r, 0, 7), 7);
    recent_note(&r, (const uint64_t[]){7, 4}, 120 * NS_PER_S);
    assert_int_equal(recent_growth(&r, 0, 7), 0);
    assert_int_equal(recent_growth(&r, 1, 4), 3);
    assert_int_equal(recent_growth(&r, 0, 9), 2);
    assert_int_equal(recent_growth(&r, 0, 3), 0); /* an exporter went, with its counts */
    assert_false(recent_is_due(&r, 179 * NS_PER_S));
    recent_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_recent_at_first),
        cmocka_unit_test(test_what_ended_is_recent_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
