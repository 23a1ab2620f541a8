/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the messages around a purge. See marker.h. */
#include "plugins/message/marker.h"
#include "base/text.h"
#include "plugins/text/avro_datum.h"
#include <inttypes.h>
#include <string.h>

static void append_event(struct text *out, bool is_avro, const char *event, const char *writer_id)
{
    if (is_avro) {
        avro_append_string(out, event, strlen(event));
        avro_append_string(out, writer_id, strlen(writer_id));
        return;
    }
    text_append_printf(out, "{\"event_type\": \"%s\", \"writer_id\": ", event);
    text_append_json_string(out, writer_id, strlen(writer_id));
}

void marker_append_opening(struct text *out, bool is_avro, const char *writer_id)
{
    append_event(out, is_avro, "purge_init", writer_id);
    if (!is_avro)
        text_append_char(out, '}');
}

void marker_append_closing(struct text *out, bool is_avro, const char *writer_id, uint64_t written,
                           uint64_t row_count, double seconds)
{
    append_event(out, is_avro, "purge_close", writer_id);
    if (is_avro) {
        avro_append_long(out, (int64_t)written);
        avro_append_long(out, (int64_t)row_count);
        avro_append_long(out,
                         seconds > INT32_MAX ? INT32_MAX : (int64_t)(seconds + 0.5)); /* an int */
        return;
    }
    text_append_printf(out,
                       ", \"purged_entries\": %" PRIu64 ", \"total_entries\": %" PRIu64
                       ", \"duration\": %.0f}",
                       written, row_count, seconds);
}
