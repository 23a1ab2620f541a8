/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes hand-overs from the lanes or the spool to the backend, and finds out after a death which
 * one kills.
 *
 * The cursors of a lane tell about a transaction: before it begins they get its last seq and the
 * number of the attempt; an ordinary failure takes the attempt back, since nobody died; the
 * acknowledgement clears both. A host that finds 2 attempts writes one hand-over at a time, each as
 * attempt 3, so that a host which finds a 3 knows which hand-over kills.
 *
 * A transaction may be put away while the thread of a backend that stands still has it: its hand-overs
 * go to the spool and are acknowledged. What the thread still needs of them it has of its own, or else
 * it gives up. If it commits after all, they are taken out of the spool again; after a death the
 * backend knows them by their numbers.
 */
#include "host/delivery.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/drain.h"
#include "host/merge.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN_KEEPS_HANDOVERS (PA_PLUGIN_KEEPS_HANDOVERS | PA_PLUGIN_TAKES_DATAGRAMS)
#define ATTEMPTS_TO_ISOLATE    2
#define ATTEMPTS_TO_POISON     3

struct delivery {
    struct delivery_settings s;
    bool is_group_wise, combines;
    struct selection selection;
    struct pa_source *sources;
    struct lane_rows *parts; /* the hand-overs of the transaction under way */
    size_t part_count, part_capacity;
    struct merge *merge;
    bool copies; /* what the backend gets, as its thread may stand still over it */
    uint8_t *copied_rows;
    size_t copied_size;
    pthread_mutex_t put_away_lock;
    bool is_put_away; /* with the lock: rows in shared memory are there no more */
    struct drain drain;
    int error;
    uint64_t commit_count;
    struct histogram_sum commit_time;
};

/*
 * Equal keys can come from two workers unless the exporter's address is part of the key. In replay
 * rows are put together even then: that address may come from the data, and the output must not
 * depend on the number of workers.
 */
static bool must_combine(const struct delivery_settings *s)
{
    const struct pa_column *exporter = schema_find(s->schema, "peer_src_ip");
    if (s->schema->is_unaggregated ||
        (s->plugin_flags & (PA_PLUGIN_ADDS_UP | PLUGIN_KEEPS_HANDOVERS)) != 0)
        return false;
    return s->setup->is_replay || exporter == NULL;
}

struct delivery *delivery_new(const struct delivery_settings *settings)
{
    struct delivery *d = mem_zalloc(sizeof *d);
    d->s = *settings;
    d->drain = (struct drain){.spool = settings->spool,
                              .backend = settings->backend,
                              .link = settings->link,
                              .setup = settings->setup,
                              .own_schema = settings->schema,
                              .lanes = settings->lanes};
    d->is_group_wise = !settings->schema->is_unaggregated || settings->setup->is_replay;
    d->combines = must_combine(settings);
    d->merge = merge_new(settings->schema, d->combines);
    d->copies = settings->spool != NULL && backend_has_thread(settings->backend);
    pthread_mutex_init(&d->put_away_lock, NULL);
    d->sources = mem_calloc(settings->setup->lane_count, sizeof *d->sources);
    selection_init(&d->selection, settings->setup->lane_count);
    return d;
}

static void clear_parts(struct delivery *d)
{
    for (size_t i = 0; i < d->part_count; i++)
        lane_rows_clear(&d->parts[i]);
    d->part_count = 0;
}

void delivery_free(struct delivery *d)
{
    if (d == NULL)
        return;
    clear_parts(d);
    mem_free(d->parts);
    mem_free(d->copied_rows);
    mem_free(d->sources);
    selection_clear(&d->selection);
    merge_free(d->merge);
    pthread_mutex_destroy(&d->put_away_lock);
    mem_free(d);
}

static uint32_t lane_number(const struct delivery *d, const struct lane *lane)
{
    return (uint32_t)(lane - d->s.lanes);
}

static void set_fate(struct lane *lane, uint64_t seq, enum handover_fate fate)
{
    struct handover_outcome outcome = {.fate = fate};
    ring_view_set_outcome(lane->ring, seq, &outcome);
}

