/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that a poller calls the right source with what happened, also when descriptors are closed
 * and reused meanwhile, and that timers and wakes arrive. */
#include "base/poller.h"
#include "base/thread.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct poller *poller;
    int pairs[2][2];
    int calls[2];
    unsigned events;
    bool reuses_number;
};

static int fixture_set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    *state = &f;
    for (int i = 0; i < 2; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.pairs[i]) < 0)
            return -1;
    }
    return poller_new(&f.poller);
}

static int fixture_tear_down(void **state)
{
    struct fixture *f = *state;
    poller_free(f->poller);
    for (int i = 0; i < 4; i++)
        close(f->pairs[i / 2][i % 2]);
    return 0;
}

static void byte_send(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void note_events(void *arg, int fd, unsigned events)
{
    struct fixture *f = arg;
    f->calls[fd == f->pairs[1][0]]++;
    f->events = events;
}

static void source_gets_what_it_asked_for(void **state)
{
    struct fixture *f = *state;
    int fd = f->pairs[0][0];
    assert_int_equal(poller_add(f->poller, fd, POLLER_READ, note_events, f), 0);
    assert_int_equal(poller_wait(f->poller, 0), 0);
    byte_send(f->pairs[0][1]);
    assert_int_equal(poller_wait(f->poller, -1), 1);
    assert_int_equal(f->events, POLLER_READ);
    assert_int_equal(poller_modify(f->poller, fd, POLLER_READ | POLLER_WRITE), 0);
    assert_int_equal(poller_wait(f->poller, -1), 1);
    assert_int_equal(f->events, POLLER_READ | POLLER_WRITE);
    assert_int_equal(poller_modify(f->poller, fd, 0), 0);
    assert_int_equal(poller_wait(f->poller, 0), 0);
    shutdown(f->pairs[0][1], SHUT_RDWR);
    assert_int_equal(poller_wait(f->poller, -1), 1);
    assert_int_equal(f->events, POLLER_HANGUP); /* even though it asked for nothing */
    poller_remove(f->poller, fd);
    assert_int_equal(poller_wait(f->poller, 0), 0);
    assert_int_equal(f->calls[0], 3);
}

static void remove_both(void *arg, int fd, unsigned events)
{
    struct fixture *f = arg;
    (void)events;
    f->calls[fd == f->pairs[1][0]]++;
    poller_remove(f->poller, f->pairs[0][0]);
    poller_remove(f->poller, f->pairs[1][0]);
    if (f->reuses_number) {
        /* The other descriptor is closed, and a new file with nothing to read gets its number. */
        int other = fd == f->pairs[0][0] ? 1 : 0, number = f->pairs[other][0], pair[2];
        close(f->pairs[other][1]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(dup2(pair[0], number), number);
        close(pair[0]);
        f->pairs[other][1] = pair[1];
        assert_int_equal(poller_add(f->poller, number, POLLER_READ, note_events, f), 0);
    }
}

static void source_removed_by_another_in_its_round_is_not_called(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(poller_add(f->poller, f->pairs[i][0], POLLER_READ, remove_both, f), 0);
        byte_send(f->pairs[i][1]);
    }
    assert_int_equal(poller_wait(f->poller, -1), 1);
    assert_int_equal(f->calls[0] + f->calls[1], 1);
}

static void event_of_a_closed_fd_does_not_reach_the_next_user_of_its_number(void **state)
{
    struct fixture *f = *state;
    f->reuses_number = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(poller_add(f->poller, f->pairs[i][0], POLLER_READ, remove_both, f), 0);
        byte_send(f->pairs[i][1]);
    }
    assert_int_equal(poller_wait(f->poller, -1), 1);
    assert_int_equal(f->calls[0] + f->calls[1], 1);
    int new_one = f->calls[0] == 1 ? 1 : 0;
    byte_send(f->pairs[new_one][1]);
    assert_int_equal(poller_wait(f->poller, -1), 1);
    assert_int_equal(f->calls[new_one], 1);
}

#define TIMER_COUNT 500
struct timers {
    struct poller *poller;
    struct poller_timer timers[TIMER_COUNT];
    struct mono_time last;
    int run_count, wrong_count;
};
struct one_timer {
    struct timers *all;
    int index;
};

static void timer_note(void *arg)
{
    struct one_timer *one = arg;
    struct poller_timer *timer = &one->all->timers[one->index];
    one->all->wrong_count += timer->due.ns < one->all->last.ns || timer->heap_index != 0;
    one->all->last = timer->due;
    one->all->run_count++;
}

