/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index of maps. The hash of a shape and the values that its fields have is what a row is found
 * by; the values themselves are not kept, as callers ask the rows anyway. A filter of some bits for
 * each hash lies before the table: it fits into the cache, and nearly all shapes fail there.
 */
#include "maps/row_search.h"

#include "base/memory.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RANGE_MAX = 16, SPREAD_MAX = 64, FILTER_BITS_PER_HASH = 8, WORD_BITS = 64 };

/* With fewer shapes the filter costs more than it spares. */
enum { FILTER_SHAPES_MIN = 3 };

/* A part of a shape: which bits of which field. */
struct shape_term {
    uint8_t field, family;
    uint8_t prefix_len;
    uint64_t high_mask, low_mask;
};

struct shape {
    uint64_t seed;
    uint32_t term_count;
    struct shape_term terms[ROW_CHOICES_MAX];
};

struct hashed_row {
    uint64_t hash;
    uint32_t row;
};

struct slot {
    uint64_t hash;
    uint32_t first, count; /* as in union row_hit; count 0: empty */
};

struct row_search {
    struct shape *shapes;
    uint32_t shape_count, shape_capacity;
    uint32_t last_shape;        /* of the row before */
    struct hashed_row *entries; /* until it is finished */
    size_t entry_count, entry_capacity;
    size_t unkeyed_count;
    uint64_t fields;
    uint64_t *filter, filter_mask;
    struct slot *slots;
    uint64_t slot_mask;
    uint32_t *rows; /* of slots that have several */
};

/* ---- hashes ---- */

static inline uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static inline uint64_t hash_term(uint64_t hash, const struct shape_term *term,
                                 const struct row_value *value)
{
    if (term->family == IP_V6)
        hash = mix(hash, value->high & term->high_mask);
    return mix(hash, value->low & term->low_mask);
}

/* False if a value is of another family. */
static inline bool hash_shape(const struct shape *shape, const struct row_value *values,
                              uint64_t *ret_hash)
{
    uint64_t hash = shape->seed;

    for (uint32_t i = 0; i < shape->term_count; i++) {
        const struct shape_term *term = &shape->terms[i];
        const struct row_value *value = &values[term->field];
        if (value->family != term->family)
            return false;
        hash = hash_term(hash, term, value);
    }
    *ret_hash = mix(hash, hash >> 17);
    return true;
}

static inline uint64_t filter_bits(uint64_t hash)
{
    return UINT64_C(1) << (hash >> 58) | UINT64_C(1) << (hash >> 52 & (WORD_BITS - 1));
}

static inline uint64_t *filter_word(const struct row_search *s, uint64_t hash)
{
    return &s->filter[hash >> 20 & s->filter_mask];
}

/* ---- making ---- */

static bool choose_numbers(struct row_choice *choice, const struct map_item *item)
{
    if (item->high - item->low >= RANGE_MAX ||
        choice->count + (item->high - item->low) >= ROW_CHOICE_MAX)
        return false;
    for (uint64_t n = item->low;; n++) {
        choice->terms[choice->count++] = (struct row_term){.value = row_value_number(n)};
        if (n == item->high)
            return true;
    }
}

bool row_choice_of_cell(struct row_choice *choice, uint8_t field, enum map_type type,
                        const struct map_cell *cell)
{
    choice->field = field;
    choice->count = 0;
    if (!cell || (type != MAP_NUMBER && type != MAP_PREFIX))
        return false;
    for (size_t i = 0; i < cell->item_count; i++) {
        const struct map_item *item = &cell->items[i];
        if (item->is_negated || choice->count == ROW_CHOICE_MAX)
            return false;
        if (type == MAP_PREFIX)
            choice->terms[choice->count++] = (struct row_term){
                .value = row_value_address(&item->prefix.addr), .prefix_len = item->prefix.len};
        else if (!choose_numbers(choice, item))
            return false;
    }
    return choice->count > 0;
}

