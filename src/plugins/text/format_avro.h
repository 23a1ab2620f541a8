/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Both encodings of Avro share this. See format.h. */
#include "plugins/text/format.h"

enum avro_type {
    AVRO_STRING,
    AVRO_LONG,
    AVRO_DOUBLE,
    AVRO_ARRAY, /* of strings */
    AVRO_MAP,   /* of strings */
};

/* Branches of a union of null and another type. */
#define AVRO_BRANCH_NULL  0
#define AVRO_BRANCH_VALUE 1

int format_avro_check(const struct pa_schema *schema, char *error, size_t error_size);
/* Makes the columns, whose names stand in `before`, and the schema. */
int format_avro_compile(struct format *format, const struct pa_schema *schema,
                        const struct format_options *options);
/* Appends a row in binary encoding. */
void format_avro_append(struct format *format, const struct pa_batch *batch, const uint8_t *row,
                        struct text *out);
