/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves who is remembered, and for how long who broke a limit is refused. */
#include "bgp/standing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct ip_addr address_of(unsigned number)
{
    return ip_addr_v4(
        (const uint8_t[]){10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number});
}

static struct mono_time at(int64_t seconds)
{
    return (struct mono_time){seconds * NS_PER_S};
}

static void the_first_session_counts(void **state)
{
    (void)state;
    struct standing_table table = {0};
    struct ip_addr a = address_of(1), b = address_of(2);

    assert_int_equal(standing_since(&table, &a), STANDING_NEVER);
    standing_met(&table, &a, at(10));
    standing_met(&table, &a, at(20));
    assert_int_equal(standing_since(&table, &a), 10 * NS_PER_S);
    assert_int_equal(standing_since(&table, &b), STANDING_NEVER);
    standing_clear(&table);
}

static void who_breaks_a_limit_is_refused_ever_longer(void **state)
{
    (void)state;
    static const int64_t expected[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
    struct standing_table table = {0};
    struct ip_addr a = address_of(1);
    int64_t now = 1000;
    uint8_t subcode = 0;

    standing_met(&table, &a, at(now));
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(standing_refused_s(&table, &a, at(now), &subcode), 0);
        assert_int_equal(standing_refuse(&table, &a, 1, at(now)), expected[i]);
        assert_int_equal(standing_since(&table, &a), STANDING_NEVER);
        assert_int_equal(standing_refused_s(&table, &a, at(now), &subcode), expected[i]);
        assert_int_equal(subcode, 1);
        now += expected[i] - 1;
        assert_int_equal(standing_refused_s(&table, &a, at(now), &subcode), 1);
        now += 1 + 3599; /* it comes again before an hour has passed */
    }
    now += 1;
    assert_int_equal(standing_refuse(&table, &a, 8, at(now)), 60);
    standing_clear(&table);
}

static void those_who_came_last_are_forgotten(void **state)
{
    (void)state;
    struct standing_table table = {0};
    struct ip_addr refused = address_of(1 << 20);
    uint8_t subcode;

    standing_refuse(&table, &refused, 1, at(1));
    for (unsigned i = 0; i < 5000; i++) {
        struct ip_addr a = address_of(i);
        standing_met(&table, &a, at(1 + i));
        assert_int_equal(standing_since(&table, &a), (1 + i) * NS_PER_S);
    }
    assert_int_equal(table.count, STANDING_MAX);
    for (unsigned i = 0; i < STANDING_MAX - 2; i++) {
        struct ip_addr a = address_of(i);
        assert_int_equal(standing_since(&table, &a), (1 + i) * NS_PER_S);
    }
    assert_true(standing_refused_s(&table, &refused, at(2), &subcode) > 0);
    standing_clear(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_session_counts),
        cmocka_unit_test(who_breaks_a_limit_is_refused_ever_longer),
        cmocka_unit_test(those_who_came_last_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
