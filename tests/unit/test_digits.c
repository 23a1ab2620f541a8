/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that numbers become the digits that snprintf(3) gives: every value of up to six digits,
 * and random ones of every length. */
#include "base/digits.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(uint64_t value)
{
    char out[DIGITS_ROOM], expected[32];

    *digits_put(out, value) = '\0';
    snprintf(expected, sizeof expected, "%" PRIu64, value);
    assert_string_equal(out, expected);
}

static void digits_are_those_of_printf(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 1000000; value++)
        check(value);
    for (int bits = 20; bits <= 64; bits++) {
        for (int n = 0; n < 1000; n++)
            check(((uint64_t)rand() << 33 ^ (uint64_t)rand() << 12 ^ (uint64_t)rand()) >>
                  (64 - bits));
    }
    for (uint64_t power = 10; power <= UINT64_MAX / 10; power *= 10) {
        check(power - 1);
        check(power);
    }
    check(UINT64_MAX);
}

static void fixed_digits_keep_their_zeros(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 1000000; value++) {
        char out[DIGITS_ROOM], expected[16];
        *digits_put_fixed(out, value, 6) = '\0';
        snprintf(expected, sizeof expected, "%06u", value);
        assert_string_equal(out, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_are_those_of_printf),
        cmocka_unit_test(fixed_digits_keep_their_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
