/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * From the hash of a key to the row that has it: open addressing over 8-byte slots {32 bits of the
 * hash, row}, in huge pages where there are such. The same 32 bits place an entry, so growing needs
 * no key. The rows are the caller's, who compares keys. One thread.
 *
 * Inline, because it is the inside of the loop over flows: prefetch the slots of a batch, then
 * probe.
 */
#include "base/memory.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct row_index {
    uint64_t *slots; /* hash << 32 | row + 1; 0: empty */
    uint32_t mask;   /* slots - 1 */
    uint32_t used;
};

enum { ROW_INDEX_MIN = 1 << 10 };

static inline void row_index_init(struct row_index *index)
{
    index->slots = mem_table_calloc(ROW_INDEX_MIN, sizeof *index->slots);
    index->mask = ROW_INDEX_MIN - 1;
    index->used = 0;
}

static inline void row_index_clear(struct row_index *index)
{
    mem_free(index->slots);
    index->slots = NULL;
}

static inline void row_index_prefetch(const struct row_index *index, uint32_t hash)
{
    __builtin_prefetch(&index->slots[hash & index->mask], 1);
}

/*
 * Walks the entries of one hash: start with *at = hash & mask. True: *ret_row may have the key,
 * call again to go on; false: no such row, and *at is the slot for row_index_put().
 */
static inline bool row_index_next(const struct row_index *index, uint32_t hash, uint32_t *at,
                                  uint32_t *ret_row)
{
    for (uint64_t slot; (slot = index->slots[*at]) != 0;) {
        *at = (*at + 1) & index->mask;
        if ((uint32_t)(slot >> 32) == hash) {
            *ret_row = (uint32_t)slot - 1;
            return true;
        }
    }
    return false;
}

static inline void row_index_put(struct row_index *index, uint32_t hash, uint32_t at, uint32_t row)
{
    index->slots[at] = (uint64_t)hash << 32 | (uint64_t)(row + 1);
    index->used++;
}

/* Makes room for `more` rows at a load of at most 5/8; to be called before a batch, never between
 * walk and put. */
static inline void row_index_reserve(struct row_index *index, uint32_t more)
{
    uint64_t size = (uint64_t)index->mask + 1, need = (uint64_t)index->used + more;
    uint64_t *old = index->slots;
    uint32_t old_mask = index->mask;

    if (need <= size / 8 * 5)
        return;
    while (need > size / 8 * 5)
        size *= 2;
    index->slots = mem_table_calloc(size, sizeof *index->slots);
    index->mask = (uint32_t)(size - 1);
    for (uint32_t i = 0; i <= old_mask; i++) {
        if (old[i] == 0)
            continue;
        uint32_t at = (uint32_t)(old[i] >> 32) & index->mask;
        while (index->slots[at] != 0)
            at = (at + 1) & index->mask;
        index->slots[at] = old[i];
    }
    mem_free(old);
}

/* Empties the index. A table that was much too large shrinks by half, so that the cost of emptying
 * follows the number of rows. */
static inline void row_index_reset(struct row_index *index)
{
    uint64_t size = (uint64_t)index->mask + 1;

    if (size > ROW_INDEX_MIN && index->used < size / 16) {
        mem_free(index->slots);
        index->slots = mem_table_calloc(size / 2, sizeof *index->slots);
        index->mask = (uint32_t)(size / 2 - 1);
    } else {
        memset(index->slots, 0, size * sizeof *index->slots);
    }
    index->used = 0;
}
