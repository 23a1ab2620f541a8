/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which plugin process hangs and which is only slow, turn by turn; the processes are children
 * of the test, in states that the kernel shows. */
#include "daemon/host_watch.h"

#include "base/clock.h"
#include "base/text.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 10
#define PATIENCE   (PATIENCE_S * NS_PER_S)

/* Sleeps for ever. */
static void sleep_on(void)
{
    for (;;)
        pause();
}

/* Sleeps as a thread in the disk does: the parent of vfork(2) is in state D until its child ends. A
 * sanitizer makes a fork of vfork(), so this is the system call. */
static void sleep_in_the_kernel(void)
{
    if (syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sleep_on();
    }
    _exit(1);
}

static void run_on(void)
{
    for (;;)
        (void)getppid();
}

static char state_of(pid_t pid)
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d %*s %c", &state), 1);
    fclose(f);
    return state;
}

/* A process group of its own, so that grandchildren go with it. */
static pid_t start(void (*fn)(void), char state)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        setpgid(0, 0);
        fn();
    }
    setpgid(pid, pid);
    for (int i = 0; i < 3000 && state_of(pid) != state; i++)
        usleep(10000);
    assert_int_equal(state_of(pid), state);
    return pid;
}

static unsigned long long run_time(pid_t pid)
{
    char path[64];
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fscanf(f, "%llu", &ns) != 1)
        skip(); /* the kernel does not count */
    fclose(f);
    return ns;
}

static void wait_until_it_runs(pid_t pid)
{
    unsigned long long before = run_time(pid);
    for (int i = 0; i < 30000 && run_time(pid) == before; i++)
        usleep(1000);
}

static void end(pid_t pid)
{
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Takes `count` turns of a second, and returns the last verdict. */
static enum host_verdict turns(struct host_watch *w, const struct host_view *view, int count)
{
    enum host_verdict verdict = HOST_IS_FINE;
    for (int i = 0; i < count; i++)
        verdict = host_watch_turn(w, view, NS_PER_S, PATIENCE);
    return verdict;
}

static int told_thread[2]; /* a pipe */

static void *tell_and_sleep(void *arg)
{
    pid_t thread = gettid();
    (void)arg;
    assert_int_equal(write(told_thread[1], &thread, sizeof thread), sizeof thread);
    sleep_on();
    return NULL;
}

static void run_beside_a_thread_that_sleeps(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, tell_and_sleep, NULL);
    run_on();
}

static void process_whose_backend_has_a_thread_is_judged_by_that(void **state)
{
    (void)state;
    struct host_watch w = {0};
    struct host_view view = {.sign = {5, HOST_WAITS_FOR_FILE}, .waiting_count = 3};
    assert_int_equal(pipe(told_thread), 0);
    view.pid = start(run_beside_a_thread_that_sleeps, 'R');
    assert_int_equal(read(told_thread[0], &view.thread, sizeof view.thread), sizeof view.thread);
    wait_until_it_runs(view.pid);
    turns(&w, &view, 2); /* the first one saw a beat, the second one that it ran once */
    for (int i = 1; i < PATIENCE_S; i++) {
        view.acked_count++; /* what the process spools meanwhile */
        assert_int_not_equal(turns(&w, &view, 1), HOST_HANGS);
        wait_until_it_runs(view.pid);
    }
    view.acked_count++;
    assert_int_equal(turns(&w, &view, 1), HOST_HANGS);
    view.thread = 0;
    host_watch_start(&w);
    for (int i = 0; i < 2 * PATIENCE_S; i++) {
        assert_int_not_equal(turns(&w, &view, 1), HOST_HANGS);
        wait_until_it_runs(view.pid);
    }
    end(view.pid);
    close(told_thread[0]);
    close(told_thread[1]);
}

