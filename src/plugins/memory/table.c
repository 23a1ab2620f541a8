/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of rows. Rows are added in groups, each step over the whole group: key and hash, find
 * the candidate, compare and add. Between the steps the memory that comes next is prefetched, as
 * the cost of a large table is memory latency. Whether a block is pinned is asked of an array that
 * stays in the cache, not of the block. See table.h.
 */
#define XXH_INLINE_ALL
#include "plugins/memory/table.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/row_index.h"
#include "plugins/memory/row_plan.h"
#include "plugins/memory/value_store.h"

enum {
    BLOCK_BYTES = 64 * 1024, /* of rows: a write to a pinned block copies so many at most */
    BLOCK_ROWS_MIN = 8,
    GROUP_ROWS = 64,
    /* Bytes that a row takes in the index: slots of 8 bytes, five eighths of them full. */
    INDEX_BYTES = 16,
    ROWS_MAX = UINT32_MAX - 1,
};
#define NO_ID UINT32_MAX

struct block {
    uint32_t pin_count; /* snapshots that have the block */
    bool is_current;    /* the block is part of the table */
    uint8_t *rows;
    uint64_t live[]; /* a bit for each row that lives */
};

struct table {
    const struct pa_schema *schema;
    struct row_plan plan;
    uint32_t row_size, key_size, row_shift, row_mask; /* row number = block << shift | row in it */
    size_t live_size;                                 /* bytes of a block's bits */
    struct block **blocks;
    uint8_t *may_be_pinned; /* for each block */
    uint32_t block_count, block_capacity;
    uint32_t row_end;    /* rows below it have been used */
    uint32_t first_free; /* number + 1; a free row starts with the number + 1 of the next */
    uint64_t row_count;
    struct row_index index;
    uint64_t seed;
    struct value_store *values;
    uint64_t max_bytes, row_cost, copied_bytes;
    uint32_t snapshot_count;
    struct table_snapshot *latest; /* the one that a reader may share; NULL: none */
    bool has_old_values;           /* there may be values that only snapshots need */
    bool is_adding;                /* values may have no row for the moment */
    table_pressure_fn *pressure;
    void *pressure_arg;
    /* Ids of the batches' dictionary as ids in `values`, as far as they have been asked for. */
    const struct pa_bytes *dictionary;
    uint32_t dictionary_count, map_capacity;
    uint32_t *map; /* id + 1; 0: not asked for yet */
    uint8_t *keys; /* GROUP_ROWS keys, for rows whose ids are translated */
};

struct table_snapshot {
    struct table *table;
    uint32_t reader_count;
    int64_t taken_ns;
    uint32_t block_count;
    struct block *blocks[];
};

struct probe {
    const uint8_t *key; /* NULL: the row is refused */
    uint32_t hash;
};

uint64_t table_row_cost(const struct pa_schema *schema)
{
    return schema->row_size + INDEX_BYTES;
}

struct table *table_new(const struct pa_schema *schema, uint64_t max_bytes)
{
    struct table *t = mem_zalloc(sizeof *t);

    t->schema = schema;
    row_plan_init(&t->plan, schema);
    t->row_size = schema->row_size;
    t->key_size = schema->key_size;
    while ((2u << t->row_shift) * t->row_size <= BLOCK_BYTES ||
           (1u << t->row_shift) < BLOCK_ROWS_MIN)
        t->row_shift++;
    t->row_mask = (1u << t->row_shift) - 1;
    t->live_size = ((t->row_mask >> 6) + 1) * sizeof(uint64_t);
    t->max_bytes = max_bytes;
    t->row_cost = table_row_cost(schema);
    t->seed = hash_seed();
    row_index_init(&t->index);
    t->values = value_store_new();
    t->keys = mem_calloc(GROUP_ROWS, (size_t)t->key_size + 1);
    return t;
}

/* ---- blocks ---- */

static size_t block_bytes(const struct table *t)
{
    return (size_t)(t->row_mask + 1) * t->row_size;
}

static struct block *block_new(const struct table *t)
{
    struct block *b = mem_alloc(sizeof *b + t->live_size);

    memset(b, 0, sizeof *b + t->live_size);
    b->is_current = true;
    b->rows = mem_alloc(block_bytes(t));
    return b;
}

static void block_free(struct block *b)
{
    mem_free(b->rows);
    mem_free(b);
}

static void block_unpin(struct table *t, struct block *b)
{
    if (--b->pin_count > 0 || b->is_current)
        return;
    t->copied_bytes -= block_bytes(t);
    block_free(b);
}

