/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps a queue for each template that is waited for, and all sets in the order of arrival, for age,
 * and those of each exporter likewise, for whom has to make room. */
#include "nfacctd/pending_sets.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

struct pending_queue {
    struct keyed_entry entry; /* domain, template id */
    struct domain *domain;
    struct pending_queue *next_in_domain, *previous_in_domain;
    struct pending_set *first, *last;
    int64_t since_ns; /* when the first set came */
    bool is_lost;     /* the template was here, and is no more */
    bool is_told;     /* the log has it, now or for an earlier queue */
};

static void entry_discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

void pending_sets_init(struct pending_sets *pending, uint64_t max_bytes,
                       struct exporter_table *exporters, struct told_templates *told)
{
    *pending = (struct pending_sets){.max_bytes = max_bytes, .exporters = exporters, .told = told};
    keyed_table_init(&pending->queues, SIZE_MAX, entry_discard, NULL); /* bounded by its sets */
    shares_init(&pending->shares);
}

static size_t set_cost(const struct pending_set *set)
{
    return sizeof *set + set->len;
}

static struct pending_share *share_of(const struct pending_set *set)
{
    return &set->queue->domain->source->pending_share;
}

static void share_link(struct pending_sets *pending, struct pending_set *set)
{
    struct pending_share *share = share_of(set);

    set->older_of_share = share->newest;
    *(share->newest ? &share->newest->newer_of_share : &share->oldest) = set;
    share->newest = set;
    share_grow(&pending->shares, &share->share, set_cost(set));
}

static void share_unlink(struct pending_sets *pending, struct pending_set *set)
{
    struct pending_share *share = share_of(set);

    *(set->newer_of_share ? &set->newer_of_share->older_of_share : &share->newest) =
        set->older_of_share;
    *(set->older_of_share ? &set->older_of_share->newer_of_share : &share->oldest) =
        set->newer_of_share;
    share_shrink(&pending->shares, &share->share, set_cost(set));
}

void pending_sets_clear(struct pending_sets *pending)
{
    while (pending->oldest) {
        struct pending_set *set = pending->oldest;
        share_unlink(pending, set);
        pending->oldest = set->newer;
        mem_free(set);
    }
    keyed_table_clear(&pending->queues);
    shares_clear(&pending->shares);
}

/* Takes the set out of the order of arrival; it stays in its queue. */
static void set_unlink(struct pending_sets *pending, struct pending_set *set)
{
    *(set->newer ? &set->newer->older : &pending->newest) = set->older;
    *(set->older ? &set->older->newer : &pending->oldest) = set->newer;
    share_unlink(pending, set);
    struct exporter *exporter = exporter_table_find(pending->exporters, &set->exporter);
    if (exporter)
        counter_set(&exporter->counters.pending_sets,
                    counter_get(&exporter->counters.pending_sets) - 1);
}

/* The reason why data is not waited for any longer. */
static enum drop_reason reason_of_lack(bool is_lost)
{
    return is_lost ? DROP_template_gone : DROP_no_template;
}

static void count_drop(const struct pending_sets *pending, const struct pending_set *set,
                       enum drop_reason reason)
{
    struct exporter *exporter = exporter_table_find(pending->exporters, &set->exporter);

    if (reason == DROP_no_template)
        reason = reason_of_lack(set->queue->is_lost);
    if (exporter)
        exporter_drop(exporter, reason, "template %u", (unsigned)set->queue->entry.key[1]);
}

static struct pending_queue *queue_get(struct pending_sets *pending, struct domain *domain,
                                       uint16_t template_id, bool is_lost, int64_t arrival_ns)
{
    struct pending_queue *queue =
        (struct pending_queue *)keyed_table_find(&pending->queues, domain->id, template_id);

    if (queue)
        return queue;
    queue = mem_zalloc(sizeof *queue);
    queue->domain = domain;
    queue->since_ns = arrival_ns;
    queue->is_lost = is_lost;
    queue->next_in_domain = domain->pending;
    if (queue->next_in_domain)
        queue->next_in_domain->previous_in_domain = queue;
    domain->pending = queue;
    keyed_table_add(&pending->queues, &queue->entry, domain->id, template_id);
    return queue;
}

static void queue_remove(struct pending_sets *pending, struct pending_queue *queue)
{
    if (queue->next_in_domain)
        queue->next_in_domain->previous_in_domain = queue->previous_in_domain;
    *(queue->previous_in_domain ? &queue->previous_in_domain->next_in_domain
                                : &queue->domain->pending) = queue->next_in_domain;
    keyed_table_remove(&pending->queues, &queue->entry);
    mem_free(queue);
}

