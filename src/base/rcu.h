/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Read-copy-update with quiescent states, on stdatomic without fences (ThreadSanitizer understands
 * it).
 *
 * Readers register, hold pointers they loaded with rcu_read() until they say rcu_quiescent(), and
 * are offline while they block. A writer publishes with rcu_publish() and hands what it replaced to
 * its own retire queue; it never waits: rcu_queue_poll() frees what no reader can still hold.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rcu;        /* one domain, shared by all threads */
struct rcu_reader; /* one reading thread's state, on a cache line of its own */
struct rcu_queue;  /* what one writing thread has retired */

struct rcu *rcu_new(unsigned max_readers);
void rcu_free(struct rcu *rcu); /* after all readers and queues are gone */

/* The calling thread becomes a reader, offline. -ENOSPC: more than max_readers. */
int rcu_reader_register(struct rcu *rcu, struct rcu_reader **ret_reader);
void rcu_reader_unregister(struct rcu_reader *reader);
void rcu_online(struct rcu_reader *reader);
/* The reader holds no pointer from before this call. */
void rcu_quiescent(struct rcu_reader *reader);
void rcu_offline(struct rcu_reader *reader);

struct rcu_queue *rcu_queue_new(struct rcu *rcu);
/* Frees everything in the queue at once: no reader may be left. */
void rcu_queue_free(struct rcu_queue *queue);
/* Frees `object` with `free_fn` after a grace period; the caller has unpublished it. */
void rcu_retire(struct rcu_queue *queue, void (*free_fn)(void *object), void *object);
size_t rcu_queue_poll(struct rcu_queue *queue); /* returns how many were freed */
size_t rcu_queue_len(const struct rcu_queue *queue);

/* Pointers that cross: `place` is a pointer to an _Atomic pointer. */
#define rcu_read(place)           atomic_load_explicit((place), memory_order_acquire)
#define rcu_publish(place, value) atomic_store_explicit((place), (value), memory_order_release)
