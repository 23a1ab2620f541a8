/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which values lists keep, and what is said of lines that are none. */
#include "base/protocol_name.h"
#include "base/text.h"
#include "maps/value_list.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct value_list *parse(enum value_list_kind kind, const char *text)
{
    struct text errors = {0};
    struct value_list *list = NULL;

    assert_int_equal(value_list_parse(kind, "x", text, strlen(text), &errors, &list), 0);
    return list;
}

/* Asserts that the text is refused with these lines. */
static void assert_errors(enum value_list_kind kind, const char *text, size_t len,
                          const char *expected)
{
    struct text errors = {0};
    struct value_list *list;

    assert_int_equal(value_list_parse(kind, "x", text, len, &errors, &list), -EINVAL);
    assert_string_equal(text_cstr(&errors), expected);
    text_clear(&errors);
}

static void values_stand_on_lines_of_their_own(void **state)
{
    struct value_list *list =
        parse(VALUE_LIST_PORTS, "! web\n443\n\t80 \r\n\n# and more\n80\n1\n65535");
    (void)state;
    assert_int_equal(list->count, 4);
    for (unsigned port = 0; port <= UINT16_MAX; port++)
        assert_int_equal(value_list_has(list, (uint16_t)port),
                         port == 1 || port == 80 || port == 443 || port == 65535);
    value_list_free(list);
    list = parse(VALUE_LIST_PORTS, "");
    assert_int_equal(list->count, 0);
    value_list_free(list);
}

static void protocols_have_names(void **state)
{
    struct value_list *list = parse(VALUE_LIST_PROTOS, "tcp\nIPv6-ICMP\n0\n254\n");
    (void)state;
    assert_int_equal(list->count, 4);
    assert_true(value_list_has(list, 6) && value_list_has(list, 58));
    assert_true(value_list_has(list, 0) && value_list_has(list, 254));
    value_list_free(list);
    assert_int_equal(protocol_number("UDP"), 17);
    assert_int_equal(protocol_number("ud"), -1);
    assert_int_equal(protocol_number(""), -1);
}

static void what_is_no_value_is_told_with_its_line(void **state)
{
#define PORT ": expected a port from 1 to 65535; all others become 0\n"
#define TOS  ": expected a number from 0 to 254; all others become 255\n"
    static const char zero[] = "80\0\n";
    (void)state;
    assert_errors(VALUE_LIST_PORTS, "0\nhttp\n65536\n80 443\n+1\n99999999999999999999",
                  strlen("0\nhttp\n65536\n80 443\n+1\n99999999999999999999"),
                  "x:1: 0" PORT "x:2: http" PORT "x:3: 65536" PORT "x:4: 80 443" PORT "x:5: +1" PORT
                  "x:6: 99999999999999999999" PORT);
    assert_errors(VALUE_LIST_TOS, "255\n0x28\n", strlen("255\n0x28\n"),
                  "x:1: 255" TOS "x:2: 0x28" TOS);
    assert_errors(VALUE_LIST_PROTOS, "nonsense", strlen("nonsense"),
                  "x:1: nonsense: expected a protocol such as tcp, or its number up to 254\n");
    assert_errors(VALUE_LIST_PORTS, zero, sizeof zero - 1,
                  "x: a zero byte; this is not a text file\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stand_on_lines_of_their_own),
        cmocka_unit_test(protocols_have_names),
        cmocka_unit_test(what_is_no_value_is_told_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
