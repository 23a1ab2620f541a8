/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Supervisor, plugin host and backend for real: this program is the core with two workers,
 * pathacct-host runs tests/plugin/recorder.c, and what counts is what stands in the recorder's
 * file.
 */
#include "core/supervisor.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "handover/dictionary.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LANES      2
#define KEYS       100 /* in the model of what was pushed */
#define POISON     666 /* the recorder dies over a row of so many packets */
#define UNLUCKY    667 /* and refuses one of so many */
#define WAIT_MAX_S 60

struct core {
    char dir[64], file[128], trouble[128], spool_dir[128];
    struct poller *poller;
    struct schema *schema;
    struct outlet *outlet;
    struct supervisor *supervisor;
    struct dictionary *dicts[LANES];
    int worker_events[LANES];
    struct setup_setting settings[3];
    struct supervisor_settings supervisor_settings;
    struct supervisor_plugin plugin;
    uint64_t group[LANES];
    uint64_t recycled[LANES], fates[4], rejected_rows;
    struct handover_totals poison, spooled;
};

static void add_column(struct schema *schema, const char *name, uint8_t kind, uint8_t combine)
{
    struct pa_column c = {
        .name = name, .json_name = name, .csv_title = name, .kind = kind, .combine = combine};
    assert_int_equal(schema_add(schema, &c), 0);
}

