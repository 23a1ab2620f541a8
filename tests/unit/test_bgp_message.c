/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that BGP messages are framed, that OPEN, NOTIFICATION and ROUTE-REFRESH are read and
 * written, and which error answers each fault. Bytes and expected values follow the RFC named at
 * each. */
#include "bgp/message.h"
#include "support/hex.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MARKER "ffffffffffffffff ffffffffffffffff "

static int frame(const char *digits, size_t len_max, struct message *message,
                 struct notification *error)
{
    struct hex hex = hex_make(digits);
    int err = message_frame(hex.data, hex.len, len_max, message, error);
    hex_clear(&hex); /* tests look only at type and length */
    return err;
}

static void keepalive_is_nineteen_bytes(void **state)
{
    (void)state;
    struct message message;
    struct notification error;

    assert_int_equal(frame(MARKER "0013 04", MESSAGE_LEN_MAX, &message, &error), 0);
    assert_int_equal(message.type, MESSAGE_KEEPALIVE);
    assert_int_equal(message.len, 19);
    assert_int_equal(reader_left(&message.body), 0);
    assert_int_equal(frame(MARKER "0014 04 00", MESSAGE_LEN_MAX, &message, &error), -EBADMSG);
    assert_int_equal(error.code, ERROR_HEADER);
    assert_int_equal(error.subcode, HEADER_BAD_LENGTH);
    /* RFC 4271 section 6.1: the Data field holds the erroneous Length. */
    assert_int_equal(error.data_len, 2);
    assert_int_equal(error.data[1], 0x14);
}

static void frame_waits_for_the_whole_message(void **state)
{
    (void)state;
    struct message message;
    struct notification error;

    assert_int_equal(frame("ffff", MESSAGE_LEN_MAX, &message, &error), -EAGAIN);
    assert_int_equal(frame(MARKER "0017 02", MESSAGE_LEN_MAX, &message, &error), -EAGAIN);
    assert_int_equal(frame(MARKER "0017 02 000000", MESSAGE_LEN_MAX, &message, &error), -EAGAIN);
    assert_int_equal(frame(MARKER "0017 02 00000000", MESSAGE_LEN_MAX, &message, &error), 0);
}

static void another_protocol_is_refused_at_its_first_bytes(void **state)
{
    (void)state;
    struct message message;
    struct notification error;

    /* "GET " */
    assert_int_equal(frame("47455420", MESSAGE_LEN_MAX, &message, &error), -EBADMSG);
    assert_int_equal(error.code, ERROR_HEADER);
    assert_int_equal(error.subcode, HEADER_NOT_SYNCHRONIZED);
}

static void unknown_type_is_named_in_the_notification(void **state)
{
    (void)state;
    struct message message;
    struct notification error;

    for (int i = 0; i < 2; i++) {
        const char *digits = i ? MARKER "0013 00" : MARKER "0013 06";
        assert_int_equal(frame(digits, MESSAGE_LEN_MAX, &message, &error), -EBADMSG);
        assert_int_equal(error.subcode, HEADER_BAD_TYPE);
        assert_int_equal(error.data_len, 1);
        assert_int_equal(error.data[0], i ? 0 : 6);
    }
}

static void long_messages_need_the_capability(void **state)
{
    (void)state;
    struct message message;
    struct notification error;

    /*
     * 4097 bytes are too many: an OPEN stays at 4096 whatever was agreed on (RFC 8654 section 4).
     */
    assert_int_equal(frame(MARKER "1001 02", MESSAGE_LEN_MAX, &message, &error), -EBADMSG);
    assert_int_equal(frame(MARKER "1001 02", MESSAGE_EXTENDED_LEN_MAX, &message, &error), -EAGAIN);
    assert_int_equal(frame(MARKER "1001 01", MESSAGE_EXTENDED_LEN_MAX, &message, &error), -EBADMSG);
}

static void length_below_the_header_is_refused(void **state)
{
    (void)state;
    struct message message;
    struct notification error;

    assert_int_equal(frame(MARKER "0000 02", MESSAGE_LEN_MAX, &message, &error), -EBADMSG);
    assert_int_equal(frame(MARKER "0012 04", MESSAGE_LEN_MAX, &message, &error), -EBADMSG);
    assert_int_equal(frame(MARKER "0016 02", MESSAGE_LEN_MAX, &message, &error), -EBADMSG);
    assert_int_equal(frame(MARKER "001c 01", MESSAGE_LEN_MAX, &message, &error), -EBADMSG);
}

