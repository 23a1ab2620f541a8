/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Anonymous files (memfd) as memory between the core and a plugin host. They are sealed against
 * shrinking, so that no mapping can turn into SIGBUS. Only this folder uses it.
 */
#include <stddef.h>

/* A file of `size` bytes that may only grow, closed on exec. The fd, or -errno. */
int shared_memory_new(const char *name, size_t size);
/* A new descriptor of the same file that can only read, also through /proc. The fd, or -errno. */
int shared_memory_open_readonly(int fd);
/* Maps the first `size` bytes; beyond the file's end they may be mapped but not touched. -errno. */
int shared_memory_map(int fd, size_t size, int protection, void **ret_address);
