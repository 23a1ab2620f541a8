/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Avro object container files (Avro 1.11.1, "Object Container Files"): a header that has the schema,
 * then blocks of data, which are not compressed (codec null). The marker that stands behind the
 * header and each block follows from the schema alone, so that the same rows make the same file, and
 * a file is continued by whoever has the same schema. No data can hold it.
 */
#include <stddef.h>
#include <stdint.h>

struct text;

#define AVRO_MARKER_LEN 16

/* Appends a header, which ends with the marker. */
void avro_container_append_header(struct text *out, const char *schema);
/* Makes a block of what stands behind `start`, which are so many data. */
void avro_container_end_block(struct text *out, size_t start, uint64_t count, const char *marker);
