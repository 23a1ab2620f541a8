/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * .NAME.lock, a file beside NAME that is locked (flock(2)) by the one process that may write NAME,
 * NAME.part and NAME.state. A lock ends with its process; its file is removed when the lock is given
 * back, and says meanwhile who has it. Errors are negative errno.
 */
#include <stdbool.h>
#include <sys/types.h>

struct file_owner;

/* `who` is a word or two for people: "print[matrix] of nfacctd". -EBUSY: another process has it. */
int file_lock_take(const char *name, const struct file_owner *owner, const char *who, int *ret_fd);
void file_lock_drop(const char *name, int fd);

struct file_lock_holder {
    pid_t pid;      /* 0: not known */
    bool is_orphan; /* its daemon has ended: it writes what is left, then it ends */
    char who[160];
};
void file_lock_holder_read(const char *name, struct file_lock_holder *ret_holder);
