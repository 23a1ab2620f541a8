/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves when a thread counts as one that stands still; that the manager then hears nothing is
 * integration/test_watchdog.py's. */
#include "base/clock.h"
#include "daemon/watchdog.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct pulse pulse;

static bool moves(uint64_t beats, int64_t at_s)
{
    return pulse_moves(&pulse, beats, at_s * NS_PER_S, "a thread");
}

static void a_thread_moves_until_it_has_not_beaten_for_5_seconds(void **state)
{
    (void)state;
    pulse = (struct pulse){0};
    assert_true(moves(0, 100)); /* it may not have begun yet */
    assert_true(moves(0, 104));
    assert_false(moves(0, 105));
    assert_true(moves(1, 106));
    assert_true(moves(1, 110));
    assert_false(moves(1, 111));
    assert_true(moves(UINT64_MAX, 112));
    assert_true(moves(0, 113)); /* a number that begins anew is another one, too */
}

static void the_log_says_it_once_and_when_it_is_over(void **state)
{
    (void)state;
    pulse = (struct pulse){0};
    moves(7, 100);
    moves(7, 109);
    assert_false(pulse.is_said);
    moves(7, 110);
    assert_true(pulse.is_said);
    moves(7, 200);
    assert_true(pulse.is_said);
    assert_true(moves(8, 201));
    assert_false(pulse.is_said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_moves_until_it_has_not_beaten_for_5_seconds),
        cmocka_unit_test(the_log_says_it_once_and_when_it_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
