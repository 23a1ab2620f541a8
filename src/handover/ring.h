/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Hand-overs from one worker to one plugin host, in order: descriptors in shared memory that the
 * host cannot write, and the host's cursors in a page of their own. Single producer (the worker),
 * single consumer (the host); the supervisor keeps the descriptors of both memories for a restarted
 * host, and reads how far the host is and whether it lives.
 *
 * A plugin is foreign code in the host's process, so nothing that the host wrote is believed: it is
 * compared with what the core knows. Where it cannot be, the ring is broken: nothing more is taken
 * from it until the host is dead and ring_repair() has set the cursors back.
 *
 * A hand-over is complete in itself: its rows and its dictionary. Its segments stay as they are
 * until it has been acknowledged; then the worker recycles them. Its outcome stands beside the
 * cursors.
 */
#include "base/thread.h"
#include "handover/segment.h"
#include <stdbool.h>
#include <stdint.h>

#define RING_SLOTS 1024u /* hand-overs under way at most; a power of two */

enum handover_flag {
    /*
     * The marker ends a group: the epoch, or in replay the common position in the file, whichever
     * instance. Each worker sends one for each group, with or without rows.
     */
    HANDOVER_MARKER = 1,
    /* Set with HANDOVER_MARKER: the epoch is over, not only a position within it. */
    HANDOVER_ENDS_EPOCH = 2,
    /* Set with HANDOVER_MARKER: this worker sends nothing after it. */
    HANDOVER_IS_LAST = 4,
};

struct handover_totals {
    uint64_t flows, packets, bytes;
};

struct handover {
    uint64_t seq; /* 1, 2, 3...: set by ring_push() */
    /* The number that a marker ends: it rises from marker to marker and is the same in all workers.
     * Live it is the epoch's number; in replay a count of the common positions. */
    uint64_t group;
    uint64_t epoch;       /* number of the epoch it belongs to */
    int64_t time_ns;      /* when it was handed over: the wall clock, or the capture's clock */
    uint32_t flags;       /* enum handover_flag */
    uint32_t row_segment; /* chain of rows, in the order they were made; SEGMENT_NONE: no rows */
    uint64_t row_count;
    uint32_t dictionary_segment; /* chain; SEGMENT_NONE: empty */
    uint32_t dictionary_count;
    struct handover_totals totals; /* of the flows in its rows */
};

/* How an acknowledged hand-over ended; written by the host. */
enum handover_fate {
    HANDOVER_WRITTEN,
    HANDOVER_SPOOLED, /* on disk in plugin_spool_dir, to be written later */
    HANDOVER_POISON,  /* killed the plugin, moved aside */
    HANDOVER_DROPPED, /* not written when the host had to end */
    HANDOVER_LOST,    /* datagrams that a host had taken when it died */
};
struct handover_outcome {
    uint32_t fate;
    uint32_t rejected_rows;          /* of its rows, or of those that were merged with them */
    struct handover_totals rejected; /* no more than its totals */
};

/* ---- the worker's side: one thread ---- */

struct ring;

/* `host_event` is written when there is something to take; it stays the caller's. -errno. */
int ring_new(int host_event, struct ring **ret_ring);
void ring_free(struct ring *ring); /* NULL is fine; its segments go with the pool */

bool ring_is_full(const struct ring *ring) ON_THREAD(worker_thread);
/* Hands over; its segments are the ring's from now on. Returns its seq. The ring is not full. */
uint64_t ring_push(struct ring *ring, const struct handover *handover) ON_THREAD(worker_thread);
/*
 * Releases the segments of all that has been acknowledged since the last call and tells `fn` (which
 * may be NULL) the outcome of each. Where a volatile backend ended, `fn` is called without a
 * hand-over: all that it was told as written until then is lost. Returns how many were
 * acknowledged; none more from a broken ring.
 */
typedef void ring_recycled_fn(void *arg, const struct handover *handover,
                              const struct handover_outcome *outcome);
size_t ring_recycle(struct ring *ring, struct pool *pool, ring_recycled_fn *fn, void *arg)
    ON_THREAD(worker_thread);
/* Hand-overs that are not recycled: the pool holds segments for them. */
uint64_t ring_pending_count(const struct ring *ring);

/* Spooled hand-overs of this ring that have since been written, in total; no more than what was
 * recycled as spooled. Any thread. */