static void timers_run_in_order_whatever_was_set_moved_or_cancelled(void **state)
{
    struct fixture *f = *state;
    static struct timers all;
    static struct one_timer ones[TIMER_COUNT];
    struct mono_time start = clock_mono();
    int armed_count = 0;
    all = (struct timers){.poller = f->poller};
    srandom(4);
    for (int i = 0; i < TIMER_COUNT; i++) {
        ones[i] = (struct one_timer){&all, i};
        all.timers[i] = (struct poller_timer){.fn = timer_note, .arg = &ones[i]};
    }
    for (int i = 0; i < TIMER_COUNT * 10; i++) {
        struct poller_timer *timer = &all.timers[random() % TIMER_COUNT];
        if (random() % 3 == 0)
            poller_timer_cancel(f->poller, timer);
        else
            poller_timer_set(f->poller, timer,
                             (struct mono_time){start.ns + random() % (20 * NS_PER_MS)});
    }
    for (int i = 0; i < TIMER_COUNT; i++)
        armed_count += all.timers[i].heap_index != 0;
    for (int rounds = 0; all.run_count < armed_count && rounds < 1000; rounds++)
        assert_true(poller_wait(f->poller, 1000) >= 0);
    assert_int_equal(all.run_count, armed_count);
    assert_int_equal(all.wrong_count, 0);
    assert_int_equal(poller_wait(f->poller, 0), 0);
}

static struct poller_timer *victim;
static void timer_cancels_victim(void *arg)
{
    struct fixture *f = arg;
    f->calls[0]++;
    poller_timer_cancel(f->poller, victim);
}

static void timer_cancelled_by_one_that_is_due_too_does_not_run(void **state)
{
    struct fixture *f = *state;
    struct poller_timer first = {.fn = timer_cancels_victim, .arg = f}, second = first;
    struct mono_time now = clock_mono();
    poller_timer_set(f->poller, &first, (struct mono_time){now.ns - 2});
    poller_timer_set(f->poller, &second, (struct mono_time){now.ns - 1});
    victim = &second;
    assert_int_equal(poller_wait(f->poller, -1), 1);
    assert_int_equal(f->calls[0], 1);
}

static struct poller_timer *again;
static void timer_sets_itself_for_the_past(void *arg)
{
    struct fixture *f = arg;
    f->calls[0]++;
    poller_timer_set(f->poller, again, (struct mono_time){1});
}

static void timer_that_is_always_due_does_not_starve_sources(void **state)
{
    struct fixture *f = *state;
    struct poller_timer timer = {.fn = timer_sets_itself_for_the_past, .arg = f};
    again = &timer;
    poller_timer_set_in(f->poller, &timer, 0);
    assert_int_equal(poller_wait(f->poller, -1), 1);
    assert_int_equal(poller_wait(f->poller, -1), 1);
    assert_int_equal(f->calls[0], 2);
    poller_timer_cancel(f->poller, &timer);
}

static void timer_ends_the_wait_and_never_early(void **state)
{
    struct fixture *f = *state;
    struct poller_timer timer = {.fn = timer_sets_itself_for_the_past, .arg = f};
    struct mono_time start = clock_mono();
    again = &timer;
    poller_timer_set_in(f->poller, &timer, 5 * NS_PER_MS + 1);
    while (poller_wait(f->poller, 10000) == 0)
        ;
    int64_t waited_ns = clock_mono().ns - start.ns;
    assert_true(waited_ns >= 5 * NS_PER_MS + 1);
    assert_true(waited_ns < 5 * NS_PER_S);
    poller_timer_cancel(f->poller, &timer);
}

static void signal_note(void *arg, int signal_number)
{
    struct fixture *f = arg;
    f->calls[signal_number == SIGUSR2]++;
}

static void signals_arrive_as_events(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(poller_add_signals(f->poller, (int[]){SIGUSR1, SIGUSR2, 0}, signal_note, f),
                     0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    raise(SIGUSR2);
    assert_true(poller_wait(f->poller, -1) > 0);
    assert_int_equal(f->calls[0], 1);
    assert_int_equal(f->calls[1], 1);
    assert_int_equal(poller_wait(f->poller, 0), 0);
}

static void wake_main(void *arg)
{
    usleep(1000);
    poller_event_wake(*(int *)arg);
    poller_event_wake(*(int *)arg);
}

static void drain_event(void *arg, int fd, unsigned events)
{
    struct fixture *f = arg;
    (void)events;
    f->calls[0]++;
    poller_event_drain(fd);
}

static void another_thread_wakes_the_poller(void **state)
{
    struct fixture *f = *state;
    struct thread thread = {0};
    int fd = poller_event_new();
    assert_true(fd >= 0);
    assert_int_equal(poller_add(f->poller, fd, POLLER_READ, drain_event, f), 0);
    assert_int_equal(thread_start(&thread, "waker", wake_main, &fd), 0);
    assert_int_equal(poller_wait(f->poller, -1), 1);
    thread_join(&thread);
    poller_wait(f->poller, 0); /* the second wake, if it came after the drain */
    assert_int_equal(poller_wait(f->poller, 0), 0);
    poller_remove(f->poller, fd);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(source_gets_what_it_asked_for),
        TEST(source_removed_by_another_in_its_round_is_not_called),
        TEST(event_of_a_closed_fd_does_not_reach_the_next_user_of_its_number),
        TEST(timers_run_in_order_whatever_was_set_moved_or_cancelled),
        TEST(timer_cancelled_by_one_that_is_due_too_does_not_run),
        TEST(timer_that_is_always_due_does_not_starve_sources),
        TEST(timer_ends_the_wait_and_never_early),
        TEST(signals_arrive_as_events),
        TEST(another_thread_wakes_the_poller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
