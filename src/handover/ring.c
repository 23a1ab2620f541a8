/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two shared memories: the slots, which the worker writes, and the cursors with the outcomes, which
 * the host writes. Hand-over `seq` lies in slot (seq - 1) mod RING_SLOTS until the worker has
 * recycled it, which it does only after its acknowledgement; so a slot is never written while the
 * host may read it, nor an outcome while the worker does. Each number that crosses is released by
 * its writer and acquired by its reader.
 */
#include "handover/ring.h"

#include "base/clock.h"
#include "base/poller.h"
#include "handover/shared_memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS_MAGIC   UINT64_C(0x70612d736c6f7431)
#define CURSORS_MAGIC UINT64_C(0x70612d6375727331)
#define ATTEMPT_BITS  8
#define PLACE_BITS    3

static_assert((RING_SLOTS & (RING_SLOTS - 1)) == 0, "slots are found with a mask");

struct ring_slots {
    uint64_t magic;
    alignas(CACHE_LINE) _Atomic uint64_t head; /* the last seq pushed */
    alignas(CACHE_LINE) struct handover slots[RING_SLOTS];
};

struct ring_cursors {
    uint64_t magic;
    alignas(CACHE_LINE) _Atomic uint64_t taken;
    _Atomic uint64_t acked;
    /* seq << ATTEMPT_BITS | attempts: both in one store, so that a death cannot part them. */
    _Atomic uint64_t attempt;
    _Atomic uint64_t isolate_until;
    _Atomic uint64_t drained_flows, drained_packets, drained_bytes;
    _Atomic uint64_t lost_until; /* the last seq that a volatile backend lost */
    _Atomic uint64_t lost_flows, lost_packets, lost_bytes; /* of what was drained */
    /* The backend has refused these of what was drained. */
    _Atomic uint64_t rejected_flows, rejected_packets, rejected_bytes;
    _Atomic uint64_t sign; /* count of heartbeats << PLACE_BITS | enum host_place */
    alignas(CACHE_LINE) struct handover_outcome outcomes[RING_SLOTS];
};

struct ring {
    alignas(CACHE_LINE) int slots_fd;
    int cursors_fd;
    int host_event; /* borrowed */
    struct ring_slots *slots;
    struct ring_cursors *cursors; /* the worker and the supervisor only read */
    uint64_t head, recycled;
    uint64_t lost_until; /* as far as it has been told */
    /* Held for a short time, once a hand-over or second: the main thread looks at what follows, and
     * at `recycled`, which the worker alone changes. */
    pthread_mutex_t mutex;
    struct handover_totals spooled; /* of what was recycled */
    /* The cursors have said these of it, as far as they can be believed. */
    struct handover_totals drained, lost, rejected;
    bool is_broken;
    _Atomic int64_t pushed_ns[RING_SLOTS]; /* of clock_mono(); the worker writes it */
};

/* The cursors as the host knows that they are. */
struct view_cursors {
    uint64_t taken, acked, attempt, isolate_until, lost_until;
    struct handover_totals drained, lost, rejected;
};

struct ring_view {
    int slots_fd, cursors_fd;
    int worker_event; /* borrowed */
    const struct ring_slots *slots;
    struct ring_cursors *cursors; /* only written, but at the start */
    struct view_cursors own;
};

static size_t slot_of(uint64_t seq)
{
    return (seq - 1) & (RING_SLOTS - 1);
}

static uint64_t cursor_load(const _Atomic uint64_t *place)
{
    return atomic_load_explicit(place, memory_order_acquire);
}

static void cursor_store(_Atomic uint64_t *place, uint64_t value)
{
    atomic_store_explicit(place, value, memory_order_release);
}

