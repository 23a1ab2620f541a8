/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what the host writes in a transaction, when hand-overs are acknowledged, and what comes
 * again after failures and deaths. */
#include "support/delivery_rig.h"
#include <errno.h>
#include <signal.h>

/* ---- transactions ---- */

static void one_key_of_two_workers_is_written_as_one_row(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    host_start(&rig, 0);
    run(&rig, DELIVERY_IDLE, "");
    fake_core_push(&rig.core, 0, 7, 10, EPOCH_END);
    run(&rig, DELIVERY_IDLE, "");
    fake_core_push(&rig.core, 1, 7, 5, EPOCH_END);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 1:1-1 rows=1 ends; 7=15; commit; ");
    assert_int_equal(delivery_commit_count(rig.delivery), 1);
    assert_fates(&rig, 2, 0, 0, 0, 0);
    run(&rig, DELIVERY_IDLE, "");
    clear(&rig);
}

static void a_backend_that_adds_up_gets_the_rows_as_they_are(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.plugin.flags = PA_PLUGIN_ADDS_UP;
    host_start(&rig, 0);
    fake_core_push(&rig.core, 0, 7, 10, EPOCH_END);
    fake_core_push(&rig.core, 1, 7, 5, EPOCH_END);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 1:1-1 rows=2 ends; 7=10@0:1+0; 7=5@1:1+0; commit; ");
    clear(&rig);
}

static void a_backend_that_keeps_hand_overs_hears_which_they_are(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.plugin.flags = PA_PLUGIN_KEEPS_HANDOVERS;
    host_start(&rig, 0);
    fake_core_push(&rig.core, 0, 7, 10, 0);
    fake_core_push(&rig.core, 0, 8, 11, EPOCH_END);
    fake_core_push(&rig.core, 1, 7, 5, EPOCH_END);
    run(&rig, DELIVERY_DONE,
        "begin 0:1-2 1:1-1 rows=3 ends; 7=10@0:1+0; 8=11@0:2+0; 7=5@1:1+0; commit; ");
    clear(&rig);
}

static void a_group_without_rows_is_a_transaction_too(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    host_start(&rig, 0);
    fake_core_push_last(&rig.core);
    assert_false(delivery_is_ended(rig.delivery));
    run(&rig, DELIVERY_DONE, "begin 0:1-1 1:1-1 rows=0 ends last; commit; ");
    assert_true(delivery_is_ended(rig.delivery));
    clear(&rig);
}

static void what_a_core_that_is_gone_has_left_is_not_waited_for(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    host_start(&rig, 0);
    fake_core_push(&rig.core, 0, 7, 10, 0);
    run(&rig, DELIVERY_IDLE, "");
    assert_int_equal(delivery_run(rig.delivery, true), DELIVERY_DONE);
    assert_string_equal(rig.log, "begin 0:1-1 rows=1; 7=10@0:1+0; commit; ");
    clear(&rig);
}

static void a_failure_keeps_everything_and_the_same_comes_again(void **state)
{
    (void)state;
    for (int step = 0; step < 3; step++) {
        struct rig rig;
        init(&rig);
        rig.plugin.flags = PA_PLUGIN_ADDS_UP;
        rig.begin_result = step == 0 ? -EAGAIN : 0;
        rig.write_result = step == 1 ? -ENOSPC : 0;
        rig.commit_result = step == 2 ? -EIO : 0;
        host_start(&rig, 0);
        fake_core_push(&rig.core, 0, 7, 10, EPOCH_END);
        fake_core_push(&rig.core, 1, 8, 5, EPOCH_END);
        static const char *const logs[] = {
            "begin 0:1-1 1:1-1 rows=2 ends; abort; ",
            "begin 0:1-1 1:1-1 rows=2 ends; 7=10@0:1+0; abort; ",
            "begin 0:1-1 1:1-1 rows=2 ends; 7=10@0:1+0; 8=5@1:1+0; commit; abort; "};
        for (int n = 0; n < 5; n++) /* however often: nobody died */
            run(&rig, DELIVERY_FAILED, logs[step]);
        assert_int_equal(delivery_error(rig.delivery), step == 0   ? -EAGAIN
                                                       : step == 1 ? -ENOSPC
                                                                   : -EIO);
        assert_int_equal(delivery_commit_count(rig.delivery), 0);
        assert_int_equal(ring_view_attempt(rig.lanes[0].ring).attempts, 0);
        assert_fates(&rig, 0, 0, 0, 0, 2);
        /* The hand-over that came meanwhile does not get into a transaction that was begun. */
        fake_core_push(&rig.core, 0, 9, 1, EPOCH_END);
        fake_core_push(&rig.core, 1, 9, 1, EPOCH_END);
        rig.begin_result = rig.write_result = rig.commit_result = 0;
        run(&rig, DELIVERY_DONE, "begin 0:1-1 1:1-1 rows=2 ends; 7=10@0:1+0; 8=5@1:1+0; commit; ");
        assert_fates(&rig, 2, 0, 0, 0, 2);
        clear(&rig);
    }
}

