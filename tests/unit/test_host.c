/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that supervisor, plugin host and backend together lose no row and repeat none: a real
 * pathacct-host runs tests/plugin/recorder.c, and the test compares the recorder's file with what
 * it pushed. */
#include "support/fake_core.h"

#include "base/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS    100 /* keys in the model of what was pushed */
#define POISON  666 /* the recorder dies over a row of so many packets */
#define UNLUCKY 667 /* the recorder refuses one of so many */

static void make_trouble(const struct fake_core *c, const char *word)
{
    FILE *f = fopen(c->trouble, "w");
    assert_non_null(f);
    fputs(word, f);
    fclose(f);
}

/* Sums up by key what stands in the file; returns the number of rows. */
static unsigned read_rows(const struct fake_core *c, uint64_t sums[KEYS])
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

static bool host_is_failing(struct fake_core *c)
{
    return fake_core_status(c).is_failing;
}
static bool nothing_is_spooled(struct fake_core *c)
{
    struct handover_totals drained = ring_drained(c->outlet->lanes[0].ring);
    return drained.packets + ring_drained(c->outlet->lanes[1].ring).packets == c->spooled.packets;
}

/* Appends the texts of the file's lines that begin with a letter, one behind the other. */
static void read_lines(const struct fake_core *c, char letter, struct text *out)
{
    char line[256];
    FILE *f = fopen(c->file, "r");
    text_reset(out);
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (line[0] == letter)
            text_append_string(out, line);
    if (f != NULL)
        fclose(f);
}

static unsigned count_lines(const struct fake_core *c, char letter)
{
    struct text lines = {0};
    unsigned count = 0;
    read_lines(c, letter, &lines);
    for (const char *at = text_cstr(&lines); *at != '\0'; at++)
        count += *at == '\n';
    text_clear(&lines);
    return count;
}

static bool two_begins_are_noted(struct fake_core *c)
{
    return count_lines(c, 'B') >= 2;
}
static bool four_begins_are_noted(struct fake_core *c)
{
    return count_lines(c, 'B') >= 4;
}

static void one_key_of_two_workers_becomes_one_row(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS];
    fake_core_init(&c);
    fake_core_start(&c);
    fake_core_push(&c, 0, 7, 10, EPOCH_END);
    fake_core_push(&c, 1, 7, 32, 0);
    fake_core_push(&c, 1, 8, 5, EPOCH_END);
    fake_core_finish(&c);
    assert_int_equal(read_rows(&c, sums), 2);
    assert_int_equal(sums[7], 42);
    assert_int_equal(sums[8], 5);
    fake_core_clear(&c);
}

static void epoch_waits_for_the_marker_of_each_worker(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS];
    fake_core_init(&c);
    fake_core_start(&c);
    fake_core_push(&c, 0, 7, 10, EPOCH_END);
    assert_true(fake_core_run_until(&c, host_is_open));
    for (int i = 0; i < 25; i++)
        poller_wait(c.poller, 20);
    assert_int_equal(fake_core_pending(&c), 1);
    fake_core_push(&c, 1, 0, 0, EPOCH_END); /* idle, but it says so */
    assert_true(fake_core_run_until(&c, all_acknowledged));
    assert_int_equal(read_rows(&c, sums), 1);
    fake_core_finish(&c);
    fake_core_clear(&c);
}

static void rows_are_written_once_however_often_the_host_is_killed(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS], expected[KEYS] = {0};
    uint32_t kills = 0;
    fake_core_init(&c);
    fake_core_start(&c);
    for (uint32_t i = 0; i < 600; i++) {
        uint32_t key = 1 + i % (KEYS - 1);
        expected[key] += i + 1000;
        fake_core_push(&c, (int)(i % FAKE_CORE_LANES), key, i + 1000, 0);
        if (i % FAKE_CORE_LANES == FAKE_CORE_LANES - 1)
            for (int lane = 0; lane < FAKE_CORE_LANES; lane++)
                fake_core_push(&c, lane, 0, 0, EPOCH_END);
        fake_core_pending(&c);
        poller_wait(c.poller, 1);
        if (i % 100 == 50 && fake_core_run_until(&c, host_is_open)) {
            usleep(1000 * (i % 7));
            fake_core_kill_host(&c);
            kills++;
        }
    }
    fake_core_finish(&c);
    assert_int_equal(fake_core_status(&c).restarts, kills);
    read_rows(&c, sums);
    assert_memory_equal(sums, expected, sizeof sums);
    assert_int_equal(c.fates[HANDOVER_POISON], 0);
    fake_core_clear(&c);
}