int ring_new(int host_event, struct ring **ret_ring)
{
    struct ring *ring = mem_aligned_zalloc(CACHE_LINE, sizeof *ring); /* a worker writes it */
    void *slots = NULL, *cursors = NULL;
    int err;

    ring->host_event = host_event;
    pthread_mutex_init(&ring->mutex, NULL);
    ring->cursors_fd = -1;
    ring->slots_fd = err = shared_memory_new("pathacct-ring", sizeof *ring->slots);
    if (err < 0)
        goto fail;
    ring->cursors_fd = err = shared_memory_new("pathacct-cursors", sizeof *ring->cursors);
    if (err < 0)
        goto fail;
    err = shared_memory_map(ring->slots_fd, sizeof *ring->slots, PROT_READ | PROT_WRITE, &slots);
    if (err < 0)
        goto fail;
    ring->slots = slots;
    err = shared_memory_map(ring->cursors_fd, sizeof *ring->cursors, PROT_READ | PROT_WRITE,
                            &cursors);
    if (err < 0)
        goto fail;
    ring->cursors = cursors;
    ring->slots->magic = SLOTS_MAGIC;
    ring->cursors->magic = CURSORS_MAGIC;
    err = shared_memory_seal(ring->slots_fd, SHARED_MEMORY_ONE_WRITER);
    if (err == 0)
        err = shared_memory_seal(ring->cursors_fd, SHARED_MEMORY_MANY_WRITERS);
    if (err < 0)
        goto fail;
    *ret_ring = ring;
    return 0;
fail:
    ring_free(ring);
    return err;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    if (ring->slots != NULL)
        munmap(ring->slots, sizeof *ring->slots);
    if (ring->cursors != NULL)
        munmap(ring->cursors, sizeof *ring->cursors);
    if (ring->slots_fd >= 0)
        close(ring->slots_fd);
    if (ring->cursors_fd >= 0)
        close(ring->cursors_fd);
    pthread_mutex_destroy(&ring->mutex);
    mem_free(ring);
}

bool ring_is_full(const struct ring *ring)
{
    return ring->head - ring->recycled >= RING_SLOTS;
}

uint64_t ring_push(struct ring *ring, const struct handover *handover)
{
    THREAD_ASSERT(worker_thread);
    assert(!ring_is_full(ring));
    uint64_t seq = ring->head + 1;
    struct handover *slot = &ring->slots->slots[slot_of(seq)];
    *slot = *handover;
    slot->seq = seq;
    ring->head = seq;
    atomic_store_explicit(&ring->pushed_ns[slot_of(seq)], clock_mono().ns, memory_order_relaxed);
    cursor_store(&ring->slots->head, seq);
    poller_event_wake(ring->host_event);
    return seq;
}

/* The loss is told at its place in the order. */
static void tell_loss(struct ring *ring, uint64_t lost_until, ring_recycled_fn *fn, void *arg)
{
    if (ring->recycled != lost_until || ring->lost_until == lost_until)
        return;
    ring->lost_until = lost_until;
    if (fn != NULL)
        fn(arg, NULL, NULL);
}

static bool totals_exceed(const struct handover_totals *t, const struct handover_totals *limit)
{
    return t->flows > limit->flows || t->packets > limit->packets || t->bytes > limit->bytes;
}

/* Numbers of hand-overs that the worker has not sent yet are nonsense. `head` is read after them. */
static bool cursors_are_sane(const struct ring *ring)
{
    const struct ring_cursors *c = ring->cursors;
    uint64_t taken = cursor_load(&c->taken), acked = cursor_load(&c->acked);
    uint64_t attempt = cursor_load(&c->attempt) >> ATTEMPT_BITS;
    uint64_t isolate_until = cursor_load(&c->isolate_until);
    uint64_t lost_until = cursor_load(&c->lost_until);
    uint64_t head = cursor_load(&ring->slots->head);

    return c->magic == CURSORS_MAGIC && acked >= ring->recycled && acked <= head && taken <= head &&
           attempt <= head && isolate_until <= head && lost_until <= head;
}

static bool outcome_is_sane(const struct handover *handover, const struct handover_outcome *outcome)
{
    return outcome->fate <= HANDOVER_LOST && outcome->rejected_rows <= handover->row_count &&
           !totals_exceed(&outcome->rejected, &handover->totals);
}

