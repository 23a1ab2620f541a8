/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that attributes and prefixes are written as RFC 6396 section 4.3.4 has them, also those of
 * sessions with AS numbers of two octets (RFC 6793). Bytes are made by hand from the RFCs. */
#include "bgp/mrt_attrs.h"
#include "support/hex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN "40 01 01 00 "

static void assert_written(bool has_four_octet_as, const char *received, const struct ip_addr *hop,
                           enum address_family family, const char *expected)
{
    static const struct attr_text_settings settings = {.keeps_received = true};
    struct attr_context context = {.features.has_four_octet_as = has_four_octet_as};
    struct rcu *rcu = rcu_new(1);
    struct attr_store *store = attr_store_new(rcu, &settings);
    struct mrt_attrs_scratch scratch = {0};
    struct hex hex = hex_make(received), expected_hex = hex_make(expected);
    struct reader r = hex_reader(&expected_hex);
    struct attr_list list;
    struct text out = {0};

    attr_list_parse(hex_reader(&hex), &context, &list);
    assert_int_equal(list.outcome, ATTR_OUTCOME_OK);
    struct path_attrs *attrs = attr_store_intern(store, &list, &context, hop);
    text_append_string(&out, "what was there");
    const struct attr_received kept = attr_store_received(attrs);
    mrt_attrs_write(&out, &kept, &attrs->next_hop, &address_families[family], &scratch);
    assert_int_equal(out.len, reader_left(&r));
    assert_memory_equal(out.data, r.pos, out.len);
    attr_store_unref(store, attrs);
    attr_store_free(store);
    rcu_free(rcu);
    mrt_attrs_scratch_clear(&scratch);
    text_clear(&out);
    hex_clear(&hex);
    hex_clear(&expected_hex);
}

static const struct ip_addr hop_v4 = {{[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, IP_V4};
static const struct ip_addr hop_v6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, IP_V6};

static void next_hops_are_those_of_the_family(void **state)
{
    (void)state;
    assert_written(true, ORIGIN "40 02 00 40 03 04 c0000201", &hop_v4, FAMILY_IPV4_UNICAST,
                   ORIGIN "40 02 00 40 03 04 c0000201");
    assert_written(true, ORIGIN "40 02 00", &hop_v6, FAMILY_IPV6_UNICAST,
                   ORIGIN "40 02 00 80 0e 11 10 20010db8000000000000000000000001");
    assert_written(true, ORIGIN "40 02 00", &hop_v6, FAMILY_IPV4_UNICAST,
                   ORIGIN "40 02 00 80 0e 11 10 20010db8000000000000000000000001");
    assert_written(true, ORIGIN "40 02 00", &hop_v4, FAMILY_IPV4_VPN,
                   ORIGIN "40 02 00 80 0e 0d 0c 0000000000000000 c0000201");
}

static void narrow_numbers_become_wide(void **state)
{
    (void)state;
    /* AS_PATH 100 AS_TRANS 200, AGGREGATOR 100. */
    assert_written(false, ORIGIN "40 02 08 02 03 0064 5ba0 00c8 c0 07 06 0064 01020304", &hop_v4,
                   FAMILY_IPV4_UNICAST,
                   ORIGIN "40 02 0e 02 03 00000064 00005ba0 000000c8 c0 07 08 00000064 01020304"
                          "40 03 04 c0000201");
    /* With AS4_PATH 400000 200 and AS4_AGGREGATOR 400000. */
    assert_written(false,
                   ORIGIN
                   "40 02 08 02 03 0064 5ba0 00c8 c0 07 06 5ba0 01020304"
                   "c0 11 0a 02 02 00061a80 000000c8 c0 12 08 00061a80 01020304 80 04 04 00000007",
                   &hop_v4, FAMILY_IPV4_UNICAST,
                   ORIGIN "80 04 04 00000007"
                          "40 02 0e 02 03 00000064 00061a80 000000c8 c0 07 08 00061a80 01020304"
                          "40 03 04 c0000201");
}

static void long_paths_have_several_segments(void **state)
{
    char received[8192], expected[16384];
    size_t at = 0, to = 0;

    (void)state;
    /* Two sequences of 200 are one of 400, which takes two segments again. */
    at += (size_t)snprintf(received, sizeof received, ORIGIN "50 02 0324");
    to += (size_t)snprintf(expected, sizeof expected, ORIGIN "50 02 0644");
    for (unsigned i = 0; i < 400; i++) {
        if (i % 200 == 0)
            at += (size_t)snprintf(received + at, sizeof received - at, "02c8");
        if (i % 255 == 0)
            to += (size_t)snprintf(expected + to, sizeof expected - to, i == 0 ? "02ff" : "0291");
        at += (size_t)snprintf(received + at, sizeof received - at, "%04x", i + 1);
        to += (size_t)snprintf(expected + to, sizeof expected - to, "%08x", i + 1);
    }
    snprintf(expected + to, sizeof expected - to, "40 03 04 c0000201");
    assert_written(false, received, &hop_v4, FAMILY_IPV4_UNICAST, expected);
}

static void prefixes_have_the_form_of_the_family(void **state)
{
    static const struct {
        enum address_family family;
        const char *prefix, *expected;
    } rows[] = {{FAMILY_IPV4_UNICAST, "203.0.113.0/24", "18 cb0071"},
                {FAMILY_IPV4_UNICAST, "0.0.0.0/0", "00"},
                {FAMILY_IPV6_LABELLED, "2001:db8::/32", "38 800000 20010db8"},
                {FAMILY_IPV4_VPN, "203.0.113.0/25", "71 800000 0000fde800000001 cb007100"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hex hex = hex_make(rows[i].expected);
        struct reader r = hex_reader(&hex);
        struct ip_prefix prefix;
        uint8_t nlri[NLRI_SIZE_MAX];
        assert_int_equal(ip_prefix_parse(rows[i].prefix, &prefix), 0);
        size_t len =
            mrt_nlri_write(nlri, &address_families[rows[i].family], 0x0000fde800000001, &prefix);
        assert_int_equal(len, reader_left(&r));
        assert_memory_equal(nlri, r.pos, len);
        hex_clear(&hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_hops_are_those_of_the_family),
        cmocka_unit_test(narrow_numbers_become_wide),
        cmocka_unit_test(long_paths_have_several_segments),
        cmocka_unit_test(prefixes_have_the_form_of_the_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
