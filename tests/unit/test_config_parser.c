/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves the grammar of configuration files: the lines that pmacct reads, and the two extensions,
 * key[a, b] and include. */
#include "config/config_parser.h"

#include "base/memory.h"
#include "base/text.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct parsed {
    struct config_lines lines;
    struct text errors;
    int result;
};

static struct parsed parse(const char *text)
{
    struct parsed p = {0};
    p.result = config_parse_text(&p.lines, "t.conf", text, strlen(text), &p.errors);
    return p;
}

static void parsed_clear(struct parsed *p)
{
    config_lines_clear(&p->lines);
    text_clear(&p->errors);
}

static void assert_line(const struct parsed *p, size_t index, const char *key, const char *instance,
                        const char *value, const char *place)
{
    assert_true(index < p->lines.count);
    const struct config_line *line = &p->lines.items[index];
    assert_string_equal(line->key, key);
    if (instance)
        assert_string_equal(line->instance, instance);
    else
        assert_null(line->instance);
    assert_string_equal(line->value, value);
    assert_string_equal(line->place, place);
}

static void lines_keep_key_value_and_place(void **state)
{
    struct parsed p = parse("! comment\n"
                            "  # another\n"
                            "\n"
                            "nfacctd_port: 2100\r\n"
                            "\tNFacctd_IP :  ::1  \n"
                            "print_output_file: /tmp/a b # not a comment:x\n"
                            "debug:true"); /* no newline at the end */
    (void)state;
    assert_int_equal(p.result, 0);
    assert_int_equal(p.lines.count, 4);
    assert_line(&p, 0, "nfacctd_port", NULL, "2100", "t.conf:4");
    assert_line(&p, 1, "nfacctd_ip", NULL, "::1", "t.conf:5");
    assert_line(&p, 2, "print_output_file", NULL, "/tmp/a b # not a comment:x", "t.conf:6");
    assert_line(&p, 3, "debug", NULL, "true", "t.conf:7");
    parsed_clear(&p);
}

static void a_binding_names_one_instance_or_several(void **state)
{
    struct parsed p = parse("aggregate[in]: src_host\n"
                            "aggregate[ In , out:x ] : dst_host\n"
                            "plugins: print[in], print[out:x]\n");
    (void)state;
    assert_int_equal(p.result, 0);
    assert_int_equal(p.lines.count, 4);
    assert_line(&p, 0, "aggregate", "in", "src_host", "t.conf:1");
    assert_line(&p, 1, "aggregate", "In", "dst_host", "t.conf:2");
    assert_line(&p, 2, "aggregate", "out:x", "dst_host", "t.conf:2");
    assert_line(&p, 3, "plugins", NULL, "print[in], print[out:x]", "t.conf:3");
    parsed_clear(&p);
}

static void all_syntax_errors_are_reported_with_their_lines(void **state)
{
    struct parsed p = parse("no colon here\n"
                            "debug: true\n"
                            "aggregate[x: y\n"
                            "aggregate[]: y\n"
                            "aggregate[a,,b]: y\n"
                            "aggregate]: y\n"
                            "aggregate[a]b: y\n"
                            ": y\n"
                            "include: other.conf\n");
    (void)state;
    assert_int_equal(p.result, -EINVAL);
    const char *errors = text_cstr(&p.errors);
    for (int line = 1; line <= 9; line++) {
        char place[16];
        snprintf(place, sizeof place, "t.conf:%d: ", line);
        if (line == 2)
            assert_null(strstr(errors, place));
        else
            assert_non_null(strstr(errors, place));
    }
    parsed_clear(&p);
}

static void a_zero_byte_is_an_error(void **state)
{
    struct config_lines lines = {0};
    struct text errors = {0};
    (void)state;
    assert_int_equal(config_parse_text(&lines, "t", "debug: t\0rue\n", 13, &errors), -EINVAL);
    config_lines_clear(&lines);
    text_clear(&errors);
}

static void write_file(const char *dir, const char *name, const char *content)
{
    char *path = mem_printf("%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    mem_free(path);
}

static struct parsed parse_in(const char *dir, const char *name)
{
    struct parsed p = {0};
    char *path = mem_printf("%s/%s", dir, name);
    p.result = config_parse_file(&p.lines, path, &p.errors);
    mem_free(path);
    return p;
}

static void included_files_are_found_beside_the_including_one(void **state)
{
    const char *dir = *state;
    write_file(dir, "main.conf", "a: 1\ninclude: sub/more.conf\nc: 3\n");
    write_file(dir, "sub/more.conf", "include: beside.conf\n");
    write_file(dir, "sub/beside.conf", "\nb: 2\n");
    struct parsed p = parse_in(dir, "main.conf");
    assert_int_equal(p.result, 0);
    assert_int_equal(p.lines.count, 3);
    assert_string_equal(p.lines.items[1].key, "b");
    assert_non_null(strstr(p.lines.items[1].place, "/sub/beside.conf:2"));
    assert_string_equal(p.lines.items[2].key, "c");
    parsed_clear(&p);
}

static void a_missing_include_names_the_line_that_wants_it(void **state)
{
    const char *dir = *state;
    write_file(dir, "main.conf", "a: 1\ninclude: nowhere.conf\n");
    struct parsed p = parse_in(dir, "main.conf");
    assert_int_equal(p.result, -EINVAL);
    assert_non_null(strstr(text_cstr(&p.errors), "main.conf:2: cannot read included file"));
    assert_non_null(strstr(text_cstr(&p.errors), "nowhere.conf"));
    parsed_clear(&p);
}

static void a_file_that_includes_itself_twice_ends(void **state)
{
    const char *dir = *state;
    write_file(dir, "loop.conf", "include: loop.conf\ninclude: loop.conf\n");
    struct parsed p = parse_in(dir, "loop.conf");
    assert_int_equal(p.result, -EINVAL);
    assert_non_null(strstr(text_cstr(&p.errors), "including itself"));
    parsed_clear(&p);
}

static void a_file_that_is_not_there_is_an_error_with_its_name(void **state)
{
    struct parsed p = parse_in(*state, "absent.conf");
    assert_int_equal(p.result, -ENOENT);
    assert_non_null(strstr(text_cstr(&p.errors), "absent.conf: cannot read"));
    parsed_clear(&p);
}

static void an_endless_file_is_refused(void **state)
{
    struct parsed p = {0};
    (void)state;
    assert_int_equal(config_parse_file(&p.lines, "/dev/zero", &p.errors), -EFBIG);
    parsed_clear(&p);
}

static int make_directory(void **state)
{
    char *dir = mem_strdup("/tmp/test_config_parser.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    char *sub = mem_printf("%s/sub", dir);
    mkdir(sub, 0700);
    mem_free(sub);
    *state = dir;
    return 0;
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"main.conf", "sub/more.conf", "sub/beside.conf",
                                        "loop.conf", "sub",           ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = mem_printf("%s/%s", (char *)*state, names[i]);
        if (remove(path) != 0 && errno != ENOENT)
            perror(path);
        mem_free(path);
    }
    mem_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_keep_key_value_and_place),
        cmocka_unit_test(a_binding_names_one_instance_or_several),
        cmocka_unit_test(all_syntax_errors_are_reported_with_their_lines),
        cmocka_unit_test(a_zero_byte_is_an_error),
        cmocka_unit_test(included_files_are_found_beside_the_including_one),
        cmocka_unit_test(a_missing_include_names_the_line_that_wants_it),
        cmocka_unit_test(a_file_that_includes_itself_twice_ends),
        cmocka_unit_test(a_file_that_is_not_there_is_an_error_with_its_name),
        cmocka_unit_test(an_endless_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
