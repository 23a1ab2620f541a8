/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chained hashing with a list in order of use. */
#include "base/keyed_table.h"

#include "base/hash.h"
#include "base/memory.h"
#include <stdbool.h>

#include <errno.h>

#define FIRST_BUCKET_COUNT 64
#define STEP_BUCKETS       256 /* that a step looks at */

static size_t bucket_of(const struct keyed_table *table, uint64_t key0, uint64_t key1)
{
    uint64_t h = (key0 ^ table->seed) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 29 ^ key1) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 32 ^ table->seed) * UINT64_C(0x94d049bb133111eb);
    return (size_t)(h >> 32 ^ h) & (table->bucket_count - 1);
}

void keyed_list_push(struct keyed_list *list, struct keyed_entry *entry)
{
    entry->newer = NULL;
    entry->older = list->newest;
    if (list->newest)
        list->newest->newer = entry;
    else
        list->oldest = entry;
    list->newest = entry;
}

void keyed_list_take(struct keyed_list *list, struct keyed_entry *entry)
{
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        list->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        list->oldest = entry->newer;
}

void keyed_list_renew(struct keyed_list *list, struct keyed_entry *entry)
{
    keyed_list_take(list, entry);
    keyed_list_push(list, entry);
}

static void bucket_push(struct keyed_table *table, struct keyed_entry *entry)
{
    struct keyed_entry **bucket = &table->buckets[bucket_of(table, entry->key[0], entry->key[1])];

    entry->next_in_bucket = *bucket;
    *bucket = entry;
}

static void buckets_grow(struct keyed_table *table)
{
    struct keyed_entry **old = table->buckets;
    size_t old_count = table->bucket_count;

    table->bucket_count *= 2;
    table->buckets = mem_calloc(table->bucket_count, sizeof *table->buckets);
    for (size_t i = 0; i < old_count; i++) {
        for (struct keyed_entry *e = old[i], *next; e; e = next) {
            next = e->next_in_bucket;
            bucket_push(table, e);
        }
    }
    mem_free(old);
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
    while (table->used.oldest) {
        struct keyed_entry *entry = table->used.oldest;
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

struct keyed_entry *keyed_table_walk(const struct keyed_table *table,
                                     const struct keyed_entry *entry)
{
    size_t bucket = 0;

    if (entry && entry->next_in_bucket)
        return entry->next_in_bucket;
    if (entry)
        bucket = bucket_of(table, entry->key[0], entry->key[1]) + 1;
    while (bucket < table->bucket_count && !table->buckets[bucket])
        bucket++;
    return bucket < table->bucket_count ? table->buckets[bucket] : NULL;
}

int keyed_table_step(const struct keyed_table *table, struct keyed_cursor *cursor,
                     struct keyed_entry **ret_entry)
{
    bool has_grown = cursor->bucket_count != 0 && cursor->bucket_count != table->bucket_count;

    *ret_entry = NULL;
    cursor->bucket_count = table->bucket_count;
    if (has_grown) {
        cursor->bucket = 0;
        return -EAGAIN;
    }
    for (int i = 0; i < STEP_BUCKETS && cursor->bucket < table->bucket_count && !*ret_entry; i++)
        *ret_entry = table->buckets[cursor->bucket++];
    return *ret_entry || cursor->bucket < table->bucket_count;
}

void keyed_table_index(struct keyed_table *table, struct keyed_entry *entry, uint64_t key0,
                       uint64_t key1)
{
    if (table->count >= table->bucket_count)
        buckets_grow(table);
    entry->key[0] = key0;
    entry->key[1] = key1;
    bucket_push(table, entry);
    table->count++;
}

void keyed_table_unindex(struct keyed_table *table, struct keyed_entry *entry)
{
    struct keyed_entry **place = &table->buckets[bucket_of(table, entry->key[0], entry->key[1])];

    while (*place != entry)
        place = &(*place)->next_in_bucket;
    *place = entry->next_in_bucket;
    table->count--;
}

void keyed_table_add(struct keyed_table *table, struct keyed_entry *entry, uint64_t key0,
                     uint64_t key1)
{
    while (table->count >= table->max) {
        struct keyed_entry *oldest = table->used.oldest;
        keyed_table_remove(table, oldest);
        table->discard(table->arg, oldest);
    }
    keyed_table_index(table, entry, key0, key1);
    keyed_list_push(&table->used, entry);
}

void keyed_table_touch(struct keyed_table *table, struct keyed_entry *entry)
{
    if (table->used.newest != entry)
        keyed_list_renew(&table->used, entry);
}

void keyed_table_remove(struct keyed_table *table, struct keyed_entry *entry)
{
    keyed_table_unindex(table, entry);
    keyed_list_take(&table->used, entry);
}
