/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Columns and their layout. The encoded form lists the columns as they were added, not the offsets:
 * the other side runs the same schema_finish() and compares the sizes.
 */
#include "handover/schema.h"

#include "base/row_number.h"
#include "base/text.h"
#include "handover/encoding.h"

#include <errno.h>
#include <string.h>

#define SCHEMA_VERSION 2
#define EVENTS_VERSION 3 /* kinds of events follow the columns */
#define BIN_SIZE       8u
#define ORDER_SIZE     8u
#define EVENT_COLUMNS  2u /* event_kind and event_present */

struct schema {
    struct pa_schema view;
    struct pa_column columns[SCHEMA_COLUMNS_MAX];
    struct pa_event_kind *kinds;
    bool has_bin, has_order, is_finished;
};

static uint32_t round_up(uint32_t value, uint32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static bool column_is_key(const struct pa_column *c)
{
    return c->combine == PA_COMBINE_KEY;
}

static void column_clear(struct pa_column *c)
{
    mem_free((void *)(uintptr_t)c->name);
    mem_free((void *)(uintptr_t)c->json_name);
    mem_free((void *)(uintptr_t)c->csv_title);
    mem_free((void *)(uintptr_t)c->sql_name);
    mem_free((void *)(uintptr_t)c->value_names);
    *c = (struct pa_column){0};
}

struct schema *schema_new(void)
{
    struct schema *schema = mem_zalloc(sizeof *schema);
    schema->view.bin_offset = -1;
    schema->view.order_offset = -1;
    schema->view.columns = schema->columns;
    return schema;
}

void schema_free(struct schema *schema)
{
    if (schema == NULL)
        return;
    for (uint32_t i = 0; i < schema->view.column_count; i++)
        column_clear(&schema->columns[i]);
    for (uint32_t i = 0; i < schema->view.event_kind_count; i++) {
        mem_free((void *)(uintptr_t)schema->kinds[i].name);
        mem_free((void *)(uintptr_t)schema->kinds[i].members);
    }
    mem_free(schema->kinds);
    mem_free(schema);
}

size_t schema_kind_width(uint8_t kind)
{
    static const uint8_t widths[] = {
        [PA_KIND_U8] = 1,    [PA_KIND_U16] = 2, [PA_KIND_U32] = 4,  [PA_KIND_U64] = 8,
        [PA_KIND_ADDR] = 17, [PA_KIND_MAC] = 6, [PA_KIND_TIME] = 8, [PA_KIND_BYTES] = 4,
    };
    return kind < sizeof widths ? widths[kind] : 0;
}

static bool kind_can_count(uint8_t kind)
{
    return kind == PA_KIND_U8 || kind == PA_KIND_U16 || kind == PA_KIND_U32 ||
           kind == PA_KIND_U64 || kind == PA_KIND_TIME;
}

static char *dup_or_null(const char *text)
{
    return text != NULL ? mem_strdup(text) : NULL;
}

int schema_add(struct schema *schema, const struct pa_column *column)
{
    size_t width = column->kind == PA_KIND_FIXED ? column->width : schema_kind_width(column->kind);

    if (schema->is_finished || column->name == NULL || column->kind > PA_KIND_FIXED || width == 0 ||
        column->combine > PA_COMBINE_MAX ||
        (!column_is_key(column) && !kind_can_count(column->kind)))
        return -EINVAL;
    if (schema->view.column_count == SCHEMA_COLUMNS_MAX)
        return -ENOSPC;
    struct pa_column *c = &schema->columns[schema->view.column_count++];
    *c = *column;
    c->width = (uint16_t)width;
    c->offset = 0;
    c->name = mem_strdup(column->name);
    c->json_name = dup_or_null(column->json_name);
    c->csv_title = dup_or_null(column->csv_title);
    c->sql_name = dup_or_null(column->sql_name);
    c->value_names = dup_or_null(column->value_names);
    return 0;
}

void schema_set_bin(struct schema *schema, uint32_t bin_seconds)
{
    schema->has_bin = true;
    schema->view.bin_seconds = bin_seconds;
}

void schema_set_order(struct schema *schema)
{
    schema->has_order = true;
}

void schema_set_unaggregated(struct schema *schema)
{
    schema->view.is_unaggregated = 1;
}

/* ---- events ---- */

/* Adds a kind without members, and returns the array for them. */
static uint16_t *kind_add(struct schema *schema, const char *name, uint32_t member_count)
{
    uint16_t *members = mem_calloc((size_t)member_count + 1, sizeof *members);

    schema->kinds =
        mem_realloc_array(schema->kinds, schema->view.event_kind_count + 1, sizeof *schema->kinds);
    schema->kinds[schema->view.event_kind_count++] =
        (struct pa_event_kind){mem_strdup(name), member_count, members};
    schema->view.event_kinds = schema->kinds;
    return members;
}

int schema_add_events(struct schema *schema, const struct event_table *events)
{
    const struct pa_column kind = {.name = "event_kind", .kind = PA_KIND_U8};
    const struct pa_column present = {.name = "event_present",
                                      .kind = PA_KIND_FIXED,
                                      .format = PA_FORMAT_CUSTOM_RAW,
                                      .width = (uint16_t)((events->member_count + 7) / 8)};
    int err = events->member_count <= EVENT_MEMBERS_MAX ? 0 : -ENOSPC;

    for (uint16_t i = 0; i < events->member_count && err == 0; i++) {
        const struct event_member *m = &events->members[i];
        const struct pa_column c = {.name = m->name,
                                    .json_name = m->json_name,
                                    .kind = m->kind,
                                    .format = m->format,
                                    .value_names = m->value_names};
        err = schema_add(schema, &c);
    }
    if (err == 0)
        err = schema_add(schema, &kind);
    if (err == 0)
        err = schema_add(schema, &present);
    for (uint16_t i = 0; i < events->kind_count && err == 0; i++) {
        const struct event_kind *k = &events->kinds[i];
        uint16_t *members = kind_add(schema, k->name, k->member_count);
        for (uint16_t n = 0; n < k->member_count; n++)
            members[n] = k->members[n];
    }
    schema_set_unaggregated(schema);
    return err;
}

/* Checks that kinds, and the two columns that rows have for them, go together. */
static bool has_sound_events(const struct pa_schema *view)
{
    const struct pa_column *kind, *present;
    uint32_t member_count;

    if (view->event_kind_count == 0)
        return true;
    if (view->column_count <= EVENT_COLUMNS || view->event_kind_count > UINT8_MAX)
        return false;
    member_count = view->column_count - EVENT_COLUMNS;
    kind = &view->columns[member_count];
    present = kind + 1;
    if (strcmp(kind->name, "event_kind") != 0 || kind->kind != PA_KIND_U8 ||
        strcmp(present->name, "event_present") != 0 || present->kind != PA_KIND_FIXED ||
        present->width != (member_count + 7) / 8)
        return false;
    for (uint32_t i = 0; i < view->event_kind_count; i++)
        for (uint32_t n = 0; n < view->event_kinds[i].member_count; n++)
            if (view->event_kinds[i].members[n] >= member_count)
                return false;
    return true;
}

/* ---- layout ---- */

/* Keys first, each group in the order in which it was added. */
static void sort_keys_first(struct schema *schema)
{
    struct pa_column sorted[SCHEMA_COLUMNS_MAX];
    uint32_t count = 0;

    for (int want_keys = 1; want_keys >= 0; want_keys--)
        for (uint32_t i = 0; i < schema->view.column_count; i++)
            if (column_is_key(&schema->columns[i]) == (want_keys == 1))
                sorted[count++] = schema->columns[i];
    memcpy(schema->columns, sorted, count * sizeof sorted[0]);
}

static uint32_t place_counters(const struct pa_schema *view, struct pa_column *columns,
                               uint32_t width, uint32_t at)
{
    for (uint32_t i = 0; i < view->column_count; i++) {
        if (column_is_key(&columns[i]) || columns[i].width != width)
            continue;
        columns[i].offset = at;
        at += width;
    }
    return at;
}

int schema_finish(struct schema *schema)
{
    struct pa_schema *view = &schema->view;
    uint32_t at = 0;

    sort_keys_first(schema);
    view->bin_offset = schema->has_bin ? 0 : -1;
    if (schema->has_bin)
        at = BIN_SIZE;
    for (uint32_t i = 0; i < view->column_count; i++) {
        struct pa_column *c = &schema->columns[i];
        if (!column_is_key(c))
            continue;
        c->offset = at;
        at += c->width;
    }
    view->key_size = at;
    /* Narrow counters take the room that the key leaves of its last word, so that the rows of a
     * traffic matrix and of 5-tuples fit a cache line. */
    for (uint32_t width = 4; width > 0; width /= 2)
        at = place_counters(view, schema->columns, width, at);
    at = place_counters(view, schema->columns, 8, round_up(at, 8));
    view->order_offset = schema->has_order ? (int32_t)at : -1;
    if (schema->has_order)
        at += ORDER_SIZE;
    at = round_up(at, 8);
    if (at > SCHEMA_ROW_SIZE_MAX)
        return -ENOSPC;
    if (!has_sound_events(view))
        return -EINVAL;
    view->row_size = at == 0 ? 8 : at; /* even a row without columns takes its place */
    schema->is_finished = true;
    return 0;
}

const struct pa_schema *schema_view(const struct schema *schema)
{
    return &schema->view;
}

const struct pa_column *schema_find(const struct pa_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (strcmp(schema->columns[i].name, name) == 0)
            return &schema->columns[i];
    return NULL;
}

void schema_encode(const struct schema *schema, struct text *out)
{
    const struct pa_schema *view = &schema->view;

    encode_u8(out, view->event_kind_count > 0 ? EVENTS_VERSION : SCHEMA_VERSION);
    encode_u8(out, schema->has_bin);
    encode_u8(out, schema->has_order);
    encode_u8(out, view->is_unaggregated);
    encode_u32(out, view->bin_seconds);
    encode_u32(out, view->row_size);
    encode_u32(out, view->key_size);
    encode_u16(out, (uint16_t)view->column_count);
    for (uint32_t i = 0; i < view->column_count; i++) {
        const struct pa_column *c = &view->columns[i];
        encode_string(out, c->name);
        encode_string(out, c->json_name);
        encode_string(out, c->csv_title);
        encode_string(out, c->sql_name);
        encode_string(out, c->value_names);
        encode_u8(out, c->kind);
        encode_u8(out, c->format);
        encode_u8(out, c->combine);
        encode_u16(out, c->width);
        encode_u16(out, c->json_place);
        encode_u16(out, c->csv_place);
    }
    if (view->event_kind_count == 0)
        return;
    encode_u16(out, (uint16_t)view->event_kind_count);
    for (uint32_t i = 0; i < view->event_kind_count; i++) {
        const struct pa_event_kind *k = &view->event_kinds[i];
        encode_string(out, k->name);
        encode_u16(out, (uint16_t)k->member_count);
        for (uint32_t n = 0; n < k->member_count; n++)
            encode_u16(out, k->members[n]);
    }
}

static int decode_column(struct reader *r, struct schema *schema)
{
    struct pa_column c = {0};
    int err = -EBADMSG;

    c.name = decode_string(r);
    c.json_name = decode_string(r);
    c.csv_title = decode_string(r);
    c.sql_name = decode_string(r);
    c.value_names = decode_string(r);
    c.kind = reader_u8(r);
    c.format = reader_u8(r);
    c.combine = reader_u8(r);
    c.width = reader_u16(r);
    c.json_place = reader_u16(r);
    c.csv_place = reader_u16(r);
    if (!r->failed && c.format <= PA_FORMAT_MEMBERS && schema_add(schema, &c) == 0)
        err = 0;
    column_clear(&c);
    return err;
}

static int decode_kinds(struct reader *r, struct schema *schema)
{
    uint16_t kind_count = reader_u16(r);

    for (uint16_t i = 0; i < kind_count; i++) {
        char *name = decode_string(r);
        uint16_t member_count = reader_u16(r);
        if (!name || r->failed || reader_left(r) < (size_t)member_count * 2) {
            mem_free(name);
            return -EBADMSG;
        }
        uint16_t *members = kind_add(schema, name, member_count);
        mem_free(name);
        for (uint16_t n = 0; n < member_count; n++)
            members[n] = reader_u16(r);
    }
    return r->failed || kind_count == 0 ? -EBADMSG : 0;
}

int schema_decode(const void *data, size_t len, struct schema **ret_schema)
{
    struct reader r = reader_make(data, len);
    struct schema *schema = schema_new();

    uint8_t version = reader_u8(&r);
    uint8_t has_bin = reader_u8(&r);
    uint8_t has_order = reader_u8(&r);
    uint8_t is_unaggregated = reader_u8(&r);
    uint32_t bin_seconds = reader_u32(&r);
    uint32_t row_size = reader_u32(&r);
    uint32_t key_size = reader_u32(&r);
    uint16_t column_count = reader_u16(&r);
    bool is_known = version == SCHEMA_VERSION || version == EVENTS_VERSION;
    int err = r.failed || is_known ? -EBADMSG : -EPROTONOSUPPORT;
    if (r.failed || !is_known || has_bin > 1 || has_order > 1 || is_unaggregated > 1)
        goto fail;
    for (uint16_t i = 0; i < column_count; i++)
        if (decode_column(&r, schema) < 0)
            goto fail;
    if (version == EVENTS_VERSION && decode_kinds(&r, schema) < 0)
        goto fail;
    if (reader_left(&r) > 0)
        goto fail;
    schema->has_bin = has_bin;
    schema->has_order = has_order;
    schema->view.is_unaggregated = is_unaggregated;
    schema->view.bin_seconds = bin_seconds;
    if (schema_finish(schema) < 0 || schema->view.row_size != row_size ||
        schema->view.key_size != key_size)
        goto fail;
    *ret_schema = schema;
    return 0;
fail:
    schema_free(schema);
    return err;
}

void schema_combine(const struct pa_schema *schema, uint8_t *into, const uint8_t *row)
{
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct pa_column *c = &schema->columns[i];
        if (!column_is_key(c))
            row_number_add(into + c->offset, c->width, c->combine, row + c->offset);
    }
    if (schema->order_offset >= 0) {
        uint64_t a = row_number_load(into + schema->order_offset, ORDER_SIZE);
        uint64_t b = row_number_load(row + schema->order_offset, ORDER_SIZE);
        row_number_store(into + schema->order_offset, ORDER_SIZE, a < b ? a : b);
    }
}
