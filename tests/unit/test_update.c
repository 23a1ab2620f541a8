/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that UPDATEs of every shape are applied, and every outcome of RFC 7606. Attributes are
 * written as flags, type, length, value. */
#include "bgp/update.h"
#include "support/update_recorder.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN     "40 01 01 00 "
#define AS_PATH    "40 02 0a 02 02 00000001 00000002 "
#define NEXT_HOP   "40 03 04 0a000001 "
#define LOCAL_PREF "40 05 04 00000064 "
#define GOOD       ORIGIN AS_PATH NEXT_HOP LOCAL_PREF
#define PREFIX     "18 c0a801"
#define ANNOUNCED  "+192.168.1.0/24#0 via 10.0.0.1 [1_2]; "
#define WITHDRAWN  "-192.168.1.0/24#0; "

static int set_up(void **state)
{
    static struct update_recorder recorder;
    recorder_init(&recorder);
    *state = &recorder;
    return 0;
}

static int tear_down(void **state)
{
    recorder_clear(*state);
    return 0;
}

static void announcements_and_withdrawals_of_one_update(void **state)
{
    struct update_recorder *r = *state;

    assert_string_equal(recorder_update(r, "08 0a", GOOD, PREFIX "10 ac10"),
                        "-10.0.0.0/8#0; " ANNOUNCED "+172.16.0.0/16#0 via 10.0.0.1 [1_2]; ");
    assert_int_equal(r->result.outcome, ATTR_OUTCOME_OK);
    assert_int_equal(r->result.announced_count, 2);
    assert_int_equal(r->result.withdrawn_count, 1);
}

static void path_identifiers_only_where_agreed(void **state)
{
    struct update_recorder *r = *state;

    r->context.features.add_path = 1u << FAMILY_IPV4_UNICAST;
    assert_string_equal(recorder_update(r, "00000003 08 0a", GOOD, "00000007" PREFIX),
                        "-10.0.0.0/8#3; +192.168.1.0/24#7 via 10.0.0.1 [1_2]; ");
    /* IPv6 has no path identifiers in this session. */
    assert_string_equal(recorder_update(r, "",
                                        ORIGIN AS_PATH
                                        "80 0e 1a 0002 01 10 "
                                        "20010db8000000000000000000000009 00 20 20010db8",
                                        ""),
                        "+2001:db8::/32#0 via 2001:db8::9 [1_2]; ");
    r->context.features.add_path = 0;
}

static void ipv6_with_two_next_hops_has_the_global_one(void **state)
{
    struct update_recorder *r = *state;

    /* The next hop has 32 bytes, global and link-local (RFC 2545 section 3). */
    assert_string_equal(recorder_update(r, "",
                                        ORIGIN AS_PATH
                                        "80 0e 2a 0002 01 20 20010db8000000000000000000000009 "
                                        "fe800000000000000000000000000009 00 20 20010db8",
                                        ""),
                        "+2001:db8::/32#0 via 2001:db8::9 [1_2]; ");
    /* Without a global next hop the link-local one counts. */
    assert_string_equal(recorder_update(r, "",
                                        ORIGIN AS_PATH
                                        "80 0e 2a 0002 01 20 00000000000000000000000000000000 "
                                        "fe800000000000000000000000000009 00 20 20010db8",
                                        ""),
                        "+2001:db8::/32#0 via fe80::9 [1_2]; ");
}

static void ipv6_withdrawal_in_mp_unreach(void **state)
{
    assert_string_equal(recorder_update(*state, "", "80 0f 08 0002 01 20 20010db8", ""),
                        "-2001:db8::/32#0; ");
}

static void labelled_ipv6_with_mapped_next_hop(void **state)
{
    /* 6PE (RFC 4798): next hop ::ffff:10.0.0.1, label 16 */
    assert_string_equal(recorder_update(*state, "",
                                        ORIGIN AS_PATH
                                        "80 0e 1d 0002 04 10 00000000000000000000ffff0a000001 00 "
                                        "38 000101 20010db8",
                                        ""),
                        "+2001:db8::/32#0 via ::ffff:10.0.0.1 [1_2]; ");
}

