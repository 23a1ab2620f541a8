/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Gives the event records that a worker's decoder makes to the instances that take them, in their
 * order. What waits is handed over when it is EVENT_FEED_WAIT_MS old, so that it is with the plugin
 * within 100 ms; while the plugin is behind, events gather instead, as each hand-over takes room of
 * its own.
 *
 * A worker owns its feed, and never waits for it: what there is no room for is dropped and counted.
 */
#include "base/event.h"
#include "base/thread.h"

enum { EVENT_FEED_WAIT_MS = 50 };

struct aggregate;
struct crew;
struct event_feed;

/* `aggregates`, by instance, are the worker's, and borrowed. NULL if no instance takes events. */
struct event_feed *event_feed_new(const struct crew *crew, struct aggregate *const *aggregates);
void event_feed_free(struct event_feed *feed); /* NULL is fine */

/* `time_ns` is of the wall clock, or the capture's in replay. */
void event_feed_add(struct event_feed *feed, const struct event *event, int64_t time_ns)
    ON_THREAD(worker_thread);
/* Hands over what is old enough; `now_ns` is of clock_mono(), `time_ns` of the wall. Returns how many
 * milliseconds the rest has yet; -1: there is none. */
int event_feed_turn(struct event_feed *feed, int64_t now_ns, int64_t time_ns)
    ON_THREAD(worker_thread);
