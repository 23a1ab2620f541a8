/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tags the parts of a datagram, and puts those of one tag together. See datagram_split.h. */
#include "pipeline/datagram_split.h"
#include "base/memory.h"
#include "maps/tag_filter.h"
#include "pipeline/aggregate.h"
#include "pipeline/worker.h"
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, ENTRIES_MIN = 64 };

struct split_instance {
    struct split_wish wish;
    bool is_wanted; /* by the datagram under way */
    struct split_entries entries;
};

struct datagram_split {
    const struct decoder_ops *ops;
    struct decoder_settings settings;
    const struct exporter_table *known; /* the worker's */
    struct exporter_table *exporters;
    void *decoder;
    struct flow_batch batch;
    struct datagram_parts parts;
    size_t tagged; /* so many parts, from the first, have entries */
    struct split_instance *instances;
    uint32_t instance_count;
    struct tag_result results[BATCH];
    struct tag_returns returns;
    struct arena labels;
    uint32_t *indices; /* of the parts of one datagram that leaves */
    size_t index_capacity;
    uint8_t *joined;
    size_t joined_capacity;
};

/* ---- life ---- */

static void forget(void *arg, struct exporter *exporter) ON_THREAD(worker_thread)
{
    struct datagram_split *s = arg;

    THREAD_ASSERT(worker_thread);
    s->ops->forget(s->decoder, exporter);
}

/* An exporter is known here if it is to the worker. */
static void look_at_exporter(void *arg, struct exporter *exporter, int64_t now_ns)
    ON_THREAD(worker_thread)
{
    struct datagram_split *s = arg;
    const struct exporter *other = exporter_table_find(s->known, &exporter->addr);
    bool is_known = other && other->is_known;

    THREAD_ASSERT(worker_thread);
    exporter->watch.looked_ns = now_ns;
    if (exporter->is_known == is_known)
        return;
    exporter_table_set_known(s->exporters, exporter, is_known);
    s->ops->know(s->decoder, exporter);
}

static void batch_full(struct flow_batch *batch) ON_THREAD(worker_thread);

struct datagram_split *datagram_split_new(const struct crew *crew,
                                          const struct exporter_table *exporters,
                                          uint32_t instance_count)
{
    struct datagram_split *s = mem_zalloc(sizeof *s);

    s->ops = crew->decoder;
    s->known = exporters;
    s->instances = mem_calloc(instance_count + 1, sizeof *s->instances);
    s->instance_count = instance_count;
    s->batch = (struct flow_batch){
        .flows = mem_aligned_zalloc(CACHE_LINE, (size_t)BATCH * crew->flow_stride),
        .stride = crew->flow_stride,
        .capacity = BATCH,
        .full = batch_full,
        .owner = s};
    s->labels.size = (size_t)2 * BATCH * TAG_LABEL_MAX;
    s->labels.data = mem_calloc(s->labels.size, 1);
    s->exporters = exporter_table_new(crew->exporters_max, forget, s);
    exporter_table_set_silent(s->exporters);
    exporter_table_set_look(s->exporters, look_at_exporter, s);
    s->settings = crew->decoder_settings;
    s->settings.needs = (struct flow_needs){0};
    s->settings.custom_field_count = 0;
    s->settings.only_splits = true;
    s->decoder = s->ops->new (&s->settings, s->exporters, &s->batch);
    return s;
}

void datagram_split_free(struct datagram_split *s)
{
    if (!s)
        return;
    exporter_table_free(s->exporters);
    s->ops->free(s->decoder);
    for (uint32_t i = 0; i < s->instance_count; i++)
        mem_free(s->instances[i].entries.items);
    mem_free(s->instances);
    mem_free(s->batch.flows);
    datagram_parts_clear(&s->parts);
    mem_free(s->labels.data);
    mem_free(s->returns.items);
    mem_free(s->indices);
    mem_free(s->joined);
    mem_free(s);
}

void datagram_split_load(struct datagram_split *s, const struct json_t *saved,
                         bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg)
{
    s->ops->load(s->decoder, saved, owns, arg);
}

void datagram_split_set_needs(struct datagram_split *s, const struct flow_needs *needs)
{
    s->settings.needs = *needs;
    s->ops->set_needs(s->decoder, needs);
}

void datagram_split_learn(struct datagram_split *s, const struct datagram *d)
{
    s->ops->learn(s->decoder, exporter_table_get(s->exporters, &d->source, d->received_ns), d);
}

