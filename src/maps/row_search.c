/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index of maps. A shape's fields are cut into pieces of 32 or 64 bits, and the pieces put
 * together into the words of a key, whose hash is what a row is found by. No two keys of one word have
 * the same hash, so that there nothing more need be compared; the words of longer keys are not kept,
 * as callers ask their rows anyway. Before each table lies a filter of some bits for each hash: the
 * filters fit into a cache, and nearly all shapes fail there.
 */
#include "maps/row_search.h"

#include "base/memory.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RANGE_MAX = 16, SPREAD_MAX = 64, WORD_BITS = 64, HALF_BITS = 32 };
enum { FILTER_BITS_PER_HASH = 8, FILTER_SHAPES_MIN = 3 };
#define HALF_MASK UINT64_C(0xffffffff)

/* A bucket is a cache line. Of its slots so many are taken at the mean, so that few keys stand in the
 * next one. */
enum { BUCKET_SLOTS = 4, BUCKET_TAKEN = 2 };

/* An address of IPv6 has two. */
enum { PIECES_MAX = 2 * ROW_CHOICES_MAX };
enum { FAMILY_MASK = 7 }; /* has room for enum ip_family */

/* A part of a key: bits of one field, which go into one of its words. */
struct piece {
    uint64_t mask;
    uint64_t excess; /* bits that no row of the shape has: narrow numbers */
    uint8_t field, family;
    uint8_t word, rotation;
    bool is_high; /* of the halves of an address */
};

struct shape {
    uint32_t piece_count, word_count;
    struct piece pieces[PIECES_MAX];
    uint32_t number;        /* in the order in which shapes came, while it is made */
    uint32_t entry_count;   /* while it is made */
    uint32_t filter_mask;   /* words of its filter, less one */
    size_t filter, buckets; /* where they begin */
    uint64_t bucket_count;
    bool has_excess;  /* of some piece */
    uint64_t covered; /* bits: shapes of whose rows its slots know the first */
};

struct hashed_row {
    uint64_t hash;
    uint32_t shape, row;
};

/* The rows of a key: one, or, with SLOT_LIST, the place of their count, which they follow. `best` is the
 * first one of these and of those that covered shapes have for any flow with that key; 0: the slot is
 * empty. Rows count from 1 here. */
struct slot {
    uint64_t hash;
    uint32_t rows, best;
};
#define SLOT_LIST (UINT32_C(1) << 31)

/* Slots that are taken come first. A key is in the first bucket from its own on that had room. */
struct bucket {
    struct slot slots[BUCKET_SLOTS];
};

struct row_search {
    struct shape *shapes;
    uint32_t shape_count, shape_capacity;
    uint32_t kept_count;        /* of the first shapes a look-up keeps the hashes */
    uint32_t last_shape;        /* of the row before */
    struct hashed_row *entries; /* until it is finished */
    size_t entry_count, entry_capacity;
    size_t unkeyed_count;
    uint64_t fields, address_fields;
    uint64_t allowed[ROW_FIELDS_MAX][FAMILY_MASK + 1]; /* bits: shapes, by field and family */
    bool has_filters; /* with few shapes they cost more than they spare */
    uint64_t *filters;
    struct bucket *buckets;
    uint32_t *rows; /* of slots that have several */
};

/* ---- hashes ---- */

/* Each step can be taken back, so that different values have different hashes. */
static inline uint64_t mix(uint64_t value)
{
    value *= UINT64_C(0x9e3779b97f4a7c15);
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    return value ^ value >> 32;
}

/* Takes mix() back: multiplies with the inverse numbers. */
static inline uint64_t unmix(uint64_t hash)
{
    hash ^= hash >> 32;
    hash *= UINT64_C(0xcfee444d8b59a89b);
    hash ^= hash >> 32;
    return hash * UINT64_C(0xf1de83e19937733d);
}

static inline uint64_t rotated(uint64_t value, unsigned bits)
{
    return value << bits | value >> (-bits & (WORD_BITS - 1));
}

static inline uint64_t piece_value(const struct piece *piece, uint64_t high, uint64_t low)
{
    return rotated((piece->is_high ? high : low) & piece->mask, piece->rotation);
}

