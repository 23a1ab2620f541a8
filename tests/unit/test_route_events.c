/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves what members path attributes and NLRI become. The bytes are made by hand from RFC 4271, 6793,
 * 7311, 8092, 8669 and 9234, the texts from pmacct's log.
 */
#include "bgp/route_events.h"
#include "support/hex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN  "40 01 01 02 "
#define AS_PATH "40 02 10 02 02 0000007b 00000315 01 01 00000009 " /* 123 789 {9} */
#define COMMS   "c0 08 08 0b5a0002 ffffff01 "
#define AIGP    "80 1a 0b 01 000b 0000000100000002 "
#define LABEL   "c0 28 0a 01 0007 00 0000 00000064 "
#define OTC     "c0 23 04 0000fde8 "
#define EVERYTHING                                                                                 \
    ORIGIN AS_PATH "80 04 04 00000032 40 05 04 000000c8 " COMMS                                    \
                   "c0 10 08 0002000100000002 c0 20 0c 000000010000000200000003 " AIGP LABEL OTC

struct fixture {
    struct route_writer writer;
    struct event event;
    struct attr_context context;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.context.is_internal = true};
    fixture.context.features.has_four_octet_as = true;
    event_begin(&fixture.event, ROUTE_EVENT_KIND_ROUTE);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    route_writer_clear(&f->writer);
    return 0;
}

static void read_attrs(struct fixture *f, const char *digits, const struct ip_addr *next_hop)
{
    struct hex hex = hex_make(digits);

    route_event_read_attrs(&f->writer, hex_reader(&hex), &f->context, next_hop, &f->event);
    hex_clear(&hex);
}

static void assert_text(const struct fixture *f, unsigned member, const char *expected)
{
    const struct event_bytes *bytes = &f->event.values[member].bytes;
    char text[256];

    assert_true(event_has(&f->event, member));
    snprintf(text, sizeof text, "%.*s", (int)bytes->len,
             bytes->len ? (const char *)bytes->data : "");
    assert_string_equal(text, expected);
}

static void assert_number(const struct fixture *f, unsigned member, uint64_t expected)
{
    assert_true(event_has(&f->event, member));
    assert_int_equal(f->event.values[member].number, expected);
}

static const struct ip_addr v4_next_hop = {.bytes = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 9},
                                           .family = IP_V4};

static void all_attributes_are_told(void **state)
{
    struct fixture *f = *state;

    read_attrs(f, EVERYTHING, &v4_next_hop);
    assert_text(f, ROUTE_EVENT_AS_PATH, "123_789_{9}");
    assert_text(f, ROUTE_EVENT_COMMS, "2906:2_no-export");
    assert_text(f, ROUTE_EVENT_ECOMMS, "RT:1:2");
    assert_text(f, ROUTE_EVENT_LCOMMS, "1:2:3");
    assert_number(f, ROUTE_EVENT_ORIGIN, 2);
    assert_number(f, ROUTE_EVENT_LOCAL_PREF, 200);
    assert_number(f, ROUTE_EVENT_MED, 50);
    assert_number(f, ROUTE_EVENT_AIGP, UINT64_C(0x100000002));
    assert_number(f, ROUTE_EVENT_PSID_LI, 100);
    assert_number(f, ROUTE_EVENT_OTC, 65000);
    assert_true(ip_addr_equal(&f->event.values[ROUTE_EVENT_NEXT_HOP].addr, &v4_next_hop));
}

static void what_the_next_has_not_is_taken_back(void **state)
{
    struct fixture *f = *state;
    const struct ip_addr none = {0};
    char text[IP_TEXT_LEN];

    read_attrs(f, EVERYTHING, &v4_next_hop);
    read_attrs(f, "40 01 01 00 40 02 00", &none);
    assert_text(f, ROUTE_EVENT_AS_PATH, "");
    assert_number(f, ROUTE_EVENT_ORIGIN, 0);
    ip_addr_format(&f->event.values[ROUTE_EVENT_NEXT_HOP].addr, text);
    assert_string_equal(text, "0.0.0.0");
    for (unsigned m = ROUTE_EVENT_COMMS; m <= ROUTE_EVENT_LCOMMS; m++)
        assert_false(event_has(&f->event, m));
    for (unsigned m = ROUTE_EVENT_LOCAL_PREF; m <= ROUTE_EVENT_OTC; m++)
        assert_false(event_has(&f->event, m));
    route_event_clear_attrs(&f->event);
    for (unsigned m = ROUTE_EVENT_NEXT_HOP; m <= ROUTE_EVENT_OTC; m++)
        assert_false(event_has(&f->event, m));
}

