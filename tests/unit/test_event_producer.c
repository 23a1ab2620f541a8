/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that a thread that is no worker can hand events to an instance: each once, whether it drops or waits where there is no
 * room; with the markers of epochs and the last one; and that the ledger has every one. */
#include "base/clock.h"
#include "base/event.h"
#include "base/poller.h"
#include "handover/outlet.h"
#include "pipeline/aggregate.h"
#include "pipeline/event_feed.h"
#include "pipeline/event_producer.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEQ, TEXT };

static const struct event_member members[] = {
    {"seq", "seq", PA_KIND_U64, PA_FORMAT_UINT, NULL},
    {"text", "text", PA_KIND_BYTES, PA_FORMAT_TEXT, NULL}};
static const uint8_t of_one[] = {SEQ, TEXT};
static const struct event_kind kinds[] = {{"one", of_one, sizeof of_one}};
static const struct event_table table = {members, kinds, 2, 1};

struct rig {
    struct aggregate_plan *plan;
    struct outlet *outlet;
    int event;
    struct ledger *ledger;
    _Atomic uint64_t epoch;
    struct worker_instance instance;
    struct event_producer *producer;
    struct ring_view *ring;
    uint64_t rows, markers, last_group;
    bool is_last;
};

static void rig_init(struct rig *rig, uint64_t pool_bytes)
{
    int slots_fd, cursors_fd;

    memset(rig, 0, sizeof *rig);
    thread_enter_role(&worker_thread);
    assert_int_equal(aggregate_plan_new_events(&table, false, &rig->plan), 0);
    rig->event = poller_event_new();
    assert_int_equal(outlet_new(1, &rig->event, pool_bytes, &rig->outlet), 0);
    rig->ledger = mem_aligned_zalloc(CACHE_LINE, sizeof *rig->ledger);
    atomic_init(&rig->epoch, 1);
    rig->instance = (struct worker_instance){
        .plan = rig->plan, .outlet = rig->outlet, .epoch = &rig->epoch, .ledgers = rig->ledger};
    rig->producer = event_producer_new(&rig->instance);
    assert_int_equal(event_producer_fd(rig->producer), rig->event);
    assert_int_equal(ring_open_for_host(rig->outlet->lanes[0].ring, &slots_fd, &cursors_fd), 0);
    assert_int_equal(ring_view_new(slots_fd, cursors_fd, rig->event, &rig->ring), 0);
}

static void rig_clear(struct rig *rig)
{
    thread_leave_role(&worker_thread);
    ring_view_free(rig->ring);
    event_producer_free(rig->producer);
    outlet_free(rig->outlet);
    aggregate_plan_free(rig->plan);
    close(rig->event);
    mem_free(rig->ledger);
}

/* Plays the plugin: takes all that is there. */
static void host_take(struct rig *rig)
{
    const struct handover_outcome written = {.fate = HANDOVER_WRITTEN};
    struct handover h;

    while (ring_view_peek(rig->ring, 0, &h)) {
        rig->rows += h.row_count;
        if (h.flags & HANDOVER_MARKER) {
            rig->markers++;
            rig->last_group = h.group;
        }
        rig->is_last = h.flags & HANDOVER_IS_LAST;
        ring_view_take(rig->ring, h.seq);
        ring_view_set_outcome(rig->ring, h.seq, &written);
        ring_view_ack(rig->ring, h.seq);
    }
}

static struct event event_of(uint64_t seq, const char *text, size_t len)
{
    struct event e;

    event_begin(&e, 0);
    event_set_number(&e, SEQ, seq);
    event_set_bytes(&e, TEXT, text, len);
    return e;
}

static void events_go_over_when_they_are_old_enough(void **state)
{
    (void)state;
    struct rig rig;
    struct event e = event_of(1, "x", 1);

    rig_init(&rig, 64 << 20);
    int64_t now_ns = clock_mono().ns;
    assert_int_equal(event_producer_turn(rig.producer, now_ns, 1), -1);
    event_producer_put(rig.producer, &e, 1);
    assert_int_equal(event_producer_try(rig.producer, &e, 1), 0);
    assert_in_range(event_producer_turn(rig.producer, now_ns, 1), 1, 1000000);
    host_take(&rig);
    assert_int_equal(rig.rows, 0);
    assert_int_equal(event_producer_turn(rig.producer, now_ns + 3600 * NS_PER_S, 1), -1);
    host_take(&rig);
    assert_int_equal(rig.rows, 2);
    assert_int_equal(event_producer_turn(rig.producer, now_ns, 1), -1);
    assert_int_equal(counter_get(&rig.ledger->written.flows), 2);
    rig_clear(&rig);
}

