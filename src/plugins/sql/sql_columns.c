/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chooses the columns of a table and gives each row's value for them. See sql_columns.h. */
#include "plugins/sql/sql_columns.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/row_number.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sql/sql_versions.h"
#include "plugins/text/value_put.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNKNOWN_ADDRESS "0.0.0.0"

/* ---- set-up ---- */

static struct sql_column *add_column(struct sql_columns *columns, const char *name,
                                     enum sql_source source, enum sql_type type, enum sql_role role)
{
    struct sql_column *c;

    columns->items = mem_realloc_array(columns->items, columns->count + 1, sizeof *columns->items);
    c = &columns->items[columns->count++];
    *c =
        (struct sql_column){.name = mem_strdup(name), .type = type, .role = role, .source = source};
    columns->key_count += role == SQL_ROLE_KEY;
    return c;
}

static enum sql_role role_of(uint8_t combine)
{
    switch (combine) {
    case PA_COMBINE_SUM:
        return SQL_ROLE_SUM;
    case PA_COMBINE_OR:
        return SQL_ROLE_OR;
    case PA_COMBINE_MIN:
        return SQL_ROLE_MIN;
    case PA_COMBINE_MAX:
        return SQL_ROLE_MAX;
    default:
        return SQL_ROLE_KEY;
    }
}

static enum sql_type number_type(uint8_t kind)
{
    return kind == PA_KIND_U64 ? SQL_TYPE_U64 : kind == PA_KIND_U32 ? SQL_TYPE_U32 : SQL_TYPE_U16;
}

static bool is_number_type(enum sql_type type)
{
    return type == SQL_TYPE_U16 || type == SQL_TYPE_U32 || type == SQL_TYPE_U64 ||
           type == SQL_TYPE_PROTO || type == SQL_TYPE_NUMERIC_ADDRESS;
}

/* Returns the SQL type of a column; `ret_is_number`: its values are handed over as numbers. */
static enum sql_type type_of(const struct sql_settings *settings, const struct pa_column *column,
                             bool *ret_is_number)
{
    *ret_is_number = false;
    switch (column->format) {
    case PA_FORMAT_UINT:
    case PA_FORMAT_TOS:
    case PA_FORMAT_TCP_FLAGS:
        *ret_is_number = true;
        return number_type(column->kind);
    case PA_FORMAT_FWD_STATUS:
        *ret_is_number = !settings->values.has_fwd_status_text;
        return *ret_is_number ? SQL_TYPE_U16 : SQL_TYPE_TEXT;
    case PA_FORMAT_PROTO:
        *ret_is_number = settings->values.has_numeric_protos;
        return *ret_is_number ? SQL_TYPE_PROTO : SQL_TYPE_TEXT;
    case PA_FORMAT_CUSTOM_UINT:
        return column->kind == PA_KIND_FIXED && column->width <= 8 ? SQL_TYPE_U64 : SQL_TYPE_TEXT;
    case PA_FORMAT_IP:
        return settings->has_numeric_hosts ? SQL_TYPE_NUMERIC_ADDRESS : SQL_TYPE_ADDRESS;
    case PA_FORMAT_MAC:
        return SQL_TYPE_MAC;
    case PA_FORMAT_TIME:
        return SQL_TYPE_TIME;
    case PA_FORMAT_REAL:
        return SQL_TYPE_REAL;
    default:
        return SQL_TYPE_TEXT;
    }
}

static bool is_epoch(const struct sql_settings *settings)
{
    return settings->time_style == VALUE_TIME_EPOCH && !settings->dialect->has_instants;
}

static const char *default_of(const struct sql_settings *settings, const struct sql_column *c)
{
    if (c->is_number)
        return "0";
    switch (c->type) {
    case SQL_TYPE_ADDRESS:
        return "'" UNKNOWN_ADDRESS "'";
    case SQL_TYPE_MAC:
        return "'00:00:00:00:00:00'";
    case SQL_TYPE_TIME:
        return settings->dialect->has_instants ? "'1970-01-01 00:00:00+00:00'"
                                               : "'1970-01-01 00:00:00'";
    case SQL_TYPE_TEXT:
        return "''";
    default:
        return "0";
    }
}