/* Acknowledges the next hand-over of a lane with this fate. */
static void settle_next(struct lane *lane, uint64_t seq, enum handover_fate fate)
{
    set_fate(lane, seq, fate);
    ring_view_ack(lane->ring, seq);
}

/* ---- after a death ---- */

static void put_poison_aside(struct delivery *d, struct lane *lane)
{
    struct handover h;
    struct lane_rows rows;

    ring_view_untake(lane->ring);
    if (!ring_view_peek(lane->ring, 0, &h))
        return;
    int err = -ENOENT;
    if (d->s.spool != NULL) {
        err = lane_rows_init(&rows, lane, &h, d->s.schema);
        if (err == 0) {
            err = spool_put(d->s.spool, lane_number(d, lane), &rows, true);
            lane_rows_clear(&rows);
        }
    }
    link_log(d->s.link, PA_LOG_ERROR,
             "hand-over %llu of worker %u (%llu rows, %llu flows) killed the plugin three times; "
             "it is %s",
             (unsigned long long)h.seq, lane_number(d, lane), (unsigned long long)h.row_count,
             (unsigned long long)h.totals.flows,
             err == 0 ? "kept in plugin_spool_dir" : "dropped, and counted as poison");
    settle_next(lane, h.seq, HANDOVER_POISON);
}

static void recover_lane(struct delivery *d, struct lane *lane)
{
    uint64_t acked = ring_view_acked(lane->ring);
    struct ring_attempt attempt = ring_view_attempt(lane->ring);

    if (attempt.seq <= acked) /* the last host died after the acknowledgement, before tidying up */
        return;
    if (ring_view_isolate_until(lane->ring) > acked) {
        if (attempt.seq != acked + 1 || attempt.attempts < ATTEMPTS_TO_POISON)
            return;
        /* A kill -9 says nothing about the hand-over: none is thrown away for it. */
        if (d->s.setup->last_signal != SIGKILL)
            put_poison_aside(d, lane);
        else
            ring_view_set_attempt(lane->ring,
                                  (struct ring_attempt){attempt.seq, ATTEMPTS_TO_ISOLATE});
    } else if (attempt.attempts >= ATTEMPTS_TO_ISOLATE) {
        ring_view_set_isolate_until(lane->ring, attempt.seq);
        link_log(d->s.link, PA_LOG_WARNING,
                 "the plugin died twice over hand-overs %llu to %llu of worker %u; they are "
                 "written one by one",
                 (unsigned long long)acked + 1, (unsigned long long)attempt.seq,
                 lane_number(d, lane));
    }
}

/* Datagrams go out at most once: those that the last host had begun with may have been sent. */
static void give_up_taken(struct delivery *d, struct lane *lane)
{
    uint64_t until = ring_view_attempt(lane->ring).seq, lost = 0;
    struct handover h;

    ring_view_untake(lane->ring);
    while (ring_view_acked(lane->ring) < until && ring_view_peek(lane->ring, 0, &h)) {
        lost += h.row_count;
        settle_next(lane, h.seq, HANDOVER_LOST);
    }
    if (lost > 0)
        link_log(d->s.link, PA_LOG_WARNING,
                 "%llu datagrams of worker %u that the process before this one had taken are lost: "
                 "they are not sent twice",
                 (unsigned long long)lost, lane_number(d, lane));
}

/* The last hand-overs on disk may have been put there just before the death. They are not
 * acknowledged then, and would be written twice and booked twice. */
static void settle_spooled(void *arg, uint32_t worker, uint64_t seq)
{
    struct delivery *d = arg;

    if (worker < d->s.setup->lane_count && seq == ring_view_acked(d->s.lanes[worker].ring) + 1)
        settle_next(&d->s.lanes[worker], seq, HANDOVER_SPOOLED);
}

