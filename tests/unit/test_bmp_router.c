/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that the messages of a router (RFC 7854, RFC 8671, RFC 9069, draft-ietf-grow-bmp-tlv-20) become
 * peers and routes, read as the OPENs of a Peer Up say, and that what is malformed is counted by its
 * reason and takes nothing else with it. The messages were put together by hand from the figures of these
 * documents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "support/bmp_rig.h"

#define PEER_UP(HEADER)          HEADER BMP_LOCAL BMP_OPEN_SENT BMP_OPEN_RECEIVED
#define PEER_UP_ADD_PATH(HEADER) HEADER BMP_LOCAL BMP_OPEN_SENT_ADD_PATH BMP_OPEN_RECEIVED_ADD_PATH
#define RD_1_PEER                BMP_HEADER_OF("0100", "0000fde9 00000001", BMP_V4_ADDRESS)
#define RD_2_PEER                BMP_HEADER_OF("0100", "0000fde9 00000002", BMP_V4_ADDRESS)
/* Cease, administrative shutdown (RFC 4486). */
#define SHUTDOWN BGP_MARKER "0015 03 06 02"
#define RESET    BGP_MARKER "0015 03 06 04"

static struct bmp_rig *rig;

static int rig_make(void **state)
{
    (void)state;
    rig = mem_alloc(sizeof *rig);
    bmp_rig_init(rig, 3);
    return 0;
}

static int rig_end(void **state)
{
    (void)state;
    bmp_rig_clear(rig);
    mem_free(rig);
    return 0;
}

static const char *say(uint8_t type, const char *body)
{
    return bmp_rig_send(rig, 3, type, body);
}

static uint64_t counted(enum bmp_counter counter)
{
    assert_int_equal(counter_get(&bmp_router_counts(rig->router)->counters[counter]),
                     counter_get(&rig->totals.counters[counter]));
    return counter_get(&rig->totals.counters[counter]);
}

static uint64_t rejected(enum bmp_reject reject)
{
    return counter_get(&rig->totals.rejects[reject]);
}

static void a_router_says_who_it_is_and_that_it_ends(void **state)
{
    (void)state;
    /* sysDescr "IOS", sysName "r1". */
    assert_string_equal(say(BMP_INITIATION, "0001 0003 494f53 0002 0002 7231"), "init r1; ");
    /* A name with a zero in it does not end there. */
    assert_string_equal(say(BMP_INITIATION, "0002 0003 720031"), "init r?1; ");
    /* String "by", reason 3: redundant connection. */
    assert_string_equal(say(BMP_TERMINATION, "0000 0002 6279 0001 0002 0003"), "term 3; ");
    assert_string_equal(say(BMP_TERMINATION, ""), "term 1; ");
    assert_int_equal(counted(BMP_COUNTER_initiations), 2);
    assert_int_equal(counted(BMP_COUNTER_terminations), 2);
}

static void routes_of_a_peer_come_between_its_up_and_its_down(void **state)
{
    (void)state;
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_IN_PRE BMP_UPDATE), "!unknown_peer; ");
    assert_string_equal(say(BMP_PEER_UP, PEER_UP(BMP_IN_PRE)), "up 192.0.2.1 AS 65001; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_IN_PRE BMP_UPDATE),
                        "+pre 198.51.100.0/24 [65001]; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_IN_POST BMP_UPDATE),
                        "+post 198.51.100.0/24 [65001]; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_IN_POST BMP_WITHDRAWAL),
                        "-post 198.51.100.0/24; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_IN_PRE BGP_MARKER "0017 02 0000 0000"),
                        "end 0 ipv4-unicast; ");
    assert_string_equal(say(BMP_PEER_DOWN, BMP_IN_PRE "04"), "down 192.0.2.1 4; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_IN_PRE BMP_UPDATE), "!unknown_peer; ");
    assert_string_equal(say(BMP_PEER_DOWN, BMP_IN_PRE "04"), "");
    assert_int_equal(counted(BMP_COUNTER_announced), 2);
    assert_int_equal(counted(BMP_COUNTER_withdrawn), 1);
    assert_int_equal(counted(BMP_COUNTER_end_of_rib), 1);
    assert_int_equal(rejected(BMP_REJECT_unknown_peer), 2);
}