static void totals_add(struct handover_totals *to, const struct handover_totals *more)
{
    to->flows += more->flows;
    to->packets += more->packets;
    to->bytes += more->bytes;
}

/* Gives what one hand-over held back, and tells of it. */
static void recycle_next(struct ring *ring, const struct handover_outcome *outcome,
                         struct pool *pool, ring_recycled_fn *fn, void *arg)
    ON_THREAD(worker_thread)
{
    const struct handover *handover = &ring->slots->slots[slot_of(ring->recycled + 1)];

    pool_release_chain(pool, handover->row_segment);
    pool_release_chain(pool, handover->dictionary_segment);
    if (outcome->fate == HANDOVER_SPOOLED)
        totals_add(&ring->spooled, &handover->totals);
    if (fn != NULL)
        fn(arg, handover, outcome);
    ring->recycled++;
}

static size_t recycle(struct ring *ring, struct pool *pool, ring_recycled_fn *fn, void *arg)
    ON_THREAD(worker_thread)
{
    uint64_t acked = cursor_load(&ring->cursors->acked);
    /* The order matters: a loss is known by now if `acked` has anything behind it. */
    uint64_t lost_until = cursor_load(&ring->cursors->lost_until);
    size_t count = 0;

    /* The host may have changed them since they were looked at. */
    if (acked < ring->recycled || acked > ring->head || lost_until > ring->head)
        ring->is_broken = true;
    while (!ring->is_broken && ring->recycled < acked) {
        size_t slot = slot_of(ring->recycled + 1);
        /* A copy, which nobody changes between the look and the use. */
        struct handover_outcome outcome = ring->cursors->outcomes[slot];
        tell_loss(ring, lost_until, fn, arg);
        if (!outcome_is_sane(&ring->slots->slots[slot], &outcome)) {
            ring->is_broken = true;
            break;
        }
        recycle_next(ring, &outcome, pool, fn, arg);
        count++;
    }
    if (!ring->is_broken)
        tell_loss(ring, lost_until, fn, arg);
    return count;
}

size_t ring_recycle(struct ring *ring, struct pool *pool, ring_recycled_fn *fn, void *arg)
{
    size_t count = 0;

    THREAD_ASSERT(worker_thread);
    pthread_mutex_lock(&ring->mutex);
    if (!ring->is_broken && !cursors_are_sane(ring))
        ring->is_broken = true;
    if (!ring->is_broken)
        count = recycle(ring, pool, fn, arg);
    pthread_mutex_unlock(&ring->mutex);
    return count;
}

uint64_t ring_pending_count(const struct ring *ring)
{
    return ring->head - ring->recycled;
}

/* The host can have written no more out of the spool than this: all that was recycled as spooled, and
 * what is acknowledged so and not recycled yet. */
static struct handover_totals drained_limit(const struct ring *ring)
{
    struct handover_totals limit = ring->spooled;
    uint64_t acked = cursor_load(&ring->cursors->acked);

    for (uint64_t seq = ring->recycled + 1; seq <= acked && seq - ring->recycled <= RING_SLOTS;
         seq++)
        if (ring->cursors->outcomes[slot_of(seq)].fate == HANDOVER_SPOOLED)
            totals_add(&limit, &ring->slots->slots[slot_of(seq)].totals);
    return limit;
}

/* Looks at all that the host wrote. The sums only grow, and the lost and the rejected one are parts of
 * the other, which the host writes before and which is read after them. */
