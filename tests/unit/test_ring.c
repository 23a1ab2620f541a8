/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that ring, pool and dictionary together hand over what was put in. The model makes the
 * contents of hand-over `seq` a pure function of seq, so either side can say what must be there and
 * nothing else is shared. The consumer dies at random points, after which everything is mapped
 * anew.
 */
#include "handover/ring.h"

#include "base/poller.h"
#include "base/thread.h"
#include "handover/dictionary.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define POOL_BYTES (UINT64_C(64) * SEGMENT_SIZE)

struct model_row {
    uint64_t number;
    uint32_t id;
    uint32_t place;
};

static uint64_t mix(uint64_t x) /* splitmix64 */
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint32_t model_row_count(uint64_t seq)
{
    uint64_t r = mix(seq);
    return r % 7 == 0 ? 0 : r % 11 == 0 ? 40000 : (uint32_t)(r >> 20) % 300;
}

/* Returns one of 50 values, some empty, some so long that few of them fill a segment. */
static size_t model_value(uint64_t seq, uint32_t place, char *out)
{
    uint32_t which = (uint32_t)(mix(seq << 20 | place) % 50);
    size_t len = which == 0 ? 0 : which == 1 && seq % 8 == 0 ? 60000 : 5 + which;
    memset(out, 'a' + (int)(which % 26), len);
    if (len > 0)
        out[len - 1] = (char)which;
    return len;
}

struct fixture {
    struct pool_budget budget;
    struct pool *pool;
    struct ring *ring;
    struct dictionary *dict;
    int host_event, worker_event;
    struct ring_view *view;
    struct pool_view *pool_view;
    uint64_t recycled;
    struct handover_totals recycled_totals;
    uint64_t last_seq; /* of the threaded run */
};

static void consumer_start(struct fixture *f)
{
    int slots_fd, cursors_fd, pool_fd;
    assert_int_equal(ring_open_for_host(f->ring, &slots_fd, &cursors_fd), 0);
    assert_int_equal(ring_view_new(slots_fd, cursors_fd, f->worker_event, &f->view), 0);
    pool_fd = pool_open_readonly(f->pool);
    assert_true(pool_fd >= 0);
    assert_int_equal(pool_view_new(pool_fd, pool_max_count(f->pool), &f->pool_view), 0);
}

static void consumer_die(struct fixture *f)
{
    ring_view_free(f->view);
    pool_view_free(f->pool_view);
    f->view = NULL;
    f->pool_view = NULL;
}

static void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    pool_budget_init(&f->budget, POOL_BYTES);
    f->host_event = poller_event_new();
    f->worker_event = poller_event_new();
    assert_int_equal(pool_new(&f->budget, &f->pool), 0);
    assert_int_equal(ring_new(f->host_event, &f->ring), 0);
    f->dict = dictionary_new(f->pool);
    consumer_start(f);
}

static void fixture_clear(struct fixture *f)
{
    consumer_die(f);
    dictionary_free(f->dict);
    ring_free(f->ring);
    assert_int_equal(pool_used_count(f->pool), 0);
    pool_free(f->pool);
    assert_int_equal(atomic_load(&f->budget.used_count), 0);
    close(f->host_event);
    close(f->worker_event);
}

static void count_recycled(void *arg, const struct handover *h, const struct handover_outcome *o)
{
    struct fixture *f = arg;
    assert_int_equal(h->seq, ++f->recycled);
    assert_int_equal(o->fate, mix(h->seq) % 4);
    f->recycled_totals.flows += h->totals.flows;
}

