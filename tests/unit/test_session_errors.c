/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves how a session ends: each NOTIFICATION that it sends (RFC 4271 section 6, RFC 6608), and
 * what it does with those that it gets. All bytes are written by hand from the RFCs. */
#include "support/session_rig.h"

#define STATES                                                                                     \
    {                                                                                              \
        SESSION_WAIT, SESSION_OPEN_SENT, SESSION_OPEN_CONFIRM, SESSION_ESTABLISHED                 \
    }
#define LONG_STRING_OF(digits) digits digits digits digits digits digits digits digits

/* Asserts that the peer hears exactly this NOTIFICATION, and the owner hears once that the session
 * is over. */
static void expect_refusal(struct session_rig *rig, const char *notification, const char *reason)
{
    rig_expect(rig, notification);
    rig_expect_end(rig);
    assert_int_equal(rig_state(rig), SESSION_CLOSING);
    assert_int_equal(rig->closed, 1);
    assert_string_equal(rig->reason, reason);
}

/* ---- message headers: section 6.1 ---- */

static void a_malformed_header_is_refused_in_every_state(void **state)
{
    (void)state;
    static const enum session_state states[] = STATES;
    static const struct {
        const char *message, *notification, *reason;
    } cases[] = {
        {"ffffffffffffffff ffffffffffffff00 0013 04", MARKER "0015 03 01 01",
         "message header error: connection not synchronized"},
        /* A web browser says "GET ": there is no need to wait for 19 bytes. */
        {"47455420", MARKER "0015 03 01 01", "message header error: connection not synchronized"},
        /* The Data field is the erroneous Length field. */
        {MARKER "0012 04", MARKER "0017 03 01 02 0012", "message header error: bad message length"},
        {MARKER "0014 04 00", MARKER "0017 03 01 02 0014",
         "message header error: bad message length"},
        {MARKER "1001 02", MARKER "0017 03 01 02 1001", "message header error: bad message length"},
        {MARKER "0016 02 000000", MARKER "0017 03 01 02 0016",
         "message header error: bad message length"},
        {MARKER "001c 01 000000000000000000", MARKER "0017 03 01 02 001c",
         "message header error: bad message length"},
        /* The Data field is the erroneous Type field. */
        {MARKER "0013 00", MARKER "0016 03 01 03 00", "message header error: bad message type"},
        {MARKER "0013 06", MARKER "0016 03 01 03 06", "message header error: bad message type"},
    };

    for (size_t s = 0; s < sizeof states / sizeof states[0]; s++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct session_rig rig;
            rig_reach(&rig, states[s]);
            rig_say(&rig, cases[i].message);
            expect_refusal(&rig, cases[i].notification, cases[i].reason);
            rig_clear(&rig);
        }
    }
}

static void a_message_before_the_malformed_one_still_counts(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    rig_say(&rig, EMPTY_UPDATE MARKER "0013 06" EMPTY_UPDATE);
    expect_refusal(&rig, MARKER "0016 03 01 03 06", "message header error: bad message type");
    assert_int_equal(rig.updates, 1);
    rig_clear(&rig);
}

/* ---- messages out of their turn: section 8.2.2, subcodes of RFC 6608 ---- */

static void a_message_out_of_its_turn_is_refused(void **state)
{
    (void)state;
    static const char refresh[] = MARKER "0017 05 0001 00 01";
    static const struct {
        enum session_state state;
        const char *message, *notification, *reason;
    } cases[] = {
#define IN_OPEN_SENT                                                                               \
    MARKER "0015 03 05 01", "finite state machine error: unexpected message in OpenSent"
#define IN_OPEN_CONFIRM                                                                            \
    MARKER "0015 03 05 02", "finite state machine error: unexpected message in OpenConfirm"
#define IN_ESTABLISHED                                                                             \
    MARKER "0015 03 05 03", "finite state machine error: unexpected message in Established"
        {SESSION_WAIT, KEEPALIVE, IN_OPEN_SENT},
        {SESSION_WAIT, EMPTY_UPDATE, IN_OPEN_SENT},
        {SESSION_WAIT, refresh, IN_OPEN_SENT},
        {SESSION_OPEN_SENT, KEEPALIVE, IN_OPEN_SENT},
        {SESSION_OPEN_SENT, EMPTY_UPDATE, IN_OPEN_SENT},
        {SESSION_OPEN_SENT, refresh, IN_OPEN_SENT},
        {SESSION_OPEN_CONFIRM, PLAIN_OPEN, IN_OPEN_CONFIRM},
        {SESSION_OPEN_CONFIRM, EMPTY_UPDATE, IN_OPEN_CONFIRM},
        {SESSION_OPEN_CONFIRM, refresh, IN_OPEN_CONFIRM},
        {SESSION_ESTABLISHED, PLAIN_OPEN, IN_ESTABLISHED},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session_rig rig;
        rig_reach(&rig, cases[i].state);
        rig_say(&rig, cases[i].message);
        expect_refusal(&rig, cases[i].notification, cases[i].reason);
        assert_int_equal(rig.updates + rig.refreshes, 0);
        rig_clear(&rig);
    }
}

