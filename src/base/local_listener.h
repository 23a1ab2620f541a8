/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A Unix socket in the file system on which something is served. One thread. */
#include <stddef.h>
#include <sys/types.h>

struct local_listener_place {
    const char *key; /* of the configuration, for errors: imt_path */
    const char *path;
    mode_t mode;
    gid_t group; /* (gid_t)-1: as the process */
};

/* Returns what is wrong with the path as that of a socket; NULL: nothing. */
const char *local_listener_path_error(const char *path);

/*
 * Makes the socket (non-blocking), and replaces one that nobody serves any more. -EADDRINUSE:
 * another process serves it; -EEXIST: a file that is no socket stands there. What is wrong and what
 * would be right stands in `error`.
 */
int local_listener_open(const struct local_listener_place *place, char *error, size_t error_size,
                        int *ret_fd);
/* Tells whether local_listener_open() would work; makes and removes nothing. Errors as above. */
int local_listener_try_out(const struct local_listener_place *place, char *error,
                           size_t error_size);
/* Closes the socket and removes it from the file system if it is still the one there. */
void local_listener_close(int fd, const char *path);
