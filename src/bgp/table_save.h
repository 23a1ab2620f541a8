/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Saves the paths of all sessions, and of tables that are stale, as an MRT file (bgp_table_save), which
 * the next start loads (table_load.h). Times are rounded up to seconds, so that no path is older than it
 * was; history and labels are not saved.
 */
#include "base/thread.h"
#include "bgp/bgp.h"

/* Before sessions end. Logs what was saved, or why it was not; the file is replaced as a whole. */
void table_save(struct bgp *bgp) ON_THREAD(bgp_thread);
