/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Flow sockets that outlived the daemon that opened them, in the service manager's store: which of
 * them are such as the settings ask for, and in which order the kernel has them in their group. A
 * steering program (input/steering.h) tells sockets by that order. Each is kept under a name,
 * "nfacctd.0", "nfacctd.1"..., with its number in the group. The main thread, before others start.
 */
#include "base/passed_sockets.h"
#include "base/service.h"
#include "input/receive_udp.h"

/* Writes the name of the group's socket of that number. The first one's tells the multicast groups
 * too, as nobody can ask a socket for those. */
void kept_socket_name(const struct udp_settings *settings, uint32_t index,
                      char ret_name[SERVICE_NAME_LEN]);

struct kept_sockets {
    int *fds; /* in the group's order */
    uint32_t count;
    char *groups;       /* that the first one has joined, as its name tells them; NULL: none */
    bool is_same_group; /* just what the settings ask for: nothing is to be kept anew */
};

/*
 * Takes those of `passed` that fit, and closes all others, with a line in the log that says why. With
 * `settings` NULL no flow sockets are needed. The caller owns the descriptors.
 */
void kept_sockets_take(const struct udp_settings *settings, struct passed_sockets *passed,
                       struct kept_sockets *ret_kept);
/* Frees the lists; descriptors stay open. */
void kept_sockets_clear(struct kept_sockets *kept);
