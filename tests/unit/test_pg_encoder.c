/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves the bytes of rows for PostgreSQL's COPY in binary. They are taken apart as its manual says
 * ("COPY", Binary Format): a count of fields in 2 bytes, then each field's length in 4 and its
 * bytes. The meaning of a type's bytes is what its receive function reads: integers big-endian,
 * instants in microseconds since 2000-01-01, inet as family (2 or 3), bits, whether it is a cidr,
 * length, address.
 */
#include "plugins/pgsql/pg_dialect.h"
#include "plugins/pgsql/pg_encoder.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/text/output_keys.h"
#include "support/fake_host.h"
#include "support/hex.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COLUMNS_MAX 16
#define TIME_NS     INT64_C(1795301340123456789) /* 2026-11-21 22:49:00.123456789 UTC */

struct world {
    struct fake_host host;
    struct rows rows;
    struct sql_settings settings;
    struct sql_columns columns;
    struct pg_encoder *encoder;
    struct text out;
};

struct column_type {
    const char *name;
    enum pg_type type;
};

/* Makes an encoder for a table whose columns are int8 unless `types` names them. */
static void open_world(struct world *w, const char *aggregate, bool has_instants,
                       const struct column_type *types, size_t type_count)
{
    enum pg_type wanted[COLUMNS_MAX];
    char error[512];

    memset(w, 0, sizeof *w);
    fake_host_init(&w->host, sql_keys, output_keys);
    fake_host_set(&w->host, "sql_table_create", "true");
    fake_host_set(&w->host, "timestamps_utc", "false");
    rows_init(&w->rows, aggregate, 0);
    assert_int_equal(sql_settings_read(&w->host.host, &w->rows.schema,
                                       pg_dialect_choose(false, has_instants), error, sizeof error,
                                       &w->settings),
                     0);
    assert_int_equal(
        sql_columns_init(&w->columns, &w->settings, &w->rows.schema, error, sizeof error), 0);
    assert_in_range(w->columns.count, 1, COLUMNS_MAX);
    for (uint32_t i = 0; i < w->columns.count; i++) {
        wanted[i] = PG_TYPE_INT8;
        for (size_t k = 0; k < type_count; k++)
            if (strcmp(w->columns.items[i].name, types[k].name) == 0)
                wanted[i] = types[k].type;
    }
    w->encoder = pg_encoder_new(&w->columns, wanted);
}

static void close_world(struct world *w)
{
    text_clear(&w->out);
    pg_encoder_free(w->encoder);
    sql_columns_clear(&w->columns);
    sql_settings_clear(&w->settings);
    rows_clear(&w->rows);
}

static int encode(struct world *w, const uint8_t *row, uint32_t *ret_index)
{
    struct pa_batch batch = rows_batch(&w->rows);

    text_reset(&w->out);
    return pg_encoder_append_row(w->encoder, &batch, row, &w->out, ret_index);
}

/* Asserts that the field of that column has these bytes. */
static void assert_field(const struct world *w, const char *name, const char *expected)
{
    struct reader r = reader_make(w->out.data, w->out.len);
    bool is_there = false;

    assert_int_equal(reader_u16(&r), w->columns.count);
    for (uint32_t i = 0; i < w->columns.count; i++) {
        size_t len = reader_u32(&r);
        const uint8_t *bytes = reader_bytes(&r, len);
        assert_non_null(bytes);
        if (strcmp(w->columns.items[i].name, name) != 0)
            continue;
        struct hex wanted = hex_make(expected);
        assert_int_equal(len, wanted.len);
        assert_memory_equal(bytes, wanted.data, len);
        free(wanted.data);
        is_there = true;
    }
    assert_true(is_there);
    assert_int_equal(reader_left(&r), 0);
}

static void a_copy_has_its_signature_and_end(void **state)
{
    struct text out = {0};

    (void)state;
    pg_encoder_append_start(&out);
    pg_encoder_append_end(&out);
    assert_int_equal(out.len, 11 + 4 + 4 + 2);
    assert_memory_equal(out.data,
                        "PGCOPY\n\377\r\n\0" /* signature */
                        "\0\0\0\0\0\0\0\0"   /* flags, length of the extension */
                        "\377\377",
                        out.len);
    text_clear(&out);
}

