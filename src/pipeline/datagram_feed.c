/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tags each datagram for each instance by a flow that has nothing but what the header tells, or has it
 * taken apart. See datagram_feed.h. */
#include "pipeline/datagram_feed.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "maps/maps.h"
#include "maps/tag_map.h"
#include "pipeline/aggregate.h"
#include "pipeline/datagram_split.h"
#include "pipeline/worker.h"

struct feed_instance {
    struct aggregate *aggregate;
    const struct worker_instance *instance;
};

struct datagram_feed {
    const struct decoder_ops *ops;
    const void *decoder;
    const struct crew *crew;
    const struct exporter_table *exporters; /* the worker's */
    struct worker_counters *counters;       /* the worker's */
    uint64_t generation;                    /* of the maps that were looked at last; 0: none */
    bool splits;                            /* some map asks for what records tell */
    struct datagram_split *split;           /* NULL: none ever did */
    struct feed_instance *instances;
    uint32_t count;
    int64_t
        oldest_ns; /* when the first of the rows that wait came, of clock_mono(); 0: none wait */
    struct flow_batch header; /* one flow: what the header tells */
    struct arena labels;
    struct tag_returns returns;
};

struct datagram_feed *datagram_feed_new(const struct crew *crew, const void *decoder,
                                        struct aggregate *const *aggregates,
                                        const struct exporter_table *exporters,
                                        struct worker_counters *counters)
{
    struct datagram_feed *feed;
    uint32_t count = 0;

    for (uint32_t i = 0; i < crew->instance_count; i++)
        count += crew->instances[i].plan->takes_datagrams;
    if (count == 0)
        return NULL;
    feed = mem_zalloc(sizeof *feed);
    feed->ops = crew->decoder;
    feed->decoder = decoder;
    feed->crew = crew;
    feed->exporters = exporters;
    feed->counters = counters;
    feed->instances = mem_calloc(count, sizeof *feed->instances);
    for (uint32_t i = 0; i < crew->instance_count; i++)
        if (crew->instances[i].plan->takes_datagrams)
            feed->instances[feed->count++] =
                (struct feed_instance){aggregates[i], &crew->instances[i]};
    feed->header = (struct flow_batch){.flows = mem_aligned_zalloc(CACHE_LINE, crew->flow_stride),
                                       .stride = crew->flow_stride,
                                       .capacity = 1};
    feed->labels.size = (size_t)2 * TAG_LABEL_MAX;
    feed->labels.data = mem_calloc(feed->labels.size, 1);
    return feed;
}

void datagram_feed_free(struct datagram_feed *feed)
{
    if (!feed)
        return;
    datagram_split_free(feed->split);
    mem_free(feed->instances);
    mem_free(feed->header.flows);
    mem_free(feed->labels.data);
    mem_free(feed->returns.items);
    mem_free(feed);
}

/* Tags the one flow that has nothing but what the header tells. */
static struct split_entry tag_header(struct datagram_feed *feed, const struct split_wish *wish)
    ON_THREAD(worker_thread)
{
    struct flow *flow = flow_batch_at(&feed->header, 0);
    struct tag_result result = {0};

    feed->returns.count = 0;
    if (wish->map) {
        feed->labels.used = 0;
        tag_map_walk(wish->map, &feed->header, &feed->labels, &result, &feed->returns);
    }
    bool is_filtered = split_wish_tag(wish, &result, flow);
    return (struct split_entry){.is_filtered = is_filtered, .tag = flow->tag};
}

static void give_whole(const struct feed_instance *f, const struct split_entry *entry,
                       const struct datagram *datagram) ON_THREAD(worker_thread)
{
    if (entry->is_filtered)
        aggregate_filter_datagram(f->aggregate, datagram);
    else
        aggregate_add_datagram(f->aggregate, datagram, entry->tag, false);
}

/* Gives a datagram as it came, also for each row with return=true that gives it away. */
static void give_by_header(struct datagram_feed *feed, const struct feed_instance *f,
                           const struct split_wish *wish, const struct datagram *datagram)
    ON_THREAD(worker_thread)
{
    struct flow *flow = flow_batch_at(&feed->header, 0);
    struct split_entry entry = tag_header(feed, wish);

    for (uint32_t i = 0; i < feed->returns.count; i++) {
        bool is_filtered = split_wish_tag(wish, &feed->returns.items[i].result, flow);
        give_whole(f, &(struct split_entry){.is_filtered = is_filtered, .tag = flow->tag},
                   datagram);
    }
    give_whole(f, &entry, datagram);
}

static struct split_wish wish_of(const struct feed_instance *f, const struct maps *maps)
{
    const struct worker_instance *instance = f->instance;