static void path_ids_are_read_where_both_opens_say_so(void **state)
{
    (void)state;
    /* Path id 7, 198.51.100.0/24. */
    const char *update =
        BMP_IN_PRE BGP_MARKER "0033 02 0000 0014" BMP_ATTRIBUTES "00000007 18 c63364";

    assert_string_equal(say(BMP_PEER_UP, PEER_UP_ADD_PATH(BMP_IN_PRE)),
                        "up 192.0.2.1 AS 65001 ADD-PATH; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, update), "+pre 198.51.100.0/24#7 [65001]; ");
    /* The router sends none: what is in its Adj-RIB-Out has no path ids (RFC 8671). */
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_OUT_POST BMP_UPDATE),
                        "+out-post 198.51.100.0/24 [65001]; ");
}

static void a_loc_rib_has_path_ids_whichever_direction_its_opens_name(void **state)
{
    (void)state;
    assert_string_equal(
        say(BMP_PEER_UP, BMP_LOC_RIB BMP_LOCAL BMP_OPEN_SENT_ADD_PATH BMP_OPEN_SENT_ADD_PATH),
        "up Loc-RIB AS 65000 ADD-PATH; ");
    assert_string_equal(say(BMP_PEER_DOWN, BMP_LOC_RIB "06"), "down Loc-RIB 6; ");
    assert_string_equal(
        say(BMP_PEER_UP,
            BMP_LOC_RIB BMP_LOCAL BMP_OPEN_RECEIVED_ADD_PATH BMP_OPEN_RECEIVED_ADD_PATH),
        "up Loc-RIB AS 65001 ADD-PATH; ");
    assert_string_equal(say(BMP_PEER_DOWN, BMP_LOC_RIB "06"), "down Loc-RIB 6; ");
    assert_string_equal(
        say(BMP_PEER_UP, BMP_LOC_RIB BMP_LOCAL BMP_OPEN_RECEIVED BMP_OPEN_RECEIVED_ADD_PATH),
        "up Loc-RIB AS 65001; ");
}

