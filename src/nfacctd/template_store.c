/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the templates of all domains (RFC 7011 section 8) in one hash table. Each domain also links
 * its own, so that they can move and go with it. */
#include "nfacctd/template_store.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

static void template_unlink(struct template_store *store, struct template *tmpl)
{
    if (tmpl->next_in_domain)
        tmpl->next_in_domain->previous_in_domain = tmpl->previous_in_domain;
    *(tmpl->previous_in_domain ? &tmpl->previous_in_domain->next_in_domain
                               : &tmpl->domain->templates) = tmpl->next_in_domain;
    store->fields -= tmpl->field_count;
}

/* The template came, changed, or is about to go. */
static void template_note(struct template_store *store, struct template *tmpl)
{
    tmpl->marked_ns = tmpl->received_ns;
    saved_marks_note(store->marks, tmpl->domain->id, SAVED_TEMPLATE, tmpl->id);
}

/* How old the time of a template's last arrival may be in what is saved. */
static int64_t received_max_age(const struct template_store *store)
{
    int64_t age = store->settings->own->template_lifetime_s * NS_PER_S / 4;

    return age > 0 && age < SAVED_RECEIVED_NS ? age : SAVED_RECEIVED_NS;
}

static void template_discard(void *arg, struct keyed_entry *entry)
{
    struct template_store *store = arg;
    struct template *tmpl = (struct template *)entry;

    template_note(store, tmpl);
    template_unlink(store, tmpl);
    plan_free(tmpl->plan);
    plan_free(tmpl->option_plan);
    mem_free(tmpl);
    store->generation++;
}

static void template_remove(struct template_store *store, struct template *tmpl)
{
    shared_table_remove(&store->table, &tmpl->entry);
    template_discard(store, &tmpl->entry.keyed);
}

/* Removes a template that its exporter did not take back. */
static void template_lose(struct template_store *store, struct template *tmpl)
{
    lost_templates_add(&store->lost, tmpl->domain, tmpl->id);
    template_remove(store, tmpl);
}

void template_store_init(struct template_store *store, uint32_t max,
                         const struct plan_settings *settings)
{
    uint64_t fields_max = (uint64_t)max * TEMPLATE_FIELDS_MEAN;
    uint32_t largest = settings->own->template_fields_max;

    *store = (struct template_store){.max = max,
                                     .settings = settings,
                                     .fields_max = fields_max > largest ? fields_max : largest};
    shared_table_init(&store->table, template_discard, store);
    lost_templates_init(&store->lost, max);
}

void template_store_clear(struct template_store *store)
{
    shared_table_clear(&store->table);
    lost_templates_clear(&store->lost);
}

static bool template_equal(const struct template *a, const struct template *b,
                           const struct template_field *b_fields)
{
    return a->is_options == b->is_options && a->scope_count == b->scope_count &&
           a->field_count == b->field_count &&
           memcmp(a->fields, b_fields, a->field_count * sizeof *b_fields) == 0;
}

/* Returns the least length of a record. */
static uint32_t least_len(const struct template *tmpl)
{
    uint32_t len = 0;

    for (uint16_t i = 0; i < tmpl->field_count; i++)
        len += tmpl->fields[i].len == FIELD_LEN_VARIABLE ? 1 : tmpl->fields[i].len;
    return len;
}

static void template_link(struct template_store *store, struct domain *domain,
                          struct template *tmpl)
{
    while (shared_table_count(&store->table) >= store->max ||
           (shared_table_count(&store->table) > 0 &&
            store->fields + tmpl->field_count > store->fields_max)) {
        store->evicted_count++;
        template_lose(store, (struct template *)shared_table_loser(&store->table));
    }
    tmpl->domain = domain;
    tmpl->next_in_domain = domain->templates;
    tmpl->previous_in_domain = NULL;
    if (tmpl->next_in_domain)
        tmpl->next_in_domain->previous_in_domain = tmpl;
    domain->templates = tmpl;
    store->fields += tmpl->field_count;
    /* A small template counts as one of mean size: both maxima are shared by one number. */
    shared_table_add(
        &store->table, &tmpl->entry, &domain->source->template_share, domain->id, tmpl->id,
        tmpl->field_count > TEMPLATE_FIELDS_MEAN ? tmpl->field_count : TEMPLATE_FIELDS_MEAN);
}

static void template_compile(const struct template_store *store, struct template *tmpl)
{
    if (!tmpl->is_options)
        tmpl->plan = plan_compile(tmpl->fields, tmpl->field_count, store->settings);
    else if (store->settings->own->account_options)
        tmpl->option_plan = plan_compile_options(tmpl->fields, tmpl->field_count, store->settings);
}

