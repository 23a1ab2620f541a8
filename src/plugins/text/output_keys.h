/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The keys that all plugins which write text share: how values read, and who owns the files. */
#include "plugins/text/format.h"
#include <sys/types.h>

struct text;

extern const struct pa_key output_keys[]; /* for `shared_keys` */

/* The owner of all files and directories that a plugin creates. */
struct file_owner {
    mode_t mask; /* bits taken away from files and directories */
    uid_t uid;   /* (uid_t)-1: as the process */
    gid_t gid;
};

/* Fills all options but those that only one plugin knows: is_event, has_event_type, separator,
 * has_quotes, has_numeric_protos. */
void output_options_read(const struct pa_host *host, struct format_options *ret_options);

/* -EINVAL with a text in `error`: no such user or group, no octal mask. Reads the user database. */
int file_owner_read(const struct pa_host *host, char *error, size_t error_size,
                    struct file_owner *ret_owner);
/* Makes the directories above `path`; those that are there already are left as they are. */
int file_owner_make_directories(const struct file_owner *owner, const char *path);
/*
 * Calls open(2) with the owner's mode, and gives a file that it created to the owner. With O_EXCL a
 * file that is there already is -EEXIST. `path` never leads through a link in its last component: a
 * name that an operator wrote goes through base/named_file.h first. Returns the fd or a negative errno.
 */
int file_owner_open(const struct file_owner *owner, const char *path, int flags);
/* Puts a file of the owner with these bytes in place of `path`, in one step: file_replace_at(). */
int file_owner_replace(const struct file_owner *owner, const char *path, const void *data,
                       size_t len);

/* Appends writer_id_string with its variables filled in: "matrix/4711". */
void writer_id_append(const struct pa_host *host, struct text *out);
