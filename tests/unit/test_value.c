/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves how one value of each format is printed. The forms are those of pmacct's tables. */
#include "base/clock.h"
#include "base/text.h"
#include "plugins/text/value.h"
#include "plugins/text/value_time.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void expect_with(uint8_t kind, uint8_t format, const struct value_options *options,
                        const void *data, uint16_t len, const char *expected)
{
    struct pa_column column = {.name = "x",
                               .kind = kind,
                               .format = format,
                               .width = len,
                               .value_names = "|historic|exact"};
    struct pa_bytes dictionary[2] = {{NULL, 0}, {data, len}};
    struct pa_batch batch = {.dictionary_count = 2, .dictionary = dictionary};
    struct text scratch = {0}, out = {0};
    static const uint32_t id = 1;
    struct value_time time;
    struct value value;

    value_time_init(&time, VALUE_TIME_PLAIN, true, false);
    assert_int_equal(value_init(&value, &column, options, &time), 0);
    value_append(&value, &batch, kind == PA_KIND_BYTES ? (const void *)&id : data, &scratch, &out);
    assert_string_equal(text_cstr(&out), expected);
    value_clear(&value);
    text_clear(&scratch);
    text_clear(&out);
}

static void expect_number(uint8_t kind, uint8_t format, uint64_t number, const char *expected)
{
    static const struct value_options none;
    uint8_t u8 = (uint8_t)number;
    uint16_t u16 = (uint16_t)number;
    uint32_t u32 = (uint32_t)number;
    const void *const at[] = {&u8, &u16, &u32, &number};

    expect_with(kind, format, &none, at[kind], 8, expected);
}

static void expect_bytes(uint8_t format, const void *data, uint16_t len, const char *expected)
{
    static const struct value_options none;

    expect_with(PA_KIND_BYTES, format, &none, data, len, expected);
}

static void expect_real(double real, const char *expected, const char *expected_json)
{
    struct pa_column column = {.name = "x", .kind = PA_KIND_U64, .format = PA_FORMAT_REAL};
    static const struct value_options none;
    char out[VALUE_PLAIN_MAX];
    struct value value;

    expect_with(PA_KIND_U64, PA_FORMAT_REAL, &none, &real, sizeof real, expected);
    assert_int_equal(value_init(&value, &column, &none, NULL), 0);
    assert_true(value.is_number);
    *value_put_exact_real(out, &value, (const uint8_t *)&real) = '\0';
    assert_string_equal(out, expected_json);
}

static void real_numbers(void **state)
{
    (void)state;
    expect_real(0, "0.000000", "0.0");
    expect_real(52.5167, "52.516700", "52.5167");
    expect_real(37.386, "37.386000", "37.386");
    expect_real(-122.0838, "-122.083800", "-122.0838");
    expect_real(180, "180.000000", "180.0");
    expect_real(0.1 + 0.2, "0.300000", "0.30000000000000004");
    /* Nothing is so long that it would not fit, and JSON has no word for what is no number. */
    expect_real(-1.7976931348623157e308, "-1.7976931348623157e+308", "-1.7976931348623157e+308");
    expect_real(5e-324, "0.000000", "4.94065645841247e-324");
    expect_real((double)INFINITY, "0.000000", "0.0");
    expect_real((double)NAN, "0.000000", "0.0");
}

static void texts_that_are_padded(void **state)
{
    static const struct value_options none;
    (void)state;
    expect_with(PA_KIND_FIXED, PA_FORMAT_TEXT, &none, "DE", 3, "DE");
    expect_with(PA_KIND_FIXED, PA_FORMAT_TEXT, &none, "CHE", 3, "CHE");
    expect_with(PA_KIND_FIXED, PA_FORMAT_TEXT, &none, "\0\0", 3, "");
}

static void numbers_and_names(void **state)
{
    (void)state;
    expect_number(PA_KIND_U64, PA_FORMAT_UINT, UINT64_MAX, "18446744073709551615");
    expect_number(PA_KIND_U32, PA_FORMAT_UINT, 4294967295, "4294967295");
    expect_number(PA_KIND_U16, PA_FORMAT_HEX, 0x86dd, "86dd");
    expect_number(PA_KIND_U16, PA_FORMAT_HEX, 0, "0");
    expect_number(PA_KIND_U8, PA_FORMAT_PROTO, 6, "tcp");
    expect_number(PA_KIND_U8, PA_FORMAT_PROTO, 17, "udp");
    expect_number(PA_KIND_U8, PA_FORMAT_PROTO, 1, "icmp");
    expect_number(PA_KIND_U8, PA_FORMAT_PROTO, 58, "ipv6-icmp");
    expect_number(PA_KIND_U8, PA_FORMAT_PROTO, 47, "gre");
    expect_number(PA_KIND_U8, PA_FORMAT_PROTO, 253, "253");
    expect_number(PA_KIND_U8, PA_FORMAT_DIRECTION, 0, "i");
    expect_number(PA_KIND_U8, PA_FORMAT_DIRECTION, 1, "e");
    expect_number(PA_KIND_U8, PA_FORMAT_DIRECTION, 255, "u");
    expect_number(PA_KIND_U8, PA_FORMAT_PATH_MATCH, 0, "");
    expect_number(PA_KIND_U8, PA_FORMAT_PATH_MATCH, 2, "exact");
    expect_number(PA_KIND_U8, PA_FORMAT_PATH_MATCH, 3, "3");
    expect_number(PA_KIND_U8, PA_FORMAT_RD_ORIGIN, 2, "bgp");
    expect_number(PA_KIND_U8, PA_FORMAT_RD_ORIGIN, 99, "unknown");
}

