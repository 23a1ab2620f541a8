/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the index of maps, for some flows together: hashes and filters first, then the tables of the
 * shapes that are left. What the next step reads is fetched in this one. */
#include "maps/row_search_private.h"

#include <string.h>

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

/* Hashes the keys of a shape. */
HOT_INLINE void take_hashes(const struct shape *shape, const struct row_column *columns,
                            uint32_t count, uint64_t *hashes)
{
    struct keys keys;

    take_keys(shape, columns, count, &keys);
    if (shape->word_count == 1)
        for (uint32_t i = 0; i < count; i++)
            hashes[i] = mix(keys.words[0][i]);
    else
        for (uint32_t i = 0; i < count; i++)
            hashes[i] = hash_words(&keys.words[0][i], shape->word_count, ROW_TOGETHER);
}

/* Asks the filter of a group, by the hashes of its shortest shape. */
HOT_INLINE void ask_filter(const struct row_search *s, uint32_t number,
                           const struct row_column *columns, uint32_t count,
                           struct row_lookup *lookup)
{
    const struct shape_group *group = &s->groups[number];
    const struct shape *longest = &s->shapes[group->longest];
    const uint64_t *hashes = lookup->hashes[number];
    uint64_t *bits = lookup->bits[number], *hits = lookup->hits;

    for (uint32_t i = 0; i < count; i++)
        bits[i] = line_bits(line_of(s, group, hashes[i]), hashes[i]);
    if (longest->long_mask == 0) {
        for (uint32_t i = 0; i < count; i++)
            bits[i] &= 1;
    } else {
        const struct piece *piece = &longest->pieces[longest->long_piece];
        const struct row_column *column = &columns[piece->field];
        const uint64_t *values = piece->is_high ? column->high : column->low;
        uint8_t shift = longest->long_shift, mask = longest->long_mask;
        uint64_t places = group->places;
        for (uint32_t i = 0; i < count; i++)
            bits[i] &= s->ways[long_bit(values[i], shift, mask)] & places;
    }
    for (uint32_t i = 0; i < count; i++)
        hits[i] |= (uint64_t)(bits[i] != 0) << number;
}

/* Takes back the hit of flows with numbers that no row of the group has. */
static void drop_excess(const struct row_search *s, uint32_t number,
                        const struct row_column *columns, uint32_t count, uint64_t *hits)
{
    const struct shape *shape = &s->shapes[s->groups[number].longest];

    for (uint32_t k = 0; k < shape->piece_count; k++) {
        const struct piece *piece = &shape->pieces[k];
        const uint64_t *values = columns[piece->field].low;
        uint64_t any = 0;
        for (uint32_t i = 0; piece->excess && i < count; i++)
            any |= values[i];
        for (uint32_t i = 0; (any & piece->excess) && i < count; i++)
            hits[i] &= ~((uint64_t)(values[i] & piece->excess ? 1 : 0) << number);
    }
}

/* Takes back hits of groups that ask for addresses of another family. */
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

/* Without filters all may have rows. */
static void note_all(struct row_lookup *lookup, uint32_t number, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        lookup->bits[number][i] = 1;
        lookup->hits[i] |= UINT64_C(1) << number;
    }
}

HOT_INLINE void start_groups(const struct row_search *s, const struct row_column *columns,
                             uint32_t count, struct row_lookup *lookup)
{
    for (uint32_t i = 0; i < s->kept_group_count; i++) {
        const struct shape_group *group = &s->groups[i];
        uint64_t *hashes = lookup->hashes[i];
        take_hashes(&s->shapes[group->members[0]], columns, count, hashes);
        for (uint32_t k = 0; s->has_filters && k < count; k++)
            __builtin_prefetch(line_of(s, group, hashes[k]));
    }
    for (uint32_t i = 0; i < s->kept_group_count; i++) {
        if (s->has_filters)
            ask_filter(s, i, columns, count, lookup);
        else
            note_all(lookup, i, count);
        if (s->shapes[s->groups[i].longest].has_excess)
            drop_excess(s, i, columns, count, lookup->hits);
    }
    drop_families(s, columns, count, lookup->hits);
}

