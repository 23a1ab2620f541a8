/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Memory for the texts of the flows in a batch: handed out in a row, taken back all at once when
 * the batch was emptied. The owner sees to it that there is room before a record is decoded.
 */
#include <stddef.h>
#include <stdint.h>

struct arena {
    uint8_t *data;
    size_t used, size;
};

static inline size_t arena_left(const struct arena *arena)
{
    return arena->size - arena->used;
}

/* Bytes of an arena that a text of `len` bytes takes: all that is handed out is 8-aligned. */
static inline size_t arena_rounded(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

/* NULL if there is no room. */
static inline void *arena_take(struct arena *arena, size_t len)
{
    size_t rounded = arena_rounded(len);
    if (rounded < len || rounded > arena_left(arena))
        return NULL;
    void *place = arena->data + arena->used;
    arena->used += rounded;
    return place;
}
