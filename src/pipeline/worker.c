/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker's life and its live loop. The loop never blocks while there is something to read, and
 * never reads without letting other things happen in between: each round is one batch from the
 * socket, then what the main thread asked for, then what is due by time.
 */
#include "pipeline/worker.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/poller.h"
#include "base/thread.h"
#include "bmp/bmp_tables.h"
#include "input/inbox.h"
#include "input/steering.h"
#include "maps/maps.h"
#include "pipeline/datagram_feed.h"
#include "pipeline/event_feed.h"
#include "pipeline/exporter_watch.h"
#include "pipeline/route_sources.h"
#include "pipeline/worker_private.h"
#include "rpki/rtr.h"
#include <jansson.h>
#include <stdio.h>

/* A batch is as small as this so that what is written and read of its flows stays in the
 * first-level cache. */
enum { FLOW_BATCH = 128, INBOX_BYTES = 16 << 20 };
/* Datagrams of templates that are read for each batch of exports, so that they never hold those up. */
enum { TEMPLATE_BATCH = 8 };

#define DRAIN_MAX_NS      NS_PER_S
#define DESCRIBE_SLICE_NS (NS_PER_MS / 2)
#define LOOK_AT_SILENT_NS (60 * NS_PER_S)

/* ---- flows ---- */

/* The snapshots of this moment. */
static struct route_sources crew_route_sources(const struct crew *crew)
{
    return (struct route_sources){crew->bgp ? bgp_peers(crew->bgp) : NULL,
                                  crew->bmp ? bmp_tables_views(crew->bmp) : NULL};
}

/* Gives an instance the lists of values of the maps in force. */
static void set_lists(struct worker *w, uint32_t index, const struct maps *maps)
    ON_THREAD(worker_thread)
{
    const struct worker_instance *instance = &w->crew->instances[index];

    for (int kind = 0; kind < VALUE_LIST_COUNT; kind++)
        if (instance->lists[kind] >= 0)
            aggregate_set_list(w->aggregates[index], (enum value_list_kind)kind,
                               maps->lists[instance->lists[kind]]);
}

/* Gives an instance the flows of a batch, as it sees them. */
static void add_to_instance(struct worker *w, uint32_t instance, struct flow_batch *batch)
    ON_THREAD(worker_thread)
{
    struct aggregate *aggregate = w->aggregates[instance];
    const struct flow_batch *returned;
    uint32_t position = 0;

    if (!w->views) {
        aggregate_add(aggregate, batch);
        return;
    }
    while ((returned = instance_view_returned(w->views, instance, batch, &position)))
        aggregate_add(aggregate, returned);
    aggregate_add(aggregate, instance_view(w->views, instance, batch));
}

void worker_flush(struct worker *w)
{
    const struct crew *crew = w->crew;
    struct flow_batch *batch = &w->batch;
    const struct maps *maps = rcu_read(crew->maps);

    THREAD_ASSERT(worker_thread);
    if (batch->count == 0)
        return;
    int64_t begin_ns = clock_mono().ns;
    if (batch->is_options) {
        enrich_options(batch);
    } else {
        enrich_batch(&crew->enrich, maps, batch);
        const struct route_sources sources = crew_route_sources(crew);
        correlate_batch(w->correlator, &sources, maps, batch);
        correlate_ingress_maps(w->correlator, maps, batch);
    }
    if (w->geo)
        geo_batch(w->geo, maps, batch);
    if (w->views)
        instance_views_begin(w->views, maps, batch);
    for (uint32_t i = 0; i < crew->instance_count; i++) {
        if (crew->instances[i].has_lists)
            set_lists(w, i, maps);
        if (!crew->instances[i].plan->takes_datagrams && !crew->instances[i].plan->events)
            add_to_instance(w, i, batch);
    }
    counter_add(&w->counters.batches, 1);
    histogram_add(&w->counters.batch_time, clock_mono().ns - begin_ns);
    batch->count = 0;
}

static void batch_full(struct flow_batch *batch) ON_THREAD(worker_thread)
{
    THREAD_ASSERT(worker_thread);
    worker_flush(batch->owner);
}

