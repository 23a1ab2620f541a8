/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A spool's folder, plugin_spool_dir/INSTANCE, as the core and the plugin hosts both know it: the
 * names in it, and who may use it.
 *
 *     N.handover       waits; N.handover.1, .2: a plugin has died over it as often
 *     N.poison         killed the plugin three times: kept for a person, never read again
 *     N.unreadable     damaged, or of a version that this one does not know; each start tries again
 *     N.incoming       is being written
 *     lock             says who uses the folder: daemon, configuration file, process id
 *
 * N is a number of 20 digits. Files of other names are somebody else's and stay as they are. The
 * lock file has two places: the core locks one for its whole life, the host the other. A host may
 * outlive its core, while it delivers; then the next core gets its place and its host waits. The
 * locks belong to open files (F_OFD_SETLK in fcntl(2)), so that no death leaves one behind. Any
 * thread; errors are negative errno.
 */
#include <stdbool.h>
#include <stdint.h>

struct text;

#define SPOOL_NAME_SIZE    64
#define SPOOL_ATTEMPTS_MAX 9u

enum spool_file_kind {
    SPOOL_FILE_WAITING,
    SPOOL_FILE_POISON,
    SPOOL_FILE_UNREADABLE,
    SPOOL_FILE_INCOMING,
    SPOOL_FILE_KINDS
};

struct spool_file_name {
    enum spool_file_kind kind;
    uint64_t number;
    unsigned attempts; /* 0 to SPOOL_ATTEMPTS_MAX; 0 but for SPOOL_FILE_WAITING */
};

void spool_file_name_format(const struct spool_file_name *name, char out[SPOOL_NAME_SIZE]);
/* Returns false if it is not the name of a file of a spool. */
bool spool_file_name_parse(const char *text, struct spool_file_name *ret_name);

/* Opens DIR/INSTANCE, and makes it before if `make` says so; the descriptor, or an error. -EINVAL:
 * the instance has a name that cannot be a folder's. -ELOOP, -ENOTDIR: the name is a link, a file. */
int spool_folder_open(const char *dir, const char *instance_name, bool make);

/* Gives a file another name; -EEXIST: another file has it already, and nothing has changed. */
int spool_folder_rename(int folder_fd, const struct spool_file_name *from,
                        const struct spool_file_name *to);

/* Calls `fn` for each regular file of a spool that was there before the first call, by number. */
typedef void spool_folder_fn(void *arg, const struct spool_file_name *name, uint64_t size);
int spool_folder_each(int folder_fd, spool_folder_fn *fn, void *arg);

/* How many files of each kind there are, and how many bytes wait. */
struct spool_folder_counts {
    uint64_t files[SPOOL_FILE_KINDS];
    uint64_t bytes;
};
int spool_folder_count(int folder_fd, struct spool_folder_counts *ret_counts);

enum spool_lock_place { SPOOL_LOCK_CORE, SPOOL_LOCK_HOST };

/* Locks a place. The descriptor, which holds the lock until it is closed and is closed on exec;
 * -EWOULDBLOCK: somebody else has it. */
int spool_lock_take(int folder_fd, enum spool_lock_place place);
/* Writes into the lock file who has it: this process. */
int spool_lock_sign(int lock_fd, const char *daemon_name, const char *config_file);
/* Appends who signed the lock file: "process 1234 (nfacctd, configuration file /etc/x.conf)". */
void spool_lock_describe_holder(int folder_fd, struct text *out);
/* True if somebody else has that place of it, or nobody can say. */
bool spool_lock_is_taken(int folder_fd, enum spool_lock_place place);
