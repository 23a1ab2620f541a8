/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A few datagrams in the making, each with a map of the 8-byte units that are there. */
#include "input/fragments.h"
#include "base/memory.h"
#include <string.h>

enum { IP_PAYLOAD_MAX = 65535, UNIT = 8, UNITS = (IP_PAYLOAD_MAX + UNIT) / UNIT };

struct partial {
    bool is_used, is_spoilt;
    struct ip_addr source, destination;
    uint32_t id;
    int64_t begun_ns;
    uint64_t begun_order;
    uint32_t total_len; /* 0: the last fragment has not come */
    uint32_t end_max;   /* where the furthest fragment ends */
    uint32_t units_there;
    uint8_t map[(UNITS + 7) / 8];
    uint8_t data[UNITS * UNIT];
};

struct fragments {
    uint32_t max;
    int64_t timeout_ns;
    uint64_t order, lost;
    struct partial *whole; /* delivered by the last call: free at the next */
    struct partial *partials;
};

struct fragments *fragments_new(uint32_t max_datagrams, int64_t timeout_ns)
{
    struct fragments *f = mem_zalloc(sizeof *f);

    f->max = max_datagrams;
    f->timeout_ns = timeout_ns;
    return f;
}

void fragments_free(struct fragments *f)
{
    if (!f)
        return;
    mem_free(f->partials);
    mem_free(f);
}

static void partial_drop(struct fragments *f, struct partial *p)
{
    p->is_used = false;
    f->lost++;
}

static struct partial *partial_get(struct fragments *f, const struct fragment *piece)
{
    struct partial *oldest, *unused = NULL;

    if (!f->partials)
        f->partials = mem_calloc(f->max, sizeof *f->partials);
    oldest = f->partials;
    for (uint32_t i = 0; i < f->max; i++) {
        struct partial *p = &f->partials[i];
        if (p->is_used && piece->time_ns - p->begun_ns > f->timeout_ns)
            partial_drop(f, p);
        if (!p->is_used) {
            unused = p;
            continue;
        }
        if (p->id == piece->id && ip_addr_equal(&p->source, &piece->source) &&
            ip_addr_equal(&p->destination, &piece->destination))
            return p;
        if (p->begun_order < oldest->begun_order)
            oldest = p;
    }
    if (!unused) {
        partial_drop(f, oldest);
        unused = oldest;
    }
    memset(unused->map, 0, sizeof unused->map);
    unused->is_used = true;
    unused->is_spoilt = false;
    unused->source = piece->source;
    unused->destination = piece->destination;
    unused->id = piece->id;
    unused->begun_ns = piece->time_ns;
    unused->begun_order = ++f->order;
    unused->total_len = 0;
    unused->end_max = 0;
    unused->units_there = 0;
    return unused;
}

/* How many of the units are there already. */
static uint32_t units_count(const struct partial *p, uint32_t first, uint32_t count)
{
    uint32_t there = 0;

    for (uint32_t u = first; u < first + count; u++)
        there += p->map[u / 8] >> (u % 8) & 1;
    return there;
}

static void partial_put(struct partial *p, const struct fragment *piece)
{
    uint32_t first = piece->offset / UNIT;
    uint32_t count = (piece->len + UNIT - 1) / UNIT;
    uint32_t end = piece->offset + piece->len;
    uint32_t there;

    if (piece->offset > IP_PAYLOAD_MAX || end > IP_PAYLOAD_MAX || piece->len == 0 ||
        (!piece->is_last && piece->len % UNIT != 0) || (p->total_len != 0 && end > p->total_len)) {
        p->is_spoilt = true;
        return;
    }
    there = units_count(p, first, count);
    if (there != 0) {
        /* A piece that comes once more does no harm; anything else is an overlap. */
        if (there != count || memcmp(p->data + piece->offset, piece->data, piece->len) != 0)
            p->is_spoilt = true;
        return;
    }
    if (piece->is_last) {
        if (p->total_len != 0 || end < p->end_max)
            p->is_spoilt = true;
        p->total_len = end;
    }
    memcpy(p->data + piece->offset, piece->data, piece->len);
    for (uint32_t u = first; u < first + count; u++)
        p->map[u / 8] |= (uint8_t)(1U << (u % 8));
    p->units_there += count;
    p->end_max = end > p->end_max ? end : p->end_max;
}

bool fragments_add(struct fragments *f, const struct fragment *piece, const uint8_t **ret_data,
                   uint32_t *ret_len)
{
    struct partial *p;

    if (f->whole) {
        f->whole->is_used = false;
        f->whole = NULL;
    }
    p = partial_get(f, piece);
    if (!p->is_spoilt)
        partial_put(p, piece);
    /* A spoilt datagram keeps its place until it is too old, so that its other fragments do not
     * begin it anew. */
    if (p->is_spoilt || p->total_len == 0 || p->units_there != (p->total_len + UNIT - 1) / UNIT)
        return false;
    f->whole = p;
    *ret_data = p->data;
    *ret_len = p->total_len;
    return true;
}

uint64_t fragments_lost(const struct fragments *f)
{
    uint64_t lost = f->lost;

    for (uint32_t i = 0; f->partials && i < f->max; i++)
        lost += f->partials[i].is_used && &f->partials[i] != f->whole;
    return lost;
}
