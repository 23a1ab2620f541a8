/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that addresses and prefixes are parsed, compared and written right. Expected texts are
 * those of RFC 5952 sections 4 and 5; for random addresses inet_ntop(3) is the reference. */
#include "base/address.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ip_addr parsed(const char *text)
{
    struct ip_addr a;
    assert_int_equal(ip_addr_parse(text, &a), 0);
    return a;
}

static void assert_formats_as(const char *text, const char *expected)
{
    struct ip_addr a = parsed(text);
    char out[IP_TEXT_LEN];
    size_t len = ip_addr_format(&a, out);
    assert_string_equal(out, expected);
    assert_int_equal(len, strlen(expected));
}

static void ipv6_text_follows_rfc_5952(void **state)
{
    (void)state;
    assert_formats_as("2001:0db8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1"); /* 4.1, 4.2.1 */
    assert_formats_as("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");             /* 4.2.2 */
    assert_formats_as("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");        /* 4.2.3: the longest */
    assert_formats_as("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");  /* 4.2.3: the first */
    assert_formats_as("2001:DB8:AAAA::BBBB", "2001:db8:aaaa::bbbb"); /* 4.3 */
    assert_formats_as("::ffff:192.0.2.1", "::ffff:192.0.2.1");       /* 5 */
    assert_formats_as("::", "::");
    assert_formats_as("::1", "::1");
    assert_formats_as("1::", "1::");
    assert_formats_as("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void every_octet_formats_in_every_place(void **state)
{
    (void)state;
    for (unsigned place = 0; place < 4; place++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[4] = {0};
            char out[IP_TEXT_LEN], expected[INET_ADDRSTRLEN];
            bytes[place] = (uint8_t)value;
            struct ip_addr a = ip_addr_v4(bytes);
            inet_ntop(AF_INET, bytes, expected, sizeof expected);
            assert_int_equal(ip_addr_format(&a, out), strlen(expected));
            assert_string_equal(out, expected);
        }
    }
}

static void random_ipv6_formats_as_inet_ntop_and_back(void **state)
{
    (void)state;
    srandom(1);
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[16];
        char out[IP_TEXT_LEN], expected[INET6_ADDRSTRLEN];
        for (int j = 0; j < 16; j += 2) {
            /* many zero groups, so that runs of all lengths and places come up */
            uint16_t group = random() & 1   ? 0
                             : random() & 1 ? 0xffff
                                            : (uint16_t)(random() >> (random() & 15));
            bytes[j] = (uint8_t)(group >> 8);
            bytes[j + 1] = (uint8_t)group;
        }
        struct ip_addr a = ip_addr_v6(bytes);
        inet_ntop(AF_INET6, bytes, expected, sizeof expected);
        ip_addr_format(&a, out);
        assert_string_equal(out, expected);
        struct ip_addr back = parsed(out);
        assert_memory_equal(&back, &a, sizeof a);
    }
}

