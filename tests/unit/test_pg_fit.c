/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves which texts are shortened for a table of PostgreSQL, and to what. The digits of the hash
 * are those of SHA-256 (sha256sum) in base64 with - and _ (RFC 4648 section 5), cut off.
 */
#include "plugins/pgsql/pg_fit.h"
#include "plugins/sql/sql_columns.h"
#include "plugins/sql/sql_fit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_shortened(const char *text, size_t max, const char *expected)
{
    char out[256];
    size_t len = sql_fit_shorten(out, max, text, strlen(text));

    assert_int_equal(len, strlen(expected));
    assert_memory_equal(out, expected, len);
}

static void a_text_becomes_its_beginning_and_a_hash(void **state)
{
    (void)state;
    assert_shortened("123_456_789_1011_1213_1415_1617", 30, "123_456_789_10~-BS45t7IbqFK4A8");
    assert_shortened("123_456_789_1011_1213_1415_1617", 21, "123_456_7~-BS45t7IbqF");
    assert_shortened("123_456_789_1011_1213_1415_1617", 2, "-");
    assert_shortened("123_456_789_1011_1213_1415_1617", 1, "-");
    /* U+00B5 has two bytes: there is no half of it. */
    assert_shortened("\xc2\xb5\xc2\xb5\xc2\xb5\xc2\xb5", 7, "\xc2\xb5~_g90");
    assert_shortened("\xc2\xb5\xc2\xb5\xc2\xb5\xc2\xb5", 5, "~_g9");
}

/* Three texts and a number; an index has 100 bytes for the first two. */
static void expect_maxes(size_t a, size_t b, size_t c, size_t max_a, size_t max_b, size_t max_c)
{
    static char names[][2] = {"a", "b", "c", "n"};
    struct sql_column items[4] = {0};
    struct pg_table_column theirs[4] = {0};
    uint32_t places[] = {0, 1};
    struct pg_room room = {.len = 100, .columns = places, .column_count = 2};
    struct sql_columns columns = {.items = items, .count = 4};
    struct pg_table table = {.columns = theirs, .column_count = 4, .rooms = &room, .room_count = 1};
    size_t lens[] = {a, b, c, 0}, maxes[4];

    for (int i = 0; i < 4; i++)
        items[i].name = theirs[i].name = names[i];
    theirs[2].char_max = 20;
    pg_fit_maxes(&table, &columns, lens, lens, maxes);
    assert_int_equal(maxes[0], max_a);
    assert_int_equal(maxes[1], max_b);
    assert_int_equal(maxes[2], max_c);
    assert_int_equal(maxes[3], PG_FIT_NO_BOUND);
}

static void room_is_shared_when_it_is_short(void **state)
{
    const size_t all = PG_FIT_NO_BOUND;

    (void)state;
    expect_maxes(50, 50, 20, all, all, all);
    expect_maxes(99, 1, 20, all, all, all);
    expect_maxes(100, 1, 21, 50, all, 20);
    expect_maxes(51, 50, 0, 50, all, all);
    expect_maxes(4000, 4000, 4000, 50, 50, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_becomes_its_beginning_and_a_hash),
        cmocka_unit_test(room_is_shared_when_it_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