/* Produces a hand-over; returns false if no segment was free and nothing was changed. */
static bool produce(struct fixture *f, uint64_t seq)
{
    static _Thread_local char value[70000];
    struct handover h = {.epoch = seq / 3, .row_segment = SEGMENT_NONE};
    uint32_t last = SEGMENT_NONE, count = model_row_count(seq);
    bool is_done = false;

    for (uint32_t i = 0; i < count; i++) {
        struct model_row row = {.number = mix(seq + i), .place = i};
        size_t len = model_value(seq, i, value);
        if (dictionary_put(f->dict, value, len, false, &row.id) < 0)
            goto out;
        if (last == SEGMENT_NONE ||
            pool_segment(f->pool, last)->used + sizeof row > SEGMENT_DATA_SIZE) {
            uint32_t next = SEGMENT_NONE;
            if (pool_take(f->pool, false, &next) < 0)
                goto out;
            if (last == SEGMENT_NONE)
                h.row_segment = next;
            else
                pool_segment(f->pool, last)->next = next;
            last = next;
        }
        struct segment *s = pool_segment(f->pool, last);
        memcpy(s->data + s->used, &row, sizeof row);
        s->used += (uint32_t)sizeof row;
    }
    is_done = true;
out:
    dictionary_finish(f->dict, &h.dictionary_segment, &h.dictionary_count);
    if (!is_done) {
        pool_release_chain(f->pool, h.row_segment);
        pool_release_chain(f->pool, h.dictionary_segment);
        return false;
    }
    h.row_count = count;
    h.totals.flows = count;
    assert_int_equal(ring_push(f->ring, &h), seq);
    return true;
}

static void verify(struct fixture *f, const struct handover *h)
{
    static _Thread_local char value[70000];
    static _Thread_local struct pa_bytes entries[64];
    uint32_t place = 0, next = h->row_segment;

    assert_int_equal(h->row_count, model_row_count(h->seq));
    assert_true(h->dictionary_count < 50);
    assert_int_equal(
        dictionary_read(f->pool_view, h->dictionary_segment, h->dictionary_count, entries), 0);
    while (next != SEGMENT_NONE) {
        const struct segment *s = pool_view_segment(f->pool_view, next);
        assert_non_null(s);
        for (uint32_t at = 0; at < s->used; at += (uint32_t)sizeof(struct model_row), place++) {
            struct model_row row;
            memcpy(&row, s->data + at, sizeof row);
            size_t len = model_value(h->seq, place, value);
            assert_true(row.number == mix(h->seq + place) && row.place == place);
            assert_true(row.id <= h->dictionary_count && entries[row.id].len == len);
            assert_int_equal(memcmp(entries[row.id].data, value, len), 0);
        }
        next = s->next;
    }
    assert_int_equal(place, h->row_count);
    for (uint32_t i = 0; i <= h->dictionary_count; i++) /* no value has two ids */
        for (uint32_t j = 0; j < i; j++)
            assert_false(entries[i].len == entries[j].len &&
                         memcmp(entries[i].data, entries[j].data, entries[i].len) == 0);
}

/* Takes, verifies and acknowledges hand-overs, or dies, as the numbers of `random` say. */
static void consume(struct fixture *f, uint64_t random)
{
    struct handover h;
    if (random % 13 == 0) {
        consumer_die(f);
        consumer_start(f);
        assert_int_equal(ring_view_taken(f->view), ring_view_acked(f->view));
        return;
    }
    if (random % 3 == 0) {
        uint64_t taken = ring_view_taken(f->view);
        for (uint64_t seq = ring_view_acked(f->view) + 1; seq <= taken; seq++) {
            struct handover_outcome outcome = {.fate = (uint32_t)(mix(seq) % 4)};
            ring_view_set_outcome(f->view, seq, &outcome);
        }
        ring_view_ack(f->view, taken);
        return;
    }
    if (!ring_view_peek(f->view, 0, &h))
        return;
    assert_int_equal(h.seq, ring_view_taken(f->view) + 1);
    verify(f, &h);
    ring_view_take(f->view, h.seq);
}

static void drain(struct fixture *f)
{
    for (uint64_t i = 1; ring_pending_count(f->ring) > 0; i++) {
        consume(f, mix(~i));
        ring_recycle(f->ring, f->pool, count_recycled, f);
    }
}