void datagram_split_tick(struct datagram_split *s, int64_t now_ns)
{
    s->ops->tick(s->decoder, now_ns);
}

/* ---- tags ---- */

bool split_wish_tag(const struct split_wish *wish, const struct tag_result *result,
                    struct flow *flow)
{
    flow->tag = wish->post_tag ? wish->post_tag : result->tag;
    flow->tag2 = wish->post_tag2 ? wish->post_tag2 : result->tag2;
    flow->label = result->label;
    return wish->filter && !tag_filter_accepts(wish->filter, flow);
}

static void add_entry(struct split_entries *entries, const struct split_entry *entry)
{
    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity ? 2 * entries->capacity : ENTRIES_MIN;
        entries->items =
            mem_realloc_array(entries->items, entries->capacity, sizeof *entries->items);
    }
    entries->items[entries->count++] = *entry;
}

static void add_tagged(struct datagram_split *s, struct split_instance *instance, uint32_t part,
                       uint32_t flow_index, const struct tag_result *result)
{
    struct flow *flow = flow_batch_at(&s->batch, flow_index);
    bool is_filtered = split_wish_tag(&instance->wish, result, flow);

    add_entry(&instance->entries, &(struct split_entry){part, is_filtered, flow->tag});
}

/* Returns the end of the parts from s->tagged on whose flows, if they have one, are in the batch. */
static size_t end_of_tagged(const struct datagram_split *s)
{
    uint32_t next = datagram_parts_next_flow(&s->parts, &s->batch);
    size_t end = s->tagged;

    while (end < s->parts.count &&
           (s->parts.parts[end].flow == PART_NO_FLOW || s->parts.parts[end].flow < next))
        end++;
    return end;
}

/* Enters all parts up to `end` for an instance. */
static void tag_for(struct datagram_split *s, struct split_instance *instance, size_t end)
    ON_THREAD(worker_thread)
{
    uint32_t returned = 0;

    s->labels.used = 0;
    s->returns.count = 0;
    if (s->batch.count > 0)
        tag_map_walk(instance->wish.map, &s->batch, &s->labels, s->results, &s->returns);
    for (size_t i = s->tagged; i < end; i++) {
        uint32_t flow = s->parts.parts[i].flow;
        if (flow == PART_NO_FLOW) {
            add_entry(&instance->entries, &(struct split_entry){.part = (uint32_t)i});
            continue;
        }
        flow -= s->parts.given_flows;
        for (; returned < s->returns.count && s->returns.items[returned].flow <= flow; returned++)
            if (s->returns.items[returned].flow == flow) /* not of the way back of a record */
                add_tagged(s, instance, (uint32_t)i, flow, &s->returns.items[returned].result);
        add_tagged(s, instance, (uint32_t)i, flow, &s->results[flow]);
    }
}

static void tag_parts(struct datagram_split *s) ON_THREAD(worker_thread)
{
    size_t end = end_of_tagged(s);

    for (uint32_t i = 0; i < s->instance_count; i++)
        if (s->instances[i].is_wanted)
            tag_for(s, &s->instances[i], end);
    s->tagged = end;
    s->parts.given_flows += s->batch.count;
    s->batch.count = 0;
}

static void batch_full(struct flow_batch *batch)
{
    THREAD_ASSERT(worker_thread);
    tag_parts(batch->owner);
}

/* ---- datagrams ---- */

void datagram_split_begin(struct datagram_split *s)
{
    for (uint32_t i = 0; i < s->instance_count; i++) {
        s->instances[i].is_wanted = false;
        s->instances[i].entries.count = 0;
    }
}

void datagram_split_wish(struct datagram_split *s, uint32_t instance, const struct split_wish *wish)
{
    s->instances[instance].wish = *wish;
    s->instances[instance].is_wanted = true;
}

bool datagram_split_read(struct datagram_split *s, const struct datagram *d)
{
    struct exporter *exporter = exporter_table_get(s->exporters, &d->source, d->received_ns);
    bool is_read;

    datagram_parts_begin(&s->parts);
    s->batch.count = 0;
    s->tagged = 0;
    is_read = s->ops->split(s->decoder, exporter, d, &s->parts);
    if (is_read)
        tag_parts(s);
    s->batch.count = 0;
    return is_read && s->parts.count > 0;
}

