/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Whole files: read, written, and replaced in one step. Nothing is kept between calls, so any thread
 * may make them; each of them waits for the disk. Paths, names and descriptors stay the caller's
 * unless a function says that it takes one. Errors are negative errno.
 */
#include <stddef.h>
#include <sys/types.h>

struct text;

/*
 * Writes all bytes, going on after a short write and a signal; `fd` must be one that blocks. After
 * an error some of them may be written, and nobody knows how many.
 */
int file_write_all(int fd, const void *data, size_t len);

/*
 * Appends what is left of an open file, also of a pipe or of a file that grows meanwhile, to
 * `content`. -EFBIG: more than `max` bytes. After an error `content` holds what was read until then.
 */
int file_read_all(int fd, size_t max, struct text *content);
/* The same from the start of a file by path. */
int file_read(const char *path, size_t max, struct text *content);

/*
 * Fills `content`, which has room for `size` bytes, with the start of a small file, such as one of
 * proc(5), and ends it as a string. Never waits, and follows no link at the end of the path. Returns
 * the length; after an error `content` is "".
 */
int file_read_start(const char *path, char *content, size_t size);

/* Modes less the umask: what anybody may read, and what tells of peers and exporters. */
#define FILE_MODE_PUBLIC 0666
#define FILE_MODE_SHARED 0640

/* How much of a replacement is on the disk when the call returns. */
enum file_sync {
    FILE_SYNC_NONE,    /* none: if the machine fails, the file may be empty afterwards */
    FILE_SYNC_CONTENT, /* the content: afterwards it is the old file or the new one */
    FILE_SYNC_FOLDER,  /* content and name: afterwards it is the new one */
};

/*
 * Makes a file of these bytes and renames it over `name`, which an operator wrote (named_file.h): who
 * opens it finds the old content or the new one, never a part. The new file is beside it until then,
 * under a name that nobody can foretell, and has `mode` less the umask whatever mode the old one had.
 * After an error the old file stands and the new one is gone; only if syncing the folder failed, the
 * new one is in place. Where the name leads to a stream the bytes are written to it.
 */
int file_replace(const char *name, const void *data, size_t len, mode_t mode, enum file_sync sync);
/* Returns PATH.XXXXXXXX with digits that nobody can foretell, for a file that is to replace PATH; the
 * caller creates it with O_EXCL and O_NOFOLLOW, and frees the name. */
char *file_aside_name(const char *path);
/*
 * The same with a file that the caller opened: `fd` is `aside`, empty, with mode and owner as they
 * shall be. Takes `fd`; a negative one is the error that opening it gave, and is returned. Relative
 * names are those of `folder_fd`, or of the current folder with AT_FDCWD; FILE_SYNC_FOLDER syncs
 * `folder_fd`, which must be a descriptor then.
 */
int file_replace_at(int folder_fd, const char *aside, const char *name, int fd, const void *data,
                    size_t len, enum file_sync sync);

/* Makes the names in the folder of `path` durable. No error on a file system that cannot do it. */
int file_sync_folder(const char *path);