static void core_init(struct core *c)
{
    memset(c, 0, sizeof *c);
    strcpy(c->dir, "/tmp/pathacct-test-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->file, sizeof c->file, "%s/rows", c->dir);
    snprintf(c->trouble, sizeof c->trouble, "%s/trouble", c->dir);
    snprintf(c->spool_dir, sizeof c->spool_dir, "%s/spool", c->dir);
    assert_int_equal(mkdir(c->spool_dir, 0700), 0);
    c->schema = schema_new();
    add_column(c->schema, "dst_as", PA_KIND_U32, PA_COMBINE_KEY);
    add_column(c->schema, "as_path", PA_KIND_BYTES, PA_COMBINE_KEY);
    add_column(c->schema, "packets", PA_KIND_U64, PA_COMBINE_SUM);
    assert_int_equal(schema_finish(c->schema), 0);
    for (int i = 0; i < LANES; i++)
        c->worker_events[i] = poller_event_new();
    assert_int_equal(poller_new(&c->poller), 0);
    assert_int_equal(outlet_new(LANES, c->worker_events, UINT64_C(2048) * SEGMENT_SIZE, &c->outlet),
                     0);
    for (int i = 0; i < LANES; i++)
        c->dicts[i] = dictionary_new(c->outlet->lanes[i].pool);
    c->supervisor_settings = (struct supervisor_settings){.daemon_name = "nfacctd",
                                                          .host_path = TEST_HOST,
                                                          .plugin_dir = TEST_PLUGIN_DIR,
                                                          .identity = c->dir,
                                                          .core_id = "0123456789abcde",
                                                          .shutdown_timeout_s = 20};
    c->settings[0] = (struct setup_setting){"recorder_file", c->file, 0};
    c->settings[1] = (struct setup_setting){"recorder_trouble", c->trouble, 0};
    c->settings[2] = (struct setup_setting){"recorder_refresh_time", "60", 60};
    c->plugin = (struct supervisor_plugin){.instance_name = "edge",
                                           .plugin_name = "recorder",
                                           .schema = c->schema,
                                           .outlet = c->outlet,
                                           .settings = c->settings,
                                           .setting_count = 3};
}

static void core_start(struct core *c)
{
    assert_int_equal(supervisor_new(c->poller, &c->supervisor_settings, &c->supervisor), 0);
    assert_int_equal(supervisor_start(c->supervisor, &c->plugin), 0);
}

static void core_clear(struct core *c)
{
    char command[128];
    supervisor_free(c->supervisor);
    for (int i = 0; i < LANES; i++)
        dictionary_free(c->dicts[i]);
    outlet_free(c->outlet);
    for (int i = 0; i < LANES; i++)
        close(c->worker_events[i]);
    poller_free(c->poller);
    schema_free(c->schema);
    snprintf(command, sizeof command, "rm -rf %s", c->dir);
    assert_int_equal(system(command), 0);
}

/* One row with a path made of its key; packets 0: a marker without rows. */
static void push(struct core *c, int lane, uint32_t key, uint64_t packets, uint32_t flags)
{
    struct pool *pool = c->outlet->lanes[lane].pool;
    const struct pa_schema *schema = schema_view(c->schema);
    struct handover h = {.row_segment = SEGMENT_NONE, .flags = flags, .time_ns = 1};
    char path[32];

    if (packets > 0) {
        uint32_t id, unused;
        /* The same path gets different ids in the two workers. */
        for (int i = 0; i < lane; i++)
            assert_int_equal(dictionary_put(c->dicts[lane], "other", 5, false, &unused), 0);
        int len = snprintf(path, sizeof path, "65000_%u", key);
        assert_int_equal(dictionary_put(c->dicts[lane], path, (size_t)len, false, &id), 0);
        assert_int_equal(pool_take(pool, false, &h.row_segment), 0);
        struct segment *s = pool_segment(pool, h.row_segment);
        memset(s->data, 0, schema->row_size);
        memcpy(s->data + schema_find(schema, "dst_as")->offset, &key, sizeof key);
        memcpy(s->data + schema_find(schema, "as_path")->offset, &id, sizeof id);
        memcpy(s->data + schema_find(schema, "packets")->offset, &packets, sizeof packets);
        s->used = schema->row_size;
        h.row_count = 1;
        h.totals = (struct handover_totals){1, packets, packets * 100};
    }
    dictionary_finish(c->dicts[lane], &h.dictionary_segment, &h.dictionary_count);
    if ((flags & HANDOVER_MARKER) != 0)
        c->group[lane]++;
    h.group = h.epoch = c->group[lane];
    ring_push(c->outlet->lanes[lane].ring, &h);
}

static void push_last(struct core *c)
{
    for (int i = 0; i < LANES; i++)
        push(c, i, 0, 0, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH | HANDOVER_IS_LAST);
}

static void note_recycled(void *arg, const struct handover *h, const struct handover_outcome *o)
{
    struct core *c = arg;
    c->fates[o->fate]++;
    c->rejected_rows += o->rejected_rows;
    if (o->fate == HANDOVER_POISON)
        c->poison.packets += h->totals.packets;
    if (o->fate == HANDOVER_SPOOLED)
        c->spooled.packets += h->totals.packets;
}

static uint64_t pending(struct core *c)
{
    uint64_t count = 0;
    for (int i = 0; i < LANES; i++) {
        struct outlet_lane *lane = &c->outlet->lanes[i];
        c->recycled[i] += ring_recycle(lane->ring, lane->pool, note_recycled, c);
        count += ring_pending_count(lane->ring);
    }
    return count;
}

static struct supervisor_status status_of(const struct core *c)
{
    struct supervisor_status status;
    supervisor_status(c->supervisor, 0, &status);
    return status;
}

/* Runs the main loop until `is_reached`; false: it took too long. */
static bool run_until(struct core *c, bool (*is_reached)(struct core *c))
{
    int64_t end = clock_mono().ns + WAIT_MAX_S * NS_PER_S;
    while (!is_reached(c)) {
        if (clock_mono().ns > end)
            return false;
        poller_wait(c->poller, 20);
    }
    return true;
}

static bool all_acknowledged(struct core *c)
{
    return pending(c) == 0;
}
static bool supervisor_done(struct core *c)
{
    pending(c);
    return supervisor_is_done(c->supervisor);
}
static bool host_is_open(struct core *c)
{
    return status_of(c).is_open;
}
static bool host_is_failing(struct core *c)
{
    return status_of(c).is_failing;
}
static bool nothing_is_spooled(struct core *c)
{
    struct handover_totals drained = ring_drained(c->outlet->lanes[0].ring);
    return drained.packets + ring_drained(c->outlet->lanes[1].ring).packets == c->spooled.packets;
}

static void make_trouble(const struct core *c, const char *word)
{
    FILE *f = fopen(c->trouble, "w");
    assert_non_null(f);
    fputs(word, f);
    fclose(f);
}

/* Sums per key of what stands in the file; returns the number of rows. */
static unsigned read_rows(const struct core *c, uint64_t sums[KEYS])
{
    char line[256], path[64], expected_path[64];
    unsigned long long packets;
    unsigned key, count = 0;
    FILE *f = fopen(c->file, "r");
    memset(sums, 0, KEYS * sizeof *sums);
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "R %u %63s %llu", &key, path, &packets) != 3)
            continue;
        assert_true(key < KEYS);
        snprintf(expected_path, sizeof expected_path, "65000_%u", key);
        assert_string_equal(path, expected_path);
        sums[key] += packets;
        count++;
    }
    if (f != NULL)
        fclose(f);
    return count;
}

