/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves the RIB's answers under random changes, withdrawals, sessions, and queries into the past,
 * against a model that is searched from one end to the other (support/rib_model.h). */
#include "support/rib_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void random_life(bool keeps, uint64_t seed, unsigned filler)
{
    struct rib_choices from = {.state = seed};

    thread_enter_role(&bgp_thread);
    struct rib_model *m = rib_model_new(keeps);
    for (unsigned step = 0; step < 20000; step++) {
        if (step == 5000)
            rib_model_fill(m, filler);
        else if (step == 15000 && !keeps)
            rib_model_unfill(m);
        rib_model_change(m, &from);
        if (step % 10 == 0)
            rib_model_ask(m, &from);
        if (step % 50 == 0)
            rib_model_tick(m);
    }
    for (int match = PATH_MATCH_NONE + 1; match < PATH_MATCH_COUNT; match++) {
        if (rib_model_seen(m, match) < 20)
            fail_msg("%s came up %u times only", path_matches[match].text,
                     rib_model_seen(m, match));
    }
    assert_true(rib_model_seen(m, 0) >= 20); /* late news */
    rib_model_free(m);
    thread_leave_role(&bgp_thread);
}

static void every_answer_agrees_with_a_linear_search_of_all_lives(void **state)
{
    (void)state;
    random_life(false, 21, 70000);
    random_life(false, 22, 2000);
}

static void every_answer_agrees_while_stale_paths_are_kept(void **state)
{
    (void)state;
    random_life(true, 23, 70000);
    random_life(true, 24, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_agrees_with_a_linear_search_of_all_lives),
        cmocka_unit_test(every_answer_agrees_while_stale_paths_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