/* ---- the OPEN: section 6.2 ---- */

static void an_open_that_we_cannot_accept_is_refused(void **state)
{
    (void)state;
    static const enum session_state states[] = {SESSION_WAIT, SESSION_OPEN_SENT};
    static const struct {
        const char *open, *notification, *reason;
    } cases[] = {
        /* The version is 3; the Data field is the one that we speak. */
        {MARKER "001d 01 03 fdf2 001e 0a000001 00", MARKER "0017 03 02 01 0004",
         "open message error: unsupported version number"},
        {MARKER "001d 01 04 0000 001e 0a000001 00", MARKER "0015 03 02 02",
         "open message error: bad peer AS"}, /* RFC 7607 */
        {MARKER "001d 01 04 fdf2 001e 00000000 00", MARKER "0015 03 02 03",
         "open message error: bad BGP identifier"},
        /* The peer has our own AS and identifier: RFC 6286 section 2.2. */
        {MARKER "001d 01 04 fde8 001e c00002fe 00", MARKER "0015 03 02 03",
         "open message error: bad BGP identifier"},
        {MARKER "0020 01 04 fdf2 001e 0a000001 03 01 01 00", MARKER "0015 03 02 04",
         "open message error: unsupported optional parameter"},
        {MARKER "001d 01 04 fdf2 0001 0a000001 00", MARKER "0015 03 02 06",
         "open message error: unacceptable hold time"},
        {MARKER "001d 01 04 fdf2 0002 0a000001 00", MARKER "0015 03 02 06",
         "open message error: unacceptable hold time"},
        /* The parameters have another length than what is there. */
        {MARKER "001d 01 04 fdf2 001e 0a000001 05", MARKER "0015 03 02 00", "open message error"},
        /* The multiprotocol capability has three bytes. */
        {MARKER "0024 01 04 fdf2 001e 0a000001 07 02 05 01 03 000100", MARKER "0015 03 02 00",
         "open message error"},
    };

    for (size_t s = 0; s < sizeof states / sizeof states[0]; s++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct session_rig rig;
            rig_reach(&rig, states[s]);
            rig_say(&rig, cases[i].open);
            expect_refusal(&rig, cases[i].notification, cases[i].reason);
            assert_int_equal(rig.opened, 0);
            rig_clear(&rig);
        }
    }
}

static void our_identifier_in_another_as_is_another_speaker(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_WAIT);
    rig_say(&rig, MARKER "001d 01 04 fdf2 001e c00002fe 00");
    assert_int_equal(rig_state(&rig), SESSION_OPEN_CONFIRM); /* RFC 6286 section 2.2 */
    rig_clear(&rig);
}

static void a_collision_is_told_without_an_open_of_ours(void **state)
{
    (void)state;
    static const struct notification collision = {.code = 6, .subcode = 7}; /* RFC 4486 */
    struct session_rig rig;

    rig_reach(&rig, SESSION_WAIT);
    rig.refuse_open = &collision;
    rig_say(&rig, PLAIN_OPEN);
    assert_int_equal(rig.opened, 1);
    expect_refusal(&rig, MARKER "0015 03 06 07", "cease: connection collision resolution");
    rig_clear(&rig);
}