/* Gives up the table's hold on a block; the last snapshot that has it frees it. */
static void block_drop(struct table *t, struct block *b)
{
    b->is_current = false;
    if (b->pin_count > 0)
        t->copied_bytes += block_bytes(t);
    else
        block_free(b);
}

/* Copies may take twice as much as the table may, and never so little that nobody can read. */
static uint64_t copied_bytes_max(const struct table *t)
{
    uint64_t least = 4 * (uint64_t)block_bytes(t);
    uint64_t max = t->max_bytes > 0 ? t->max_bytes : t->row_count * t->row_cost;

    return 2 * max > least ? 2 * max : least;
}

static void block_make_own(struct table *t, uint32_t number)
{
    struct block *b = t->blocks[number], *copy;

    t->may_be_pinned[number] = 0;
    if (b->pin_count == 0)
        return;
    if (t->pressure && t->copied_bytes + block_bytes(t) > copied_bytes_max(t)) {
        t->pressure(t->pressure_arg);
        if (b->pin_count == 0)
            return;
    }
    copy = block_new(t);
    memcpy(copy->live, b->live, t->live_size);
    memcpy(copy->rows, b->rows, block_bytes(t));
    t->blocks[number] = copy;
    block_drop(t, b);
}

static void block_add(struct table *t)
{
    if (t->block_count == t->block_capacity) {
        t->block_capacity = t->block_capacity ? t->block_capacity * 2 : 16;
        t->blocks = mem_realloc_array(t->blocks, t->block_capacity, sizeof *t->blocks);
        t->may_be_pinned =
            mem_realloc_array(t->may_be_pinned, t->block_capacity, sizeof *t->may_be_pinned);
    }
    t->may_be_pinned[t->block_count] = 0;
    t->blocks[t->block_count++] = block_new(t);
}

/* ---- rows ---- */

static const uint8_t *row_at(const struct table *t, uint32_t row)
{
    return t->blocks[row >> t->row_shift]->rows + (size_t)(row & t->row_mask) * t->row_size;
}

static struct block *block_for_writing(struct table *t, uint32_t row)
{
    uint32_t number = row >> t->row_shift;

    if (t->may_be_pinned[number])
        block_make_own(t, number);
    return t->blocks[number];
}

static uint8_t *row_in(const struct table *t, struct block *b, uint32_t row)
{
    return b->rows + (size_t)(row & t->row_mask) * t->row_size;
}

static bool row_is_live(const struct table *t, const struct block *b, uint32_t row)
{
    uint32_t bit = row & t->row_mask;

    return b->live[bit >> 6] >> (bit & 63) & 1;
}

/* Fills a free row with a caller's data; the caller has made sure that there is room. */
static uint32_t row_new(struct table *t, const uint8_t *data)
{
    uint32_t row, bit, next;
    struct block *b;

    if (t->first_free != 0) {
        row = t->first_free - 1;
        memcpy(&next, row_at(t, row), sizeof next);
        t->first_free = next;
    } else {
        row = t->row_end++;
        if (row >> t->row_shift == t->block_count)
            block_add(t);
    }
    b = block_for_writing(t, row);
    memcpy(row_in(t, b, row), data, t->row_size);
    bit = row & t->row_mask;
    b->live[bit >> 6] |= UINT64_C(1) << (bit & 63);
    t->row_count++;
    return row;
}

static void row_free(struct table *t, uint32_t row)
{
    struct block *b = block_for_writing(t, row);
    uint32_t bit = row & t->row_mask;

    b->live[bit >> 6] &= ~(UINT64_C(1) << (bit & 63));
    memcpy(row_in(t, b, row), &t->first_free, sizeof t->first_free);
    t->first_free = row + 1;
    t->row_count--;
}

uint64_t table_row_count(const struct table *t)
{
    return t->row_count;
}

uint64_t table_bytes(const struct table *t)
{
    return t->row_count * t->row_cost + value_store_bytes(t->values);
}

uint64_t table_max_bytes(const struct table *t)
{
    return t->max_bytes;
}

uint64_t table_copied_bytes(const struct table *t)
{
    return t->copied_bytes;
}

struct value_store *table_values(struct table *t)
{
    return t->values;
}

static bool has_room(const struct table *t, uint64_t more)
{
    return t->row_count < ROWS_MAX &&
           (t->max_bytes == 0 || table_bytes(t) + t->row_cost + more <= t->max_bytes);
}

/* ---- keys ---- */

void table_forget_dictionary(struct table *t)
{
    t->dictionary = NULL;
}