void delivery_recover(struct delivery *d)
{
    struct spool *spool = d->s.spool;

    if ((d->s.plugin_flags & PA_PLUGIN_IS_VOLATILE) != 0)
        for (uint32_t i = 0; i < d->s.setup->lane_count; i++)
            ring_view_set_lost(d->s.lanes[i].ring);
    if (spool != NULL)
        spool_each_own(spool, settle_spooled, d);
    for (uint32_t i = 0; i < d->s.setup->lane_count; i++)
        if ((d->s.plugin_flags & PA_PLUGIN_TAKES_DATAGRAMS) != 0)
            give_up_taken(d, &d->s.lanes[i]);
        else
            recover_lane(d, &d->s.lanes[i]);
    if (spool != NULL &&
        spool_settle_attempts(spool, ATTEMPTS_TO_POISON, d->s.setup->last_signal == SIGKILL) > 0)
        link_log(d->s.link, PA_LOG_ERROR,
                 "a spooled hand-over killed the plugin three times; it is put aside");
}

/* ---- a transaction ---- */

static void begin_attempt(struct delivery *d)
{
    for (uint32_t i = 0; i < d->selection.range_count; i++) {
        const struct selection_range *range = &d->selection.ranges[i];
        struct ring_view *ring = d->s.lanes[range->lane].ring;
        struct ring_attempt attempt = ring_view_attempt(ring);
        if (d->selection.kind == SELECTION_ISOLATED)
            attempt.attempts = ATTEMPTS_TO_POISON;
        else if (attempt.seq == range->last)
            attempt.attempts++;
        else
            attempt.attempts = 1;
        attempt.seq = range->last;
        ring_view_take(ring, range->last);
        ring_view_set_attempt(ring, attempt);
    }
}

/* Takes back the count of attempts, since nobody died, but not what they cover: the same selection
 * comes again. */
static void take_attempt_back(struct delivery *d)
{
    for (uint32_t i = 0; i < d->selection.range_count; i++) {
        struct ring_view *ring = d->s.lanes[d->selection.ranges[i].lane].ring;
        struct ring_attempt attempt = ring_view_attempt(ring);
        if (attempt.attempts > 0) { /* it is not put away */
            attempt.attempts--;
            ring_view_set_attempt(ring, attempt);
        }
        ring_view_untake(ring);
    }
}

static struct lane_rows *next_part(struct delivery *d)
{
    if (d->part_count == d->part_capacity) {
        d->part_capacity = d->part_capacity == 0 ? 64 : d->part_capacity * 2;
        d->parts = mem_realloc_array(d->parts, d->part_capacity, sizeof *d->parts);
    }
    return &d->parts[d->part_count];
}

/* Reads the selected hand-overs. An unreadable one would be the core's mistake, and must not stop
 * the rest. */
static void load_parts(struct delivery *d)
{
    for (uint32_t i = 0; i < d->selection.range_count; i++) {
        const struct selection_range *range = &d->selection.ranges[i];
        struct lane *lane = &d->s.lanes[range->lane];
        for (uint64_t seq = range->first; seq <= range->last; seq++) {
            struct handover h;
            set_fate(lane, seq, HANDOVER_WRITTEN);
            if (!ring_view_peek(lane->ring, seq - range->first, &h) || h.row_count == 0)
                continue;
            if (lane_rows_init(next_part(d), lane, &h, d->s.schema) == 0) {
                if (d->copies)
                    lane_rows_copy_values(&d->parts[d->part_count]);
                d->part_count++;
                continue;
            }
            set_fate(lane, seq, HANDOVER_DROPPED);
            link_log(d->s.link, PA_LOG_ERROR,
                     "hand-over %llu of worker %u is damaged; %llu flows are dropped",
                     (unsigned long long)seq, range->lane, (unsigned long long)h.totals.flows);
        }
    }
}

static int merge_batch(void *arg, const struct pa_batch *batch)
{
    return merge_add(arg, batch->rows, batch->row_count);
}

static int write_batch(void *arg, const struct pa_batch *batch)
{
    return backend_write(arg, batch);
}

