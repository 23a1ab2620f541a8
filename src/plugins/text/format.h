/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rows as lines of text: JSON objects, CSV, or columns of fixed width. A format is compiled once
 * from the schema and the settings; a row is then a walk over its columns that appends to one
 * buffer. One thread uses a format.
 */
#include "base/text.h"
#include "plugins/text/value.h"
#include "plugins/text/value_time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct format;

struct format_options {
    struct value_options values;
    enum value_time_style time_style;
    bool is_utc, has_whole_seconds;
    bool is_event;       /* without packets, bytes and flows: the event_* outputs */
    bool has_event_type; /* JSON begins with "event_type": "purge" */
    char separator;      /* CSV */
    bool has_quotes;     /* CSV: RFC 4180 where needed */
    /* Table: columns are as wide as what they have held so far (format_fit()), not as pmacct's. */
    bool fits_values;
};

/* A kind of output: format_json, format_csv or format_table. */
struct format_kind {
    const char *name;
    /*
     * Refuses what this kind cannot show: writes the reason and the remedy to `error` and returns
     * -EINVAL. May be NULL. Needs the schema's columns, not their offsets.
     */
    int (*check)(const struct pa_schema *schema, char *error, size_t error_size);
    /* -EINVAL: check refuses the schema, or a column's kind and format do not go together. */
    int (*compile)(struct format *format, const struct pa_schema *schema,
                   const struct format_options *options);
    /* Makes columns wide enough for these rows. NULL: there is nothing to do. */
    void (*fit)(struct format *format, const struct pa_batch *batch);
    /* Appends rows from `row` on until `out` has `enough` bytes, one at the least, none from `end`
     * on. Returns the row behind the last one. */
    const uint8_t *(*rows)(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                           const uint8_t *end, size_t enough, struct text *out);
};
extern const struct format_kind format_json, format_csv, format_table;

/* Borrows nothing after the call. */
int format_new(const struct format_kind *kind, const struct pa_schema *schema,
               const struct format_options *options, struct format **ret_format);
void format_free(struct format *format); /* NULL is fine */

/* Sets the time that stamp_updated shows until the next call. */
void format_set_written(struct format *format, int64_t time_ns);
/* Makes columns that fit their values wide enough for these rows; to be called before they and their
 * title are appended. A column that is wide stays so. */
void format_fit(struct format *format, const struct pa_batch *batch);
/* Appends a title line with its newline, if the kind has one. */
void format_append_title(const struct format *format, struct text *out);
/* Appends one row with its newline. */
void format_append_row(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                       struct text *out);
/* Appends the rows of the batch from `first` on until `out` has `enough` bytes, one at the least.
 * Returns the number of the row behind the last one. */
uint32_t format_append_rows(struct format *format, const struct pa_batch *batch, uint32_t first,
                            size_t enough, struct text *out);

/* ---- for the kinds ---- */

struct format_column {
    struct value value;
    char *before; /* JSON: the text between the last value and this one; table: the title */
    uint32_t before_len;
    uint32_t width;        /* table only */
    bool is_event_counter; /* JSON leaves it out of rows that are events */
    bool is_in_line;       /* value_put() renders it, and nothing is left to do */
    uint8_t special;       /* enum format_special */
};

enum format_special { FORMAT_COLUMN, FORMAT_STAMP_INSERTED, FORMAT_STAMP_UPDATED };

struct format {
    const struct format_kind *kind;
    struct format_options options;
    uint32_t row_size;
    struct format_column *columns; /* in order of output */
    uint32_t column_count, capacity;
    /* Room that the plain values of a row and all that stands between them take. */
    size_t plain_max;
    int32_t bin_offset, has_counters_offset; /* -1: none */
    struct value_time time;
    char written[VALUE_TIME_TEXT_MAX];
    size_t written_len;
    struct text title, scratch;
    struct text opening; /* the beginning of each line of JSON */
};

/* Writes rows for a kind, given how the kind writes one. It is always in line, so that `append_row`
 * is too: a kind's loop has no calls. */
typedef void format_row_fn(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                           struct text *out);
static inline __attribute__((always_inline)) const uint8_t *
format_each_row(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                const uint8_t *end, size_t enough, struct text *out, format_row_fn *append_row)
{
    do {
        append_row(format, batch, row, out);
        row += format->row_size;
    } while (row < end && out->len < enough);
    return row;
}

/* Returns the columns of the schema that this output shows, by json_place or csv_place. The caller
 * frees the array with mem_free. */
const struct pa_column **format_sort(const struct pa_schema *schema,
                                     const struct format_options *options, bool by_csv_place,
                                     uint32_t *ret_count);
/* Adds a column at the end; NULL means -EINVAL. Borrowed until the next one is added. */
struct format_column *format_add(struct format *format, const struct pa_column *column);
/* True for packets, bytes and flows, which events do not have. */
bool format_is_counter(const struct pa_column *column);
/* True if all flows of the row are of templates without counters: exporters reported events, not
 * traffic. */
static inline bool format_row_is_event(const struct format *format, const uint8_t *row)
{
    return format->has_counters_offset >= 0 && row[format->has_counters_offset] == 0;
}
