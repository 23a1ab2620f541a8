/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that AS paths are decoded, merged with AS4_PATH, measured and printed right. The bytes and
 * the results are worked out by hand from RFC 4271, RFC 5065 and RFC 6793, whose example stands
 * here too. */
#include "bgp/as_path.h"
#include "support/hex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct as_path decode(const char *digits, size_t number_size)
{
    struct hex hex = hex_make(digits);
    struct as_path path = {0};
    assert_true(as_path_is_wellformed(hex.data, hex.len, number_size));
    as_path_decode(&path, hex.data, hex.len, number_size);
    hex_clear(&hex);
    return path;
}

static void expect_text(const struct as_path *path, uint32_t radius, const char *expected)
{
    struct text text = {0};
    as_path_format(path, radius, &text);
    assert_string_equal(text_cstr(&text), expected);
    text_clear(&text);
}

static void sequence_of_either_number_size(void **state)
{
    (void)state;
    struct as_path two = decode("02 03 007b 01c8 0315", 2);
    struct as_path four = decode("02 03 0000007b 000001c8 00000315", 4);

    expect_text(&two, 0, "123_456_789");
    expect_text(&four, 0, "123_456_789");
    assert_int_equal(as_path_first(&two, false), 123);
    assert_int_equal(as_path_origin(&two), 789);
    assert_int_equal(as_path_len(&two), 3);
    as_path_clear(&two);
    as_path_clear(&four);
}

static void empty_path_has_no_numbers(void **state)
{
    (void)state;
    struct as_path path = decode("", 4);

    expect_text(&path, 0, "");
    assert_int_equal(as_path_first(&path, false), 0);
    assert_int_equal(as_path_origin(&path), 0);
    assert_int_equal(as_path_len(&path), 0);
    as_path_clear(&path);
}

static void set_counts_one_and_is_sorted(void **state)
{
    (void)state;
    struct as_path path = decode("02 01 0064  01 04 0003 0001 0002 0001", 2);

    expect_text(&path, 0, "100_{1,2,3}");
    assert_int_equal(as_path_len(&path), 2);
    assert_int_equal(as_path_origin(&path), 0);
    as_path_clear(&path);
}

static void confederation_segments_do_not_count(void **state)
{
    (void)state;
    /* RFC 5065 section 5.3 */
    struct as_path path = decode("03 02 fde9 fdea  04 02 0005 0004  02 01 0064", 2);

    expect_text(&path, 0, "(65001_65002)_[4,5]_100");
    assert_int_equal(as_path_len(&path), 1);
    assert_int_equal(as_path_first(&path, false), 65001);
    assert_int_equal(as_path_first(&path, true), 100);
    as_path_clear(&path);
}

static void long_path_in_two_segments_is_one_sequence(void **state)
{
    (void)state;
    struct as_path split = decode("02 01 0001  02 02 0002 0003", 2);

    assert_int_equal(split.segment_count, 1);
    expect_text(&split, 0, "1_2_3");
    as_path_clear(&split);
}

static void radius_cuts_after_so_many_hops(void **state)
{
    (void)state;
    struct as_path path = decode("02 03 0001 0002 0003  01 02 0004 0005", 2);

    expect_text(&path, 1, "1");
    expect_text(&path, 3, "1_2_3");
    expect_text(&path, 4, "1_2_3_{4,5}");
    expect_text(&path, 9, "1_2_3_{4,5}");
    as_path_clear(&path);
}

static void malformed_paths_are_known(void **state)
{
    (void)state;
    /* RFC 7606 section 7.2 lists these: unknown type, overrun, underrun, empty segment. */
    static const char *const bad[] = {"05 01 0001", "00 01 0001", "02 02 0001",
                                      "02",         "02 00",      "02 01 0001 02"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hex hex = hex_make(bad[i]);
        assert_false(as_path_is_wellformed(hex.data, hex.len, 2));
        hex_clear(&hex);
    }
}

static void expect_merge(const char *as_path, const char *as4_path, const char *expected)
{
    struct as_path path = decode(as_path, 2), as4 = decode(as4_path, 4), scratch = {0};

    as_path_merge(&path, &as4, &scratch);
    expect_text(&path, 0, expected);
    as_path_clear(&path);
    as_path_clear(&as4);
    as_path_clear(&scratch);
}

static void as4_path_replaces_the_tail(void **state)
{
    (void)state;
    /* RFC 6793 section 4.2.3: 275 250 225 23456 23456 200 175 with AS4_PATH 202222 201111 200
     * 175 */
    expect_merge("02 07 0113 00fa 00e1 5ba0 5ba0 00c8 00af",
                 "02 04 000315ee 00031197 000000c8 000000af", "275_250_225_202222_201111_200_175");
}

static void as4_path_of_the_same_length_replaces_all(void **state)
{
    (void)state;
    expect_merge("02 02 5ba0 00c8", "02 02 000315ee 000000c8", "202222_200");
}

static void longer_as4_path_is_ignored(void **state)
{
    (void)state;
    expect_merge("02 01 5ba0", "02 02 000315ee 000000c8", "23456");
}

static void merge_keeps_sets_and_confederations(void **state)
{
    (void)state;
    /* A set counts as one hop, and the confederation in front stays. */
    expect_merge("03 01 fde9  02 01 5ba0  01 02 0001 0002",
                 "02 01 000315ee  01 02 00000001 00000002", "(65001)_202222_{1,2}");
    /* Confederation segments must not be in an AS4_PATH (section 6), so they are left out and not
     * counted. */
    expect_merge("02 02 0007 5ba0", "03 01 0000fde9  02 01 000315ee", "7_202222");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequence_of_either_number_size),
        cmocka_unit_test(empty_path_has_no_numbers),
        cmocka_unit_test(set_counts_one_and_is_sorted),
        cmocka_unit_test(confederation_segments_do_not_count),
        cmocka_unit_test(long_path_in_two_segments_is_one_sequence),
        cmocka_unit_test(radius_cuts_after_so_many_hops),
        cmocka_unit_test(malformed_paths_are_known),
        cmocka_unit_test(as4_path_replaces_the_tail),
        cmocka_unit_test(as4_path_of_the_same_length_replaces_all),
        cmocka_unit_test(longer_as4_path_is_ignored),
        cmocka_unit_test(merge_keeps_sets_and_confederations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
