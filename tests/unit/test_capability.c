/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that each capability is read and refused as its RFC says, and what two speakers agree on.
 * Bytes are written by hand from the RFC that each test names. */
#include "bgp/capability.h"
#include "support/hex.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define IPV4 (1u << FAMILY_IPV4_UNICAST)
#define IPV6 (1u << FAMILY_IPV6_UNICAST)
#define ALL  ((1u << FAMILY_COUNT) - 1)

static int parse(const char *digits, struct capabilities *caps)
{
    struct hex hex = hex_make(digits);
    *caps = (struct capabilities){0};
    int err = capabilities_parse(hex_reader(&hex), caps);
    hex_clear(&hex);
    return err;
}

static void multiprotocol_families_are_known_by_afi_and_safi(void **state)
{
    (void)state;
    struct capabilities caps;

    /* RFC 4760 section 8: AFI, reserved, SAFI. 1/1 2/1 1/4 2/4 1/128 2/128, and 25/70 (EVPN), not
     * ours */
    assert_int_equal(parse("01 04 0001 00 01  01 04 0002 00 01  01 04 0001 00 04  01 04 0002 00 04"
                           "01 04 0001 00 80  01 04 0002 00 80  01 04 0019 00 46",
                           &caps),
                     0);
    assert_int_equal(caps.families, ALL);
    assert_int_equal(parse("01 04 0019 00 46", &caps), 0);
    assert_int_equal(caps.families, 0);
    assert_true(caps.has_multiprotocol);
}

static void malformed_multiprotocol_refuses_the_open(void **state)
{
    (void)state;
    struct capabilities caps;

    assert_int_equal(parse("01 03 0001 00", &caps), -EBADMSG);
    assert_int_equal(parse("01 05 0001 00 01 00", &caps), -EBADMSG);
    assert_int_equal(parse("41 02 0001", &caps), -EBADMSG);
}

static void capability_beyond_its_parameter_refuses_the_open(void **state)
{
    (void)state;
    struct capabilities caps;

    assert_int_equal(parse("01", &caps), -EBADMSG);
    assert_int_equal(parse("02 01", &caps), -EBADMSG);
    assert_int_equal(parse("63 ff 00", &caps), -EBADMSG); /* of an unknown one, too */
}

static void unknown_capability_is_passed_over(void **state)
{
    (void)state;
    struct capabilities caps;

    assert_int_equal(parse("63 02 abcd  02 00", &caps), 0);
    assert_true(caps.has_route_refresh);
    assert_int_equal(caps.ignored, 0);
}

static void malformed_optional_capability_is_ignored(void **state)
{
    (void)state;
    struct capabilities caps;

    /* route refresh with a value, extended message with a value, graceful restart of 1 byte and
     * with half a family, extended next hop of 5 bytes, ADD-PATH of 3 and of none */
    assert_int_equal(parse("02 01 00  06 01 00  40 01 00  40 04 0000 0001  05 05 0001000100"
                           "45 03 000101  45 00",
                           &caps),
                     0);
    assert_int_equal(caps.ignored, 7);
    assert_false(caps.has_route_refresh || caps.has_extended_message || caps.has_graceful_restart);
    assert_int_equal(caps.extended_next_hop | caps.add_path_send | caps.add_path_receive, 0);
}

static void add_path_directions_are_per_family(void **state)
{
    (void)state;
    struct capabilities caps;

    /* RFC 7911 section 4: AFI, SAFI, 1 receive 2 send 3 both; others are ignored (0 and 4 here) */
    assert_int_equal(parse("45 10 0001 01 02  0002 01 03  0001 04 01  0001 80 04", &caps), 0);
    assert_int_equal(caps.add_path_send, IPV4 | IPV6);
    assert_int_equal(caps.add_path_receive, IPV6 | 1u << FAMILY_IPV4_LABELLED);
    assert_int_equal(caps.ignored, 1);
}

static void extended_next_hop_is_for_ipv4_over_ipv6(void **state)
{
    (void)state;
    struct capabilities caps;

    /* RFC 8950 section 4: AFI 2, SAFI 2, next hop AFI 2; the second says IPv6 over IPv4, not
     * known */
    assert_int_equal(parse("05 0c 0001 0001 0002  0002 0001 0001", &caps), 0);
    assert_int_equal(caps.extended_next_hop, IPV4);
}

static void graceful_restart_may_have_families(void **state)
{
    (void)state;
    struct capabilities caps;

    /* RFC 4724 section 3: flags and time 120 s, IPv4 unicast with the forwarding bit */
    assert_int_equal(parse("40 06 0078 0001 01 80", &caps), 0);
    assert_true(caps.has_graceful_restart);
    assert_int_equal(parse("40 02 0000", &caps), 0);
    assert_true(caps.has_graceful_restart);
}

