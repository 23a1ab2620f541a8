/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes one JSON object per line, byte for byte as pmacct does: keys in the order of the
 * primitives table, ", " and ": " between them, event_type first, the stamps after the primitives.
 * All that stands between two plain values (the closing quote of the first, the name and the
 * opening quote of the second) is one string made at compile time.
 */
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/format.h"
#include "plugins/text/value_items.h"
#include "plugins/text/value_put.h"
#include <errno.h>
#include <string.h>

/*
 * Strings between values are short and of any length. They are copied in steps of this size, beyond
 * their end, without a call: the buffer has room, and the next string overwrites the rest.
 */
#define COPY_STEP 32

/* ---- compile ---- */

struct compiler {
    struct format *format;
    bool is_first, is_in_quotes; /* of the last value */
    struct text before;
};

static void begin_key(struct compiler *c, const char *name, bool is_quoted)
{
    text_reset(&c->before);
    if (c->is_in_quotes)
        text_append_char(&c->before, '"');
    if (!c->is_first)
        text_append_string(&c->before, ", ");
    text_append_json_string(&c->before, name, strlen(name));
    text_append_string(&c->before, is_quoted ? ": \"" : ": ");
    c->is_first = false;
    c->is_in_quotes = is_quoted;
}

static void take_before(struct compiler *c, struct format_column *column)
{
    column->before_len = (uint32_t)c->before.len;
    column->before = mem_zalloc(c->before.len + COPY_STEP);
    memcpy(column->before, c->before.data, c->before.len);
    c->format->plain_max += c->before.len + COPY_STEP + VALUE_PLAIN_MAX;
}

static void add_stamp(struct compiler *c, const char *name, uint8_t special)
{
    struct format_column *column = format_add(c->format, NULL);

    begin_key(c, name, true);
    take_before(c, column);
    column->special = special;
}

static int add_column(struct compiler *c, const struct pa_column *source)
{
    struct format_column *column = format_add(c->format, source);

    if (!column)
        return -EINVAL;
    if (value_list_of(source->format, &c->format->options.values) != VALUE_IS_TEXT)
        column->value.shape = VALUE_OTHER;
    if (source->format == PA_FORMAT_REAL)
        column->value.put = value_put_exact_real;
    column->is_event_counter = !c->is_first && format_is_counter(source);
    begin_key(c, source->json_name, column->value.shape != VALUE_OTHER && !column->value.is_number);
    take_before(c, column);
    return 0;
}

static int json_compile(struct format *format, const struct pa_schema *schema,
                        const struct format_options *options)
{
    struct compiler c = {.format = format, .is_first = true};
    const struct pa_column **columns;
    uint32_t count, stamps_at;
    int err = 0;

    columns = format_sort_json(schema, options, &count, &stamps_at);
    text_append_char(&format->opening, '{');
    if (options->has_event_type) {
        text_append_string(&format->opening, "\"event_type\": \"purge\"");
        c.is_first = false;
    }
    text_reserve(&format->opening, COPY_STEP); /* it is copied with what lies behind it */
    format->plain_max = format->opening.len + COPY_STEP + sizeof "\"}\n";
    for (uint32_t i = 0; i <= count && err == 0; i++) {
        if (i == stamps_at) {
            add_stamp(&c, "stamp_inserted", FORMAT_STAMP_INSERTED);
            add_stamp(&c, "stamp_updated", FORMAT_STAMP_UPDATED);
        }
        if (i < count)
            err = add_column(&c, columns[i]);
    }
    text_clear(&c.before);
    mem_free(columns);
    return err;
}

/* ---- values that are not plain ---- */

static void append_string(struct text *out, struct pa_bytes bytes)
{
    text_append_json_string(out, (const char *)bytes.data, bytes.len);
}

static void append_items(struct format *format, const struct value *value, bool is_map,
                         const struct pa_batch *batch, const uint8_t *row, struct text *out)
{
    struct value_items items;
    struct pa_bytes name, text;
    const char *before = "";

    text_append_char(out, is_map ? '{' : '[');
    value_items_begin(&items, value, batch, row, &format->scratch);
    while (value_items_next(&items, &name, &text)) {
        text_append_string(out, before);
        if (is_map) {
            append_string(out, name);
            text_append_string(out, ": ");
        }
        append_string(out, text);
        before = ", ";
    }
    text_append_char(out, is_map ? '}' : ']');
}

void format_json_append_other(struct format *format, const struct value *value,
                              const struct pa_batch *batch, const uint8_t *row, struct text *out)
{
    enum value_list list = value_list_of(value->format, &format->options.values);

    if (list == VALUE_IS_TEXT)
        append_string(out, value_text(value, batch, row, &format->scratch));
    else
        append_items(format, value, list == VALUE_IS_MAP, batch, row, out);
}

/* ---- rows ---- */

static inline char *put_before(char *at, const char *before, size_t len)
{
    memcpy(at, before, COPY_STEP);
    for (size_t done = COPY_STEP; done < len; done += COPY_STEP)
        memcpy(at + done, before + done, COPY_STEP);
    return at + len;
}

/* `is_event` is a constant wherever this is called, so that traffic is formatted without asking. */
static inline void append_object(struct format *format, const struct pa_batch *batch,
                                 const uint8_t *row, struct text *out, bool is_event)
{
    bool is_in_quotes = false;
    char *at;

    text_reserve(out, format->plain_max);
    at = out->data + out->len;
    at = put_before(at, format->opening.data, format->opening.len);
    for (uint32_t i = 0; i < format->column_count; i++) {
        const struct format_column *column = &format->columns[i];
        if (is_event && column->is_event_counter) {
            if (is_in_quotes) /* the text behind a number must not close a quote */
                *at++ = '"';
            is_in_quotes = false;
            continue;
        }
        at = put_before(at, column->before, column->before_len);
        if (column->value.shape != VALUE_OTHER) {
            at = value_put(&column->value, at, row);
            is_in_quotes = !column->value.is_number;
        } else if (column->special != FORMAT_COLUMN) {
            at = format_put_stamp(format, column, row, at);
            is_in_quotes = true;
        } else {
            out->len = (size_t)(at - out->data);
            format_json_append_other(format, &column->value, batch, row, out);
            text_reserve(out, format->plain_max);
            at = out->data + out->len;
            is_in_quotes = false;
        }
    }
    if (is_in_quotes)
        *at++ = '"';
    *at++ = '}';
    *at++ = '\n';
    out->len = (size_t)(at - out->data);
}

static inline void append_row(struct format *format, const struct pa_batch *batch,
                              const uint8_t *row, struct text *out)
{
    if (format_row_is_event(format, row))
        append_object(format, batch, row, out, true);
    else
        append_object(format, batch, row, out, false);
}

static const uint8_t *json_rows(struct format *format, const struct pa_batch *batch,
                                const uint8_t *row, const uint8_t *end, size_t enough,
                                struct text *out)
{
    return format_each_row(format, batch, row, end, enough, out, append_row);
}

const struct format_kind format_json = {
    .name = "json",
    .compile = json_compile,
    .rows = json_rows,
};
