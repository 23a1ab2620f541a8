/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what becomes of rows while a backend hangs: a real supervisor kills a real pathacct-host, in which
 * tests/plugin/recorder.c stands still. */
#include "support/fake_core.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_S  1
#define LINE_MAX_S 30

/* A core whose log can be read. */
struct rig {
    struct fake_core core;
    int own_stderr, log_fd;
};

static void make_trouble(const struct fake_core *c, const char *word)
{
    FILE *f = fopen(c->trouble, "w");
    assert_non_null(f);
    fputs(word, f);
    fclose(f);
}

static void rig_init(struct rig *rig)
{
    fake_core_init(&rig->core);
    rig->core.plugin.timeout_s = TIMEOUT_S;
    FILE *log = tmpfile();
    assert_non_null(log);
    rig->log_fd = dup(fileno(log));
    fclose(log);
}

static void rig_start(struct rig *rig, const char *trouble, bool has_spool)
{
    struct fake_core *c = &rig->core;
    if (has_spool)
        c->plugin.spool_dir = c->spool_dir;
    make_trouble(c, trouble);
    rig->own_stderr = dup(STDERR_FILENO);
    assert_true(dup2(rig->log_fd, STDERR_FILENO) >= 0);
    fake_core_start(c);
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        fake_core_push(c, i, 7, 10, EPOCH_END);
}

#define LOG_SIZE 65536
static void read_log(const struct rig *rig, char text[LOG_SIZE])
{
    ssize_t len = pread(rig->log_fd, text, LOG_SIZE - 1, 0);
    text[len > 0 ? len : 0] = '\0';
}

static bool log_has(const struct rig *rig, const char *words)
{
    static char text[LOG_SIZE];
    read_log(rig, text);
    return strstr(text, words) != NULL;
}

/* Tells what fails where it can be read, with the log. */
static void fail_with_log(const struct rig *rig, const char *what)
{
    static char text[LOG_SIZE];
    read_log(rig, text);
    dup2(rig->own_stderr, STDERR_FILENO);
    print_error("the log:\n%s\n", text);
    fail_msg("%s", what);
}

/* A line of the host comes to the core by its own way: often later than what became of the rows, which is
 * told in memory. */
static void see(const struct rig *rig, const char *words)
{
    int64_t end = clock_mono().ns + LINE_MAX_S * NS_PER_S;
    while (!log_has(rig, words) && clock_mono().ns < end)
        poller_wait(rig->core.poller, 20);
    if (!log_has(rig, words))
        fail_with_log(rig, words);
}

static void reach(struct rig *rig, bool (*is_reached)(struct fake_core *core))
{
    if (!fake_core_run_until(&rig->core, is_reached))
        fail_with_log(rig, "what was waited for did not come");
}

/* Asserts that each row arrived once and nothing went another way. */
static void rig_end(struct rig *rig, unsigned expected_rows, uint64_t expected_sum)
{
    struct fake_core *c = &rig->core;
    unsigned long long packets, sum = 0;
    unsigned count = 0, key;
    char line[256];
    assert_true(dup2(rig->own_stderr, STDERR_FILENO) >= 0);
    close(rig->own_stderr);
    close(rig->log_fd);
    FILE *f = fopen(c->file, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "R %u %*s %llu", &key, &packets) == 2) {
            count++;
            sum += packets;
        }
    if (f != NULL)
        fclose(f);
    assert_int_equal(count, expected_rows);
    assert_int_equal(sum, expected_sum);
    assert_int_equal(c->fates[HANDOVER_POISON] + c->fates[HANDOVER_DROPPED], 0);
    fake_core_clear(c);
}

static void rig_finish(struct rig *rig, unsigned expected_rows, uint64_t expected_sum)
{
    unlink(rig->core.trouble);
    fake_core_finish(&rig->core);
    rig_end(rig, expected_rows, expected_sum);
}

static bool has_hung_twice(struct fake_core *c)
{
    fake_core_pending(c);
    return fake_core_status(c).hung_kills >= 2;
}

static bool has_hung_three_times(struct fake_core *c)
{
    fake_core_pending(c);
    return fake_core_status(c).hung_kills >= 3;
}

static bool is_spooled(struct fake_core *c)
{
    fake_core_pending(c);
    return c->fates[HANDOVER_SPOOLED] >= 2 * FAKE_CORE_LANES;
}

static bool both_are_spooled(struct fake_core *c)
{
    fake_core_pending(c);
    return c->fates[HANDOVER_SPOOLED] >= FAKE_CORE_LANES;
}

static bool nothing_is_spooled(struct fake_core *c)
{
    uint64_t drained = 0;
    fake_core_pending(c);
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        drained += ring_drained(c->outlet->lanes[i].ring).packets;
    return c->spooled.packets == drained && drained > 0;
}

