/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which hand-overs of which worker make up a transaction: with markers, without, and after
 * deaths. */
#include "base/poller.h"
#include "base/thread.h"
#include "host/selection.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LANES = 2, EPOCH_END = HANDOVER_MARKER | HANDOVER_ENDS_EPOCH };

/* The rings of two workers as the host sees them. There are no rows, as they do not matter here. */
struct rig {
    int event;
    struct ring *rings[LANES];
    struct lane lanes[LANES];
    struct selection selection;
};

static void init(struct rig *rig)
{
    *rig = (struct rig){.event = poller_event_new()};
    for (int i = 0; i < LANES; i++) {
        int slots, cursors;
        assert_int_equal(ring_new(rig->event, &rig->rings[i]), 0);
        assert_int_equal(ring_open_for_host(rig->rings[i], &slots, &cursors), 0);
        assert_int_equal(ring_view_new(slots, cursors, rig->event, &rig->lanes[i].ring), 0);
    }
    selection_init(&rig->selection, LANES);
}

static void clear(struct rig *rig)
{
    selection_clear(&rig->selection);
    for (int i = 0; i < LANES; i++) {
        ring_view_free(rig->lanes[i].ring);
        ring_free(rig->rings[i]);
    }
    close(rig->event);
}

/* Pushes a hand-over; its group has the number of its epoch here. */
static void push(struct rig *rig, int lane, uint64_t group, uint32_t flags)
{
    const struct handover h = {.group = group,
                               .epoch = group,
                               .time_ns = (int64_t)group * 10 + lane,
                               .flags = flags,
                               .row_segment = SEGMENT_NONE,
                               .dictionary_segment = SEGMENT_NONE};
    ring_push(rig->rings[lane], &h);
}

static bool by_group(struct rig *rig)
{
    return selection_next(&rig->selection, rig->lanes, LANES, SELECTION_BY_GROUP);
}

static bool as_they_come(struct rig *rig)
{
    return selection_next(&rig->selection, rig->lanes, LANES, SELECTION_AS_THEY_COME);
}

static void acknowledge(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->selection.range_count; i++)
        ring_view_ack(rig->lanes[rig->selection.ranges[i].lane].ring,
                      rig->selection.ranges[i].last);
    selection_acknowledged(&rig->selection, LANES);
}

/* Asserts that the transaction has exactly these ranges, lane by lane; `first` is 0 if there is
 * none of that lane. */
static void assert_ranges(const struct rig *rig, uint64_t first0, uint64_t last0, uint64_t first1,
                          uint64_t last1)
{
    const uint64_t expected[LANES][2] = {{first0, last0}, {first1, last1}};
    uint32_t count = 0;

    for (uint32_t lane = 0; lane < LANES; lane++) {
        if (expected[lane][0] == 0)
            continue;
        assert_true(count < rig->selection.range_count);
        const struct selection_range *range = &rig->selection.ranges[count++];
        assert_int_equal(range->lane, lane);
        assert_int_equal(range->first, expected[lane][0]);
        assert_int_equal(range->last, expected[lane][1]);
    }
    assert_int_equal(rig->selection.range_count, count);
}

/* ---- by group ---- */

static void nothing_is_selected_where_nothing_came(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    assert_false(by_group(&rig));
    assert_false(as_they_come(&rig));
    clear(&rig);
}

static void a_group_is_complete_when_each_worker_has_sent_its_marker(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    push(&rig, 0, 1, 0);
    push(&rig, 0, 1, EPOCH_END);
    push(&rig, 1, 1, 0);
    assert_false(by_group(&rig));
    push(&rig, 1, 1, EPOCH_END);
    assert_true(by_group(&rig));
    assert_int_equal(rig.selection.kind, SELECTION_NEW);
    assert_ranges(&rig, 1, 2, 1, 2);
    assert_int_equal(rig.selection.epoch, 1);
    assert_true(rig.selection.ends_epoch);
    assert_false(rig.selection.is_last);
    assert_true(by_group(&rig)); /* it stays the same until it is acknowledged */
    assert_ranges(&rig, 1, 2, 1, 2);
    acknowledge(&rig);
    assert_false(by_group(&rig));
    clear(&rig);
}

static void what_follows_a_marker_waits_for_the_next(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    push(&rig, 0, 1, EPOCH_END);
    push(&rig, 0, 2, 0);
    push(&rig, 0, 2, EPOCH_END);
    push(&rig, 1, 1, EPOCH_END);
    push(&rig, 1, 2, 0);
    assert_true(by_group(&rig));
    assert_ranges(&rig, 1, 1, 1, 1);
    acknowledge(&rig);
    assert_false(by_group(&rig)); /* of the second group one marker is missing */
    push(&rig, 1, 2, EPOCH_END);
    assert_true(by_group(&rig));
    assert_ranges(&rig, 2, 3, 2, 3);
    assert_int_equal(rig.selection.epoch, 2);
    clear(&rig);
}