/* Drops a set that is the oldest of all, or of its exporter, and so the first of its queue. */
static void drop_oldest(struct pending_sets *pending, struct pending_set *set,
                        enum drop_reason reason)
{
    struct pending_queue *queue = set->queue;

    count_drop(pending, set, reason);
    set_unlink(pending, set);
    queue->first = set->next_of_key;
    mem_free(set);
    if (!queue->first)
        queue_remove(pending, queue);
}

void pending_sets_add(struct pending_sets *pending, struct exporter *exporter,
                      struct domain *domain, uint16_t template_id, bool is_lost,
                      const struct pending_header *header, const uint8_t *data, size_t len)
{
    if (sizeof(struct pending_set) + len > pending->max_bytes) {
        exporter_drop(exporter,
                      pending->max_bytes > 0 ? DROP_pending_full : reason_of_lack(is_lost),
                      "template %u", template_id);
        return;
    }
    while (pending->shares.held + sizeof(struct pending_set) + len > pending->max_bytes) {
        struct share *loser = shares_loser(&pending->shares);
        drop_oldest(pending, ((struct pending_share *)loser)->oldest, DROP_pending_full);
    }
    struct pending_queue *queue =
        queue_get(pending, domain, template_id, is_lost, header->arrival_ns);
    struct pending_set *set = mem_zalloc(sizeof *set + len);
    set->queue = queue;
    set->exporter = exporter->addr;
    set->header = *header;
    set->len = len;
    memcpy(set->data, data, len);
    *(queue->first ? &queue->last->next_of_key : &queue->first) = set;
    queue->last = set;
    set->older = pending->newest;
    *(pending->newest ? &pending->newest->newer : &pending->oldest) = set;
    pending->newest = set;
    share_link(pending, set);
    counter_add(&exporter->counters.pending_sets, 1);
}

struct pending_set *pending_sets_take(struct pending_sets *pending, struct domain *domain,
                                      uint16_t template_id)
{
    struct pending_queue *queue =
        (struct pending_queue *)keyed_table_find(&pending->queues, domain->id, template_id);

    if (!queue)
        return NULL;
    struct pending_set *first = queue->first;
    for (struct pending_set *set = first; set; set = set->next_of_key)
        set_unlink(pending, set);
    queue_remove(pending, queue);
    return first;
}

/* True the first time for a template of an exporter. */
static bool is_news(const struct pending_sets *pending, const struct pending_queue *queue)
{
    return told_templates_add(pending->told, queue->domain->source,
                              queue->is_lost ? TOLD_WAITS_FOR_LOST : TOLD_WAITS,
                              queue->domain->domain_id, (uint16_t)queue->entry.key[1]);
}

void pending_sets_tell(struct pending_sets *pending, int64_t now_ns)
{
    struct pending_queue *queue = (struct pending_queue *)pending->queues.used.oldest;

    /* Queues stand in the order in which they began, as nobody touches them. */
    for (; queue && now_ns - queue->since_ns >= PENDING_TELL_S * NS_PER_S;
         queue = (struct pending_queue *)queue->entry.newer) {
        struct exporter *exporter;
        if (queue->is_told)
            continue;
        queue->is_told = true;
        exporter = exporter_table_find(pending->exporters, &queue->first->exporter);
        if (!exporter || !is_news(pending, queue))
            continue;
        exporter_say(exporter,
                     queue->is_lost ? NOTE_waits_for_lost_template : NOTE_waits_for_template,
                     "domain %" PRIu32 ": data waits for template %u since %d s",
                     queue->domain->domain_id, (unsigned)queue->entry.key[1], PENDING_TELL_S);
    }
}

void pending_sets_expire(struct pending_sets *pending, int64_t before_ns)
{
    while (pending->oldest && pending->oldest->header.arrival_ns < before_ns)
        drop_oldest(pending, pending->oldest, DROP_no_template);
}

void pending_sets_forget(struct pending_sets *pending, struct domain *domain,
                         enum drop_reason reason)
{
    while (domain->pending) {
        struct pending_queue *queue = domain->pending;
        for (struct pending_set *set = queue->first, *next; set; set = next) {
            next = set->next_of_key;
            count_drop(pending, set, reason);
            set_unlink(pending, set);
            mem_free(set);
        }
        queue_remove(pending, queue);
    }
}
