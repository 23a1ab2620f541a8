/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A thread for work that waits for a disk, so that the thread which gives it goes on. Chores are
 * done one after the other, in the order in which they were given. The thread that made the chores
 * owns them; it makes all calls.
 */
#include "base/poller.h"

struct chores;

/* `poller` is the owner's: it runs `done`. -errno: there is no thread. */
int chores_new(struct poller *poller, struct chores **ret_chores);
/* Does what is left, like chores_finish(). NULL is fine. */
void chores_free(struct chores *chores);

/* Has `work` done in the thread of the chores, and then `done` in the owner's, where what belongs to
 * `arg` is freed. */
void chores_add(struct chores *chores, void (*work)(void *arg), void (*done)(void *arg), void *arg);
/* Waits until everything that was given is done. */
void chores_finish(struct chores *chores);
