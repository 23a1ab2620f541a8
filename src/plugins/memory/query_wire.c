/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encodes and decodes the messages. Whichever end reads, the bytes are from a stranger and are
 * checked. See query_wire.h. */
#include "plugins/memory/query_wire.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/writer.h"
#include <errno.h>
#include <string.h>

enum { COLUMNS_MAX = 4096, ROW_SIZE_MAX = 1 << 20 };

/* ---- primitives ---- */

static void append_u8(struct text *out, uint8_t value)
{
    text_append(out, &value, 1);
}

static void append_u16(struct text *out, uint16_t value)
{
    uint8_t bytes[2];

    wire_put_u16(bytes, value);
    text_append(out, bytes, sizeof bytes);
}

void query_append_u32(struct text *out, uint32_t value)
{
    uint8_t bytes[4];

    wire_put_u32(bytes, value);
    text_append(out, bytes, sizeof bytes);
}

static void append_u64(struct text *out, uint64_t value)
{
    query_append_u32(out, (uint32_t)(value >> 32));
    query_append_u32(out, (uint32_t)value);
}

void query_append_string(struct text *out, const char *string)
{
    size_t len = string ? strnlen(string, UINT16_MAX) : 0;

    append_u16(out, (uint16_t)len);
    text_append(out, string, len);
}

char *query_read_string(struct reader *r)
{
    uint16_t len = reader_u16(r);
    const uint8_t *bytes = reader_bytes(r, len);

    if (!bytes)
        return NULL;
    struct text shown = {0};
    text_append_shown(&shown, (const char *)bytes, len);
    char *string = mem_strdup(text_cstr(&shown));
    text_clear(&shown);
    return string;
}

/* ---- messages ---- */

size_t query_begin(struct text *out, enum query_type type)
{
    size_t start = out->len;

    query_append_u32(out, QUERY_MAGIC);
    append_u16(out, QUERY_VERSION);
    append_u16(out, (uint16_t)type);
    query_append_u32(out, 0);
    return start;
}

void query_finish(struct text *out, size_t start)
{
    size_t len = out->len - start - QUERY_HEADER_LEN;

    wire_put_u32((uint8_t *)out->data + start + 8, (uint32_t)len);
}

int query_header_decode(const uint8_t bytes[QUERY_HEADER_LEN], uint32_t max_len,
                        struct query_header *ret_header)
{
    struct reader r = reader_make(bytes, QUERY_HEADER_LEN);

    if (reader_u32(&r) != QUERY_MAGIC)
        return -EBADMSG;
    if (reader_u16(&r) != QUERY_VERSION)
        return -EPROTONOSUPPORT;
    ret_header->type = reader_u16(&r);
    ret_header->body_len = reader_u32(&r);
    return ret_header->body_len > max_len ? -EMSGSIZE : 0;
}

/* ---- TABLE ---- */

static bool *option_at(struct value_options *v, size_t i)
{
    bool *const options[] = {&v->has_numeric_protos, &v->has_tcp_flags_array,
                             &v->has_tcp_flags_text, &v->has_fwd_status_text,
                             &v->has_label_map,      &v->has_label_stack_array,
                             &v->has_as_path_array,  &v->has_communities_array,
                             &v->has_dscp,           &v->has_unspecified_address};

    return i < sizeof options / sizeof options[0] ? options[i] : NULL;
}

static uint32_t options_pack(const struct value_options *values)
{
    struct value_options v = *values;
    uint32_t bits = 0;
    bool *option;

    for (size_t i = 0; (option = option_at(&v, i)) != NULL; i++)
        bits |= (uint32_t)*option << i;
    return bits;
}

static void options_unpack(uint32_t bits, struct value_options *v)
{
    bool *option;

    for (size_t i = 0; (option = option_at(v, i)) != NULL; i++)
        *option = bits >> i & 1;
}

void query_table_encode(const char *instance_name, const struct pa_schema *schema,
                        const struct value_options *values, struct text *out)
{
    size_t start = query_begin(out, QUERY_TABLE);

    query_append_string(out, instance_name);
    query_append_u32(out, options_pack(values));
    query_append_u32(out, schema->row_size);
    query_append_u32(out, schema->key_size);
    query_append_u32(out, schema->column_count);
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct pa_column *c = &schema->columns[i];
        query_append_string(out, c->name);
        query_append_string(out, c->json_name);
        query_append_string(out, c->csv_title);
        query_append_string(out, c->value_names);
        append_u8(out, c->kind);
        append_u8(out, c->format);
        append_u8(out, c->combine);
        append_u16(out, c->width);
        query_append_u32(out, c->offset);
        append_u16(out, c->json_place);
        append_u16(out, c->csv_place);
    }
    query_finish(out, start);
}

