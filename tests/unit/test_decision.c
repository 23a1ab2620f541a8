/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves the order of paths by RFC 4271 section 9.1.2.2, rule by rule, with pairs made by hand. For
 * random paths the reference takes the best one out again and again. */
#include "bgp/decision.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct facts {
    uint32_t local_pref; /* 0: absent */
    uint16_t as_path_len;
    uint8_t origin;
    uint32_t med, first_as; /* MED 0: absent */
    uint16_t cluster_list_len;
    uint32_t originator_id, path_id; /* originator 0: absent, the router id 5 counts */
};

static struct decision_path path_make(const struct facts *facts, struct path_attrs *attrs)
{
    *attrs = (struct path_attrs){
        .local_pref = facts->local_pref,
        .has_local_pref = facts->local_pref != 0,
        .as_path_len = facts->as_path_len,
        .origin = facts->origin,
        .med = facts->med,
        .has_med = facts->med != 0,
        .first_as_no_confed = facts->first_as,
        .cluster_list_len = facts->cluster_list_len,
        .originator_id = facts->originator_id,
        .has_originator_id = facts->originator_id != 0,
    };
    return (struct decision_path){attrs, 5, facts->path_id};
}

/* The first of each pair wins, although all later rules speak for the second. */
static const struct {
    const char *rule;
    struct facts winner, loser;
} rules[] = {
    {"higher local preference", {200, 9, 2, 9, 1, 9, 9, 9}, {100, 1, 0, 1, 1, 1, 1, 1}},
    {"absent local preference is 100", {0, 9, 2, 9, 1, 9, 9, 9}, {99, 1, 0, 1, 1, 1, 1, 1}},
    {"shorter AS path", {100, 2, 2, 9, 1, 9, 9, 9}, {100, 3, 0, 1, 1, 1, 1, 1}},
    {"lower origin", {100, 2, 0, 9, 1, 9, 9, 9}, {100, 2, 1, 1, 1, 1, 1, 1}},
    {"lower MED, same AS", {100, 2, 0, 1, 7, 9, 9, 9}, {100, 2, 0, 2, 7, 1, 1, 1}},
    {"absent MED is the lowest", {100, 2, 0, 0, 7, 9, 9, 9}, {100, 2, 0, 1, 7, 1, 1, 1}},
    {"MED says nothing across ASes", {100, 2, 0, 9, 7, 1, 9, 9}, {100, 2, 0, 1, 8, 2, 1, 1}},
    {"shorter cluster list", {100, 2, 0, 1, 7, 0, 9, 9}, {100, 2, 0, 1, 7, 1, 1, 1}},
    {"lower originator", {100, 2, 0, 1, 7, 0, 4, 9}, {100, 2, 0, 1, 7, 0, 6, 1}},
    {"router id without originator", {100, 2, 0, 1, 7, 0, 0, 9}, {100, 2, 0, 1, 7, 0, 6, 1}},
    {"lower path id", {100, 2, 0, 1, 7, 0, 5, 1}, {100, 2, 0, 1, 7, 0, 5, 2}},
};

static void each_rule_decides_over_all_later_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct path_attrs attrs[2];
        struct decision_path paths[2] = {path_make(&rules[i].winner, &attrs[0]),
                                         path_make(&rules[i].loser, &attrs[1])};
        struct decision_path swapped[2] = {paths[1], paths[0]};
        if (decision_best(paths, 2) != 0 || decision_best(swapped, 2) != 1)
            fail_msg("rule broken: %s", rules[i].rule);
    }
}

/* RFC 4271 section 9.1.2.2 c: a and c are from one AS, c has the lower MED and removes a; b, from
 * another AS, then wins against c by its originator, though a alone would have won against b. */
static void med_removes_before_the_later_rules_compare(void **state)
{
    (void)state;
    const struct facts facts[3] = {
        {100, 2, 0, 20, 7, 0, 1, 1}, {100, 2, 0, 50, 8, 0, 2, 2}, {100, 2, 0, 10, 7, 0, 3, 3}};
    struct path_attrs attrs[3];
    struct decision_path paths[3];
    uint16_t order[3];

    for (unsigned i = 0; i < 3; i++)
        paths[i] = path_make(&facts[i], &attrs[i]);
    assert_int_equal(decision_best(paths, 3), 1);
    assert_int_equal(decision_best(paths, 2), 0);
    decision_sort(paths, 3, order);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
    assert_int_equal(order[2], 0);
}

static uint32_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

enum { PATHS = 12 };

static size_t random_paths(uint64_t *seed, struct path_attrs *attrs, struct decision_path *paths)
{
    size_t count = 1 + random_next(seed) % PATHS;

    for (size_t i = 0; i < count; i++) {
        struct facts facts = {
            .local_pref = random_next(seed) % 4 == 0 ? 200 : 0,
            .as_path_len = (uint16_t)(2 + random_next(seed) % 5 / 4),
            .origin = (uint8_t)(random_next(seed) % 5 / 4),
            .med = random_next(seed) % 3,
            .first_as = 7 + random_next(seed) % 3,
            .cluster_list_len = (uint16_t)(random_next(seed) % 2),
            .originator_id = random_next(seed) % 3,
            .path_id = (uint32_t)i, /* ids differ within a peer: the order is always strict */
        };
        paths[i] = path_make(&facts, &attrs[i]);
    }
    return count;
}

static void order_is_the_best_of_the_rest_again_and_again(void **state)
{
    (void)state;
    uint64_t seed = 11;

    for (unsigned round = 0; round < 20000; round++) {
        struct path_attrs attrs[PATHS];
        struct decision_path paths[PATHS], left[PATHS];
        uint16_t order[PATHS];
        size_t count = random_paths(&seed, attrs, paths);
        decision_sort(paths, count, order);
        memcpy(left, paths, sizeof left);
        for (size_t place = 0, left_count = count; place < count; place++, left_count--) {
            size_t best = decision_best(left, left_count);
            assert_int_equal(left[best].path_id, paths[order[place]].path_id);
            memmove(left + best, left + best + 1, (left_count - best - 1) * sizeof *left);
        }
    }
}

static void a_place_that_is_given_keeps_the_decision_order(void **state)
{
    (void)state;
    uint64_t seed = 12;
    unsigned placed = 0;

    for (unsigned round = 0; round < 20000; round++) {
        struct path_attrs attrs[PATHS];
        struct decision_path paths[PATHS], sorted[PATHS];
        uint16_t order[PATHS];
        size_t place;
        size_t count = random_paths(&seed, attrs, paths);
        decision_sort(paths, count - 1, order);
        for (size_t i = 0; i + 1 < count; i++)
            sorted[i] = paths[order[i]];
        if (!decision_place(sorted, count - 1, &paths[count - 1], &place))
            continue;
        placed++;
        decision_sort(paths, count, order);
        assert_int_equal(order[place], count - 1);
        for (size_t i = 0; i + 1 < count; i++)
            assert_int_equal(paths[order[i < place ? i : i + 1]].path_id, sorted[i].path_id);
    }
    assert_true(placed > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_decides_over_all_later_ones),
        cmocka_unit_test(med_removes_before_the_later_rules_compare),
        cmocka_unit_test(order_is_the_best_of_the_rest_again_and_again),
        cmocka_unit_test(a_place_that_is_given_keeps_the_decision_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
