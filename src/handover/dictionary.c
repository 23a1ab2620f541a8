/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two open-addressing tables: content hash -> entry, and RIB handle -> id. Slots carry the
 * generation in which they were filled, so that emptying both for the next hand-over costs nothing.
 */
#include "handover/dictionary.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define FIRST_SLOTS 256u

struct value_slot {
    uint32_t generation;
    uint32_t tag; /* upper half of the content hash */
    uint32_t segment, offset;
    uint32_t id;
};

struct handle_slot {
    uint64_t handle;
    uint32_t generation;
    uint32_t id;
};

struct dictionary {
    struct pool *pool;
    uint32_t generation; /* of the open hand-over; slots of others are empty */
    uint32_t first_segment, last_segment;
    uint32_t count;
    uint32_t handle_count;
    uint32_t value_mask, handle_mask; /* number of slots - 1 */
    uint64_t seed;                    /* of the content hashes */
    struct value_slot *values;
    struct handle_slot *handles;
};

struct dictionary *dictionary_new(struct pool *pool)
{
    struct dictionary *dict = mem_zalloc(sizeof *dict);
    dict->pool = pool;
    dict->seed = hash_seed();
    dict->generation = 1;
    dict->first_segment = dict->last_segment = SEGMENT_NONE;
    dict->value_mask = dict->handle_mask = FIRST_SLOTS - 1;
    dict->values = mem_calloc(FIRST_SLOTS, sizeof *dict->values);
    dict->handles = mem_calloc(FIRST_SLOTS, sizeof *dict->handles);
    return dict;
}

void dictionary_free(struct dictionary *dict)
{
    if (dict == NULL)
        return;
    pool_release_chain(dict->pool, dict->first_segment);
    mem_free(dict->values);
    mem_free(dict->handles);
    mem_free(dict);
}

static uint32_t entry_size(uint32_t len)
{
    return (uint32_t)sizeof(uint32_t) + (len + 3) / 4 * 4;
}

static bool entry_equals(const struct dictionary *dict, const struct value_slot *slot,
                         const void *data, size_t len)
{
    const uint8_t *at = pool_segment(dict->pool, slot->segment)->data + slot->offset;
    uint32_t stored_len;
    memcpy(&stored_len, at, sizeof stored_len);
    return stored_len == len && memcmp(at + sizeof stored_len, data, len) == 0;
}

/* The slot that holds the value, or the empty one where it belongs. */
static struct value_slot *find_value(const struct dictionary *dict, uint64_t hash, const void *data,
                                     size_t len)
{
    for (uint32_t i = (uint32_t)hash & dict->value_mask;; i = (i + 1) & dict->value_mask) {
        struct value_slot *slot = &dict->values[i];
        if (slot->generation != dict->generation ||
            (slot->tag == (uint32_t)(hash >> 32) && entry_equals(dict, slot, data, len)))
            return slot;
    }
}

/* At half full: the values' hashes are made again from their bytes, which is rare and cheap. */
static void grow_values(struct dictionary *dict)
{
    struct value_slot *old = dict->values;
    uint32_t old_count = dict->value_mask + 1;

    dict->value_mask = old_count * 2 - 1;
    dict->values = mem_calloc(dict->value_mask + 1, sizeof *dict->values);
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i].generation != dict->generation)
            continue;
        const uint8_t *at = pool_segment(dict->pool, old[i].segment)->data + old[i].offset;
        uint32_t len;
        memcpy(&len, at, sizeof len);
        uint32_t at_slot =
            (uint32_t)hash_bytes(at + sizeof len, len, dict->seed) & dict->value_mask;
        while (dict->values[at_slot].generation == dict->generation)
            at_slot = (at_slot + 1) & dict->value_mask;
        dict->values[at_slot] = old[i];
    }
    mem_free(old);
}

/* Room for an entry at the end of the chain. -ENOSPC. */
static inline __attribute__((always_inline)) int reserve_entry(struct dictionary *dict,
                                                               uint32_t size, bool past_budget)
    ON_THREAD(worker_thread)
{
    if (dict->last_segment != SEGMENT_NONE &&
        pool_segment(dict->pool, dict->last_segment)->used + size <= SEGMENT_DATA_SIZE)
        return 0;
    uint32_t index = SEGMENT_NONE;
    int err = pool_take(dict->pool, past_budget, &index);
    if (err < 0)
        return err;
    if (dict->last_segment == SEGMENT_NONE)
        dict->first_segment = index;
    else
        pool_segment(dict->pool, dict->last_segment)->next = index;
    dict->last_segment = index;
    return 0;
}

/* Writes an entry, whose id is the new count, at the end of the chain. A call would cost what rows pay
 * for each new value. */
static inline __attribute__((always_inline)) int
append_entry(struct dictionary *dict, const void *data, uint32_t len, bool past_budget,
             uint32_t *ret_offset) ON_THREAD(worker_thread)
{
    uint32_t size = entry_size(len);
    int err = reserve_entry(dict, size, past_budget);
    if (err < 0)
        return err;
    struct segment *segment = pool_segment(dict->pool, dict->last_segment);
    uint8_t *at = segment->data + segment->used;
    memset(at + size - sizeof len, 0, sizeof len); /* the padding */
    memcpy(at, &len, sizeof len);
    memcpy(at + sizeof len, data, len);
    *ret_offset = segment->used;
    segment->used += size;
    dict->count++;
    return 0;
}

