/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The index of maps. A shape's fields are cut into pieces of 32 or 64 bits, and the pieces put
 * together into the words of a key, whose hash is what a row is found by. No two keys of one word have
 * the same hash, so that there nothing more need be compared; the words of longer keys are not kept,
 * as callers ask their rows anyway.
 *
 * Before the tables lie filters of some bits for each row, which fit into a cache, and where nearly all
 * shapes fail. Shapes that differ only in the length of one prefix, by less than six bits, are one group
 * with one filter: the bits that all of them have choose a line of it and two of its words, in which
 * each longer prefix has a bit of its own, as in a node of a tree bitmap. So one hash and one line of
 * the cache tell which of six lengths a flow may have rows of.
 */
#include "maps/row_search.h"

#include <assert.h>

enum { WORD_BITS = 64, HALF_BITS = 32 };
enum { FILTER_BITS_PER_ROW = 16, FILTER_SHAPES_MIN = 3, LINE_WORDS = 8, LINE_BITS = 512 };
#define GROUP_NONE UINT32_MAX
enum { GROUP_LENGTHS = 6, GROUP_BITS = 63 }; /* prefixes of the lengths have 1, 2, 4 .. 32 bits */
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
    uint32_t number;      /* in the order in which shapes came, while it is made */
    uint32_t entry_count; /* while it is made */
    uint32_t group;
    uint8_t long_piece; /* in which it differs from the others of its group */
    uint8_t long_shift; /* where the bits end that it has there more than the shortest one */
    uint8_t long_mask;  /* of these bits */
    bool has_excess;    /* of some piece */
    size_t buckets;     /* where they begin */
    uint64_t bucket_count;
    uint64_t covered;        /* bits: shapes of whose rows its slots know the first */
    uint64_t covered_groups; /* bits: groups whose shapes are all covered */
};

/* Shapes that share a filter. They are known by how many bits they have more than the shortest one. */
struct shape_group {
    uint32_t members[GROUP_LENGTHS]; /* GROUP_NONE: there is none of that length */
    uint32_t longest;
    uint32_t line_count;
    uint64_t places; /* bits that prefixes of its lengths have */
    size_t lines;    /* where they begin */
};

struct hashed_row {
    uint64_t hash;
    uint32_t shape, row;
};

/* A key. `best` is the first one of its rows and of those that covered shapes have for any flow with that
 * key, counted from 1; 0: the slot is empty. */
struct slot {
    uint64_t hash;
    uint32_t best;
    uint32_t note; /* the caller's, of that row */
};
#define LISTED (UINT32_C(1) << 31)

/* Slots that are taken come first. A key is in the first bucket from its own on that had room. */
struct bucket {
    struct slot slots[BUCKET_SLOTS];
};