static void commit_that_was_not_acknowledged_is_not_repeated(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS];
    fake_core_init(&c);
    make_trouble(&c, "die");
    fake_core_start(&c);
    fake_core_push(&c, 0, 7, 10, EPOCH_END);
    fake_core_push(&c, 1, 7, 20, EPOCH_END);
    fake_core_finish(&c);
    assert_int_equal(fake_core_status(&c).restarts, 1);
    assert_int_equal(read_rows(&c, sums), 1);
    assert_int_equal(sums[7], 30);
    fake_core_clear(&c);
}

/* The plugin returns, and the host sees it; or it does not return, and the daemon sees it. */
static void plugin_that_writes_over_shared_memory_dies_and_costs_no_row(void **state)
{
    (void)state;
    for (int hangs = 0; hangs < 2; hangs++) {
        struct fake_core c;
        uint64_t sums[KEYS];
        fake_core_init(&c);
        make_trouble(&c, hangs ? "scribblehang" : "scribble");
        fake_core_start(&c);
        fake_core_push(&c, 0, 7, 10, EPOCH_END);
        fake_core_push(&c, 1, 7, 20, EPOCH_END);
        assert_true(fake_core_run_until(&c, all_acknowledged));
        assert_int_equal(fake_core_status(&c).restarts, 1);
        fake_core_push(&c, 0, 8, 5, EPOCH_END);
        fake_core_push(&c, 1, 0, 0, EPOCH_END);
        fake_core_finish(&c);
        assert_int_equal(fake_core_status(&c).restarts, 1);
        assert_int_equal(read_rows(&c, sums), 2);
        assert_int_equal(sums[7], 30);
        assert_int_equal(sums[8], 5);
        assert_int_equal(c.fates[HANDOVER_WRITTEN], 6);
        for (int i = 0; i < FAKE_CORE_LANES; i++)
            assert_int_equal(ring_drained(c.outlet->lanes[i].ring).packets, 0);
        assert_int_equal(count_lines(&c, 'W'), 0); /* it could write to its cursors alone */
        fake_core_clear(&c);
    }
}

/* Unaggregated rows are taken as they come, so without the bounds in the cursors the second attempt
 * would take more. */
static void transaction_comes_again_with_the_bounds_it_had(void **state)
{
    (void)state;
    struct fake_core c;
    struct text begins = {0};
    fake_core_init(&c);
    schema_set_unaggregated(c.schema);
    make_trouble(&c, "begin");
    for (uint32_t i = 1; i <= 3; i++)
        fake_core_push(&c, 0, i, i, 0);
    fake_core_push(&c, 1, 4, 4, 0);
    fake_core_push(&c, 1, 5, 5, 0);
    fake_core_start(&c);
    assert_true(fake_core_run_until(&c, two_begins_are_noted));
    unlink(c.trouble);
    fake_core_push(&c, 0, 6, 6, 0);
    fake_core_push(&c, 1, 7, 7, 0);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    read_lines(&c, 'B', &begins);
    assert_string_equal(text_cstr(&begins), "B 0 1 3\nB 1 1 2\n"
                                            "B 0 1 3\nB 1 1 2\n"
                                            "B 0 4 4\nB 1 3 3\n");
    text_clear(&begins);
    fake_core_finish(&c);
    fake_core_clear(&c);
}

