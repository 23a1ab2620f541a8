/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that communities are printed as pmacct prints them in flows, and which ones a pattern
 * chooses. Bytes are made by hand from RFC 1997, RFC 4360, RFC 5668 and RFC 8092. */
#include "bgp/community.h"
#include "support/hex.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect(enum community_kind kind, const char *digits, const char *pattern_list,
                   bool numeric, const char *expected)
{
    struct hex hex = hex_make(digits);
    struct community_patterns patterns;
    struct text text = {0};

    assert_int_equal(community_patterns_parse(pattern_list, &patterns), 0);
    size_t count = community_sort(kind, hex.data, hex.len / community_sizes[kind]);
    community_format(kind, hex.data, count, &patterns, numeric, &text);
    assert_string_equal(text_cstr(&text), expected);
    text_clear(&text);
    community_patterns_clear(&patterns);
    hex_clear(&hex);
}

static void standard_ones_are_sorted_and_unique(void **state)
{
    (void)state;
    expect(COMMUNITY_STANDARD, "0b5ac738 0b5a0001 0b5ac738", NULL, false, "2906:1_2906:51000");
}

static void well_known_ones_have_names_unless_numeric(void **state)
{
    (void)state;
    const char *digits = "00000000 ffffff01 ffffff02 ffffff03 ffff029a";

    expect(COMMUNITY_STANDARD, digits, NULL, false,
           "internet_65535:666_no-export_no-advertise_local-AS");
    expect(COMMUNITY_STANDARD, digits, NULL, true,
           "0:0_65535:666_65535:65281_65535:65282_65535:65283");
}

static void extended_ones_by_type(void **state)
{
    (void)state;
    /* RFC 4360: two-octet AS route target 1:2 and site of origin 3:4; IPv4 target 10.0.0.1:5; RFC
     * 5668: four-octet AS target 70000:6; an opaque one */
    expect(COMMUNITY_EXTENDED,
           "0002000100000002 0003000300000004 01020a0000010005 0202000111700006 030b000000000001",
           NULL, false, "RT:1:2_SoO:3:4_RT:10.0.0.1:5_RT:70000:6_EC:0x030b000000000001");
    expect(COMMUNITY_EXTENDED, "0002000100000002", NULL, true, "1:2");
}

static void large_ones_have_three_numbers(void **state)
{
    (void)state;
    expect(COMMUNITY_LARGE, "00000b5a0000000100000002 ffffffff00000000ffffffff", NULL, false,
           "2906:1:2_4294967295:0:4294967295");
}

static void pattern_without_dots_is_a_substring(void **state)
{
    (void)state;
    /* 12345 = 0x3039; 64, 640 and 6400 contain 12345:64, 12345:7 does not */
    expect(COMMUNITY_STANDARD, "30390040 30390280 30391900 30390007", "12345:64", false,
           "12345:64_12345:640_12345:6400");
}

static void dots_are_single_characters_of_the_whole(void **state)
{
    (void)state;
    /* 64000 = 0xfa00 */
    expect(COMMUNITY_STANDARD, "30390040 3039fa00 3039fa01", "12345:64...", false,
           "12345:64000_12345:64001");
}

static void patterns_give_the_order(void **state)
{
    (void)state;
    expect(COMMUNITY_STANDARD, "00010001 00010002 00020001", "2:1, 1:", false, "2:1_1:1_1:2");
    expect(COMMUNITY_STANDARD, "00010001", "9:9", false, "");
}

static void no_more_than_sixteen_patterns(void **state)
{
    (void)state;
    struct community_patterns patterns;

    assert_int_equal(community_patterns_parse("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", &patterns),
                     0);
    assert_int_equal(patterns.count, 16);
    community_patterns_clear(&patterns);
    assert_int_equal(
        community_patterns_parse("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", &patterns), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_ones_are_sorted_and_unique),
        cmocka_unit_test(well_known_ones_have_names_unless_numeric),
        cmocka_unit_test(extended_ones_by_type),
        cmocka_unit_test(large_ones_have_three_numbers),
        cmocka_unit_test(pattern_without_dots_is_a_substring),
        cmocka_unit_test(dots_are_single_characters_of_the_whole),
        cmocka_unit_test(patterns_give_the_order),
        cmocka_unit_test(no_more_than_sixteen_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
