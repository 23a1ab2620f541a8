/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adds events to tables of rows, and hands these over by time. See event_feed.h. */
#include "pipeline/event_feed.h"
#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/aggregate.h"
#include "pipeline/worker.h"

/* The plugin is behind while so many hand-overs are on their way. */
enum { BEHIND = 2 };

struct event_feed {
    struct aggregate **aggregates;
    uint32_t count;
    int64_t oldest_ns; /* when the first of those that wait came, of clock_mono(); 0: none wait */
};

struct event_feed *event_feed_new(const struct crew *crew, struct aggregate *const *aggregates)
{
    struct event_feed *feed;
    uint32_t count = 0;

    for (uint32_t i = 0; i < crew->instance_count; i++)
        count += crew->instances[i].plan->events != NULL;
    if (count == 0)
        return NULL;
    feed = mem_zalloc(sizeof *feed);
    feed->aggregates = mem_calloc(count, sizeof(struct aggregate *));
    for (uint32_t i = 0; i < crew->instance_count; i++)
        if (crew->instances[i].plan->events)
            feed->aggregates[feed->count++] = aggregates[i];
    return feed;
}

void event_feed_free(struct event_feed *feed)
{
    if (!feed)
        return;
    mem_free(feed->aggregates);
    mem_free(feed);
}

void event_feed_add(struct event_feed *feed, const struct event *event, int64_t time_ns)
{
    THREAD_ASSERT(worker_thread);
    for (uint32_t i = 0; i < feed->count; i++)
        aggregate_add_event(feed->aggregates[i], event, time_ns);
    if (feed->oldest_ns == 0)
        feed->oldest_ns = clock_mono().ns;
}

int event_feed_turn(struct event_feed *feed, int64_t now_ns, int64_t time_ns)
{
    int64_t left_ns = feed->oldest_ns + EVENT_FEED_WAIT_MS * NS_PER_MS - now_ns;

    THREAD_ASSERT(worker_thread);
    if (feed->oldest_ns == 0)
        return -1;
    if (left_ns > 0)
        return (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
    feed->oldest_ns = 0;
    for (uint32_t i = 0; i < feed->count; i++) {
        struct aggregate *a = feed->aggregates[i];
        aggregate_recycle(a);
        if (aggregate_has_rows(a) && aggregate_pending_count(a) < BEHIND)
            aggregate_hand_over_early(a, time_ns);
        if (aggregate_has_rows(a)) /* look again as soon as for new ones */
            feed->oldest_ns = now_ns;
    }
    return feed->oldest_ns == 0 ? -1 : EVENT_FEED_WAIT_MS;
}
