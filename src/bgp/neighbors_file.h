/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * bgp_neighbors_file: a comment with the version, then the addresses of established peers, one per
 * line. It is for operators, and for the next start, which takes these addresses for known ones. A
 * thread of its own writes it, so that keepalives do not wait for a disk. The thread that made it
 * makes all calls.
 */
#include "base/clock.h"
#include "base/poller.h"
#include "base/text.h"
#include "bgp/standing.h"

/* Lists in files begin with this line; another version is not read. */
#define NEIGHBORS_FILE_VERSION 1

struct neighbors_file;

/* Borrows both. -errno: there is no thread. */
int neighbors_file_new(const char *path, struct poller *poller, struct neighbors_file **ret_file);
/* Waits until the newest list is written. NULL is fine. */
void neighbors_file_free(struct neighbors_file *file);
/* Has the file replaced by one with these lines, which are copied. Of several lists that come while
 * one is written, the last is written next. */
void neighbors_file_put(struct neighbors_file *file, const struct text *addresses);

/* Reads the addresses that an earlier run wrote: they had sessions, those further up for longer.
 * No file is no error; one that cannot be read, or is of another version, is told in the log. */
void neighbors_file_load(const char *path, struct standing_table *standing, struct mono_time now);
