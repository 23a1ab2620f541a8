/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that chores are done elsewhere, in order and all of them, while their owner goes on. */
#include "base/chores.h"
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct poller *poller;
static struct chores *chores;
static int worked, done; /* chores */

struct errand {
    sem_t may_go;
    int number;
    pthread_t worker, owner;
};

static int make_chores(void **state)
{
    (void)state;
    worked = done = 0;
    assert_int_equal(poller_new(&poller), 0);
    return chores_new(poller, &chores);
}

static int free_chores(void **state)
{
    (void)state;
    chores_free(chores);
    poller_free(poller);
    return 0;
}

static void work(void *arg)
{
    struct errand *e = arg;

    while (sem_wait(&e->may_go) < 0)
        ;
    e->worker = pthread_self();
    assert_int_equal(worked++, e->number);
}

static void is_done(void *arg)
{
    struct errand *e = arg;

    e->owner = pthread_self();
    assert_int_equal(done++, e->number);
}

static void give(struct errand *e, int number)
{
    *e = (struct errand){.number = number};
    sem_init(&e->may_go, 0, 0);
    chores_add(chores, work, is_done, e);
}

static void the_owner_goes_on_while_a_chore_waits(void **state)
{
    struct errand first, second;
    (void)state;
    give(&first, 0);
    give(&second, 1);
    sem_post(&second.may_go);
    for (int i = 0; i < 3; i++)
        poller_wait(poller, 10);
    assert_int_equal(done, 0);
    sem_post(&first.may_go);
    while (done < 2)
        poller_wait(poller, 1000);
    assert_false(pthread_equal(first.worker, pthread_self()));
    assert_true(pthread_equal(first.owner, pthread_self()));
    assert_true(pthread_equal(first.worker, second.worker));
}

static void finishing_waits_for_all(void **state)
{
    static struct errand errands[20];
    (void)state;
    for (int i = 0; i < 20; i++) {
        give(&errands[i], i);
        sem_post(&errands[i].may_go);
    }
    chores_finish(chores);
    assert_int_equal(done, 20);
    chores_finish(chores);
    poller_wait(poller, 0);
    assert_int_equal(done, 20);
}

static void add_another(void *arg)
{
    is_done(arg);
    give((struct errand *)arg + 1, 1);
    sem_post(&((struct errand *)arg + 1)->may_go);
}

static void what_is_left_is_done_at_the_end(void **state)
{
    static struct errand errands[2];
    (void)state;
    errands[0] = (struct errand){.number = 0};
    sem_init(&errands[0].may_go, 0, 1);
    chores_add(chores, work, add_another, &errands[0]);
    chores_free(chores);
    assert_int_equal(done, 2);
    chores = NULL;
}

#define WITH_CHORES(test) cmocka_unit_test_setup_teardown(test, make_chores, free_chores)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CHORES(the_owner_goes_on_while_a_chore_waits),
        WITH_CHORES(finishing_waits_for_all),
        WITH_CHORES(what_is_left_is_done_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