/* Hashes a key, whose words come one after the other with `stride` between. */
static inline uint64_t hash_words(const uint64_t *words, uint32_t count, size_t stride)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < count; i++)
        hash = mix(hash ^ words[i * stride]);
    return hash;
}

static inline uint64_t *filter_word(const struct row_search *s, const struct shape *shape,
                                    uint64_t hash)
{
    return &s->filters[shape->filter + (hash >> 12 & shape->filter_mask)];
}

/* Two bits of the word must be set. In the result only the lowest bit counts. */
static inline uint64_t passes_word(uint64_t word, uint64_t hash)
{
    return word >> (hash & (WORD_BITS - 1)) & word >> (hash >> 6 & (WORD_BITS - 1));
}

static inline uint64_t bits_of(uint64_t hash)
{
    return UINT64_C(1) << (hash & (WORD_BITS - 1)) | UINT64_C(1) << (hash >> 6 & (WORD_BITS - 1));
}

static inline const struct bucket *bucket_of(const struct row_search *s, const struct shape *shape,
                                             uint64_t hash)
{
    return &s->buckets[shape->buckets + ((hash >> HALF_BITS) * shape->bucket_count >> HALF_BITS)];
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
    mem_free(s->filters);
    mem_free(s->buckets);
    mem_free(s->rows);
    mem_free(s);
}

static uint64_t mask_of(unsigned prefix_len)
{
    return prefix_len == 0 ? 0 : prefix_len >= WORD_BITS ? UINT64_MAX : ~(UINT64_MAX >> prefix_len);
}

/* The key of a row, and its shape, while they are put together. */
struct key_maker {
    struct shape shape;
    uint64_t words[PIECES_MAX];
    bool has_half; /* the word before has room for another half */
    uint32_t half_word;
};

/* Appends a piece; a half, of which `mask` tells where it stands, fills a word with another one. */
static void add_piece(struct key_maker *k, struct piece piece, const struct row_value *value)
{
    bool is_upper_half = piece.mask > HALF_MASK, is_half = !is_upper_half || piece.mask << 32 == 0;
    bool to_upper = false;

    if (!is_half) {
        piece.word = (uint8_t)k->shape.word_count++;
    } else if (k->has_half) {
        piece.word = (uint8_t)k->half_word;
        k->has_half = false;
        to_upper = true;
    } else {
        k->has_half = true;
        k->half_word = k->shape.word_count++;
        piece.word = (uint8_t)k->half_word;
    }
    if (is_half && is_upper_half != to_upper)
        piece.rotation = HALF_BITS;
    k->words[piece.word] |= piece_value(&piece, value->high, value->low);
    k->shape.pieces[k->shape.piece_count++] = piece;
    k->shape.has_excess = k->shape.has_excess || piece.excess != 0;
}

static void add_term(struct key_maker *k, uint8_t field, const struct row_term *term)
{
    struct piece piece = {.field = field, .family = term->value.family};
    const struct row_value *value = &term->value;
    unsigned len = term->prefix_len;

    if (value->family == IP_V6) {
        piece.is_high = true;
        piece.mask = mask_of(len);
        add_piece(k, piece, value);
        if (len <= WORD_BITS)
            return;
        piece.is_high = false;
        piece.mask = mask_of(len - WORD_BITS);
    } else if (value->family == IP_V4) { /* in the last 32 of 128 bits */
        piece.mask = mask_of(HALF_BITS + len) & HALF_MASK;
    } else {
        piece.mask = value->low > HALF_MASK ? UINT64_MAX : HALF_MASK;
        piece.excess = ~piece.mask;
    }
    add_piece(k, piece, value);
}

static bool are_equal(const struct shape *a, const struct shape *b)
{
    if (a->piece_count != b->piece_count)
        return false;
    for (uint32_t i = 0; i < a->piece_count; i++) {
        const struct piece *x = &a->pieces[i], *y = &b->pieces[i];
        if (x->mask != y->mask || x->field != y->field || x->family != y->family ||
            x->is_high != y->is_high)
            return false;
    }
    return true;
}