static void process_without_a_sign_of_life_hangs(void **state)
{
    (void)state;
    pid_t pid = start(sleep_on, 'S');
    struct host_watch w = {0};
    struct host_view view = {.pid = pid, .sign = {5, HOST_CALLS}, .waiting_count = 3};
    assert_int_not_equal(turns(&w, &view, PATIENCE_S), HOST_HANGS); /* the first one saw a beat */
    assert_int_equal(turns(&w, &view, 1), HOST_HANGS);
    host_watch_start(&w);
    turns(&w, &view, PATIENCE_S - 1);
    view.sign.beat++;
    turns(&w, &view, PATIENCE_S);
    assert_int_equal(turns(&w, &view, 1), HOST_HANGS);
    host_watch_start(&w);
    turns(&w, &view, PATIENCE_S - 1);
    view.acked_count++; /* what is acknowledged is a sign, too */
    turns(&w, &view, PATIENCE_S);
    assert_int_equal(turns(&w, &view, 1), HOST_HANGS);
    end(pid);
}

static void process_hangs_in_its_own_loop_and_when_it_runs_in_circles(void **state)
{
    (void)state;
    pid_t pid = start(run_on, 'R');
    struct host_watch w = {0};
    struct host_view view = {.pid = pid, .sign = {5, HOST_LOOPS}, .waiting_count = 3};
    assert_int_equal(turns(&w, &view, PATIENCE_S + 1), HOST_HANGS);
    host_watch_start(&w);
    view.sign.place = HOST_CALLS;
    assert_int_equal(turns(&w, &view, PATIENCE_S + 1), HOST_HANGS);
    end(pid);
}

static void process_without_work_or_patience_never_hangs(void **state)
{
    (void)state;
    pid_t pid = start(sleep_on, 'S');
    struct host_watch w = {0};
    struct host_view view = {.pid = pid, .sign = {5, HOST_CALLS}};
    assert_int_equal(turns(&w, &view, 1000), HOST_IS_FINE);
    view.waiting_count = 1;
    for (int i = 0; i < 1000; i++)
        assert_int_not_equal(host_watch_turn(&w, &view, NS_PER_S, 0), HOST_HANGS);
    end(pid);
}

static void process_in_the_disk_is_only_slow(void **state)
{
    (void)state;
    pid_t pid = start(sleep_in_the_kernel, 'D');
    struct host_watch w = {0};
    struct host_view view = {.pid = pid, .sign = {5, HOST_CALLS}, .waiting_count = 3};
    struct text seen = {0};
    for (int i = 0; i < 1000; i++)
        assert_int_not_equal(turns(&w, &view, 1), HOST_HANGS);
    host_watch_describe(&view, &seen);
    assert_non_null(strstr(text_cstr(&seen), "at work in its backend (the kernel: state D"));
    text_clear(&seen);
    end(pid);
}

static void call_on_a_file_lives_while_the_kernel_sees_it_move(void **state)
{
    (void)state;
    pid_t running = start(run_on, 'R'), sleeping = start(sleep_on, 'S');
    struct host_watch w = {0};
    struct host_view view = {.pid = running, .sign = {5, HOST_WAITS_FOR_FILE}, .waiting_count = 3};
    for (int i = 0; i < 3 * PATIENCE_S; i++) {
        wait_until_it_runs(running);
        assert_int_not_equal(turns(&w, &view, 1), HOST_HANGS);
    }
    view.pid = sleeping;
    assert_int_equal(turns(&w, &view, PATIENCE_S + 1), HOST_HANGS);
    end(running);
    end(sleeping);
}

static void reader_and_program_may_take_as_long_as_they_like(void **state)
{
    (void)state;
    static const enum host_place places[] = {HOST_WAITS_FOR_READER, HOST_WAITS_FOR_PROGRAM};
    pid_t pid = start(sleep_on, 'S');
    for (int i = 0; i < 2; i++) {
        struct host_watch w = {0};
        struct host_view view = {.pid = pid, .sign = {5, places[i]}, .waiting_count = 3};
        for (int t = 0; t < 1000; t++)
            assert_int_not_equal(turns(&w, &view, 1), HOST_HANGS);
    }
    end(pid);
}