static int open_parse(const char *digits, struct open_message *open, struct notification *error)
{
    struct hex hex = hex_make(digits);
    int err = message_parse_open(hex_reader(&hex), open, error);
    hex_clear(&hex);
    return err;
}

static void open_of_an_old_speaker(void **state)
{
    (void)state;
    struct open_message open;
    struct notification error;

    /* version 4, AS 2906, hold time 180, 10.0.0.1, no parameters */
    assert_int_equal(open_parse("04 0b5a 00b4 0a000001 00", &open, &error), 0);
    assert_int_equal(open.as, 2906);
    assert_int_equal(open.hold_time_s, 180);
    assert_int_equal(open.router_id, 0x0a000001);
    assert_false(open.capabilities.has_multiprotocol);
}

static void open_with_a_four_octet_as(void **state)
{
    (void)state;
    struct open_message open;
    struct notification error;

    /* AS_TRANS; one parameter (2) of 8: capability 65, 4 bytes, AS 4200000000 = fa56ea00 */
    assert_int_equal(open_parse("04 5ba0 005a 0a000001 08 02 06 41 04 fa56ea00", &open, &error), 0);
    assert_int_equal(open.as, 4200000000);
    assert_true(open.capabilities.has_four_octet_as);
}

static void capabilities_in_several_parameters_add_up(void **state)
{
    (void)state;
    struct open_message open;
    struct notification error;

    assert_int_equal(open_parse("04 0001 005a 0a000001 10"
                                "02 06 01 04 0001 00 01"
                                "02 06 01 04 0002 00 01",
                                &open, &error),
                     0);
    assert_int_equal(open.capabilities.families,
                     1u << FAMILY_IPV4_UNICAST | 1u << FAMILY_IPV6_UNICAST);
}

static void open_with_extended_parameters(void **state)
{
    (void)state;
    struct open_message open;
    struct notification error;

    /* RFC 9072 section 2: length 255 and type 255 stand before a length of two bytes, and
     * parameters have lengths of two bytes as well. */
    assert_int_equal(
        open_parse("04 0001 005a 0a000001 ff ff 0009 02 0006 41 04 00000007", &open, &error), 0);
    assert_int_equal(open.as, 7);
    /* The first length may be any but 0; the type alone then decides. */
    assert_int_equal(
        open_parse("04 0001 005a 0a000001 01 ff 0009 02 0006 41 04 00000008", &open, &error), 0);
    assert_int_equal(open.as, 8);
    assert_int_equal(
        open_parse("04 0001 005a 0a000001 ff ff 000a 02 0006 41 04 00000007", &open, &error),
        -EBADMSG);
}

static void open_errors_have_their_subcodes(void **state)
{
    (void)state;
    const struct {
        const char *digits;
        int subcode;
    } cases[] = {
        {"03 0001 005a 0a000001 00", OPEN_BAD_VERSION},
        {"04 0000 005a 0a000001 00", OPEN_BAD_PEER_AS}, /* RFC 7607 */
        {"04 5ba0 005a 0a000001 08 02 06 41 04 00000000", OPEN_BAD_PEER_AS},
        {"04 5ba0 005a 0a000001 08 02 06 41 04 00005ba0", OPEN_BAD_PEER_AS}, /* AS_TRANS */
        {"04 0001 005a 00000000 00", OPEN_BAD_IDENTIFIER},                   /* RFC 6286 */
        {"04 0001 0001 0a000001 00", OPEN_BAD_HOLD_TIME},
        {"04 0001 0002 0a000001 00", OPEN_BAD_HOLD_TIME},
        {"04 0001 005a 0a000001 02 01 00", OPEN_BAD_PARAMETER},    /* authentication, deprecated */
        {"04 0001 005a 0a000001 01 02", OPEN_UNSPECIFIC},          /* parameter without length */
        {"04 0001 005a 0a000001 04 02 02 41 04", OPEN_UNSPECIFIC}, /* capability beyond its end */
        {"04 0001 005a 0a000001 03 02 02 41", OPEN_UNSPECIFIC},
        {"04 0001 005a 0a000001 05 00", OPEN_UNSPECIFIC}, /* length beyond the message */
        {"04 0001 005a 0a000001 00 00", OPEN_UNSPECIFIC}, /* bytes after the end */
        {"04 0001", OPEN_UNSPECIFIC},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct open_message open;
        struct notification error = {0};
        assert_int_equal(open_parse(cases[i].digits, &open, &error), -EBADMSG);
        assert_int_equal(error.code, ERROR_OPEN);
        assert_int_equal(error.subcode, cases[i].subcode);
    }
}

