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

static void port_join(struct domain *first, struct domain *own)
{
    own->shared = first;
    own->next_port = first->ports;
    first->ports = own;
    first->port_count++;
}

/* `first` leads the ports of which `own` is one. */
static void port_part(struct domain *first, struct domain *own)
{
    struct domain **place = &first->ports;

    while (*place && *place != own)
        place = &(*place)->next_port;
    *place = own->next_port;
    first->port_count--;
    own->shared = own->next_port = NULL;
}

/* `port` is 0 in the key of the first port's domain, and PORT_REST in that of all the ports which
 * are too many to be told apart. */
#define PORT_REST UINT32_C(0x10000)
static uint64_t domain_key(uint8_t version, uint32_t domain_id, uint32_t port)
{
    return (uint64_t)version << 56 | (uint64_t)port << 32 | domain_id;
}

/* `heir`, an own port's domain, takes the place of the first one, which is out of the table. */
static void port_lead(struct domain_table *domains, struct domain *first, struct domain *heir)
{
    struct domain_source *source = heir->source;

    port_part(first, heir);
    while (first->ports) {
        struct domain *own = first->ports;
        port_part(first, own);
        port_join(heir, own);
    }
    heir->is_own_port = false;
    source->own_port_count--;
    shared_table_remove(&domains->table, &heir->entry);
    shared_table_add(&domains->table, &heir->entry, &source->domain_share, source->id,
                     domain_key(heir->version, heir->domain_id, 0), 1);
}

static void domain_discard(void *arg, struct keyed_entry *entry)
{
    struct domain_table *domains = arg;
    struct domain *domain = (struct domain *)entry;

    domains->forget(domains->arg, domain);
    saved_marks_note_scope(domains->marks, domain->id, NULL, NULL);
    domain_unlink(domain);
    if (domain->ports)
        port_lead(domains, domain, domain->ports);
    if (domain->shared)
        port_part(domain->shared, domain);
    domain->source->own_port_count -= domain->is_own_port;
    mem_free(domain);
}

void domain_table_init(struct domain_table *domains, uint32_t max,
                       void (*forget)(void *arg, struct domain *domain),
                       void (*inherit)(void *arg, struct domain *from, struct domain *to),
                       void (*forget_source)(void *arg, struct domain_source *source), void *arg)
{
    *domains = (struct domain_table){.max = max,
                                     .next_id = 1,
                                     .forget = forget,
                                     .inherit = inherit,
                                     .forget_source = forget_source,
                                     .arg = arg};
    shared_table_init(&domains->table, domain_discard, domains);
}

void domain_table_clear(struct domain_table *domains)
{
    shared_table_clear(&domains->table);
    while (domains->sources) {
        struct domain_source *source = domains->sources;
        domains->sources = source->next;
        domains->forget_source(domains->arg, source);
        flow_totals_clear(&source->totals);
        mem_free(source);
    }
}

static void shares_begin(struct domain_source *source, const struct exporter *exporter)
{
    const uint64_t *last_use = &exporter->last_use;
    bool is_known = exporter->is_known;

    table_share_init(&source->domain_share, last_use, is_known);
    table_share_init(&source->template_share, last_use, is_known);
    table_share_init(&source->lost_share, last_use, is_known);
    table_share_init(&source->option_share, last_use, is_known);
    table_share_init(&source->told_share, last_use, is_known);
    share_init(&source->pending_share.share, last_use, is_known);
}

struct domain_source *domain_source_get(struct domain_table *domains, struct exporter *exporter)
{
    struct domain_source *source = exporter->decoder_state;

    if (source)
        return source;
    source = mem_zalloc(sizeof *source);
    source->id = domains->next_id++;
    source->addr = exporter->addr;
    shares_begin(source, exporter);
    flow_totals_init(&source->totals, domains->flow_totals_max, exporter->last_seen_ns);
    source->next = domains->sources;
    if (source->next)
        source->next->previous = source;
    domains->sources = source;
    exporter->decoder_state = source;
    saved_marks_note_scope(domains->marks, source->id, NULL, source);
    return source;
}

void domain_source_forget(struct domain_table *domains, struct exporter *exporter)
{
    struct domain_source *source = exporter->decoder_state;

    if (!source)
        return;
    source->is_going = true;
    shared_table_empty(&domains->table, &source->domain_share);
    domains->forget_source(domains->arg, source);
    saved_marks_note_scope(domains->marks, source->id, NULL, NULL);
    if (source->next)
        source->next->previous = source->previous;
    *(source->previous ? &source->previous->next : &domains->sources) = source->next;
    flow_totals_clear(&source->totals);
    mem_free(source);
    exporter->decoder_state = NULL;
}

