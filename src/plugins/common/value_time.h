/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Instants as text, in the styles of the timestamps_* keys. Rows come with a few thousand instants
 * out of a few minutes, so the text of a minute is rendered once and kept: only seconds and the
 * fraction are written anew. One thread uses a value_time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_time_style {
    VALUE_TIME_PLAIN,   /* 2026-11-21 22:49:15.938000 */
    VALUE_TIME_EPOCH,   /* 1795301355.938000 */
    VALUE_TIME_RFC9557, /* 2026-11-21T22:49:15.938000+00:00 */
    VALUE_TIME_RFC3339, /* the same, with 'Z' for an offset of 0 */
};

#define VALUE_TIME_MINUTES  256 /* a power of two */
#define VALUE_TIME_TEXT_MAX 40  /* longest text, any year an int64_t of nanoseconds can reach */

struct value_time_minute {
    int64_t minute; /* since the epoch */
    uint8_t len;    /* 0: not rendered yet */
    char text[23];  /* "2026-11-21 22:49:" */
    char zone[8];   /* "+00:00" */
};

struct value_time {
    enum value_time_style style;
    bool is_utc;            /* else local time */
    bool has_whole_seconds; /* the fraction is 0 */
    struct value_time_minute minutes[VALUE_TIME_MINUTES];
};

void value_time_init(struct value_time *t, enum value_time_style style, bool is_utc,
                     bool has_whole_seconds);

/* Writes at `out` (VALUE_TIME_TEXT_MAX bytes of room) and returns the end. 0 is an unknown instant.
 */
char *value_time_put(struct value_time *t, char *out, int64_t ns, bool with_fraction);
