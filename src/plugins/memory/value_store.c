/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps values by id, with an index from hashes to ids and a list of freed ids. See
 * value_store.h. */
#define XXH_INLINE_ALL
#include "plugins/memory/value_store.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/row_index.h"

/* Bytes that a value takes beside its own: its entry, its place in the index, what malloc adds. */
#define ENTRY_BOOKS 64

struct stored_value {
    uint8_t *data; /* NULL: the entry is free */
    uint32_t len;
    uint32_t next_free;
    uint32_t series, number; /* for value_store_number() */
    bool is_kept;
};

struct value_store {
    struct stored_value *entries; /* by id; 0 is the empty value */
    uint32_t entry_count, capacity, used_count, first_free;
    struct row_index index;
    uint64_t seed;
    size_t bytes;
    uint32_t series, numbered_count;
};

struct value_store *value_store_new(void)
{
    struct value_store *store = mem_zalloc(sizeof *store);

    row_index_init(&store->index);
    store->seed = hash_seed();
    store->capacity = 64;
    store->entries = mem_calloc(store->capacity, sizeof *store->entries);
    store->entry_count = 1;
    return store;
}

void value_store_free(struct value_store *store)
{
    if (!store)
        return;
    for (uint32_t id = 1; id < store->entry_count; id++)
        mem_free(store->entries[id].data);
    mem_free(store->entries);
    row_index_clear(&store->index);
    mem_free(store);
}

static uint32_t hash_of(const struct value_store *store, const uint8_t *data, size_t len)
{
    return (uint32_t)hash_bytes(data, len, store->seed);
}

bool value_store_find(const struct value_store *store, struct pa_bytes value, uint32_t *ret_id)
{
    uint32_t hash, at, id;

    if (value.len == 0) {
        *ret_id = 0;
        return true;
    }
    hash = hash_of(store, value.data, value.len);
    at = hash & store->index.mask;
    while (row_index_next(&store->index, hash, &at, &id)) {
        const struct stored_value *e = &store->entries[id];
        if (e->len == value.len && memcmp(e->data, value.data, value.len) == 0) {
            *ret_id = id;
            return true;
        }
    }
    return false;
}

static void index_put(struct value_store *store, uint32_t id)
{
    const struct stored_value *e = &store->entries[id];
    uint32_t hash = hash_of(store, e->data, e->len), at = hash & store->index.mask, other;

    while (row_index_next(&store->index, hash, &at, &other))
        ;
    row_index_put(&store->index, hash, at, id);
}

static uint32_t entry_new(struct value_store *store)
{
    uint32_t id = store->first_free;

    if (id != 0) {
        store->first_free = store->entries[id].next_free;
        return id;
    }
    if (store->entry_count == store->capacity) {
        store->capacity *= 2;
        store->entries = mem_realloc_array(store->entries, store->capacity, sizeof *store->entries);
    }
    return store->entry_count++;
}

uint32_t value_store_put(struct value_store *store, struct pa_bytes value)
{
    uint32_t id = entry_new(store);

    store->entries[id] =
        (struct stored_value){.data = mem_dup(value.data, value.len), .len = value.len};
    row_index_reserve(&store->index, 1);
    index_put(store, id);
    store->used_count++;
    store->bytes += value_store_cost(value.len);
    return id;
}

struct pa_bytes value_store_at(const struct value_store *store, uint32_t id)
{
    if (id == 0 || id >= store->entry_count || !store->entries[id].data)
        return (struct pa_bytes){(const uint8_t *)"", 0};
    return (struct pa_bytes){store->entries[id].data, store->entries[id].len};
}

size_t value_store_cost(size_t len)
{
    return len + ENTRY_BOOKS;
}

size_t value_store_bytes(const struct value_store *store)
{
    return store->bytes;
}

uint32_t value_store_count(const struct value_store *store)
{
    return store->used_count;
}

/* ---- sweeping ---- */

void value_store_sweep_start(struct value_store *store)
{
    for (uint32_t id = 1; id < store->entry_count; id++)
        store->entries[id].is_kept = false;
}

void value_store_keep(struct value_store *store, uint32_t id)
{
    if (id < store->entry_count)
        store->entries[id].is_kept = true;
}

void value_store_sweep(struct value_store *store)
{
    row_index_reset(&store->index);
    for (uint32_t id = 1; id < store->entry_count; id++) {
        struct stored_value *e = &store->entries[id];
        if (e->data && !e->is_kept) {
            store->bytes -= value_store_cost(e->len);
            store->used_count--;
            mem_free(e->data);
            *e = (struct stored_value){.next_free = store->first_free};
            store->first_free = id;
        }
        if (e->data) {
            row_index_reserve(&store->index, 1);
            index_put(store, id);
        }
    }
}

/* ---- numbers within a message ---- */

void value_store_number_start(struct value_store *store)
{
    store->series++;
    store->numbered_count = 0;
}

uint32_t value_store_number(struct value_store *store, uint32_t id, bool *ret_is_new)
{
    struct stored_value *e = &store->entries[id];

    *ret_is_new = e->series != store->series;
    if (*ret_is_new) {
        e->series = store->series;
        e->number = ++store->numbered_count;
    }
    return e->number;
}
