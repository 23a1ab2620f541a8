/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves how flows become rows and how rows are added to rows, by plans that are written by hand.
 */
#include "base/clock.h"
#include "pipeline/row_fill.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS = 3, ROW_MAX = 128 };

/* Flows whose bytes all differ, and rows that are full of 0xee, so that bytes which are not written
 * show. */
struct rig {
    struct flow *flows[ROWS];
    const struct flow *pointers[ROWS];
    uint8_t rows[ROWS * ROW_MAX];
    struct pa_schema view;
    struct aggregate_plan plan;
};

static void init(struct rig *rig, uint32_t row_size)
{
    memset(rig, 0, sizeof *rig);
    memset(rig->rows, 0xee, sizeof rig->rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct flow *flow = malloc(sizeof *flow);
        uint8_t *bytes = (uint8_t *)flow;
        for (size_t k = 0; k < sizeof(struct flow); k++)
            bytes[k] = (uint8_t)(k * 7 + i * 31);
        rig->flows[i] = flow;
        rig->pointers[i] = flow;
    }
    rig->view = (struct pa_schema){.row_size = row_size, .bin_offset = -1};
    rig->plan.view = &rig->view;
}

static void clear(struct rig *rig)
{
    for (int i = 0; i < ROWS; i++)
        free(rig->flows[i]);
}

static void each_length_is_copied_whole_and_no_further(void **state)
{
    (void)state;
    static const uint16_t lengths[] = {1, 2, 3, 4, 6, 8, 12, 16, 17, 24, 33, 34, 40};

    for (size_t n = 0; n < sizeof lengths / sizeof lengths[0]; n++) {
        const uint16_t len = lengths[n];
        struct copy_op op = {len, 5, 3};
        struct rig rig;
        init(&rig, len + 5u);
        rig.plan.copies = &op;
        rig.plan.copy_count = 1;
        row_fill(&rig.plan, rig.pointers, NULL, ROWS, rig.rows);
        for (uint32_t i = 0; i < ROWS; i++) {
            const uint8_t *row = rig.rows + i * rig.view.row_size;
            for (int k = 0; k < 3; k++)
                assert_int_equal(row[k], 0xee);
            assert_memory_equal(row + 3, (const uint8_t *)rig.flows[i] + 5, len);
            assert_int_equal(row[3 + len], 0xee);
            assert_int_equal(row[3 + len + 1], 0xee);
        }
        assert_int_equal(rig.rows[ROWS * rig.view.row_size], 0xee);
        clear(&rig);
    }
}

static void bins_padding_and_columns_share_a_row(void **state)
{
    (void)state;
    struct copy_op ops[] = {{4, offsetof(struct flow, src_as), 8}};
    const int64_t bins[ROWS] = {1700000000, -1, 1700000300};
    struct rig rig;

    /* The row has a bin, a column of 4 bytes, and 4 bytes of padding behind it. */
    init(&rig, 16);
    rig.view.bin_offset = 0;
    rig.plan.has_bins = true;
    rig.plan.has_pad = true;
    rig.plan.pad_offset = 8;
    rig.plan.copies = ops;
    rig.plan.copy_count = 1;
    row_fill(&rig.plan, rig.pointers, bins, ROWS, rig.rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        static const uint8_t zeros[4];
        assert_memory_equal(rig.rows + i * 16, &bins[i], 8);
        assert_memory_equal(rig.rows + i * 16 + 8, &rig.flows[i]->src_as, 4);
        assert_memory_equal(rig.rows + i * 16 + 12, zeros, 4); /* equal keys are equal bytes */
    }
    clear(&rig);
}

