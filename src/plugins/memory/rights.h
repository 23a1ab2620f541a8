/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Who a client is, by what the kernel says of its end of the socket (unix(7), SO_PEERCRED and
 * SO_PEERGROUPS), and what it may do. Whoever may write to the socket may read; what takes rows out
 * of the table is for root, for the user that the plugin is, and for members of imt_group.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct rights {
    uid_t uid;
    bool is_trusted; /* root, or who the plugin is */
    bool may_clear;
};

/* Finds out about a client. `group`: imt_group; (gid_t)-1: none. -errno: the kernel does not tell,
 * and nothing is granted. */
int rights_of_client(int fd, gid_t group, struct rights *ret_rights);
/* How many of so many clients may be of one user who is not trusted: half of them, at least one. */
uint32_t rights_share(uint32_t clients_max);