/* Returns the number of a shape. */
static uint32_t find_shape(struct row_search *s, const struct shape *wanted)
{
    if (s->last_shape < s->shape_count && are_equal(&s->shapes[s->last_shape], wanted))
        return s->last_shape;
    for (s->last_shape = 0; s->last_shape < s->shape_count; s->last_shape++)
        if (are_equal(&s->shapes[s->last_shape], wanted))
            return s->last_shape;
    if (s->shape_count == s->shape_capacity) {
        s->shape_capacity = s->shape_capacity ? 2 * s->shape_capacity : 16;
        s->shapes = mem_realloc_array(s->shapes, s->shape_capacity, sizeof *s->shapes);
    }
    s->shapes[s->shape_count] = *wanted;
    s->shapes[s->shape_count].number = s->shape_count;
    for (uint32_t i = 0; i < wanted->piece_count; i++)
        s->fields |= UINT64_C(1) << wanted->pieces[i].field;
    return s->shape_count++;
}

/* Adds a row with one term of each choice. True: its hash is the hash of no other key. */
static bool add_entry(struct row_search *s, uint32_t row, const struct row_choice *const *choices,
                      const uint8_t *at, size_t choice_count)
{
    struct key_maker k = {.has_half = false};
    uint32_t shape;

    for (size_t i = 0; i < choice_count; i++)
        add_term(&k, choices[i]->field, &choices[i]->terms[at[i]]);
    shape = find_shape(s, &k.shape);
    s->shapes[shape].entry_count++;
    if (s->entry_count == s->entry_capacity) {
        s->entry_capacity = s->entry_capacity ? 2 * s->entry_capacity : 64;
        s->entries = mem_realloc_array(s->entries, s->entry_capacity, sizeof *s->entries);
    }
    s->entries[s->entry_count++] = (struct hashed_row){
        .hash = hash_words(k.words, k.shape.word_count, 1), .shape = shape, .row = row};
    return k.shape.word_count <= 1;
}

bool row_search_add(struct row_search *s, uint32_t row, const struct row_choice *choices,
                    size_t choice_count)
{
    const struct row_choice *taken[ROW_CHOICES_MAX] = {NULL};
    uint8_t at[ROW_CHOICES_MAX] = {0};
    size_t count = 0, spread = 1, i;
    bool is_exact;

    for (i = 0; i < choice_count && count < ROW_CHOICES_MAX; i++)
        if (choices[i].count > 0 && spread * choices[i].count <= SPREAD_MAX) {
            assert(choices[i].field < ROW_FIELDS_MAX);
            taken[count++] = &choices[i];
            spread *= choices[i].count;
        }
    s->unkeyed_count += count == 0;
    is_exact = count == choice_count;
    do { /* counts through the terms of all choices */
        if (!add_entry(s, row, taken, at, count))
            is_exact = false;
        for (i = 0; i < count && ++at[i] == taken[i]->count; i++)
            at[i] = 0;
    } while (i < count);
    return is_exact;
}

