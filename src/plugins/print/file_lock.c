/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks a file of its own, since NAME and its companions are renamed and replaced. See file_lock.h. */
#include "plugins/print/file_lock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/output_keys.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTENT_MAX 256

static char *lock_path(const char *name)
{
    const char *slash = strrchr(name, '/');
    int folder_len = slash ? (int)(slash + 1 - name) : 0;

    return mem_printf("%.*s.%s.lock", folder_len, name, name + folder_len);
}

/* False if the file was removed, or another stands in its place, since it was opened. */
static bool is_still_there(const char *path, int fd)
{
    struct stat open_one, there;

    return fstat(fd, &open_one) == 0 && lstat(path, &there) == 0 &&
           open_one.st_dev == there.st_dev && open_one.st_ino == there.st_ino;
}

/* The content is only for the words of others: an error does not matter. */
static void say_who(int fd, const char *who)
{
    struct text line = {0};

    text_append_printf(&line, "%d %d %s\n", (int)getpid(), (int)getppid(), who);
    if (ftruncate(fd, 0) == 0)
        (void)file_write_all(fd, line.data, line.len);
    text_clear(&line);
}

int file_lock_take(const char *name, const struct file_owner *owner, const char *who, int *ret_fd)
{
    char *path = lock_path(name);
    int fd;

    for (;;) {
        fd = file_owner_open(owner, path, O_RDWR);
        if (fd < 0)
            break;
        int err = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
        if (err == 0 && is_still_there(path, fd))
            break;
        close(fd);
        fd = err == -EWOULDBLOCK ? -EBUSY : err;
        if (err < 0 && err != -EINTR)
            break;
    }
    mem_free(path);
    if (fd < 0)
        return fd;
    say_who(fd, who);
    *ret_fd = fd;
    return 0;
}

void file_lock_drop(const char *name, int fd)
{
    char *path = lock_path(name);

    if (is_still_there(path, fd))
        unlink(path);
    close(fd);
    mem_free(path);
}

/* ---- the holder ---- */

/* Returns the parent of a process; 0: not known. The name before it may hold anything (proc(5)). */
static long parent_of(long pid)
{
    char path[64], content[CONTENT_MAX];

    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if (file_read_start(path, content, sizeof content) < 0)
        return 0;
    const char *end = strrchr(content, ')');
    return end && strlen(end) > 4 ? strtol(end + 4, NULL, 10) : 0;
}

void file_lock_holder_read(const char *name, struct file_lock_holder *ret_holder)
{
    struct file_lock_holder holder = {.who = "another process"};
    char *path = lock_path(name), content[CONTENT_MAX], *at;

    if (file_read_start(path, content, sizeof content) > 0) {
        long pid = strtol(content, &at, 10), core = strtol(at, &at, 10), parent = parent_of(pid);
        if (pid > 0 && core > 0 && *at == ' ') {
            at[strcspn(at, "\n")] = '\0';
            holder.pid = (pid_t)pid;
            holder.is_orphan = parent != 0 && parent != core;
            snprintf(holder.who, sizeof holder.who, "%s", at + 1);
        }
    }
    mem_free(path);
    *ret_holder = holder;
}
