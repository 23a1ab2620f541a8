/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes event records, one JSON object per line: the members that the record's kind shows and the
 * record has, in the kind's order. Event records have no counters, no bins and no stamps. AS paths and
 * communities are joined by spaces in them, as in pmacct's logs, where flows have underscores.
 */
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/format.h"
#include "plugins/text/value_items.h"
#include "plugins/text/value_put.h"
#include <errno.h>
#include <string.h>

static void kinds_copy(struct format *format, const struct pa_schema *schema)
{
    format->event_kinds = mem_calloc(schema->event_kind_count, sizeof *format->event_kinds);
    for (uint32_t i = 0; i < schema->event_kind_count; i++) {
        const struct pa_event_kind *from = &schema->event_kinds[i];
        uint16_t *members = mem_calloc((size_t)from->member_count + 1, sizeof *members);
        memcpy(members, from->members, from->member_count * sizeof *members);
        format->event_kinds[i] = (struct pa_event_kind){NULL, from->member_count, members};
    }
    format->event_kind_count = schema->event_kind_count;
}

/* Keeps the name and what stands around it; members that come with names of their own have none. */
static int member_add(struct format *format, const struct pa_column *source)
{
    struct format_column *column = format_add(format, source);
    struct text before = {0};

    if (!column)
        return -EINVAL;
    if (source->format == PA_FORMAT_REAL)
        column->value.put = value_put_exact_real;
    if (source->format != PA_FORMAT_MEMBERS) {
        text_append_json_string(&before, source->json_name, strlen(source->json_name));
        text_append_string(&before, ": ");
    }
    column->before = mem_strndup(text_cstr(&before), before.len);
    column->before_len = (uint32_t)before.len;
    text_clear(&before);
    return 0;
}

static int event_compile(struct format *format, const struct pa_schema *schema,
                         const struct format_options *options)
{
    uint32_t member_count = schema->column_count - 2; /* event_kind and event_present follow */
    int err = 0;

    (void)options;
    /* Times of messages are told apart by their fractions: pmacct keeps them here too. */
    format->time.has_whole_seconds = false;
    for (uint32_t i = 0; i < member_count && err == 0; i++)
        err = member_add(format, &schema->columns[i]);
    if (err < 0)
        return err;
    format->event_kind_offset = schema->columns[member_count].offset;
    format->event_present_offset = schema->columns[member_count + 1].offset;
    kinds_copy(format, schema);
    return 0;
}

static bool is_joined_by_spaces(const struct format *format, const struct value *value)
{
    return (value->format == PA_FORMAT_AS_PATH || value->format == PA_FORMAT_COMMUNITIES) &&
           value_list_of(value->format, &format->options.values) == VALUE_IS_TEXT;
}

static void append_value(struct format *format, const struct value *value,
                         const struct pa_batch *batch, const uint8_t *row, struct text *out)
{
    bool is_quoted = value->shape != VALUE_OTHER && !value->is_number;

    if (value->shape == VALUE_OTHER) {
        size_t start = out->len;
        format_json_append_other(format, value, batch, row, out);
        if (is_joined_by_spaces(format, value))
            for (size_t i = start; i < out->len; i++)
                if (out->data[i] == '_')
                    out->data[i] = ' ';
        return;
    }
    if (is_quoted)
        text_append_char(out, '"');
    text_reserve(out, VALUE_PLAIN_MAX);
    out->len = (size_t)(value_put(value, out->data + out->len, row) - out->data);
    if (is_quoted)
        text_append_char(out, '"');
}

static void append_member(struct format *format, uint32_t member, const struct pa_batch *batch,
                          const uint8_t *row, struct text *out)
{
    const struct format_column *column = &format->columns[member];
    size_t start = out->len;

    if (out->data[start - 1] != '{')
        text_append_string(out, ", ");
    if (column->value.format == PA_FORMAT_MEMBERS) {
        struct pa_bytes members = value_bytes(&column->value, batch, row);
        if (members.len == 0)
            out->len = start;
        text_append(out, members.data, members.len);
        return;
    }
    text_append(out, column->before, column->before_len);
    append_value(format, &column->value, batch, row, out);
}

static void append_record(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                          struct text *out)
{
    const uint8_t *present = row + format->event_present_offset;
    uint8_t number = row[format->event_kind_offset];

    text_append_char(out, '{');
    if (number < format->event_kind_count) {
        const struct pa_event_kind *kind = &format->event_kinds[number];
        for (uint32_t i = 0; i < kind->member_count; i++) {
            uint16_t member = kind->members[i];
            if (present[member / 8] >> (member % 8) & 1)
                append_member(format, member, batch, row, out);
        }
    }
    text_append_string(out, "}\n");
}

static const uint8_t *event_rows(struct format *format, const struct pa_batch *batch,
                                 const uint8_t *row, const uint8_t *end, size_t enough,
                                 struct text *out)
{
    return format_each_row(format, batch, row, end, enough, out, append_record);
}

const struct format_kind format_event = {
    .name = "event",
    .compile = event_compile,
    .rows = event_rows,
};