static void epochs_and_the_end_have_markers(void **state)
{
    (void)state;
    struct rig rig;
    struct event e = event_of(1, "x", 1);

    rig_init(&rig, 64 << 20);
    event_producer_put(rig.producer, &e, 1);
    atomic_store(&rig.epoch, 4);
    event_producer_turn(rig.producer, clock_mono().ns, 1);
    host_take(&rig);
    assert_int_equal(rig.rows, 1);
    assert_int_equal(rig.markers, 1);
    assert_int_equal(rig.last_group, 3);
    event_producer_put(rig.producer, &e, 1);
    assert_true(event_producer_finish(rig.producer, 2));
    host_take(&rig);
    assert_int_equal(rig.rows, 2);
    assert_true(rig.is_last);
    event_producer_settle(rig.producer, true);
    assert_int_equal(counter_get(&rig.ledger->written.flows), 2);
    assert_int_equal(counter_get(&rig.ledger->drops[DROP_shutdown].flows), 0);
    rig_clear(&rig);
}

static void who_waits_loses_nothing(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    struct rig rig;
    char text[64];
    unsigned waits = 0;

    rig_init(&rig, 2 << 20);
    for (unsigned i = 0; i < COUNT; i++) {
        struct event e = event_of(i, text, (size_t)snprintf(text, sizeof text, "text %u", i));
        while (event_producer_try(rig.producer, &e, i) == -ENOSPC) {
            assert_true(waits++ < COUNT);
            host_take(&rig);
        }
    }
    assert_true(waits > 1);
    assert_true(event_producer_finish(rig.producer, 1));
    host_take(&rig);
    event_producer_settle(rig.producer, true);
    assert_int_equal(rig.rows, COUNT);
    assert_int_equal(counter_get(&rig.ledger->decoded.flows), COUNT);
    assert_int_equal(counter_get(&rig.ledger->written.flows), COUNT);
    rig_clear(&rig);
}

static void who_does_not_wait_is_told_of_in_the_ledger(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct rig rig;
    char text[64];

    rig_init(&rig, 1 << 20);
    for (unsigned i = 0; i < COUNT; i++) {
        struct event e = event_of(i, text, (size_t)snprintf(text, sizeof text, "text %u", i));
        event_producer_put(rig.producer, &e, i);
    }
    assert_true(event_producer_finish(rig.producer, 1));
    host_take(&rig);
    event_producer_settle(rig.producer, true);
    uint64_t dropped = counter_get(&rig.ledger->drops[DROP_pool_full].flows);
    assert_true(dropped > 0);
    assert_int_equal(counter_get(&rig.ledger->decoded.flows), COUNT);
    assert_int_equal(counter_get(&rig.ledger->written.flows), COUNT - dropped);
    assert_int_equal(rig.rows, COUNT - dropped);
    rig_clear(&rig);
}

/* Nobody waits for room that never comes. */
static void an_event_larger_than_all_room_is_dropped(void **state)
{
    (void)state;
    struct rig rig;
    char *text = mem_zalloc(1 << 20);
    struct event e = event_of(1, text, 1 << 20), small = event_of(2, "x", 1);

    rig_init(&rig, 1 << 20);
    assert_int_equal(event_producer_try(rig.producer, &e, 1), 0);
    assert_int_equal(event_producer_try(rig.producer, &small, 1), 0);
    assert_true(event_producer_finish(rig.producer, 1));
    host_take(&rig);
    event_producer_settle(rig.producer, true);
    assert_int_equal(counter_get(&rig.ledger->decoded.flows), 2);
    assert_int_equal(counter_get(&rig.ledger->written.flows), 1);
    rig_clear(&rig);
    mem_free(text);
}

/* The plugin never takes anything. */
static void what_is_given_up_is_dropped_at_shutdown(void **state)
{
    (void)state;
    struct rig rig;
    struct event e = event_of(1, "x", 1);

    rig_init(&rig, 1 << 20);
    event_producer_put(rig.producer, &e, 1);
    assert_true(event_producer_finish(rig.producer, 1));
    event_producer_settle(rig.producer, true);
    assert_int_equal(counter_get(&rig.ledger->drops[DROP_shutdown].flows), 1);
    rig_clear(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_go_over_when_they_are_old_enough),
        cmocka_unit_test(epochs_and_the_end_have_markers),
        cmocka_unit_test(who_waits_loses_nothing),
        cmocka_unit_test(who_does_not_wait_is_told_of_in_the_ledger),
        cmocka_unit_test(an_event_larger_than_all_room_is_dropped),
        cmocka_unit_test(what_is_given_up_is_dropped_at_shutdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
