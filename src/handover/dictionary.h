/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Variable-length values (AS paths, communities, labels) as ids in a row. Ids run 1, 2, 3... within
 * one hand-over, 0 is the empty value; equal bytes have one id. The bytes lie in a chain of
 * segments that travels with the hand-over: entries {uint32_t len, bytes, padding to 4} in the
 * order of their ids.
 *
 * The worker that fills it owns it. Its index is private and is kept from one hand-over to the
 * next, emptied.
 */
#include "base/thread.h"
#include "handover/segment.h"
#include "plugins/pathacct_plugin.h"

#define DICTIONARY_VALUE_MAX (SEGMENT_DATA_SIZE - 4)

struct dictionary;

struct dictionary *dictionary_new(struct pool *pool); /* `pool` is borrowed */
/* Gives its segments back; NULL is fine. */
void dictionary_free(struct dictionary *dict) ON_THREAD(worker_thread);

/*
 * The id of `len` bytes, which are copied if they are new. -ENOSPC: no segment for a new value (see
 * pool_take()), -EMSGSIZE: longer than DICTIONARY_VALUE_MAX.
 */
int dictionary_put(struct dictionary *dict, const void *data, size_t len, bool past_budget,
                   uint32_t *ret_id) ON_THREAD(worker_thread);

/* The same for a value that is not looked for: it gets an id of its own though another may have its
 * bytes. */
int dictionary_add(struct dictionary *dict, const void *data, size_t len, bool past_budget,
                   uint32_t *ret_id) ON_THREAD(worker_thread);

/*
 * The id that dictionary_remember() stored for a handle in this hand-over; 0: none. Handles are
 * never 0 and never reused (RIB attributes); a kind of value that has its own handles mixes the
 * kind into the handle.
 */
uint32_t dictionary_find(const struct dictionary *dict, uint64_t handle);
void dictionary_remember(struct dictionary *dict, uint64_t handle, uint32_t id)
    ON_THREAD(worker_thread);

/* For the hand-over: the chain and the count become the caller's, the dictionary is empty again. */
void dictionary_finish(struct dictionary *dict, uint32_t *ret_first_segment, uint32_t *ret_count)
    ON_THREAD(worker_thread);

/* ---- the host's side ---- */

/*
 * Reads a chain into `entries`, which has room for count + 1; entry 0 is empty. They point into
 * `view`. -EBADMSG: the chain does not hold `count` entries.
 */
int dictionary_read(struct pool_view *view, uint32_t first_segment, uint32_t count,
                    struct pa_bytes *entries);
