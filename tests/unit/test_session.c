/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves a session's way to Established, its timers (RFC 4271 section 8), and how bytes become
 * messages. The test is the peer, and the expected bytes are written by hand from the RFC. */
#include "support/session_rig.h"
#include <arpa/inet.h>
#include <netinet/in.h>

/* The session's send() is this one, so that a test can let the socket take only a few bytes. */
static size_t send_max = SIZE_MAX;

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    return sendto(fd, data, len < send_max ? len : send_max, flags, NULL, 0);
}

/* Finds the value of a capability in the one optional parameter of our OPEN; NULL if it is not
 * offered. */
static const uint8_t *capability_find(const uint8_t *open, size_t len, uint8_t code)
{
    if (len == 10)
        return NULL;
    assert_int_equal(open[10], 2); /* RFC 5492 section 4: Capabilities */
    assert_int_equal(open[11], len - 12);
    for (size_t at = 12; at < len; at += 2u + open[at + 1])
        if (open[at] == code)
            return open + at + 2;
    return NULL;
}

static void we_wait_for_the_open_of_a_peer_that_connects(void **state)
{
    (void)state;
    struct session_rig rig;
    uint8_t open[256];

    rig_reach(&rig, SESSION_WAIT);
    rig_expect_silence(&rig);
    rig_say(&rig, PLAIN_OPEN);
    assert_int_equal(rig_state(&rig), SESSION_OPEN_CONFIRM);
    assert_int_equal(rig.opened, 1);
    assert_int_equal(rig.established, 0);
    rig_expect_open(&rig, open);
    /* Our OPEN says version 4, AS 65000, 90 s, 192.0.2.254. */
    assert_memory_equal(open, ((uint8_t[]){4, 0xfd, 0xe8, 0, 90, 192, 0, 2, 254}), 9);
    rig_expect(&rig, KEEPALIVE);
    rig_expect_silence(&rig);
    rig_say(&rig, KEEPALIVE);
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    assert_int_equal(rig.established, 1);
    rig_expect_silence(&rig);
    rig_clear(&rig);
}

static void we_open_first_where_we_connect(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);
    uint8_t open[256];

    rig_begin(&rig, fd, true);
    assert_int_equal(rig_state(&rig), SESSION_CONNECT);
    rig_run(&rig);
    assert_int_equal(rig_state(&rig), SESSION_OPEN_SENT);
    rig_expect_open(&rig, open);
    rig_expect_silence(&rig);
    rig_say(&rig, PLAIN_OPEN);
    assert_int_equal(rig_state(&rig), SESSION_OPEN_CONFIRM);
    rig_expect(&rig, KEEPALIVE); /* and not a second OPEN */
    rig_expect_silence(&rig);
    rig_say(&rig, KEEPALIVE);
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    rig_clear(&rig);
}

static void without_an_as_of_our_own_we_take_the_peers(void **state)
{
    (void)state;
    for (int is_active = 0; is_active < 2; is_active++) {
        struct session_rig rig;
        int fd = rig_init(&rig);
        uint8_t open[256];
        rig.settings.local_as = 0;
        rig_begin(&rig, fd, is_active);
        rig_run(&rig);
        assert_int_equal(rig_state(&rig), SESSION_WAIT); /* even if we connected: it is not known */
        rig_expect_silence(&rig);
        rig_say(&rig, PLAIN_OPEN);
        rig_expect_open(&rig, open);
        assert_memory_equal(open + 1, ((uint8_t[]){0xfd, 0xf2}), 2); /* 65010 */
        assert_true(session_info(rig.session)->context.is_internal);
        rig_clear(&rig);
    }
}

static void a_peer_of_another_as_is_external(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_OPEN_CONFIRM);
    assert_int_equal(session_info(rig.session)->theirs.as, 65010);
    assert_false(session_info(rig.session)->context.is_internal);
    rig_clear(&rig);

    int fd = rig_init(&rig);
    rig_begin(&rig, fd, false);
    rig_say(&rig, MARKER "001d 01 04 fde8 001e 0a000001 00"); /* AS 65000 like ours */
    assert_true(session_info(rig.session)->context.is_internal);
    rig_clear(&rig);
}

