/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves how far an exporter's clock is taken to be off, from the arrival and the export times of
 * its messages. Expected offsets follow by hand from the rules in clock_offset.h. */
#include "base/clock.h"
#include "nfacctd/clock_offset.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* T0 is 2023-11-14 22:13:20 UTC. */
#define T0 (INT64_C(1700000000) * NS_PER_S)

static void add(struct clock_offset *clock, double at_s, double offset_s)
{
    int64_t arrival_ns = T0 + (int64_t)(at_s * 1e9);

    clock_offset_add(clock, arrival_ns, arrival_ns - (int64_t)(offset_s * 1e9));
}

#define ASSERT_OFFSET(clock, seconds)                                                              \
    assert_int_equal(clock_offset_ns(&(clock)), (int64_t)((seconds)*1e9))

static void nothing_is_known_at_first(void **state)
{
    struct clock_offset clock = {0};

    (void)state;
    ASSERT_OFFSET(clock, 0);
}

static void less_than_two_seconds_are_no_offset(void **state)
{
    struct clock_offset clock = {0};

    (void)state;
    add(&clock, 0, 1.9);
    ASSERT_OFFSET(clock, 0);
    add(&clock, 1, -1.9);
    ASSERT_OFFSET(clock, 0);
    add(&clock, 2, -2);
    ASSERT_OFFSET(clock, -2);
}

static void the_smallest_counts_as_messages_may_be_late(void **state)
{
    struct clock_offset clock = {0};

    (void)state;
    add(&clock, 0, 7203);
    add(&clock, 1, 7201);
    add(&clock, 2, 7202);
    ASSERT_OFFSET(clock, 7201);
}

static void the_smallest_is_forgotten_after_five_minutes(void **state)
{
    struct clock_offset clock = {0};

    (void)state;
    add(&clock, 0, 10);
    for (int s = 10; s < 300; s += 10) {
        add(&clock, s, 11.5);
        ASSERT_OFFSET(clock, 10);
    }
    add(&clock, 300, 11.5);
    ASSERT_OFFSET(clock, 11.5);
}

static void a_clock_that_is_set_forward_shows_at_once(void **state)
{
    struct clock_offset clock = {0};

    (void)state;
    add(&clock, 0, 0);
    add(&clock, 1, -3600);
    ASSERT_OFFSET(clock, -3600);
}

static void a_clock_that_is_set_back_shows_after_ten_seconds_and_three_messages(void **state)
{
    struct clock_offset clock = {0};

    (void)state;
    add(&clock, 0, 0);
    add(&clock, 20, 60.5);
    add(&clock, 31, 60.25); /* two are not enough */
    ASSERT_OFFSET(clock, 0);
    add(&clock, 32, 61);
    ASSERT_OFFSET(clock, 60.25);
}

static void one_message_in_time_shows_that_the_others_were_late(void **state)
{
    struct clock_offset clock = {0};

    (void)state;
    add(&clock, 0, 0.5);
    for (int s = 1; s < 60; s++)
        add(&clock, s, s % 9 == 0 ? 1 : 30);
    ASSERT_OFFSET(clock, 0);
}

static void one_message_from_the_future_is_got_over(void **state)
{
    struct clock_offset clock = {0};

    (void)state;
    add(&clock, 0, 0);
    add(&clock, 1, -86400);
    for (int s = 2; s < 13; s++)
        add(&clock, s, 0);
    ASSERT_OFFSET(clock, 0);
}

static void hours_of_silence_are_no_matter(void **state)
{
    struct clock_offset clock = {0};

    (void)state;
    add(&clock, 0, 10);
    add(&clock, 20000, 30);
    ASSERT_OFFSET(clock, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_at_first),
        cmocka_unit_test(less_than_two_seconds_are_no_offset),
        cmocka_unit_test(the_smallest_counts_as_messages_may_be_late),
        cmocka_unit_test(the_smallest_is_forgotten_after_five_minutes),
        cmocka_unit_test(a_clock_that_is_set_forward_shows_at_once),
        cmocka_unit_test(a_clock_that_is_set_back_shows_after_ten_seconds_and_three_messages),
        cmocka_unit_test(one_message_in_time_shows_that_the_others_were_late),
        cmocka_unit_test(one_message_from_the_future_is_got_over),
        cmocka_unit_test(hours_of_silence_are_no_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
