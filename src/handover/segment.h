/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The shared memory of one (worker, instance): a sparse memfd cut into segments of equal size,
 * addressed by index. A segment starts with its header; rows or dictionary entries follow, each
 * whole within one segment. Segments are chained by index, so that nothing in shared memory is a
 * pointer.
 *
 * The worker alone takes, writes and releases segments. The host has the same file mapped read-only
 * and reads only segments that a hand-over names and that it has not acknowledged.
 */
#include "base/memory.h"
#include "base/thread.h"
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_SIZE (256u << 10)
#define SEGMENT_NONE UINT32_MAX

struct segment {
    uint32_t next;      /* index of the next one of the chain, or SEGMENT_NONE */
    uint32_t used;      /* bytes of data in use */
    uint8_t unused[56]; /* data starts on a cache line */
    uint8_t data[SEGMENT_SIZE - 64];
};
#define SEGMENT_DATA_SIZE (SEGMENT_SIZE - 64)

/* How many rows a segment holds. */
static inline uint32_t segment_rows(uint32_t row_size)
{
    return SEGMENT_DATA_SIZE / row_size;
}

/* The segments that all workers of one instance may use together. Any worker; touched once per
 * segment. */
struct pool_budget {
    alignas(CACHE_LINE) _Atomic uint32_t used_count;
    alignas(CACHE_LINE) uint32_t max_count; /* set before the workers start */
};
void pool_budget_init(struct pool_budget *budget, uint64_t max_bytes);
/* Less than a quarter is free: tables stay open across epoch ends. Any thread. */
bool pool_budget_is_tight(const struct pool_budget *budget);

/* ---- the worker's side: one thread ---- */

struct pool;

/* `budget` is borrowed for the life of the pool. -errno of memfd_create or mmap. */
int pool_new(struct pool_budget *budget, struct pool **ret_pool);
void pool_free(struct pool *pool); /* NULL is fine */

/*
 * A segment with an empty header; its data is not zeroed. -ENOSPC: the budget is used up; with
 * `past_budget` (the open table of a replay) it is given anyway, and -ENOSPC means that the address
 * space of the pool is used up.
 */
int pool_take(struct pool *pool, bool past_budget, uint32_t *ret_index) ON_THREAD(worker_thread);
void pool_release(struct pool *pool, uint32_t index) ON_THREAD(worker_thread);
/* SEGMENT_NONE is fine. */
void pool_release_chain(struct pool *pool, uint32_t first) ON_THREAD(worker_thread);
struct segment *pool_segment(const struct pool *pool, uint32_t index); /* until released */

/* Once per epoch: gives free segments that the last two epochs did not need back to the system. */
void pool_trim(struct pool *pool) ON_THREAD(worker_thread);
uint32_t pool_used_count(const struct pool *pool);
/* Segments that are backed by memory: in use, or free and not yet given back. */
uint32_t pool_resident_count(const struct pool *pool);
/* Segments that its address space has room for. Any thread. */
uint32_t pool_max_count(const struct pool *pool);
/* A new descriptor of the memory that cannot write, for the host; close it. -errno. Any thread. */
int pool_open_readonly(const struct pool *pool);

/* ---- the host's side: one thread ---- */

struct pool_view;

/* Takes `fd` whatever the result. `max_count` as the worker's side has it. -errno, -EBADMSG: not a
 * pool. */
int pool_view_new(int fd, uint32_t max_count, struct pool_view **ret_view);
void pool_view_free(struct pool_view *view); /* NULL is fine */
/* Borrowed until it is acknowledged. NULL: there is no such segment, or it claims more data than it
 * has room for. */
const struct segment *pool_view_segment(struct pool_view *view, uint32_t index);
