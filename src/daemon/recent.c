/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps two notes of each number. See recent.h. */
#include "daemon/recent.h"
#include "base/clock.h"
#include "base/memory.h"
#include <string.h>

void recent_init(struct recent *r, size_t count, int64_t now_ns)
{
    *r = (struct recent){.count = count, .noted_ns = now_ns};
    r->older = mem_calloc(count + 1, sizeof *r->older);
    r->newer = mem_calloc(count + 1, sizeof *r->newer);
}

void recent_clear(struct recent *r)
{
    mem_free(r->older);
    mem_free(r->newer);
    *r = (struct recent){0};
}

bool recent_is_due(const struct recent *r, int64_t now_ns)
{
    return now_ns - r->noted_ns >= RECENT_NOTE_S * NS_PER_S;
}

void recent_note(struct recent *r, const uint64_t *values, int64_t now_ns)
{
    uint64_t *oldest = r->older;

    r->older = r->newer;
    r->newer = oldest;
    memcpy(r->newer, values, r->count * sizeof *values);
    r->noted_ns = now_ns;
}

uint64_t recent_growth(const struct recent *r, size_t index, uint64_t value)
{
    return value > r->older[index] ? value - r->older[index] : 0;
}
