/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Blocks of 8 bytes to 64 KB behind 32-bit handles, for structures with many small parts: a handle
 * is half a pointer, a block has no header, and a page of blocks that has become empty serves any
 * other size.
 *
 * One thread allocates, publishes and retires. Any thread may turn a handle that it read with
 * rcu_read() into an address; a retired block is reused after a grace period.
 */
#include "base/rcu.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_MAX_BYTES 65536u /* of one block, but for those of BLOCK_CHUNK_BYTES */

/* A handle counts units of 8 bytes: 18 bits of place in a chunk of 2 MB, 14 bits of chunk. Handle 0
 * is no block, and may be turned into an address too: BLOCK_MAX_BYTES of zeros. */
#define BLOCK_UNIT        8u
#define BLOCK_CHUNK_SHIFT 18u
#define BLOCK_CHUNK_COUNT (1u << 14)
#define BLOCK_CHUNK_BYTES (BLOCK_UNIT << BLOCK_CHUNK_SHIFT)

struct block_pool_pages; /* the writer's books */
struct block_pool {
    /* An entry is written before any handle into its chunk is published. */
    uint8_t *chunks[BLOCK_CHUNK_COUNT];
    struct block_pool_pages *pages;
};

struct block_pool *block_pool_new(struct rcu *rcu);
void block_pool_free(struct block_pool *pool); /* with all blocks; after all readers are gone */

/* `size` is up to BLOCK_MAX_BYTES, or BLOCK_CHUNK_BYTES: a table that may be one huge page. Not
 * zeroed; never 0. Handles run out at 32 GB: a caller whose input others control asks
 * block_pool_is_full() before it makes things grow. */
uint32_t block_alloc(struct block_pool *pool, size_t size);
void block_retire(struct block_pool *pool, uint32_t handle); /* published before, unpublished now */
void block_discard(struct block_pool *pool, uint32_t handle); /* never published: free at once */

/* Lets blocks that were retired until now become reusable. To be called often; it never waits. */
void block_pool_poll(struct block_pool *pool);
bool block_pool_is_full(const struct block_pool *pool);    /* less than 64 MB of handles left */
size_t block_pool_bytes(const struct block_pool *pool);    /* in use by blocks, rounding included */
size_t block_pool_reserved(const struct block_pool *pool); /* got from the system, books included */

static inline void *block_at(const struct block_pool *pool, uint32_t handle)
{
    return pool->chunks[handle >> BLOCK_CHUNK_SHIFT] +
           (size_t)(handle & ((1u << BLOCK_CHUNK_SHIFT) - 1)) * BLOCK_UNIT;
}
