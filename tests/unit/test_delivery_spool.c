/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that what waits in a spool is written before what came later, once, whatever fails or dies
 * meanwhile, and with the columns that it had when it was spooled. */
#include "support/delivery_rig.h"
#include <errno.h>
#include <signal.h>

/* ---- the spool ---- */

static void init_with_spool(struct rig *rig)
{
    init(rig);
    rig->setup.spool_dir = rig->core.spool_dir;
    host_start(rig, 0);
}

static void what_is_spooled_is_written_before_what_came_later(void **state)
{
    (void)state;
    struct rig rig;

    init_with_spool(&rig);
    push_three(&rig);
    fake_core_push(&rig.core, 1, 0, 0, EPOCH_END); /* no rows: there is nothing to keep */
    assert_int_equal(delivery_spool_all(rig.delivery), 0);
    assert_fates(&rig, 1, 3, 0, 0, 0);
    assert_int_equal(spool_count(rig.spool), 3);
    fake_core_push(&rig.core, 0, 10, 1, EPOCH_END);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 rows=1; 7=1@0:1+0; commit; ");
    run(&rig, DELIVERY_DONE, "begin 0:2-2 rows=1; 8=1@0:2+0; commit; ");
    run(&rig, DELIVERY_DONE, "begin 1:1-1 rows=1 ends; 9=1@1:1+0; commit; ");
    assert_int_equal(spool_count(rig.spool), 0);
    assert_int_equal(ring_drained(rig.core.outlet->lanes[0].ring).flows, 2);
    assert_int_equal(ring_drained(rig.core.outlet->lanes[1].ring).flows, 1);
    fake_core_push(&rig.core, 1, 11, 1, EPOCH_END); /* it is ahead by an epoch */
    run(&rig, DELIVERY_DONE, "begin 0:3-3 rows=1 ends; 10=1@0:3+0; commit; ");
    clear(&rig);
}

static void rows_that_the_backend_refuses_out_of_the_spool_are_told(void **state)
{
    (void)state;
    struct rig rig;

    init_with_spool(&rig);
    push_three(&rig);
    assert_int_equal(delivery_spool_all(rig.delivery), 0);
    fake_core_pending(&rig.core); /* as a worker does, it takes what is spooled off its list */
    rig.rejected_key = 8;
    for (int i = 0; i < 3; i++)
        assert_int_equal(delivery_run(rig.delivery, false), DELIVERY_DONE);
    assert_int_equal(spool_count(rig.spool), 0);
    struct ring *ring = rig.core.outlet->lanes[0].ring;
    assert_int_equal(ring_drained(ring).flows, 2);
    assert_int_equal(ring_rejected_drained(ring).flows, 1);
    assert_int_equal(ring_rejected_drained(ring).packets, 1);
    assert_int_equal(ring_rejected_drained(rig.core.outlet->lanes[1].ring).flows, 0);
    host_stop(&rig);
    host_start(&rig, SIGSEGV); /* what was told is known to the next host */
    assert_int_equal(ring_drained(ring).flows, 2);
    assert_int_equal(ring_rejected_drained(ring).flows, 1);
    clear(&rig);
}

static void a_failure_leaves_the_spool_as_it_is(void **state)
{
    (void)state;
    struct rig rig;

    init_with_spool(&rig);
    fake_core_push(&rig.core, 0, 7, 1, 0);
    assert_int_equal(delivery_spool_all(rig.delivery), 0);
    rig.commit_result = -EAGAIN;
    for (int n = 0; n < 5; n++)
        run(&rig, DELIVERY_FAILED, "begin 0:1-1 rows=1 ends; 7=1@0:1+0; commit; abort; ");
    assert_int_equal(delivery_error(rig.delivery), -EAGAIN);
    assert_int_equal(spool_count(rig.spool), 1);
    assert_int_equal(spool_first_attempts(rig.spool), 0);
    assert_int_equal(ring_drained(rig.core.outlet->lanes[0].ring).flows, 0);
    clear(&rig);
}

static void a_spooled_hand_over_that_kills_three_times_is_put_aside(void **state)
{
    (void)state;
    struct rig rig;

    init_with_spool(&rig);
    push_three(&rig);
    assert_int_equal(delivery_spool_all(rig.delivery), 0);
    rig.killing_key = 7;
    die_and_restart(&rig, SIGSEGV);
    die_and_restart(&rig, SIGSEGV);
    assert_int_equal(spool_count(rig.spool), 3);
    die_and_restart(&rig, SIGKILL); /* this one does not count */
    assert_int_equal(spool_count(rig.spool), 3);
    die_and_restart(&rig, SIGSEGV);
    assert_int_equal(spool_count(rig.spool), 2);
    run(&rig, DELIVERY_DONE, "begin 0:2-2 rows=1; 8=1@0:2+0; commit; ");
    clear(&rig);
}