static void vpn_paths_have_their_route_distinguisher(void **state)
{
    /* RFC 4364 section 4.3.2: the next hop after an RD of 0 */
    assert_string_equal(recorder_update(*state, "",
                                        ORIGIN AS_PATH
                                        "80 0e 20 0001 80 0c 0000000000000000 0a000001 00 "
                                        "70 000101 0000fde800000005 c0a801",
                                        ""),
                        "+192.168.1.0/24#0@fde800000005 via 10.0.0.1 [1_2]; ");
}

#define IPV4_VIA_IPV6                                                                              \
    ORIGIN AS_PATH "80 0e 19 0001 01 10 20010db8000000000000000000000009 00 18 c0a801"

static void ipv4_over_ipv6_needs_the_capability(void **state)
{
    struct update_recorder *r = *state;

    assert_string_equal(recorder_update(r, "", IPV4_VIA_IPV6, ""), "");
    assert_int_equal(r->result.outcome, ATTR_OUTCOME_RESET);
    assert_int_equal(r->result.error.subcode, UPDATE_OPTIONAL_ATTRIBUTE);
    r->context.features.extended_next_hop = 1u << FAMILY_IPV4_UNICAST;
    assert_string_equal(recorder_update(r, "", IPV4_VIA_IPV6, ""),
                        "+192.168.1.0/24#0 via 2001:db8::9 [1_2]; ");
    r->context.features.extended_next_hop = 0;
}

static void end_of_rib_markers(void **state)
{
    struct update_recorder *r = *state;

    /* RFC 4724 section 2 */
    assert_string_equal(recorder_update(r, "", "", ""), "end ipv4-unicast; ");
    assert_string_equal(recorder_update(r, "", "80 0f 03 0002 01", ""), "end ipv6-unicast; ");
    assert_string_equal(recorder_update(r, "", "80 0f 03 0001 80", ""), "end vpnv4; ");
    assert_string_equal(recorder_update(r, "", "90 0f 0003 0002 01", ""), "end ipv6-unicast; ");
    /* Attributes without NLRI are no End-of-RIB. */
    assert_string_equal(recorder_update(r, "", GOOD, ""), "");
    assert_int_equal(r->result.outcome, ATTR_OUTCOME_OK);
}

static void foreign_families_are_passed_over_and_counted(void **state)
{
    struct update_recorder *r = *state;

    r->context.features.families = 1u << FAMILY_IPV6_UNICAST;
    assert_string_equal(recorder_update(r, "08 0a", GOOD, PREFIX), "");
    assert_int_equal(r->result.foreign_count, 2);
    r->context.features.families = 1u << FAMILY_IPV4_UNICAST;
    assert_string_equal(recorder_update(r, "", GOOD "80 0f 08 0002 01 20 20010db8", PREFIX),
                        ANNOUNCED);
    assert_int_equal(r->result.foreign_count, 1);
    /* The UPDATE has EVPN routes too, whose next hop and NLRI we cannot even read. */
    assert_string_equal(recorder_update(r, "", GOOD "80 0e 09 0019 46 04 0a000001 00", PREFIX),
                        ANNOUNCED);
    r->context.features.families = (1u << FAMILY_COUNT) - 1;
}

struct outcome_case {
    const char *attributes;
    enum attr_outcome outcome;
    uint8_t bad_type;
};

static void expect_outcomes(struct update_recorder *r, const struct outcome_case *cases,
                            size_t count)
{
    static const char *const expected[] = {ANNOUNCED, ANNOUNCED, WITHDRAWN, ""};

    for (size_t i = 0; i < count; i++) {
        const char *log = recorder_update(r, "", cases[i].attributes, PREFIX);
        if (r->result.outcome != cases[i].outcome || r->result.bad_type != cases[i].bad_type ||
            strcmp(log, expected[cases[i].outcome]) != 0)
            fail_msg("case %zu (%s): outcome %d, type %u, \"%s\"", i, cases[i].attributes,
                     r->result.outcome, r->result.bad_type, log);
        if (cases[i].outcome == ATTR_OUTCOME_RESET)
            assert_int_equal(r->result.error.code, ERROR_UPDATE);
        if (cases[i].outcome == ATTR_OUTCOME_WITHDRAW)
            assert_int_equal(r->result.treated_as_withdrawn_count, 1);
        assert_int_equal(r->result.outcome == ATTR_OUTCOME_OK, r->result.reason == NULL);
    }
}

