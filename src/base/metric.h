/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Counters with one writing thread each; any thread may read them at any time (statistics). Data
 * that is counted by several threads has one counter per thread, summed when read.
 */
#include <stdatomic.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t value;
};

/* Called by the owner alone, so there is no read-modify-write cycle on the bus. */
static inline void counter_add(struct counter *c, uint64_t n)
{
    atomic_store_explicit(&c->value, atomic_load_explicit(&c->value, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline void counter_set(struct counter *c, uint64_t n)
{
    atomic_store_explicit(&c->value, n, memory_order_relaxed);
}
static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}
