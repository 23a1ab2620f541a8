/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Messages over the socketpair and spool files as bytes: big-endian numbers and strings with their
 * lengths, appended to a text and read back with base/reader.
 */
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include <string.h>

static inline void encode_uint(struct text *out, uint64_t value, size_t len)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
    text_append(out, bytes, len);
}
static inline void encode_u8(struct text *out, uint8_t value)
{
    encode_uint(out, value, 1);
}
static inline void encode_u16(struct text *out, uint16_t value)
{
    encode_uint(out, value, 2);
}
static inline void encode_u32(struct text *out, uint32_t value)
{
    encode_uint(out, value, 4);
}
static inline void encode_u64(struct text *out, uint64_t value)
{
    encode_uint(out, value, 8);
}

/* NULL is kept apart from the empty string. */
static inline void encode_string(struct text *out, const char *string)
{
    size_t len = string != NULL ? strlen(string) : 0;
    encode_u8(out, string != NULL);
    encode_u32(out, (uint32_t)len);
    text_append(out, string, len);
}
/* A copy that the caller frees; NULL for NULL, and when the reader has failed. A zero byte within
 * is a failure. */
static inline char *decode_string(struct reader *r)
{
    uint8_t is_set = reader_u8(r);
    uint32_t len = reader_u32(r);
    const uint8_t *bytes = reader_bytes(r, len);
    if (bytes == NULL || is_set > 1 || (!is_set && len > 0) || memchr(bytes, 0, len) != NULL) {
        r->failed = true;
        return NULL;
    }
    return is_set ? mem_strndup((const char *)bytes, len) : NULL;
}
