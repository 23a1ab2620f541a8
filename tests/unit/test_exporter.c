/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the table of exporters evicts the one not seen for the longest time and loses no
 * count by it, that its log lines are limited, and that gaps in sequence numbers are counted. The
 * table is compared with a plain array, sequences with counts made by hand. */
#include "base/thread.h"
#include "flow/exporter.h"
#include "support/step_count.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

static struct ip_addr addr_of(uint32_t number)
{
    return ip_addr_v4(
        (const uint8_t[]){10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number});
}

static uint64_t value(const struct counter *c)
{
    return counter_get(c);
}

struct evictions {
    uint32_t count;
    struct ip_addr last;
};

static void note_eviction(void *arg, struct exporter *exporter)
{
    struct evictions *evictions = arg;
    evictions->count++;
    evictions->last = exporter->addr;
}

static void least_recently_seen_exporter_is_evicted(void **state)
{
    struct evictions evictions = {0};
    struct ip_addr a = addr_of(1), b = addr_of(2), c = addr_of(3), d = addr_of(4);
    (void)state;
    struct exporter_table *table = exporter_table_new(3, note_eviction, &evictions);
    uint32_t index_b = (exporter_table_get(table, &a, 1), exporter_table_get(table, &b, 2)->index);
    uint64_t generation_b = exporter_table_find(table, &b)->generation;
    exporter_table_get(table, &c, 3);
    exporter_table_get(table, &a, 4); /* b is the oldest now */
    struct exporter *new_one = exporter_table_get(table, &d, 5);
    assert_int_equal(evictions.count, 1);
    assert_true(ip_addr_equal(&evictions.last, &b));
    assert_null(exporter_table_find(table, &b));
    assert_non_null(exporter_table_find(table, &a));
    assert_non_null(exporter_table_find(table, &c));
    assert_int_equal(new_one->index, index_b);
    assert_true(new_one->generation != generation_b);
    assert_int_equal(exporter_table_count(table), 3);
    assert_int_equal(exporter_table_evicted_count(table), 1);
    exporter_table_free(table);
    assert_int_equal(evictions.count, 4); /* the rest when the table goes */
}

static void same_address_gets_the_same_exporter(void **state)
{
    struct ip_addr v4 = addr_of(1), mapped = v4;
    (void)state;
    mapped.family = IP_V6;
    struct exporter_table *table = exporter_table_new(10, NULL, NULL);
    struct exporter *exporter = exporter_table_get(table, &v4, 1);
    assert_ptr_equal(exporter_table_get(table, &v4, 2), exporter);
    assert_ptr_equal(exporter_table_get(table, &mapped, 3), exporter);
    assert_ptr_equal(exporter_table_find(table, &v4), exporter);
    assert_int_equal(exporter->last_seen_ns, 3);
    assert_int_equal(exporter_table_count(table), 1);
    exporter_table_free(table);
}

/* Compares the table with a plain array of (address, last use) over random gets, of more addresses
 * than there is room for. Datagrams that are read at one time have one time, and an order. */
#define ADDRESSES 300
#define ROOM      100
#define BATCH     64
static void table_agrees_with_a_brute_force_lru(void **state)
{
    int64_t used[ADDRESSES] = {0};
    uint32_t indexes[ADDRESSES] = {0};
    (void)state;
    struct exporter_table *table = exporter_table_new(ROOM, NULL, NULL);
    srandom(5);
    for (int64_t now = 1; now <= 20000; now++) {
        uint32_t number = (uint32_t)random() % ADDRESSES, count = 0, oldest = ADDRESSES;
        struct ip_addr addr = addr_of(number);
        assert_int_equal(exporter_table_find(table, &addr) != NULL, used[number] != 0);
        for (uint32_t i = 0; i < ADDRESSES; i++) {
            if (used[i] == 0)
                continue;
            count++;
            if (oldest == ADDRESSES || used[i] < used[oldest])
                oldest = i;
        }
        struct exporter *exporter = exporter_table_get(table, &addr, now / BATCH);
        counter_add(&exporter->counters.flows, 1);
        if (used[number] != 0) {
            assert_int_equal(exporter->index, indexes[number]);
        } else if (count == ROOM) {
            assert_int_equal(exporter->index, indexes[oldest]);
            used[oldest] = 0;
        } else {
            assert_int_equal(exporter->index, count);
        }
        used[number] = now;
        indexes[number] = exporter->index;
    }
    uint64_t sum = value(&exporter_table_evicted(table)->flows);
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        struct ip_addr addr = addr_of(i);
        const struct exporter *exporter = exporter_table_find(table, &addr);
        sum += exporter ? value(&exporter->counters.flows) : 0;
    }
    assert_int_equal(sum, 20000); /* nothing that was counted is gone */
    exporter_table_free(table);
}