static void malformed_attributes_have_the_outcome_of_rfc_7606(void **state)
{
    const struct outcome_case cases[] = {
        /* 7.1 ORIGIN: length, value */
        {"40 01 02 0000" AS_PATH NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 1},
        {"40 01 01 03" AS_PATH NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 1},
        /* 7.2 AS_PATH */
        {ORIGIN "40 02 06 05 01 00000001" NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 2},
        {ORIGIN "40 02 03 02 01 00" NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 2},
        /* 7.3 NEXT_HOP */
        {ORIGIN AS_PATH "40 03 05 0a00000100", ATTR_OUTCOME_WITHDRAW, 3},
        /* 7.4 MULTI_EXIT_DISC, 7.5 LOCAL_PREF */
        {GOOD "80 04 03 000000", ATTR_OUTCOME_WITHDRAW, 4},
        {ORIGIN AS_PATH NEXT_HOP "40 05 05 0000006400", ATTR_OUTCOME_WITHDRAW, 5},
        /* 7.6 ATOMIC_AGGREGATE, 7.7 AGGREGATOR (8 bytes with four-octet AS numbers) */
        {GOOD "40 06 01 00", ATTR_OUTCOME_DISCARD, 6},
        {GOOD "c0 07 06 0001 0a000001", ATTR_OUTCOME_DISCARD, 7},
        {GOOD "c0 07 08 00000001 0a000001", ATTR_OUTCOME_OK, 0},
        /* 7.8 COMMUNITIES: not a multiple of 4, or none */
        {GOOD "c0 08 05 0000000100", ATTR_OUTCOME_WITHDRAW, 8},
        {GOOD "c0 08 00", ATTR_OUTCOME_WITHDRAW, 8},
        /* 7.9 ORIGINATOR_ID, 7.10 CLUSTER_LIST */
        {GOOD "80 09 03 0a0000", ATTR_OUTCOME_WITHDRAW, 9},
        {GOOD "80 0a 00", ATTR_OUTCOME_WITHDRAW, 10},
        {GOOD "80 0a 06 0a0000010a00", ATTR_OUTCOME_WITHDRAW, 10},
        /* 7.11 MP_REACH_NLRI: too short, next hop beyond its end, next hop of no valid length */
        {GOOD "80 0e 03 0002 01", ATTR_OUTCOME_RESET, 14},
        {GOOD "80 0e 06 0002 01 10 0000", ATTR_OUTCOME_RESET, 14},
        {GOOD "80 0e 09 0002 01 04 0a000001 00", ATTR_OUTCOME_RESET, 14},
        /* 7.12 MP_UNREACH_NLRI */
        {GOOD "80 0f 02 0002", ATTR_OUTCOME_RESET, 15},
        /* 7.14 EXTENDED COMMUNITIES; large ones: RFC 8092 section 5 */
        {GOOD "c0 10 07 00020001000000", ATTR_OUTCOME_WITHDRAW, 16},
        {GOOD "c0 20 0b 0000000100000001000000", ATTR_OUTCOME_WITHDRAW, 32},
        {GOOD "c0 20 00", ATTR_OUTCOME_WITHDRAW, 32},
        /* AS4_PATH from a speaker of four-octet numbers: RFC 6793 section 4.1 */
        {GOOD "c0 11 06 02 01 00000005", ATTR_OUTCOME_DISCARD, 17},
        {GOOD "c0 12 08 00000001 0a000001", ATTR_OUTCOME_DISCARD, 18},
        /* ONLY_TO_CUSTOMER of 3 and of 5 bytes: RFC 9234 section 5; a good one changes nothing */
        {GOOD "c0 23 03 000001", ATTR_OUTCOME_WITHDRAW, 35},
        {GOOD "c0 23 05 0000000100", ATTR_OUTCOME_WITHDRAW, 35},
        {GOOD "c0 23 04 00000001", ATTR_OUTCOME_OK, 0},
    };
    expect_outcomes(*state, cases, sizeof cases / sizeof cases[0]);
}

