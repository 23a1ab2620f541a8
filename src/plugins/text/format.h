/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rows as lines of text (JSON objects, CSV, or columns of fixed width) or as Avro data. A format is
 * compiled once from the schema and the settings; a row is then a walk over its columns that appends
 * to one buffer. One thread uses a format.
 *
 * Avro (version 1.11.1, https://avro.apache.org/docs/1.11.1/specification) has the names, the order
 * and the texts of JSON: numbers are longs or doubles, arrays are of strings, labels as maps are
 * maps of strings, all else is a string. A number larger than a long can be is the largest long. The
 * schema is the one by which pmacct writes such rows: without event_type, with flows in any case,
 * and with unions of null where pmacct has them. format_avro has the binary encoding, and as its
 * title the header of a container file; its rows stand there in blocks. format_avro_json has the
 * JSON encoding, a line for each row.
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
    const char *writer_id; /* Avro: the text of a last field, writer_id; NULL: there is none */
};

/* A kind of output; format_event is for rows that are event records, and for no others. */
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
    /* Makes a block of the rows behind `start`. NULL: rows stand for themselves. A file of blocks may
     * be continued only if it begins with the same title. */
    void (*end_block)(const struct format *format, size_t start, uint64_t row_count,
                      struct text *out);
};
extern const struct format_kind format_json, format_csv, format_table, format_avro,
    format_avro_json, format_event;

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

/* Returns the Avro schema of the rows, in JSON; NULL: the kind has none. Borrowed. */
const char *format_avro_schema(const struct format *format);

/* The rows at the end of a text whose block is not closed; all zero: none. */
struct format_block {
    size_t start; /* of the first row in the text */
    uint64_t row_count;
};
/* Notes rows that were appended to a text of `before` bytes. */
void format_block_add(struct format_block *block, size_t before, uint64_t row_count);
/* Closes the block at the end of `out`, if there is one and the kind has blocks. `format` may be
 * NULL. */
void format_block_end(const struct format *format, struct format_block *block, struct text *out);

/* ---- for the kinds ---- */

struct format_column {
    struct value value;
    char *before; /* JSON: the text between the last value and this one; table: the title */
    uint32_t before_len;
    uint32_t width;        /* table only */
    bool is_event_counter; /* JSON leaves it out of rows that are events */
    bool is_in_line;       /* value_put() renders it, and nothing is left to do */
    uint8_t special;       /* enum format_special */
    uint8_t avro_type;     /* enum avro_type */
    bool is_avro_union;    /* of null and that type */
};

enum format_special {
    FORMAT_COLUMN,
    FORMAT_STAMP_INSERTED,
    FORMAT_STAMP_UPDATED,
    FORMAT_NULL,      /* Avro: rows have no such value */
    FORMAT_WRITER_ID, /* Avro: the same in each row, and last */
};

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
    struct text opening;     /* the beginning of each line of JSON */
    struct text ending;      /* Avro: writer_id, the end of each datum */
    struct text avro_schema; /* JSON, terminated */
    struct text datum;       /* Avro as JSON: the row in binary */
    /* format_event only: copies, without names. */
    struct pa_event_kind *event_kinds;
    uint32_t event_kind_count, event_kind_offset, event_present_offset;
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
/* The same in the order of JSON. The stamps stand before the column *ret_stamps_at, which may be the
 * count; UINT32_MAX: there are none. */
const struct pa_column **format_sort_json(const struct pa_schema *schema,
                                          const struct format_options *options, uint32_t *ret_count,
                                          uint32_t *ret_stamps_at);
/* Writes a stamp, of at most VALUE_TIME_TEXT_MAX characters, and returns the end. */
char *format_put_stamp(struct format *format, const struct format_column *column,
                       const uint8_t *row, char *at);
/* Adds a column at the end; NULL means -EINVAL. Borrowed until the next one is added. */
struct format_column *format_add(struct format *format, const struct pa_column *column);
/* Appends a value that is not plain as JSON has it. */
void format_json_append_other(struct format *format, const struct value *value,
                              const struct pa_batch *batch, const uint8_t *row, struct text *out);
/* True for packets, bytes and flows, which events do not have. */
bool format_is_counter(const struct pa_column *column);
/* True if all flows of the row are of templates without counters: exporters reported events, not
 * traffic. */
static inline bool format_row_is_event(const struct format *format, const uint8_t *row)
{
    return format->has_counters_offset >= 0 && row[format->has_counters_offset] == 0;
}