struct row_search {
    struct shape *shapes;
    uint32_t shape_count, shape_capacity;
    uint32_t kept_count;        /* of the first shapes a look-up keeps the hashes */
    struct shape_group *groups; /* first those of the shapes that are kept */
    uint32_t group_count, kept_group_count;
    uint32_t last_shape;        /* of the row before */
    struct hashed_row *entries; /* until it is finished */
    size_t entry_count, entry_capacity;
    size_t unkeyed_count;
    uint64_t fields, address_fields;
    uint64_t allowed[ROW_FIELDS_MAX][FAMILY_MASK + 1]; /* bits: groups, by field and family */
    uint64_t ways[GROUP_BITS]; /* by a prefix's bit: that and those of all that contain it */
    bool has_filters;          /* with few shapes they cost more than they spare */
    struct bucket *buckets;
    size_t bucket_count;
    uint64_t (*lines)[LINE_WORDS]; /* of filters; they lie behind the buckets */
    /* The rows of each slot, counted from 1: one, or, with LISTED, the place in `lists` of their count,
     * which they follow. Look-ups read these only where the first row is not the last. */
    uint32_t *slot_rows;
    uint32_t *lists;
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

static inline uint64_t *line_of(const struct row_search *s, const struct shape_group *group,
                                uint64_t hash)
{
    return s->lines[group->lines + ((hash >> HALF_BITS) * group->line_count >> HALF_BITS)];
}

/* Returns the bits of a group's key in its filter: both words, turned by the hash, must have a bit. */
static inline uint64_t line_bits(const uint64_t *line, uint64_t hash)
{
    return rotated(line[hash & (LINE_WORDS - 1)], hash >> 3 & (WORD_BITS - 1)) &
           rotated(line[hash >> 9 & (LINE_WORDS - 1)], hash >> 12 & (WORD_BITS - 1));
}

static inline void set_line_bit(uint64_t *line, uint64_t hash, unsigned bit)
{
    line[hash & (LINE_WORDS - 1)] |= rotated(UINT64_C(1) << bit, -(hash >> 3) & (WORD_BITS - 1));
    line[hash >> 9 & (LINE_WORDS - 1)] |=
        rotated(UINT64_C(1) << bit, -(hash >> 12) & (WORD_BITS - 1));
}

/* Returns the bit of a value of the piece in which shapes of a group differ. */
static inline unsigned long_bit(uint64_t value, uint8_t shift, uint8_t mask)
{
    return mask + (unsigned)(value >> shift & mask);
}

static inline const struct bucket *bucket_of(const struct row_search *s, const struct shape *shape,
                                             uint64_t hash)
{
    return &s->buckets[shape->buckets + ((hash >> HALF_BITS) * shape->bucket_count >> HALF_BITS)];
}

/* ---- tables ---- */

static inline size_t slot_place(const struct row_search *s, const struct slot *slot)
{
    return (size_t)(slot - s->buckets[0].slots);
}

/* Returns the bucket behind another one, of the same shape. */
static inline const struct bucket *
next_bucket(const struct row_search *s, const struct shape *shape, const struct bucket *bucket)
{
    const struct bucket *first = &s->buckets[shape->buckets];

    return bucket + 1 < first + shape->bucket_count ? bucket + 1 : first;
}

/* Returns the hash of what a key has in common with those of its group, and gives its bit there. */
static inline uint64_t group_hash(const struct row_search *s, const struct shape *shape,
                                  uint64_t hash, unsigned *ret_bit)
{
    const struct shape_group *group = &s->groups[shape->group];
    const struct shape *base = &s->shapes[group->members[0]];
    const struct piece *piece = &shape->pieces[shape->long_piece];
    uint64_t word, value;

    *ret_bit = 0;
    if (shape->long_mask == 0)
        return hash;
    word = unmix(hash);
    value = rotated(word, piece->rotation) & piece->mask;
    *ret_bit = long_bit(value, shape->long_shift, shape->long_mask);
    value &= ~base->pieces[shape->long_piece].mask;
    return mix(word & ~rotated(value, piece->rotation));
}

/* False: no row of the shape has that key. */
static inline bool may_have(const struct row_search *s, const struct shape *shape, uint64_t hash)
{
    unsigned bit;
    uint64_t common = group_hash(s, shape, hash, &bit);

    return line_bits(line_of(s, &s->groups[shape->group], common), common) >> bit & 1;
}

/* Looks in the buckets behind the one where a key should be, which is full. */
static inline const struct slot *find_far_slot(const struct row_search *s,
                                               const struct shape *shape,
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
    const struct slot *slots = bucket->slots;
    unsigned same = (unsigned)(slots[0].hash == hash) | (unsigned)(slots[1].hash == hash) << 1 |
                    (unsigned)(slots[2].hash == hash) << 2 | (unsigned)(slots[3].hash == hash) << 3;

    static_assert(BUCKET_SLOTS == 4, "that many are compared");
    if (same == 0)
        return find_far_slot(s, shape, bucket, hash);
    const struct slot *slot = &bucket->slots[__builtin_ctz(same)];
    return slot->best > 0 ? slot : NULL; /* an empty one has hash 0 */
}