static int compare_entries(const void *a, const void *b)
{
    const struct hashed_row *x = a, *y = b;

    if (x->shape != y->shape)
        return x->shape < y->shape ? -1 : 1;
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

/* Returns the bucket behind another one, of the same shape. */
static const struct bucket *next_bucket(const struct row_search *s, const struct shape *shape,
                                        const struct bucket *bucket)
{
    const struct bucket *first = &s->buckets[shape->buckets];

    return bucket + 1 < first + shape->bucket_count ? bucket + 1 : first;
}

static void put_slot(struct row_search *s, const struct shape *shape, const struct slot *slot)
{
    const struct bucket *bucket = bucket_of(s, shape, slot->hash);
    struct slot *free_slot;

    while (bucket->slots[BUCKET_SLOTS - 1].best > 0)
        bucket = next_bucket(s, shape, bucket);
    free_slot = s->buckets[bucket - s->buckets].slots;
    while (free_slot->best > 0)
        free_slot++;
    *free_slot = *slot;
    *filter_word(s, shape, slot->hash) |= bits_of(slot->hash);
}

/* Looks in the buckets behind the one where a key should be, which is full. */
static const struct slot *find_far_slot(const struct row_search *s, const struct shape *shape,
                                        const struct bucket *bucket, uint64_t hash)
{
    while (bucket->slots[BUCKET_SLOTS - 1].best > 0) {
        bucket = next_bucket(s, shape, bucket);
        for (size_t i = 0; i < BUCKET_SLOTS && bucket->slots[i].best > 0; i++)
            if (bucket->slots[i].hash == hash)
                return &bucket->slots[i];
    }
    return NULL;
}

/* All slots of the bucket are compared, as a processor cannot foretell which one it will be. */
static inline const struct slot *find_slot(const struct row_search *s, const struct shape *shape,
                                           uint64_t hash)
{
    const struct bucket *bucket = bucket_of(s, shape, hash);
    unsigned same = 0;

    for (unsigned i = 0; i < BUCKET_SLOTS; i++)
        same |= (unsigned)(bucket->slots[i].hash == hash) << i;
    if (same == 0)
        return find_far_slot(s, shape, bucket, hash);
    const struct slot *slot = &bucket->slots[__builtin_ctz(same)];
    return slot->best > 0 ? slot : NULL; /* an empty one has hash 0 */
}

/* Gives each shape its part of the filters and of the slots. */
static void place_tables(struct row_search *s)
{
    size_t word_count = 0, bucket_count = 0;

    for (uint32_t i = 0; i < s->shape_count; i++) {
        struct shape *shape = &s->shapes[i];
        size_t words =
            power_of_two((size_t)shape->entry_count * FILTER_BITS_PER_HASH / WORD_BITS + 1);
        shape->filter = word_count;
        shape->filter_mask = (uint32_t)(words - 1);
        shape->buckets = bucket_count;
        shape->bucket_count = shape->entry_count / BUCKET_TAKEN + 1;
        word_count += words;
        bucket_count += shape->bucket_count;
    }
    s->filters = mem_table_calloc(word_count + 1, sizeof *s->filters);
    static_assert(sizeof *s->buckets == CACHE_LINE, "mem_table_calloc() puts each into a line");
    s->buckets = mem_table_calloc(bucket_count + 1, sizeof *s->buckets);
}

static unsigned bit_count(const struct shape *shape)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < shape->piece_count; i++)
        count += (unsigned)__builtin_popcountll(shape->pieces[i].mask);
    return count;
}