/* The rows of one hand-over on their way to the backend. */
struct part_writer {
    struct delivery *delivery;
    struct backend *backend;
    struct pa_source source;
    uint64_t next_row;
};

/* Copies the rows, unless they may be others by now. */
static int copy_rows(struct delivery *d, struct pa_batch *batch)
{
    size_t size = (size_t)batch->row_count * d->s.schema->row_size;
    int err = 0;

    if (size > d->copied_size) {
        d->copied_rows = mem_realloc_array(d->copied_rows, size, 1);
        d->copied_size = size;
    }
    pthread_mutex_lock(&d->put_away_lock);
    if (d->is_put_away)
        err = -ECANCELED;
    else
        memcpy(d->copied_rows, batch->rows, size);
    pthread_mutex_unlock(&d->put_away_lock);
    batch->rows = d->copied_rows;
    return err;
}

static int write_part_batch(void *arg, const struct pa_batch *batch)
{
    struct part_writer *w = arg;
    struct pa_batch named = *batch;
    int err = w->delivery->copies ? copy_rows(w->delivery, &named) : 0;

    if (err < 0)
        return err;
    named.source = &w->source;
    named.first_row = w->next_row;
    w->next_row += batch->row_count;
    return backend_write(w->backend, &named);
}

/* Rows of one hand-over need no merging: each key comes once, and they stand in the order of the
 * input. */
static bool needs_merge(const struct delivery *d)
{
    return d->part_count > 1 && d->selection.kind != SELECTION_ISOLATED &&
           (d->s.plugin_flags & PLUGIN_KEEPS_HANDOVERS) == 0 &&
           (d->combines || d->s.schema->order_offset >= 0);
}

static uint64_t merge_parts(struct delivery *d)
{
    merge_reset(d->merge);
    for (size_t i = 0; i < d->part_count; i++) {
        const struct lane_rows *part = &d->parts[i];
        merge_set_dictionary(d->merge, part->dictionary, part->handover.dictionary_count + 1);
        /* Cannot fail: lane_rows_init() has checked the ids. */
        lane_rows_each(part, d->s.schema, merge_batch, d->merge);
    }
    return merge_row_count(d->merge);
}

static int write_parts(struct delivery *d, bool is_merged)
{
    int err = 0;
    if (is_merged)
        return merge_emit(d->merge, write_batch, d->s.backend);
    for (size_t i = 0; i < d->part_count && err >= 0; i++) {
        const struct lane_rows *part = &d->parts[i];
        uint64_t seq = part->handover.seq;
        struct part_writer writer = {
            .delivery = d,
            .backend = d->s.backend,
            .source = {.worker = lane_number(d, part->lane), .first_seq = seq, .last_seq = seq}};
        memcpy(writer.source.core_id, d->s.setup->core_id, sizeof writer.source.core_id);
        err = lane_rows_each(part, d->s.schema, write_part_batch, &writer);
    }
    return err;
}

static void describe_selection(struct delivery *d, struct pa_transaction *ret_transaction)
{
    const struct selection *s = &d->selection;
    for (uint32_t i = 0; i < s->range_count; i++) {
        struct pa_source *source = &d->sources[i];
        memcpy(source->core_id, d->s.setup->core_id, sizeof source->core_id);
        source->worker = s->ranges[i].lane;
        source->first_seq = s->ranges[i].first;
        source->last_seq = s->ranges[i].last;
    }
    *ret_transaction = (struct pa_transaction){.source_count = s->range_count,
                                               .sources = d->sources,
                                               .epoch = s->epoch,
                                               .time_ns = s->time_ns,
                                               .ends_epoch = s->ends_epoch,
                                               .is_last = s->is_last};
}

static uint64_t take_up_to(uint64_t *from, uint64_t most)
{
    uint64_t taken = *from < most ? *from : most;
    *from -= taken;
    return taken;
}

/* The hand-over was put away and is written now. If it cannot be taken back it comes again, and the
 * backend says that it has it. */
