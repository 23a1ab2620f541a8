/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that a list of exporters that may send holds those that one of its prefixes holds, by asking
 * each prefix of random lists, and what it says of errors. */
#include "base/text.h"
#include "maps/allow_list.h"
#include "support/random_values.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_allow_list_holds_what_one_of_its_prefixes_holds(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        struct text t = {0}, errors = {0};
        struct allow_list *list;
        struct ip_prefix prefixes[20];
        uint32_t count = round % 20;
        text_append_string(&t, "! who may send\n");
        for (uint32_t i = 0; i < count; i++) {
            size_t start = t.len;
            append_random_prefix(&t);
            assert_int_equal(ip_prefix_parse(text_cstr(&t) + start, &prefixes[i]), 0);
            text_append_string(&t, " \r\n");
        }
        assert_int_equal(allow_list_parse("a", text_cstr(&t), t.len, &errors, &list), 0);
        for (int k = 0; k < 100; k++) {
            struct ip_addr addr = random_address();
            bool expected = false;
            for (uint32_t i = 0; i < count; i++)
                expected = expected || ip_prefix_contains(&prefixes[i], &addr);
            assert_int_equal(allow_list_contains(list, &addr), expected);
        }
        allow_list_free(list);
        text_clear(&t);
        text_clear(&errors);
    }
}

static void an_allow_list_with_errors_names_all_lines(void **state)
{
    static const char text[] = "192.0.2.1\n192.0.2.1/33\n\n10.0.0.0/8 192.0.2.2\nrouter.example\n";
    struct allow_list *list;
    struct text errors = {0};
    (void)state;
    assert_int_equal(allow_list_parse("a", text, strlen(text), &errors, &list), -EINVAL);
    assert_null(strstr(text_cstr(&errors), "a:1:"));
    assert_non_null(strstr(text_cstr(&errors), "a:2: 192.0.2.1/33: expected one"));
    assert_non_null(strstr(text_cstr(&errors), "a:4: "));
    assert_non_null(
        strstr(text_cstr(&errors), "a:5: router.example: expected one address or prefix"));
    text_clear(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allow_list_holds_what_one_of_its_prefixes_holds),
        cmocka_unit_test(an_allow_list_with_errors_names_all_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
