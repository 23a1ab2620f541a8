/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells the schemas of messages in Avro, and sends them. See avro_schema.h. */
#include "plugins/message/avro_schema.h"
#include "base/text.h"
#include "plugins/message/encoder.h"
#include <string.h>

#define TEXT_FIELD(name) "{\"name\": \"" name "\", \"type\": \"string\"}"
#define MARKER_FIELDS    "\n  " TEXT_FIELD("event_type") ",\n  " TEXT_FIELD("writer_id")

static const struct {
    const char *name;
    const char *text; /* NULL: it follows from the columns */
} schemas[] = {
    [AVRO_SCHEMA_DATA] = {"acct_data", NULL},
    [AVRO_SCHEMA_INIT] =
        {"acct_init",
         "{\"type\": \"record\", \"name\": \"acct_init\", \"fields\": [" MARKER_FIELDS "\n]}\n"},
    [AVRO_SCHEMA_CLOSE] =
        {"acct_close",
         "{\"type\": \"record\", \"name\": \"acct_close\", \"fields\": [" MARKER_FIELDS
         ",\n  {\"name\": \"purged_entries\", \"type\": \"long\"},\n"
         "  {\"name\": \"total_entries\", \"type\": \"long\"},\n"
         "  {\"name\": \"duration\", \"type\": \"int\"}\n]}\n"},
};

const char *avro_schema_name(enum avro_schema_kind kind)
{
    return schemas[kind].name;
}

const char *avro_schema_text(enum avro_schema_kind kind, const struct encoder *encoder)
{
    const char *of_rows = encoder_avro_schema(encoder);

    return of_rows && kind != AVRO_SCHEMA_DATA ? schemas[kind].text : of_rows;
}

void avro_schema_append_message(struct text *out, enum avro_schema_kind kind,
                                const struct encoder *encoder)
{
    const char *writer_id = encoder_writer_id(encoder), *text = avro_schema_text(kind, encoder);

    text_append_string(out, "{\"event_type\": \"purge_schema\", \"writer_id\": ");
    text_append_json_string(out, writer_id, strlen(writer_id));
    text_append_string(out, ", \"schema\": ");
    text_append_json_string(out, text, strlen(text));
    text_append_char(out, '}');
}

int avro_schema_send_due(struct avro_schema_round *round, const struct encoder *encoder,
                         bool has_markers, avro_schema_send *send, void *arg)
{
    struct mono_time now = clock_mono();
    struct text message = {0};
    int err = 0;

    if (round->sent.ns > 0 && now.ns - round->sent.ns < round->refresh_s * NS_PER_S)
        return 0;
    for (int kind = 0; kind < AVRO_SCHEMA_KINDS && err == 0; kind++) {
        if (kind != AVRO_SCHEMA_DATA && !has_markers)
            continue;
        text_reset(&message);
        avro_schema_append_message(&message, (enum avro_schema_kind)kind, encoder);
        err = send(arg, &message);
    }
    if (err == 0)
        round->sent = now;
    text_clear(&message);
    return err;
}