static void put_event(struct flow_batch *batch, const struct event *event, int64_t time_ns)
    ON_THREAD(worker_thread)
{
    const struct worker *w = batch->owner;

    THREAD_ASSERT(worker_thread);
    event_feed_add(w->events, event, time_ns);
}

static void set_known(struct worker *w, struct exporter *exporter, bool is_known)
    ON_THREAD(worker_thread)
{
    if (exporter->is_known == is_known)
        return;
    exporter_table_set_known(w->exporters, exporter, is_known);
    w->crew->decoder->know(w->decoder, exporter);
}

static void look_at_exporter(void *arg, struct exporter *exporter, int64_t now_ns)
    ON_THREAD(worker_thread)
{
    struct worker *w = arg;
    const struct route_sources sources = crew_route_sources(w->crew);

    THREAD_ASSERT(worker_thread);
    set_known(w, exporter,
              exporter_watch_look(exporter, &sources, rcu_read(w->crew->maps), now_ns));
}

/* Exporters that fell silent are not looked at by any datagram of theirs. */
static void look_at_silent(void *arg, struct exporter *exporter) ON_THREAD(worker_thread)
{
    struct worker *w = arg;
    const struct route_sources sources = crew_route_sources(w->crew);

    THREAD_ASSERT(worker_thread);
    if (exporter->is_known &&
        !exporter_watch_still_known(exporter, &sources, rcu_read(w->crew->maps), w->tick_ns))
        set_known(w, exporter, false);
}

void worker_tick(struct worker *w, int64_t now_ns)
{
    THREAD_ASSERT(worker_thread);
    w->tick_ns = now_ns;
    w->crew->decoder->tick(w->decoder, now_ns);
    if (w->feed)
        datagram_feed_tick(w->feed, now_ns);
    if (now_ns - w->silent_ns < LOOK_AT_SILENT_NS && now_ns >= w->silent_ns)
        return;
    w->silent_ns = now_ns;
    exporter_table_each(w->exporters, look_at_silent, w);
}

/* Counts a datagram that is refused before it is decoded. */
static void refuse_rate(struct worker *w, struct exporter *exporter, const struct datagram *d)
{
    counter_add(&exporter->counters.datagrams_read, 1);
    counter_add(&exporter->counters.bytes_read, d->len);
    counter_set(&exporter->counters.last_datagram_ns, (uint64_t)d->received_ns);
    exporter_drop(exporter, DROP_rate_limited, "more than %u datagrams a second",
                  w->crew->exporter_rate_max);
}

/* Returns the exporter of a datagram that may come in; NULL: it is refused, and counted. */
static inline __attribute__((always_inline)) struct exporter *admit(struct worker *w,
                                                                    const struct datagram *d)
    ON_THREAD(worker_thread)
{
    const struct maps *maps = rcu_read(w->crew->maps);

    if (maps && !maps_exporter_is_allowed(maps, &d->source)) {
        counter_add(&w->counters.not_allowed, 1);
        w->unlisted.addr = d->source;
        exporter_drop(&w->unlisted, DROP_not_allowed, "datagram of %u bytes", d->len);
        return NULL;
    }
    struct exporter *exporter = exporter_table_get(w->exporters, &d->source, d->received_ns);
    exporter_debug(exporter, "datagram of %u bytes from port %u", d->len, d->source_port);
    if (w->crew->exporter_rate_max > 0 &&
        !exporter_watch_rate(exporter, w->crew->exporter_rate_max, d->received_ns)) {
        refuse_rate(w, exporter, d);
        return NULL;
    }
    return exporter;
}

void worker_decode(struct worker *w, const struct datagram *d)
{
    struct exporter *exporter = admit(w, d);

    if (exporter)
        w->crew->decoder->decode(w->decoder, exporter, d);
}

static void learn_templates(struct worker *w, const struct datagram *d) ON_THREAD(worker_thread)
{
    struct exporter *exporter = admit(w, d);

    if (!exporter)
        return;
    w->crew->decoder->learn(w->decoder, exporter, d);
    if (w->feed)
        datagram_feed_learn(w->feed, d);
}

