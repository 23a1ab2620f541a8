/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What an aggregate plan does for each flow: rows made out of flows, and a row added to another.
 * Part of core/aggregate.
 */
#include "core/aggregate_plan.h"
#include <string.h>

/*
 * Makes `count` rows that follow each other at `rows`, all of their bytes but the ids of values of
 * variable length. `bins` is read if the plan has time bins.
 */
void row_fill(const struct aggregate_plan *plan, const struct flow *const *flows,
              const int64_t *bins, uint32_t count, uint8_t *rows);

/* A counter that is no 64-bit sum. */
void row_combine_counter(const struct counter_op *op, uint8_t *row, const uint8_t *more);

/* Adds the counters of `more`, a row of the same key; the order stays that of the first. */
static inline void row_combine(const struct aggregate_plan *plan, uint8_t *row, const uint8_t *more)
{
    for (uint32_t i = 0; i < plan->sum_count; i++) {
        uint64_t there, value;
        memcpy(&there, row + plan->sums[i], sizeof there);
        memcpy(&value, more + plan->sums[i], sizeof value);
        there += value;
        memcpy(row + plan->sums[i], &there, sizeof there);
    }
    for (uint32_t i = 0; i < plan->counter_count; i++)
        row_combine_counter(&plan->counters[i], row, more);
}

/* In line, as a call of memcmp() costs as much as the compare. The last word overlaps the one
 * before it where the key is no multiple of 8. */
static inline bool row_key_equals(const uint8_t *row, const uint8_t *key, uint32_t key_size)
{
    uint64_t a, b, difference;

    if (key_size < sizeof a)
        return memcmp(row, key, key_size) == 0;
    memcpy(&a, row + key_size - sizeof a, sizeof a);
    memcpy(&b, key + key_size - sizeof b, sizeof b);
    difference = a ^ b;
    for (uint32_t at = 0; at + sizeof a < key_size; at += sizeof a) {
        memcpy(&a, row + at, sizeof a);
        memcpy(&b, key + at, sizeof b);
        difference |= a ^ b;
    }
    return difference == 0;
}