static void an_as_of_four_octets_goes_into_its_capability(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);
    uint8_t open[256];

    rig.settings.local_as = 4200000000;
    rig_begin(&rig, fd, true);
    rig_run(&rig);
    size_t len = rig_expect_open(&rig, open);
    /* RFC 6793 section 9: AS_TRANS, 23456, in the field of two octets. */
    assert_memory_equal(open + 1, ((uint8_t[]){0x5b, 0xa0}), 2);
    const uint8_t *value = capability_find(open, len, 65);
    assert_non_null(value);
    assert_memory_equal(value, ((uint8_t[]){0xfa, 0x56, 0xea, 0x00}), 4);
    /* The peer says AS_TRANS, and 4200000001 in its capability. */
    rig_say(&rig, MARKER "0025 01 04 5ba0 001e 0a000001 08 02 06 41 04 fa56ea01");
    assert_true(session_info(rig.session)->theirs.as == 4200000001);
    assert_true(session_info(rig.session)->context.features.has_four_octet_as);
    rig_clear(&rig);
}

/* The peer is AS 65010 with hold time 30 s and identifier 10.0.0.1. Families: IPv4 unicast, IPv4
 * labelled and one that nobody has (AFI 99). ADD-PATH: send for IPv4 unicast, receive for IPv4
 * labelled, both for IPv6 unicast. */
#define ADD_PATH_OPEN                                                                              \
    MARKER "003f 01 04 fdf2 001e 0a000001 22 02 20"                                                \
           "01 04 00010001  01 04 00010004  01 04 00630001"                                        \
           "45 0c 000101 02 000104 01 000201 03"

static void families_and_add_path_are_what_both_can_do(void **state)
{
    (void)state;
    const uint32_t ipv4 = 1u << FAMILY_IPV4_UNICAST, labelled = 1u << FAMILY_IPV4_LABELLED;
    struct session_rig rig;
    int fd = rig_init(&rig);
    uint8_t open[256];

    rig_begin(&rig, fd, false);
    rig_say(&rig, ADD_PATH_OPEN);
    assert_int_equal(rig_state(&rig), SESSION_OPEN_CONFIRM);
    const struct session_features *features = &session_info(rig.session)->context.features;
    assert_int_equal(features->families, ipv4 | labelled);
    /* The peer sends and we receive (RFC 7911 section 4). ADD-PATH of IPv6 has no family to go
     * with. */
    assert_int_equal(features->add_path, ipv4);
    assert_false(features->has_extended_message);
    assert_false(features->has_four_octet_as);
    size_t len = rig_expect_open(&rig, open);
    const uint8_t *offer = capability_find(open, len, 69);
    assert_non_null(offer);
    assert_int_equal(offer[-1], 4);
    assert_memory_equal(offer, ((uint8_t[]){0, 1, 1, 1}), 4); /* IPv4 unicast, receive */
    assert_null(capability_find(open, len, 65));              /* they did not offer it */
    assert_null(capability_find(open, len, 6));
    rig_clear(&rig);
}

static void add_path_is_not_agreed_on_where_we_do_not_want_it(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);
    uint8_t open[256];

    rig.settings.add_path = false;
    rig_begin(&rig, fd, false);
    rig_say(&rig, ADD_PATH_OPEN);
    assert_int_equal(session_info(rig.session)->context.features.add_path, 0);
    size_t len = rig_expect_open(&rig, open);
    assert_null(capability_find(open, len, 69));
    rig_clear(&rig);
}

static void a_peer_without_families_means_ipv4_unicast(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    assert_int_equal(session_info(rig.session)->context.features.families,
                     1u << FAMILY_IPV4_UNICAST); /* RFC 4760 section 8 */
    rig_clear(&rig);
}

/* ---- the connection itself ---- */