static void what_the_backend_holds_already_is_not_written_again(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.begin_result = PA_DONE_ALREADY;
    host_start(&rig, 0);
    fake_core_push(&rig.core, 0, 7, 10, EPOCH_END);
    fake_core_push(&rig.core, 1, 0, 0, EPOCH_END);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 1:1-1 rows=1 ends; ");
    assert_fates(&rig, 2, 0, 0, 0, 0);
    clear(&rig);
}

static void rows_that_the_backend_refuses_are_told_to_the_worker(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.rejected_key = 8;
    host_start(&rig, 0);
    fake_core_push(&rig.core, 0, 7, 10, 0);
    fake_core_push(&rig.core, 0, 8, 10, EPOCH_END);
    fake_core_push(&rig.core, 1, 8, 10, EPOCH_END);
    run(&rig, DELIVERY_DONE, "begin 0:1-2 1:1-1 rows=2 ends; 7=10; 8=20; commit; ");
    assert_fates(&rig, 3, 0, 0, 0, 0);
    assert_int_equal(rig.core.rejected_rows, 1);
    clear(&rig);
}

static void a_damaged_hand_over_does_not_stop_the_others(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    host_start(&rig, 0);
    ring_push(rig.core.outlet->lanes[0].ring, &(struct handover){.row_segment = SEGMENT_NONE,
                                                                 .row_count = 1,
                                                                 .dictionary_segment = SEGMENT_NONE,
                                                                 .totals = {3, 3, 3}});
    fake_core_push(&rig.core, 0, 7, 10, EPOCH_END);
    fake_core_push(&rig.core, 1, 0, 0, EPOCH_END);
    run(&rig, DELIVERY_DONE, "begin 0:1-2 1:1-1 rows=1 ends; 7=10@0:2+0; commit; ");
    assert_fates(&rig, 2, 0, 0, 1, 0);
    clear(&rig);
}

static void what_cannot_be_written_at_the_end_is_dropped_and_counted(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    host_start(&rig, 0);
    assert_int_equal(delivery_spool_all(rig.delivery), -ENOENT); /* there is none */
    fake_core_push(&rig.core, 0, 7, 10, 0);
    fake_core_push(&rig.core, 1, 7, 10, 0);
    fake_core_push_last(&rig.core);
    assert_int_equal(delivery_drop_all(rig.delivery), 2); /* a flow each */
    assert_fates(&rig, 0, 0, 0, 4, 0);
    assert_true(delivery_is_ended(rig.delivery));
    clear(&rig);
}

/* ---- deaths ---- */

