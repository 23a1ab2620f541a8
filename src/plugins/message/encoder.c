/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Renders rows as JSON lines or Avro data, and counts their bytes. See encoder.h. */
#include "plugins/message/encoder.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "base/text.h"
#include "plugins/text/output_keys.h"
#include <stdio.h>
#include <string.h>
#ifdef WITH_AVRO
#include "plugins/message/avro_rows.h"
#endif

/* Room that the variables of writer_id may take: it counts for its length as configured and this
 * much more. */
#define WRITER_ID_ROOM 64

struct encoder {
    struct format *format;
    char *writer_id;
    struct text ending;     /* ends a line, in place of "}\n" */
    size_t ending_counts;   /* bytes that it counts for */
    struct avro_rows *avro; /* NULL: JSON */
    size_t avro_writer_id_len;
    struct text line; /* a line on the way to Avro */
};

/* ---- Avro ---- */

#ifdef WITH_AVRO

static int write_file(const struct file_owner *owner, const char *path, const char *text)
{
    struct named_file target;
    int err = named_file_resolve(path, &target);

    if (err < 0)
        return err;
    err = target.is_stream ? -EEXIST : file_owner_make_directories(owner, target.path);
    if (err == 0)
        err = file_owner_replace(owner, target.path, text, strlen(text));
    named_file_clear(&target);
    return err;
}

static int write_schema(const struct pa_host *host, const struct encoder *e, const char *key,
                        const char *path, char *error, size_t error_size)
{
    struct file_owner owner;
    int err = file_owner_read(host, error, error_size, &owner);

    if (err < 0)
        return err;
    err = write_file(&owner, path, avro_rows_schema(e->avro));
    if (err < 0)
        snprintf(error, error_size, "%s: cannot write %s: %s", key, path, named_file_error(err));
    return err;
}

static const struct pa_column *find_column(const struct pa_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (!strcmp(schema->columns[i].name, name))
            return &schema->columns[i];
    return NULL;
}

/* Makes the Avro schema from a row of zeros and empty texts, which must not be an event's: it shows
 * all columns. */
static int begin_avro(const struct pa_host *host, const struct pa_schema *schema,
                      const struct message_settings *settings, struct encoder *e, char *error,
                      size_t error_size)
{
    const struct pa_column *has_counters = find_column(schema, "has_counters");
    const struct pa_bytes empty = {(const uint8_t *)"", 0};
    const struct pa_batch batch = {.row_count = 1, .dictionary_count = 1, .dictionary = &empty};
    uint8_t *row = mem_zalloc(schema->row_size);
    size_t id_len = strlen(e->writer_id);
    int err;

    if (has_counters)
        row[has_counters->offset] = 1;
    format_append_row(e->format, &batch, row, &e->line);
    e->line.len -= strlen("}\n");
    text_append(&e->line, e->ending.data, e->ending.len);
    mem_free(row);
    err = avro_rows_new(e->line.data, e->line.len, has_counters != NULL, &e->avro);
    if (err < 0)
        snprintf(error, error_size, "the columns have no form in Avro");
    else if (settings->avro_schema_file)
        err = write_schema(host, e, settings->avro_schema_file_key, settings->avro_schema_file,
                           error, error_size);
    /* The length takes a varint of 1 or 2 bytes. */
    e->avro_writer_id_len = id_len + (id_len < 64 ? 1 : 2);
    return err;
}

static size_t append_avro(struct encoder *e, struct text *out)
{
    size_t before = out->len;

    if (avro_rows_append(e->avro, e->line.data, e->line.len, out) < 0)
        return 0;
    return out->len - before - e->avro_writer_id_len + e->ending_counts;
}

#else

static int begin_avro(const struct pa_host *host, const struct pa_schema *schema,
                      const struct message_settings *settings, struct encoder *e, char *error,
                      size_t error_size)
{
    (void)host, (void)schema, (void)settings, (void)e, (void)error, (void)error_size;
    return -ENOSYS; /* cannot be: the key's table does not offer it */
}

static size_t append_avro(struct encoder *e, struct text *out)
{
    (void)e, (void)out;
    return 0;
}

static void avro_rows_free(struct avro_rows *rows)
{
    (void)rows;
}

static const char *avro_rows_schema(const struct avro_rows *rows)
{
    (void)rows;
    return NULL;
}

#endif

/* ---- JSON, and both ---- */

int encoder_new(const struct pa_host *host, const struct pa_schema *schema,
                const struct message_settings *settings, char *error, size_t error_size,
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
    if (settings->output == MESSAGE_OUTPUT_AVRO)
        err = begin_avro(host, schema, settings, e, error, error_size);
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
    avro_rows_free(e->avro);
    text_clear(&e->line);
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
    struct text *line = e->avro ? &e->line : out;
    size_t before, line_len;

    text_reset(&e->line);
    before = line->len;
    format_append_row(e->format, batch, row, line);
    line->len -= strlen("}\n");
    line_len = line->len - before;
    text_append(line, e->ending.data, e->ending.len);
    return e->avro ? append_avro(e, out) : line_len + e->ending_counts;
}

const char *encoder_writer_id(const struct encoder *e)
{
    return e->writer_id;
}

const char *encoder_avro_schema(const struct encoder *e)
{
    return e->avro ? avro_rows_schema(e->avro) : NULL;
}