static void a_session_that_lost_a_collision_is_closed_by_its_owner(void **state)
{
    (void)state;
    static const struct notification collision = {.code = 6, .subcode = 7};
    static const enum session_state states[] = STATES;

    for (size_t s = 0; s < sizeof states / sizeof states[0]; s++) {
        struct session_rig rig;
        rig_reach(&rig, states[s]);
        session_close(rig.session, &collision);
        rig_expect(&rig, MARKER "0015 03 06 07");
        rig_expect_end(&rig);
        assert_int_equal(rig.closed, 0); /* it knows */
        session_close(rig.session, &collision);
        rig_expect_end(&rig); /* nothing is said twice */
        rig_clear(&rig);
    }
}

/* ---- in Established ---- */

static void an_update_that_the_owner_refuses_ends_the_session(void **state)
{
    (void)state;
    static const struct notification malformed = {.code = 3, .subcode = 1};
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    rig.refuse_update = &malformed;
    rig_say(&rig, EMPTY_UPDATE EMPTY_UPDATE KEEPALIVE);
    expect_refusal(&rig, MARKER "0015 03 03 01", "update message error: malformed attribute list");
    assert_int_equal(rig.updates, 1); /* none of those that follow is looked at: */
    assert_int_equal(session_info(rig.session)->messages_received, 3);
    rig_clear(&rig);
}

static void an_owner_that_closes_while_it_is_asked_hears_no_more(void **state)
{
    (void)state;
    static const struct notification malformed = {.code = 3, .subcode = 1};
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    rig.refuse_update = &malformed;
    rig.closes_in_update = true;
    rig_say(&rig, EMPTY_UPDATE);
    rig_expect(&rig, MARKER "0015 03 06 00");
    rig_expect_end(&rig);
    assert_int_equal(rig.closed, 0);
    rig_clear(&rig);
}

static void a_route_refresh_reaches_the_owner(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    rig_say(&rig, MARKER "0017 05 0002 01 01"); /* IPv6 unicast, BoRR: RFC 7313 section 3.2 */
    assert_int_equal(rig.refreshes, 1);
    assert_int_equal(rig.refresh_family, FAMILY_IPV6_UNICAST);
    assert_int_equal(rig.refresh_subtype, 1);
    rig_say(&rig, MARKER "0017 05 4004 00 47"); /* BGP-LS */
    assert_int_equal(rig.refreshes, 2);
    assert_int_equal(rig.refresh_family, -1);
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    rig_clear(&rig);
}

static void a_route_refresh_of_another_length_is_refused(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    rig_say(&rig, MARKER "0018 05 0001 01 01 00"); /* RFC 7313 section 5 */
    expect_refusal(&rig, MARKER "0015 03 07 01",
                   "route refresh message error: invalid message length");
    assert_int_equal(rig.refreshes, 0);
    rig_clear(&rig);
}

/* Says an UPDATE of 5000 bytes, which are withdrawn default routes. */
static void say_long_update(struct session_rig *rig)
{
    uint8_t message[5000] = {0};

    memset(message, 0xff, 16);
    message[16] = 5000 >> 8;
    message[17] = 5000 & 0xff;
    message[18] = 2;
    message[19] = (5000 - 23) >> 8;
    message[20] = (5000 - 23) & 0xff;
    assert_int_equal(write(rig->peer_fd, message, sizeof message), sizeof message);
    rig_run(rig);
}

static void a_long_update_needs_the_capability(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    say_long_update(&rig);
    expect_refusal(&rig, MARKER "0017 03 01 02 1388", "message header error: bad message length");
    rig_clear(&rig);

    int fd = rig_init(&rig);
    rig_begin(&rig, fd, false);
    rig_say(&rig, MARKER "0021 01 04 fdf2 001e 0a000001 04 02 02 06 00"); /* RFC 8654 */
    rig_say(&rig, KEEPALIVE);
    say_long_update(&rig);
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    assert_int_equal(rig.updates, 1);
    assert_int_equal(rig.update_len, 5000 - 19);
    rig_clear(&rig);
}

/* ---- what the peer says, and the end ---- */

static void a_notification_ends_the_session_without_one_of_ours(void **state)
{
    (void)state;
    static const enum session_state states[] = STATES;

    for (size_t s = 0; s < sizeof states / sizeof states[0]; s++) {
        struct session_rig rig;
        rig_reach(&rig, states[s]);
        rig_say(&rig, SHUTDOWN);
        rig_expect_end(&rig);
        assert_int_equal(rig.closed, 1);
        assert_string_equal(rig.reason, "peer says: cease: administrative shutdown (bye)");
        assert_int_equal(rig.gone, 1); /* there is nothing to wait for */
        rig_clear(&rig);
    }
}

