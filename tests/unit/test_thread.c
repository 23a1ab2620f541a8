/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that a thread has its name and takes no signals, and that a function called on a thread
 * without its role ends the process. */
#include "base/thread.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    char name[16];
    int blocked_count;
};

static void note_main(void *arg)
{
    struct seen *seen = arg;
    sigset_t blocked;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    seen->blocked_count = sigismember(&blocked, SIGTERM) + sigismember(&blocked, SIGPIPE) +
                          sigismember(&blocked, SIGUSR1);
}

static void thread_has_its_name_and_no_signals(void **state)
{
    struct thread thread = {0};
    struct seen seen = {0};
    sigset_t before, after;
    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(thread_start(&thread, "a-name-that-is-too-long", note_main, &seen), 0);
    thread_join(&thread);
    thread_join(&thread); /* nothing to do */
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_string_equal(seen.name, "a-name-that-is-");
    assert_int_equal(seen.blocked_count, 3);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

#ifdef THREAD_CHECKS
static void for_workers_alone(void) ON_THREAD(worker_thread)
{
    THREAD_ASSERT(worker_thread);
}

static void one_thread_role(void *arg)
{
    const struct thread_role *role = arg;

    if (role)
        thread_enter_role(role);
    for_workers_alone();
}

/* Returns the status with which a process ends that calls the workers' function in a thread of that
 * role. */
static int status_of(const struct thread_role *role)
{
    struct thread thread = {0};
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);          /* cmocka catches it */
        thread_enter_role(&worker_thread); /* a role of another thread, which does not help */
        if (thread_start(&thread, "other", one_thread_role, (void *)(uintptr_t)role) < 0)
            _exit(1);
        thread_join(&thread);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_function_on_a_thread_without_its_role_aborts(void **state)
{
    int status;

    (void)state;
    assert_int_equal(status_of(&worker_thread), 0);
    status = status_of(NULL);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    status = status_of(&bgp_thread);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void a_role_that_was_left_is_held_no_more(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    thread_enter_role(&worker_thread);
    thread_enter_role(&main_thread);
    thread_leave_role(&main_thread);
    for_workers_alone();
    thread_leave_role(&worker_thread);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        for_workers_alone();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_has_its_name_and_no_signals),
#ifdef THREAD_CHECKS
        cmocka_unit_test(a_function_on_a_thread_without_its_role_aborts),
        cmocka_unit_test(a_role_that_was_left_is_held_no_more),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
