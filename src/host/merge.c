/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows are copied into blocks of one arena with their ids replaced by ids of one common dictionary;
 * then equal keys are equal bytes, and an index of their hashes finds them.
 */
#include "host/merge.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/row_index.h"
#include "handover/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ROWS 1024u

struct row_place {
    uint64_t order;
    uint32_t number; /* breaks ties in favour of the row that came first */
};

struct merge {
    const struct pa_schema *schema;
    bool combines;
    uint32_t *byte_columns; /* offsets of ids in a row */
    uint32_t byte_column_count;

    uint8_t **blocks;
    uint32_t block_count, row_count;
    struct row_index rows;   /* numbers of rows */
    struct row_index values; /* numbers of dictionary entries */
    uint64_t seed;           /* of the hashes in both indexes */

    struct pa_bytes *entries; /* the common dictionary, entry 0 empty */
    uint32_t entry_count, entry_capacity;
    uint32_t *ids; /* the current source's id -> common id */
    uint32_t id_count, id_capacity;

    struct row_place *places;
    uint8_t *out;
};

struct merge *merge_new(const struct pa_schema *schema, bool combines)
{
    struct merge *m = mem_zalloc(sizeof *m);
    m->schema = schema;
    m->seed = hash_seed();
    m->combines = combines;
    m->byte_columns = mem_calloc(schema->column_count + 1, sizeof *m->byte_columns);
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (schema->columns[i].kind == PA_KIND_BYTES)
            m->byte_columns[m->byte_column_count++] = schema->columns[i].offset;
    row_index_init(&m->rows);
    row_index_init(&m->values);
    m->out = mem_alloc((size_t)BLOCK_ROWS * schema->row_size);
    merge_reset(m);
    return m;
}

void merge_free(struct merge *m)
{
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->block_count; i++)
        mem_free(m->blocks[i]);
    mem_free(m->blocks);
    mem_free(m->byte_columns);
    row_index_clear(&m->rows);
    row_index_clear(&m->values);
    mem_free(m->entries);
    mem_free(m->ids);
    mem_free(m->places);
    mem_free(m->out);
    mem_free(m);
}

static void reserve_entries(struct merge *m, uint32_t count)
{
    if (count <= m->entry_capacity)
        return;
    m->entry_capacity = count > 2 * m->entry_capacity ? count : 2 * m->entry_capacity;
    m->entries = mem_realloc_array(m->entries, m->entry_capacity, sizeof *m->entries);
}

void merge_reset(struct merge *m)
{
    if (m->rows.used > 0)
        row_index_reset(&m->rows);
    if (m->values.used > 0)
        row_index_reset(&m->values);
    m->row_count = 0;
    m->id_count = 0;
    reserve_entries(m, 16);
    m->entries[0] = (struct pa_bytes){(const uint8_t *)"", 0};
    m->entry_count = 1;
}

/* Returns the common id of a value; the caller has made room for one more. */
static uint32_t value_intern(struct merge *m, const struct pa_bytes *value)
{
    uint32_t hash = (uint32_t)hash_bytes(value->data, value->len, m->seed);
    uint32_t at = hash & m->values.mask, id;

    if (value->len == 0)
        return 0;
    while (row_index_next(&m->values, hash, &at, &id)) {
        const struct pa_bytes *known = &m->entries[id];
        if (known->len == value->len && memcmp(known->data, value->data, value->len) == 0)
            return id;
    }
    id = m->entry_count;
    m->entries[m->entry_count++] = *value;
    row_index_put(&m->values, hash, at, id);
    return id;
}

void merge_set_dictionary(struct merge *m, const struct pa_bytes *dictionary, uint32_t count)
{
    if (count > m->id_capacity) {
        m->id_capacity = count;
        m->ids = mem_realloc_array(m->ids, count, sizeof *m->ids);
    }
    reserve_entries(m, m->entry_count + count);
    row_index_reserve(&m->values, count);
    for (uint32_t i = 0; i < count; i++)
        m->ids[i] = value_intern(m, &dictionary[i]);
    m->id_count = count;
}

