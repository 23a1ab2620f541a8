/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The file of the key sfacctd_counter_file: lines that a worker's decoder appends to a file or
 * named pipe. Lines wait for at most a second and are written in one call, so that those of several
 * workers do not mix. The file is opened for each call, so it may be moved away at any time.
 * Nothing here blocks: what cannot be written is counted and dropped. A worker owns its log.
 */
#include "base/address.h"
#include "base/text.h"
#include "flow/exporter.h"

struct counter_log;

/* `path` is borrowed; "$peer_src_ip" in it stands for the agent's address, or for
 * "=other" where the worker made files for too many agents. */
struct counter_log *counter_log_new(const char *path, bool is_utc);
void counter_log_free(struct counter_log *log); /* writes what is left; NULL is fine */

/* Returns the text that the next line is appended to, until counter_log_end(). */
struct text *counter_log_begin(struct counter_log *log, const struct ip_addr *agent);
void counter_log_end(struct counter_log *log, struct exporter *exporter);
void counter_log_put_time(struct counter_log *log, struct text *out, int64_t time_ns);
/* Writes the lines that wait. */
void counter_log_flush(struct counter_log *log);