int dictionary_add(struct dictionary *dict, const void *data, size_t len, bool past_budget,
                   uint32_t *ret_id)
{
    uint32_t offset;

    *ret_id = 0;
    if (len == 0)
        return 0;
    if (len > DICTIONARY_VALUE_MAX)
        return -EMSGSIZE;
    int err = append_entry(dict, data, (uint32_t)len, past_budget, &offset);
    if (err == 0)
        *ret_id = dict->count;
    return err;
}

int dictionary_put(struct dictionary *dict, const void *data, size_t len, bool past_budget,
                   uint32_t *ret_id)
{
    if (len == 0) {
        *ret_id = 0;
        return 0;
    }
    if (len > DICTIONARY_VALUE_MAX)
        return -EMSGSIZE;
    uint64_t hash = hash_bytes(data, len, dict->seed);
    struct value_slot *slot = find_value(dict, hash, data, len);
    if (slot->generation == dict->generation) {
        *ret_id = slot->id;
        return 0;
    }
    uint32_t offset = 0;
    int err = append_entry(dict, data, (uint32_t)len, past_budget, &offset);
    if (err < 0)
        return err;
    *slot = (struct value_slot){.generation = dict->generation,
                                .tag = (uint32_t)(hash >> 32),
                                .segment = dict->last_segment,
                                .offset = offset,
                                .id = dict->count};
    *ret_id = dict->count;
    if (dict->count > dict->value_mask / 2)
        grow_values(dict);
    return 0;
}

/* Handles count up, so that their low bits alone would do, were it not for kinds mixed in at the
 * top: these must reach the low bits too. */
static uint32_t handle_home(uint64_t handle)
{
    return (uint32_t)((handle * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static struct handle_slot *find_handle(const struct dictionary *dict, uint64_t handle)
{
    for (uint32_t i = handle_home(handle) & dict->handle_mask;; i = (i + 1) & dict->handle_mask) {
        struct handle_slot *slot = &dict->handles[i];
        if (slot->generation != dict->generation || slot->handle == handle)
            return slot;
    }
}

uint32_t dictionary_find(const struct dictionary *dict, uint64_t handle)
{
    const struct handle_slot *slot = find_handle(dict, handle);
    return slot->generation == dict->generation ? slot->id : 0;
}

static void grow_handles(struct dictionary *dict)
{
    struct handle_slot *old = dict->handles;
    uint32_t old_count = dict->handle_mask + 1;

    dict->handle_mask = old_count * 2 - 1;
    dict->handles = mem_calloc(dict->handle_mask + 1, sizeof *dict->handles);
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i].generation == dict->generation)
            *find_handle(dict, old[i].handle) = old[i];
    mem_free(old);
}

void dictionary_remember(struct dictionary *dict, uint64_t handle, uint32_t id)
{
    assert(handle != 0);
    struct handle_slot *slot = find_handle(dict, handle);
    if (slot->generation != dict->generation)
        dict->handle_count++;
    *slot = (struct handle_slot){.handle = handle, .generation = dict->generation, .id = id};
    if (dict->handle_count > dict->handle_mask / 2)
        grow_handles(dict);
}

void dictionary_finish(struct dictionary *dict, uint32_t *ret_first_segment, uint32_t *ret_count)
{
    *ret_first_segment = dict->first_segment;
    *ret_count = dict->count;
    dict->first_segment = dict->last_segment = SEGMENT_NONE;
    dict->count = dict->handle_count = 0;
    if (++dict->generation == 0) { /* once in 2^32 hand-overs the slots are really emptied */
        memset(dict->values, 0, ((size_t)dict->value_mask + 1) * sizeof *dict->values);
        memset(dict->handles, 0, ((size_t)dict->handle_mask + 1) * sizeof *dict->handles);
        dict->generation = 1;
    }
}

int dictionary_read(struct pool_view *view, uint32_t first_segment, uint32_t count,
                    struct pa_bytes *entries)
{
    const struct segment *segment = NULL;
    uint32_t next = first_segment, offset = 0;

    entries[0] = (struct pa_bytes){(const uint8_t *)"", 0};
    for (uint32_t id = 1; id <= count; id++) {
        if (segment == NULL || offset == segment->used) {
            segment = pool_view_segment(view, next);
            /* An empty segment is never made; taking none also ends a chain that runs in a
             * circle. */
            if (segment == NULL || segment->used == 0)
                return -EBADMSG;
            next = segment->next;
            offset = 0;
        }
        uint32_t left = segment->used - offset, len;
        if (left < sizeof len)
            return -EBADMSG;
        memcpy(&len, segment->data + offset, sizeof len);
        if (len > DICTIONARY_VALUE_MAX || entry_size(len) > left)
            return -EBADMSG;
        entries[id] = (struct pa_bytes){segment->data + offset + sizeof len, len};
        offset += entry_size(len);
    }
    return 0;
}