static void check_cursors(struct ring *ring)
{
    struct ring_cursors *c = ring->cursors;
    struct handover_totals lost = {cursor_load(&c->lost_flows), cursor_load(&c->lost_packets),
                                   cursor_load(&c->lost_bytes)};
    struct handover_totals rejected = {cursor_load(&c->rejected_flows),
                                       cursor_load(&c->rejected_packets),
                                       cursor_load(&c->rejected_bytes)};
    struct handover_totals drained = {cursor_load(&c->drained_flows),
                                      cursor_load(&c->drained_packets),
                                      cursor_load(&c->drained_bytes)};
    struct handover_totals limit;

    if (ring->is_broken)
        return;
    ring->is_broken = !cursors_are_sane(ring);
    if (ring->is_broken)
        return;
    limit = drained_limit(ring);
    if (totals_exceed(&drained, &limit) || totals_exceed(&lost, &drained) ||
        totals_exceed(&rejected, &drained) || totals_exceed(&ring->drained, &drained) ||
        totals_exceed(&ring->lost, &lost) || totals_exceed(&ring->rejected, &rejected)) {
        ring->is_broken = true;
        return;
    }
    ring->drained = drained;
    ring->lost = lost;
    ring->rejected = rejected;
}

static struct handover_totals totals_least(const struct handover_totals *a,
                                           const struct handover_totals *b)
{
    return (struct handover_totals){a->flows < b->flows ? a->flows : b->flows,
                                    a->packets < b->packets ? a->packets : b->packets,
                                    a->bytes < b->bytes ? a->bytes : b->bytes};
}

struct handover_totals ring_drained(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    check_cursors(ring);
    /* Until it is recycled it counts as handed over. */
    struct handover_totals drained = totals_least(&ring->drained, &ring->spooled);
    pthread_mutex_unlock(&ring->mutex);
    return drained;
}

struct handover_totals ring_lost_drained(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    struct handover_totals lost = totals_least(&ring->lost, &ring->spooled);
    pthread_mutex_unlock(&ring->mutex);
    return lost;
}

struct handover_totals ring_rejected_drained(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    struct handover_totals rejected = totals_least(&ring->rejected, &ring->spooled);
    pthread_mutex_unlock(&ring->mutex);
    return rejected;
}

bool ring_check(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    check_cursors(ring);
    bool is_sane = !ring->is_broken;
    pthread_mutex_unlock(&ring->mutex);
    return is_sane;
}

void ring_repair(struct ring *ring)
{
    struct ring_cursors *c = ring->cursors;

    pthread_mutex_lock(&ring->mutex);
    c->magic = CURSORS_MAGIC;
    cursor_store(&c->taken, ring->recycled);
    cursor_store(&c->acked, ring->recycled);
    cursor_store(&c->attempt, 0);
    cursor_store(&c->isolate_until, 0);
    cursor_store(&c->lost_until, ring->lost_until);
    cursor_store(&c->drained_flows, ring->drained.flows);
    cursor_store(&c->drained_packets, ring->drained.packets);
    cursor_store(&c->drained_bytes, ring->drained.bytes);
    cursor_store(&c->lost_flows, ring->lost.flows);
    cursor_store(&c->lost_packets, ring->lost.packets);
    cursor_store(&c->lost_bytes, ring->lost.bytes);
    cursor_store(&c->rejected_flows, ring->rejected.flows);
    cursor_store(&c->rejected_packets, ring->rejected.packets);
    cursor_store(&c->rejected_bytes, ring->rejected.bytes);
    ring->is_broken = false;
    pthread_mutex_unlock(&ring->mutex);
}

struct ring_sign ring_sign(const struct ring *ring)
{
    uint64_t word = cursor_load(&ring->cursors->sign);
    return (struct ring_sign){word >> PLACE_BITS, word & ((1u << PLACE_BITS) - 1)};
}

uint64_t ring_waiting_count(const struct ring *ring)
{
    uint64_t count = cursor_load(&ring->slots->head) - cursor_load(&ring->cursors->acked);
    return count <= RING_SLOTS ? count : 0; /* more is nonsense of the host's */
}

uint64_t ring_acked_count(const struct ring *ring)
{
    return cursor_load(&ring->cursors->acked);
}

int64_t ring_oldest_ns(const struct ring *ring)
{
    uint64_t acked = cursor_load(&ring->cursors->acked);
    uint64_t head = cursor_load(&ring->slots->head);

    if (acked >= head || head - acked > RING_SLOTS) /* more is nonsense of the host's */
        return 0;
    /* Should the slot be in use again by now, the time is that of a later one: the lag is gone. */
    return atomic_load_explicit(&ring->pushed_ns[slot_of(acked + 1)], memory_order_relaxed);
}