static struct domain *domain_find(const struct domain_table *domains,
                                  const struct domain_source *source, uint8_t version,
                                  uint32_t domain_id, uint32_t key_port)
{
    return (struct domain *)shared_table_find(&domains->table, source->id,
                                              domain_key(version, domain_id, key_port));
}

/* Lets a domain go if there is no room for another one. */
static void make_room(struct domain_table *domains, struct exporter *exporter, uint32_t domain_id)
{
    if (shared_table_count(&domains->table) < domains->max)
        return;
    struct domain *loser = (struct domain *)shared_table_loser(&domains->table);
    char addr[IP_TEXT_LEN];
    ip_addr_format(&loser->source->addr, addr);
    exporter_drop(exporter, DROP_too_many_domains, "domain %u in place of %u of %s", domain_id,
                  loser->domain_id, addr);
    shared_table_remove(&domains->table, &loser->entry);
    domain_discard(domains, &loser->entry.keyed);
}

static struct domain *domain_new(struct domain_table *domains, struct exporter *exporter,
                                 uint8_t version, uint32_t domain_id, uint32_t key_port,
                                 int64_t now_ns)
{
    struct domain_source *source = exporter->decoder_state;
    struct domain *domain = mem_zalloc(sizeof *domain);

    domain->id = domains->next_id++;
    domain->source = source;
    domain->domain_id = domain_id;
    domain->version = version;
    domain->created_ns = now_ns;
    domain->is_own_port = key_port != 0;
    source->own_port_count += domain->is_own_port;
    shared_table_add(&domains->table, &domain->entry, &source->domain_share, source->id,
                     domain_key(version, domain_id, key_port), 1);
    domain->next = source->domains;
    if (domain->next)
        domain->next->previous = domain;
    source->domains = domain;
    domain->marked_ns = now_ns;
    saved_marks_note_scope(domains->marks, domain->id, domain, NULL);
    return domain;
}

static bool is_in_use(const struct domain *domain, int64_t now_ns)
{
    return now_ns - domain->seen_ns < DOMAIN_SILENCE_NS;
}

/* Makes the domain of one more port that uses the id of `first`. */
static struct domain *domain_new_port(struct domain_table *domains, struct exporter *exporter,
                                      struct domain *first, uint32_t key_port, int64_t now_ns)
{
    struct domain_source *source = exporter->decoder_state;
    uint8_t version = first->version;
    uint32_t domain_id = first->domain_id;

    if (domains->max == 1)
        return first; /* there is no room to tell them apart */
    /* The first one may be the next to go, and the new one should not push it out. */
    shared_table_touch(&first->entry);
    make_room(domains, exporter, domain_id);
    first = domain_find(domains, source, version, domain_id, 0);
    if (!first)
        return domain_new(domains, exporter, version, domain_id, 0, now_ns);
    struct domain *own = domain_new(domains, exporter, version, domain_id, key_port, now_ns);
    port_join(first, own);
    return own;
}

/*
 * Finds the domain for a message from a port that is not the first one's. It has one of its own,
 * unless the first port is silent and no other has come since.
 */
static struct domain *domain_for_port(struct domain_table *domains, struct exporter *exporter,
                                      struct domain *first, uint16_t port, int64_t now_ns)
{
    struct domain_source *source = exporter->decoder_state;
    uint32_t key_port = port;
    struct domain *own = domain_find(domains, source, first->version, first->domain_id, key_port);

    if (own)
        return own;
    if (!first->ports && !is_in_use(first, now_ns)) {
        domains->inherit(domains->arg, first, first);
        first->announces_flows = false;
        first->created_ns = now_ns;
        return first;
    }
    if (first->port_count >= DOMAIN_PORTS_MAX - 1) {
        key_port = PORT_REST;
        own = domain_find(domains, source, first->version, first->domain_id, key_port);
    }
    return own ? own : domain_new_port(domains, exporter, first, key_port, now_ns);
}

/* Notes when a message came from the domain. */
static inline void domain_see(struct domain_table *domains, struct domain *domain, int64_t now_ns)
{
    domain->seen_ns = now_ns;
    if (now_ns - domain->marked_ns < SAVED_SEEN_NS)
        return;
    domain->marked_ns = now_ns;
    saved_marks_note_scope(domains->marks, domain->id, domain, NULL);
}

