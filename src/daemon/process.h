/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Changes that a daemon makes to its own process: background, pid file, priority. Main
 * thread, before others start. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Returns our environment without what is meant for the daemon alone: the service manager's
 * sockets and watchdog. The caller frees the array; its strings are the environment's.
 */
char **process_child_environment(void);
/* Descriptors that whoever started us left open are not handed on to what we start; `keeps` tells
 * which are. */
void process_keep_descriptors(bool (*keeps)(void *arg, int fd), void *arg);

/* Goes into the background: the parent ends with status 0. Negative errno: it did not. */
int process_daemonize(void);
/* Writes our process id into a file. */
int process_write_pidfile(const char *path);
int process_set_priority(int64_t nice_value); /* -errno */
/* Raises the soft limit of open descriptors to the hard one, or to a million. */
void process_raise_descriptors(void);
/* Sets the umask from an octal text. -EINVAL: it is none. */
int process_set_umask(const char *octal);
/* Finds user and group, names or numbers; NULL: -1. -ENOENT: there is no such user or group. */
int process_find_owner(const char *user, const char *group, uid_t *ret_uid, gid_t *ret_gid);
/* Gives a file to user and group, names or numbers; NULL leaves them. -ENOENT: there is no such
 * user or group. */
int process_give_file(const char *path, const char *user, const char *group);