static void a_connection_that_is_refused_says_so(void **state)
{
    (void)state;
    struct session_rig rig;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t sa_len = sizeof sa;
    int unused = rig_init(&rig), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int nobody = socket(AF_INET, SOCK_STREAM, 0); /* bound, and listening to nobody */

    assert_int_equal(bind(nobody, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(getsockname(nobody, (struct sockaddr *)&sa, &sa_len), 0);
    (void)!connect(fd, (struct sockaddr *)&sa, sizeof sa);
    rig_begin(&rig, fd, true);
    assert_true(poller_wait(rig.poller, 5000) > 0);
    rig_run(&rig);
    assert_int_equal(rig.closed, 1);
    assert_string_equal(rig.reason, "Connection refused");
    assert_int_equal(rig.gone, 1);
    close(unused);
    close(nobody);
    rig_clear(&rig);
}

/* Takes all the room that the session's end has for what it sends. */
static void fill(int fd)
{
    static const uint8_t block[4096];

    while (write(fd, block, sizeof block) > 0)
        ;
    while (write(fd, block, 1) > 0)
        ;
}

static void an_attempt_to_connect_ends_after_thirty_seconds(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);

    fill(fd); /* it cannot be written: to a poller that looks like a connection in the making */
    rig_begin(&rig, fd, true);
    rig_pass(&rig, 30 * NS_PER_S - 1);
    assert_int_equal(rig_state(&rig), SESSION_CONNECT);
    rig_pass(&rig, 1);
    assert_int_equal(rig.closed, 1);
    assert_string_equal(rig.reason, "no answer to our connection");
    assert_int_equal(rig.gone, 1);
    rig_clear(&rig);
}

static void a_peer_that_hangs_up_is_gone(void **state)
{
    (void)state;
    static const enum session_state states[] = {SESSION_WAIT, SESSION_OPEN_SENT,
                                                SESSION_OPEN_CONFIRM, SESSION_ESTABLISHED};

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct session_rig rig;
        rig_reach(&rig, states[i]);
        close(rig.peer_fd);
        rig.peer_fd = -1;
        rig_run(&rig);
        assert_int_equal(rig.closed, 1);
        assert_string_equal(rig.reason, "connection closed by the peer");
        assert_int_equal(rig.gone, 1);
        rig_clear(&rig);
    }
}

/* ---- timers ---- */

static void a_connection_without_an_open_ends_after_a_minute(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_WAIT);
    rig_write(&rig, MARKER "001d 01"); /* the beginning of one is not one */
    rig_pass(&rig, 60 * NS_PER_S - 1);
    assert_int_equal(rig_state(&rig), SESSION_WAIT);
    rig_pass(&rig, 1);
    assert_int_equal(rig.closed, 1);
    assert_string_equal(rig.reason, "no OPEN came");
    rig_expect_end(&rig); /* without a word: we have not sent an OPEN either */
    assert_int_equal(rig.gone, 1);
    rig_clear(&rig);
}

static void our_open_waits_four_minutes_for_an_answer(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_OPEN_SENT);
    rig_pass(&rig, 240 * NS_PER_S - 1);
    assert_int_equal(rig_state(&rig), SESSION_OPEN_SENT);
    rig_expect_silence(&rig);
    rig_pass(&rig, 1);
    rig_expect(&rig, MARKER "0015 03 04 00"); /* section 8.2.2, OpenSent: Hold Timer Expired */
    rig_expect_end(&rig);
    assert_string_equal(rig.reason, "hold timer expired");
    rig_clear(&rig);
}

static void the_hold_time_is_the_smaller_one(void **state)
{
    (void)state;
    /* Each row has the hold time that the peer offers, and the one agreed on with our 90 seconds
     * (section 4.2). */
    static const struct {
        const char *open;
        int64_t seconds;
    } cases[] = {
        {MARKER "001d 01 04 fdf2 0003 0a000001 00", 3},
        {MARKER "001d 01 04 fdf2 001e 0a000001 00", 30},
        {MARKER "001d 01 04 fdf2 00b4 0a000001 00", 90},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session_rig rig;
        int fd = rig_init(&rig);
        rig_begin(&rig, fd, false);
        rig_say(&rig, cases[i].open);
        rig_say(&rig, KEEPALIVE);
        rig_pass(&rig, cases[i].seconds * NS_PER_S - 1);
        assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
        rig_pass(&rig, 1);
        assert_int_equal(rig.closed, 1);
        assert_string_equal(rig.reason, "hold timer expired");
        rig_clear(&rig);
    }
}