static void written_open_is_what_the_rfcs_say(void **state)
{
    (void)state;
    uint8_t buffer[256];
    struct writer w = writer_make(buffer, sizeof buffer);
    struct open_message open = {4200000000, 90, 0x01020304, {0}};

    open.capabilities.has_four_octet_as = true;
    open.capabilities.as = open.as;
    open.capabilities.families = 1u << FAMILY_IPV4_UNICAST;
    open.capabilities.has_multiprotocol = true;
    open.capabilities.add_path_receive = 1u << FAMILY_IPV4_UNICAST;
    open.capabilities.has_graceful_restart = true;
    message_write_open(&w, &open);
    assert_false(w.failed);
    /* Header, OPEN with AS_TRANS, parameter 2: multiprotocol, graceful restart without families,
     * four-octet AS, ADD-PATH receive (1) */
    struct hex expected = hex_make(MARKER "0035 01 04 5ba0 005a 01020304 18 02 16"
                                          "01 04 0001 00 01"
                                          "40 02 0000"
                                          "41 04 fa56ea00"
                                          "45 04 0001 01 01");
    assert_int_equal(writer_len(&w), expected.len);
    assert_memory_equal(buffer, expected.data, expected.len);
    hex_clear(&expected);
}

static void update_parts_must_add_up(void **state)
{
    (void)state;
    const struct {
        const char *digits;
        int err;
    } cases[] = {
        {"0000 0000", 0},        {"0000 0000 18c0a801", 0}, {"0001 00 0000", 0},
        {"0001 0000", -EBADMSG}, /* withdrawn routes take the attributes' length */
        {"0000 0001", -EBADMSG}, {"ffff 0000", -EBADMSG},   {"0000", -EBADMSG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hex hex = hex_make(cases[i].digits);
        struct update_parts parts;
        struct notification error = {0};
        assert_int_equal(message_parse_update(hex_reader(&hex), &parts, &error), cases[i].err);
        if (cases[i].err < 0) {
            assert_int_equal(error.code, ERROR_UPDATE);
            assert_int_equal(error.subcode, UPDATE_MALFORMED_ATTRIBUTES);
        }
        hex_clear(&hex);
    }
}

static void notification_shows_the_shutdown_communication(void **state)
{
    (void)state;
    char text[NOTIFICATION_TEXT_LEN];
    /* RFC 9003: the length is 7, the text "back \n1"; its line feed must not reach a log line. */
    struct hex hex = hex_make("06 02 07 6261636b200a31");
    struct notification n = message_parse_notification(hex_reader(&hex));

    notification_format(&n, text);
    assert_string_equal(text, "cease: administrative shutdown (back ?1)");
    n.data[0] = 200; /* beyond the data: no text */
    notification_format(&n, text);
    assert_string_equal(text, "cease: administrative shutdown");
    n = notification_make(99, 3);
    notification_format(&n, text);
    assert_string_equal(text, "error 99/3");
    hex_clear(&hex);
}

static void nothing_that_a_peer_writes_moves_a_terminal(void **state)
{
    (void)state;
    char text[NOTIFICATION_TEXT_LEN];
    static const struct {
        const char *words, *shown;
    } cases[] = {
        {"1b5b324a", "?[2J"},             /* ESC [ 2 J clears the screen */
        {"00 01 1f 7f 0d 0a", "??????"},  /* C0 and DEL */
        {"c280 c29b 324a c29f", "??2J?"}, /* C1: U+0080, CSI U+009B, U+009F */
        {"c2a0 c3a9 e282ac f09f9982", "\u00a0\u00e9\u20ac\U0001f642"}, /* what is good stays */
        {"9b 324a ff c3", "?2J??"},                                    /* no UTF-8 */
        {"c080 eda080 f4908080", "?????????"}, /* overlong, surrogate, beyond Unicode */
        {"e282", "??"},                        /* cut in the middle */
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hex words = hex_make(cases[i].words);
        struct notification n = notification_shutdown("");
        char expected[NOTIFICATION_TEXT_LEN];
        n.data[0] = (uint8_t)words.len;
        memcpy(n.data + 1, words.data, words.len);
        n.data_len = (uint16_t)(1 + words.len);
        notification_format(&n, text);
        snprintf(expected, sizeof expected, "cease: administrative shutdown (%s)", cases[i].shown);
        assert_string_equal(text, expected);
        hex_clear(&words);
    }
}

static void written_shutdown_reads_back(void **state)
{
    (void)state;
    uint8_t buffer[512];
    struct writer w = writer_make(buffer, sizeof buffer);
    struct notification sent = notification_shutdown("collector stops");
    struct message message;
    struct notification error;
    char text[NOTIFICATION_TEXT_LEN];

    message_write_notification(&w, &sent);
    assert_int_equal(message_frame(buffer, writer_len(&w), MESSAGE_LEN_MAX, &message, &error), 0);
    struct notification read = message_parse_notification(message.body);
    notification_format(&read, text);
    assert_string_equal(text, "cease: administrative shutdown (collector stops)");
}

static void longest_shutdown_text_fits(void **state)
{
    (void)state;
    char words[400], text[NOTIFICATION_TEXT_LEN];

    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    struct notification n = notification_shutdown(words);
    assert_int_equal(n.data_len, 256); /* a length, and 255 bytes: RFC 9003 section 2 */
    assert_int_equal(n.data[0], 255);
    notification_format(&n, text);
    assert_int_equal(strlen(text), strlen("cease: administrative shutdown ()") + 255);
}

static void route_refresh_has_four_bytes(void **state)
{
    (void)state;
    int family;
    uint8_t subtype;
    struct notification error;
    struct hex good = hex_make("0002 00 01"), bad = hex_make("0001 00 01 00"),
               foreign = hex_make("4004 01 47");

    assert_int_equal(message_parse_route_refresh(hex_reader(&good), &family, &subtype, &error), 0);
    assert_int_equal(family, FAMILY_IPV6_UNICAST);
    assert_int_equal(subtype, REFRESH_REQUEST);
    assert_int_equal(message_parse_route_refresh(hex_reader(&bad), &family, &subtype, &error),
                     -EBADMSG);
    assert_int_equal(error.code, ERROR_ROUTE_REFRESH);
    assert_int_equal(message_parse_route_refresh(hex_reader(&foreign), &family, &subtype, &error),
                     0);
    assert_int_equal(family, -1);
    hex_clear(&good);
    hex_clear(&bad);
    hex_clear(&foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keepalive_is_nineteen_bytes),
        cmocka_unit_test(frame_waits_for_the_whole_message),
        cmocka_unit_test(another_protocol_is_refused_at_its_first_bytes),
        cmocka_unit_test(unknown_type_is_named_in_the_notification),
        cmocka_unit_test(long_messages_need_the_capability),
        cmocka_unit_test(length_below_the_header_is_refused),
        cmocka_unit_test(open_of_an_old_speaker),
        cmocka_unit_test(open_with_a_four_octet_as),
        cmocka_unit_test(capabilities_in_several_parameters_add_up),
        cmocka_unit_test(open_with_extended_parameters),
        cmocka_unit_test(open_errors_have_their_subcodes),
        cmocka_unit_test(written_open_is_what_the_rfcs_say),
        cmocka_unit_test(update_parts_must_add_up),
        cmocka_unit_test(notification_shows_the_shutdown_communication),
        cmocka_unit_test(nothing_that_a_peer_writes_moves_a_terminal),
        cmocka_unit_test(written_shutdown_reads_back),
        cmocka_unit_test(longest_shutdown_text_fits),
        cmocka_unit_test(route_refresh_has_four_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
