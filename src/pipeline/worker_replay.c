/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replay of a capture file. All workers read all of it and end hand-overs at the same places: where
 * the capture's clock ends an epoch of an instance and, for unaggregated instances, every 4096
 * datagrams; every 64 where datagrams themselves are handed over. Nothing depends on how fast anybody is.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/poller.h"
#include "input/receive_pcap.h"
#include "input/steering.h"
#include "pipeline/worker_private.h"
#include <errno.h>
#include <limits.h>

/* Datagrams that are passed on go out in small bursts, as a receiver's buffer holds no capture. */
enum { QUIESCENT_DATAGRAMS = 64, FEED_POSITION_DATAGRAMS = 64 };

const struct config_key replay_keys[] = {
    {"pcap_savefile", KEY_STRING_AT(struct replay_settings, path),
     .help = "read exports from this capture file instead"},
    {"pcap_savefile_delay", KEY_DURATION_AT(struct replay_settings, delay_s, 0, INT_MAX), "0",
     .help = "seconds to wait before each reading of the capture file"},
    {"pcap_savefile_wait", KEY_BOOL_AT(struct replay_settings, waits_at_end), "false",
     .help = "after the capture file wait for a signal"},
    {"pcap_savefile_replay", KEY_INT_AT(struct replay_settings, rounds, 0, INT_MAX), "1",
     .help = "how many times to read the capture file; 0: for ever"},
    {"pcap_savefile_port", KEY_INT_AT(struct replay_settings, port, 0, 65535), "0",
     .help = "take only datagrams to this UDP port from the capture file; 0: all"},
    {"pcap_savefile_speed", KEY_INT_AT(struct replay_settings, speed, 0, 1000000), "0",
     .help = "read at so many times the speed of the capture; 0: as fast as possible"},
    {0},
};

int worker_open_replay(struct worker *w, struct text *error)
{
    return pcap_reader_open(w->crew->replay.path, w->crew->replay.port, error, &w->capture);
}

void worker_close_replay(struct worker *w)
{
    pcap_reader_free(w->capture);
}

static bool is_stopping(const struct worker *w)
{
    return atomic_load_explicit(&w->crew->is_stopping, memory_order_acquire);
}

/* Waits until the monotonic clock says so, or the daemon stops. */
static void sleep_until(struct worker *w, int64_t due_ns) ON_THREAD(worker_thread)
{
    int64_t left_ns;

    while (!is_stopping(w) && (left_ns = due_ns - clock_mono().ns) > 0) {
        worker_wait(w, left_ns > NS_PER_S ? 1000 : (int)(left_ns / NS_PER_MS) + 1);
        worker_answer(w);
    }
}

/* Waits until the host may have taken something; false: the daemon stops. */
static bool wait_for_room(struct worker *w, uint32_t i) ON_THREAD(worker_thread)
{
    worker_wait(w, 1000);
    worker_answer(w);
    aggregate_recycle(w->aggregates[i]);
    return !is_stopping(w);
}

/* Ends a hand-over where all workers do: waits for room as long as it takes, but not beyond the
 * end of the daemon. */
static void end_instance(struct worker *w, uint32_t i, uint32_t flags) ON_THREAD(worker_thread)
{
    struct worker_epoch *epoch = &w->epochs[i];
    struct aggregate_end end = {.group = ++epoch->group,
                                .epoch = epoch->number,
                                .time_ns = w->replay_clock_ns,
                                .flags = HANDOVER_MARKER | flags};

    while (!aggregate_end(w->aggregates[i], &end))
        if (!wait_for_room(w, i))
            return; /* the last marker covers this one */
    while (aggregate_must_wait(w->aggregates[i]))
        if (!wait_for_room(w, i))
            return;
}

/* Moves the capture's clock on and ends epochs, at whole multiples of the refresh time or later by the
 * delay, which the first end keeps even if it is longer than an epoch. */
static void advance_clock(struct worker *w, int64_t now_ns) ON_THREAD(worker_thread)
{
    const struct crew *crew = w->crew;

    for (uint32_t i = 0; i < crew->instance_count; i++) {
        struct worker_epoch *epoch = &w->epochs[i];
        int64_t refresh_ns = crew->instances[i].refresh_s * NS_PER_S;
        int64_t delay_ns = crew->instances[i].delay_s * NS_PER_S;
        if (epoch->end_ns == 0)
            epoch->end_ns = clock_next_multiple(now_ns, refresh_ns) + delay_ns;
        if (now_ns < epoch->end_ns)
            continue;
        worker_flush(w);
        w->replay_clock_ns = epoch->end_ns;
        end_instance(w, i, HANDOVER_ENDS_EPOCH);
        epoch->number++;
        epoch->end_ns = clock_next_multiple(now_ns - delay_ns, refresh_ns) + delay_ns;
    }
    if (now_ns > w->replay_clock_ns)
        w->replay_clock_ns = now_ns;
}