static void settings_are_heard(void **state)
{
    struct fixture *f = *state;

    f->writer.communities_numeric = f->writer.has_numeric_origin = true;
    read_attrs(f, EVERYTHING, &v4_next_hop);
    assert_text(f, ROUTE_EVENT_COMMS, "2906:2_65535:65281");
    assert_text(f, ROUTE_EVENT_ECOMMS, "1:2");
    assert_number(f, ROUTE_EVENT_ORIGIN_NUMBER, 2);
    assert_false(event_has(&f->event, ROUTE_EVENT_ORIGIN));
}

static void paths_of_two_octets_are_merged(void **state)
{
    struct fixture *f = *state;

    f->context.features.has_four_octet_as = false;
    read_attrs(f, ORIGIN "40 02 06 02 02 007b 5ba0 c0 11 06 02 01 00010000", &v4_next_hop);
    assert_text(f, ROUTE_EVENT_AS_PATH, "123_65536");
}

static void malformed_values_are_not_told(void **state)
{
    struct fixture *f = *state;

    read_attrs(f, ORIGIN AS_PATH "80 1a 03 01 000b c0 28 05 01 0007 00 00", &v4_next_hop);
    assert_false(event_has(&f->event, ROUTE_EVENT_AIGP));
    assert_false(event_has(&f->event, ROUTE_EVENT_PSID_LI));
    read_attrs(f, ORIGIN AS_PATH "80 1a 05 02 0005 0102 c0 28 05 03 0002 0102", &v4_next_hop);
    assert_false(event_has(&f->event, ROUTE_EVENT_AIGP)); /* TLVs of other types */
    assert_false(event_has(&f->event, ROUTE_EVENT_PSID_LI));
}

static void prefixes_are_told_by_family(void **state)
{
    struct fixture *f = *state;
    struct rib_nlri nlri = {.path_id = 7};

    assert_int_equal(ip_prefix_parse("192.0.2.0/24", &nlri.prefix), 0);
    route_event_set_nlri(&f->writer, FAMILY_IPV4_UNICAST, &nlri, true, &f->event);
    assert_text(f, ROUTE_EVENT_PREFIX, "192.0.2.0/24");
    assert_number(f, ROUTE_EVENT_AFI, 1);
    assert_number(f, ROUTE_EVENT_SAFI, 1);
    assert_number(f, ROUTE_EVENT_PATH_ID, 7);
    assert_false(event_has(&f->event, ROUTE_EVENT_RD));

    nlri.rd = 0x0000fde800000001;
    assert_int_equal(ip_prefix_parse("2001:db8::/32", &nlri.prefix), 0);
    route_event_set_nlri(&f->writer, FAMILY_IPV6_VPN, &nlri, true, &f->event);
    route_event_set_label(&f->writer, 0x80000, &f->event);
    assert_text(f, ROUTE_EVENT_PREFIX, "2001:db8::/32");
    assert_number(f, ROUTE_EVENT_AFI, 2);
    assert_number(f, ROUTE_EVENT_SAFI, 128);
    assert_number(f, ROUTE_EVENT_RD, nlri.rd);
    assert_text(f, ROUTE_EVENT_MPLS_LABEL, "524288");
    assert_false(event_has(&f->event, ROUTE_EVENT_PATH_ID));

    route_event_set_nlri(&f->writer, FAMILY_IPV6_LABELLED, &nlri, false, &f->event);
    assert_false(event_has(&f->event, ROUTE_EVENT_RD));
    assert_false(event_has(&f->event, ROUTE_EVENT_MPLS_LABEL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_attributes_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_next_has_not_is_taken_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings_are_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(paths_of_two_octets_are_merged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_values_are_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prefixes_are_told_by_family, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
