/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the live table has the sums that the test keeps itself, in an array by key, while
 * rows are added, removed and read. */
#include "plugins/memory/table.h"
#include "plugins/memory/value_store.h"
#include "support/rows.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 5000

struct rig {
    struct rows rows;
    struct table *table;
    uint64_t refused_rows, refused_bytes;
    int64_t snapshots_taken;
};

static void setup(struct rig *rig, const char *aggregate, uint64_t max_bytes)
{
    memset(rig, 0, sizeof *rig);
    rows_init(&rig->rows, aggregate, 0);
    rig->table = table_new(&rig->rows.schema, max_bytes);
}

static void teardown(struct rig *rig)
{
    table_free(rig->table);
    rows_clear(&rig->rows);
}

static const struct pa_column *column(const struct rig *rig, const char *name)
{
    for (uint32_t i = 0; i < rig->rows.schema.column_count; i++)
        if (!strcmp(rig->rows.schema.columns[i].name, name))
            return &rig->rows.schema.columns[i];
    return NULL;
}

static uint64_t number(const struct rig *rig, const uint8_t *row, const char *name)
{
    const struct pa_column *c = column(rig, name);
    uint64_t value = 0;

    memcpy(&value, row + c->offset, c->width); /* little-endian, as the machines these run on */
    return value;
}

static void refuse(void *arg, const uint8_t *row)
{
    struct rig *rig = arg;

    rig->refused_rows++;
    rig->refused_bytes += number(rig, row, "bytes");
}

/* Takes a snapshot that is not shared: readers share one for TABLE_SHARE_NS, which passes here. */
static struct table_snapshot *snapshot_take(struct rig *rig)
{
    return table_snapshot_new(rig->table, ++rig->snapshots_taken * TABLE_SHARE_NS);
}

/* Hands the rows that were filled in to the table, as a transaction of their own. */
static void flush(struct rig *rig)
{
    struct pa_batch batch = rows_batch(&rig->rows);

    table_forget_dictionary(rig->table);
    table_add(rig->table, &batch, refuse, rig);
    rows_reset(&rig->rows);
}

static void put(struct rig *rig, uint32_t key, uint64_t bytes)
{
    uint8_t *row = rows_add(&rig->rows);

    rows_set_uint(&rig->rows, row, "dst_as", key);
    rows_set_uint(&rig->rows, row, "bytes", bytes);
    rows_set_uint(&rig->rows, row, "packets", 1);
}

/* Sums up all rows of a snapshot by dst_as; returns how many rows there are. */
static uint64_t sum_up(struct rig *rig, const struct table_snapshot *snapshot, uint64_t *sums)
{
    uint64_t place = 0, count = 0;
    const uint8_t *row;

    memset(sums, 0, KEYS * sizeof *sums);
    while ((row = table_snapshot_next(snapshot, &place)) != NULL) {
        sums[number(rig, row, "dst_as")] += number(rig, row, "bytes");
        count++;
    }
    return count;
}

static void rows_of_equal_key_add_up(void **state)
{
    static uint64_t truth[KEYS], sums[KEYS];
    struct table_snapshot *snapshot;
    struct rig rig;

    (void)state;
    setup(&rig, "dst_as", 0);
    memset(truth, 0, sizeof truth);
    for (uint32_t key = 0; key < KEYS; key++)
        put(&rig, key, 0);
    srand(1);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3000; i++) {
            uint32_t key = (uint32_t)rand() % KEYS;
            put(&rig, key, (uint64_t)i);
            truth[key] += (uint64_t)i;
        }
        flush(&rig);
    }
    snapshot = snapshot_take(&rig);
    assert_int_equal(table_row_count(rig.table), KEYS);
    assert_int_equal(sum_up(&rig, snapshot, sums), KEYS);
    assert_memory_equal(sums, truth, sizeof truth);
    table_snapshot_free(snapshot);
    teardown(&rig);
}