static void after_one_death_the_same_transaction_comes_again(void **state)
{
    (void)state;
    for (int in_commit = 0; in_commit < 2; in_commit++) {
        struct rig rig;
        init(&rig);
        rig.plugin.flags = PA_PLUGIN_ADDS_UP;
        rig.killing_key = in_commit ? 0 : 8;
        rig.dies_in_commit = in_commit;
        host_start(&rig, 0);
        push_three(&rig);
        die_and_restart(&rig, SIGSEGV);
        assert_fates(&rig, 0, 0, 0, 0, 3);
        fake_core_push(&rig.core, 0, 10, 1, EPOCH_END);
        fake_core_push(&rig.core, 1, 10, 1, EPOCH_END);
        rig.killing_key = 0;
        rig.dies_in_commit = false;
        run(&rig, DELIVERY_DONE,
            "begin 0:1-2 1:1-1 rows=3 ends; 7=1@0:1+0; 8=1@0:2+0; 9=1@1:1+0; commit; ");
        assert_fates(&rig, 3, 0, 0, 0, 2);
        clear(&rig);
    }
}

static void after_two_deaths_hand_overs_come_one_by_one(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.killing_key = 8;
    host_start(&rig, 0);
    push_three(&rig);
    die_and_restart(&rig, SIGSEGV);
    die_and_restart(&rig, SIGSEGV);
    rig.killing_key = 0; /* it was not the row's doing, or is mended */
    run(&rig, DELIVERY_DONE, "begin 0:1-1 rows=1; 7=1@0:1+0; commit; ");
    run(&rig, DELIVERY_DONE, "begin 0:2-2 rows=1; 8=1@0:2+0; commit; ");
    run(&rig, DELIVERY_DONE, "begin 1:1-1 rows=1 ends; 9=1@1:1+0; commit; ");
    assert_fates(&rig, 3, 0, 0, 0, 0);
    clear(&rig);
}

static void a_hand_over_that_kills_three_times_is_put_aside(void **state)
{
    (void)state;
    for (int has_spool = 0; has_spool < 2; has_spool++) {
        struct rig rig;
        init(&rig);
        rig.killing_key = 7;
        rig.setup.spool_dir = has_spool ? rig.core.spool_dir : NULL;
        host_start(&rig, 0);
        push_three(&rig);
        die_and_restart(&rig, SIGSEGV);
        die_and_restart(&rig, SIGSEGV);
        die_and_restart(&rig, SIGSEGV);
        assert_fates(&rig, 0, 0, 1, 0, 2); /* already: not even begun once more */
        run(&rig, DELIVERY_DONE, "begin 0:2-2 rows=1; 8=1@0:2+0; commit; ");
        run(&rig, DELIVERY_DONE, "begin 1:1-1 rows=1 ends; 9=1@1:1+0; commit; ");
        assert_fates(&rig, 2, 0, 0, 0, 0);
        if (has_spool) {
            char path[256];
            snprintf(path, sizeof path, "%s/edge/%020d.poison", rig.core.spool_dir, 1);
            assert_int_equal(access(path, R_OK), 0);
        }
        clear(&rig);
    }
}

static void a_host_that_was_killed_by_somebody_throws_nothing_away(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.killing_key = 7;
    host_start(&rig, 0);
    push_three(&rig);
    for (int i = 0; i < 6; i++)
        die_and_restart(&rig, SIGKILL);
    assert_fates(&rig, 0, 0, 0, 0, 3);
    rig.killing_key = 0;
    run(&rig, DELIVERY_DONE, "begin 0:1-1 rows=1; 7=1@0:1+0; commit; ");
    run(&rig, DELIVERY_DONE, "begin 0:2-2 rows=1; 8=1@0:2+0; commit; ");
    run(&rig, DELIVERY_DONE, "begin 1:1-1 rows=1 ends; 9=1@1:1+0; commit; ");
    clear(&rig);
}

static void failures_between_deaths_do_not_count_as_deaths(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.plugin.flags = PA_PLUGIN_ADDS_UP;
    rig.killing_key = 8;
    host_start(&rig, 0);
    push_three(&rig);
    die_and_restart(&rig, SIGSEGV);
    rig.killing_key = 0;
    rig.write_result = -EAGAIN;
    for (int n = 0; n < 5; n++)
        run(&rig, DELIVERY_FAILED, "begin 0:1-2 1:1-1 rows=3 ends; 7=1@0:1+0; abort; ");
    host_stop(&rig);
    host_start(&rig, SIGSEGV); /* it died between two attempts: over none of them */
    rig.write_result = 0;
    run(&rig, DELIVERY_DONE,
        "begin 0:1-2 1:1-1 rows=3 ends; 7=1@0:1+0; 8=1@0:2+0; 9=1@1:1+0; commit; ");
    clear(&rig);
}

