/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tags each datagram for each instance by a flow that has nothing but what the header tells. See
 * datagram_feed.h. */
#include "pipeline/datagram_feed.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "maps/maps.h"
#include "maps/tag_filter.h"
#include "maps/tag_map.h"
#include "pipeline/aggregate.h"
#include "pipeline/worker.h"

struct feed_instance {
    struct aggregate *aggregate;
    const struct worker_instance *instance;
};

struct datagram_feed {
    const struct decoder_ops *ops;
    const void *decoder;
    struct feed_instance *instances;
    uint32_t count;
    int64_t
        oldest_ns; /* when the first of the rows that wait came, of clock_mono(); 0: none wait */
    struct flow_batch header; /* one flow: what the header tells */
    struct arena labels;
    struct tag_returns returns;
};

struct datagram_feed *datagram_feed_new(const struct crew *crew, const void *decoder,
                                        struct aggregate *const *aggregates)
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
    mem_free(feed->instances);
    mem_free(feed->header.flows);
    mem_free(feed->labels.data);
    mem_free(feed->returns.items);
    mem_free(feed);
}

/* Sets the tags of the one flow as the instance's map and keys say. */
static void set_tags(struct datagram_feed *feed, const struct worker_instance *instance,
                     const struct maps *maps) ON_THREAD(worker_thread)
{
    struct flow *flow = flow_batch_at(&feed->header, 0);
    struct tag_result result = {0};

    if (instance->tag_map >= 0 && maps) {
        feed->labels.used = 0;
        tag_map_walk(maps->tags[instance->tag_map], &feed->header, &feed->labels, &result,
                     &feed->returns);
    }
    flow->tag = instance->post_tag ? instance->post_tag : result.tag;
    flow->tag2 = instance->post_tag2 ? instance->post_tag2 : result.tag2;
    flow->label = result.label;
}

void datagram_feed_add(struct datagram_feed *feed, const struct maps *maps,
                       const struct datagram *datagram)
{
    struct flow *flow = flow_batch_at(&feed->header, 0);

    THREAD_ASSERT(worker_thread);
    feed->header.count = 1;
    flow->exporter_addr = datagram->source;
    feed->ops->read_header(feed->decoder, datagram, flow);
    for (uint32_t i = 0; i < feed->count; i++) {
        const struct feed_instance *f = &feed->instances[i];
        const struct tag_filter *filter = f->instance->plan->tag_filter;
        set_tags(feed, f->instance, maps);
        if (filter && !tag_filter_accepts(filter, flow))
            aggregate_filter_datagram(f->aggregate, datagram);
        else
            aggregate_add_datagram(f->aggregate, datagram, flow->tag);
    }
    if (feed->oldest_ns == 0)
        feed->oldest_ns = clock_mono().ns;
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
