/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Finds the rows of a map that may hold for a flow without asking them one by one: the index of all
 * maps.
 *
 * A field is a number or an address of a flow that rows ask for; a map numbers its own fields. Rows
 * that ask for the same fields, with prefixes of the same lengths, have one shape, and all shapes lie
 * in one hash table. So a look-up costs as many hashes as there are shapes, however many rows there
 * are. What it gives are candidates, in the order of the file: all rows that hold, and perhaps some
 * that do not. The caller asks each whether it does, so a condition that no field can express
 * (a negation, a filter, a text, a wide range) is simply left out here. A row of which nothing is left
 * is a candidate for every flow.
 *
 * Made by one thread, then immutable. A cursor is its caller's. Look-ups for a batch are faster when
 * all are started, then all sifted, all settled, and all asked: memory is fetched meanwhile.
 */
#include "base/address.h"
#include "maps/map_file.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct row_search;

enum { ROW_FIELDS_MAX = 64, ROW_CHOICE_MAX = 16, ROW_CHOICES_MAX = 8, ROW_HITS_MAX = 16 };
#define ROW_NONE UINT32_MAX

/* A number (in `low`), or an address of a family as a number of 128 bits. */
struct row_value {
    uint64_t high, low;
    uint8_t family; /* enum ip_family; IP_NONE for a number */
};

static inline struct row_value row_value_number(uint64_t number)
{
    return (struct row_value){.low = number};
}
static inline struct row_value row_value_address(const struct ip_addr *addr)
{
    struct row_value value = {.family = addr->family};

    memcpy(&value.high, addr->bytes, sizeof value.high);
    memcpy(&value.low, addr->bytes + sizeof value.high, sizeof value.low);
    value.high = __builtin_bswap64(value.high);
    value.low = __builtin_bswap64(value.low);
    return value;
}

/* Holds what a row asks of one field: one of these values. */
struct row_choice {
    uint8_t field;
    uint8_t count;
    struct row_term {
        struct row_value value;
        uint8_t prefix_len; /* of an address */
    } terms[ROW_CHOICE_MAX];
};

/* Makes the choice of a cell of numbers or prefixes. False if it cannot be one: it is negated, a
 * wide range, or a long list; then leave it out. */
bool row_choice_of_cell(struct row_choice *choice, uint8_t field, enum map_type type,
                        const struct map_cell *cell);

struct row_search *row_search_new(void);
void row_search_free(struct row_search *search); /* NULL is fine */
/* Adds a row, which holds only if each of the choices does. Rows come in the order of the file. Of
 * more than ROW_CHOICES_MAX choices the first count. */
void row_search_add(struct row_search *search, uint32_t row, const struct row_choice *choices,
                    size_t choice_count);
void row_search_finish(struct row_search *search); /* after the last row */
/* Returns how many rows are candidates for every flow. */
size_t row_search_unkeyed(const struct row_search *search);
/* Says which fields the look-ups read: bit n is field n. */
uint64_t row_search_fields(const struct row_search *search);

struct row_cursor {
    uint32_t count;
    bool is_wide;   /* more hits than there is room for: shapes are tried anew each time */
    bool is_sifted; /* what is left has passed the filter, or needs none */
    union row_hit {
        uint64_t hash; /* until it is settled */
        struct {
            uint32_t first, count; /* one row: its number; several: where they stand */
        };
    } hits[ROW_HITS_MAX];
};

/* `values` are by field, those that the search reads. */
void row_search_start(const struct row_search *search, const struct row_value *values,
                      struct row_cursor *cursor);
void row_search_sift(const struct row_search *search, struct row_cursor *cursor);
void row_search_settle(const struct row_search *search, struct row_cursor *cursor);
/* Returns the first candidate of one of the `count` hits, for those who fetch what they know of rows. */
uint32_t row_search_hit(const struct row_search *search, const struct row_cursor *cursor,
                        uint32_t index);
/* Returns the next candidate from row `from` on, or ROW_NONE. `from` never goes down. `values`, as at
 * the start, are read only if the cursor is wide. */
uint32_t row_search_next(const struct row_search *search, const struct row_value *values,
                         struct row_cursor *cursor, uint32_t from);

/* Does all three: for look-ups that come one by one. */
static inline void row_search_begin(const struct row_search *search, const struct row_value *values,
                                    struct row_cursor *cursor)
{
    row_search_start(search, values, cursor);
    row_search_sift(search, cursor);
    row_search_settle(search, cursor);
}
