/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves how rows become Avro: the schema, the container file and both encodings. What is written is
 * read by Avro C, where it is installed, and must say what the lines of JSON say, for rows of all
 * primitives with random values.
 */
#include "base/clock.h"
#include "base/text.h"
#include "plugins/text/avro_container.h"
#include "plugins/text/avro_datum.h"
#include "plugins/text/format.h"
#include "support/random_values.h"
#include "support/rows.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAS_AVRO
#include <avro.h>
#endif

#include <cmocka.h>

/* BIN_S is 2026-11-21 22:49:00 UTC. */
#define BIN_S INT64_C(1795301340)

static const char all_primitives[] =
#define PRIMITIVE(key, json, csv, sql, KIND, FORMAT, member, place, help) #key ", "
#define COUNTER(key, json, csv, sql, KIND, FORMAT, member, place, COMBINE, help)
#include "flow/primitives.def"
#undef PRIMITIVE
#undef COUNTER
    "";

static struct format_options plain_options(void)
{
    return (struct format_options){.is_utc = true, .has_event_type = true};
}

static struct format *begin(const struct format_kind *kind, const struct rows *rows,
                            const struct format_options *options)
{
    struct format *format;

    assert_int_equal(format_new(kind, &rows->schema, options, &format), 0);
    format_set_written(format, (BIN_S + 61) * NS_PER_S);
    return format;
}

/* Returns all rows in text; to be freed with text_clear(). */
static struct text render(struct format *format, const struct rows *rows)
{
    struct pa_batch batch = rows_batch(rows);
    struct text out = {0};

    for (uint32_t i = 0; i < batch.row_count;)
        i = format_append_rows(format, &batch, i, 1, &out);
    return out;
}

/* ---- pieces ---- */

