/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes Avro data of JSON lines (Avro 1.11, https://avro.apache.org/docs/1.11.1/specification);
 * schema and binary encoding are libavro's. See avro_rows.h. */
#include "plugins/message/avro_rows.h"
#include "base/memory.h"
#include "base/text.h"
#include <avro.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

struct avro_rows {
    struct text json; /* the schema */
    avro_schema_t schema;
    avro_value_iface_t *class;
    avro_value_t record; /* reused from row to row */
    avro_writer_t writer;
    struct text buffer;
    bool has_events;
};

/* ---- schema ---- */

static bool is_counter(const char *name)
{
    return !strcmp(name, "packets") || !strcmp(name, "bytes") || !strcmp(name, "flows");
}

static const char *type_of(const json_t *value, bool is_optional)
{
    if (json_is_integer(value))
        return is_optional ? "[\"null\", \"long\"]" : "\"long\"";
    if (json_is_real(value))
        return "\"double\"";
    if (json_is_array(value))
        return "{\"type\": \"array\", \"items\": \"string\"}";
    return json_is_object(value) ? "{\"type\": \"map\", \"values\": \"string\"}" : "\"string\"";
}

static void make_schema(struct avro_rows *rows, json_t *sample)
{
    bool is_first = true;
    const char *name;
    json_t *value;

    text_append_string(&rows->json,
                       "{\"type\": \"record\", \"name\": \"acct_data\", \"fields\": [");
    json_object_foreach(sample, name, value)
    {
        text_append_printf(&rows->json, "%s\n  {\"name\": ", is_first ? "" : ",");
        text_append_json_string(&rows->json, name, strlen(name));
        text_append_printf(&rows->json, ", \"type\": %s}",
                           type_of(value, rows->has_events && is_counter(name)));
        is_first = false;
    }
    text_append_string(&rows->json, "\n]}\n");
}

int avro_rows_new(const char *line, size_t len, bool has_events, struct avro_rows **ret_rows)
{
    struct avro_rows *rows = mem_zalloc(sizeof *rows);
    json_t *sample = json_loadb(line, len, 0, NULL);

    rows->has_events = has_events;
    if (json_is_object(sample)) {
        make_schema(rows, sample);
        avro_schema_from_json_length(text_cstr(&rows->json), rows->json.len, &rows->schema);
    }
    json_decref(sample);
    if (!rows->schema) {
        avro_rows_free(rows);
        return -EINVAL;
    }
    rows->class = avro_generic_class_from_schema(rows->schema);
    avro_generic_value_new(rows->class, &rows->record);
    text_reserve(&rows->buffer, 4096);
    rows->writer = avro_writer_memory(rows->buffer.data, (int64_t)rows->buffer.capacity);
    *ret_rows = rows;
    return 0;
}

void avro_rows_free(struct avro_rows *rows)
{
    if (!rows)
        return;
    if (rows->writer)
        avro_writer_free(rows->writer);
    if (rows->class) {
        avro_value_decref(&rows->record);
        avro_value_iface_decref(rows->class);
    }
    if (rows->schema)
        avro_schema_decref(rows->schema);
    text_clear(&rows->json);
    text_clear(&rows->buffer);
    mem_free(rows);
}

const char *avro_rows_schema(const struct avro_rows *rows)
{
    return rows->json.data; /* it was terminated when it was made */
}

/* ---- rows ---- */

/* Sets a string, whose length includes the terminating zero for Avro C. */
static int set_string(avro_value_t *value, const json_t *text)
{
    /* The string is copied, but the type of the parameter lacks const. */
    char *string = (char *)(uintptr_t)json_string_value(text);

    return string ? avro_value_set_string_len(value, string, json_string_length(text) + 1) : EINVAL;
}

static int set_number(avro_value_t *value, const json_t *number)
{
    double real = json_real_value(number);

    if (json_is_integer(number))
        return avro_value_set_long(value, json_integer_value(number));
    return avro_value_set_long(value, real >= 0x1p63 ? INT64_MAX : (int64_t)real);
}

static int set_array(avro_value_t *value, const json_t *array)
{
    int err = 0;

    for (size_t i = 0; i < json_array_size(array) && err == 0; i++) {
        avro_value_t item;
        err = avro_value_append(value, &item, NULL);
        if (err == 0)
            err = set_string(&item, json_array_get(array, i));
    }
    return err;
}

static int set_map(avro_value_t *value, json_t *map)
{
    const char *name;
    json_t *text;
    int err = 0;

    json_object_foreach(map, name, text)
    {
        avro_value_t item;
        if (err == 0)
            err = avro_value_add(value, name, &item, NULL, NULL);
        if (err == 0)
            err = set_string(&item, text);
    }
    return err;
}

/* Sets a field; a NULL value means that the row does not have it. */
static int set_field(avro_value_t *field, json_t *value)
{
    avro_value_t branch;

    switch (avro_value_get_type(field)) {
    case AVRO_STRING:
        return set_string(field, value);
    case AVRO_INT64:
        return json_is_number(value) ? set_number(field, value) : EINVAL;
    case AVRO_DOUBLE:
        return json_is_number(value) ? avro_value_set_double(field, json_number_value(value))
                                     : EINVAL;
    case AVRO_ARRAY:
        return json_is_array(value) ? set_array(field, value) : EINVAL;
    case AVRO_MAP:
        return json_is_object(value) ? set_map(field, value) : EINVAL;
    case AVRO_UNION:
        if (avro_value_set_branch(field, json_is_number(value), &branch) != 0)
            return EINVAL;
        return json_is_number(value) ? set_number(&branch, value) : avro_value_set_null(&branch);
    default:
        return EINVAL;
    }
}

static int fill_record(struct avro_rows *rows, const json_t *object)
{
    size_t count = 0;
    int err = avro_value_reset(&rows->record);

    if (err == 0)
        err = avro_value_get_size(&rows->record, &count);
    for (size_t i = 0; i < count && err == 0; i++) {
        const char *name = NULL;
        avro_value_t field;
        err = avro_value_get_by_index(&rows->record, i, &field, &name);
        if (err == 0)
            err = set_field(&field, json_object_get(object, name));
    }
    return err;
}

static int write_record(struct avro_rows *rows)
{
    size_t size = 0;
    int err = avro_value_sizeof(&rows->record, &size);

    if (err != 0)
        return err;
    if (size > rows->buffer.capacity)
        text_reserve(&rows->buffer, size);
    avro_writer_memory_set_dest(rows->writer, rows->buffer.data, (int64_t)rows->buffer.capacity);
    return avro_value_write(rows->writer, &rows->record);
}

int avro_rows_append(struct avro_rows *rows, const char *line, size_t len, struct text *out)
{
    json_t *object = json_loadb(line, len, 0, NULL);
    int err;

    if (!object) /* an array or object, or a number that is no int64_t */
        object = json_loadb(line, len, JSON_DECODE_INT_AS_REAL, NULL);
    err = object ? fill_record(rows, object) : EINVAL;
    if (err == 0)
        err = write_record(rows);
    if (err == 0)
        text_append(out, rows->buffer.data, (size_t)avro_writer_tell(rows->writer));
    json_decref(object);
    return err == 0 ? 0 : -EINVAL;
}