void worker_pass_on(struct worker *w, const struct datagram *d)
{
    const struct maps *maps = rcu_read(w->crew->maps);

    THREAD_ASSERT(worker_thread);
    if (maps && !maps_exporter_is_allowed(maps, &d->source))
        return;
    if (w->feed)
        datagram_feed_add(w->feed, maps, d);
    if (w->share)
        template_share_offer(w->share, d);
}

static void forget_exporter(void *arg, struct exporter *exporter) ON_THREAD(worker_thread)
{
    struct worker *w = arg;

    THREAD_ASSERT(worker_thread);
    /* Its flows may still be in the batch. */
    worker_flush(w);
    w->crew->decoder->forget(w->decoder, exporter);
}

/* ---- datagrams, live ---- */

/* Holds the datagram back while the RIB loads; beyond the buffer the oldest go on. */
static void hold_datagram(struct worker *w, const struct datagram *d) ON_THREAD(worker_thread)
{
    struct datagram oldest;

    counter_add(&w->counters.held, 1);
    while (!inbox_put(w->held, d)) {
        if (!inbox_take(w->held, &oldest)) { /* larger than the whole buffer */
            worker_decode(w, d);
            counter_add(&w->counters.hold_overflow, 1);
            return;
        }
        worker_decode(w, &oldest);
        counter_add(&w->counters.hold_overflow, 1);
        mem_free((void *)(uintptr_t)oldest.data);
    }
}

static void release_held(struct worker *w) ON_THREAD(worker_thread)
{
    struct datagram d;

    while (inbox_take(w->held, &d)) {
        worker_decode(w, &d);
        mem_free((void *)(uintptr_t)d.data);
    }
}

static void take_detour(struct worker *w, const struct datagram *d) ON_THREAD(worker_thread)
{
    if (d->is_of_templates) { /* nobody has to wait for those */
        learn_templates(w, d);
        return;
    }
    if (w->feed || w->share)
        worker_pass_on(w, d);
    if (w->is_holding)
        hold_datagram(w, d);
    else
        worker_decode(w, d);
}

static void own_datagram(struct worker *w, const struct datagram *d) ON_THREAD(worker_thread)
{
    if (w->has_detour)
        take_detour(w, d);
    else
        worker_decode(w, d);
}

/* Decodes what waited in sockets before this daemon began, in its order. */
static void release_moved(struct worker *w) ON_THREAD(worker_thread)
{
    struct datagram d;

    for (uint32_t count = 1; inbox_take(w->moved, &d); count++) {
        own_datagram(w, &d);
        mem_free((void *)(uintptr_t)d.data);
        if (count % UDP_BATCH_MAX != 0)
            continue;
        worker_flush(w);
        worker_recycle(w);
        rcu_quiescent(w->reader);
        counter_add(&w->counters.beats, 1);
    }
    worker_flush(w);
}

static void any_datagram(struct worker *w, const struct datagram *d) ON_THREAD(worker_thread)
{
    struct crew *crew = w->crew;
    uint32_t owner =
        crew->worker_count > 1 ? steering_worker(&d->source, crew->worker_count) : w->index;

    if (owner == w->index) {
        own_datagram(w, d);
        return;
    }
    if (inbox_put(crew->workers[owner]->inbox, d)) {
        counter_add(&w->counters.passed_on, 1);
        worker_wake(crew->workers[owner]);
    } else {
        counter_add(&w->counters.passing_lost, 1);
    }
}

/* Returns how many datagrams there were. */
static uint32_t receive_batch(struct worker *w) ON_THREAD(worker_thread)
{
    struct datagram datagrams[UDP_BATCH_MAX];
    uint32_t n = udp_receiver_read(w->receiver, datagrams, UDP_BATCH_MAX);

    counter_add(&w->counters.datagrams, n);
    for (uint32_t i = 0; i < n; i++)
        any_datagram(w, &datagrams[i]);
    return n;
}