static void a_worker_that_is_ahead_has_nothing_for_the_group(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    push(&rig, 0, 1, EPOCH_END);
    push(&rig, 1, 2, EPOCH_END); /* it began after the first epoch */
    assert_true(by_group(&rig));
    assert_ranges(&rig, 1, 1, 0, 0);
    assert_true(rig.selection.ends_epoch);
    acknowledge(&rig);
    assert_false(by_group(&rig));
    push(&rig, 0, 2, EPOCH_END);
    assert_true(by_group(&rig));
    assert_ranges(&rig, 2, 2, 1, 1);
    clear(&rig);
}

static void a_position_within_an_epoch_does_not_end_it(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    for (int lane = 0; lane < LANES; lane++)
        push(&rig, lane, 1, HANDOVER_MARKER); /* replay: a common position in the file */
    assert_true(by_group(&rig));
    assert_ranges(&rig, 1, 1, 1, 1);
    assert_false(rig.selection.ends_epoch);
    acknowledge(&rig);
    for (int lane = 0; lane < LANES; lane++)
        push(&rig, lane, 2, EPOCH_END);
    assert_true(by_group(&rig));
    assert_true(rig.selection.ends_epoch);
    clear(&rig);
}

static void a_worker_that_has_ended_is_not_waited_for(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    push(&rig, 0, 1, EPOCH_END);
    push(&rig, 1, 1, EPOCH_END | HANDOVER_IS_LAST);
    assert_true(by_group(&rig));
    assert_false(rig.selection.is_last); /* the other one goes on */
    acknowledge(&rig);
    push(&rig, 0, 2, EPOCH_END);
    assert_true(by_group(&rig));
    assert_ranges(&rig, 2, 2, 0, 0);
    assert_true(rig.selection.ends_epoch);
    assert_false(rig.selection.is_last);
    acknowledge(&rig);
    push(&rig, 0, 3, EPOCH_END | HANDOVER_IS_LAST);
    assert_true(by_group(&rig));
    assert_true(rig.selection.is_last);
    clear(&rig);
}

static void epoch_and_time_are_the_latest_of_all(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    push(&rig, 0, 5, 0); /* 50 ns */
    push(&rig, 0, 3, 0);
    push(&rig, 1, 4, 0); /* 41 ns */
    assert_true(as_they_come(&rig));
    assert_int_equal(rig.selection.epoch, 5);
    assert_int_equal(rig.selection.time_ns, 50);
    clear(&rig);
}

/* ---- as they come ---- */

static void without_markers_all_that_is_there_is_selected(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    push(&rig, 1, 1, 0);
    assert_true(as_they_come(&rig));
    assert_ranges(&rig, 0, 0, 1, 1);
    push(&rig, 0, 1, 0);
    push(&rig, 1, 1, 0);
    assert_true(as_they_come(&rig));
    assert_ranges(&rig, 1, 1, 1, 2);
    assert_false(rig.selection.ends_epoch);
    acknowledge(&rig);
    assert_false(as_they_come(&rig));
    clear(&rig);
}

static void a_transaction_takes_256_of_a_worker_at_most(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    for (int i = 0; i < 300; i++)
        push(&rig, 0, 1, 0);
    assert_true(as_they_come(&rig));
    assert_ranges(&rig, 1, 256, 0, 0);
    acknowledge(&rig);
    assert_true(as_they_come(&rig));
    assert_ranges(&rig, 257, 300, 0, 0);
    clear(&rig);
}

static void an_epoch_ends_with_the_last_workers_part_of_it(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    push(&rig, 0, 1, 0);
    push(&rig, 0, 1, EPOCH_END);
    push(&rig, 1, 1, 0);
    assert_true(as_they_come(&rig));
    assert_ranges(&rig, 1, 2, 1, 1);
    assert_false(rig.selection.ends_epoch); /* the second worker is still at it */
    acknowledge(&rig);
    push(&rig, 1, 1, EPOCH_END);
    assert_true(as_they_come(&rig));
    assert_ranges(&rig, 0, 0, 2, 2);
    assert_true(rig.selection.ends_epoch);
    acknowledge(&rig);
    push(&rig, 0, 2, 0); /* of the next epoch, which this does not end once more */
    assert_true(as_they_come(&rig));
    assert_false(rig.selection.ends_epoch);
    clear(&rig);
}

static void an_epoch_does_not_end_twice(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    push(&rig, 0, 1, EPOCH_END);
    push(&rig, 1, 2, EPOCH_END); /* it had nothing for the first one */
    assert_true(by_group(&rig));
    assert_true(rig.selection.ends_epoch);
    acknowledge(&rig);
    assert_true(as_they_come(&rig)); /* the core is gone: no marker will come */
    assert_ranges(&rig, 0, 0, 1, 1);
    assert_false(rig.selection.ends_epoch); /* the first worker could have more for the second */
    clear(&rig);
}

