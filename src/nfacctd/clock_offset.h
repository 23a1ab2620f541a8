/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Measures how far an exporter's clock is from ours. The offset of a message is its arrival less
 * the export time in its header, and the smallest of the last five minutes counts, as a message may
 * be late but never early. Times of flows are the exporter's: the offset is added before they are
 * compared with what happened here.
 *
 * All instants are in nanoseconds. Arrivals are taken from the datagrams, so that a capture gives
 * the same offsets whenever it is read. Nothing is known yet of a clock that is all zero. One
 * worker owns each.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum { CLOCK_OFFSET_SPANS = 30 };
#define CLOCK_OFFSET_SPAN_NS (10 * NS_PER_S)

struct clock_offset {
    /* The smallest offset in each span, and the number of that span, from 1; 0: none yet. */
    int64_t smallest_in[CLOCK_OFFSET_SPANS];
    int64_t span_of[CLOCK_OFFSET_SPANS];
    int64_t newest_span;
    int64_t smallest; /* of all of them */
    /* Messages in a row that are too late for the smallest offset: the clock may have been set. */
    uint32_t late_count;
    int64_t late_since, late_smallest;
    /* A message of the newest span, which begins then, is no news with an offset in that range. */
    int64_t span_begin_ns, no_news_from, no_news_to;
};

/* Returns whether a message would change what is known. */
static inline bool clock_offset_is_news(const struct clock_offset *clock, int64_t arrival_ns,
                                        int64_t export_ns)
{
    int64_t offset = arrival_ns - export_ns;

    return (uint64_t)(arrival_ns - clock->span_begin_ns) >= (uint64_t)CLOCK_OFFSET_SPAN_NS ||
           offset < clock->no_news_from || offset > clock->no_news_to;
}

/* Takes note of a message that arrived at `arrival_ns` and says that it was exported at
 * `export_ns`. */
void clock_offset_add(struct clock_offset *clock, int64_t arrival_ns, int64_t export_ns);

/* Returns the offset, which is to be added to the exporter's times. Less than two seconds are 0, as
 * headers count whole seconds and exporters gather flows for a while. */
int64_t clock_offset_ns(const struct clock_offset *clock);