static void random_operations_agree_with_the_model(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t seq = 0, flows = 0, refused = 0;
    fixture_init(&f);
    for (uint64_t step = 0; step < 3000; step++) {
        uint64_t random = mix(step ^ UINT64_C(0x5151));
        switch (random % 5) {
        case 0:
        case 1:
            if (ring_is_full(f.ring) || !produce(&f, seq + 1))
                refused++;
            else
                flows += model_row_count(++seq);
            break;
        case 2:
            ring_recycle(f.ring, f.pool, count_recycled, &f);
            if (random % 64 == 2)
                pool_trim(f.pool);
            break;
        default:
            consume(&f, random >> 8);
        }
        assert_true(pool_used_count(f.pool) <= POOL_BYTES / SEGMENT_SIZE);
    }
    drain(&f);
    assert_true(seq > 500 && refused > 0); /* the bound was met, or this proves too little */
    assert_int_equal(f.recycled, seq);
    assert_int_equal(f.recycled_totals.flows, flows);
    fixture_clear(&f);
}

static void consumer_main(void *arg)
{
    struct fixture *f = arg;
    for (uint64_t i = 1; ring_view_acked(f->view) < f->last_seq; i++)
        consume(f, mix(i));
}

static void two_threads_and_a_dying_consumer_lose_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct thread consumer = {0};
    fixture_init(&f);
    f.last_seq = 1000;
    assert_int_equal(thread_start(&consumer, "consumer", consumer_main, &f), 0);
    for (uint64_t seq = 1; seq <= f.last_seq;) {
        if (!ring_is_full(f.ring) && produce(&f, seq))
            seq++;
        if (ring_recycle(f.ring, f.pool, count_recycled, &f) > 0)
            pool_trim(f.pool);
    }
    thread_join(&consumer);
    ring_recycle(f.ring, f.pool, count_recycled, &f);
    assert_int_equal(f.recycled, f.last_seq);
    fixture_clear(&f);
}

/* Pushes a hand-over of one row, which counts a flow, 2 packets and 3 bytes. */
static void push_one(struct fixture *f)
{
    struct handover h = {.row_segment = SEGMENT_NONE,
                         .dictionary_segment = SEGMENT_NONE,
                         .row_count = 1,
                         .totals = {1, 2, 3}};
    ring_push(f->ring, &h);
}

/* Acknowledges up to `seq`, with this fate for the last. */
static void ack_with(struct fixture *f, uint64_t seq, uint32_t fate)
{
    struct handover_outcome outcome = {.fate = fate};
    ring_view_set_outcome(f->view, seq, &outcome);
    ring_view_ack(f->view, seq);
}

static const struct handover_totals none;

static void attempts_outlive_the_consumer(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    for (int i = 0; i < 100; i++)
        push_one(&f);
    ack_with(&f, 1, HANDOVER_SPOOLED);
    ring_recycle(f.ring, f.pool, NULL, NULL);
    ring_view_set_attempt(f.view, (struct ring_attempt){77, 2});
    ring_view_set_isolate_until(f.view, 99);
    ring_view_add_drained(f.view, &(struct handover_totals){1, 2, 3},
                          &(struct handover_totals){0, 1, 2});
    consumer_die(&f);
    consumer_start(&f);
    assert_int_equal(ring_view_attempt(f.view).seq, 77);
    assert_int_equal(ring_view_attempt(f.view).attempts, 2);
    ring_view_ack(f.view, 76);
    assert_int_equal(ring_view_attempt(f.view).seq, 77); /* the rest of it keeps its bounds */
    ring_view_ack(f.view, 77);
    assert_int_equal(ring_view_attempt(f.view).seq, 0);
    assert_int_equal(ring_view_isolate_until(f.view), 99);
    assert_int_equal(ring_drained(f.ring).bytes, 3);
    assert_int_equal(ring_rejected_drained(f.ring).bytes, 2);
    fixture_clear(&f);
}