static void flag_a_says_how_long_as_numbers_are(void **state)
{
    (void)state;
    /* AS_PATH 65001 in two octets. */
    const char *two_octets = "40010100 400204 0201 fde9 400304 c0000201";
    char *body = mem_printf("%s%s%s%s", BMP_HEADER_OF("0020", BMP_NO_RD, BMP_V4_ADDRESS),
                            BGP_MARKER "002d 02 0000 0012", two_octets, "18 c63364");

    say(BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    assert_string_equal(say(BMP_ROUTE_MONITORING, body), "+pre 198.51.100.0/24 [65001]; ");
    mem_free(body);
}

static void local_preference_counts_where_the_router_gave_it(void **state)
{
    (void)state;
    /* LOCAL_PREF 200, of a peer in another AS: before policy it says nothing (RFC 7606 section 7.5). */
    const char *update = BGP_MARKER "0036 02 0000 001b" BMP_ATTRIBUTES "400504 000000c8 18 c63364";
    char *pre = mem_printf("%s%s", BMP_IN_PRE, update),
         *post = mem_printf("%s%s", BMP_IN_POST, update);

    say(BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    assert_string_equal(say(BMP_ROUTE_MONITORING, pre), "+pre 198.51.100.0/24 [65001]; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, post), "+post 198.51.100.0/24 [65001] lp 200; ");
    mem_free(pre);
    mem_free(post);
}

static void a_peer_is_its_distinguisher_too(void **state)
{
    (void)state;
    say(BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    assert_string_equal(say(BMP_PEER_UP, PEER_UP(RD_1_PEER)),
                        "up 192.0.2.1@fde900000001 AS 65001; ");
    assert_string_equal(say(BMP_PEER_UP, PEER_UP(RD_2_PEER)),
                        "up 192.0.2.1@fde900000002 AS 65001; ");
    assert_string_equal(say(BMP_PEER_DOWN, RD_1_PEER "05"),
                        "down 192.0.2.1@fde900000001 5 for good; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, RD_1_PEER BMP_UPDATE), "!unknown_peer; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, RD_2_PEER BMP_UPDATE),
                        "+pre 198.51.100.0/24 [65001]; ");
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_IN_PRE BMP_UPDATE),
                        "+pre 198.51.100.0/24 [65001]; ");
}

static void a_peer_up_that_says_nothing_new_changes_nothing(void **state)
{
    (void)state;
    say(BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    /* Some routers send one for each table. */
    assert_string_equal(say(BMP_PEER_UP, PEER_UP(BMP_IN_POST)), "");
    assert_int_equal(counted(BMP_COUNTER_peer_ups_repeated), 1);
    /* Another session: its Peer Down was lost. */
    assert_string_equal(say(BMP_PEER_UP, PEER_UP_ADD_PATH(BMP_IN_PRE)),
                        "down 192.0.2.1 0; up 192.0.2.1 AS 65001 ADD-PATH; ");
    assert_int_equal(counted(BMP_COUNTER_peer_ups_instead), 1);
    assert_int_equal(counted(BMP_COUNTER_peer_ups), 2);
}

#define OPEN_OF_FAMILY(AFI)                                                                        \
    BGP_MARKER "002b 01 04 fde8 00b4 0a0000fe 0e 020c 0104 " AFI "0001 4104 0000fde8"

static void a_loc_rib_may_name_its_families_one_by_one(void **state)
{
    const char *ipv6 = BMP_LOC_RIB BMP_LOCAL OPEN_OF_FAMILY("0002") OPEN_OF_FAMILY("0002");

    (void)state;
    assert_string_equal(
        say(BMP_PEER_UP, BMP_LOC_RIB BMP_LOCAL OPEN_OF_FAMILY("0001") OPEN_OF_FAMILY("0001")),
        "up Loc-RIB AS 65000; ");
    assert_string_equal(say(BMP_PEER_UP, ipv6), "families 3; ");
    assert_string_equal(say(BMP_PEER_UP, ipv6), "");
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_LOC_RIB BMP_UPDATE),
                        "+loc 198.51.100.0/24 [65001]; ");
    /* 2001:db8::/32, withdrawn: MP_UNREACH_NLRI of IPv6 unicast (RFC 4760 section 4). */
    assert_string_equal(say(BMP_ROUTE_MONITORING,
                            BMP_LOC_RIB BGP_MARKER "0022 02 0000 000b 800f08 0002 01 20 20010db8"),
                        "-loc 2001:db8::/32; ");
    /* ADD-PATH where there was none is another way to read them. */
    assert_string_equal(
        say(BMP_PEER_UP, BMP_LOC_RIB BMP_LOCAL BMP_OPEN_SENT_ADD_PATH BMP_OPEN_SENT_ADD_PATH),
        "down Loc-RIB 0; up Loc-RIB AS 65000 ADD-PATH; ");
}

