/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Anonymous files (memfd) as memory between the core and a plugin host. They are sealed against
 * shrinking, so that no mapping can turn into SIGBUS. Only this folder uses it.
 */
#include <stddef.h>

/* A file of `size` bytes that may only grow, closed on exec. The fd, or -errno. */
int shared_memory_new(const char *name, size_t size);
/*
 * Says who writes, once the writer has mapped it, and that the file keeps its size. With
 * SHARED_MEMORY_ONE_WRITER nobody can map it to write or write(2) it from then on, by whatever
 * descriptor (Linux 5.1). No error if the kernel cannot do it. -errno.
 */
enum shared_memory_writers { SHARED_MEMORY_ONE_WRITER, SHARED_MEMORY_MANY_WRITERS };
int shared_memory_seal(int fd, enum shared_memory_writers writers);
/* A new descriptor of the same file that can only read, as can a mapping of it. The fd, or -errno. */
int shared_memory_open_readonly(int fd);
/* Maps the first `size` bytes; beyond the file's end they may be mapped but not touched. -errno. */
int shared_memory_map(int fd, size_t size, int protection, void **ret_address);
