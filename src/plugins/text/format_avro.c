/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes rows as Avro data in binary encoding, and makes the schema that tells what they are. See
 * format.h. */
#include "plugins/text/format_avro.h"
#include "base/memory.h"
#include "base/octets.h"
#include "base/text.h"
#include "plugins/text/avro_container.h"
#include "plugins/text/avro_datum.h"
#include "plugins/text/value_items.h"
#include "plugins/text/value_put.h"
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most bytes of a plain value: a union's branch, a length and a text. */
#define FIELD_MAX (1 + AVRO_LONG_LEN + VALUE_PLAIN_MAX)

/* ---- compile ---- */

/* pmacct's schema: these may be missing in its rows, whether they can in ours or not. */
static bool is_optional(const char *name)
{
    static const char *const names[] = {"packets",        "flows",         "bytes",
                                        "stamp_inserted", "stamp_updated", "timestamp_min",
                                        "timestamp_max"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

/* Names a column, and appends it to the schema. */
static void add_field(struct format *format, struct format_column *column, const char *name,
                      enum avro_type type)
{
    static const char *const types[] = {
        [AVRO_STRING] = "\"string\"",
        [AVRO_LONG] = "\"long\"",
        [AVRO_DOUBLE] = "\"double\"",
        [AVRO_ARRAY] = "{\"type\": \"array\", \"items\": \"string\"}",
        [AVRO_MAP] = "{\"type\": \"map\", \"values\": \"string\"}",
    };
    struct text *schema = &format->avro_schema;

    column->before = mem_strdup(name);
    column->avro_type = (uint8_t)type;
    column->is_avro_union = is_optional(name);
    text_append_string(schema, format->column_count > 1 ? ",\n  {\"name\": " : "\n  {\"name\": ");
    text_append_json_string(schema, name, strlen(name));
    text_append_printf(schema,
                       column->is_avro_union ? ", \"type\": [\"null\", %s]}" : ", \"type\": %s}",
                       types[type]);
}

static enum avro_type type_of(const struct format *format, const struct pa_column *column,
                              const struct value *value)
{
    switch (value_list_of(column->format, &format->options.values)) {
    case VALUE_IS_ARRAY:
        return AVRO_ARRAY;
    case VALUE_IS_MAP:
        return AVRO_MAP;
    default:
        break;
    }
    if (!value->is_number)
        return AVRO_STRING;
    return column->format == PA_FORMAT_REAL ? AVRO_DOUBLE : AVRO_LONG;
}

static void add_special(struct format *format, const char *name, uint8_t special,
                        enum avro_type type)
{
    struct format_column *column = format_add(format, NULL);

    column->special = special;
    add_field(format, column, name, type);
}

static int add_column(struct format *format, const struct pa_column *source)
{
    struct format_column *column = format_add(format, source);

    if (!column)
        return -EINVAL;
    column->is_event_counter = format_is_counter(source);
    add_field(format, column, source->json_name, type_of(format, source, &column->value));
    return 0;
}

static bool has_flows(const struct pa_column *const *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(columns[i]->json_name, "flows"))
            return true;
    return false;
}

int format_avro_compile(struct format *format, const struct pa_schema *schema,
                        const struct format_options *options)
{
    const struct pa_column **columns;
    uint32_t count, stamps_at;
    int err = 0;

    text_append_string(&format->avro_schema,
                       "{\"type\": \"record\", \"name\": \"acct_data\", \"fields\": [");
    columns = format_sort_json(schema, options, &count, &stamps_at);
    for (uint32_t i = 0; i <= count && err == 0; i++) {
        if (i == stamps_at) {
            add_special(format, "stamp_inserted", FORMAT_STAMP_INSERTED, AVRO_STRING);
            add_special(format, "stamp_updated", FORMAT_STAMP_UPDATED, AVRO_STRING);
        }
        if (i < count && !strcmp(columns[i]->json_name, "bytes") && !has_flows(columns, count))
            add_special(format, "flows", FORMAT_NULL, AVRO_LONG);
        if (i < count)
            err = add_column(format, columns[i]);
    }
    mem_free(columns);
    if (err == 0 && options->writer_id) {
        add_special(format, "writer_id", FORMAT_WRITER_ID, AVRO_STRING);
        avro_append_string(&format->ending, options->writer_id, strlen(options->writer_id));
    }
    text_append_string(&format->avro_schema, "\n]}\n");
    text_cstr(&format->avro_schema);
    format->plain_max = (size_t)format->column_count * FIELD_MAX;
    return err;
}

static int avro_compile(struct format *format, const struct pa_schema *schema,
                        const struct format_options *options)
{
    int err = format_avro_compile(format, schema, options);

    if (err == 0)
        avro_container_append_header(&format->title, format->avro_schema.data);
    return err;
}

/* The names of fields begin with a letter or '_', and go on with these and digits ("Names"). */
static bool is_avro_name(const char *name)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return *name && strspn(name, first) == strlen(name) && (*name < '0' || *name > '9');
}

int format_avro_check(const struct pa_schema *schema, char *error, size_t error_size)
{
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const char *name = schema->columns[i].json_name;
        if (!name || !*name || is_avro_name(name))
            continue;
        snprintf(error, error_size,
                 "'%s' is no name of Avro, which has letters, digits and '_', and no digit first: "
                 "name the primitive so in aggregate_primitives, or write json",
                 name);
        return -EINVAL;
    }
    return 0;
}