/* Returns the number of the shape of a group that a bit stands for. */
static inline uint32_t shape_of_bit(const struct shape_group *group, unsigned bit)
{
    return group->members[31 - __builtin_clz(bit + 1)];
}

static inline unsigned highest_bit(uint64_t bits)
{
    return WORD_BITS - 1 - (unsigned)__builtin_clzll(bits);
}

/* Returns the hash of a flow's key of a shape that is in a group of those that are kept. */
static inline uint64_t hash_of_hit(const struct shape *shape, const struct row_column *columns,
                                   const struct row_lookup *lookup, uint32_t index)
{
    uint64_t word = 0;

    if (shape->long_mask == 0)
        return lookup->hashes[shape->group][index];
    for (uint32_t i = 0; i < shape->piece_count; i++) {
        const struct piece *piece = &shape->pieces[i];
        const struct row_column *column = &columns[piece->field];
        word |= piece_value(piece, piece->is_high ? column->high[index] : 0, column->low[index]);
    }
    return mix(word);
}

/* Fetches the bucket of the longest shape for which some bit stands. In line, as a call that only
 * fetches is thought to do nothing. Returns the shape. */
HOT_INLINE const struct shape *prefetch_bucket(const struct row_search *s, unsigned group,
                                               uint64_t bits, const struct row_column *columns,
                                               const struct row_lookup *lookup, uint32_t index)
{
    const struct shape *shape = &s->shapes[shape_of_bit(&s->groups[group], highest_bit(bits))];

    __builtin_prefetch(bucket_of(s, shape, hash_of_hit(shape, columns, lookup, index)));
    return shape;
}

/* Fetches the buckets that row_search_settle() looks at first. */
HOT_INLINE void prefetch_buckets(const struct row_search *s, const struct row_column *columns,
                                 uint32_t count, const struct row_lookup *lookup)
{
    for (uint32_t k = 0; !s->has_filters && k < s->shape_count; k++)
        for (uint32_t i = 0; i < count; i++)
            __builtin_prefetch(bucket_of(s, &s->shapes[k], lookup->hashes[k][i]));
    for (uint32_t i = 0; s->has_filters && i < count; i++)
        for (uint64_t left = lookup->hits[i]; left;) {
            unsigned group = (unsigned)__builtin_ctzll(left);
            const struct shape *shape =
                prefetch_bucket(s, group, lookup->bits[group][i], columns, lookup, i);
            left &= left - 1;
            left &= ~shape->covered_groups;
        }
}

void row_search_start(const struct row_search *s, const struct row_column *columns, uint32_t count,
                      struct row_lookup *lookup)
{
    memset(lookup->hits, 0, sizeof lookup->hits);
    if (count == ROW_TOGETHER)
        start_groups(s, columns, ROW_TOGETHER, lookup);
    else
        start_groups(s, columns, count, lookup);
    prefetch_buckets(s, columns, count, lookup);
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
    if (misses || !may_have(s, shape, hash))
        return NULL;
    return find_slot(s, shape, hash);
}

/* Takes the first row of a slot if it comes before what was found. NULL is fine. */
HOT_INLINE void take_first(struct row_lookup *lookup, uint32_t index, const struct slot *slot)
{
    uint32_t best = slot ? slot->best - 1 : ROW_NONE;

    if (best < lookup->first[index]) {
        lookup->first[index] = best;
        lookup->notes[index] = slot->note;
    }
}

/* Looks at the shapes whose hashes are not kept. */
static void settle_others(const struct row_search *s, const struct row_column *columns,
                          uint32_t index, struct row_lookup *lookup)
{
    for (uint32_t i = s->kept_count; i < s->shape_count; i++)
        take_first(lookup, index, slot_of_flow(s, &s->shapes[i], columns, index));
}

/* Holds what is left to ask for a flow. */
struct pending {
    uint64_t groups; /* the lowest one is asked */
    uint64_t bits;   /* of that one */
};

/* Looks at the bucket of the longest shape for which some bit stands, and notes what is left. What is
 * found knows the first row of all shorter ones. */