/* One sender names agents by the thousand; those of others stay, whoever was seen last. */
static void a_sender_that_names_many_agents_pushes_out_its_own(void **state)
{
    enum { MAX = 100, HONEST = 20, NAMED = 5000 };
    (void)state;
    struct exporter_table *table = exporter_table_new(MAX, NULL, NULL);
    struct ip_addr sender = addr_of(1), relay = addr_of(2), relayed = addr_of(3);
    int64_t now = 1;
    for (uint32_t i = 0; i < HONEST; i++, now++) {
        struct ip_addr addr = addr_of(10 + i);
        exporter_table_get(table, &addr, now);
    }
    exporter_table_get_agent(table, exporter_table_get(table, &relay, now), &relayed, now);
    for (uint32_t i = 0; i < NAMED; i++, now++) {
        struct ip_addr agent = addr_of(1000 + i);
        struct exporter *source = exporter_table_get(table, &sender, now);
        exporter_table_get_agent(table, source, &agent, now);
        assert_non_null(exporter_table_find(table, &agent));
    }
    for (uint32_t i = 0; i < HONEST; i++) {
        struct ip_addr addr = addr_of(10 + i);
        assert_non_null(exporter_table_find(table, &addr));
    }
    assert_non_null(exporter_table_find(table, &relayed));
    struct exporter *source = exporter_table_find(table, &sender);
    assert_int_equal(value(&source->counters.drops[DROP_too_many_agents]),
                     NAMED - (MAX - HONEST - 3));
    assert_int_equal(exporter_table_count(table), MAX);
    /* Exporters that send themselves go after them, and who stays for the last is no matter: all is
     * freed once. */
    for (uint32_t i = 0; i < 3 * MAX; i++, now++) {
        struct ip_addr addr = addr_of(7000 + i);
        exporter_table_get(table, &addr, now);
    }
    assert_null(exporter_table_find(table, &sender));
    exporter_table_free(table);
}

static void where_there_is_room_for_one_the_agent_takes_the_senders_place(void **state)
{
    (void)state;
    struct exporter_table *table = exporter_table_new(1, NULL, NULL);
    struct ip_addr sender = addr_of(1), agent = addr_of(2);
    struct exporter *source = exporter_table_get(table, &sender, 1);
    exporter_table_get_agent(table, source, &agent, 1);
    assert_null(exporter_table_find(table, &sender));
    assert_non_null(exporter_table_find(table, &agent));
    exporter_table_free(table);
}

static void every_counter_of_an_evicted_exporter_is_kept(void **state)
{
    struct exporter_counters from = {0}, to = {0};
    (void)state;
    assert_int_equal(sizeof from, (exporter_counter_info_count + 16 + DROP_REASON_COUNT) *
                                      sizeof(struct counter));
    struct counter *all =
        (struct counter *)&from; /* counters are all that there is: checked above */
    for (size_t i = 0; i < sizeof from / sizeof *all; i++)
        counter_set(&all[i], i + 1);
    exporter_counters_fold(&to, &from);
    assert_memory_equal(&to, &from, sizeof to);
    exporter_counters_fold(&to, &from);
    assert_int_equal(value(&to.flows), 2 * value(&from.flows));
    assert_int_equal(value(&to.drops[DROP_poison]), 2 * value(&from.drops[DROP_poison]));
    assert_int_equal(value(&to.path_match[15]), 2 * value(&from.path_match[15]));
    assert_int_equal(value(&to.last_datagram_ns),
                     value(&from.last_datagram_ns)); /* the latest, not a sum */
}

static void drops_are_counted_under_their_reason_even_when_not_logged(void **state)
{
    struct ip_addr addr = addr_of(1);
    (void)state;
    struct exporter_table *table = exporter_table_new(1, NULL, NULL);
    struct exporter *exporter = exporter_table_get(table, &addr, 1);
    for (int i = 0; i < 20; i++)
        exporter_drop(exporter, DROP_bad_set_length, "domain %d", 256);
    assert_int_equal(value(&exporter->counters.drops[DROP_bad_set_length]), 20);
    assert_int_equal(value(&exporter->counters.drops[DROP_bad_template]), 0);
    assert_int_equal(exporter->log_limits[DROP_bad_set_length].suppressed, 15);
    assert_string_equal(drop_reasons[DROP_bad_set_length].key, "bad_set_length");
    assert_int_equal(drop_reasons[DROP_bad_set_length].level, DROP_LEVEL_SET);
    exporter_table_free(table);
}

