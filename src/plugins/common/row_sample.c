/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Draws numbers for rows, and keeps the rows with the greatest ones in a heap. See row_sample.h. */
#include "plugins/common/row_sample.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

/* ---- counters ---- */

static uint64_t counter_load(const struct pa_column *column, const uint8_t *row)
{
    uint64_t v = 0;

    if (column)
        memcpy(&v, row + column->offset, sizeof v);
    return v;
}

static void counter_store(const struct pa_column *column, uint8_t *row, uint64_t v)
{
    if (column)
        memcpy(row + column->offset, &v, sizeof v);
}

struct row_counters row_counters_load(const struct row_counter_columns *columns, const uint8_t *row)
{
    return (struct row_counters){counter_load(columns->packets, row),
                                 counter_load(columns->flows, row),
                                 counter_load(columns->bytes, row)};
}

void row_counters_store(const struct row_counter_columns *columns, uint8_t *row,
                        const struct row_counters *counters)
{
    counter_store(columns->packets, row, counters->packets);
    counter_store(columns->flows, row, counters->flows);
    counter_store(columns->bytes, row, counters->bytes);
}

/* ---- numbers drawn ---- */

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014 (SplitMix64). */
static uint64_t dice_next(struct row_dice *dice)
{
    uint64_t v = dice->state += UINT64_C(0x9e3779b97f4a7c15);

    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

double row_dice_draw(struct row_dice *dice)
{
    return (double)((dice_next(dice) >> 11) + 1) * 0x1p-53; /* a double has 53 bits */
}

/* Rounds up as often as the fraction says, so that nothing is lost or won on the average. */
static uint64_t dice_round(struct row_dice *dice, double v)
{
    if (v >= 0x1p63)
        return UINT64_C(1) << 63;
    uint64_t whole = (uint64_t)v;
    return whole + (row_dice_draw(dice) <= v - (double)whole);
}

static void counters_grow(struct row_dice *dice, double factor, struct row_counters *c)
{
    c->packets = dice_round(dice, (double)c->packets * factor);
    c->flows = dice_round(dice, (double)c->flows * factor);
    c->bytes = dice_round(dice, (double)c->bytes * factor);
}

bool row_sample_threshold(struct row_dice *dice, uint64_t threshold, struct row_counters *c)
{
    if (c->bytes >= threshold)
        return true;
    double chance = (double)c->bytes / (double)threshold;
    if (row_dice_draw(dice) > chance)
        return false;
    counters_grow(dice, 1 / chance, c);
    c->bytes = threshold;
    return true;
}

/* ---- a fixed number of rows ---- */

struct kept_row {
    double priority;
    uint64_t number; /* counts the rows of a purge */
    struct row_counters counters;
    uint8_t *row;   /* heap: the row, whose texts have the ids of `texts` from 1 on */
    uint8_t *texts; /* heap: the bytes of its texts, one after the other */
    uint32_t *lens; /* heap: the length of each text */
};

struct row_sample {
    const struct pa_schema *schema;
    struct row_counter_columns columns;
    uint32_t text_count; /* columns of texts */
    uint64_t max, count, number;
    size_t capacity;
    struct kept_row *heap; /* the least priority is first; grows as rows come */
    double threshold;      /* the greatest priority of what is left out */
    /* row_sample_take() returns these. */
    uint8_t *rows;
    struct pa_bytes *dictionary;
};

struct row_sample *row_sample_new(const struct pa_schema *schema,
                                  const struct row_counter_columns *columns, uint64_t max)
{
    struct row_sample *s = mem_zalloc(sizeof *s);

    s->schema = schema;
    s->columns = *columns;
    s->max = max;
    for (uint32_t i = 0; i < schema->column_count; i++)
        s->text_count += schema->columns[i].kind == PA_KIND_BYTES;
    return s;
}

static void kept_clear(struct kept_row *kept)
{
    mem_free(kept->row);
    mem_free(kept->texts);
    mem_free(kept->lens);
}

void row_sample_begin(struct row_sample *s)
{
    for (uint64_t i = 0; i < s->count; i++)
        kept_clear(&s->heap[i]);
    s->count = s->number = 0;
    s->threshold = 0;
    mem_free(s->rows);
    mem_free(s->dictionary);
    s->rows = NULL;
    s->dictionary = NULL;
}

void row_sample_free(struct row_sample *s)
{
    if (!s)
        return;
    row_sample_begin(s);
    mem_free(s->heap);
    mem_free(s);
}

/* Copies the row and the texts that it names, which vanish with their batch. */
static void copy_row(const struct row_sample *s, const struct pa_batch *batch, const uint8_t *row,
                     struct kept_row *kept)
{
    size_t len = 0;
    uint32_t n = 0;

    kept->row = mem_dup(row, s->schema->row_size);
    kept->lens = mem_calloc(s->text_count + 1, sizeof *kept->lens);
    for (uint32_t i = 0; i < s->schema->column_count; i++) {
        const struct pa_column *c = &s->schema->columns[i];
        uint32_t id;
        if (c->kind != PA_KIND_BYTES)
            continue;
        memcpy(&id, row + c->offset, sizeof id);
        if (id > 0 && id < batch->dictionary_count) {
            const struct pa_bytes *text = &batch->dictionary[id];
            kept->texts = mem_realloc(kept->texts, len + text->len + 1);
            memcpy(kept->texts + len, text->data, text->len);
            kept->lens[n] = text->len;
            len += text->len;
        }
        n++;
    }
}

/* Rows of one priority, such as those without bytes, rank as they came. */
static bool is_less(const struct kept_row *a, const struct kept_row *b)
{
    return a->priority < b->priority || (a->priority <= b->priority && a->number > b->number);
}

static void heap_rise(struct row_sample *s, uint64_t at)
{
    struct kept_row risen = s->heap[at];

    for (; at > 0 && is_less(&risen, &s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = risen;
}

static void heap_sink(struct row_sample *s)
{
    struct kept_row sunk = s->heap[0];
    uint64_t at = 0, child;

    while ((child = 2 * at + 1) < s->count) {
        if (child + 1 < s->count && is_less(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!is_less(&s->heap[child], &sunk))
            break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = sunk;
}

bool row_sample_offer(struct row_sample *s, struct row_dice *dice, const struct pa_batch *batch,
                      const uint8_t *row, struct row_counters *ret_left_out)
{
    struct kept_row kept = {.counters = row_counters_load(&s->columns, row), .number = s->number++};

    kept.priority = (double)kept.counters.bytes / row_dice_draw(dice);
    if (s->count < s->max) {
        if (s->count == s->capacity) {
            s->capacity = s->capacity ? s->capacity * 2 : 64;
            s->heap = mem_realloc_array(s->heap, s->capacity, sizeof *s->heap);
        }
        copy_row(s, batch, row, &kept);
        s->heap[s->count] = kept;
        heap_rise(s, s->count++);
        return false;
    }
    double least = kept.priority;
    if (is_less(&s->heap[0], &kept)) {
        least = s->heap[0].priority;
        *ret_left_out = s->heap[0].counters;
        kept_clear(&s->heap[0]);
        copy_row(s, batch, row, &kept);
        s->heap[0] = kept;
        heap_sink(s);
    } else {
        *ret_left_out = kept.counters;
    }
    if (least > s->threshold)
        s->threshold = least;
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = ((const struct kept_row *)a)->number, y = ((const struct kept_row *)b)->number;

    return (x > y) - (x < y);
}

/* Gives the texts of a row ids of their own. Returns the next free id. */
static uint32_t place_texts(const struct row_sample *s, const struct kept_row *kept, uint8_t *row,
                            uint32_t id)
{
    size_t begin = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->schema->column_count; i++) {
        const struct pa_column *c = &s->schema->columns[i];
        uint32_t of_text = 0;
        if (c->kind != PA_KIND_BYTES)
            continue;
        if (kept->lens[n] > 0) {
            of_text = id++;
            s->dictionary[of_text] = (struct pa_bytes){kept->texts + begin, kept->lens[n]};
            begin += kept->lens[n];
        }
        memcpy(row + c->offset, &of_text, sizeof of_text);
        n++;
    }
    return id;
}

struct pa_batch row_sample_take(struct row_sample *s, struct row_dice *dice)
{
    uint32_t id = 1;

    if (s->count == 0)
        return (struct pa_batch){0};
    qsort(s->heap, s->count, sizeof *s->heap, compare_numbers);
    s->rows = mem_realloc_array(s->rows, s->count, s->schema->row_size);
    s->dictionary = mem_calloc(1 + s->count * s->text_count, sizeof *s->dictionary);
    for (uint64_t i = 0; i < s->count; i++) {
        struct kept_row *kept = &s->heap[i];
        uint8_t *row = s->rows + (size_t)i * s->schema->row_size;
        struct row_counters c = kept->counters;
        memcpy(row, kept->row, s->schema->row_size);
        id = place_texts(s, kept, row, id);
        if ((double)c.bytes < s->threshold)
            counters_grow(dice, s->threshold / (double)c.bytes, &c);
        row_counters_store(&s->columns, row, &c);
    }
    return (struct pa_batch){.rows = s->rows,
                             .row_count = (uint32_t)s->count,
                             .dictionary_count = id,
                             .dictionary = s->dictionary};
}
