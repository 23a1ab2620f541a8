/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts entries into the index of a keyed table, and into lists of their owners in place of its own. */
#include "base/shared_table.h"

void shared_table_init(struct shared_table *table,
                       void (*discard)(void *arg, struct keyed_entry *entry), void *arg)
{
    keyed_table_init(&table->index, SIZE_MAX, discard, arg);
    shares_init(&table->shares);
}

void shared_table_clear(struct shared_table *table)
{
    struct shared_entry *entry;

    while ((entry = shared_table_loser(table))) {
        shared_table_remove(table, entry);
        table->index.discard(table->index.arg, &entry->keyed);
    }
    keyed_table_clear(&table->index);
    shares_clear(&table->shares);
}

static void own(struct shared_table *table, struct shared_entry *entry, struct table_share *owner)
{
    entry->owner = owner;
    keyed_list_push(&owner->entries, &entry->keyed);
    share_grow(&table->shares, &owner->share, entry->weight);
}

static void disown(struct shared_table *table, struct shared_entry *entry)
{
    keyed_list_take(&entry->owner->entries, &entry->keyed);
    share_shrink(&table->shares, &entry->owner->share, entry->weight);
}

void shared_table_add(struct shared_table *table, struct shared_entry *entry,
                      struct table_share *owner, uint64_t key0, uint64_t key1, uint32_t weight)
{
    entry->weight = weight;
    keyed_table_index(&table->index, &entry->keyed, key0, key1);
    own(table, entry, owner);
}

void shared_table_remove(struct shared_table *table, struct shared_entry *entry)
{
    keyed_table_unindex(&table->index, &entry->keyed);
    disown(table, entry);
}

void shared_table_give(struct shared_table *table, struct shared_entry *entry,
                       struct table_share *owner)
{
    disown(table, entry);
    own(table, entry, owner);
}

struct shared_entry *shared_table_loser(struct shared_table *table)
{
    struct share *share = shares_loser(&table->shares);

    /* A share is the first member of what owns entries, and an entry's key that of the entry. */
    return share ? (struct shared_entry *)((struct table_share *)share)->entries.oldest : NULL;
}

void shared_table_empty(struct shared_table *table, struct table_share *owner)
{
    while (owner->entries.oldest) {
        struct shared_entry *entry = (struct shared_entry *)owner->entries.oldest;
        shared_table_remove(table, entry);
        table->index.discard(table->index.arg, &entry->keyed);
    }
}
