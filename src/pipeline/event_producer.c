/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lane of events whose producer is no worker. See event_producer.h. */
#include "pipeline/event_producer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/aggregate.h"
#include "pipeline/event_feed.h"
#include "pipeline/worker_private.h"
#include <errno.h>

/* The plugin is behind while so many hand-overs are on their way: each of them takes room of its own. */
enum { BEHIND = 2 };

struct event_producer {
    const struct worker_instance *instance;
    struct aggregate *aggregate;
    uint64_t epoch;
    int64_t oldest_ns; /* when the first of those that wait came, of clock_mono(); 0: none wait */
};

struct event_producer *event_producer_new(const struct worker_instance *instance)
{
    struct event_producer *p = mem_zalloc(sizeof *p);

    p->instance = instance;
    p->epoch = 1;
    p->aggregate = aggregate_new(instance->plan, instance->outlet, &instance->outlet->lanes[0],
                                 CACHE_LINE, &instance->ledgers[0]);
    return p;
}

void event_producer_free(struct event_producer *p)
{
    if (!p)
        return;
    thread_enter_role(&worker_thread);
    aggregate_free(p->aggregate);
    thread_leave_role(&worker_thread);
    mem_free(p);
}

int event_producer_fd(const struct event_producer *p)
{
    return p->instance->outlet->lanes[0].worker_event;
}

static void note_added(struct event_producer *p)
{
    if (p->oldest_ns == 0)
        p->oldest_ns = clock_mono().ns;
}

void event_producer_put(struct event_producer *p, const struct event *event, int64_t time_ns)
{
    THREAD_ASSERT(worker_thread);
    aggregate_add_event(p->aggregate, event, time_ns);
    note_added(p);
}

/* Nothing that the plugin could take would make room. */
static bool is_empty(const struct event_producer *p)
{
    return !aggregate_has_rows(p->aggregate) && aggregate_pending_count(p->aggregate) == 0;
}

int event_producer_try(struct event_producer *p, const struct event *event, int64_t time_ns)
{
    THREAD_ASSERT(worker_thread);
    if (aggregate_try_event(p->aggregate, event, time_ns) < 0) {
        aggregate_recycle(p->aggregate);
        if (!is_empty(p)) {
            aggregate_hand_over_early(p->aggregate, time_ns);
            return -ENOSPC;
        }
        aggregate_add_event(p->aggregate, event, time_ns);
    }
    note_added(p);
    return 0;
}

static void check_epoch(struct event_producer *p, int64_t time_ns) ON_THREAD(worker_thread)
{
    uint64_t number = atomic_load_explicit(p->instance->epoch, memory_order_acquire);
    struct aggregate_end end = {.group = number - 1,
                                .epoch = number - 1,
                                .time_ns = time_ns,
                                .flags = HANDOVER_MARKER | HANDOVER_ENDS_EPOCH};

    if (number == p->epoch)
        return;
    aggregate_end(p->aggregate, &end); /* a later one covers it if there is no room */
    p->epoch = number;
}

int event_producer_turn(struct event_producer *p, int64_t now_ns, int64_t time_ns)
{
    THREAD_ASSERT(worker_thread);
    aggregate_recycle(p->aggregate);
    check_epoch(p, time_ns);
    if (!aggregate_has_rows(p->aggregate))
        p->oldest_ns = 0;
    if (p->oldest_ns == 0)
        return -1;
    int64_t left_ns = p->oldest_ns + EVENT_FEED_WAIT_MS * NS_PER_MS - now_ns;
    if (left_ns > 0)
        return (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
    if (aggregate_pending_count(p->aggregate) < BEHIND)
        aggregate_hand_over_early(p->aggregate, time_ns);
    p->oldest_ns = aggregate_has_rows(p->aggregate) ? now_ns : 0;
    return p->oldest_ns ? EVENT_FEED_WAIT_MS : -1;
}

bool event_producer_finish(struct event_producer *p, int64_t time_ns)
{
    struct aggregate_end end = {.group = WORKER_LAST_GROUP,
                                .epoch = p->epoch,
                                .time_ns = time_ns,
                                .flags = HANDOVER_MARKER | HANDOVER_ENDS_EPOCH | HANDOVER_IS_LAST};

    THREAD_ASSERT(worker_thread);
    return aggregate_end(p->aggregate, &end);
}

void event_producer_settle(struct event_producer *p, bool give_up)
{
    thread_enter_role(&worker_thread);
    aggregate_recycle(p->aggregate);
    if (give_up)
        aggregate_abandon(p->aggregate);
    thread_leave_role(&worker_thread);
}
