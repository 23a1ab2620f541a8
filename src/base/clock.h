/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Wall-clock instants (nanoseconds since the Unix epoch, may jump) and monotonic ones, as two
 * types. */
#include <stdint.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

struct wall_time {
    int64_t ns;
};
struct mono_time {
    int64_t ns;
};

struct wall_time clock_wall(void);
struct mono_time clock_mono(void);

/* Returns the first whole multiple of a length after an instant, both in nanoseconds. */
static inline int64_t clock_next_multiple(int64_t ns, int64_t length_ns)
{
    return (ns / length_ns + 1) * length_ns;
}