    return (struct split_wish){.map = instance->tag_map >= 0 && maps ? maps->tags[instance->tag_map]
                                                                     : NULL,
                               .filter = instance->plan->tag_filter,
                               .post_tag = instance->post_tag,
                               .post_tag2 = instance->post_tag2};
}

/* True if records have to be looked at one by one. */
static bool asks_records(const struct split_wish *wish)
{
    return wish->map && (!wish->post_tag || wish->filter) && !tag_map_asks_headers_only(wish->map);
}

/* Looks at maps that are new: whether any asks for records, and for what. */
static void take_maps(struct datagram_feed *feed, const struct maps *maps) ON_THREAD(worker_thread)
{
    struct flow_needs needs = {0};

    feed->generation = maps ? maps->generation : 0;
    feed->splits = false;
    for (uint32_t i = 0; i < feed->count; i++) {
        struct split_wish wish = wish_of(&feed->instances[i], maps);
        if (!asks_records(&wish))
            continue;
        tag_map_add_needs(wish.map, &needs);
        feed->splits = true;
    }
    if (!feed->splits)
        return;
    if (!feed->split)
        feed->split = datagram_split_new(feed->crew, feed->exporters, feed->count);
    datagram_split_set_needs(feed->split, &needs);
}

/* Takes the datagram apart for those that ask for records. */
static bool split_datagram(struct datagram_feed *feed, const struct maps *maps,
                           const struct datagram *datagram) ON_THREAD(worker_thread)
{
    datagram_split_begin(feed->split);
    for (uint32_t i = 0; i < feed->count; i++) {
        struct split_wish wish = wish_of(&feed->instances[i], maps);
        if (asks_records(&wish))
            datagram_split_wish(feed->split, i, &wish);
    }
    bool is_split = datagram_split_read(feed->split, datagram);
    if (is_split)
        counter_add(&feed->counters->unread_parts, datagram_split_unread(feed->split));
    else
        counter_add(&feed->counters->unsplit, 1);
    return is_split;
}

void datagram_feed_load(struct datagram_feed *feed, const struct maps *maps,
                        const struct json_t *saved,
                        bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg)
{
    THREAD_ASSERT(worker_thread);
    take_maps(feed, maps);
    if (feed->split)
        datagram_split_load(feed->split, saved, owns, arg);
}

void datagram_feed_add(struct datagram_feed *feed, const struct maps *maps,
                       const struct datagram *datagram)
{
    struct flow *flow = flow_batch_at(&feed->header, 0);
    bool is_split = false;

    THREAD_ASSERT(worker_thread);
    if (maps && maps->generation != feed->generation)
        take_maps(feed, maps);
    feed->header.count = 1;
    flow->exporter_addr = datagram->source;
    feed->ops->read_header(feed->decoder, datagram, flow);
    if (feed->splits)
        is_split = split_datagram(feed, maps, datagram);
    for (uint32_t i = 0; i < feed->count; i++) {
        const struct feed_instance *f = &feed->instances[i];
        struct split_wish wish = wish_of(f, maps);
        if (is_split && asks_records(&wish)) {
            struct split_entry unread = tag_header(feed, &wish);
            datagram_split_give(feed->split, i, &unread, datagram, f->aggregate);
        } else {
            give_by_header(feed, f, &wish, datagram);
        }
    }
    if (feed->oldest_ns == 0)
        feed->oldest_ns = clock_mono().ns;
}

void datagram_feed_learn(struct datagram_feed *feed, const struct datagram *datagram)
{
    THREAD_ASSERT(worker_thread);
    if (feed->split)
        datagram_split_learn(feed->split, datagram);
}

void datagram_feed_tick(struct datagram_feed *feed, int64_t now_ns)
{
    THREAD_ASSERT(worker_thread);
    if (feed->split)
        datagram_split_tick(feed->split, now_ns);
}

int datagram_feed_turn(struct datagram_feed *feed, int64_t now_ns, int64_t time_ns)
{
    int64_t left_ns = feed->oldest_ns + DATAGRAM_FEED_WAIT_MS * NS_PER_MS - now_ns;

    THREAD_ASSERT(worker_thread);
    if (feed->oldest_ns == 0)
        return -1;
    if (left_ns > 0)
        return (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
    for (uint32_t i = 0; i < feed->count; i++) {
        aggregate_recycle(feed->instances[i].aggregate);
        if (aggregate_has_rows(feed->instances[i].aggregate))
            aggregate_hand_over_early(feed->instances[i].aggregate, time_ns);
    }
    feed->oldest_ns = 0;
    for (uint32_t i = 0; i < feed->count; i++)
        if (aggregate_has_rows(feed->instances[i].aggregate)) /* the ring is full */
            feed->oldest_ns = now_ns;
    return feed->oldest_ns == 0 ? -1 : DATAGRAM_FEED_WAIT_MS;
}
