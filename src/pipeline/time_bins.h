/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Time bins (print_history and kin): finds the start of the bin that an instant lies in.
 *
 * Bins follow the calendar of the time zone. Those shorter than a day start anew each hour, if they
 * divide it, or each midnight; days, weeks and months are calendar ones, whatever summer time does
 * to their length. `roundoff` letters ask for a coarser start: m at the hour, h at midnight, w on
 * Monday, d on the first of the month, M in January.
 */
#include "base/text.h"
#include <stdbool.h>
#include <stdint.h>

struct time_bins_settings {
    int64_t length_s;     /* below 0: so many calendar months */
    int64_t offset_s;     /* bins start that much later */
    const char *roundoff; /* letters of mhdwM; NULL: none */
    bool is_utc;          /* else the local time zone */
};

struct time_bin {
    int64_t start_s, end_s; /* Unix time; end is the next one's start */
};

struct time_bins {
    struct time_bins_settings settings;
    int unit, start; /* enum calendar_unit, in time_bins.c: of the length; of where counting starts
                        anew */
    int64_t count;   /* the length in units */
};

/* -EINVAL: appends what is wrong with the length or the letters to `error`. */
int time_bins_init(struct time_bins *bins, const struct time_bins_settings *settings,
                   struct text *error);
/* True if it is the letters, not the length, that time_bins_init() refuses. NULL is valid. */
bool time_bins_roundoff_is_valid(const char *letters);
struct time_bin time_bins_find(const struct time_bins *bins, int64_t time_s);
/* Returns bin_seconds for the schema: 0 for calendar months. */
uint32_t time_bins_seconds(const struct time_bins *bins);

/* Finds bins for many flows: it remembers the last bins. One thread. All zero is an empty one. */
struct time_bin_cache {
    struct time_bin recent[4];
    uint32_t next;
};
static inline int64_t time_bin_cache_start(struct time_bin_cache *cache,
                                           const struct time_bins *bins, int64_t time_ns)
{
    int64_t time_s = time_ns / 1000000000;

    for (uint32_t i = 0; i < 4; i++)
        if (time_s >= cache->recent[i].start_s && time_s < cache->recent[i].end_s)
            return cache->recent[i].start_s;
    struct time_bin bin = time_bins_find(bins, time_s);
    cache->recent[cache->next++ % 4] = bin;
    return bin.start_s;
}
