/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what a table of embedded entries finds, which entry goes at its maximum, and that entries
 * of equal hash and length are all found, as the caller has to compare the keys. */
#include "base/keyed_table.h"
#include "base/memory.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MANY 5000u

struct item {
    struct keyed_entry entry;
    unsigned number;
};

static void note_discard(void *arg, struct keyed_entry *entry)
{
    unsigned *sum = arg;

    *sum += ((struct item *)entry)->number;
    mem_free(entry);
}

static struct item *add(struct keyed_table *table, unsigned number, uint64_t key0, uint64_t key1)
{
    struct item *item = mem_zalloc(sizeof *item);

    item->number = number;
    keyed_table_add(table, &item->entry, key0, key1);
    return item;
}

static void each_of_many_is_found_by_both_numbers(void **state)
{
    struct keyed_table table;
    unsigned sum = 0;

    (void)state;
    keyed_table_init(&table, SIZE_MAX, note_discard, &sum);
    for (unsigned i = 1; i <= MANY; i++)
        add(&table, i, i / 2, i % 2);
    assert_int_equal(table.count, MANY);
    for (unsigned i = 1; i <= MANY; i++) {
        const struct item *item = (struct item *)keyed_table_find(&table, i / 2, i % 2);
        assert_non_null(item);
        assert_int_equal(item->number, i);
        assert_null(keyed_table_next(&item->entry));
    }
    assert_null(keyed_table_find(&table, 0, 0));
    assert_null(keyed_table_find(&table, 1, 2));
    keyed_table_clear(&table);
    assert_int_equal(sum, MANY * (MANY + 1) / 2);
}

static void the_least_recently_touched_goes_at_the_maximum(void **state)
{
    struct keyed_table table;
    unsigned sum = 0;

    (void)state;
    keyed_table_init(&table, 3, note_discard, &sum);
    struct item *first = add(&table, 1, 1, 0);
    add(&table, 2, 2, 0);
    add(&table, 4, 3, 0);
    keyed_table_touch(&table, &first->entry);
    add(&table, 8, 4, 0);
    assert_int_equal(sum, 2);
    assert_null(keyed_table_find(&table, 2, 0));
    assert_ptr_equal(keyed_table_find(&table, 1, 0), first);
    add(&table, 16, 5, 0);
    assert_int_equal(sum, 2 + 4);
    assert_int_equal(table.count, 3);
    keyed_table_clear(&table);
}

static void entries_of_equal_numbers_follow_each_other(void **state)
{
    struct keyed_table table;
    unsigned sum = 0, seen = 0;

    (void)state;
    keyed_table_init(&table, SIZE_MAX, note_discard, &sum);
    uint64_t hash = keyed_table_hash(&table, "name", 4);
    assert_int_equal(hash, keyed_table_hash(&table, "name", 4));
    assert_int_not_equal(hash, keyed_table_hash(&table, "same", 4));
    struct item *middle = NULL;
    for (unsigned i = 1; i <= 4; i *= 2) {
        struct item *item = add(&table, i, hash, 4);
        if (i == 2)
            middle = item;
    }
    for (unsigned i = 100; i < 100 + MANY; i++) /* growing keeps them together */
        add(&table, 0, hash, i);
    for (struct keyed_entry *e = keyed_table_find(&table, hash, 4); e; e = keyed_table_next(e))
        seen += ((struct item *)e)->number;
    assert_int_equal(seen, 7);
    keyed_table_remove(&table, &middle->entry);
    mem_free(middle);
    seen = 0;
    for (struct keyed_entry *e = keyed_table_find(&table, hash, 4); e; e = keyed_table_next(e))
        seen += ((struct item *)e)->number;
    assert_int_equal(seen, 5);
    keyed_table_clear(&table);
    assert_int_equal(sum, 5);
}

static void an_emptied_table_takes_the_same_again(void **state)
{
    struct keyed_table table;
    unsigned sum = 0;

    (void)state;
    keyed_table_init(&table, SIZE_MAX, note_discard, &sum);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 100; i++) {
            assert_null(keyed_table_find(&table, i, i));
            add(&table, 1, i, i);
        }
        assert_int_equal(((struct item *)table.used.oldest)->entry.key[0], 0);
        assert_int_equal(((struct item *)table.used.newest)->entry.key[0], 99);
        keyed_table_empty(&table);
        assert_int_equal(table.count, 0);
        assert_null(table.used.oldest);
        assert_null(table.used.newest);
    }
    assert_int_equal(sum, 200);
    keyed_table_clear(&table);
}

/* Walks in steps until the end, and adds `more` entries after the second step. */
static unsigned walk_in_steps(struct keyed_table *table, unsigned more, unsigned *seen,
                              unsigned *restarts)
{
    struct keyed_cursor cursor = {0};
    struct keyed_entry *entry;
    unsigned steps = 0;
    int left;

    while ((left = keyed_table_step(table, &cursor, &entry)) != 0) {
        if (left == -EAGAIN) {
            memset(seen, 0, 4000 * sizeof *seen);
            (*restarts)++;
        }
        for (; entry; entry = entry->next_in_bucket)
            seen[((struct item *)entry)->number]++;
        if (++steps == 2)
            for (unsigned i = 0; i < more; i++)
                add(table, 1000 + i, 1000 + i, 1000 + i);
    }
    for (; entry; entry = entry->next_in_bucket)
        seen[((struct item *)entry)->number]++;
    return steps;
}

static void a_walk_in_steps_meets_each_once_though_the_table_grows(void **state)
{
    struct keyed_table table;
    unsigned sum = 0, seen[4000] = {0}, restarts = 0;

    (void)state;
    keyed_table_init(&table, SIZE_MAX, note_discard, &sum);
    walk_in_steps(&table, 0, seen, &restarts);
    for (unsigned i = 0; i < 1000; i++)
        add(&table, i, i, i);
    assert_in_range(walk_in_steps(&table, 0, seen, &restarts), 100, 1100);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(restarts, 0);
    memset(seen, 0, sizeof seen);
    walk_in_steps(&table, 3000, seen, &restarts);
    for (unsigned i = 0; i < 4000; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(restarts, 1);
    keyed_table_clear(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_many_is_found_by_both_numbers),
        cmocka_unit_test(the_least_recently_touched_goes_at_the_maximum),
        cmocka_unit_test(entries_of_equal_numbers_follow_each_other),
        cmocka_unit_test(an_emptied_table_takes_the_same_again),
        cmocka_unit_test(a_walk_in_steps_meets_each_once_though_the_table_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
