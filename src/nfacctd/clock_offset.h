/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How far an exporter's clock is from ours: the arrival of a message less the export time in its
 * header, the smallest of the last five minutes, as a message may be late but never early. Times of
 * flows are the exporter's; to compare them with what happened here the offset is added.
 *
 * All instants are in nanoseconds; arrivals are taken from the datagrams, so that a capture gives
 * the same offsets whenever it is read. All zero is a clock that nothing is known of. One worker
 * owns each.
 */
#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_OFFSET_SPANS = 30 }; /* of ten seconds each */

struct clock_offset {
    /* The smallest offset in each span, and which span that was, from 1; 0: none yet. */
    int64_t smallest_in[CLOCK_OFFSET_SPANS];
    int64_t span_of[CLOCK_OFFSET_SPANS];
    int64_t newest_span;
    int64_t smallest; /* of all of them */
    /* Messages in a row that are too late for it: the clock may have been set. */
    uint32_t late_count;
    int64_t late_since, late_smallest;
};

/* A message that arrived at `arrival_ns` says that it was exported at `export_ns`. */
void clock_offset_add(struct clock_offset *clock, int64_t arrival_ns, int64_t export_ns);

/* To be added to the exporter's times. 0 below two seconds: headers count whole seconds, and
 * exporters gather flows for a while. */
int64_t clock_offset_ns(const struct clock_offset *clock);