static uint32_t receive_templates(struct worker *w) ON_THREAD(worker_thread)
{
    struct datagram datagrams[TEMPLATE_BATCH];
    uint32_t n = 0;

    if (w->template_receiver)
        n = udp_receiver_read(w->template_receiver, datagrams, TEMPLATE_BATCH);
    counter_add(&w->counters.datagrams, n);
    counter_add(&w->counters.template_datagrams, n);
    for (uint32_t i = 0; i < n; i++) {
        datagrams[i].is_of_templates = true;
        any_datagram(w, &datagrams[i]);
    }
    return n;
}

static void receive_inbox(struct worker *w) ON_THREAD(worker_thread)
{
    struct datagram d;

    for (int i = 0; i < UDP_BATCH_MAX && inbox_take(w->inbox, &d); i++) {
        own_datagram(w, &d);
        mem_free((void *)(uintptr_t)d.data);
    }
}

/* ---- what is due ---- */

static void check_epochs(struct worker *w, int64_t now_ns) ON_THREAD(worker_thread)
{
    const struct crew *crew = w->crew;

    for (uint32_t i = 0; i < crew->instance_count; i++) {
        uint64_t number = atomic_load_explicit(crew->instances[i].epoch, memory_order_acquire);
        if (number == w->epochs[i].number)
            continue;
        /* Epochs that went by meanwhile are covered by the marker of the last of them. */
        struct aggregate_end end = {.group = number - 1,
                                    .epoch = number - 1,
                                    .time_ns = now_ns,
                                    .flags = HANDOVER_MARKER | HANDOVER_ENDS_EPOCH};
        aggregate_end(w->aggregates[i], &end);
        w->epochs[i].number = number;
    }
}

static void note_overflow(struct worker *w) ON_THREAD(worker_thread)
{
    counter_set(&w->counters.overflow, w->lost_before + udp_receiver_overflow(w->receiver));
    if (w->template_receiver)
        counter_set(&w->counters.template_overflow, udp_receiver_overflow(w->template_receiver));
}

static void second_tick(struct worker *w, int64_t now_ns) ON_THREAD(worker_thread)
{
    const struct crew *crew = w->crew;

    worker_tick(w, now_ns);
    worker_flush(w);
    note_overflow(w);
    if (w->share)
        template_share_tick(w->share, clock_mono().ns);
    for (uint32_t i = 0; i < crew->instance_count; i++) {
        if (crew->instances[i].plan->is_unaggregated && !crew->instances[i].plan->events) {
            struct aggregate_end end = {
                .group = w->epochs[i].number, .epoch = w->epochs[i].number, .time_ns = now_ns};
            aggregate_end(w->aggregates[i], &end);
        }
    }
}

/* Makes the decoder fill the members that new maps look at. It does so before the new snapshot
 * is looked at: rows decoded without those members would miss them. */
static void add_needs(struct worker *w) ON_THREAD(worker_thread)
{
    const struct maps *maps = rcu_read(w->crew->maps);

    for (size_t i = 0; i < sizeof w->needs.bits / sizeof *w->needs.bits; i++)
        w->needs.bits[i] |= maps->needs.bits[i];
    worker_flush(w);
    instance_views_add_needs(w->crew->views, w->crew->instance_count, &w->needs);
    if (w->views)
        instance_views_set_needs(w->views, &w->needs);
    correlator_add_needs(w->correlator, &w->crew->correlate_asked, &w->needs);
    w->crew->decoder->set_needs(w->decoder, &w->needs);
}

/* Makes a slice of a description; the worker goes on between two. */
static void describe(struct worker *w) ON_THREAD(worker_thread)
{
    if (!w->crew->decoder->describe(w->decoder, w->description,
                                    clock_mono().ns + DESCRIBE_SLICE_NS)) {
        worker_wake(w);
        return;
    }
    w->description->taken_ns = clock_wall().ns;
    description_free(atomic_exchange_explicit(&w->described, w->description, memory_order_acq_rel));
    w->description = NULL;
    poller_event_wake(w->crew->main_event);
}

