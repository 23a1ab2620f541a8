/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What work costs, for tests that an outsider's choice does not make it many times as dear. Ratios
 * of one run, in CPU time of the thread, hold on any machine. */
#include <stdint.h>
#include <time.h>

static inline int64_t cpu_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The least of three runs, at least 1: what else the machine did is left out. */
static inline int64_t cpu_cost_ns(void (*work)(void *arg), void *arg)
{
    int64_t least = INT64_MAX;

    for (int i = 0; i < 3; i++) {
        int64_t start = cpu_now_ns();
        work(arg);
        int64_t cost = cpu_now_ns() - start;
        least = cost < least ? cost : least;
    }
    return least > 0 ? least : 1;
}
