/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Descriptors that the service manager passes to a process that it starts: LISTEN_PID, LISTEN_FDS
 * and LISTEN_FDNAMES of sd_listen_fds(3). They are those that the process before this one has left in
 * the manager's store (service_store()). The main thread, before others start.
 */
#include <stddef.h>
#include <sys/types.h>

struct passed_socket {
    int fd;     /* -1: somebody has taken it */
    char *name; /* as it was stored; "unknown": it has none */
};

struct passed_sockets {
    struct passed_socket *items;
    size_t count;
};

/* More than that are not looked at. */
enum { PASSED_SOCKETS_MAX = 1024, PASSED_SOCKET_FIRST = 3 };

/* Reads the environment, and closes the descriptors to programs that are started. */
void passed_sockets_find(struct passed_sockets *ret_passed);
/* Does the same with the texts of the three variables, each of which may be NULL, for the process
 * `pid`. Nothing is touched. */
void passed_sockets_parse(const char *listen_pid, const char *listen_fds, const char *listen_names,
                          pid_t pid, struct passed_sockets *ret_passed);
/* Moves those whose name begins so into a list of their own. */
void passed_sockets_part(struct passed_sockets *passed, const char *prefix,
                         struct passed_sockets *ret_part);
/* Frees the list; descriptors that nobody has taken stay open. */
void passed_sockets_clear(struct passed_sockets *passed);
