/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which files of ROAs are read, what is left out of them, and how that is told. */
#include "base/text.h"
#include "maps/roa_file.h"
#include "rpki/roa_table.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Asserts how many ROAs a file has, and what is told of it. */
static void assert_read(const char *json, size_t count, const char *expected)
{
    struct roa_table *table = NULL;
    struct text errors = {0}, warnings = {0};

    assert_int_equal(roa_file_parse("r", json, strlen(json), &errors, &warnings, &table), 0);
    assert_string_equal(text_cstr(&errors), "");
    assert_string_equal(text_cstr(&warnings), expected);
    assert_int_equal(roa_table_count(table), count);
    roa_table_free(table);
    text_clear(&errors);
    text_clear(&warnings);
}

static void assert_refused(const char *json, const char *expected)
{
    struct roa_table *table = NULL;
    struct text errors = {0}, warnings = {0};

    assert_int_equal(roa_file_parse("r", json, strlen(json), &errors, &warnings, &table), -EINVAL);
    if (strncmp(text_cstr(&errors), expected, strlen(expected)) != 0)
        fail_msg("%s does not begin with %s", text_cstr(&errors), expected);
    assert_non_null(strstr(text_cstr(&errors), "rpki-client"));
    text_clear(&errors);
    text_clear(&warnings);
}

static void files_of_validators_are_read(void **state)
{
    (void)state;
    /* as rpki-client writes it */
    assert_read(
        "{\n\t\"metadata\": { \"vrps\": 2, \"nested\": [1, {\"roas\": 3}] },\n\n"
        "\t\"roas\": [\n"
        "\t\t{ \"asn\": 64500, \"prefix\": \"10.0.0.0/8\", \"maxLength\": 24, \"ta\": \"x\", "
        "\"expires\": 1700000000 },\n"
        "\t\t{ \"asn\": 4200000000, \"prefix\": \"2001:db8::/32\", \"maxLength\": 48 }\n"
        "\t],\n\n\t\"bgpsec_keys\": [ ],\n\t\"aspas\": { \"ipv4\": [] }\n}\n",
        2, "");
    /* as routinator does */
    assert_read("{\"roas\":[{\"asn\":\"AS64500\",\"prefix\":\"10.0.0.0/8\",\"maxLength\":8,"
                "\"ta\":\"ripe\"}]}",
                1, "");
    assert_read("{\"roas\":[{\"asn\":\"64500\",\"prefix\":\"10.0.0.0/8\"}]}", 1, "");
    assert_read("{\"roas\": []}", 0, "");
}

static void wrong_elements_are_left_out_with_their_line(void **state)
{
    (void)state;
    assert_read("{\"roas\": [\n"
                "{\"asn\": 1, \"prefix\": \"10.0.0.0/33\", \"maxLength\": 24},\n"
                "{\"asn\": \"ASx\", \"prefix\": \"10.0.0.0/8\", \"maxLength\": 24},\n"
                "{\"asn\": 4294967296, \"prefix\": \"10.0.0.0/8\", \"maxLength\": 24},\n"
                "{\"asn\": 1, \"prefix\": \"10.0.0.0/8\", \"maxLength\": 7},\n"
                "{\"asn\": 1, \"prefix\": \"10.0.0.0/8\", \"maxLength\": \"24\"},\n"
                "7,\n"
                "{\"asn\": 1, \"prefix\": \"10.0.0.0/8\", \"maxLength\": 33},\n"
                "{\"asn\": 1, \"prefix\": \"10.0.0.0/8\", \"maxLength\": 32}\n"
                "]}",
                1,
                "r:2: a ROA is left out: its prefix is none\n"
                "r:3: a ROA is left out: its asn is none\n"
                "r:4: a ROA is left out: its asn is none\n"
                "r:5: a ROA is left out: its maxLength does not suit the prefix\n"
                "r:6: a ROA is left out: its maxLength is no number\n"
                "r: 2 more ROAs are left out\n");
}

static void other_files_are_refused(void **state)
{
    (void)state;
    assert_refused("", "r:1: it does not begin with an object");
    assert_refused("[]", "r:1: it does not begin with an object");
    assert_refused("{}", "r:1: ");
    assert_refused("{\"metadata\": 1}", "r:1: there is no member \"roas\"");
    assert_refused("{\"roas\": {}}", "r:1: \"roas\" is no array");
    assert_refused("{\"roas\": [\n{\"asn\": 1,}]}", "r:2: ");
    assert_refused("{\"roas\": [\n\n{\"asn\": 1}", "r:3: the array does not end");
    assert_refused("{\"roas\": []", "r:1: the object does not end");
    assert_refused("{\"roas\": []}\nx", "r:2: something stands behind the object");
    assert_refused("{\"roas\" []}", "r:1: expected a colon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_validators_are_read),
        cmocka_unit_test(wrong_elements_are_left_out_with_their_line),
        cmocka_unit_test(other_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
