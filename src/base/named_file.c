/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Follows links by hand, component by component, as path_resolution(7) says. See named_file.h. */
#include "base/named_file.h"

#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as many as Linux follows */

/* Reads the number of a descriptor in the names that stand for one, which are links to something
 * that may have no name at all. -1: it is another name. */
static int descriptor_of(const char *path)
{
    static const char *const prefixes[] = {"/dev/fd/", "/proc/self/fd/"};
    static const char *const names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};

    for (int fd = 0; fd < 3; fd++)
        if (strcmp(path, names[fd]) == 0)
            return fd;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(path, prefixes[i], len) != 0)
            continue;
        char *end;
        long fd = strtol(path + len, &end, 10);
        return end > path + len && *end == '\0' && fd >= 0 && fd < INT_MAX ? (int)fd : -1;
    }
    return -1;
}

static bool is_ours(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

/* Tells whether a link in `folder` is to be followed. */
static bool is_trusted(const char *folder, const struct stat *link)
{
    struct stat status;

    if (is_ours(link->st_uid))
        return true;
    return stat(*folder ? folder : ".", &status) == 0 && is_ours(status.st_uid) &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* A walk along a path: links are followed up to the end of `done`, `rest` is still to be looked at. */
struct path_walk {
    struct text done;
    char *rest;
    unsigned link_count;
    bool ends_in_link; /* the last component of the name was a link */
};

/* Puts what a link says in place of the component behind `folder_len` bytes of `done`. */
static int follow(struct path_walk *w, size_t folder_len, const char *rest)
{
    char target[PATH_MAX];

    if (++w->link_count > LINKS_MAX)
        return -ELOOP;
    ssize_t len = readlink(text_cstr(&w->done), target, sizeof target - 1);
    if (len < 0)
        return -errno;
    target[len] = '\0';
    char *next = *rest ? mem_printf("%s/%s", target, rest) : mem_strdup(target);
    w->ends_in_link = w->ends_in_link || *rest == '\0';
    w->done.len = *target == '/' ? 0 : folder_len;
    mem_free(w->rest);
    w->rest = next;
    return 0;
}

/* Takes the next component of `rest`. Returns 1 at the end of the path, and where nothing is. */
static int step(struct path_walk *w)
{
    const char *at = w->rest;
    struct stat status;

    if (*at == '/' && w->done.len == 0)
        text_append_char(&w->done, '/');
    at += strspn(at, "/");
    size_t len = strcspn(at, "/"), folder_len = w->done.len;
    if (len == 0)
        return 1;
    char *folder = mem_strndup(text_cstr(&w->done), folder_len);
    if (folder_len > 0 && w->done.data[folder_len - 1] != '/')
        text_append_char(&w->done, '/');
    text_append(&w->done, at, len);
    at += len;
    int err = 0;
    if (lstat(text_cstr(&w->done), &status) < 0) {
        err = errno == ENOENT ? 1 : -errno;
        text_append_string(&w->done, at);
    } else if (S_ISLNK(status.st_mode)) {
        err = is_trusted(folder, &status) ? follow(w, folder_len, at + strspn(at, "/")) : -ELOOP;
    } else {
        char *next = mem_strdup(at);
        mem_free(w->rest);
        w->rest = next;
    }
    mem_free(folder);
    return err;
}

static void set_descriptor(struct named_file *file, const char *path, int fd)
{
    file->path = mem_strdup(path);
    file->is_stream = true;
    file->fd = fd;
}

static int finish(struct named_file *file, struct path_walk *w, const char *name)
{
    struct stat status;

    /* A name that is no link stays as it was written, also below folders that are links. */
    file->path = mem_strdup(w->ends_in_link ? text_cstr(&w->done) : name);
    if (lstat(text_cstr(&w->done), &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    file->is_stream = !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
    return 0;
}

int named_file_resolve(const char *name, struct named_file *ret_file)
{
    struct named_file file = {.fd = -1};
    struct path_walk w = {.rest = mem_strdup(name)};
    int result = 0, fd = -1;

    while (result == 0) {
        unsigned before = w.link_count;
        if (w.done.len == 0 && (fd = descriptor_of(w.rest)) >= 0)
            break;
        do
            result = step(&w);
        while (result == 0 && w.link_count == before);
    }
    if (fd >= 0)
        set_descriptor(&file, name, fd);
    else if (result > 0)
        result = finish(&file, &w, name);
    text_clear(&w.done);
    mem_free(w.rest);
    if (result < 0) {
        named_file_clear(&file);
        return result;
    }
    *ret_file = file;
    return 0;
}

void named_file_clear(struct named_file *file)
{
    mem_free(file->path);
    file->path = NULL;
}

/* All descriptors of our own are closed at exec; one above 2 that is not was given to us. */
static int duplicate(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    if (flags < 0 || (fd > STDERR_FILENO && (flags & FD_CLOEXEC) != 0))
        return -EBADF;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return copy < 0 ? -errno : copy;
}

int named_file_open(const struct named_file *file, int flags, mode_t mode)
{
    if (file->fd >= 0)
        return duplicate(file->fd);
    int fd = open(file->path, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    return fd < 0 ? -errno : fd;
}

int named_file_open_name(const char *name, int flags, mode_t mode)
{
    struct named_file file;
    int err = named_file_resolve(name, &file);

    if (err < 0)
        return err;
    int fd = named_file_open(&file, flags, mode);
    named_file_clear(&file);
    return fd;
}

void named_file_remove(const char *name)
{
    struct named_file file;

    if (named_file_resolve(name, &file) < 0)
        return;
    if (!file.is_stream)
        unlink(file.path);
    named_file_clear(&file);
}

int named_file_chown(const char *name, uid_t uid, gid_t gid)
{
    struct named_file file;
    int err = named_file_resolve(name, &file);

    if (err < 0)
        return err;
    if (!file.is_stream && lchown(file.path, uid, gid) < 0)
        err = -errno;
    named_file_clear(&file);
    return err;
}

const char *named_file_error(int err)
{
    if (err == -ELOOP)
        return "a symbolic link on the way to it is not followed: others can write to the link's "
               "folder, and it belongs neither to root nor to the user of this process (chown -h)";
    return strerrordesc_np(-err);
}