/* ---- after deaths ---- */

static void what_was_under_way_comes_again_as_it_was(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    for (int i = 0; i < 4; i++)
        push(&rig, 0, 1, 0);
    push(&rig, 1, 1, 0);
    ring_view_set_attempt(rig.lanes[0].ring, (struct ring_attempt){3, 1});
    assert_true(as_they_come(&rig));
    assert_int_equal(rig.selection.kind, SELECTION_REPEATED);
    assert_ranges(&rig, 1, 3, 0, 0); /* neither the fourth nor the other worker's */
    acknowledge(&rig);
    assert_true(as_they_come(&rig));
    assert_int_equal(rig.selection.kind, SELECTION_NEW);
    assert_ranges(&rig, 4, 4, 1, 1);
    clear(&rig);
}

static void a_repeated_group_needs_no_markers(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    for (int lane = 0; lane < LANES; lane++) {
        push(&rig, lane, 1, 0);
        push(&rig, lane, 1, 0);
        ring_view_set_attempt(rig.lanes[lane].ring, (struct ring_attempt){1, 1});
    }
    assert_true(by_group(&rig));
    assert_int_equal(rig.selection.kind, SELECTION_REPEATED);
    assert_ranges(&rig, 1, 1, 1, 1);
    clear(&rig);
}

static void what_is_taken_by_a_host_that_died_is_selected_again(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    push(&rig, 0, 1, EPOCH_END);
    push(&rig, 1, 1, EPOCH_END);
    ring_view_take(rig.lanes[0].ring, 1);
    assert_true(by_group(&rig));
    assert_ranges(&rig, 1, 1, 1, 1);
    clear(&rig);
}

static void what_may_kill_comes_one_by_one(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    for (int i = 0; i < 4; i++) {
        push(&rig, 0, 1, 0);
        push(&rig, 1, 1, 0);
    }
    ring_view_set_isolate_until(rig.lanes[1].ring, 2);
    /* A hand-over of the other worker was under way too: it has to wait. */
    ring_view_set_attempt(rig.lanes[0].ring, (struct ring_attempt){2, 1});
    for (uint64_t seq = 1; seq <= 2; seq++) {
        assert_true(as_they_come(&rig));
        assert_int_equal(rig.selection.kind, SELECTION_ISOLATED);
        assert_ranges(&rig, 0, 0, seq, seq);
        acknowledge(&rig);
    }
    assert_true(as_they_come(&rig));
    assert_int_equal(rig.selection.kind, SELECTION_REPEATED);
    assert_ranges(&rig, 1, 2, 0, 0);
    acknowledge(&rig);
    assert_true(as_they_come(&rig));
    assert_int_equal(rig.selection.kind, SELECTION_NEW);
    assert_ranges(&rig, 3, 4, 3, 4);
    clear(&rig);
}

static void an_epoch_of_isolated_hand_overs_ends_with_the_last(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    for (int lane = 0; lane < LANES; lane++) {
        push(&rig, lane, 1, 0);
        push(&rig, lane, 1, EPOCH_END | HANDOVER_IS_LAST);
        ring_view_set_isolate_until(rig.lanes[lane].ring, 2);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(by_group(&rig));
        assert_int_equal(rig.selection.kind, SELECTION_ISOLATED);
        assert_int_equal(rig.selection.ends_epoch, i == 3);
        assert_int_equal(rig.selection.is_last, i == 3);
        acknowledge(&rig);
    }
    assert_false(by_group(&rig));
    clear(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_selected_where_nothing_came),
        cmocka_unit_test(a_group_is_complete_when_each_worker_has_sent_its_marker),
        cmocka_unit_test(what_follows_a_marker_waits_for_the_next),
        cmocka_unit_test(a_worker_that_is_ahead_has_nothing_for_the_group),
        cmocka_unit_test(a_position_within_an_epoch_does_not_end_it),
        cmocka_unit_test(a_worker_that_has_ended_is_not_waited_for),
        cmocka_unit_test(epoch_and_time_are_the_latest_of_all),
        cmocka_unit_test(without_markers_all_that_is_there_is_selected),
        cmocka_unit_test(a_transaction_takes_256_of_a_worker_at_most),
        cmocka_unit_test(an_epoch_ends_with_the_last_workers_part_of_it),
        cmocka_unit_test(an_epoch_does_not_end_twice),
        cmocka_unit_test(what_was_under_way_comes_again_as_it_was),
        cmocka_unit_test(a_repeated_group_needs_no_markers),
        cmocka_unit_test(what_is_taken_by_a_host_that_died_is_selected_again),
        cmocka_unit_test(what_may_kill_comes_one_by_one),
        cmocka_unit_test(an_epoch_of_isolated_hand_overs_ends_with_the_last),
    };
    thread_enter_role(&worker_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