/* A file that each epoch replaces must not be replaced between two parts of one epoch. */
static void epoch_that_is_written_in_parts_ends_with_the_last(void **state)
{
    (void)state;
    struct fake_core c;
    struct text commits = {0};
    fake_core_init(&c);
    make_trouble(&c, "begin");
    fake_core_push(&c, 0, 1, 1, 0);
    fake_core_push(&c, 0, 2, 2, EPOCH_END);
    fake_core_push(&c, 1, 3, 3, 0);
    fake_core_push(&c, 1, 4, 4, EPOCH_END);
    fake_core_start(&c);
    assert_true(fake_core_run_until(&c, four_begins_are_noted)); /* it died twice over two lanes */
    unlink(c.trouble);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    read_lines(&c, 'C', &commits);
    assert_string_equal(text_cstr(&commits), "C 1 0 0\nC 1 0 0\nC 1 0 0\nC 1 1 0\n");
    text_clear(&commits);
    fake_core_finish(&c);
    fake_core_clear(&c);
}

static void poison_is_put_aside_and_the_rest_is_written(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS];
    fake_core_init(&c);
    fake_core_start(&c);
    fake_core_push(&c, 0, 1, 10, 0);
    fake_core_push(&c, 0, 2, POISON, 0);
    fake_core_push(&c, 0, 3, 30, EPOCH_END);
    fake_core_push(&c, 1, 4, 40, EPOCH_END);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    fake_core_finish(&c);
    assert_int_equal(fake_core_status(&c).restarts, 3);
    assert_int_equal(read_rows(&c, sums), 3);
    assert_int_equal(sums[1] + sums[3] + sums[4], 80);
    assert_int_equal(c.fates[HANDOVER_POISON], 1);
    assert_int_equal(c.poison.packets, POISON);
    fake_core_clear(&c);
}

static void refused_row_is_counted_and_the_rest_is_written(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS];
    fake_core_init(&c);
    fake_core_start(&c);
    fake_core_push(&c, 0, 1, 10, 0);
    fake_core_push(&c, 0, 2, UNLUCKY, EPOCH_END);
    fake_core_push(&c, 1, 0, 0, EPOCH_END);
    fake_core_finish(&c);
    assert_int_equal(read_rows(&c, sums), 1);
    assert_int_equal(c.rejected_rows, 1);
    fake_core_clear(&c);
}

static void handovers_wait_while_the_backend_fails(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS];
    fake_core_init(&c);
    make_trouble(&c, "fail");
    fake_core_start(&c);
    fake_core_push(&c, 0, 7, 10, EPOCH_END);
    fake_core_push(&c, 1, 8, 20, EPOCH_END);
    assert_true(fake_core_run_until(&c, host_is_failing));
    assert_int_equal(fake_core_pending(&c), 2);
    assert_int_equal(read_rows(&c, sums), 0);
    unlink(c.trouble);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    fake_core_finish(&c);
    assert_int_equal(read_rows(&c, sums), 2);
    assert_int_equal(fake_core_status(&c).restarts, 0);
    fake_core_clear(&c);
}

static void long_outage_goes_to_disk_and_comes_back_in_order(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS];
    fake_core_init(&c);
    c.plugin.spool_dir = c.spool_dir;
    make_trouble(&c, "fail");
    fake_core_start(&c);
    for (uint32_t i = 0; i < 20; i++)
        for (int lane = 0; lane < FAKE_CORE_LANES; lane++)
            fake_core_push(&c, lane, 1 + i, 1000 + i, EPOCH_END);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    assert_int_equal(c.fates[HANDOVER_SPOOLED], 40);
    assert_int_equal(read_rows(&c, sums), 0);
    fake_core_kill_host(&c); /* what is on disk does not need the process */
    unlink(c.trouble);
    fake_core_push(&c, 0, 50, 1, EPOCH_END);
    fake_core_push(&c, 1, 50, 1, EPOCH_END);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    assert_true(fake_core_run_until(&c, nothing_is_spooled));
    fake_core_finish(&c);
    assert_int_equal(read_rows(&c, sums), 41);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(sums[1 + i], 2 * (1000 + i));
    fake_core_clear(&c);
}

/* The first core leaves the spool as a host does that died before it could acknowledge to the
 * second, which is given the same identity. */
/* Key 7 comes from both workers and would be one row; group 2 waits on disk before it is
 * written. */
