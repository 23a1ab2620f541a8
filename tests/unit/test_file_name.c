/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which file names a pattern gives, and that no value from the network gets out of the
 * directory. Expected names are written by hand; times in them are UTC. */
#include "base/text.h"
#include "plugins/text/file_name.h"
#include "support/rows.h"
#include <errno.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TIME_S INT64_C(1795301340) /* 2026-11-21 22:49:00 UTC */

static struct file_name *make(const char *pattern, const struct rows *rows)
{
    const struct file_name_context context = {
        .schema = &rows->schema, .is_utc = true, .refresh = "60", .history = "5m"};
    struct file_name *name = NULL;
    char error[256];

    assert_int_equal(file_name_new(pattern, &context, error, sizeof error, &name), 0);
    return name;
}

static void expect_name(const char *pattern, const struct rows *rows, const char *expected)
{
    struct pa_batch batch = rows_batch(rows);
    struct file_name *name = make(pattern, rows);
    struct text out = {0}, glob = {0};

    file_name_append(name, &batch, batch.rows, TIME_S, &out);
    assert_string_equal(text_cstr(&out), expected);
    file_name_append_glob(name, &glob);
    assert_int_equal(fnmatch(text_cstr(&glob), text_cstr(&out), FNM_PATHNAME), 0);
    text_clear(&out);
    text_clear(&glob);
    file_name_free(name);
}

static void expect_refused(const char *pattern, const struct rows *rows, const char *says)
{
    const struct file_name_context context = {.schema = &rows->schema, .is_utc = true};
    struct file_name *name = NULL;
    char error[256] = "";

    assert_int_equal(file_name_new(pattern, &context, error, sizeof error, &name), -EINVAL);
    assert_non_null(strstr(error, says));
}

static void names_have_times_and_values(void **state)
{
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows, "tag, tag2, peer_src_ip, proto, dst_as, src_host", 300);
    row = rows_add(&rows);
    rows_set_uint(&rows, row, "tag", 7);
    rows_set_uint(&rows, row, "tag2", 8);
    rows_set_addr(&rows, row, "peer_src_ip", "127.0.0.1");
    rows_set_addr(&rows, row, "src_host", "2001:db8::1");
    rows_set_uint(&rows, row, "proto", 6);
    rows_set_uint(&rows, row, "dst_as", 64500);
    expect_name("/d/%Y-%m-%d/flows-%H%M.json", &rows, "/d/2026-11-21/flows-2249.json");
    expect_name("$peer_src_ip/%H.csv", &rows, "127_0_0_1/22.csv");
    expect_name("$src_host", &rows, "2001_db8__1");
    expect_name("$tag-$tag2-$post_tag-$post_tag2", &rows, "7-8-7-8");
    expect_name("$tag_%s", &rows, "7_1795301340");
    expect_name("a$ref-$hst-$tzone.$proto.$dst_as", &rows, "a60-5m-+00:00.tcp.64500");
    expect_name("100%%[*]?", &rows, "100%[*]?");
    rows_clear(&rows);
}

static void impossible_patterns_are_refused(void **state)
{
    struct rows rows;

    (void)state;
    rows_init(&rows, "src_host, timestamp_start", 0);
    expect_refused("x-$peer_src_ip", &rows, "peer_src_ip is neither a primitive");
    expect_refused("x-%D", &rows, "%Y-%m-%d");
    expect_refused("x-%", &rows, "not a conversion");
    expect_refused("x-$", &rows, "neither");
    expect_refused("", &rows, "1 to");
    expect_refused("$bytes", &rows, "cannot be part");
    expect_refused("$timestamp_start", &rows, "cannot be part");
    rows_clear(&rows);
}

static void values_cannot_leave_their_directory(void **state)
{
    static const char *const hostile[] = {"../../etc/passwd", "/etc",     "..", ".", "", "a\nb",
                                          "\xff\xfe",         "$(reboot)"};
    char longest[5000];
    struct rows rows;
    uint8_t *row;

    (void)state;
    memset(longest, 'x', sizeof longest);
    rows_init(&rows, "vrf_name", 0);
    for (size_t i = 0; i <= sizeof hostile / sizeof hostile[0]; i++) {
        bool is_longest = i == sizeof hostile / sizeof hostile[0];
        struct pa_batch batch;
        struct file_name *name;
        struct text out = {0};

        rows_reset(&rows);
        row = rows_add(&rows);
        rows_set_bytes(&rows, row, "vrf_name", is_longest ? longest : hostile[i],
                       is_longest ? sizeof longest : (uint32_t)strlen(hostile[i]));
        batch = rows_batch(&rows);
        name = make("/d/$vrf_name", &rows);
        file_name_append(name, &batch, batch.rows, TIME_S, &out);
        text_cstr(&out);
        assert_null(strpbrk(out.data + 3, "/.\n$ "));
        assert_in_range(out.len, 4, 3 + FILE_NAME_VALUE_MAX);
        text_clear(&out);
        file_name_free(name);
    }
    rows_clear(&rows);
}