static int compare_shapes(const void *a, const void *b)
{
    const struct shape *x = a, *y = b;
    unsigned x_bits = bit_count(x), y_bits = bit_count(y);

    if (x_bits != y_bits)
        return x_bits > y_bits ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

/* Puts shapes that ask for more bits before the others. */
static void sort_shapes(struct row_search *s)
{
    uint32_t *places = mem_calloc((size_t)s->shape_count + 1, sizeof *places);

    if (s->shape_count > 0)
        qsort(s->shapes, s->shape_count, sizeof *s->shapes, compare_shapes);
    for (uint32_t i = 0; i < s->shape_count; i++)
        places[s->shapes[i].number] = i;
    for (size_t i = 0; i < s->entry_count; i++)
        s->entries[i].shape = places[s->entries[i].shape];
    mem_free(places);
}

/* True if a key of shape `a` tells which key of shape `b` its flows have. */
static bool covers(const struct shape *a, const struct shape *b)
{
    for (uint32_t i = 0; i < b->piece_count; i++) {
        const struct piece *part = &b->pieces[i];
        bool is_found = false;
        for (uint32_t k = 0; k < a->piece_count && !is_found; k++) {
            const struct piece *whole = &a->pieces[k];
            is_found = whole->field == part->field && whole->family == part->family &&
                       whole->is_high == part->is_high && whole->excess == part->excess &&
                       (part->mask & ~whole->mask) == 0;
        }
        if (!is_found)
            return false;
    }
    return true;
}

/* Returns the hash of the key of shape `b` that flows have whose key of shape `a` has that hash. */
static uint64_t hash_of_covered(const struct shape *a, uint64_t hash, const struct shape *b)
{
    uint64_t word = a->word_count ? unmix(hash) : 0, covered_words[PIECES_MAX] = {0};

    for (uint32_t i = 0; i < b->piece_count; i++) {
        const struct piece *part = &b->pieces[i];
        for (uint32_t k = 0; k < a->piece_count; k++) {
            const struct piece *whole = &a->pieces[k];
            if (whole->field != part->field || whole->is_high != part->is_high)
                continue;
            uint64_t value = rotated(word, whole->rotation) & whole->mask;
            covered_words[part->word] |= piece_value(part, value, value);
        }
    }
    return hash_words(covered_words, b->word_count, 1);
}

/* Lets the slots of shape `a` know the first rows of shapes that it covers, which know theirs. */
static void cover(struct row_search *s, struct shape *a, uint32_t number)
{
    for (uint32_t i = number + 1; i < s->kept_count; i++)
        if (a->word_count <= 1 && covers(a, &s->shapes[i]))
            a->covered |= UINT64_C(1) << i;
    for (uint64_t at = 0; a->covered && at < a->bucket_count * BUCKET_SLOTS; at++) {
        struct slot *slot = &s->buckets[a->buckets + at / BUCKET_SLOTS].slots[at % BUCKET_SLOTS];
        uint64_t left = slot->best > 0 ? a->covered : 0;
        while (left) {
            const struct shape *b = &s->shapes[__builtin_ctzll(left)];
            uint64_t hash = hash_of_covered(a, slot->hash, b);
            const struct slot *found = NULL;
            left &= left - 1;
            if (passes_word(*filter_word(s, b, hash), hash) & 1)
                found = find_slot(s, b, hash);
            if (!found)
                continue;
            slot->best = found->best < slot->best ? found->best : slot->best;
            left &= ~b->covered;
        }
    }
}

/* Notes which shapes a flow can have rows of, by the families of its addresses. */
static void note_families(struct row_search *s)
{
    memset(s->allowed, 0xff, sizeof s->allowed);
    for (uint32_t i = 0; i < s->kept_count; i++)
        for (uint32_t k = 0; k < s->shapes[i].piece_count; k++) {
            const struct piece *piece = &s->shapes[i].pieces[k];
            if (piece->family == IP_NONE)
                continue;
            s->address_fields |= UINT64_C(1) << piece->field;
            for (unsigned family = 0; family <= FAMILY_MASK; family++)
                if (family != piece->family)
                    s->allowed[piece->field][family] &= ~(UINT64_C(1) << i);
        }
}

void row_search_finish(struct row_search *s)
{
    uint32_t row_count = 0;

    sort_shapes(s);
    s->kept_count = s->shape_count < ROW_SHAPES_KEPT ? s->shape_count : ROW_SHAPES_KEPT;
    s->has_filters = s->shape_count >= FILTER_SHAPES_MIN;
    note_families(s);
    place_tables(s);
    s->rows = mem_calloc(2 * s->entry_count + 1, sizeof *s->rows);
    if (s->entry_count > 0)
        qsort(s->entries, s->entry_count, sizeof *s->entries, compare_entries);
    for (size_t i = 0, end; i < s->entry_count; i = end) {
        const struct hashed_row *first = &s->entries[i];
        uint32_t *rows = s->rows + row_count, count = 0;
        struct slot slot = {.hash = first->hash, .rows = first->row + 1, .best = first->row + 1};
        for (end = i; end < s->entry_count && s->entries[end].hash == first->hash &&
                      s->entries[end].shape == first->shape;
             end++)
            if (end == i || s->entries[end].row != s->entries[end - 1].row)
                rows[++count] = s->entries[end].row + 1;
        if (count > 1) {
            rows[0] = count;
            slot.rows = row_count | SLOT_LIST;
            row_count += count + 1;
        }
        put_slot(s, &s->shapes[first->shape], &slot);
    }
    for (uint32_t i = s->shape_count; i-- > 0;)
        cover(s, &s->shapes[i], i);
    mem_free(s->entries);
    s->entries = NULL;
    s->rows = mem_realloc_array(s->rows, (size_t)row_count + 1, sizeof *s->rows);
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

/* Compiled in line, as code is better where the number of flows is known. */
#define HOT_INLINE static inline __attribute__((always_inline))

/* The keys of one shape, of all flows that are looked up together. */
struct keys {
    uint64_t words[PIECES_MAX][ROW_TOGETHER];
};

HOT_INLINE void take_keys(const struct shape *shape, const struct row_column *columns,
                          uint32_t count, struct keys *keys)
{
    uint32_t word_count = 0; /* that have been begun */

    for (uint32_t k = 0; k < shape->piece_count; k++) {
        const struct piece *piece = &shape->pieces[k];
        const struct row_column *column = &columns[piece->field];
        const uint64_t *values = piece->is_high ? column->high : column->low;
        uint64_t *words = keys->words[piece->word], mask = piece->mask;
        unsigned rotation = piece->rotation;
        if (piece->word == word_count)
            for (uint32_t i = 0; i < count; i++)
                words[i] = rotated(values[i] & mask, rotation);
        else
            for (uint32_t i = 0; i < count; i++)
                words[i] |= rotated(values[i] & mask, rotation);
        word_count += piece->word == word_count;
    }
}

/* Hashes the keys of a shape, and makes the lowest bit of each flow's hits say whether it may have rows
 * of it. */
HOT_INLINE void note_hits(const struct row_search *s, const struct shape *shape,
                          const struct keys *keys, uint32_t count, uint64_t *hashes, uint64_t *hits)
{
    const uint64_t *filter = s->filters + shape->filter, mask = shape->filter_mask;

    if (shape->word_count == 1)
        for (uint32_t i = 0; i < count; i++)
            hashes[i] = mix(keys->words[0][i]);
    else
        for (uint32_t i = 0; i < count; i++)
            hashes[i] = hash_words(&keys->words[0][i], shape->word_count, ROW_TOGETHER);
    if (s->has_filters)
        for (uint32_t i = 0; i < count; i++) {
            uint64_t word = filter[hashes[i] >> 12 & mask];
            hits[i] = hits[i] << 1 | (passes_word(word, hashes[i]) & 1);
        }
    else
        for (uint32_t i = 0; i < count; i++)
            hits[i] = hits[i] << 1 | 1;
}

/* Takes back hits of flows with numbers that no row of the shape has. */
static void drop_excess(const struct shape *shape, const struct row_column *columns, uint32_t count,
                        uint64_t *hits)
{
    for (uint32_t k = 0; k < shape->piece_count; k++) {
        const struct piece *piece = &shape->pieces[k];
        const uint64_t *values = columns[piece->field].low;
        uint64_t any = 0;
        for (uint32_t i = 0; piece->excess && i < count; i++)
            any |= values[i];
        for (uint32_t i = 0; (any & piece->excess) && i < count; i++)
            hits[i] &= ~(uint64_t)(values[i] & piece->excess ? 1 : 0);
    }
}

/* Takes back hits of shapes that ask for addresses of another family. */
static void drop_families(const struct row_search *s, const struct row_column *columns,
                          uint32_t count, uint64_t *hits)
{
    for (uint64_t left = s->address_fields; left; left &= left - 1) {
        unsigned field = (unsigned)__builtin_ctzll(left);
        const uint64_t *allowed = s->allowed[field];
        for (uint32_t i = 0; i < count; i++)
            hits[i] &= allowed[columns[field].family[i] & FAMILY_MASK];
    }
}

HOT_INLINE void start_shapes(const struct row_search *s, const struct row_column *columns,
                             uint32_t count, struct row_lookup *lookup)
{
    struct keys keys;

    for (uint32_t i = s->kept_count; i-- > 0;) {
        take_keys(&s->shapes[i], columns, count, &keys);
        note_hits(s, &s->shapes[i], &keys, count, lookup->hashes[i], lookup->hits);
        if (s->shapes[i].has_excess)
            drop_excess(&s->shapes[i], columns, count, lookup->hits);
    }
    drop_families(s, columns, count, lookup->hits);
}

/* Fetches the buckets that row_search_settle() looks at. */
static void prefetch_buckets(const struct row_search *s, uint32_t count,
                             const struct row_lookup *lookup)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint64_t left = lookup->hits[i]; left;) {
            unsigned number = (unsigned)__builtin_ctzll(left);
            const struct shape *shape = &s->shapes[number];
            __builtin_prefetch(bucket_of(s, shape, lookup->hashes[number][i]));
            left &= left - 1;
            left &= ~shape->covered;
        }
}