static void rows_of_a_plugin_that_keeps_handovers_say_where_they_are_from(void **state)
{
    (void)state;
    struct fake_core c;
    struct text lines = {0};
    fake_core_init(&c);
    c.plugin.plugin_name = "keeper";
    c.plugin.spool_dir = c.spool_dir;
    fake_core_push(&c, 0, 7, 10, EPOCH_END);
    fake_core_push(&c, 1, 7, 32, 0);
    fake_core_push(&c, 1, 8, 5, EPOCH_END);
    fake_core_start(&c);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    make_trouble(&c, "fail");
    fake_core_push(&c, 0, 9, 1, EPOCH_END);
    fake_core_push(&c, 1, 9, 2, EPOCH_END);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    unlink(c.trouble);
    fake_core_kill_host(&c); /* else it waits longer to try again */
    assert_true(fake_core_run_until(&c, nothing_is_spooled));
    read_lines(&c, 'H', &lines);
    assert_string_equal(text_cstr(&lines),
                        "H 0 1 0 1\nH 1 1 0 1\nH 1 2 0 1\nH 0 2 0 1\nH 1 3 0 1\n");
    read_lines(&c, 'R', &lines);
    assert_string_equal(text_cstr(&lines), "R 7 65000_7 10\nR 7 65000_7 32\nR 8 65000_8 5\n"
                                           "R 9 65000_9 1\nR 9 65000_9 2\n");
    text_clear(&lines);
    fake_core_finish(&c);
    fake_core_clear(&c);
}

static void handover_that_was_spooled_but_not_acknowledged_is_booked_once(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS];
    fake_core_init(&c);
    c.plugin.spool_dir = c.spool_dir;
    make_trouble(&c, "fail");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) { /* a core with the same id, whose rings are its own */
        struct fake_core other;
        fake_core_init(&other);
        other.plugin.spool_dir = c.spool_dir;
        memcpy(other.settings, c.settings, sizeof other.settings);
        fake_core_push(&other, 0, 7, 10, 0);
        fake_core_push_last(&other);
        fake_core_start(&other);
        fake_core_run_until(&other, all_acknowledged);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    fake_core_push(&c, 0, 7, 10, 0);
    fake_core_start(&c);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    assert_int_equal(c.fates[HANDOVER_SPOOLED], 1);
    unlink(c.trouble);
    assert_true(fake_core_run_until(&c, nothing_is_spooled));
    fake_core_finish(&c);
    assert_int_equal(read_rows(&c, sums), 1);
    assert_int_equal(ring_drained(c.outlet->lanes[0].ring).packets, 10);
    fake_core_clear(&c);
}

static void backend_that_never_works_costs_no_more_than_the_timeout(void **state)
{
    (void)state;
    struct fake_core c;
    fake_core_init(&c);
    c.supervisor_settings.shutdown_timeout_s = 1;
    make_trouble(&c, "fail");
    fake_core_start(&c);
    fake_core_push(&c, 0, 7, 10, 0);
    fake_core_push_last(&c);
    assert_true(fake_core_run_until(&c, host_is_failing));
    supervisor_stop(c.supervisor);
    assert_true(fake_core_run_until(&c, supervisor_done));
    assert_false(supervisor_all_clean(c.supervisor));
    assert_int_equal(fake_core_pending(&c), 0);
    assert_int_equal(c.fates[HANDOVER_DROPPED], 3);
    fake_core_clear(&c);
}

static void host_writes_what_a_dead_core_had_handed_over(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS] = {0};
    fake_core_init(&c);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fake_core_start(&c);
        fake_core_run_until(&c, host_is_open);
        fake_core_push(&c, 0, 7, 10, 0); /* no markers at all */
        fake_core_push(&c, 1, 7, 20, 0);
        fake_core_push(&c, 1, 9, 30, 0);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 500 && sums[9] == 0; i++) {
        usleep(20000);
        read_rows(&c, sums);
    }
    assert_int_equal(sums[7], 30);
    assert_int_equal(sums[9], 30);
    fake_core_clear(&c);
}