struct row_search *row_search_new(void)
{
    return mem_zalloc(sizeof(struct row_search));
}

void row_search_free(struct row_search *s)
{
    if (!s)
        return;
    mem_free(s->shapes);
    mem_free(s->entries);
    mem_free(s->filter);
    mem_free(s->slots);
    mem_free(s->rows);
    mem_free(s);
}

static uint64_t mask_of(unsigned prefix_len)
{
    return prefix_len == 0 ? 0 : prefix_len >= WORD_BITS ? UINT64_MAX : ~(UINT64_MAX >> prefix_len);
}

static struct shape_term shape_term_of(uint8_t field, const struct row_term *term)
{
    struct shape_term t = {.field = field,
                           .family = term->value.family,
                           .prefix_len = term->prefix_len,
                           .high_mask = UINT64_MAX,
                           .low_mask = UINT64_MAX};

    if (t.family == IP_V4) { /* in the last 32 of 128 bits */
        t.low_mask = mask_of(32U + t.prefix_len);
    } else if (t.family == IP_V6) {
        t.high_mask = mask_of(t.prefix_len);
        t.low_mask = mask_of(t.prefix_len > WORD_BITS ? t.prefix_len - WORD_BITS : 0);
    }
    return t;
}

static bool are_equal(const struct shape *a, const struct shape *b)
{
    if (a->term_count != b->term_count)
        return false;
    for (uint32_t i = 0; i < a->term_count; i++)
        if (a->terms[i].field != b->terms[i].field || a->terms[i].family != b->terms[i].family ||
            a->terms[i].prefix_len != b->terms[i].prefix_len)
            return false;
    return true;
}

static const struct shape *find_shape(struct row_search *s, const struct shape *wanted)
{
    if (s->last_shape < s->shape_count && are_equal(&s->shapes[s->last_shape], wanted))
        return &s->shapes[s->last_shape];
    for (s->last_shape = 0; s->last_shape < s->shape_count; s->last_shape++)
        if (are_equal(&s->shapes[s->last_shape], wanted))
            return &s->shapes[s->last_shape];
    if (s->shape_count == s->shape_capacity) {
        s->shape_capacity = s->shape_capacity ? 2 * s->shape_capacity : 16;
        s->shapes = mem_realloc_array(s->shapes, s->shape_capacity, sizeof *s->shapes);
    }
    s->shapes[s->shape_count] = *wanted;
    s->shapes[s->shape_count].seed = mix(s->shape_count + 1, 0);
    for (uint32_t i = 0; i < wanted->term_count; i++)
        s->fields |= UINT64_C(1) << wanted->terms[i].field;
    return &s->shapes[s->shape_count++];
}

/* Adds a row with one term of each choice. */
static void add_entry(struct row_search *s, uint32_t row, const struct row_choice *const *choices,
                      const uint8_t *at, size_t choice_count)
{
    struct row_value values[ROW_FIELDS_MAX];
    struct shape wanted = {.term_count = (uint32_t)choice_count};
    uint64_t hash = 0;

    for (size_t i = 0; i < choice_count; i++) {
        const struct row_term *term = &choices[i]->terms[at[i]];
        wanted.terms[i] = shape_term_of(choices[i]->field, term);
        values[choices[i]->field] = term->value;
    }
    hash_shape(find_shape(s, &wanted), values, &hash);
    if (s->entry_count == s->entry_capacity) {
        s->entry_capacity = s->entry_capacity ? 2 * s->entry_capacity : 64;
        s->entries = mem_realloc_array(s->entries, s->entry_capacity, sizeof *s->entries);
    }
    s->entries[s->entry_count++] = (struct hashed_row){hash, row};
}

