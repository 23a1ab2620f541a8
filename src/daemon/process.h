/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a daemon does to its own process: background, pid file, title, priority. Main thread, before
 * others start. */
#include <stdint.h>

/* Goes into the background: the parent ends with status 0. -errno. */
int process_daemonize(void);
/* Writes our process id; -errno. */
int process_write_pidfile(const char *path);
/* As `ps` shows it; overwrites the arguments in place. */
void process_set_title(int argc, char **argv, const char *title);
int process_set_priority(int64_t nice_value); /* -errno */
/* umask by an octal text. -EINVAL. */
int process_set_umask(const char *octal);
/* Gives a file to user and group, names or numbers; NULL: leaves them. -errno, -ENOENT: no such
 * user or group. */
int process_give_file(const char *path, const char *user, const char *group);