static void times_lose_their_fraction_where_that_is_wanted(void **state)
{
    (void)state;
    struct copy_op ops[] = {{8, offsetof(struct flow, start_ns), 0},
                            {8, offsetof(struct flow, end_ns), 8}};
    uint32_t seconds[] = {0};
    struct rig rig;
    int64_t times[2];

    init(&rig, 16);
    rig.plan.copies = ops;
    rig.plan.copy_count = 2;
    rig.plan.seconds = seconds;
    rig.plan.second_count = 1;
    for (int i = 0; i < ROWS; i++)
        rig.flows[i]->start_ns = rig.flows[i]->end_ns = i * NS_PER_S + 999999999;
    row_fill(&rig.plan, rig.pointers, NULL, ROWS, rig.rows);
    for (int i = 0; i < ROWS; i++) {
        memcpy(times, rig.rows + i * 16, sizeof times);
        assert_int_equal(times[0], i * NS_PER_S);
        assert_int_equal(times[1], i * NS_PER_S + 999999999);
    }
    clear(&rig);
}

static void counters_of_a_row_are_added_each_by_its_rule(void **state)
{
    (void)state;
    /* The key is at 0 to 8, packets at 8, bytes at 16, flows at 24, flags in the last 2 bytes of 32
     * to 40, the least at 40, the most at 44. */
    struct row {
        uint64_t key, packets, bytes, flows;
        uint8_t beside[6], flags[2];
        uint32_t least, most;
    } row = {7, 10, 1000, 1, {1, 2, 3, 4, 5, 6}, {0x02, 0x10}, 5, 5},
      more = {7, 20, UINT64_MAX, 2, {9, 9, 9, 9, 9, 9}, {0x12, 0x01}, 3, 9};
    uint32_t pairs[] = {8}, sums[] = {24};
    struct flags_op flags = {.row_offset = 32};
    struct counter_op counters[] = {{PA_COMBINE_MIN, 4, 40}, {PA_COMBINE_MAX, 4, 44}};
    const uint8_t mask[8] = {0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct aggregate_plan plan = {.pair_count = 1,
                                  .pairs = pairs,
                                  .sum_count = 1,
                                  .sums = sums,
                                  .flags_count = 1,
                                  .flags = &flags,
                                  .counter_count = 2,
                                  .counters = counters};

    memcpy(&flags.mask, mask, sizeof mask);
    row_combine(&plan, (uint8_t *)&row, (const uint8_t *)&more);
    assert_int_equal(row.key, 7);
    assert_int_equal(row.packets, 30);
    assert_int_equal(row.bytes, 999); /* a sum of 64 bits runs over */
    assert_int_equal(row.flows, 3);
    assert_memory_equal(row.beside, ((uint8_t[]){1, 2, 3, 4, 5, 6}), 6);
    assert_memory_equal(row.flags, ((uint8_t[]){0x12, 0x11}), 2);
    assert_int_equal(row.least, 3);
    assert_int_equal(row.most, 9);
    row_combine(&plan, (uint8_t *)&row, (const uint8_t *)&more);
    assert_memory_equal(row.flags, ((uint8_t[]){0x12, 0x11}), 2); /* nothing new */
    assert_int_equal(row.packets, 50);
}

static void every_byte_of_a_key_counts_and_none_behind_it(void **state)
{
    (void)state;
    uint8_t a[80], b[80];

    for (uint32_t len = 1; len <= 64; len++) {
        for (uint32_t i = 0; i < sizeof a; i++)
            a[i] = b[i] = (uint8_t)(i * 5 + len);
        b[len] ^= 1; /* the first byte that is no part of it */
        assert_true(row_key_equals(a, b, len));
        for (uint32_t i = 0; i < len; i++) {
            b[i] ^= 0x80;
            assert_false(row_key_equals(a, b, len));
            b[i] ^= 0x80;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_length_is_copied_whole_and_no_further),
        cmocka_unit_test(bins_padding_and_columns_share_a_row),
        cmocka_unit_test(times_lose_their_fraction_where_that_is_wanted),
        cmocka_unit_test(counters_of_a_row_are_added_each_by_its_rule),
        cmocka_unit_test(every_byte_of_a_key_counts_and_none_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