static void finish_clean(struct core *c)
{
    push_last(c);
    supervisor_stop(c->supervisor);
    assert_true(run_until(c, supervisor_done));
    assert_true(supervisor_all_clean(c->supervisor));
    assert_int_equal(pending(c), 0);
}

static void one_key_of_two_workers_becomes_one_row(void **state)
{
    (void)state;
    struct core c;
    uint64_t sums[KEYS];
    core_init(&c);
    core_start(&c);
    push(&c, 0, 7, 10, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    push(&c, 1, 7, 32, 0);
    push(&c, 1, 8, 5, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    finish_clean(&c);
    assert_int_equal(read_rows(&c, sums), 2);
    assert_int_equal(sums[7], 42);
    assert_int_equal(sums[8], 5);
    core_clear(&c);
}

static void epoch_waits_for_the_marker_of_each_worker(void **state)
{
    (void)state;
    struct core c;
    uint64_t sums[KEYS];
    core_init(&c);
    core_start(&c);
    push(&c, 0, 7, 10, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    assert_true(run_until(&c, host_is_open));
    for (int i = 0; i < 25; i++)
        poller_wait(c.poller, 20);
    assert_int_equal(pending(&c), 1);
    push(&c, 1, 0, 0, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH); /* idle, but it says so */
    assert_true(run_until(&c, all_acknowledged));
    assert_int_equal(read_rows(&c, sums), 1);
    finish_clean(&c);
    core_clear(&c);
}

static void rows_are_written_once_however_often_the_host_is_killed(void **state)
{
    (void)state;
    struct core c;
    uint64_t sums[KEYS], expected[KEYS] = {0};
    uint32_t kills = 0;
    core_init(&c);
    core_start(&c);
    for (uint32_t i = 0; i < 600; i++) {
        uint32_t key = 1 + i % (KEYS - 1);
        expected[key] += i + 1000;
        push(&c, (int)(i % LANES), key, i + 1000, 0);
        if (i % LANES == LANES - 1)
            for (int lane = 0; lane < LANES; lane++)
                push(&c, lane, 0, 0, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
        pending(&c);
        poller_wait(c.poller, 1);
        if (i % 100 == 50 && run_until(&c, host_is_open)) {
            usleep(1000 * (i % 7));
            kill(status_of(&c).pid, SIGKILL);
            kills++;
        }
    }
    finish_clean(&c);
    assert_int_equal(status_of(&c).restarts, kills);
    read_rows(&c, sums);
    assert_memory_equal(sums, expected, sizeof sums);
    assert_int_equal(c.fates[HANDOVER_POISON], 0);
    core_clear(&c);
}

static void commit_that_was_not_acknowledged_is_not_repeated(void **state)
{
    (void)state;
    struct core c;
    uint64_t sums[KEYS];
    core_init(&c);
    make_trouble(&c, "die");
    core_start(&c);
    push(&c, 0, 7, 10, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    push(&c, 1, 7, 20, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    finish_clean(&c);
    assert_int_equal(status_of(&c).restarts, 1);
    assert_int_equal(read_rows(&c, sums), 1);
    assert_int_equal(sums[7], 30);
    core_clear(&c);
}

static void poison_is_put_aside_and_the_rest_is_written(void **state)
{
    (void)state;
    struct core c;
    uint64_t sums[KEYS];
    core_init(&c);
    core_start(&c);
    push(&c, 0, 1, 10, 0);
    push(&c, 0, 2, POISON, 0);
    push(&c, 0, 3, 30, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    push(&c, 1, 4, 40, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    assert_true(run_until(&c, all_acknowledged));
    finish_clean(&c);
    assert_int_equal(status_of(&c).restarts, 3);
    assert_int_equal(read_rows(&c, sums), 3);
    assert_int_equal(sums[1] + sums[3] + sums[4], 80);
    assert_int_equal(c.fates[HANDOVER_POISON], 1);
    assert_int_equal(c.poison.packets, POISON);
    core_clear(&c);
}

static void refused_row_is_counted_and_the_rest_is_written(void **state)
{
    (void)state;
    struct core c;
    uint64_t sums[KEYS];
    core_init(&c);
    core_start(&c);
    push(&c, 0, 1, 10, 0);
    push(&c, 0, 2, UNLUCKY, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    push(&c, 1, 0, 0, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    finish_clean(&c);
    assert_int_equal(read_rows(&c, sums), 1);
    assert_int_equal(c.rejected_rows, 1);
    core_clear(&c);
}

static void handovers_wait_while_the_backend_fails(void **state)
{
    (void)state;
    struct core c;
    uint64_t sums[KEYS];
    core_init(&c);
    make_trouble(&c, "fail");
    core_start(&c);
    push(&c, 0, 7, 10, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    push(&c, 1, 8, 20, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    assert_true(run_until(&c, host_is_failing));
    assert_int_equal(pending(&c), 2);
    assert_int_equal(read_rows(&c, sums), 0);
    unlink(c.trouble);
    assert_true(run_until(&c, all_acknowledged));
    finish_clean(&c);
    assert_int_equal(read_rows(&c, sums), 2);
    assert_int_equal(status_of(&c).restarts, 0);
    core_clear(&c);
}

static void long_outage_goes_to_disk_and_comes_back_in_order(void **state)
{
    (void)state;
    struct core c;
    uint64_t sums[KEYS];
    core_init(&c);
    c.plugin.spool_dir = c.spool_dir;
    make_trouble(&c, "fail");
    core_start(&c);
    for (uint32_t i = 0; i < 20; i++)
        for (int lane = 0; lane < LANES; lane++)
            push(&c, lane, 1 + i, 1000 + i, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    assert_true(run_until(&c, all_acknowledged));
    assert_int_equal(c.fates[HANDOVER_SPOOLED], 40);
    assert_int_equal(read_rows(&c, sums), 0);
    kill(status_of(&c).pid, SIGKILL); /* what is on disk does not need the process */
    unlink(c.trouble);
    push(&c, 0, 50, 1, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    push(&c, 1, 50, 1, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    assert_true(run_until(&c, all_acknowledged));
    assert_true(run_until(&c, nothing_is_spooled));
    finish_clean(&c);
    assert_int_equal(read_rows(&c, sums), 41);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(sums[1 + i], 2 * (1000 + i));
    core_clear(&c);
}

static void backend_that_never_works_costs_no_more_than_the_timeout(void **state)
{
    (void)state;
    struct core c;
    core_init(&c);
    c.supervisor_settings.shutdown_timeout_s = 1;
    make_trouble(&c, "fail");
    core_start(&c);
    push(&c, 0, 7, 10, 0);
    push_last(&c);
    assert_true(run_until(&c, host_is_failing));
    supervisor_stop(c.supervisor);
    assert_true(run_until(&c, supervisor_done));
    assert_false(supervisor_all_clean(c.supervisor));
    assert_int_equal(pending(&c), 0);
    assert_int_equal(c.fates[HANDOVER_DROPPED], 3);
    core_clear(&c);
}

static void host_writes_what_a_dead_core_had_handed_over(void **state)
{
    (void)state;
    struct core c;
    uint64_t sums[KEYS] = {0};
    core_init(&c);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        core_start(&c);
        run_until(&c, host_is_open);
        push(&c, 0, 7, 10, 0); /* no markers at all */
        push(&c, 1, 7, 20, 0);
        push(&c, 1, 9, 30, 0);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 500 && sums[9] == 0; i++) {
        usleep(20000);
        read_rows(&c, sums);
    }
    assert_int_equal(sums[7], 30);
    assert_int_equal(sums[9], 30);
    core_clear(&c);
}

static void next_core_waits_until_the_old_host_is_through(void **state)
{
    (void)state;
    struct core c, first;
    uint64_t sums[KEYS] = {0};
    core_init(&c);
    make_trouble(&c, "fail");
    core_init(&first);
    memcpy(first.file, c.file, sizeof c.file);
    memcpy(first.trouble, c.trouble, sizeof c.trouble);
    first.supervisor_settings.identity = c.dir;
    first.supervisor_settings.core_id[0] = 'x';
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        core_start(&first);
        run_until(&first, host_is_open);
        push(&first, 0, 1, 1, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
        push(&first, 1, 0, 0, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
        run_until(&first, host_is_failing);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    core_start(&c);
    push(&c, 0, 2, 2, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    push(&c, 1, 0, 0, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    for (int i = 0; i < 25; i++)
        poller_wait(c.poller, 20);
    assert_false(host_is_open(&c));
    unlink(c.trouble);
    assert_true(run_until(&c, all_acknowledged));
    read_rows(&c, sums);
    assert_int_equal(sums[1], 1);
    assert_int_equal(sums[2], 2);
    finish_clean(&c);
    core_clear(&first);
    core_clear(&c);
}

static void check_tells_what_the_plugin_does_not_like(void **state)
{
    (void)state;
    struct core c;
    struct text error = {0};
    core_init(&c);
    assert_int_equal(supervisor_new(c.poller, &c.supervisor_settings, &c.supervisor), 0);
    assert_int_equal(supervisor_check(c.supervisor, &c.plugin, &error), 0);
    assert_int_equal(error.len, 0);
    c.settings[0].value = NULL;
    assert_int_equal(supervisor_check(c.supervisor, &c.plugin, &error), -EINVAL);
    assert_string_equal(text_cstr(&error), "recorder_file must be set");
    text_reset(&error);
    c.plugin.plugin_name = "nosuch";
    assert_int_equal(supervisor_check(c.supervisor, &c.plugin, &error), -EINVAL);
    assert_non_null(strstr(text_cstr(&error), "there is no plugin nosuch"));
    text_clear(&error);
    core_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_of_two_workers_becomes_one_row),
        cmocka_unit_test(epoch_waits_for_the_marker_of_each_worker),
        cmocka_unit_test(rows_are_written_once_however_often_the_host_is_killed),
        cmocka_unit_test(commit_that_was_not_acknowledged_is_not_repeated),
        cmocka_unit_test(poison_is_put_aside_and_the_rest_is_written),
        cmocka_unit_test(refused_row_is_counted_and_the_rest_is_written),
        cmocka_unit_test(handovers_wait_while_the_backend_fails),
        cmocka_unit_test(long_outage_goes_to_disk_and_comes_back_in_order),
        cmocka_unit_test(backend_that_never_works_costs_no_more_than_the_timeout),
        cmocka_unit_test(host_writes_what_a_dead_core_had_handed_over),
        cmocka_unit_test(next_core_waits_until_the_old_host_is_through),
        cmocka_unit_test(check_tells_what_the_plugin_does_not_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