static void note_position(struct worker *w) ON_THREAD(worker_thread)
{
    counter_set(&w->counters.replayed, w->replayed_before + pcap_reader_position(w->capture));
}

static void replay_datagram(struct worker *w, const struct datagram *d) ON_THREAD(worker_thread)
{
    const struct crew *crew = w->crew;

    if (d->received_ns > w->replay_clock_ns)
        advance_clock(w, d->received_ns);
    if (steering_worker(&d->source, crew->worker_count) == w->index) {
        counter_add(&w->counters.datagrams, 1);
        if (w->feed)
            worker_pass_on(w, d);
        worker_decode(w, d);
    }
    if (d->number % REPLAY_POSITION_DATAGRAMS == 0) {
        worker_flush(w);
        /* Rows that add up stay until the epoch's end: handed over here, each key would be a row as
         * often as there are such places. */
        for (uint32_t i = 0; i < crew->instance_count; i++)
            if (crew->instances[i].plan->is_unaggregated &&
                !crew->instances[i].plan->takes_datagrams)
                end_instance(w, i, 0);
    }
    if (w->feed && d->number % FEED_POSITION_DATAGRAMS == 0)
        for (uint32_t i = 0; i < crew->instance_count; i++)
            if (crew->instances[i].plan->takes_datagrams)
                end_instance(w, i, 0);
    if (d->number % QUIESCENT_DATAGRAMS == 0) {
        worker_flush(w);
        worker_answer(w);
        rcu_quiescent(w->reader);
        counter_add(&w->counters.beats, 1);
        note_position(w);
    }
}

static void read_round(struct worker *w) ON_THREAD(worker_thread)
{
    int64_t speed = w->crew->replay.speed, began_ns = clock_mono().ns, first_ns = 0,
            last_tick_ns = 0;
    struct text error = {0};
    struct datagram d;

    while (!is_stopping(w) && pcap_reader_next(w->capture, &d, &error) == 0) {
        if (first_ns == 0)
            first_ns = last_tick_ns = d.received_ns;
        if (speed > 0) {
            worker_flush(w);
            sleep_until(w, began_ns + (d.received_ns - first_ns) / speed);
        }
        if (d.received_ns - last_tick_ns >= NS_PER_S) {
            worker_tick(w, d.received_ns);
            note_position(w);
            last_tick_ns = d.received_ns;
        }
        replay_datagram(w, &d);
    }
    worker_flush(w);
    note_position(w);
    w->replayed_before = counter_get(&w->counters.replayed);
    if (error.len > 0 && w->index == 0)
        log_error("%s", text_cstr(&error));
    text_clear(&error);
}

static void log_capture(const struct worker *w)
{
    struct pcap_reader_counts c = pcap_reader_counts(w->capture);

    if (w->index != 0)
        return;
    log_notice("capture file %s: %llu frames, %llu datagrams read", w->crew->replay.path,
               (unsigned long long)c.frames, (unsigned long long)c.datagrams);
    if (c.other_port + c.broken + c.fragments_lost > 0)
        log_notice("capture file %s: left out: %llu datagrams to other ports, %llu broken frames, "
                   "%llu IP datagrams "
                   "of which fragments are missing",
                   w->crew->replay.path, (unsigned long long)c.other_port,
                   (unsigned long long)c.broken, (unsigned long long)c.fragments_lost);
}

void worker_run_replay(struct worker *w)
{
    const struct crew *crew = w->crew;
    struct text error = {0};

    while (atomic_load_explicit(&crew->is_holding, memory_order_acquire) && !is_stopping(w))
        worker_wait(w, 1000);
    for (int64_t round = 0;
         !is_stopping(w) && (crew->replay.rounds == 0 || round < crew->replay.rounds); round++) {
        if (round > 0 && pcap_reader_rewind(w->capture, &error) < 0) {
            log_error("%s", text_cstr(&error));
            break;
        }
        sleep_until(w, clock_mono().ns + crew->replay.delay_s * NS_PER_S);
        if (round > 0 && crew->decoder->begin_reading)
            crew->decoder->begin_reading(w->decoder);
        read_round(w);
    }
    text_clear(&error);
    log_capture(w);
    if (crew->replay.waits_at_end && !is_stopping(w)) {
        for (uint32_t i = 0; i < crew->instance_count; i++) {
            end_instance(w, i, HANDOVER_ENDS_EPOCH);
            w->epochs[i].number++;
        }
    }
    /* The last marker goes out when the main thread has told the plugin processes to expect it. */
    atomic_store_explicit(&w->is_at_end, true, memory_order_release);
    poller_event_wake(crew->main_event);
    while (!is_stopping(w)) {
        worker_wait(w, 1000);
        worker_recycle(w);
        worker_answer(w);
    }
}
