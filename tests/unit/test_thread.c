/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/thread.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_has_its_name_and_no_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