/* RFC 4364 section 4.2 has the three types. */
static void route_distinguishers(void **state)
{
    (void)state;
    expect_number(PA_KIND_U64, PA_FORMAT_RD, 0x0000fde8000f4240, "0:65000:1000000");
    expect_number(PA_KIND_U64, PA_FORMAT_RD, 0x0001c0000201ffff, "1:192.0.2.1:65535");
    expect_number(PA_KIND_U64, PA_FORMAT_RD, 0x00020001000000c8, "2:65536:200");
    expect_number(PA_KIND_U64, PA_FORMAT_RD, 0xffff000000000007, "vrfid:7");
    expect_number(PA_KIND_U64, PA_FORMAT_RD, 0, "0:0:0");
}

static void lists_and_custom_primitives(void **state)
{
    static const uint32_t labels[] = {16, 3};
    static const uint8_t segments[32] = {
        0x20, 1, 0x0d, 0xb8, [15] = 1, [16] = 0x20, [17] = 1, [18] = 0x0d, [19] = 0xb8, [31] = 2};

    (void)state;
    expect_bytes(PA_FORMAT_LABEL_STACK, labels, sizeof labels, "16_3");
    expect_bytes(PA_FORMAT_IPV6_LIST, segments, sizeof segments, "2001:db8::1_2001:db8::2");
    expect_bytes(PA_FORMAT_CLASS, "", 0, "unknown");
    expect_bytes(PA_FORMAT_CLASS, "http", 4, "http");
    expect_bytes(PA_FORMAT_CUSTOM_UINT, "\x01\x00\x00", 3, "65536");
    expect_bytes(PA_FORMAT_CUSTOM_HEX, "\x00\xab", 2, "ab");
    expect_bytes(PA_FORMAT_CUSTOM_IP, "\xc0\x00\x02\x01", 4, "192.0.2.1");
    expect_bytes(PA_FORMAT_CUSTOM_MAC, "\x00\x11\x22\xaa\xbb\xcc", 6, "00:11:22:aa:bb:cc");
    expect_bytes(PA_FORMAT_CUSTOM_TEXT, "abc\0\0", 5, "abc");
    expect_bytes(PA_FORMAT_CUSTOM_RAW, "\xff\x00\x01", 3, "ff-00-01");
    expect_bytes(PA_FORMAT_CUSTOM_UINT, "123456789", 9, "31-32-33-34-35-36-37-38-39");
}

static void options_change_the_form(void **state)
{
    static const uint8_t proto = 6, tos = 0xb8, status = 130;
    struct value_options options = {
        .has_numeric_protos = true, .has_dscp = true, .has_fwd_status_text = true};

    (void)state;
    expect_with(PA_KIND_U8, PA_FORMAT_PROTO, &options, &proto, 1, "6");
    expect_with(PA_KIND_U8, PA_FORMAT_TOS, &options, &tos, 1, "46"); /* expedited forwarding */
    expect_with(PA_KIND_U8, PA_FORMAT_FWD_STATUS, &options, &status, 1, "DROPPED ACL drop");
}

static void an_id_outside_the_dictionary_is_empty(void **state)
{
    static const struct value_options none;
    struct pa_column column = {.name = "x", .kind = PA_KIND_BYTES, .format = PA_FORMAT_TEXT};
    struct pa_batch batch = {.dictionary_count = 1, .dictionary = &(struct pa_bytes){NULL, 0}};
    const uint32_t id = 4000000000;
    struct text scratch = {0};
    struct value value;

    (void)state;
    assert_int_equal(value_init(&value, &column, &none, NULL), 0);
    assert_int_equal(value_text(&value, &batch, (const uint8_t *)&id, &scratch).len, 0);
    text_clear(&scratch);
}