static void map_prepare(struct table *t, const struct pa_batch *batch)
{
    if (t->plan.bytes_count == 0 ||
        (t->dictionary == batch->dictionary && t->dictionary_count == batch->dictionary_count))
        return;
    if (batch->dictionary_count > t->map_capacity) {
        mem_free(t->map);
        t->map_capacity = batch->dictionary_count;
        t->map = mem_alloc((size_t)t->map_capacity * sizeof *t->map);
    }
    memset(t->map, 0, (size_t)batch->dictionary_count * sizeof *t->map);
    t->dictionary = batch->dictionary;
    t->dictionary_count = batch->dictionary_count;
}

/* Translates an id. A value that the table does not have belongs to a row that it does not have
 * either: if there is no room for the row there is no use in keeping the value. */
static uint32_t own_id(struct table *t, const struct pa_batch *batch, uint32_t id)
{
    uint32_t own;

    if (id == 0 || id >= batch->dictionary_count)
        return 0;
    if (t->map[id] != 0)
        return t->map[id] - 1;
    if (!value_store_find(t->values, batch->dictionary[id], &own)) {
        if (!has_room(t, value_store_cost(batch->dictionary[id].len)))
            return NO_ID;
        own = value_store_put(t->values, batch->dictionary[id]);
    }
    t->map[id] = own + 1;
    return own;
}

/* Returns the key of a row with the table's own ids; NULL: no room for a value. */
static const uint8_t *key_make(struct table *t, const struct pa_batch *batch, const uint8_t *row,
                               uint8_t *room)
{
    if (t->plan.bytes_count == 0)
        return row;
    memcpy(room, row, t->key_size);
    for (uint32_t i = 0; i < t->plan.bytes_count; i++) {
        uint8_t *field = room + t->plan.bytes_offsets[i];
        uint32_t id;
        memcpy(&id, field, sizeof id);
        id = own_id(t, batch, id);
        if (id == NO_ID)
            return NULL;
        memcpy(field, &id, sizeof id);
    }
    return room;
}

static uint32_t hash_key(const struct table *t, const uint8_t *key)
{
    return (uint32_t)hash_bytes(key, t->key_size, t->seed);
}

/* ---- a group ---- */

static void group_hash(struct table *t, const struct pa_batch *batch, const uint8_t *rows,
                       uint32_t count, struct probe *probes)
{
    for (uint32_t i = 0; i < count; i++) {
        struct probe *p = &probes[i];
        p->key =
            key_make(t, batch, rows + (size_t)i * t->row_size, t->keys + (size_t)i * t->key_size);
        if (!p->key)
            continue;
        p->hash = hash_key(t, p->key);
        row_index_prefetch(&t->index, p->hash);
    }
}

static void group_prefetch(struct table *t, uint32_t count, const struct probe *probes)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at, row;
        if (!probes[i].key)
            continue;
        at = probes[i].hash & t->index.mask;
        if (!row_index_next(&t->index, probes[i].hash, &at, &row))
            continue;
        const uint8_t *p = row_at(t, row);
        for (uint32_t line = 0; line < t->row_size; line += CACHE_LINE)
            __builtin_prefetch(p + line, 1);
    }
}

/* Returns false if this would be a new row and there is no room. */
static bool row_upsert(struct table *t, const struct probe *p, const uint8_t *more)
{
    uint32_t at = p->hash & t->index.mask, row;

    while (row_index_next(&t->index, p->hash, &at, &row)) {
        if (memcmp(row_at(t, row), p->key, t->key_size) != 0)
            continue;
        row_plan_combine(&t->plan, row_in(t, block_for_writing(t, row), row), more);
        return true;
    }
    if (!has_room(t, 0))
        return false;
    row = row_new(t, more);
    if (p->key != more) /* the ids in the key are the table's */
        memcpy(row_in(t, t->blocks[row >> t->row_shift], row), p->key, t->key_size);
    row_index_put(&t->index, p->hash, at, row);
    return true;
}

static void sweep_values(struct table *t)
{
    if (!t->has_old_values || t->snapshot_count > 0 || t->is_adding)
        return;
    t->has_old_values = false;
    value_store_sweep_start(t->values);
    for (uint32_t row = 0; row < t->row_end && t->plan.bytes_count > 0; row++) {
        if (!row_is_live(t, t->blocks[row >> t->row_shift], row))
            continue;
        for (uint32_t i = 0; i < t->plan.bytes_count; i++) {
            uint32_t id;
            memcpy(&id, row_at(t, row) + t->plan.bytes_offsets[i], sizeof id);
            value_store_keep(t->values, id);
        }
    }
    value_store_sweep(t->values);
    table_forget_dictionary(t);
}