static void counters_combine_as_the_schema_says(void **state)
{
    struct table_snapshot *snapshot;
    const uint8_t *row;
    uint64_t place = 0;
    struct rig rig;

    (void)state;
    setup(&rig, "dst_as, tcpflags, flows", 0);
    for (int i = 0; i < 2; i++) {
        uint8_t *r = rows_add(&rig.rows);
        rows_set_uint(&rig.rows, r, "dst_as", 7);
        rows_set_uint(&rig.rows, r, "tcpflags", i ? 0x12 : 0x01);
        rows_set_uint(&rig.rows, r, "flows", 3);
    }
    flush(&rig);
    snapshot = snapshot_take(&rig);
    row = table_snapshot_next(snapshot, &place);
    assert_non_null(row);
    assert_int_equal(number(&rig, row, "tcpflags"), 0x13);
    assert_int_equal(number(&rig, row, "flows"), 6);
    assert_null(table_snapshot_next(snapshot, &place));
    table_snapshot_free(snapshot);
    teardown(&rig);
}

static void a_snapshot_stays_what_it_was(void **state)
{
    static uint64_t before[KEYS], sums[KEYS];
    struct table_snapshot *first, *second;
    struct rig rig;

    (void)state;
    setup(&rig, "dst_as", 0);
    for (uint32_t key = 0; key < KEYS / 2; key++)
        put(&rig, key, key);
    flush(&rig);
    first = snapshot_take(&rig);
    sum_up(&rig, first, before);
    for (uint32_t key = 0; key < KEYS; key++) /* known ones grow, and there are new ones */
        put(&rig, key, 1000000);
    flush(&rig);
    second = snapshot_take(&rig);
    assert_int_equal(table_remove(rig.table, NULL, NULL), KEYS);
    put(&rig, 1, 1);
    flush(&rig);
    assert_int_equal(sum_up(&rig, first, sums), KEYS / 2);
    assert_memory_equal(sums, before, sizeof before);
    assert_int_equal(sum_up(&rig, second, sums), KEYS);
    assert_int_equal(sums[17], 1000017);
    assert_int_equal(sums[KEYS - 1], 1000000);
    assert_true(table_copied_bytes(rig.table) > 0);
    table_snapshot_free(first);
    table_snapshot_free(second);
    assert_int_equal(table_copied_bytes(rig.table), 0);
    assert_int_equal(table_row_count(rig.table), 1);
    teardown(&rig);
}

static void readers_at_a_time_share_a_snapshot_until_something_is_removed(void **state)
{
    struct table_snapshot *first, *second, *third;
    struct rig rig;

    (void)state;
    setup(&rig, "dst_as", 0);
    put(&rig, 1, 1);
    flush(&rig);
    first = table_snapshot_new(rig.table, 5);
    second = table_snapshot_new(rig.table, 5 + TABLE_SHARE_NS - 1);
    assert_ptr_equal(first, second);
    table_remove(rig.table, NULL, NULL);
    third = table_snapshot_new(rig.table, 6);
    assert_ptr_not_equal(first, third);
    table_snapshot_free(first);
    table_snapshot_free(second);
    table_snapshot_free(third);
    first = table_snapshot_new(rig.table, 7);
    second = table_snapshot_new(rig.table, 7 + TABLE_SHARE_NS);
    assert_ptr_not_equal(first, second);
    table_snapshot_free(first);
    table_snapshot_free(second);
    assert_int_equal(table_copied_bytes(rig.table), 0);
    teardown(&rig);
}

static void at_the_bound_new_keys_are_refused_and_known_ones_add_up(void **state)
{
    static uint64_t sums[KEYS];
    struct table_snapshot *snapshot;
    uint64_t cost, kept = 0;
    struct rig rig;

    (void)state;
    setup(&rig, "dst_as", 0);
    cost = table_row_cost(&rig.rows.schema);
    teardown(&rig);
    setup(&rig, "dst_as", 100 * cost + cost / 2);
    for (int round = 0; round < 3; round++)
        for (uint32_t key = 0; key < 150; key++)
            put(&rig, key, 10);
    flush(&rig);
    assert_int_equal(table_row_count(rig.table), 100);
    assert_int_equal(rig.refused_rows, 3 * 50);
    snapshot = snapshot_take(&rig);
    sum_up(&rig, snapshot, sums);
    for (uint32_t key = 0; key < KEYS; key++)
        kept += sums[key];
    assert_int_equal(kept + rig.refused_bytes, 3 * 150 * 10);
    assert_int_equal(sums[99], 30);
    table_snapshot_free(snapshot);
    /* The room that a reset made is used again. */
    table_remove(rig.table, NULL, NULL);
    put(&rig, 149, 5);
    flush(&rig);
    assert_int_equal(table_row_count(rig.table), 1);
    teardown(&rig);
}

