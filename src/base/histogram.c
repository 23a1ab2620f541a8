/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bounds, and sums of histograms. */
#include "base/histogram.h"
#include "base/clock.h"

/* A batch of a worker takes some 10 us, and a transaction of a far database may take a minute. */
const int64_t histogram_bounds_ns[HISTOGRAM_BUCKETS - 1] = {
    10 * NS_PER_US,   50 * NS_PER_US, 100 * NS_PER_US, 500 * NS_PER_US, 1 * NS_PER_MS,
    5 * NS_PER_MS,    10 * NS_PER_MS, 50 * NS_PER_MS,  100 * NS_PER_MS, 500 * NS_PER_MS,
    1000 * NS_PER_MS, 5 * NS_PER_S,   10 * NS_PER_S,   60 * NS_PER_S};

void histogram_sum_read(struct histogram_sum *sum, const struct histogram *h)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum->buckets[i] += counter_get(&h->buckets[i]);
    sum->sum_ns += counter_get(&h->sum_ns);
}

void histogram_sum_fold(struct histogram_sum *sum, const struct histogram_sum *more)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum->buckets[i] += more->buckets[i];
    sum->sum_ns += more->sum_ns;
}