void worker_answer(struct worker *w)
{
    THREAD_ASSERT(worker_thread);
    if (atomic_exchange_explicit(&w->is_asked_needs, false, memory_order_acquire))
        add_needs(w);
    if (atomic_exchange_explicit(&w->is_asked_templates, false, memory_order_acquire)) {
        struct saved_pieces *saved = w->crew->decoder->save(w->decoder);
        if (!saved)
            saved = saved_pieces_new(); /* nothing, but an answer */
        atomic_store_explicit(&w->saved_templates, saved, memory_order_release);
        poller_event_wake(w->crew->main_event);
    }
    if (atomic_exchange_explicit(&w->is_asked_description, false, memory_order_acquire) &&
        !w->description)
        w->description = description_new();
    if (w->description)
        describe(w);
}

void worker_recycle(struct worker *w)
{
    for (uint32_t i = 0; i < w->crew->instance_count; i++)
        aggregate_recycle(w->aggregates[i]);
}

void worker_wait(struct worker *w, int timeout_ms)
{
    counter_add(&w->counters.waits, 1);
    counter_add(&w->counters.beats, 1);
    rcu_offline(w->reader);
    poller_wait(w->poller, timeout_ms);
    rcu_online(w->reader);
}

static void on_event(void *arg, int fd, unsigned events) ON_THREAD(worker_thread)
{
    struct worker *w = arg;

    (void)events;
    poller_event_drain(fd);
    w->is_woken = true;
}

static void on_datagram(void *arg, int fd, unsigned events) ON_THREAD(worker_thread)
{
    (void)arg;
    (void)fd;
    (void)events;
}

static void set_holding(struct worker *w, bool is_holding)
{
    w->is_holding = is_holding;
    w->has_detour = is_holding || w->feed || w->share || w->crew->templates.listen_port > 0;
}

/*
 * Reads what had arrived when the end was asked for: until the socket is empty, or for a second
 * where it never is. The inbox is complete when all have stopped reading.
 */
static void drain_input(struct worker *w) ON_THREAD(worker_thread)
{
    struct crew *crew = w->crew;
    int64_t end_ns = clock_mono().ns + DRAIN_MAX_NS;

    udp_receiver_stamp(w->receiver); /* what is not read any more may wait for another daemon */
    while (receive_batch(w) + receive_templates(w) > 0 && clock_mono().ns < end_ns) {
        receive_inbox(w);
        rcu_quiescent(w->reader);
        counter_add(&w->counters.beats, 1);
    }
    note_overflow(w);
    poller_remove(w->poller, udp_receiver_fd(w->receiver)); /* more would only keep it awake */
    if (w->template_receiver)
        poller_remove(w->poller, udp_receiver_fd(w->template_receiver));
    if (atomic_fetch_sub_explicit(&crew->reading_count, 1, memory_order_acq_rel) == 1)
        for (uint32_t i = 0; i < crew->worker_count; i++)
            worker_wake(crew->workers[i]);
    while (atomic_load_explicit(&crew->reading_count, memory_order_acquire) > 0)
        worker_wait(w, 1000);
    release_held(w);
    set_holding(w, false);
    while (!inbox_is_empty(w->inbox))
        receive_inbox(w);
    worker_flush(w);
}

/* Returns how long the worker may sleep. */
static int sleep_time(struct worker *w, int64_t now_ns, int64_t next_tick_ns)
    ON_THREAD(worker_thread)
{
    int tick_ms = (int)((next_tick_ns - now_ns) / NS_PER_MS) + 1;
    int feed_ms = w->feed ? datagram_feed_turn(w->feed, clock_mono().ns, clock_wall().ns) : -1;
    int event_ms = w->events ? event_feed_turn(w->events, clock_mono().ns, clock_wall().ns) : -1;

    if (feed_ms >= 0 && feed_ms < tick_ms)
        tick_ms = feed_ms;
    return event_ms >= 0 && event_ms < tick_ms ? event_ms : tick_ms;
}

