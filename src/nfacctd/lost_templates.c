/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the names of lost templates. Ports are not told apart, as a template is lent between them. */
#include "nfacctd/lost_templates.h"

#include "base/memory.h"
#include "nfacctd/domain.h"

static void discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

static uint64_t key_of(const struct domain *domain, uint16_t id)
{
    return (uint64_t)domain->version << 48 | (uint64_t)domain->domain_id << 16 | id;
}

void lost_templates_init(struct lost_templates *lost, uint32_t max)
{
    lost->max = max;
    shared_table_init(&lost->table, discard, NULL);
}

void lost_templates_clear(struct lost_templates *lost)
{
    shared_table_clear(&lost->table);
}

static struct shared_entry *find_lost(const struct lost_templates *lost,
                                      const struct domain *domain, uint16_t id)
{
    return (struct shared_entry *)shared_table_find(&lost->table, domain->source->id,
                                                    key_of(domain, id));
}

static void drop_lost(struct lost_templates *lost, struct shared_entry *entry)
{
    shared_table_remove(&lost->table, entry);
    mem_free(entry);
}

void lost_templates_add(struct lost_templates *lost, const struct domain *domain, uint16_t id)
{
    struct shared_entry *entry = find_lost(lost, domain, id);

    if (domain->source->is_going)
        return;
    if (entry) {
        shared_table_touch(entry);
        return;
    }
    while (shared_table_count(&lost->table) >= lost->max)
        drop_lost(lost, shared_table_loser(&lost->table));
    entry = mem_zalloc(sizeof *entry);
    shared_table_add(&lost->table, entry, &domain->source->lost_share, domain->source->id,
                     key_of(domain, id), 1);
}

void lost_templates_remove(struct lost_templates *lost, const struct domain *domain, uint16_t id)
{
    struct shared_entry *entry =
        domain->source->lost_share.share.held > 0 ? find_lost(lost, domain, id) : NULL;

    if (entry)
        drop_lost(lost, entry);
}

bool lost_templates_has(const struct lost_templates *lost, const struct domain *domain, uint16_t id)
{
    return domain->source->lost_share.share.held > 0 && find_lost(lost, domain, id);
}

void lost_templates_forget(struct lost_templates *lost, struct domain_source *source)
{
    shared_table_empty(&lost->table, &source->lost_share);
}
