/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How long things took, as counts of those that took up to so long. All histograms have the same
 * bounds. One thread writes one, any thread may read it.
 */
#include "base/metric.h"
#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 15 };
/* The longest time of each bucket but the last, which has no end. */
extern const int64_t histogram_bounds_ns[HISTOGRAM_BUCKETS - 1];

struct histogram {
    struct counter buckets[HISTOGRAM_BUCKETS];
    struct counter sum_ns;
};

/* A copy, which may be added up. */
struct histogram_sum {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t sum_ns;
};

static inline int histogram_bucket(int64_t ns)
{
    int bucket = 0;

    while (bucket < HISTOGRAM_BUCKETS - 1 && ns > histogram_bounds_ns[bucket])
        bucket++;
    return bucket;
}

/* Called by the owner alone. */
static inline void histogram_add(struct histogram *h, int64_t ns)
{
    counter_add(&h->buckets[histogram_bucket(ns)], 1);
    counter_add(&h->sum_ns, (uint64_t)ns);
}
static inline void histogram_sum_add(struct histogram_sum *sum, int64_t ns)
{
    sum->buckets[histogram_bucket(ns)]++;
    sum->sum_ns += (uint64_t)ns;
}

/* Adds what a thread has counted, or another sum. */
void histogram_sum_read(struct histogram_sum *sum, const struct histogram *h);
void histogram_sum_fold(struct histogram_sum *sum, const struct histogram_sum *more);