/* The number of hand-overs before each loss, as the worker is told. */
struct loss_log {
    uint64_t written, lost;
};

static void log_loss(void *arg, const struct handover *handover,
                     const struct handover_outcome *outcome)
{
    struct loss_log *log = arg;
    if (handover != NULL) {
        assert_non_null(outcome);
        log->written++;
        return;
    }
    log->lost += log->written;
    log->written = 0;
}

static void what_a_volatile_backend_had_is_lost_and_nothing_after_it(void **state)
{
    (void)state;
    struct fixture f;
    struct loss_log log = {0};
    fixture_init(&f);
    for (uint64_t seq = 1; seq <= 6; seq++)
        push_one(&f);
    ring_view_set_lost(f.view); /* the first start: nothing is there to lose */
    ring_view_ack(f.view, 1);
    ring_recycle(f.ring, f.pool, log_loss, &log);
    assert_int_equal(log.written, 1);
    ack_with(&f, 3, HANDOVER_SPOOLED);
    ring_view_add_drained(f.view, &(struct handover_totals){1, 2, 3}, &none);
    ring_view_set_lost(f.view);
    ack_with(&f, 5, HANDOVER_SPOOLED); /* a new host goes on before the worker looks */
    ring_view_add_drained(f.view, &(struct handover_totals){1, 2, 3}, &none);
    assert_int_equal(ring_drained(f.ring).bytes, 0); /* as long as they count as handed over */
    assert_true(ring_check(f.ring));
    ring_recycle(f.ring, f.pool, log_loss, &log);
    assert_int_equal(log.lost, 3);
    assert_int_equal(log.written, 2);
    assert_int_equal(ring_drained(f.ring).bytes, 6);
    assert_int_equal(ring_lost_drained(f.ring).bytes, 3);
    ring_recycle(f.ring, f.pool, log_loss, &log);
    assert_int_equal(log.lost, 3); /* told once */
    ring_view_ack(f.view, 6);
    ring_view_set_lost(f.view);
    ring_recycle(f.ring, f.pool, log_loss, &log);
    assert_int_equal(log.lost, 6);
    fixture_clear(&f);
}

static void host_cannot_write_slots_or_segments(void **state)
{
    (void)state;
    struct fixture f;
    int slots_fd, cursors_fd;
    fixture_init(&f);
    assert_int_equal(ring_open_for_host(f.ring, &slots_fd, &cursors_fd), 0);
    int pool_fd = pool_open_readonly(f.pool);
    assert_int_equal(write(slots_fd, "x", 1), -1);
    /* Nor through /proc, whoever it is. */
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", slots_fd);
    int again = open(path, O_RDWR);
    assert_int_equal(pwrite(again, "x", 1, 64), -1);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0), MAP_FAILED);
    close(again);
    assert_int_equal(ftruncate(cursors_fd, 1 << 20), -1);
    assert_int_equal(write(pool_fd, "x", 1), -1);
    assert_int_equal(ftruncate(pool_fd, 0), -1);
    close(slots_fd);
    close(cursors_fd);
    close(pool_fd);
    fixture_clear(&f);
}

/* The cursors as they lie in memory, beside which a plugin runs. */
struct raw_cursors {
    uint64_t magic, gap[7];
    uint64_t taken, acked, attempt, isolate_until, drained[3], lost_until, lost[3], rejected[3],
        gap2[2];
    struct handover_outcome outcomes[RING_SLOTS];
};

