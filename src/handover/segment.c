/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools of segments. A pool reserves address space for more than its budget once and grows the file
 * under it, so that a segment never moves. Free segments are two stacks of indices: resident ones,
 * taken first because their pages are there, and given-back ones, whose pages have been punched out
 * of the file.
 */
#include "handover/segment.h"

#include "handover/shared_memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(sizeof(struct segment) == SEGMENT_SIZE, "a segment is its header and its data");

/* A replay's open table may outgrow the budget; this many times as much address space is
 * reserved. */
#define RESERVE_FACTOR 16u
#define RESERVE_MIN    (UINT32_C(1) << 30)
#define RESERVE_MAX    (UINT64_C(1) << 36)
#define GROW_COUNT     64u /* segments that the file grows by */

struct index_stack {
    uint32_t *indices;
    uint32_t count, capacity;
};

struct pool {
    alignas(CACHE_LINE) struct pool_budget *budget;
    int fd;
    uint8_t *memory;
    size_t reserved;      /* bytes of address space */
    uint32_t max_count;   /* segments that fit there */
    uint32_t file_count;  /* segments in the file */
    uint32_t fresh_index; /* the first that was never taken */
    uint32_t used_count;
    uint32_t peak, previous_peak; /* most in use during this epoch and the one before */
    struct index_stack resident, given_back;
};

static void index_stack_push(struct index_stack *s, uint32_t index)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity == 0 ? 64 : s->capacity * 2;
        s->indices = mem_realloc_array(s->indices, s->capacity, sizeof *s->indices);
    }
    s->indices[s->count++] = index;
}

void pool_budget_init(struct pool_budget *budget, uint64_t max_bytes)
{
    uint64_t count = max_bytes / SEGMENT_SIZE;
    atomic_init(&budget->used_count, 0);
    budget->max_count = count > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)count;
}

bool pool_budget_is_tight(const struct pool_budget *budget)
{
    uint64_t used = atomic_load_explicit(&budget->used_count, memory_order_relaxed);
    return used * 4 > (uint64_t)budget->max_count * 3;
}

int pool_new(struct pool_budget *budget, struct pool **ret_pool)
{
    struct pool *pool = mem_aligned_zalloc(CACHE_LINE, sizeof *pool); /* a worker writes it */
    uint64_t reserve = (uint64_t)budget->max_count * SEGMENT_SIZE;
    void *memory = NULL;
    int err;

    if (reserve > RESERVE_MAX / RESERVE_FACTOR)
        reserve = reserve > RESERVE_MAX ? reserve : RESERVE_MAX;
    else
        reserve *= RESERVE_FACTOR;
    if (reserve < RESERVE_MIN)
        reserve = RESERVE_MIN;
    pool->budget = budget;
    pool->reserved = reserve;
    pool->max_count = (uint32_t)(reserve / SEGMENT_SIZE);
    pool->fd = shared_memory_new("pathacct-pool", 0);
    if (pool->fd < 0) {
        err = pool->fd;
        goto fail;
    }
    err = shared_memory_map(pool->fd, pool->reserved, PROT_READ | PROT_WRITE, &memory);
    if (err < 0)
        goto fail;
    pool->memory = memory;
    *ret_pool = pool;
    return 0;
fail:
    pool_free(pool);
    return err;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    if (pool->memory != NULL)
        munmap(pool->memory, pool->reserved);
    if (pool->fd >= 0)
        close(pool->fd);
    atomic_fetch_sub_explicit(&pool->budget->used_count, pool->used_count, memory_order_relaxed);
    mem_free(pool->resident.indices);
    mem_free(pool->given_back.indices);
    mem_free(pool);
}

/*
 * Asks for a segment's pages at once, which costs less than a fault for each. Not for a first
 * segment, which may well stay nearly empty. A wish: without it (Linux before 5.14) they come one
 * by one.
 */
static void pool_populate(const struct pool *pool, uint32_t index)
{
    if (pool->used_count > 0)
        madvise(pool->memory + (size_t)index * SEGMENT_SIZE, SEGMENT_SIZE, MADV_POPULATE_WRITE);
}

/* An index whose pages may be there or not; -ENOSPC: no address space, -errno: the file cannot
 * grow. */
static int pool_find_free(struct pool *pool, uint32_t *ret_index)
{
    if (pool->resident.count > 0) {
        *ret_index = pool->resident.indices[--pool->resident.count];
        return 0;
    }
    if (pool->given_back.count > 0) {
        *ret_index = pool->given_back.indices[--pool->given_back.count];
        pool_populate(pool, *ret_index);
        return 0;
    }
    if (pool->fresh_index == pool->max_count)
        return -ENOSPC;
    if (pool->fresh_index == pool->file_count) {
        uint32_t more = pool->max_count - pool->file_count;
        if (more > GROW_COUNT)
            more = GROW_COUNT;
        if (ftruncate(pool->fd, (off_t)(pool->file_count + more) * SEGMENT_SIZE) < 0)
            return -ENOSPC;
        pool->file_count += more;
    }
    *ret_index = pool->fresh_index++;
    pool_populate(pool, *ret_index);
    return 0;
}

