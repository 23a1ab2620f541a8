/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Hands event records to an instance from a thread that is no worker, such as that of dumps: the instance has one lane, and
 * its thread is the lane's producer. The thread takes a worker's role (base/thread.h) for it. What waits is handed over when
 * it is EVENT_FEED_WAIT_MS old, as workers do it.
 *
 * The main thread makes it, and settles it when the thread does not run.
 */
#include "base/event.h"
#include "pipeline/worker.h"

struct event_producer;

/* `instance`, of one lane, is borrowed. */
struct event_producer *event_producer_new(const struct worker_instance *instance);
void event_producer_free(struct event_producer *producer); /* NULL is fine */

/* Returns the eventfd that is written when the plugin has taken something, or an epoch is over. */
int event_producer_fd(const struct event_producer *producer);

/* Adds an event; there is no room for it: it is dropped, and counted. `time_ns` is of the wall clock. */
void event_producer_put(struct event_producer *producer, const struct event *event, int64_t time_ns)
    ON_THREAD(worker_thread);
/* Adds an event, for a thread that can wait. -ENOSPC: there is no room until the plugin has taken something; what waits
 * is handed over, and nothing is counted. An event that an empty pool has no room for is dropped, and counted. */
int event_producer_try(struct event_producer *producer, const struct event *event, int64_t time_ns)
    ON_THREAD(worker_thread);

/* Does what is due: takes back what the plugin has taken, ends epochs, hands over. Returns how many milliseconds the
 * next call may wait; -1: until the descriptor is readable. */
int event_producer_turn(struct event_producer *producer, int64_t now_ns, int64_t time_ns)
    ON_THREAD(worker_thread);
/* Hands over the last of it, so that the plugin can end. False: there is no room; wait and call again. */
bool event_producer_finish(struct event_producer *producer, int64_t time_ns)
    ON_THREAD(worker_thread);
/* Takes back what was acknowledged; `give_up`: the rest counts as dropped. */
void event_producer_settle(struct event_producer *producer, bool give_up);