int ring_open_for_host(const struct ring *ring, int *ret_slots_fd, int *ret_cursors_fd)
{
    int slots_fd = shared_memory_open_readonly(ring->slots_fd);
    if (slots_fd < 0)
        return slots_fd;
    int cursors_fd = fcntl(ring->cursors_fd, F_DUPFD_CLOEXEC, 0);
    if (cursors_fd < 0) {
        int err = -errno;
        close(slots_fd);
        return err;
    }
    *ret_slots_fd = slots_fd;
    *ret_cursors_fd = cursors_fd;
    return 0;
}

/* ---- the host's side ---- */

static bool fd_has_size(int fd, size_t size)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size == size;
}

static struct view_cursors cursors_read(const struct ring_cursors *c)
{
    return (struct view_cursors){
        .taken = cursor_load(&c->taken),
        .acked = cursor_load(&c->acked),
        .attempt = cursor_load(&c->attempt),
        .isolate_until = cursor_load(&c->isolate_until),
        .lost_until = cursor_load(&c->lost_until),
        .drained = {cursor_load(&c->drained_flows), cursor_load(&c->drained_packets),
                    cursor_load(&c->drained_bytes)},
        .lost = {cursor_load(&c->lost_flows), cursor_load(&c->lost_packets),
                 cursor_load(&c->lost_bytes)},
        .rejected = {cursor_load(&c->rejected_flows), cursor_load(&c->rejected_packets),
                     cursor_load(&c->rejected_bytes)},
    };
}

/* Writes a cursor and remembers it. */
static void view_store(uint64_t *own, _Atomic uint64_t *place, uint64_t value)
{
    *own = value;
    cursor_store(place, value);
}

bool ring_view_is_intact(const struct ring_view *view)
{
    struct view_cursors found = cursors_read(view->cursors);

    static_assert(sizeof found == 14 * sizeof(uint64_t), "no padding, which memcmp() would see");
    return memcmp(&found, &view->own, sizeof found) == 0;
}

int ring_view_new(int slots_fd, int cursors_fd, int worker_event, struct ring_view **ret_view)
{
    struct ring_view *view = mem_zalloc(sizeof *view);
    void *slots = NULL, *cursors = NULL;
    int err = -EBADMSG;

    view->slots_fd = slots_fd;
    view->cursors_fd = cursors_fd;
    view->worker_event = worker_event;
    if (!fd_has_size(slots_fd, sizeof *view->slots) ||
        !fd_has_size(cursors_fd, sizeof *view->cursors))
        goto fail;
    err = shared_memory_map(slots_fd, sizeof *view->slots, PROT_READ, &slots);
    if (err < 0)
        goto fail;
    view->slots = slots;
    err = shared_memory_map(cursors_fd, sizeof *view->cursors, PROT_READ | PROT_WRITE, &cursors);
    if (err < 0)
        goto fail;
    view->cursors = cursors;
    if (view->slots->magic != SLOTS_MAGIC || view->cursors->magic != CURSORS_MAGIC) {
        err = -EBADMSG;
        goto fail;
    }
    view->own = cursors_read(view->cursors);
    ring_view_untake(view);
    *ret_view = view;
    return 0;
fail:
    ring_view_free(view);
    return err;
}

void ring_view_free(struct ring_view *view)
{
    if (view == NULL)
        return;
    if (view->slots != NULL)
        munmap((void *)(uintptr_t)view->slots, sizeof *view->slots);
    if (view->cursors != NULL)
        munmap(view->cursors, sizeof *view->cursors);
    close(view->slots_fd);
    close(view->cursors_fd);
    mem_free(view);
}