static void take_back(struct delivery *d, const struct lane_rows *part,
                      const struct handover_outcome *outcome)
{
    if (spool_take_back(d->s.spool, lane_number(d, part->lane), part->handover.seq) == 0)
        ring_view_add_drained(part->lane->ring, &part->handover.totals, &outcome->rejected);
}

/* Rejected rows may belong to several hand-overs. They are booked on the first ones, on each as much
 * as it had: more would be nonsense to the core. */
static void book_outcomes(struct delivery *d)
{
    struct handover_outcome left = *backend_outcome(d->s.backend);
    uint64_t rows = left.rejected_rows;

    for (size_t i = 0; i < d->part_count; i++) {
        const struct lane_rows *part = &d->parts[i];
        const struct handover *h = &part->handover;
        struct handover_outcome own = {.fate = HANDOVER_WRITTEN};
        own.rejected_rows = (uint32_t)take_up_to(&rows, h->row_count);
        own.rejected.flows = take_up_to(&left.rejected.flows, h->totals.flows);
        own.rejected.packets = take_up_to(&left.rejected.packets, h->totals.packets);
        own.rejected.bytes = take_up_to(&left.rejected.bytes, h->totals.bytes);
        if (h->seq <= ring_view_acked(part->lane->ring))
            take_back(d, part, &own);
        else
            ring_view_set_outcome(part->lane->ring, h->seq, &own);
    }
}

static void acknowledge_selection(struct delivery *d)
{
    book_outcomes(d);
    for (uint32_t i = 0; i < d->selection.range_count; i++) {
        const struct selection_range *range = &d->selection.ranges[i];
        struct ring_view *ring = d->s.lanes[range->lane].ring;
        if (range->last > ring_view_acked(ring))
            ring_view_ack(ring, range->last);
        link_log(d->s.link, PA_LOG_DEBUG, "hand-overs %llu to %llu of worker %u are written",
                 (unsigned long long)range->first, (unsigned long long)range->last, range->lane);
    }
    selection_acknowledged(&d->selection, d->s.setup->lane_count);
}

/* A plugin that writes where it must not has done who knows what else: its process does nothing more,
 * and the daemon hands over again what was not acknowledged. */
static void end_if_damaged(const struct delivery *d)
{
    for (uint32_t i = 0; i < d->s.setup->lane_count; i++) {
        if (ring_view_is_intact(d->s.lanes[i].ring))
            continue;
        link_log(
            d->s.link, PA_LOG_ERROR,
            "the plugin has written over memory that is not its own (cursors of worker %u); this "
            "is a fault of the plugin, and its process ends",
            i);
        abort();
    }
}

static void commit_done(struct delivery *d, int64_t begin_ns)
{
    d->commit_count++;
    histogram_sum_add(&d->commit_time, clock_mono().ns - begin_ns);
    drain_note_success(&d->drain);
}

/* The backend's part of a transaction. */
struct attempt {
    struct delivery *delivery;
    const struct pa_transaction *transaction;
    bool is_merged;
};

static int make_attempt(void *arg)
{
    const struct attempt *a = arg;
    struct backend *backend = a->delivery->s.backend;

    int err = backend_begin(backend, a->transaction);
    if (err == 0) {
        err = write_parts(a->delivery, a->is_merged);
        if (err >= 0)
            err = backend_commit(backend, a->transaction);
    }
    if (err < 0)
        backend_abort(backend);
    return err;
}

static enum delivery_result run_lanes(struct delivery *d, bool core_is_gone)
{
    struct pa_transaction t;
    enum selection_rule rule =
        d->is_group_wise && !core_is_gone ? SELECTION_BY_GROUP : SELECTION_AS_THEY_COME;

    if (!selection_next(&d->selection, d->s.lanes, d->s.setup->lane_count, rule))
        return DELIVERY_IDLE;
    load_parts(d);
    describe_selection(d, &t);
    struct attempt attempt = {.delivery = d, .transaction = &t, .is_merged = needs_merge(d)};
    if (attempt.is_merged)
        t.row_count = merge_parts(d);
    for (size_t i = 0; i < d->part_count && !attempt.is_merged; i++)
        t.row_count += d->parts[i].handover.row_count;

