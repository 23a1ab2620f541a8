/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One column's values as text. A value is compiled once per schema: its shape and its options;
 * value_put.h renders it. The formats (format.h) put quotes, names and separators around it.
 *
 * Values are of two sorts. A plain one has at most VALUE_PLAIN_MAX characters of printable ASCII
 * without quote or backslash. The others (text, lists, custom primitives) may hold any bytes and
 * have any length.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;
struct value_time;

#define VALUE_PLAIN_MAX 64

/* The options of values that shared keys set (output_keys.h fills them). */
struct value_options {
    bool has_numeric_protos;      /* *_num_protos */
    bool has_tcp_flags_array;     /* tcpflags_encode_as_array, JSON only */
    bool has_tcp_flags_text;      /* tcpflags_encode_as_string: "27" as in pmacct 1.8.0 and older */
    bool has_fwd_status_text;     /* fwd_status_encode_as_string */
    bool has_label_map;           /* pre_tag_label_encode_as_map, JSON only */
    bool has_label_stack_array;   /* mpls_label_stack_encode_as_array, JSON only */
    bool has_as_path_array;       /* as_path_encode_as_array, JSON only */
    bool has_communities_array;   /* bgp_comms_encode_as_array, JSON only */
    bool has_dscp;                /* tos_encode_as_dscp */
    bool has_unspecified_address; /* an unknown address reads "::", not "" */
};

struct value;
typedef char *value_put_fn(char *out, const struct value *value, const uint8_t *field);

/* The shape of a value: how the field of a row becomes text. Fields that rows are mostly made of
 * have a shape of their own, which value_put() renders in line. */
enum value_shape {
    VALUE_OTHER,   /* not plain: value_text() */
    VALUE_BY_CALL, /* plain: `put` */
    VALUE_U8,
    VALUE_U16,
    VALUE_U32,
    VALUE_U64,
    VALUE_IP,
    VALUE_TIME,
    VALUE_PROTO,
};

struct value {
    value_put_fn *put; /* VALUE_BY_CALL */
    uint32_t offset;   /* in the row */
    uint16_t width;
    uint8_t shape;           /* enum value_shape */
    uint8_t kind, format;    /* of the column */
    bool is_number;          /* JSON writes it without quotes */
    struct value_time *time; /* PA_KIND_TIME; borrowed */
    const char **names;      /* PA_FORMAT_PATH_MATCH */
    uint8_t names_count;
    char *names_storage;
};

/* Borrows `column` for the call and `time` for good. -EINVAL: kind and format do not go
 * together. */
int value_init(struct value *value, const struct pa_column *column,
               const struct value_options *options, struct value_time *time);
void value_clear(struct value *value);
/* Returns the number of a PA_FORMAT_REAL; 0 for what is no finite number. */
double value_real(const uint8_t *field);
/* Writes a PA_FORMAT_REAL as JSON has it: the shortest digits that read as the same number. It can
 * take the place of `put`. */
char *value_put_exact_real(char *out, const struct value *value, const uint8_t *field);

/*
 * Returns the text of a value that is not plain: borrowed from the batch, or rendered into
 * `scratch` (which it empties first). An id outside the dictionary, which only a broken core can
 * send, reads as empty.
 */
struct pa_bytes value_text(const struct value *value, const struct pa_batch *batch,
                           const uint8_t *row, struct text *scratch);
/* Returns the bytes of a PA_KIND_BYTES or PA_KIND_FIXED value, as stored. */
struct pa_bytes value_bytes(const struct value *value, const struct pa_batch *batch,
                            const uint8_t *row);
/* Appends a value, plain or not, with the bytes that the exporter or peer sent. */
void value_append(const struct value *value, const struct pa_batch *batch, const uint8_t *row,
                  struct text *scratch, struct text *out);
/* The same, for people to read: text_append_shown(). */
void value_append_shown(const struct value *value, const struct pa_batch *batch, const uint8_t *row,
                        struct text *scratch, struct text *out);
