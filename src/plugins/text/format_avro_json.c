/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes rows in Avro's JSON encoding (Avro 1.11.1, "JSON Encoding"), a line each: as JSON, but each
 * field is there, and a value of a union has its type as a name. A row is made from the binary
 * datum, so that the two cannot differ. */
#include "base/text.h"
#include "plugins/text/format_avro.h"
#include <endian.h>
#include <errno.h>
#include <string.h>

/* A place in a datum that this program made, so it is well-formed. */
struct cursor {
    const char *at;
};

static int64_t next_long(struct cursor *c)
{
    uint64_t bits = 0;
    unsigned shift = 0;

    while ((uint8_t)*c->at & 0x80) {
        bits |= (uint64_t)((uint8_t)*c->at++ & 0x7f) << shift;
        shift += 7;
    }
    bits |= (uint64_t)(uint8_t)*c->at++ << shift;
    return bits & 1 ? (int64_t) ~(bits >> 1) : (int64_t)(bits >> 1);
}

static void append_string(struct cursor *c, struct text *out)
{
    size_t len = (size_t)next_long(c);

    text_append_json_string(out, c->at, len);
    c->at += len;
}

static void append_double(struct cursor *c, struct text *out)
{
    char text[VALUE_PLAIN_MAX];
    uint64_t bits;
    double real;

    memcpy(&bits, c->at, sizeof bits);
    c->at += sizeof bits;
    bits = le64toh(bits);
    memcpy(&real, &bits, sizeof real);
    text_append(out, text,
                (size_t)(value_put_exact_real(text, NULL, (const uint8_t *)&real) - text));
}

static void append_items(struct cursor *c, bool is_map, struct text *out)
{
    const char *before = "";

    text_append_char(out, is_map ? '{' : '[');
    for (int64_t count = next_long(c); count > 0; count = next_long(c)) {
        for (int64_t i = 0; i < count; i++) {
            text_append_string(out, before);
            append_string(c, out);
            if (is_map) {
                text_append_string(out, ": ");
                append_string(c, out);
            }
            before = ", ";
        }
    }
    text_append_char(out, is_map ? '}' : ']');
}

static void append_value(struct cursor *c, enum avro_type type, struct text *out)
{
    switch (type) {
    case AVRO_STRING:
        append_string(c, out);
        break;
    case AVRO_LONG:
        text_append_int(out, next_long(c));
        break;
    case AVRO_DOUBLE:
        append_double(c, out);
        break;
    case AVRO_ARRAY:
    case AVRO_MAP:
        append_items(c, type == AVRO_MAP, out);
        break;
    }
}

static void append_union(struct cursor *c, enum avro_type type, struct text *out)
{
    if (next_long(c) == AVRO_BRANCH_NULL) {
        text_append_string(out, "null");
        return;
    }
    text_append_string(out, type == AVRO_LONG ? "{\"long\": " : "{\"string\": ");
    append_value(c, type, out);
    text_append_char(out, '}');
}

static void append_row(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                       struct text *out)
{
    struct cursor c;

    text_reset(&format->datum);
    format_avro_append(format, batch, row, &format->datum);
    c.at = format->datum.data;
    text_append_char(out, '{');
    for (uint32_t i = 0; i < format->column_count; i++) {
        const struct format_column *column = &format->columns[i];
        if (i > 0)
            text_append_string(out, ", ");
        text_append_json_string(out, column->before, strlen(column->before));
        text_append_string(out, ": ");
        if (column->is_avro_union)
            append_union(&c, column->avro_type, out);
        else
            append_value(&c, column->avro_type, out);
    }
    text_append_string(out, "}\n");
}

static const uint8_t *avro_json_rows(struct format *format, const struct pa_batch *batch,
                                     const uint8_t *row, const uint8_t *end, size_t enough,
                                     struct text *out)
{
    return format_each_row(format, batch, row, end, enough, out, append_row);
}

const struct format_kind format_avro_json = {
    .name = "avro_json",
    .check = format_avro_check,
    .compile = format_avro_compile,
    .rows = avro_json_rows,
};