/* Callers step through the text of a list, which is undefined from NULL. */
static void an_empty_list_has_a_place(void **state)
{
    static const struct value_options none;
    struct pa_column column = {.name = "x", .kind = PA_KIND_BYTES, .format = PA_FORMAT_IPV6_LIST};
    struct pa_batch batch = {.dictionary_count = 1, .dictionary = &(struct pa_bytes){NULL, 0}};
    const uint32_t id = 0;
    struct text scratch = {0};
    struct value value;
    struct pa_bytes text;

    (void)state;
    assert_int_equal(value_init(&value, &column, &none, NULL), 0);
    text = value_text(&value, &batch, (const uint8_t *)&id, &scratch);
    assert_non_null(text.data);
    assert_int_equal(text.len, 0);
    text_clear(&scratch);
}

static void a_format_refuses_a_kind_it_cannot_read(void **state)
{
    static const struct value_options none;
    struct value value;

    (void)state;
    for (int format = 0; format <= PA_FORMAT_CUSTOM_RAW; format++) {
        struct pa_column column = {
            .name = "x", .kind = PA_KIND_ADDR, .format = (uint8_t)format, .width = 17};
        assert_int_equal(value_init(&value, &column, &none, NULL),
                         format == PA_FORMAT_IP ? 0 : -EINVAL);
    }
}

static void expect_time(struct value_time *time, int64_t ns, bool with_fraction,
                        const char *expected)
{
    char text[VALUE_TIME_TEXT_MAX + 1];

    *value_time_put(time, text, ns, with_fraction) = 0;
    assert_string_equal(text, expected);
}

static void times_in_each_style(void **state)
{
    static struct value_time time;
    const int64_t ns = INT64_C(1795301355938000999);

    (void)state;
    value_time_init(&time, VALUE_TIME_PLAIN, true, false);
    expect_time(&time, ns, true, "2026-11-21 22:49:15.938000");
    expect_time(&time, ns, false, "2026-11-21 22:49:15");
    expect_time(&time, 0, true, "0000-00-00 00:00:00.000000");
    value_time_init(&time, VALUE_TIME_PLAIN, true, true);
    expect_time(&time, ns, true, "2026-11-21 22:49:15.000000");
    value_time_init(&time, VALUE_TIME_EPOCH, true, false);
    expect_time(&time, INT64_C(1664491696) * NS_PER_S, true, "1664491696.000000");
    value_time_init(&time, VALUE_TIME_RFC9557, true, false);
    expect_time(&time, ns, true, "2026-11-21T22:49:15.938000+00:00");
    value_time_init(&time, VALUE_TIME_RFC3339, true, false);
    expect_time(&time, ns, true, "2026-11-21T22:49:15.938000Z");
    expect_time(&time, 0, true, "0000-00-00T00:00:00.000000Z");
}

static void local_times_follow_the_zone(void **state)
{
    static struct value_time time;

    (void)state;
    setenv("TZ", "Europe/Amsterdam", 1);
    tzset();
    value_time_init(&time, VALUE_TIME_RFC9557, false, true);
    /* On 2026-10-25 at 01:00 UTC the clock goes back from 03:00 to 02:00. */
    expect_time(&time, INT64_C(1792889999) * NS_PER_S, false, "2026-10-25T02:59:59+02:00");
    expect_time(&time, INT64_C(1792890000) * NS_PER_S, false, "2026-10-25T02:00:00+01:00");
    value_time_init(&time, VALUE_TIME_RFC3339, false, true);
    expect_time(&time, INT64_C(1792890000) * NS_PER_S, false, "2026-10-25T02:00:00+01:00");
    setenv("TZ", "UTC", 1);
    tzset();
}

/* Compares with strftime(3) for instants that share slots of the cache. */
static void kept_minutes_never_show_in_other_minutes(void **state)
{
    static struct value_time time;
    unsigned seed = 1;

    (void)state;
    value_time_init(&time, VALUE_TIME_PLAIN, true, true);
    for (int i = 0; i < 100000; i++) {
        time_t seconds = 1795301340 + rand_r(&seed) % (1024 * 60);
        char expected[32];
        struct tm tm;

        strftime(expected, sizeof expected, "%Y-%m-%d %H:%M:%S", gmtime_r(&seconds, &tm));
        expect_time(&time, seconds * NS_PER_S, false, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_names),
        cmocka_unit_test(real_numbers),
        cmocka_unit_test(texts_that_are_padded),
        cmocka_unit_test(route_distinguishers),
        cmocka_unit_test(lists_and_custom_primitives),
        cmocka_unit_test(options_change_the_form),
        cmocka_unit_test(an_id_outside_the_dictionary_is_empty),
        cmocka_unit_test(an_empty_list_has_a_place),
        cmocka_unit_test(a_format_refuses_a_kind_it_cannot_read),
        cmocka_unit_test(times_in_each_style),
        cmocka_unit_test(local_times_follow_the_zone),
        cmocka_unit_test(kept_minutes_never_show_in_other_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