struct domain *domain_get(struct domain_table *domains, struct exporter *exporter, uint8_t version,
                          uint32_t domain_id, uint16_t port, int64_t now_ns)
{
    struct domain_source *source = domain_source_get(domains, exporter);
    struct domain *domain = source->last;

    if (domain && domain->domain_id == domain_id && domain->version == version &&
        domain->port == port) {
        shared_table_touch(&domain->entry);
        domain_see(domains, domain, now_ns);
        return domain;
    }
    domain = domain_find(domains, source, version, domain_id, 0);
    if (!domain) {
        make_room(domains, exporter, domain_id);
        domain = domain_new(domains, exporter, version, domain_id, 0, now_ns);
    } else if (domain->port != port) {
        domain = domain_for_port(domains, exporter, domain, port, now_ns);
    }
    shared_table_touch(&domain->entry);
    if (domain->port != port) {
        domain->port = port;
        saved_marks_note_scope(domains->marks, domain->id, domain, NULL);
    }
    domain_see(domains, domain, now_ns);
    source->last = domain;
    return domain;
}

struct domain *domain_next_port(const struct domain *domain, const struct domain *each)
{
    struct domain *first = domain->shared ? domain->shared : (struct domain *)(uintptr_t)domain;

    return !each ? first : each == first ? first->ports : each->next_port;
}

/* Returns the port that followed: it began when `silent` had ended. Of several it is the one that
 * was heard last; NULL: none did. */
static struct domain *find_heir(const struct domain *silent)
{
    struct domain *heir = NULL;

    for (struct domain *d = NULL; (d = domain_next_port(silent, d));) {
        if (d != silent && d->created_ns >= silent->seen_ns &&
            (!heir || d->seen_ns > heir->seen_ns))
            heir = d;
    }
    return heir;
}

/* Returns whether the ports in use have templates of their own, so that none is lent them by
 * `silent`. */
static bool is_done_without(const struct domain *silent, int64_t now_ns)
{
    bool is_any = false;

    for (struct domain *d = NULL; (d = domain_next_port(silent, d));) {
        if (!is_in_use(d, now_ns))
            continue;
        if (!d->announces_flows)
            return false;
        is_any = true;
    }
    return is_any;
}

static void domain_give(struct domain_table *domains, struct domain *from, struct domain *to)
{
    domains->inherit(domains->arg, from, to);
    if (!to->sequence.is_started)
        to->sequence = from->sequence;
    if (to->clock.newest_span == 0)
        to->clock = from->clock;
    if (to->exporter_addr.family == IP_NONE)
        to->exporter_addr = from->exporter_addr;
    if (to->system_init_ms == 0)
        to->system_init_ms = from->system_init_ms;
    saved_marks_note_scope(domains->marks, to->id, to, NULL);
}

/* Lets one silent port of an id go; false: none can. */
static bool settle_one(struct domain_table *domains, struct domain *first, int64_t now_ns)
{
    for (struct domain *d = NULL; (d = domain_next_port(first, d));) {
        if (is_in_use(d, now_ns))
            continue;
        struct domain *heir = find_heir(d);
        if (!heir && !is_done_without(d, now_ns))
            continue;
        if (heir)
            domain_give(domains, d, heir);
        shared_table_remove(&domains->table, &d->entry);
        if (heir && d == first)
            port_lead(domains, first, heir);
        domain_discard(domains, &d->entry.keyed);
        return true;
    }
    return false;
}

void domain_table_settle(struct domain_table *domains, int64_t now_ns)
{
    for (struct domain_source *s = domains->sources; s; s = s->next) {
        struct domain *d = s->own_port_count > 0 ? s->domains : NULL;
        while (d) {
            bool is_done = !d->ports || !settle_one(domains, d, now_ns);
            d = is_done ? d->next : s->domains; /* others went, too */
        }
    }
}

bool domain_source_is_split(const struct domain_source *source, int64_t now_ns)
{
    const struct domain *d = source->own_port_count > 0 ? source->domains : NULL;

    for (; d; d = d->next) {
        int in_use = 0;
        if (!d->ports)
            continue;
        for (const struct domain *each = NULL; (each = domain_next_port(d, each));)
            in_use += is_in_use(each, now_ns);
        if (in_use > 1)
            return true;
    }
    return false;
}
