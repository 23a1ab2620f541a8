/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what the host writes in a transaction, when hand-overs are acknowledged, and what comes
 * again after failures and deaths. The backend is in this program, and logs how it was called; a
 * host that dies is a child that exits in the middle of a call. */
#include "host/delivery.h"
#include "support/fake_core.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct rig {
    struct fake_core core; /* the workers, and no supervisor */
    struct lane lanes[FAKE_CORE_LANES];
    struct setup setup;
    struct link link;
    struct pa_plugin plugin;
    struct backend *backend;
    struct spool *spool;
    struct delivery *delivery;
    const struct pa_host *host;
    const struct pa_schema *schema; /* that it is open with */
    char log[4096];                 /* what the backend was asked for, a word each */
    int begin_result, write_result, commit_result;
    uint32_t rejected_key, killing_key; /* dst_as of a row that it refuses, or dies over; 0: none */
    bool dies_in_commit;
};

static struct rig *the_rig; /* for a plugin, whose open gets no argument of its own */

/* ---- the backend ---- */

static void note(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct rig *rig, const char *format, ...)
{
    size_t len = strlen(rig->log);
    va_list args;

    va_start(args, format);
    vsnprintf(rig->log + len, sizeof rig->log - len, format, args);
    va_end(args);
}

static int plugin_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    the_rig->schema = schema;
    the_rig->host = host;
    *ret_state = the_rig;
    return 0;
}

static void plugin_close(void *state)
{
    (void)state;
}

static int plugin_begin(void *state, const struct pa_transaction *t)
{
    struct rig *rig = state;

    note(rig, "begin");
    for (uint32_t i = 0; i < t->source_count; i++)
        note(rig, " %u:%u-%u", t->sources[i].worker, (unsigned)t->sources[i].first_seq,
             (unsigned)t->sources[i].last_seq);
    note(rig, " rows=%u%s%s; ", (unsigned)t->row_count, t->ends_epoch ? " ends" : "",
         t->is_last ? " last" : "");
    return rig->begin_result;
}

static int plugin_write(void *state, const struct pa_batch *batch)
{
    struct rig *rig = state;
    const struct pa_schema *schema = rig->schema;

    for (uint32_t i = 0; i < batch->row_count; i++) {
        const uint8_t *row = batch->rows + (size_t)i * schema->row_size;
        uint32_t key, id;
        uint64_t packets;
        memcpy(&key, row + schema_find(schema, "dst_as")->offset, sizeof key);
        memcpy(&id, row + schema_find(schema, "as_path")->offset, sizeof id);
        memcpy(&packets, row + schema_find(schema, "packets")->offset, sizeof packets);
        assert_true(id < batch->dictionary_count);
        char path[32];
        assert_int_equal(batch->dictionary[id].len, snprintf(path, sizeof path, "65000_%u", key));
        assert_memory_equal(batch->dictionary[id].data, path, strlen(path));
        note(rig, "%u=%u", key, (unsigned)packets);
        if (batch->source)
            note(rig, "@%u:%u+%u", batch->source->worker, (unsigned)batch->source->first_seq,
                 (unsigned)batch->first_row);
        note(rig, "; ");
        if (key == rig->killing_key)
            _exit(0);
        if (key == rig->rejected_key)
            rig->host->reject_row(rig->host, row, "the test says so");
    }
    return rig->write_result;
}

static int plugin_commit(void *state, const struct pa_transaction *t)
{
    struct rig *rig = state;

    (void)t;
    if (rig->dies_in_commit)
        _exit(0);
    note(rig, "commit; ");
    return rig->commit_result;
}

static void plugin_abort(void *state)
{
    note(state, "abort; ");
}

static const struct pa_key no_keys[] = {{0}};

/* ---- the host ---- */

static int never_give_up(void *arg, enum host_place place)
{
    (void)arg, (void)place;
    return 0;
}

