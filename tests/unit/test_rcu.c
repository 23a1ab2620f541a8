/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that retired objects are freed, and not while a reader may hold them. Most of the proof is
 * the stress test under ThreadSanitizer and AddressSanitizer, as objects really are freed. */
#include "base/memory.h"
#include "base/rcu.h"
#include "base/thread.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void count_free(void *object)
{
    ++*(int *)object;
}

static void object_waits_for_every_online_reader(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(2);
    struct rcu_reader *a, *b;
    struct rcu_queue *queue = rcu_queue_new(rcu);
    int freed = 0;
    assert_int_equal(rcu_reader_register(rcu, &a), 0);
    assert_int_equal(rcu_reader_register(rcu, &b), 0);
    rcu_online(a);
    rcu_online(b);
    rcu_retire(queue, count_free, &freed);
    assert_int_equal(rcu_queue_poll(queue), 0);
    rcu_quiescent(a);
    rcu_quiescent(a);
    assert_int_equal(rcu_queue_poll(queue), 0);
    assert_int_equal(freed, 0);
    assert_int_equal(rcu_queue_len(queue), 1);
    rcu_quiescent(b);
    assert_int_equal(rcu_queue_poll(queue), 1);
    assert_int_equal(freed, 1);
    assert_int_equal(rcu_queue_len(queue), 0);
    rcu_reader_unregister(a);
    rcu_reader_unregister(b);
    rcu_queue_free(queue);
    rcu_free(rcu);
}

static void offline_reader_holds_nothing_up(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(1);
    struct rcu_reader *reader;
    struct rcu_queue *queue = rcu_queue_new(rcu);
    int freed = 0;
    assert_int_equal(rcu_reader_register(rcu, &reader), 0);
    rcu_retire(queue, count_free, &freed);
    assert_int_equal(rcu_queue_poll(queue), 1);
    rcu_online(reader);
    rcu_retire(queue, count_free, &freed);
    assert_int_equal(rcu_queue_poll(queue), 0);
    rcu_offline(reader);
    assert_int_equal(rcu_queue_poll(queue), 1);
    assert_int_equal(freed, 2);
    rcu_reader_unregister(reader);
    rcu_queue_free(queue);
    rcu_free(rcu);
}

static void what_is_retired_while_waiting_waits_for_its_own_period(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(1);
    struct rcu_reader *reader;
    struct rcu_queue *queue = rcu_queue_new(rcu), *other = rcu_queue_new(rcu);
    int first = 0, second = 0, third = 0;
    assert_int_equal(rcu_reader_register(rcu, &reader), 0);
    rcu_online(reader);
    rcu_retire(queue, count_free, &first);
    rcu_queue_poll(queue);
    rcu_quiescent(reader);
    rcu_retire(queue, count_free, &second); /* after the quiescent state: may be held since */
    rcu_retire(other, count_free, &third);
    assert_int_equal(rcu_queue_poll(other), 0);
    assert_int_equal(rcu_queue_poll(queue), 1);
    assert_int_equal(rcu_queue_poll(queue), 0);
    assert_int_equal(first, 1);
    assert_int_equal(second, 0);
    rcu_quiescent(reader);
    assert_int_equal(rcu_queue_poll(queue), 1);
    assert_int_equal(rcu_queue_poll(other), 1);
    rcu_reader_unregister(reader);
    rcu_queue_free(queue);
    rcu_queue_free(other);
    rcu_free(rcu);
}

static void readers_beyond_the_maximum_are_refused(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(1);
    struct rcu_reader *a, *b;
    assert_int_equal(rcu_reader_register(rcu, &a), 0);
    assert_int_equal(rcu_reader_register(rcu, &b), -ENOSPC);
    rcu_reader_unregister(a);
    assert_int_equal(rcu_reader_register(rcu, &b), 0);
    rcu_reader_unregister(b);
    rcu_free(rcu);
}

static void queue_frees_what_is_left_in_it(void **state)
{
    (void)state;
    struct rcu *rcu = rcu_new(1);
    struct rcu_reader *reader;
    struct rcu_queue *queue = rcu_queue_new(rcu);
    int freed = 0;
    assert_int_equal(rcu_reader_register(rcu, &reader), 0);
    rcu_online(reader);
    for (int i = 0; i < 10000; i++) {
        rcu_retire(queue, count_free, &freed);
        if (i == 100)
            rcu_queue_poll(queue);
    }
    rcu_reader_unregister(reader);
    rcu_queue_free(queue);
    assert_int_equal(freed, 10000);
    rcu_free(rcu);
}

