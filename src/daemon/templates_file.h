/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One file with what is to outlive the daemon: templates, options, and clocks of exporters of all
 * workers, so that a restart, also with another number of workers, can decode at once; the kernel's
 * counts of lost datagrams; and when it was written:
 *
 *   {"version": 1, "saved_ns": 1, "is_end": true, "sockets": [{"cookie": 1, "drops": 0}],
 *    "exporters": [...]}
 *
 * Written soon after the start, within ten seconds of a change, each five minutes and at the end, aside
 * and renamed, by the thread of the chores. A worker
 * tells only what changed since it was last asked; the rest is kept here as text.
 */
#include "base/chores.h"
#include "base/thread.h"
#include "pipeline/worker.h"

struct templates_file;
struct troubles;

/* Borrows all four; a failure to write stands in `troubles` until it works again. What was given to `chores` must be done before the file is freed. */
struct templates_file *templates_file_new(const char *path, struct crew *crew,
                                          struct chores *chores, struct troubles *troubles);
void templates_file_free(struct templates_file *file) ON_THREAD(main_thread); /* NULL is fine */
/* Must come before workers start. A missing file is no error; one that cannot be read, or
 * is of another version, is told in the log, and else how long the daemon was away. `has_waited`: what
 * was sent meanwhile was kept. */
void templates_file_load(struct templates_file *file, bool has_waited) ON_THREAD(main_thread);
/* Gives the kernel's count of lost datagrams of a socket, as it was saved. False: it was not. */
bool templates_file_find_drops(const struct templates_file *file, uint64_t cookie,
                               uint32_t *ret_drops);
/* Called every 5 seconds: asks the workers to save if something changed. */
void templates_file_tick(struct templates_file *file) ON_THREAD(main_thread);
/* Called after main_event: takes the workers' answers; writes when all have answered. */
void templates_file_collect(struct templates_file *file) ON_THREAD(main_thread);
/* Called after worker_join() of all workers; the chores must be finished after it. */
void templates_file_save_now(struct templates_file *file) ON_THREAD(main_thread);
