/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A bounds-checked cursor over bytes from the wire, big-endian, which it borrows. Once the bytes
 * run out the reader has failed, stays at its end and every further read gives 0: read a whole
 * structure, check `failed` once.
 */
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
    const uint8_t *pos, *end;
    bool failed;
};

static inline struct reader reader_make(const void *data, size_t len)
{
    static const uint8_t nothing;
    const uint8_t *pos = data;

    if (pos == NULL) /* even a step of zero from there is undefined */
        return (struct reader){&nothing, &nothing, false};
    return (struct reader){pos, pos + len, false};
}

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->pos);
}

/* The next `len` bytes, consumed; NULL (and failed) if they are not there. */
static inline const uint8_t *reader_bytes(struct reader *r, size_t len)
{
    if (reader_left(r) < len) {
        r->failed = true;
        r->pos = r->end;
        return NULL;
    }
    const uint8_t *bytes = r->pos;
    r->pos += len;
    return bytes;
}

/* Big-endian unsigned of 1 to 8 bytes at `p`, which the caller has checked. */
static inline uint64_t wire_uint(const uint8_t *p, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | p[i];
    return value;
}

/* One load and a swap: gcc 12 does not see that in bytes put together everywhere. */
static inline uint16_t wire_u16(const uint8_t *p)
{
    uint16_t value;
    memcpy(&value, p, sizeof value);
    return be16toh(value);
}

static inline uint32_t wire_u32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return be32toh(value);
}

static inline uint64_t wire_u64(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return be64toh(value);
}

static inline uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 1);
    return p ? *p : 0;
}

static inline uint16_t reader_u16(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 2);
    return p ? wire_u16(p) : 0;
}

static inline uint32_t reader_u32(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 4);
    return p ? wire_u32(p) : 0;
}

static inline uint64_t reader_u64(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 8);
    return p ? wire_u64(p) : 0;
}

/* Reduced-size encoding, 1 to 8 bytes (RFC 7011 section 6.2); any other length fails. */
static inline uint64_t reader_uint(struct reader *r, size_t len)
{
    if (len < 1 || len > 8) {
        r->failed = true;
        r->pos = r->end;
        return 0;
    }
    const uint8_t *p = reader_bytes(r, len);
    return p ? wire_uint(p, len) : 0;
}

/* A reader over the next `len` bytes alone, which are consumed; failed from the start if they are
 * not there. */
static inline struct reader reader_part(struct reader *r, size_t len)
{
    const uint8_t *start = r->pos;
    bool failed = reader_bytes(r, len) == NULL;
    return (struct reader){failed ? r->pos : start, r->pos, failed};
}