static void the_longest_notification_has_room(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    /* The text has 128 bytes, which were the most in RFC 8203. */
    rig_say(&rig, MARKER "0096 03 06 02 80" LONG_STRING_OF(LONG_STRING_OF("4142")));
    assert_int_equal(rig.closed, 1);
    char expected[256] = "peer says: cease: administrative shutdown (";
    for (int i = 0; i < 64; i++)
        strcat(expected, "AB");
    assert_string_equal(rig.reason, strcat(expected, ")"));
    rig_clear(&rig);
}

static void a_closing_session_waits_for_the_peer_two_seconds(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    rig_say(&rig, PLAIN_OPEN);
    rig_pass(&rig, 2 * NS_PER_S - 1);
    assert_int_equal(rig.gone, 0);
    rig_pass(&rig, 1);
    assert_int_equal(rig.gone, 1);
    assert_int_equal(rig.closed, 1);
    rig_clear(&rig);
}

static void a_closing_session_goes_when_the_peer_has_closed(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    rig_say(&rig, PLAIN_OPEN);
    assert_int_equal(rig.gone, 0);
    shutdown(rig.peer_fd, SHUT_WR);
    rig_run(&rig);
    assert_int_equal(rig.gone, 1);
    rig_clear(&rig);
}

static void a_closing_session_hears_nothing_more(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    rig_say(&rig, PLAIN_OPEN);
    rig_say(&rig, EMPTY_UPDATE KEEPALIVE SHUTDOWN "00000000");
    assert_int_equal(rig.updates, 0);
    assert_int_equal(rig.closed, 1);
    assert_string_equal(rig.reason,
                        "finite state machine error: unexpected message in Established");
    rig_clear(&rig);
}

static void a_session_closed_without_a_word_goes_at_once(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    session_close(rig.session, NULL);
    rig_run(&rig);
    rig_expect_end(&rig);
    assert_int_equal(rig.gone, 1);
    assert_int_equal(rig.closed, 0);
    rig_clear(&rig);
}

static void a_closing_session_sends_no_keepalives(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);
    uint8_t open[256];

    rig_begin(&rig, fd, false);
    rig_say(&rig, MARKER "001d 01 04 fdf2 0003 0a000001 00"); /* a KEEPALIVE each second */
    rig_say(&rig, KEEPALIVE);
    rig_expect_open(&rig, open);
    rig_expect(&rig, KEEPALIVE);
    rig_say(&rig, PLAIN_OPEN);
    rig_pass(&rig, NS_PER_S);
    expect_refusal(&rig, MARKER "0015 03 05 03",
                   "finite state machine error: unexpected message in Established");
    rig_clear(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_malformed_header_is_refused_in_every_state),
        cmocka_unit_test(a_message_before_the_malformed_one_still_counts),
        cmocka_unit_test(a_message_out_of_its_turn_is_refused),
        cmocka_unit_test(an_open_that_we_cannot_accept_is_refused),
        cmocka_unit_test(our_identifier_in_another_as_is_another_speaker),
        cmocka_unit_test(a_collision_is_told_without_an_open_of_ours),
        cmocka_unit_test(a_session_that_lost_a_collision_is_closed_by_its_owner),
        cmocka_unit_test(an_update_that_the_owner_refuses_ends_the_session),
        cmocka_unit_test(an_owner_that_closes_while_it_is_asked_hears_no_more),
        cmocka_unit_test(a_route_refresh_reaches_the_owner),
        cmocka_unit_test(a_route_refresh_of_another_length_is_refused),
        cmocka_unit_test(a_long_update_needs_the_capability),
        cmocka_unit_test(a_notification_ends_the_session_without_one_of_ours),
        cmocka_unit_test(the_longest_notification_has_room),
        cmocka_unit_test(a_closing_session_waits_for_the_peer_two_seconds),
        cmocka_unit_test(a_closing_session_goes_when_the_peer_has_closed),
        cmocka_unit_test(a_closing_session_hears_nothing_more),
        cmocka_unit_test(a_session_closed_without_a_word_goes_at_once),
        cmocka_unit_test(a_closing_session_sends_no_keepalives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