static void core_that_was_stopped_itself_blames_nobody(void **state)
{
    (void)state;
    pid_t pid = start(sleep_on, 'S');
    struct host_watch w = {0};
    struct host_view view = {.pid = pid, .sign = {5, HOST_CALLS}, .waiting_count = 3};
    turns(&w, &view, 1);
    assert_int_equal(host_watch_turn(&w, &view, 3600 * NS_PER_S, PATIENCE), HOST_IS_FINE);
    end(pid);
}

/* Returns how many lines `seconds` of waiting give. */
static unsigned lines(struct host_watch *w, struct host_view *view, int seconds)
{
    unsigned count = 0;
    for (int i = 0; i < seconds; i++) {
        view->sign.beat++;
        count += host_watch_turn(w, view, NS_PER_S, PATIENCE) == HOST_IS_SLOW;
    }
    return count;
}

static void slow_backend_is_told_once_a_minute(void **state)
{
    (void)state;
    struct host_watch w = {0};
    struct host_view view = {
        .pid = getpid(), .sign = {5, HOST_CALLS}, .waiting_count = 3, .acked_count = 9};
    lines(&w, &view, 1); /* it sees the counts for the first time */
    assert_int_equal(lines(&w, &view, PATIENCE_S), 1);
    assert_int_equal(lines(&w, &view, 59), 0);
    assert_int_equal(lines(&w, &view, 1), 1);
    assert_int_equal(lines(&w, &view, 600), 10);
    view.acked_count++;
    assert_int_equal(lines(&w, &view, PATIENCE_S), 0);
    assert_int_equal(lines(&w, &view, 1), 1);
    view.is_failing = true; /* which has lines of its own */
    assert_int_equal(lines(&w, &view, 600), 0);
    view.is_failing = false;
    view.sign.place = HOST_LOOPS; /* hand-overs that wait for those of other workers */
    assert_int_equal(lines(&w, &view, 600), 0);
}

static void time_doubles_up_to_an_hour_and_no_further(void **state)
{
    (void)state;
    assert_int_equal(host_watch_double(120, 0), 120);
    assert_int_equal(host_watch_double(120, 1), 240);
    assert_int_equal(host_watch_double(120, 4), 1920);
    assert_int_equal(host_watch_double(120, 5), 3600);
    assert_int_equal(host_watch_double(120, 1000000), 3600);
    assert_int_equal(host_watch_double(7200, 3), 7200);
    assert_int_equal(host_watch_double(0, 3), 0);
}

static void commit_ends_the_count_of_those_that_hung(void **state)
{
    (void)state;
    struct host_watch w = {.hung_count = 3};
    struct host_view view = {.pid = getpid(), .acked_count = 7, .spooled_count = 7};
    turns(&w, &view, 1);
    assert_int_equal(w.hung_count, 3); /* a spool takes rows whatever the backend does */
    view.commits = 1;
    turns(&w, &view, 1);
    assert_int_equal(w.hung_count, 0);
    w.hung_count = 2;
    view.commits = 0;
    view.spooled_count--;
    turns(&w, &view, 1);
    assert_int_equal(w.hung_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_without_a_sign_of_life_hangs),
        cmocka_unit_test(process_whose_backend_has_a_thread_is_judged_by_that),
        cmocka_unit_test(process_hangs_in_its_own_loop_and_when_it_runs_in_circles),
        cmocka_unit_test(process_without_work_or_patience_never_hangs),
        cmocka_unit_test(process_in_the_disk_is_only_slow),
        cmocka_unit_test(call_on_a_file_lives_while_the_kernel_sees_it_move),
        cmocka_unit_test(reader_and_program_may_take_as_long_as_they_like),
        cmocka_unit_test(core_that_was_stopped_itself_blames_nobody),
        cmocka_unit_test(slow_backend_is_told_once_a_minute),
        cmocka_unit_test(time_doubles_up_to_an_hour_and_no_further),
        cmocka_unit_test(commit_ends_the_count_of_those_that_hung),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
