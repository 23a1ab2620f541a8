/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the index of maps: puts rows into shapes, shapes into groups, and lays out their tables. */
#include "maps/row_search.h"

#include "base/memory.h"
#include "base/text.h"
#include "maps/row_search_private.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RANGE_MAX = 16, SPREAD_MAX = 64 };

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
    mem_free(s->groups);
    mem_free(s->buckets);
    mem_free(s->slot_rows);
    mem_free(s->lists);
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

/* False if each term is a prefix of no bits, which all addresses of its family have. */
static bool is_key(const struct row_choice *choice)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->terms[i].value.family == IP_NONE || choice->terms[i].prefix_len > 0)
            return true;
    return false;
}

bool row_search_add(struct row_search *s, uint32_t row, const struct row_choice *choices,
                    size_t choice_count)
{
    const struct row_choice *taken[ROW_CHOICES_MAX] = {NULL};
    uint8_t at[ROW_CHOICES_MAX] = {0};
    size_t count = 0, spread = 1, i;
    bool is_exact, is_keyed = false;

    for (i = 0; i < choice_count && count < ROW_CHOICES_MAX; i++)
        if (choices[i].count > 0 && spread * choices[i].count <= SPREAD_MAX) {
            assert(choices[i].field < ROW_FIELDS_MAX);
            taken[count++] = &choices[i];
            is_keyed = is_keyed || is_key(&choices[i]);
            spread *= choices[i].count;
        }
    s->unkeyed_count += !is_keyed;
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

/* Lets the filter know a key. */
static void note_key(struct row_search *s, const struct shape *shape, uint64_t hash)
{
    unsigned bit;
    uint64_t common = group_hash(s, shape, hash, &bit);

    set_line_bit(line_of(s, &s->groups[shape->group], common), common, bit);
}

static void put_slot(struct row_search *s, const struct shape *shape, const struct slot *slot,
                     uint32_t rows)
{
    const struct bucket *bucket = bucket_of(s, shape, slot->hash);
    struct slot *free_slot;

    while (bucket->slots[BUCKET_SLOTS - 1].best > 0)
        bucket = next_bucket(s, shape, bucket);
    free_slot = s->buckets[bucket - s->buckets].slots;
    while (free_slot->best > 0)
        free_slot++;
    *free_slot = *slot;
    s->slot_rows[slot_place(s, free_slot)] = rows;
    note_key(s, shape, slot->hash);
}

/* Gives each shape its buckets, and behind these each group its filter. */
static void place_tables(struct row_search *s)
{
    size_t line_count = 0, bucket_count = 0;

    for (uint32_t i = 0; i < s->shape_count; i++) {
        struct shape *shape = &s->shapes[i];
        shape->buckets = bucket_count;
        shape->bucket_count = shape->entry_count / BUCKET_TAKEN + 1;
        bucket_count += shape->bucket_count;
    }
    for (uint32_t i = 0; i < s->group_count; i++) {
        struct shape_group *group = &s->groups[i];
        size_t bits = 0;
        for (uint32_t k = 0; k < GROUP_LENGTHS; k++)
            if (group->members[k] != GROUP_NONE)
                bits += (size_t)s->shapes[group->members[k]].entry_count * FILTER_BITS_PER_ROW;
        group->lines = line_count;
        group->line_count = (uint32_t)(bits / LINE_BITS + 1);
        line_count += group->line_count;
    }
    static_assert(sizeof *s->buckets == CACHE_LINE && sizeof *s->lines == CACHE_LINE,
                  "mem_table_calloc() puts each into a line");
    s->buckets = mem_table_calloc(bucket_count + line_count + 1, sizeof *s->buckets);
    s->lines = (uint64_t(*)[LINE_WORDS])(s->buckets + bucket_count);
    s->bucket_count = bucket_count;
    s->slot_rows = mem_table_calloc(bucket_count * BUCKET_SLOTS + 1, sizeof *s->slot_rows);
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

/* True if shape `b` differs from `a` in one piece alone, in which it has a shorter prefix; says which. */
static bool is_shortened(const struct shape *a, const struct shape *b, uint8_t *ret_piece)
{
    uint32_t differ_count = 0;

    if (a->word_count != 1 || b->word_count != 1 || a->piece_count != b->piece_count)
        return false;
    for (uint32_t i = 0; i < a->piece_count; i++) {
        const struct piece *x = &a->pieces[i], *y = &b->pieces[i];
        if (x->field != y->field || x->family != y->family || x->is_high != y->is_high ||
            x->rotation != y->rotation || x->excess != y->excess)
            return false;
        if (x->mask == y->mask)
            continue;
        if (x->family == IP_NONE ||
            __builtin_popcountll(x->mask) - __builtin_popcountll(y->mask) >= GROUP_LENGTHS)
            return false;
        *ret_piece = (uint8_t)i;
        differ_count++;
    }
    return differ_count == 1;
}

/* Makes a group of a shape and of those behind it that fit, which have fewer bits. */
static void gather_group(struct row_search *s, uint32_t first)
{
    struct shape_group *group = &s->groups[s->group_count];
    uint32_t fits[GROUP_LENGTHS] = {first}, count = 1;
    uint8_t long_piece = 0, piece;

    for (uint32_t i = first + 1; s->has_filters && i < s->kept_count; i++) {
        if (s->shapes[i].group != GROUP_NONE ||
            !is_shortened(&s->shapes[first], &s->shapes[i], &piece) ||
            (count > 1 && piece != long_piece))
            continue;
        long_piece = piece;
        fits[count++] = i;
    }
    const struct shape *shortest = &s->shapes[fits[count - 1]];
    *group = (struct shape_group){.longest = first};
    memset(group->members, 0xff, sizeof group->members);
    for (uint32_t i = 0; i < count; i++) {
        struct shape *shape = &s->shapes[fits[i]];
        uint64_t mask = count > 1 ? shape->pieces[long_piece].mask : 0;
        uint64_t more = count > 1 ? mask & ~shortest->pieces[long_piece].mask : 0;
        unsigned more_count = (unsigned)__builtin_popcountll(more);
        shape->group = s->group_count;
        shape->long_piece = long_piece;
        shape->long_shift = (uint8_t)(mask ? __builtin_ctzll(mask) : 0);
        shape->long_mask = (uint8_t)((1u << more_count) - 1);
        group->members[more_count] = fits[i];
        group->places |= ((UINT64_C(1) << (1u << more_count)) - 1) << shape->long_mask;
    }
    s->group_count++;
}

static void group_shapes(struct row_search *s)
{
    s->groups = mem_calloc((size_t)s->shape_count + 1, sizeof *s->groups);
    for (uint32_t i = 0; i < s->shape_count; i++)
        s->shapes[i].group = GROUP_NONE;
    for (uint32_t i = 0; i < s->shape_count; i++) {
        if (s->shapes[i].group == GROUP_NONE)
            gather_group(s, i);
        if (i < s->kept_count)
            s->kept_group_count = s->group_count;
    }
    s->ways[0] = 1;
    for (unsigned bit = 1; bit < GROUP_BITS; bit++)
        s->ways[bit] = s->ways[(bit - 1) / 2] | UINT64_C(1) << bit;
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
    for (uint32_t i = 0; i < s->kept_group_count; i++) {
        bool is_covered = true;
        for (uint32_t k = 0; k < GROUP_LENGTHS; k++)
            if (s->groups[i].members[k] != GROUP_NONE)
                is_covered = is_covered && (a->covered >> s->groups[i].members[k] & 1);
        a->covered_groups |= (uint64_t)is_covered << i;
    }
    for (uint64_t at = 0; a->covered && at < a->bucket_count * BUCKET_SLOTS; at++) {
        struct slot *slot = &s->buckets[a->buckets + at / BUCKET_SLOTS].slots[at % BUCKET_SLOTS];
        uint64_t left = slot->best > 0 ? a->covered : 0;
        while (left) {
            const struct shape *b = &s->shapes[__builtin_ctzll(left)];
            uint64_t hash = hash_of_covered(a, slot->hash, b);
            const struct slot *found = NULL;
            left &= left - 1;
            if (may_have(s, b, hash))
                found = find_slot(s, b, hash);
            if (!found)
                continue;
            slot->best = found->best < slot->best ? found->best : slot->best;
            left &= ~b->covered;
        }
    }
}

/* Notes which groups a flow can have rows of, by the families of its addresses. */
static void note_families(struct row_search *s)
{
    memset(s->allowed, 0xff, sizeof s->allowed);
    for (uint32_t i = 0; i < s->kept_group_count; i++) {
        const struct shape *shape = &s->shapes[s->groups[i].longest];
        for (uint32_t k = 0; k < shape->piece_count; k++) {
            const struct piece *piece = &shape->pieces[k];
            if (piece->family == IP_NONE)
                continue;
            s->address_fields |= UINT64_C(1) << piece->field;
            for (unsigned family = 0; family <= FAMILY_MASK; family++)
                if (family != piece->family)
                    s->allowed[piece->field][family] &= ~(UINT64_C(1) << i);
        }
    }
}

void row_search_finish(struct row_search *s)
{
    uint32_t listed = 0;

    sort_shapes(s);
    s->kept_count = s->shape_count < ROW_SHAPES_KEPT ? s->shape_count : ROW_SHAPES_KEPT;
    s->has_filters = s->shape_count >= FILTER_SHAPES_MIN;
    group_shapes(s);
    note_families(s);
    place_tables(s);
    s->lists = mem_calloc(2 * s->entry_count + 1, sizeof *s->lists);
    if (s->entry_count > 0)
        qsort(s->entries, s->entry_count, sizeof *s->entries, compare_entries);
    for (size_t i = 0, end; i < s->entry_count; i = end) {
        const struct hashed_row *first = &s->entries[i];
        struct slot slot = {.hash = first->hash, .best = first->row + 1};
        uint32_t *list = s->lists + listed, count = 0, rows = slot.best;
        for (end = i; end < s->entry_count && s->entries[end].hash == first->hash &&
                      s->entries[end].shape == first->shape;
             end++)
            if (end == i || s->entries[end].row != s->entries[end - 1].row)
                list[++count] = s->entries[end].row + 1;
        if (count > 1) {
            list[0] = count;
            rows = listed | LISTED;
            listed += count + 1;
        }
        put_slot(s, &s->shapes[first->shape], &slot, rows);
    }
    for (uint32_t i = s->shape_count; i-- > 0;)
        cover(s, &s->shapes[i], i);
    mem_free(s->entries);
    s->entries = NULL;
    s->lists = mem_realloc_array(s->lists, (size_t)listed + 1, sizeof *s->lists);
}

void row_search_note(struct row_search *s, const uint32_t *notes)
{
    for (size_t i = 0; i < s->bucket_count * BUCKET_SLOTS; i++) {
        struct slot *slot = &s->buckets[i / BUCKET_SLOTS].slots[i % BUCKET_SLOTS];
        if (slot->best > 0)
            slot->note = notes[slot->best - 1];
    }
}

size_t row_search_unkeyed(const struct row_search *s)
{
    return s->unkeyed_count;
}

void row_search_warn(const struct row_search *s, const char *path, struct text *warnings)
{
    if (s->unkeyed_count > ROW_UNKEYED_MAX)
        text_append_printf(warnings,
                           "%s: %zu rows ask for nothing but filters, negations and wide ranges: "
                           "each is tried for each flow; add keys such as ip= or in= to them\n",
                           path, s->unkeyed_count);
}

uint64_t row_search_fields(const struct row_search *s)
{
    return s->fields;
}
