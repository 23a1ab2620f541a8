/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loops and the order of calls that make a file whole; see rename(2) and fsync(2). */
#include "base/file.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE   ((size_t)64 << 10) /* bytes asked for where no size is known */
#define ASIDE_TRIES 16                 /* names of which somebody would have to have all */

int file_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A byte more than the file has, so that the read after it finds the end without growing. */
static size_t first_size(const struct stat *status, size_t max)
{
    size_t size = (size_t)status->st_size;

    if (!S_ISREG(status->st_mode) || size == 0)
        return READ_SIZE;
    return (size < max ? size : max) + 1;
}

int file_read_all(int fd, size_t max, struct text *content)
{
    size_t start = content->len;
    struct stat status;

    if (fstat(fd, &status) < 0)
        return -errno;
    text_reserve(content, first_size(&status, max));
    for (;;) {
        ssize_t n = read(fd, content->data + content->len, content->capacity - content->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        content->len += (size_t)n;
        if (content->len - start > max)
            return -EFBIG;
        if (content->len == content->capacity)
            text_reserve(content, READ_SIZE);
    }
}

int file_read(const char *path, size_t max, struct text *content)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int err = file_read_all(fd, max, content);
    close(fd);
    return err;
}

int file_read_start(const char *path, char *content, size_t size)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    size_t len = 0;
    ssize_t n = fd < 0 ? -1 : 0;

    while (fd >= 0 && len < size - 1) {
        n = read(fd, content + len, size - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    int err = n < 0 ? -errno : (int)len;
    content[err < 0 ? 0 : len] = '\0';
    if (fd >= 0)
        close(fd);
    return err;
}

/* EINVAL: a file system that syncs in some way of its own. */
static int sync_fd(int fd)
{
    return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

int file_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd < 0 ? -errno : sync_fd(fd);

    if (fd >= 0)
        close(fd);
    mem_free(folder);
    return err;
}

int file_replace_at(int folder_fd, const char *aside, const char *name, int fd, const void *data,
                    size_t len, enum file_sync sync)
{
    if (fd < 0)
        return fd;
    int err = file_write_all(fd, data, len);
    if (err == 0 && sync != FILE_SYNC_NONE)
        err = sync_fd(fd);
    if (close(fd) < 0 && err == 0)
        err = -errno;
    if (err == 0 && renameat(folder_fd, aside, folder_fd, name) < 0)
        err = -errno;
    if (err < 0) {
        unlinkat(folder_fd, aside, 0);
        return err;
    }
    return sync == FILE_SYNC_FOLDER ? sync_fd(folder_fd) : 0;
}

char *file_aside_name(const char *path)
{
    uint32_t number;

    /* Without a source of random bytes O_EXCL still keeps others' files and links from being used. */
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint32_t)clock_mono().ns;
    return mem_printf("%s.%08x", path, number);
}

/* Makes a new file beside `path`. The caller frees its name. */
static int open_aside(const char *path, mode_t mode, char **ret_aside)
{
    for (int i = 0;; i++) {
        char *aside = file_aside_name(path);
        int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd >= 0 || errno != EEXIST || i == ASIDE_TRIES) {
            *ret_aside = aside;
            return fd < 0 ? -errno : fd;
        }
        mem_free(aside);
    }
}

/* A pipe without a reader is an error, and so is one that takes no more: nobody waits for it. */
static int put_stream(const struct named_file *stream, const void *data, size_t len)
{
    int fd = named_file_open(stream, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0);

    if (fd < 0)
        return fd;
    int err = file_write_all(fd, data, len);
    close(fd);
    return err;
}

static int replace_target(const char *path, const void *data, size_t len, mode_t mode,
                          enum file_sync sync)
{
    char *aside;
    int fd = open_aside(path, mode, &aside);
    enum file_sync own = sync == FILE_SYNC_FOLDER ? FILE_SYNC_CONTENT : sync;
    int err = file_replace_at(AT_FDCWD, aside, path, fd, data, len, own);

    if (err == 0 && sync == FILE_SYNC_FOLDER)
        err = file_sync_folder(path);
    mem_free(aside);
    return err;
}

int file_replace(const char *name, const void *data, size_t len, mode_t mode, enum file_sync sync)
{
    struct named_file target;
    int err = named_file_resolve(name, &target);

    if (err < 0)
        return err;
    err = target.is_stream ? put_stream(&target, data, len)
                           : replace_target(target.path, data, len, mode, sync);
    named_file_clear(&target);
    return err;
}