/* ---- rows ---- */

static uint64_t load_number(const struct value *value, const uint8_t *row)
{
    const uint8_t *field = row + value->offset;
    char text[VALUE_PLAIN_MAX + 1];

    switch (value->shape) {
    case VALUE_U8:
        return field[0];
    case VALUE_U16:
        return (uint16_t)row_number_load(field, sizeof(uint16_t));
    case VALUE_U32:
        return (uint32_t)row_number_load(field, sizeof(uint32_t));
    case VALUE_U64:
        return row_number_load(field, sizeof(uint64_t));
    default:
        *value_put(value, text, row) = 0;
        return strtoull(text, NULL, 10);
    }
}

static char *put_number(char *at, const struct value *value, const uint8_t *row)
{
    uint64_t number = load_number(value, row);

    return avro_put_long(at, number > INT64_MAX ? INT64_MAX : (int64_t)number);
}

/* Puts a double as its eight bytes, the lowest first. */
static char *put_double(char *at, const struct value *value, const uint8_t *row)
{
    double real = value_real(row + value->offset);
    uint64_t bits;

    memcpy(&bits, &real, sizeof bits);
    bits = htole64(bits);
    memcpy(at, &bits, sizeof bits);
    return at + sizeof bits;
}

/* Puts a text of at most VALUE_PLAIN_MAX bytes behind its length: one byte, or two of the longest. */
static char *put_plain_string(char *at, const struct value *value, const uint8_t *row)
{
    char *text = at + 1, *end = value_put(value, text, row);
    size_t len = (size_t)(end - text);

    if (len < 64) {
        *at = (char)(len << 1);
        return end;
    }
    memmove(text + 1, text, len);
    avro_put_long(at, (int64_t)len);
    return end + 1;
}

static void append_items(struct format *format, const struct value *value, bool is_map,
                         const struct pa_batch *batch, const uint8_t *row, struct text *out)
{
    struct value_items items;
    struct pa_bytes name, text;
    int64_t count = 0;

    value_items_begin(&items, value, batch, row, &format->scratch);
    while (value_items_next(&items, &name, &text))
        count++;
    if (count > 0) { /* one block of all */
        avro_append_long(out, count);
        value_items_begin(&items, value, batch, row, &format->scratch);
    }
    while (count > 0 && value_items_next(&items, &name, &text)) {
        if (is_map)
            avro_append_string(out, (const char *)name.data, name.len);
        avro_append_string(out, (const char *)text.data, text.len);
    }
    avro_append_long(out, 0);
}

/* Appends a value of any length. */
static void append_other(struct format *format, const struct format_column *column,
                         const struct pa_batch *batch, const uint8_t *row, struct text *out)
{
    if (column->avro_type == AVRO_STRING) {
        struct pa_bytes bytes = value_text(&column->value, batch, row, &format->scratch);
        avro_append_string(out, (const char *)bytes.data, bytes.len);
    } else {
        append_items(format, &column->value, column->avro_type == AVRO_MAP, batch, row, out);
    }
}

static char *put_stamp(struct format *format, const struct format_column *column,
                       const uint8_t *row, char *at)
{
    char *end = format_put_stamp(format, column, row, at + 1);

    *at = (char)((end - at - 1) << 1);
    return end;
}

void format_avro_append(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                        struct text *out)
{
    const bool is_event = format_row_is_event(format, row);
    char *at;

    text_reserve(out, format->plain_max);
    at = out->data + out->len;
    for (uint32_t i = 0; i < format->column_count; i++) {
        const struct format_column *column = &format->columns[i];
        const struct value *value = &column->value;
        if (column->is_avro_union) {
            bool is_null = column->special == FORMAT_NULL || (is_event && column->is_event_counter);
            at = avro_put_long(at, is_null ? AVRO_BRANCH_NULL : AVRO_BRANCH_VALUE);
            if (is_null)
                continue;
        }
        if (column->special == FORMAT_WRITER_ID)
            break; /* it is the ending */
        if (column->special != FORMAT_COLUMN) {
            at = put_stamp(format, column, row, at);
        } else if (column->avro_type == AVRO_LONG) {
            at = put_number(at, value, row);
        } else if (column->avro_type == AVRO_DOUBLE) {
            at = put_double(at, value, row);
        } else if (column->avro_type == AVRO_STRING && value->shape != VALUE_OTHER) {
            at = put_plain_string(at, value, row);
        } else {
            out->len = (size_t)(at - out->data);
            append_other(format, column, batch, row, out);
            text_reserve(out, format->plain_max);
            at = out->data + out->len;
        }
    }
    out->len = (size_t)(at - out->data);
    text_append(out, format->ending.data, format->ending.len);
}

static const uint8_t *avro_rows(struct format *format, const struct pa_batch *batch,
                                const uint8_t *row, const uint8_t *end, size_t enough,
                                struct text *out)
{
    return format_each_row(format, batch, row, end, enough, out, format_avro_append);
}

static void avro_end_block(const struct format *format, size_t start, uint64_t row_count,
                           struct text *out)
{
    avro_container_end_block(out, start, row_count,
                             format->title.data + format->title.len - AVRO_MARKER_LEN);
}

const struct format_kind format_avro = {
    .name = "avro",
    .check = format_avro_check,
    .compile = avro_compile,
    .rows = avro_rows,
    .end_block = avro_end_block,
};