static void host_that_hangs_is_killed_and_the_next_one_has_twice_the_time(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, "hang", false);
    reach(&rig, has_hung_twice);
    see(&rig, "plugin recorder[edge]: its process gives no sign of life for 1 s "
              "while 2 hand-overs wait, at work in its backend");
    see(&rig, "it is killed; the next one has 2 s (plugin_timeout)");
    see(&rig, "gives no sign of life for 2 s while 2 hand-overs wait");
    see(&rig, "the next one has 4 s (plugin_timeout)");
    rig_finish(&rig, 2, 20); /* after two deaths hand-overs come one by one */
}

static void host_that_runs_in_circles_is_killed_too(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, "spin", false);
    reach(&rig, has_hung_twice);
    rig_finish(&rig, 2, 20); /* after two deaths hand-overs come one by one */
}

static struct rig *slow_rig;
static bool slowness_is_told(struct fake_core *c)
{
    (void)c;
    return log_has(slow_rig, "plugin recorder[edge]: its backend is slow: nothing was written for");
}

static void backend_that_is_only_slow_is_waited_for(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, "slow", false);
    slow_rig = &rig;
    reach(&rig, slowness_is_told);
    assert_int_equal(fake_core_status(&rig.core).hung_kills, 0);
    rig_finish(&rig, 1, 20);
}

/* The third death comes after a time of spooling, and the next time is longer. */
static void backend_that_hangs_again_is_left_alone_while_rows_are_spooled(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, "hang", true);
    reach(&rig, has_hung_twice);
    see(&rig, "it is killed; the next one only spools for 2 s (plugin_timeout)");
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        fake_core_push(&rig.core, i, 8, 5, EPOCH_END);
    reach(&rig, is_spooled);
    see(&rig, "the backend hung again: rows go to plugin_spool_dir, and it is "
              "tried again in 2 s");
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        fake_core_push(&rig.core, i, 9, 1, EPOCH_END);
    reach(&rig, has_hung_three_times);
    see(&rig, "it is killed; the next one only spools for 4 s (plugin_timeout)");
    unlink(rig.core.trouble);
    reach(&rig, nothing_is_spooled);
    rig_finish(&rig, 6, 32); /* what was spooled comes hand-over by hand-over */
}

static bool has_begun(struct fake_core *c)
{
    struct stat status;
    return stat(c->file, &status) == 0 && status.st_size > 0;
}

/* Without a kill in time the end of the time would take the rows. */
static void backend_that_hangs_at_the_end_leaves_its_rows_on_disk(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.core.plugin.timeout_s = 120;
    rig.core.supervisor_settings.shutdown_timeout_s = 6;
    rig_start(&rig, "hang", true);
    reach(&rig, has_begun);
    fake_core_push_last(&rig.core);
    supervisor_stop(rig.core.supervisor);
    reach(&rig, supervisor_done);
    assert_true(supervisor_all_clean(rig.core.supervisor));
    see(&rig, "gives no sign of life for 3 s while");
    see(&rig, "it is killed; the next one only spools for 6 s");
    assert_int_equal(rig.core.fates[HANDOVER_SPOOLED], FAKE_CORE_LANES);
    rig_end(&rig, 0, 0);
}

/* Returns a process that traces the host: the dead host cannot be reaped until that ends, as if it
 * did not die. */
static pid_t hold_on_to(pid_t host)
{
    int ready[2];
    char is_tracing = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        is_tracing = ptrace(PTRACE_SEIZE, host, NULL, NULL) == 0;
        if (write(ready[1], &is_tracing, 1) == 1 && is_tracing)
            pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &is_tracing, 1), 1);
    close(ready[0]);
    close(ready[1]);
    if (is_tracing)
        return pid;
    waitpid(pid, NULL, 0);
    return -1;
}

static void host_that_does_not_die_does_not_hold_up_the_end(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.core.plugin.timeout_s = 0;
    rig.core.supervisor_settings.shutdown_timeout_s = 1;
    rig_start(&rig, "hang", false);
    reach(&rig, has_begun);
    pid_t tracer = hold_on_to(fake_core_status(&rig.core).pid);
    fake_core_push_last(&rig.core);
    supervisor_stop(rig.core.supervisor);
    reach(&rig, supervisor_done);
    assert_false(supervisor_all_clean(rig.core.supervisor));
    if (tracer > 0) { /* the kernel may forbid to trace */
        see(&rig, "does not die, it is");
        kill(tracer, SIGKILL);
        waitpid(tracer, NULL, 0);
    }
    rig_end(&rig, 0, 0);
}

/* Kills a core whose host hangs in its first transaction. The host of `rig`, which has started then,
 * waits for the lock of that one. */