static void each_type_has_its_bytes(void **state)
{
    static const struct column_type types[] = {
        {"ip_src", PG_TYPE_INET},    {"ip_dst", PG_TYPE_CIDR},   {"mac_src", PG_TYPE_MACADDR},
        {"ip_proto", PG_TYPE_INT2},  {"port_src", PG_TYPE_INT4}, {"as_path", PG_TYPE_TEXT},
        {"port_dst", PG_TYPE_OTHER},
    };
    struct world w;
    uint32_t index;

    (void)state;
    open_world(&w, "src_host, dst_host, src_mac, proto, src_port, dst_port, as_path", false, types,
               sizeof types / sizeof types[0]);
    uint8_t *row = rows_add(&w.rows);
    rows_set_addr(&w.rows, row, "src_host", "192.0.2.1");
    rows_set_addr(&w.rows, row, "dst_host", "2001:db8::1");
    rows_set_mac(&w.rows, row, "src_mac", "00:11:22:33:44:55");
    rows_set_uint(&w.rows, row, "proto", 17);
    rows_set_uint(&w.rows, row, "src_port", 49153);
    rows_set_uint(&w.rows, row, "dst_port", 443);
    rows_set_text(&w.rows, row, "as_path", "65000_65001");
    rows_set_uint(&w.rows, row, "bytes", 0x0102030405060708);
    assert_int_equal(encode(&w, row, &index), 0);
    assert_field(&w, "ip_src", "02 20 00 04 c0000201");
    assert_field(&w, "ip_dst", "03 80 01 10 20010db8 00000000 00000000 00000001");
    assert_field(&w, "mac_src", "001122334455");
    assert_field(&w, "ip_proto", "0011");
    assert_field(&w, "port_src", "0000c001");
    assert_field(&w, "port_dst", "343433"); /* "443": any other type is cast from text */
    assert_field(&w, "as_path", "36353030305f3635303031");
    assert_field(&w, "bytes", "0102030405060708");
    assert_field(&w, "packets", "0000000000000000");
    close_world(&w);
}

static void what_is_unknown_has_pmaccts_blank_value(void **state)
{
    static const struct column_type types[] = {{"ip_src", PG_TYPE_INET},
                                               {"as_path", PG_TYPE_TEXT},
                                               {"timestamp_start", PG_TYPE_TIMESTAMP}};
    struct world w;
    uint32_t index;

    (void)state;
    open_world(&w, "src_host, as_path, timestamp_start", true, types,
               sizeof types / sizeof types[0]);
    assert_int_equal(encode(&w, rows_add(&w.rows), &index), 0);
    assert_field(&w, "ip_src", "02 20 00 04 00000000");
    assert_field(&w, "as_path", "");
    assert_field(&w, "timestamp_start", "fffca2fec4c82000"); /* 1970: 946684800 s before 2000 */
    close_world(&w);
}

static void a_number_that_does_not_fit_is_named_and_leaves_nothing(void **state)
{
    static const struct column_type types[] = {{"bytes", PG_TYPE_INT4}};
    struct world w;
    uint32_t index = 99;

    (void)state;
    open_world(&w, "src_port", false, types, 1);
    uint8_t *row = rows_add(&w.rows);
    rows_set_uint(&w.rows, row, "bytes", INT32_MAX);
    assert_int_equal(encode(&w, row, &index), 0);
    assert_field(&w, "bytes", "7fffffff");
    rows_set_uint(&w.rows, row, "bytes", UINT64_C(1) << 31);
    assert_int_equal(encode(&w, row, &index), -ERANGE);
    assert_string_equal(w.columns.items[index].name, "bytes");
    assert_int_equal(w.out.len, 0);
    close_world(&w);
}

/* Asserts that the text of that column is `beginning` and 11 more digits. */
static void assert_shortened(struct world *w, const char *name, const char *beginning)
{
    struct reader r = reader_make(w->out.data, w->out.len);

    reader_u16(&r);
    for (uint32_t i = 0; i < w->columns.count; i++) {
        size_t len = reader_u32(&r);
        const char *bytes = (const char *)reader_bytes(&r, len);
        if (strcmp(w->columns.items[i].name, name) != 0)
            continue;
        assert_int_equal(len, strlen(beginning) + 11);
        assert_memory_equal(bytes, beginning, strlen(beginning));
        assert_null(memchr(bytes + strlen(beginning), '~', 11));
    }
    assert_int_equal(reader_left(&r), 0);
}