static void host_start(struct rig *rig, uint8_t last_signal)
{
    const struct pa_schema *schema = schema_view(rig->core.schema);

    rig->setup.last_signal = last_signal;
    for (int i = 0; i < FAKE_CORE_LANES; i++) {
        const struct outlet_lane *lane = &rig->core.outlet->lanes[i];
        int slots, cursors;
        assert_int_equal(ring_open_for_host(lane->ring, &slots, &cursors), 0);
        rig->lanes[i].worker_event = poller_event_new();
        assert_int_equal(
            ring_view_new(slots, cursors, rig->lanes[i].worker_event, &rig->lanes[i].ring), 0);
        assert_int_equal(pool_view_new(pool_open_readonly(lane->pool), pool_max_count(lane->pool),
                                       &rig->lanes[i].pool),
                         0);
    }
    if (rig->setup.spool_dir) {
        struct spool_settings settings = {.dir = rig->setup.spool_dir,
                                          .instance_name = "edge",
                                          .max_size = UINT64_C(1) << 20,
                                          .schema = rig->core.schema};
        memcpy(settings.core_id, rig->setup.core_id, sizeof settings.core_id);
        assert_int_equal(spool_new(&settings, &rig->spool), 0);
    }
    rig->backend = backend_new(&rig->plugin, &rig->setup, schema, rig->core.poller, &rig->link,
                               never_give_up, NULL);
    assert_int_equal(backend_open(rig->backend), 0);
    rig->delivery = delivery_new(&(struct delivery_settings){.setup = &rig->setup,
                                                             .schema = schema,
                                                             .plugin_flags = rig->plugin.flags,
                                                             .lanes = rig->lanes,
                                                             .backend = rig->backend,
                                                             .spool = rig->spool,
                                                             .link = &rig->link});
    delivery_recover(rig->delivery);
}

static void host_stop(struct rig *rig)
{
    delivery_free(rig->delivery);
    backend_close(rig->backend);
    backend_free(rig->backend);
    spool_free(rig->spool);
    rig->spool = NULL;
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        lane_clear(&rig->lanes[i]);
}

/* Makes everything but the host, so that the plugin's flags and the spool can still be chosen. */
static void init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    the_rig = rig;
    fake_core_init(&rig->core);
    rig->link = (struct link){.socket = -1, .instance_name = "edge", .plugin_name = "test"};
    rig->setup = (struct setup){.core_id = "0123456789abcde",
                                .lane_count = FAKE_CORE_LANES,
                                .daemon_name = "nfacctd",
                                .instance_name = "edge",
                                .plugin_name = "test"};
    rig->plugin = (struct pa_plugin){.abi = PA_PLUGIN_ABI,
                                     .name = "test",
                                     .keys = no_keys,
                                     .open = plugin_open,
                                     .begin = plugin_begin,
                                     .write = plugin_write,
                                     .commit = plugin_commit,
                                     .abort = plugin_abort,
                                     .close = plugin_close};
}

static void clear(struct rig *rig)
{
    host_stop(rig);
    fake_core_clear(&rig->core);
}

/* The host dies of `signal` in its next transaction, and another one takes its place. */
static void die_and_restart(struct rig *rig, uint8_t signal)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        delivery_run(rig->delivery, false);
        _exit(1); /* no signal came, which is not what the test is about */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    host_stop(rig);
    host_start(rig, signal);
}

/* Runs delivery once: its result must be this, and the backend asked for just what `log` says. */
static void run(struct rig *rig, enum delivery_result result, const char *log)
{
    rig->log[0] = '\0';
    assert_int_equal(delivery_run(rig->delivery, false), result);
    assert_string_equal(rig->log, log);
}

/* Asserts what the workers hear: how many of each fate there were since the last time, and how many
 * are still pending. */
static void assert_fates(struct rig *rig, uint64_t written, uint64_t spooled, uint64_t poison,
                         uint64_t dropped, uint64_t pending)
{
    memset(rig->core.fates, 0, sizeof rig->core.fates);
    assert_int_equal(fake_core_pending(&rig->core), pending);
    assert_int_equal(rig->core.fates[HANDOVER_WRITTEN], written);
    assert_int_equal(rig->core.fates[HANDOVER_SPOOLED], spooled);
    assert_int_equal(rig->core.fates[HANDOVER_POISON], poison);
    assert_int_equal(rig->core.fates[HANDOVER_DROPPED], dropped);
}

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

/* Pushes an epoch: keys 7 and 8 of one worker, 9 of the other. */
static void push_three(struct rig *rig)
{
    fake_core_push(&rig->core, 0, 7, 1, 0);
    fake_core_push(&rig->core, 0, 8, 1, EPOCH_END);
    fake_core_push(&rig->core, 1, 9, 1, EPOCH_END);
}

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
        cmocka_unit_test(one_key_of_two_workers_is_written_as_one_row),
        cmocka_unit_test(a_backend_that_adds_up_gets_the_rows_as_they_are),
        cmocka_unit_test(a_backend_that_keeps_hand_overs_hears_which_they_are),
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
        cmocka_unit_test(what_is_spooled_is_written_before_what_came_later),
        cmocka_unit_test(rows_that_the_backend_refuses_out_of_the_spool_are_told),
        cmocka_unit_test(a_failure_leaves_the_spool_as_it_is),
        cmocka_unit_test(a_spooled_hand_over_that_kills_three_times_is_put_aside),
        cmocka_unit_test(a_death_between_disk_and_acknowledgement_writes_nothing_twice),
        cmocka_unit_test(the_spool_of_an_earlier_core_acknowledges_nothing_of_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