static void put_path(struct rig *rig, const char *path)
{
    uint8_t *row = rows_add(&rig->rows);

    rows_set_text(&rig->rows, row, "as_path", path);
    rows_set_uint(&rig->rows, row, "bytes", 1);
}

static void equal_values_of_different_dictionaries_are_one_key(void **state)
{
    char path[32];
    struct rig rig;

    (void)state;
    setup(&rig, "as_path", 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) { /* the other way round: other ids */
            snprintf(path, sizeof path, "65000_%d", round ? 299 - i : i);
            put_path(&rig, path);
        }
        put_path(&rig, "");
        flush(&rig);
    }
    assert_int_equal(table_row_count(rig.table), 301);
    assert_int_equal(value_store_count(table_values(rig.table)), 300);
    teardown(&rig);
}

/* Matches rows whose AS path is even-numbered. */
static bool is_even(void *arg, const uint8_t *row)
{
    struct rig *rig = arg;
    struct pa_bytes path =
        value_store_at(table_values(rig->table), (uint32_t)number(rig, row, "as_path"));

    return path.len > 0 && (path.data[path.len - 1] - '0') % 2 == 0;
}

static void values_go_with_their_rows_but_not_before_a_snapshot(void **state)
{
    struct table_snapshot *snapshot;
    char path[32];
    uint64_t place = 0;
    const uint8_t *row;
    struct rig rig;

    (void)state;
    setup(&rig, "as_path", 0);
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "65000_%d", i);
        put_path(&rig, path);
    }
    flush(&rig);
    snapshot = snapshot_take(&rig);
    assert_int_equal(table_remove(rig.table, is_even, &rig), 50);
    put_path(&rig, "64999");
    flush(&rig);
    assert_int_equal(value_store_count(table_values(rig.table)), 101);
    while ((row = table_snapshot_next(snapshot, &place)) != NULL) {
        uint32_t id = (uint32_t)number(&rig, row, "as_path");
        assert_memory_equal(value_store_at(table_values(rig.table), id).data, "65000_", 6);
    }
    table_snapshot_free(snapshot);
    assert_int_equal(value_store_count(table_values(rig.table)), 51);
    put_path(&rig, "65000_1"); /* still found */
    put_path(&rig, "65000_2"); /* new again */
    flush(&rig);
    assert_int_equal(table_row_count(rig.table), 52);
    teardown(&rig);
}

struct pressed {
    struct table_snapshot *snapshot;
    int count;
};

static void release(void *arg)
{
    struct pressed *p = arg;

    p->count++;
    table_snapshot_free(p->snapshot);
    p->snapshot = NULL;
}

static void copies_have_a_bound(void **state)
{
    struct pressed pressed = {0};
    uint64_t max = 3 << 20;
    struct table_snapshot *held[8];
    struct rig rig;

    (void)state;
    setup(&rig, "src_host, dst_host, dst_as", max);
    table_set_pressure(rig.table, release, &pressed);
    pressed.snapshot = snapshot_take(&rig);
    for (int i = 0; i < 8; i++) { /* each sees other blocks */
        for (uint32_t key = 0; key < 20000; key++)
            put(&rig, key, 1);
        flush(&rig);
        held[i] = snapshot_take(&rig);
    }
    assert_true(pressed.count > 0);
    for (int i = 0; i < 8; i++)
        table_snapshot_free(held[i]);
    table_snapshot_free(pressed.snapshot);
    assert_int_equal(table_copied_bytes(rig.table), 0);
    teardown(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_equal_key_add_up),
        cmocka_unit_test(counters_combine_as_the_schema_says),
        cmocka_unit_test(a_snapshot_stays_what_it_was),
        cmocka_unit_test(readers_at_a_time_share_a_snapshot_until_something_is_removed),
        cmocka_unit_test(at_the_bound_new_keys_are_refused_and_known_ones_add_up),
        cmocka_unit_test(equal_values_of_different_dictionaries_are_one_key),
        cmocka_unit_test(values_go_with_their_rows_but_not_before_a_snapshot),
        cmocka_unit_test(copies_have_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