static void an_expired_hold_timer_is_told_to_the_peer(void **state)
{
    (void)state;
    static const enum session_state states[] = {SESSION_OPEN_CONFIRM, SESSION_ESTABLISHED};

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct session_rig rig;
        rig_reach(&rig, states[i]);
        rig_pass(&rig, 10 * NS_PER_S);
        rig_expect(&rig, KEEPALIVE);
        rig_pass(&rig, 10 * NS_PER_S);
        rig_expect(&rig, KEEPALIVE);
        rig_pass(&rig, 10 * NS_PER_S);
        assert_int_equal(rig_state(&rig), SESSION_CLOSING);
        /* A KEEPALIVE is due in that moment too, and it may come first or not. */
        uint8_t heard[64];
        ssize_t len = recv(rig.peer_fd, heard, sizeof heard, 0);
        struct hex hex = hex_make(MARKER "0015 03 04 00");
        assert_true(len == 21 || len == 40);
        assert_memory_equal(heard + len - 21, hex.data, 21);
        hex_clear(&hex);
        rig_expect_end(&rig);
        rig_clear(&rig);
    }
}

static void keepalives_and_updates_keep_the_session(void **state)
{
    (void)state;
    static const char *const messages[] = {KEEPALIVE, EMPTY_UPDATE};

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct session_rig rig;
        rig_reach(&rig, SESSION_ESTABLISHED);
        for (int n = 0; n < 10; n++) {
            rig_pass(&rig, 29 * NS_PER_S);
            rig_say(&rig, messages[i]);
        }
        rig_pass(&rig, 30 * NS_PER_S - 1);
        assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
        rig_pass(&rig, 1);
        assert_int_equal(rig_state(&rig), SESSION_CLOSING);
        rig_clear(&rig);
    }
}

static void other_messages_and_halves_do_not_keep_the_session(void **state)
{
    (void)state;
    /* RFC 4271 section 8.2.2 restarts the hold timer for KEEPALIVE and UPDATE. A ROUTE-REFRESH; 18
     * bytes of a KEEPALIVE; the head of an UPDATE of 4096 bytes. */
    static const char *const messages[] = {MARKER "0017 05 0001 00 01", MARKER "0013",
                                           MARKER "1000 02 0000"};

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct session_rig rig;
        rig_reach(&rig, SESSION_ESTABLISHED);
        rig_pass(&rig, 29 * NS_PER_S);
        rig_say(&rig, messages[i]);
        rig_pass(&rig, NS_PER_S - 1);
        assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
        rig_pass(&rig, 1);
        assert_int_equal(rig_state(&rig), SESSION_CLOSING);
        rig_clear(&rig);
    }
}

static void trickle(void *arg)
{
    rig_write(arg, "00");
}

static void bytes_that_always_wait_do_not_put_off_the_end(void **state)
{
    (void)state;
    struct session_rig rig;
    struct poller_timer timer = {.fn = trickle, .arg = &rig};

    rig_reach(&rig, SESSION_ESTABLISHED);
    rig_say(&rig, MARKER "1000 02 0000"); /* the head of an UPDATE that never ends */
    fake_now_ns += 30 * NS_PER_S - 1;
    for (int n = 0; n < 10 && rig.session && rig_state(&rig) == SESSION_ESTABLISHED; n++) {
        /* A byte comes just before each look at the hold timer. */
        poller_timer_set_in(rig.poller, &timer, 1);
        fake_now_ns += NS_PER_S;
        poller_wait(rig.poller, 0);
    }
    rig_run(&rig);
    assert_int_equal(rig_state(&rig), SESSION_CLOSING);
    assert_string_equal(rig.reason, "hold timer expired");
    poller_timer_cancel(rig.poller, &timer);
    rig_clear(&rig);
}

static void we_send_a_keepalive_each_third_of_the_hold_time(void **state)
{
    (void)state;
    struct session_rig rig;

    rig_reach(&rig, SESSION_ESTABLISHED);
    for (int n = 0; n < 5; n++) {
        rig_pass(&rig, 10 * NS_PER_S - 1);
        rig_expect_silence(&rig);
        rig_pass(&rig, 1);
        rig_expect(&rig, KEEPALIVE);
        rig_expect_silence(&rig);
        rig_say(&rig, KEEPALIVE);
    }
    rig_clear(&rig);
}

static void without_a_hold_time_a_session_stays_for_ever(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);
    uint8_t open[256];

    rig_begin(&rig, fd, false);
    rig_say(&rig, MARKER "001d 01 04 fdf2 0000 0a000001 00");
    rig_expect_open(&rig, open);
    rig_expect(&rig, KEEPALIVE);
    rig_say(&rig, KEEPALIVE);
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    for (int day = 0; day < 3; day++)
        rig_pass(&rig, 86400 * NS_PER_S);
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    rig_expect_silence(&rig); /* section 4.4: no periodic KEEPALIVE then */
    rig_clear(&rig);
}

