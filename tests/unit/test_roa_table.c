/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves how routes stand to ROAs: the rules of RFC 6811 one by one, then random tables compared with a
 * search through all ROAs. */
#include "rpki/roa_table.h"
#include "support/random_values.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct roa roa(const char *prefix, uint8_t max_len, uint32_t asn)
{
    struct roa r = {.max_len = max_len, .asn = asn};

    assert_int_equal(ip_prefix_parse(prefix, &r.prefix), 0);
    return r;
}

static enum roa_validity validity(const struct roa_table *table, const char *route, uint32_t origin)
{
    struct roa_query query = {.origin = origin};
    struct ip_prefix prefix;

    assert_int_equal(ip_prefix_parse(route, &prefix), 0);
    query.address = prefix.addr;
    query.len = prefix.len;
    roa_validate(table, &query, 1);
    return query.validity;
}

static void routes_stand_to_roas_as_rfc_6811_says(void **state)
{
    struct roa roas[] = {roa("10.0.0.0/8", 16, 64500),  roa("10.1.0.0/16", 24, 64501),
                         roa("10.1.0.0/16", 16, 64502), roa("10.1.2.0/24", 24, 64503),
                         roa("192.0.2.0/24", 24, 0),    roa("2001:db8::/32", 48, 64501),
                         roa("10.1.0.0/16", 16, 64502)};
    struct roa_table *t = roa_table_new(roas, sizeof roas / sizeof *roas);

    (void)state;
    assert_int_equal(roa_table_count(t), 6); /* one stands there twice */
    assert_int_equal(validity(t, "11.0.0.0/8", 64500), ROA_UNKNOWN);
    assert_int_equal(validity(t, "10.0.0.0/7", 64500), ROA_UNKNOWN); /* shorter than every ROA */
    assert_int_equal(validity(t, "10.0.0.0/8", 64500), ROA_VALID);
    assert_int_equal(validity(t, "10.9.0.0/16", 64500), ROA_VALID);
    assert_int_equal(validity(t, "10.9.0.0/17", 64500), ROA_INVALID); /* too long */
    assert_int_equal(validity(t, "10.9.0.0/16", 64501), ROA_INVALID); /* another AS */
    assert_int_equal(validity(t, "10.1.0.0/16", 64500), ROA_VALID);   /* by the shorter one */
    assert_int_equal(validity(t, "10.1.0.0/16", 64502), ROA_VALID);
    assert_int_equal(validity(t, "10.1.0.0/17", 64502), ROA_INVALID);
    assert_int_equal(validity(t, "10.1.2.0/24", 64501), ROA_VALID); /* by the middle one */
    assert_int_equal(validity(t, "10.1.2.0/24", 64503), ROA_VALID);
    assert_int_equal(validity(t, "10.1.2.0/25", 64503), ROA_INVALID);
    assert_int_equal(validity(t, "192.0.2.0/24", 0), ROA_INVALID); /* AS 0: nobody */
    assert_int_equal(validity(t, "2001:db8:1::/48", 64501), ROA_VALID);
    assert_int_equal(validity(t, "2001:db8:1::/49", 64501), ROA_INVALID);
    assert_int_equal(validity(t, "2001:db9::/32", 64501), ROA_UNKNOWN);
    assert_int_equal(validity(NULL, "10.0.0.0/8", 64500), ROA_UNKNOWN);
    roa_table_free(t);
}

/* Returns prefixes of few bits, so that they lie in each other. */
static struct ip_prefix random_prefix(void)
{
    bool is_v6 = random_below(3) == 0;
    uint8_t bytes[16] = {is_v6 ? 0x20 : 10, (uint8_t)(random_below(4) << 6),
                         (uint8_t)(random_below(2) << 7), (uint8_t)random_below(2)};
    struct ip_addr addr = is_v6 ? ip_addr_v6(bytes) : ip_addr_v4(bytes);
    uint8_t len = (uint8_t)random_below(is_v6 ? 129 : 33);

    return (struct ip_prefix){ip_addr_mask(&addr, len), len};
}

static enum roa_validity searched(const struct roa *roas, size_t count,
                                  const struct roa_query *query)
{
    enum roa_validity found = ROA_UNKNOWN;

    for (size_t i = 0; i < count; i++) {
        if (roas[i].prefix.len > query->len ||
            !ip_prefix_contains(&roas[i].prefix, &query->address))
            continue;
        if (roas[i].asn == query->origin && query->origin != 0 && query->len <= roas[i].max_len)
            return ROA_VALID;
        found = ROA_INVALID;
    }
    return found;
}

static void random_tables_answer_as_a_search_does(void **state)
{
    enum { ROAS = 300, QUERIES = 100 };
    static struct roa roas[ROAS];
    struct roa_query queries[QUERIES];

    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t count = random_below(ROAS + 1);
        for (size_t i = 0; i < count; i++) {
            struct ip_prefix prefix = random_prefix();
            unsigned most = prefix.addr.family == IP_V4 ? 32 : 128;
            roas[i] =
                (struct roa){prefix, (uint8_t)(prefix.len + random_below(most - prefix.len + 1)),
                             (uint32_t)random_below(5)};
        }
        struct roa_table *table = roa_table_new(roas, count);
        for (int i = 0; i < QUERIES; i++) {
            struct ip_prefix prefix = random_prefix();
            queries[i] = (struct roa_query){
                .address = prefix.addr, .len = prefix.len, .origin = (uint32_t)random_below(5)};
        }
        roa_validate(table, queries, QUERIES);
        for (int i = 0; i < QUERIES; i++)
            assert_int_equal(queries[i].validity, searched(roas, count, &queries[i]));
        roa_table_free(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_stand_to_roas_as_rfc_6811_says),
        cmocka_unit_test(random_tables_answer_as_a_search_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
