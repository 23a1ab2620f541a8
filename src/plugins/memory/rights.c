/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the kernel who connected. See rights.h. */
#include "plugins/memory/rights.h"
#include "base/memory.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static bool has_group(const gid_t *groups, size_t count, gid_t group)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

/* True if one of the client's further groups is this one. */
static bool is_member(int fd, gid_t group)
{
    socklen_t len = 0;
    gid_t *groups;
    bool is_there;

    /* The kernel says how much room is needed. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE || len == 0)
        return false;
    groups = mem_alloc(len);
    is_there = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0 &&
               has_group(groups, len / sizeof *groups, group);
    mem_free(groups);
    return is_there;
}

int rights_of_client(int fd, gid_t group, struct rights *ret_rights)
{
    struct ucred who;
    socklen_t len = sizeof who;
    struct rights r;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0) {
        int err = -errno;
        *ret_rights = (struct rights){.uid = (uid_t)-1};
        return err;
    }
    r.uid = who.uid;
    r.is_trusted = who.uid == 0 || who.uid == geteuid();
    r.may_clear =
        r.is_trusted || (group != (gid_t)-1 && (who.gid == group || is_member(fd, group)));
    *ret_rights = r;
    return 0;
}

uint32_t rights_share(uint32_t clients_max)
{
    return clients_max > 1 ? clients_max / 2 : 1;
}