static void add_stamp(struct sql_columns *columns, const char *name, enum sql_source source,
                      enum sql_role role)
{
    bool epoch = is_epoch(columns->settings);
    struct sql_column *c =
        add_column(columns, name, source, epoch ? SQL_TYPE_U64 : SQL_TYPE_TIME, role);

    c->is_number = epoch;
    c->default_value = default_of(columns->settings, c);
}

static int add_primitive(struct sql_columns *columns, const struct pa_column *column)
{
    const struct sql_settings *settings = columns->settings;
    const char *name = sql_version_name(settings, column->name, column->sql_name);
    bool is_number, is_time = column->format == PA_FORMAT_TIME;
    enum sql_type type = type_of(settings, column, &is_number);
    struct sql_column *c;
    int err;

    if (is_time && is_epoch(settings)) {
        type = SQL_TYPE_U64;
        is_number = true;
    }
    c = add_column(columns, name, SQL_SOURCE_COLUMN, type, role_of(column->combine));
    c->is_number = is_number;
    c->default_value = default_of(settings, c);
    err = value_init(&c->value, column, &settings->values, &columns->times);
    if (err < 0 || !is_time || settings->has_whole_seconds || settings->dialect->has_instants)
        return err;
    char *residual = mem_printf("%s_residual", name);
    c = add_column(columns, residual, SQL_SOURCE_RESIDUAL, SQL_TYPE_U32, role_of(column->combine));
    mem_free(residual);
    c->is_number = true;
    c->default_value = "0";
    return value_init(&c->value, column, &settings->values, &columns->times);
}

static void add_blanks(struct sql_columns *columns)
{
    struct sql_blank blank;

    for (uint32_t i = 0; sql_version_blank(columns->settings, i, &blank); i++) {
        struct sql_column *c;
        if (sql_columns_find(columns, blank.name))
            continue;
        c = add_column(columns, blank.name, SQL_SOURCE_BLANK, blank.type, blank.role);
        if (blank.type == SQL_TYPE_PROTO && !columns->settings->values.has_numeric_protos)
            c->type = SQL_TYPE_TEXT;
        if (blank.type == SQL_TYPE_ADDRESS && columns->settings->has_numeric_hosts)
            c->type = SQL_TYPE_NUMERIC_ADDRESS;
        c->is_number = is_number_type(c->type);
        c->default_value = default_of(columns->settings, c);
        text_append_string(&c->clean, blank.text);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct pa_column *x = *(const struct pa_column *const *)a;
    const struct pa_column *y = *(const struct pa_column *const *)b;

    return (x->json_place > y->json_place) - (x->json_place < y->json_place);
}

/* Returns the columns that SQL shows, in the order of JSON. The caller frees the array with
 * mem_free. */
static const struct pa_column **sort_columns(const struct pa_schema *schema, uint32_t *ret_count)
{
    const struct pa_column **sorted =
        mem_calloc(schema->column_count ? schema->column_count : 1, sizeof *sorted);
    uint32_t count = 0;

    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct pa_column *c = &schema->columns[i];
        if (c->sql_name && *c->sql_name && c->format != PA_FORMAT_RD_ORIGIN)
            sorted[count++] = c;
    }
    qsort(sorted, count, sizeof *sorted, by_place);
    *ret_count = count;
    return sorted;
}

static int check_names(const struct sql_columns *columns, char *error, size_t error_size)
{
    for (uint32_t i = 0; i < columns->count; i++)
        if (sql_columns_find(columns, columns->items[i].name) != &columns->items[i]) {
            snprintf(error, error_size,
                     "two primitives of `aggregate` would stand in column %s of version %u of the "
                     "table; sql_table_version: 9 has a column for each",
                     columns->items[i].name, columns->settings->table_version);
            return -EINVAL;
        }
    return 0;
}

