/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Total counters as differences: what is kept of a flow, and what is not known of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "nfacctd/flow_totals.h"

#define T0 (INT64_C(1700000000) * NS_PER_S)

static struct flow_totals totals;
static uint64_t got_bytes, got_packets;

static int setup(void **state)
{
    (void)state;
    flow_totals_init(&totals, 2, T0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    flow_totals_clear(&totals);
    return 0;
}

/* Flow `id` began `start_s` after T0, and had ended `end_s` after it. */
static enum flow_total_outcome take(uint64_t id, int64_t start_s, int64_t end_s, uint64_t bytes,
                                    uint64_t packets)
{
    struct flow_total total = {
        .key = {.flow_id = id, .start = (uint64_t)(start_s + 1000000)},
        .bytes = bytes,
        .packets = packets,
        .start_ns = T0 + start_s * NS_PER_S,
        .end = T0 + end_s * NS_PER_S,
        .received_ns = T0 + end_s * NS_PER_S,
    };

    return flow_totals_take(&totals, &total, &got_bytes, &got_packets);
}

#define ASSERT_GOT(bytes, packets)                                                                 \
    do {                                                                                           \
        assert_int_equal(got_bytes, bytes);                                                        \
        assert_int_equal(got_packets, packets);                                                    \
    } while (0)

static void the_first_counts_whole_and_others_the_difference(void **state)
{
    (void)state;
    assert_int_equal(take(1, 0, 60, 1000, 10), FLOW_TOTAL_FIRST);
    ASSERT_GOT(1000, 10);
    assert_int_equal(take(1, 0, 120, 1500, 10), FLOW_TOTAL_NEXT);
    ASSERT_GOT(500, 0);
    assert_int_equal(take(1, 0, 120, 1500, 10), FLOW_TOTAL_NEXT); /* the datagram came twice */
    ASSERT_GOT(0, 0);
    assert_int_equal(take(1, 5, 120, 70, 7), FLOW_TOTAL_FIRST); /* another start */
    ASSERT_GOT(70, 7);
}

static void lower_ones_are_new_flows_or_late(void **state)
{
    (void)state;
    take(1, 0, 60, 1000, 10);
    assert_int_equal(take(1, 0, 59, 900, 9), FLOW_TOTAL_LATE);
    ASSERT_GOT(0, 0);
    assert_int_equal(take(1, 0, 60, 2000, 9), FLOW_TOTAL_LATE); /* one of them is enough */
    ASSERT_GOT(0, 0);
    assert_int_equal(take(1, 0, 61, 40, 1), FLOW_TOTAL_ANEW);
    ASSERT_GOT(40, 1);
    assert_int_equal(take(1, 0, 62, 50, 1), FLOW_TOTAL_NEXT);
    ASSERT_GOT(10, 0);
}

static void uptimes_are_compared_across_their_wrap(void **state)
{
    struct flow_total total = {.bytes = 100, .packets = 1, .end_is_uptime = true};

    (void)state;
    total.end = INT64_C(0xffffff00);
    flow_totals_take(&totals, &total, &got_bytes, &got_packets);
    total.end = 0x100; /* half a second later */
    total.bytes = 50;
    assert_int_equal(flow_totals_take(&totals, &total, &got_bytes, &got_packets), FLOW_TOTAL_ANEW);
    ASSERT_GOT(50, 1);
    total.end = INT64_C(0xffffff80);
    total.bytes = 40;
    assert_int_equal(flow_totals_take(&totals, &total, &got_bytes, &got_packets), FLOW_TOTAL_LATE);
}

static void flows_with_a_past_count_from_their_first_total_on(void **state)
{
    (void)state;
    assert_int_equal(take(1, -3601, 60, 1000, 10), FLOW_TOTAL_UNKNOWN);
    ASSERT_GOT(0, 0);
    assert_int_equal(take(1, -3601, 120, 1100, 11), FLOW_TOTAL_NEXT);
    ASSERT_GOT(100, 1);
    assert_int_equal(take(2, -3600, 60, 1000, 10), FLOW_TOTAL_FIRST);
    ASSERT_GOT(1000, 10);
}

static void what_was_evicted_is_remembered_as_an_instant(void **state)
{
    (void)state;
    take(1, 0, 60, 1000, 10);
    take(2, 0, 70, 1000, 10);
    take(1, 0, 80, 1000, 10); /* so that 2 is the least recently seen */
    assert_int_equal(take(3, 0, 90, 1000, 10), FLOW_TOTAL_FIRST);
    assert_int_equal(totals.evicted_count, 1);
    assert_int_equal(take(2, 0, 100, 1200, 12), FLOW_TOTAL_UNKNOWN);
    ASSERT_GOT(0, 0);
    assert_int_equal(totals.evicted_count, 2); /* 1, seen at 80 */
    assert_int_equal(take(4, 79, 110, 30, 3), FLOW_TOTAL_UNKNOWN);
    assert_int_equal(take(5, 100, 120, 30, 3), FLOW_TOTAL_FIRST);
    ASSERT_GOT(30, 3);
}

static void clearing_forgets_all(void **state)
{
    (void)state;
    take(1, 0, 60, 1000, 10);
    take(2, 0, 60, 1000, 10);
    take(3, 0, 60, 1000, 10);
    flow_totals_clear(&totals);
    assert_int_equal(take(1, 0, 60, 1000, 10), FLOW_TOTAL_FIRST);
    ASSERT_GOT(1000, 10);
    assert_int_equal(take(2, -3601, 60, 1000, 10), FLOW_TOTAL_UNKNOWN); /* the past stays one */
}

static void the_first_total_stands_for_a_datagram_that_is_not_known(void **state)
{
    (void)state;
    flow_totals_init(&totals, 2, 0);
    assert_int_equal(take(1, -3601, 0, 1000, 10), FLOW_TOTAL_UNKNOWN);
    assert_int_equal(take(2, -3600, 0, 1000, 10), FLOW_TOTAL_FIRST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_counts_whole_and_others_the_difference),
        TEST(lower_ones_are_new_flows_or_late),
        TEST(uptimes_are_compared_across_their_wrap),
        TEST(flows_with_a_past_count_from_their_first_total_on),
        TEST(what_was_evicted_is_remembered_as_an_instant),
        TEST(clearing_forgets_all),
        TEST(the_first_total_stands_for_a_datagram_that_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
