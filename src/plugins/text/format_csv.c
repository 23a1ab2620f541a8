/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes CSV in pmacct's column order, with a title line. Fields are quoted as in RFC 4180 where
 * they hold the separator or a quote (pmacct never quotes: an AS_SET breaks its rows); a key turns
 * that off. Line breaks and other control characters are written as escapes.
 */
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/format.h"
#include "plugins/text/value_put.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>

/* True for a separator that numbers, addresses, times or names of protocols may hold. */
static bool may_stand_in_plain_values(char separator)
{
    return isalnum((unsigned char)separator) || strchr(" .:-_+/{}()", separator);
}

static int csv_compile(struct format *format, const struct pa_schema *schema,
                       const struct format_options *options)
{
    const struct pa_column **columns;
    bool quotes_plain;
    uint32_t count;
    int err = 0;

    columns = format_sort(schema, options, true, &count);
    quotes_plain = options->has_quotes && may_stand_in_plain_values(options->separator);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        struct format_column *column = format_add(format, columns[i]);
        if (column)
            column->is_in_line = column->value.shape != VALUE_OTHER && !quotes_plain;
        else
            err = -EINVAL;
        if (i > 0)
            text_append_char(&format->title, options->separator);
        text_append_csv_string(&format->title, columns[i]->csv_title, strlen(columns[i]->csv_title),
                               options->separator);
    }
    text_append_char(&format->title, '\n');
    format->plain_max = (size_t)count * (VALUE_PLAIN_MAX + 3) + 1;
    mem_free(columns);
    return err;
}

static void append_field(const struct format *format, struct text *out, struct pa_bytes bytes)
{
    if (format->options.has_quotes)
        text_append_csv_string(out, (const char *)bytes.data, bytes.len, format->options.separator);
    else
        text_append_shown(out, (const char *)bytes.data, bytes.len);
}

/* Puts a value that may need quotes, behind what stands in `out` up to `at`; returns the new end.
 * Such values are rare, so this is out of line. */
__attribute__((noinline)) static char *put_other(struct format *format, const struct value *value,
                                                 const struct pa_batch *batch, const uint8_t *row,
                                                 struct text *out, const char *at)
{
    char plain[VALUE_PLAIN_MAX];
    struct pa_bytes bytes;

    if (value->shape != VALUE_OTHER) {
        bytes.data = (const uint8_t *)plain;
        bytes.len = (uint32_t)(value_put(value, plain, row) - plain);
    } else {
        bytes = value_text(value, batch, row, &format->scratch);
    }
    out->len = (size_t)(at - out->data);
    append_field(format, out, bytes);
    text_reserve(out, format->plain_max);
    return out->data + out->len;
}

static inline void append_row(struct format *format, const struct pa_batch *batch,
                              const uint8_t *row, struct text *out)
{
    const uint32_t column_count = format->column_count;
    const char separator = format->options.separator;
    char *at;

    text_reserve(out, format->plain_max);
    at = out->data + out->len;
    for (uint32_t i = 0; i < column_count; i++) {
        const struct format_column *column = &format->columns[i];
        if (column->is_in_line)
            at = value_put(&column->value, at, row);
        else
            at = put_other(format, &column->value, batch, row, out, at);
        *at++ = separator;
    }
    if (column_count > 0)
        at--;
    *at++ = '\n';
    out->len = (size_t)(at - out->data);
}

static const uint8_t *csv_rows(struct format *format, const struct pa_batch *batch,
                               const uint8_t *row, const uint8_t *end, size_t enough,
                               struct text *out)
{
    return format_each_row(format, batch, row, end, enough, out, append_row);
}

const struct format_kind format_csv = {
    .name = "csv",
    .compile = csv_compile,
    .rows = csv_rows,
};