void row_search_start(const struct row_search *s, const struct row_column *columns, uint32_t count,
                      struct row_lookup *lookup)
{
    memset(lookup->hits, 0, sizeof lookup->hits);
    if (count == ROW_TOGETHER)
        start_shapes(s, columns, ROW_TOGETHER, lookup);
    else
        start_shapes(s, columns, count, lookup);
    prefetch_buckets(s, count, lookup);
}

/* Looks one flow up in the table of one shape. */
static const struct slot *slot_of_flow(const struct row_search *s, const struct shape *shape,
                                       const struct row_column *columns, uint32_t index)
{
    uint64_t words[PIECES_MAX] = {0}, misses = 0, hash;

    for (uint32_t i = 0; i < shape->piece_count; i++) {
        const struct piece *piece = &shape->pieces[i];
        const struct row_column *column = &columns[piece->field];
        words[piece->word] |=
            piece_value(piece, piece->is_high ? column->high[index] : 0, column->low[index]);
        if (piece->family != IP_NONE)
            misses |= (uint64_t)(column->family[index] ^ piece->family);
        else
            misses |= column->low[index] & piece->excess;
    }
    hash = hash_words(words, shape->word_count, 1);
    if (misses || !(passes_word(*filter_word(s, shape, hash), hash) & 1))
        return NULL;
    return find_slot(s, shape, hash);
}