static void without_a_hold_time_the_first_keepalive_must_come_all_the_same(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);

    rig_begin(&rig, fd, false);
    rig_say(&rig, MARKER "001d 01 04 fdf2 0000 0a000001 00");
    rig_pass(&rig, 60 * NS_PER_S - 1);
    assert_int_equal(rig_state(&rig), SESSION_OPEN_CONFIRM);
    rig_pass(&rig, 1);
    assert_int_equal(rig_state(&rig), SESSION_CLOSING);
    rig_clear(&rig);
}

static void late_keepalive(void *arg)
{
    rig_write(arg, KEEPALIVE);
}

static void bytes_that_we_had_no_time_to_read_are_not_the_peers_fault(void **state)
{
    (void)state;
    struct session_rig rig;
    struct poller_timer timer = {.fn = late_keepalive, .arg = &rig};

    rig_reach(&rig, SESSION_ESTABLISHED);
    /* The peer writes between the poller's look at descriptors and the hold timer's end. */
    poller_timer_set_in(rig.poller, &timer, 30 * NS_PER_S - 1);
    fake_now_ns += 30 * NS_PER_S;
    assert_true(poller_wait(rig.poller, 0) > 0);
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    rig_run(&rig); /* reads it */
    rig_pass(&rig, 30 * NS_PER_S - 1);
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    rig_pass(&rig, 1);
    assert_int_equal(rig_state(&rig), SESSION_CLOSING);
    rig_clear(&rig);
}

/* ---- bytes ---- */

/* UPDATE_BODY withdraws 10.0.0.0/8. */
#define UPDATE_BODY "0002 080a 0000"

static void messages_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);
    struct hex hex = hex_make(PLAIN_OPEN KEEPALIVE MARKER "0019 02" UPDATE_BODY KEEPALIVE);
    struct hex body = hex_make(UPDATE_BODY);

    rig_begin(&rig, fd, false);
    for (size_t i = 0; i < hex.len; i++) {
        assert_int_equal(write(rig.peer_fd, hex.data + i, 1), 1);
        rig_run(&rig);
        assert_int_equal(rig_state(&rig), i + 1 < 29   ? SESSION_WAIT
                                          : i + 1 < 48 ? SESSION_OPEN_CONFIRM
                                                       : SESSION_ESTABLISHED);
        assert_int_equal(rig.updates, i + 1 < 48 + 25 ? 0 : 1);
    }
    assert_int_equal(rig.update_len, body.len);
    assert_memory_equal(rig.update, body.data, body.len);
    assert_int_equal(session_info(rig.session)->messages_received, 4);
    assert_int_equal(session_info(rig.session)->updates_received, 1);
    hex_clear(&hex);
    hex_clear(&body);
    rig_clear(&rig);
}

static void messages_may_come_all_at_once(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);

    rig_begin(&rig, fd, false);
    /* The first bytes of one more message come along. */
    rig_say(&rig, PLAIN_OPEN KEEPALIVE EMPTY_UPDATE EMPTY_UPDATE KEEPALIVE MARKER "0019");
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    assert_int_equal(rig.updates, 2);
    assert_int_equal(session_info(rig.session)->messages_received, 5);
    rig_say(&rig, "02" UPDATE_BODY);
    assert_int_equal(rig.updates, 3);
    rig_clear(&rig);
}

static void more_than_a_turns_bytes_come_in_order(void **state)
{
    (void)state;
    enum { COUNT = 40, LEN = 4096 };
    static uint8_t data[COUNT * LEN];
    struct session_rig rig;
    size_t sent = 0;

    for (size_t i = 0; i < COUNT; i++) {
        uint8_t *message = data + i * LEN;
        memset(message, 0xff, 16);
        message[16] = LEN >> 8;
        message[17] = LEN & 0xff;
        message[18] = 2;
        message[LEN - 1] = (uint8_t)(i + 1);
    }
    rig_reach(&rig, SESSION_ESTABLISHED);
    /* The peer writes as much as the socket takes at once, which ends anywhere in a message. */
    while (sent < sizeof data) {
        ssize_t len = write(rig.peer_fd, data + sent, sizeof data - sent);
        if (len > 0)
            sent += (size_t)len;
        rig_run(&rig);
        assert_int_equal(rig.updates, sent / LEN);
        if (rig.updates > 0)
            assert_int_equal(rig.update[LEN - 19 - 1], rig.updates);
    }
    assert_int_equal(rig.updates, COUNT);
    rig_clear(&rig);
}

