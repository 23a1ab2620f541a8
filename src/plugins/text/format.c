/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiles and frees formats: what the kinds of output have in common. */
#include "plugins/text/format.h"
#include "base/clock.h"
#include "base/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_json(const void *a, const void *b)
{
    const struct pa_column *const *x = a, *const *y = b;

    if ((*x)->json_place != (*y)->json_place)
        return (*x)->json_place < (*y)->json_place ? -1 : 1;
    return *x < *y ? -1 : *x > *y;
}

static int compare_csv(const void *a, const void *b)
{
    const struct pa_column *const *x = a, *const *y = b;

    if ((*x)->csv_place != (*y)->csv_place)
        return (*x)->csv_place < (*y)->csv_place ? -1 : 1;
    return *x < *y ? -1 : *x > *y;
}

bool format_is_counter(const struct pa_column *column)
{
    return !strcmp(column->name, "packets") || !strcmp(column->name, "bytes") ||
           !strcmp(column->name, "flows");
}

const struct pa_column **format_sort(const struct pa_schema *schema,
                                     const struct format_options *options, bool by_csv_place,
                                     uint32_t *ret_count)
{
    const struct pa_column **columns = mem_calloc(schema->column_count + 1, sizeof *columns);
    uint32_t count = 0;

    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct pa_column *column = &schema->columns[i];
        const char *name = by_csv_place ? column->csv_title : column->json_name;
        if (!name || !*name || (options->is_event && format_is_counter(column)))
            continue;
        columns[count++] = column;
    }
    qsort(columns, count, sizeof *columns, by_csv_place ? compare_csv : compare_json);
    *ret_count = count;
    return columns;
}

/* True for columns that come after the stamps: pmacct puts the stamps before these, whatever else
 * is there. */
static bool stands_after_stamps(const struct pa_column *column)
{
    static const char *const names[] = {"flows",           "vrf_name",      "ingress_vrf_name",
                                        "egress_vrf_name", "in_iface_name", "out_iface_name",
                                        "packets",         "bytes"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(column->name, names[i]))
            return true;
    return false;
}

const struct pa_column **format_sort_json(const struct pa_schema *schema,
                                          const struct format_options *options, uint32_t *ret_count,
                                          uint32_t *ret_stamps_at)
{
    const struct pa_column **columns = format_sort(schema, options, false, ret_count);
    uint32_t at = 0;

    while (at < *ret_count && !stands_after_stamps(columns[at]))
        at++;
    *ret_stamps_at = schema->bin_offset >= 0 ? at : UINT32_MAX;
    return columns;
}

char *format_put_stamp(struct format *format, const struct format_column *column,
                       const uint8_t *row, char *at)
{
    int64_t bin_s;

    if (column->special == FORMAT_STAMP_UPDATED) {
        memcpy(at, format->written, format->written_len);
        return at + format->written_len;
    }
    memcpy(&bin_s, row + format->bin_offset, sizeof bin_s);
    return value_time_put(&format->time, at, bin_s * NS_PER_S, false);
}

struct format_column *format_add(struct format *format, const struct pa_column *column)
{
    struct format_column *c;

    if (format->column_count == format->capacity) {
        format->capacity = format->capacity ? format->capacity * 2 : 32;
        format->columns =
            mem_realloc_array(format->columns, format->capacity, sizeof *format->columns);
    }
    c = &format->columns[format->column_count];
    memset(c, 0, sizeof *c);
    if (column && value_init(&c->value, column, &format->options.values, &format->time) < 0) {
        value_clear(&c->value);
        return NULL;
    }
    format->column_count++;
    return c;
}

static int32_t has_counters_offset(const struct pa_schema *schema)
{
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (!strcmp(schema->columns[i].name, "has_counters") &&
            schema->columns[i].kind == PA_KIND_U8)
            return (int32_t)schema->columns[i].offset;
    return -1;
}

int format_new(const struct format_kind *kind, const struct pa_schema *schema,
               const struct format_options *options, struct format **ret_format)
{
    struct format *format = mem_zalloc(sizeof *format);
    int err;

    format->kind = kind;
    format->options = *options;
    format->row_size = schema->row_size;
    format->bin_offset = schema->bin_offset;
    format->has_counters_offset = has_counters_offset(schema);
    value_time_init(&format->time, options->time_style, options->is_utc,
                    options->has_whole_seconds);
    format_set_written(format, 0);
    err = kind->compile(format, schema, options);
    if (err < 0) {
        format_free(format);
        return err;
    }
    *ret_format = format;
    return 0;
}

void format_free(struct format *format)
{
    if (!format)
        return;
    for (uint32_t i = 0; i < format->column_count; i++) {
        value_clear(&format->columns[i].value);
        mem_free(format->columns[i].before);
    }
    mem_free(format->columns);
    for (uint32_t i = 0; i < format->event_kind_count; i++)
        mem_free((void *)(uintptr_t)format->event_kinds[i].members);
    mem_free(format->event_kinds);
    text_clear(&format->title);
    text_clear(&format->opening);
    text_clear(&format->scratch);
    text_clear(&format->ending);
    text_clear(&format->avro_schema);
    text_clear(&format->datum);
    mem_free(format);
}

void format_set_written(struct format *format, int64_t time_ns)
{
    char *end = value_time_put(&format->time, format->written, time_ns, false);

    format->written_len = (size_t)(end - format->written);
}

void format_fit(struct format *format, const struct pa_batch *batch)
{
    if (format->kind->fit && format->options.fits_values)
        format->kind->fit(format, batch);
}

void format_append_title(const struct format *format, struct text *out)
{
    text_append(out, format->title.data, format->title.len);
}

const char *format_avro_schema(const struct format *format)
{
    return format->avro_schema.data; /* it was terminated when it was made */
}

void format_append_row(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                       struct text *out)
{
    format->kind->rows(format, batch, row, row + format->row_size, 0, out);
}

uint32_t format_append_rows(struct format *format, const struct pa_batch *batch, uint32_t first,
                            size_t enough, struct text *out)
{
    const uint8_t *row = batch->rows + (size_t)first * format->row_size;
    const uint8_t *end = batch->rows + (size_t)batch->row_count * format->row_size;

    return (
        uint32_t)((size_t)(format->kind->rows(format, batch, row, end, enough, out) - batch->rows) /
                  format->row_size);
}

void format_block_add(struct format_block *block, size_t before, uint64_t row_count)
{
    if (block->row_count == 0)
        block->start = before;
    block->row_count += row_count;
}

void format_block_end(const struct format *format, struct format_block *block, struct text *out)
{
    if (format && format->kind->end_block && block->row_count > 0)
        format->kind->end_block(format, block->start, block->row_count, out);
    block->row_count = 0;
}
