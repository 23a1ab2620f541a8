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
    /*
     * Two halves of four digits, then four of two, then eight of one, side by side in one word.
     * A part x becomes the two parts x / n and x % n, the second s bits above the first, as
     * (x << s) - (x / n) * ((n << s) - 1), for all parts at once. Multiplying by 10486 >> 20
     * divides by 100, by 103 >> 10 divides by 10, in these ranges.
     */
    uint64_t thousands = value / 10000;
    uint64_t halves = ((uint64_t)value << 32) - thousands * ((UINT64_C(10000) << 32) - 1);
    uint64_t hundreds = (halves * 10486 >> 20) & UINT64_C(0x0000007f0000007f);
    uint64_t pairs = (halves << 16) - hundreds * ((100 << 16) - 1);
    uint64_t tens = (pairs * 103 >> 10) & UINT64_C(0x000f000f000f000f);
    return (pairs << 8) - tens * ((10 << 8) - 1);
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
 * The digits of a value below 10^8: leading zeros are zero bytes in front, and the last digit is
 * none of them. There is no shorter way for small values: its branch would be guessed wrong where
 * small and large ones stand in one column.
 */
static inline char *digits_put_small(char *out, uint32_t value)
{
    uint64_t digits = digits_split(value);
    unsigned zero_bits = (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) & ~7u;
    return digits_store(out, (digits | DIGITS_ZEROS) >> zero_bits, 8 - zero_bits / 8);
}

/* A value from 10^8 on is rare, so this is out of line. */
char *digits_put_large(char *out, uint64_t value);

/* Without leading zeros; returns the end. */
static inline char *digits_put(char *out, uint64_t value)
{
    return value < 100000000 ? digits_put_small(out, (uint32_t)value)
                             : digits_put_large(out, value);
}
