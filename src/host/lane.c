/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads hand-overs out of shared memory and checks that nothing in them leads outside. See
 * lane.h. */
#include "host/lane.h"

#include "base/memory.h"
#include "handover/dictionary.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void lane_clear(struct lane *lane)
{
    ring_view_free(lane->ring);
    pool_view_free(lane->pool);
    if (lane->worker_event >= 0)
        close(lane->worker_event);
    *lane = (struct lane){.worker_event = -1};
}

bool lane_batch_is_sound(const struct pa_batch *batch, const struct pa_schema *schema)
{
    for (uint32_t c = 0; c < schema->column_count; c++) {
        if (schema->columns[c].kind != PA_KIND_BYTES)
            continue;
        const uint8_t *at = batch->rows + schema->columns[c].offset;
        for (uint32_t i = 0; i < batch->row_count; i++, at += schema->row_size) {
            uint32_t id;
            memcpy(&id, at, sizeof id);
            if (id >= batch->dictionary_count)
                return false;
        }
    }
    return true;
}

static int check_batch(void *arg, const struct pa_batch *batch)
{
    return lane_batch_is_sound(batch, arg) ? 0 : -EBADMSG;
}

int lane_rows_init(struct lane_rows *rows, struct lane *lane, const struct handover *handover,
                   const struct pa_schema *schema)
{
    struct pa_schema columns = *schema;
    int err;

    *rows = (struct lane_rows){.lane = lane, .handover = *handover};
    rows->dictionary = mem_calloc((size_t)handover->dictionary_count + 1, sizeof *rows->dictionary);
    err = dictionary_read(lane->pool, handover->dictionary_segment, handover->dictionary_count,
                          rows->dictionary);
    if (err == 0)
        err = lane_rows_each(rows, schema, check_batch, &columns);
    if (err < 0)
        lane_rows_clear(rows);
    return err;
}

void lane_rows_clear(struct lane_rows *rows)
{
    mem_free(rows->dictionary);
    mem_free(rows->values);
    rows->dictionary = NULL;
    rows->values = NULL;
}

void lane_rows_copy_values(struct lane_rows *rows)
{
    size_t size = 0;

    for (uint32_t i = 0; i <= rows->handover.dictionary_count; i++)
        size += rows->dictionary[i].len;
    uint8_t *at = rows->values = mem_alloc(size + 1);
    for (uint32_t i = 0; i <= rows->handover.dictionary_count; i++) {
        struct pa_bytes *value = &rows->dictionary[i];
        if (value->len > 0)
            memcpy(at, value->data, value->len);
        value->data = at;
        at += value->len;
    }
}

int lane_rows_each(const struct lane_rows *rows, const struct pa_schema *schema, lane_batch_fn *fn,
                   void *arg)
{
    uint32_t next = rows->handover.row_segment;
    uint64_t left = rows->handover.row_count;

    while (left > 0) {
        const struct segment *s = pool_view_segment(rows->lane->pool, next);
        if (s == NULL || s->used == 0 || s->used % schema->row_size != 0 ||
            s->used / schema->row_size > left)
            return -EBADMSG;
        struct pa_batch batch = {.rows = s->data,
                                 .row_count = s->used / schema->row_size,
                                 .dictionary = rows->dictionary,
                                 .dictionary_count = rows->handover.dictionary_count + 1};
        int err = fn(arg, &batch);
        if (err < 0)
            return err;
        left -= batch.row_count;
        next = s->next;
    }
    return 0;
}
