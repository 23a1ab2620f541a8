/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for a file system that stands still: preloaded into a process, it has fsync(2) and
 * fdatasync(2) of files whose path has $STILL_DISK_NAME in it wait while another process holds the lock
 * of the file $STILL_DISK_LOCK.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int is_on_it(int fd)
{
    const char *name = getenv("STILL_DISK_NAME");
    char link[64], path[4096];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0 || !name)
        return 0;
    path[len] = '\0';
    return strstr(path, name) != NULL;
}

static void wait_for_it(int fd)
{
    const char *lock = getenv("STILL_DISK_LOCK");
    int lock_fd = lock && is_on_it(fd) ? open(lock, O_RDONLY | O_CLOEXEC) : -1;

    if (lock_fd < 0)
        return;
    flock(lock_fd, LOCK_SH);
    close(lock_fd);
}

static int call(const char *name, int fd)
{
    int (*next)(int fd);

    *(void **)(void *)&next = dlsym(RTLD_NEXT, name);
    wait_for_it(fd);
    return next(fd);
}

__attribute__((visibility("default"))) int fsync(int fd)
{
    return call("fsync", fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    return call("fdatasync", fd);
}