static uint16_t kind_width(uint8_t kind)
{
    static const uint8_t widths[] = {
        [PA_KIND_U8] = 1,    [PA_KIND_U16] = 2, [PA_KIND_U32] = 4,  [PA_KIND_U64] = 8,
        [PA_KIND_ADDR] = 17, [PA_KIND_MAC] = 6, [PA_KIND_TIME] = 8, [PA_KIND_BYTES] = 4,
    };

    return kind < sizeof widths ? widths[kind] : 0;
}

static void column_clear(struct pa_column *c)
{
    mem_free((void *)(uintptr_t)c->name);
    mem_free((void *)(uintptr_t)c->json_name);
    mem_free((void *)(uintptr_t)c->csv_title);
    mem_free((void *)(uintptr_t)c->value_names);
}

static bool column_decode(struct reader *r, const struct pa_schema *schema, struct pa_column *c)
{
    c->name = query_read_string(r);
    c->json_name = query_read_string(r);
    c->csv_title = query_read_string(r);
    c->value_names = query_read_string(r);
    c->kind = reader_u8(r);
    c->format = reader_u8(r);
    c->combine = reader_u8(r);
    c->width = reader_u16(r);
    c->offset = reader_u32(r);
    c->json_place = reader_u16(r);
    c->csv_place = reader_u16(r);
    return !r->failed && c->name[0] != '\0' && c->kind <= PA_KIND_FIXED &&
           c->combine <= PA_COMBINE_MAX && c->width > 0 &&
           (c->kind == PA_KIND_FIXED || c->width == kind_width(c->kind)) &&
           c->width <= schema->row_size && c->offset <= schema->row_size - c->width;
}

int query_table_decode(struct reader *r, struct query_table *ret_table)
{
    struct query_table t = {.instance_name = query_read_string(r)};
    struct pa_column *columns = NULL;
    uint32_t count, i = 0;

    options_unpack(reader_u32(r), &t.values);
    t.schema.bin_offset = t.schema.order_offset = -1;
    t.schema.row_size = reader_u32(r);
    t.schema.key_size = reader_u32(r);
    count = reader_u32(r);
    if (r->failed || t.schema.row_size == 0 || t.schema.row_size > ROW_SIZE_MAX ||
        t.schema.key_size > t.schema.row_size || count > COLUMNS_MAX)
        goto fail;
    t.schema.columns = columns = mem_calloc((size_t)count + 1, sizeof *columns);
    for (i = 0; i < count; i++) {
        t.schema.column_count = i + 1;
        if (!column_decode(r, &t.schema, &columns[i]))
            goto fail;
    }
    *ret_table = t;
    return 0;
fail:
    query_table_clear(&t);
    return -EBADMSG;
}

void query_table_clear(struct query_table *table)
{
    struct pa_column *columns = (struct pa_column *)(uintptr_t)table->schema.columns;

    for (uint32_t i = 0; i < table->schema.column_count; i++)
        column_clear(&columns[i]);
    mem_free(columns);
    mem_free(table->instance_name);
    *table = (struct query_table){0};
}

/* ---- requests ---- */

void query_rows_encode(bool resets, const struct match *match, struct text *out)
{
    size_t start = query_begin(out, QUERY_ROWS), columns = match ? match_column_count(match) : 0;

    append_u8(out, resets);
    append_u16(out, (uint16_t)columns);
    for (size_t i = 0; i < columns; i++)
        append_u16(out, match_column_at(match, i));
    query_append_u32(out, match ? (uint32_t)match_count(match) : 0);
    for (size_t n = 0; match && n < match_count(match); n++) {
        const struct pa_bytes *values = match_values(match, n);
        for (size_t i = 0; i < columns; i++) {
            append_u8(out, values[i].data != NULL);
            if (!values[i].data)
                continue;
            query_append_u32(out, values[i].len);
            text_append(out, values[i].data, values[i].len);
        }
    }
    query_finish(out, start);
}

static int alternatives_decode(struct reader *r, size_t columns, struct match *match)
{
    struct pa_bytes values[MATCH_COLUMNS_MAX];
    uint32_t count = reader_u32(r);

    for (uint32_t n = 0; n < count && !r->failed; n++) {
        for (size_t i = 0; i < columns; i++) {
            values[i] = (struct pa_bytes){0};
            if (reader_u8(r) == 0)
                continue;
            values[i].len = reader_u32(r);
            values[i].data = reader_bytes(r, values[i].len);
        }
        if (r->failed)
            break;
        int err = match_add(match, values);
        if (err < 0)
            return err == -ENOSPC ? -ENOSPC : -EBADMSG;
    }
    return r->failed ? -EBADMSG : 0;
}

