/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that problems come in the order of the lines that they are about, and none gets lost. */
#include "base/text.h"
#include "daemon/problem_list.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_sorted(const char *lines, size_t count, const char *expected)
{
    struct text text = {0};

    text_append_string(&text, lines);
    assert_int_equal(problem_list_sort(&text), count);
    assert_string_equal(text_cstr(&text), expected);
    text_clear(&text);
}

static void lines_stand_in_the_order_of_files_and_numbers(void **state)
{
    (void)state;
    assert_sorted("a.conf:10: second\nb.map:2: of the other\na.conf:9: first\n"
                  "no place\nb.map:1: before\na.conf:10: third\n",
                  6,
                  "a.conf:9: first\na.conf:10: second\na.conf:10: third\n"
                  "b.map:1: before\nb.map:2: of the other\nno place\n");
}

static void what_only_looks_like_a_place_is_none(void **state)
{
    (void)state;
    assert_sorted("a:2: x\nkey: '1:1' is odd\n12:30 is a time\n:5: no file\na:1: y: 7: z\n", 5,
                  "a:1: y: 7: z\na:2: x\nkey: '1:1' is odd\n12:30 is a time\n:5: no file\n");
}

static void nothing_stays_nothing(void **state)
{
    (void)state;
    assert_sorted("", 0, "");
    assert_sorted("\n\n", 2, "\n\n");
    assert_sorted("a:2: x\na:1: without an end", 2, "a:1: without an end\na:2: x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_stand_in_the_order_of_files_and_numbers),
        cmocka_unit_test(what_only_looks_like_a_place_is_none),
        cmocka_unit_test(nothing_stays_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