struct walk {
    struct exporter_table *table;
    struct rcu *rcu;
    _Atomic int is_over;
    uint64_t bad_count, seen_count;
};

static uint32_t lines_in(const char *path)
{
    FILE *file = fopen(path, "r");
    uint32_t count = 0;

    assert_non_null(file);
    for (int c; (c = fgetc(file)) != EOF;)
        count += c == '\n';
    fclose(file);
    return count;
}

/*
 * Anybody can invent source addresses of UDP: a new one for each datagram must not fill the disk.
 */
static void many_exporters_do_not_flood_the_log(void **state)
{
    char path[] = "/tmp/test_exporter.XXXXXX";
    int fd = mkstemp(path);
    const struct log_settings settings = {.name = "core", .type = "test", .file = path};
    struct exporter_table *table = exporter_table_new(16, NULL, NULL);
    (void)state;

    assert_true(fd >= 0);
    assert_int_equal(log_start(&settings), 0);
    for (uint32_t i = 0; i < 5000; i++) {
        struct ip_addr a = addr_of(i);
        exporter_drop(exporter_table_get(table, &a, i), DROP_bad_version, "version %u", 77);
    }
    struct ip_addr other = addr_of(1 << 20);
    exporter_drop(exporter_table_get(table, &other, 5000), DROP_bad_length, "%u bytes", 1);
    log_stop();
    assert_int_equal(log_lost_count(), 0);
    assert_in_range(lines_in(path), 10, 200); /* and another reason is still heard */
    exporter_table_free(table);
    close(fd);
    unlink(path);
}

/* The unseeded hashes of these addresses end alike: an attacker who sends from them hopes for one
 * long chain. */
static struct ip_addr colliding[700];

static void get_all(struct exporter_table *table)
{
    for (uint32_t i = 0; i < 700; i++)
        exporter_table_get(table, &colliding[i], 1);
}

static void get_last(void *arg)
{
    struct exporter_table *table = arg;

    for (uint32_t i = 650; i < 700; i++)
        exporter_table_get(table, &colliding[i], 1);
}

static void chosen_addresses_do_not_collide(void **state)
{
    struct exporter_table *chosen = exporter_table_new(1024, NULL, NULL);
    struct exporter_table *plain = exporter_table_new(1024, NULL, NULL);
    (void)state;

    for (uint32_t i = 0; i < 700; i++)
        colliding[i] = addr_of(i);
    get_all(plain);
    int64_t usual = step_count(get_last, plain);
    for (uint32_t i = 0, found = 0; found < 700; i++) {
        struct ip_addr a = addr_of(i);
        a.bytes[12] = (uint8_t)(i >> 24);
        if ((XXH3_64bits(a.bytes, sizeof a.bytes) & 1023) == 7)
            colliding[found++] = a;
    }
    get_all(chosen);
    int64_t hoped = step_count(get_last, chosen);
    exporter_table_free(chosen);
    exporter_table_free(plain);
    if (hoped < 0)
        skip();
    assert_true(usual > 0 && hoped / usual < 10);
}

static void check_one(void *arg, struct exporter *exporter)
{
    struct walk *walk = arg;
    walk->seen_count++;
    walk->bad_count += exporter->addr.family != IP_V4 || value(&exporter->counters.flows) > 100000;
}

static void walk_main(void *arg)
{
    struct walk *walk = arg;
    struct rcu_reader *reader;

    assert_int_equal(rcu_reader_register(walk->rcu, &reader), 0);
    rcu_online(reader);
    while (!atomic_load_explicit(&walk->is_over, memory_order_relaxed))
        for (uint32_t index = 0; exporter_table_some(walk->table, &index, 7, check_one, walk);)
            rcu_quiescent(reader);
    rcu_offline(reader);
    rcu_reader_unregister(reader);
}