static void a_death_between_disk_and_acknowledgement_writes_nothing_twice(void **state)
{
    (void)state;
    struct rig rig;
    struct handover h;
    struct lane_rows rows;

    init_with_spool(&rig);
    fake_core_push(&rig.core, 0, 7, 1, 0);
    fake_core_push(&rig.core, 0, 8, 1, EPOCH_END);
    fake_core_push(&rig.core, 1, 0, 0, EPOCH_END);
    /* Does what delivery_spool_all() does until the death. */
    assert_true(ring_view_peek(rig.lanes[0].ring, 0, &h));
    assert_int_equal(lane_rows_init(&rows, &rig.lanes[0], &h, schema_view(rig.core.schema)), 0);
    assert_int_equal(spool_put(rig.spool, 0, &rows, false), 0);
    lane_rows_clear(&rows);
    host_stop(&rig);
    host_start(&rig, SIGSEGV);
    assert_fates(&rig, 0, 1, 0, 0, 2);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 rows=1 ends; 7=1@0:1+0; commit; ");
    run(&rig, DELIVERY_DONE, "begin 0:2-2 1:1-1 rows=1 ends; 8=1@0:2+0; commit; ");
    clear(&rig);
}

static void the_spool_of_an_earlier_core_acknowledges_nothing_of_this_one(void **state)
{
    (void)state;
    struct rig rig;

    init_with_spool(&rig);
    fake_core_push(&rig.core, 0, 7, 1, 0);
    assert_int_equal(delivery_spool_all(rig.delivery), 0);
    assert_fates(&rig, 0, 1, 0, 0, 0);
    host_stop(&rig);
    /* The core is started anew: its hand-overs are numbered anew, and it has an id of its own. */
    struct fake_core old = rig.core;
    fake_core_init(&rig.core);
    rig.setup.core_id[0] = 'x';
    rig.setup.spool_dir = old.spool_dir;
    fake_core_push(&rig.core, 0, 8, 1, EPOCH_END);
    fake_core_push(&rig.core, 1, 0, 0, EPOCH_END);
    host_start(&rig, 0);
    assert_fates(&rig, 0, 0, 0, 0, 2);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 rows=1 ends; 7=1@0:1+0; commit; ");
    assert_int_equal(ring_drained(rig.core.outlet->lanes[0].ring).flows, 0);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 1:1-1 rows=1 ends; 8=1@0:1+0; commit; ");
    clear(&rig);
    fake_core_clear(&old);
}

/* ---- hand-overs of other columns ---- */

/* The host does this before each transaction. */
static void open_for_next(struct rig *rig)
{
    if (backend_schema(rig->backend) == delivery_schema(rig->delivery))
        return;
    backend_close(rig->backend);
    backend_set_schema(rig->backend, delivery_schema(rig->delivery));
    assert_int_equal(backend_open(rig->backend), 0);
}

/* Spools two rows, and starts a core whose rows have one column more; `old` is the first one. */
static void change_columns_over(struct rig *rig, struct fake_core *old)
{
    struct pa_column more = {.name = "flows", .kind = PA_KIND_U64, .combine = PA_COMBINE_SUM};
    struct schema *schema = schema_new();

    init_with_spool(rig);
    fake_core_push(&rig->core, 0, 7, 1, 0);
    fake_core_push(&rig->core, 1, 8, 1, 0);
    assert_int_equal(delivery_spool_all(rig->delivery), 0);
    host_stop(rig);
    *old = rig->core;
    fake_core_init(&rig->core);
    rig->setup.core_id[0] = 'x';
    rig->setup.spool_dir = old->spool_dir;
    const struct pa_schema *view = schema_view(rig->core.schema);
    for (uint32_t i = 0; i < view->column_count; i++)
        assert_int_equal(schema_add(schema, &view->columns[i]), 0);
    assert_int_equal(schema_add(schema, &more), 0);
    assert_int_equal(schema_finish(schema), 0);
    schema_free(rig->core.schema);
    rig->core.schema = schema;
    fake_core_push(&rig->core, 0, 9, 1, EPOCH_END);
    fake_core_push(&rig->core, 1, 0, 0, EPOCH_END);
    host_start(rig, 0);
}

static void rows_of_other_columns_are_written_first_and_as_they_were(void **state)
{
    (void)state;
    struct fake_core old;
    struct rig rig;

    change_columns_over(&rig, &old);
    assert_true(delivery_schema(rig.delivery) != schema_view(rig.core.schema));
    open_for_next(&rig);
    assert_int_equal(rig.schema->column_count, 3);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 rows=1; 7=1@0:1+0; commit; ");
    run(&rig, DELIVERY_DONE, "begin 1:1-1 rows=1 ends; 8=1@1:1+0; commit; ");
    assert_true(delivery_schema(rig.delivery) == schema_view(rig.core.schema));
    open_for_next(&rig);
    assert_int_equal(rig.schema->column_count, 4);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 1:1-1 rows=1 ends; 9=1@0:1+0; commit; ");
    assert_int_equal(spool_kept_count(rig.spool), 0);
    clear(&rig);
    fake_core_clear(&old);
}