void row_search_add(struct row_search *s, uint32_t row, const struct row_choice *choices,
                    size_t choice_count)
{
    const struct row_choice *taken[ROW_CHOICES_MAX] = {NULL};
    uint8_t at[ROW_CHOICES_MAX] = {0};
    size_t count = 0, spread = 1, i;

    for (i = 0; i < choice_count && count < ROW_CHOICES_MAX; i++)
        if (choices[i].count > 0 && spread * choices[i].count <= SPREAD_MAX) {
            assert(choices[i].field < ROW_FIELDS_MAX);
            taken[count++] = &choices[i];
            spread *= choices[i].count;
        }
    s->unkeyed_count += count == 0;
    do { /* counts through the terms of all choices */
        add_entry(s, row, taken, at, count);
        for (i = 0; i < count && ++at[i] == taken[i]->count; i++)
            at[i] = 0;
    } while (i < count);
}

static int compare_entries(const void *a, const void *b)
{
    const struct hashed_row *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static size_t power_of_two(size_t at_least)
{
    size_t size = 1;

    while (size < at_least)
        size *= 2;
    return size;
}

static void put_slot(struct row_search *s, const struct slot *slot)
{
    uint64_t at = slot->hash & s->slot_mask;

    while (s->slots[at].count > 0)
        at = (at + 1) & s->slot_mask;
    s->slots[at] = *slot;
    *filter_word(s, slot->hash) |= filter_bits(slot->hash);
}

void row_search_finish(struct row_search *s)
{
    size_t row_count = 0;
    size_t words = power_of_two(s->entry_count * FILTER_BITS_PER_HASH / WORD_BITS + 1);
    size_t slots = power_of_two(2 * s->entry_count + 1);

    s->filter = mem_table_calloc(words, sizeof *s->filter);
    s->filter_mask = words - 1;
    s->slots = mem_table_calloc(slots, sizeof *s->slots);
    s->slot_mask = slots - 1;
    s->rows = mem_calloc(s->entry_count + 1, sizeof *s->rows);
    if (s->entry_count > 0)
        qsort(s->entries, s->entry_count, sizeof *s->entries, compare_entries);
    for (size_t i = 0, end; i < s->entry_count; i = end) {
        struct slot slot = {.hash = s->entries[i].hash, .first = (uint32_t)row_count};
        for (end = i; end < s->entry_count && s->entries[end].hash == slot.hash; end++)
            if (end == i || s->entries[end].row != s->entries[end - 1].row) {
                s->rows[row_count + slot.count] = s->entries[end].row;
                slot.count++;
            }
        if (slot.count == 1)
            slot.first = s->entries[i].row;
        else
            row_count += slot.count;
        put_slot(s, &slot);
    }
    mem_free(s->entries);
    s->entries = NULL;
    s->rows = mem_realloc_array(s->rows, row_count + 1, sizeof *s->rows);
}

size_t row_search_unkeyed(const struct row_search *s)
{
    return s->unkeyed_count;
}

uint64_t row_search_fields(const struct row_search *s)
{
    return s->fields;
}

/* ---- asking ---- */

static bool passes_filter(const struct row_search *s, uint64_t hash)
{
    uint64_t bits = filter_bits(hash);

    return (*filter_word(s, hash) & bits) == bits;
}

static void prefetch_slot(const struct row_search *s, uint64_t hash)
{
    __builtin_prefetch(&s->slots[hash & s->slot_mask]);
}

/* Starts where there are more shapes than a cursor has room for: they pass the filter at once. */
static void start_many(const struct row_search *s, const struct row_value *values,
                       struct row_cursor *cursor)
{
    uint64_t hash;

    cursor->is_sifted = true;
    for (uint32_t i = 0; i < s->shape_count; i++) {
        if (!hash_shape(&s->shapes[i], values, &hash) || !passes_filter(s, hash))
            continue;
        if (cursor->count == ROW_HITS_MAX) {
            cursor->is_wide = true;
            return;
        }
        prefetch_slot(s, hash);
        cursor->hits[cursor->count++].hash = hash;
    }
}

void row_search_start(const struct row_search *s, const struct row_value *values,
                      struct row_cursor *cursor)
{
    uint32_t count = 0;

    cursor->count = 0;
    cursor->is_wide = false;
    if (s->shape_count > ROW_HITS_MAX) {
        start_many(s, values, cursor);
        return;
    }
    cursor->is_sifted = s->shape_count < FILTER_SHAPES_MIN;
    for (uint32_t i = 0; i < s->shape_count; i++) {
        uint64_t *hash = &cursor->hits[count].hash;
        if (!hash_shape(&s->shapes[i], values, hash))
            continue;
        if (cursor->is_sifted)
            prefetch_slot(s, *hash);
        else
            __builtin_prefetch(filter_word(s, *hash));
        count++;
    }
    cursor->count = count;
}

void row_search_sift(const struct row_search *s, struct row_cursor *cursor)
{
    uint32_t count = 0;

    if (cursor->is_sifted)
        return;
    for (uint32_t i = 0; i < cursor->count; i++) {
        uint64_t hash = cursor->hits[i].hash;
        if (!passes_filter(s, hash))
            continue;
        prefetch_slot(s, hash);
        cursor->hits[count++].hash = hash;
    }
    cursor->count = count;
}

static const struct slot *find_slot(const struct row_search *s, uint64_t hash)
{
    for (uint64_t at = hash & s->slot_mask; s->slots[at].count > 0; at = (at + 1) & s->slot_mask)
        if (s->slots[at].hash == hash)
            return &s->slots[at];
    return NULL;
}

void row_search_settle(const struct row_search *s, struct row_cursor *cursor)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < cursor->count; i++) {
        const struct slot *slot = find_slot(s, cursor->hits[i].hash);
        if (!slot)
            continue;
        if (slot->count > 1)
            __builtin_prefetch(&s->rows[slot->first]);
        cursor->hits[count].first = slot->first;
        cursor->hits[count++].count = slot->count;
    }
    cursor->count = count;
}

