/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the NLRI of each family are read, with and without path identifiers, and which are
 * malformed. Bytes are written by hand from the RFC named at each. */
#include "bgp/nlri.h"
#include "support/hex.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect(enum address_family family, bool has_path_id, bool is_withdrawal,
                   const char *digits, const char *expected, uint32_t path_id, uint64_t rd)
{
    struct hex hex = hex_make(digits);
    struct reader field = hex_reader(&hex);
    const struct nlri_format format = {&address_families[family], has_path_id, is_withdrawal};
    struct rib_nlri nlri[2];
    char text[IP_PREFIX_TEXT_LEN];

    assert_int_equal(nlri_read(&field, &format, nlri, 2), 1);
    ip_prefix_format(&nlri[0].prefix, text);
    assert_string_equal(text, expected);
    assert_int_equal(nlri[0].path_id, path_id);
    assert_int_equal(nlri[0].rd, rd);
    hex_clear(&hex);
}

static void expect_bad(enum address_family family, bool has_path_id, const char *digits)
{
    struct hex hex = hex_make(digits);
    struct reader field = hex_reader(&hex);
    const struct nlri_format format = {&address_families[family], has_path_id, false};
    struct rib_nlri nlri[4];

    assert_int_equal(nlri_read(&field, &format, nlri, 4), -EBADMSG);
    hex_clear(&hex);
}

static void prefixes_have_only_the_bytes_they_need(void **state)
{
    (void)state;
    expect(FAMILY_IPV4_UNICAST, false, false, "00", "0.0.0.0/0", 0, 0);
    expect(FAMILY_IPV4_UNICAST, false, false, "18 c0a801", "192.168.1.0/24", 0, 0);
    expect(FAMILY_IPV4_UNICAST, false, false, "20 c0a80107", "192.168.1.7/32", 0, 0);
    expect(FAMILY_IPV6_UNICAST, false, false, "00", "::/0", 0, 0);
    expect(FAMILY_IPV6_UNICAST, false, false, "20 20010db8", "2001:db8::/32", 0, 0);
    expect(FAMILY_IPV6_UNICAST, false, false, "80 20010db8000000000000000000000001",
           "2001:db8::1/128", 0, 0);
}

static void bits_beyond_the_length_are_irrelevant(void **state)
{
    (void)state;
    /* RFC 4271 section 4.3: bits beyond the length do not count; 1001 1111 under /9 keeps its first
     * bit. */
    expect(FAMILY_IPV4_UNICAST, false, false, "09 0a9f", "10.128.0.0/9", 0, 0);
    expect(FAMILY_IPV6_UNICAST, false, false, "1d 20010dbf", "2001:db8::/29", 0, 0);
}

static void path_identifier_comes_first(void **state)
{
    (void)state;
    /* RFC 7911 section 3: an identifier may have any value; OpenBGPD's are often above 2^31. */
    expect(FAMILY_IPV4_UNICAST, true, false, "fffffffe 18 c0a801", "192.168.1.0/24", 4294967294, 0);
    expect(FAMILY_IPV6_UNICAST, true, true, "00000007 00", "::/0", 7, 0);
}

static void labels_count_in_the_length(void **state)
{
    (void)state;
    /* RFC 8277 section 2.2: 24 bits of label 16, bottom of stack, + 24 */
    expect(FAMILY_IPV4_LABELLED, false, false, "30 000101 c0a801", "192.168.1.0/24", 0, 0);
    /* section 2.3: two labels */
    expect(FAMILY_IPV4_LABELLED, false, false, "48 000100 000111 c0a801", "192.168.1.0/24", 0, 0);
    expect(FAMILY_IPV6_LABELLED, true, false, "00000001 38 000101 20010db8", "2001:db8::/32", 1, 0);
}

static void label_of_a_withdrawal_says_nothing(void **state)
{
    (void)state;
    /* RFC 8277 section 2.4: 0x800000, or anything */
    expect(FAMILY_IPV4_LABELLED, false, true, "30 800000 c0a801", "192.168.1.0/24", 0, 0);
    expect(FAMILY_IPV4_LABELLED, false, true, "30 000000 c0a801", "192.168.1.0/24", 0, 0);
}

static void vpn_prefixes_have_a_route_distinguisher(void **state)
{
    (void)state;
    /* RFC 4364: 24 + 64 + 24 bits = 0x70; type 0, AS 65000, number 5 */
    expect(FAMILY_IPV4_VPN, false, false, "70 000101 0000fde800000005 c0a801", "192.168.1.0/24", 0,
           0x0000fde800000005);
    expect(FAMILY_IPV6_VPN, true, false, "00000002 78 000101 00010a0000010007 20010db8",
           "2001:db8::/32", 2, 0x00010a0000010007);
}

static void unreadable_nlri_is_refused(void **state)
{
    (void)state;
    expect_bad(FAMILY_IPV4_UNICAST, false, "21 0a00000000"); /* 33 bits */
    expect_bad(FAMILY_IPV6_UNICAST, false, "81 2001000000000000000000000000000000");
    expect_bad(FAMILY_IPV4_UNICAST, false, "18 c0a8"); /* a byte is missing */
    expect_bad(FAMILY_IPV4_UNICAST, true, "000000");
    expect_bad(FAMILY_IPV4_UNICAST, true, "00000001");
    expect_bad(FAMILY_IPV4_LABELLED, false, "17 0001");          /* 23 bits: no room for a label */
    expect_bad(FAMILY_IPV4_LABELLED, false, "30 000100 c0a800"); /* no bottom of stack */
    expect_bad(FAMILY_IPV4_VPN, false, "57 000101 0000fde8000000"); /* 87 bits: half an RD */
    expect_bad(FAMILY_IPV4_VPN, false, "79 000101 0000fde800000005 0a00000000"); /* 33 bits */
}

static void reading_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct hex hex = hex_make("08 0a 08 0b 08 0c");
    struct reader field = hex_reader(&hex);
    const struct nlri_format format = {&address_families[FAMILY_IPV4_UNICAST], false, false};
    struct rib_nlri nlri[2];

    assert_int_equal(nlri_read(&field, &format, nlri, 2), 2);
    assert_int_equal(nlri_read(&field, &format, nlri, 2), 1);
    assert_int_equal(nlri[0].prefix.addr.bytes[12], 12);
    assert_int_equal(nlri_read(&field, &format, nlri, 2), 0);
    hex_clear(&hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_have_only_the_bytes_they_need),
        cmocka_unit_test(bits_beyond_the_length_are_irrelevant),
        cmocka_unit_test(path_identifier_comes_first),
        cmocka_unit_test(labels_count_in_the_length),
        cmocka_unit_test(label_of_a_withdrawal_says_nothing),
        cmocka_unit_test(vpn_prefixes_have_a_route_distinguisher),
        cmocka_unit_test(unreadable_nlri_is_refused),
        cmocka_unit_test(reading_goes_on_where_it_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
