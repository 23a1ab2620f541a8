/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages before and after a purge that say so (kafka_markers and the like): pmacct's. In Avro they
 * have schemas of their own (avro_schema.h). */
#include <stdbool.h>
#include <stdint.h>

struct text;

void marker_append_opening(struct text *out, bool is_avro, const char *writer_id);
/* `written` of `row_count` rows went out in so many seconds. */
void marker_append_closing(struct text *out, bool is_avro, const char *writer_id, uint64_t written,
                           uint64_t row_count, double seconds);
