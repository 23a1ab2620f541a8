/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Tells operators, while the daemon ends, what it waits for, and afterwards what did not arrive. */
#include "base/thread.h"
#include <stdint.h>

struct daemon;

/* Called each second of the end; says now and then which backends are waited for. */
void ending_tick(struct daemon *daemon) ON_THREAD(main_thread);
/* Says how many data sets still wait for their template. Before workers are settled. */
void ending_tell_waiting_sets(const struct daemon *daemon) ON_THREAD(main_thread);
/* Says of each instance what it lost, and the remedy. Returns how many flows all of them lost. */
uint64_t ending_tell_lost(const struct daemon *daemon) ON_THREAD(main_thread);
