/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Renders rows as JSON lines or Avro data, and counts their bytes. See encoder.h. */
#include "plugins/message/encoder.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/avro_datum.h"
#include "plugins/text/output_keys.h"
#include "plugins/text/schema_file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Room that the variables of writer_id may take: it counts for its length as configured and this
 * much more. */
#define WRITER_ID_ROOM 64

struct encoder {
    struct format *format;
    char *writer_id;
    size_t writer_id_len;    /* bytes that it has in a row */
    size_t writer_id_counts; /* bytes that it counts for */
    struct text ending;      /* JSON: ends a line, in place of "}\n" */
};

static const struct format_kind *kind_of(const struct pa_schema *schema, enum message_output output)
{
    if (schema->event_kind_count > 0)
        return output == MESSAGE_OUTPUT_JSON ? &format_event : NULL;
    switch (output) {
    case MESSAGE_OUTPUT_AVRO:
        return &format_avro;
    case MESSAGE_OUTPUT_AVRO_JSON:
        return &format_avro_json;
    default:
        return &format_json;
    }
}

/* Reads writer_id, and how many bytes it takes in a row. */
static void read_writer_id(struct encoder *e, const struct pa_host *host,
                           enum message_output output)
{
    const char *pattern = host->setting(host, "writer_id_string");
    struct text text = {0};
    size_t len;

    writer_id_append(host, &text);
    e->writer_id = mem_strdup(text_cstr(&text));
    len = text.len;
    text_reset(&text);
    text_append_json_string(&text, e->writer_id, len);
    e->writer_id_len =
        output == MESSAGE_OUTPUT_AVRO ? avro_string_len(e->writer_id, len) : text.len;
    if (output == MESSAGE_OUTPUT_JSON && len == 0) {
        e->writer_id_len = 0; /* it is left out */
    } else if (output == MESSAGE_OUTPUT_JSON) {
        text_append_string(&e->ending, ", \"writer_id\": ");
        text_append(&e->ending, text.data, text.len);
        text_append_string(&e->ending, "}\n");
    }
    e->writer_id_counts = (pattern ? strlen(pattern) : 0) + WRITER_ID_ROOM;
    text_clear(&text);
}

int encoder_new(const struct pa_host *host, const struct pa_schema *schema,
                const struct message_settings *settings, char *error, size_t error_size,
                struct encoder **ret_encoder)
{
    const struct format_kind *kind = kind_of(schema, settings->output);
    struct format_options options = settings->options;
    struct encoder *e = mem_zalloc(sizeof *e);
    int err = kind ? 0 : -EINVAL;

    if (err < 0)
        snprintf(error, error_size, "event records are written as JSON");
    else if (kind->check)
        err = kind->check(schema, error, error_size);
    read_writer_id(e, host, settings->output);
    options.writer_id = e->writer_id;
    if (err == 0) {
        err = format_new(kind, schema, &options, &e->format);
        if (err < 0)
            snprintf(error, error_size, "a column has no form in %s", kind->name);
    }
    if (err == 0)
        err = schema_file_write(host, settings->avro_schema_file_key, settings->avro_schema_file,
                                encoder_avro_schema(e), error, error_size);
    if (err < 0) {
        encoder_free(e);
        return err;
    }
    *ret_encoder = e;
    return 0;
}

void encoder_free(struct encoder *e)
{
    if (!e)
        return;
    format_free(e->format);
    mem_free(e->writer_id);
    text_clear(&e->ending);
    mem_free(e);
}

void encoder_set_written(struct encoder *e, int64_t time_ns)
{
    format_set_written(e->format, time_ns);
}

size_t encoder_append(struct encoder *e, const struct pa_batch *batch, const uint8_t *row,
                      struct text *out)
{
    size_t before = out->len;

    format_append_row(e->format, batch, row, out);
    if (e->ending.len > 0) {
        out->len -= strlen("}\n");
        text_append(out, e->ending.data, e->ending.len);
    }
    return out->len - before - e->writer_id_len + e->writer_id_counts;
}

const char *encoder_writer_id(const struct encoder *e)
{
    return e->writer_id;
}

const char *encoder_avro_schema(const struct encoder *e)
{
    return format_avro_schema(e->format);
}