static void no_address_is_the_empty_text(void **state)
{
    (void)state;
    struct ip_addr none = {0};
    char out[IP_TEXT_LEN] = "x";
    assert_int_equal(ip_addr_format(&none, out), 0);
    assert_string_equal(out, "");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    struct ip_addr a;
    static const char *const wrong[] = {"",    "1.2.3",   "1.2.3.256", "1.2.3.4 ",
                                        ":::", "1::2::3", "g::",       "fe80::1%eth0"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(ip_addr_parse(wrong[i], &a), -EINVAL);
}

static void mapped_and_plain_ipv4_are_the_same_place(void **state)
{
    (void)state;
    struct ip_addr v4 = parsed("192.0.2.1"), mapped = parsed("::ffff:192.0.2.1"),
                   v6 = parsed("2001:db8::1");
    struct ip_addr none = {0}, any = parsed("::");
    assert_true(ip_addr_equal(&v4, &mapped));
    assert_true(ip_addr_hash(&v4) == ip_addr_hash(&mapped));
    assert_int_equal(ip_addr_compare(&v4, &mapped), 0);
    assert_false(ip_addr_equal(&none, &any));
    assert_true(ip_addr_compare(&none, &v4) < 0 && ip_addr_compare(&v4, &v6) < 0);
    assert_true(ip_addr_compare(&v4, &any) < 0); /* by family before bytes */
    assert_true(ip_addr_compare(&v6, &v4) > 0);
}

static void zero_is_none_and_both_any_addresses(void **state)
{
    (void)state;
    struct ip_addr none = {0}, any4 = parsed("0.0.0.0"), any6 = parsed("::"),
                   one = parsed("0.0.0.1");
    struct ip_addr loopback = parsed("::1"), high = parsed("8000::");
    assert_true(ip_addr_is_zero(&none) && ip_addr_is_zero(&any4) && ip_addr_is_zero(&any6));
    assert_false(ip_addr_is_zero(&one) || ip_addr_is_zero(&loopback) || ip_addr_is_zero(&high));
}

static void mask_clears_the_host_bits_of_every_length(void **state)
{
    (void)state;
    struct ip_addr all4 = parsed("255.255.255.255"),
                   all6 = parsed("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    for (unsigned len = 0; len <= 140; len++) {
        struct ip_addr m4 = ip_addr_mask(&all4, len), m6 = ip_addr_mask(&all6, len);
        unsigned ones4 = 0, ones6 = 0;
        assert_memory_equal(m4.bytes, all4.bytes, 12); /* ::ffff stays */
        for (unsigned bit = 0; bit < 128; bit++) {
            bool is_set6 = m6.bytes[bit / 8] >> (7 - bit % 8) & 1;
            assert_int_equal(is_set6, bit < len);
            ones6 += is_set6;
        }
        for (unsigned bit = 0; bit < 32; bit++) {
            bool is_set4 = m4.bytes[12 + bit / 8] >> (7 - bit % 8) & 1;
            assert_int_equal(is_set4, bit < len);
            ones4 += is_set4;
        }
        assert_int_equal(ones4, len < 32 ? len : 32);
        assert_int_equal(ones6, len < 128 ? len : 128);
    }
}

static void prefixes_parse_and_format(void **state)
{
    (void)state;
    struct ip_prefix p;
    char out[IP_PREFIX_TEXT_LEN];
    static const char *const right[] = {"192.0.2.0/24",  "0.0.0.0/0", "192.0.2.1/32",
                                        "2001:db8::/32", "::/0",      "10.128.0.0/9"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(ip_prefix_parse(right[i], &p), 0);
        assert_int_equal(ip_prefix_format(&p, out), strlen(right[i]));
        assert_string_equal(out, right[i]);
    }
    assert_int_equal(ip_prefix_parse("192.0.2.1", &p), 0);
    assert_int_equal(p.len, 32);
    assert_int_equal(ip_prefix_parse("2001:db8::1", &p), 0);
    assert_int_equal(p.len, 128);
}

static void malformed_prefixes_and_host_bits_are_told_apart(void **state)
{
    (void)state;
    struct ip_prefix p, expected;
    static const char *const wrong[] = {"192.0.2.0/33", "192.0.2.0/",     "192.0.2.0/+8",
                                        "192.0.2.0/8 ", "192.0.2/24",     "2001:db8::/129",
                                        "/8",           "192.0.2.0/0024", "192.0.2.0/8/8"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(ip_prefix_parse(wrong[i], &p), -EINVAL);
    assert_int_equal(ip_prefix_parse("192.0.2.1/24", &p), -ERANGE);
    assert_int_equal(ip_prefix_parse("2001:db8::1/64", &p), -ERANGE);
    assert_int_equal(ip_network_parse("2001:db8::1/64", &p), 0);
    assert_int_equal(ip_prefix_parse("2001:db8::/64", &expected), 0);
    assert_true(ip_prefix_equal(&p, &expected));
    assert_int_equal(ip_network_parse("192.0.2.1/33", &p), -EINVAL);
}

static void prefix_contains_its_addresses_of_its_family(void **state)
{
    (void)state;
    struct ip_prefix p, all6;
    struct ip_addr in = parsed("10.255.0.1"), out = parsed("11.0.0.0"),
                   mapped = parsed("::ffff:10.0.0.1"), none = {0};
    assert_int_equal(ip_prefix_parse("10.0.0.0/8", &p), 0);
    assert_int_equal(ip_prefix_parse("::/0", &all6), 0);
    assert_true(ip_prefix_contains(&p, &in));
    assert_false(ip_prefix_contains(&p, &out));
    assert_false(ip_prefix_contains(&p, &mapped));
    assert_false(ip_prefix_contains(&all6, &in));
    assert_false(ip_prefix_contains(&all6, &none));
    assert_true(ip_prefix_contains(&all6, &mapped));
    assert_true(ip_prefix_equal(&p, &p));
    assert_false(ip_prefix_equal(&p, &all6));
}

static void sockaddr_round_trip_unmaps_ipv4(void **state)
{
    (void)state;
    struct sockaddr_storage sa;
    struct ip_addr a, mapped = parsed("::ffff:192.0.2.1"), v6 = parsed("2001:db8::1"),
                      v4 = parsed("192.0.2.1");
    uint16_t port;
    assert_int_equal(ip_addr_to_sockaddr(&mapped, 2100, &sa), sizeof(struct sockaddr_in6));
    assert_int_equal(ip_addr_from_sockaddr(&sa, &a, &port), 0);
    assert_memory_equal(&a, &v4, sizeof a);
    assert_int_equal(port, 2100);
    assert_int_equal(ip_addr_to_sockaddr(&v4, 179, &sa), sizeof(struct sockaddr_in));
    assert_int_equal(ip_addr_from_sockaddr(&sa, &a, &port), 0);
    assert_memory_equal(&a, &v4, sizeof a);
    assert_int_equal(port, 179);
    ip_addr_to_sockaddr(&v6, 1, &sa);
    assert_int_equal(ip_addr_from_sockaddr(&sa, &a, &port), 0);
    assert_memory_equal(&a, &v6, sizeof a);
    sa.ss_family = AF_UNIX;
    assert_int_equal(ip_addr_from_sockaddr(&sa, &a, &port), -EAFNOSUPPORT);
}

static void mac_addresses_parse_and_format(void **state)
{
    (void)state;
    struct mac_addr m;
    char out[MAC_TEXT_LEN];
    assert_int_equal(mac_addr_parse("00:1B:2c:D:ff:09", &m), 0);
    assert_int_equal(mac_addr_format(&m, out), 17);
    assert_string_equal(out, "00:1b:2c:0d:ff:09");
    static const char *const wrong[] = {"",
                                        "00:11:22:33:44",
                                        "00:11:22:33:44:55:66",
                                        "00:11:22:33:44:5g",
                                        "001122334455",
                                        "00:11:22:33:44:555",
                                        ":00:11:22:33:44:55"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(mac_addr_parse(wrong[i], &m), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv6_text_follows_rfc_5952),
        cmocka_unit_test(every_octet_formats_in_every_place),
        cmocka_unit_test(random_ipv6_formats_as_inet_ntop_and_back),
        cmocka_unit_test(no_address_is_the_empty_text),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(mapped_and_plain_ipv4_are_the_same_place),
        cmocka_unit_test(zero_is_none_and_both_any_addresses),
        cmocka_unit_test(mask_clears_the_host_bits_of_every_length),
        cmocka_unit_test(prefixes_parse_and_format),
        cmocka_unit_test(malformed_prefixes_and_host_bits_are_told_apart),
        cmocka_unit_test(prefix_contains_its_addresses_of_its_family),
        cmocka_unit_test(sockaddr_round_trip_unmaps_ipv4),
        cmocka_unit_test(mac_addresses_parse_and_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
