/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Files by names that an operator wrote: outputs, logs, statistics and the like. Such a name may be
 * a symbolic link, and may lead to a stream. Links are followed here, once, before anything is
 * opened; temporary files and the like then lie beside the target, and nothing is renamed over a
 * link or a stream. A link in a folder that others than root and this process's user can write to is
 * followed only if root or that user owns it: anybody can put a link to somebody else's file there.
 *
 * Names that are derived from such a name never lead through a link: who opens one passes O_NOFOLLOW.
 *
 * Any thread may call. Errors are negative errno; -ELOOP: a link that is not followed
 * (named_file_error()).
 */
#include <stdbool.h>
#include <sys/types.h>

struct named_file {
    char *path;     /* the name itself, or what the link of that name leads to; it need not exist */
    bool is_stream; /* a pipe, terminal, socket or device: written to, never replaced */
    int fd;         /* the descriptor that /dev/stdout or /dev/fd/N stands for; -1: none */
};

/* Fills `ret_file`, which named_file_clear() frees. Opens nothing. */
int named_file_resolve(const char *name, struct named_file *ret_file);
void named_file_clear(struct named_file *file);

/*
 * Opens what was resolved, as open(2) does, with O_CLOEXEC and O_NOFOLLOW. Gives a duplicate if the
 * name stands for a descriptor that whoever started this process gave it, whatever `flags` say;
 * -EBADF: it did not. Returns the descriptor.
 */
int named_file_open(const struct named_file *file, int flags, mode_t mode);
/* Resolves and opens. */
int named_file_open_name(const char *name, int flags, mode_t mode);

/* Removes the file that the name leads to, if it is no stream; the link itself stays. */
void named_file_remove(const char *name);
/* Gives that file to somebody else, if it is no stream: chown(2). */
int named_file_chown(const char *name, uid_t uid, gid_t gid);

/* strerror(3) for an error of this header. */
const char *named_file_error(int err);