int sql_columns_init(struct sql_columns *columns, const struct sql_settings *settings,
                     const struct pa_schema *schema, char *error, size_t error_size)
{
    const struct pa_column **sorted;
    enum value_time_style style = settings->dialect->has_instants ? VALUE_TIME_RFC9557
                                  : is_epoch(settings)            ? VALUE_TIME_EPOCH
                                                                  : VALUE_TIME_PLAIN;
    uint32_t count;
    int err = 0;

    *columns = (struct sql_columns){.settings = settings, .bin_offset = schema->bin_offset};
    value_time_init(&columns->times, style, settings->is_utc, settings->has_whole_seconds);
    value_time_init(&columns->stamps, style, settings->is_utc, true);
    if (schema->bin_offset >= 0) {
        add_stamp(columns, "stamp_updated", SQL_SOURCE_STAMP_UPDATED, SQL_ROLE_REPLACE);
        add_stamp(columns, "stamp_inserted", SQL_SOURCE_STAMP_INSERTED, SQL_ROLE_KEY);
    }
    sorted = sort_columns(schema, &count);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        err = add_primitive(columns, sorted[i]);
        if (err < 0)
            snprintf(error, error_size, "column %s: kind %u does not go with format %u",
                     sorted[i]->name, sorted[i]->kind, sorted[i]->format);
    }
    mem_free(sorted);
    if (err == 0)
        err = check_names(columns, error, error_size);
    if (err == 0)
        err = sql_version_check(settings, schema, error, error_size);
    if (err == 0 && !settings->is_optimized)
        add_blanks(columns);
    if (err < 0)
        sql_columns_clear(columns);
    return err;
}

void sql_columns_clear(struct sql_columns *columns)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        mem_free(columns->items[i].name);
        value_clear(&columns->items[i].value);
        text_clear(&columns->items[i].scratch);
        text_clear(&columns->items[i].clean);
    }
    mem_free(columns->items);
    *columns = (struct sql_columns){0};
}

const struct sql_column *sql_columns_find(const struct sql_columns *columns, const char *name)
{
    for (uint32_t i = 0; i < columns->count; i++)
        if (strcasecmp(columns->items[i].name, name) == 0)
            return &columns->items[i];
    return NULL;
}

/* ---- values ---- */

void sql_columns_set_written(struct sql_columns *columns, int64_t time_ns)
{
    columns->updated_ns = time_ns;
}

static struct sql_value number_value(uint64_t number)
{
    return (struct sql_value){.kind = SQL_VALUE_NUMBER, .number = number};
}

static struct sql_value text_value(const char *text, size_t len)
{
    return (struct sql_value){.kind = SQL_VALUE_TEXT, .text = text ? text : "", .len = len};
}

static uint64_t load_number(const struct value *value, const uint8_t *row)
{
    return row_number_load(row + value->offset, value->width);
}

/* An unknown instant is the beginning of 1970, as in pmacct's tables: databases have no year 0. */
static struct sql_value time_value(const struct sql_columns *columns, struct value_time *times,
                                   struct sql_column *c, int64_t ns)
{
    const struct sql_dialect *dialect = columns->settings->dialect;
    bool with_fraction = dialect->has_instants && c->source == SQL_SOURCE_COLUMN;
    bool has_unix_times = dialect->has_unix_times;
    char *end;

    if (c->is_number)
        return number_value(ns > 0 ? (uint64_t)(ns / NS_PER_S) : 0);
    if (has_unix_times && ns > 0)
        return (struct sql_value){.kind = SQL_VALUE_INSTANT, .number = (uint64_t)(ns / NS_PER_S)};
    end = value_time_put(times, c->plain, ns > 0 ? ns : 1, with_fraction);
    return text_value(c->plain, (size_t)(end - c->plain));
}

