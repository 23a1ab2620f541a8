/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the queue of copied datagrams keeps their order, its limit, and bytes of its own. */
#include "base/memory.h"
#include "input/inbox.h"
#include "support/check.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ROOMY (1u << 20)

static struct datagram datagram_of(const char *text, uint64_t number)
{
    return (struct datagram){.data = (const uint8_t *)text,
                             .len = (uint32_t)strlen(text),
                             .source_port = 9995,
                             .source = ip_addr_v4((const uint8_t[]){192, 0, 2, 7}),
                             .received_ns = 1700000000,
                             .number = number};
}

static bool put(struct inbox *inbox, const char *text, uint64_t number)
{
    struct datagram datagram = datagram_of(text, number);

    return inbox_put(inbox, &datagram);
}

/* Takes the oldest datagram, which must be `text` with `number`. */
static void take(struct inbox *inbox, const char *text, uint64_t number)
{
    struct datagram datagram;

    assert_true(inbox_take(inbox, &datagram));
    assert_int_equal(datagram.len, strlen(text));
    assert_memory_equal(datagram.data, text, datagram.len);
    assert_int_equal(datagram.number, number);
    mem_free((void *)(uintptr_t)datagram.data);
}

static void datagrams_leave_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(ROOMY);

    assert_true(put(inbox, "one", 1));
    assert_true(put(inbox, "two", 2));
    take(inbox, "one", 1);
    assert_true(put(inbox, "three", 3));
    take(inbox, "two", 2);
    take(inbox, "three", 3);
    inbox_free(inbox);
}

static void an_emptied_inbox_takes_datagrams_again(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(ROOMY);
    struct datagram datagram;

    for (uint64_t round = 1; round <= 3; round++) {
        assert_true(inbox_is_empty(inbox));
        assert_false(inbox_take(inbox, &datagram));
        assert_true(put(inbox, "again", round));
        assert_false(inbox_is_empty(inbox));
        take(inbox, "again", round);
    }
    inbox_free(inbox);
}

static void all_that_is_known_of_a_datagram_is_kept(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(ROOMY);
    struct datagram in = datagram_of("payload", 42), out;

    assert_true(inbox_put(inbox, &in));
    assert_true(inbox_take(inbox, &out));
    assert_int_equal(out.len, 7);
    assert_int_equal(out.source_port, 9995);
    assert_true(ip_addr_equal(&out.source, &in.source));
    assert_int_equal(out.received_ns, 1700000000);
    assert_int_equal(out.number, 42);
    mem_free((void *)(uintptr_t)out.data);
    inbox_free(inbox);
}

static void the_bytes_are_a_copy(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(ROOMY);
    char buffer[] = "before";

    assert_true(put(inbox, buffer, 1));
    memcpy(buffer, "after!", sizeof buffer); /* the receiver reads the next datagram into it */
    take(inbox, "before", 1);
    inbox_free(inbox);
}

static void a_datagram_without_bytes_is_one_too(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(ROOMY);

    assert_true(put(inbox, "", 1));
    assert_int_equal(inbox_count(inbox), 1);
    take(inbox, "", 1);
    inbox_free(inbox);
}

static void the_count_follows_what_is_inside(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(ROOMY);

    assert_int_equal(inbox_count(inbox), 0);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_true(put(inbox, "x", i));
        assert_int_equal(inbox_count(inbox), i);
    }
    take(inbox, "x", 1);
    assert_int_equal(inbox_count(inbox), 2);
    inbox_free(inbox); /* with two inside: a leak checker sees whether they are freed */
}

static void a_full_inbox_refuses_and_loses_nothing(void **state)
{
    (void)state;
    static char big[1000]; /* much larger than what is kept besides the bytes */
    struct inbox *inbox = inbox_new(4 * sizeof big);

    memset(big, 'b', sizeof big - 1);
    uint64_t held = 0;
    while (held < 100 && put(inbox, big, held + 1))
        held++;
    /* Four times 999 bytes would fit by themselves, but what is kept besides them counts too. */
    assert_int_equal(held, 3);
    assert_false(put(inbox, big, 99));
    assert_int_equal(inbox_count(inbox), 3);
    take(inbox, big, 1);
    assert_true(put(inbox, big, 4)); /* the room of the first one is free again */
    assert_false(put(inbox, big, 99));
    for (uint64_t i = 2; i <= 4; i++)
        take(inbox, big, i);
    assert_true(inbox_is_empty(inbox));
    inbox_free(inbox);
}

static void a_small_one_still_fits_where_a_large_one_does_not(void **state)
{
    (void)state;
    static char big[3000];
    struct inbox *inbox = inbox_new(4000);

    memset(big, 'b', sizeof big - 1);
    assert_true(put(inbox, big, 1));
    assert_false(put(inbox, big, 2));
    assert_true(put(inbox, "small", 3));
    take(inbox, big, 1);
    take(inbox, "small", 3);
    inbox_free(inbox);
}

static void an_inbox_without_room_takes_nothing(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(0);

    assert_false(put(inbox, "", 1));
    assert_true(inbox_is_empty(inbox));
    inbox_free(inbox);
    inbox_free(NULL);
}

enum { SENDERS = 2, OF_EACH = 2000 };

struct sender {
    struct inbox *inbox;
    uint64_t first;
};

static void *sender_run(void *arg)
{
    const struct sender *sender = arg;

    for (uint64_t i = 0; i < OF_EACH; i++)
        CHECK(put(sender->inbox, "from a thread", sender->first + i)); /* cmocka has one thread */
    return NULL;
}

static void many_threads_put_while_one_takes(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(64u << 20);
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    uint64_t taken = 0, next[SENDERS] = {0};

    for (uint64_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){inbox, i * OF_EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, sender_run, &senders[i]), 0);
    }
    while (taken < (uint64_t)SENDERS * OF_EACH) {
        struct datagram datagram;
        if (!inbox_take(inbox, &datagram)) {
            sched_yield();
            continue;
        }
        /* The datagrams of each sender arrive in order, and none is missing. */
        assert_int_equal(datagram.number % OF_EACH, next[datagram.number / OF_EACH]++);
        assert_memory_equal(datagram.data, "from a thread", 13);
        mem_free((void *)(uintptr_t)datagram.data);
        taken++;
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(inbox_is_empty(inbox));
    inbox_free(inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_leave_in_the_order_in_which_they_came),
        cmocka_unit_test(an_emptied_inbox_takes_datagrams_again),
        cmocka_unit_test(all_that_is_known_of_a_datagram_is_kept),
        cmocka_unit_test(the_bytes_are_a_copy),
        cmocka_unit_test(a_datagram_without_bytes_is_one_too),
        cmocka_unit_test(the_count_follows_what_is_inside),
        cmocka_unit_test(a_full_inbox_refuses_and_loses_nothing),
        cmocka_unit_test(a_small_one_still_fits_where_a_large_one_does_not),
        cmocka_unit_test(an_inbox_without_room_takes_nothing),
        cmocka_unit_test(many_threads_put_while_one_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