struct handover_totals ring_drained(struct ring *ring);
/* The part of the last ring_drained() that a volatile backend has lost. Any thread. */
struct handover_totals ring_lost_drained(struct ring *ring);
/* The part of it that the backend has refused. Any thread. */
struct handover_totals ring_rejected_drained(struct ring *ring);
/* False: the cursors hold what no host writes, and the ring is broken. Any thread. */
bool ring_check(struct ring *ring);
/* Sets the cursors to what the core knows: all that was not recycled is handed over again. No host
 * has the ring open. Any thread. */
void ring_repair(struct ring *ring);

/*
 * Where the host's thread is, as it says with each heartbeat. The core trusts it only to tell what
 * is waited for, and which waits have no end.
 */
enum host_place {
    HOST_LOOPS,            /* in its own loop */
    HOST_CALLS,            /* in a function of the backend */
    HOST_WAITS_FOR_FILE,   /* there too, in calls that cannot beat; the kernel knows more */
    HOST_WAITS_FOR_READER, /* of a stream: it may wait for ever */
    HOST_WAITS_FOR_PROGRAM /* that the backend has started; likewise */
};
struct ring_sign {
    uint64_t beat; /* another number at each heartbeat */
    enum host_place place;
};
/* Returns what the host said last. Any thread. */
struct ring_sign ring_sign(const struct ring *ring);
/* Return how many hand-overs are not acknowledged, and how many are. Any thread. */
uint64_t ring_waiting_count(const struct ring *ring);
uint64_t ring_acked_count(const struct ring *ring);
/* Returns when the oldest hand-over that is not acknowledged was pushed, by clock_mono(); 0: there is
 * none. Any thread. */
int64_t ring_oldest_ns(const struct ring *ring);
/* New descriptors for a host: the slots (which it cannot write) and the cursors; close them.
 * -errno. */
int ring_open_for_host(const struct ring *ring, int *ret_slots_fd, int *ret_cursors_fd);

/* ---- the host's side: one thread ---- */

struct ring_view;

/*
 * Takes both descriptors whatever the result. `worker_event` is written when something was
 * acknowledged; borrowed. Hand-overs that an earlier host had taken and not acknowledged will be
 * taken again. -EBADMSG: not a ring; -errno of mmap.
 */
int ring_view_new(int slots_fd, int cursors_fd, int worker_event, struct ring_view **ret_view);
void ring_view_free(struct ring_view *view); /* NULL is fine */
/* False: somebody else has written over the cursors, which only a plugin in this process can have
 * done. Nothing may be acknowledged then. */
bool ring_view_is_intact(const struct ring_view *view);

/* The hand-over `ahead` places after the last one taken (0: the next); false: it is not there
 * yet. */
bool ring_view_peek(const struct ring_view *view, uint64_t ahead, struct handover *ret_handover);
/* The worker has ended and all it sent is acknowledged. */
bool ring_view_is_ended(const struct ring_view *view);
uint64_t ring_view_taken(const struct ring_view *view);
uint64_t ring_view_acked(const struct ring_view *view);
/* Everything up to `seq` is part of the work under way. */
void ring_view_take(struct ring_view *view, uint64_t seq);
void ring_view_untake(struct ring_view *view); /* taken = acked */

/* Called before the acknowledgement, and again when a transaction is repeated. */
void ring_view_set_outcome(struct ring_view *view, uint64_t seq,
                           const struct handover_outcome *outcome);
/* Everything up to `seq` is done: wakes the worker, and clears the transaction under way unless
 * that goes further: the rest of it keeps its bounds. */
void ring_view_ack(struct ring_view *view, uint64_t seq);
/* A spooled hand-over of these totals is written, but for what the backend refused of it. */
void ring_view_add_drained(struct ring_view *view, const struct handover_totals *totals,
                           const struct handover_totals *rejected);
/* Tells the core that the host lives, and where it is. */
void ring_view_beat(struct ring_view *view, enum host_place place);
/* The backend that took all that was acknowledged until now is gone. Called before the next
 * acknowledgement. */
void ring_view_set_lost(struct ring_view *view);

/*
 * The transaction under way, for the host that comes after a death: up to `seq`, in its attempt
 * number `attempts` (0: none). Up to `isolate_until` hand-overs are written one at a time.
 */
struct ring_attempt {
    uint64_t seq; /* less than 2^56 */
    uint8_t attempts;
};
struct ring_attempt ring_view_attempt(const struct ring_view *view);
void ring_view_set_attempt(struct ring_view *view, struct ring_attempt attempt);
uint64_t ring_view_isolate_until(const struct ring_view *view);
void ring_view_set_isolate_until(struct ring_view *view, uint64_t seq);