static void run_live(struct worker *w) ON_THREAD(worker_thread)
{
    struct crew *crew = w->crew;
    int64_t next_tick_ns = clock_mono().ns + NS_PER_S;

    set_holding(w, atomic_load_explicit(&crew->is_holding, memory_order_acquire));
    release_moved(w);
    while (!atomic_load_explicit(&crew->is_stopping, memory_order_acquire)) {
        if (w->is_holding && !atomic_load_explicit(&crew->is_holding, memory_order_acquire)) {
            set_holding(w, false);
            release_held(w);
        }
        uint32_t n = receive_batch(w);
        receive_templates(w);
        int64_t now_ns = clock_mono().ns;
        receive_inbox(w);
        worker_flush(w);
        check_epochs(w, clock_wall().ns);
        if (w->is_woken) {
            w->is_woken = false;
            worker_recycle(w);
            worker_answer(w);
        }
        if (now_ns >= next_tick_ns) {
            second_tick(w, clock_wall().ns);
            next_tick_ns = now_ns + NS_PER_S;
        }
        rcu_quiescent(w->reader);
        counter_add(&w->counters.beats, 1);
        int sleep_ms = sleep_time(w, now_ns, next_tick_ns);
        if (n < UDP_BATCH_MAX && inbox_is_empty(w->inbox))
            worker_wait(w, sleep_ms);
    }
    drain_input(w);
}

/* ---- the end ---- */

/*
 * Sends the last hand-over of each instance. The ring may be full: then the host has to take
 * something first. All workers number the last marker alike.
 */
void worker_finish(struct worker *w, int64_t now_ns)
{
    const struct crew *crew = w->crew;

    THREAD_ASSERT(worker_thread);
    for (uint32_t i = 0; i < crew->instance_count; i++) {
        struct aggregate_end end = {.group = WORKER_LAST_GROUP,
                                    .epoch = w->epochs[i].number,
                                    .time_ns = now_ns,
                                    .flags =
                                        HANDOVER_MARKER | HANDOVER_ENDS_EPOCH | HANDOVER_IS_LAST};
        while (!aggregate_end(w->aggregates[i], &end) &&
               !atomic_load_explicit(&crew->is_abandoned, memory_order_acquire))
            worker_wait(w, 1000);
    }
}

static void worker_main(void *arg)
{
    struct worker *w = arg;

    thread_enter_role(&worker_thread);
    rcu_online(w->reader);
    if (w->crew->replay.path)
        worker_run_replay(w);
    else
        run_live(w);
    worker_finish(w, w->crew->replay.path ? w->replay_clock_ns : clock_wall().ns);
    rcu_offline(w->reader);
    atomic_store_explicit(&w->is_finished, true, memory_order_release);
    poller_event_wake(w->crew->main_event);
    thread_leave_role(&worker_thread);
}

/* ---- life ---- */

static int start_input(struct worker *w, int event)
{
    int err = poller_new(&w->poller);

    if (err < 0)
        return err;
    err = poller_add(w->poller, event, POLLER_READ, on_event, w);
    if (err == 0 && w->receiver)
        err = poller_add(w->poller, udp_receiver_fd(w->receiver), POLLER_READ, on_datagram, w);
    return err;
}

int worker_new(struct crew *crew, uint32_t index, struct udp_receiver *receiver, int event,
               struct text *error, struct worker **ret_worker)
{
    struct worker *w = mem_aligned_zalloc(CACHE_LINE, sizeof *w);
    int err;

