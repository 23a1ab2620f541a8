/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Ends a plugin process whose core has ended and whose backend hangs: it does not hear of the core's
 * end, and would keep the next core's process waiting for the lock for ever. The kernel tells it by
 * a signal, whatever its thread does. What it holds can be put away first.
 */
#include <stdint.h>

/*
 * Ends the process so many seconds after the core, unless it has ended by itself. Before that
 * `put_away` is called on a thread of its own, while the main thread stands still for good: so it may
 * use what is that one's, but for what the call in which it hangs has locked. It has ORPHAN_PUT_AWAY_S.
 * Must be called on the main thread, once. -errno: there is no thread, and nothing is put away.
 */
#define ORPHAN_PUT_AWAY_S 30
int orphan_ends_after(uint32_t seconds, void (*put_away)(void *arg), void *arg);
