/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A hash table as base/keyed_table.h, whose entries belong to owners. It has no maximum: whoever
 * adds to it looks at how much is held, and removes what shared_table_loser() names until there is
 * room. One thread owns a table; nothing locks.
 */
#include "base/keyed_table.h"
#include "base/share.h"

/* The entries of one owner, in the order in which they were added or touched. */
struct table_share {
    struct share share;
    struct keyed_list entries;
};

/* Entries embed it as their first member. */
struct shared_entry {
    struct keyed_entry keyed;
    struct table_share *owner;
    uint32_t weight; /* what it takes of what is shared */
};

struct shared_table {
    struct keyed_table index;
    struct shares shares;
};

/* `discard` frees an entry that is already out of the table. */
void shared_table_init(struct shared_table *table,
                       void (*discard)(void *arg, struct keyed_entry *entry), void *arg);
void shared_table_clear(struct shared_table *table); /* discards all */

static inline void table_share_init(struct table_share *share, const uint64_t *last_use,
                                    bool is_known)
{
    *share = (struct table_share){0};
    share_init(&share->share, last_use, is_known);
}

static inline size_t shared_table_count(const struct shared_table *table)
{
    return table->index.count;
}

static inline struct keyed_entry *shared_table_find(const struct shared_table *table, uint64_t key0,
                                                    uint64_t key1)
{
    return keyed_table_find(&table->index, key0, key1);
}

/* Takes the entry, whose key is new to the table. */
void shared_table_add(struct shared_table *table, struct shared_entry *entry,
                      struct table_share *owner, uint64_t key0, uint64_t key1, uint32_t weight);
void shared_table_remove(struct shared_table *table,
                         struct shared_entry *entry); /* not discarded */
/* Gives the entry to another owner, as its newest. */
void shared_table_give(struct shared_table *table, struct shared_entry *entry,
                       struct table_share *owner);
static inline void shared_table_touch(struct shared_entry *entry)
{
    if (entry->owner->entries.newest != &entry->keyed)
        keyed_list_renew(&entry->owner->entries, &entry->keyed);
}

/* Returns the entry that has to go next: the least recently used one of the owner that
 * shares_loser() names. NULL: the table is empty. */
struct shared_entry *shared_table_loser(struct shared_table *table);
/* Discards all that the owner has. */
void shared_table_empty(struct shared_table *table, struct table_share *owner);
