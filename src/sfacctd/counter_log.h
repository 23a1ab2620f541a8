/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * sfacctd_counter_file: lines that a worker's decoder appends to a file or named pipe. They are
 * kept for at most a second and written in one call, so that lines of several workers do not mix;
 * the file is opened for each, so it may be moved away at any time. Nothing here waits: what cannot
 * be written is counted and dropped. A worker owns its log.
 */
#include "base/address.h"
#include "base/text.h"
#include "flow/exporter.h"

struct counter_log;

/* `path` is borrowed; "$peer_src_ip" in it stands for the agent's address. */
struct counter_log *counter_log_new(const char *path, bool is_utc);
void counter_log_free(struct counter_log *log); /* writes what is left; NULL is fine */

/* Where the next line goes, until counter_log_end(). */
struct text *counter_log_begin(struct counter_log *log, const struct ip_addr *agent);
void counter_log_end(struct counter_log *log, struct exporter *exporter);
/* Numbers lines in the order they were made: 0, 1, 2... */
uint64_t counter_log_sequence(struct counter_log *log);
void counter_log_put_time(struct counter_log *log, struct text *out, int64_t time_ns);
/* Writes what has waited. */
void counter_log_flush(struct counter_log *log);
