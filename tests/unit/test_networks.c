/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what rows of networks_file say, which are refused and why, and that the longest prefix speaks
 * for an address: the reference is a list that is searched from one end to the other. */
#include "base/text.h"
#include "maps/networks.h"
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct networks *parse(const char *rows)
{
    struct networks *networks = NULL;
    struct text errors = {0};

    if (networks_parse("n", rows, strlen(rows), &errors, &networks) < 0)
        fail_msg("%s", text_cstr(&errors));
    assert_int_equal(errors.len, 0);
    text_clear(&errors);
    return networks;
}

/* Asserts what is said of an address: "LENGTH AS PEER NEXTHOP", or "none". */
static void assert_says(const struct networks *networks, const char *address, const char *expected)
{
    struct ip_addr addr;
    struct text found = {0};

    assert_int_equal(ip_addr_parse(address, &addr), 0);
    struct prefix_match match;
    networks_ask(networks, &addr, &match);
    networks_find(networks, &match, 1);
    const struct network *network = networks_answer(networks, &match);
    if (network) {
        char next_hop[IP_TEXT_LEN];
        ip_addr_format(&network->next_hop, next_hop);
        text_append_printf(&found, "%u %" PRIu32 " %" PRIu32 " %s", match.len, network->as,
                           network->peer_as, next_hop);
    } else {
        text_append_string(&found, "none");
    }
    assert_string_equal(text_cstr(&found), expected);
    text_clear(&found);
}

static void each_form_of_a_row_is_read(void **state)
{
    struct networks *n = parse("! a comment\n"
                               "# another\n"
                               "\n"
                               " 10.1.0.0/16\r\n"
                               "64502,10.2.0.0/16\n"
                               "64601_64501,10.3.0.0/16\n"
                               "192.0.2.1,64502,10.4.0.0/16\n"
                               "2001:db8::1,64601_64501,10.5.0.0/16\n"
                               "192.0.2.1 , 64502 , 10.6.0.0 /16\n"
                               "64610_,10.7.0.0/16\n"
                               "_64510,10.8.0.0/16\n"
                               ",,10.9.0.0/16\n"
                               "192.0.2.1,,10.10.0.0/16\n"
                               ",64511,10.11.0.0/16\n"
                               "whatever,192.0.2.1,64512,10.12.0.0/16\n"
                               "4200000000,10.13.0.0/16\n"
                               "64514,10.14.1.2/16\n"
                               "0.0.0.0,64515,10.15.0.0/16\n"
                               "64516,2001:db8::/32\n"
                               "192.0.2.1,64517,2001:db8:1::1/48\n"
                               "64518,198.51.100.7/32");

    (void)state;
    assert_int_equal(networks_count(n), 18);
    assert_says(n, "10.1.0.1", "16 0 0 ");
    assert_says(n, "10.2.255.255", "16 64502 0 ");
    assert_says(n, "10.3.0.1", "16 64501 64601 ");
    assert_says(n, "10.4.0.1", "16 64502 0 192.0.2.1");
    assert_says(n, "10.5.0.1", "16 64501 64601 2001:db8::1");
    assert_says(n, "10.6.0.1", "16 64502 0 192.0.2.1");
    assert_says(n, "10.7.0.1", "16 0 64610 ");
    assert_says(n, "10.8.0.1", "16 64510 0 ");
    assert_says(n, "10.9.0.1", "16 0 0 ");
    assert_says(n, "10.10.0.1", "16 0 0 192.0.2.1");
    assert_says(n, "10.11.0.1", "16 64511 0 ");
    assert_says(n, "10.12.0.1", "16 64512 0 192.0.2.1");
    assert_says(n, "10.13.0.1", "16 4200000000 0 ");
    assert_says(n, "10.14.255.1", "16 64514 0 ");
    assert_says(n, "10.15.0.1", "16 64515 0 0.0.0.0");
    assert_says(n, "2001:db8::1", "32 64516 0 ");
    assert_says(n, "2001:db8:1::9", "48 64517 0 192.0.2.1");
    assert_says(n, "198.51.100.7", "32 64518 0 ");
    assert_says(n, "198.51.100.8", "none");
    assert_says(n, "2001:db9::1", "none");
    networks_free(n);
}

static void the_longest_prefix_speaks_and_of_equal_ones_the_last_row(void **state)
{
    struct networks *n = parse("1,0.0.0.0/0\n"
                               "2,10.0.0.0/8\n"
                               "3,10.0.0.0/8\n"
                               "4,10.0.0.1/32\n"
                               "5,10.0.0.0/9\n"
                               "6,::/0\n");

    (void)state;
    assert_int_equal(networks_count(n), 5);
    assert_says(n, "192.0.2.1", "0 1 0 ");
    assert_says(n, "10.255.0.1", "8 3 0 ");
    assert_says(n, "10.0.0.2", "9 5 0 ");
    assert_says(n, "10.0.0.1", "32 4 0 ");
    assert_says(n, "2001:db8::1", "0 6 0 ");
    networks_free(n);
}

/* Asserts that a file is refused and that its errors are of these lines, written as "3,7,". */
static void assert_refused(const char *rows, size_t len, const char *lines)
{
    struct networks *networks;
    struct text errors = {0}, found = {0};

    assert_int_equal(networks_parse("n", rows, len, &errors, &networks), -EINVAL);
    for (const char *error = text_cstr(&errors); *error; error = strchr(error, '\n') + 1) {
        assert_true(strncmp(error, "n:", 2) == 0);
        text_append_printf(&found, "%lu,", strtoul(error + 2, NULL, 10));
        assert_non_null(strchr(error, ';'));
    }
    assert_string_equal(text_cstr(&found), lines);
    text_clear(&errors);
    text_clear(&found);
}