static int match_decode(struct reader *r, const struct pa_schema *schema, struct match **ret_match)
{
    uint16_t columns[MATCH_COLUMNS_MAX], count = reader_u16(r);
    struct match *match = NULL;
    int err;

    if (count == 0) { /* all rows */
        *ret_match = NULL;
        return reader_u32(r) == 0 && !r->failed ? 0 : -EBADMSG;
    }
    if (count > MATCH_COLUMNS_MAX)
        return -ENOSPC;
    for (uint16_t i = 0; i < count; i++)
        columns[i] = reader_u16(r);
    if (r->failed || match_new(schema, columns, count, &match) < 0)
        return -EBADMSG;
    err = alternatives_decode(r, count, match);
    if (err < 0) {
        match_free(match);
        return err;
    }
    *ret_match = match;
    return 0;
}

int query_request_decode(const struct query_header *header, const uint8_t *body,
                         const struct pa_schema *schema, struct query_request *ret_request)
{
    struct reader r = reader_make(body, header->body_len);
    struct query_request request = {.type = (uint8_t)header->type};
    int err = 0;

    switch (header->type) {
    case QUERY_ROWS:
        request.resets = reader_u8(&r) != 0;
        err = match_decode(&r, schema, &request.match);
        break;
    case QUERY_ERASE:
    case QUERY_STATUS:
        break;
    default:
        return -EBADMSG;
    }
    if (err == 0 && reader_left(&r) > 0) {
        match_free(request.match);
        err = -EBADMSG;
    }
    if (err == 0)
        *ret_request = request;
    return err;
}

/* ---- END ---- */

/* Returns the fields of a status one after the other, in the order of the wire. */
static uint64_t *status_field(struct query_status *s, size_t i)
{
    uint64_t *const fields[] = {
        &s->row_count,    &s->bytes,        &s->max_bytes,    &s->copied_bytes, &s->value_count,
        &s->refused_rows, &s->client_count, &s->matched_rows, &s->removed_rows,
    };

    return i < sizeof fields / sizeof fields[0] ? fields[i] : NULL;
}

static int64_t *status_time(struct query_status *s, size_t i)
{
    int64_t *const times[] = {&s->now_ns, &s->started_ns, &s->erased_ns, &s->updated_ns};

    return i < sizeof times / sizeof times[0] ? times[i] : NULL;
}

void query_status_encode(const struct query_status *status, struct text *out)
{
    struct query_status s = *status;
    size_t start = query_begin(out, QUERY_END);

    for (size_t i = 0; status_field(&s, i); i++)
        append_u64(out, *status_field(&s, i));
    for (size_t i = 0; status_time(&s, i); i++)
        append_u64(out, (uint64_t)*status_time(&s, i));
    query_finish(out, start);
}

int query_status_decode(struct reader *r, struct query_status *ret_status)
{
    struct query_status s = {0};

    for (size_t i = 0; status_field(&s, i); i++)
        *status_field(&s, i) = reader_u64(r);
    for (size_t i = 0; status_time(&s, i); i++)
        *status_time(&s, i) = (int64_t)reader_u64(r);
    if (r->failed)
        return -EBADMSG;
    *ret_status = s;
    return 0;
}

/* ---- BATCH ---- */

int query_batch_decode(struct reader *r, const struct pa_schema *schema, struct query_batch *b)
{
    uint32_t value_count = reader_u32(r), row_count;

    if (value_count > reader_left(r) / 4) /* each value has a length at least */
        return -EBADMSG;
    if (value_count + 1 > b->capacity) {
        b->capacity = value_count + 1;
        b->dictionary = mem_realloc_array(b->dictionary, b->capacity, sizeof *b->dictionary);
    }
    b->dictionary[0] = (struct pa_bytes){(const uint8_t *)"", 0};
    for (uint32_t i = 1; i <= value_count; i++) {
        uint32_t len = reader_u32(r);
        b->dictionary[i] = (struct pa_bytes){reader_bytes(r, len), len};
    }
    row_count = reader_u32(r);
    if (r->failed || reader_left(r) != (uint64_t)row_count * schema->row_size)
        return -EBADMSG;
    b->batch = (struct pa_batch){.rows = r->pos,
                                 .row_count = row_count,
                                 .dictionary = b->dictionary,
                                 .dictionary_count = value_count + 1};
    return 0;
}

void query_batch_clear(struct query_batch *batch)
{
    mem_free(batch->dictionary);
    *batch = (struct query_batch){0};
}
