/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The folders of instances in plugin_spool_dir, as the core sees them: each has one daemon that uses
 * it, and some may belong to nobody. Main thread, at start.
 */
#include <stddef.h>

struct text;

/*
 * Takes the core's place in the folder's lock and signs it; the descriptor, which holds it until it
 * is closed. -EWOULDBLOCK: another daemon uses the folder; who it is and what to do is appended to
 * `error`. Other negative errnos: the folder cannot be used, and why is appended to `error`.
 */
int spool_use_begin(const char *dir, const char *instance_name, const char *daemon_name,
                    const char *config_file, struct text *error);
/* Makes and takes nothing: -EWOULDBLOCK and a text as above, or 0. */
int spool_use_try(const char *dir, const char *instance_name, struct text *error);
/* Signs again, after the process has got another id. */
void spool_use_sign(int lock_fd, const char *daemon_name, const char *config_file);

/* Appends a line for each folder in `dir` that has hand-overs, belongs to none of these instances
 * and is used by nobody. */
void spool_use_find_others(const char *dir, const char *const *instance_names, size_t count,
                           struct text *lines);
