/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Finds the rows of a map that may hold for a flow without asking them one by one: the index of all
 * maps.
 *
 * A field is a number or an address of a flow that rows ask for; a map numbers its own fields. Rows
 * that ask for the same fields, with prefixes of the same lengths, have one shape, and each shape has
 * a hash table. So a look-up costs as many hashes as there are shapes, however many rows there
 * are. What it gives are candidates, in the order of the file: all rows that hold, and perhaps some
 * that do not. The caller asks each whether it does, so a condition that no field can express
 * (a negation, a filter, a text, a wide range) is simply left out here. A row of which nothing is left
 * is a candidate for every flow.
 *
 * Made by one thread, then immutable. A look-up is its caller's. Flows are looked up some at a time, so
 * that they wait for memory together: started, then settled, then walked one by one.
 */
#include "base/address.h"
#include "maps/map_file.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct row_search;
struct text;

enum {
    ROW_FIELDS_MAX = 64,
    ROW_CHOICE_MAX = 16,
    ROW_CHOICES_MAX = 8,
    ROW_TOGETHER = 32,      /* flows that are looked up together, at most */
    ROW_UNKEYED_MAX = 1000, /* rows that are tried one by one without a warning */
    ROW_SHAPES_KEPT = 64    /* whose hashes a look-up keeps; with more it goes on, but slower */
};
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

/* Holds what the flows that are looked up together have in one field. Of a number only `low` is read. */
struct row_column {
    uint64_t high[ROW_TOGETHER], low[ROW_TOGETHER];
    uint8_t family[ROW_TOGETHER];
};

static inline void row_column_put(struct row_column *column, uint32_t index, struct row_value value)
{
    column->high[index] = value.high;
    column->low[index] = value.low;
    column->family[index] = value.family;
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
 * more than ROW_CHOICES_MAX choices the first count. True: the row will be a candidate for those flows
 * alone for which each choice holds, so that nobody need ask that again. */
bool row_search_add(struct row_search *search, uint32_t row, const struct row_choice *choices,
                    size_t choice_count);
void row_search_finish(struct row_search *search); /* after the last row */
/* Notes something of each row, by its number, that look-ups say with their first candidates: what a
 * caller can do without looking at the row itself. To be called after row_search_finish(). */
void row_search_note(struct row_search *search, const uint32_t *notes);
/* Returns how many rows are candidates for every flow, or for all of a family of addresses. */
size_t row_search_unkeyed(const struct row_search *search);
/* Appends a warning if these are more than ROW_UNKEYED_MAX. */
void row_search_warn(const struct row_search *search, const char *path, struct text *warnings);
/* Says which fields the look-ups read: bit n is field n. */
uint64_t row_search_fields(const struct row_search *search);

/* A look-up of some flows together. `first` and `notes` are its result; all else is the search's own. */
struct row_lookup {
    uint32_t first[ROW_TOGETHER]; /* candidates with the lowest numbers; ROW_NONE: there is none */
    uint32_t notes[ROW_TOGETHER]; /* what was noted of these; 0: nothing */
    uint64_t hits[ROW_TOGETHER];  /* bits: groups of shapes that may have rows */
    uint64_t bits[ROW_SHAPES_KEPT][ROW_TOGETHER];   /* by group: shapes that may have rows */
    uint64_t hashes[ROW_SHAPES_KEPT][ROW_TOGETHER]; /* by group: of keys of the shortest shape */
};

/* `columns` are by field, those that the search reads; `count` at most ROW_TOGETHER. */
void row_search_start(const struct row_search *search, const struct row_column *columns,
                      uint32_t count, struct row_lookup *lookup);
/* Finds the first candidate of each flow, with the columns of the start. */
void row_search_settle(const struct row_search *search, const struct row_column *columns,
                       uint32_t count, struct row_lookup *lookup);

uint32_t row_search_more(const struct row_search *search, const struct row_column *columns,
                         const struct row_lookup *lookup, uint32_t index, uint32_t from);
/* Returns the next candidate of the flow at `index` from row `from` on, or ROW_NONE. */
static inline uint32_t row_search_next(const struct row_search *search,
                                       const struct row_column *columns,
                                       const struct row_lookup *lookup, uint32_t index,
                                       uint32_t from)
{
    return from <= lookup->first[index] ? lookup->first[index]
                                        : row_search_more(search, columns, lookup, index, from);
}