static void longs_are_zig_zag_coded(void **state)
{
    /* The first are those of the specification. */
    static const struct {
        int64_t value;
        size_t len;
        const char *bytes;
    } vectors[] = {
        {0, 1, "\x00"},
        {-1, 1, "\x01"},
        {1, 1, "\x02"},
        {-64, 1, "\x7f"},
        {64, 2, "\x80\x01"},
        {INT64_MAX, 10, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
        {INT64_MIN, 10, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct text out = {0};
        avro_append_long(&out, vectors[i].value);
        assert_int_equal(out.len, vectors[i].len);
        assert_memory_equal(out.data, vectors[i].bytes, out.len);
        text_clear(&out);
    }
}

static void strings_are_utf8(void **state)
{
    static const struct {
        const char *text, *bytes;
        size_t text_len, len;
    } vectors[] = {
        {"", "\0", 0, 1},
        {"foo",
         "\x06"
         "foo",
         3, 4},
        {"a\0b",
         "\x06"
         "a\0b",
         3, 4},
        {"\xc3\xa9", "\x04\xc3\xa9", 2, 3},
        {"x\xff", "\x08x\xef\xbf\xbd", 2, 5},
        {"\xc3", "\x06\xef\xbf\xbd", 1, 4},
        {"\xed\xa0\x80!", "\x14\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!", 4, 11},
    };

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct text out = {0};
        avro_append_string(&out, vectors[i].text, vectors[i].text_len);
        assert_int_equal(out.len, vectors[i].len);
        assert_memory_equal(out.data, vectors[i].bytes, out.len);
        assert_int_equal(avro_string_len(vectors[i].text, vectors[i].text_len), out.len);
        text_clear(&out);
    }
}

/* ---- schema and lines ---- */

static void schema_is_the_one_of_pmacct(void **state)
{
    struct format_options options = plain_options();
    struct format *format;
    struct rows rows;

    (void)state;
    rows_init(&rows, "src_host, as_path, label, tcpflags", 60);
    options.values.has_as_path_array = options.values.has_label_map = true;
    options.writer_id = "me";
    format = begin(&format_avro, &rows, &options);
    assert_string_equal(
        format_avro_schema(format),
        "{\"type\": \"record\", \"name\": \"acct_data\", \"fields\": [\n"
        "  {\"name\": \"label\", \"type\": {\"type\": \"map\", \"values\": \"string\"}},\n"
        "  {\"name\": \"as_path\", \"type\": {\"type\": \"array\", \"items\": \"string\"}},\n"
        "  {\"name\": \"ip_src\", \"type\": \"string\"},\n"
        "  {\"name\": \"tcp_flags\", \"type\": \"long\"},\n"
        "  {\"name\": \"stamp_inserted\", \"type\": [\"null\", \"string\"]},\n"
        "  {\"name\": \"stamp_updated\", \"type\": [\"null\", \"string\"]},\n"
        "  {\"name\": \"packets\", \"type\": [\"null\", \"long\"]},\n"
        "  {\"name\": \"flows\", \"type\": [\"null\", \"long\"]},\n"
        "  {\"name\": \"bytes\", \"type\": [\"null\", \"long\"]},\n"
        "  {\"name\": \"writer_id\", \"type\": \"string\"}\n"
        "]}\n");
    format_free(format);
    rows_clear(&rows);
}

static void add_has_counters(struct rows *rows)
{
    const struct pa_column column = {
        .name = "has_counters", .kind = PA_KIND_U8, .combine = PA_COMBINE_OR};

    rows_add_column(rows, &column);
}

static void json_encoding_names_the_types_of_unions(void **state)
{
    struct format_options options = plain_options();
    struct format *format;
    struct rows rows;
    struct text out;
    uint8_t *row;

    (void)state;
    rows_init(&rows, "src_host, as_path, label", 60);
    add_has_counters(&rows);
    options.values.has_as_path_array = options.values.has_label_map = true;
    for (int has_counters = 1; has_counters >= 0; has_counters--) {
        row = rows_add(&rows);
        rows_set_bin(&rows, row, BIN_S);
        rows_set_addr(&rows, row, "src_host", "10.0.0.3");
        rows_set_text(&rows, row, "as_path", "1_\"2");
        rows_set_text(&rows, row, "label", "k%v,x");
        rows_set_uint(&rows, row, "packets", 2);
        rows_set_uint(&rows, row, "bytes", UINT64_MAX);
        rows_set_uint(&rows, row, "has_counters", (uint64_t)has_counters);
    }
    format = begin(&format_avro_json, &rows, &options);
    out = render(format, &rows);
    assert_string_equal(
        text_cstr(&out),
        "{\"label\": {\"k\": \"v\", \"x\": \"\"}, \"as_path\": [\"1\", \"\\\"2\"], \"ip_src\": "
        "\"10.0.0.3\", \"stamp_inserted\": {\"string\": \"2026-11-21 22:49:00\"}, "
        "\"stamp_updated\": {\"string\": \"2026-11-21 22:50:01\"}, \"packets\": {\"long\": 2}, "
        "\"flows\": null, \"bytes\": {\"long\": 9223372036854775807}}\n"
        "{\"label\": {\"k\": \"v\", \"x\": \"\"}, \"as_path\": [\"1\", \"\\\"2\"], \"ip_src\": "
        "\"10.0.0.3\", \"stamp_inserted\": {\"string\": \"2026-11-21 22:49:00\"}, "
        "\"stamp_updated\": {\"string\": \"2026-11-21 22:50:01\"}, \"packets\": null, "
        "\"flows\": null, \"bytes\": null}\n");
    text_clear(&out);
    format_free(format);
    rows_clear(&rows);
}

static void name_that_avro_cannot_have_is_refused(void **state)
{
    static const char *const names[] = {"a-b", "4to6", "", "ok_4"};
    char error[256];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pa_column column = {.name = "x", .json_name = names[i]};
        struct pa_schema schema = {.columns = &column, .column_count = 1};
        bool is_good = i >= 2; /* a column without a name is not shown */
        error[0] = 0;
        assert_int_equal(format_avro.check(&schema, error, sizeof error), is_good ? 0 : -EINVAL);
        assert_int_equal(format_avro_json.check(&schema, error, sizeof error),
                         is_good ? 0 : -EINVAL);
        if (!is_good)
            assert_non_null(strstr(error, names[i]));
    }
}

/* ---- the container ---- */

static void marker_follows_from_the_schema_and_is_no_data(void **state)
{
    struct text one = {0}, same = {0}, other = {0};

    (void)state;
    avro_container_append_header(&one, "{\"type\": \"string\"}");
    avro_container_append_header(&same, "{\"type\": \"string\"}");
    avro_container_append_header(&other, "{\"type\": \"int\"}");
    assert_int_equal(one.len, same.len);
    assert_memory_equal(one.data, same.data, one.len);
    assert_memory_not_equal(one.data + one.len - AVRO_MARKER_LEN,
                            other.data + other.len - AVRO_MARKER_LEN, AVRO_MARKER_LEN);
    for (size_t i = one.len - AVRO_MARKER_LEN; i < one.len; i++)
        assert_in_range((uint8_t)one.data[i], 0xf5, 0xff);
    text_clear(&one);
    text_clear(&same);
    text_clear(&other);
}