    w->crew = crew;
    w->index = index;
    w->event = event;
    w->receiver = receiver;
    w->batch = (struct flow_batch){
        .flows = mem_aligned_zalloc(CACHE_LINE, (size_t)FLOW_BATCH * crew->flow_stride),
        .stride = crew->flow_stride,
        .capacity = FLOW_BATCH,
        .full = batch_full,
        .owner = w};
    w->inbox = inbox_new(INBOX_BYTES);
    w->held = inbox_new(crew->hold_bytes / crew->worker_count);
    w->moved = inbox_new(SIZE_MAX); /* the sockets' buffers were its bound */
    w->correlator =
        correlator_new(&crew->correlate, crew->bgp ? bgp_rib(crew->bgp) : NULL, FLOW_BATCH);
    if (crew->rtr)
        correlator_set_roas(w->correlator, rtr_roas(crew->rtr));
    w->geo = geo_new(crew->geo);
    w->views = instance_views_new(crew->views, crew->instance_count, &crew->decoder_settings.needs,
                                  FLOW_BATCH, crew->flow_stride);
    w->aggregates = mem_calloc(crew->instance_count, sizeof(struct aggregate *));
    w->epochs = mem_calloc(crew->instance_count, sizeof *w->epochs);
    for (uint32_t i = 0; i < crew->instance_count; i++) {
        const struct worker_instance *instance = &crew->instances[i];
        w->aggregates[i] =
            aggregate_new(instance->plan, instance->outlet, &instance->outlet->lanes[index],
                          crew->flow_stride, &instance->ledgers[index]);
        w->epochs[i].number = 1;
    }
    w->exporters = exporter_table_new(crew->exporters_max, forget_exporter, w);
    exporter_table_set_rcu(w->exporters, crew->rcu);
    exporter_table_set_look(w->exporters, look_at_exporter, w);
    w->unlisted.debug_rate = &w->unlisted_rate;
    exporter_table_set_news(w->exporters, &crew->news);
    w->needs = crew->decoder_settings.needs;
    w->events = event_feed_new(crew, w->aggregates);
    if (w->events)
        w->batch.put_event = put_event;
    w->decoder = crew->decoder->new (&crew->decoder_settings, w->exporters, &w->batch);
    w->feed = datagram_feed_new(crew, w->decoder, w->aggregates, w->exporters, &w->counters);
    w->share = template_share_new(&crew->templates, crew->decoder, w->counters.templates_sent);
    err = start_input(w, event);
    if (err == 0)
        err = rcu_reader_register(crew->rcu, &w->reader);
    if (err == 0 && crew->replay.path)
        err = worker_open_replay(w, error);
    if (err < 0) {
        worker_free(w);
        return err;
    }
    crew->workers[index] = w;
    atomic_fetch_add_explicit(&crew->reading_count, 1, memory_order_relaxed);
    *ret_worker = w;
    return 0;
}

int worker_set_template_receiver(struct worker *w, struct udp_receiver *receiver)
{
    w->template_receiver = receiver;
    return poller_add(w->poller, udp_receiver_fd(receiver), POLLER_READ, on_datagram, w);
}

int worker_start(struct worker *w)
{
    char name[16];

    snprintf(name, sizeof name, "worker %u", w->index);
    return thread_start(&w->thread, name, worker_main, w);
}

struct udp_receiver *worker_receiver(const struct worker *w)
{
    return w->receiver;
}

uint32_t worker_move_queued(struct worker *w, struct udp_receiver *receiver, int64_t until_ns)
{
    struct crew *crew = w->crew;
    struct datagram datagrams[UDP_BATCH_MAX];
    uint32_t n, count = 0;

    thread_enter_role(&worker_thread);
    while (clock_mono().ns < until_ns &&
           (n = udp_receiver_read(receiver, datagrams, UDP_BATCH_MAX)) > 0) {
        counter_add(&w->counters.datagrams, n);
        count += n;
        for (uint32_t i = 0; i < n; i++)
            inbox_put(
                crew->workers[steering_worker(&datagrams[i].source, crew->worker_count)]->moved,
                &datagrams[i]);
    }
    thread_leave_role(&worker_thread);
    return count;
}

void worker_add_lost(struct worker *w, uint64_t count)
{
    w->lost_before += count;
    counter_add(&w->counters.overflow, count);
}

struct udp_drops worker_drops(const struct worker *w)
{
    struct udp_drops drops = {0};

    if (!w->receiver)
        return drops;
    drops = udp_receiver_first_drops(w->receiver);
    drops.drops += (uint32_t)(counter_get(&w->counters.overflow) - w->lost_before);
    return drops;
}

void worker_wake(struct worker *w)
{
    poller_event_wake(w->event);
}

bool worker_is_at_end(const struct worker *w)
{
    return atomic_load_explicit(&w->is_at_end, memory_order_acquire);
}