static void a_text_that_does_not_fit_is_shortened_and_the_row_still_whole(void **state)
{
    static const struct column_type types[] = {{"as_path", PG_TYPE_TEXT}};
    static char name[] = "as_path";
    struct pg_table_column column = {.name = name, .char_max = 21};
    struct pg_table table = {.columns = &column, .column_count = 1};
    struct world w;
    uint32_t index = 99;

    (void)state;
    open_world(&w, "src_port, as_path", false, types, 1);
    pg_encoder_fit(w.encoder, &table);
    uint8_t *row = rows_add(&w.rows);
    rows_set_uint(&w.rows, row, "src_port", 7);
    rows_set_text(&w.rows, row, "as_path", "65000_65001_65002_650");
    assert_int_equal(encode(&w, row, &index), 0);
    assert_field(&w, "as_path", "36353030305f36353030315f36353030325f363530");
    rows_set_text(&w.rows, row, "as_path", "65000_65001_65002_6500");
    assert_int_equal(encode(&w, row, &index), 1);
    assert_string_equal(w.columns.items[index].name, "as_path");
    assert_shortened(&w, "as_path", "65000_650~");
    close_world(&w);
}

static void a_row_that_was_refused_has_short_texts(void **state)
{
    static const struct column_type types[] = {{"as_path", PG_TYPE_TEXT}};
    const struct pg_table table = {0};
    char path[200];
    struct world w;
    uint32_t index;

    (void)state;
    memset(path, '1', sizeof path - 1);
    path[sizeof path - 1] = 0;
    open_world(&w, "as_path", false, types, 1);
    pg_encoder_fit(w.encoder, &table);
    uint8_t *row = rows_add(&w.rows);
    rows_set_text(&w.rows, row, "as_path", path);
    assert_int_equal(encode(&w, row, &index), 0);
    size_t whole = w.out.len;
    pg_encoder_set_tight(w.encoder, true);
    assert_int_equal(encode(&w, row, &index), 1);
    assert_int_equal(w.out.len, whole - strlen(path) + 60);
    close_world(&w);
}

/* A timestamp has what a clock on the wall shows, five and a half hours ahead there; a timestamptz
 * is the instant, in any zone. */
static void times_with_and_without_zone(void **state)
{
    static const struct column_type wall[] = {{"timestamp_start", PG_TYPE_TIMESTAMP}},
                                    instant[] = {{"timestamp_start", PG_TYPE_TIMESTAMPTZ}};
    struct world w;
    uint32_t index;

    (void)state;
    setenv("TZ", "<+0530>-5:30", 1);
    tzset();
    open_world(&w, "timestamp_start", false, wall, 1);
    uint8_t *row = rows_add(&w.rows);
    rows_set_uint(&w.rows, row, "timestamp_start", TIME_NS);
    assert_int_equal(encode(&w, row, &index), 0);
    /* The value is 848616540 s since 2000 and 19800 s more; microseconds have a column of their
     * own. */
    assert_field(&w, "timestamp_start", "000303d48b96d500");
    assert_field(&w, "timestamp_start_residual", "000000000001e240");
    close_world(&w);

    open_world(&w, "timestamp_start", true, instant, 1);
    row = rows_add(&w.rows);
    rows_set_uint(&w.rows, row, "timestamp_start", TIME_NS);
    assert_int_equal(encode(&w, row, &index), 0);
    assert_field(&w, "timestamp_start", "000303cfef6cb140");
    close_world(&w);
    unsetenv("TZ");
    tzset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_has_its_signature_and_end),
        cmocka_unit_test(each_type_has_its_bytes),
        cmocka_unit_test(what_is_unknown_has_pmaccts_blank_value),
        cmocka_unit_test(a_number_that_does_not_fit_is_named_and_leaves_nothing),
        cmocka_unit_test(a_text_that_does_not_fit_is_shortened_and_the_row_still_whole),
        cmocka_unit_test(a_row_that_was_refused_has_short_texts),
        cmocka_unit_test(times_with_and_without_zone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