static uint8_t *row_at(const struct merge *m, uint32_t index)
{
    return m->blocks[index / BLOCK_ROWS] + (size_t)(index % BLOCK_ROWS) * m->schema->row_size;
}

/* Makes room behind the last row and returns it. */
static uint8_t *reserve_row(struct merge *m)
{
    if (m->row_count == m->block_count * BLOCK_ROWS) {
        m->blocks = mem_realloc_array(m->blocks, m->block_count + 1, sizeof *m->blocks);
        m->blocks[m->block_count++] = mem_alloc((size_t)BLOCK_ROWS * m->schema->row_size);
    }
    return row_at(m, m->row_count);
}

static int replace_ids(const struct merge *m, uint8_t *row)
{
    for (uint32_t i = 0; i < m->byte_column_count; i++) {
        uint32_t id;
        memcpy(&id, row + m->byte_columns[i], sizeof id);
        if (id == 0)
            continue;
        if (id >= m->id_count)
            return -EBADMSG;
        memcpy(row + m->byte_columns[i], &m->ids[id], sizeof id);
    }
    return 0;
}

/* Keeps the row that lies behind the last one, or adds it to the row that has its key already. The
 * caller has made room in the index for one more. */
static void put_row(struct merge *m, const uint8_t *row)
{
    uint32_t hash = (uint32_t)hash_bytes(row, m->schema->key_size, m->seed);
    uint32_t at = hash & m->rows.mask, number;

    while (row_index_next(&m->rows, hash, &at, &number)) {
        uint8_t *known = row_at(m, number);
        if (memcmp(known, row, m->schema->key_size) == 0) {
            schema_combine(m->schema, known, row);
            return;
        }
    }
    row_index_put(&m->rows, hash, at, m->row_count++);
}

int merge_add(struct merge *m, const uint8_t *rows, uint32_t row_count)
{
    if (m->combines)
        row_index_reserve(&m->rows, row_count);
    for (uint32_t i = 0; i < row_count; i++) {
        uint8_t *row = reserve_row(m);
        memcpy(row, rows + (size_t)i * m->schema->row_size, m->schema->row_size);
        int err = replace_ids(m, row);
        if (err < 0)
            return err;
        if (m->combines)
            put_row(m, row);
        else
            m->row_count++;
    }
    return 0;
}

uint64_t merge_row_count(const struct merge *m)
{
    return m->row_count;
}

static int compare_places(const void *a, const void *b)
{
    const struct row_place *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static uint64_t row_order(const struct merge *m, uint32_t index)
{
    uint64_t order;
    memcpy(&order, row_at(m, index) + m->schema->order_offset, sizeof order);
    return order;
}

static bool is_in_order(const struct merge *m)
{
    if (m->schema->order_offset < 0)
        return true;
    for (uint32_t i = 1; i < m->row_count; i++)
        if (row_order(m, i) < row_order(m, i - 1))
            return false;
    return true;
}

static void sort_places(struct merge *m)
{
    m->places = mem_realloc_array(m->places, m->row_count, sizeof *m->places);
    for (uint32_t i = 0; i < m->row_count; i++)
        m->places[i] = (struct row_place){row_order(m, i), i};
    qsort(m->places, m->row_count, sizeof *m->places, compare_places);
}

int merge_emit(struct merge *m, merge_batch_fn *fn, void *arg)
{
    const uint32_t row_size = m->schema->row_size;
    bool is_sorted = is_in_order(m);

    if (!is_sorted)
        sort_places(m);
    for (uint32_t first = 0; first < m->row_count; first += BLOCK_ROWS) {
        uint32_t count = m->row_count - first < BLOCK_ROWS ? m->row_count - first : BLOCK_ROWS;
        struct pa_batch batch = {.rows = m->blocks[first / BLOCK_ROWS],
                                 .row_count = count,
                                 .dictionary = m->entries,
                                 .dictionary_count = m->entry_count};
        if (!is_sorted) {
            for (uint32_t i = 0; i < count; i++)
                memcpy(m->out + (size_t)i * row_size, row_at(m, m->places[first + i].number),
                       row_size);
            batch.rows = m->out;
        }
        int err = fn(arg, &batch);
        if (err < 0)
            return err;
    }
    return 0;
}
