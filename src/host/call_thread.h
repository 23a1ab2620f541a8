/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A thread that makes the calls of a backend which may stand still in the kernel, one at a time and
 * always the same thread, while the caller goes on with other things. Only the thread that made it may
 * use it, but for call_thread_is_own().
 */
#include <stdbool.h>
#include <sys/types.h>

struct call_thread;

typedef int call_thread_fn(void *arg);

/* The thread takes no signals. -errno: none could be made. */
int call_thread_new(struct call_thread **ret_thread);
/* Waits for the end of the thread, which has nothing to do. NULL is fine. */
void call_thread_free(struct call_thread *thread);
pid_t call_thread_id(const struct call_thread *thread); /* the kernel's number of it */
/* True if the caller is that thread. */
bool call_thread_is_own(const struct call_thread *thread);

/* Has `fn` called; the call before has ended. */
void call_thread_begin(struct call_thread *thread, call_thread_fn *fn, void *arg);
/* Waits for the end of the call, but no longer than `turn_ms`. False: it goes on. */
bool call_thread_await(struct call_thread *thread, int turn_ms, int *ret_result);
