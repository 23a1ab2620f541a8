/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what a line of an allow list or a password file may hold, and which file and line an error
 * names. Expected values are written by hand from the grammar in address_list.h. */
#include "bgp/address_list.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int load(const char *contents, bool has_passwords, struct address_list *list, char *error,
                size_t error_size)
{
    char file[] = "/tmp/address_list_XXXXXX";
    struct text text = {0};
    int fd = mkstemp(file);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, contents, strlen(contents)), (ssize_t)strlen(contents));
    close(fd);
    int err = address_list_load(file, has_passwords, &text, list);
    unlink(file);
    /* without the file's random name */
    const char *said = text_cstr(&text);
    snprintf(error, error_size, "%s", text.len > 0 ? said + strlen(file) : "");
    text_clear(&text);
    return err;
}

static bool contains(const struct address_list *list, const char *address)
{
    struct ip_addr addr;

    assert_int_equal(ip_addr_parse(address, &addr), 0);
    return address_list_contains(list, &addr);
}

static void addresses_and_prefixes_of_both_families(void **state)
{
    (void)state;
    struct address_list list;
    char error[256];

    assert_int_equal(load("! comment\n# another\n\n  192.0.2.1 \n10.0.0.0/8\r\n2001:db8::/32\n",
                          false, &list, error, sizeof error),
                     0);
    assert_int_equal(list.count, 3);
    assert_true(contains(&list, "192.0.2.1"));
    assert_true(contains(&list, "10.255.0.1"));
    assert_true(contains(&list, "2001:db8::7"));
    assert_false(contains(&list, "192.0.2.2"));
    assert_false(contains(&list, "11.0.0.0"));
    assert_false(contains(&list, "2001:db9::"));
    address_list_clear(&list);
}

static void empty_list_contains_nobody(void **state)
{
    (void)state;
    struct address_list list;
    char error[256];

    assert_int_equal(load("", false, &list, error, sizeof error), 0);
    assert_false(contains(&list, "192.0.2.1"));
    address_list_clear(&list);
}

static void passwords_keep_inner_blanks(void **state)
{
    (void)state;
    struct address_list list;
    char error[256];

    assert_int_equal(load("192.0.2.1 ,  two words, one comma \n", true, &list, error, sizeof error),
                     0);
    assert_string_equal(list.entries[0].password, "two words, one comma");
    address_list_clear(&list);
}

static void errors_name_the_line_and_never_the_password(void **state)
{
    (void)state;
    char too_long[128] = "192.0.2.1,";
    const struct {
        const char *contents;
        bool has_passwords;
        const char *error;
    } cases[] = {
        {"192.0.2.1\n192.0.2.300\n", false, ":2: not an IP address or prefix"},
        {"10.0.0.1/33\n", false, ":1: not an IP address or prefix"},
        {"192.0.2.1 secret\n", true, ":1: not of the form `address, password`"},
        {"192.0.2.x, secret\n", true, ":1: not an IP address or prefix"},
        {"192.0.2.1,\n", true, ":1: the password must have 1 to 80 characters"},
        {too_long, true, ":1: the password must have 1 to 80 characters"},
    };

    memset(too_long + 10, 'x', 81);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address_list list;
        char error[256];
        assert_int_equal(
            load(cases[i].contents, cases[i].has_passwords, &list, error, sizeof error), -EINVAL);
        assert_string_equal(error, cases[i].error);
    }
}

static void missing_file_is_an_error(void **state)
{
    (void)state;
    struct address_list list;
    struct text error = {0};

    assert_int_equal(address_list_load("/nonexistent/list", false, &error, &list), -ENOENT);
    assert_string_equal(text_cstr(&error), "/nonexistent/list: No such file or directory");
    text_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_prefixes_of_both_families),
        cmocka_unit_test(empty_list_contains_nobody),
        cmocka_unit_test(passwords_keep_inner_blanks),
        cmocka_unit_test(errors_name_the_line_and_never_the_password),
        cmocka_unit_test(missing_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