bool ring_view_peek(const struct ring_view *view, uint64_t ahead, struct handover *ret_handover)
{
    uint64_t taken = ring_view_taken(view);
    uint64_t head = cursor_load(&view->slots->head);
    if (head - taken > RING_SLOTS || ahead >= head - taken)
        return false;
    *ret_handover = view->slots->slots[slot_of(taken + 1 + ahead)];
    return true;
}

bool ring_view_is_ended(const struct ring_view *view)
{
    uint64_t head = cursor_load(&view->slots->head);
    return head > 0 && ring_view_acked(view) == head &&
           (view->slots->slots[slot_of(head)].flags & HANDOVER_IS_LAST) != 0;
}

uint64_t ring_view_taken(const struct ring_view *view)
{
    return view->own.taken;
}

uint64_t ring_view_acked(const struct ring_view *view)
{
    return view->own.acked;
}

void ring_view_take(struct ring_view *view, uint64_t seq)
{
    view_store(&view->own.taken, &view->cursors->taken, seq);
}

void ring_view_untake(struct ring_view *view)
{
    ring_view_take(view, ring_view_acked(view));
}

void ring_view_set_outcome(struct ring_view *view, uint64_t seq,
                           const struct handover_outcome *outcome)
{
    view->cursors->outcomes[slot_of(seq)] = *outcome;
}

void ring_view_ack(struct ring_view *view, uint64_t seq)
{
    view_store(&view->own.acked, &view->cursors->acked, seq);
    if (ring_view_attempt(view).seq <= seq)
        view_store(&view->own.attempt, &view->cursors->attempt, 0);
    if (ring_view_taken(view) < seq)
        ring_view_take(view, seq);
    poller_event_wake(view->worker_event);
}

void ring_view_add_drained(struct ring_view *view, const struct handover_totals *totals,
                           const struct handover_totals *rejected)
{
    struct handover_totals *own = &view->own.drained, *own_rejected = &view->own.rejected;
    struct ring_cursors *c = view->cursors;

    view_store(&own->flows, &c->drained_flows, own->flows + totals->flows);
    view_store(&own->packets, &c->drained_packets, own->packets + totals->packets);
    view_store(&own->bytes, &c->drained_bytes, own->bytes + totals->bytes);
    view_store(&own_rejected->flows, &c->rejected_flows, own_rejected->flows + rejected->flows);
    view_store(&own_rejected->packets, &c->rejected_packets,
               own_rejected->packets + rejected->packets);
    view_store(&own_rejected->bytes, &c->rejected_bytes, own_rejected->bytes + rejected->bytes);
}

void ring_view_set_lost(struct ring_view *view)
{
    struct view_cursors *own = &view->own;
    struct ring_cursors *c = view->cursors;

    view_store(&own->lost.flows, &c->lost_flows, own->drained.flows - own->rejected.flows);
    view_store(&own->lost.packets, &c->lost_packets, own->drained.packets - own->rejected.packets);
    view_store(&own->lost.bytes, &c->lost_bytes, own->drained.bytes - own->rejected.bytes);
    view_store(&own->lost_until, &c->lost_until, own->acked);
}

void ring_view_beat(struct ring_view *view, enum host_place place)
{
    uint64_t beat = cursor_load(&view->cursors->sign) >> PLACE_BITS;
    cursor_store(&view->cursors->sign, (beat + 1) << PLACE_BITS | (unsigned)place);
}

struct ring_attempt ring_view_attempt(const struct ring_view *view)
{
    uint64_t word = view->own.attempt;
    return (struct ring_attempt){word >> ATTEMPT_BITS, (uint8_t)word};
}

void ring_view_set_attempt(struct ring_view *view, struct ring_attempt attempt)
{
    view_store(&view->own.attempt, &view->cursors->attempt,
               attempt.seq << ATTEMPT_BITS | attempt.attempts);
}

uint64_t ring_view_isolate_until(const struct ring_view *view)
{
    return view->own.isolate_until;
}

void ring_view_set_isolate_until(struct ring_view *view, uint64_t seq)
{
    view_store(&view->own.isolate_until, &view->cursors->isolate_until, seq);
}