static void what_the_socket_takes_in_pieces_arrives_whole(void **state)
{
    (void)state;
    struct session_rig rig;
    int fd = rig_init(&rig);
    uint8_t open[256];

    send_max = 7;
    rig_begin(&rig, fd, false);
    rig_say(&rig, PLAIN_OPEN KEEPALIVE);
    rig_expect_open(&rig, open);
    rig_expect(&rig, KEEPALIVE);
    rig_say(&rig, PLAIN_OPEN); /* and what is said last */
    rig_expect(&rig, MARKER "0015 03 05 03");
    rig_expect_end(&rig);
    send_max = SIZE_MAX;
    rig_clear(&rig);
}

static void a_peer_that_does_not_read_gets_whole_messages_later(void **state)
{
    (void)state;
    enum { COUNT = 5000 }; /* more KEEPALIVEs than the socket and the session's buffer hold */
    struct session_rig rig;
    static uint8_t heard[COUNT * 19];
    size_t len = 0;

    rig_reach(&rig, SESSION_ESTABLISHED);
    for (int n = 0; n < COUNT; n++) {
        rig_pass(&rig, 10 * NS_PER_S);
        rig_say(&rig, KEEPALIVE);
    }
    assert_int_equal(rig_state(&rig), SESSION_ESTABLISHED);
    for (;;) {
        ssize_t got = recv(rig.peer_fd, heard + len, sizeof heard - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        rig_run(&rig);
    }
    struct hex keepalive = hex_make(KEEPALIVE);
    assert_int_equal(len % keepalive.len, 0);
    assert_true(len > 8192 - keepalive.len && len < COUNT * keepalive.len);
    for (size_t at = 0; at < len; at += keepalive.len)
        assert_memory_equal(heard + at, keepalive.data, keepalive.len);
    hex_clear(&keepalive);
    rig_pass(&rig, 10 * NS_PER_S);
    rig_expect(&rig, KEEPALIVE); /* and it goes on */
    rig_clear(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(we_wait_for_the_open_of_a_peer_that_connects),
        cmocka_unit_test(we_open_first_where_we_connect),
        cmocka_unit_test(without_an_as_of_our_own_we_take_the_peers),
        cmocka_unit_test(a_peer_of_another_as_is_external),
        cmocka_unit_test(an_as_of_four_octets_goes_into_its_capability),
        cmocka_unit_test(families_and_add_path_are_what_both_can_do),
        cmocka_unit_test(add_path_is_not_agreed_on_where_we_do_not_want_it),
        cmocka_unit_test(a_peer_without_families_means_ipv4_unicast),
        cmocka_unit_test(a_connection_that_is_refused_says_so),
        cmocka_unit_test(an_attempt_to_connect_ends_after_thirty_seconds),
        cmocka_unit_test(a_peer_that_hangs_up_is_gone),
        cmocka_unit_test(a_connection_without_an_open_ends_after_a_minute),
        cmocka_unit_test(our_open_waits_four_minutes_for_an_answer),
        cmocka_unit_test(the_hold_time_is_the_smaller_one),
        cmocka_unit_test(an_expired_hold_timer_is_told_to_the_peer),
        cmocka_unit_test(keepalives_and_updates_keep_the_session),
        cmocka_unit_test(other_messages_and_halves_do_not_keep_the_session),
        cmocka_unit_test(bytes_that_always_wait_do_not_put_off_the_end),
        cmocka_unit_test(we_send_a_keepalive_each_third_of_the_hold_time),
        cmocka_unit_test(without_a_hold_time_a_session_stays_for_ever),
        cmocka_unit_test(without_a_hold_time_the_first_keepalive_must_come_all_the_same),
        cmocka_unit_test(bytes_that_we_had_no_time_to_read_are_not_the_peers_fault),
        cmocka_unit_test(messages_may_come_byte_by_byte),
        cmocka_unit_test(messages_may_come_all_at_once),
        cmocka_unit_test(more_than_a_turns_bytes_come_in_order),
        cmocka_unit_test(what_the_socket_takes_in_pieces_arrives_whole),
        cmocka_unit_test(a_peer_that_does_not_read_gets_whole_messages_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