static void statistics_walk_while_the_worker_inserts_and_evicts(void **state)
{
    struct walk walk = {.table = exporter_table_new(500, NULL, NULL), .rcu = rcu_new(1)};
    struct thread thread = {0};
    (void)state;

    exporter_table_set_rcu(walk.table, walk.rcu);
    assert_int_equal(thread_start(&thread, "walk", walk_main, &walk), 0);
    for (uint32_t i = 0; i < 50000; i++) {
        struct ip_addr addr = addr_of(i * 7 % 600);
        counter_add(&exporter_table_get(walk.table, &addr, i)->counters.flows, 1);
    }
    atomic_store_explicit(&walk.is_over, 1, memory_order_relaxed);
    thread_join(&thread);
    assert_int_equal(walk.bad_count, 0);
    walk.seen_count = 0;
    exporter_table_each(walk.table, check_one, &walk);
    assert_int_equal(walk.seen_count, 500);
    exporter_table_free(walk.table);
    rcu_free(walk.rcu);
}

struct message {
    uint32_t number, units;
};

/* Feeds the messages and compares the counts of gaps, of missing ones, and of late ones. */
static void assert_sequence(const struct message *messages, size_t count, uint64_t gaps,
                            uint64_t missing, uint64_t back)
{
    struct sequence sequence = {0};
    struct exporter_counters counters = {0};
    for (size_t i = 0; i < count; i++)
        sequence_check(&sequence, &counters, messages[i].number, messages[i].units);
    assert_int_equal(value(&counters.sequence_gaps), gaps);
    assert_int_equal(value(&counters.sequence_missing), missing);
    assert_int_equal(value(&counters.sequence_back), back);
}
#define ASSERT_SEQUENCE(gaps, missing, back, ...)                                                  \
    assert_sequence((const struct message[]){__VA_ARGS__},                                         \
                    sizeof((const struct message[]){__VA_ARGS__}) / sizeof(struct message), gaps,  \
                    missing, back)

static void sequence_counts_what_is_missing(void **state)
{
    (void)state;
    ASSERT_SEQUENCE(0, 0, 0, {500, 10}, {510, 5}, {515, 0}, {515, 1});
    ASSERT_SEQUENCE(1, 20, 0, {500, 10}, {530, 5}, {535, 1});
    ASSERT_SEQUENCE(2, 3, 0, {1, 1}, {3, 1}, {6, 1});
}

static void sequence_wraps_at_32_bits(void **state)
{
    (void)state;
    ASSERT_SEQUENCE(0, 0, 0, {UINT32_MAX, 1}, {0, 1});
    ASSERT_SEQUENCE(1, 7, 0, {UINT32_MAX - 2, 1}, {5, 1});
}

static void late_message_is_no_second_gap(void **state)
{
    (void)state;
    ASSERT_SEQUENCE(1, 1, 1, {1, 1}, {3, 1}, {2, 1}, {4, 1}, {5, 1});
}

static void small_jump_back_that_goes_on_is_a_restart(void **state)
{
    (void)state;
    ASSERT_SEQUENCE(0, 0, 1, {5000, 1}, {0, 1}, {1, 1}, {2, 1}, {3, 1});
    ASSERT_SEQUENCE(1, 6, 1, {5000, 10}, {0, 10}, {10, 10}, {26, 10});
}

static void jump_beyond_a_million_is_a_restart_and_no_gap(void **state)
{
    (void)state;
    ASSERT_SEQUENCE(0, 0, 0, {2000000, 1}, {0, 1}, {1, 1});
    ASSERT_SEQUENCE(0, 0, 0, {0, 1}, {1000002, 1}, {1000003, 1});
    ASSERT_SEQUENCE(1, 1000000, 0, {0, 1}, {1000001, 1}, {1000002, 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_recently_seen_exporter_is_evicted),
        cmocka_unit_test(same_address_gets_the_same_exporter),
        cmocka_unit_test(table_agrees_with_a_brute_force_lru),
        cmocka_unit_test(a_sender_that_names_many_agents_pushes_out_its_own),
        cmocka_unit_test(where_there_is_room_for_one_the_agent_takes_the_senders_place),
        cmocka_unit_test(every_counter_of_an_evicted_exporter_is_kept),
        cmocka_unit_test(drops_are_counted_under_their_reason_even_when_not_logged),
        cmocka_unit_test(many_exporters_do_not_flood_the_log),
        cmocka_unit_test(chosen_addresses_do_not_collide),
        cmocka_unit_test(statistics_walk_while_the_worker_inserts_and_evicts),
        cmocka_unit_test(sequence_counts_what_is_missing),
        cmocka_unit_test(sequence_wraps_at_32_bits),
        cmocka_unit_test(late_message_is_no_second_gap),
        cmocka_unit_test(small_jump_back_that_goes_on_is_a_restart),
        cmocka_unit_test(jump_beyond_a_million_is_a_restart_and_no_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