static void rows_that_a_working_backend_refuses_stay_and_hold_up_nothing(void **state)
{
    (void)state;
    struct fake_core old;
    struct rig rig;
    int err;

    change_columns_over(&rig, &old);
    open_for_next(&rig);
    rig.commit_result = -EAGAIN;
    run(&rig, DELIVERY_FAILED, "begin 0:1-1 rows=1; 7=1@0:1+0; commit; abort; ");
    assert_true(delivery_passes_over(rig.delivery, -EAGAIN, NULL));
    rig.commit_result = 0;
    open_for_next(&rig);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 1:1-1 rows=1 ends; 9=1@0:1+0; commit; ");
    /* The backend works, so the others get one more chance. */
    assert_int_equal(spool_kept_count(rig.spool), 0);
    open_for_next(&rig);
    rig.commit_result = -EAGAIN;
    run(&rig, DELIVERY_FAILED, "begin 0:1-1 rows=1; 7=1@0:1+0; commit; abort; ");
    assert_true(delivery_passes_over(rig.delivery, -EAGAIN, NULL));
    assert_int_equal(spool_kept_count(rig.spool), 2);
    assert_int_equal(spool_count(rig.spool), 2);
    assert_true(delivery_schema(rig.delivery) == schema_view(rig.core.schema));
    assert_false(delivery_must_retry(rig.delivery, &err));
    rig.commit_result = 0;
    /* The next start tries again. */
    host_stop(&rig);
    host_start(&rig, 0);
    assert_int_equal(spool_kept_count(rig.spool), 0);
    open_for_next(&rig);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 rows=1; 7=1@0:1+0; commit; ");
    clear(&rig);
    fake_core_clear(&old);
}

static void a_backend_that_is_away_refuses_nothing(void **state)
{
    (void)state;
    struct fake_core old;
    struct rig rig;
    int err = 0;

    change_columns_over(&rig, &old);
    rig.commit_result = -EAGAIN;
    for (int n = 0; n < 3; n++) {
        open_for_next(&rig);
        run(&rig, DELIVERY_FAILED, "begin 0:1-1 rows=1; 7=1@0:1+0; commit; abort; ");
        assert_true(delivery_passes_over(rig.delivery, -EAGAIN, NULL));
        open_for_next(&rig);
        run(&rig, DELIVERY_FAILED, "begin 0:1-1 1:1-1 rows=1 ends; 9=1@0:1+0; commit; abort; ");
        assert_false(delivery_passes_over(rig.delivery, -EAGAIN, NULL));
    }
    assert_int_equal(spool_kept_count(rig.spool), 0);
    rig.commit_result = 0;
    open_for_next(&rig);
    run(&rig, DELIVERY_DONE, "begin 0:1-1 rows=1; 7=1@0:1+0; commit; ");
    /* With nothing else to write, a failure is waited for. */
    rig.commit_result = -EIO;
    open_for_next(&rig);
    run(&rig, DELIVERY_FAILED, "begin 1:1-1 rows=1 ends; 8=1@1:1+0; commit; abort; ");
    assert_true(delivery_passes_over(rig.delivery, -EIO, NULL));
    rig.commit_result = 0;
    assert_true(delivery_must_retry(rig.delivery, &err));
    assert_int_equal(err, -EIO);
    open_for_next(&rig);
    run(&rig, DELIVERY_DONE, "begin 1:1-1 rows=1 ends; 8=1@1:1+0; commit; ");
    clear(&rig);
    fake_core_clear(&old);
}

static void columns_that_the_check_refuses_are_not_tried(void **state)
{
    (void)state;
    struct fake_core old;
    struct rig rig;

    change_columns_over(&rig, &old);
    assert_true(delivery_passes_over(rig.delivery, -EINVAL, "there must be ports"));
    assert_int_equal(spool_kept_count(rig.spool), 2);
    assert_true(delivery_schema(rig.delivery) == schema_view(rig.core.schema));
    clear(&rig);
    fake_core_clear(&old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_other_columns_are_written_first_and_as_they_were),
        cmocka_unit_test(rows_that_a_working_backend_refuses_stay_and_hold_up_nothing),
        cmocka_unit_test(a_backend_that_is_away_refuses_nothing),
        cmocka_unit_test(columns_that_the_check_refuses_are_not_tried),
        cmocka_unit_test(what_is_spooled_is_written_before_what_came_later),
        cmocka_unit_test(rows_that_the_backend_refuses_out_of_the_spool_are_told),
        cmocka_unit_test(a_failure_leaves_the_spool_as_it_is),
        cmocka_unit_test(a_spooled_hand_over_that_kills_three_times_is_put_aside),
        cmocka_unit_test(a_death_between_disk_and_acknowledgement_writes_nothing_twice),
        cmocka_unit_test(the_spool_of_an_earlier_core_acknowledges_nothing_of_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
