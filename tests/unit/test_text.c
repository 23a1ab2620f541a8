/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that texts are escaped: JSON by RFC 8259 section 7, UTF-8 by RFC 3629 section 4, CSV by
 * RFC 4180 section 2. jansson is a second reader of JSON. */
#include "base/text.h"
#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_json(const char *data, size_t len, const char *expected)
{
    struct text t = {0};
    text_append_json_string(&t, data, len);
    assert_string_equal(text_cstr(&t), expected);
    text_clear(&t);
}
#define ASSERT_JSON(literal, expected) assert_json(literal, sizeof(literal) - 1, expected)

static void json_string_escapes_what_rfc_8259_names(void **state)
{
    (void)state;
    ASSERT_JSON("", "\"\"");
    ASSERT_JSON("plain 123 / ~\x7f", "\"plain 123 / ~\x7f\"");
    ASSERT_JSON("a\"b\\c", "\"a\\\"b\\\\c\"");
    ASSERT_JSON("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
    ASSERT_JSON("\x01\x1f\0z", "\"\\u0001\\u001f\\u0000z\"");
}

#define BAD "\xef\xbf\xbd"
static void json_string_replaces_what_is_not_utf8(void **state)
{
    (void)state;
    ASSERT_JSON("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8d",
                "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8d\"");
    ASSERT_JSON("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
                "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"");
    ASSERT_JSON("\x80", "\"" BAD "\"");                         /* lone continuation */
    ASSERT_JSON("\xc3(", "\"" BAD "(\"");                       /* cut short by another */
    ASSERT_JSON("\xe2\x82", "\"" BAD BAD "\"");                 /* cut short by the end */
    ASSERT_JSON("\xc0\xaf", "\"" BAD BAD "\"");                 /* overlong '/' */
    ASSERT_JSON("\xe0\x9f\xbf", "\"" BAD BAD BAD "\"");         /* overlong, three bytes */
    ASSERT_JSON("\xf0\x8f\xbf\xbf", "\"" BAD BAD BAD BAD "\""); /* overlong, four bytes */
    ASSERT_JSON("\xed\xa0\x80", "\"" BAD BAD BAD "\"");         /* surrogate U+D800 */
    ASSERT_JSON("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* beyond U+10FFFF */
    ASSERT_JSON("\xff\xfe", "\"" BAD BAD "\"");
}

static void random_bytes_always_make_json_that_parses(void **state)
{
    (void)state;
    srandom(2);
    for (int i = 0; i < 20000; i++) {
        char data[24];
        struct text t = {0};
        size_t len = (size_t)random() % sizeof data;
        for (size_t j = 0; j < len; j++)
            data[j] = (char)random();
        text_append_char(&t, '[');
        text_append_json_string(&t, data, len);
        text_append_char(&t, ']');
        json_t *parsed = json_loadb(t.data, t.len, JSON_ALLOW_NUL, NULL);
        assert_non_null(parsed);
        json_decref(parsed);
        text_clear(&t);
    }
}

static void valid_utf8_comes_back_from_a_json_parser_unchanged(void **state)
{
    (void)state;
    for (uint32_t c = 1; c < 0x110000; c += c < 0x900 ? 1 : 61) {
        char utf8[8] = "";
        struct text t = {0};
        if (c >= 0xd800 && c < 0xe000)
            continue;
        if (c < 0x80)
            snprintf(utf8, sizeof utf8, "%c", (int)c);
        else if (c < 0x800)
            snprintf(utf8, sizeof utf8, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
        else if (c < 0x10000)
            snprintf(utf8, sizeof utf8, "%c%c%c", (int)(0xe0 | c >> 12),
                     (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
        else
            snprintf(utf8, sizeof utf8, "%c%c%c%c", (int)(0xf0 | c >> 18),
                     (int)(0x80 | (c >> 12 & 63)), (int)(0x80 | (c >> 6 & 63)),
                     (int)(0x80 | (c & 63)));
        text_append_json_string(&t, utf8, strlen(utf8));
        json_t *parsed = json_loadb(t.data, t.len, JSON_DECODE_ANY, NULL);
        assert_non_null(parsed);
        assert_string_equal(json_string_value(parsed), utf8);
        json_decref(parsed);
        text_clear(&t);
    }
}

static void assert_csv(const char *data, char separator, const char *expected)
{
    struct text t = {0};
    text_append_csv_string(&t, data, strlen(data), separator);
    assert_string_equal(text_cstr(&t), expected);
    text_clear(&t);
}

static void csv_quotes_only_what_must_be(void **state)
{
    (void)state;
    assert_csv("", ',', "");
    assert_csv("65001 65002", ',', "65001 65002");
    assert_csv("a,b", ',', "\"a,b\"");
    assert_csv("a,b", ';', "a,b");
    assert_csv("a;b", ';', "\"a;b\"");
    assert_csv("say \"x\"", ',', "\"say \"\"x\"\"\"");
    assert_csv("a\nb", ',', "a\\u000ab");
    assert_csv("a\rb,", ',', "\"a\\u000db,\"");
    assert_csv("a\tb", '\t', "a\\u0009b");
}

static void assert_shown(const char *data, size_t len, const char *expected)
{
    struct text t = {0};

    text_append_shown(&t, data, len);
    assert_string_equal(text_cstr(&t), expected);
    text_clear(&t);
}

/* U+0080 to U+009F steer terminals as ESC does; what is no UTF-8 goes byte by byte (RFC 3629). */
static void what_could_steer_a_terminal_is_escaped_and_nothing_else(void **state)
{
    (void)state;
    assert_shown("", 0, "");
    assert_shown("Gi0/1 \"\\\" ~", 11, "Gi0/1 \"\\\" ~");
    assert_shown("\x1b[2Jx\x7f", 6, "\\u001b[2Jx\\u007f");
    assert_shown("a\0b", 3, "a\\u0000b");
    assert_shown("\xc2\x9b"
                 "1m",
                 4, "\\u009b1m");
    assert_shown("\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 11,
                 "\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_shown("\xff\xc3", 2, "\\ufffd\\ufffd");
    assert_shown("\xc2", 1, "\\ufffd");
    assert_shown("\xc0\x80\xed\xa0\x80", 5, "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd");
}

static void assert_uint(uint64_t value)
{
    char out[21] = "", expected[32];
    size_t len = text_format_uint(out, value);
    snprintf(expected, sizeof expected, "%" PRIu64, value);
    assert_string_equal(out, expected);
    assert_int_equal(len, strlen(expected));
}

static void numbers_format_as_printf_does(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 20000; i++)
        assert_uint(i);
    for (uint64_t power = 1;; power *= 10) {
        assert_uint(power - 1);
        assert_uint(power);
        assert_uint(power + 1);
        if (power > UINT64_MAX / 10)
            break;
    }
    assert_uint(UINT64_MAX);
    struct text t = {0};
    text_append_int(&t, INT64_MIN);
    text_append_char(&t, ' ');
    text_append_int(&t, -1);
    text_append_char(&t, ' ');
    text_append_int(&t, INT64_MAX);
    assert_string_equal(text_cstr(&t), "-9223372036854775808 -1 9223372036854775807");
    text_clear(&t);
}

static void text_grows_and_keeps_what_it_had(void **state)
{
    (void)state;
    struct text t = {0};
    for (int i = 0; i < 1000; i++)
        text_append_printf(&t, "%d,", i);
    const char *pos = text_cstr(&t);
    for (int i = 0; i < 1000; i++) {
        char *end;
        assert_int_equal(strtol(pos, &end, 10), i);
        assert_int_equal(*end, ',');
        pos = end + 1;
    }
    assert_int_equal(*pos, '\0');
    text_reset(&t);
    assert_string_equal(text_cstr(&t), "");
    text_append_printf(&t, "%01000d", 7); /* longer than any room that was reserved */
    assert_int_equal(t.len, 1000);
    text_append_string(&t, "x");
    assert_int_equal(t.data[1000], 'x');
    text_clear(&t);
    assert_null(t.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_string_escapes_what_rfc_8259_names),
        cmocka_unit_test(json_string_replaces_what_is_not_utf8),
        cmocka_unit_test(random_bytes_always_make_json_that_parses),
        cmocka_unit_test(valid_utf8_comes_back_from_a_json_parser_unchanged),
        cmocka_unit_test(csv_quotes_only_what_must_be),
        cmocka_unit_test(what_could_steer_a_terminal_is_escaped_and_nothing_else),
        cmocka_unit_test(numbers_format_as_printf_does),
        cmocka_unit_test(text_grows_and_keeps_what_it_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
