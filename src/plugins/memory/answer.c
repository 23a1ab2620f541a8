/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks through a snapshot and makes messages of the rows that match. See answer.h. */
#include "plugins/memory/answer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/writer.h"
#include "plugins/memory/query_wire.h"
#include "plugins/memory/value_store.h"
#include <string.h>

enum {
    ROWS_AT_ONCE = 4096, /* rows that are looked at in a turn */
    BATCH_BYTES = 128 * 1024,
};

struct answer {
    struct table *table;
    const struct pa_schema *schema;
    struct match *match;
    struct table_snapshot *snapshot;
    uint64_t place;
    struct query_status status;
    uint32_t *bytes_offsets;
    uint32_t bytes_count;
    struct text values, rows; /* the contents of the batch under way */
};

static struct pa_bytes bytes_of(const void *arg, uint32_t id)
{
    return value_store_at(arg, id);
}

static bool is_wanted(void *arg, const uint8_t *row)
{
    const struct answer *a = arg;

    return !a->match || match_row(a->match, row, bytes_of, table_values(a->table));
}

struct answer *answer_new(struct table *table, const struct pa_schema *schema, struct match *match,
                          bool resets, const struct query_status *status)
{
    struct answer *a = mem_zalloc(sizeof *a);

    a->table = table;
    a->schema = schema;
    a->match = match;
    a->status = *status;
    a->bytes_offsets = mem_calloc((size_t)schema->column_count + 1, sizeof *a->bytes_offsets);
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (schema->columns[i].kind == PA_KIND_BYTES)
            a->bytes_offsets[a->bytes_count++] = schema->columns[i].offset;
    a->snapshot = table_snapshot_new(table, clock_mono().ns);
    if (resets)
        a->status.removed_rows = table_remove(table, is_wanted, a);
    return a;
}

void answer_free(struct answer *a)
{
    if (!a)
        return;
    table_snapshot_free(a->snapshot);
    match_free(a->match);
    mem_free(a->bytes_offsets);
    text_clear(&a->values);
    text_clear(&a->rows);
    mem_free(a);
}

uint64_t answer_removed_rows(const struct answer *a)
{
    return a->status.removed_rows;
}

/* Puts a row whose ids count within the message. */
static void put_row(struct answer *a, const uint8_t *row, uint32_t *value_count)
{
    struct value_store *values = table_values(a->table);
    size_t start = a->rows.len;

    text_append(&a->rows, row, a->schema->row_size);
    for (uint32_t i = 0; i < a->bytes_count; i++) {
        char *field = a->rows.data + start + a->bytes_offsets[i];
        uint32_t id, number = 0;
        bool is_new = false;
        memcpy(&id, field, sizeof id);
        if (id != 0)
            number = value_store_number(values, id, &is_new);
        memcpy(field, &number, sizeof number);
        if (!is_new)
            continue;
        struct pa_bytes value = value_store_at(values, id);
        query_append_u32(&a->values, value.len);
        text_append(&a->values, value.data, value.len);
        ++*value_count;
    }
}

bool answer_append(struct answer *a, struct text *out)
{
    uint32_t value_count = 0, row_count = 0;
    const uint8_t *row = NULL;

    text_reset(&a->values);
    text_reset(&a->rows);
    value_store_number_start(table_values(a->table));
    for (int i = 0; i < ROWS_AT_ONCE && a->rows.len + a->values.len < BATCH_BYTES; i++) {
        row = table_snapshot_next(a->snapshot, &a->place);
        if (!row)
            break;
        if (!is_wanted(a, row))
            continue;
        put_row(a, row, &value_count);
        row_count++;
    }
    if (row_count > 0) {
        size_t start = query_begin(out, QUERY_BATCH);
        query_append_u32(out, value_count);
        text_append(out, a->values.data, a->values.len);
        query_append_u32(out, row_count);
        text_append(out, a->rows.data, a->rows.len);
        query_finish(out, start);
        a->status.matched_rows += row_count;
    }
    if (row)
        return true;
    query_status_encode(&a->status, out);
    return false;
}
