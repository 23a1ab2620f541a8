/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The steps of an aggregate plan for each flow: rows are made out of flows, and a row is added to
 * another. Part of pipeline/aggregate.
 */
#include "base/row_number.h"
#include "pipeline/aggregate_plan.h"
#include <string.h>

/*
 * Makes `count` rows that follow each other at `rows`, all of their bytes but the ids of values of
 * variable length. `bins` is read if the plan has time bins.
 */
void row_fill(const struct aggregate_plan *plan, const struct flow *const *flows,
              const int64_t *bins, uint32_t count, uint8_t *rows);

/*
 * With a sum entries are pairs, the first of which has an even number: gives the second of each pair
 * the value of the flow's other end, and each a place of its own in the order of replay. `first` is
 * the number of the first row's entry.
 */
void row_fill_other_ends(const struct aggregate_plan *plan, const struct flow *const *flows,
                         uint32_t first, uint32_t count, uint8_t *rows);

/* Makes one of all values that lists do not keep. `lists` is by kind; NULL: all are kept. */
void row_squeeze(const struct aggregate_plan *plan, const struct value_list *const *lists,
                 uint32_t count, uint8_t *rows);

/* Adds a counter that is neither a 64-bit sum nor flags. */
void row_combine_counter(const struct counter_op *op, uint8_t *row, const uint8_t *more);

/* Two words at once; both compilers have them for every x86-64. */
typedef uint64_t word_pair __attribute__((vector_size(16)));

static inline word_pair word_pair_load(const uint8_t *p)
{
    word_pair pair;

    memcpy(&pair, p, sizeof pair);
    return pair;
}

static inline uint64_t word_load(const uint8_t *p)
{
    return row_number_load(p, sizeof(uint64_t));
}

/* Adds the counters of `more`, a row of the same key; the order stays that of the first. */
static inline void row_combine(const struct aggregate_plan *plan, uint8_t *row, const uint8_t *more)
{
    for (uint32_t i = 0; i < plan->pair_count; i++) {
        uint32_t at = plan->pairs[i];
        word_pair sum = word_pair_load(row + at) + word_pair_load(more + at);
        memcpy(row + at, &sum, sizeof sum);
    }
    for (uint32_t i = 0; i < plan->sum_count; i++) {
        uint32_t at = plan->sums[i];
        uint64_t sum = word_load(row + at) + word_load(more + at);
        memcpy(row + at, &sum, sizeof sum);
    }
    /* Flags are rarely new. Nothing is stored then, for which the next look at this row would have
     * to wait. */
    for (uint32_t i = 0; i < plan->flags_count; i++) {
        const struct flags_op *op = &plan->flags[i];
        uint64_t there = word_load(row + op->row_offset);
        uint64_t flags = there | (word_load(more + op->row_offset) & op->mask);
        if (flags != there)
            memcpy(row + op->row_offset, &flags, sizeof flags);
    }
    for (uint32_t i = 0; i < plan->counter_count; i++)
        row_combine_counter(&plan->counters[i], row, more);
}

/* True if two rows have the same key. The compare is in line, as a call of memcmp() would cost
 * as much as it does. The last words overlap those before them where the key is no multiple of
 * 16. */
static inline bool row_key_equals(const uint8_t *row, const uint8_t *key, uint32_t key_size)
{
    word_pair difference;
    uint32_t last = key_size - (uint32_t)sizeof difference;

    if (key_size < sizeof difference)
        return memcmp(row, key, key_size) == 0;
    difference = word_pair_load(row + last) ^ word_pair_load(key + last);
    for (uint32_t at = 0; at < last; at += sizeof difference)
        difference |= word_pair_load(row + at) ^ word_pair_load(key + at);
    return (difference[0] | difference[1]) == 0;
}