/* Finds the first candidate in the shapes whose hashes are not kept. */
static uint32_t first_of_others(const struct row_search *s, const struct row_column *columns,
                                uint32_t index, uint32_t best)
{
    for (uint32_t i = s->kept_count; i < s->shape_count; i++) {
        const struct slot *slot = slot_of_flow(s, &s->shapes[i], columns, index);
        if (slot && slot->best - 1 < best)
            best = slot->best - 1;
    }
    return best;
}

void row_search_settle(const struct row_search *s, const struct row_column *columns, uint32_t count,
                       struct row_lookup *lookup)
{
    bool has_others = s->shape_count > s->kept_count;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t best = ROW_NONE;
        for (uint64_t left = lookup->hits[i]; left;) {
            unsigned number = (unsigned)__builtin_ctzll(left);
            const struct shape *shape = &s->shapes[number];
            const struct slot *slot = find_slot(s, shape, lookup->hashes[number][i]);
            left &= left - 1;
            if (!slot)
                continue;
            best = slot->best - 1 < best ? slot->best - 1 : best;
            left &= ~shape->covered;
        }
        lookup->first[i] = has_others ? first_of_others(s, columns, i, best) : best;
    }
}

/* Returns the first row of a slot from `from` on, or ROW_NONE. */
static uint32_t row_from(const struct row_search *s, const struct slot *slot, uint32_t from)
{
    if (!(slot->rows & SLOT_LIST))
        return slot->rows - 1 >= from ? slot->rows - 1 : ROW_NONE;
    const uint32_t *rows = s->rows + (slot->rows & ~SLOT_LIST) + 1;
    uint32_t low = 0, high = rows[-1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows[middle] - 1 < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rows[-1] ? rows[low] - 1 : ROW_NONE;
}

uint32_t row_search_more(const struct row_search *s, const struct row_column *columns,
                         const struct row_lookup *lookup, uint32_t index, uint32_t from)
{
    uint32_t best = ROW_NONE;

    for (uint64_t left = lookup->hits[index]; left; left &= left - 1) {
        unsigned number = (unsigned)__builtin_ctzll(left);
        const struct slot *slot = find_slot(s, &s->shapes[number], lookup->hashes[number][index]);
        uint32_t row = slot ? row_from(s, slot, from) : ROW_NONE;
        best = row < best ? row : best;
    }
    for (uint32_t i = s->kept_count; i < s->shape_count; i++) {
        const struct slot *slot = slot_of_flow(s, &s->shapes[i], columns, index);
        uint32_t row = slot ? row_from(s, slot, from) : ROW_NONE;
        best = row < best ? row : best;
    }
    return best;
}
