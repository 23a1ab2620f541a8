/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The Unix socket in the file system on which a table is served. */
#include <stddef.h>
#include <sys/types.h>

struct listener_place {
    const char *path;
    mode_t mode;
    gid_t group; /* (gid_t)-1: as the process */
};

/* Returns what is wrong with the path as that of a socket; NULL: nothing. */
const char *listener_path_error(const char *path);

/*
 * Makes the socket (non-blocking), and replaces one that nobody serves any more. -EADDRINUSE:
 * another process serves it; -EEXIST: a file that is no socket stands there. What is wrong and what
 * would be right stands in `error`.
 */
int listener_open(const struct listener_place *place, char *error, size_t error_size, int *ret_fd);
/* Tells whether listener_open() would work; makes and removes nothing. Errors as above. */
int listener_try_out(const struct listener_place *place, char *error, size_t error_size);
/* Closes the socket and removes it from the file system if it is still the one there. */
void listener_close(int fd, const char *path);
