/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which keys of a file are said to differ from those that the daemon was started with. */
#include "base/text.h"
#include "config/config.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/pathacct-compare-XXXXXX";

static void write_file(const char *content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void assert_differs(const char *before, const char *now, const char *expected)
{
    struct config *config = config_new();
    struct text changed = {0}, errors = {0};

    write_file(before);
    assert_int_equal(config_read_file(config, path, &errors), 0);
    config_set(config, "debug", NULL, "true", "-d");
    write_file(now);
    assert_int_equal(config_compare_file(config, path, &changed, &errors), 0);
    assert_string_equal(text_cstr(&changed), expected);
    assert_int_equal(errors.len, 0);
    text_clear(&changed);
    config_free(config);
}

static void keys_that_differ_are_named(void **state)
{
    (void)state;
    assert_differs("a: 1\nb[x]: 2\n", "b[x]: 2\n! a comment\na: 1\n", "");
    assert_differs("a: 1\n", "a: 2\n", "a");
    assert_differs("a: 1\n", "", "a");
    assert_differs("", "a: 1\n", "a");
    assert_differs("a[x]: 1\na[y]: 1\n", "a[x, y]: 1\n", "");
    assert_differs("a[x]: 1\na[y]: 1\n", "a[x]: 2\na: 1\n", "a[x], a, a[y]");
    assert_differs("a: 2\na: 1\n", "a: 1\n", ""); /* the last one holds */
    assert_differs("debug: true\n", "",
                   "debug"); /* options of the command line are not the file's */
}

static void a_file_that_is_wrong_is_told(void **state)
{
    struct config *config = config_new();
    struct text changed = {0}, errors = {0};

    (void)state;
    write_file("this is no line\n");
    assert_true(config_compare_file(config, path, &changed, &errors) < 0);
    assert_true(errors.len > 0);
    unlink(path);
    text_reset(&errors);
    assert_true(config_compare_file(config, path, &changed, &errors) < 0);
    assert_true(errors.len > 0);
    assert_int_equal(changed.len, 0);
    text_clear(&errors);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_differ_are_named),
        cmocka_unit_test(a_file_that_is_wrong_is_told),
    };
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