static struct sql_value address_value(const struct sql_settings *settings, struct sql_column *c,
                                      const uint8_t *row)
{
    const uint8_t *field = row + c->value.offset;

    if (settings->has_numeric_hosts) {
        if (field[16] == IP_V6)
            return (struct sql_value){
                .kind = SQL_VALUE_BLOB, .text = (const char *)field, .len = 16};
        return number_value(field[16] == IP_NONE ? 0
                                                 : (uint64_t)field[12] << 24 | field[13] << 16 |
                                                       field[14] << 8 | field[15]);
    }
    if (field[16] == IP_NONE)
        return text_value(UNKNOWN_ADDRESS, strlen(UNKNOWN_ADDRESS));
    return text_value(c->plain, (size_t)(value_put(&c->value, c->plain, row) - c->plain));
}

/* Returns the length of the UTF-8 character at `p`; 0: databases do not take what stands there. */
static size_t sequence_len(const uint8_t *p, const uint8_t *end)
{
    return *p < 0x80 ? *p != 0 : text_utf8_len(p, (size_t)(end - p));
}

/* Replaces bad bytes: databases refuse a row for one of them, and an exporter could choose to send
 * it. */
static struct sql_value clean_value(struct sql_column *c, struct pa_bytes bytes)
{
    const uint8_t *p, *end;
    size_t len;

    if (bytes.len == 0) /* the data may be NULL then */
        return text_value("", 0);
    p = bytes.data;
    end = p + bytes.len;
    while (p < end && (len = sequence_len(p, end)) > 0)
        p += len;
    if (p == end)
        return text_value((const char *)bytes.data, bytes.len);
    text_reset(&c->clean);
    p = bytes.data;
    while (p < end) {
        len = sequence_len(p, end);
        if (len > 0)
            text_append(&c->clean, p, len);
        else
            text_append_string(&c->clean, "\xef\xbf\xbd"); /* U+FFFD */
        p += len > 0 ? len : 1;
    }
    return text_value(c->clean.data, c->clean.len);
}

static struct sql_value primitive_value(const struct sql_columns *columns, struct sql_column *c,
                                        const struct pa_batch *batch, const uint8_t *row)
{
    const struct value *value = &c->value;

    if (value->format == PA_FORMAT_TIME)
        return time_value(columns, value->time, c, (int64_t)load_number(value, row));
    if (value->format == PA_FORMAT_TOS && columns->settings->values.has_dscp)
        return number_value(load_number(value, row) >> 2);
    if (c->is_number)
        return number_value(load_number(value, row));
    if (value->format == PA_FORMAT_IP)
        return address_value(columns->settings, c, row);
    if (value->shape != VALUE_OTHER)
        return text_value(c->plain, (size_t)(value_put(value, c->plain, row) - c->plain));
    return clean_value(c, value_text(value, batch, row, &c->scratch));
}

struct sql_value sql_columns_value(struct sql_columns *columns, uint32_t index,
                                   const struct pa_batch *batch, const uint8_t *row)
{
    struct sql_column *c = &columns->items[index];
    int64_t v;

    switch (c->source) {
    case SQL_SOURCE_COLUMN:
        return primitive_value(columns, c, batch, row);
    case SQL_SOURCE_RESIDUAL:
        v = (int64_t)load_number(&c->value, row);
        return number_value(v > 0 ? (uint64_t)(v % NS_PER_S / NS_PER_US) : 0);
    case SQL_SOURCE_STAMP_INSERTED:
        memcpy(&v, row + columns->bin_offset, sizeof v);
        return time_value(columns, &columns->stamps, c, v * NS_PER_S);
    case SQL_SOURCE_STAMP_UPDATED:
        return time_value(columns, &columns->stamps, c, columns->updated_ns);
    default:
        return c->is_number ? number_value(0) : text_value(c->clean.data, c->clean.len);
    }
}
