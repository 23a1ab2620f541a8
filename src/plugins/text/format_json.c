/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes one JSON object per line, byte for byte as pmacct does: keys in the order of the
 * primitives table, ", " and ": " between them, event_type first, the stamps after the primitives.
 * All that stands between two plain values (the closing quote of the first, the name and the
 * opening quote of the second) is one string made at compile time.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/format.h"
#include "plugins/text/value_put.h"
#include <errno.h>
#include <string.h>

/*
 * Strings between values are short and of any length. They are copied in steps of this size, beyond
 * their end, without a call: the buffer has room, and the next string overwrites the rest.
 */
#define COPY_STEP 32

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

static bool is_written_as_array(const struct format *format, const struct pa_column *column)
{
    return column->format == PA_FORMAT_TCP_FLAGS && format->options.values.has_tcp_flags_array;
}

static int add_column(struct compiler *c, const struct pa_column *source)
{
    struct format_column *column = format_add(c->format, source);

    if (!column)
        return -EINVAL;
    if (is_written_as_array(c->format, source))
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
    bool has_stamps = false;
    uint32_t count;
    int err = 0;

    columns = format_sort(schema, options, false, &count);
    text_append_char(&format->opening, '{');
    if (options->has_event_type) {
        text_append_string(&format->opening, "\"event_type\": \"purge\"");
        c.is_first = false;
    }
    text_reserve(&format->opening, COPY_STEP); /* it is copied with what lies behind it */
    format->plain_max = format->opening.len + COPY_STEP + sizeof "\"}\n";
    for (uint32_t i = 0; i <= count && err == 0; i++) {
        if (!has_stamps && format->bin_offset >= 0 &&
            (i == count || stands_after_stamps(columns[i]))) {
            add_stamp(&c, "stamp_inserted", FORMAT_STAMP_INSERTED);
            add_stamp(&c, "stamp_updated", FORMAT_STAMP_UPDATED);
            has_stamps = true;
        }
        if (i < count)
            err = add_column(&c, columns[i]);
    }
    text_clear(&c.before);
    mem_free(columns);
    return err;
}

/* ---- values that are not plain ---- */

/* Takes the part before the next `separator` off `rest`, with the separator, and returns it. */
static struct pa_bytes next_part(struct pa_bytes *rest, char separator)
{
    const uint8_t *stop = memchr(rest->data, separator, rest->len);
    struct pa_bytes part = {rest->data, stop ? (uint32_t)(stop - rest->data) : rest->len};
    uint32_t taken = part.len + (stop != NULL);

    *rest = (struct pa_bytes){rest->data + taken, rest->len - taken};
    return part;
}

static void append_split(struct text *out, struct pa_bytes bytes, char separator)
{
    const char *before = "";

    text_append_char(out, '[');
    while (bytes.len > 0) {
        struct pa_bytes part = next_part(&bytes, separator);
        text_append_string(out, before);
        text_append_json_string(out, (const char *)part.data, part.len);
        before = ", ";
    }
    text_append_char(out, ']');
}

/* Appends "k%v,k%v" as an object. A part without '%' is a key without a value. */
static void append_label_map(struct text *out, struct pa_bytes bytes)
{
    const char *before = "";

    text_append_char(out, '{');
    while (bytes.len > 0) {
        struct pa_bytes value = next_part(&bytes, ','), name = next_part(&value, '%');
        text_append_string(out, before);
        text_append_json_string(out, (const char *)name.data, name.len);
        text_append_string(out, ": ");
        text_append_json_string(out, (const char *)value.data, value.len);
        before = ", ";
    }
    text_append_char(out, '}');
}

/* Appends ["0-l0", "1-l1"]: each label with its place in the stack before it. */
static void append_label_stack_array(struct text *out, struct pa_bytes bytes)
{
    text_append_char(out, '[');
    for (uint32_t i = 0; i < bytes.len / 4; i++) {
        uint32_t label;
        memcpy(&label, bytes.data + (size_t)i * 4, sizeof label);
        text_append_printf(out, "%s\"%u-%u\"", i ? ", " : "", i, label);
    }
    text_append_char(out, ']');
}

static void append_tcp_flags_array(struct text *out, const struct value *value, const uint8_t *row)
{
    uint8_t flags = 0;
    bool is_first = true;
    uint64_t wide = 0;

    /* The value is the low bytes of a number in the host's order, whatever its width. */
    switch (value->kind) {
    case PA_KIND_U8:
        flags = row[value->offset];
        break;
    case PA_KIND_U16: {
        uint16_t v;
        memcpy(&v, row + value->offset, sizeof v);
        flags = (uint8_t)v;
        break;
    }
    default:
        memcpy(&wide, row + value->offset, value->width <= 8 ? value->width : 8);
        flags = (uint8_t)wide;
    }
    text_append_char(out, '[');
    for (int i = 0; i < TCP_FLAG_NAMES_COUNT; i++) {
        if (!(flags & 0x20 >> i))
            continue;
        text_append_printf(out, "%s\"%s\"", is_first ? "" : ", ", tcp_flag_names[i]);
        is_first = false;
    }
    text_append_char(out, ']');
}

static void append_other(struct format *format, const struct value *value,
                         const struct pa_batch *batch, const uint8_t *row, struct text *out)
{
    const struct value_options *options = &format->options.values;
    struct pa_bytes bytes;

    switch (value->format) {
    case PA_FORMAT_TCP_FLAGS:
        append_tcp_flags_array(out, value, row);
        return;
    case PA_FORMAT_LABEL_STACK:
        if (options->has_label_stack_array) {
            append_label_stack_array(out, value_bytes(value, batch, row));
            return;
        }
        break;
    case PA_FORMAT_IPV6_LIST: /* always an array in pmacct */
        append_split(out, value_text(value, batch, row, &format->scratch), '_');
        return;
    default:
        break;
    }
    bytes = value_text(value, batch, row, &format->scratch);
    if (value->format == PA_FORMAT_LABEL && options->has_label_map)
        append_label_map(out, bytes);
    else if ((value->format == PA_FORMAT_AS_PATH && options->has_as_path_array) ||
             (value->format == PA_FORMAT_COMMUNITIES && options->has_communities_array))
        append_split(out, bytes, '_');
    else
        text_append_json_string(out, (const char *)bytes.data, bytes.len);
}

/* ---- rows ---- */

static char *put_stamp(struct format *format, const struct format_column *column,
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
            at = put_stamp(format, column, row, at);
            is_in_quotes = true;
        } else {
            out->len = (size_t)(at - out->data);
            append_other(format, &column->value, batch, row, out);
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