int pool_take(struct pool *pool, bool past_budget, uint32_t *ret_index)
{
    uint32_t before = atomic_fetch_add_explicit(&pool->budget->used_count, 1, memory_order_relaxed);
    uint32_t index = SEGMENT_NONE;

    THREAD_ASSERT(worker_thread);
    if ((before >= pool->budget->max_count && !past_budget) || pool_find_free(pool, &index) < 0) {
        atomic_fetch_sub_explicit(&pool->budget->used_count, 1, memory_order_relaxed);
        return -ENOSPC;
    }
    pool->used_count++;
    if (pool->used_count > pool->peak)
        pool->peak = pool->used_count;
    struct segment *segment = pool_segment(pool, index);
    segment->next = SEGMENT_NONE;
    segment->used = 0;
    *ret_index = index;
    return 0;
}

void pool_release(struct pool *pool, uint32_t index)
{
    assert(index < pool->fresh_index && pool->used_count > 0);
    index_stack_push(&pool->resident, index);
    pool->used_count--;
    atomic_fetch_sub_explicit(&pool->budget->used_count, 1, memory_order_relaxed);
}

void pool_release_chain(struct pool *pool, uint32_t first)
{
    while (first != SEGMENT_NONE) {
        uint32_t next = pool_segment(pool, first)->next;
        pool_release(pool, first);
        first = next;
    }
}

struct segment *pool_segment(const struct pool *pool, uint32_t index)
{
    return (struct segment *)(void *)(pool->memory + (size_t)index * SEGMENT_SIZE);
}

void pool_trim(struct pool *pool)
{
    THREAD_ASSERT(worker_thread);
    uint32_t wanted = pool->peak > pool->previous_peak ? pool->peak : pool->previous_peak;
    while (pool->resident.count > 0 && pool_resident_count(pool) > wanted) {
        uint32_t index = pool->resident.indices[pool->resident.count - 1];
        if (fallocate(pool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)index * SEGMENT_SIZE, SEGMENT_SIZE) < 0)
            break; /* the segment stays resident, which costs memory and nothing else */
        pool->resident.count--;
        index_stack_push(&pool->given_back, index);
    }
    pool->previous_peak = pool->peak;
    pool->peak = pool->used_count;
}

uint32_t pool_used_count(const struct pool *pool)
{
    return pool->used_count;
}

uint32_t pool_resident_count(const struct pool *pool)
{
    return pool->used_count + pool->resident.count;
}

uint32_t pool_max_count(const struct pool *pool)
{
    return pool->max_count;
}

int pool_open_readonly(const struct pool *pool)
{
    return shared_memory_open_readonly(pool->fd);
}

/* ---- the host's side ---- */

struct pool_view {
    int fd;
    const uint8_t *memory;
    size_t reserved;
    uint32_t max_count;
    uint32_t file_count; /* as last seen; the file only grows, and touching what lies beyond it is
                            fatal */
};

int pool_view_new(int fd, uint32_t max_count, struct pool_view **ret_view)
{
    struct pool_view *view = mem_zalloc(sizeof *view);
    void *memory = NULL;
    int err = -EBADMSG;

    view->fd = fd;
    view->max_count = max_count;
    view->reserved = (size_t)max_count * SEGMENT_SIZE;
    if (max_count == 0)
        goto fail;
    err = shared_memory_map(fd, view->reserved, PROT_READ, &memory);
    if (err < 0)
        goto fail;
    view->memory = memory;
    *ret_view = view;
    return 0;
fail:
    pool_view_free(view);
    return err;
}

void pool_view_free(struct pool_view *view)
{
    if (view == NULL)
        return;
    if (view->memory != NULL)
        munmap((void *)(uintptr_t)view->memory, view->reserved);
    close(view->fd);
    mem_free(view);
}

const struct segment *pool_view_segment(struct pool_view *view, uint32_t index)
{
    if (index >= view->file_count) {
        struct stat status;
        if (index >= view->max_count || fstat(view->fd, &status) < 0)
            return NULL;
        view->file_count = (uint32_t)((uint64_t)status.st_size / SEGMENT_SIZE);
        if (index >= view->file_count)
            return NULL;
    }
    const void *address = view->memory + (size_t)index * SEGMENT_SIZE;
    const struct segment *segment = address;
    return segment->used <= SEGMENT_DATA_SIZE ? segment : NULL;
}