uint32_t datagram_split_unread(const struct datagram_split *s)
{
    uint32_t count = 0;

    for (size_t i = 0; i < s->parts.count; i++)
        count += s->parts.parts[i].kind == PART_UNREAD;
    return count;
}

static int compare_entries(const void *a, const void *b)
{
    const struct split_entry *x = a, *y = b;

    if (x->is_filtered != y->is_filtered)
        return x->is_filtered ? 1 : -1;
    if (x->tag != y->tag)
        return x->tag < y->tag ? -1 : 1;
    return x->part < y->part ? -1 : x->part > y->part;
}

static bool is_for_all(const struct datagram_split *s, const struct split_entry *entry)
{
    return s->parts.parts[entry->part].kind == PART_FOR_ALL;
}

static void give_datagram(const struct split_entry *entry, bool is_for_all_tags,
                          const struct datagram *d, struct aggregate *aggregate)
    ON_THREAD(worker_thread)
{
    if (!is_for_all_tags && entry->is_filtered)
        aggregate_filter_datagram(aggregate, d);
    else
        aggregate_add_datagram(aggregate, d, is_for_all_tags ? 0 : entry->tag, is_for_all_tags);
}

/* Makes a datagram of entries of one tag and one message, and gives it away. */
static void give_joined(struct datagram_split *s, const struct split_entry *entries, size_t count,
                        const struct datagram *d, struct aggregate *aggregate)
    ON_THREAD(worker_thread)
{
    struct datagram made = *d;

    if (s->index_capacity < count) {
        s->index_capacity = count;
        s->indices = mem_realloc_array(s->indices, count, sizeof *s->indices);
    }
    if (s->joined_capacity < datagram_parts_room(d->len)) {
        s->joined_capacity = datagram_parts_room(d->len);
        s->joined = mem_realloc(s->joined, s->joined_capacity);
    }
    for (size_t i = 0; i < count; i++)
        s->indices[i] = entries[i].part;
    made.len = (uint32_t)datagram_parts_join(&s->parts, d->data, s->indices, count, s->joined);
    made.data = s->joined;
    give_datagram(entries, is_for_all(s, entries), &made, aggregate);
}

/* Gives away entries of one message that follow each other, all with flows or all without. */
static void give_run(struct datagram_split *s, struct split_entry *entries, size_t count,
                     const struct datagram *d, struct aggregate *aggregate) ON_THREAD(worker_thread)
{
    size_t start = 0;

    if (is_for_all(s, entries)) {
        give_joined(s, entries, count, d, aggregate);
        return;
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t i = 1; i <= count; i++) {
        /* A part that rows gave away twice with one tag goes twice. */
        if (i < count && entries[i].tag == entries[start].tag &&
            entries[i].is_filtered == entries[start].is_filtered &&
            entries[i].part != entries[i - 1].part)
            continue;
        give_joined(s, entries + start, i - start, d, aggregate);
        start = i;
    }
}

/* True if the datagram need not be taken apart: one message, for which one answer holds. */
static bool is_one(const struct datagram_split *s, const struct split_entries *entries)
{
    const struct split_entry *first = entries->items;

    if (s->parts.message_count != 1 || entries->count != s->parts.count)
        return false;
    for (size_t i = 1; i < entries->count; i++)
        if (is_for_all(s, &first[i]) != is_for_all(s, first) || first[i].tag != first->tag ||
            first[i].is_filtered != first->is_filtered)
            return false;
    return true;
}

void datagram_split_give(struct datagram_split *s, uint32_t instance,
                         const struct split_entry *unread, const struct datagram *d,
                         struct aggregate *aggregate)
{
    const struct datagram_part *parts = s->parts.parts;
    struct split_entries *entries = &s->instances[instance].entries;

    for (size_t i = 0; i < entries->count; i++)
        if (parts[entries->items[i].part].kind == PART_UNREAD) {
            entries->items[i].tag = unread->tag;
            entries->items[i].is_filtered = unread->is_filtered;
        }
    if (is_one(s, entries)) {
        give_datagram(entries->items, is_for_all(s, entries->items), d, aggregate);
        return;
    }
    for (size_t start = 0, i = 1; i <= entries->count; i++) {
        const struct split_entry *first = &entries->items[start], *next = &entries->items[i];
        if (i < entries->count && is_for_all(s, next) == is_for_all(s, first) &&
            parts[next->part].message == parts[first->part].message)
            continue;
        give_run(s, &entries->items[start], i - start, d, aggregate);
        start = i;
    }
}