static void all_errors_of_a_file_are_told_at_once(void **state)
{
    static const char rows[] = "10.1.0.0\n"                 /* no length */
                               "10.2.0.0/33\n"              /* too long */
                               "10.3.0.0/16\n"              /* good */
                               "10.4.0.0/x\n"               /* no number */
                               "10.5.0.0/\n"                /* nothing */
                               "AS64500,10.6.0.0/16\n"      /* no number */
                               "1.10,10.7.0.0/16\n"         /* dotted */
                               "4294967296,10.8.0.0/16\n"   /* beyond 32 bits */
                               "-5,10.9.0.0/16\n"           /* negative */
                               "1_2_3,10.10.0.0/16\n"       /* three of them */
                               "192.0.2.1,10.11.0.0/16\n"   /* a next hop needs the AS's place */
                               "nowhere,1,10.12.0.0/16\n"   /* no address */
                               "192.0.2.1 1 10.13.0.0/16\n" /* no commas */
                               "1,10.14.0.0/16 ! no\n"      /* comments are rows of their own */
                               "1,10.15.0.0/16,\n"          /* nothing behind the last comma */
                               "1,2001:db8::/129\n"         /* too long */
                               ",\n";

    (void)state;
    assert_refused(rows, sizeof rows - 1, "1,2,4,5,6,7,8,9,10,11,12,13,14,15,16,17,");
}

static void a_file_with_a_zero_byte_is_refused(void **state)
{
    static const char rows[] = "1,10.0.0.0/8\n\0002,11.0.0.0/8\n";
    struct networks *networks;
    struct text errors = {0};

    (void)state;
    assert_int_equal(networks_parse("n", rows, sizeof rows - 1, &errors, &networks), -EINVAL);
    assert_string_equal(text_cstr(&errors), "n: a zero byte; this is not a text file\n");
    text_clear(&errors);
}

static void an_empty_file_says_nothing(void **state)
{
    struct networks *n = parse("");

    (void)state;
    assert_int_equal(networks_count(n), 0);
    assert_says(n, "10.0.0.1", "none");
    networks_free(n);
}

/* ---- random tables ---- */

enum { ROUNDS = 40, ROWS = 400, ASKED = 400 };

struct reference {
    struct ip_prefix prefixes[ROWS];
    uint32_t count;
};

static uint32_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

/* Returns an address whose neighbours are near: few bits differ, so that prefixes nest. */
static struct ip_addr random_address(uint64_t *state, bool is_v6)
{
    uint8_t bytes[16] = {0x20, 0x01};

    for (int i = 0; i < 16; i++)
        if (random_next(state) % 3 == 0)
            bytes[i] = (uint8_t)(random_next(state) & 0x81);
    return is_v6 ? ip_addr_v6(bytes) : ip_addr_v4(bytes);
}

/* Returns the number of the row that speaks for an address, from 1; 0: none. */
static uint32_t reference_find(const struct reference *reference, const struct ip_addr *addr,
                               uint8_t *ret_len)
{
    uint32_t best = 0;

    for (uint32_t i = 0; i < reference->count; i++) {
        const struct ip_prefix *prefix = &reference->prefixes[i];
        if (!ip_prefix_contains(prefix, addr) || (best && prefix->len < *ret_len))
            continue;
        best = i + 1;
        *ret_len = prefix->len;
    }
    return best;
}

static void random_tables_answer_as_a_list_does(void **state)
{
    static struct reference reference;
    uint64_t seed = 20260;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct text rows = {0};
        reference.count = random_next(&seed) % ROWS;
        for (uint32_t i = 0; i < reference.count; i++) {
            struct ip_prefix *prefix = &reference.prefixes[i];
            char shown[IP_PREFIX_TEXT_LEN];
            bool is_v6 = random_next(&seed) & 1;
            struct ip_addr addr = random_address(&seed, is_v6);
            prefix->len = (uint8_t)(random_next(&seed) % (is_v6 ? 129 : 33));
            prefix->addr = ip_addr_mask(&addr, prefix->len);
            ip_prefix_format(prefix, shown);
            text_append_printf(&rows, "%u,%s%s\n", i + 1, shown,
                               strchr(shown, '/') ? ""
                               : is_v6            ? "/128"
                                                  : "/32");
        }
        struct networks *n = parse(text_cstr(&rows));
        for (int i = 0; i < ASKED; i++) {
            struct ip_addr addr = random_address(&seed, random_next(&seed) & 1);
            struct prefix_match match;
            uint8_t len = 0;
            uint32_t row = reference_find(&reference, &addr, &len);
            networks_ask(n, &addr, &match);
            networks_find(n, &match, 1);
            const struct network *network = networks_answer(n, &match);
            assert_int_equal(network ? network->as : 0, row);
            if (row)
                assert_int_equal(match.len, len);
        }
        networks_free(n);
        text_clear(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_a_row_is_read),
        cmocka_unit_test(the_longest_prefix_speaks_and_of_equal_ones_the_last_row),
        cmocka_unit_test(all_errors_of_a_file_are_told_at_once),
        cmocka_unit_test(a_file_with_a_zero_byte_is_refused),
        cmocka_unit_test(an_empty_file_says_nothing),
        cmocka_unit_test(random_tables_answer_as_a_list_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