static void nonsense_is_seen_costs_nothing_and_is_set_back(void **state)
{
    (void)state;
    for (int kind = 0; kind < 16; kind++) {
        struct fixture f;
        struct loss_log log = {0};
        int slots_fd, cursors_fd;
        fixture_init(&f);
        for (int i = 0; i < 6; i++)
            push_one(&f);
        ack_with(&f, 1, HANDOVER_SPOOLED);
        ack_with(&f, 2, HANDOVER_WRITTEN);
        ring_recycle(f.ring, f.pool, log_loss, &log);
        ring_view_add_drained(f.view, &(struct handover_totals){1, 2, 3}, &none);
        assert_true(ring_check(f.ring));
        assert_int_equal(ring_open_for_host(f.ring, &slots_fd, &cursors_fd), 0);
        struct raw_cursors *c =
            mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED, cursors_fd, 0);
        assert_ptr_not_equal(c, MAP_FAILED);
        assert_int_equal(c->acked, 2); /* the places are right */
        assert_int_equal(c->drained[2], 3);
        ack_with(&f, 3, HANDOVER_WRITTEN);
        switch (kind) {
        case 0:
            c->acked = 7;
            break;
        case 1:
            c->acked = 1;
            break;
        case 2:
            c->acked = UINT64_C(0xa5a5a5a5a5a5a5a5);
            break;
        case 3:
            c->taken = 7;
            break;
        case 4:
            c->attempt = UINT64_C(7) << 8 | 1;
            break;
        case 5:
            c->isolate_until = UINT64_MAX;
            break;
        case 6:
            c->lost_until = 7;
            break;
        case 7:
            c->drained[0] = UINT64_C(1750000000000000000);
            break;
        case 8:
            c->drained[2] = 4;
            break;
        case 9:
            c->drained[1] = 1;
            break; /* it was more before */
        case 10:
            c->lost[1] = 3;
            break;
        case 11:
            c->outcomes[2].fate = HANDOVER_LOST + 1;
            break;
        case 12:
            c->outcomes[2].rejected_rows = 2;
            break;
        case 14:
            c->rejected[0] = 2; /* more than was drained */
            break;
        case 13:
            c->outcomes[2].rejected.bytes = UINT64_MAX;
            break;
        default:
            c->magic = 0;
            break;
        }
        ring_recycle(f.ring, f.pool, log_loss, &log);
        assert_false(ring_check(f.ring));
        struct handover_totals drained = ring_drained(f.ring);
        assert_true(drained.flows == 1 && drained.packets == 2 && drained.bytes == 3);
        assert_int_equal(ring_lost_drained(f.ring).packets, 0);
        assert_int_equal(ring_recycle(f.ring, f.pool, log_loss, &log), 0);
        consumer_die(&f);
        ring_repair(f.ring);
        assert_true(ring_check(f.ring));
        consumer_start(&f);
        uint64_t acked = ring_view_acked(f.view);
        assert_int_equal(acked, log.written);
        for (uint64_t seq = acked + 1; seq <= 6; seq++)
            ack_with(&f, seq, HANDOVER_WRITTEN);
        ring_recycle(f.ring, f.pool, log_loss, &log);
        assert_true(ring_check(f.ring));
        assert_int_equal(log.written, 6);
        munmap(c, sizeof *c);
        close(slots_fd);
        close(cursors_fd);
        fixture_clear(&f);
    }
}

static void something_else_is_not_taken_for_a_ring(void **state)
{
    (void)state;
    struct fixture f;
    struct ring_view *view;
    int slots_fd, cursors_fd;
    fixture_init(&f);
    assert_int_equal(ring_open_for_host(f.ring, &slots_fd, &cursors_fd), 0);
    assert_int_equal(ring_view_new(cursors_fd, slots_fd, f.worker_event, &view), -EBADMSG);
    fixture_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_model),
        cmocka_unit_test(two_threads_and_a_dying_consumer_lose_nothing),
        cmocka_unit_test(attempts_outlive_the_consumer),
        cmocka_unit_test(what_a_volatile_backend_had_is_lost_and_nothing_after_it),
        cmocka_unit_test(host_cannot_write_slots_or_segments),
        cmocka_unit_test(nonsense_is_seen_costs_nothing_and_is_set_back),
        cmocka_unit_test(something_else_is_not_taken_for_a_ring),
    };

    thread_enter_role(&worker_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