static void block_of_no_rows_is_nothing(void **state)
{
    struct format_options options = plain_options();
    struct format_block block = {0};
    struct text out = {0};
    struct format *format;
    struct rows rows;

    (void)state;
    rows_init(&rows, "src_host", 0);
    format = begin(&format_avro, &rows, &options);
    text_append_string(&out, "head");
    format_block_end(format, &block, &out);
    assert_int_equal(out.len, 4);
    text_append_string(&out, "data");
    format_block_add(&block, 4, 3);
    format_block_end(format, &block, &out);
    assert_memory_equal(out.data,
                        "head\x06\x08"
                        "data",
                        10);
    assert_int_equal(out.len, 10 + AVRO_MARKER_LEN);
    assert_int_equal(block.row_count, 0);
    format_block_end(NULL, &block, &out); /* of text */
    text_clear(&out);
    format_free(format);
    rows_clear(&rows);
}

#ifdef HAS_AVRO

/* ---- read back by Avro C ---- */

/* Sets a text of characters that separate, need an escape, or are no UTF-8. */
static void set_random_text(struct rows *rows, uint8_t *row, const char *name)
{
    static const char *const pieces[] = {"a",  "65536", "_",    ",",        "%",    "\"",
                                         "\\", "\n",    "\xff", "\xc3\xa9", "\xc3", "\xe2\x82\xac"};
    struct text text = {0};
    uint32_t count = random_below(8) == 0 ? 90 : random_below(6);

    for (uint32_t i = 0; i < count; i++)
        text_append_string(&text, pieces[random_below(sizeof pieces / sizeof pieces[0])]);
    rows_set_bytes(rows, row, name, text.data ? text.data : "", (uint32_t)text.len);
    text_clear(&text);
}

static uint64_t random_number(unsigned bits)
{
    uint64_t value = ((uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX));

    return value >> (64 - bits) >> random_below(bits);
}

static void set_random(struct rows *rows, uint8_t *row, const struct pa_column *column)
{
    uint8_t *field = row + column->offset;
    double real = ldexp(random_below(UINT32_MAX), (int)random_below(200) - 100);

    switch (column->kind) {
    case PA_KIND_ADDR:
        if (random_below(5) > 0)
            rows_set_addr(rows, row, column->name, random_below(2) ? "10.1.2.3" : "2001:db8::1");
        break;
    case PA_KIND_BYTES:
        set_random_text(rows, row, column->name);
        break;
    case PA_KIND_TIME:
    case PA_KIND_U64:
        rows_set_uint(rows, row, column->name, random_number(62));
        if (column->format == PA_FORMAT_REAL)
            memcpy(field, &real, sizeof real);
        break;
    default: /* numbers, MAC addresses, fixed bytes */
        for (uint32_t i = 0; i < column->width; i++)
            field[i] = (uint8_t)random_number(8);
    }
}

static void fill(struct rows *rows, uint32_t count)
{
    rows_reset(rows);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *row = rows_add(rows);
        for (uint32_t k = 0; k < rows->schema.column_count; k++)
            set_random(rows, row, &rows->schema.columns[k]);
        if (rows->schema.bin_offset >= 0)
            rows_set_bin(rows, row, BIN_S + 60 * random_below(9));
        rows_set_uint(rows, row, "has_counters", random_below(2));
    }
}

static struct format_options random_options(void)
{
    struct format_options options = plain_options();
    bool *const switches[] = {
        &options.values.has_numeric_protos, &options.values.has_tcp_flags_array,
        &options.values.has_tcp_flags_text, &options.values.has_fwd_status_text,
        &options.values.has_label_map,      &options.values.has_label_stack_array,
        &options.values.has_as_path_array,  &options.values.has_communities_array,
        &options.values.has_dscp,           &options.values.has_unspecified_address,
        &options.has_whole_seconds,
    };

    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++)
        *switches[i] = random_below(2);
    options.time_style = (enum value_time_style)random_below(3);
    return options;
}

/* Returns the value without the name of its type, if it has one; borrowed. */
static json_t *without_branch(json_t *value, bool is_union)
{
    if (!is_union || json_is_null(value))
        return value;
    assert_int_equal(json_object_size(value), 1);
    return json_object_iter_value(json_object_iter(value));
}