static void expect_text(const char *pattern, enum file_name_purpose purpose, const char *value,
                        const char *expected)
{
    struct rows rows;
    struct text out = {0};
    struct file_name *name = NULL;
    char error[256];

    rows_init(&rows, "vrf_name, as_path", 0);
    uint8_t *row = rows_add(&rows);
    rows_set_text(&rows, row, "vrf_name", value);
    rows_set_text(&rows, row, "as_path", value);
    struct pa_batch batch = rows_batch(&rows);
    const struct file_name_context context = {.purpose = purpose, .schema = &rows.schema};
    assert_int_equal(file_name_new(pattern, &context, error, sizeof error, &name), 0);
    file_name_append(name, &batch, batch.rows, TIME_S, &out);
    assert_string_equal(text_cstr(&out), expected);
    text_clear(&out);
    file_name_free(name);
    rows_clear(&rows);
}

static void different_texts_have_different_names(void **state)
{
    static const struct {
        const char *value, *file, *at_end, *topic;
    } cases[] = {
        {"eth0-1+a,b@c", "eth0-1+a,b@c.x", "eth0-1+a,b@c", "eth0-1+a,b@c.x"},
        {"Gi0/1", "Gi0_1.x", "Gi0_1", "Gi0_1.x"},
        {"Gi0_1", "Gi0=5F1.x", "Gi0=5F1", "Gi0_1.x"},
        {"Gi0=1", "Gi0=3D1.x", "Gi0=3D1", "Gi0=1.x"},
        {"eth0.100", "eth0.100.x", "eth0=2E100", "eth0_100.x"},
        {"..", "=2E..x", "=2E=2E", "__.x"},
        {"a b\n", "a=20b=0A.x", "a=20b=0A", "a_b_.x"},
        {"\xc3\xa9", "=C3=A9.x", "=C3=A9", "__.x"},
        {"/", "=2F.x", "=2F", "_.x"},
        {"", "_.x", "_", "_.x"},
        {"red.state", "red.state.x", "red=2Estate", "red_state.x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_text("$vrf_name.x", FILE_NAME_FILE, cases[i].value, cases[i].file);
        expect_text("$vrf_name", FILE_NAME_FILE, cases[i].value, cases[i].at_end);
        expect_text("$vrf_name", FILE_NAME_TABLE, cases[i].value, cases[i].at_end);
        expect_text("$vrf_name.x", FILE_NAME_TOPIC, cases[i].value, cases[i].topic);
    }
    /* A value with a form of its own keeps the name that it had. */
    expect_text("$as_path", FILE_NAME_FILE, "65000_65001", "65000_65001");
}

static void what_is_cut_stays_different(void **state)
{
    char a[201], b[201], *names[2];
    struct rows rows;

    (void)state;
    memset(a, 'x', 200);
    a[200] = 0;
    memcpy(b, a, sizeof b);
    b[199] = 'y';
    rows_init(&rows, "vrf_name", 0);
    for (int i = 0; i < 2; i++) {
        struct text out = {0};
        rows_reset(&rows);
        rows_set_text(&rows, rows_add(&rows), "vrf_name", i ? b : a);
        struct pa_batch batch = rows_batch(&rows);
        struct file_name *name = make("$vrf_name", &rows);
        file_name_append(name, &batch, batch.rows, TIME_S, &out);
        assert_int_equal(out.len, FILE_NAME_VALUE_MAX);
        assert_non_null(strstr(text_cstr(&out), "xx=="));
        names[i] = strdup(text_cstr(&out));
        text_clear(&out);
        file_name_free(name);
    }
    assert_string_not_equal(names[0], names[1]);
    free(names[0]);
    free(names[1]);
    a[FILE_NAME_VALUE_MAX] = 0; /* just as long as may be */
    expect_text("$vrf_name", FILE_NAME_FILE, a, a);
    rows_clear(&rows);
}

static void instants_of_one_name_are_told_from_others(void **state)
{
    struct file_name *name;
    struct rows rows;

    (void)state;
    rows_init(&rows, "src_host", 0);
    name = make("%Y%m%d-%H", &rows);
    assert_true(file_name_is_same(name, TIME_S, TIME_S + 10 * 60));
    assert_false(file_name_is_same(name, TIME_S, TIME_S + 11 * 60));
    file_name_free(name);
    name = make("fixed", &rows);
    assert_false(file_name_has_time(name));
    assert_true(file_name_is_same(name, 0, TIME_S));
    file_name_free(name);
    rows_clear(&rows);
}

static void equal_keys_mean_equal_values(void **state)
{
    struct text a = {0}, b = {0}, c = {0};
    struct pa_batch batch;
    struct file_name *name;
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows, "vrf_name, tag", 0);
    for (int i = 0; i < 3; i++) {
        row = rows_add(&rows);
        rows_set_text(&rows, row, "vrf_name", "red"); /* another id each time */
        rows_set_uint(&rows, row, "tag", i == 2);
    }
    batch = rows_batch(&rows);
    name = make("$vrf_name-$tag", &rows);
    file_name_append_key(name, &batch, batch.rows, &a);
    file_name_append_key(name, &batch, batch.rows + rows.schema.row_size, &b);
    file_name_append_key(name, &batch, batch.rows + 2 * rows.schema.row_size, &c);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    assert_memory_not_equal(a.data, c.data, a.len);
    text_clear(&a);
    text_clear(&b);
    text_clear(&c);
    file_name_free(name);
    rows_clear(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_times_and_values),
        cmocka_unit_test(impossible_patterns_are_refused),
        cmocka_unit_test(values_cannot_leave_their_directory),
        cmocka_unit_test(different_texts_have_different_names),
        cmocka_unit_test(what_is_cut_stays_different),
        cmocka_unit_test(instants_of_one_name_are_told_from_others),
        cmocka_unit_test(equal_keys_mean_equal_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