HOT_INLINE void settle_next(const struct row_search *s, const struct row_column *columns,
                            struct row_lookup *lookup, uint32_t index, struct pending *pending)
{
    unsigned number = (unsigned)__builtin_ctzll(pending->groups), bit = highest_bit(pending->bits);
    const struct shape *shape = &s->shapes[shape_of_bit(&s->groups[number], bit)];
    const struct slot *slot = find_slot(s, shape, hash_of_hit(shape, columns, lookup, index));

    take_first(lookup, index, slot);
    pending->groups &= slot ? ~shape->covered_groups : UINT64_MAX;
    pending->bits = slot ? 0 : pending->bits ^ UINT64_C(1) << bit;
    if (pending->bits == 0) {
        pending->groups &= pending->groups - 1;
        if (pending->groups)
            pending->bits = lookup->bits[__builtin_ctzll(pending->groups)][index];
    }
}

/* Looks at all shapes of all flows: there are few, each a group by itself. */
static void settle_few(const struct row_search *s, uint32_t count, struct row_lookup *lookup)
{
    for (uint32_t k = 0; k < s->shape_count; k++)
        for (uint32_t i = 0; i < count; i++) {
            const struct slot *slot = find_slot(s, &s->shapes[k], lookup->hashes[k][i]);
            take_first(lookup, i, lookup->hits[i] >> k & 1 ? slot : NULL);
        }
}

/* Each turn looks at one bucket of each flow that has some left. The filters are wrong for few flows,
 * whose next buckets are fetched together, too. */
void row_search_settle(const struct row_search *s, const struct row_column *columns, uint32_t count,
                       struct row_lookup *lookup)
{
    struct pending pending[ROW_TOGETHER];
    uint8_t waiting[ROW_TOGETHER];
    uint32_t waiting_count = 0;

    for (uint32_t i = 0; i < count; i++) {
        lookup->first[i] = ROW_NONE;
        lookup->notes[i] = 0;
    }
    if (!s->has_filters) {
        settle_few(s, count, lookup);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hits = lookup->hits[i];
        waiting[waiting_count] = (uint8_t)i;
        waiting_count += hits != 0;
        pending[i] = (struct pending){hits, hits ? lookup->bits[__builtin_ctzll(hits)][i] : 0};
    }
    while (waiting_count > 0) {
        uint32_t left_count = 0;
        for (uint32_t k = 0; k < waiting_count; k++)
            settle_next(s, columns, lookup, waiting[k], &pending[waiting[k]]);
        for (uint32_t k = 0; k < waiting_count; k++) {
            uint32_t i = waiting[k];
            if (!pending[i].groups)
                continue;
            prefetch_bucket(s, (unsigned)__builtin_ctzll(pending[i].groups), pending[i].bits,
                            columns, lookup, i);
            waiting[left_count++] = (uint8_t)i;
        }
        waiting_count = left_count;
    }
    for (uint32_t i = 0; s->shape_count > s->kept_count && i < count; i++)
        settle_others(s, columns, i, lookup);
}

/* Returns the first row of a slot from `from` on, or ROW_NONE. */
static uint32_t row_from(const struct row_search *s, const struct slot *slot, uint32_t from)
{
    uint32_t own = s->slot_rows[slot_place(s, slot)];

    if (!(own & LISTED))
        return own - 1 >= from ? own - 1 : ROW_NONE;
    const uint32_t *rows = s->lists + (own & ~LISTED) + 1;
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
        for (uint64_t bits = lookup->bits[number][index]; bits; bits &= bits - 1) {
            const struct shape *shape =
                &s->shapes[shape_of_bit(&s->groups[number], (unsigned)__builtin_ctzll(bits))];
            const struct slot *slot =
                find_slot(s, shape, hash_of_hit(shape, columns, lookup, index));
            uint32_t row = slot ? row_from(s, slot, from) : ROW_NONE;
            best = row < best ? row : best;
        }
    }
    for (uint32_t i = s->kept_count; i < s->shape_count; i++) {
        const struct slot *slot = slot_of_flow(s, &s->shapes[i], columns, index);
        uint32_t row = slot ? row_from(s, slot, from) : ROW_NONE;
        best = row < best ? row : best;
    }
    return best;
}