void table_add(struct table *t, const struct pa_batch *batch, table_refused_fn *refused, void *arg)
{
    struct probe probes[GROUP_ROWS];

    t->is_adding = true;
    map_prepare(t, batch);
    for (uint32_t done = 0; done < batch->row_count;) {
        const uint8_t *rows = batch->rows + (size_t)done * t->row_size;
        uint32_t count =
            batch->row_count - done < GROUP_ROWS ? batch->row_count - done : GROUP_ROWS;
        row_index_reserve(&t->index, count);
        group_hash(t, batch, rows, count, probes);
        group_prefetch(t, count, probes);
        for (uint32_t i = 0; i < count; i++) {
            const uint8_t *row = rows + (size_t)i * t->row_size;
            if (!probes[i].key || !row_upsert(t, &probes[i], row))
                refused(arg, row);
        }
        done += count;
    }
    t->is_adding = false;
    sweep_values(t); /* a snapshot that went for want of room may have put this off */
}

/* ---- removing ---- */

static void remove_all(struct table *t)
{
    for (uint32_t i = 0; i < t->block_count; i++)
        block_drop(t, t->blocks[i]);
    t->block_count = 0;
    t->row_end = t->first_free = 0;
    t->row_count = 0;
}

static void index_rebuild(struct table *t)
{
    row_index_reset(&t->index);
    for (uint32_t row = 0; row < t->row_end; row++) {
        uint32_t hash, at, other;
        if (!row_is_live(t, t->blocks[row >> t->row_shift], row))
            continue;
        hash = hash_key(t, row_at(t, row));
        row_index_reserve(&t->index, 1);
        at = hash & t->index.mask;
        while (row_index_next(&t->index, hash, &at, &other))
            ;
        row_index_put(&t->index, hash, at, row);
    }
}

uint64_t table_remove(struct table *t, table_row_fn *is_wanted, void *arg)
{
    uint64_t before = t->row_count;

    t->latest = NULL; /* later readers must not share a snapshot with the removed rows */
    if (!is_wanted)
        remove_all(t); /* no row lives */
    for (uint32_t row = 0; is_wanted && row < t->row_end; row++)
        if (row_is_live(t, t->blocks[row >> t->row_shift], row) && is_wanted(arg, row_at(t, row)))
            row_free(t, row);
    if (t->row_count == before)
        return 0;
    index_rebuild(t);
    t->has_old_values = true;
    sweep_values(t);
    return before - t->row_count;
}

/* ---- snapshots ---- */

struct table_snapshot *table_snapshot_new(struct table *t, int64_t now_ns)
{
    struct table_snapshot *s;

    if (t->latest && now_ns - t->latest->taken_ns < TABLE_SHARE_NS) {
        t->latest->reader_count++;
        return t->latest;
    }
    s = mem_alloc(sizeof *s + (size_t)t->block_count * sizeof s->blocks[0]);

    s->table = t;
    s->reader_count = 1;
    s->taken_ns = now_ns;
    t->latest = s;
    s->block_count = t->block_count;
    for (uint32_t i = 0; i < t->block_count; i++) {
        s->blocks[i] = t->blocks[i];
        s->blocks[i]->pin_count++;
        t->may_be_pinned[i] = 1;
    }
    t->snapshot_count++;
    return s;
}

void table_snapshot_free(struct table_snapshot *s)
{
    if (!s || --s->reader_count > 0)
        return;
    if (s->table->latest == s)
        s->table->latest = NULL;
    for (uint32_t i = 0; i < s->block_count; i++)
        block_unpin(s->table, s->blocks[i]);
    s->table->snapshot_count--;
    sweep_values(s->table);
    mem_free(s);
}

const uint8_t *table_snapshot_next(const struct table_snapshot *s, uint64_t *place)
{
    const struct table *t = s->table;
    uint64_t end = (uint64_t)s->block_count << t->row_shift;

    for (; *place < end; ++*place) {
        uint32_t row = (uint32_t)*place;
        struct block *b = s->blocks[row >> t->row_shift];
        if (row_is_live(t, b, row)) {
            ++*place;
            return row_in(t, b, row);
        }
    }
    return NULL;
}

void table_set_pressure(struct table *t, table_pressure_fn *fn, void *arg)
{
    t->pressure = fn;
    t->pressure_arg = arg;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    remove_all(t);
    row_plan_clear(&t->plan);
    row_index_clear(&t->index);
    value_store_free(t->values);
    mem_free(t->blocks);
    mem_free(t->may_be_pinned);
    mem_free(t->map);
    mem_free(t->keys);
    mem_free(t);
}