/* RFC 7607 section 2. */
static void as_zero_is_nobody(void **state)
{
    struct update_recorder *r = *state;
    const struct outcome_case cases[] = {
        {ORIGIN "40 02 06 02 01 00000000" NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 2},
        {ORIGIN "40 02 0a 02 02 00000001 00000000" NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 2},
        /* in a set behind a sequence */
        {ORIGIN "40 02 0c 02 01 00000001 01 01 00000000" NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 2},
        {GOOD "c0 07 08 00000000 0a000001", ATTR_OUTCOME_DISCARD, 7},
    };
    const struct outcome_case of_two_octets[] = {
        {ORIGIN "40 02 04 02 01 0000" NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 2},
        {ORIGIN "40 02 06 02 02 0001 0002" NEXT_HOP "c0 11 06 02 01 00000000", ATTR_OUTCOME_DISCARD,
         17},
        {ORIGIN "40 02 06 02 02 0001 0002" NEXT_HOP "c0 07 06 0000 0a000001", ATTR_OUTCOME_DISCARD,
         7},
        {ORIGIN "40 02 06 02 02 0001 0002" NEXT_HOP "c0 12 08 00000000 0a000001",
         ATTR_OUTCOME_DISCARD, 18},
    };

    expect_outcomes(r, cases, sizeof cases / sizeof cases[0]);
    r->context.features.has_four_octet_as = false;
    expect_outcomes(r, of_two_octets, sizeof of_two_octets / sizeof of_two_octets[0]);
    r->context.features.has_four_octet_as = true;
}

static void a_next_hop_that_nothing_can_be_sent_to_is_not_used(void **state)
{
    struct update_recorder *r = *state;
    static const char *const v4[] = {"00000000", "e0000001", "effffffa"};
    static const char *const v6[] = {"00000000000000000000000000000000", /* :: */
                                     "ff020000000000000000000000000001", /* ff02::1 */
                                     "00000000000000000000ffff00000000", /* ::ffff:0.0.0.0 */
                                     "00000000000000000000ffffe0000001"};
    char attributes[256];

    for (size_t i = 0; i < sizeof v4 / sizeof v4[0]; i++) {
        snprintf(attributes, sizeof attributes, ORIGIN AS_PATH "40 03 04 %s", v4[i]);
        assert_string_equal(recorder_update(r, "", attributes, PREFIX "10 ac10"),
                            WITHDRAWN "-172.16.0.0/16#0; ");
        assert_int_equal(r->result.outcome, ATTR_OUTCOME_WITHDRAW);
        assert_int_equal(r->result.bad_type, 3);
        assert_int_equal(r->result.no_next_hop_count, 2);
        assert_int_equal(r->result.treated_as_withdrawn_count, 2);
    }
    for (size_t i = 0; i < sizeof v6 / sizeof v6[0]; i++) {
        snprintf(attributes, sizeof attributes,
                 ORIGIN AS_PATH NEXT_HOP "80 0e 1a 0002 01 10 %s 00 20 20010db8", v6[i]);
        /* The IPv4 routes beside it have a next hop of their own. */
        assert_string_equal(recorder_update(r, "", attributes, PREFIX),
                            "-2001:db8::/32#0; " ANNOUNCED);
        assert_int_equal(r->result.outcome, ATTR_OUTCOME_WITHDRAW);
        assert_int_equal(r->result.bad_type, 14);
        assert_int_equal(r->result.no_next_hop_count, 1);
    }
    recorder_update(r, "", ORIGIN AS_PATH "40 03 04 dfffffff", PREFIX); /* 223.255.255.255 */
    assert_int_equal(r->result.outcome, ATTR_OUTCOME_OK);
    assert_int_equal(r->result.no_next_hop_count, 0);
}

static void attribute_lists_have_the_outcome_of_rfc_7606(void **state)
{
    const struct outcome_case cases[] = {
        /* 3 (c): flags in conflict with the type */
        {"c0 01 01 00" AS_PATH NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 1},
        {GOOD "40 08 04 00010001", ATTR_OUTCOME_WITHDRAW, 8},
        /* 3 (d): a mandatory one is missing */
        {AS_PATH NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 1},
        {ORIGIN NEXT_HOP, ATTR_OUTCOME_WITHDRAW, 2},
        {ORIGIN AS_PATH, ATTR_OUTCOME_WITHDRAW, 3},
        {ORIGIN AS_PATH NEXT_HOP, ATTR_OUTCOME_OK, 0}, /* LOCAL_PREF is not asked for */
        /* 3 (g): twice: the first counts; MP ones reset */
        {GOOD "40 03 04 0a0000ff", ATTR_OUTCOME_DISCARD, 3},
        {GOOD "80 0f 03 0002 01 80 0f 03 0002 01", ATTR_OUTCOME_RESET, 15},
        /* 4: beyond the end of the attributes */
        {GOOD "c0 08 05 00010001", ATTR_OUTCOME_WITHDRAW, 8},
        {GOOD "c0", ATTR_OUTCOME_WITHDRAW, 0},
        {GOOD "d0 08 00", ATTR_OUTCOME_WITHDRAW, 8},
        /* unknown ones: optional is passed over, well-known is not (RFC 4271 section 6.3) */
        {GOOD "c0 fe 02 abcd", ATTR_OUTCOME_OK, 0},
        {GOOD "40 fe 02 abcd", ATTR_OUTCOME_RESET, 254},
        /* the worst of several */
        {GOOD "40 06 01 00 c0 08 00 40 fe 00", ATTR_OUTCOME_RESET, 254},
    };
    expect_outcomes(*state, cases, sizeof cases / sizeof cases[0]);
}

