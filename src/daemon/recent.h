/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells by how much numbers have grown lately: numbers that only grow are noted once a minute, and
 * what they are now is compared with a note that is one to two minutes old. Until there is one that
 * old, all that they are is recent. One thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECENT_NOTE_S = 60 };

struct recent {
    size_t count;            /* of numbers */
    uint64_t *older, *newer; /* notes; zeros at first */
    int64_t noted_ns;        /* when `newer` was made, of clock_mono() */
};

void recent_init(struct recent *recent, size_t count, int64_t now_ns);
void recent_clear(struct recent *recent);
/* True if it is time for the next note. */
bool recent_is_due(const struct recent *recent, int64_t now_ns);
void recent_note(struct recent *recent, const uint64_t *values, int64_t now_ns);
/* Returns how much the number at `index` has grown up to `value`; 0 if it is lower than it was. */
uint64_t recent_growth(const struct recent *recent, size_t index, uint64_t value);
