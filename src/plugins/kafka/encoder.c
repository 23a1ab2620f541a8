/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See encoder.h. */
#include "plugins/kafka/encoder.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/common/output_keys.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* writer_id counts for its length as configured and this much more, which its variables may take.
 */
#define WRITER_ID_ROOM 64

struct encoder {
    struct format *format;
    char *writer_id;
    struct text ending;   /* of a line, in place of "}\n" */
    size_t ending_counts; /* for so many bytes */
};

int encoder_new(const struct pa_host *host, const struct pa_schema *schema,
                const struct kafka_settings *settings, char *error, size_t error_size,
                struct encoder **ret_encoder)
{
    const char *pattern = host->setting(host, "writer_id_string");
    struct encoder *e = mem_zalloc(sizeof *e);
    struct text writer_id = {0};
    int err = format_new(&format_json, schema, &settings->options, &e->format);

    if (err < 0) {
        snprintf(error, error_size, "a column has no form in JSON");
        encoder_free(e);
        return err;
    }
    writer_id_append(host, &writer_id);
    e->writer_id = mem_strdup(text_cstr(&writer_id));
    text_clear(&writer_id);
    text_append_string(&e->ending, ", \"writer_id\": ");
    text_append_json_string(&e->ending, e->writer_id, strlen(e->writer_id));
    text_append_string(&e->ending, "}\n");
    e->ending_counts = (pattern ? strlen(pattern) : 0) + WRITER_ID_ROOM;
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
    size_t before = out->len, line_len;

    format_append_row(e->format, batch, row, out);
    out->len -= strlen("}\n");
    line_len = out->len - before;
    text_append(out, e->ending.data, e->ending.len);
    return line_len + e->ending_counts;
}

const char *encoder_writer_id(const struct encoder *e)
{
    return e->writer_id;
}