static void external_session_discards_internal_attributes(void **state)
{
    struct update_recorder *r = *state;
    const struct outcome_case cases[] = {
        {GOOD, ATTR_OUTCOME_DISCARD, 5},
        {ORIGIN AS_PATH NEXT_HOP "80 09 03 0a0000", ATTR_OUTCOME_DISCARD, 9},
        {ORIGIN AS_PATH NEXT_HOP "80 0a 00", ATTR_OUTCOME_DISCARD, 10},
    };

    r->context.is_internal = false;
    expect_outcomes(r, cases, sizeof cases / sizeof cases[0]);
    r->context.is_internal = true;
}

static void malformed_attribute_without_nlri_resets(void **state)
{
    struct update_recorder *r = *state;

    /* Routes to withdraw may be in the part that could not be read (RFC 7606 section 5.2). */
    recorder_update(r, "", GOOD "c0 08 00", "");
    assert_int_equal(r->result.outcome, ATTR_OUTCOME_RESET);
    assert_int_equal(r->result.error.subcode, UPDATE_MALFORMED_ATTRIBUTES);
}

static void mp_announcement_is_treated_as_withdrawn_too(void **state)
{
    assert_string_equal(recorder_update(*state, "",
                                        AS_PATH "80 0e 1a 0002 01 10 "
                                                "20010db8000000000000000000000009 00 20 20010db8",
                                        ""),
                        "-2001:db8::/32#0; ");
}

static void unreadable_nlri_resets(void **state)
{
    struct update_recorder *r = *state;

    recorder_update(r, "", GOOD, "21 0a00000000");
    assert_int_equal(r->result.outcome, ATTR_OUTCOME_RESET);
    assert_int_equal(r->result.error.subcode, UPDATE_BAD_NETWORK);
    recorder_update(r, "21 0a00000000", "", "");
    assert_int_equal(r->result.outcome, ATTR_OUTCOME_RESET);
    recorder_update(r, "", "80 0f 08 0002 01 81 20010db8", "");
    assert_int_equal(r->result.outcome, ATTR_OUTCOME_RESET);
}

static void more_nlri_than_a_batch_all_arrive(void **state)
{
    struct update_recorder *r = *state;
    char announced[600 * 2 + 1] = "";

    for (int i = 0; i < 300; i++)
        strcat(announced, "080a");
    recorder_update(r, "", GOOD, announced);
    assert_int_equal(r->result.announced_count, 300);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(announcements_and_withdrawals_of_one_update),
        TEST(path_identifiers_only_where_agreed),
        TEST(ipv6_with_two_next_hops_has_the_global_one),
        TEST(ipv6_withdrawal_in_mp_unreach),
        TEST(labelled_ipv6_with_mapped_next_hop),
        TEST(vpn_paths_have_their_route_distinguisher),
        TEST(ipv4_over_ipv6_needs_the_capability),
        TEST(end_of_rib_markers),
        TEST(foreign_families_are_passed_over_and_counted),
        TEST(malformed_attributes_have_the_outcome_of_rfc_7606),
        TEST(attribute_lists_have_the_outcome_of_rfc_7606),
        TEST(as_zero_is_nobody),
        TEST(a_next_hop_that_nothing_can_be_sent_to_is_not_used),
        TEST(external_session_discards_internal_attributes),
        TEST(malformed_attribute_without_nlri_resets),
        TEST(mp_announcement_is_treated_as_withdrawn_too),
        TEST(unreadable_nlri_resets),
        TEST(more_nlri_than_a_batch_all_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
