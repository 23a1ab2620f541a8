/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes pmacct's `formatted`: left-aligned columns, of fixed width or as wide as what they hold, two
 * spaces between them, under a title line. */
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/format.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_variable(const struct pa_column *column)
{
    return column->kind == PA_KIND_BYTES && column->format != PA_FORMAT_CLASS;
}

static int table_check(const struct pa_schema *schema, char *error, size_t error_size)
{
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (!is_variable(&schema->columns[i]))
            continue;
        snprintf(error, error_size,
                 "formatted output has no room for '%s', whose texts may be of any length; use csv "
                 "or json, or leave it out of `aggregate`",
                 schema->columns[i].name);
        return -EINVAL;
    }
    return 0;
}

/* Chooses widths as pmacct does: by primitive, else by the kind of value. */
static uint32_t column_width(const struct pa_column *column)
{
    static const struct {
        const char *name;
        uint8_t width;
    } widths[] = {
        {"tag", 10},
        {"tag2", 10},
        {"vlan", 5},
        {"in_vlan", 7},
        {"out_vlan", 8},
        {"cos", 3},
        {"etype", 5},
        {"local_pref", 7},
        {"med", 6},
        {"src_local_pref", 8},
        {"src_med", 7},
        {"src_mask", 8},
        {"dst_mask", 8},
        {"src_port", 8},
        {"sum_port", 8},
        {"dst_port", 8},
        {"tcpflags", 9},
        {"tos", 5},
        {"packets", 20},
        {"flows", 20},
        {"bytes", 20},
        {"src_host_pocode", 12},
        {"dst_host_pocode", 12},
    };
    uint32_t title = (uint32_t)strlen(column->csv_title), width;

    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        if (!strcmp(column->name, widths[i].name))
            return title > widths[i].width ? title : widths[i].width;
    switch (column->format) {
    case PA_FORMAT_IP:
        width = 45;
        break;
    case PA_FORMAT_MAC:
        width = 17;
        break;
    case PA_FORMAT_TIME:
        width = 30;
        break;
    case PA_FORMAT_CLASS:
        width = 16;
        break;
    case PA_FORMAT_REAL:
        width = 12;
        break;
    case PA_FORMAT_RD:
        width = 18;
        break;
    default:
        width = column->kind == PA_KIND_FIXED ? column->width : 10;
    }
    return title > width ? title : width;
}

static void append_spaces(struct text *out, size_t count)
{
    text_reserve(out, count);
    memset(out->data + out->len, ' ', count);
    out->len += count;
}

static void make_title(struct format *format)
{
    text_reset(&format->title);
    for (uint32_t i = 0; i < format->column_count; i++) {
        const struct format_column *column = &format->columns[i];
        text_append_string(&format->title, column->before);
        if (i + 1 < format->column_count)
            append_spaces(&format->title, column->width + 2 - strlen(column->before));
    }
    text_append_char(&format->title, '\n');
}

static int table_compile(struct format *format, const struct pa_schema *schema,
                         const struct format_options *options)
{
    const struct pa_column **columns;
    uint32_t count;
    int err = 0;

    format->options.values.has_unspecified_address = true;
    columns = format_sort(schema, options, true, &count);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        struct format_column *column = format_add(format, columns[i]);
        if (!column || is_variable(columns[i])) {
            err = -EINVAL;
            break;
        }
        column->width = options->fits_values ? (uint32_t)strlen(columns[i]->csv_title)
                                             : column_width(columns[i]);
        column->before = mem_strdup(columns[i]->csv_title);
    }
    if (err == 0)
        make_title(format);
    mem_free(columns);
    return err;
}

static void append_row(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                       struct text *out)
{
    for (uint32_t i = 0; i < format->column_count; i++) {
        const struct format_column *column = &format->columns[i];
        size_t start = out->len, len;
        value_append_shown(&column->value, batch, row, &format->scratch, out);
        len = out->len - start;
        if (i + 1 < format->column_count)
            append_spaces(out, len < column->width ? column->width + 2 - len : 2);
    }
    text_append_char(out, '\n');
}

static void fit_row(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                    struct text *value)
{
    for (uint32_t i = 0; i < format->column_count; i++) {
        struct format_column *column = &format->columns[i];
        text_reset(value);
        value_append_shown(&column->value, batch, row, &format->scratch, value);
        if (value->len > column->width)
            column->width = (uint32_t)value->len;
    }
}

static void table_fit(struct format *format, const struct pa_batch *batch)
{
    struct text value = {0};

    for (uint32_t i = 0; i < batch->row_count; i++)
        fit_row(format, batch, batch->rows + (size_t)i * format->row_size, &value);
    text_clear(&value);
    make_title(format);
}

static const uint8_t *table_rows(struct format *format, const struct pa_batch *batch,
                                 const uint8_t *row, const uint8_t *end, size_t enough,
                                 struct text *out)
{
    return format_each_row(format, batch, row, end, enough, out, append_row);
}

const struct format_kind format_table = {
    .name = "formatted",
    .check = table_check,
    .compile = table_compile,
    .fit = table_fit,
    .rows = table_rows,
};
