/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that requests and answers of a memory table survive the way there and back, that damaged
 * ones are refused, and that texts which people type become the right values. */
#include "base/clock.h"
#include "base/memory.h"
#include "plugins/memory/query_private.h"
#include "support/rows.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct reader body_of(const struct text *message)
{
    return reader_make(message->data + QUERY_HEADER_LEN, message->len - QUERY_HEADER_LEN);
}

static void a_table_comes_as_it_was_sent(void **state)
{
    struct value_options options = {.has_dscp = true, .has_as_path_array = true};
    struct query_table table;
    struct text message = {0};
    struct rows rows;
    struct reader r;

    (void)state;
    rows_init(&rows, "src_host, as_path, proto, timestamp_start", 0);
    query_table_encode("live", &rows.schema, &options, &message);
    r = body_of(&message);
    assert_int_equal(query_table_decode(&r, &table), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_string_equal(table.instance_name, "live");
    assert_true(table.values.has_dscp && table.values.has_as_path_array);
    assert_false(table.values.has_numeric_protos || table.values.has_label_map);
    assert_int_equal(table.schema.row_size, rows.schema.row_size);
    assert_int_equal(table.schema.column_count, rows.schema.column_count);
    for (uint32_t i = 0; i < table.schema.column_count; i++) {
        const struct pa_column *a = &table.schema.columns[i], *b = &rows.schema.columns[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->offset, b->offset);
        assert_int_equal(a->width, b->width);
        assert_int_equal(a->csv_place, b->csv_place);
    }
    query_table_clear(&table);
    /* A message that is cut anywhere is refused. */
    for (size_t len = 0; len < message.len - QUERY_HEADER_LEN; len++) {
        r = reader_make(message.data + QUERY_HEADER_LEN, len);
        assert_int_equal(query_table_decode(&r, &table), -EBADMSG);
    }
    /* A column that lies outside of a row is refused. */
    rows.columns[0].offset = rows.schema.row_size - 1;
    text_reset(&message);
    query_table_encode("live", &rows.schema, &options, &message);
    r = body_of(&message);
    assert_int_equal(query_table_decode(&r, &table), -EBADMSG);
    text_clear(&message);
    rows_clear(&rows);
}

static void a_status_comes_as_it_was_sent(void **state)
{
    const struct query_status sent = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    struct query_status got;
    struct text message = {0};
    struct reader r;

    (void)state;
    query_status_encode(&sent, &message);
    r = body_of(&message);
    assert_int_equal(query_status_decode(&r, &got), 0);
    assert_memory_equal(&got, &sent, sizeof got);
    text_clear(&message);
}

static const struct pa_column *column(const struct query *query, const char *name)
{
    const struct pa_column *c = query_column(query, name);

    assert_non_null(c);
    return c;
}

/* Parses a value into `out` and returns its length, or 0 if it is refused. */
static size_t parse(const struct query *query, const char *name, const char *text, uint8_t *out)
{
    struct text stored = {0}, error = {0};
    size_t len = 0;

    if (query_value_parse(query, column(query, name), text, &stored, &error) == 0) {
        len = stored.len;
        memcpy(out, stored.data, len);
    } else {
        assert_true(error.len > 0);
    }
    text_clear(&stored);
    text_clear(&error);
    return len;
}

static void values_are_read_as_they_are_shown(void **state)
{
    static const struct {
        const char *name, *text, *bytes; /* NULL: refused */
        size_t len;
    } cases[] = {
        {"dst_as", "65001", "\xe9\xfd\0\0", 4},
        {"dst_as", "4294967296", NULL, 0},
        {"dst_as", "-1", NULL, 0},
        {"dst_as", "7x", NULL, 0},
        {"dst_as", "", NULL, 0},
        {"src_host", "10.0.0.1", "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1\4", 17},
        {"src_host", "2001:db8::1", "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\6", 17},
        {"src_host", "10.0.0.0/8", "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\0\4\x08", 18},
        {"src_host", "10.0.0.1/8", NULL, 0},
        {"src_host", "10.0.0.0/33", NULL, 0},
        {"src_mac", "00:11:22:33:44:55", "\0\x11\x22\x33\x44\x55", 6},
        {"proto", "udp", "\x11", 1},
        {"proto", "17", "\x11", 1},
        {"proto", "no_such", NULL, 0},
        {"etype", "86dd", "\xdd\x86", 2},
        {"etype", "0x86dd", "\xdd\x86", 2},
        {"as_path", "1_2", "1_2", 3},
    };
    struct value_options options = {0};
    struct query query = {.fd = -1};
    struct text message = {0};
    struct rows rows;
    struct reader r;

    (void)state;
    rows_init(&rows, "src_host, src_mac, as_path, proto, dst_as, etype", 0);
    query_table_encode("live", &rows.schema, &options, &message);
    r = body_of(&message);
    assert_int_equal(query_table_decode(&r, &query.table), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t out[64];
        size_t len = parse(&query, cases[i].name, cases[i].text, out);
        assert_int_equal(len, cases[i].len);
        if (len > 0)
            assert_memory_equal(out, cases[i].bytes, len);
    }
    query_table_clear(&query.table);
    text_clear(&message);
    rows_clear(&rows);
}

static void times_have_an_offset_or_are_local(void **state)
{
    static const struct {
        const char *text;
        int64_t ns; /* 0: refused */
    } cases[] = {
        /* `date -u -d @1795320450` of coreutils */
        {"2026-11-22T04:07:30.500000Z", INT64_C(1795320450500000000)},
        {"2026-11-22T09:37:30.500000+05:30", INT64_C(1795320450500000000)},
        {"2026-11-22T00:37:30.5-03:30", INT64_C(1795320450500000000)},
        {"2026-11-22 04:07:30", INT64_C(1795320450000000000)},
        {"1795320450.500000", INT64_C(1795320450500000000)},
        {"1795320450", INT64_C(1795320450000000000)},
        {"2026-11-22T04:07:30.5X", 0},
        {"yesterday", 0},
        {"99999999999999999999", 0},
    };
    struct value_options options = {0};
    struct query query = {.fd = -1};
    struct text message = {0};
    struct rows rows;
    struct reader r;

    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    rows_init(&rows, "timestamp_start", 0);
    query_table_encode("live", &rows.schema, &options, &message);
    r = body_of(&message);
    assert_int_equal(query_table_decode(&r, &query.table), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t out[64];
        int64_t ns = 0;
        if (parse(&query, "timestamp_start", cases[i].text, out) == sizeof ns)
            memcpy(&ns, out, sizeof ns);
        assert_int_equal(ns, cases[i].ns);
    }
    query_table_clear(&query.table);
    text_clear(&message);
    rows_clear(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_comes_as_it_was_sent),
        cmocka_unit_test(a_status_comes_as_it_was_sent),
        cmocka_unit_test(values_are_read_as_they_are_shown),
        cmocka_unit_test(times_have_an_offset_or_are_local),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