/* The nodes of a list are replaced one by one while two readers walk it. */
#define LIST_LEN     32
#define REPLACEMENTS 60000
#define LIVE         0x600df00d
#define POISON       0xdeadbeef

struct node {
    _Atomic(struct node *) next;
    unsigned magic; /* not atomic, so a reader that is too late is a data race */
};

struct stress {
    struct rcu *rcu;
    _Atomic(struct node *) head;
    _Atomic unsigned reader_count;
    _Atomic bool is_over;
    _Atomic uint64_t bad_count, walk_count;
};

static void node_poison_and_free(void *object)
{
    struct node *node = object;
    node->magic = POISON;
    mem_free(node);
}

static void reader_main(void *arg)
{
    struct stress *s = arg;
    struct rcu_reader *reader;
    if (rcu_reader_register(s->rcu, &reader) < 0)
        return;
    uint64_t walk_count = 0, bad_count = 0;
    rcu_online(reader);
    atomic_fetch_add_explicit(&s->reader_count, 1, memory_order_relaxed);
    while (!atomic_load_explicit(&s->is_over, memory_order_relaxed)) {
        unsigned len = 0;
        for (struct node *node = rcu_read(&s->head); node; node = rcu_read(&node->next)) {
            bad_count += node->magic != LIVE;
            len++;
        }
        bad_count += len < LIST_LEN - 1; /* one may be on its way */
        walk_count++;
        if (walk_count % 7 == 0) {
            rcu_offline(reader);
            rcu_online(reader);
        } else if (walk_count % 3 == 0) {
            rcu_quiescent(reader);
        }
    }
    rcu_reader_unregister(reader);
    atomic_fetch_add_explicit(&s->walk_count, walk_count, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->bad_count, bad_count, memory_order_relaxed);
}

static void readers_never_meet_a_freed_node(void **state)
{
    (void)state;
    struct stress s = {.rcu = rcu_new(2)};
    struct thread threads[2] = {{0}};
    struct rcu_queue *queues[2] = {rcu_queue_new(s.rcu), rcu_queue_new(s.rcu)};
    for (int i = 0; i < LIST_LEN; i++) {
        struct node *node = mem_zalloc(sizeof *node);
        node->magic = LIVE;
        atomic_init(&node->next, rcu_read(&s.head));
        rcu_publish(&s.head, node);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(thread_start(&threads[i], "reader", reader_main, &s), 0);
    while (atomic_load_explicit(&s.reader_count, memory_order_relaxed) < 2)
        sched_yield();
    srandom(3);
    size_t freed_count = 0;
    for (int i = 0; i < REPLACEMENTS; i++) {
        _Atomic(struct node *) *place = &s.head;
        for (long steps = random() % LIST_LEN; steps > 0; steps--)
            place = &rcu_read(place)->next;
        struct node *old = rcu_read(place), *new = mem_zalloc(sizeof *new);
        new->magic = LIVE;
        atomic_init(&new->next, rcu_read(&old->next));
        rcu_publish(place, new);
        rcu_retire(queues[i & 1], node_poison_and_free, old);
        freed_count += rcu_queue_poll(queues[i & 1]);
        if (i % 64 == 0)
            sched_yield();
    }
    /* A busy machine may not have run the readers yet; they go on until they are told to stop. */
    for (long polls = 0; freed_count == 0 && polls < 10000000; polls++) {
        freed_count += rcu_queue_poll(queues[polls & 1]);
        sched_yield();
    }
    atomic_store_explicit(&s.is_over, true, memory_order_relaxed);
    thread_join(&threads[0]);
    thread_join(&threads[1]);
    assert_int_equal(atomic_load_explicit(&s.bad_count, memory_order_relaxed), 0);
    assert_true(atomic_load_explicit(&s.walk_count, memory_order_relaxed) > 0);
    assert_true(freed_count > 0); /* while readers were at work */
    rcu_queue_free(queues[0]);
    rcu_queue_free(queues[1]);
    for (struct node *node = rcu_read(&s.head), *next; node; node = next) {
        next = rcu_read(&node->next);
        mem_free(node);
    }
    rcu_free(s.rcu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(object_waits_for_every_online_reader),
        cmocka_unit_test(offline_reader_holds_nothing_up),
        cmocka_unit_test(what_is_retired_while_waiting_waits_for_its_own_period),
        cmocka_unit_test(readers_beyond_the_maximum_are_refused),
        cmocka_unit_test(queue_frees_what_is_left_in_it),
        cmocka_unit_test(readers_never_meet_a_freed_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
