/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the messages without an answer in a table whose places are used again. See under_way.h. */
#include "plugins/message/under_way.h"
#include "base/memory.h"
#include "plugins/common/row_filter.h"
#include <string.h>

struct kept_batch {
    struct pa_batch batch;
    uint32_t handover;
};

/* Makes room for one more element of `size` bytes and returns the array. */
static void *array_grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : 64;
    return mem_realloc_array(array, *capacity, size);
}

void under_way_forget(struct under_way *u)
{
    u->handover_count = u->batch_count = u->message_count = u->first_free = 0;
}

void under_way_clear(struct under_way *u)
{
    mem_free(u->handovers);
    mem_free(u->batches);
    mem_free(u->messages);
}

bool under_way_is_next(const struct under_way *u, const struct pa_batch *batch)
{
    const struct pa_source *a, *b = batch->source;

    if (u->handover_count == 0)
        return true;
    a = &u->handovers[u->handover_count - 1];
    return a->worker != b->worker || a->last_seq != b->last_seq ||
           memcmp(a->core_id, b->core_id, sizeof a->core_id) != 0;
}

void under_way_add_handover(struct under_way *u, const struct pa_source *source)
{
    u->handovers =
        array_grow(u->handovers, u->handover_count, &u->handover_capacity, sizeof *u->handovers);
    u->handovers[u->handover_count++] = *source;
}

void under_way_add_batch(struct under_way *u, const struct pa_batch *batch)
{
    u->batches = array_grow(u->batches, u->batch_count, &u->batch_capacity, sizeof *u->batches);
    u->batches[u->batch_count++] = (struct kept_batch){*batch, u->handover_count - 1};
}

static uint32_t take_place(struct under_way *u)
{
    uint32_t number = u->first_free;

    if (number > 0) {
        u->first_free = u->messages[number - 1].next_free;
        return number - 1;
    }
    u->messages =
        array_grow(u->messages, u->message_count, &u->message_capacity, sizeof *u->messages);
    return u->message_count++;
}

uint32_t under_way_add(struct under_way *u, const struct packet *packet)
{
    uint32_t number = take_place(u);

    u->messages[number] = (struct sent_message){.route = packet->route,
                                                .first_row = packet->first_row,
                                                .last_row = packet->last_row,
                                                .handover = u->handover_count - 1,
                                                .turn = packet->turn};
    return number;
}

void under_way_remove(struct under_way *u, uint32_t number)
{
    u->messages[number].next_free = u->first_free;
    u->first_free = number + 1;
}

struct sent_message under_way_get(const struct under_way *u, uint32_t number)
{
    return u->messages[number];
}

struct sent_row *under_way_find_rows(struct under_way *u, const struct sent_message *m,
                                     uint32_t *ret_count)
{
    const struct row_filter *filter = u->settings->filter;
    struct sent_row *rows = NULL;
    struct row_filter_sums left_out = {0}; /* counted before */
    uint32_t count = 0, capacity = 0;

    for (uint32_t i = 0; i < u->batch_count; i++) {
        const struct pa_batch *batch = &u->batches[i].batch;
        if (u->batches[i].handover != m->handover)
            continue;
        for (uint32_t r = 0; r < batch->row_count; r++) {
            uint64_t place = batch->first_row + r;
            const uint8_t *row = batch->rows + (size_t)r * u->schema->row_size;
            if (place < m->first_row || place > m->last_row ||
                (filter && !row_filter_passes(filter, row, &left_out)) ||
                packer_route(u->packer, batch, row) != m->route)
                continue;
            rows = array_grow(rows, count, &capacity, sizeof *rows);
            rows[count++] = (struct sent_row){batch, row, place};
        }
    }
    *ret_count = count;
    return rows;
}