static void next_core_waits_until_the_old_host_is_through(void **state)
{
    (void)state;
    struct fake_core c, first;
    uint64_t sums[KEYS] = {0};
    fake_core_init(&c);
    make_trouble(&c, "fail");
    fake_core_init(&first);
    memcpy(first.file, c.file, sizeof c.file);
    memcpy(first.trouble, c.trouble, sizeof c.trouble);
    first.supervisor_settings.identity = c.dir;
    first.supervisor_settings.core_id[0] = 'x';
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fake_core_start(&first);
        fake_core_run_until(&first, host_is_open);
        fake_core_push(&first, 0, 1, 1, EPOCH_END);
        fake_core_push(&first, 1, 0, 0, EPOCH_END);
        fake_core_run_until(&first, host_is_failing);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    fake_core_start(&c);
    fake_core_push(&c, 0, 2, 2, EPOCH_END);
    fake_core_push(&c, 1, 0, 0, EPOCH_END);
    for (int i = 0; i < 25; i++)
        poller_wait(c.poller, 20);
    assert_false(host_is_open(&c));
    unlink(c.trouble);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    read_rows(&c, sums);
    assert_int_equal(sums[1], 1);
    assert_int_equal(sums[2], 2);
    fake_core_finish(&c);
    fake_core_clear(&first);
    fake_core_clear(&c);
}

static void check_tells_what_the_plugin_does_not_like(void **state)
{
    (void)state;
    struct fake_core c;
    struct text error = {0}, notices = {0};
    fake_core_init(&c);
    c.supervisor = supervisor_new(c.poller, &c.supervisor_settings);
    assert_int_equal(supervisor_check(c.supervisor, &c.plugin, &error, &notices), 0);
    assert_int_equal(error.len, 0);
    c.settings[0].value = NULL;
    assert_int_equal(supervisor_check(c.supervisor, &c.plugin, &error, &notices), -EINVAL);
    assert_string_equal(text_cstr(&error), "recorder_file must be set");
    text_reset(&error);
    c.plugin.plugin_name = "nosuch";
    assert_int_equal(supervisor_check(c.supervisor, &c.plugin, &error, &notices), -EINVAL);
    assert_non_null(strstr(text_cstr(&error), "there is no plugin nosuch"));
    assert_string_equal(text_cstr(&notices), "recorder_file: it would do\n");
    text_clear(&notices);
    text_clear(&error);
    fake_core_clear(&c);
}

/* A complaint is a part of what is wrong if the trial fails, and a notice if it does not. */
static void trial_tells_all_that_the_plugin_complains_of(void **state)
{
    (void)state;
    struct fake_core c;
    struct text error = {0}, notices = {0};
    fake_core_init(&c);
    c.supervisor = supervisor_new(c.poller, &c.supervisor_settings);
    assert_int_equal(supervisor_try_out(c.supervisor, &c.plugin, &error, &notices), 0);
    assert_int_equal(error.len, 0);
    assert_string_equal(text_cstr(&notices), "recorder_file: it may be too small\n");
    text_reset(&notices);
    make_trouble(&c, "shut");
    assert_int_equal(supervisor_try_out(c.supervisor, &c.plugin, &error, &notices), -EINVAL);
    assert_string_equal(text_cstr(&error), "recorder_file: it does not open\n"
                                           "recorder_file: it may be too small\n"
                                           "recorder_file: it is locked\n");
    assert_string_equal(text_cstr(&notices), "recorder_file: it is red\n");
    text_clear(&notices);
    text_clear(&error);
    fake_core_clear(&c);
}

#define UNDECLARED                                                                                 \
    "the plugin recorder asks for the setting recorder_undeclared, which it does not declare"

static void host_goes_by_what_its_launcher_says(void **state)
{
    (void)state;
    struct fake_core c;
    fake_core_init(&c);
    c.supervisor = supervisor_new(c.poller, &c.supervisor_settings);
    for (int i = 0; i < 2; i++) {
        struct text error = {0}, notices = {0};
        char bounds[4096];
        snprintf(bounds, sizeof bounds, "2\n%s\n",
                 i == 0 ? "/elsewhere" : c.supervisor_settings.plugin_dir);
        setenv("PATHACCT_HOST_BOUNDS", bounds, 1);
        int err = supervisor_check(c.supervisor, &c.plugin, &error, &notices);
        unsetenv("PATHACCT_HOST_BOUNDS");
        bool is_refused = strstr(text_cstr(&notices), "asks for another plugin") != NULL;
        assert_int_equal(err == 0, i == 1);
        assert_int_equal(is_refused, i == 0);
        text_clear(&error);
        text_clear(&notices);
    }
    fake_core_clear(&c);
}

