/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grace periods are numbered. A writer unpublishes, then begins a period (one atomic increment); a
 * reader notes the current period whenever it is quiescent. What was retired before period P began
 * may go once every reader is offline or has noted P or later.
 *
 * Why it is enough, without fences:
 * - Quiescent: a reader that noted P read it from the writer's increment, so whatever it loads
 * later it loads after the unpublishing. The note is a release, the writer's check an acquire: all
 * the reader did with the old object happened before it is freed.
 * - Going online: the reader first stores its note, then loads the period; the writer first
 * increments the period, then loads the note. All four are seq_cst, so either the writer sees the
 * note and waits, or the reader sees the increment, and with it what was published before.
 */
#include "base/rcu.h"
#include "base/memory.h"
#include <assert.h>
#include <errno.h>

#define QUEUE_KEEP_CAPACITY 4096 /* a larger burst's memory is given back */

struct rcu_reader {
    _Alignas(CACHE_LINE) _Atomic uint64_t noted; /* period; 0: offline. Only its reader writes it */
    struct rcu *rcu;
    _Atomic bool is_registered;
};

struct rcu {
    _Alignas(CACHE_LINE) _Atomic uint64_t period; /* from 1; 64 bits never wrap */
    _Alignas(CACHE_LINE) unsigned max_readers;
    struct rcu_reader readers[];
};

struct retired {
    void (*free_fn)(void *object);
    void *object;
};

struct retired_list {
    struct retired *items;
    size_t count, capacity;
};

struct rcu_queue {
    struct rcu *rcu;
    struct retired_list fresh;   /* their period has not begun */
    struct retired_list waiting; /* for `period` */
    uint64_t period;
};

struct rcu *rcu_new(unsigned max_readers)
{
    struct rcu *rcu =
        mem_aligned_zalloc(CACHE_LINE, sizeof *rcu + max_readers * sizeof rcu->readers[0]);

    atomic_init(&rcu->period, 1);
    rcu->max_readers = max_readers;
    for (unsigned i = 0; i < max_readers; i++) {
        atomic_init(&rcu->readers[i].noted, 0);
        atomic_init(&rcu->readers[i].is_registered, false);
        rcu->readers[i].rcu = rcu;
    }
    return rcu;
}

void rcu_free(struct rcu *rcu)
{
    mem_free(rcu);
}

int rcu_reader_register(struct rcu *rcu, struct rcu_reader **ret_reader)
{
    for (unsigned i = 0; i < rcu->max_readers; i++) {
        bool expected = false;
        if (atomic_compare_exchange_strong_explicit(&rcu->readers[i].is_registered, &expected, true,
                                                    memory_order_acquire, memory_order_relaxed)) {
            *ret_reader = &rcu->readers[i];
            return 0;
        }
    }
    return -ENOSPC;
}

void rcu_reader_unregister(struct rcu_reader *reader)
{
    if (!reader)
        return;
    rcu_offline(reader);
    atomic_store_explicit(&reader->is_registered, false, memory_order_release);
}

void rcu_online(struct rcu_reader *reader)
{
    uint64_t period = atomic_load_explicit(&reader->rcu->period, memory_order_relaxed);

    atomic_store_explicit(&reader->noted, period, memory_order_seq_cst);
    rcu_quiescent(reader); /* loads the period again, after the store: see above */
}

void rcu_quiescent(struct rcu_reader *reader)
{
    uint64_t period = atomic_load_explicit(&reader->rcu->period, memory_order_seq_cst);

    assert(atomic_load_explicit(&reader->noted, memory_order_relaxed) != 0);
    atomic_store_explicit(&reader->noted, period, memory_order_release);
}

void rcu_offline(struct rcu_reader *reader)
{
    atomic_store_explicit(&reader->noted, 0, memory_order_release);
}

struct rcu_queue *rcu_queue_new(struct rcu *rcu)
{
    struct rcu_queue *queue = mem_zalloc(sizeof *queue);

    queue->rcu = rcu;
    return queue;
}

static void list_free_objects(struct retired_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        list->items[i].free_fn(list->items[i].object);
    list->count = 0;
    if (list->capacity > QUEUE_KEEP_CAPACITY) {
        mem_free(list->items);
        *list = (struct retired_list){0};
    }
}

void rcu_queue_free(struct rcu_queue *queue)
{
    if (!queue)
        return;
    list_free_objects(&queue->waiting);
    /* Freeing an object may retire others that only it held. */
    while (queue->fresh.count > 0) {
        struct retired_list list = queue->fresh;
        queue->fresh = (struct retired_list){0};
        list_free_objects(&list);
        mem_free(list.items);
    }
    mem_free(queue->waiting.items);
    mem_free(queue->fresh.items);
    mem_free(queue);
}

void rcu_retire(struct rcu_queue *queue, void (*free_fn)(void *object), void *object)
{
    struct retired_list *list = &queue->fresh;

    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->items = mem_realloc_array(list->items, list->capacity, sizeof list->items[0]);
    }
    list->items[list->count++] = (struct retired){free_fn, object};
}

static bool period_is_over(const struct rcu *rcu, uint64_t period)
{
    for (unsigned i = 0; i < rcu->max_readers; i++) {
        uint64_t noted = atomic_load_explicit(&rcu->readers[i].noted, memory_order_seq_cst);
        if (noted != 0 && noted < period)
            return false;
    }
    return true;
}

static void period_begin(struct rcu_queue *queue)
{
    struct retired_list empty = queue->waiting;

    queue->waiting = queue->fresh;
    queue->fresh = empty;
    queue->period = atomic_fetch_add_explicit(&queue->rcu->period, 1, memory_order_seq_cst) + 1;
}

size_t rcu_queue_poll(struct rcu_queue *queue)
{
    size_t freed_count = 0;

    if (queue->waiting.count == 0 && queue->fresh.count > 0)
        period_begin(queue);
    if (queue->waiting.count > 0 && period_is_over(queue->rcu, queue->period)) {
        freed_count = queue->waiting.count;
        list_free_objects(&queue->waiting);
        if (queue->fresh.count > 0)
            period_begin(queue); /* so that the next poll may find it over */
    }
    return freed_count;
}

size_t rcu_queue_len(const struct rcu_queue *queue)
{
    return queue->waiting.count + queue->fresh.count;
}
