/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves whose entries go when a table that several owners fill is full, by the rule that stands in
 * base/share.h, and that random use of it agrees with a search of all shares. */
#include "base/memory.h"
#include "base/shared_table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { OWNERS = 40 };

struct owner {
    struct table_share share;
    uint64_t last_use;
};

struct rig {
    struct shared_table table;
    struct owner owners[OWNERS];
    uint64_t next_key;
};

static void discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

static void rig_start(struct rig *rig)
{
    shared_table_init(&rig->table, discard, NULL);
    rig->next_key = 0;
    for (int i = 0; i < OWNERS; i++) {
        rig->owners[i].last_use = 0;
        table_share_init(&rig->owners[i].share, &rig->owners[i].last_use, false);
    }
}

static struct shared_entry *give(struct rig *rig, int owner, unsigned count, uint32_t weight)
{
    struct shared_entry *entry = NULL;

    for (unsigned i = 0; i < count; i++) {
        entry = mem_zalloc(sizeof *entry);
        shared_table_add(&rig->table, entry, &rig->owners[owner].share, rig->next_key++, 0, weight);
    }
    return entry;
}

static int loser(struct rig *rig)
{
    struct shared_entry *entry = shared_table_loser(&rig->table);

    return entry ? (int)((struct owner *)entry->owner - rig->owners) : -1;
}

static void know(struct rig *rig, int owner, bool is_known)
{
    share_set_known(&rig->table.shares, &rig->owners[owner].share.share, is_known);
}

static void who_holds_most_loses_and_of_equals_the_one_unused_longest(void **state)
{
    struct rig rig;

    (void)state;
    rig_start(&rig);
    assert_int_equal(loser(&rig), -1);
    give(&rig, 1, 2, 1);
    give(&rig, 2, 3, 1);
    give(&rig, 3, 3, 1);
    rig.owners[2].last_use = 7;
    rig.owners[3].last_use = 5;
    assert_int_equal(loser(&rig), 3);
    rig.owners[3].last_use = 8;
    assert_int_equal(loser(&rig), 2);
    give(&rig, 1, 1, 2);
    assert_int_equal(loser(&rig), 1);
    shared_table_clear(&rig.table);
}

static void known_owners_lose_when_others_hold_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_start(&rig);
    know(&rig, 1, true);
    give(&rig, 1, 100, 1);
    give(&rig, 2, 1, 1);
    give(&rig, 3, 200, 1);
    assert_int_equal(loser(&rig), 3);
    know(&rig, 3, true);
    assert_int_equal(loser(&rig), 2);
    shared_table_empty(&rig.table, &rig.owners[2].share);
    assert_int_equal(loser(&rig), 3);
    know(&rig, 1, false);
    assert_int_equal(loser(&rig), 1);
    shared_table_clear(&rig.table);
}

static void of_one_owner_the_least_recently_used_goes(void **state)
{
    struct rig rig;

    (void)state;
    rig_start(&rig);
    struct shared_entry *first = give(&rig, 1, 1, 1), *second = give(&rig, 1, 1, 1);
    give(&rig, 2, 1, 1);
    assert_ptr_equal(shared_table_loser(&rig.table), first);
    shared_table_touch(first);
    assert_ptr_equal(shared_table_loser(&rig.table), second);
    shared_table_give(&rig.table, second, &rig.owners[2].share);
    assert_int_equal(loser(&rig), 2);
    assert_int_equal(rig.owners[1].share.share.held, 1);
    assert_ptr_equal(shared_table_find(&rig.table, 1, 0), second);
    shared_table_clear(&rig.table);
}

/* Whether `a` loses before `b`, as the header says it. */
static bool goes_before(const struct owner *a, const struct owner *b)
{
    const struct share *x = &a->share.share, *y = &b->share.share;

    if (x->is_known != y->is_known)
        return !x->is_known;
    return x->held != y->held ? x->held > y->held : a->last_use < b->last_use;
}

static void random_use_agrees_with_a_search(void **state)
{
    struct rig rig;
    uint64_t use_count = 0;

    (void)state;
    rig_start(&rig);
    srand(1);
    for (int round = 0; round < 20000; round++) {
        int owner = rand() % OWNERS, best = -1;
        rig.owners[owner].last_use = ++use_count;
        if (rand() % 3 > 0)
            give(&rig, owner, 1, 1 + (uint32_t)rand() % 3);
        if (rand() % 50 == 0)
            know(&rig, rand() % OWNERS, rand() % 2);
        if (rand() % 500 == 0)
            shared_table_empty(&rig.table, &rig.owners[rand() % OWNERS].share);
        for (int i = 0; i < OWNERS; i++) {
            if (rig.owners[i].share.share.held > 0 &&
                (best < 0 || goes_before(&rig.owners[i], &rig.owners[best])))
                best = i;
        }
        assert_int_equal(loser(&rig), best);
        if (rig.table.shares.held > 300) {
            struct shared_entry *entry = shared_table_loser(&rig.table);
            shared_table_remove(&rig.table, entry);
            mem_free(entry);
        }
    }
    size_t walked = 0;
    for (const struct keyed_entry *e = NULL; (e = keyed_table_walk(&rig.table.index, e));)
        walked++;
    assert_int_equal(walked, shared_table_count(&rig.table));
    shared_table_clear(&rig.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_holds_most_loses_and_of_equals_the_one_unused_longest),
        cmocka_unit_test(known_owners_lose_when_others_hold_nothing),
        cmocka_unit_test(of_one_owner_the_least_recently_used_goes),
        cmocka_unit_test(random_use_agrees_with_a_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
