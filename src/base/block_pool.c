/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks in pages of 64 KB, each of one size class, in chunks of 2 MB that may become huge pages: a
 * lookup in a large table is a handful of cache misses, and with small pages each would be a TLB
 * miss too.
 */
#include "base/block_pool.h"
#include "base/log.h"
#include "base/memory.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_SHIFT    13u /* in units */
#define PAGE_UNITS    (1u << PAGE_SHIFT)
#define CHUNK_BYTES   ((size_t)BLOCK_CHUNK_BYTES)
#define CHUNK_PAGES   (1u << (BLOCK_CHUNK_SHIFT - PAGE_SHIFT))
#define CLASS_COUNT   64
#define CLASS_CHUNK   CLASS_COUNT /* a block that is a whole chunk: its first page has the books */
#define NO_UNIT       UINT16_MAX
#define RETIRED_COUNT 1020
#define PAGE_LIMIT    (BLOCK_CHUNK_COUNT * CHUNK_PAGES)
#define PAGE_RESERVE  1024u /* 64 MB */

/* Blocks are named by the unit at which they start in their page. */
struct page {
    /* Neighbours in the list of its class or of free pages; 0: none (page 0 is never listed). */
    uint32_t next, previous;
    uint16_t class, used_count;
    /* Head of the chain of freed blocks, whose links are kept in their first two bytes. */
    uint16_t free_unit;
    uint16_t fresh_unit; /* from here on nothing was handed out yet */
};

/* Blocks that were retired together become free together. */
struct retired_blocks {
    struct block_pool *pool;
    uint32_t count;
    uint32_t handles[RETIRED_COUNT];
};

struct block_pool_pages {
    struct rcu_queue *queue;
    struct page *pages;
    uint32_t page_count, page_capacity;
    uint32_t free_pages;            /* head of a list through `next` */
    uint32_t free_chunks;           /* likewise: first pages of blocks that were whole chunks */
    uint32_t partial[CLASS_COUNT];  /* pages with room */
    struct retired_blocks *retired; /* being filled */
    size_t used_bytes;
};

/* Classes are exact to 32 units; from there on four of them lie in a doubling. */
static unsigned class_of(size_t units)
{
    if (units <= 32)
        return (unsigned)units - 1;
    unsigned log = 63u - (unsigned)__builtin_clzll(units - 1);
    return 32 + (log - 5) * 4 + (unsigned)((units - 1) >> (log - 2)) - 4;
}

static uint32_t class_units(unsigned class)
{
    if (class < 32)
        return class + 1;
    unsigned log = (class - 32) / 4 + 5;
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): class_of() gives no more */
    return (1u << log) + (((class - 32) % 4 + 1) << (log - 2));
}

static void list_push(struct block_pool_pages *books, uint32_t *head, uint32_t index)
{
    struct page *page = &books->pages[index];

    page->next = *head;
    page->previous = 0;
    if (*head)
        books->pages[*head].previous = index;
    *head = index;
}

static void list_remove(struct block_pool_pages *books, uint32_t *head, uint32_t index)
{
    struct page *page = &books->pages[index];

    if (page->previous)
        books->pages[page->previous].next = page->next;
    else
        *head = page->next;
    if (page->next)
        books->pages[page->next].previous = page->previous;
}

static uint8_t *chunk_new(void)
{
    uint8_t *memory = mmap(NULL, 2 * CHUNK_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        log_error("out of memory: %zu bytes could not be had; the process ends", CHUNK_BYTES);
        log_stop();
        _exit(EXIT_FAILURE);
    }
    size_t head = (CHUNK_BYTES - (uintptr_t)memory % CHUNK_BYTES) % CHUNK_BYTES;
    if (head > 0)
        munmap(memory, head);
    munmap(memory + head + CHUNK_BYTES, CHUNK_BYTES - head);
    /* Huge pages are only asked for: without them everything works, slower. */
    madvise(memory + head, CHUNK_BYTES, MADV_HUGEPAGE);
    return memory + head;
}

/* Another page's books, at the end. */
static uint32_t page_add(struct block_pool_pages *books)
{
    assert(books->page_count < PAGE_LIMIT);
    if (books->page_count == books->page_capacity) {
        books->page_capacity *= 2;
        books->pages = mem_realloc_array(books->pages, books->page_capacity, sizeof *books->pages);
    }
    return books->page_count++;
}

/* Chunks stay what they are: a table that comes and goes takes the same one again. */
static uint32_t chunk_take(struct block_pool *pool)
{
    struct block_pool_pages *books = pool->pages;
    uint32_t index = books->free_chunks;

    if (index) {
        books->free_chunks = books->pages[index].next;
    } else {
        /* The rest of the last chunk becomes free pages, which others may take. */
        while (books->page_count % CHUNK_PAGES != 0) {
            index = page_add(books);
            books->pages[index] = (struct page){0};
            list_push(books, &books->free_pages, index);
        }
        index = page_add(books);
        for (uint32_t i = 1; i < CHUNK_PAGES; i++)
            page_add(books);
        pool->chunks[index / CHUNK_PAGES] = chunk_new();
    }
    books->pages[index] = (struct page){.class = CLASS_CHUNK};
    books->used_bytes += CHUNK_BYTES;
    return index << PAGE_SHIFT;
}

static void chunk_discard(struct block_pool *pool, uint32_t index)
{
    struct block_pool_pages *books = pool->pages;

    madvise(pool->chunks[index / CHUNK_PAGES], CHUNK_BYTES, MADV_DONTNEED);
    books->used_bytes -= CHUNK_BYTES;
    books->pages[index].next = books->free_chunks;
    books->free_chunks = index;
}

