/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the offset of an exporter's clock. The smallest of each ten seconds is kept for five
 * minutes, so that the oldest can be let go. If every message of ten seconds is later than the
 * offset allows, the clock was set back, and what was known before counts no more. A clock that was
 * set forward shows at once, by an offset that is smaller than all.
 */
#include "nfacctd/clock_offset.h"

#include <string.h>

#define NEGLIGIBLE_NS (2 * NS_PER_S)
#define STEP_COUNT    3
#define STEP_NS       (10 * NS_PER_S)

static int64_t least_of_spans(const struct clock_offset *clock)
{
    int64_t least = INT64_MAX;

    for (int i = 0; i < CLOCK_OFFSET_SPANS; i++) {
        if (clock->span_of[i] > clock->newest_span - CLOCK_OFFSET_SPANS && clock->span_of[i] != 0 &&
            clock->smallest_in[i] < least)
            least = clock->smallest_in[i];
    }
    return least;
}

static void span_add(struct clock_offset *clock, int64_t span, int64_t offset)
{
    int64_t at = span % CLOCK_OFFSET_SPANS;

    if (clock->span_of[at] != span) {
        clock->span_of[at] = span;
        clock->smallest_in[at] = offset;
    } else if (offset < clock->smallest_in[at]) {
        clock->smallest_in[at] = offset;
    }
    if (span > clock->newest_span) {
        clock->newest_span = span;
        clock->smallest = least_of_spans(clock);
    } else if (offset < clock->smallest) {
        clock->smallest = offset;
    }
}

/* Returns whether to begin anew, as all messages of a while were too late. */
static bool clock_was_set(struct clock_offset *clock, int64_t arrival_ns, int64_t offset)
{
    if (clock->newest_span == 0 || offset <= clock->smallest + NEGLIGIBLE_NS) {
        clock->late_count = 0;
        return false;
    }
    if (clock->late_count == 0 || offset < clock->late_smallest)
        clock->late_smallest = offset;
    if (clock->late_count++ == 0)
        clock->late_since = arrival_ns;
    return clock->late_count >= STEP_COUNT && arrival_ns - clock->late_since >= STEP_NS;
}

void clock_offset_add(struct clock_offset *clock, int64_t arrival_ns, int64_t export_ns)
{
    int64_t span = arrival_ns / CLOCK_OFFSET_SPAN_NS, offset = arrival_ns - export_ns;

    if (span <= 0)
        return; /* our own clock is not set */
    if (clock_was_set(clock, arrival_ns, offset)) {
        offset = clock->late_smallest;
        memset(clock, 0, sizeof *clock);
    }
    if (span > clock->newest_span - CLOCK_OFFSET_SPANS)
        span_add(clock, span, offset);
    clock->span_begin_ns = clock->newest_span * CLOCK_OFFSET_SPAN_NS;
    clock->no_news_from = clock->smallest_in[clock->newest_span % CLOCK_OFFSET_SPANS];
    clock->no_news_to = clock->late_count > 0 ? INT64_MIN : clock->smallest + NEGLIGIBLE_NS;
}

int64_t clock_offset_ns(const struct clock_offset *clock)
{
    if (clock->newest_span == 0 ||
        (clock->smallest > -NEGLIGIBLE_NS && clock->smallest < NEGLIGIBLE_NS))
        return 0;
    return clock->smallest;
}