/* `avro` is a record as Avro C shows it, `line` the row's line of JSON. */
static void expect_same_row(json_t *avro, const char *line)
{
    static const char *const unions[] = {"packets",        "flows",         "bytes",
                                         "stamp_inserted", "stamp_updated", "timestamp_min",
                                         "timestamp_max"};
    json_error_t error;
    json_t *json = json_loads(line, JSON_DISABLE_EOF_CHECK, &error), *value;
    const char *name;
    size_t seen = 0;

    if (!json)
        fail_msg("%s in %s", error.text, line);
    json_object_foreach(avro, name, value)
    {
        json_t *expected = json_object_get(json, name);
        bool is_union = false;
        for (size_t i = 0; i < sizeof unions / sizeof unions[0]; i++)
            is_union |= !strcmp(unions[i], name);
        value = without_branch(value, is_union);
        seen += expected != NULL;
        if (expected ? !json_equal(value, expected) : !json_is_null(value))
            fail_msg("%s is %s in Avro, in JSON %s", name, json_dumps(value, JSON_ENCODE_ANY),
                     expected ? json_dumps(expected, JSON_ENCODE_ANY) : "not there");
    }
    assert_int_equal(seen + 1, json_object_size(json)); /* without event_type */
    json_decref(json);
}

/* Makes a file of the rows, with blocks of random lengths, and returns a reader of it. */
static avro_file_reader_t make_file(struct format *format, const struct rows *rows, FILE **ret_file)
{
    struct pa_batch batch = rows_batch(rows);
    struct format_block block = {0};
    struct text out = {0};
    avro_file_reader_t reader;

    format_append_title(format, &out);
    for (uint32_t i = 0; i < batch.row_count; i++) {
        size_t before = out.len;
        format_append_row(format, &batch, batch.rows + (size_t)i * rows->schema.row_size, &out);
        format_block_add(&block, before, 1);
        if (random_below(4) == 0)
            format_block_end(format, &block, &out);
    }
    format_block_end(format, &block, &out);
    *ret_file = tmpfile();
    assert_non_null(*ret_file);
    assert_int_equal(fwrite(out.data, 1, out.len, *ret_file), out.len);
    rewind(*ret_file);
    if (avro_file_reader_fp(*ret_file, "rows.avro", 0, &reader) != 0)
        fail_msg("%s", avro_strerror());
    text_clear(&out);
    return reader;
}

static void expect_same_rows(const struct rows *rows, const struct format_options *options)
{
    struct format *json = begin(&format_json, rows, options);
    struct format *avro = begin(&format_avro, rows, options);
    struct format *avro_json = begin(&format_avro_json, rows, options);
    struct text lines = render(json, rows), avro_lines = render(avro_json, rows);
    const char *line = text_cstr(&lines), *avro_line = text_cstr(&avro_lines);
    FILE *file;
    avro_file_reader_t reader = make_file(avro, rows, &file);
    avro_schema_t schema = avro_file_reader_get_writer_schema(reader);
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);
    avro_value_t record;
    uint32_t count = 0;

    assert_non_null(class);
    avro_generic_value_new(class, &record);
    for (; avro_file_reader_read_value(reader, &record) == 0; count++) {
        char *shown;
        assert_int_equal(avro_value_to_json(&record, 1, &shown), 0);
        json_t *read = json_loads(shown, 0, NULL);
        json_t *written = json_loads(avro_line, JSON_DISABLE_EOF_CHECK, NULL);
        expect_same_row(read, line);
        if (!json_equal(read, written))
            fail_msg("Avro C shows %s, we write %s", shown, avro_line);
        json_decref(read);
        json_decref(written);
        free(shown);
        line = strchr(line, '\n') + 1;
        avro_line = strchr(avro_line, '\n') + 1;
        avro_value_reset(&record);
    }
    assert_int_equal(count, rows->count);
    assert_int_equal(*line, 0);
    assert_int_equal(*avro_line, 0);
    avro_value_decref(&record);
    avro_value_iface_decref(class);
    avro_schema_decref(schema);
    avro_file_reader_close(reader);
    fclose(file);
    text_clear(&lines);
    text_clear(&avro_lines);
    format_free(json);
    format_free(avro);
    format_free(avro_json);
}

static void avro_c_reads_what_json_says(void **state)
{
    struct rows rows;

    (void)state;
    for (int i = 0; i < 60; i++) {
        struct format_options options = random_options();
        rows_init(&rows, all_primitives, i % 2 ? 60 : 0);
        add_has_counters(&rows);
        fill(&rows, random_below(12));
        expect_same_rows(&rows, &options);
        rows_clear(&rows);
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longs_are_zig_zag_coded),
        cmocka_unit_test(strings_are_utf8),
        cmocka_unit_test(schema_is_the_one_of_pmacct),
        cmocka_unit_test(json_encoding_names_the_types_of_unions),
        cmocka_unit_test(name_that_avro_cannot_have_is_refused),
        cmocka_unit_test(marker_follows_from_the_schema_and_is_no_data),
        cmocka_unit_test(block_of_no_rows_is_nothing),
#ifdef HAS_AVRO
        cmocka_unit_test(avro_c_reads_what_json_says),
#endif
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
