/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The folder of the locks that tell whether a plugin process of an earlier start still writes:
 * /run/pathacct, or one of our own in /tmp. It outlives the process. The name of a lock is made of
 * the daemon's name, of what tells daemons apart (the configuration file) and of the instance's.
 */
#include <sys/types.h>

struct text;

/* Makes the folder if it is not there, and returns the path of a lock, which the caller frees. NULL:
 * there is none, as `identity` is NULL, or no folder is ours (logged). */
char *lock_folder_path(const char *daemon_name, const char *identity, const char *instance_name);
/* Returns the path that it has where /run/pathacct is ours to write; the caller frees it. NULL: it
 * has none. */
char *lock_folder_run_path(const char *daemon_name, const char *identity,
                           const char *instance_name);
/* Returns the path of the control socket that a daemon has unless its configuration says otherwise,
 * in the same folder; the caller frees it. NULL: as above. */
char *lock_folder_control_path(const char *daemon_name, const char *identity);
/* -EACCES: we have no folder for locks; whose it is is appended to `error`. */
int lock_folder_check(struct text *error);
/* Root makes the folder, if it is not there, for the user whom it becomes. */
void lock_folder_make(uid_t uid, gid_t gid);
