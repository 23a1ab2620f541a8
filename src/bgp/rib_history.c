/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queue of withdrawn paths. It grows in chunks, so that the memory of a burst is given back. */
#include "base/memory.h"
#include "bgp/rib_private.h"

#define CHUNK_ITEMS 4096u

struct history_chunk {
    struct history_chunk *next;
    struct history_item items[CHUNK_ITEMS];
};

void history_push(struct history *history, const struct history_item *item)
{
    if (!history->last || history->last_index == CHUNK_ITEMS) {
        struct history_chunk *chunk = mem_alloc(sizeof *chunk);
        chunk->next = NULL;
        if (history->last)
            history->last->next = chunk;
        else
            history->first = chunk;
        history->last = chunk;
        history->last_index = 0;
        history->chunk_count++;
    }
    history->last->items[history->last_index++] = *item;
    history->count++;
}

const struct history_item *history_first(const struct history *history)
{
    return history->count > 0 ? &history->first->items[history->first_index] : NULL;
}

void history_pop(struct history *history)
{
    history->first_index++;
    history->count--;
    if (history->count > 0 && history->first_index < CHUNK_ITEMS)
        return;
    struct history_chunk *chunk = history->first;
    history->first = chunk->next;
    history->first_index = 0;
    if (!history->first) {
        history->last = NULL;
        history->last_index = 0;
    }
    history->chunk_count--;
    mem_free(chunk);
}

void history_clear(struct history *history)
{
    while (history->count > 0)
        history_pop(history);
}

size_t history_chunk_bytes(void)
{
    return sizeof(struct history_chunk);
}
