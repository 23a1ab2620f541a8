/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A bounded queue of copied datagrams. Workers have two: one for datagrams that reached the wrong
 * worker, on their way to their owner, and one for those that wait for the RIB. A lock protects it,
 * which is rarely contended: at start-up, or by one thread alone.
 */
#include "base/thread.h"
#include "flow/decoder.h"
#include <stdbool.h>
#include <stddef.h>

struct inbox;

struct inbox *inbox_new(size_t max_bytes);
void inbox_free(struct inbox *inbox) ON_THREAD(worker_thread); /* NULL is fine */
/* Copies the datagram. False: there is no room. Any worker. */
bool inbox_put(struct inbox *inbox, const struct datagram *datagram) ON_THREAD(worker_thread);
/* The oldest; its bytes are the caller's, to be freed with mem_free(ret_datagram->data). */
bool inbox_take(struct inbox *inbox, struct datagram *ret_datagram) ON_THREAD(worker_thread);
size_t inbox_count(const struct inbox *inbox); /* any thread, without the lock */
bool inbox_is_empty(const struct inbox *inbox);
