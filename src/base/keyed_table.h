/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A hash table of structs that embed a keyed_entry as their first member, with a maximum: the least
 * recently touched one goes. Keys are two numbers, or bytes that the caller compares. Entries stand
 * in a list in the order in which they were added or touched. One thread owns a table; nothing locks.
 */
#include <stddef.h>
#include <stdint.h>

struct keyed_entry {
    struct keyed_entry *next_in_bucket, *newer, *older;
    uint64_t key[2];
};

struct keyed_list {
    struct keyed_entry *newest, *oldest;
};

struct keyed_table {
    struct keyed_entry **buckets;
    size_t bucket_count; /* a power of 2 */
    size_t count, max;
    struct keyed_list used;
    uint64_t seed; /* differs for each table, so that nobody outside can aim at one bucket */
    /* Frees an entry that is already out of the table. */
    void (*discard)(void *arg, struct keyed_entry *entry);
    void *arg;
};

void keyed_table_init(struct keyed_table *table, size_t max,
                      void (*discard)(void *arg, struct keyed_entry *entry), void *arg);
void keyed_table_empty(struct keyed_table *table); /* discards all; the table stays usable */
void keyed_table_clear(struct keyed_table *table); /* discards all */
struct keyed_entry *keyed_table_find(const struct keyed_table *table, uint64_t key0, uint64_t key1);
/*
 * For keys that are bytes: a number made of them, by the table's seed. Put in a key it finds the
 * entry, or entries that have the same by chance: keyed_table_next() gives another one of the same
 * two numbers, NULL after the last.
 */
uint64_t keyed_table_hash(const struct keyed_table *table, const void *data, size_t len);
struct keyed_entry *keyed_table_next(const struct keyed_entry *entry);
/* Takes the entry, whose key is new to the table; at the maximum it first discards the oldest. */
void keyed_table_add(struct keyed_table *table, struct keyed_entry *entry, uint64_t key0,
                     uint64_t key1);
void keyed_table_touch(struct keyed_table *table, struct keyed_entry *entry);
void keyed_table_remove(struct keyed_table *table, struct keyed_entry *entry); /* not discarded */

/* Walks the entries in no order: NULL gives the first one, NULL comes after the last. Others than
 * the one that was given last may be removed meanwhile. */
struct keyed_entry *keyed_table_walk(const struct keyed_table *table,
                                     const struct keyed_entry *entry);

/* A walk in steps, between which anything may change. All zero is the start. */
struct keyed_cursor {
    size_t bucket, bucket_count;
};
/* Looks at some buckets and gives the first entry of one of them, which next_in_bucket links with the
 * others of it; NULL: there was none yet. -EAGAIN: the table has grown since the last step, and the
 * walk begins anew; 0: it has come to the end; else 1. */
int keyed_table_step(const struct keyed_table *table, struct keyed_cursor *cursor,
                     struct keyed_entry **ret_entry);

/* For tables that list their entries elsewhere (base/shared_table.h): these know of no maximum. */
void keyed_table_index(struct keyed_table *table, struct keyed_entry *entry, uint64_t key0,
                       uint64_t key1);
void keyed_table_unindex(struct keyed_table *table, struct keyed_entry *entry);
void keyed_list_push(struct keyed_list *list, struct keyed_entry *entry); /* as the newest */
void keyed_list_take(struct keyed_list *list, struct keyed_entry *entry);
void keyed_list_renew(struct keyed_list *list, struct keyed_entry *entry);
