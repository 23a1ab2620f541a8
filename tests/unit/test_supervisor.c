/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the supervisor keeps an instance running whatever its host does: scripts stand in for
 * hosts that end, hang or speak nonsense, and a real one shows what is known of it. What hosts do
 * with rows is test_host.c's. */
#include "support/fake_core.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes a script the host of all instances; it notes each of its starts. */
static void use_script(struct fake_core *c, const char *script)
{
    static char path[sizeof c->dir + 8];
    snprintf(path, sizeof path, "%s/host", c->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\ndate +%%s%%N >>%s\n%s\n", c->file, script);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0700), 0);
    c->supervisor_settings.host_path = path;
}

/* Reads when the script was started; returns how often. */
static int read_starts(const struct fake_core *c, int64_t *starts, int max)
{
    char line[64];
    int count = 0;
    FILE *f = fopen(c->file, "r");
    while (f != NULL && count < max && fgets(line, sizeof line, f) != NULL)
        starts[count++] = strtoll(line, NULL, 10);
    if (f != NULL)
        fclose(f);
    return count;
}

static bool has_started(struct fake_core *c)
{
    int64_t start;
    return read_starts(c, &start, 1) == 1;
}

static bool was_started_three_times(struct fake_core *c)
{
    int64_t starts[3];
    return read_starts(c, starts, 3) == 3;
}

static void host_that_cannot_be_run_is_an_error(void **state)
{
    (void)state;
    struct fake_core c;
    fake_core_init(&c);
    c.supervisor_settings.host_path = "/nonexistent/host";
    c.supervisor = supervisor_new(c.poller, &c.supervisor_settings);
    assert_int_equal(supervisor_start(c.supervisor, &c.plugin), -ENOENT);
    assert_true(supervisor_is_done(c.supervisor));
    fake_core_clear(&c);
}

static void host_that_ends_is_started_again_after_longer_and_longer_pauses(void **state)
{
    (void)state;
    struct fake_core c;
    int64_t starts[3];
    fake_core_init(&c);
    use_script(&c, "exit 0"); /* what it was started for is not done, so this is no success */
    fake_core_start(&c);
    assert_true(fake_core_run_until(&c, was_started_three_times));
    read_starts(&c, starts, 3);
    /* The clock of the script is not the supervisor's: a tenth is left for that. */
    assert_true(starts[1] - starts[0] > NS_PER_S * 9 / 10);
    assert_true(starts[2] - starts[1] > 2 * NS_PER_S * 9 / 10);
    assert_true(fake_core_status(&c).restarts >= 2);
    assert_false(supervisor_is_done(c.supervisor));
    fake_core_clear(&c);
}

static void host_that_speaks_nonsense_is_not_listened_to(void **state)
{
    (void)state;
    struct fake_core c;
    fake_core_init(&c);
    use_script(&c, "echo 'I am done, be so kind as to believe it' >&0; exit 0");
    fake_core_start(&c);
    assert_true(fake_core_run_until(&c, was_started_three_times));
    assert_false(fake_core_status(&c).is_open);
    assert_false(supervisor_is_done(c.supervisor));
    fake_core_clear(&c);
}

static void host_that_does_not_end_is_killed(void **state)
{
    (void)state;
    struct fake_core c;
    fake_core_init(&c);
    c.supervisor_settings.shutdown_timeout_s = 1;
    use_script(&c, "exec sleep 600");
    fake_core_start(&c);
    assert_true(fake_core_run_until(&c, has_started));
    int pid = fake_core_status(&c).pid;
    assert_true(pid > 0 && !supervisor_is_done(c.supervisor));
    supervisor_stop(c.supervisor);
    assert_true(fake_core_run_until(&c, supervisor_done));
    assert_false(supervisor_all_clean(c.supervisor));
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    fake_core_clear(&c);
}

static void host_that_waits_to_be_started_does_not_delay_the_end(void **state)
{
    (void)state;
    struct fake_core c;
    fake_core_init(&c);
    c.supervisor_settings.shutdown_timeout_s = 1;
    use_script(&c, "exit 1");
    fake_core_start(&c);
    assert_true(fake_core_run_until(&c, was_started_three_times)); /* the next pause is of 4 s */
    while (fake_core_status(&c).pid != 0)
        poller_wait(c.poller, 20);
    supervisor_stop(c.supervisor);
    assert_true(fake_core_run_until(&c, supervisor_done));
    assert_false(supervisor_all_clean(c.supervisor));
    fake_core_clear(&c);
}

static void add_rows(void *arg, const char *name, uint64_t value)
{
    uint64_t *rows = arg;
    if (strcmp(name, "rows") == 0)
        *rows += value;
}

static uint64_t counted_rows(struct fake_core *c)
{
    uint64_t rows = 0;
    supervisor_counters(c->supervisor, 0, add_rows, &rows);
    return rows;
}

static bool one_row_is_counted(struct fake_core *c)
{
    fake_core_pending(c);
    return counted_rows(c) == 1;
}

static bool two_rows_are_counted(struct fake_core *c)
{
    fake_core_pending(c);
    return counted_rows(c) == 2;
}

static void what_is_known_of_an_instance_outlives_its_host(void **state)
{
    (void)state;
    struct fake_core c;
    fake_core_init(&c);
    fake_core_start(&c);
    assert_true(fake_core_run_until(&c, host_is_open));
    fake_core_push(&c, 0, 1, 1, EPOCH_END);
    fake_core_push(&c, 1, 0, 0, EPOCH_END);
    assert_true(fake_core_run_until(&c, one_row_is_counted));
    struct supervisor_status before = fake_core_status(&c);
    assert_int_equal(before.commits, 1);
    assert_int_equal(before.restarts, 0);
    fake_core_kill_host(&c);
    assert_int_equal(counted_rows(&c), 1);
    fake_core_push(&c, 0, 2, 1, EPOCH_END);
    fake_core_push(&c, 1, 0, 0, EPOCH_END);
    assert_true(fake_core_run_until(&c, two_rows_are_counted));
    struct supervisor_status after = fake_core_status(&c);
    assert_true(after.pid > 0 && after.pid != before.pid);
    assert_int_equal(after.restarts, 1);
    assert_int_equal(after.commits, 2);
    fake_core_finish(&c);
    fake_core_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_that_cannot_be_run_is_an_error),
        cmocka_unit_test(host_that_ends_is_started_again_after_longer_and_longer_pauses),
        cmocka_unit_test(host_that_speaks_nonsense_is_not_listened_to),
        cmocka_unit_test(host_that_does_not_end_is_killed),
        cmocka_unit_test(host_that_waits_to_be_started_does_not_delay_the_end),
        cmocka_unit_test(what_is_known_of_an_instance_outlives_its_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
