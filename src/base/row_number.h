/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The numbers in rows (plugins/pathacct_plugin.h): not aligned, in host byte order, 1, 2, 4 or 8
 * bytes wide. In line and by width, as a copy of known length is a move and not a call.
 */
#include "plugins/pathacct_plugin.h"
#include <string.h>

/* 0 of a column that is no number. */
static inline uint64_t row_number_load(const uint8_t *field, size_t width)
{
    uint64_t u64;
    uint32_t u32;
    uint16_t u16;

    switch (width) {
    case sizeof u64:
        memcpy(&u64, field, sizeof u64);
        return u64;
    case sizeof u32:
        memcpy(&u32, field, sizeof u32);
        return u32;
    case sizeof u16:
        memcpy(&u16, field, sizeof u16);
        return u16;
    case 1:
        return *field;
    default:
        return 0;
    }
}

/* The low bytes of `value`. */
static inline void row_number_store(uint8_t *field, size_t width, uint64_t value)
{
    uint32_t u32 = (uint32_t)value;
    uint16_t u16 = (uint16_t)value;

    switch (width) {
    case sizeof value:
        memcpy(field, &value, sizeof value);
        break;
    case sizeof u32:
        memcpy(field, &u32, sizeof u32);
        break;
    case sizeof u16:
        memcpy(field, &u16, sizeof u16);
        break;
    case 1:
        *field = (uint8_t)value;
        break;
    default:
        break;
    }
}

/* Two counters made one by enum pa_combine. Times are signed, but none lies before 1970: as
 * unsigned numbers they compare alike. 0 is unknown to MIN. */
static inline uint64_t row_number_combine(uint8_t combine, uint64_t a, uint64_t b)
{
    switch (combine) {
    case PA_COMBINE_SUM:
        return a + b;
    case PA_COMBINE_OR:
        return a | b;
    case PA_COMBINE_MIN:
        return a == 0 || (b != 0 && b < a) ? b : a;
    default:
        return a > b ? a : b;
    }
}

/* Adds the counter `more` to the one at `field`. */
static inline void row_number_add(uint8_t *field, size_t width, uint8_t combine,
                                  const uint8_t *more)
{
    row_number_store(
        field, width,
        row_number_combine(combine, row_number_load(field, width), row_number_load(more, width)));
}