static void begin_after_a_killed_core(struct rig *first, struct rig *rig, bool has_spool)
{
    rig_init(first);
    rig_init(rig);
    first->core.supervisor_settings.identity = rig->core.dir;
    first->core.supervisor_settings.core_id[0] = 'x';
    first->core.supervisor_settings.shutdown_timeout_s = 1;
    first->core.plugin.timeout_s = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        rig_start(first, "hang", has_spool);
        fake_core_run_until(&first->core, has_begun);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    if (has_spool)
        memcpy(rig->core.spool_dir, first->core.spool_dir, sizeof rig->core.spool_dir);
    rig_start(rig, "", has_spool);
    reach(rig, all_acknowledged);
}

static void host_that_hangs_after_its_core_has_ended_ends_too(void **state)
{
    (void)state;
    struct rig first, rig;
    begin_after_a_killed_core(&first, &rig, false);
    see(&first, "the core has ended, and the backend hangs: this process ends, and 2 flows are "
                "lost; with plugin_spool_dir they are kept");
    rig_finish(&rig, 1, 20);
    fake_core_clear(&first.core);
}

static void what_such_a_host_holds_is_spooled_and_written_by_the_next(void **state)
{
    (void)state;
    struct rig first, rig;
    begin_after_a_killed_core(&first, &rig, true);
    see(&first, "this process ends, and what it had not written is spooled");
    rig_finish(&rig, 3, 40); /* two hand-overs out of the spool, and one row of two of its own */
    fake_core_clear(&first.core);
}

/* ---- a backend with a thread of its own ---- */

/* Starts a backend that stands still in `function` until the returned file is closed. */
static int start_still(struct rig *rig, const char *function)
{
    struct fake_core *c = &rig->core;
    make_trouble(c, function);
    int fd = open(c->trouble, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    c->plugin.plugin_name = "blocker";
    c->plugin.timeout_s = 0;
    c->plugin.spool_dir = c->spool_dir;
    return fd;
}

static void move_on(const struct rig *rig, int fd)
{
    unlink(rig->core.trouble);
    close(fd);
}

static uint64_t rejected_of_drained(const struct fake_core *c)
{
    uint64_t packets = 0;
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        packets += ring_rejected_drained(c->outlet->lanes[i].ring).packets;
    return packets;
}

/* The row that the backend refuses is counted as that, once the commit ends. */
static void rows_are_spooled_while_a_commit_stands_still(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    int fd = start_still(&rig, "commit");
    fake_core_push(&rig.core, 0, 4, 667, 0); /* the recorder refuses it */
    rig_start(&rig, "commit", true);
    reach(&rig, both_are_spooled);
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        fake_core_push(&rig.core, i, 5, 3, EPOCH_END);
    reach(&rig, is_spooled);
    see(&rig, "the backend has stood still for "); /* 5 s, or more on a busy machine */
    assert_int_equal(fake_core_status(&rig.core).hung_kills, 0);
    move_on(&rig, fd);
    reach(&rig, nothing_is_spooled);
    see(&rig, "the backend moves again");
    assert_int_equal(rejected_of_drained(&rig.core), 667);
    rig_finish(&rig, 3, 26); /* a row of the commit, and two hand-overs that came one by one */
}

/* Its rows lie in memory that others use by then, so it must not go on with them. */
static void write_that_stands_still_is_given_up_and_its_rows_come_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    schema_set_unaggregated(rig.core.schema);
    int fd = start_still(&rig, "write");
    rig_start(&rig, "write", true);
    reach(&rig, both_are_spooled);
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < FAKE_CORE_LANES; i++)
            fake_core_push(&rig.core, i, 100, 1, EPOCH_END);
    reach(&rig, all_acknowledged);
    move_on(&rig, fd);
    reach(&rig, nothing_is_spooled);
    rig_finish(&rig, 2 + 20 * FAKE_CORE_LANES, 20 + 20 * FAKE_CORE_LANES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_that_hangs_is_killed_and_the_next_one_has_twice_the_time),
        cmocka_unit_test(host_that_runs_in_circles_is_killed_too),
        cmocka_unit_test(backend_that_is_only_slow_is_waited_for),
        cmocka_unit_test(backend_that_hangs_at_the_end_leaves_its_rows_on_disk),
        cmocka_unit_test(host_that_does_not_die_does_not_hold_up_the_end),
        cmocka_unit_test(host_that_hangs_after_its_core_has_ended_ends_too),
        cmocka_unit_test(what_such_a_host_holds_is_spooled_and_written_by_the_next),
        cmocka_unit_test(rows_are_spooled_while_a_commit_stands_still),
        cmocka_unit_test(write_that_stands_still_is_given_up_and_its_rows_come_again),
        cmocka_unit_test(backend_that_hangs_again_is_left_alone_while_rows_are_spooled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
