/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chained hashing with a list in order of use. */
#include "base/keyed_table.h"

#include "base/hash.h"
#include "base/memory.h"

#define FIRST_BUCKET_COUNT 64

static size_t bucket_of(const struct keyed_table *table, uint64_t key0, uint64_t key1)
{
    uint64_t h = (key0 ^ table->seed) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 29 ^ key1) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 32 ^ table->seed) * UINT64_C(0x94d049bb133111eb);
    return (size_t)(h >> 32 ^ h) & (table->bucket_count - 1);
}

static void list_push(struct keyed_table *table, struct keyed_entry *entry)
{
    entry->newer = NULL;
    entry->older = table->newest;
    if (table->newest)
        table->newest->newer = entry;
    else
        table->oldest = entry;
    table->newest = entry;
}

static void list_take(struct keyed_table *table, struct keyed_entry *entry)
{
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        table->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        table->oldest = entry->newer;
}

static void buckets_grow(struct keyed_table *table)
{
    mem_free(table->buckets);
    table->bucket_count *= 2;
    table->buckets = mem_calloc(table->bucket_count, sizeof *table->buckets);
    for (struct keyed_entry *e = table->newest; e; e = e->older) {
        struct keyed_entry **bucket = &table->buckets[bucket_of(table, e->key[0], e->key[1])];
        e->next_in_bucket = *bucket;
        *bucket = e;
    }
}

void keyed_table_init(struct keyed_table *table, size_t max,
                      void (*discard)(void *arg, struct keyed_entry *entry), void *arg)
{
    *table = (struct keyed_table){.max = max > 0 ? max : 1, .discard = discard, .arg = arg};
    table->bucket_count = FIRST_BUCKET_COUNT;
    table->buckets = mem_calloc(table->bucket_count, sizeof *table->buckets);
    table->seed = hash_seed();
}

void keyed_table_empty(struct keyed_table *table)
{
    while (table->oldest) {
        struct keyed_entry *entry = table->oldest;
        keyed_table_remove(table, entry);
        table->discard(table->arg, entry);
    }
}

void keyed_table_clear(struct keyed_table *table)
{
    keyed_table_empty(table);
    mem_free(table->buckets);
    table->buckets = NULL;
}

/* The first one of these numbers from `entry` on. */
static struct keyed_entry *find_from(struct keyed_entry *entry, uint64_t key0, uint64_t key1)
{
    while (entry && (entry->key[0] != key0 || entry->key[1] != key1))
        entry = entry->next_in_bucket;
    return entry;
}

struct keyed_entry *keyed_table_find(const struct keyed_table *table, uint64_t key0, uint64_t key1)
{
    return find_from(table->buckets[bucket_of(table, key0, key1)], key0, key1);
}

uint64_t keyed_table_hash(const struct keyed_table *table, const void *data, size_t len)
{
    return hash_bytes(data, len, table->seed);
}

struct keyed_entry *keyed_table_next(const struct keyed_entry *entry)
{
    return find_from(entry->next_in_bucket, entry->key[0], entry->key[1]);
}

void keyed_table_add(struct keyed_table *table, struct keyed_entry *entry, uint64_t key0,
                     uint64_t key1)
{
    while (table->count >= table->max) {
        struct keyed_entry *oldest = table->oldest;
        keyed_table_remove(table, oldest);
        table->discard(table->arg, oldest);
    }
    if (table->count >= table->bucket_count)
        buckets_grow(table);
    entry->key[0] = key0;
    entry->key[1] = key1;
    struct keyed_entry **bucket = &table->buckets[bucket_of(table, key0, key1)];
    entry->next_in_bucket = *bucket;
    *bucket = entry;
    list_push(table, entry);
    table->count++;
}

void keyed_table_touch(struct keyed_table *table, struct keyed_entry *entry)
{
    if (table->newest == entry)
        return;
    list_take(table, entry);
    list_push(table, entry);
}

void keyed_table_remove(struct keyed_table *table, struct keyed_entry *entry)
{
    struct keyed_entry **place = &table->buckets[bucket_of(table, entry->key[0], entry->key[1])];
    while (*place != entry)
        place = &(*place)->next_in_bucket;
    *place = entry->next_in_bucket;
    list_take(table, entry);
    table->count--;
}