/* Skips the rows of a hit before `from`. False if none is left. */
static bool skip_rows(const struct row_search *s, union row_hit *hit, uint32_t from)
{
    const uint32_t *rows = s->rows + hit->first;
    uint32_t low = 0, high = hit->count;

    if (hit->count == 1)
        return hit->first >= from;
    if (rows[0] >= from)
        return true;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows[middle] < from)
            low = middle + 1;
        else
            high = middle;
    }
    hit->count -= low;
    hit->first = hit->count == 1 ? rows[low] : hit->first + low;
    return hit->count > 0;
}

static uint32_t first_row(const struct row_search *s, const union row_hit *hit)
{
    return hit->count == 1 ? hit->first : s->rows[hit->first];
}

uint32_t row_search_hit(const struct row_search *s, const struct row_cursor *cursor, uint32_t index)
{
    return first_row(s, &cursor->hits[index]);
}

static uint32_t next_of_all_shapes(const struct row_search *s, const struct row_value *values,
                                   uint32_t from)
{
    uint32_t best = ROW_NONE;
    uint64_t hash;

    for (uint32_t i = 0; i < s->shape_count; i++) {
        const struct slot *slot =
            hash_shape(&s->shapes[i], values, &hash) ? find_slot(s, hash) : NULL;
        union row_hit hit;
        if (!slot)
            continue;
        hit.first = slot->first;
        hit.count = slot->count;
        if (skip_rows(s, &hit, from) && first_row(s, &hit) < best)
            best = first_row(s, &hit);
    }
    return best;
}

uint32_t row_search_next(const struct row_search *s, const struct row_value *values,
                         struct row_cursor *cursor, uint32_t from)
{
    uint32_t best = ROW_NONE;

    if (cursor->is_wide)
        return next_of_all_shapes(s, values, from);
    for (uint32_t i = 0; i < cursor->count;) {
        union row_hit *hit = &cursor->hits[i];
        if (!skip_rows(s, hit, from)) {
            *hit = cursor->hits[--cursor->count];
            continue;
        }
        uint32_t row = first_row(s, hit);
        best = row < best ? row : best;
        i++;
    }
    return best;
}