struct losses {
    unsigned acknowledged, lost;
};

static void note_loss(void *arg, const struct handover *h, const struct handover_outcome *outcome)
{
    struct losses *losses = arg;

    (void)outcome;
    if (h)
        losses->acknowledged++;
    else
        losses->lost++;
}

static void a_volatile_backend_has_lost_what_it_held(void **state)
{
    (void)state;
    for (int is_volatile = 0; is_volatile < 2; is_volatile++) {
        struct losses losses = {0};
        struct rig rig;
        init(&rig);
        rig.plugin.flags = is_volatile ? PA_PLUGIN_IS_VOLATILE : 0;
        host_start(&rig, 0);
        push_three(&rig);
        assert_int_equal(delivery_run(rig.delivery, false), DELIVERY_DONE);
        host_stop(&rig);
        host_start(&rig, SIGSEGV);
        for (int i = 0; i < FAKE_CORE_LANES; i++)
            ring_recycle(rig.core.outlet->lanes[i].ring, rig.core.outlet->lanes[i].pool, note_loss,
                         &losses);
        assert_int_equal(losses.acknowledged, 3);
        assert_int_equal(losses.lost, is_volatile ? FAKE_CORE_LANES : 0);
        clear(&rig);
    }
}

static void datagrams_that_a_dead_host_had_taken_come_no_more(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.plugin.flags = PA_PLUGIN_TAKES_DATAGRAMS;
    host_start(&rig, 0);
    for (int in_commit = 0; in_commit < 2; in_commit++) {
        push_three(&rig);
        rig.killing_key = in_commit ? 0 : 8;
        rig.dies_in_commit = in_commit;
        die_and_restart(&rig, SIGKILL);
        rig.dies_in_commit = false;
        rig.killing_key = 0;
        run(&rig, DELIVERY_IDLE, "");
        assert_fates(&rig, 0, 0, 0, 0, 0);
        assert_int_equal(rig.core.fates[HANDOVER_LOST], 3);
    }
    fake_core_push(&rig.core, 0, 7, 1, EPOCH_END); /* the others have their turn */
    fake_core_push(&rig.core, 1, 9, 1, EPOCH_END);
    run(&rig, DELIVERY_DONE, "begin 0:5-5 1:3-3 rows=2 ends; 7=1@0:5+0; 9=1@1:3+0; commit; ");
    assert_fates(&rig, 2, 0, 0, 0, 0);
    clear(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_of_two_workers_is_written_as_one_row),
        cmocka_unit_test(a_backend_that_adds_up_gets_the_rows_as_they_are),
        cmocka_unit_test(a_backend_that_keeps_hand_overs_hears_which_they_are),
        cmocka_unit_test(datagrams_that_a_dead_host_had_taken_come_no_more),
        cmocka_unit_test(a_group_without_rows_is_a_transaction_too),
        cmocka_unit_test(what_a_core_that_is_gone_has_left_is_not_waited_for),
        cmocka_unit_test(a_failure_keeps_everything_and_the_same_comes_again),
        cmocka_unit_test(what_the_backend_holds_already_is_not_written_again),
        cmocka_unit_test(rows_that_the_backend_refuses_are_told_to_the_worker),
        cmocka_unit_test(a_damaged_hand_over_does_not_stop_the_others),
        cmocka_unit_test(what_cannot_be_written_at_the_end_is_dropped_and_counted),
        cmocka_unit_test(after_one_death_the_same_transaction_comes_again),
        cmocka_unit_test(after_two_deaths_hand_overs_come_one_by_one),
        cmocka_unit_test(a_hand_over_that_kills_three_times_is_put_aside),
        cmocka_unit_test(a_host_that_was_killed_by_somebody_throws_nothing_away),
        cmocka_unit_test(failures_between_deaths_do_not_count_as_deaths),
        cmocka_unit_test(a_volatile_backend_has_lost_what_it_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
