/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Work for operators that waits for disks: the chores' thread does it, so that the main thread goes
 * on to supervise. */
#include "base/thread.h"
#include <stdbool.h>

struct daemon;

/* Reads maps and lists anew, and publishes them when all of them are right; says what changed, also which
 * keys of the configuration need a restart. */
void errands_reload(struct daemon *daemon) ON_THREAD(main_thread);
/* Writes the ledger of this moment into stats_file. */
void errands_write_statistics(struct daemon *daemon, bool is_final) ON_THREAD(main_thread);
