/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps one entry for each line. Ports are not told apart, as one exporter may use many. */
#include "nfacctd/told_templates.h"

#include "base/memory.h"
#include "nfacctd/domain.h"

static void discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

void told_templates_init(struct told_templates *told)
{
    shared_table_init(&told->table, discard, NULL);
}

void told_templates_clear(struct told_templates *told)
{
    shared_table_clear(&told->table);
}

bool told_templates_add(struct told_templates *told, struct domain_source *source,
                        enum told_kind kind, uint32_t domain_id, uint16_t template_id)
{
    uint64_t key = (uint64_t)kind << 48 | (uint64_t)domain_id << 16 | template_id;

    if (shared_table_find(&told->table, source->id, key))
        return false;
    if (shared_table_count(&told->table) >= TOLD_TEMPLATES_MAX) {
        struct shared_entry *loser = shared_table_loser(&told->table);
        shared_table_remove(&told->table, loser);
        mem_free(loser);
    }
    struct shared_entry *entry = mem_zalloc(sizeof *entry);
    shared_table_add(&told->table, entry, &source->told_share, source->id, key, 1);
    return true;
}

void told_templates_forget(struct told_templates *told, struct domain_source *source)
{
    shared_table_empty(&told->table, &source->told_share);
}
