/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * access(2) tells of permissions; a file without a name (O_TMPFILE) tells of the rest: a file system
 * that is full, read-only or none to make files in. See file_trial.h.
 */
#include "base/file_trial.h"

#include "base/memory.h"
#include "base/named_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For file systems without nameless files: a folder is made and removed. */
static int try_by_name(const char *folder)
{
    char *name = mem_printf("%s/.pathacct-%ld", folder, (long)getpid());
    int err = mkdir(name, 0700) < 0 ? -errno : 0;

    if (err == 0 && rmdir(name) < 0)
        err = -errno;
    mem_free(name);
    return err;
}

/* Tries a folder that is there. */
static int try_existing(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    if (fd >= 0) {
        close(fd);
        return 0;
    }
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT)
        return try_by_name(folder);
    return -errno;
}

/* Returns the folder above a path, to be freed: of "a/b" it is "a", of "a" ".", of "/a" "/". NULL:
 * nothing is above it. */
static char *parent_of(const char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len == 0 || (len == 1 && (*path == '/' || *path == '.')))
        return NULL;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    return len > 0 ? mem_strndup(path, len) : mem_strdup(".");
}

int file_trial_folder(const char *folder, bool makes_folders)
{
    char *at = mem_strdup(folder);
    struct stat status;
    int err;

    for (;;) {
        err = stat(at, &status) < 0 ? -errno : S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
        char *above = err == -ENOENT && makes_folders ? parent_of(at) : NULL;
        if (!above)
            break;
        mem_free(at);
        at = above;
    }
    if (err == 0 && faccessat(AT_FDCWD, at, W_OK | X_OK, AT_EACCESS) < 0)
        err = -errno;
    if (err == 0)
        err = try_existing(at);
    mem_free(at);
    return err;
}

static int try_folder_of(const char *path, bool makes_folders)
{
    char *folder = parent_of(path);
    int err = folder ? file_trial_folder(folder, makes_folders) : -EISDIR;

    mem_free(folder);
    return err;
}

static int try_write(const char *path, bool makes_folders)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return errno == ENOENT ? try_folder_of(path, makes_folders) : -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int try_replace(const char *path)
{
    struct stat status;

    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return -EISDIR;
    return try_folder_of(path, false);
}

int file_trial_write(const char *name, bool makes_folders)
{
    struct named_file target;
    int err = named_file_resolve(name, &target);

    if (err < 0)
        return err;
    err = target.fd < 0 ? try_write(target.path, makes_folders) : 0;
    named_file_clear(&target);
    return err;
}

int file_trial_replace(const char *name)
{
    struct named_file target;
    int err = named_file_resolve(name, &target);

    if (err < 0)
        return err;
    if (!target.is_stream)
        err = try_replace(target.path);
    else if (target.fd < 0)
        err = try_write(target.path, false);
    named_file_clear(&target);
    return err;
}
