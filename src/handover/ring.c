/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two shared memories: the slots, which the worker writes, and the cursors with the outcomes, which
 * the host writes. Hand-over `seq` lies in slot (seq - 1) mod RING_SLOTS until the worker has
 * recycled it, which it does only after its acknowledgement; so a slot is never written while the
 * host may read it, nor an outcome while the worker does. Each number that crosses is released by
 * its writer and acquired by its reader.
 */
#include "handover/ring.h"

#include "base/poller.h"
#include "handover/shared_memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
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
};

struct ring_view {
    int slots_fd, cursors_fd;
    int worker_event; /* borrowed */
    const struct ring_slots *slots;
    struct ring_cursors *cursors;
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

size_t ring_recycle(struct ring *ring, struct pool *pool, ring_recycled_fn *fn, void *arg)
{
    THREAD_ASSERT(worker_thread);
    uint64_t acked = cursor_load(&ring->cursors->acked);
    /* The order matters: a loss is known by now if `acked` has anything behind it. */
    uint64_t lost_until = cursor_load(&ring->cursors->lost_until);
    size_t count = 0;

    if (acked > ring->head) /* a host out of its mind must not make us release what it never had */
        acked = ring->head;
    while (ring->recycled < acked) {
        size_t slot = slot_of(ring->recycled + 1);
        const struct handover *handover = &ring->slots->slots[slot];
        tell_loss(ring, lost_until, fn, arg);
        pool_release_chain(pool, handover->row_segment);
        pool_release_chain(pool, handover->dictionary_segment);
        if (fn != NULL)
            fn(arg, handover, &ring->cursors->outcomes[slot]);
        ring->recycled++;
        count++;
    }
    tell_loss(ring, lost_until, fn, arg);
    return count;
}

uint64_t ring_pending_count(const struct ring *ring)
{
    return ring->head - ring->recycled;
}

struct handover_totals ring_drained(const struct ring *ring)
{
    return (struct handover_totals){cursor_load(&ring->cursors->drained_flows),
                                    cursor_load(&ring->cursors->drained_packets),
                                    cursor_load(&ring->cursors->drained_bytes)};
}

struct handover_totals ring_lost_drained(const struct ring *ring)
{
    return (struct handover_totals){cursor_load(&ring->cursors->lost_flows),
                                    cursor_load(&ring->cursors->lost_packets),
                                    cursor_load(&ring->cursors->lost_bytes)};
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
    return cursor_load(&view->cursors->taken);
}

uint64_t ring_view_acked(const struct ring_view *view)
{
    return cursor_load(&view->cursors->acked);
}

void ring_view_take(struct ring_view *view, uint64_t seq)
{
    cursor_store(&view->cursors->taken, seq);
}

void ring_view_untake(struct ring_view *view)
{
    cursor_store(&view->cursors->taken, ring_view_acked(view));
}

void ring_view_set_outcome(struct ring_view *view, uint64_t seq,
                           const struct handover_outcome *outcome)
{
    view->cursors->outcomes[slot_of(seq)] = *outcome;
}

void ring_view_ack(struct ring_view *view, uint64_t seq)
{
    cursor_store(&view->cursors->acked, seq);
    if (ring_view_attempt(view).seq <= seq)
        cursor_store(&view->cursors->attempt, 0);
    if (ring_view_taken(view) < seq)
        ring_view_take(view, seq);
    poller_event_wake(view->worker_event);
}

void ring_view_add_drained(struct ring_view *view, const struct handover_totals *totals)
{
    struct ring_cursors *c = view->cursors;
    cursor_store(&c->drained_flows, cursor_load(&c->drained_flows) + totals->flows);
    cursor_store(&c->drained_packets, cursor_load(&c->drained_packets) + totals->packets);
    cursor_store(&c->drained_bytes, cursor_load(&c->drained_bytes) + totals->bytes);
}

void ring_view_set_lost(struct ring_view *view)
{
    struct ring_cursors *c = view->cursors;
    cursor_store(&c->lost_flows, cursor_load(&c->drained_flows));
    cursor_store(&c->lost_packets, cursor_load(&c->drained_packets));
    cursor_store(&c->lost_bytes, cursor_load(&c->drained_bytes));
    cursor_store(&c->lost_until, cursor_load(&c->acked));
}

void ring_view_beat(struct ring_view *view, enum host_place place)
{
    uint64_t beat = cursor_load(&view->cursors->sign) >> PLACE_BITS;
    cursor_store(&view->cursors->sign, (beat + 1) << PLACE_BITS | (unsigned)place);
}

struct ring_attempt ring_view_attempt(const struct ring_view *view)
{
    uint64_t word = cursor_load(&view->cursors->attempt);
    return (struct ring_attempt){word >> ATTEMPT_BITS, (uint8_t)word};
}

void ring_view_set_attempt(struct ring_view *view, struct ring_attempt attempt)
{
    cursor_store(&view->cursors->attempt, attempt.seq << ATTEMPT_BITS | attempt.attempts);
}

uint64_t ring_view_isolate_until(const struct ring_view *view)
{
    return cursor_load(&view->cursors->isolate_until);
}

void ring_view_set_isolate_until(struct ring_view *view, uint64_t seq)
{
    cursor_store(&view->cursors->isolate_until, seq);
}
