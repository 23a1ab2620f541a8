/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Ends a plugin process whose core has ended and whose backend hangs: it does not hear of the core's
 * end, and would keep the next core's process waiting for the lock for ever. The kernel tells it by
 * a signal, whatever its thread does.
 */
#include <stdint.h>

/* Ends the process so many seconds after the core, unless it has ended by itself. Must be called on
 * the main thread, once. */
void orphan_ends_after(uint32_t seconds);