bool worker_is_finished(const struct worker *w)
{
    return atomic_load_explicit(&w->is_finished, memory_order_acquire);
}

void worker_join(struct worker *w)
{
    thread_join(&w->thread);
}

/* The main thread plays the part of a worker whose thread does not run: here and in what
 * follows. */
void worker_settle(struct worker *w, bool give_up)
{
    thread_enter_role(&worker_thread);
    if (give_up && w->crew->decoder->end)
        w->crew->decoder->end(w->decoder);
    for (uint32_t i = 0; i < w->crew->instance_count; i++) {
        aggregate_recycle(w->aggregates[i]);
        if (give_up)
            aggregate_abandon(w->aggregates[i]);
    }
    thread_leave_role(&worker_thread);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    thread_enter_role(&worker_thread);
    worker_close_replay(w);
    exporter_table_free(w->exporters);
    if (w->decoder)
        w->crew->decoder->free(w->decoder);
    for (uint32_t i = 0; i < w->crew->instance_count; i++)
        aggregate_free(w->aggregates[i]);
    correlator_free(w->correlator);
    datagram_feed_free(w->feed);
    template_share_free(w->share);
    event_feed_free(w->events);
    geo_free(w->geo);
    instance_views_free(w->views);
    saved_pieces_free(atomic_load_explicit(&w->saved_templates, memory_order_relaxed));
    description_free(w->description);
    description_free(atomic_load_explicit(&w->described, memory_order_relaxed));
    inbox_free(w->inbox);
    inbox_free(w->held);
    inbox_free(w->moved);
    poller_free(w->poller);
    udp_receiver_free(w->receiver);
    udp_receiver_free(w->template_receiver);
    if (w->reader)
        rcu_reader_unregister(w->reader);
    mem_free(w->aggregates);
    mem_free(w->epochs);
    mem_free(w->batch.flows);
    mem_free(w);
    thread_leave_role(&worker_thread);
}

/* ---- templates, statistics ---- */

static bool owns_exporter(const struct ip_addr *exporter, void *arg)
{
    const struct worker *w = arg;

    return steering_worker(exporter, w->crew->worker_count) == w->index;
}

size_t worker_load_templates(struct worker *w, const struct json_t *saved)
{
    thread_enter_role(&worker_thread);
    size_t count = w->crew->decoder->load(w->decoder, saved, owns_exporter, w);
    if (w->feed)
        datagram_feed_load(w->feed, rcu_read(w->crew->maps), saved, owns_exporter, w);
    thread_leave_role(&worker_thread);
    return count;
}

void worker_add_needs(struct worker *w)
{
    atomic_store_explicit(&w->is_asked_needs, true, memory_order_release);
    worker_wake(w);
}

uint64_t worker_templates_generation(const struct worker *w)
{
    return w->crew->decoder->save_generation(w->decoder);
}

void worker_ask_templates(struct worker *w)
{
    atomic_store_explicit(&w->is_asked_templates, true, memory_order_release);
    worker_wake(w);
}

struct saved_pieces *worker_take_templates(struct worker *w)
{
    return atomic_exchange_explicit(&w->saved_templates, NULL, memory_order_acq_rel);
}

bool worker_ask_description(struct worker *w)
{
    if (!w->crew->decoder->describe)
        return false;
    atomic_store_explicit(&w->is_asked_description, true, memory_order_release);
    worker_wake(w);
    return true;
}

struct description *worker_take_description(struct worker *w)
{
    return atomic_exchange_explicit(&w->described, NULL, memory_order_acq_rel);
}

struct saved_pieces *worker_save_templates(struct worker *w)
{
    thread_enter_role(&worker_thread);
    struct saved_pieces *saved = w->crew->decoder->save(w->decoder);
    thread_leave_role(&worker_thread);
    return saved;
}

struct worker_counters *worker_counters(struct worker *w)
{
    return &w->counters;
}

struct exporter_table *worker_exporters(struct worker *w)
{
    return w->exporters;
}

uint64_t worker_waiting(const struct worker *w)
{
    return inbox_count(w->inbox) + inbox_count(w->held) + inbox_count(w->moved);
}
