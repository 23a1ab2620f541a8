/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Pieces of Avro's binary encoding (Avro 1.11.1, "Binary Encoding"). */
#include <stddef.h>
#include <stdint.h>

struct text;

#define AVRO_LONG_LEN 10 /* most bytes of a long */

/* Writes a long at `out` (AVRO_LONG_LEN bytes of room) and returns the end: zig-zag coded, seven bits a
 * byte, the lowest first. */
static inline char *avro_put_long(char *out, int64_t value)
{
    uint64_t bits = value < 0 ? ~((uint64_t)value << 1) : (uint64_t)value << 1;

    for (; bits >= 0x80; bits >>= 7)
        *out++ = (char)(bits | 0x80);
    *out++ = (char)bits;
    return out;
}

void avro_append_long(struct text *out, int64_t value);
/* A string is UTF-8: each byte that is part of no character becomes U+FFFD, as in JSON. */
void avro_append_string(struct text *out, const char *data, size_t len);
size_t avro_string_len(const char *data, size_t len); /* bytes that this appends */