static void check_refuses_a_plugin_that_asks_for_what_is_not_its_key(void **state)
{
    (void)state;
    struct fake_core c;
    struct text error = {0}, notices = {0};
    fake_core_init(&c);
    make_trouble(&c, "ask");
    c.supervisor = supervisor_new(c.poller, &c.supervisor_settings);
    assert_int_equal(supervisor_check(c.supervisor, &c.plugin, &error, &notices), -EINVAL);
    assert_non_null(strstr(text_cstr(&error), UNDECLARED));
    text_clear(&notices);
    text_clear(&error);
    fake_core_clear(&c);
}

static bool host_was_started_again(struct fake_core *c)
{
    return fake_core_status(c).restarts > 0;
}

static void plugin_that_asks_for_what_is_not_its_key_ends_and_says_which(void **state)
{
    (void)state;
    struct fake_core c;
    uint64_t sums[KEYS];
    char path[96], log[4096] = "";
    fake_core_init(&c);
    snprintf(path, sizeof path, "%s/log", c.dir);
    int own_stderr = dup(STDERR_FILENO);
    FILE *f = fopen(path, "w+");
    assert_true(own_stderr >= 0 && f != NULL && dup2(fileno(f), STDERR_FILENO) >= 0);
    make_trouble(&c, "ask");
    fake_core_start(&c);
    fake_core_push(&c, 0, 1, 1, EPOCH_END);
    fake_core_push(&c, 1, 1, 1, EPOCH_END);
    bool has_ended = fake_core_run_until(&c, host_was_started_again);
    assert_true(dup2(own_stderr, STDERR_FILENO) >= 0);
    close(own_stderr);
    rewind(f);
    assert_true(fread(log, 1, sizeof log - 1, f) > 0);
    fclose(f);
    assert_true(has_ended);
    assert_non_null(strstr(log, UNDECLARED));
    unlink(c.trouble);
    assert_true(fake_core_run_until(&c, all_acknowledged));
    read_rows(&c, sums);
    assert_int_equal(sums[1], 2);
    fake_core_finish(&c);
    fake_core_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_of_two_workers_becomes_one_row),
        cmocka_unit_test(epoch_waits_for_the_marker_of_each_worker),
        cmocka_unit_test(rows_are_written_once_however_often_the_host_is_killed),
        cmocka_unit_test(commit_that_was_not_acknowledged_is_not_repeated),
        cmocka_unit_test(plugin_that_writes_over_shared_memory_dies_and_costs_no_row),
        cmocka_unit_test(transaction_comes_again_with_the_bounds_it_had),
        cmocka_unit_test(epoch_that_is_written_in_parts_ends_with_the_last),
        cmocka_unit_test(poison_is_put_aside_and_the_rest_is_written),
        cmocka_unit_test(refused_row_is_counted_and_the_rest_is_written),
        cmocka_unit_test(handovers_wait_while_the_backend_fails),
        cmocka_unit_test(long_outage_goes_to_disk_and_comes_back_in_order),
        cmocka_unit_test(rows_of_a_plugin_that_keeps_handovers_say_where_they_are_from),
        cmocka_unit_test(handover_that_was_spooled_but_not_acknowledged_is_booked_once),
        cmocka_unit_test(backend_that_never_works_costs_no_more_than_the_timeout),
        cmocka_unit_test(host_writes_what_a_dead_core_had_handed_over),
        cmocka_unit_test(next_core_waits_until_the_old_host_is_through),
        cmocka_unit_test(check_tells_what_the_plugin_does_not_like),
        cmocka_unit_test(trial_tells_all_that_the_plugin_complains_of),
        cmocka_unit_test(host_goes_by_what_its_launcher_says),
        cmocka_unit_test(check_refuses_a_plugin_that_asks_for_what_is_not_its_key),
        cmocka_unit_test(plugin_that_asks_for_what_is_not_its_key_ends_and_says_which),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