static void what_we_write_reads_back(void **state)
{
    (void)state;
    uint8_t buffer[255];
    struct writer w = writer_make(buffer, sizeof buffer);
    struct capabilities own = capabilities_own(65001, true), read = {0};

    capabilities_write(&w, &own);
    assert_false(w.failed);
    assert_int_equal(capabilities_parse(reader_make(buffer, writer_len(&w)), &read), 0);
    assert_int_equal(read.families, ALL);
    assert_int_equal(read.add_path_receive, ALL);
    assert_int_equal(read.add_path_send, 0);
    assert_int_equal(read.extended_next_hop,
                     IPV4 | 1u << FAMILY_IPV4_LABELLED | 1u << FAMILY_IPV4_VPN);
    assert_int_equal(read.as, 65001);
    assert_true(read.has_four_octet_as && read.has_route_refresh && read.has_extended_message &&
                read.has_graceful_restart);
    assert_int_equal(read.ignored, 0);
}

static void add_path_needs_their_send_and_our_receive(void **state)
{
    (void)state;
    struct capabilities own = capabilities_own(1, true), theirs = {0};

    theirs.has_multiprotocol = true;
    theirs.families = IPV4 | IPV6;
    theirs.add_path_receive = IPV4;                      /* wants to receive: nothing for us */
    theirs.add_path_send = IPV6 | 1u << FAMILY_IPV4_VPN; /* VPN is not among its families */
    assert_int_equal(capabilities_negotiate(&own, &theirs).add_path, IPV6);
    own = capabilities_own(1, false);
    assert_int_equal(capabilities_negotiate(&own, &theirs).add_path, 0);
}

static void speaker_without_multiprotocol_means_ipv4(void **state)
{
    (void)state;
    struct capabilities own = capabilities_own(1, true), theirs = {0};

    assert_int_equal(capabilities_negotiate(&own, &theirs).families, IPV4);
    struct capabilities offer = capabilities_mirror(&own, &theirs);
    assert_false(offer.has_multiprotocol);
    assert_int_equal(capabilities_negotiate(&offer, &theirs).families, IPV4);
}

static void offer_leaves_out_what_the_peer_has_not(void **state)
{
    (void)state;
    struct capabilities own = capabilities_own(1, true), theirs = {0};

    theirs.is_present = true;
    theirs.has_multiprotocol = true;
    theirs.families = IPV6;
    theirs.add_path_send = IPV6;
    struct capabilities offer = capabilities_mirror(&own, &theirs);
    assert_int_equal(offer.families, IPV6);
    assert_int_equal(offer.add_path_receive, IPV6);
    assert_int_equal(offer.extended_next_hop, 0);
    assert_false(offer.has_extended_message || offer.has_four_octet_as);
    assert_true(offer.has_graceful_restart); /* asks for End-of-RIB */
}

static void speaker_without_capabilities_is_offered_none(void **state)
{
    (void)state;
    struct capabilities own = capabilities_own(1, true), theirs = {0};
    struct capabilities offer = capabilities_mirror(&own, &theirs);
    uint8_t written[64];
    struct writer w = writer_make(written, sizeof written);

    capabilities_write(&w, &offer);
    assert_int_equal(writer_len(&w), 0);
    /* One that we do not know shows that the speaker knows what capabilities are. */
    assert_int_equal(parse("63 00", &theirs), 0);
    offer = capabilities_mirror(&own, &theirs);
    assert_true(offer.has_graceful_restart);
}

static void peer_with_foreign_families_alone_agrees_on_none(void **state)
{
    (void)state;
    struct capabilities own = capabilities_own(1, true),
                        theirs = {.is_present = true, .has_multiprotocol = true};

    struct capabilities offer = capabilities_mirror(&own, &theirs);
    assert_int_equal(capabilities_negotiate(&offer, &theirs).families, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiprotocol_families_are_known_by_afi_and_safi),
        cmocka_unit_test(malformed_multiprotocol_refuses_the_open),
        cmocka_unit_test(capability_beyond_its_parameter_refuses_the_open),
        cmocka_unit_test(unknown_capability_is_passed_over),
        cmocka_unit_test(malformed_optional_capability_is_ignored),
        cmocka_unit_test(add_path_directions_are_per_family),
        cmocka_unit_test(extended_next_hop_is_for_ipv4_over_ipv6),
        cmocka_unit_test(graceful_restart_may_have_families),
        cmocka_unit_test(what_we_write_reads_back),
        cmocka_unit_test(add_path_needs_their_send_and_our_receive),
        cmocka_unit_test(speaker_without_multiprotocol_means_ipv4),
        cmocka_unit_test(offer_leaves_out_what_the_peer_has_not),
        cmocka_unit_test(speaker_without_capabilities_is_offered_none),
        cmocka_unit_test(peer_with_foreign_families_alone_agrees_on_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
