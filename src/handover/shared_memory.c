/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls of Linux behind the shared memory: memfd_create(2), seals, and /proc/self/fd for a
 * descriptor that can only read. */
#include "handover/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int shared_memory_new(const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int shared_memory_seal(int fd, enum shared_memory_writers writers)
{
    int seals = F_SEAL_GROW | F_SEAL_SEAL;

    if (writers == SHARED_MEMORY_ONE_WRITER && fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0 &&
        errno != EINVAL)
        return -errno;
    return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int shared_memory_open_readonly(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int readonly = open(path, O_RDONLY | O_CLOEXEC);
    return readonly < 0 ? -errno : readonly;
}

int shared_memory_map(int fd, size_t size, int protection, void **ret_address)
{
    void *address = mmap(NULL, size, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (address == MAP_FAILED)
        return -errno;
    *ret_address = address;
    return 0;
}
