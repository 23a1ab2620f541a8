/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The counterpart of the reader: big-endian values into a caller's buffer. Once something does not
 * fit the writer has failed and writes no more; check `failed` once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct writer {
    uint8_t *start, *pos, *end;
    bool failed;
};

static inline struct writer writer_make(void *data, size_t capacity)
{
    uint8_t *start = data;
    return (struct writer){start, start, start + capacity, false};
}

static inline size_t writer_len(const struct writer *w)
{
    return (size_t)(w->pos - w->start);
}

/* Room for `len` bytes, which the caller fills; NULL (and failed) if it is not there. */
static inline uint8_t *writer_skip(struct writer *w, size_t len)
{
    if (w->failed || (size_t)(w->end - w->pos) < len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *room = w->pos;
    w->pos += len;
    return room;
}

static inline void wire_put_u16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void wire_put_u32(uint8_t *p, uint32_t value)
{
    wire_put_u16(p, (uint16_t)(value >> 16));
    wire_put_u16(p + 2, (uint16_t)value);
}

static inline void writer_u8(struct writer *w, uint8_t value)
{
    uint8_t *p = writer_skip(w, 1);
    if (p)
        *p = value;
}

static inline void writer_u16(struct writer *w, uint16_t value)
{
    uint8_t *p = writer_skip(w, 2);
    if (p)
        wire_put_u16(p, value);
}

static inline void writer_u32(struct writer *w, uint32_t value)
{
    uint8_t *p = writer_skip(w, 4);
    if (p)
        wire_put_u32(p, value);
}

static inline void writer_bytes(struct writer *w, const void *data, size_t len)
{
    uint8_t *p = writer_skip(w, len);
    if (p && len > 0)
        memcpy(p, data, len);
}