    begin_attempt(d);
    d->is_put_away = false;
    int64_t begin_ns = clock_mono().ns;
    int err = backend_run(d->s.backend, make_attempt, &attempt);
    end_if_damaged(d);
    if (err < 0) {
        take_attempt_back(d);
        d->error = err == -ECANCELED && d->is_put_away ? -EAGAIN : err;
    } else {
        acknowledge_selection(d);
        commit_done(d, begin_ns);
    }
    clear_parts(d);
    return err < 0 ? DELIVERY_FAILED : DELIVERY_DONE;
}

enum delivery_result delivery_run(struct delivery *d, bool core_is_gone)
{
    end_if_damaged(d);
    if (drain_schema(&d->drain) == NULL)
        return run_lanes(d, core_is_gone);
    int64_t begin_ns = clock_mono().ns;
    int err = drain_next(&d->drain);
    if (err == 1)
        commit_done(d, begin_ns);
    d->error = err < 0 ? err : 0;
    return err < 0 ? DELIVERY_FAILED : DELIVERY_DONE;
}

const struct pa_schema *delivery_schema(const struct delivery *d)
{
    const struct pa_schema *schema = drain_schema(&d->drain);
    return schema != NULL ? schema : d->s.schema;
}

bool delivery_passes_over(struct delivery *d, int err, const char *why)
{
    return drain_note_failure(&d->drain, err, why);
}

bool delivery_must_retry(struct delivery *d, int *ret_err)
{
    return drain_retry_held(&d->drain, ret_err);
}

int delivery_error(const struct delivery *d)
{
    return d->error;
}

static int spool_next(struct delivery *d, struct lane *lane, const struct handover *h)
{
    struct lane_rows rows;
    if (h->row_count == 0) { /* a marker: there is nothing to keep */
        settle_next(lane, h->seq, HANDOVER_WRITTEN);
        return 0;
    }
    if (lane_rows_init(&rows, lane, h, d->s.schema) < 0) {
        settle_next(lane, h->seq, HANDOVER_DROPPED);
        return 0;
    }
    int err = spool_put(d->s.spool, lane_number(d, lane), &rows, false);
    lane_rows_clear(&rows);
    if (err == 0)
        settle_next(lane, h->seq, HANDOVER_SPOOLED);
    return err;
}

int delivery_spool_all(struct delivery *d)
{
    struct handover h;
    int err = 0;

    if (d->s.spool == NULL)
        return -ENOENT;
    pthread_mutex_lock(&d->put_away_lock);
    d->is_put_away = true;
    pthread_mutex_unlock(&d->put_away_lock);
    for (uint32_t i = 0; i < d->s.setup->lane_count && err == 0; i++) {
        struct lane *lane = &d->s.lanes[i];
        ring_view_untake(lane->ring);
        while (err == 0 && ring_view_peek(lane->ring, 0, &h))
            err = spool_next(d, lane, &h);
    }
    return err;
}

void delivery_give_up(struct delivery *d)
{
    drain_give_up(&d->drain);
}

uint64_t delivery_drop_all(struct delivery *d)
{
    struct handover h;
    uint64_t flows = 0;

    for (uint32_t i = 0; i < d->s.setup->lane_count; i++) {
        struct lane *lane = &d->s.lanes[i];
        ring_view_untake(lane->ring);
        while (ring_view_peek(lane->ring, 0, &h)) {
            flows += h.totals.flows;
            settle_next(lane, h.seq, HANDOVER_DROPPED);
        }
    }
    return flows;
}

bool delivery_is_ended(const struct delivery *d)
{
    for (uint32_t i = 0; i < d->s.setup->lane_count; i++)
        if (!ring_view_is_ended(d->s.lanes[i].ring))
            return false;
    return true;
}

uint64_t delivery_commit_count(const struct delivery *d)
{
    return d->commit_count;
}

struct histogram_sum delivery_commit_time(const struct delivery *d)
{
    return d->commit_time;
}
