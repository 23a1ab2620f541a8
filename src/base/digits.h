/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Numbers as decimal text without branches that depend on their values: how many digits a number
 * has is what a processor guesses wrong. All write more than they return: `out` has DIGITS_ROOM
 * bytes, whatever the value.
 */
#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DIGITS_ROOM  32
#define DIGITS_ZEROS UINT64_C(0x3030303030303030) /* "00000000" */

/* The eight decimal digits of a value below 10^8, one a byte, the first in the lowest. */
static inline uint64_t digits_split(uint32_t value)
{
    /* Two halves of four digits, then four of two, then eight of one, side by side in one word;
     * multiplying by 10486 >> 20 divides by 100, by 103 >> 10 divides by 10, in these ranges. */
    uint64_t halves = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = (halves * 10486 >> 20) & UINT64_C(0x0000007f0000007f);
    uint64_t pairs = hundreds | (halves - 100 * hundreds) << 16;
    uint64_t tens = (pairs * 103 >> 10) & UINT64_C(0x000f000f000f000f);
    return tens | (pairs - 10 * tens) << 8;
}

static inline char *digits_store(char *out, uint64_t digits, unsigned count)
{
    digits = htole64(digits);
    memcpy(out, &digits, sizeof digits);
    return out + count;
}

/* Exactly `count` digits, at most 8, of a value that has no more. */
static inline char *digits_put_fixed(char *out, uint32_t value, unsigned count)
{
    return digits_store(out, (digits_split(value) | DIGITS_ZEROS) >> 8 * (8 - count), count);
}

/*
 * Of a value below 10^8. How many digits there are is found out apart from the digits themselves,
 * so that whoever writes the next text need not wait for these. Most numbers are small and most
 * columns all small or all large: that one branch is guessed well and halves the work.
 */
static inline char *digits_put_small(char *out, uint32_t value)
{
    if (value >= 10000)
        return digits_put_fixed(out, value,
                                5 + (value > 99999) + (value > 999999) + (value > 9999999));
    uint32_t hundreds = value * 5243 >> 19; /* divides by 100 */
    uint32_t pairs = hundreds | (value - 100 * hundreds) << 16;
    uint32_t tens = (pairs * 103 >> 10) & UINT32_C(0x000f000f);
    uint32_t digits = tens | (pairs - 10 * tens) << 8;
    unsigned count = 1 + (value > 9) + (value > 99) + (value > 999);
    digits = htole32((digits | UINT32_C(0x30303030)) >> 8 * (4 - count));
    memcpy(out, &digits, sizeof digits);
    return out + count;
}

/* Without leading zeros; returns the end. */
static inline char *digits_put(char *out, uint64_t value)
{
    if (value < 100000000)
        return digits_put_small(out, (uint32_t)value);
    uint64_t high = value / 100000000;
    out = high < 100000000 ? digits_put_small(out, (uint32_t)high)
                           : digits_put_fixed(digits_put_small(out, (uint32_t)(high / 100000000)),
                                              (uint32_t)(high % 100000000), 8);
    return digits_put_fixed(out, (uint32_t)(value % 100000000), 8);
}
