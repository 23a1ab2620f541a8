/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps observation domains in a hash table. Each source remembers the domain it used last, which
 * is found without hashing. */
#include "nfacctd/domain.h"

#include "base/memory.h"

static void domain_unlink(struct domain *domain)
{
    struct domain_source *source = domain->source;

    if (domain->next)
        domain->next->previous = domain->previous;
    *(domain->previous ? &domain->previous->next : &source->domains) = domain->next;
    if (source->last == domain)
        source->last = NULL;
}

static void port_join(struct domain *shared, struct domain *own)
{
    if (own->shared || shared->port_count == DOMAIN_PORTS_MAX)
        return;
    own->shared = shared;
    own->next_port = shared->ports;
    shared->ports = own;
    shared->port_count++;
}

/* A domain is about to go: one with an own port leaves the shared domain, and the shared one lets
 * all its ports go. */
static void ports_part(struct domain *domain)
{
    if (domain->shared) {
        struct domain **place = &domain->shared->ports;
        while (*place != domain)
            place = &(*place)->next_port;
        *place = domain->next_port;
        domain->shared->port_count--;
    }
    for (struct domain *own = domain->ports; own; own = own->next_port)
        own->shared = NULL;
}

static void domain_discard(void *arg, struct keyed_entry *entry)
{
    struct domain_table *domains = arg;
    struct domain *domain = (struct domain *)entry;

    domains->forget(domains->arg, domain);
    domain_unlink(domain);
    ports_part(domain);
    mem_free(domain);
}

void domain_table_init(
    struct domain_table *domains, uint32_t max, void (*forget)(void *arg, struct domain *domain),
    void (*split)(void *arg, struct domain *from, struct domain *to, uint16_t port), void *arg)
{
    *domains = (struct domain_table){.next_id = 1, .forget = forget, .split = split, .arg = arg};
    keyed_table_init(&domains->table, max, domain_discard, domains);
}

void domain_table_clear(struct domain_table *domains)
{
    keyed_table_clear(&domains->table);
    while (domains->sources) {
        struct domain_source *source = domains->sources;
        domains->sources = source->next;
        flow_totals_clear(&source->totals);
        mem_free(source);
    }
}

struct domain_source *domain_source_get(struct domain_table *domains, struct exporter *exporter)
{
    struct domain_source *source = exporter->decoder_state;

    if (source)
        return source;
    source = mem_zalloc(sizeof *source);
    source->id = domains->next_id++;
    source->addr = exporter->addr;
    source->next = domains->sources;
    if (source->next)
        source->next->previous = source;
    domains->sources = source;
    exporter->decoder_state = source;
    return source;
}

void domain_source_forget(struct domain_table *domains, struct exporter *exporter)
{
    struct domain_source *source = exporter->decoder_state;

    if (!source)
        return;
    while (source->domains) {
        struct domain *domain = source->domains;
        keyed_table_remove(&domains->table, &domain->entry);
        domain_discard(domains, &domain->entry);
    }
    if (source->next)
        source->next->previous = source->previous;
    *(source->previous ? &source->previous->next : &domains->sources) = source->next;
    flow_totals_clear(&source->totals);
    mem_free(source);
    exporter->decoder_state = NULL;
}

/* `port` is 0 in the key of a domain that has its id for itself. */
static uint64_t domain_key(uint8_t version, uint32_t domain_id, uint16_t port)
{
    return (uint64_t)version << 48 | (uint64_t)port << 32 | domain_id;
}

static struct domain *domain_new(struct domain_table *domains, struct exporter *exporter,
                                 uint8_t version, uint32_t domain_id, uint16_t key_port,
                                 uint16_t port)
{
    struct domain_source *source = exporter->decoder_state;
    struct domain *domain = mem_zalloc(sizeof *domain);

    if (domains->table.count >= domains->table.max)
        exporter_drop(exporter, DROP_too_many_domains, "domain %u", domain_id);
    domain->id = domains->next_id++;
    domain->source = source;
    domain->domain_id = domain_id;
    domain->version = version;
    domain->port = port;
    domain->is_own_port = key_port != 0;
    keyed_table_add(&domains->table, &domain->entry, source->id,
                    domain_key(version, domain_id, key_port));
    domain->next = source->domains;
    if (domain->next)
        domain->next->previous = domain;
    source->domains = domain;
    return domain;
}

/*
 * Finds the domain for a message whose port is not the one that was seen last. A new port replaces
 * the old one, as after a restart of the exporter; but when a former port comes back, two senders
 * use the id at once and get a domain each.
 */
static struct domain *domain_for_port(struct domain_table *domains, struct exporter *exporter,
                                      struct domain *shared, uint16_t port)
{
    struct domain_source *source = exporter->decoder_state;
    struct domain *own = (struct domain *)keyed_table_find(
        &domains->table, source->id, domain_key(shared->version, shared->domain_id, port));

    if (own) {
        port_join(shared, own); /* if it knew another one that went */
        return own;
    }
    if (port != shared->former_port || shared->port_count == DOMAIN_PORTS_MAX) {
        shared->former_port = shared->port;
        shared->port = port;
        return shared;
    }
    shared->former_port = 0;
    /* The shared domain may be the oldest, and the new one must not push it out. */
    keyed_table_touch(&domains->table, &shared->entry);
    uint8_t version = shared->version;
    uint32_t domain_id = shared->domain_id;
    own = domain_new(domains, exporter, version, domain_id, port, port);
    if (keyed_table_find(&domains->table, source->id, domain_key(version, domain_id, 0))) {
        port_join(shared, own);
        domains->split(domains->arg, shared, own, port);
    }
    return own;
}

struct domain *domain_get(struct domain_table *domains, struct exporter *exporter, uint8_t version,
                          uint32_t domain_id, uint16_t port)
{
    struct domain_source *source = domain_source_get(domains, exporter);
    struct domain *domain = source->last;

    if (domain && domain->domain_id == domain_id && domain->version == version &&
        domain->port == port) {
        keyed_table_touch(&domains->table, &domain->entry);
        return domain;
    }
    domain = (struct domain *)keyed_table_find(&domains->table, source->id,
                                               domain_key(version, domain_id, 0));
    if (!domain)
        domain = domain_new(domains, exporter, version, domain_id, 0, port);
    else if (domain->port != port)
        domain = domain_for_port(domains, exporter, domain, port);
    keyed_table_touch(&domains->table, &domain->entry);
    source->last = domain;
    return domain;
}
