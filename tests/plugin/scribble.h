/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Does to the memory that the host shares with the daemon what a plugin with a fault may do: writes
 * over all of it, where the kernel lets it. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* True if the pages can be made writable, or mapped so by a descriptor of the same file. */
static inline int scribble_can_force(void *start, size_t len, const char *name)
{
    char path[64], target[256];
    int can = mprotect(start, len, PROT_READ | PROT_WRITE) == 0;

    /* The pool is left out: its owner may open it anew, as it may attach a debugger to the daemon. */
    for (int fd = 3; fd < 64 && !can && strstr(name, "pool") == NULL; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t got = readlink(path, target, sizeof target - 1);
        target[got < 0 ? 0 : got] = '\0';
        if (strstr(target, name) == NULL)
            continue;
        int again = open(path, O_RDWR | O_CLOEXEC);
        void *memory =
            again >= 0 ? mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) : MAP_FAILED;
        can = memory != MAP_FAILED || (again >= 0 && pwrite(again, "x", 1, 64) == 1);
        if (memory != MAP_FAILED)
            munmap(memory, len);
        if (again >= 0)
            close(again);
    }
    return can;
}

/* Writes over what is writable, and notes "W name" for what should not be. */
static inline void scribble(int note_fd)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], mode[8], name[256];
    unsigned long start, end;

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &start, &end, mode, name) != 4 ||
            strncmp(name, "/memfd:pathacct-", 16) != 0)
            continue;
        void *memory = (void *)(uintptr_t)start;
        size_t len = end - start;
        if (strcmp(name, "/memfd:pathacct-cursors") == 0)
            memset(memory, 0xa5, len);
        else if (mode[1] == 'w' || scribble_can_force(memory, len, name + 1))
            dprintf(note_fd, "W %s\n", name);
    }
    if (maps != NULL)
        fclose(maps);
}