static uint32_t page_take(struct block_pool *pool, unsigned class)
{
    struct block_pool_pages *books = pool->pages;
    uint32_t index = books->free_pages;

    if (index) {
        list_remove(books, &books->free_pages, index);
    } else {
        index = page_add(books);
        if (!pool->chunks[index / CHUNK_PAGES])
            pool->chunks[index / CHUNK_PAGES] = chunk_new();
    }
    books->pages[index] = (struct page){.class = (uint16_t) class, .free_unit = NO_UNIT};
    list_push(books, &books->partial[class], index);
    return index;
}

uint32_t block_alloc(struct block_pool *pool, size_t size)
{
    struct block_pool_pages *books = pool->pages;
    if (size == CHUNK_BYTES)
        return chunk_take(pool);
    unsigned class = class_of((size + BLOCK_UNIT - 1) / BLOCK_UNIT);
    uint32_t units = class_units(class);

    assert(size > 0 && size <= BLOCK_MAX_BYTES);
    uint32_t index = books->partial[class];
    if (!index)
        index = page_take(pool, class);
    struct page *page = &books->pages[index];
    uint32_t handle;
    if (page->free_unit != NO_UNIT) {
        handle = index << PAGE_SHIFT | page->free_unit;
        memcpy(&page->free_unit, block_at(pool, handle), sizeof page->free_unit);
    } else {
        handle = index << PAGE_SHIFT | page->fresh_unit;
        page->fresh_unit = (uint16_t)(page->fresh_unit + units);
    }
    page->used_count++;
    books->used_bytes += (size_t)units * BLOCK_UNIT;
    if (page->free_unit == NO_UNIT && page->fresh_unit + units > PAGE_UNITS)
        list_remove(books, &books->partial[class], index);
    return handle;
}

void block_discard(struct block_pool *pool, uint32_t handle)
{
    struct block_pool_pages *books = pool->pages;
    uint32_t index = handle >> PAGE_SHIFT;
    struct page *page = &books->pages[index];
    if (page->class == CLASS_CHUNK) {
        chunk_discard(pool, index);
        return;
    }
    uint32_t units = class_units(page->class);

    assert(handle != 0 && page->used_count > 0);
    bool was_full = page->free_unit == NO_UNIT && page->fresh_unit + units > PAGE_UNITS;
    memcpy(block_at(pool, handle), &page->free_unit, sizeof page->free_unit);
    page->free_unit = (uint16_t)(handle & (PAGE_UNITS - 1));
    page->used_count--;
    books->used_bytes -= (size_t)units * BLOCK_UNIT;
    if (was_full)
        list_push(books, &books->partial[page->class], index);
    if (page->used_count == 0 && (page->next || page->previous)) { /* the last of a class stays */
        list_remove(books, &books->partial[page->class], index);
        list_push(books, &books->free_pages, index);
    }
}

static void retired_free(void *object)
{
    struct retired_blocks *retired = object;

    for (uint32_t i = 0; i < retired->count; i++)
        block_discard(retired->pool, retired->handles[i]);
    mem_free(retired);
}

static void retired_flush(struct block_pool_pages *books)
{
    if (books->retired) {
        rcu_retire(books->queue, retired_free, books->retired);
        books->retired = NULL;
    }
}

void block_retire(struct block_pool *pool, uint32_t handle)
{
    struct block_pool_pages *books = pool->pages;

    if (!books->retired) {
        books->retired = mem_alloc(sizeof *books->retired);
        books->retired->pool = pool;
        books->retired->count = 0;
    }
    books->retired->handles[books->retired->count++] = handle;
    if (books->retired->count == RETIRED_COUNT)
        block_pool_poll(pool);
}

void block_pool_poll(struct block_pool *pool)
{
    retired_flush(pool->pages);
    rcu_queue_poll(pool->pages->queue);
}

struct block_pool *block_pool_new(struct rcu *rcu)
{
    struct block_pool *pool = mem_zalloc(sizeof *pool);

    pool->pages = mem_zalloc(sizeof *pool->pages);
    pool->pages->queue = rcu_queue_new(rcu);
    pool->pages->page_capacity = CHUNK_PAGES;
    pool->pages->pages = mem_calloc(CHUNK_PAGES, sizeof *pool->pages->pages);
    /* Page 0 stays unused, so that neither its number nor handle 0 means anything. */
    pool->pages->page_count = 1;
    pool->chunks[0] = chunk_new();
    return pool;
}

void block_pool_free(struct block_pool *pool)
{
    if (!pool)
        return;
    retired_flush(pool->pages);
    rcu_queue_free(pool->pages->queue);
    for (size_t i = 0; i < BLOCK_CHUNK_COUNT && pool->chunks[i]; i++)
        munmap(pool->chunks[i], CHUNK_BYTES);
    mem_free(pool->pages->pages);
    mem_free(pool->pages);
    mem_free(pool);
}

bool block_pool_is_full(const struct block_pool *pool)
{
    return pool->pages->page_count > PAGE_LIMIT - PAGE_RESERVE;
}

size_t block_pool_bytes(const struct block_pool *pool)
{
    return pool->pages->used_bytes;
}

size_t block_pool_reserved(const struct block_pool *pool)
{
    return (size_t)pool->pages->page_count * PAGE_UNITS * BLOCK_UNIT +
           pool->pages->page_capacity * sizeof(struct page);
}