enum template_outcome template_store_put(struct template_store *store, struct domain *domain,
                                         const struct template *announced,
                                         const struct template_field *fields)
{
    struct template *old =
        (struct template *)shared_table_find(&store->table, domain->id, announced->id);
    size_t fields_len = announced->field_count * sizeof *fields;

    lost_templates_remove(&store->lost, domain, announced->id);
    domain->announces_flows |= !announced->is_options && !announced->is_inherited;
    if (old && template_equal(old, announced, fields)) {
        old->received_ns = announced->received_ns;
        old->is_inherited &= announced->is_inherited;
        if (old->received_ns - old->marked_ns >= received_max_age(store))
            template_note(store, old);
        shared_table_touch(&old->entry);
        return old->is_refused ? TEMPLATE_REFUSED : TEMPLATE_SAME;
    }
    struct template *tmpl = mem_zalloc(sizeof *tmpl + fields_len);
    *tmpl = *announced;
    memcpy(tmpl->fields, fields, fields_len);
    tmpl->min_len = least_len(tmpl);
    tmpl->is_refused = announced->is_refused || tmpl->min_len == 0;
    if (tmpl->is_refused && old && !old->is_refused) {
        mem_free(tmpl);
        return TEMPLATE_REFUSED;
    }
    for (uint16_t i = 0; i < tmpl->field_count; i++)
        tmpl->has_odd_values |= template_field_is_large(&tmpl->fields[i]) ||
                                template_field_may_misfit(&tmpl->fields[i]);
    if (!tmpl->is_refused)
        template_compile(store, tmpl);
    if (old)
        template_remove(store, old);
    template_link(store, domain, tmpl);
    template_note(store, tmpl);
    store->generation += !tmpl->is_refused;
    return tmpl->is_refused ? TEMPLATE_REFUSED : TEMPLATE_NEW;
}

/* Finds the template of another port with the same domain id, if it came after `after_ns`; of
 * several, that of the port which is known longest. */
static struct template *find_of_sibling(const struct template_store *store,
                                        const struct domain *domain, uint16_t id, int64_t after_ns)
{
    struct template *found = NULL;

    for (const struct domain *d = NULL; (d = domain_next_port(domain, d));) {
        struct template *tmpl =
            d != domain ? (struct template *)shared_table_find(&store->table, d->id, id) : NULL;
        if (tmpl && tmpl->received_ns > after_ns && (!found || d->id < found->domain->id))
            found = tmpl;
    }
    return found;
}

/* Finds the domain's own template. Most domains have few, and looking at those takes less than
 * hashing. */
static struct template *find_own(const struct template_store *store, const struct domain *domain,
                                 uint16_t id)
{
    struct template *tmpl = domain->templates;

    for (int i = 0; i < 3 && tmpl; i++, tmpl = tmpl->next_in_domain) {
        if (tmpl->id == id)
            return tmpl;
    }
    return tmpl ? (struct template *)shared_table_find(&store->table, domain->id, id) : NULL;
}

struct template *template_store_find(struct template_store *store, const struct domain *domain,
                                     uint16_t id)
{
    struct template *tmpl = find_own(store, domain, id);
    struct template *newer = NULL;

    if (!tmpl)
        newer = domain->announces_flows ? NULL : find_of_sibling(store, domain, id, INT64_MIN);
    else if (tmpl->is_inherited) /* the port that announced it may have come back */
        newer = find_of_sibling(store, domain, id, tmpl->received_ns);
    if (newer)
        tmpl = newer;
    if (tmpl)
        shared_table_touch(&tmpl->entry);
    return tmpl;
}

void template_store_forget(struct template_store *store, struct domain *domain)
{
    while (domain->templates)
        template_lose(store, domain->templates);
}

bool template_store_has_lost(const struct template_store *store, const struct domain *domain,
                             uint16_t id)
{
    return lost_templates_has(&store->lost, domain, id);
}

void template_store_inherit(struct template_store *store, struct domain *from, struct domain *to)
{
    struct template *next;

    for (struct template *tmpl = from->templates; tmpl; tmpl = next) {
        next = tmpl->next_in_domain;
        tmpl->is_inherited = true;
        template_note(store, tmpl);
        if (from == to || shared_table_find(&store->table, to->id, tmpl->id))
            continue;
        shared_table_remove(&store->table, &tmpl->entry);
        template_unlink(store, tmpl);
        template_link(store, to, tmpl);
        template_note(store, tmpl);
    }
    store->generation++;
}

void template_store_expire(struct template_store *store, int64_t before_ns)
{
    struct keyed_entry *next;

    for (struct keyed_entry *e = keyed_table_walk(&store->table.index, NULL); e; e = next) {
        struct template *tmpl = (struct template *)e;
        next = keyed_table_walk(&store->table.index, e);
        if (tmpl->received_ns < before_ns)
            template_lose(store, tmpl);
    }
}

void template_store_recompile(struct template_store *store)
{
    for (struct keyed_entry *e = NULL; (e = keyed_table_walk(&store->table.index, e));) {
        struct template *tmpl = (struct template *)e;
        if (!tmpl->plan && !tmpl->option_plan)
            continue;
        plan_free(tmpl->plan);
        plan_free(tmpl->option_plan);
        template_compile(store, tmpl);
    }
}
