/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what is said of two readings of the same maps. */
#include "base/text.h"
#include "maps/map_census.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_said(struct map_census *old, struct map_census *now, const char *expected)
{
    struct text text = {0};

    map_census_compare(old, now, &text);
    assert_string_equal(text_cstr(&text), expected);
    text_clear(&text);
    map_census_clear(old);
    map_census_clear(now);
}

static void files_are_wrong_changed_or_the_same(void **state)
{
    struct map_census old = {0}, now = {0};

    (void)state;
    map_census_add(&old, "a", 1, 10, false);
    map_census_add(&old, "b", 2, 20, false);
    map_census_add(&old, "c", 3, 30, false);
    map_census_add(&old, "d", 4, 40, false);
    map_census_add(&now, "a", 1, 10, false);
    map_census_add(&now, "b", 9, 20, false); /* as many, but others */
    map_census_add(&now, "c", 8, 0, true);
    map_census_add(&now, "d", 7, 41, false);
    assert_said(
        &old, &now,
        "1 wrong (c), 2 changed (b: 20 entries, now 20; d: 40 entries, now 41), 1 the same");
}

static void a_file_that_was_not_there_has_no_number_of_before(void **state)
{
    struct map_census old = {0}, now = {0};

    (void)state;
    map_census_add(&now, "a", 1, 10, false);
    assert_said(&old, &now, "1 changed (a: 10 entries)");
    map_census_add(&old, "other", 1, 10, false);
    map_census_add(&now, "a", 1, 10, false);
    assert_said(&old, &now, "1 changed (a: 10 entries)");
}

static void a_database_has_no_entries(void **state)
{
    struct map_census old = {0}, now = {0};

    (void)state;
    map_census_add(&old, "places.mmdb", 1, 0, false);
    map_census_add(&now, "places.mmdb", 2, 0, false);
    assert_said(&old, &now, "1 changed (places.mmdb)");
    assert_said(&old, &now, "");
}

static void only_ten_are_named(void **state)
{
    struct map_census old = {0}, now = {0};

    (void)state;
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        map_census_add(&now, name, 0, 0, true);
    }
    assert_said(&old, &now, "12 wrong (0; 1; 2; 3; 4; 5; 6; 7; 8; 9; ...)");
    map_census_add(NULL, "nobody asks", 0, 0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_wrong_changed_or_the_same),
        cmocka_unit_test(a_file_that_was_not_there_has_no_number_of_before),
        cmocka_unit_test(a_database_has_no_entries),
        cmocka_unit_test(only_ten_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