static void a_router_has_no_more_peers_than_it_may(void **state)
{
    (void)state;
    say(BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    say(BMP_PEER_UP, PEER_UP(RD_1_PEER));
    say(BMP_PEER_UP, PEER_UP(RD_2_PEER));
    assert_string_equal(say(BMP_PEER_UP, PEER_UP(BMP_LOC_RIB)), "!peer_limit; ");
    assert_int_equal(bmp_router_peer_count(rig->router), 3);
    say(BMP_PEER_DOWN, RD_1_PEER "04");
    assert_string_equal(say(BMP_PEER_UP, PEER_UP(BMP_LOC_RIB)), "up Loc-RIB AS 65001; ");
}

static void a_peer_down_tells_whether_it_was_meant(void **state)
{
    static const struct {
        const char *down, *text;
    } downs[] = {
        {BMP_IN_PRE "01" SHUTDOWN, "down 192.0.2.1 1 for good; "},
        {BMP_IN_PRE "01" RESET, "down 192.0.2.1 1; "},
        {BMP_IN_PRE "01", "down 192.0.2.1 1; "}, /* the NOTIFICATION is missing */
        {BMP_IN_PRE "02 0012", "down 192.0.2.1 2; "},
        {BMP_IN_PRE "02", "down 192.0.2.1 2; "}, /* so is the event */
        {BMP_IN_PRE "03" SHUTDOWN, "down 192.0.2.1 3 for good; "},
        {BMP_IN_PRE "04", "down 192.0.2.1 4; "},
        {BMP_IN_PRE "05", "down 192.0.2.1 5 for good; "},
        {BMP_IN_PRE "06", "down 192.0.2.1 6; "},
        {BMP_IN_PRE "63", "down 192.0.2.1 99; "},
        /* One that cannot be read still takes the peer down. */
        {BMP_IN_PRE "", "!peer_down; down 192.0.2.1 0; "},
        {BMP_IN_PRE "03 ffff", "!peer_down; down 192.0.2.1 0; "},
        {BMP_IN_PRE "01" BMP_UPDATE, "!peer_down; down 192.0.2.1 0; "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof downs / sizeof downs[0]; i++) {
        say(BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
        assert_string_equal(say(BMP_PEER_DOWN, downs[i].down), downs[i].text);
        assert_int_equal(bmp_router_peer_count(rig->router), 0);
    }
}

static void a_connection_that_ends_takes_all_peers_down(void **state)
{
    (void)state;
    say(BMP_PEER_UP, PEER_UP(RD_1_PEER));
    say(BMP_PEER_UP, PEER_UP(BMP_LOC_RIB));
    text_reset(&rig->log);
    bmp_router_free(rig->router);
    rig->router = NULL;
    assert_non_null(strstr(text_cstr(&rig->log), "down Loc-RIB 0; "));
    assert_non_null(strstr(text_cstr(&rig->log), "down 192.0.2.1@fde900000001 0; "));
}

static void counters_of_a_report_are_read(void **state)
{
    (void)state;
    /* Two counters: 0 with 4 bytes; 9 with AFI 1, SAFI 1 and 8 bytes. One more of 2 bytes is none. */
    const char *report = BMP_IN_PRE "00000003 0000 0004 00000005"
                                    "0009 000b 0001 01 0000000000000006 0063 0002 ffff";
    char *in_tlv = mem_printf("%s%s", BMP_IN_PRE,
                              "0001 001b 00000002 0000 0004 00000005"
                              "0009 000b 0001 01 0000000000000006");

    assert_string_equal(say(BMP_STATISTICS_REPORT, report),
                        "stat 0/0/0=5; stat 9/1/1=6; stat 99/0/0=0; ");
    assert_string_equal(bmp_rig_send(rig, 4, BMP_STATISTICS_REPORT, in_tlv),
                        "stat 0/0/0=5; stat 9/1/1=6; ");
    assert_int_equal(counted(BMP_COUNTER_statistics_reports), 2);
    mem_free(in_tlv);
}

static void mirrored_messages_are_passed_over_and_counted(void **state)
{
    (void)state;
    assert_string_equal(say(BMP_ROUTE_MIRRORING, BMP_IN_PRE "0000 0000"), "");
    assert_int_equal(counted(BMP_COUNTER_mirrorings), 1);
}

/* ---- version 4 ---- */

static const char *monitoring_4(const char *tlvs)
{
    char *body = mem_printf("%s%s", BMP_IN_PRE, tlvs);
    const char *log = bmp_rig_send(rig, 4, BMP_ROUTE_MONITORING, body);

    mem_free(body);
    return log;
}

/* Two NLRI: 198.51.100.0/24 and 203.0.113.0/24. */
#define TWO_ROUTES BGP_MARKER "0033 02 0000 0014" BMP_ATTRIBUTES "18 c63364 18 cb0071"

static void version_4_has_the_update_in_a_tlv(void **state)
{
    (void)state;
    bmp_rig_send(rig, 4, BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    assert_string_equal(monitoring_4("0007 002f 0000" BMP_UPDATE),
                        "+pre 198.51.100.0/24 [65001]; ");
    /* Before revision 20 it had the number of today's groups. */
    assert_string_equal(monitoring_4("0004 002f 0000" BMP_UPDATE),
                        "+pre 198.51.100.0/24 [65001]; ");
    /* A vendor's TLV of the same number is another thing: E bit, enterprise 9. */
    assert_string_equal(monitoring_4("8007 0005 0000 00000009 01 0007 002f 0000" BMP_UPDATE),
                        "+pre 198.51.100.0/24 [65001]; ");
    assert_string_equal(monitoring_4("0007 002f 0000" BMP_UPDATE "0007 002f 0000" BMP_UPDATE),
                        "!monitoring; ");
    assert_string_equal(monitoring_4("0005 0002 0000 7632"), "!monitoring; ");
    assert_string_equal(monitoring_4("0007 0030 0000" BMP_UPDATE), "!tlv; ");
}

static void paths_have_the_marks_that_name_them(void **state)
{
    (void)state;
    bmp_rig_send(rig, 4, BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    /* Index 0 means all: best (2), reason 1. */
    assert_string_equal(monitoring_4("0007 0033 0000" TWO_ROUTES "0005 0006 0000 00000002 0001"),
                        "+pre 198.51.100.0/24 marked 2 [65001]; "
                        "+pre 203.0.113.0/24 marked 2 [65001]; ");
    /* The second NLRI is a backup (0x10), both are non-selected (4) as group 1. */
    assert_string_equal(monitoring_4("0004 0004 8001 0001 0002 0005 0004 0002 00000010"
                                     "0005 0004 8001 00000004 0007 0033 0000" TWO_ROUTES),
                        "+pre 198.51.100.0/24 marked 4 [65001]; "
                        "+pre 203.0.113.0/24 marked 14 [65001]; ");
    /* The marks of one message do not outlive it. In revision 20 type 5 may be a table's name too. */
    assert_string_equal(monitoring_4("0005 0004 0000 626c7565 0007 0033 0000" TWO_ROUTES),
                        "+pre 198.51.100.0/24 [65001]; +pre 203.0.113.0/24 [65001]; ");
    /* In earlier ones groups are type 2. An index beyond the last NLRI, and a group that is not there,
     * mark nothing. */
    assert_string_equal(monitoring_4("0002 0002 8003 0002 0005 0004 8003 00000002"
                                     "0005 0004 0009 00000001 0005 0004 8004 00000008"
                                     "0004 0033 0000" TWO_ROUTES),
                        "+pre 198.51.100.0/24 marked 0 [65001]; "
                        "+pre 203.0.113.0/24 marked 2 [65001]; ");
}

static void a_message_may_bring_its_own_capabilities(void **state)
{
    (void)state;
    bmp_rig_send(rig, 4, BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    /* ADD-PATH of IPv4 unicast, as it stands in an OPEN, and path id 7. */
    assert_string_equal(monitoring_4("0006 0006 0000 4504 00010103 0007 0033 0000" BGP_MARKER
                                     "0033 02 0000 0014" BMP_ATTRIBUTES "00000007 18 c63364"),
                        "+pre 198.51.100.0/24#7 [65001]; ");
    assert_string_equal(monitoring_4("0007 002f 0000" BMP_UPDATE),
                        "+pre 198.51.100.0/24 [65001]; ");
}

/* ---- what is malformed ---- */

static void each_reject_has_its_reason(void **state)
{
    static const struct {
        uint8_t version, type;
        const char *body, *log;
    } cases[] = {
        {3, 9, "00", "!message_type; "},
        {3, BMP_ROUTE_MONITORING, "0000", "!peer_header; "},
        {3, BMP_ROUTE_MONITORING, BMP_HEADER_OF("0400", BMP_NO_RD, BMP_V4_ADDRESS) BMP_UPDATE,
         "!peer_type; "},
        {3, BMP_INITIATION, "0002 0003 7231", "!initiation; "},
        {3, BMP_TERMINATION, "0001 0003 0001", "!termination; term 1; "},
        {3, BMP_PEER_UP, BMP_IN_PRE "0000", "!peer_up; "},
        {3, BMP_PEER_UP, BMP_IN_PRE BMP_LOCAL BMP_OPEN_SENT, "!peer_up; "},
        {3, BMP_PEER_UP, BMP_IN_PRE BMP_LOCAL BMP_OPEN_SENT BMP_OPEN_RECEIVED "0003 0009 00",
         "!peer_up; "},
        {3, BMP_PEER_UP, BMP_IN_PRE BMP_LOCAL BMP_OPEN_SENT BMP_UPDATE, "!open; "},
        {3, BMP_PEER_UP, BMP_IN_PRE BMP_LOCAL BMP_OPEN_SENT "00112233", "!open; "},
        {3, BMP_PEER_UP, /* BGP version 3 */
         BMP_IN_PRE BMP_LOCAL BMP_OPEN_SENT BGP_MARKER "001d 01 03 fde9 00b4 0a000001 00",
         "!open; "},
        {3, BMP_STATISTICS_REPORT, BMP_IN_PRE "0000", "!statistics; "},
        {3, BMP_STATISTICS_REPORT, BMP_IN_PRE "00000001 0000 0004 0000", "!statistics; "},
        {4, BMP_STATISTICS_REPORT, BMP_IN_PRE "0002 0004 00000000", "!statistics; "},
        {3, BMP_ROUTE_MONITORING, RD_1_PEER BMP_UPDATE, "!unknown_peer; "},
        /* From here on of the peer that is up. */
        {3, BMP_ROUTE_MONITORING, BMP_IN_PRE, "!monitoring; "},
        {3, BMP_ROUTE_MONITORING, BMP_IN_PRE SHUTDOWN, "!monitoring; "},
        {3, BMP_ROUTE_MONITORING, BMP_IN_PRE BGP_MARKER "0017 02 0000 0001", "!update; "},
        {4, BMP_ROUTE_MONITORING, BMP_IN_PRE "0007 0000", "!tlv; "},
    };

    (void)state;
    say(BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(bmp_rig_send(rig, cases[i].version, cases[i].type, cases[i].body),
                            cases[i].log);
    /* All of that took nothing along. */
    assert_string_equal(say(BMP_ROUTE_MONITORING, BMP_IN_PRE BMP_UPDATE "00"),
                        "+pre 198.51.100.0/24 [65001]; ");
    assert_int_equal(counted(BMP_COUNTER_trailing), 1);
}

static void more_groups_than_anybody_needs_are_refused(void **state)
{
    struct text tlvs = {0};

    (void)state;
    bmp_rig_send(rig, 4, BMP_PEER_UP, PEER_UP(BMP_IN_PRE));
    text_append_string(&tlvs, "0007 002f 0000" BMP_UPDATE);
    for (unsigned i = 0; i < 65; i++)
        text_append_printf(&tlvs, "0004 0002 %04x 0001", 0x8000 | i);
    assert_string_equal(monitoring_4(text_cstr(&tlvs)), "!tlv; ");
    text_clear(&tlvs);
}

static void a_message_may_come_in_any_pieces(void **state)
{
    struct hex up = hex_make("03 0000009a 03" PEER_UP(BMP_IN_PRE));
    struct hex update = hex_make("03 0000005f 00" BMP_IN_PRE BMP_UPDATE);
    size_t len = up.len + update.len;
    uint8_t *bytes = mem_alloc(len);

    (void)state;
    up.data[4] = (uint8_t)up.len;
    update.data[4] = (uint8_t)update.len;
    memcpy(bytes, up.data, up.len);
    memcpy(bytes + up.len, update.data, update.len);
    for (size_t cut = 0; cut <= len; cut++) {
        text_reset(&rig->log);
        assert_true(bmp_router_feed(rig->router, bytes, cut));
        assert_true(bmp_router_feed(rig->router, bytes + cut, len - cut));
        assert_non_null(strstr(text_cstr(&rig->log), "+pre 198.51.100.0/24 [65001]; "));
    }
    text_reset(&rig->log);
    for (size_t i = 0; i < len; i++)
        assert_true(bmp_router_feed(rig->router, bytes + i, 1));
    assert_string_equal(text_cstr(&rig->log), "+pre 198.51.100.0/24 [65001]; ");
    assert_int_equal(counted(BMP_COUNTER_messages), 2 * (len + 2));
    mem_free(bytes);
    hex_clear(&up);
    hex_clear(&update);
}

static void a_message_that_is_too_long_is_passed_over(void **state)
{
    enum { EXCESS = 1000 };
    size_t len = BMP_MESSAGE_MAX + EXCESS;
    uint8_t *bytes = mem_zalloc(len);
    const uint8_t header[] = {3,
                              (uint8_t)(len >> 24),
                              (uint8_t)(len >> 16),
                              (uint8_t)(len >> 8),
                              (uint8_t)len,
                              BMP_ROUTE_MONITORING};

    (void)state;
    memcpy(bytes, header, sizeof header);
    for (size_t cut = 0; cut < 12; cut++) {
        text_reset(&rig->log);
        assert_true(bmp_router_feed(rig->router, bytes, cut));
        assert_true(bmp_router_feed(rig->router, bytes + cut, len - cut));
        assert_string_equal(text_cstr(&rig->log), "!too_long; ");
        assert_string_equal(say(BMP_INITIATION, "0002 0002 7231"), "init r1; ");
    }
    mem_free(bytes);
}

static void a_stream_that_cannot_be_followed_is_over(void **state)
{
    static const uint8_t version_1[] = {1, 0, 0, 0, 6, 4}, short_one[] = {3, 0, 0, 0, 5, 4},
                         http[] = "GET / HTTP/1.0\r\n\r\n", last[] = {3, 0, 0, 0, 6, 5};

    (void)state;
    assert_false(bmp_router_feed(rig->router, version_1, sizeof version_1));
    assert_false(bmp_router_feed(rig->router, short_one, sizeof short_one));
    assert_false(bmp_router_feed(rig->router, http, sizeof http));
    assert_string_equal(text_cstr(&rig->log), "!version; !length; !version; ");
    assert_false(bmp_router_feed(rig->router, last, sizeof last)); /* Termination */
}

static void every_counter_and_reject_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < BMP_COUNTER_COUNT; i++)
        assert_true(strlen(bmp_counter_name(i)) > 0 && strlen(bmp_counter_help(i)) > 0);
    for (int i = 0; i < BMP_REJECT_COUNT; i++)
        assert_true(strlen(bmp_reject_name(i)) > 0 && strlen(bmp_reject_help(i)) > 0);
    for (int i = 0; i < BMP_RIB_COUNT; i++)
        assert_true(strlen(bmp_rib_name(i)) > 0);
}

#define TEST_OF_RIG(FUNCTION) cmocka_unit_test_setup_teardown(FUNCTION, rig_make, rig_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF_RIG(a_router_says_who_it_is_and_that_it_ends),
        TEST_OF_RIG(routes_of_a_peer_come_between_its_up_and_its_down),
        TEST_OF_RIG(path_ids_are_read_where_both_opens_say_so),
        TEST_OF_RIG(a_loc_rib_has_path_ids_whichever_direction_its_opens_name),
        TEST_OF_RIG(flag_a_says_how_long_as_numbers_are),
        TEST_OF_RIG(local_preference_counts_where_the_router_gave_it),
        TEST_OF_RIG(a_peer_is_its_distinguisher_too),
        TEST_OF_RIG(a_peer_up_that_says_nothing_new_changes_nothing),
        TEST_OF_RIG(a_loc_rib_may_name_its_families_one_by_one),
        TEST_OF_RIG(a_router_has_no_more_peers_than_it_may),
        TEST_OF_RIG(a_peer_down_tells_whether_it_was_meant),
        TEST_OF_RIG(a_connection_that_ends_takes_all_peers_down),
        TEST_OF_RIG(counters_of_a_report_are_read),
        TEST_OF_RIG(mirrored_messages_are_passed_over_and_counted),
        TEST_OF_RIG(version_4_has_the_update_in_a_tlv),
        TEST_OF_RIG(paths_have_the_marks_that_name_them),
        TEST_OF_RIG(a_message_may_bring_its_own_capabilities),
        TEST_OF_RIG(each_reject_has_its_reason),
        TEST_OF_RIG(more_groups_than_anybody_needs_are_refused),
        TEST_OF_RIG(a_message_may_come_in_any_pieces),
        TEST_OF_RIG(a_message_that_is_too_long_is_passed_over),
        TEST_OF_RIG(a_stream_that_cannot_be_followed_is_over),
        TEST_OF_RIG(every_counter_and_reject_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
