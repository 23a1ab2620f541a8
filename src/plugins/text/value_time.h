/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Instants as text, in the styles of the timestamps_* keys. Rows have a few thousand instants out
 * of a few minutes, so the text of a minute is rendered once and kept: only seconds and the
 * fraction are written anew. One thread uses a value_time.
 */
#include "base/clock.h"
#include "base/digits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum value_time_style {
    VALUE_TIME_PLAIN,   /* 2026-11-21 22:49:15.938000 */
    VALUE_TIME_EPOCH,   /* 1795301355.938000 */
    VALUE_TIME_RFC9557, /* 2026-11-21T22:49:15.938000+00:00 */
    VALUE_TIME_RFC3339, /* the same, with 'Z' for an offset of 0 */
};

#define VALUE_TIME_MINUTES 256 /* must be a power of two */
/* The longest text, of any year that an int64_t of nanoseconds can reach. */
#define VALUE_TIME_TEXT_MAX 40

#define VALUE_TIME_NOT_RENDERED UINT64_MAX

struct value_time_minute {
    uint64_t minute; /* since the epoch; VALUE_TIME_NOT_RENDERED */
    char text[16];   /* "2026-11-21 22:49": an int64_t of nanoseconds reaches the year 2262 */
    char zone[8];    /* "+00:00", "Z"; the last byte is the length */
};
#define VALUE_TIME_ZONE_LEN 7

struct value_time {
    enum value_time_style style;
    bool is_utc;            /* otherwise local time */
    bool has_whole_seconds; /* the fraction is shown as 0 */
    struct value_time_minute minutes[VALUE_TIME_MINUTES];
};

void value_time_init(struct value_time *t, enum value_time_style style, bool is_utc,
                     bool has_whole_seconds);

/* Writes the minute's text with an instant within it; for value_time_put(). */
static inline char *value_time_put_within(const struct value_time *t,
                                          const struct value_time_minute *m, char *out, int64_t ns,
                                          bool with_fraction)
{
    /* Seconds and microseconds are eight digits, split at once. */
    uint64_t digits = digits_split((uint32_t)((uint64_t)ns / NS_PER_US)) | DIGITS_ZEROS;

    memcpy(out, m->text, sizeof m->text);
    out[16] = ':';
    out = digits_store(out + 17, digits, 2);
    if (with_fraction) {
        *out = '.';
        out = digits_store(out + 1, t->has_whole_seconds ? DIGITS_ZEROS : digits >> 16, 6);
    }
    memcpy(out, m->zone, sizeof m->zone);
    return out + m->zone[VALUE_TIME_ZONE_LEN];
}

/* Writes an instant whose minute is not kept; for value_time_put(). */
char *value_time_put_other(struct value_time *t, char *out, int64_t ns, bool with_fraction);

/* Writes at `out` (VALUE_TIME_TEXT_MAX bytes of room) and returns the end. 0 is an unknown
 * instant. */
static inline char *value_time_put(struct value_time *t, char *out, int64_t ns, bool with_fraction)
{
    uint64_t minute = (uint64_t)ns / (60 * NS_PER_S);
    const struct value_time_minute *m = &t->minutes[minute & (VALUE_TIME_MINUTES - 1)];

    if (m->minute != minute || ns == 0)
        return value_time_put_other(t, out, ns, with_fraction);
    return value_time_put_within(t, m, out, ns - (int64_t)minute * 60 * NS_PER_S, with_fraction);
}
